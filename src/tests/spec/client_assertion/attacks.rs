//! For every check of an assertion, the attack that it stops.

use serde_json::json;

use super::stand::{Signer, TYPE, outcome};
use crate::clock::Clock as _;
use crate::crypto::jose::{self, base64url};
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{Metadata, ProfileName};
use crate::tests::spec::stand::{NewRp, Stand, TOKEN, secret_of};

#[tokio::test]
async fn an_assertion_is_good_once_even_for_two_who_send_it_at_once() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let assertion = signer.sign(&signer.claims(&stand));
        assert_eq!(outcome(&stand, &assertion).await, "let in");
        assert_eq!(outcome(&stand, &assertion).await, "OIDC-123");
        // Signed anew, with the same name: it was used.
        let claims = signer.claims(&stand);
        assert_eq!(signer.outcome(&stand, &claims).await, "let in");
        assert_eq!(signer.outcome(&stand, &claims).await, "OIDC-123");
        let form = Signer::form(&signer.sign(&signer.claims(&stand)), &[("grant_type", "unheard-of")]);
        let send = || stand.post(TOKEN, &form, &[]);
        let (a, b, c) = tokio::join!(send(), send(), send());
        let let_in = [a, b, c].iter().filter(|answer| answer.error() == "unsupported_grant_type").count();
        assert_eq!(let_in, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_uses_no_name_up() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let stranger = Signer { id: "key", key: SigningKey::generate(Algorithm::Es256).unwrap() };
        let good = signer.claims_with(&stand, json!({ "jti": "one name" }));
        // Whoever learns the name in advance cannot spoil it.
        assert_eq!(stranger.outcome(&stand, &good).await, "OIDC-048");
        let late = signer.claims_with(&stand, json!({ "jti": "one name", "exp": 1 }));
        assert_eq!(signer.outcome(&stand, &late).await, "OIDC-121");
        assert_eq!(signer.outcome(&stand, &good).await, "let in");
        // Another client's name is its own.
        let other = Signer::registered(&stand, "other-key", ProfileName::Standard).await;
        let same = other.claims_with(&stand, json!({ "jti": "one name" }));
        assert_eq!(other.outcome(&stand, &same).await, "let in");
    })
    .await;
}

#[tokio::test]
async fn an_assertion_of_another_client_is_no_use() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let evil = Signer::registered(&stand, "evil", ProfileName::Standard).await;
        for (changes, code) in [
            // Signed by a key of its own, in the name of the other.
            (json!({ "iss": "key", "sub": "key" }), "OIDC-048"),
            (json!({ "iss": "key" }), "OIDC-120"),
            (json!({ "iss": null }), "OIDC-048"),
            (json!({ "sub": "nobody", "iss": "nobody" }), "OIDC-043"),
            (json!({ "sub": null }), "OIDC-047"),
            (json!({ "sub": ["evil"] }), "OIDC-047"),
        ] {
            let claims = evil.claims_with(&stand, changes.clone());
            assert_eq!(evil.outcome(&stand, &claims).await, code, "{changes}");
        }
        // The form names another client than the assertion.
        let assertion = evil.sign(&evil.claims(&stand));
        let form = Signer::form(&assertion, &[("grant_type", "unheard-of"), ("client_id", signer.id)]);
        assert_eq!(stand.post(TOKEN, &form, &[]).await.error(), "invalid_client");
    })
    .await;
}

