//! RFC 9101 §6.1, OpenID Connect Core §6.1: a request that the client signed, and then encrypted to us.

use serde_json::{Value, json};

use super::{CB, TYPE, claims, key, register, send, serve};
use crate::crypto::jose::{self, ContentEncryption, EncryptionKey, KeyManagement, base64url, encrypt};
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::tests::spec::browser::of;
use crate::tests::spec::par::{bring, push, pushed};
use crate::tests::spec::stand::{Answer, REALM, Stand};

const WRAPPED: KeyManagement = KeyManagement::RsaOaep256;
const DEFAULT: ContentEncryption = ContentEncryption::A128CbcHs256;

/// The key that we publish for this, as a client finds it.
async fn published(stand: &Stand) -> Value {
    let set = stand.get(&format!("{REALM}/protocol/openid-connect/certs"), &[]).await.json();
    let for_encryption: Vec<_> =
        set["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc").cloned().collect();
    let [key] = &for_encryption[..] else { panic!("{set}") };
    assert_eq!(key["alg"], "RSA-OAEP-256");
    key.clone()
}

fn sealed(jwk: &Value, content: ContentEncryption, content_type: Option<&str>, text: &str) -> String {
    let key = EncryptionKey::from_jwk(jwk).unwrap();
    encrypt(&key, WRAPPED, content, content_type, text.as_bytes()).unwrap()
}

fn nested(jwk: &Value, token: &str) -> String {
    sealed(jwk, DEFAULT, Some("JWT"), token)
}

/// The token with `changes` in its header: null takes a member away.
fn with_header(token: &str, changes: Value) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&base64url::decode(header).unwrap()).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => header.as_object_mut().unwrap().remove(name),
            value => header.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    format!("{}.{rest}", base64url::encode(header.to_string()))
}

fn with_part(token: &str, at: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let mut bytes = base64url::decode(&parts[at]).unwrap();
    change(&mut bytes);
    parts[at] = base64url::encode(bytes);
    parts.join(".")
}

/// What the client is told, and the code in the audit.
async fn refusal(stand: &Stand, object: &str) -> (String, String, String) {
    let answer = send(stand, object, &[], "").await;
    let told = |answer: &Answer, name: &str| answer.parameter(name).unwrap_or_default();
    let code = stand.events().await.pop().unwrap();
    (told(&answer, "error"), told(&answer, "error_description"), code)
}

#[tokio::test]
async fn an_encrypted_request_is_read_by_value_by_reference_and_pushed() {
    Stand::on_both(async |stand| {
        let (key, ours) = (key(), published(&stand).await);
        let object = |jti: &str| jose::sign(&key, TYPE, &claims(&stand, json!({ "jti": jti }))).unwrap();
        let (address, _) = serve(nested(&ours, &object("fetched"))).await;
        register(&stand, &key, |metadata| {
            metadata.request_uris = vec![address.clone()];
            metadata.require_signed_request_object = true;
        })
        .await;
        let browser = stand.sign_in().await;
        for (at, content) in ContentEncryption::ALL.into_iter().enumerate() {
            let object = sealed(&ours, content, Some("JWT"), &object(&format!("value {at}")));
            let answer = send(&stand, &object, &[("state", "unsigned")], &browser.cookie).await;
            assert_eq!(answer.parameter("state").as_deref(), Some("signed"), "{content:?}");
            assert!(answer.parameter("code").is_some());
        }
        // As some libraries name what is within, and with no name of our key.
        let named = sealed(&ours, DEFAULT, Some("oauth-authz-req+jwt"), &object("named"));
        assert!(send(&stand, &named, &[], &browser.cookie).await.parameter("code").is_some());
        let mut unnamed = ours.clone();
        unnamed.as_object_mut().unwrap().remove("kid");
        let unnamed = nested(&unnamed, &object("unnamed"));
        assert!(send(&stand, &unnamed, &[], &browser.cookie).await.parameter("code").is_some());

        let by_reference = of("std", CB, &[("request_uri", &address)]);
        let answer = stand.authorize(&by_reference, &browser.cookie).await;
        assert_eq!(answer.parameter("state").as_deref(), Some("signed"));

        let sent = nested(&ours, &object("pushed"));
        let handle = pushed(&stand, "std", &[("request", &sent)]).await;
        let answer = bring(&stand, "std", &handle, &[], &browser.cookie).await;
        assert_eq!(answer.parameter("state").as_deref(), Some("signed"));
        // Encrypted anew, it is the same request.
        let again = push(&stand, "std", &[("request", &nested(&ours, &object("pushed")))]).await;
        assert_eq!(again.error(), "invalid_request_object", "used before");
    })
    .await;
}

