//! Private keys that sign.

use std::fmt::{self, Debug};
use std::sync::Arc;

use josekit::jws::{ES256, EdDSA, JwsSigner, PS256, RS256};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use zeroize::Zeroizing;

use super::{Algorithm, Family, KeyError, VerifyingKey};
use crate::crypto::hsm::Hsm;

/// A private key that signs with one algorithm, with its public half and its name.
pub struct SigningKey {
    private: PrivateHalf,
    algorithm: Algorithm,
    public: VerifyingKey,
}

/// Where the private half is.
enum PrivateHalf {
    Here(PKey<Private>, Box<dyn JwsSigner>),
    InHsm(Box<dyn JwsSigner>),
    Nowhere,
}

impl SigningKey {
    /// Makes a new key. An RSA key takes some 50 to 300 ms: not on an async thread.
    ///
    /// # Errors
    /// [`KeyError::OpenSsl`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let private = match algorithm.family() {
            Family::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
            Family::P256 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)?
            }
            Family::Ed25519 => PKey::generate_ed25519()?,
        };
        Self::from_private(private, algorithm)
    }

    /// Reads what [`to_pkcs8`](Self::to_pkcs8) wrote, for use with `algorithm`.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_private(PKey::private_key_from_pkcs8(der)?, algorithm)
    }

    /// Reads a key file as other programs write it: PEM (PKCS#8, PKCS#1 or SEC 1), not encrypted. An RSA key signs with RS256.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key, or a passphrase protects it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        // Nobody is asked for a passphrase: this runs where no person is.
        let private = PKey::private_key_from_pem_callback(pem, |_| Ok(0))?;
        let algorithm = match private.id() {
            Id::RSA => Algorithm::Rs256,
            Id::ED25519 => Algorithm::EdDsa,
            _ => Algorithm::Es256,
        };
        Self::from_private(private, algorithm)
    }

    fn from_private(private: PKey<Private>, algorithm: Algorithm) -> Result<Self, KeyError> {
        let public = VerifyingKey::from_spki(&private.public_key_to_der()?)?.only(algorithm)?;
        let der = Zeroizing::new(private.private_key_to_pkcs8()?);
        let signer: Box<dyn JwsSigner> = match algorithm {
            Algorithm::Rs256 => Box::new(RS256.signer_from_der(&*der)?),
            Algorithm::Ps256 => Box::new(PS256.signer_from_der(&*der)?),
            Algorithm::Es256 => Box::new(ES256.signer_from_der(&*der)?),
            Algorithm::EdDsa => Box::new(EdDSA.signer_from_der(&*der)?),
        };
        Ok(Self { private: PrivateHalf::Here(private, signer), algorithm, public })
    }

    /// The key of an HSM whose public half (SubjectPublicKeyInfo) is `spki`. Each signature blocks for as long as the
    /// HSM takes, which lets other work of a multi-threaded runtime go on.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key.
    pub fn in_hsm(hsm: Arc<Hsm>, algorithm: Algorithm, spki: &[u8]) -> Result<Self, KeyError> {
        let public = VerifyingKey::from_spki(spki)?.only(algorithm)?;
        let private = PrivateHalf::InHsm(hsm.signer(public.kid(), algorithm));
        Ok(Self { private, algorithm, public })
    }

    /// A key that signed once and only verifies now.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key.
    pub fn public_half(algorithm: Algorithm, spki: &[u8]) -> Result<Self, KeyError> {
        let public = VerifyingKey::from_spki(spki)?.only(algorithm)?;
        Ok(Self { private: PrivateHalf::Nowhere, algorithm, public })
    }

    /// The key in PKCS#8 DER, to be sealed or written to a private file.
    ///
    /// # Errors
    /// [`KeyError::NotHere`], where an HSM keeps it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.private {
            PrivateHalf::Here(key, _) => Ok(Zeroizing::new(key.private_key_to_pkcs8()?)),
            PrivateHalf::InHsm(_) | PrivateHalf::Nowhere => Err(KeyError::NotHere),
        }
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The key's name: the RFC 7638 thumbprint of its public half.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(in crate::crypto) fn signer(&self) -> Result<&dyn JwsSigner, KeyError> {
        match &self.private {
            PrivateHalf::Here(_, signer) | PrivateHalf::InHsm(signer) => Ok(signer.as_ref()),
            PrivateHalf::Nowhere => Err(KeyError::NotHere),
        }
    }
}

impl Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm.name(), self.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_round_trip_and_keep_their_name() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_pkcs8(algorithm, &key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(again.kid(), key.kid());
            let published = key.public().to_jwk();
            assert_eq!(published["alg"], algorithm.name());
            let read = VerifyingKey::from_jwk(&published).unwrap();
            assert_eq!(read, *key.public());
            for other in Algorithm::ALL {
                assert_eq!(read.allows(other), other == algorithm, "{algorithm:?} {other:?}");
                let serves = SigningKey::from_pkcs8(other, &key.to_pkcs8().unwrap()).is_ok();
                assert_eq!(serves, other.family() == algorithm.family(), "{algorithm:?} {other:?}");
            }
            assert!(!format!("{key:?}").contains("private"));
        }
    }
}
