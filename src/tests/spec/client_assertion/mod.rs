//! RFC 7523 §3 and OpenID Connect Core §9: clients that authenticate by an assertion of their own key.

mod attacks;
mod keys;
mod stand;

use serde_json::json;

use super::stand::{ISSUER, NewRp, Stand};
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{AuthMethod, Metadata, ProfileName};
use stand::{INTROSPECTION, Signer, TOKEN_ADDRESS};

#[tokio::test]
async fn a_client_signs_in_its_users_with_its_key_alone() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let browser = stand.sign_in().await;
        let request = [("client_id", "key"), ("redirect_uri", "https://key.example/cb")];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", "https://key.example/cb"),
        ];
        let answer = signer.token(&stand, &form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tokens = answer.json();
        let token = tokens["access_token"].as_str().unwrap();
        let answer = signer.ask(&stand, INTROSPECTION, &[("token", token)]).await;
        assert_eq!(answer.json()["active"], true, "{}", answer.body);
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let answer =
            signer.token(&stand, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn every_algorithm_is_taken_and_the_registered_one_alone() {
    Stand::on_both(async |stand| {
        for (id, algorithm) in ["rs", "ps", "es", "ed"].into_iter().zip(Algorithm::ALL) {
            let key = SigningKey::generate(algorithm).unwrap();
            let signer = Signer::with(&stand, id, ProfileName::Standard, key, Metadata::default()).await;
            assert_eq!(signer.outcome(&stand, &signer.claims(&stand)).await, "let in", "{id}");
            let other = if algorithm == Algorithm::Rs256 { "ES256" } else { "RS256" };
            let metadata =
                Metadata { token_endpoint_auth_signing_alg: Some(other.into()), ..signer.metadata() };
            stand.change_rp(id, ProfileName::Standard, metadata).await;
            assert_eq!(signer.outcome(&stand, &signer.claims(&stand)).await, "OIDC-048", "{id}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_audience_is_the_issuer_or_an_endpoint_and_for_fapi_the_issuer() {
    Stand::on_both(async |stand| {
        let standard = Signer::registered(&stand, "std", ProfileName::Standard).await;
        let fapi = Signer::registered(&stand, "fapi", ProfileName::Fapi2).await;
        for (audience, by_standard, by_fapi) in [
            (json!(ISSUER), "let in", "let in"),
            (json!([ISSUER]), "let in", "OIDC-120"),
            (json!(TOKEN_ADDRESS), "let in", "OIDC-120"),
            (json!([ISSUER, TOKEN_ADDRESS]), "let in", "OIDC-120"),
            (json!([ISSUER, "https://evil.example"]), "OIDC-120", "OIDC-120"),
            (json!(format!("{ISSUER}/")), "OIDC-120", "OIDC-120"),
            (json!("https://evil.example"), "OIDC-120", "OIDC-120"),
            (json!([]), "OIDC-120", "OIDC-120"),
        ] {
            for (signer, expected) in [(&standard, by_standard), (&fapi, by_fapi)] {
                let claims = signer.claims_with(&stand, json!({ "aud": audience }));
                assert_eq!(signer.outcome(&stand, &claims).await, expected, "{} {audience}", signer.id);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn fapi_takes_no_rsa_with_pkcs_1() {
    Stand::on_both(async |stand| {
        let key = SigningKey::generate(Algorithm::Rs256).unwrap();
        let signer = Signer::with(&stand, "fapi", ProfileName::Fapi2, key, Metadata::default()).await;
        assert_eq!(signer.outcome(&stand, &signer.claims(&stand)).await, "OIDC-048");
    })
    .await;
}

#[tokio::test]
async fn a_public_client_names_itself_and_proves_with_pkce_that_it_began() {
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    Stand::on_both(async |stand| {
        let metadata = Metadata { token_endpoint_auth_method: Some(AuthMethod::None), ..Metadata::default() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("app") }).await;
        let browser = stand.sign_in().await;
        let request = [
            ("client_id", "app"),
            ("redirect_uri", "https://app.example/cb"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let redeem = async |more: &str| {
            let form = format!(
                "client_id=app&grant_type=authorization_code&code={code}&redirect_uri=https://app.example/cb{more}"
            );
            stand.post(super::stand::TOKEN, &form, &[]).await
        };
        assert_eq!(redeem("").await.error(), "invalid_grant", "a stolen code");
        let answer = redeem(&format!("&code_verifier={VERIFIER}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        // It may ask nothing about tokens: it could be anybody.
        let answer = stand.post(super::stand::INTROSPECT, &format!("client_id=app&token={token}"), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
        assert!(stand.events().await.iter().any(|event| event.ends_with("OIDC-124")));
        // Nor does somebody become another client by naming it.
        let answer = stand.post(super::stand::TOKEN, "client_id=rp&grant_type=refresh_token", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    })
    .await;
}
