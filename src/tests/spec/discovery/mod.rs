//! OpenID Connect Discovery 1.0, RFC 8414, RFC 7517: the two documents and the keys.

use super::stand::{ISSUER, REALM, Stand};
use crate::keyring;
use crate::store::signing_key::Purpose;
use crate::{audit::Kind, clock::Clock as _, crypto::random::SystemRandom};
use serde_json::Value;

#[tokio::test]
async fn both_documents_list_what_is_enabled_and_differ_in_the_authorization_endpoint() {
    let stand = Stand::new().await;
    let document = async |name: &str| {
        let answer = stand.get(&format!("{REALM}/.well-known/{name}"), &[]).await;
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.headers["content-type"], "application/json");
        answer.json()
    };
    let (mut wallet, standard) =
        (document("wallet-openid-configuration").await, document("openid-configuration").await);
    assert_eq!(wallet["authorization_endpoint"], "http://localhost:8080/auth");
    assert_eq!(standard["authorization_endpoint"], format!("{ISSUER}/protocol/openid-connect/auth"));
    wallet["authorization_endpoint"] = standard["authorization_endpoint"].clone();
    assert_eq!(wallet, standard);
    insta::assert_snapshot!(serde_json::to_string_pretty(&standard).unwrap(), @r#"
    {
      "issuer": "http://localhost:8080/auth/realms/esante-wallet",
      "authorization_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/auth",
      "token_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/token",
      "introspection_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/token/introspect",
      "revocation_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/revoke",
      "userinfo_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/userinfo",
      "end_session_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/logout",
      "jwks_uri": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/certs",
      "pushed_authorization_request_endpoint": "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/ext/par/request",
      "require_pushed_authorization_requests": false,
      "grant_types_supported": [
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange"
      ],
      "acr_values_supported": [
        "eidas1"
      ],
      "response_types_supported": [
        "code"
      ],
      "response_modes_supported": [
        "query",
        "fragment",
        "form_post",
        "query.jwt",
        "fragment.jwt",
        "form_post.jwt",
        "jwt"
      ],
      "subject_types_supported": [
        "public",
        "pairwise"
      ],
      "id_token_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ],
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "token_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ],
      "introspection_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
      ],
      "introspection_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ],
      "revocation_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "revocation_endpoint_auth_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ],
      "claims_supported": [
        "aud",
        "sub",
        "iss",
        "auth_time",
        "acr",
        "given_name",
        "family_name",
        "preferred_username",
        "SubjectNameID",
        "authMode",
        "otherIds",
        "SubjectRefPro",
        "SubjectRole",
        "SubjectOrganization",
        "SubjectOrganizationID",
        "Secteur_Activite"
      ],
      "claim_types_supported": [
        "normal"
      ],
      "claims_parameter_supported": true,
      "scopes_supported": [
        "openid",
        "profile",
        "scope_all",
        "identity",
        "offline_access"
      ],
      "request_parameter_supported": true,
      "request_uri_parameter_supported": true,
      "require_request_uri_registration": true,
      "request_object_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ],
      "request_object_encryption_alg_values_supported": [
        "RSA-OAEP-256"
      ],
      "request_object_encryption_enc_values_supported": [
        "A128GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A256CBC-HS512"
      ],
      "prompt_values_supported": [
        "none",
        "login",
        "consent",
        "select_account"
      ],
      "display_values_supported": [
        "page",
        "popup"
      ],
      "ui_locales_supported": [
        "fr",
        "en"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ],
      "frontchannel_logout_supported": true,
      "frontchannel_logout_session_supported": true,
      "backchannel_logout_supported": true,
      "backchannel_logout_session_supported": true,
      "authorization_response_iss_parameter_supported": true,
      "authorization_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ],
      "id_token_encryption_alg_values_supported": [
        "RSA-OAEP-256",
        "RSA-OAEP",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A256KW"
      ],
      "id_token_encryption_enc_values_supported": [
        "A128GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A256CBC-HS512"
      ],
      "userinfo_encryption_alg_values_supported": [
        "RSA-OAEP-256",
        "RSA-OAEP",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A256KW"
      ],
      "userinfo_encryption_enc_values_supported": [
        "A128GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A256CBC-HS512"
      ],
      "introspection_encryption_alg_values_supported": [
        "RSA-OAEP-256",
        "RSA-OAEP",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A256KW"
      ],
      "introspection_encryption_enc_values_supported": [
        "A128GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A256CBC-HS512"
      ],
      "authorization_encryption_alg_values_supported": [
        "RSA-OAEP-256",
        "RSA-OAEP",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A256KW"
      ],
      "authorization_encryption_enc_values_supported": [
        "A128GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A256CBC-HS512"
      ],
      "dpop_signing_alg_values_supported": [
        "RS256",
        "PS256",
        "ES256",
        "EdDSA"
      ]
    }
    "#);
}

/// Nothing is advertised that the router does not answer.
#[tokio::test]
async fn every_advertised_endpoint_exists() {
    let stand = Stand::new().await;
    let document = stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await.json();
    for (name, value) in document.as_object().unwrap() {
        let Some(path) = value.as_str().and_then(|url| url.strip_prefix("http://localhost:8080")) else {
            continue;
        };
        if name != "issuer" {
            let answer = stand.get(path, &[]).await;
            assert_ne!(answer.status, 404, "{name}");
        }
    }
}

#[tokio::test]
async fn a_front_host_of_its_own_stands_in_the_wallet_document_only() {
    let stand = Stand::with(|settings| settings.front_url = "https://front.example/".parse().unwrap()).await;
    let get = async |name: &str| stand.get(&format!("{REALM}/.well-known/{name}"), &[]).await.json();
    assert_eq!(
        get("wallet-openid-configuration").await["authorization_endpoint"],
        "https://front.example/auth"
    );
    let standard = get("openid-configuration").await;
    assert_eq!(standard["authorization_endpoint"], format!("{ISSUER}/protocol/openid-connect/auth"));
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_no_private_part_ever() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let keys = async || {
        let answer = stand.get(&format!("{REALM}/protocol/openid-connect/certs"), &[]).await;
        let mut keys = answer.json()["keys"].as_array().unwrap().clone();
        let encrypts = keys.pop().unwrap();
        assert_eq!((&encrypts["use"], &encrypts["alg"]), (&"enc".into(), &"RSA-OAEP-256".into()));
        assert!(encrypts.get("d").is_none(), "no private part");
        for key in &keys {
            let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, ["e", "kty", "n", "kid", "use", "alg"]);
            assert_eq!(
                (&key["kty"], &key["use"], &key["alg"]),
                (&"RSA".into(), &"sig".into(), &"RS256".into())
            );
        }
        keys.into_iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let kid = |tokens: &Value| {
        let token = tokens["id_token"].as_str().unwrap();
        let header = crate::crypto::jose::base64url::decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let before = keys().await;
    assert_eq!(before.len(), 2);
    let first = kid(&stand.tokens(&browser).await);
    stand.advance(3600);
    let event = {
        let clock = std::sync::Arc::new(stand.clock.clone());
        crate::audit::Trail::new("main", "1", clock, std::sync::Arc::new(SystemRandom))
            .event(Kind::KeyRotated)
    };
    let now = stand.clock.now();
    keyring::rotate(&stand.db, &stand.seal, Purpose::Token, false, now, &SystemRandom, event).await.unwrap();
    let browser = stand.sign_in().await;
    let second = kid(&stand.tokens(&browser).await);
    assert!(first != second && before.contains(&second), "the next key was known");
    assert!(keys().await.contains(&first), "the last key is still known");
}
