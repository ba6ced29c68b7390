//! What is known of the models of security keys: who makes them.

use std::sync::Arc;

use super::attestation::{Makers, Unproven};
use crate::clock::Time;
use uuid::Uuid;

/// What is known of models. Shared by all threads.
#[derive(Debug, Default)]
pub struct Models {
    makers: Makers,
}

impl Models {
    /// With these makers.
    #[must_use]
    pub fn new(makers: Makers) -> Arc<Self> {
        Arc::new(Self { makers })
    }

    /// Whether the certificates prove that a key is of this model.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn prove(&self, model: Uuid, chain: Option<&[Vec<u8>]>, now: Time) -> Result<(), Unproven> {
        self.makers.vouch(model, chain, None, now)
    }
}
