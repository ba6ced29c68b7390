//! Signed and encrypted JSON: JWS and JWE in compact form (RFC 7515, RFC 7516), as JWT (RFC 7519), and sets of keys
//! (RFC 7517).
//!
//! josekit does the signatures and the wrapping of keys. Before it sees anything, the wrapper here applies the list of
//! what one *use* of a token allows ([`Expected`], [`ExpectedJwe`]): `typ`, algorithm, size. It refuses every header member that
//! could choose a key or a meaning of its own (`jku`, `jwk`, `x5u`, `x5c`, `crit`, `b64`, `zip`), every second spelling of
//! the same token (a JSON member twice, padding, stray bits), and finds the key by `kid` among those handed in, for the
//! algorithm that this key is for (RFC 8725 §3.1, §3.11, §3.12).
//!
//! | To | Call |
//! |---|---|
//! | sign with a key of ours | [`sign`] |
//! | check with a key of ours, or one looked up by its `kid` | [`verify`], [`verify_payload`] |
//! | check with the keys of a client | [`verify_with_set`], over a [`KeySet`] |
//! | check a proof that brings its key along (DPoP) | [`verify_with_embedded_key`] |
//! | check with the certificate in its header, once that is trusted | [`verify_with_certificates`] |
//! | encrypt to a client, decrypt what came to us | [`encrypt`], [`decrypt`] |

pub mod base64url;
#[cfg(test)]
mod hostile;
mod jwe;
mod key_set;
pub mod strict_json;
#[cfg(test)]
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jws::{self, JwsHeader};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::jwe::{
    ContentEncryption, Decrypted, DecryptionKey, EncryptionKey, ExpectedJwe, JweError, KeyManagement,
    decrypt, encrypt,
};
pub use self::key_set::{KeySet, KeySetError};
pub use self::strict_json::JsonFault;
use super::keys::{Algorithm, KeyError, SignatureFault, SigningKey, VerifyingKey};
use super::x509::machine::spki_of;

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
    /// Not three parts, or a header member of the wrong kind.
    #[error("the token is malformed")]
    Malformed,
    /// A part that is not base64url without padding, in its one spelling.
    #[error("a part of the token is not base64url without padding")]
    NotBase64url,
    /// The header is not JSON that says one thing.
    #[error("the header is refused: {0}")]
    Header(JsonFault),
    /// `typ` is another.
    #[error("the token is of another type")]
    WrongType,
    /// `alg` is missing, is not ours, or is not allowed here.
    #[error("the algorithm of the token is not allowed")]
    AlgorithmNotAllowed,
    /// The header holds a member that is refused.
    #[error("the header holds {0}, which is refused")]
    HeaderRefused(String),
    /// No key of that name.
    #[error("the token is signed by an unknown key")]
    UnknownKey,
    /// No `kid`, and several keys fit.
    #[error("the token does not say which of several keys it is signed by")]
    AmbiguousKey,
    /// The key of that name is of another kind, or for another use.
    #[error("the key of the token is not for its algorithm")]
    KeyMismatch,
    /// The key of that name, or the one the token brought along, is refused.
    #[error("the key of the token is refused: {0}")]
    KeyRefused(KeyError),
    /// The signature is shorter or longer than those of its algorithm.
    #[error("the signature has the wrong length")]
    SignatureLength,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
    /// The payload is not JSON that says one thing.
    #[error("the payload is refused: {0}")]
    Payload(JsonFault),
    /// The claims are not what this use holds.
    #[error("the claims are malformed: {0}")]
    Claims(String),
}

/// Why a token cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("signing failed: {0}")]
pub struct SignError(String);

impl SignError {
    /// For whoever has no key to sign with.
    pub fn new(cause: impl Into<String>) -> Self {
        Self(cause.into())
    }
}

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
    let signer = key.signer().map_err(|error| failed(&error))?;
    jws::serialize_compact(&payload, &header, signer).map_err(|error| failed(&error))
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
    claims(&verify_payload(token, expected, key_of)?)
}

