//! §7.1.1: a question that its client signed.

use serde_json::{Value, json};

use super::stand::{BACKCHANNEL, ask, polls, refusal, told, with_phone};
use crate::clock::Clock as _;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{Metadata, ProfileName};
use crate::tests::spec::stand::{Answer, DOCTOR, ISSUER, Stand, basic};

async fn registered(stand: &Stand, change: impl FnOnce(&mut Metadata)) -> SigningKey {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut metadata = Metadata { jwks: Some(json!({ "keys": [key.public().to_jwk()] })), ..polls() };
    change(&mut metadata);
    stand.change_rp("ask", ProfileName::Psc, metadata).await;
    key
}

/// A good question as an object, but for `changes`: null takes a member away.
fn object(stand: &Stand, changes: Value) -> Value {
    let now = stand.clock.now().timestamp();
    let mut claims = json!({
        "iss": "ask", "aud": ISSUER, "exp": now + 300, "iat": now, "nbf": now,
        "jti": crate::ids::uuid_v4(&crate::crypto::random::SystemRandom).to_string(),
        "scope": "openid scope_all", "login_hint": DOCTOR, "binding_message": "42", "requested_expiry": 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

async fn send(stand: &Stand, object: &str, more: &[(&str, &str)]) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let form = form.append_pair("request", object).extend_pairs(more).finish();
    stand.post(BACKCHANNEL, &form, &[("authorization", &basic("ask"))]).await
}

#[tokio::test]
async fn a_signed_question_is_put_once_and_holds_everything() {
    with_phone(async |stand, phone| {
        let key = registered(&stand, |_| {}).await;
        let signed = jose::sign(&key, "JWT", &object(&stand, json!({}))).unwrap();
        for (name, value) in
            [("login_hint", DOCTOR), ("scope", "openid"), ("binding_message", "99"), ("channel", "MOBILE")]
        {
            let beside = send(&stand, &signed, &[(name, value)]).await;
            assert_eq!(told(&beside), refusal(400, "invalid_request"), "{name} beside it");
        }
        let answer = send(&stand, &signed, &[("client_id", "ask")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["expires_in"], 60, "numbers of the object count");
        assert_eq!(phone.rung().await.len(), 1);
        let replayed = send(&stand, &signed, &[]).await;
        assert_eq!(told(&replayed), refusal(400, "invalid_request"));
        assert!(replayed.body.contains("used before"), "{}", replayed.body);
        assert_eq!(phone.rung().await.len(), 1);
        // Unsigned ones are as good as before where nothing else was registered.
        assert_eq!(ask(&stand, "ask", &[]).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn an_object_that_is_not_the_clients_for_us_and_now_is_refused() {
    with_phone(async |stand, phone| {
        let key = registered(&stand, |_| {}).await;
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        let now = stand.clock.now().timestamp();
        for changes in [
            json!({ "iss": "rp" }),
            json!({ "iss": null }),
            json!({ "client_id": "rp" }),
            json!({ "sub": "ask" }),
            json!({ "aud": null }),
            json!({ "aud": "https://elsewhere.example" }),
            json!({ "exp": null }),
            json!({ "exp": now }),
            json!({ "exp": now + 3700 }),
            json!({ "iat": null }),
            json!({ "iat": now + 60 }),
            json!({ "nbf": null }),
            json!({ "nbf": now + 60 }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "request": "x" }),
        ] {
            let signed = jose::sign(&key, "JWT", &object(&stand, changes.clone())).unwrap();
            let answer = send(&stand, &signed, &[]).await;
            assert_eq!(told(&answer), refusal(400, "invalid_request"), "{changes}");
        }
        let good = object(&stand, json!({}));
        for signed in [
            jose::sign(&other, "JWT", &good).unwrap(),
            jose::sign(&key, "dpop+jwt", &good).unwrap(),
            format!("{}.e30.", jose::base64url::encode(r#"{"alg":"none"}"#)),
        ] {
            assert_eq!(told(&send(&stand, &signed, &[]).await), refusal(400, "invalid_request"));
        }
        // The checks of the table come after it, by their own names.
        let signed = jose::sign(&key, "JWT", &object(&stand, json!({ "binding_message": "yes?" }))).unwrap();
        assert_eq!(told(&send(&stand, &signed, &[]).await), refusal(400, "invalid_binding_message"));
        assert!(phone.rung().await.is_empty());
    })
    .await;
}

/// §4: who registered how its questions are signed sends no others.
#[tokio::test]
async fn a_client_that_signs_is_served_in_no_other_way() {
    with_phone(async |stand, _| {
        let key = registered(&stand, |metadata| {
            metadata.backchannel_authentication_request_signing_alg = Some("ES256".into());
        })
        .await;
        assert_eq!(told(&ask(&stand, "ask", &[]).await), refusal(400, "invalid_request"));
        assert!(stand.events().await.last().unwrap().ends_with("OIDC-103"));
        let signed = jose::sign(&key, "JWT", &object(&stand, json!({}))).unwrap();
        assert_eq!(send(&stand, &signed, &[]).await.status, 200);
        let rsa = SigningKey::generate(Algorithm::Ps256).unwrap();
        let metadata = Metadata {
            jwks: Some(json!({ "keys": [rsa.public().to_jwk()] })),
            backchannel_authentication_request_signing_alg: Some("ES256".into()),
            ..polls()
        };
        stand.change_rp("ask", ProfileName::Psc, metadata).await;
        let signed = jose::sign(&rsa, "JWT", &object(&stand, json!({}))).unwrap();
        assert_eq!(
            told(&send(&stand, &signed, &[]).await),
            refusal(400, "invalid_request"),
            "another algorithm"
        );
    })
    .await;
}
