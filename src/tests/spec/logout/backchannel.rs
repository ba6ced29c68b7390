//! Relying parties are told that a session ended.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Form, Router};
use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};

use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::config::{self, Destination};
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::crypto::random::SystemRandom;
use crate::oidc::logout::backchannel::deliver_due;
use crate::oidc::outbound::Outbound;
use crate::session::EndReason;
use crate::store::client::{Metadata, NewClient, ProfileName};
use crate::store::logout_delivery::{DeliveryStanding, delivered, report, take_due, undelivered};
use crate::store::session;
use crate::tests::spec::browser::ORIGIN;
use crate::tests::spec::stand::{ISSUER, LOGOUT, NAMESPACE, NewRp, REALM, SignedIn, Stand, new_client};

type Received = Arc<Mutex<Vec<String>>>;

/// A relying party that listens, and answers with `status`.
async fn relying_party(status: StatusCode) -> (String, Received) {
    let received = Received::default();
    let listen = async move |State(received): State<Received>, Form(form): Form<Vec<(String, String)>>| {
        let token = form.into_iter().find(|(name, _)| name == "logout_token").unwrap().1;
        received.lock().unwrap().push(token);
        status
    };
    let routes = Router::new().route("/logout", post(listen)).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/logout", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, received)
}

async fn sign_out_of(stand: &Stand, uri: &str) -> SignedIn {
    sign_out_of_client(
        stand,
        &NewClient { backchannel_logout_uri: Some(uri.to_owned()), ..new_client("told") },
    )
    .await
}

async fn sign_out_of_client(stand: &Stand, new: &NewClient) -> SignedIn {
    stand.add_client(new).await;
    let browser = stand.sign_in().await;
    let told = [("client_id", "told"), ("redirect_uri", "https://told.example/cb")];
    stand.code(&told, &browser).await;
    let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
    // The person goes back to a service: there is no page that waits for the others.
    let back = "post_logout_redirect_uri=https://rp.example/bye";
    stand.post(LOGOUT, &format!("id_token_hint={hint}&{back}"), &[]).await;
    browser
}

fn to_this_machine() -> Outbound {
    let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
    Outbound::new(&config::Egress { allow }).unwrap()
}

#[tokio::test]
async fn a_signed_token_names_the_session() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::OK).await;
    let browser = sign_out_of(&stand, &uri).await;
    assert_eq!(deliver_due(&stand.provider, &to_this_machine()).await.unwrap(), 1);
    assert_eq!(deliver_due(&stand.provider, &to_this_machine()).await.unwrap(), 0);
    assert_eq!(undelivered(&stand.db).await.unwrap(), (0, 0));
    let tokens = received.lock().unwrap().clone();
    assert_eq!(tokens.len(), 1);
    let keys = stand.get(&format!("{REALM}/protocol/openid-connect/certs"), &[]).await.json();
    let keys: Vec<VerifyingKey> =
        keys["keys"].as_array().unwrap().iter().filter_map(|key| VerifyingKey::from_jwk(key).ok()).collect();
    let expected = Expected { typ: Some("logout+jwt"), algorithms: &[Algorithm::Rs256], max_len: 4096 };
    let key_of = |kid: Option<&str>| keys.iter().find(|key| Some(key.kid()) == kid);
    let token: Value = jose::verify(&tokens[0], expected, key_of).unwrap();
    let now = stand.clock.now().timestamp();
    let jti = token["jti"].clone();
    assert_eq!(
        token,
        json!({
            "iss": ISSUER, "sub": format!("f:{NAMESPACE}:899700427885"), "aud": "told", "iat": now, "exp": now + 120,
            "jti": jti, "typ": "Logout", "sid": browser.session.to_string(),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} }
        })
    );
    assert!(token.get("nonce").is_none(), "forbidden, so that it is no ID token");
    assert_eq!(stand.events().await.last().unwrap(), "logout.delivered");
}

