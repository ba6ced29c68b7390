//! What can be registered and what cannot.

use serde_json::json;

use super::*;
use crate::crypto::keys::SigningKey;
use crate::oidc::{psc, standard};

fn verdict(registrar: Registrar, changes: Value) -> &'static str {
    let mut document = json!({ "client_name": "Essai", "redirect_uris": ["https://rp.example/cb"] });
    document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let read = Document::read(document.to_string().as_bytes(), registrar);
    let checked =
        read.and_then(|document| check(&document, registrar, &standard::RULES, &AuthMethod::ALL, false));
    checked.map_or_else(|fault| fault.code(), |()| "good")
}

fn administrator(changes: Value) -> &'static str {
    verdict(Registrar::Administrator, changes)
}

fn stranger(changes: Value) -> &'static str {
    verdict(Registrar::Itself, changes)
}

#[test]
fn every_member_is_read_by_its_name() {
    assert_eq!(administrator(json!({})), "good");
    assert_eq!(administrator(json!({ "redirect_uri": ["https://rp.example/cb"] })), "OIDC-150", "mistyped");
    assert_eq!(stranger(json!({ "redirect_uri": ["x"], "x": { "y": [] } })), "good", "ignored");
    assert_eq!(stranger(json!({ "software_statement": "a.b.c" })), "OIDC-151");
    assert_eq!(administrator(json!({ "contacts": "nobody" })), "OIDC-150");
    for text in [
        r#"{"jwks_uri":"https://a.example/","jwks_uri":"https://b.example/"}"#,
        r#"{"redirect_uris":[],"redirect_uris":[]}"#,
        "[]",
        "",
        "{\"a\":{\"a\":",
    ] {
        assert!(Document::read(text.as_bytes(), Registrar::Itself).is_err(), "{text}");
    }
}

#[test]
fn addresses_that_could_hurt_are_refused() {
    for (member, list) in [("redirect_uris", true), ("post_logout_redirect_uris", true), ("jwks_uri", false)]
    {
        for address in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://rp.example/a b",
            "https://u@rp.example/",
            "/cb",
        ] {
            let value = if list { json!([address]) } else { json!(address) };
            assert_ne!(administrator(json!({ member: value })), "good", "{member} {address}");
        }
    }
    for member in ["logo_uri", "tos_uri", "policy_uri", "client_uri", "initiate_login_uri", "jwks_uri"] {
        assert_eq!(stranger(json!({ member: "http://rp.example/" })), "OIDC-152", "{member}");
        assert_eq!(stranger(json!({ member: "https://rp.example/#x" })), "OIDC-152", "{member}");
        assert_eq!(stranger(json!({ member: "https://rp.example/x" })), "good", "{member}");
    }
    assert_eq!(stranger(json!({ "redirect_uris": ["http://localhost/cb"] })), "OIDC-080");
    assert_eq!(
        stranger(json!({ "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native" })),
        "good"
    );
    assert_eq!(administrator(json!({ "redirect_uris": [] })), "OIDC-152");
    assert_eq!(administrator(json!({ "redirect_uris": vec!["https://rp.example/"; 21] })), "OIDC-152");
    let foreign = json!({ "frontchannel_logout_uri": "https://other.example/bye" });
    assert_eq!(administrator(foreign), "OIDC-152");
    assert_eq!(administrator(json!({ "frontchannel_logout_uri": "https://rp.example/bye" })), "good");
}

#[test]
fn the_list_of_a_sector_is_fetched_by_https_alone() {
    assert_eq!(administrator(json!({ "sector_identifier_uri": "http://rp.example/sector" })), "OIDC-152");
    assert_eq!(administrator(json!({ "sector_identifier_uri": "https://rp.example/sector" })), "good");
}

#[test]
fn a_stranger_gets_nothing_that_somebody_has_to_vouch_for() {
    for changes in [
        json!({ "grant_types": [EXCHANGE] }),
        json!({ "resources": ["https://api.example/"] }),
        json!({ "authorization_details_types": ["dossier"] }),
        json!({ "sector_identifier_uri": "https://rp.example/sector" }),
    ] {
        assert_eq!(stranger(changes.clone()), "OIDC-152", "{changes}");
        assert_eq!(administrator(changes.clone()), "good", "{changes}");
    }
    for changes in [
        json!({ "grant_types": ["password"] }),
        json!({ "grant_types": ["implicit"] }),
        json!({ "response_types": ["code id_token"] }),
        json!({ "scope": "openid admin" }),
    ] {
        assert_eq!(administrator(changes.clone()), "OIDC-152", "{changes}");
    }
}

