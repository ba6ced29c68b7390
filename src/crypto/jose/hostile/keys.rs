//! Keys that are weak, beside their curve, private, or for another use; as a JWK, in a set, and in a header
//! (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2, RFC 8725 §3.4, §3.5, RFC 9449 §4.3).

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::rsa::Rsa;

use super::Reader::{Jwk, Proof, Set, Signed};
use super::*;

pub(super) fn rows(bench: &Bench) -> Vec<Row> {
    let of_kinds = [rsa(bench), ec(bench), ed(bench), uses(bench)];
    of_kinds.into_iter().chain([sets(bench), named(bench), embedded(bench)]).flatten().collect()
}

/// Keys that a set may hold, and nothing is checked with.
pub(super) fn refused_members() -> Vec<Value> {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().public().to_jwk();
    let p384 = json!({ "kty": "EC", "crv": "P-384", "x": coordinate(48, 1), "y": coordinate(48, 2) });
    vec![
        changed(rsa_jwk(1024), json!({ "kid": "weak" })),
        changed(p384, json!({ "kid": "P-384" })),
        changed(key.clone(), json!({ "kid": "beside", "x": key["y"] })),
        changed(key.clone(), json!({ "kid": "enc", "use": "enc", "alg": "ECDH-ES" })),
        changed(key, json!({ "kid": "derives", "key_ops": ["deriveKey"] })),
        json!({ "kty": "AKP", "kid": "tomorrow", "alg": "ML-DSA-44", "pub": "AA" }),
    ]
}

fn coordinate(length: usize, byte: u8) -> String {
    base64url::encode(vec![byte; length])
}

fn rsa_jwk(bits: u32) -> Value {
    let rsa = Rsa::generate(bits).unwrap();
    json!({ "kty": "RSA", "n": base64url::encode(rsa.n().to_vec()), "e": "AQAB" })
}

fn rsa(bench: &Bench) -> Vec<Row> {
    let good = changed(bench.rs.public().to_jwk(), json!({ "alg": null }));
    let modulus = base64url::decode(good["n"].as_str().unwrap()).unwrap();
    let bytes = |bytes: &[u8]| json!(base64url::encode(bytes));
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xFE;
    let row = |what: &str, changes: Value, why: KeyError| {
        refused(format!("RSA key: {what}"), Jwk, changed(good.clone(), changes).to_string(), why)
    };
    let malformed = KeyError::Jwk("a number has no digits or leading zeros");
    let missing = KeyError::Jwk("a member is missing");
    vec![
        accepted("RSA key: a good one", Jwk, good.to_string()),
        refused("RSA key: 512 bits", Jwk, rsa_jwk(512).to_string(), KeyError::Modulus),
        refused("RSA key: 1024 bits", Jwk, rsa_jwk(1024).to_string(), KeyError::Modulus),
        refused("RSA key: 2047 bits", Jwk, rsa_jwk(2047).to_string(), KeyError::Modulus),
        row("more than 8192 bits", json!({ "n": bytes(&[0xFF; 1025]) }), KeyError::Modulus),
        row("an even modulus", json!({ "n": bytes(&even) }), KeyError::Modulus),
        row("the modulus 0", json!({ "n": "AA" }), malformed.clone()),
        row("the modulus 1", json!({ "n": "AQ" }), KeyError::Modulus),
        row("no modulus", json!({ "n": null }), missing.clone()),
        row("an empty modulus", json!({ "n": "" }), malformed.clone()),
        row(
            "a zero before the modulus",
            json!({ "n": bytes(&[&[0], &modulus[..]].concat()) }),
            malformed.clone(),
        ),
        row("the exponent 0", json!({ "e": "AA" }), malformed.clone()),
        row("the exponent 1", json!({ "e": "AQ" }), KeyError::Exponent),
        row("the exponent 2", json!({ "e": "Ag" }), KeyError::Exponent),
        row("the exponent 3", json!({ "e": "Aw" }), KeyError::Exponent),
        row("the exponent 17", json!({ "e": "EQ" }), KeyError::Exponent),
        row("the exponent 65535", json!({ "e": "__8" }), KeyError::Exponent),
        row("the exponent 65536", json!({ "e": "AQAA" }), KeyError::Exponent),
        row("an exponent of 72 bits", json!({ "e": bytes(&[1; 9]) }), KeyError::Exponent),
        row("an exponent as long as the modulus", json!({ "e": bytes(&modulus) }), KeyError::Exponent),
        row("a zero before the exponent", json!({ "e": "AAEAAQ" }), malformed),
        row("no exponent", json!({ "e": null }), missing.clone()),
        row("a number as the exponent", json!({ "e": 65537 }), missing),
        row("padding", json!({ "e": "AQAB=" }), KeyError::Jwk("a member is not base64url")),
        row("the other alphabet", json!({ "n": "+/+/" }), KeyError::Jwk("a member is not base64url")),
    ]
}