#[tokio::test]
async fn what_fails_is_tried_again_later_and_given_up_in_the_end() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::SERVICE_UNAVAILABLE).await;
    sign_out_of(&stand, &uri).await;
    let outbound = to_this_machine();
    let mut attempts = 0;
    for seconds in [0, 5, 30, 120, 600, 1800, 7200, 28_800, 129_600, 1_000_000] {
        stand.advance(seconds);
        attempts += deliver_due(&stand.provider, &outbound).await.unwrap();
        assert_eq!(deliver_due(&stand.provider, &outbound).await.unwrap(), 0, "not twice at once");
    }
    assert_eq!((attempts, received.lock().unwrap().len()), (9, 9));
    assert_eq!(undelivered(&stand.db).await.unwrap(), (0, 1));
    let reported = report(&stand.db, Some("told")).await.unwrap().remove(0);
    assert_eq!(reported.standing, DeliveryStanding::GivenUp);
    assert_eq!(reported.reason, "the relying party answered 503 (OIDC-032)");
    assert_eq!(stand.events().await.last().unwrap(), "logout.delivered OIDC-032");
}

/// A relying party's address cannot make the provider call the machines behind it.
#[tokio::test]
async fn an_address_behind_the_provider_is_not_called() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::OK).await;
    sign_out_of(&stand, &uri).await;
    let outbound = Outbound::new(&config::Egress::default()).unwrap();
    assert_eq!(deliver_due(&stand.provider, &outbound).await.unwrap(), 1);
    assert!(received.lock().unwrap().is_empty());
    assert_eq!(undelivered(&stand.db).await.unwrap(), (1, 0));
}

/// What administrators opened is not open to whoever registered themselves, nor after they removed themselves again.
#[tokio::test]
async fn a_stranger_has_nothing_of_what_administrators_opened() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::OK).await;
    let stranger =
        NewClient { backchannel_logout_uri: Some(uri), self_registered: true, ..new_client("told") };
    sign_out_of_client(&stand, &stranger).await;
    assert_eq!(deliver_due(&stand.provider, &to_this_machine()).await.unwrap(), 1);
    stand.advance(5);
    stand.remove_client("told").await;
    deliver_due(&stand.provider, &to_this_machine()).await.unwrap();
    assert!(received.lock().unwrap().is_empty());
}

/// Signs the browser on to `client`, which is told of the end at `uri`.
async fn sign_on(stand: &Stand, client: &'static str, uri: &str, browser: &SignedIn) {
    let new = NewClient { backchannel_logout_uri: Some(uri.to_owned()), ..new_client(client) };
    stand.add_client(&new).await;
    let redirect = format!("https://{client}.example/cb");
    stand.code(&[("client_id", client), ("redirect_uri", &redirect)], browser).await;
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/logout", listener.local_addr().unwrap())
}

