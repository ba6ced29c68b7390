//! The keys of somebody else (RFC 7517 §5): a client's `jwks`, registered inline or fetched.
//!
//! A set is refused as a whole where it gives a private or symmetric key away, names two keys alike, or is too large. A
//! single key that is weak, malformed or of another kind spoils nothing but itself (RFC 7517 §5): a token that names it
//! is told why, and [`KeySet::faults`] tells whoever registers it.

use serde_json::Value;

use super::jwe::{EncryptionKey, JweError, KeyManagement};
use super::strict_json::{self, JsonFault};
use super::{JwsError, shown};
use crate::crypto::keys::{Algorithm, KeyError, PublicKey, VerifyingKey};

/// The most keys read. A client has one or two for each use, and the ones before them.
const MAX_KEYS: usize = 32;
/// The longest name of a key, in bytes.
const MAX_KID: usize = 256;

/// Why a set of keys is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`KeySet::MAX_LEN`].
    #[error("the key set is too long")]
    TooLong,
    /// Not JSON that says one thing.
    #[error("the key set is refused: {0}")]
    Json(JsonFault),
    /// No list `keys` of objects.
    #[error("the key set has no list of keys")]
    NoKeys,
    /// More keys than are read.
    #[error("the key set has too many keys")]
    TooManyKeys,
    /// A `kid` that is no text, or a very long one.
    #[error("the name of a key is malformed")]
    Kid,
    /// Two keys of one name.
    #[error("two keys are named {0}")]
    DuplicateKid(String),
    /// A private or symmetric key: whoever published it must make a new one.
    #[error("the key set holds a private key")]
    Private,
}

/// The public keys of one party.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    kid: Option<String>,
    verifies: Result<VerifyingKey, KeyError>,
    encrypts: Result<EncryptionKey, KeyError>,
    /// Whether `use` says that it is for encryption.
    says_enc: bool,
    /// The first certificate of `x5c`, as it stands there.
    x5c: Option<String>,
}

impl KeySet {
    /// The longest set read, in bytes: thirty RSA keys with their certificates.
    pub const MAX_LEN: usize = 128 * 1024;

    /// Reads a JWK Set.
    ///
    /// # Errors
    /// [`KeySetError`], one case per cause.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > Self::MAX_LEN {
            return Err(KeySetError::TooLong);
        }
        let set = strict_json::object(json).map_err(KeySetError::Json)?;
        let listed = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeys)?;
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut keys: Vec<Member> = Vec::with_capacity(listed.len());
        for jwk in listed {
            let member = Member::read(jwk)?;
            if member.kid.is_some() && keys.iter().any(|other| other.kid == member.kid) {
                return Err(KeySetError::DuplicateKid(shown(&member.kid.unwrap_or_default())));
            }
            keys.push(member);
        }
        Ok(Self { keys })
    }

    /// The key that a token by `algorithm` is to be checked with: the one named `kid`, or without a name the only one
    /// that fits.
    ///
    /// # Errors
    /// [`JwsError::UnknownKey`], [`JwsError::AmbiguousKey`], [`JwsError::KeyMismatch`] or [`JwsError::KeyRefused`].
    pub fn verifying(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, JwsError> {
        let Some(kid) = kid else {
            let usable = self.keys.iter().filter_map(|member| member.verifies.as_ref().ok());
            return only(
                usable.filter(|key| key.allows(algorithm)),
                JwsError::UnknownKey,
                JwsError::AmbiguousKey,
            );
        };
        let named = self.keys.iter().find(|member| member.kid.as_deref() == Some(kid));
        match &named.ok_or(JwsError::UnknownKey)?.verifies {
            Ok(key) if key.allows(algorithm) => Ok(key),
            Ok(_) | Err(KeyError::OtherUse) => Err(JwsError::KeyMismatch),
            Err(error) => Err(JwsError::KeyRefused(error.clone())),
        }
    }

    /// The key to encrypt to by `management`: the first that says `"use": "enc"`, or else the only one that fits.
    ///
    /// # Errors
    /// [`JweError::UnknownKey`] or [`JweError::AmbiguousKey`].
    pub fn encrypting(&self, management: KeyManagement) -> Result<&EncryptionKey, JweError> {
        let fitting = || {
            let usable = self.keys.iter().filter_map(|member| Some((member, member.encrypts.as_ref().ok()?)));
            usable.filter(|(_, key)| key.allows(management))
        };
        if let Some((_, key)) = fitting().find(|(member, _)| member.says_enc) {
            return Ok(key);
        }
        only(fitting().map(|(_, key)| key), JweError::UnknownKey, JweError::AmbiguousKey)
    }

    /// The certificates of the keys that come with one (`x5c`, RFC 7517 §4.7), in DER, for clients that authenticate by a
    /// self-signed one (RFC 8705 §2.2.2). Nothing is said about them but that each holds the key it stands beside; one
    /// that does not is left out.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;

        let certified = |member: &Member| {
            let der = STANDARD.decode(member.x5c.as_ref()?).ok()?;
            let certificate = openssl::x509::X509::from_der(&der).ok()?;
            let spki = certificate.public_key().ok()?.public_key_to_der().ok()?;
            let within = PublicKey::from_spki(&spki).ok()?;
            (member.verifies.as_ref().ok()?.kid() == within.thumbprint()).then_some(der)
        };
        self.keys.iter().filter_map(certified).collect()
    }

    /// The keys that serve neither signatures nor encryption, by their names, with the reason.
    pub fn faults(&self) -> impl Iterator<Item = (Option<&str>, &KeyError)> {
        self.keys.iter().filter_map(|member| match (&member.verifies, &member.encrypts) {
            (Err(KeyError::OtherUse), Err(error)) | (Err(error), Err(_)) => {
                Some((member.kid.as_deref(), error))
            }
            _ => None,
        })
    }

    /// How many keys can be used.
    pub fn usable(&self) -> usize {
        self.keys.len() - self.faults().count()
    }
}

