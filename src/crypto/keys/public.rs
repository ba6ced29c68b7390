//! Public keys, read from a JWK or a SubjectPublicKeyInfo.

use std::fmt::{self, Debug};

use josekit::jwk::Jwk;
use josekit::jws::{ES256, EdDSA, JwsVerifier, PS256, RS256};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};

use super::{Algorithm, Family, KeyError};
use crate::crypto::digest::sha256;
use crate::crypto::jose::base64url;

/// RSA beyond this costs its checker more than it gains.
const MAX_RSA_BITS: i32 = 8192;
/// The members of a JWK that give a private or symmetric key away (RFC 7518 §6.2.2, §6.3.2, §6.4, RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/// The bits of the smallest exponent of an RSA key, 65537 (FIPS 186-5 §A.1.1): below it, a fault in the padding that
/// some other reader forgives is a forgery.
const MIN_EXPONENT_BITS: i32 = 17;
/// The y coordinates of the points of small order on the curve of Ed25519, little-endian, without the sign: a signature
/// by such a "key" holds for nearly everything.
const SMALL_ORDER: [[u8; 32]; 5] = [
    small(0x00, 0x00, 0x00),
    small(0x01, 0x00, 0x00),
    small(0xEC, 0xFF, 0x7F),
    [
        0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0, 0xD5,
        0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
    ],
    [
        0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F, 0x2A,
        0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
    ],
];

const fn small(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Whether `y` is below 2²⁵⁵ − 19, the prime of Ed25519 (RFC 8032 §5.1.3): OpenSSL takes a number beyond it for the one
/// it stands for, so that a key would have two texts, and two thumbprints.
fn is_below_the_prime(y: &[u8; 32]) -> bool {
    let [lowest, between @ .., highest] = y;
    *highest != 0x7F || *lowest < 0xED || between.iter().any(|byte| *byte != 0xFF)
}

/// A public key that was looked at: of a known family, strong, on its curve.
#[derive(Clone)]
pub(in crate::crypto) struct PublicKey {
    key: PKey<Public>,
    family: Family,
    /// The members that RFC 7638 §3.2 requires, in their order.
    members: Map<String, Value>,
    thumbprint: String,
}

impl PublicKey {
    pub(in crate::crypto) fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        Self::checked(PKey::public_key_from_der(der)?)
    }

    /// From the members of a JWK that make the key; the others are the caller's.
    pub(in crate::crypto) fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let member = |name| jwk.get(name).and_then(Value::as_str).ok_or(KeyError::Jwk("a member is missing"));
        let bytes = |name| base64url::decode(member(name)?).ok_or(KeyError::Jwk("a member is not base64url"));
        // RFC 7518 §2: as few bytes as the number needs, so that one key has one text.
        let number = |name| match bytes(name)?.as_slice() {
            [] | [0, ..] => Err(KeyError::Jwk("a number has no digits or leading zeros")),
            bytes if bytes.len() * 8 > MAX_RSA_BITS.unsigned_abs() as usize => Err(KeyError::Modulus),
            bytes => Ok(BigNum::from_slice(bytes)?),
        };
        // RFC 7518 §6.2.1.2: as many bytes as the curve's numbers have.
        let coordinate = |name| <[u8; 32]>::try_from(bytes(name)?).map_err(|_| KeyError::Point);
        let kind = member("kty")?;
        if PRIVATE_MEMBERS.iter().any(|name| jwk.get(name).is_some()) {
            return Err(KeyError::Private);
        }
        let key = match (kind, jwk.get("crv").and_then(Value::as_str)) {
            ("RSA", _) => PKey::from_rsa(Rsa::from_public_components(number("n")?, number("e")?)?)?,
            ("EC", Some("P-256")) => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                let (x, y) = (BigNum::from_slice(&coordinate("x")?)?, BigNum::from_slice(&coordinate("y")?)?);
                let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y);
                PKey::from_ec_key(key.map_err(|_| KeyError::Point)?)?
            }
            ("OKP", Some("Ed25519")) => PKey::public_key_from_raw_bytes(&coordinate("x")?, Id::ED25519)?,
            _ => return Err(KeyError::Unsupported),
        };
        Self::checked(key)
    }

    fn checked(key: PKey<Public>) -> Result<Self, KeyError> {
        let text = |number: &BigNumRef| base64url::encode(number.to_vec());
        let (family, members) = match key.id() {
            Id::RSA => {
                let rsa = key.rsa()?;
                if !(2048..=MAX_RSA_BITS).contains(&rsa.n().num_bits()) || !rsa.n().is_bit_set(0) {
                    return Err(KeyError::Modulus);
                }
                if !(MIN_EXPONENT_BITS..=64).contains(&rsa.e().num_bits()) || !rsa.e().is_bit_set(0) {
                    return Err(KeyError::Exponent);
                }
                (Family::Rsa, json!({ "e": text(rsa.e()), "kty": "RSA", "n": text(rsa.n()) }))
            }
            Id::EC => {
                let ec = key.ec_key()?;
                if ec.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
                    return Err(KeyError::Unsupported);
                }
                ec.check_key().map_err(|_| KeyError::Point)?;
                let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
                ec.public_key().affine_coordinates(
                    ec.group(),
                    &mut x,
                    &mut y,
                    &mut *BigNumContext::new()?,
                )?;
                let text =
                    |number: &BigNumRef| Ok::<_, KeyError>(base64url::encode(number.to_vec_padded(32)?));
                (Family::P256, json!({ "crv": "P-256", "kty": "EC", "x": text(&x)?, "y": text(&y)? }))
            }
            Id::ED25519 => {
                let raw = key.raw_public_key()?;
                let mut y = <[u8; 32]>::try_from(raw.as_slice()).map_err(|_| KeyError::Point)?;
                let [.., sign] = &mut y;
                *sign &= 0x7F;
                if SMALL_ORDER.contains(&y) || !is_below_the_prime(&y) {
                    return Err(KeyError::Point);
                }
                (Family::Ed25519, json!({ "crv": "Ed25519", "kty": "OKP", "x": base64url::encode(raw) }))
            }
            _ => return Err(KeyError::Unsupported),
        };
        // RFC 7638 §3: the required members only, in lexicographic order, without white space.
        let thumbprint = base64url::encode(sha256(members.to_string().as_bytes()));
        let Value::Object(members) = members else { return Err(KeyError::Unsupported) };
        Ok(Self { key, family, members, thumbprint })
    }

    pub(in crate::crypto) fn family(&self) -> Family {
        self.family
    }

    pub(in crate::crypto) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The members that make the key, and no other.
    pub(in crate::crypto) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    pub(in crate::crypto) fn to_spki(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.key.public_key_to_der()?)
    }

    /// The length of an RSA modulus, or of a coordinate, in bytes.
    pub(in crate::crypto) fn size(&self) -> usize {
        match self.family {
            Family::Rsa => self.key.size(),
            Family::P256 | Family::Ed25519 => 32,
        }
    }
}