#[tokio::test]
async fn who_signs_out_reads_which_services_could_not_be_told() {
    Stand::on_both(async |stand| {
        let (uri, received) = relying_party(StatusCode::OK).await;
        let (busy, refusing) = (relying_party(StatusCode::SERVICE_UNAVAILABLE).await.0, nobody());
        let browser = stand.sign_in().await;
        sign_on(&stand, "good", &uri, &browser).await;
        sign_on(&stand, "busy", &busy, &browser).await;
        sign_on(&stand, "gone", &refusing, &browser).await;
        let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        let headers = [("cookie", browser.cookie.as_str()), ("accept-language", "fr")];
        let page = stand.get(&format!("{LOGOUT}?id_token_hint={hint}"), &headers).await;
        assert_eq!(page.status, StatusCode::OK);
        for shown in ["Ces services n’ont pas encore pu être prévenus", "Service busy", "Service gone"] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        assert!(!page.body.contains("Service good"), "{}", page.body);
        assert_eq!(received.lock().unwrap().len(), 1, "told while the page was made");
        assert_eq!(undelivered(&stand.db).await.unwrap(), (2, 0), "tried again");
        assert_eq!(deliver_due(&stand.provider, &to_this_machine()).await.unwrap(), 0, "after their pause");
        stand.advance(5);
        assert_eq!(deliver_due(&stand.provider, &to_this_machine()).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn who_signs_out_everywhere_reads_it_too_and_who_reached_all_reads_so() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        sign_on(&stand, "gone", &nobody(), &browser).await;
        let everywhere = async |browser: &SignedIn| {
            let (_, cookie) = browser.cookie.split_once('=').unwrap();
            let form = format!("csrf={}", crate::web::csrf::token(&cookie.to_owned().into()));
            let headers = [("cookie", browser.cookie.as_str()), ("accept-language", "fr"), ORIGIN];
            stand.post("/sessions/end", &form, &headers).await.body
        };
        let page = everywhere(&browser).await;
        assert!(page.contains("Service gone") && page.contains("pas encore pu être prévenus"), "{page}");
        let page = everywhere(&stand.sign_in().await).await;
        assert!(page.contains("ont été prévenus"), "{page}");
    })
    .await;
}

/// The job of another node, or of this one, may be quicker than the page: what it has taken is not told yet.
#[tokio::test]
async fn the_page_waits_for_those_that_another_node_is_telling() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        sign_on(&stand, "taken", &nobody(), &browser).await;
        let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        let (event, now) = (stand.event(Kind::SessionEnded), stand.clock.now());
        session::end(&stand.db, browser.session, EndReason::SignedOut, &event, now, &SystemRandom)
            .await
            .unwrap();
        let taken = take_due(&stand.db, 10, TimeDelta::minutes(1), now).await.unwrap();
        let page = async || {
            let headers = [("cookie", browser.cookie.as_str()), ("accept-language", "fr")];
            stand.post(LOGOUT, &format!("id_token_hint={hint}"), &headers).await.body
        };
        let waiting = page().await;
        assert!(
            waiting.contains("pas encore pu être prévenus") && waiting.contains("Service taken"),
            "{waiting}"
        );
        let event = stand.event(Kind::LogoutDelivered);
        delivered(&stand.db, taken[0].id, now, &event).await.unwrap();
        assert!(page().await.contains("ont été prévenus"));
    })
    .await;
}

/// A server that posts a hint looks at no page: its answer must not hang on other services.
#[tokio::test]
async fn a_server_that_signs_somebody_out_waits_for_nobody() {
    Stand::on_both(async |stand| {
        let (uri, received) = relying_party(StatusCode::OK).await;
        let browser = stand.sign_in().await;
        sign_on(&stand, "good", &uri, &browser).await;
        let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        let page = stand.post(LOGOUT, &format!("id_token_hint={hint}"), &[]).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Service good"), "{}", page.body);
        assert!(received.lock().unwrap().is_empty());
        assert_eq!(undelivered(&stand.db).await.unwrap(), (1, 0));
        assert_eq!(deliver_due(&stand.provider, &to_this_machine()).await.unwrap(), 1);
    })
    .await;
}

/// Who only has to pass through the page stays on it where there is something to read.
#[tokio::test]
async fn the_page_stays_where_there_is_something_to_read() {
    let stand = Stand::new().await;
    let metadata =
        Metadata { frontchannel_logout_uri: Some("https://front.example/out".into()), ..Metadata::default() };
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("front") }).await;
    for (uri, goes_on) in [(relying_party(StatusCode::OK).await.0, true), (nobody(), false)] {
        let browser = stand.sign_in().await;
        let client = if goes_on { "good" } else { "gone" };
        sign_on(&stand, client, &uri, &browser).await;
        stand.code(&[("client_id", "front"), ("redirect_uri", "https://front.example/cb")], &browser).await;
        let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        let address =
            format!("{LOGOUT}?id_token_hint={hint}&post_logout_redirect_uri=https://rp.example/bye");
        let page = stand.get(&address, &[("cookie", &browser.cookie)]).await;
        assert!(page.body.contains("https://rp.example/bye"), "{}", page.body);
        assert_eq!(page.body.contains("data-next"), goes_on, "{}", page.body);
    }
}
