//! JWT Secured Authorization Response Mode for OAuth 2.0 (JARM).

use serde_json::{Value, json};

use super::stand::{Answer, ISSUER, NewRp, REALM, Stand, claims, header};
use crate::clock::Clock as _;
use crate::crypto::jose::{self, ContentEncryption, DecryptionKey, Expected, ExpectedJwe, KeyManagement};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::store::client::Metadata;

/// The claims of an answer, verified with the published keys.
async fn verified(stand: &Stand, token: &str) -> Value {
    let keys = stand.get(&format!("{REALM}/protocol/openid-connect/certs"), &[]).await.json();
    let named = |kid: Option<&str>| {
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"].as_str() == kid).map(|key| VerifyingKey::from_jwk(key).unwrap())
    };
    let kid = header(&json!(token))["kid"].as_str().map(str::to_owned);
    let key = named(kid.as_deref()).expect("a published key");
    let expected = Expected { typ: Some("JWT"), algorithms: &[Algorithm::Rs256], max_len: 4096 };
    jose::verify(token, expected, |_| Some(&key)).unwrap()
}

fn response(answer: &Answer) -> String {
    let location = answer.location();
    let (_, parameters) = location.split_once(['?', '#']).unwrap();
    let all: Vec<_> = form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
    assert_eq!(all.len(), 1, "one parameter and nothing beside it: {location}");
    assert_eq!(all[0].0, "response");
    all[0].1.clone()
}

#[tokio::test]
async fn the_answer_is_one_jwt_of_the_provider_for_the_client() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        for (mode, sign) in [("jwt", '?'), ("query.jwt", '?'), ("fragment.jwt", '#')] {
            let answer = stand.authorize(&[("response_mode", mode)], &browser.cookie).await;
            assert!(
                answer.location().starts_with(&format!("https://rp.example/cb{sign}response=")),
                "{mode}"
            );
            let claims = verified(&stand, &response(&answer)).await;
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("rp")), "§2.1");
            let life = claims["exp"].as_i64().unwrap() - stand.clock.now().timestamp();
            assert!((1..=600).contains(&life), "ten minutes at most: {life}");
            assert_eq!(claims["state"], "xyz");
            assert_eq!(stand.redeem(claims["code"].as_str().unwrap()).await.status, 200);
        }
        let posted = stand.authorize(&[("response_mode", "form_post.jwt")], &browser.cookie).await;
        let (_, rest) = posted.body.split_once(r#"name="response" value=""#).unwrap();
        let token = rest.split('"').next().unwrap();
        assert!(verified(&stand, token).await["code"].is_string());
        assert!(!posted.body.contains("name=\"code\""));
    })
    .await;
}

#[tokio::test]
async fn an_error_is_signed_too_and_no_claim_of_the_provider_is_replaced() {
    Stand::on_both(async |stand| {
        let answer = stand.authorize(&[("response_mode", "jwt"), ("prompt", "none")], "").await;
        let claims = verified(&stand, &response(&answer)).await;
        assert_eq!((&claims["error"], &claims["state"]), (&json!("login_required"), &json!("xyz")));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("rp")));
    })
    .await;
}

/// A JWT of one kind taken for another: it is signed by the key that signs ID tokens.
#[tokio::test]
async fn an_answer_is_no_token() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let token = response(&stand.authorize(&[("response_mode", "jwt")], &browser.cookie).await);
        assert_eq!(stand.userinfo(&token).await.status, 401);
        assert_eq!(stand.introspect("rp", &token).await, json!({ "active": false }));
        assert!(claims(&json!(token)).get("sub").is_none());
        // As a hint it names nobody, and is ignored.
        let answer = stand.authorize(&[("id_token_hint", &token), ("prompt", "none")], &browser.cookie).await;
        assert!(answer.parameter("code").is_some());
    })
    .await;
}

/// §2.2: signed first, then encrypted to the key of the client; never in the clear to a client that asked for this.
#[tokio::test]
async fn an_encrypted_answer_is_read_by_its_client_alone() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let key = DecryptionKey::generate(KeyManagement::EcdhEs).unwrap();
        let metadata = |jwks| Metadata {
            jwks,
            authorization_encrypted_response_alg: Some("ECDH-ES".into()),
            authorization_encrypted_response_enc: Some("A256GCM".into()),
            ..Metadata::default()
        };
        let keys = Some(json!({ "keys": [key.to_jwk()] }));
        stand.add_rp(NewRp { metadata: metadata(keys), ..NewRp::named("sealed") }).await;
        stand.add_rp(NewRp { metadata: metadata(None), ..NewRp::named("keyless") }).await;
        let of = |client| format!("https://{client}.example/cb");
        let request = [("client_id", "sealed"), ("redirect_uri", &of("sealed")), ("response_mode", "jwt")];
        let sealed = response(&stand.authorize(&request, &browser.cookie).await);
        assert_eq!(sealed.split('.').count(), 5);
        let expected = ExpectedJwe {
            management: &[KeyManagement::EcdhEs],
            content: &[ContentEncryption::A256Gcm],
            max_len: 8192,
        };
        let opened = jose::decrypt(&sealed, expected, |_| Some(&key)).unwrap();
        assert_eq!(opened.content_type.as_deref(), Some("JWT"));
        let claims = verified(&stand, std::str::from_utf8(&opened.content).unwrap()).await;
        assert!(claims["code"].is_string() && claims["aud"] == "sealed");

        let request = [("client_id", "keyless"), ("redirect_uri", &of("keyless")), ("response_mode", "jwt")];
        let page = stand.authorize(&request, &browser.cookie).await;
        assert!(page.body.contains("OIDC-105") && !page.headers.contains_key("location"), "{}", page.body);
    })
    .await;
}