/// A public key that checks signatures, by one algorithm or by each that its family knows.
#[derive(Clone)]
pub struct VerifyingKey {
    public: PublicKey,
    verifiers: Vec<(Algorithm, Box<dyn JwsVerifier>)>,
}

impl VerifyingKey {
    /// From a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError`], where it is of no family of ours, or weak.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        Self::for_algorithms(PublicKey::from_spki(der)?, |_| true)
    }

    /// From a public JWK (RFC 7517). Its `alg`, `use` and `key_ops` restrict what it may be used for; members that say
    /// nothing about that are ignored.
    ///
    /// # Errors
    /// [`KeyError`], where it is no public key of ours, weak, or for another use.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let public = PublicKey::from_jwk(jwk)?;
        if jwk.get("use").is_some_and(|usage| usage != "sig") || !operation_allowed(jwk, &["verify"])? {
            return Err(KeyError::OtherUse);
        }
        let alg = jwk.get("alg");
        Self::for_algorithms(public, |algorithm| alg.is_none_or(|alg| alg == algorithm.name()))
    }

    /// The same key for one algorithm.
    ///
    /// # Errors
    /// [`KeyError::OtherUse`], where it cannot serve it.
    pub fn only(self, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::for_algorithms(self.public, |other| other == algorithm)
    }

    fn for_algorithms(public: PublicKey, allowed: impl Fn(Algorithm) -> bool) -> Result<Self, KeyError> {
        let jwk = Jwk::from_map(public.members.clone())?;
        let mut verifiers = Vec::new();
        for algorithm in Algorithm::ALL {
            if algorithm.family() == public.family && allowed(algorithm) {
                let verifier: Box<dyn JwsVerifier> = match algorithm {
                    Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk)?),
                    Algorithm::Ps256 => Box::new(PS256.verifier_from_jwk(&jwk)?),
                    Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk)?),
                    Algorithm::EdDsa => Box::new(EdDSA.verifier_from_jwk(&jwk)?),
                };
                verifiers.push((algorithm, verifier));
            }
        }
        if verifiers.is_empty() { Err(KeyError::OtherUse) } else { Ok(Self { public, verifiers }) }
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url).
    pub fn kid(&self) -> &str {
        self.public.thumbprint()
    }

    /// As a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError::OpenSsl`].
    pub fn to_spki(&self) -> Result<Vec<u8>, KeyError> {
        self.public.to_spki()
    }

    /// Whether signatures by this algorithm may be checked with it.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(allowed, _)| *allowed == algorithm)
    }

    /// The public JWK with `kid` and `use`, and with `alg` where the key is for one algorithm, for a JWK Set.
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.public.members.clone();
        jwk.insert("kid".into(), self.kid().into());
        jwk.insert("use".into(), "sig".into());
        if let [(algorithm, _)] = self.verifiers.as_slice() {
            jwk.insert("alg".into(), algorithm.name().into());
        }
        Value::Object(jwk)
    }

    /// Whether `signature` is one of `message` by `algorithm`; `None` where the key is not for that algorithm.
    ///
    /// The length is looked at first: a signature has one (RFC 7518 §3.3, §3.4, RFC 8032 §5.1.6).
    pub(in crate::crypto) fn verifies(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Result<(), SignatureFault>> {
        let (_, verifier) = self.verifiers.iter().find(|(allowed, _)| *allowed == algorithm)?;
        let length = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => self.public.size(),
            Algorithm::Es256 | Algorithm::EdDsa => 64,
        };
        if signature.len() != length {
            return Some(Err(SignatureFault::Length));
        }
        Some(verifier.verify(message, signature).map_err(|_| SignatureFault::Mismatch))
    }
}