impl Member {
    fn read(jwk: &Value) -> Result<Self, KeySetError> {
        let members = jwk.as_object().ok_or(KeySetError::NoKeys)?;
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone()),
            Some(_) => return Err(KeySetError::Kid),
        };
        if members.get("kty").is_some_and(|kty| kty == "oct") {
            return Err(KeySetError::Private);
        }
        let verifies = VerifyingKey::from_jwk(jwk);
        if verifies == Err(KeyError::Private) {
            return Err(KeySetError::Private);
        }
        let encrypts = EncryptionKey::from_jwk(jwk);
        let says_enc = members.get("use").is_some_and(|usage| usage == "enc");
        let x5c =
            members.get("x5c").and_then(|chain| chain.get(0)).and_then(Value::as_str).map(str::to_owned);
        Ok(Self { kid, verifies, encrypts, says_enc, x5c })
    }
}

/// The only item.
fn only<T, E>(mut items: impl Iterator<Item = T>, none: E, several: E) -> Result<T, E> {
    match (items.next(), items.next()) {
        (Some(item), None) => Ok(item),
        (None, _) => Err(none),
        (Some(_), Some(_)) => Err(several),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::jose::{Expected, base64url, sign, verify_with_set};
    use crate::crypto::keys::SigningKey;
    use serde_json::json;

    fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn jwk(key: &SigningKey, changes: Value) -> Value {
        let mut jwk = key.public().to_jwk();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => jwk.as_object_mut().unwrap().remove(name),
                value => jwk.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        jwk
    }

    const ANY: Expected<'_> = Expected { typ: Some("JWT"), algorithms: &Algorithm::ALL, max_len: 4096 };

    #[test]
    fn a_key_is_found_by_its_name_and_its_algorithm() {
        let keys = Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap());
        let all = set(&keys.each_ref().map(|key| key.public().to_jwk())).unwrap();
        for key in &keys {
            let token = sign(key, "JWT", &json!({ "a": 1 })).unwrap();
            assert_eq!(verify_with_set(&token, ANY, &all), Ok(json!({ "a": 1 })));
            for other in Algorithm::ALL.into_iter().filter(|other| *other != key.algorithm()) {
                assert_eq!(all.verifying(Some(key.kid()), other).unwrap_err(), JwsError::KeyMismatch);
            }
        }
        let [rsa, pss, ec, ed] = &keys;
        let one_of = |keys: &[Value], algorithm| {
            set(keys).unwrap().verifying(None, algorithm).map(|key| key.kid().to_owned())
        };
        let unnamed = [jwk(ec, json!({ "kid": null })), jwk(ed, json!({ "kid": null }))];
        assert_eq!(one_of(&unnamed, Algorithm::Es256), Ok(ec.kid().to_owned()));
        assert_eq!(one_of(&unnamed, Algorithm::Rs256), Err(JwsError::UnknownKey));
        let both = [jwk(rsa, json!({ "alg": null })), jwk(pss, json!({}))];
        assert_eq!(one_of(&both, Algorithm::Rs256), Ok(rsa.kid().to_owned()));
        assert_eq!(one_of(&both, Algorithm::Ps256), Err(JwsError::AmbiguousKey));
        assert_eq!(all.verifying(Some("another"), Algorithm::Rs256).unwrap_err(), JwsError::UnknownKey);
        let encrypts = set(&[jwk(rsa, json!({ "alg": null, "use": "enc" }))]).unwrap();
        assert_eq!(encrypts.verifying(Some(rsa.kid()), Algorithm::Rs256).unwrap_err(), JwsError::KeyMismatch);
        assert!(encrypts.encrypting(KeyManagement::RsaOaep256).is_ok());
        assert_eq!(encrypts.encrypting(KeyManagement::EcdhEs).unwrap_err(), JweError::UnknownKey);
    }

    #[test]
    fn a_key_that_says_enc_is_encrypted_to() {
        let keys = [0; 3].map(|_| SigningKey::generate(Algorithm::Es256).unwrap());
        let listed = |uses: [Value; 3]| {
            let listed: Vec<_> = keys
                .iter()
                .zip(uses)
                .enumerate()
                .map(|(at, (key, usage))| {
                    jwk(key, json!({ "alg": null, "use": usage, "kid": at.to_string() }))
                })
                .collect();
            let chosen = set(&listed).unwrap();
            chosen.encrypting(KeyManagement::EcdhEs).map(|key| key.kid().unwrap().to_owned())
        };
        assert_eq!(listed([json!("sig"), Value::Null, json!("enc")]), Ok("2".into()));
        assert_eq!(listed([json!("sig"), Value::Null, json!("sig")]), Ok("1".into()));
        assert_eq!(listed([json!("sig"), Value::Null, Value::Null]), Err(JweError::AmbiguousKey));
        assert_eq!(listed([json!("sig"), json!("sig"), json!("sig")]), Err(JweError::UnknownKey));
    }

    #[test]
    fn a_bad_key_spoils_itself_only_and_says_why() {
        let good = SigningKey::generate(Algorithm::Es256).unwrap();
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        let short = base64url::encode([0xB7; 128]);
        let keys = set(&[
            jwk(&good, json!({})),
            json!({ "kty": "RSA", "kid": "weak", "n": short, "e": "AQAB" }),
            json!({ "kty": "EC", "kid": "curve", "crv": "P-384", "x": "AA", "y": "AA" }),
            json!({ "kty": "AKP", "kid": "tomorrow", "alg": "ML-DSA-44", "pub": "AA" }),
            jwk(&other, json!({ "kid": "point", "x": good.public().to_jwk()["x"] })),
        ])
        .unwrap();
        assert!(keys.verifying(None, Algorithm::Es256).is_ok());
        let refused = |kid| keys.verifying(Some(kid), Algorithm::Es256).unwrap_err();
        assert_eq!(refused("weak"), JwsError::KeyRefused(KeyError::Modulus));
        assert_eq!(refused("curve"), JwsError::KeyRefused(KeyError::Unsupported));
        assert_eq!(refused("tomorrow"), JwsError::KeyRefused(KeyError::Unsupported));
        assert_eq!(refused("point"), JwsError::KeyRefused(KeyError::Point));
        assert_eq!(keys.faults().count(), 4);
        assert_eq!(keys.usable(), 1);
    }

    #[test]
    fn a_set_that_gives_a_key_away_or_names_two_alike_is_refused() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let second = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let refused = |keys: &[Value]| set(keys).unwrap_err();
        assert_eq!(refused(&[jwk(&key, json!({ "d": "AA" }))]), KeySetError::Private);
        assert_eq!(refused(&[json!({ "kty": "oct", "k": "AA" })]), KeySetError::Private);
        assert_eq!(refused(&[json!({ "kty": "oct" })]), KeySetError::Private);
        assert_eq!(
            refused(&[jwk(&key, json!({ "kid": "a" })), jwk(&second, json!({ "kid": "a" }))]),
            KeySetError::DuplicateKid("a".into())
        );
        assert_eq!(refused(&[jwk(&key, json!({ "kid": 1 }))]), KeySetError::Kid);
        assert_eq!(refused(&[jwk(&key, json!({ "kid": "a".repeat(257) }))]), KeySetError::Kid);
        assert_eq!(refused(&[json!("key")]), KeySetError::NoKeys);
        assert_eq!(refused(&vec![json!({ "kty": "none" }); 33]), KeySetError::TooManyKeys);
        let parse = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err();
        assert_eq!(parse("{}"), KeySetError::NoKeys);
        assert_eq!(parse("[]"), KeySetError::Json(JsonFault::NotAnObject));
        assert_eq!(parse(r#"{"keys":[],"keys":[]}"#), KeySetError::Json(JsonFault::DuplicateMember));
        assert_eq!(
            parse(r#"{"keys":[{"kty":"EC","kid":"a","kid":"b"}]}"#),
            KeySetError::Json(JsonFault::DuplicateMember)
        );
        assert_eq!(parse(&" ".repeat(KeySet::MAX_LEN + 1)), KeySetError::TooLong);
    }

    #[test]
    fn a_certificate_counts_beside_its_own_key_only() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        use openssl::asn1::Asn1Time;
        use openssl::pkey::PKey;

        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let other = SigningKey::generate(Algorithm::Es256).unwrap();
        let private = PKey::private_key_from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        let mut certificate = openssl::x509::X509Builder::new().unwrap();
        certificate.set_pubkey(&private).unwrap();
        certificate.set_not_before(&Asn1Time::from_unix(1_700_000_000).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::from_unix(1_800_000_000).unwrap()).unwrap();
        certificate.sign(&private, openssl::hash::MessageDigest::sha256()).unwrap();
        let der = certificate.build().to_der().unwrap();
        let chain = json!([STANDARD.encode(&der)]);
        assert_eq!(set(&[jwk(&key, json!({ "x5c": chain }))]).unwrap().certificates(), [der]);
        assert!(set(&[jwk(&other, json!({ "x5c": chain }))]).unwrap().certificates().is_empty());
        assert!(set(&[jwk(&key, json!({ "x5c": ["%"] }))]).unwrap().certificates().is_empty());
    }
}
