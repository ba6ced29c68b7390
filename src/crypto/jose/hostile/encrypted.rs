//! Encrypted tokens (RFC 7516, RFC 7518 §4, §5, RFC 8725 §2.4, §2.5, §3.3): what is not ours to decrypt, keys that are
//! not on the curve, parts of another length, and what is found within.

use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt_aead};

use super::Reader::{Nested, Sealed};
use super::*;

pub(super) fn rows(bench: &Bench) -> Vec<Row> {
    let groups = [good(bench), headers(bench), agreement(bench), parts(bench), wrapped(bench), nested(bench)];
    groups.into_iter().flatten().collect()
}

fn to(key: &DecryptionKey, content: ContentEncryption, content_type: Option<&str>, text: &[u8]) -> String {
    let public = EncryptionKey::from_jwk(&key.to_jwk()).unwrap();
    encrypt(&public, key.management(), content, content_type, text).unwrap()
}

/// The token with another header, which its tag does not cover any more.
fn with_header(token: &str, changes: Value) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let header = serde_json::from_slice(&base64url::decode(header).unwrap()).unwrap();
    format!("{}.{rest}", base64url::encode(changed(header, changes).to_string()))
}

fn with_part(token: &str, at: usize, change: &dyn Fn(Vec<u8>) -> Vec<u8>) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[at] = base64url::encode(change(base64url::decode(&parts[at]).unwrap()));
    parts.join(".")
}

/// A token with that header and wrapped key, whose tag is right for `key`: whatever is wrong is wrong elsewhere.
fn sealed(header: &Value, wrapped: &[u8], key: &[u8; 32]) -> String {
    let (aad, iv, mut tag) = (base64url::encode(header.to_string()), [7; 12], [0; 16]);
    let text = encrypt_aead(Cipher::aes_256_gcm(), key, Some(&iv), aad.as_bytes(), b"{}", &mut tag).unwrap();
    let [wrapped, iv, text, tag] = [wrapped, &iv, &text, &tag].map(base64url::encode);
    format!("{aad}.{wrapped}.{iv}.{text}.{tag}")
}

fn good(bench: &Bench) -> Vec<Row> {
    let keys = [&bench.oaep, &bench.agreed, &bench.wrapped];
    let of = |content: ContentEncryption| {
        keys.map(|key| {
            let name = format!("a good JWE, {} and {}", key.management().name(), content.name());
            accepted(name, Sealed, to(key, content, None, b"{}"))
        })
    };
    ContentEncryption::ALL.into_iter().flat_map(of).collect()
}