/// Everybody has our public key: encryption proves nobody (RFC 8725 §3.3, §2.4).
#[tokio::test]
async fn what_is_encrypted_must_be_signed_within_by_the_client() {
    Stand::on_both(async |stand| {
        let (key, ours) = (key(), published(&stand).await);
        register(&stand, &key, |_| {}).await;
        let (stranger, other) = (
            SigningKey::generate(Algorithm::Es256).unwrap(),
            jose::DecryptionKey::generate(WRAPPED).unwrap(),
        );
        let wanted = claims(&stand, json!({}));
        let good = jose::sign(&key, TYPE, &wanted).unwrap();
        let body = good.split('.').nth(1).unwrap();
        let unsigned =
            format!("{}.{body}.", base64url::encode(r#"{"alg":"none","typ":"oauth-authz-req+jwt"}"#));
        let typed = |typ: &str| jose::sign(&key, typ, &wanted).unwrap();
        let about = |changes: Value| jose::sign(&key, TYPE, &claims(&stand, changes)).unwrap();
        for (what, object, code) in [
            ("claims alone", nested(&ours, &wanted.to_string()), "OIDC-164"),
            ("nothing", nested(&ours, ""), "OIDC-164"),
            ("encrypted twice", nested(&ours, &nested(&ours, &good)), "OIDC-164"),
            ("no cty", sealed(&ours, DEFAULT, None, &good), "OIDC-164"),
            ("another cty", sealed(&ours, DEFAULT, Some("json"), &good), "OIDC-164"),
            ("a parameter string", nested(&ours, "client_id=std&response_type=code"), "OIDC-164"),
            ("alg none", nested(&ours, &unsigned), "OIDC-102"),
            ("of a stranger", nested(&ours, &jose::sign(&stranger, TYPE, &wanted).unwrap()), "OIDC-102"),
            (
                "without its signature",
                nested(&ours, &format!("{}.", good.rsplit_once('.').unwrap().0)),
                "OIDC-102",
            ),
            ("a proof", nested(&ours, &typed("dpop+jwt")), "OIDC-102"),
            ("an assertion", nested(&ours, &about(json!({ "sub": "std" }))), "OIDC-102"),
            (
                "for another issuer",
                nested(&ours, &about(json!({ "aud": "https://other.example" }))),
                "OIDC-102",
            ),
            (
                "of another client",
                nested(&ours, &about(json!({ "iss": "rp", "client_id": "rp" }))),
                "OIDC-102",
            ),
            ("expired", nested(&ours, &about(json!({ "exp": 1 }))), "OIDC-102"),
            ("to another key", nested(&other.to_jwk(), &good), "OIDC-167"),
            ("too long", nested(&ours, &"a.b.c".repeat(5000)), "OIDC-167"),
            ("compressed", with_header(&nested(&ours, &good), json!({ "zip": "DEF" })), "OIDC-167"),
            ("crit", with_header(&nested(&ours, &good), json!({ "crit": ["exp"], "exp": 1 })), "OIDC-167"),
            (
                "a key elsewhere",
                with_header(&nested(&ours, &good), json!({ "jku": "https://evil.example" })),
                "OIDC-167",
            ),
            ("a shared key", with_header(&nested(&ours, &good), json!({ "alg": "dir" })), "OIDC-163"),
            ("RSA1_5", with_header(&nested(&ours, &good), json!({ "alg": "RSA1_5" })), "OIDC-163"),
            (
                "a password",
                with_header(&nested(&ours, &good), json!({ "alg": "PBES2-HS256+A128KW" })),
                "OIDC-163",
            ),
            ("agreed", with_header(&nested(&ours, &good), json!({ "alg": "ECDH-ES" })), "OIDC-163"),
            ("no enc", with_header(&nested(&ours, &good), json!({ "enc": null })), "OIDC-163"),
        ] {
            let (error, _, event) = refusal(&stand, &object).await;
            assert_eq!(error, "invalid_request_object", "{what}");
            assert_eq!(event, format!("authorization.refused {code}"), "{what}");
            let answer = push(&stand, "std", &[("request", &object)]).await;
            assert_eq!(answer.error(), "invalid_request_object", "{what}, pushed");
        }
        assert!(refusal(&stand, &nested(&ours, &good)).await.0.is_empty(), "the good one of these");
    })
    .await;
}

/// RFC 7516 §11.4, §11.5: whoever changes an object and sends it again learns nothing from what they are told.
#[tokio::test]
async fn no_answer_tells_why_an_object_cannot_be_read() {
    Stand::on_both(async |stand| {
        let (key, ours) = (key(), published(&stand).await);
        register(&stand, &key, |_| {}).await;
        let good = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        let object = nested(&ours, &good);
        let flip = |bytes: &mut Vec<u8>| bytes[0] ^= 1;
        let last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
        let other = jose::DecryptionKey::generate(WRAPPED).unwrap().to_jwk();
        let mut told = Vec::new();
        for (what, changed) in [
            ("a wrapped key that is changed", with_part(&object, 1, flip)),
            ("a wrapped key whose end is changed", with_part(&object, 1, last)),
            ("a wrapped key of zeros", with_part(&object, 1, |bytes| bytes.fill(0))),
            ("a wrapped key beyond the modulus", with_part(&object, 1, |bytes| bytes.fill(0xFF))),
            ("no wrapped key", with_part(&object, 1, Vec::clear)),
            ("an initialisation vector that is changed", with_part(&object, 2, flip)),
            ("a short initialisation vector", with_part(&object, 2, |bytes| bytes.truncate(12))),
            ("a content that is changed", with_part(&object, 3, flip)),
            ("a padding that is changed", with_part(&object, 3, last)),
            ("a content that is cut", with_part(&object, 3, |bytes| bytes.truncate(16))),
            ("no content", with_part(&object, 3, Vec::clear)),
            ("a tag that is changed", with_part(&object, 4, flip)),
            ("a short tag", with_part(&object, 4, |bytes| bytes.truncate(4))),
            ("a header that is changed", with_header(&object, json!({ "typ": "JWT" }))),
            ("another enc", with_header(&object, json!({ "enc": "A256CBC-HS512" }))),
            ("a key that is not ours", with_header(&object, json!({ "kid": "another" }))),
            (
                "another's key under the name of ours",
                with_header(&nested(&other, &good), json!({ "kid": ours["kid"] })),
            ),
            ("letters that are none", format!("{object}=")),
        ] {
            assert_ne!(changed, object, "{what}");
            told.push((what, refusal(&stand, &changed).await));
        }
        let (_, first) = &told[0];
        assert_eq!(
            (first.0.as_str(), first.2.as_str()),
            ("invalid_request_object", "authorization.refused OIDC-167")
        );
        for (what, answer) in &told {
            assert_eq!(answer, first, "{what}");
        }
    })
    .await;
}

/// OpenID Connect Registration §2.
#[tokio::test]
async fn a_client_that_registered_how_it_encrypts_is_read_so_alone() {
    Stand::on_both(async |stand| {
        let (key, ours) = (key(), published(&stand).await);
        register(&stand, &key, |metadata| {
            metadata.request_object_encryption_alg = Some("RSA-OAEP-256".into());
            metadata.request_object_encryption_enc = Some("A256GCM".into());
        })
        .await;
        let browser = stand.sign_in().await;
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        for content in ContentEncryption::ALL {
            let answer =
                send(&stand, &sealed(&ours, content, Some("JWT"), &object), &[], &browser.cookie).await;
            let is_read = answer.parameter("code").is_some();
            assert_eq!(is_read, content == ContentEncryption::A256Gcm, "{content:?}");
        }
        // It may encrypt, says the standard, and need not.
        assert!(send(&stand, &object, &[], &browser.cookie).await.parameter("code").is_some());
    })
    .await;
}
