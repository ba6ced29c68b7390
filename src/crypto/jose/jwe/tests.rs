//! What is encrypted is read by its reader only; what is malformed or hostile is refused before the library sees it.

use super::*;
use serde_json::json;

const ANY: ExpectedJwe<'_> =
    ExpectedJwe { management: &KeyManagement::ALL, content: &ContentEncryption::ALL, max_len: 8192 };

fn public(key: &DecryptionKey) -> EncryptionKey {
    EncryptionKey::from_jwk(&key.to_jwk()).unwrap()
}

fn open(token: &str, key: &DecryptionKey) -> Result<Vec<u8>, JweError> {
    let opened = decrypt(token, ANY, |kid| (kid.is_none() || kid == Some(key.kid())).then_some(key))?;
    Ok(opened.content.to_vec())
}

fn with_header(token: &str, change: &dyn Fn(&mut Map<String, Value>)) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header = strict_json::object(&base64url::decode(header).unwrap()).unwrap();
    change(&mut header);
    format!("{}.{rest}", base64url::encode(Value::Object(header).to_string()))
}

/// The parts, with one of them replaced.
fn with_part(token: &str, at: usize, change: &dyn Fn(&mut Vec<u8>)) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let mut bytes = base64url::decode(&parts[at]).unwrap();
    change(&mut bytes);
    parts[at] = base64url::encode(bytes);
    parts.join(".")
}

#[test]
fn what_is_encrypted_is_read_by_its_reader_only() {
    for management in KeyManagement::ALL {
        let key = DecryptionKey::generate(management).unwrap();
        let key = DecryptionKey::from_pkcs8(management, &key.to_pkcs8().unwrap()).unwrap();
        let other = DecryptionKey::generate(management).unwrap();
        for content in ContentEncryption::ALL {
            let token = encrypt(&public(&key), management, content, Some("JWT"), b"secret").unwrap();
            let opened = decrypt(&token, ANY, |kid| (kid == Some(key.kid())).then_some(&key)).unwrap();
            assert_eq!(opened.content.as_slice(), b"secret");
            assert_eq!(opened.content_type.as_deref(), Some("JWT"));
            assert!(!format!("{opened:?} {key:?}").contains("secret"));
            assert_eq!(
                decrypt(&token, ANY, |_| Some(&other)).unwrap_err(),
                JweError::DoesNotDecrypt,
                "{management:?} {content:?}"
            );
        }
    }
}

#[test]
fn every_changed_part_is_refused_alike() {
    for management in KeyManagement::ALL {
        let key = DecryptionKey::generate(management).unwrap();
        for content in ContentEncryption::ALL {
            let token = encrypt(&public(&key), management, content, None, &[b'a'; 48]).unwrap();
            let flip = |bytes: &mut Vec<u8>| bytes.iter_mut().for_each(|byte| *byte ^= 1);
            for part in [1, 2, 3, 4] {
                if !(part == 1 && management == KeyManagement::EcdhEs) {
                    let changed = with_part(&token, part, &flip);
                    assert_eq!(open(&changed, &key), Err(JweError::DoesNotDecrypt), "{part} {management:?}");
                }
            }
            let header = with_header(&token, &|header| {
                header.insert("cty".into(), "JWT".into());
            });
            assert_eq!(open(&header, &key), Err(JweError::DoesNotDecrypt), "the header is covered");
        }
    }
}

#[test]
fn parts_of_another_length_never_reach_the_library() {
    for management in KeyManagement::ALL {
        let key = DecryptionKey::generate(management).unwrap();
        for content in ContentEncryption::ALL {
            let token = encrypt(&public(&key), management, content, None, b"secret").unwrap();
            // A tag of four bytes is guessed soon; a wrapped key below eight makes josekit panic.
            for (part, len) in [(1, 0), (1, 4), (1, 7), (2, 0), (2, 8), (4, 0), (4, 4), (4, 15), (4, 64)] {
                let changed = with_part(&token, part, &|bytes| bytes.resize(len, 0));
                if changed != token {
                    assert_eq!(
                        open(&changed, &key),
                        Err(JweError::WrongLength),
                        "{part} {len} {management:?}"
                    );
                }
            }
            assert_eq!(
                open(&with_part(&token, 3, &|bytes| bytes.clear()), &key),
                Err(JweError::DoesNotDecrypt)
            );
        }
    }
}

