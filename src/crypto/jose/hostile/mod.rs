//! The classes of malformed and hostile tokens that are known from public test suites (Wycheproof's JSON Web Crypto
//! vectors, the attacks of RFC 8725, published faults of libraries), in one table: what is sent, who reads it, and the
//! reason that it is refused for. Where a token is as good as another, the table says so as well.
//!
//! | File | Holds |
//! |---|---|
//! | `headers.rs` | `alg` in all its spellings, keys of another algorithm, types, `crit`, `zip`, keys in a header |
//! | `signatures.rs` | lengths, encodings, numbers out of range, paddings, hashes |
//! | `spellings.rs` | base64url, JSON, other serialisations |
//! | `keys.rs` | JWKs and sets: weak, beside the curve, private, for another use; keys in a header |
//! | `encrypted.rs` | JWE: key management, ephemeral keys, lengths, compression, what is nested |
//!
//! Keys are made when the test runs. A row that should be refused is as right as it can be otherwise: its header is
//! signed by the client's own key, wherever the client itself may be the attacker.

mod encrypted;
mod headers;
mod keys;
mod signatures;
mod spellings;

use std::collections::HashSet;

use openssl::pkey::{PKey, Private};
use serde_json::{Value, json};

use super::*;

const SIGNED: Expected<'_> = Expected { typ: Some("JWT"), algorithms: &Algorithm::ALL, max_len: 8192 };
const PROOF: Expected<'_> = Expected { typ: Some("dpop+jwt"), ..SIGNED };
const SEALED: ExpectedJwe<'_> =
    ExpectedJwe { management: &KeyManagement::ALL, content: &ContentEncryption::ALL, max_len: 8192 };

/// Who reads what is sent.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// [`verify_with_set`], with the set of the bench.
    Signed,
    /// [`verify_with_embedded_key`], as for DPoP proofs.
    Proof,
    /// [`decrypt`], with the keys of the bench.
    Sealed,
    /// [`decrypt`], then [`verify_with_set`].
    Nested,
    /// [`VerifyingKey::from_jwk`].
    Jwk,
    /// [`KeySet::parse`].
    Set,
}

/// Why it is refused.
#[derive(Debug, PartialEq)]
enum Refusal {
    Jws(JwsError),
    Jwe(JweError),
    Key(KeyError),
    Set(KeySetError),
}

impl From<JwsError> for Refusal {
    fn from(error: JwsError) -> Self {
        Self::Jws(error)
    }
}

impl From<JweError> for Refusal {
    fn from(error: JweError) -> Self {
        Self::Jwe(error)
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<KeySetError> for Refusal {
    fn from(error: KeySetError) -> Self {
        Self::Set(error)
    }
}

/// One line of the table.
struct Row {
    name: String,
    reader: Reader,
    sent: String,
    expected: Result<(), Refusal>,
}

fn refused(name: impl Into<String>, reader: Reader, sent: String, why: impl Into<Refusal>) -> Row {
    Row { name: name.into(), reader, sent, expected: Err(why.into()) }
}

fn accepted(name: impl Into<String>, reader: Reader, sent: String) -> Row {
    Row { name: name.into(), reader, sent, expected: Ok(()) }
}

/// The keys of a client, of which one is for any algorithm of RSA, and ours.
struct Bench {
    rs: SigningKey,
    ps: SigningKey,
    /// Signs by RS256; its JWK allows PS256 as well.
    either: SigningKey,
    es: SigningKey,
    ed: SigningKey,
    /// Nobody's that the reader knows.
    stranger: SigningKey,
    set: KeySet,
    oaep: DecryptionKey,
    agreed: DecryptionKey,
    wrapped: DecryptionKey,
}

impl Bench {
    fn new() -> Self {
        let key = |algorithm| SigningKey::generate(algorithm).unwrap();
        let [rs, ps, either] = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Rs256].map(key);
        let [es, ed, stranger] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Es256].map(key);
        let mut listed: Vec<_> = [&rs, &ps, &either, &es, &ed].map(|key| key.public().to_jwk()).into();
        listed[2].as_object_mut().unwrap().remove("alg");
        listed.extend(keys::refused_members());
        let set = KeySet::parse(json!({ "keys": listed }).to_string().as_bytes()).unwrap();
        let ours = |management| DecryptionKey::generate(management).unwrap();
        let [oaep, agreed, wrapped] =
            [KeyManagement::RsaOaep256, KeyManagement::EcdhEs, KeyManagement::EcdhEsA128Kw].map(ours);
        Self { rs, ps, either, es, ed, stranger, set, oaep, agreed, wrapped }
    }

    fn rows(&self) -> Vec<Row> {
        let groups = [headers::rows, signatures::rows, spellings::rows, keys::rows, encrypted::rows];
        groups.into_iter().flat_map(|rows| rows(self)).collect()
    }

    fn read(&self, reader: Reader, sent: &str) -> Result<(), Refusal> {
        let signed = |token: &str| {
            verify_with_set::<Value>(token, SIGNED, &self.set).map(|_| ()).map_err(Refusal::from)
        };
        let ours = [&self.oaep, &self.agreed, &self.wrapped];
        let opened = || decrypt(sent, SEALED, |kid| ours.into_iter().find(|key| kid == Some(key.kid())));
        match reader {
            Reader::Signed => signed(sent),
            Reader::Proof => Ok(verify_with_embedded_key::<Value>(sent, PROOF).map(|_| ())?),
            Reader::Sealed => Ok(opened().map(|_| ())?),
            Reader::Nested => signed(std::str::from_utf8(&opened()?.content).unwrap()),
            Reader::Jwk => Ok(VerifyingKey::from_jwk(&serde_json::from_str(sent).unwrap()).map(|_| ())?),
            Reader::Set => Ok(KeySet::parse(sent.as_bytes()).map(|_| ())?),
        }
    }

    /// A token of the client's, but for `changes` of its header: null takes a member away.
    fn token(&self, key: &SigningKey, changes: Value) -> String {
        signed(key, &changed(header(key), changes).to_string(), b"{}")
    }

    /// A good token of the client's.
    fn good(&self, key: &SigningKey) -> String {
        self.token(key, json!({}))
    }
}

fn header(key: &SigningKey) -> Value {
    json!({ "alg": key.algorithm().name(), "typ": "JWT", "kid": key.kid() })
}

/// The members of `value` with `changes`: null takes one away.
fn changed(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => value.as_object_mut().unwrap().remove(name),
            change => value.as_object_mut().unwrap().insert(name.clone(), change.clone()),
        };
    }
    value
}

/// Signs whatever stands in header and payload.
fn signed(key: &SigningKey, header: &str, payload: &[u8]) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    with_signature(&input, &key.signer().unwrap().sign(input.as_bytes()).unwrap())
}

fn with_signature(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", base64url::encode(signature))
}

/// What a token's signature is of, and the signature.
fn taken_apart(token: &str) -> (&str, Vec<u8>) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    (input, base64url::decode(signature).unwrap())
}

fn private(key: &SigningKey) -> PKey<Private> {
    PKey::private_key_from_pkcs8(&key.to_pkcs8().unwrap()).unwrap()
}

#[test]
fn every_hostile_token_is_refused_for_the_reason_that_is_its_own() {
    let bench = Bench::new();
    let (mut names, mut wrong) = (HashSet::new(), Vec::new());
    for Row { name, reader, sent, expected } in bench.rows() {
        let outcome = bench.read(reader, &sent);
        if outcome != expected {
            wrong.push(format!("{name}: {outcome:?}, not {expected:?}"));
        }
        assert!(names.insert(name.clone()), "{name} stands twice in the table");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