fn ec(bench: &Bench) -> Vec<Row> {
    let good = changed(bench.es.public().to_jwk(), json!({ "alg": null }));
    let point = |name: &str| base64url::decode(good[name].as_str().unwrap()).unwrap();
    let (x, y) = (point("x"), point("y"));
    let bytes = |bytes: &[u8]| json!(base64url::encode(bytes));
    // FIPS 186-5, P-256: the prime, and x + prime where that fits, name the same point twice.
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = openssl::bn::BigNumContext::new().unwrap();
    let [mut prime, mut a, mut b] = [(); 3].map(|()| BigNum::new().unwrap());
    group.components_gfp(&mut prime, &mut a, &mut b, &mut context).unwrap();
    let prime = prime.to_vec_padded(32).unwrap();
    let mut last_bit = y.clone();
    last_bit[31] ^= 1;
    let other = |nid| {
        let key = EcKey::generate(&EcGroup::from_curve_name(nid).unwrap()).unwrap();
        let mut context = openssl::bn::BigNumContext::new().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
        (bytes(&x.to_vec_padded(32).unwrap()), bytes(&y.to_vec_padded(32).unwrap()))
    };
    let (koblitz_x, koblitz_y) = other(Nid::SECP256K1);
    let (brainpool_x, brainpool_y) = other(Nid::BRAINPOOL_P256R1);
    let row = |what: &str, changes: Value, why: KeyError| {
        refused(format!("EC key: {what}"), Jwk, changed(good.clone(), changes).to_string(), why)
    };
    let missing = KeyError::Jwk("a member is missing");
    let mut rows = vec![
        accepted("EC key: a good one", Jwk, good.to_string()),
        row("beside the curve", json!({ "y": bytes(&last_bit) }), KeyError::Point),
        row("x and y changed places", json!({ "x": bytes(&y), "y": bytes(&x) }), KeyError::Point),
        row(
            "the point at infinity",
            json!({ "x": coordinate(32, 0), "y": coordinate(32, 0) }),
            KeyError::Point,
        ),
        row("x is the prime", json!({ "x": bytes(&prime) }), KeyError::Point),
        row("x is 2²⁵⁶ − 1", json!({ "x": coordinate(32, 0xFF) }), KeyError::Point),
        row("of secp256k1, named P-256", json!({ "x": koblitz_x, "y": koblitz_y }), KeyError::Point),
        row(
            "of brainpoolP256r1, named P-256",
            json!({ "x": brainpool_x, "y": brainpool_y }),
            KeyError::Point,
        ),
        row("a byte too few", json!({ "x": bytes(&x[1..]) }), KeyError::Point),
        row("a zero before", json!({ "x": bytes(&[&[0], &x[..]].concat()) }), KeyError::Point),
        row("an empty coordinate", json!({ "x": "" }), KeyError::Point),
        row("compressed", json!({ "x": bytes(&[&[2], &x[..]].concat()), "y": null }), KeyError::Point),
        row("no y", json!({ "y": null }), missing.clone()),
        row("a number as x", json!({ "x": 1 }), missing.clone()),
        row("no kty", json!({ "kty": null }), missing),
        row("no crv", json!({ "crv": null }), KeyError::Unsupported),
        row("kty in small letters", json!({ "kty": "ec" }), KeyError::Unsupported),
        row("kty OKP", json!({ "kty": "OKP" }), KeyError::Unsupported),
        row("kty RSA", json!({ "kty": "RSA" }), KeyError::Jwk("a member is missing")),
    ];
    for crv in [
        "P-384",
        "P-521",
        "P-224",
        "P-192",
        "secp256k1",
        "p-256",
        "Ed25519",
        "X25519",
        "1.2.840.10045.3.1.7",
        "",
    ] {
        rows.push(row(&format!("crv {crv:?}"), json!({ "crv": crv }), KeyError::Unsupported));
    }
    rows
}

