//! Signing keys in a hardware security module, by PKCS#11.
//!
//! What a hospital gets: keys of tokens that are made inside the module, sign there and cannot be copied from it, neither
//! by whoever has the server's disk nor by its administrator. The module stays in charge of who may use it; Sceau knows
//! the PIN of one user of one token, named by its label.
//!
//! A signature takes a module milliseconds: it blocks its thread, and never a thread that serves others. Nothing of ours
//! is ever imported into the module, and nothing is deleted from it.

#[cfg(not(feature = "hsm"))]
mod absent;
#[cfg(feature = "hsm")]
mod token;

use std::path::PathBuf;

use secrecy::SecretString;

#[cfg(not(feature = "hsm"))]
pub use self::absent::Hsm;
#[cfg(feature = "hsm")]
pub use self::token::Hsm;

/// Where the module is and who uses it.
#[derive(Debug, Clone)]
pub struct HsmSettings {
    /// The PKCS#11 library of its maker.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of its user.
    pub pin: SecretString,
}

/// Why the module cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HsmError {
    /// The library cannot be loaded or started.
    #[error("the PKCS#11 module {path} cannot be used: {cause}")]
    Module {
        /// The library.
        path: String,
        /// What it said.
        cause: String,
    },
    /// No token of that label.
    #[error("the PKCS#11 module has no token labelled {0:?}")]
    NoToken(String),
    /// The token refuses the PIN, or has locked it.
    #[error("the token refuses the PIN: {0}")]
    Pin(String),
    /// The key is not in the token.
    #[error("the token has no private key {0}")]
    NoKey(String),
    /// This program was built without the feature `hsm`.
    #[error("this program cannot use an HSM: it was built without the feature hsm")]
    NotBuilt,
    /// Whatever else the module answers.
    #[error("the PKCS#11 module failed: {0}")]
    Failed(String),
}

impl HsmError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Module { .. } => "OIDC-190",
            Self::NoToken(_) => "OIDC-191",
            Self::Pin(_) => "OIDC-192",
            Self::NoKey(_) => "OIDC-193",
            Self::Failed(_) => "OIDC-194",
            Self::NotBuilt => "OIDC-198",
        }
    }
}
