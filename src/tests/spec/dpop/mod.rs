//! RFC 9449: tokens that are bound to a key of the client.

mod attacks;
mod stand;

use serde_json::json;

use super::par::{PUSH, bring};
use super::stand::{NewRp, Stand, basic, claims, query};
use crate::crypto::keys::Algorithm;
use crate::session::Acr;
use crate::store::client::{Metadata, ProfileName};
use crate::store::session::tests::prove_level;
use stand::{Prover, VERIFIER, ask, bound_tokens, code, outcome, redeem, refresh, register, userinfo};

/// §5 to §8: the nonce is asked for, the token is bound, and good with a proof alone.
#[tokio::test]
async fn a_client_that_proves_a_key_gets_tokens_that_are_bound_to_it() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        for client in ["rp9", "app9"] {
            let (browser, prover) = (stand.sign_in().await, Prover::new());
            let code = code(&stand, client, &browser, &[]).await;
            let answer = redeem(&stand, client, &code, Some(&prover.for_tokens(&stand))).await;
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "use_dpop_nonce"));
            let nonce = answer.headers["dpop-nonce"].to_str().unwrap().to_owned();
            *prover.nonce.borrow_mut() = Some(nonce);

            let answer = redeem(&stand, client, &code, Some(&prover.for_tokens(&stand))).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(answer.headers.contains_key("dpop-nonce"), "the next one");
            let tokens = answer.json();
            assert_eq!(tokens["token_type"], "DPoP");
            let token = tokens["access_token"].as_str().unwrap();
            assert_eq!(claims(&tokens["access_token"])["cnf"], json!({ "jkt": prover.thumbprint() }));
            assert!(claims(&tokens["id_token"]).get("cnf").is_none());

            let answer = prover.userinfo(&stand, token).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let introspected = stand.introspect("rp9", token).await;
            if client == "rp9" {
                assert_eq!(introspected["cnf"]["jkt"], prover.thumbprint());
                assert_eq!(introspected["token_type"], "DPoP");
            }
        }
    })
    .await;
}

/// §11.6: every algorithm that is advertised.
#[tokio::test]
async fn every_advertised_algorithm_proves_a_key() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        for algorithm in Algorithm::ALL {
            let prover = Prover::with(algorithm);
            prover.learn(&stand);
            assert_eq!(outcome(&stand, &prover.for_tokens(&stand)).await, "taken", "{algorithm:?}");
        }
    })
    .await;
}

/// §5: a refresh token of a public client is good with its key alone; that of another client with its secret.
#[tokio::test]
async fn a_refresh_token_of_a_public_client_is_bound_to_its_key() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let (prover, thief) = (Prover::told(&stand), Prover::told(&stand));
        let tokens = bound_tokens(&stand, "app9", &prover).await;
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        let answer = refresh(&stand, "app9", &token, None).await;
        assert_eq!(answer.error(), "invalid_dpop_proof", "without a proof");
        let answer = refresh(&stand, "app9", &token, Some(&thief.for_tokens(&stand))).await;
        assert_eq!(answer.error(), "invalid_grant", "with another key");
        let answer = refresh(&stand, "app9", &token, Some(&prover.for_tokens(&stand))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // And so is the next one.
        let token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        let answer = refresh(&stand, "app9", &token, Some(&thief.for_tokens(&stand))).await;
        assert_eq!(answer.error(), "invalid_grant");

        let tokens = bound_tokens(&stand, "rp9", &prover).await;
        let token = tokens["refresh_token"].as_str().unwrap();
        let other = Prover::told(&stand);
        let answer = refresh(&stand, "rp9", token, Some(&other.for_tokens(&stand))).await;
        assert_eq!(claims(&answer.json()["access_token"])["cnf"]["jkt"], other.thumbprint());
    })
    .await;
}

/// §10: the code is bound to the key that the request names, also where it is pushed (§10.1).
#[tokio::test]
async fn a_code_is_bound_to_the_key_that_the_request_names() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let (browser, prover, thief) = (stand.sign_in().await, Prover::told(&stand), Prover::told(&stand));
        let named = code(&stand, "rp9", &browser, &[("dpop_jkt", &prover.thumbprint())]).await;
        let push = async |more: &str, prover: &Prover| {
            let redirect = "https://rp9.example/cb";
            let changes = [("client_id", "rp9"), ("redirect_uri", redirect)];
            let form = format!(
                "{}&code_challenge={}&code_challenge_method=S256{more}",
                query(&changes),
                stand::CHALLENGE
            );
            let address = format!("{}/protocol/openid-connect/ext/par/request", super::stand::ISSUER);
            let proof = prover.sign(&prover.claims(&stand, "POST", &address));
            stand.post(PUSH, &form, &[("authorization", &basic("rp9")), ("dpop", &proof)]).await
        };
        let answer = push(&format!("&dpop_jkt={}", thief.thumbprint()), &prover).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_grant"));
        let answer = push("", &prover).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let handle = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let pushed = bring(&stand, "rp9", &handle, &[], &browser.cookie).await.parameter("code").unwrap();
        for code in [named, pushed] {
            assert_eq!(redeem(&stand, "rp9", &code, None).await.error(), "invalid_dpop_proof");
            let stolen = redeem(&stand, "rp9", &code, Some(&thief.for_tokens(&stand))).await;
            assert_eq!(stolen.error(), "invalid_grant");
            let answer = redeem(&stand, "rp9", &code, Some(&prover.for_tokens(&stand))).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let redirect =
            [("client_id", "rp9"), ("redirect_uri", "https://rp9.example/cb"), ("dpop_jkt", "short")];
        let answer = stand.authorize(&redirect, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
    })
    .await;
}

