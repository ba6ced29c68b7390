//! How often a client is refused before it has to wait.
//!
//! What a hospital gets: guessing a secret is slow, from wherever it is tried, and fills neither the audit nor the log;
//! and nobody locks a service out by it. Refusals are counted for a client and an address together, so that a stranger
//! makes nobody wait elsewhere. An address from which the client has proved who it is, is heard whatever was counted,
//! also where the stranger sits behind the same proxy; and so is every address of a client that has proved itself
//! nowhere since the server started. Whoever is heard and proves it is let in.
//!
//! Names are counted in so many buckets, whether a client has them or not: what an answer tells of an invented name it
//! tells of a real one, and memory does not grow with either.

use std::collections::VecDeque;
use std::collections::hash_map::{HashMap, RandomState};
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ClientError;
use crate::audit::Caller;
use crate::clock::Time;
use crate::web::delays::{Delays, Waits};
use crate::web::limits::{TooMany, network_of};

/// Buckets of names, by a hash that nobody outside knows.
const BUCKETS: u64 = 256;
/// So many times the refusals of one client are told from one address altogether.
const OF_AN_ADDRESS: u32 = 4;
/// Addresses that are remembered of each client: the servers of a service have few.
const ADDRESSES: usize = 64;

/// A bucket of names, and from where.
type Key = (u64, IpAddr);

/// The refusals of late, by client and address.
#[derive(Debug)]
pub struct Refusals {
    delays: Delays<Key>,
    of_addresses: Delays<IpAddr>,
    hasher: RandomState,
    /// From where each client proved who it is, the last last.
    proved: Mutex<HashMap<String, VecDeque<IpAddr>>>,
}

impl Refusals {
    /// None yet.
    pub fn new(waits: Waits) -> Self {
        let of_addresses = Waits { free: waits.free.saturating_mul(OF_AN_ADDRESS), ..waits };
        Self {
            delays: Delays::new(waits),
            of_addresses: Delays::new(of_addresses),
            hasher: RandomState::new(),
            proved: Mutex::default(),
        }
    }

    /// Whether what a client presents is looked at now.
    ///
    /// # Errors
    /// It has to wait.
    pub(super) fn hear(&self, client: &str, caller: &Caller, now: Time) -> Result<(), TooMany> {
        let Some(network) = caller.address.map(network_of) else { return Ok(()) };
        let is_known_elsewhere = self.proved().get(client).is_some_and(|known| !known.contains(&network));
        if is_known_elsewhere { self.delays.check(&self.key(client, network), now) } else { Ok(()) }
    }

    /// Notes that a client proved who it is.
    pub(super) fn accept(&self, client: &str, caller: &Caller) {
        let Some(network) = caller.address.map(network_of) else { return };
        self.delays.clear(&self.key(client, network));
        let mut proved = self.proved();
        if !proved.contains_key(client) {
            proved.insert(client.to_owned(), VecDeque::new());
        }
        let Some(known) = proved.get_mut(client) else { return };
        if known.back() != Some(&network) {
            known.retain(|other| *other != network);
            known.push_back(network);
            if known.len() > ADDRESSES {
                known.pop_front();
            }
        }
    }

    /// Counts a refusal.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn count(&self, refused: &ClientError, caller: &Caller, now: Time) -> Result<(), TooMany> {
        let Some(network) = caller.address.map(network_of) else { return Ok(()) };
        let key = self.key(refused.client().unwrap_or_default(), network);
        // What is not told is not counted; and an address that waits takes no room for further names.
        self.delays.check(&key, now)?;
        self.of_addresses.refuse(network, now)?;
        self.delays.refuse(key, now)
    }

    /// Counts a refusal of somebody who names no client: a token to register with.
    ///
    /// # Errors
    /// It is one too many.
    pub(in crate::oidc) fn count_stranger(&self, caller: &Caller, now: Time) -> Result<(), TooMany> {
        match caller.address.map(network_of) {
            Some(network) => self.of_addresses.refuse(network, now),
            None => Ok(()),
        }
    }

    /// Drops the counts of whoever was not refused for a while. A job calls it.
    pub fn forget_idle(&self, now: Time) {
        self.delays.forget_idle(now);
        self.of_addresses.forget_idle(now);
    }

    fn key(&self, client: &str, network: IpAddr) -> Key {
        (self.hasher.hash_one(client) % BUCKETS, network)
    }

    fn proved(&self) -> MutexGuard<'_, HashMap<String, VecDeque<IpAddr>>> {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
