//! For every check of a proof (§4.3), the attack that it stops.

use serde_json::{Value, json};

use super::stand::{
    Prover, ask, bound_tokens, outcome, refresh, register, token_address, userinfo, userinfo_address,
};
use crate::clock::Clock as _;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, base64url};
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::Metadata;
use crate::tests::spec::stand::{Stand, TOKEN, basic};

#[tokio::test]
async fn a_proof_is_good_once_even_for_two_who_send_it_at_once() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let prover = Prover::told(&stand);
        let proof = prover.for_tokens(&stand);
        assert_eq!(outcome(&stand, &proof).await, "taken");
        assert_eq!(outcome(&stand, &proof).await, "OIDC-130");
        let proof = prover.for_tokens(&stand);
        let send = || ask(&stand, "rp9", &[("grant_type", "unheard-of")], Some(&proof));
        let (a, b, c) = tokio::join!(send(), send(), send());
        let taken = [a, b, c].iter().filter(|answer| answer.error() == "unsupported_grant_type").count();
        assert_eq!(taken, 1);
        // Another key may use the same name: nobody spoils another's.
        let other = Prover::told(&stand);
        let claims = prover.claims(&stand, "POST", &token_address());
        assert_eq!(outcome(&stand, &prover.sign(&claims)).await, "taken");
        assert_eq!(outcome(&stand, &other.sign(&claims)).await, "taken");
    })
    .await;
}

#[tokio::test]
async fn a_proof_for_another_request_is_refused_however_it_spells_this_one() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let prover = Prover::told(&stand);
        let (ours, path) = (token_address(), "/auth/realms/esante-wallet/protocol/openid-connect/token");
        for (method, address, expected) in [
            ("POST", ours.clone(), "taken"),
            ("POST", format!("HTTP://LOCALHOST:8080{path}"), "taken"),
            ("POST", format!("{ours}?a=1#b"), "taken"),
            ("GET", ours.clone(), "OIDC-126"),
            ("post", ours.clone(), "OIDC-126"),
            ("POST", format!("https://localhost:8080{path}"), "OIDC-126"),
            ("POST", format!("http://localhost{path}"), "OIDC-126"),
            ("POST", format!("http://localhost:8081{path}"), "OIDC-126"),
            ("POST", format!("http://127.0.0.1:8080{path}"), "OIDC-126"),
            ("POST", format!("http://localhost.evil.example:8080{path}"), "OIDC-126"),
            ("POST", format!("http://evil@localhost:8080{path}"), "OIDC-126"),
            ("POST", ours.to_uppercase(), "OIDC-126"),
            ("POST", format!("{ours}/"), "OIDC-126"),
            ("POST", format!("{ours}/introspect"), "OIDC-126"),
            ("POST", path.to_owned(), "OIDC-126"),
            ("POST", userinfo_address(), "OIDC-126"),
        ] {
            let proof = prover.sign(&prover.claims(&stand, method, &address));
            assert_eq!(outcome(&stand, &proof).await, expected, "{method} {address}");
        }
        // Whatever host the request says it is for, ours is the one that we publish.
        let evil = prover.sign(&prover.claims(&stand, "POST", &format!("http://evil.example{path}")));
        let headers = [("authorization", basic("rp9")), ("host", "evil.example".into()), ("dpop", evil)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = stand.post(TOKEN, "grant_type=unheard-of", &headers).await;
        assert_eq!(answer.error(), "invalid_dpop_proof");
    })
    .await;
}

#[tokio::test]
async fn a_proof_is_recent_has_a_name_and_a_nonce_of_ours() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let prover = Prover::told(&stand);
        let now = stand.clock.now().timestamp();
        for (changes, expected) in [
            (json!({ "iat": now - 299 }), "taken"),
            (json!({ "iat": now - 300 }), "OIDC-127"),
            (json!({ "iat": now + 30 }), "taken"),
            (json!({ "iat": now + 31 }), "OIDC-127"),
            (json!({ "iat": null }), "OIDC-125"),
            (json!({ "iat": "now" }), "OIDC-125"),
            (json!({ "jti": null }), "OIDC-129"),
            (json!({ "jti": "" }), "OIDC-129"),
            (json!({ "jti": "a".repeat(257) }), "OIDC-129"),
            (json!({ "htm": null }), "OIDC-125"),
            (json!({ "htu": ["x"] }), "OIDC-125"),
            // Told, not recorded: every first request of a client is like that.
            (json!({ "nonce": null }), "use_dpop_nonce"),
            (json!({ "nonce": "guessed" }), "use_dpop_nonce"),
        ] {
            let mut claims = prover.claims(&stand, "POST", &token_address());
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => claims.as_object_mut().unwrap().remove(name),
                    value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
                };
            }
            assert_eq!(outcome(&stand, &prover.sign(&claims)).await, expected, "{changes}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_proof_of_a_key_is_refused() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let (prover, other) = (Prover::told(&stand), SigningKey::generate(Algorithm::Es256).unwrap());
        let jwk = prover.key.public().to_jwk();
        let mut private = jwk.clone();
        private["d"] = json!(base64url::encode([1; 32]));
        for header in [
            json!({ "typ": "JWT", "alg": "ES256", "jwk": jwk }),
            json!({ "alg": "ES256", "jwk": jwk }),
            json!({ "typ": "dpop+jwt", "alg": "none", "jwk": jwk }),
            json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": jwk }),
            json!({ "typ": "dpop+jwt", "alg": "RS256", "jwk": jwk }),
            json!({ "typ": "dpop+jwt", "alg": "ES256" }),
            json!({ "typ": "dpop+jwt", "alg": "ES256", "kid": prover.key.kid() }),
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": other.public().to_jwk() }),
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": private }),
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": { "kty": "oct", "k": "AA" } }),
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk, "crit": ["exp"], "exp": 1 }),
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk, "jku": "https://evil.example/" }),
        ] {
            let claims = prover.claims(&stand, "POST", &token_address());
            assert_eq!(
                outcome(&stand, &jose::forge(&prover.key, &header, &claims)).await,
                "OIDC-125",
                "{header}"
            );
        }
        for text in ["", "a.b.c", &"a".repeat(7000)] {
            assert_eq!(outcome(&stand, text).await, "OIDC-125");
        }
        let (one, two) = (prover.for_tokens(&stand), prover.for_tokens(&stand));
        let headers = [("authorization", basic("rp9")), ("dpop", one), ("dpop", two)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(stand.post(TOKEN, "grant_type=unheard-of", &headers).await.error(), "invalid_dpop_proof");
    })
    .await;
}

