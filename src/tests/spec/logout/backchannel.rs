//! Relying parties are told that a session ended.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Form, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::clock::Clock as _;
use crate::config::{self, Destination};
use crate::crypto::egress::Egress;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::oidc::logout::backchannel::deliver_due;
use crate::store::client::NewClient;
use crate::store::logout_delivery::undelivered;
use crate::tests::spec::stand::{ISSUER, LOGOUT, NAMESPACE, REALM, SignedIn, Stand, new_client};

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
    stand.post(LOGOUT, &format!("id_token_hint={hint}"), &[]).await;
    browser
}

fn local_egress() -> Egress {
    let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
    Egress::new(&config::Egress { allow }).unwrap()
}

#[tokio::test]
async fn a_signed_token_names_the_session() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::OK).await;
    let browser = sign_out_of(&stand, &uri).await;
    assert_eq!(deliver_due(&stand.provider, &local_egress()).await.unwrap(), 1);
    assert_eq!(deliver_due(&stand.provider, &local_egress()).await.unwrap(), 0);
    assert_eq!(undelivered(&stand.db).await.unwrap(), 0);
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
    let egress = local_egress();
    let mut attempts = 0;
    for seconds in [0, 5, 30, 120, 600, 1800, 7200, 28_800, 129_600, 1_000_000] {
        stand.advance(seconds);
        attempts += deliver_due(&stand.provider, &egress).await.unwrap();
        assert_eq!(deliver_due(&stand.provider, &egress).await.unwrap(), 0, "not twice at once");
    }
    assert_eq!((attempts, received.lock().unwrap().len()), (9, 9));
    assert_eq!(undelivered(&stand.db).await.unwrap(), 1);
    assert_eq!(stand.events().await.last().unwrap(), "logout.delivered OIDC-032");
}

/// A relying party's address cannot make the provider call the machines behind it.
#[tokio::test]
async fn an_address_behind_the_provider_is_not_called() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::OK).await;
    sign_out_of(&stand, &uri).await;
    let egress = Egress::new(&config::Egress::default()).unwrap();
    assert_eq!(deliver_due(&stand.provider, &egress).await.unwrap(), 1);
    assert!(received.lock().unwrap().is_empty());
    assert_eq!(undelivered(&stand.db).await.unwrap(), 1);
}

/// What administrators opened is not open to whoever registered themselves, nor after they removed themselves again.
#[tokio::test]
async fn a_stranger_has_nothing_of_what_administrators_opened() {
    let stand = Stand::new().await;
    let (uri, received) = relying_party(StatusCode::OK).await;
    let stranger =
        NewClient { backchannel_logout_uri: Some(uri), self_registered: true, ..new_client("told") };
    sign_out_of_client(&stand, &stranger).await;
    assert_eq!(deliver_due(&stand.provider, &local_egress()).await.unwrap(), 1);
    stand.advance(5);
    stand.remove_client("told").await;
    deliver_due(&stand.provider, &local_egress()).await.unwrap();
    assert!(received.lock().unwrap().is_empty());
}
