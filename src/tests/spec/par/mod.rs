//! RFC 9126: pushed authorization requests.

use serde_json::json;

use super::stand::{Answer, NewRp, REALM, Stand, basic, query};
use crate::store::client::{AuthMethod, Metadata, ProfileName};

pub(crate) const PUSH: &str = "/auth/realms/esante-wallet/protocol/openid-connect/ext/par/request";

/// Pushes a good request of `client` with changes, as that client.
pub(crate) async fn push(stand: &Stand, client: &str, changes: &[(&str, &str)]) -> Answer {
    let redirect = format!("https://{client}.example/cb");
    let mut all = vec![("client_id", client), ("redirect_uri", redirect.as_str())];
    all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    all.extend(changes);
    stand.post(PUSH, &query(&all), &[("authorization", &basic(client))]).await
}

/// The handle of a request that was pushed.
pub(crate) async fn pushed(stand: &Stand, client: &str, changes: &[(&str, &str)]) -> String {
    let answer = push(stand, client, changes).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

/// The browser's request with a handle, and nothing else but `more`.
pub(crate) async fn bring(
    stand: &Stand,
    client: &str,
    handle: &str,
    more: &[(&str, &str)],
    cookie: &str,
) -> Answer {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([("client_id", client), ("request_uri", handle)]).extend_pairs(more);
    let headers = [("cookie", cookie)];
    stand.get(&format!("/auth?{}", query.finish()), if cookie.is_empty() { &[] } else { &headers }).await
}

/// §2.2: 201, a handle of our own name space that nobody can guess, how long it is good, and nothing kept on the way.
#[tokio::test]
async fn a_pushed_request_is_answered_by_a_handle_and_the_handle_by_a_code() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let answer = push(&stand, "rp", &[]).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.json()["expires_in"], 90);
        let handle = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let secret = handle.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
        assert!(secret.len() >= 43, "256 bits: {secret}");

        let answer = bring(&stand, "rp", &handle, &[], &browser.cookie).await;
        assert!(answer.location().starts_with("https://rp.example/cb?code="), "{}", answer.location());
        assert_eq!(answer.parameter("state").as_deref(), Some("xyz"));
        let code = answer.parameter("code").unwrap();
        assert_eq!(stand.redeem(&code).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_begins_with_a_handle_too() {
    Stand::on_both(async |stand| {
        let handle = pushed(&stand, "rp", &[("ui_locales", "en"), ("login_hint", "dr-kit")]).await;
        let begun = bring(&stand, "rp", &handle, &[], "").await;
        assert!(begun.location().starts_with("/login/"), "{}", begun.location());
        // Reloading the page needs no handle any more.
        for _ in 0..2 {
            let page = stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await;
            assert!(page.status == 200 && page.body.contains("lang=\"en\""), "{}", page.body);
        }
    })
    .await;
}

/// §4: the authorization server uses what was pushed and nothing beside it.
#[tokio::test]
async fn what_stands_beside_a_handle_is_not_read() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let handle = pushed(&stand, "rp", &[]).await;
        let beside = [
            ("redirect_uri", "https://evil.example/cb"),
            ("state", "of-the-attacker"),
            ("scope", "nothing"),
            ("prompt", "login"),
            ("response_mode", "fragment"),
            ("request", "x"),
        ];
        let answer = bring(&stand, "rp", &handle, &beside, &browser.cookie).await;
        assert!(answer.location().starts_with("https://rp.example/cb?code="), "{}", answer.location());
        assert_eq!(answer.parameter("state").as_deref(), Some("xyz"));
    })
    .await;
}

/// §7.2 and §7.3: another client's handle, a second use, a late one, a guess.
#[tokio::test]
async fn a_handle_is_good_once_in_time_and_for_its_client() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let refused = async |client: &str, handle: &str, more: &[(&str, &str)]| {
            let answer = bring(&stand, client, handle, more, &browser.cookie).await;
            assert!(!answer.headers.contains_key("location"), "there is no address to trust");
            assert_eq!(answer.status, 400);
            answer.body
        };
        let handle = pushed(&stand, "rp", &[]).await;
        assert!(refused("other", &handle, &[]).await.contains("OIDC-023"));
        assert!(refused("nobody", &handle, &[]).await.contains("OIDC-001"));
        assert!(refused("rp", &handle, &[("client_id", "other")]).await.contains("OIDC-00"));
        assert!(refused("rp", &handle, &[("request_uri", "urn:x")]).await.contains("OIDC-003"));
        // None of that spent it.
        let answer = bring(&stand, "rp", &handle, &[], &browser.cookie).await;
        assert!(answer.parameter("code").is_some());
        assert!(refused("rp", &handle, &[]).await.contains("OIDC-023"), "used");
        let late = pushed(&stand, "rp", &[]).await;
        stand.advance(90);
        assert!(refused("rp", &late, &[]).await.contains("OIDC-023"), "too late");
        let guess = "urn:ietf:params:oauth:request_uri:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        assert!(refused("rp", guess, &[]).await.contains("OIDC-023"));
        assert!(stand.events().await.iter().any(|event| event == "authorization.refused OIDC-023"));
    })
    .await;
}