/// §7: a token that leaks is no use without the key, by whatever scheme it is brought.
#[tokio::test]
async fn a_stolen_token_is_no_use_without_its_key() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let (prover, thief) = (Prover::told(&stand), Prover::told(&stand));
        let tokens = bound_tokens(&stand, "rp9", &prover).await;
        let token = tokens["access_token"].as_str().unwrap();
        let dpop = format!("DPoP {token}");

        let downgraded = userinfo(&stand, &format!("Bearer {token}"), None).await;
        assert_eq!((downgraded.status.as_u16(), downgraded.error().as_str()), (401, "invalid_token"));
        let challenge = downgraded.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("DPoP ") && challenge.contains("algs=\"RS256 PS256 ES256 EdDSA\""));
        let proof = prover.for_userinfo(&stand, token);
        assert_eq!(userinfo(&stand, &format!("Bearer {token}"), Some(&proof)).await.status, 401);
        let form = format!("access_token={token}");
        let answer = stand.post(super::super::stand::USERINFO, &form, &[("dpop", &proof)]).await;
        assert_eq!(answer.status, 401, "in the form");

        assert_eq!(userinfo(&stand, &dpop, None).await.status, 401, "without a proof");
        assert_eq!(thief.userinfo(&stand, token).await.error(), "invalid_token", "with another key");
        // A proof that was made for the token endpoint, or for another token, or another method.
        let for_tokens = prover.for_tokens(&stand);
        assert_eq!(userinfo(&stand, &dpop, Some(&for_tokens)).await.error(), "invalid_dpop_proof");
        for (method, ath) in [
            ("GET", Some("another".to_owned())),
            ("GET", None),
            ("POST", Some(base64url::encode(sha256(token.as_bytes())))),
        ] {
            let mut claims = prover.claims(&stand, method, &userinfo_address());
            if let Some(ath) = &ath {
                claims["ath"] = json!(ath);
            }
            let answer = userinfo(&stand, &dpop, Some(&prover.sign(&claims))).await;
            assert_eq!(answer.error(), "invalid_dpop_proof", "{method} {ath:?}");
        }
        // And a proof that was seen is spent.
        let proof = prover.for_userinfo(&stand, token);
        assert_eq!(userinfo(&stand, &dpop, Some(&proof)).await.status, 200);
        let answer = userinfo(&stand, &dpop, Some(&proof)).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_dpop_proof"));
    })
    .await;
}

#[tokio::test]
async fn userinfo_asks_for_a_nonce_and_says_how_it_can_be_asked() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let prover = Prover::told(&stand);
        let tokens = bound_tokens(&stand, "rp9", &prover).await;
        let token = tokens["access_token"].as_str().unwrap();
        *prover.nonce.borrow_mut() = None;
        let answer = prover.userinfo(&stand, token).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "use_dpop_nonce"));
        assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("error=\"use_dpop_nonce\""));
        *prover.nonce.borrow_mut() = Some(answer.headers["dpop-nonce"].to_str().unwrap().to_owned());
        assert_eq!(prover.userinfo(&stand, token).await.status, 200);
        let answer = stand.get(super::super::stand::USERINFO, &[]).await;
        let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(challenges.len(), 2, "{challenges:?}");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_is_no_dpop_token() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let browser = stand.sign_in().await;
        let tokens = stand.tokens(&browser).await;
        let token = tokens["access_token"].as_str().unwrap();
        let thief = Prover::told(&stand);
        assert_eq!(thief.userinfo(&stand, token).await.error(), "invalid_token");
        assert_eq!(stand.userinfo(token).await.status, 200);
    })
    .await;
}

/// A refused proof must not spend what stands beside it.
#[tokio::test]
async fn a_refresh_token_is_not_spent_by_a_refused_proof() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let prover = Prover::told(&stand);
        let tokens = bound_tokens(&stand, "app9", &prover).await;
        let token = tokens["refresh_token"].as_str().unwrap();
        assert_eq!(refresh(&stand, "app9", token, Some("nonsense")).await.error(), "invalid_dpop_proof");
        let answer = refresh(&stand, "app9", token, Some(&prover.for_tokens(&stand))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    })
    .await;
}
