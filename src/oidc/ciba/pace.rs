//! How often a client may ask before it has to wait, and the longer the oftener.
//!
//! What a hospital gets: no program, and nobody who has its secret, wears people down by questions until they say yes. What
//! is counted is what a client asked and got no answer for: about one name, and altogether. An answer that is redeemed
//! forgives it. Names are counted whether anybody has them or not, and never make anybody wait elsewhere: another client, and
//! every other way of signing in, is as good as before.

use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::web::delays::{Delays, Waits};
use crate::web::limits::TooMany;

/// Questions about one name, without an answer, before its client waits.
const OF_A_NAME: u32 = 5;
/// So many times the refusals that are free elsewhere are free to a client: its users forget their phones.
const OF_A_CLIENT: u32 = 10;

/// The questions of late.
#[derive(Debug)]
pub(super) struct Pace {
    of_names: Delays<[u8; 32]>,
    of_clients: Delays<String>,
}

impl Pace {
    pub(super) fn new(waits: Waits) -> Self {
        Self {
            of_names: Delays::new(Waits { free: waits.free.min(OF_A_NAME), ..waits }),
            of_clients: Delays::new(Waits { free: waits.free.saturating_mul(OF_A_CLIENT), ..waits }),
        }
    }

    /// Counts a question. What stands for the name is kept with it, to forgive it by.
    pub(super) fn ask(&self, client: &str, words: &str, now: Time) -> Result<[u8; 32], TooMany> {
        let name = sha256(format!("{}:{client}:{words}", client.len()).as_bytes());
        // What is not put is not counted of the client; and a client that has to wait adds no names.
        self.of_names.check(&name, now)?;
        self.of_clients.refuse(client.to_owned(), now)?;
        self.of_names.refuse(name, now)?;
        Ok(name)
    }

    /// Forgives the questions about one name, and those of its client.
    pub(super) fn forgive(&self, client: &str, name: [u8; 32]) {
        self.of_names.clear(&name);
        self.of_clients.clear(&client.to_owned());
    }

    /// Drops what is counted of whoever asked nothing for a while.
    pub(super) fn forget_idle(&self, now: Time) {
        self.of_names.forget_idle(now);
        self.of_clients.forget_idle(now);
    }
}