#[tokio::test]
async fn an_assertion_is_short_lived_and_has_a_name() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let now = stand.clock.now().timestamp();
        for (changes, code) in [
            (json!({ "exp": now }), "OIDC-121"),
            (json!({ "exp": now + 601 }), "OIDC-121"),
            (json!({ "exp": now + 600 }), "let in"),
            (json!({ "exp": now as f64 + 59.5 }), "let in"),
            (json!({ "exp": null }), "OIDC-048"),
            (json!({ "exp": "tomorrow" }), "OIDC-048"),
            (json!({ "nbf": now + 31 }), "OIDC-121"),
            (json!({ "nbf": now + 30 }), "let in"),
            (json!({ "iat": now + 31 }), "OIDC-121"),
            (json!({ "iat": null }), "let in"),
            (json!({ "jti": null }), "OIDC-122"),
            (json!({ "jti": "" }), "OIDC-122"),
            (json!({ "jti": "a".repeat(257) }), "OIDC-122"),
        ] {
            let claims = signer.claims_with(&stand, changes.clone());
            assert_eq!(signer.outcome(&stand, &claims).await, code, "{changes}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_of_another_type_is_no_assertion() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        for (typ, expected) in [
            ("client-authentication+jwt", "let in"),
            ("jwt", "let in"),
            ("dpop+jwt", "OIDC-047"),
            ("oauth-authz-req+jwt", "OIDC-047"),
            ("at+jwt", "OIDC-047"),
        ] {
            let assertion = jose::sign(&signer.key, typ, &signer.claims(&stand)).unwrap();
            assert_eq!(outcome(&stand, &assertion).await, expected, "{typ}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_header_chooses_neither_algorithm_nor_key() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let evil = SigningKey::generate(Algorithm::Es256).unwrap();
        let kid = signer.key.kid();
        let payload = base64url::encode(signer.claims(&stand).to_string());
        for header in [
            json!({ "alg": "none", "typ": "JWT" }),
            json!({ "alg": "HS256", "typ": "JWT", "kid": kid }),
            json!({ "alg": "RS256", "typ": "JWT", "kid": kid }),
            json!({ "alg": "ES256", "typ": "JWT", "jwk": evil.public().to_jwk() }),
            json!({ "alg": "ES256", "typ": "JWT", "kid": kid, "jku": "https://evil.example/jwks" }),
            json!({ "alg": "ES256", "typ": "JWT", "kid": kid, "x5u": "https://evil.example/x5u" }),
            json!({ "alg": "ES256", "typ": "JWT", "kid": "../../etc/passwd" }),
            json!({ "alg": "ES256", "typ": "JWT", "kid": "x' OR '1'='1" }),
            json!({ "alg": "ES256", "typ": ["JWT"], "kid": kid }),
        ] {
            let signature = base64url::encode([0; 64]);
            let token = format!("{}.{payload}.{signature}", base64url::encode(header.to_string()));
            assert_eq!(outcome(&stand, &token).await, "OIDC-048", "{header}");
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_has_a_key_uses_no_secret_and_the_other_way_round() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        // The stand registers a secret with every client; the registered method alone counts.
        let form = format!("grant_type=x&client_id=key&client_secret={}", secret_of("key"));
        assert_eq!(stand.post(TOKEN, &form, &[]).await.error(), "invalid_client");
        let metadata = Metadata { token_endpoint_auth_method: None, ..signer.metadata() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("secret") }).await;
        let same_key = Signer { id: "secret", key: signer.key };
        assert_eq!(same_key.outcome(&stand, &same_key.claims(&stand)).await, "OIDC-046");
    })
    .await;
}

#[tokio::test]
async fn the_type_of_the_assertion_is_said() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let assertion = signer.sign(&signer.claims(&stand));
        for typ in ["", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
            let form = Signer::form(&assertion, &[("grant_type", "unheard-of")])
                .replace(&form_urlencoded::byte_serialize(TYPE.as_bytes()).collect::<String>(), typ);
            assert_eq!(stand.post(TOKEN, &form, &[]).await.error(), "invalid_client", "{typ}");
        }
        assert_eq!(outcome(&stand, &assertion).await, "let in");
    })
    .await;
}

#[tokio::test]
async fn a_disabled_client_is_refused_and_an_unknown_one_looks_alike() {
    Stand::on_both(async |stand| {
        let signer = Signer::registered(&stand, "key", ProfileName::Standard).await;
        let unknown = Signer { id: "nobody", key: SigningKey::generate(Algorithm::Es256).unwrap() };
        let ask = async |signer: &Signer, claims: serde_json::Value| {
            let form = Signer::form(&signer.sign(&claims), &[("grant_type", "unheard-of")]);
            let answer = stand.post(TOKEN, &form, &[]).await;
            (answer.status, answer.body)
        };
        let late = ask(&signer, signer.claims_with(&stand, json!({ "exp": 1 }))).await;
        assert_eq!(ask(&unknown, unknown.claims(&stand)).await, late);
        assert_eq!(late.0, 401);
    })
    .await;
}