#[test]
fn what_is_not_allowed_is_refused_before_anything_is_decrypted() {
    let key = DecryptionKey::generate(KeyManagement::EcdhEsA128Kw).unwrap();
    let rsa = DecryptionKey::generate(KeyManagement::RsaOaep256).unwrap();
    let (management, content) = (KeyManagement::EcdhEsA128Kw, ContentEncryption::A128Gcm);
    let token = encrypt(&public(&key), management, content, None, b"secret").unwrap();
    let with = |name: &str, value: Value| {
        open(&with_header(&token, &|header| drop(header.insert(name.into(), value.clone()))), &key)
    };
    for alg in [
        "RSA1_5",
        "RSA-OAEP-512",
        "dir",
        "A128KW",
        "A256GCMKW",
        "PBES2-HS256+A128KW",
        "ECDH-ES+A192KW",
        "none",
        "ecdh-es",
        "RS256",
    ] {
        assert_eq!(with("alg", alg.into()), Err(JweError::AlgorithmNotAllowed), "{alg}");
    }
    for enc in ["A192GCM", "A192CBC-HS384", "A128CBC", "none", ""] {
        assert_eq!(with("enc", enc.into()), Err(JweError::EncryptionNotAllowed), "{enc}");
    }
    for name in ["zip", "crit", "jku", "jwk", "x5u", "x5c", "p2s", "p2c", "b64", "iv", "tag"] {
        assert_eq!(with(name, "DEF".into()), Err(JweError::HeaderRefused(name.into())));
    }
    assert_eq!(with("alg", json!(1)), Err(JweError::Malformed));
    assert_eq!(with("kid", json!(1)), Err(JweError::Malformed));
    assert_eq!(with("kid", "another".into()), Err(JweError::UnknownKey));
    assert_eq!(with("apu", "A".into()), Err(JweError::NotBase64url));
    assert_eq!(with("apu", "AAAA".into()), Err(JweError::DoesNotDecrypt));
    let to_rsa = encrypt(&public(&rsa), KeyManagement::RsaOaep256, content, None, b"secret").unwrap();
    assert_eq!(decrypt(&to_rsa, ANY, |_| Some(&key)).unwrap_err(), JweError::KeyMismatch);
    let with_epk = with_header(&to_rsa, &|header| drop(header.insert("epk".into(), json!({}))));
    assert_eq!(open(&with_epk, &rsa), Err(JweError::HeaderRefused("epk".into())));
    let narrow = ExpectedJwe { management: &[KeyManagement::EcdhEs], ..ANY };
    assert_eq!(decrypt(&token, narrow, |_| Some(&key)).unwrap_err(), JweError::AlgorithmNotAllowed);
    let narrow = ExpectedJwe { content: &[ContentEncryption::A256Gcm], ..ANY };
    assert_eq!(decrypt(&token, narrow, |_| Some(&key)).unwrap_err(), JweError::EncryptionNotAllowed);
    let narrow = ExpectedJwe { max_len: token.len() - 1, ..ANY };
    assert_eq!(decrypt(&token, narrow, |_| Some(&key)).unwrap_err(), JweError::TooLong);
    for malformed in ["", "a.b.c", "e30.e30.e30.e30", "e30.e30.e30.e30.e30.e30"] {
        assert_eq!(open(malformed, &key), Err(JweError::Malformed), "{malformed}");
    }
    assert_eq!(open(&format!("{token}="), &key), Err(JweError::NotBase64url));
    let twice = base64url::encode(r#"{"alg":"ECDH-ES","alg":"RSA1_5"}"#);
    let twice = format!("{twice}.{}", token.split_once('.').unwrap().1);
    assert_eq!(open(&twice, &key), Err(JweError::Header(JsonFault::DuplicateMember)));
}

#[test]
fn a_bomb_is_not_inflated() {
    let key = DecryptionKey::generate(KeyManagement::EcdhEs).unwrap();
    let mut header = JweHeader::new();
    header.set_content_encryption("A128GCM");
    header.set_compression("DEF");
    let encrypter = jwe::ECDH_ES.encrypter_from_der(key.public.to_spki().unwrap()).unwrap();
    let bomb = jwe::serialize_compact(&vec![0; 64 << 20], &header, &encrypter).unwrap();
    assert!(bomb.len() < 128 << 10, "64 MB in {}", bomb.len());
    let expected = ExpectedJwe { max_len: bomb.len(), ..ANY };
    let refused = decrypt(&bomb, expected, |_| panic!("a key was looked for")).unwrap_err();
    assert_eq!(refused, JweError::HeaderRefused("zip".into()));
}

#[test]
fn a_point_beside_the_curve_is_refused() {
    for management in [KeyManagement::EcdhEs, KeyManagement::EcdhEsA128Kw, KeyManagement::EcdhEsA256Kw] {
        let key = DecryptionKey::generate(management).unwrap();
        let token = encrypt(&public(&key), management, ContentEncryption::A128Gcm, None, b"x").unwrap();
        let with_epk = |change: &dyn Fn(&mut Map<String, Value>)| {
            let changed = with_header(&token, &|header| change(header["epk"].as_object_mut().unwrap()));
            open(&changed, &key).unwrap_err()
        };
        let set = |name: &'static str, value: Value| {
            move |epk: &mut Map<String, Value>| drop(epk.insert(name.into(), value.clone()))
        };
        let off = |bytes: [u8; 32]| json!(base64url::encode(bytes));
        // Points of y² = x³ − 3x + b' for other b', where the group is small, are what this attack sends.
        for point in [[0; 32], [1; 32], [0xFF; 32]] {
            assert_eq!(with_epk(&set("y", off(point))), JweError::EphemeralKey(KeyError::Point));
        }
        assert_eq!(with_epk(&set("x", json!("AAAA"))), JweError::EphemeralKey(KeyError::Point));
        assert_eq!(with_epk(&set("crv", json!("P-384"))), JweError::EphemeralKey(KeyError::Unsupported));
        assert_eq!(with_epk(&set("d", json!("AAAA"))), JweError::EphemeralKey(KeyError::Private));
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode([9; 32]) });
        let changed = with_header(&token, &|header| drop(header.insert("epk".into(), ed.clone())));
        assert_eq!(open(&changed, &key), Err(JweError::EphemeralKey(KeyError::Unsupported)));
        let changed = with_header(&token, &|header| drop(header.remove("epk")));
        assert_eq!(open(&changed, &key), Err(JweError::Malformed));
    }
}

