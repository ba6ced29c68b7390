//! A program without PKCS#11: it has no token, and says so.

use std::sync::Arc;

use josekit::jws::JwsSigner;

use super::{HsmError, HsmSettings};
use crate::crypto::keys::{Algorithm, KeyError};

/// There is none.
#[derive(Debug)]
pub enum Hsm {}

impl Hsm {
    /// Refuses.
    ///
    /// # Errors
    /// [`HsmError::NotBuilt`], always.
    pub fn open(_: &HsmSettings) -> Result<Arc<Self>, HsmError> {
        Err(HsmError::NotBuilt)
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn generate(&self, _: Algorithm) -> Result<Vec<u8>, KeyError> {
        match *self {}
    }

    pub(in crate::crypto) fn signer(self: Arc<Self>, _: &str, _: Algorithm) -> Box<dyn JwsSigner> {
        match *self {}
    }
}