/// As [`verify`], for a caller that reads the payload, one JSON object, itself, with its own errors.
///
/// # Errors
/// [`JwsError`], one case per cause.
pub fn verify_payload<'k>(
    token: &str,
    expected: Expected<'_>,
    key_of: impl FnOnce(Option<&str>) -> Option<&'k VerifyingKey>,
) -> Result<Vec<u8>, JwsError> {
    let signed = Compact::read(token, expected.max_len)?;
    let algorithm = signed.admit(expected, &[])?;
    let key = key_of(signed.kid()?).ok_or(JwsError::UnknownKey)?;
    signed.check(key, algorithm)?;
    signed.into_object()
}

/// Reads and checks a compact JWS with the keys of whoever sent it.
///
/// # Errors
/// [`JwsError`], one case per cause.
pub fn verify_with_set<T: DeserializeOwned>(
    token: &str,
    expected: Expected<'_>,
    keys: &KeySet,
) -> Result<T, JwsError> {
    let signed = Compact::read(token, expected.max_len)?;
    let algorithm = signed.admit(expected, &[])?;
    signed.check(keys.verifying(signed.kid()?, algorithm)?, algorithm)?;
    claims(&signed.into_object()?)
}

/// Reads and checks a compact JWS with the key in its own header, and yields the key's thumbprint (RFC 7638) beside the
/// claims.
///
/// It proves that the sender has *a* key, and nothing else: for DPoP proofs (RFC 9449 §4.3), whose key counts where its
/// thumbprint is the one a token is bound to.
///
/// # Errors
/// [`JwsError`], one case per cause.
pub fn verify_with_embedded_key<T: DeserializeOwned>(
    token: &str,
    expected: Expected<'_>,
) -> Result<(T, String), JwsError> {
    let signed = Compact::read(token, expected.max_len)?;
    let algorithm = signed.admit(expected, &["jwk"])?;
    let jwk = signed.header.get("jwk").ok_or(JwsError::UnknownKey)?;
    let key = VerifyingKey::from_jwk(jwk).map_err(JwsError::KeyRefused)?;
    signed.check(&key, algorithm)?;
    Ok((claims(&signed.into_object()?)?, key.kid().to_owned()))
}

/// Reads and checks a compact JWS with the key of the first certificate in its header (`x5c`, RFC 7515 §4.1.6), after
/// `judge` has trusted the chain (DER): nothing else makes that key count. Yields the payload, one JSON object.
///
/// # Errors
/// [`JwsError`], or what `judge` says.
pub fn verify_with_certificates<E: From<JwsError>>(
    token: &str,
    expected: Expected<'_>,
    judge: impl FnOnce(&[Vec<u8>]) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let signed = Compact::read(token, expected.max_len)?;
    let algorithm = signed.admit(expected, &["x5c"])?;
    let chain = signed.certificates()?;
    judge(&chain)?;
    let spki = chain.first().map(|signer| spki_of(signer)).transpose().map_err(|_| JwsError::Malformed)?;
    let key = VerifyingKey::from_spki(&spki.unwrap_or_default()).map_err(JwsError::KeyRefused)?;
    signed.check(&key, algorithm)?;
    Ok(signed.into_object()?)
}

/// The claims of a token **without any check of its signature**: to show them to a person, or to find out who could
/// check it. Never to decide.
pub fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    strict_json::object(&unverified_payload(token)?).ok()
}

/// The payload of a token **without any check of its signature**: to find the key that it must be verified with.
pub fn unverified_payload(token: &str) -> Option<Vec<u8>> {
    Compact::read(token, usize::MAX).ok().map(|signed| signed.payload)
}

fn claims<T: DeserializeOwned>(payload: &[u8]) -> Result<T, JwsError> {
    serde_json::from_slice(payload).map_err(|error| JwsError::Claims(error.to_string()))
}

