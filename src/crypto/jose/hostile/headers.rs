//! What a header says of the algorithm, the type, the key, and how to read the rest (RFC 7515 §4.1, RFC 8725 §2, §3).

use openssl::hash::MessageDigest;
use openssl::sign::Signer;

use super::Reader::Signed;
use super::*;

pub(super) fn rows(bench: &Bench) -> Vec<Row> {
    [
        good(bench),
        algorithms(bench),
        secrets(bench),
        mismatches(bench),
        types(bench),
        members(bench),
        names(bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn good(bench: &Bench) -> Vec<Row> {
    let keys = [&bench.rs, &bench.ps, &bench.either, &bench.es, &bench.ed].into_iter().enumerate();
    let each = keys.map(|(at, key)| accepted(format!("a good token, key {at}"), Signed, bench.good(key)));
    let unnamed = bench.token(&bench.es, json!({ "kid": null }));
    each.chain([accepted("a token that names no key, where one fits", Signed, unnamed)]).collect()
}

/// `none` in all its spellings, with and without a signature, and every algorithm that is not ours or is no text.
fn algorithms(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "none ", " none", "", "none\0"] {
        let token = bench.token(&bench.es, json!({ "alg": none }));
        let bare = format!("{}.", token.rsplit_once('.').unwrap().0);
        rows.push(refused(format!("alg {none:?}"), Signed, token, JwsError::AlgorithmNotAllowed));
        rows.push(refused(format!("alg {none:?}, unsigned"), Signed, bare, JwsError::AlgorithmNotAllowed));
    }
    for other in [
        "HS256",
        "HS384",
        "HS512",
        "RS384",
        "RS512",
        "PS384",
        "PS512",
        "ES384",
        "ES512",
        "ES256K",
        "ES521",
        "RS1",
        "Ed25519",
        "Ed448",
        "ESB256",
        "ML-DSA-44",
        "dir",
        "RSA-OAEP-256",
        "es256",
        "ES256 ",
        "ES256\0",
        "SHA256withECDSA",
    ] {
        let token = bench.token(&bench.es, json!({ "alg": other }));
        rows.push(refused(format!("alg {other:?}"), Signed, token, JwsError::AlgorithmNotAllowed));
    }
    for odd in [json!(["ES256"]), json!({ "ES256": 1 }), json!(256), json!(true), json!(["none", "ES256"])] {
        let token = bench.token(&bench.es, json!({ "alg": odd }));
        rows.push(refused(format!("alg is {odd}"), Signed, token, JwsError::AlgorithmNotAllowed));
    }
    let null = changed(header(&bench.es), json!({ "alg": "x" })).to_string().replace("\"x\"", "null");
    rows.push(refused("alg is null", Signed, signed(&bench.es, &null, b"{}"), JwsError::AlgorithmNotAllowed));
    let missing = bench.token(&bench.es, json!({ "alg": null }));
    rows.push(refused("no alg", Signed, missing, JwsError::AlgorithmNotAllowed));
    let elsewhere = bench.token(&bench.es, json!({ "alg": null, "ALG": "ES256" }));
    rows.push(refused("ALG for alg", Signed, elsewhere, JwsError::HeaderRefused("ALG".into())));
    rows
}

/// HMAC with what everybody knows as its secret (RFC 8725 §2.1).
fn secrets(bench: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for (kind, key) in [("RSA", &bench.rs), ("EC", &bench.es), ("Ed25519", &bench.ed)] {
        let public = private(key);
        let jwk = key.public().to_jwk().to_string().into_bytes();
        let pem = public.public_key_to_pem().unwrap();
        let der = public.public_key_to_der().unwrap();
        for (form, secret) in
            [("PEM", pem), ("DER", der), ("JWK", jwk), ("kid", key.kid().into()), ("nothing", vec![0])]
        {
            for (alg, digest) in [("HS256", MessageDigest::sha256()), ("HS512", MessageDigest::sha512())] {
                let token = bench.token(key, json!({ "alg": alg }));
                let (input, _) = taken_apart(&token);
                let hmac = PKey::hmac(&secret).unwrap();
                let tag = Signer::new(digest, &hmac).unwrap().sign_oneshot_to_vec(input.as_bytes()).unwrap();
                let name = format!("{alg} with the public {kind} key as {form}");
                rows.push(refused(name, Signed, with_signature(input, &tag), JwsError::AlgorithmNotAllowed));
            }
        }
    }
    rows
}

/// A key used by another algorithm than its own: the header does not choose (RFC 8725 §3.1).
fn mismatches(bench: &Bench) -> Vec<Row> {
    let Bench { rs, ps, either, es, ed, stranger, .. } = bench;
    let named = |by: &SigningKey, of: &SigningKey| bench.token(by, json!({ "kid": of.kid() }));
    let as_alg = |by: &SigningKey, alg: &str| bench.token(by, json!({ "alg": alg }));
    vec![
        refused("ES256 by the name of an RSA key", Signed, named(es, rs), JwsError::KeyMismatch),
        refused("RS256 by the name of an EC key", Signed, named(rs, es), JwsError::KeyMismatch),
        refused("EdDSA by the name of an EC key", Signed, named(ed, es), JwsError::KeyMismatch),
        refused("ES256 by the name of an Ed25519 key", Signed, named(es, ed), JwsError::KeyMismatch),
        refused("PS256 by the name of a key for RS256", Signed, named(ps, rs), JwsError::KeyMismatch),
        refused("RS256 by the name of a key for PS256", Signed, named(rs, ps), JwsError::KeyMismatch),
        refused("RS256 that says PS256", Signed, as_alg(either, "PS256"), JwsError::BadSignature),
        refused(
            "RS256 that says PS256, the key is for RS256",
            Signed,
            as_alg(rs, "PS256"),
            JwsError::KeyMismatch,
        ),
        refused("ES256 that says ES384", Signed, as_alg(es, "ES384"), JwsError::AlgorithmNotAllowed),
        refused("ES256 that says EdDSA", Signed, as_alg(es, "EdDSA"), JwsError::KeyMismatch),
        refused("EdDSA that says ES256", Signed, as_alg(ed, "ES256"), JwsError::KeyMismatch),
        refused("by the name of another's key", Signed, named(stranger, es), JwsError::BadSignature),
        refused("by a stranger", Signed, bench.good(stranger), JwsError::UnknownKey),
        refused(
            "by a stranger who names no key",
            Signed,
            bench.token(stranger, json!({ "kid": null })),
            JwsError::BadSignature,
        ),
        refused(
            "no name, several keys fit",
            Signed,
            bench.token(rs, json!({ "kid": null })),
            JwsError::AmbiguousKey,
        ),
    ]
}

/// One kind of JWT in another's place (RFC 8725 §3.11): an access token, a logout token, a proof as an ID token.
fn types(bench: &Bench) -> Vec<Row> {
    let typed = |typ: Value| bench.token(&bench.es, json!({ "typ": typ }));
    let mut rows = vec![
        accepted("typ in small letters", Signed, typed(json!("jwt"))),
        refused("no typ", Signed, typed(Value::Null), JwsError::WrongType),
    ];
    for typ in [
        "at+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "application/at+jwt",
        "JWE",
        "JOSE",
        "JOSE+JSON",
        "JWT ",
        "JWT\0",
        "",
    ] {
        rows.push(refused(format!("typ {typ:?}"), Signed, typed(json!(typ)), JwsError::WrongType));
    }
    for odd in [json!(["JWT"]), json!(1), json!({ "typ": "JWT" })] {
        rows.push(refused(format!("typ is {odd}"), Signed, typed(odd), JwsError::WrongType));
    }
    rows
}

/// Members that bring a key, say where one is, or give the rest another meaning (RFC 7515 §4.1.2 to §4.1.11, RFC 7797).
fn members(bench: &Bench) -> Vec<Row> {
    let es = &bench.es;
    let theirs = bench.stranger.public().to_jwk();
    let with = |name: &str, value: &Value| bench.token(es, json!({ name: value }));
    let mut rows = Vec::new();
    for (name, value) in [
        ("jku", json!("https://attacker.example/jwks.json")),
        ("jku", json!("http://169.254.169.254/latest/meta-data")),
        ("jku", json!("file:///dev/null")),
        ("x5u", json!("https://attacker.example/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5c", json!([])),
        ("x5t", json!("AA")),
        ("x5t#S256", json!("AA")),
        ("jwk", theirs.clone()),
        ("jwk", es.public().to_jwk()),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["alg"])),
        ("crit", json!(["b64"])),
        ("crit", json!(["b64", "b64"])),
        ("crit", json!(["https://attacker.example/extension"])),
        ("crit", json!("exp")),
        ("crit", json!([1])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("zip", json!("none")),
        ("enc", json!("A128GCM")),
        ("epk", theirs.clone()),
        ("apu", json!("AA")),
        ("p2s", json!("AA")),
        ("p2c", json!(2_147_483_647)),
        ("iv", json!("AA")),
        ("tag", json!("AA")),
        ("iss", json!("https://attacker.example")),
        ("nonce", json!("n")),
        ("url", json!("https://attacker.example/")),
        ("ppt", json!("shaken")),
        ("svt", json!([])),
        ("", json!("")),
    ] {
        let name_of_row = format!("{name:?} is {}", value.to_string().chars().take(60).collect::<String>());
        rows.push(refused(name_of_row, Signed, with(name, &value), JwsError::HeaderRefused(name.into())));
    }
    let both = bench.token(es, json!({ "crit": ["exp"], "exp": 1 }));
    rows.push(refused("crit with the member it names", Signed, both, JwsError::HeaderRefused("crit".into())));
    let unencoded = bench.token(es, json!({ "b64": false, "crit": ["b64"] }));
    rows.push(refused("an unencoded payload", Signed, unencoded, JwsError::HeaderRefused("b64".into())));
    let own = signed(
        &bench.stranger,
        &changed(header(&bench.stranger), json!({ "kid": es.kid(), "jwk": theirs })).to_string(),
        b"{}",
    );
    rows.push(refused("signed by the key in its header", Signed, own, JwsError::HeaderRefused("jwk".into())));
    rows.push(accepted("cty", Signed, bench.token(es, json!({ "cty": "JWT" }))));
    rows
}

/// `kid` is a name and nothing else: no path, no query, no address.
fn names(bench: &Bench) -> Vec<Row> {
    let named = |kid: Value| bench.token(&bench.es, json!({ "kid": kid }));
    let mut rows = Vec::new();
    for kid in [
        "",
        "../../../../dev/null",
        "/dev/null",
        "x' UNION SELECT 'secret' --",
        "' OR '1'='1",
        "|id",
        "$(id)",
        "%00",
        "\0",
        "https://attacker.example/key",
        "*",
        "0",
        "null",
        "\u{202e}",
        "é",
    ] {
        rows.push(refused(format!("kid {kid:?}"), Signed, named(json!(kid)), JwsError::UnknownKey));
    }
    let padded = named(json!(format!("{}\0", bench.es.kid())));
    rows.push(refused("kid and a NUL", Signed, padded, JwsError::UnknownKey));
    rows.push(refused("a long kid", Signed, named(json!("k".repeat(4000))), JwsError::UnknownKey));
    for odd in [json!(1), json!([bench.es.kid()]), json!({}), json!(true)] {
        rows.push(refused(
            format!("kid is {}", odd.to_string().chars().take(8).collect::<String>()),
            Signed,
            named(odd),
            JwsError::Malformed,
        ));
    }
    rows
}