#[test]
fn a_key_is_encrypted_to_as_its_owner_says() {
    let rsa = DecryptionKey::generate(KeyManagement::RsaOaep256).unwrap().to_jwk();
    let read = |change: Value| {
        let mut jwk = rsa.clone();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => jwk.as_object_mut().unwrap().remove(name),
                value => jwk.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        EncryptionKey::from_jwk(&jwk).map(|key| KeyManagement::ALL.map(|management| key.allows(management)))
    };
    assert_eq!(read(json!({})), Ok([true, false, false, false, false]));
    assert_eq!(read(json!({ "alg": null })), Ok([true, true, false, false, false]));
    assert_eq!(
        read(json!({ "alg": null, "use": null, "key_ops": ["wrapKey"] })),
        Ok([true, true, false, false, false])
    );
    for other in [
        json!({ "use": "sig" }),
        json!({ "alg": "RSA1_5" }),
        json!({ "alg": "ECDH-ES" }),
        json!({ "key_ops": ["verify"] }),
    ] {
        assert_eq!(read(other.clone()), Err(KeyError::OtherUse), "{other}");
    }
    let key = EncryptionKey::from_jwk(&rsa).unwrap();
    let refused = encrypt(&key, KeyManagement::RsaOaep, ContentEncryption::A256Gcm, None, b"x");
    assert_eq!(refused.unwrap_err(), JweError::KeyMismatch);
}