/// §2.3: what is wrong is told at once, by the names of RFC 6749 and OpenID Connect.
#[tokio::test]
async fn a_wrong_request_is_refused_when_it_is_pushed() {
    Stand::on_both(async |stand| {
        for (changes, error) in [
            (&[("redirect_uri", "")][..], "invalid_request"),
            (&[("redirect_uri", "https://evil.example/cb")], "invalid_request"),
            (&[("redirect_uri", "https://other.example/cb")], "invalid_request"),
            (&[("response_type", "token")], "unsupported_response_type"),
            (&[("scope", "scope_all")], "invalid_scope"),
            (&[("prompt", "none login")], "invalid_request"),
            (&[("code_challenge", "short"), ("code_challenge_method", "S256")], "invalid_request"),
            (&[("nonce", "a"), ("nonce", "b")], "invalid_request"),
            (&[("state", "a\0b")], "invalid_request"),
            (&[("request_uri", "https://rp.example/request")], "invalid_request"),
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        ] {
            let answer = push(&stand, "rp", changes).await;
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, error), "{changes:?}");
            assert!(!answer.body.contains("evil"), "nothing of the request is shown");
        }
        let refused = stand.events().await;
        assert_eq!(refused.iter().filter(|event| event.starts_with("authorization.refused")).count(), 11);
    })
    .await;
}

/// §2: whoever may not redeem codes may not push either.
#[tokio::test]
async fn only_the_client_itself_pushes() {
    Stand::on_both(async |stand| {
        let wrong = stand.post(PUSH, &query(&[]), &[("authorization", "Basic cnA6d3Jvbmc=")]).await;
        assert_eq!((wrong.status.as_u16(), wrong.error().as_str()), (401, "invalid_client"));
        let nobody = stand.post(PUSH, &query(&[]), &[]).await;
        assert_eq!(nobody.status, 401);
        // With its own secret, in the name of another.
        let other = stand.post(PUSH, &query(&[]), &[("authorization", &basic("other"))]).await;
        assert_eq!((other.status.as_u16(), other.error().as_str()), (400, "invalid_request"));
        let get = stand.get(&format!("{PUSH}?{}", query(&[])), &[]).await;
        assert_eq!(get.status, 405);
        // Without a client_id in the form it is the one that authenticates.
        let form = query(&[("client_id", "")]);
        let named = stand.post(PUSH, &form, &[("authorization", &basic("rp"))]).await;
        assert_eq!(named.status, 201, "{}", named.body);
    })
    .await;
}

/// §6: a client that pushes always is served in no other way, so that nobody sends its user another request.
#[tokio::test]
async fn a_client_that_must_push_is_served_only_so() {
    Stand::on_both(async |stand| {
        let metadata = Metadata { require_pushed_authorization_requests: true, ..Metadata::default() };
        stand.add_rp(NewRp { metadata, ..NewRp::named("par") }).await;
        let browser = stand.sign_in().await;
        let plain = [("client_id", "par"), ("redirect_uri", "https://par.example/cb")];
        let answer = stand.authorize(&plain, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
        let handle = pushed(&stand, "par", &[]).await;
        let answer = bring(&stand, "par", &handle, &[], &browser.cookie).await;
        assert!(answer.parameter("code").is_some(), "{}", answer.location());
    })
    .await;
}

/// What was right when it was pushed may be wrong when it is used.
#[tokio::test]
async fn client_and_request_are_looked_at_again_when_the_handle_is_used() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        stand.add_rp(NewRp::named("moved")).await;
        let handle = pushed(&stand, "moved", &[]).await;
        let mut new = super::stand::new_client("moved");
        new.redirect_uris = vec!["https://moved.example/new".into()];
        let event = stand.event(crate::audit::Kind::ClientChanged);
        let now = crate::clock::Clock::now(&stand.clock);
        assert!(crate::store::client::update(&stand.db, &new, now, &event).await.unwrap());
        let answer = bring(&stand, "moved", &handle, &[], &browser.cookie).await;
        assert!(answer.status == 400 && answer.body.contains("OIDC-005"), "{}", answer.body);
    })
    .await;
}

/// §5, RFC 8414 §2.
#[tokio::test]
async fn the_endpoint_stands_in_the_discovery_document() {
    let stand = Stand::new().await;
    let document = stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await.json();
    assert_eq!(
        document["pushed_authorization_request_endpoint"],
        json!(format!("http://localhost:8080{PUSH}"))
    );
    assert_eq!(document["require_pushed_authorization_requests"], false);
}

/// A secret in the form is for the authentication: it is not kept with the request.
#[tokio::test]
async fn no_secret_is_kept_with_a_request() {
    Stand::on_both(async |stand| {
        let post = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::ClientSecretPost),
            ..Metadata::default()
        };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata: post, ..NewRp::named("post") }).await;
        let secret = super::stand::secret_of("post");
        let form = query(&[
            ("client_id", "post"),
            ("redirect_uri", "https://post.example/cb"),
            ("client_secret", &secret),
        ]);
        let answer = stand.post(PUSH, &form, &[]).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let handle = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let hash = crate::crypto::digest::sha256(handle.rsplit(':').next().unwrap().as_bytes());
        let now = crate::clock::Clock::now(&stand.clock);
        let kept = crate::store::pushed_request::take(&stand.db, hash, "post", now).await.unwrap().unwrap();
        assert!(kept.to_string().contains("xyz") && !kept.to_string().contains(&secret), "{kept}");
    })
    .await;
}
