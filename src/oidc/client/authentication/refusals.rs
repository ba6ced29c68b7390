//! How often somebody is refused before they have to wait.
//!
//! What a hospital gets: guessing is slow, and fills neither the audit nor the log. Refusals are counted for each client and
//! address together, and a client that proves who it is is let in whatever was counted: so nobody locks a service out, not
//! even from behind the same proxy. Names that no client has share one count, or memory would grow with each invented one.

use std::net::IpAddr;
use std::num::NonZeroU32;

use super::ClientError;
use crate::audit::Caller;
use crate::clock::SharedClock;
use crate::web::limits::{Limit, TooMany, network_of};

const BURST: NonZeroU32 = number(30);
const PER_MINUTE: NonZeroU32 = number(10);

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// The refusals of late, by client and address.
#[derive(Debug)]
pub struct Refusals(Limit<(String, IpAddr)>);

impl Refusals {
    /// None yet.
    pub fn new(clock: SharedClock) -> Self {
        Self(Limit::new(BURST, PER_MINUTE, clock))
    }

    /// Counts a refusal.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn count(&self, refused: &ClientError, caller: &Caller) -> Result<(), TooMany> {
        let Some(address) = caller.address else { return Ok(()) };
        let client = match refused {
            ClientError::Unknown(_) => "",
            // An assertion may name anybody before its client was looked up.
            ClientError::Assertion(_, error) if error.is_of_nobody() => "",
            other => other.client().unwrap_or_default(),
        };
        self.0.check(&(client.to_owned(), network_of(address)))
    }

    /// Drops the counts of whoever was not refused for a while. A job calls it.
    pub fn forget_idle(&self) {
        self.0.forget_idle();
    }
}
