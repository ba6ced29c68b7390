//! Secrets at rest: AES-256-GCM with a key that stands in a file of its own (`seal.key`, 0600), so that a copy of the
//! database alone gives no signing key away.
//!
//! A sealed value is `version (1) | nonce (12) | tag (16) | ciphertext`, bound to the name of the place it stands in:
//! a value moved to another column or row does not open.

use std::fmt::{self, Debug};
use std::io;
use std::path::Path;

use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::ids::Random;

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
const KEY: usize = 32;

/// Why a sealed value does not open, or the key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file is missing.
    #[error(
        "the seal key {path} is missing; restore it from the backup: without it the stored keys cannot be read"
    )]
    KeyMissing {
        /// Where it was looked for.
        path: String,
    },
    /// The key file has not 32 bytes in hexadecimal.
    #[error("the seal key {path} is damaged: it must hold 64 hexadecimal digits")]
    KeyDamaged {
        /// The file.
        path: String,
    },
    /// The key file cannot be read or written.
    #[error("the seal key {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The value was sealed with another key, moved, or changed.
    #[error("a sealed value does not open: it belongs to another seal key, or it was changed")]
    DoesNotOpen,
    /// OpenSSL could not seal.
    #[error("sealing failed: {0}")]
    Failed(#[from] openssl::error::ErrorStack),
}

impl SealError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyMissing { .. } => "STORE-010",
            Self::KeyDamaged { .. } => "STORE-011",
            Self::Io { .. } => "STORE-012",
            Self::DoesNotOpen => "STORE-013",
            Self::Failed(_) => "STORE-014",
        }
    }
}

/// The key that seals the secrets of one installation.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SealKey([u8; KEY]);

impl SealKey {
    /// A new key.
    pub fn generate(random: &dyn Random) -> Self {
        let mut key = [0; KEY];
        random.fill(&mut key);
        Self(key)
    }

    /// Reads the key from `path`.
    ///
    /// # Errors
    /// [`SealError::KeyMissing`], [`SealError::KeyDamaged`] or [`SealError::Io`].
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SealError::KeyMissing { path: shown });
            }
            Err(source) => return Err(SealError::Io { path: shown, source }),
        };
        let bytes = hex::decode(text.trim()).map(Zeroizing::new).ok();
        match bytes.and_then(|bytes| <[u8; KEY]>::try_from(bytes.as_slice()).ok()) {
            Some(key) => Ok(Self(key)),
            None => Err(SealError::KeyDamaged { path: shown }),
        }
    }

    /// Writes the key to `path`, which must not exist yet, readable by its owner only.
    ///
    /// # Errors
    /// [`SealError::Io`], also where the file exists: a seal key is never overwritten.
    pub fn write_new(&self, path: &Path) -> Result<(), SealError> {
        let text = Zeroizing::new(hex::encode(self.0) + "\n");
        super::files::write_private(path, text.as_bytes())
            .map_err(|source| SealError::Io { path: path.display().to_string(), source })
    }

    /// A key of its own for `purpose`, the same on every node: it says nothing about this one.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY]> {
        Zeroizing::new(super::digest::hmac_sha256(&self.0, format!("derived/{purpose}").as_bytes()))
    }

    /// Seals `plain` for the place called `place` (`signing_key/<kid>`).
    ///
    /// # Errors
    /// [`SealError::Failed`] where OpenSSL fails.
    pub fn seal(&self, place: &str, plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        random.fill(&mut nonce);
        let mut tag = [0; TAG];
        let cipher =
            encrypt_aead(Cipher::aes_256_gcm(), &self.0, Some(&nonce), place.as_bytes(), plain, &mut tag)?;
        let mut sealed = Vec::with_capacity(1 + NONCE + TAG + cipher.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&tag);
        sealed.extend_from_slice(&cipher);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made for the same place.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let [VERSION, rest @ ..] = sealed else { return Err(SealError::DoesNotOpen) };
        let (nonce, rest) = rest.split_at_checked(NONCE).ok_or(SealError::DoesNotOpen)?;
        let (tag, cipher) = rest.split_at_checked(TAG).ok_or(SealError::DoesNotOpen)?;
        decrypt_aead(Cipher::aes_256_gcm(), &self.0, Some(nonce), place.as_bytes(), cipher, tag)
            .map(Zeroizing::new)
            .map_err(|_| SealError::DoesNotOpen)
    }
}

impl Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn a_sealed_value_opens_in_its_place_only() {
        let key = SealKey::generate(&SystemRandom);
        let sealed = key.seal("signing_key/a", b"secret", &SystemRandom).unwrap();
        assert_eq!(key.open("signing_key/a", &sealed).unwrap().as_slice(), b"secret");
        assert!(matches!(key.open("signing_key/b", &sealed), Err(SealError::DoesNotOpen)));
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(key.open("signing_key/a", &changed), Err(SealError::DoesNotOpen)));
        assert!(matches!(
            SealKey::generate(&SystemRandom).open("signing_key/a", &sealed),
            Err(SealError::DoesNotOpen)
        ));
        assert!(matches!(key.open("signing_key/a", &sealed[..20]), Err(SealError::DoesNotOpen)));
    }

    #[test]
    fn the_key_file_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        assert!(matches!(SealKey::read(&path), Err(SealError::KeyMissing { .. })));
        let key = SealKey::generate(&SystemRandom);
        key.write_new(&path).unwrap();
        assert!(SealKey::generate(&SystemRandom).write_new(&path).is_err());
        let again = SealKey::read(&path).unwrap();
        let sealed = key.seal("p", b"x", &SystemRandom).unwrap();
        assert_eq!(again.open("p", &sealed).unwrap().as_slice(), b"x");
        std::fs::write(&path, "abc").unwrap();
        assert!(matches!(SealKey::read(&path), Err(SealError::KeyDamaged { .. })));
    }
}