/// Why a signature is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::crypto) enum SignatureFault {
    /// Not as long as signatures of this key are.
    Length,
    /// Of something else, or by another key.
    Mismatch,
}

/// Whether `key_ops` (RFC 7517 §4.3), where there is one, names one of `operations`.
pub(in crate::crypto) fn operation_allowed(jwk: &Value, operations: &[&str]) -> Result<bool, KeyError> {
    let Some(listed) = jwk.get("key_ops") else { return Ok(true) };
    let malformed = KeyError::Jwk("key_ops is no list of distinct names");
    let listed = listed.as_array().ok_or_else(|| malformed.clone())?;
    let names: Vec<_> = listed.iter().filter_map(Value::as_str).collect();
    let distinct =
        names.iter().enumerate().all(|(at, name)| !names.iter().skip(at + 1).any(|other| other == name));
    if names.len() != listed.len() || !distinct {
        return Err(malformed);
    }
    Ok(operations.iter().any(|operation| names.contains(operation)))
}

impl Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.verifiers.iter().map(|(algorithm, _)| algorithm.name()).collect();
        write!(f, "VerifyingKey({} {})", names.join(" "), self.kid())
    }
}

impl Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.family, self.thumbprint)
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid() == other.kid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(members: Value) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_jwk(&members)
    }

    fn rsa(bits: u32) -> (Vec<u8>, Vec<u8>) {
        let rsa = Rsa::generate(bits).unwrap();
        (rsa.n().to_vec(), rsa.e().to_vec())
    }

    #[test]
    fn an_rsa_key_serves_both_rsa_algorithms_unless_its_jwk_says_otherwise() {
        let (n, e) = rsa(2048);
        let (n, e) = (base64url::encode(n), base64url::encode(e));
        let with = |extra: Value| {
            let mut members = json!({ "kty": "RSA", "n": n, "e": e });
            members.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            jwk(members).map(|key| Algorithm::ALL.map(|algorithm| key.allows(algorithm)))
        };
        assert_eq!(with(json!({})), Ok([true, true, false, false]));
        assert_eq!(with(json!({ "alg": "PS256", "use": "sig" })), Ok([false, true, false, false]));
        assert_eq!(with(json!({ "key_ops": ["verify"] })), Ok([true, true, false, false]));
        for other in [
            json!({ "alg": "PS512" }),
            json!({ "alg": "ES256" }),
            json!({ "alg": "rs256" }),
            json!({ "alg": null }),
            json!({ "use": "enc" }),
            json!({ "use": ["sig"] }),
            json!({ "key_ops": ["encrypt", "wrapKey"] }),
            json!({ "key_ops": [] }),
        ] {
            assert_eq!(with(other.clone()), Err(KeyError::OtherUse), "{other}");
        }
        for malformed in [json!("verify"), json!(["verify", "verify"]), json!(["verify", 1])] {
            assert!(matches!(with(json!({ "key_ops": malformed })), Err(KeyError::Jwk(_))));
        }
        for member in PRIVATE_MEMBERS {
            assert_eq!(with(json!({ member: "AQAB" })), Err(KeyError::Private), "{member}");
        }
    }

    #[test]
    fn weak_rsa_keys_are_refused() {
        let with = |n: &[u8], e: &[u8]| {
            jwk(json!({ "kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e) })).map(|_| ())
        };
        let (n, e) = rsa(2048);
        assert_eq!(with(&n, &e), Ok(()));
        let (weak, _) = rsa(1024);
        assert_eq!(with(&weak, &e), Err(KeyError::Modulus));
        let spki = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap().public_key_to_der().unwrap();
        assert_eq!(VerifyingKey::from_spki(&spki).unwrap_err(), KeyError::Modulus);
        let mut even = n.clone();
        *even.last_mut().unwrap() &= 0xFE;
        assert_eq!(with(&even, &e), Err(KeyError::Modulus));
        assert_eq!(with(&[0xFF; 1025], &e), Err(KeyError::Modulus));
        for exponent in [&[1][..], &[2], &[3], &[0xFF, 0xFF], &[1, 0, 0], &[1; 9]] {
            assert_eq!(with(&n, exponent), Err(KeyError::Exponent), "{exponent:?}");
        }
        let padded = [&[0][..], &n].concat();
        assert!(matches!(with(&padded, &e), Err(KeyError::Jwk(_))), "a second spelling");
        assert!(matches!(with(&n, &[]), Err(KeyError::Jwk(_))));
    }

    #[test]
    fn points_beside_their_curve_are_refused() {
        let key = super::super::SigningKey::generate(Algorithm::Es256).unwrap().public().to_jwk();
        let with = |crv: &str, x: &Value, y: &Value| {
            jwk(json!({ "kty": "EC", "crv": crv, "x": x, "y": y })).map(|_| ())
        };
        let (x, y) = (&key["x"], &key["y"]);
        assert_eq!(with("P-256", x, y), Ok(()));
        assert_eq!(with("P-256", y, x), Err(KeyError::Point));
        let zero = json!(base64url::encode([0; 32]));
        assert_eq!(with("P-256", &zero, &zero), Err(KeyError::Point), "the point at infinity");
        assert_eq!(with("P-256", &json!("AAAA"), y), Err(KeyError::Point));
        assert_eq!(with("P-256", &json!(base64url::encode([0xFF; 32])), y), Err(KeyError::Point));
        for crv in ["P-384", "P-521", "secp256k1", "p-256", "Ed25519"] {
            assert_eq!(with(crv, x, y), Err(KeyError::Unsupported), "{crv}");
        }
        assert!(matches!(with("P-256", &json!("%%"), y), Err(KeyError::Jwk(_))));
        assert!(matches!(with("P-256", &json!(1), y), Err(KeyError::Jwk(_))));
    }

    #[test]
    fn points_of_small_order_are_refused() {
        for point in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = point;
                point[31] |= sign;
                let members = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(point) });
                assert_eq!(jwk(members).unwrap_err(), KeyError::Point, "{point:02x?}");
            }
        }
        let other = json!({ "kty": "OKP", "crv": "Ed448", "x": base64url::encode([7; 57]) });
        assert_eq!(jwk(other).unwrap_err(), KeyError::Unsupported);
        assert_eq!(jwk(json!({ "kty": "oct", "k": "AAAA" })).unwrap_err(), KeyError::Private);
        assert_eq!(jwk(json!({ "kty": "AKP", "pub": "AAAA" })).unwrap_err(), KeyError::Unsupported);
    }
}