/// A JWS taken apart, of which nothing is believed yet.
struct Compact<'t> {
    header: Map<String, Value>,
    /// What the signature is of (RFC 7515 §5.2, step 8).
    signing_input: &'t str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    fn read(token: &'t str, max_len: usize) -> Result<Self, JwsError> {
        if token.len() > max_len {
            return Err(JwsError::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
        if payload.contains('.') {
            return Err(JwsError::Malformed);
        }
        let decode = |part| base64url::decode(part).ok_or(JwsError::NotBase64url);
        let header = strict_json::object(&decode(header)?).map_err(JwsError::Header)?;
        Ok(Self { header, signing_input, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// Applies what this use allows to the header; yields its algorithm.
    fn admit(&self, expected: Expected<'_>, besides: &[&str]) -> Result<Algorithm, JwsError> {
        let known = |name: &str| ["alg", "typ", "kid", "cty"].contains(&name) || besides.contains(&name);
        if let Some(name) = self.header.keys().find(|name| !known(name)) {
            return Err(JwsError::HeaderRefused(shown(name)));
        }
        let member = |name: &str| self.header.get(name).and_then(Value::as_str);
        if let Some(typ) = expected.typ
            && !member("typ").is_some_and(|found| found.eq_ignore_ascii_case(typ))
        {
            return Err(JwsError::WrongType);
        }
        member("alg")
            .and_then(Algorithm::from_name)
            .filter(|algorithm| expected.algorithms.contains(algorithm))
            .ok_or(JwsError::AlgorithmNotAllowed)
    }

    /// The certificates in the header, in DER; at least one.
    fn certificates(&self) -> Result<Vec<Vec<u8>>, JwsError> {
        let chain = self.header.get("x5c").and_then(Value::as_array).ok_or(JwsError::UnknownKey)?;
        let read = |item: &Value| STANDARD.decode(item.as_str()?).ok();
        let chain: Option<Vec<_>> = chain.iter().map(read).collect();
        chain.filter(|chain| !chain.is_empty()).ok_or(JwsError::Malformed)
    }

    fn kid(&self) -> Result<Option<&str>, JwsError> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid)),
            Some(_) => Err(JwsError::Malformed),
        }
    }

    fn check(&self, key: &VerifyingKey, algorithm: Algorithm) -> Result<(), JwsError> {
        match key.verifies(algorithm, self.signing_input.as_bytes(), &self.signature) {
            Some(Ok(())) => Ok(()),
            Some(Err(SignatureFault::Length)) => Err(JwsError::SignatureLength),
            Some(Err(SignatureFault::Mismatch)) => Err(JwsError::BadSignature),
            None => Err(JwsError::KeyMismatch),
        }
    }

    fn into_object(self) -> Result<Vec<u8>, JwsError> {
        strict_json::object(&self.payload).map_err(JwsError::Payload)?;
        Ok(self.payload)
    }
}

/// A name from outside, fit for a log.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(32).collect()
}

/// Signs whatever header and payload a test makes up.
#[cfg(test)]
pub(crate) fn forge(key: &SigningKey, header: &Value, payload: &Value) -> String {
    let input =
        format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(payload.to_string()));
    let signature = key.signer().unwrap().sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CARD: Expected<'_> =
        Expected { typ: Some("test+jwt"), algorithms: &[Algorithm::Es256], max_len: 4096 };

    #[test]
    fn a_token_says_what_was_signed() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let token = sign(&key, "test+jwt", &json!({ "a": 1 })).unwrap();
            let expected = Expected { algorithms: &[algorithm], ..CARD };
            let claims: Value =
                verify(&token, expected, |kid| (kid == Some(key.kid())).then(|| key.public())).unwrap();
            assert_eq!(claims, json!({ "a": 1 }));
            assert_eq!(unverified_claims(&token).unwrap().get("a"), Some(&json!(1)));
        }
    }

    #[test]
    fn what_this_use_does_not_allow_is_refused() {
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
        assert_eq!(attempt(&"a".repeat(5000), &key), JwsError::TooLong);
        assert!(
            verify_with_embedded_key::<Value>(&token, CARD).is_err_and(|why| why == JwsError::UnknownKey)
        );
    }

    #[test]
    fn a_proof_yields_the_name_of_its_key() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let header = json!({ "typ": "test+jwt", "alg": "ES256", "jwk": key.public().to_jwk() });
        let proof = forge(&key, &header, &json!({ "jti": "1" }));
        let read = verify_with_embedded_key::<Value>(&proof, CARD);
        assert_eq!(read, Ok((json!({ "jti": "1" }), key.kid().to_owned())));
    }
}
