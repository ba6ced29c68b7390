//! Calls to addresses that a client registered: key sets, request objects, back-channel logout.
//!
//! `[egress] allow` opens private addresses to what administrators register. A client that registered itself never
//! profits from it: it reaches public addresses by https, and nothing else (RFC 7591 §5, RFC 9700 §4.9).

use crate::config;
use crate::crypto::egress::{Egress, EgressError};
use crate::store::client::Client;

/// The clients for outbound calls: one for whom an administrator registered, one for strangers.
#[derive(Debug, Clone)]
pub struct Outbound {
    registered: Egress,
    strangers: Egress,
}

impl Outbound {
    /// With what the configuration allows.
    ///
    /// # Errors
    /// [`EgressError::Client`].
    pub fn new(config: &config::Egress) -> Result<Self, EgressError> {
        let strangers = Egress::new(&config::Egress::default())?;
        Ok(Self { registered: Egress::new(config)?, strangers })
    }

    /// What calls the addresses of this client.
    pub fn to(&self, client: &Client) -> &Egress {
        if client.self_registered { &self.strangers } else { &self.registered }
    }

    /// What calls addresses that an administrator looked at.
    pub fn to_registered(&self) -> &Egress {
        &self.registered
    }

    /// What calls addresses that no administrator looked at.
    pub fn to_strangers(&self) -> &Egress {
        &self.strangers
    }
}
