//! Where private keys are kept: sealed in the database, or in an HSM.

use std::sync::Arc;

use super::KeyringError;
use crate::crypto::hsm::Hsm;
use crate::crypto::jose::{DecryptionKey, KeyManagement};
use crate::crypto::keys::{Algorithm, KeyError, SigningKey};
use crate::crypto::sealed::SealKey;
use crate::ids::Random;
use crate::store::signing_key::{self, NewKey, Purpose, State, StoredKey};

/// What opens the stored keys of an installation, and keeps new ones.
#[derive(Debug, Clone)]
pub struct Vault {
    seal: SealKey,
    hsm: Option<Arc<Hsm>>,
}

impl Vault {
    /// Keys are sealed; those that the world trusts ([`Purpose::Token`]) are made in `hsm`, where there is one.
    pub fn new(seal: SealKey, hsm: Option<Arc<Hsm>>) -> Self {
        Self { seal, hsm }
    }
}

impl From<SealKey> for Vault {
    fn from(seal: SealKey) -> Self {
        Self::new(seal, None)
    }
}

impl From<&SealKey> for Vault {
    fn from(seal: &SealKey) -> Self {
        seal.clone().into()
    }
}

impl From<&Vault> for Vault {
    fn from(vault: &Vault) -> Self {
        vault.clone()
    }
}

/// A kind of key that a ring holds.
pub trait RingKey: Sized + Send + Sync + 'static {
    /// Makes one. Takes up to 300 ms.
    ///
    /// # Errors
    /// [`KeyringError`].
    fn generate(vault: &Vault, purpose: Purpose, algorithm: &str) -> Result<Self, KeyringError>;

    /// What is kept of it.
    ///
    /// # Errors
    /// [`KeyringError`].
    fn to_keep(&self, vault: &Vault, purpose: Purpose, random: &dyn Random) -> Result<NewKey, KeyringError>;

    /// Opens what was kept.
    ///
    /// # Errors
    /// [`KeyringError`].
    fn open(vault: &Vault, row: &StoredKey) -> Result<Self, KeyringError>;
}

impl RingKey for SigningKey {
    fn generate(vault: &Vault, purpose: Purpose, algorithm: &str) -> Result<Self, KeyringError> {
        let algorithm = Algorithm::from_name(algorithm).ok_or(KeyError::Unsupported)?;
        match &vault.hsm {
            Some(hsm) if purpose == Purpose::Token => {
                let public = hsm.generate(algorithm)?;
                Ok(Self::in_hsm(Arc::clone(hsm), algorithm, &public)?)
            }
            _ => Ok(Self::generate(algorithm)?),
        }
    }

    fn to_keep(&self, vault: &Vault, purpose: Purpose, random: &dyn Random) -> Result<NewKey, KeyringError> {
        let (sealed, hsm_public_key) = match self.to_pkcs8() {
            Ok(private) => (vault.seal.seal(&signing_key::place(self.kid()), &private, random)?, None),
            Err(KeyError::NotHere) => (Vec::new(), Some(self.public().to_spki()?)),
            Err(error) => return Err(error.into()),
        };
        let (kid, algorithm) = (self.kid().to_owned(), self.algorithm().name());
        Ok(NewKey { kid, purpose, algorithm, sealed, hsm_public_key })
    }

    fn open(vault: &Vault, row: &StoredKey) -> Result<Self, KeyringError> {
        let algorithm = Algorithm::from_name(&row.algorithm).ok_or(KeyError::Unsupported)?;
        match (&row.hsm_public_key, &vault.hsm) {
            (None, _) => {
                let opened = vault.seal.open(&signing_key::place(&row.kid), &row.sealed)?;
                Ok(Self::from_pkcs8(algorithm, &opened)?)
            }
            (Some(public), Some(hsm)) => Ok(Self::in_hsm(Arc::clone(hsm), algorithm, public)?),
            // What it signed still verifies after the module is gone.
            (Some(public), None) if row.state == State::Retired => Ok(Self::public_half(algorithm, public)?),
            (Some(_), None) => Err(KeyringError::NoHsm(row.kid.clone())),
        }
    }
}

impl RingKey for DecryptionKey {
    fn generate(_: &Vault, _: Purpose, algorithm: &str) -> Result<Self, KeyringError> {
        Ok(Self::generate(KeyManagement::from_name(algorithm).ok_or(KeyError::Unsupported)?)?)
    }

    fn to_keep(&self, vault: &Vault, purpose: Purpose, random: &dyn Random) -> Result<NewKey, KeyringError> {
        let sealed = vault.seal.seal(&signing_key::place(self.kid()), &self.to_pkcs8()?, random)?;
        let (kid, algorithm) = (self.kid().to_owned(), self.management().name());
        Ok(NewKey { kid, purpose, algorithm, sealed, hsm_public_key: None })
    }

    fn open(vault: &Vault, row: &StoredKey) -> Result<Self, KeyringError> {
        let management = KeyManagement::from_name(&row.algorithm).ok_or(KeyError::Unsupported)?;
        let opened = vault.seal.open(&signing_key::place(&row.kid), &row.sealed)?;
        Ok(Self::from_pkcs8(management, &opened)?)
    }
}