/// §5.2, and FAPI 2.0 §5.3.2.1, point 4.
#[tokio::test]
async fn a_client_that_is_to_have_bound_tokens_gets_no_others() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata { dpop_bound_access_tokens: true, ..Metadata::default() }).await;
        let browser = stand.sign_in().await;
        let code = code(&stand, "rp9", &browser, &[]).await;
        let answer = redeem(&stand, "rp9", &code, None).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_dpop_proof"));
        let prover = Prover::told(&stand);
        let answer = redeem(&stand, "rp9", &code, Some(&prover.for_tokens(&stand))).await;
        assert_eq!(answer.json()["token_type"], "DPoP");
    })
    .await;
}

/// The profile fapi2 serves somebody: a pushed request, PKCE, `private_key_jwt` and a bound token.
#[tokio::test]
async fn fapi_from_the_push_to_userinfo() {
    use crate::crypto::jose;
    use crate::crypto::keys::SigningKey;
    use crate::store::client::AuthMethod;

    Stand::on_both(async |stand| {
        let key = SigningKey::generate(Algorithm::Ps256).unwrap();
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(json!({ "keys": [key.public().to_jwk()] })),
            ..Metadata::default()
        };
        stand.add_rp(NewRp { profile: ProfileName::Fapi2, metadata, ..NewRp::named("fapi") }).await;
        let assertion = |jti: &str| {
            use crate::clock::Clock as _;
            let now = stand.clock.now().timestamp();
            let issuer = super::stand::ISSUER;
            let claims = json!({ "iss": "fapi", "sub": "fapi", "aud": issuer, "exp": now + 60, "jti": jti });
            jose::sign(&key, "JWT", &claims).unwrap()
        };
        let proving = |form: &str, jti: &str| {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            format!("{form}&client_assertion_type={kind}&client_assertion={}", assertion(jti))
        };
        let (browser, prover) = (stand.sign_in().await, Prover::told(&stand));
        let changes = [
            ("client_id", "fapi"),
            ("redirect_uri", "https://fapi.example/cb"),
            ("code_challenge", stand::CHALLENGE),
            ("code_challenge_method", "S256"),
            ("acr_values", "eidas3"),
        ];
        let answer = stand.post(PUSH, &proving(&query(&changes), "1"), &[]).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let handle = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let code = bring(&stand, "fapi", &handle, &[], &browser.cookie).await.parameter("code").unwrap();
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=https://fapi.example/cb&code_verifier={VERIFIER}"
        );
        let answer = stand.post(super::stand::TOKEN, &proving(&form, "2"), &[]).await;
        assert_eq!(answer.error(), "invalid_request", "a token that everybody can use");
        // §5.4.1: PKCS#1 v1.5 is for nobody here, whatever signs with it.
        let old = Prover::with(Algorithm::Rs256);
        old.learn(&stand);
        let proof = old.for_tokens(&stand);
        let answer = stand.post(super::stand::TOKEN, &proving(&form, "2b"), &[("dpop", &proof)]).await;
        assert_eq!(answer.error(), "invalid_dpop_proof");
        let proof = prover.for_tokens(&stand);
        let answer = stand.post(super::stand::TOKEN, &proving(&form, "3"), &[("dpop", &proof)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(prover.userinfo(&stand, &token).await.status, 200);
        assert_eq!(userinfo(&stand, &format!("Bearer {token}"), None).await.status, 401);
        // RFC 9470 §3, in the scheme of the token: a level that was asked for is required in this profile.
        prove_level(&stand.db, browser.session, Acr::Eidas2).await;
        let answer = prover.userinfo(&stand, &token).await;
        assert_eq!(answer.error(), "insufficient_user_authentication");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("DPoP ") && challenge.contains("acr_values=\"eidas3\""), "{challenge}");
    })
    .await;
}

/// §8.2: a nonce is good for minutes, and the next one comes with every answer.
#[tokio::test]
async fn a_nonce_that_is_no_longer_good_is_replaced() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let prover = Prover::told(&stand);
        stand.advance(119);
        assert_eq!(outcome(&stand, &prover.for_tokens(&stand)).await, "taken");
        stand.advance(240);
        let answer =
            ask(&stand, "rp9", &[("grant_type", "unheard-of")], Some(&prover.for_tokens(&stand))).await;
        assert_eq!(answer.error(), "use_dpop_nonce");
        *prover.nonce.borrow_mut() = Some(answer.headers["dpop-nonce"].to_str().unwrap().to_owned());
        assert_eq!(outcome(&stand, &prover.for_tokens(&stand)).await, "taken");
    })
    .await;
}
