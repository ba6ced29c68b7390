//! Signed JSON: JWS in compact form (RFC 7515), as JWT (RFC 7519).
//!
//! josekit does the signatures. Before it sees a token, this wrapper applies the list of what one *use* of a JWS
//! allows ([`Expected`]): `typ`, algorithm, size; it refuses every header member that could choose a key or a meaning
//! of its own (`jku`, `jwk`, `x5u`, `x5c`, `crit`, `b64`, `zip`), and the key is found by `kid` among those handed in,
//! with the algorithm that belongs to the key (RFC 8725 §3.1, §3.11).

pub mod base64url;

use josekit::jws::{self, JwsHeader};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::keys::{Algorithm, SigningKey, VerifyingKey};

/// What one use of a signed token allows.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The value of the header `typ`, compared without regard to case (RFC 7515 §4.1.9); `None`: not looked at, for
    /// hints whose issuers did not set it.
    pub typ: Option<&'a str>,
    /// The algorithms allowed.
    pub algorithms: &'a [Algorithm],
    /// The longest token read, in bytes.
    pub max_len: usize,
}

/// Why a token is refused. The cases are for logs; a caller answers one error of its protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than this use allows.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of base64url, or no JSON within.
    #[error("the token is malformed")]
    Malformed,
    /// `typ` is another.
    #[error("the token is of another type")]
    WrongType,
    /// `alg` is not allowed here, or not that of the key.
    #[error("the algorithm of the token is not allowed")]
    AlgorithmNotAllowed,
    /// The header holds a member that is refused.
    #[error("the header holds {0}, which is refused")]
    HeaderRefused(String),
    /// No key of that name.
    #[error("the token is signed by an unknown key")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// The claims are not what this use holds.
    #[error("the claims are malformed: {0}")]
    Claims(String),
}

/// Why a token cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("signing failed: {0}")]
pub struct SignError(String);

/// Signs `claims` as a JWT of type `typ` with `kid`.
///
/// # Errors
/// [`SignError`], where the claims do not serialise or OpenSSL fails.
pub fn sign(key: &SigningKey, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
    let failed = |error: &dyn std::fmt::Display| SignError(error.to_string());
    let payload = serde_json::to_vec(claims).map_err(|error| failed(&error))?;
    let mut header = JwsHeader::new();
    header.set_token_type(typ);
    header.set_key_id(key.kid());
    jws::serialize_compact(&payload, &header, key.signer()).map_err(|error| failed(&error))
}

/// Reads and checks a compact JWS: the header against `expected`, the signature with the key that `key_of` finds for
/// its `kid`.
///
/// # Errors
/// [`JwsError`], one case per cause.
pub fn verify<'k, T: DeserializeOwned>(
    token: &str,
    expected: Expected<'_>,
    key_of: impl FnOnce(Option<&str>) -> Option<&'k VerifyingKey>,
) -> Result<T, JwsError> {
    let payload = verify_payload(token, expected, key_of)?;
    serde_json::from_slice(&payload).map_err(|error| JwsError::Claims(error.to_string()))
}

/// As [`verify`], for a caller that reads the payload itself, with its own errors.
///
/// # Errors
/// [`JwsError`], one case per cause.
pub fn verify_payload<'k>(
    token: &str,
    expected: Expected<'_>,
    key_of: impl FnOnce(Option<&str>) -> Option<&'k VerifyingKey>,
) -> Result<Vec<u8>, JwsError> {
    if token.len() > expected.max_len {
        return Err(JwsError::TooLong);
    }
    let header = header(token)?;
    const ALLOWED: [&str; 4] = ["alg", "typ", "kid", "cty"];
    if let Some(name) = header.keys().find(|name| !ALLOWED.contains(&name.as_str())) {
        return Err(JwsError::HeaderRefused(name.chars().filter(|c| !c.is_control()).take(32).collect()));
    }
    let member = |name: &str| header.get(name).and_then(Value::as_str);
    if let Some(typ) = expected.typ
        && !member("typ").is_some_and(|found| found.eq_ignore_ascii_case(typ))
    {
        return Err(JwsError::WrongType);
    }
    let algorithm = member("alg").and_then(Algorithm::from_name).ok_or(JwsError::AlgorithmNotAllowed)?;
    if !expected.algorithms.contains(&algorithm) {
        return Err(JwsError::AlgorithmNotAllowed);
    }
    let key = key_of(member("kid")).ok_or(JwsError::UnknownKey)?;
    if key.algorithm() != algorithm {
        return Err(JwsError::AlgorithmNotAllowed);
    }
    let (payload, _) =
        jws::deserialize_compact(token.as_bytes(), key.verifier()).map_err(|_| JwsError::BadSignature)?;
    Ok(payload)
}

