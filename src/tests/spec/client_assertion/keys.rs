//! Keys that a client publishes (`jwks_uri`): fetched, kept, looked for again; never from where a stranger may not reach.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};

use super::stand::Signer;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{AuthMethod, Metadata, NewClient, ProfileName};
use crate::tests::spec::stand::{Stand, new_client};

/// A server of the client that publishes what it is told to.
struct Publisher {
    address: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    calls: Arc<AtomicU32>,
    _server: tokio::task::JoinHandle<()>,
}

impl Publisher {
    async fn of(keys: &[&SigningKey]) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, set(keys))));
        let calls = Arc::new(AtomicU32::new(0));
        let (shown, counted) = (Arc::clone(&answer), Arc::clone(&calls));
        let routes = Router::new().route(
            "/jwks",
            get(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = shown.lock().unwrap().clone();
                async move { answer }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, answer, calls, _server: server }
    }

    fn answers(&self, status: u16, body: String) {
        *self.answer.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), body);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

fn set(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.public().to_jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

/// A client that publishes its keys at `address`.
fn publishing(id: &'static str, address: &str) -> NewClient {
    let metadata = Metadata {
        token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt),
        jwks_uri: Some(address.to_owned()),
        ..Metadata::default()
    };
    NewClient { profile: ProfileName::Standard, metadata, ..new_client(id) }
}

async fn outcome(stand: &Stand, signer: &Signer) -> String {
    signer.outcome(stand, &signer.claims(stand)).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_a_new_one_is_found_by_its_name() {
    Stand::on_both(async |stand| {
        let (old, new) = (Signer { id: "key", key: key() }, Signer { id: "key", key: key() });
        let publisher = Publisher::of(&[&old.key]).await;
        stand.add_client(&publishing("key", &publisher.address)).await;
        for _ in 0..3 {
            assert_eq!(outcome(&stand, &old).await, "let in");
        }
        assert_eq!(publisher.calls(), 1);
        publisher.answers(200, set(&[&old.key, &new.key]));
        stand.advance(31);
        assert_eq!(outcome(&stand, &new).await, "let in");
        assert_eq!(publisher.calls(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_forger_who_invents_keys_does_not_make_us_call_on_and_on() {
    Stand::on_both(async |stand| {
        let signer = Signer { id: "key", key: key() };
        let publisher = Publisher::of(&[&signer.key]).await;
        stand.add_client(&publishing("key", &publisher.address)).await;
        assert_eq!(outcome(&stand, &signer).await, "let in");
        for _ in 0..5 {
            assert_eq!(outcome(&stand, &Signer { id: "key", key: key() }).await, "OIDC-048");
        }
        assert_eq!(publisher.calls(), 1, "asked a moment ago");
        stand.advance(31);
        for _ in 0..5 {
            assert_eq!(outcome(&stand, &Signer { id: "key", key: key() }).await, "OIDC-048");
        }
        assert_eq!(publisher.calls(), 2);
        assert_eq!(outcome(&stand, &signer).await, "let in", "whose key it is, goes on");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_down_costs_nothing_for_an_hour_and_a_key_is_not_good_for_ever() {
    Stand::on_both(async |stand| {
        let signer = Signer { id: "key", key: key() };
        let publisher = Publisher::of(&[&signer.key]).await;
        stand.add_client(&publishing("key", &publisher.address)).await;
        assert_eq!(outcome(&stand, &signer).await, "let in");
        publisher.answers(503, String::new());
        stand.advance(11 * 60);
        assert_eq!(outcome(&stand, &signer).await, "let in");
        assert_eq!(publisher.calls(), 2, "it was asked");
        stand.advance(50 * 60);
        assert_eq!(outcome(&stand, &signer).await, "OIDC-049");
        publisher.answers(200, set(&[&signer.key]));
        assert_eq!(outcome(&stand, &signer).await, "OIDC-049", "asked a moment ago");
        stand.advance(31);
        assert_eq!(outcome(&stand, &signer).await, "let in");
        // A key that is taken back is refused as soon as we have heard of it.
        publisher.answers(200, set(&[]));
        stand.advance(10 * 60);
        assert_eq!(outcome(&stand, &signer).await, "OIDC-048");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_key_set_is_refused() {
    Stand::on_both(async |stand| {
        let signer = Signer { id: "key", key: key() };
        let publisher = Publisher::of(&[]).await;
        stand.add_client(&publishing("key", &publisher.address)).await;
        let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(300_000));
        let doubled = r#"{"keys":[],"keys":[]}"#.to_owned();
        let private = json!({ "keys": [{ "kty": "oct", "k": "AA" }] }).to_string();
        for body in ["<html>".to_owned(), huge, doubled, private, "[".repeat(10_000)] {
            publisher.answers(200, body);
            stand.advance(31);
            assert_eq!(outcome(&stand, &signer).await, "OIDC-049");
        }
    })
    .await;
}

/// RFC 9700 §4.9: whoever registers itself does not make the provider call the machines behind it, however it spells
/// their address.
#[tokio::test]
async fn a_client_that_registered_itself_reaches_no_machine_of_the_hospital() {
    Stand::on_both(async |stand| {
        let signer = Signer { id: "stranger", key: key() };
        let publisher = Publisher::of(&[&signer.key]).await;
        let port = publisher.address.rsplit(':').next().unwrap().to_owned();
        // The same address, registered by an administrator, is reached and in memory.
        stand.add_client(&publishing("known", &publisher.address)).await;
        assert_eq!(outcome(&stand, &Signer { id: "known", key: key() }).await, "OIDC-048");
        assert_eq!(publisher.calls(), 1);
        for host in [
            "http://127.0.0.1",
            "https://127.0.0.1",
            "http://localhost",
            "https://localhost",
            "https://[::1]",
            "https://[::ffff:127.0.0.1]",
            "https://2130706433",
            "https://0x7f.1",
            "https://0177.0.0.1",
            "https://127.1",
            "https://169.254.169.254",
            "file://",
        ] {
            stand.add_stranger(&publishing("stranger", &format!("{host}:{port}"))).await;
            assert_eq!(outcome(&stand, &signer).await, "OIDC-049", "{host}");
            stand.remove_client("stranger").await;
        }
        assert_eq!(publisher.calls(), 1);
    })
    .await;
}