fn headers(bench: &Bench) -> Vec<Row> {
    let token = to(&bench.oaep, ContentEncryption::A256Gcm, None, b"{}");
    let agreed = to(&bench.agreed, ContentEncryption::A256Gcm, None, b"{}");
    let row = |what: String, changes: Value, why: JweError| {
        refused(what, Sealed, with_header(&token, changes), why)
    };
    let mut rows = Vec::new();
    for alg in [
        "RSA1_5",
        "RSA-OAEP-384",
        "RSA-OAEP-512",
        "dir",
        "A128KW",
        "A256KW",
        "A128GCMKW",
        "A256GCMKW",
        "PBES2-HS256+A128KW",
        "PBES2-HS512+A256KW",
        "ECDH-ES+A192KW",
        "ECDH-1PU",
        "none",
        "None",
        "",
        "RS256",
        "rsa-oaep-256",
        "RSA-OAEP-256 ",
    ] {
        rows.push(row(format!("JWE alg {alg:?}"), json!({ "alg": alg }), JweError::AlgorithmNotAllowed));
    }
    for enc in ["A192GCM", "A192CBC-HS384", "A128CBC", "A256GCM ", "a256gcm", "none", "XC20P", ""] {
        rows.push(row(format!("JWE enc {enc:?}"), json!({ "enc": enc }), JweError::EncryptionNotAllowed));
    }
    for (name, value) in [
        ("zip", json!("DEF")),
        ("zip", json!("none")),
        ("zip", json!(1)),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("jku", json!("https://attacker.example/")),
        ("jwk", json!({})),
        ("x5u", json!("https://attacker.example/")),
        ("x5c", json!([])),
        ("x5t", json!("AA")),
        ("p2s", json!("AA")),
        ("p2c", json!(2_147_483_647)),
        ("b64", json!(false)),
        ("iv", json!("AA")),
        ("tag", json!("AA")),
        ("epk", json!({})),
        ("apu", json!("AA")),
        ("apv", json!("AA")),
        ("exp", json!(1)),
    ] {
        let what = format!("JWE {name} is {value}");
        rows.push(row(what, json!({ name: value }), JweError::HeaderRefused(name.into())));
    }
    let password = json!({ "alg": "PBES2-HS256+A128KW", "p2s": "AAAAAAAAAAA", "p2c": 2_147_483_647 });
    let squeezed = json!({ "alg": "dir", "zip": "DEF" });
    let (oaep, other) = (json!({ "alg": "RSA-OAEP" }), json!({ "kid": bench.agreed.kid() }));
    let cases = [
        ("a password and two thousand million rounds", password, JweError::AlgorithmNotAllowed),
        ("compressed, by a shared key", squeezed, JweError::HeaderRefused("zip".into())),
        ("no alg", json!({ "alg": null }), JweError::AlgorithmNotAllowed),
        ("no enc", json!({ "enc": null }), JweError::EncryptionNotAllowed),
        ("alg is a list", json!({ "alg": ["RSA-OAEP-256"] }), JweError::Malformed),
        ("enc is a number", json!({ "enc": 256 }), JweError::Malformed),
        ("kid is a number", json!({ "kid": 1 }), JweError::Malformed),
        ("cty is a list", json!({ "cty": ["JWT"] }), JweError::Malformed),
        ("another's key", json!({ "kid": "another" }), JweError::UnknownKey),
        ("no kid", json!({ "kid": null }), JweError::UnknownKey),
        ("our key for SHA-256 by SHA-1", oaep, JweError::KeyMismatch),
        ("our EC key by RSA", other, JweError::KeyMismatch),
        ("a header that was not encrypted with it", json!({ "cty": "JWT" }), JweError::DoesNotDecrypt),
        ("GCM that says CBC", json!({ "enc": "A128CBC-HS256" }), JweError::WrongLength),
        ("AES-256 that says AES-128", json!({ "enc": "A128GCM" }), JweError::DoesNotDecrypt),
    ];
    rows.extend(cases.map(|(what, changes, why)| row(format!("JWE: {what}"), changes, why)));
    let rsa = with_header(&agreed, json!({ "alg": "RSA-OAEP-256", "epk": null, "kid": bench.oaep.kid() }));
    rows.push(refused("JWE: agreed that says RSA", Sealed, rsa, JweError::WrongLength));
    let rest = token.split_once('.').unwrap().1;
    for (what, header, fault) in [
        ("alg twice", r#"{"alg":"RSA-OAEP-256","alg":"RSA1_5"}"#, JsonFault::DuplicateMember),
        (
            "enc twice, once in escapes",
            r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","\u0065nc":"A128GCM"}"#,
            JsonFault::DuplicateMember,
        ),
        ("epk with x twice", r#"{"alg":"ECDH-ES","epk":{"x":"AA","x":"AQ"}}"#, JsonFault::DuplicateMember),
        ("a list", "[]", JsonFault::NotAnObject),
        ("null", "null", JsonFault::NotAnObject),
        ("nothing", "", JsonFault::Syntax),
        ("two objects", "{}{}", JsonFault::Syntax),
    ] {
        let sent = format!("{}.{rest}", base64url::encode(header));
        rows.push(refused(format!("JWE header: {what}"), Sealed, sent, JweError::Header(fault)));
    }
    rows
}

/// ECDH-ES: the sender's half must be a point of our curve, or our answers would tell our key piece by piece.
fn agreement(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for key in [&bench.agreed, &bench.wrapped] {
        let (token, alg) = (to(key, ContentEncryption::A256Gcm, None, b"{}"), key.management().name());
        let header: Value =
            serde_json::from_slice(&base64url::decode(token.split('.').next().unwrap()).unwrap()).unwrap();
        let epk = &header["epk"];
        let coordinate = |byte: u8| json!(base64url::encode([byte; 32]));
        let mut with = |what: &str, changes: Value, why: JweError| {
            rows.push(refused(format!("{alg}: {what}"), Sealed, with_header(&token, changes), why));
        };
        let point = |changes: Value| json!({ "epk": changed(epk.clone(), changes) });
        let refused_key = JweError::EphemeralKey;
        with("y is 0", point(json!({ "y": coordinate(0) })), refused_key(KeyError::Point));
        with("y is 1", point(json!({ "y": coordinate(1) })), refused_key(KeyError::Point));
        with("y is 2²⁵⁶ − 1", point(json!({ "y": coordinate(0xFF) })), refused_key(KeyError::Point));
        with(
            "x and y changed places",
            point(json!({ "x": epk["y"], "y": epk["x"] })),
            refused_key(KeyError::Point),
        );
        with(
            "infinity",
            point(json!({ "x": coordinate(0), "y": coordinate(0) })),
            refused_key(KeyError::Point),
        );
        with("x too short", point(json!({ "x": "AAAA" })), refused_key(KeyError::Point));
        with("crv P-384", point(json!({ "crv": "P-384" })), refused_key(KeyError::Unsupported));
        with("crv secp256k1", point(json!({ "crv": "secp256k1" })), refused_key(KeyError::Unsupported));
        with(
            "X25519",
            json!({ "epk": { "kty": "OKP", "crv": "X25519", "x": coordinate(9) } }),
            refused_key(KeyError::Unsupported),
        );
        with(
            "Ed25519",
            json!({ "epk": { "kty": "OKP", "crv": "Ed25519", "x": coordinate(9) } }),
            refused_key(KeyError::Unsupported),
        );
        with(
            "an RSA key",
            json!({ "epk": bench.either.public().to_jwk() }),
            refused_key(KeyError::Unsupported),
        );
        with("a private key", point(json!({ "d": "AAAA" })), refused_key(KeyError::Private));
        with("a secret", json!({ "epk": { "kty": "oct", "k": "AAAA" } }), refused_key(KeyError::Private));
        with(
            "a text for the key",
            json!({ "epk": "AAAA" }),
            refused_key(KeyError::Jwk("a member is missing")),
        );
        with("no key", json!({ "epk": null }), JweError::Malformed);
        with(
            "another key on the curve",
            json!({ "epk": bench.stranger.public().to_jwk() }),
            JweError::DoesNotDecrypt,
        );
        with(
            "our own key",
            json!({ "epk": changed(key.to_jwk(), json!({ "alg": null, "use": null, "kid": null })) }),
            JweError::DoesNotDecrypt,
        );
        with("apu is no base64url", json!({ "apu": "A" }), JweError::NotBase64url);
        with("apv with padding", json!({ "apv": "AA==" }), JweError::NotBase64url);
        with("apu is a number", json!({ "apu": 1 }), JweError::Malformed);
        with("apv is a list", json!({ "apv": ["AA"] }), JweError::Malformed);
        with("apu that was not agreed on", json!({ "apu": "QWxpY2U" }), JweError::DoesNotDecrypt);
        with("apv that was not agreed on", json!({ "apv": "Qm9i" }), JweError::DoesNotDecrypt);
        with("a very long apu", json!({ "apu": "A".repeat(8192) }), JweError::TooLong);
        with("p2c", json!({ "p2c": 2_147_483_647 }), JweError::HeaderRefused("p2c".into()));
        with("zip", json!({ "zip": "DEF" }), JweError::HeaderRefused("zip".into()));
    }
    let direct = to(&bench.agreed, ContentEncryption::A256Gcm, None, b"{}");
    let with_key = with_part(&direct, 1, &|_| vec![0; 40]);
    rows.push(refused("ECDH-ES: a wrapped key, where none is", Sealed, with_key, JweError::WrongLength));
    let wrapped = to(&bench.wrapped, ContentEncryption::A256Gcm, None, b"{}");
    let as_direct = with_header(&wrapped, json!({ "alg": "ECDH-ES", "kid": bench.agreed.kid() }));
    rows.push(refused("ECDH-ES+A128KW that says ECDH-ES", Sealed, as_direct, JweError::WrongLength));
    rows
}

fn parts(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for content in ContentEncryption::ALL {
        for key in [&bench.oaep, &bench.wrapped] {
            let token = to(key, content, None, &[b'a'; 48]);
            let name = format!("{}, {}", key.management().name(), content.name());
            for (part, at) in [("wrapped key", 1), ("initialisation vector", 2), ("tag", 4)] {
                let length = base64url::decode(token.split('.').nth(at).unwrap()).unwrap().len();
                for cut in [0, 1, 4, 7, length / 2, length - 1, length + 1, 2 * length] {
                    let sent = with_part(&token, at, &|mut bytes| {
                        bytes.resize(cut, 0);
                        bytes
                    });
                    let row = format!("{name}: {part} of {cut} bytes");
                    if !rows.iter().any(|known: &Row| known.name == row) {
                        rows.push(refused(row, Sealed, sent, JweError::WrongLength));
                    }
                }
                let zeros = with_part(&token, at, &|bytes| vec![0; bytes.len()]);
                rows.push(refused(
                    format!("{name}: {part} of zeros"),
                    Sealed,
                    zeros,
                    JweError::DoesNotDecrypt,
                ));
            }
            let none = with_part(&token, 3, &|_| vec![]);
            rows.push(refused(format!("{name}: no content"), Sealed, none, JweError::DoesNotDecrypt));
            let block = with_part(&token, 3, &|bytes| bytes[..32].to_vec());
            rows.push(refused(format!("{name}: content cut"), Sealed, block, JweError::DoesNotDecrypt));
            let flipped = with_part(&token, 3, &|mut bytes| {
                bytes[0] ^= 1;
                bytes
            });
            rows.push(refused(format!("{name}: content changed"), Sealed, flipped, JweError::DoesNotDecrypt));
        }
    }
    let token = to(&bench.oaep, ContentEncryption::A256Gcm, None, b"{}");
    let parts: Vec<_> = token.split('.').collect();
    let general = json!({
        "protected": parts[0], "encrypted_key": parts[1], "iv": parts[2], "ciphertext": parts[3], "tag": parts[4],
    });
    let three = parts[..3].join(".");
    for (what, sent, why) in [
        ("JSON", general.to_string(), JweError::Malformed),
        ("nothing", String::new(), JweError::Malformed),
        ("three parts", three, JweError::Malformed),
        ("six parts", format!("{token}.AA"), JweError::Malformed),
        ("padding", format!("{token}="), JweError::NotBase64url),
        ("a line end", format!("{token}\n"), JweError::NotBase64url),
        ("too long", format!("{token}{}", "A".repeat(8192)), JweError::TooLong),
        ("a signed token", bench.good(&bench.es), JweError::Malformed),
    ] {
        rows.push(refused(format!("JWE: {what}"), Sealed, sent, why));
    }
    rows
}

/// Keys that RSA wraps: of another length, with another padding. Each is answered as a wrong tag is, so that nobody
/// learns how far we came (RFC 7516 §11.5).
fn wrapped(bench: &Bench) -> Vec<Row> {
    let private = PKey::private_key_from_pkcs8(&bench.oaep.to_pkcs8().unwrap()).unwrap();
    let modulus = private.rsa().unwrap().n().to_vec();
    let size = modulus.len();
    let wrap = |key: &[u8], padding, digest: MessageDigest| {
        let mut encrypter = Encrypter::new(&private).unwrap();
        encrypter.set_rsa_padding(padding).unwrap();
        if padding == Padding::PKCS1_OAEP {
            encrypter.set_rsa_oaep_md(digest).unwrap();
            encrypter.set_rsa_mgf1_md(digest).unwrap();
        }
        let mut wrapped = vec![0; encrypter.encrypt_len(key).unwrap()];
        let length = encrypter.encrypt(key, &mut wrapped).unwrap();
        wrapped.truncate(length);
        wrapped
    };
    let key = [9; 32];
    let header = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": bench.oaep.kid() });
    let sha256 = MessageDigest::sha256();
    let good = wrap(&key, Padding::PKCS1_OAEP, sha256);
    let mut rows = vec![accepted("RSA-OAEP-256: made by hand", Sealed, sealed(&header, &good, &key))];
    for (what, wrapped) in [
        ("padded by PKCS #1 v1.5", wrap(&key, Padding::PKCS1, sha256)),
        ("padded with SHA-1", wrap(&key, Padding::PKCS1_OAEP, MessageDigest::sha1())),
        ("an empty key", wrap(&[], Padding::PKCS1_OAEP, sha256)),
        ("a key of 16 bytes", wrap(&key[..16], Padding::PKCS1_OAEP, sha256)),
        ("a key of 31 bytes", wrap(&key[..31], Padding::PKCS1_OAEP, sha256)),
        ("a key of 64 bytes", wrap(&[9; 64], Padding::PKCS1_OAEP, sha256)),
        ("another key", wrap(&[8; 32], Padding::PKCS1_OAEP, sha256)),
        ("the key itself", [&key[..], &vec![0; size - 32]].concat()),
        ("0", vec![0; size]),
        ("1", [vec![0; size - 1], vec![1]].concat()),
        ("the modulus", modulus),
        ("the largest number", vec![0xFF; size]),
    ] {
        let sent = sealed(&header, &wrapped, &key);
        rows.push(refused(format!("RSA-OAEP-256: {what}"), Sealed, sent, JweError::DoesNotDecrypt));
    }
    let bare = json!({ "alg": "dir", "enc": "A256GCM", "kid": bench.oaep.kid() });
    rows.push(refused(
        "dir with an empty key",
        Sealed,
        sealed(&bare, &[], &key),
        JweError::AlgorithmNotAllowed,
    ));
    rows.push(refused("RSA-OAEP-256: no key", Sealed, sealed(&header, &[], &key), JweError::WrongLength));
    rows
}

/// What is within must be signed by itself, once: encryption proves nobody (RFC 8725 §2.4, §3.3).
fn nested(bench: &Bench) -> Vec<Row> {
    let seal =
        |content: &str| to(&bench.oaep, ContentEncryption::A128CbcHs256, Some("JWT"), content.as_bytes());
    let good = bench.good(&bench.es);
    let none = bench.token(&bench.es, json!({ "alg": "none" }));
    let input = none.rsplit_once('.').unwrap().0;
    let (cut, _) = good.rsplit_once('.').unwrap();
    let squeezed = bench.token(&bench.es, json!({ "zip": "DEF" }));
    vec![
        accepted("nested: a good token", Nested, seal(&good)),
        refused("nested: claims alone", Nested, seal("{}"), JwsError::Malformed),
        refused("nested: unsigned", Nested, seal(&format!("{input}.")), JwsError::AlgorithmNotAllowed),
        refused("nested: without its signature", Nested, seal(&format!("{cut}.")), JwsError::SignatureLength),
        refused("nested: by a stranger", Nested, seal(&bench.good(&bench.stranger)), JwsError::UnknownKey),
        refused("nested: encrypted again", Nested, seal(&seal(&good)), JwsError::Malformed),
        refused(
            "nested: signed again",
            Nested,
            seal(&signed(&bench.es, &header(&bench.es).to_string(), good.as_bytes())),
            JwsError::Payload(JsonFault::Syntax),
        ),
        refused("nested: compressed within", Nested, seal(&squeezed), JwsError::HeaderRefused("zip".into())),
        refused(
            "nested: of another type",
            Nested,
            seal(&bench.token(&bench.es, json!({ "typ": "at+jwt" }))),
            JwsError::WrongType,
        ),
        refused("nested: nothing", Nested, seal(""), JwsError::Malformed),
    ]
}
