//! Keys that sign and keys that verify: how they are made, read, named, and what each may be used for.
//!
//! Four algorithms (RFC 7518 §3, RFC 8037 §3.1). RS256, because Pro Santé Connect signs so and its relying parties accept
//! nothing else; ES256 for what Sceau's own parts sign for one another, and PS256, ES256 and EdDSA on Ed25519 for relying
//! parties that ask. Keys that are weak are refused where they are read, so that no signature is ever checked with one:
//! RSA below 2048 bits or with an exponent below 65537, a point beside its curve, of small order or in a second
//! spelling.

mod public;
mod signing;

pub use self::public::VerifyingKey;
pub(super) use self::public::{PublicKey, SignatureFault, operation_allowed};
pub use self::signing::SigningKey;

use openssl::error::ErrorStack;

use super::hsm::HsmError;

/// An algorithm that Sceau signs and verifies with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), 2048 bits.
    Rs256,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 7518 §3.5), 2048 bits.
    Ps256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// EdDSA on Ed25519 (RFC 8037 §3.1).
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, the default one first.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The name in a JOSE header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name, if it is one of ours. Names are compared as they stand (RFC 7515 §4.1.1).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The family of keys it works with.
    pub(super) fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Ps256 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::EdDsa => Family::Ed25519,
        }
    }
}

/// What kind of key it is. What it is used with is the [`Algorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Family {
    /// RSA of 2048 to 8192 bits.
    Rsa,
    /// The curve P-256 of FIPS 186, named `P-256` in a JWK.
    P256,
    /// The curve of RFC 8032 §5.1.
    Ed25519,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// OpenSSL refuses the key or cannot make one.
    #[error("the key cannot be used: {0}")]
    OpenSsl(String),
    /// josekit refuses the key.
    #[error("the key cannot be used: {0}")]
    Jose(String),
    /// Another kind of key, or another curve.
    #[error("the key is neither RSA, nor on the curve P-256, nor Ed25519")]
    Unsupported,
    /// RSA below 2048 or above 8192 bits, or with an even modulus.
    #[error("the RSA modulus is not of 2048 to 8192 bits, or not odd")]
    Modulus,
    /// RSA with an exponent below 65537, an even one, or one of more than 64 bits.
    #[error("the RSA exponent is below 65537, even or too large")]
    Exponent,
    /// A point that is not on its curve, of small order, or in a second spelling.
    #[error("the point is not on the curve, of small order, or written in another way than the standard's")]
    Point,
    /// A JWK without a member that its kind needs, or with one that is malformed.
    #[error("the JWK is malformed: {0}")]
    Jwk(&'static str),
    /// The HSM that holds the key, or should make one.
    #[error(transparent)]
    Hsm(#[from] HsmError),
    /// The private half is wanted, and is in an HSM.
    #[error("the private half of the key is not here")]
    NotHere,
    /// A private or symmetric key where a public one belongs: whoever published it must make a new one.
    #[error("the JWK holds a private key")]
    Private,
    /// `alg`, `use` or `key_ops` of the JWK are for something else.
    #[error("the JWK is for another use")]
    OtherUse,
}

impl From<ErrorStack> for KeyError {
    fn from(error: ErrorStack) -> Self {
        Self::OpenSsl(error.to_string())
    }
}

impl From<josekit::JoseError> for KeyError {
    fn from(error: josekit::JoseError) -> Self {
        Self::Jose(error.to_string())
    }
}
