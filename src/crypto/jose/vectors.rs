//! The worked examples of the standards. Hostile tokens are in [`super::hostile`].
//!
//! `vectors.json` holds the examples of RFC 7515 to 7520, 7638, 8037 and 9449: those in compact form by an algorithm of
//! ours say what they say there, every other is refused with the error beside it.
//!
//! A private key stands there only where an example cannot be decrypted without it (RFC 7516 A.1, RFC 7520 5.2, 5.5, 6):
//! it is printed in that document, and nobody's secret. Where a private key is there to be refused, `AA` stands for its
//! secret members.

use josekit::jwk::Jwk;
use josekit::jwk::alg::{ec::EcKeyPair, rsa::RsaKeyPair};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

const ANY: Expected<'_> = Expected { typ: None, algorithms: &Algorithm::ALL, max_len: 16 * 1024 };
const ANY_JWE: ExpectedJwe<'_> =
    ExpectedJwe { management: &KeyManagement::ALL, content: &ContentEncryption::ALL, max_len: 16 * 1024 };

#[derive(Deserialize)]
struct Example {
    clause: String,
    kind: String,
    token: String,
    key: Option<Value>,
    signer: Option<Value>,
    says: Option<String>,
    error: Option<String>,
}

impl Example {
    fn outcome(&self) -> Result<String, String> {
        let token = self.token.as_str();
        match self.kind.as_str() {
            "jws" => jws(token, self.key.as_ref()),
            "jwe" => jwe(token, self.key.as_ref()).map(|content| text(&content.content)),
            "nested" => {
                let inner = jwe(token, self.key.as_ref())?;
                assert_eq!(inner.content_type.as_deref(), Some("JWT"));
                jws(&text(&inner.content), self.signer.as_ref())
            }
            "dpop" => {
                let expected = Expected { typ: Some("dpop+jwt"), ..ANY };
                verify_with_embedded_key::<Value>(token, expected)
                    .map(|(_, thumbprint)| thumbprint)
                    .map_err(said)
            }
            "set" => {
                let set = KeySet::parse(token.as_bytes()).map_err(said)?;
                Ok(format!("{} usable, {} certified", set.usable(), set.certificates().len()))
            }
            "jwk" => VerifyingKey::from_jwk(&serde_json::from_str(token).unwrap())
                .map(|key| key.kid().to_owned())
                .map_err(said),
            other => panic!("{other}"),
        }
    }
}

fn said(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn jws(token: &str, key: Option<&Value>) -> Result<String, String> {
    let signed = Compact::read(token, ANY.max_len).map_err(said)?;
    let algorithm = signed.admit(ANY, &[]).map_err(said)?;
    let key = VerifyingKey::from_jwk(key.ok_or("no key")?).map_err(said)?;
    signed.check(&key, algorithm).map_err(said)?;
    Ok(text(&signed.payload))
}

fn jwe(token: &str, key: Option<&Value>) -> Result<Decrypted, String> {
    let management = || {
        let header = base64url::decode(token.split('.').next()?)?;
        KeyManagement::from_name(serde_json::from_slice::<Value>(&header).ok()?["alg"].as_str()?)
    };
    let key = key.map(|key| private_key(key, management().unwrap()));
    decrypt(token, ANY_JWE, |_| key.as_ref()).map_err(said)
}

/// A private key as the standards print it. The program itself reads none in this form.
fn private_key(jwk: &Value, management: KeyManagement) -> DecryptionKey {
    let jwk = Jwk::from_map(jwk.as_object().unwrap().clone()).unwrap();
    let der = match jwk.key_type() {
        "RSA" => RsaKeyPair::from_jwk(&jwk).unwrap().to_der_private_key(),
        _ => EcKeyPair::from_jwk(&jwk).unwrap().to_der_private_key(),
    };
    let pkcs8 = openssl::pkey::PKey::private_key_from_der(&der).unwrap().private_key_to_pkcs8().unwrap();
    DecryptionKey::from_pkcs8(management, &pkcs8).unwrap()
}

#[test]
fn the_examples_of_the_standards_pass_or_are_refused_for_the_reason_that_is_theirs() {
    let examples: Vec<Example> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let mut wrong = Vec::new();
    for example in &examples {
        let expected = match (&example.says, &example.error) {
            (Some(says), None) => Ok(says.clone()),
            (None, Some(error)) => Err(error.clone()),
            _ => panic!("{}: one outcome", example.clause),
        };
        let outcome = example.outcome();
        if outcome != expected {
            wrong.push(format!("{}: {outcome:?}, not {expected:?}", example.clause));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for standard in ["7515", "7516", "7517", "7519", "7520", "7638", "8037", "9449"] {
        let clauses = examples.iter().filter(|example| example.clause.contains(standard));
        assert!(clauses.count() > 0, "RFC {standard}");
    }
}

/// RFC 7518, Appendix B.1 and B.3: content by AES in CBC with HMAC, whose additional data there is no header.
#[test]
fn the_content_of_rfc_7518_is_opened() {
    let bytes = |text: &str| hex::decode(text.replace(char::is_whitespace, "")).unwrap();
    let sealed = |ciphertext: &str, tag: &str| {
        let (iv, aad) =
            ("1af38c2dc2b96ffdd86694092341bc04", "The second principle of Auguste Kerckhoffs".to_owned());
        (aad, bytes(iv), bytes(ciphertext), bytes(tag))
    };
    let says = "A cipher system must not be required to be secret, and it must be able to fall into the hands of \
                the enemy without inconvenience";
    for (content, key_len, (aad, iv, ciphertext, tag)) in [
        (
            ContentEncryption::A128CbcHs256,
            32,
            sealed(
                "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2
                 fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b
                 384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db",
                "652c3fa36b0a7c5b3219fab3a30bc1c4",
            ),
        ),
        (
            ContentEncryption::A256CbcHs512,
            64,
            sealed(
                "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2
                 e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3
                 a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6",
                "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
            ),
        ),
    ] {
        let key: Vec<u8> = (0..key_len).collect();
        let opened = jwe::open_content(content, &key, &aad, iv, ciphertext, tag);
        assert_eq!(opened.map(|bytes| text(&bytes)).as_deref(), Some(says), "{content:?}");
    }
}

/// RFC 7518, Appendix C: the key that Alice and Bob agree on.
#[test]
fn the_agreed_key_is_that_of_rfc_7518() {
    let bob = json!({
        "kty": "EC", "crv": "P-256",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    });
    let header = json!({
        "alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i",
        "epk": {
            "kty": "EC", "crv": "P-256",
            "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        },
    });
    // The standard prints no token. This one was made with the key it prints.
    let agreed = base64url::decode("VqqN6vgjbSBcIijNcacQGg").unwrap();
    let aad = base64url::encode(header.to_string());
    let (iv, mut tag) = ([7; 12], [0; 16]);
    let cipher = openssl::symm::Cipher::aes_128_gcm();
    let sealed =
        openssl::symm::encrypt_aead(cipher, &agreed, Some(&iv), aad.as_bytes(), b"agreed", &mut tag).unwrap();
    let token =
        format!("{aad}..{}.{}.{}", base64url::encode(iv), base64url::encode(sealed), base64url::encode(tag));
    assert_eq!(text(&jwe(&token, Some(&bob)).unwrap().content), "agreed");
}
