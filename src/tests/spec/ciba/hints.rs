//! §7.1: the three ways to say who is asked.

use serde_json::{Value, json};

use super::stand::{approve, ask, asked, poll, polls, refusal, register, told, with_phone};
use crate::clock::Clock as _;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{Metadata, ProfileName, SubjectType};
use crate::tests::spec::stand::{DOCTOR, ISSUER, NAMESPACE, Stand};

#[tokio::test]
async fn by_an_identifier_or_a_sub_of_ours() {
    with_phone(async |stand, phone| {
        asked(&stand, "ask", &[("login_hint", DOCTOR)]).await;
        asked(&stand, "ask", &[("login_hint", &format!("f:{NAMESPACE}:{DOCTOR}"))]).await;
        assert_eq!(phone.rung().await.len(), 2);
        let other = format!("f:{}:{DOCTOR}", uuid::Uuid::nil());
        asked(&stand, "ask", &[("login_hint", &other)]).await;
        assert_eq!(phone.rung().await.len(), 2, "of another provider");
    })
    .await;
}

/// An ID token of ours that this client got, however old, also one with a `sub` of the client's sector.
#[tokio::test]
async fn by_an_id_token_of_the_client() {
    with_phone(async |stand, phone| {
        register(&stand, "pair", ProfileName::Standard, |metadata| {
            metadata.subject_type = Some(SubjectType::Pairwise);
        })
        .await;
        for client in ["ask", "pair"] {
            let id = asked(&stand, client, &[]).await;
            approve(&stand, client, &id).await;
            let hint = poll(&stand, client, &id).await.json()["id_token"].as_str().unwrap().to_owned();
            stand.advance(3600);
            let before = phone.rung().await.len();
            asked(&stand, client, &[("login_hint", ""), ("id_token_hint", &hint)]).await;
            assert_eq!(phone.rung().await.len(), before + 1, "{client}");
            let other = if client == "ask" { "pair" } else { "ask" };
            let stolen = ask(&stand, other, &[("login_hint", ""), ("id_token_hint", &hint)]).await;
            assert_eq!(told(&stolen), refusal(400, "invalid_request"), "of another client");
        }
    })
    .await;
}

/// A token that the client signs, with a subject identifier of RFC 9493.
#[tokio::test]
async fn by_a_token_that_the_client_signs() {
    with_phone(async |stand, phone| {
        let (key, other) = (
            SigningKey::generate(Algorithm::Es256).unwrap(),
            SigningKey::generate(Algorithm::Es256).unwrap(),
        );
        let metadata = Metadata { jwks: Some(json!({ "keys": [key.public().to_jwk()] })), ..polls() };
        stand.change_rp("ask", ProfileName::Psc, metadata).await;
        let now = stand.clock.now().timestamp();
        let token = |changes: Value| {
            let mut claims = json!({
                "iss": "ask", "aud": ISSUER, "exp": now + 60,
                "sub_id": { "format": "opaque", "id": DOCTOR },
            });
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims
        };
        let by = async |stand: &Stand, key: &SigningKey, claims: Value| {
            let token = jose::sign(key, "JWT", &claims).unwrap();
            ask(stand, "ask", &[("login_hint", ""), ("login_hint_token", &token)]).await
        };
        assert_eq!(by(&stand, &key, token(json!({}))).await.status, 200);
        let sub = json!({ "format": "iss_sub", "iss": ISSUER, "sub": format!("f:{NAMESPACE}:{DOCTOR}") });
        assert_eq!(by(&stand, &key, token(json!({ "sub_id": sub }))).await.status, 200);
        assert_eq!(phone.rung().await.len(), 2);
        let nobody = token(json!({ "sub_id": { "format": "opaque", "id": "nobody" } }));
        assert_eq!(by(&stand, &key, nobody).await.status, 200);
        assert_eq!(phone.rung().await.len(), 2);

        let expired = by(&stand, &key, token(json!({ "exp": now - 31 }))).await;
        assert_eq!(told(&expired), refusal(400, "expired_login_hint_token"));
        for bad in [
            json!({ "iss": "other" }),
            json!({ "aud": "https://elsewhere.example" }),
            json!({ "aud": [ISSUER, "https://elsewhere.example"] }),
            json!({ "exp": null }),
            json!({ "sub_id": DOCTOR }),
            json!({ "sub_id": { "format": "email", "email": "kit@hopital.example" } }),
            json!({ "sub_id": { "format": "iss_sub", "iss": "https://elsewhere.example", "sub": DOCTOR } }),
        ] {
            let refused = by(&stand, &key, token(bad.clone())).await;
            assert_eq!(told(&refused), refusal(400, "invalid_request"), "{bad}");
        }
        let forged = by(&stand, &other, token(json!({}))).await;
        assert_eq!(told(&forged), refusal(400, "invalid_request"));
        assert_eq!(phone.rung().await.len(), 2);
    })
    .await;
}