#[test]
fn keys_are_public_strong_and_in_one_place() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().public().to_jwk();
    let with =
        |keys: Value| json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": keys } });
    assert_eq!(administrator(with(json!([key]))), "good");
    let mut private = key.clone();
    private["d"] = json!("AA");
    for keys in [
        json!([private]),
        json!([]),
        json!([{ "kty": "oct", "k": "AA" }]),
        json!([{ "kty": "RSA", "n": "AQAB", "e": "AQAB" }]),
        json!("keys"),
    ] {
        assert_eq!(administrator(with(keys.clone())), "OIDC-152", "{keys}");
    }
    let mut both = with(json!([key]));
    both["jwks_uri"] = json!("https://rp.example/jwks");
    assert_eq!(administrator(both), "OIDC-152");
    assert_eq!(administrator(json!({ "token_endpoint_auth_method": "private_key_jwt" })), "OIDC-152");
    assert_eq!(administrator(json!({ "token_endpoint_auth_method": "client_secret_jwt" })), "OIDC-150");
    assert_eq!(administrator(json!({ "require_signed_request_object": true })), "OIDC-152");
}

#[test]
fn one_name_of_the_certificate() {
    let with = |mut names: Value| {
        names["token_endpoint_auth_method"] = json!("tls_client_auth");
        administrator(names)
    };
    assert_eq!(with(json!({ "tls_client_auth_subject_dn": "CN=a,C=FR" })), "good");
    assert_eq!(with(json!({ "tls_client_auth_san_ip": "2001:db8::1" })), "good");
    assert_eq!(with(json!({})), "OIDC-152");
    assert_eq!(with(json!({ "tls_client_auth_subject_dn": "nonsense" })), "OIDC-152");
    assert_eq!(with(json!({ "tls_client_auth_san_ip": "nonsense" })), "OIDC-152");
    let two = json!({ "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_email": "a@b.example" });
    assert_eq!(with(two), "OIDC-152");
    assert_eq!(administrator(json!({ "tls_client_auth_san_dns": "a.example" })), "OIDC-152");
    let both =
        json!({ "tls_client_certificate_bound_access_tokens": true, "dpop_bound_access_tokens": true });
    assert_eq!(administrator(both), "OIDC-152");
}

#[test]
fn algorithms_are_ours_and_never_none() {
    for member in [
        "token_endpoint_auth_signing_alg",
        "request_object_signing_alg",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "introspection_signed_response_alg",
        "authorization_signed_response_alg",
    ] {
        assert_eq!(administrator(json!({ member: "ES256" })), "good", "{member}");
        for name in ["none", "HS256", "RS512", ""] {
            assert_eq!(administrator(json!({ member: name })), "OIDC-152", "{member} {name}");
        }
    }
    assert_eq!(administrator(json!({ "id_token_encrypted_response_alg": "RSA1_5" })), "OIDC-152");
    assert_eq!(administrator(json!({ "id_token_encrypted_response_enc": "A256GCM" })), "OIDC-152");
    assert_eq!(administrator(json!({ "request_object_encryption_alg": "RSA-OAEP-256" })), "good");
    // Nobody is promised what is not read.
    assert_eq!(administrator(json!({ "request_object_encryption_alg": "ECDH-ES" })), "OIDC-152");
    assert_eq!(administrator(json!({ "request_object_encryption_enc": "A256GCM" })), "OIDC-152");
    let good = json!({
        "id_token_encrypted_response_alg": "RSA-OAEP-256", "id_token_encrypted_response_enc": "A256GCM"
    });
    assert_eq!(administrator(good), "good");
}

#[test]
fn what_is_not_enabled_or_not_of_the_profile_cannot_be_registered() {
    let document = Document {
        redirect_uris: vec!["https://rp.example/cb".into()],
        metadata: Metadata { token_endpoint_auth_method: Some(AuthMethod::None), ..Metadata::default() },
        ..Document::default()
    };
    let verdict = |rules, methods: &[AuthMethod]| {
        check(&document, Registrar::Administrator, rules, methods, false).is_ok()
    };
    assert!(verdict(&standard::RULES, &AuthMethod::ALL));
    assert!(!verdict(&psc::RULES, &AuthMethod::ALL), "PSC has no public clients");
    assert!(!verdict(&standard::RULES, &[AuthMethod::ClientSecretBasic]));
}
