//! The public keys of a client: registered with it (`jwks`), or fetched from where it publishes them (`jwks_uri`).
//!
//! What a hospital gets: a software house changes its keys by itself, within minutes, and nobody edits a registration.
//! RFC 7591 §2, OpenID Connect Core §10.1.1: a key that is not known makes us look again; a forger who invents names of
//! keys makes us look no more than once in [`PAUSE`].
//!
//! What is fetched is kept in memory of this node, [`MOST`] sets at most, each no longer than [`KeySet::MAX_LEN`]. Where
//! the client's server does not answer, the last set serves for [`KEPT`], no longer: a key that was taken back must not
//! be good for ever because somebody keeps its owner from saying so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde::de::DeserializeOwned;

use crate::clock::{SharedClock, Time};
use crate::crypto::egress::EgressError;
use crate::crypto::jose::{self, Expected, JwsError, KeySet, KeySetError};
use crate::oidc::outbound::Outbound;
use crate::store::client::Client;

/// How long a fetched set is not looked at again.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// How long a fetched set serves while its address does not answer.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// An address is not called more often, whatever happens.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The most sets in memory.
const MOST: usize = 500;

/// Why a token of a client cannot be checked, or is refused.
#[derive(Debug, thiserror::Error)]
pub enum ClientKeysError {
    /// Nothing is registered.
    #[error("the client has no keys: neither jwks nor jwks_uri is registered")]
    None,
    /// What is registered or was fetched is no key set.
    #[error("the client's key set is refused: {0}")]
    Set(#[from] KeySetError),
    /// Its address does not answer.
    #[error("the client's jwks_uri cannot be fetched: {0}")]
    Fetch(#[from] EgressError),
    /// Its address answers with another status.
    #[error("the client's jwks_uri answers with status {0}")]
    Status(u16),
    /// Its address did not give keys a moment ago.
    #[error("the client's jwks_uri gave no keys a moment ago, and is not asked again yet")]
    Paused,
    /// The token.
    #[error(transparent)]
    Token(#[from] JwsError),
}

impl ClientKeysError {
    /// What strangers may read of it: nothing of the network between us and the client's keys, which the log has.
    pub fn told(&self) -> String {
        match self {
            Self::Token(error) => error.to_string(),
            Self::None => self.to_string(),
            Self::Set(_) | Self::Fetch(_) | Self::Status(_) | Self::Paused => {
                "the client's keys cannot be had".into()
            }
        }
    }
}

/// The keys of every client, with what was fetched.
#[derive(Debug)]
pub struct ClientKeys {
    outbound: Outbound,
    clock: SharedClock,
    fetched: Mutex<HashMap<Address, Arc<Slot>>>,
}

/// An address, as it is reached: what an administrator registered may be a private one, and its answer is nothing that a
/// stranger who registers the same address is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Address {
    uri: String,
    for_stranger: bool,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    /// One call at a time; who only reads does not wait for it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    set: Option<(Arc<KeySet>, Time)>,
    asked_at: Option<Time>,
}

impl Slot {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn within(&self, age: TimeDelta, now: Time) -> Option<Arc<KeySet>> {
        self.set.as_ref().filter(|(_, at)| now - *at < age).map(|(set, _)| Arc::clone(set))
    }
}

impl ClientKeys {
    /// No keys yet.
    pub fn new(outbound: Outbound, clock: SharedClock) -> Self {
        Self { outbound, clock, fetched: Mutex::default() }
    }

    /// The keys of the client, to encrypt to or to look at.
    ///
    /// # Errors
    /// [`ClientKeysError`].
    pub async fn of(&self, client: &Client) -> Result<Arc<KeySet>, ClientKeysError> {
        self.get(client, None).await
    }

    /// Reads and checks a token that the client signed. A key that is not known makes us look for newer ones, once.
    ///
    /// # Errors
    /// [`ClientKeysError`].
    pub async fn verify<T: DeserializeOwned>(
        &self,
        client: &Client,
        token: &str,
        expected: Expected<'_>,
    ) -> Result<T, ClientKeysError> {
        let keys = self.of(client).await?;
        match jose::verify_with_set(token, expected, &keys) {
            Err(JwsError::UnknownKey) if client.metadata.jwks_uri.is_some() => {
                let newer = self.get(client, Some(&keys)).await?;
                Ok(jose::verify_with_set(token, expected, &newer)?)
            }
            checked => Ok(checked?),
        }
    }

    /// Whether the client registered a certificate that `is_among` finds. One that is not known makes us look for newer
    /// keys, once.
    ///
    /// # Errors
    /// [`ClientKeysError`].
    pub async fn has_certificate(
        &self,
        client: &Client,
        is_among: impl Fn(&[Vec<u8>]) -> bool,
    ) -> Result<bool, ClientKeysError> {
        let keys = self.of(client).await?;
        if is_among(&keys.certificates()) {
            return Ok(true);
        }
        Ok(client.metadata.jwks_uri.is_some()
            && is_among(&self.get(client, Some(&keys)).await?.certificates()))
    }

    /// The keys of the client; newer than `insufficient`, where its address may be asked again.
    async fn get(
        &self,
        client: &Client,
        insufficient: Option<&Arc<KeySet>>,
    ) -> Result<Arc<KeySet>, ClientKeysError> {
        let metadata = &client.metadata;
        match (&metadata.jwks, &metadata.jwks_uri) {
            (Some(inline), _) => {
                let text = serde_json::to_vec(inline).map_err(|_| ClientKeysError::None)?;
                Ok(Arc::new(KeySet::parse(&text)?))
            }
            (None, Some(uri)) => self.at(client, uri, insufficient).await,
            (None, None) => Err(ClientKeysError::None),
        }
    }

    async fn at(
        &self,
        client: &Client,
        uri: &str,
        insufficient: Option<&Arc<KeySet>>,
    ) -> Result<Arc<KeySet>, ClientKeysError> {
        let now = self.clock.now();
        let slot = self.slot(Address { uri: uri.to_owned(), for_stranger: client.self_registered }, now);
        let suffices = |state: &State| {
            let set = state.within(FRESH, now)?;
            insufficient.is_none_or(|old| !Arc::ptr_eq(old, &set)).then_some(set)
        };
        if let Some(set) = suffices(&slot.state()) {
            return Ok(set);
        }
        let _turn = slot.turn.lock().await;
        // Somebody may have fetched it while we waited.
        let state = slot.state();
        if let Some(set) = suffices(&state) {
            return Ok(set);
        }
        if state.asked_at.is_some_and(|at| now - at < PAUSE) {
            return state.within(KEPT, now).ok_or(ClientKeysError::Paused);
        }
        slot.change(|state| state.asked_at = Some(now));
        match self.fetch(client, uri).await {
            Ok(set) => {
                slot.change(|state| state.set = Some((Arc::clone(&set), now)));
                Ok(set)
            }
            Err(error) => {
                tracing::warn!(client = client.id, %error, "the keys of a client could not be fetched");
                state.within(KEPT, now).ok_or(error)
            }
        }
    }

    async fn fetch(&self, client: &Client, uri: &str) -> Result<Arc<KeySet>, ClientKeysError> {
        let answer = self.outbound.to(client).fetch(uri).await?;
        if answer.status != http::StatusCode::OK {
            return Err(ClientKeysError::Status(answer.status.as_u16()));
        }
        Ok(Arc::new(KeySet::parse(&answer.body)?))
    }

    fn slot(&self, address: Address, now: Time) -> Arc<Slot> {
        let mut slots = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(&address) {
            let is_of_use = |slot: &Slot| slot.state().asked_at.is_some_and(|at| now - at < KEPT);
            slots.retain(|_, slot| is_of_use(slot));
        }
        if slots.len() >= MOST && !slots.contains_key(&address) {
            let longest_ago = slots.iter().min_by_key(|(_, slot)| slot.state().asked_at);
            if let Some(address) = longest_ago.map(|(address, _)| address.clone()) {
                slots.remove(&address);
            }
        }
        Arc::clone(slots.entry(address).or_default())
    }
}
