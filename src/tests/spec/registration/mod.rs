//! RFC 7591 and 7592: clients that register themselves, and manage what they registered.

mod attacks;

use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, Request};
use serde_json::{Value, json};

use super::browser::Page;
use super::stand::{Answer, REALM, Stand};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::digest::sha256;
use crate::store::client::ProfileName;
use crate::store::initial_access_token::{self, InitialAccessToken};
use crate::store::{self};

pub(super) const INITIAL: &str = "the-initial-access-token";

pub(super) fn path() -> String {
    format!("{REALM}/clients-registrations/openid-connect")
}

/// Runs `test` on a stand of each engine where clients may register themselves, with a token for five of them.
pub(super) async fn on_both(test: impl AsyncFn(Stand)) {
    let on = |settings: &mut crate::oidc::Settings| settings.registration = true;
    Stand::on_both_with(on, async |stand| {
        let token = InitialAccessToken {
            name: "essai".into(),
            token_hash: sha256(INITIAL.as_bytes()).to_vec(),
            created_at: stand.clock.now(),
            expires_at: stand.clock.now() + TimeDelta::days(7),
            uses_left: 5,
        };
        let event = stand.event(Kind::RegistrationToken);
        assert!(initial_access_token::add(&stand.db, &token, &event).await.unwrap());
        test(stand).await;
    })
    .await;
}

/// A request with a JSON document and a token.
pub(super) async fn send(
    stand: &Stand,
    method: Method,
    path: &str,
    token: &str,
    document: Option<&Value>,
) -> Answer {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request =
        if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    let body = document.map_or_else(Body::empty, |document| Body::from(document.to_string()));
    stand.send(request.body(body).unwrap()).await
}

pub(super) fn document() -> Value {
    json!({ "client_name": "Application d’essai", "redirect_uris": ["https://essai.example/cb"] })
}

pub(super) async fn register(stand: &Stand, document: &Value) -> Answer {
    send(stand, Method::POST, &path(), INITIAL, Some(document)).await
}

/// A client that registered itself: what it was told.
pub(super) async fn registered(stand: &Stand) -> Value {
    let answer = register(stand, &document()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

pub(super) fn own_path(client: &Value) -> String {
    let uri = client["registration_client_uri"].as_str().unwrap();
    uri.strip_prefix("http://localhost:8080").unwrap().to_owned()
}

fn text<'a>(client: &'a Value, name: &str) -> &'a str {
    client[name].as_str().unwrap()
}

#[tokio::test]
async fn a_client_registers_itself_and_signs_in_its_users_with_their_consent() {
    on_both(async |stand| {
        let answer = register(&stand, &document()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers["cache-control"].to_str().unwrap()),
            (201, "no-store")
        );
        let client = answer.json();
        assert_eq!(client["client_secret_expires_at"], 0);
        assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(client["grant_types"], json!(["authorization_code", "refresh_token"]));
        let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));

        let kept = store::client::by_id(&stand.db, id).await.unwrap().unwrap();
        assert!(kept.self_registered && !kept.may_introspect);
        assert_eq!(kept.profile, ProfileName::Standard);
        assert_eq!(kept.secret_hash.as_deref(), Some(&sha256(secret.as_bytes())[..]), "kept as a hash");

        // Whoever is signed in is asked before the service learns who they are.
        let browser = stand.sign_in().await;
        let request = [("client_id", id), ("redirect_uri", "https://essai.example/cb")];
        let answer = stand.authorize(&request, &browser.cookie).await;
        assert_eq!(answer.parameter("code"), None);
        let silent = [&request[..], &[("prompt", "none")]].concat();
        let refused = stand.authorize(&silent, &browser.cookie).await;
        assert_eq!(refused.parameter("error").as_deref(), Some("consent_required"));
        let page = Page::after(&stand, &answer, &browser).await;
        assert!(page.shown.body.contains("Application d’essai"), "{}", page.shown.body);
        assert!(page.shown.body.contains("s’est inscrit lui-même"), "{}", page.shown.body);
        let answer = page.press(&stand, "allow").await;
        let code = answer.parameter("code").unwrap_or_else(|| panic!("{} {}", answer.status, answer.body));

        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=https://essai.example/cb&client_id={id}"
        );
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        let form = form.replace(&format!("&client_id={id}"), "");
        let answer =
            stand.post(super::stand::TOKEN, &form, &[("authorization", &format!("Basic {basic}"))]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn a_client_reads_replaces_and_removes_its_registration() {
    on_both(async |stand| {
        let client = registered(&stand).await;
        let (path, token) = (own_path(&client), text(&client, "registration_access_token"));
        let shown = send(&stand, Method::GET, &path, token, None).await;
        assert_eq!(shown.status, 200);
        assert!(shown.json().get("client_secret").is_none(), "it is kept nowhere");
        assert_eq!(shown.json()["registration_access_token"], client["registration_access_token"]);

        let mut changed = document();
        changed["client_id"] = client["client_id"].clone();
        changed["redirect_uris"] = json!(["https://essai.example/neuf"]);
        changed["contacts"] = json!(["support@essai.example"]);
        let answer = send(&stand, Method::PUT, &path, token, Some(&changed)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let kept = store::client::by_id(&stand.db, text(&client, "client_id")).await.unwrap().unwrap();
        assert_eq!(kept.redirect_uris, ["https://essai.example/neuf"]);
        assert_eq!(kept.metadata.contacts, ["support@essai.example"]);
        let hash = sha256(text(&client, "client_secret").as_bytes());
        assert_eq!(kept.secret_hash.as_deref(), Some(&hash[..]), "its secret stays");

        // Without a use for it the secret goes, and whoever comes back to one gets a new one.
        changed["token_endpoint_auth_method"] = json!("none");
        assert_eq!(send(&stand, Method::PUT, &path, token, Some(&changed)).await.status, 200);
        changed["token_endpoint_auth_method"] = json!("client_secret_post");
        let answer = send(&stand, Method::PUT, &path, token, Some(&changed)).await.json();
        assert_ne!(answer["client_secret"], client["client_secret"]);
        assert!(answer["client_secret"].is_string());

        assert_eq!(send(&stand, Method::DELETE, &path, token, None).await.status, 204);
        assert_eq!(send(&stand, Method::GET, &path, token, None).await.status, 401);
        assert!(store::client::by_id(&stand.db, text(&client, "client_id")).await.unwrap().is_none());
        let events = stand.events().await;
        for kind in ["client.added", "client.changed", "client.removed", "client.refused OIDC-153"] {
            assert!(events.iter().any(|event| event == kind), "{kind} {events:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn registration_is_off_unless_it_is_turned_on() {
    Stand::on_both(async |stand| {
        assert_eq!(register(&stand, &document()).await.status, 404);
        let discovery = format!("{REALM}/.well-known/openid-configuration");
        assert!(stand.get(&discovery, &[]).await.json().get("registration_endpoint").is_none());
    })
    .await;
    on_both(async |stand| {
        let discovery = format!("{REALM}/.well-known/openid-configuration");
        let document = stand.get(&discovery, &[]).await.json();
        assert!(document["registration_endpoint"].as_str().unwrap().ends_with(&path()));
    })
    .await;
}