fn ed(bench: &Bench) -> Vec<Row> {
    let good = changed(bench.ed.public().to_jwk(), json!({ "alg": null }));
    let row = |what: &str, changes: Value, why: KeyError| {
        refused(format!("Ed25519 key: {what}"), Jwk, changed(good.clone(), changes).to_string(), why)
    };
    let mut rows = vec![
        accepted("Ed25519 key: a good one", Jwk, good.to_string()),
        row("a byte too few", json!({ "x": coordinate(31, 7) }), KeyError::Point),
        row("a byte too many", json!({ "x": coordinate(33, 7) }), KeyError::Point),
        row("no x", json!({ "x": null }), KeyError::Jwk("a member is missing")),
        row("X25519", json!({ "crv": "X25519" }), KeyError::Unsupported),
        row("Ed448", json!({ "crv": "Ed448", "x": coordinate(57, 7) }), KeyError::Unsupported),
        row("X448", json!({ "crv": "X448", "x": coordinate(56, 7) }), KeyError::Unsupported),
        row("crv in small letters", json!({ "crv": "ed25519" }), KeyError::Unsupported),
    ];
    // RFC 8032 §5.1.3: y below the prime, in one spelling. 0xED is the prime, and what follows names 0, 1, 2, … again.
    for lowest in 0xED..=0xFF_u8 {
        let mut y = [0xFF; 32];
        (y[0], y[31]) = (lowest, 0x7F);
        let x = json!({ "x": base64url::encode(y) });
        rows.push(row(&format!("y is the prime and {}", lowest - 0xED), x, KeyError::Point));
    }
    let small = |y: u8| json!({ "x": base64url::encode([&[y][..], &[0; 31]].concat()) });
    rows.extend([0, 1].map(|y| row(&format!("y is {y}"), small(y), KeyError::Point)));
    rows
}

/// `alg`, `use`, `key_ops`; and what is private or symmetric (RFC 7517 §4.2 to §4.4, §8.1.1).
fn uses(bench: &Bench) -> Vec<Row> {
    let good = bench.es.public().to_jwk();
    let row = |what: &str, changes: Value, why: KeyError| {
        refused(format!("JWK: {what}"), Jwk, changed(good.clone(), changes).to_string(), why)
    };
    let odd_ops = KeyError::Jwk("key_ops is no list of distinct names");
    let mut rows = vec![
        accepted(
            "JWK: for signatures",
            Jwk,
            changed(good.clone(), json!({ "key_ops": ["verify"] })).to_string(),
        ),
        row("use enc", json!({ "use": "enc" }), KeyError::OtherUse),
        row("use SIG", json!({ "use": "SIG" }), KeyError::OtherUse),
        row("use as a list", json!({ "use": ["sig"] }), KeyError::OtherUse),
        row("key_ops to sign", json!({ "key_ops": ["sign"] }), KeyError::OtherUse),
        row("key_ops to encrypt", json!({ "key_ops": ["encrypt", "wrapKey"] }), KeyError::OtherUse),
        row("key_ops to derive", json!({ "key_ops": ["deriveKey", "deriveBits"] }), KeyError::OtherUse),
        row("key_ops of nothing", json!({ "key_ops": [] }), KeyError::OtherUse),
        row("key_ops twice the same", json!({ "key_ops": ["verify", "verify"] }), odd_ops.clone()),
        row("key_ops as a text", json!({ "key_ops": "verify" }), odd_ops.clone()),
        row("key_ops with a number", json!({ "key_ops": ["verify", 1] }), odd_ops),
        row("alg of another kind", json!({ "alg": "RS256" }), KeyError::OtherUse),
        row("alg none", json!({ "alg": "none" }), KeyError::OtherUse),
        row("alg HS256", json!({ "alg": "HS256" }), KeyError::OtherUse),
        row("alg of encryption", json!({ "alg": "ECDH-ES" }), KeyError::OtherUse),
        row("alg as a list", json!({ "alg": ["ES256"] }), KeyError::OtherUse),
        refused(
            "JWK: symmetric",
            Jwk,
            json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" }).to_string(),
            KeyError::Private,
        ),
        refused(
            "JWK: of a kind to come",
            Jwk,
            json!({ "kty": "AKP", "pub": "AAAA" }).to_string(),
            KeyError::Unsupported,
        ),
        refused("JWK: a list", Jwk, "[]".into(), KeyError::Jwk("a member is missing")),
        refused("JWK: a text", Jwk, "\"key\"".into(), KeyError::Jwk("a member is missing")),
    ];
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        rows.push(row(&format!("with {member}"), json!({ member: "AQAB" }), KeyError::Private));
    }
    rows.push(row("with d that is no text", json!({ "d": false }), KeyError::Private));
    rows
}