/// The protected header, unverified: only to choose a key.
fn header(token: &str) -> Result<Map<String, Value>, JwsError> {
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsError::Malformed);
    };
    let header = base64url::decode(header).ok_or(JwsError::Malformed)?;
    serde_json::from_slice(&header).map_err(|_| JwsError::Malformed)
}

/// The claims of a token **without any check of its signature**: to show them to a person, or to find out who could
/// check it. Never to decide.
pub fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&unverified_payload(token)?).ok()
}

/// The payload of a token **without any check of its signature**: to find the key that it must be verified with.
pub fn unverified_payload(token: &str) -> Option<Vec<u8>> {
    header(token).ok()?;
    base64url::decode(token.split('.').nth(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CARD: Expected<'_> =
        Expected { typ: Some("test+jwt"), algorithms: &[Algorithm::Es256], max_len: 4096 };

    fn tampered(token: &str, header: &Value) -> String {
        let rest = token.split_once('.').unwrap().1;
        format!("{}.{rest}", base64url::encode(header.to_string()))
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let token = sign(&key, "test+jwt", &json!({ "a": 1 })).unwrap();
        let claims: Value =
            verify(&token, CARD, |kid| (kid == Some(key.kid())).then(|| key.public())).unwrap();
        assert_eq!(claims, json!({ "a": 1 }));
        assert_eq!(unverified_claims(&token).unwrap().get("a"), Some(&json!(1)));
    }

    #[test]
    fn hostile_tokens_are_refused() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        let rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
        let token = sign(&key, "test+jwt", &json!({ "a": 1 })).unwrap();
        let attempt = |token: &str, by: &SigningKey| {
            verify::<Value>(token, CARD, |kid| (kid == Some(by.kid())).then(|| by.public())).unwrap_err()
        };
        assert_eq!(attempt(&token, &other), JwsError::UnknownKey);
        assert_eq!(
            attempt(&sign(&rsa, "test+jwt", &json!({})).unwrap(), &rsa),
            JwsError::AlgorithmNotAllowed
        );
        assert_eq!(attempt(&sign(&key, "JWT", &json!({})).unwrap(), &key), JwsError::WrongType);
        assert_eq!(attempt("a.b", &key), JwsError::Malformed);
        assert_eq!(attempt("a.b.c.d", &key), JwsError::Malformed);
        assert_eq!(attempt(&"a".repeat(5000), &key), JwsError::TooLong);
        let kid = key.kid();
        for header in [
            json!({ "alg": "none", "typ": "test+jwt", "kid": kid }),
            json!({ "alg": "HS256", "typ": "test+jwt", "kid": kid }),
            json!({ "typ": "test+jwt", "kid": kid }),
        ] {
            assert_eq!(attempt(&tampered(&token, &header), &key), JwsError::AlgorithmNotAllowed);
        }
        for name in ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip"] {
            let header = json!({ "alg": "ES256", "typ": "test+jwt", "kid": kid, name: "x" });
            assert_eq!(attempt(&tampered(&token, &header), &key), JwsError::HeaderRefused(name.into()));
        }
        let header = json!({ "alg": "ES256", "typ": "test+jwt", "kid": kid, "cty": "x" });
        assert_eq!(attempt(&tampered(&token, &header), &key), JwsError::BadSignature);
    }
}
