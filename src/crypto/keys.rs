//! Signing keys: how they are made, named, kept and published.
//!
//! Two kinds only. RSA 2048 with RS256, because Pro Santé Connect signs so and its relying parties accept nothing
//! else; P-256 with ES256 for what Sceau's own parts sign for one another (card requests, workstations).

use std::fmt::{self, Debug};

use josekit::jwk::Jwk;
use josekit::jws::{ES256, JwsSigner, JwsVerifier, RS256};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::digest::sha256;
use super::jose::base64url;

/// An algorithm that Sceau signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), 2048 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
}

impl Algorithm {
    /// The name in a JOSE header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of that name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// OpenSSL refuses the key or cannot make one.
    #[error("the key cannot be used: {0}")]
    OpenSsl(#[from] openssl::error::ErrorStack),
    /// Not RSA of 2048 bits at least, nor P-256.
    #[error("the key is neither RSA of 2048 bits or more, nor on the curve P-256")]
    Unsupported,
    /// A JWK that is not a public key we know.
    #[error("the JWK is malformed: {0}")]
    Jwk(&'static str),
    /// josekit refuses the key.
    #[error("the key cannot be used: {0}")]
    Jose(#[from] josekit::JoseError),
}

/// A private key that signs, with its public half and its name.
pub struct SigningKey {
    private: PKey<Private>,
    signer: Box<dyn JwsSigner>,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes a new key. An RSA key takes some 50 to 300 ms: not on an async thread.
    ///
    /// # Errors
    /// [`KeyError::OpenSsl`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let private = match algorithm {
            Algorithm::Rs256 => PKey::from_rsa(Rsa::generate(2048)?)?,
            Algorithm::Es256 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)?
            }
        };
        Self::from_private(private)
    }

    /// Reads what [`to_pkcs8`](Self::to_pkcs8) wrote.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_private(PKey::private_key_from_pkcs8(der)?)
    }

    /// Reads a key file as other programs write it: PEM (PKCS#8, PKCS#1 or SEC 1), not encrypted.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key, or a passphrase protects it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        // Nobody is asked for a passphrase: this runs where no person is.
        Self::from_private(PKey::private_key_from_pem_callback(pem, |_| Ok(0))?)
    }

    fn from_private(private: PKey<Private>) -> Result<Self, KeyError> {
        let public = VerifyingKey::from_spki(&private.public_key_to_der()?)?;
        let der = Zeroizing::new(private.private_key_to_pkcs8()?);
        let signer: Box<dyn JwsSigner> = match public.algorithm {
            Algorithm::Rs256 => Box::new(RS256.signer_from_der(&*der)?),
            Algorithm::Es256 => Box::new(ES256.signer_from_der(&*der)?),
        };
        Ok(Self { private, signer, public })
    }

    /// The key in PKCS#8 DER, to be sealed or written to a private file.
    ///
    /// # Errors
    /// [`KeyError::OpenSsl`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Ok(Zeroizing::new(self.private.private_key_to_pkcs8()?))
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The key's name: the RFC 7638 thumbprint of its public half.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm
    }

    pub(super) fn signer(&self) -> &dyn JwsSigner {
        self.signer.as_ref()
    }
}

impl Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm().name(), self.kid())
    }
}

/// A public key that checks signatures.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: String,
    jwk: Map<String, Value>,
    verifier: Box<dyn JwsVerifier>,
}

impl VerifyingKey {
    /// From a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] for anything but RSA of at least 2048 bits and P-256.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_public(&PKey::public_key_from_der(der)?)
    }

    /// From a JWK (RFC 7517); members beyond the key itself are ignored.
    ///
    /// # Errors
    /// [`KeyError`], where it is not a public key of ours.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let number = |name: &'static str| {
            let text = jwk.get(name).and_then(Value::as_str).ok_or(KeyError::Jwk("a member is missing"))?;
            let bytes = base64url::decode(text).ok_or(KeyError::Jwk("a member is not base64url"))?;
            openssl::bn::BigNum::from_slice(&bytes).map_err(KeyError::from)
        };
        let public = match jwk.get("kty").and_then(Value::as_str) {
            Some("RSA") => PKey::from_rsa(Rsa::from_public_components(number("n")?, number("e")?)?)?,
            Some("EC") if jwk.get("crv").and_then(Value::as_str) == Some("P-256") => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                let (x, y) = (number("x")?, number("y")?);
                PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y)?)?
            }
            _ => return Err(KeyError::Unsupported),
        };
        Self::from_public(&public)
    }

    fn from_public(public: &PKey<Public>) -> Result<Self, KeyError> {
        let (algorithm, members) = match public.id() {
            Id::RSA if public.bits() >= 2048 => {
                let rsa = public.rsa()?;
                let (n, e) = (base64url::encode(rsa.n().to_vec()), base64url::encode(rsa.e().to_vec()));
                (Algorithm::Rs256, json!({ "e": e, "kty": "RSA", "n": n }))
            }
            Id::EC => {
                let key = public.ec_key()?;
                if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
                    return Err(KeyError::Unsupported);
                }
                let mut context = openssl::bn::BigNumContext::new()?;
                let (mut x, mut y) = (openssl::bn::BigNum::new()?, openssl::bn::BigNum::new()?);
                key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
                let (x, y) =
                    (base64url::encode(x.to_vec_padded(32)?), base64url::encode(y.to_vec_padded(32)?));
                (Algorithm::Es256, json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y }))
            }
            _ => return Err(KeyError::Unsupported),
        };
        // RFC 7638 §3: the required members only, in lexicographic order, without white space.
        let kid = base64url::encode(sha256(members.to_string().as_bytes()));
        let Value::Object(jwk) = members else { return Err(KeyError::Unsupported) };
        let for_josekit = Jwk::from_map(jwk.clone())?;
        let verifier: Box<dyn JwsVerifier> = match algorithm {
            Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&for_josekit)?),
            Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&for_josekit)?),
        };
        Ok(Self { algorithm, kid, jwk, verifier })
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What its signatures are made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public JWK with `kid`, `use` and `alg`, for a JWK Set.
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.jwk.clone();
        jwk.insert("kid".into(), self.kid.clone().into());
        jwk.insert("use".into(), "sig".into());
        jwk.insert("alg".into(), self.algorithm.name().into());
        Value::Object(jwk)
    }

    pub(super) fn verifier(&self) -> &dyn JwsVerifier {
        self.verifier.as_ref()
    }
}

impl Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm.name(), self.kid)
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_round_trip_and_keep_their_name() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(again.kid(), key.kid());
            assert_eq!(VerifyingKey::from_jwk(&key.public().to_jwk()).unwrap(), *key.public());
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        // The example key of RFC 7638 §3.1.
        let jwk = json!({ "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n":
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw" });
        assert_eq!(
            VerifyingKey::from_jwk(&jwk).unwrap().kid(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let small = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        assert!(matches!(
            VerifyingKey::from_spki(&small.public_key_to_der().unwrap()),
            Err(KeyError::Unsupported)
        ));
        assert!(VerifyingKey::from_jwk(&json!({ "kty": "oct", "k": "AAAA" })).is_err());
        assert!(
            VerifyingKey::from_jwk(&json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" }))
                .is_err()
        );
        assert!(VerifyingKey::from_jwk(&json!({ "kty": "RSA", "n": "%%", "e": "AQAB" })).is_err());
    }
}