fn sets(bench: &Bench) -> Vec<Row> {
    let (es, ed) = (bench.es.public().to_jwk(), bench.ed.public().to_jwk());
    let set = |what: &str, keys: Value, why: KeySetError| {
        refused(format!("key set: {what}"), Set, json!({ "keys": keys }).to_string(), why)
    };
    let named = |key: &Value, kid: Value| changed(key.clone(), json!({ "kid": kid }));
    let twice = JsonFault::DuplicateMember;
    vec![
        accepted("key set: of none", Set, json!({ "keys": [] }).to_string()),
        set(
            "two keys of one name",
            json!([named(&es, json!("a")), named(&ed, json!("a"))]),
            KeySetError::DuplicateKid("a".into()),
        ),
        set("a private key", json!([es, changed(ed.clone(), json!({ "d": "AA" }))]), KeySetError::Private),
        set("a symmetric key", json!([es, { "kty": "oct", "k": "AA" }]), KeySetError::Private),
        set("a symmetric key without its secret", json!([{ "kty": "oct" }]), KeySetError::Private),
        set("a name that is a number", json!([named(&es, json!(1))]), KeySetError::Kid),
        set("a long name", json!([named(&es, json!("k".repeat(257)))]), KeySetError::Kid),
        set("a text for a key", json!(["key"]), KeySetError::NoKeys),
        set("an object for the list", json!({ "a": es }), KeySetError::NoKeys),
        set("too many", json!(vec![json!({ "kty": "none" }); 33]), KeySetError::TooManyKeys),
        refused("key set: a single key", Set, es.to_string(), KeySetError::NoKeys),
        refused("key set: a list", Set, json!([es]).to_string(), KeySetError::Json(JsonFault::NotAnObject)),
        refused("key set: keys twice", Set, r#"{"keys":[],"keys":[]}"#.into(), KeySetError::Json(twice)),
        refused(
            "key set: a member of a key twice",
            Set,
            r#"{"keys":[{"kty":"EC","kid":"a","kid":"b"}]}"#.into(),
            KeySetError::Json(twice),
        ),
        refused("key set: a page", Set, "<html></html>".into(), KeySetError::Json(JsonFault::Syntax)),
        refused("key set: too long", Set, " ".repeat(KeySet::MAX_LEN + 1), KeySetError::TooLong),
        refused(
            "key set: deep",
            Set,
            format!("{}{}", r#"{"keys":["#.repeat(200), "]}".repeat(200)),
            KeySetError::Json(JsonFault::TooDeep),
        ),
    ]
}

/// A token that names a key of the client's which nothing may be checked with.
fn named(bench: &Bench) -> Vec<Row> {
    [
        ("weak", JwsError::KeyRefused(KeyError::Modulus)),
        ("P-384", JwsError::KeyRefused(KeyError::Unsupported)),
        ("beside", JwsError::KeyRefused(KeyError::Point)),
        ("tomorrow", JwsError::KeyRefused(KeyError::Unsupported)),
        ("enc", JwsError::KeyMismatch),
        ("derives", JwsError::KeyMismatch),
    ]
    .into_iter()
    .map(|(kid, why)| {
        let token = bench.token(&bench.es, json!({ "kid": kid }));
        refused(format!("a token by the key {kid:?}"), Signed, token, why)
    })
    .collect()
}

/// A proof brings its key along: public, strong, for this algorithm, and the one it is signed by.
fn embedded(bench: &Bench) -> Vec<Row> {
    let (es, jwk) =
        (&bench.es, changed(bench.es.public().to_jwk(), json!({ "alg": null, "use": null, "kid": null })));
    let proof = |by: &SigningKey, alg: &str, jwk: &Value| {
        signed(by, &json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk }).to_string(), b"{}")
    };
    let with = |what: &str, changes: Value, why: KeyError| {
        let sent = proof(es, "ES256", &changed(jwk.clone(), changes));
        refused(format!("proof: {what}"), Proof, sent, JwsError::KeyRefused(why))
    };
    let header = |members: Value| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        signed(es, &changed(header, members).to_string(), b"{}")
    };
    let stranger = bench.stranger.public().to_jwk();
    let rsa = bench.either.public().to_jwk();
    let weak = rsa_jwk(1024);
    let mut rows = vec![
        accepted("proof: a good one", Proof, proof(es, "ES256", &jwk)),
        accepted("proof: a good one by EdDSA", Proof, proof(&bench.ed, "EdDSA", &bench.ed.public().to_jwk())),
        with("a private key", json!({ "d": "AA" }), KeyError::Private),
        with("a key for encryption", json!({ "use": "enc" }), KeyError::OtherUse),
        with("a key to sign", json!({ "key_ops": ["sign"] }), KeyError::OtherUse),
        with("a key for another algorithm", json!({ "alg": "RS256" }), KeyError::OtherUse),
        with("a point beside the curve", json!({ "x": jwk["y"] }), KeyError::Point),
        with("another curve", json!({ "crv": "P-384" }), KeyError::Unsupported),
        refused(
            "proof: a weak key",
            Proof,
            proof(&bench.either, "RS256", &weak),
            JwsError::KeyRefused(KeyError::Modulus),
        ),
        refused(
            "proof: exponent 1",
            Proof,
            proof(&bench.either, "RS256", &changed(rsa.clone(), json!({ "e": "AQ" }))),
            JwsError::KeyRefused(KeyError::Exponent),
        ),
        refused("proof: by another key", Proof, proof(es, "ES256", &stranger), JwsError::BadSignature),
        refused("proof: RS256 by an EC key", Proof, proof(es, "RS256", &jwk), JwsError::KeyMismatch),
        refused("proof: ES256 by an RSA key", Proof, proof(es, "ES256", &rsa), JwsError::KeyMismatch),
        refused(
            "proof: HS256 by a secret in it",
            Proof,
            proof(es, "HS256", &json!({ "kty": "oct", "k": "AAAA" })),
            JwsError::AlgorithmNotAllowed,
        ),
        refused("proof: none", Proof, proof(es, "none", &jwk), JwsError::AlgorithmNotAllowed),
        refused(
            "proof: a secret",
            Proof,
            proof(es, "ES256", &json!({ "kty": "oct", "k": "AAAA" })),
            JwsError::KeyRefused(KeyError::Private),
        ),
        refused(
            "proof: a text for the key",
            Proof,
            proof(es, "ES256", &json!("AAAA")),
            JwsError::KeyRefused(KeyError::Jwk("a member is missing")),
        ),
        refused(
            "proof: null for the key",
            Proof,
            proof(es, "ES256", &Value::Null),
            JwsError::KeyRefused(KeyError::Jwk("a member is missing")),
        ),
        refused(
            "proof: a set for the key",
            Proof,
            proof(es, "ES256", &json!({ "keys": [jwk] })),
            JwsError::KeyRefused(KeyError::Jwk("a member is missing")),
        ),
        refused("proof: no key", Proof, header(json!({ "jwk": null })), JwsError::UnknownKey),
        refused(
            "proof: no key but a name",
            Proof,
            header(json!({ "jwk": null, "kid": es.kid() })),
            JwsError::UnknownKey,
        ),
        refused("proof: an ID token's type", Proof, header(json!({ "typ": "JWT" })), JwsError::WrongType),
        refused("proof: no type", Proof, header(json!({ "typ": null })), JwsError::WrongType),
        refused(
            "a proof for a token",
            Signed,
            header(json!({ "typ": "JWT", "kid": es.kid() })),
            JwsError::HeaderRefused("jwk".into()),
        ),
    ];
    for name in ["jku", "x5u", "x5c", "x5t#S256", "crit", "b64", "zip", "epk"] {
        let sent = header(json!({ name: "x" }));
        rows.push(refused(
            format!("proof: a key and {name}"),
            Proof,
            sent,
            JwsError::HeaderRefused(name.into()),
        ));
    }
    rows
}
