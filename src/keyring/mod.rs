//! The keys of one purpose, as a running server holds them.
//!
//! What a hospital gets: keys that are made when they are first needed, sealed at rest or kept in an HSM, and rotated
//! without an interruption: the next key is published long before it signs, the last one long after. A key that was lost
//! to a stranger is withdrawn at once. What a command or another node changes reaches every running node within five
//! seconds.

mod rotation;
mod vault;

use std::sync::{Arc, PoisonError, RwLock};

use chrono::TimeDelta;
use serde::Serialize;

pub use self::rotation::{Which, published_before_use, rotate, rotate_due, withdraw};
pub use self::vault::{RingKey, Vault};
use crate::audit::{Kind, Trail};
use crate::clock::{SharedClock, Time};
use crate::crypto::hsm::HsmError;
use crate::crypto::jose::{self, DecryptionKey, KeyManagement, SignError};
use crate::crypto::keys::{Algorithm, KeyError, SigningKey, VerifyingKey};
use crate::crypto::sealed::SealError;
use crate::ids::SharedRandom;
use crate::store::signing_key::{self, Purpose, State, StoredKey};
use crate::store::{Db, StoreError};

/// How old the keys in memory may be.
const FRESH: TimeDelta = TimeDelta::seconds(5);
/// How long a retired key stays published: longer than any cache of a relying party holds a key set.
const PUBLISHED_AFTER_RETIREMENT: TimeDelta = TimeDelta::hours(24);

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A key is damaged, or none could be made.
    #[error(transparent)]
    Key(KeyError),
    /// The HSM.
    #[error(transparent)]
    Hsm(#[from] HsmError),
    /// A key is in an HSM, and none is configured.
    #[error("the key {0} is in an HSM, and [keys] pkcs11_module names none")]
    NoHsm(String),
    /// The next key was published too recently.
    #[error("the next key was published at {published}; relying parties may not know it before {usable}")]
    TooEarly {
        /// When it was published.
        published: Time,
        /// When it may sign.
        usable: Time,
    },
    /// Another rotation came first.
    #[error("another rotation came first; nothing was changed")]
    RotatedMeanwhile,
    /// A purpose or algorithm without a current key.
    #[error("there is no current key for {0}")]
    NoCurrentKey(String),
    /// No key of that name.
    #[error("there is no key {0}: see `sceau keys list`")]
    UnknownKey(String),
    /// It is withdrawn already.
    #[error("the key {0} is withdrawn already")]
    Withdrawn(String),
}

impl From<KeyError> for KeyringError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Hsm(error) => Self::Hsm(error),
            error => Self::Key(error),
        }
    }
}

impl KeyringError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Seal(error) => error.code(),
            Self::Hsm(error) => error.code(),
            Self::Key(_) => "OIDC-090",
            Self::TooEarly { .. } => "OIDC-091",
            Self::RotatedMeanwhile => "OIDC-092",
            Self::NoCurrentKey(_) => "OIDC-093",
            Self::NoHsm(_) => "OIDC-195",
            Self::UnknownKey(_) => "OIDC-196",
            Self::Withdrawn(_) => "OIDC-197",
        }
    }
}

/// The algorithm of the first keys of a purpose.
fn first_algorithm(purpose: Purpose) -> &'static str {
    match purpose {
        // Pro Santé Connect signs so, and its relying parties accept nothing else.
        Purpose::Token => Algorithm::Rs256.name(),
        Purpose::Refresh | Purpose::CardRequest | Purpose::WebPush => Algorithm::Es256.name(),
        Purpose::RequestObject => KeyManagement::RsaOaep256.name(),
    }
}

/// One key in memory.
#[derive(Debug)]
struct Held<K> {
    kid: String,
    algorithm: String,
    key: Arc<K>,
    state: State,
    retired_at: Option<Time>,
}

/// The keys of one purpose at one time. Withdrawn ones are not among them.
#[derive(Debug)]
pub struct KeysOf<K> {
    current: Arc<K>,
    all: Vec<Held<K>>,
}

/// The keys that sign for one purpose at one time.
pub type Keys = KeysOf<SigningKey>;

impl<K> KeysOf<K> {
    /// The key that signs, where nothing else is said.
    pub fn current(&self) -> &K {
        &self.current
    }

    fn in_state<'a>(&'a self, state: State, algorithm: &str) -> Option<&'a Arc<K>> {
        self.all.iter().find(|held| held.state == state && held.algorithm == algorithm).map(|held| &held.key)
    }

    fn named(&self, kid: &str) -> Option<&K> {
        self.all.iter().find(|held| held.kid == kid).map(|held| &*held.key)
    }

    /// The keys to publish at `now`: the current, the next, and those retired not long ago.
    fn to_publish(&self, now: Time) -> impl Iterator<Item = &K> {
        let is_published = move |held: &&Held<K>| match held.state {
            State::Next | State::Current => true,
            State::Retired => held.retired_at.is_some_and(|at| now - at < PUBLISHED_AFTER_RETIREMENT),
            State::Withdrawn => false,
        };
        self.all.iter().filter(is_published).map(|held| &*held.key)
    }
}

impl Keys {
    /// The key that signs by `algorithm`, where there is one yet ([`Keyring::current_for`] makes it).
    pub fn current_for(&self, algorithm: Algorithm) -> Option<&SigningKey> {
        self.in_state(State::Current, algorithm.name()).map(|key| &**key)
    }

    /// The key of that name, whether it signs or has signed.
    pub fn verifying(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        self.named(kid?).map(SigningKey::public)
    }

    /// The key of that name, for what is tied to the very key that it was made with, though another signs by now.
    pub fn signing(&self, kid: &str) -> Option<&SigningKey> {
        self.named(kid)
    }

    /// The algorithms that keys of this purpose sign or have signed by: what a token of ours can be signed with.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let held = |algorithm: &Algorithm| self.all.iter().any(|held| held.algorithm == algorithm.name());
        Algorithm::ALL.into_iter().filter(held).collect()
    }

    /// The keys to publish at `now`: the current, the next, and those retired not long ago.
    pub fn published(&self, now: Time) -> impl Iterator<Item = &VerifyingKey> {
        self.to_publish(now).map(SigningKey::public)
    }

    /// The key that will sign after the next rotation.
    pub fn next(&self) -> Option<&VerifyingKey> {
        self.in_state(State::Next, self.current.algorithm().name()).map(|key| key.public())
    }
}

impl KeysOf<DecryptionKey> {
    /// The key of that name.
    pub fn decrypting(&self, kid: Option<&str>) -> Option<&DecryptionKey> {
        match kid {
            Some(kid) => self.named(kid),
            // Whoever names none took the one that was published as such.
            None => Some(self.current()),
        }
    }

    /// The keys to publish at `now`, as [`Keys::published`].
    pub fn published(&self, now: Time) -> impl Iterator<Item = &DecryptionKey> {
        // Nobody shall encrypt to a key that will not be used for long.
        self.to_publish(now).filter(|key| {
            self.in_state(State::Current, key.management().name())
                .is_some_and(|current| current.kid() == key.kid())
        })
    }
}

/// The keys of one purpose, followed in the database.
#[derive(Debug)]
pub struct Ring<K> {
    db: Db,
    vault: Vault,
    purpose: Purpose,
    clock: SharedClock,
    random: SharedRandom,
    trail: Trail,
    held: RwLock<(Arc<KeysOf<K>>, Time)>,
}

/// The keys that sign for one purpose, followed in the database.
pub type Keyring = Ring<SigningKey>;

/// The keys that others encrypt to, followed in the database.
pub type DecryptionKeyring = Ring<DecryptionKey>;

impl<K: RingKey> Ring<K> {
    /// Opens the keys of `purpose`; makes the first two where there are none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn open(
        db: Db,
        vault: impl Into<Vault>,
        purpose: Purpose,
        clock: SharedClock,
        random: SharedRandom,
        trail: &Trail,
    ) -> Result<Self, KeyringError> {
        let (vault, trail) = (vault.into(), trail.clone());
        let first = first_algorithm(purpose);
        let mut stored = signing_key::of(&db, purpose).await?;
        if !has_current(&stored, first) {
            make_first::<K>(&db, &vault, purpose, first, clock.now(), &random, &trail).await?;
            stored = signing_key::of(&db, purpose).await?;
        }
        let keys = Arc::new(unseal(stored, &vault, purpose, None)?);
        let held = RwLock::new((keys, clock.now()));
        Ok(Self { db, vault, purpose, clock, random, trail, held })
    }

    /// The keys, not older than five seconds. Where the database does not answer, those known before.
    pub async fn keys(&self) -> Arc<KeysOf<K>> {
        let (keys, loaded_at) = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.clock.now();
        // A clock that was set back must not make them young again.
        if (TimeDelta::zero()..FRESH).contains(&(now - loaded_at)) {
            return keys;
        }
        match self.reload(&keys).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "the signing keys could not be read again");
                keys
            }
        }
    }

    async fn reload(&self, known: &KeysOf<K>) -> Result<Arc<KeysOf<K>>, KeyringError> {
        let stored = signing_key::of(&self.db, self.purpose).await?;
        let fresh = Arc::new(unseal(stored, &self.vault, self.purpose, Some(known))?);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = (Arc::clone(&fresh), self.clock.now());
        Ok(fresh)
    }
}

impl Keyring {
    /// The key that signs by `algorithm`. The first time it is asked for, two are made: the one that signs and the next.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn current_for(&self, algorithm: Algorithm) -> Result<Arc<SigningKey>, KeyringError> {
        let (name, keys) = (algorithm.name(), self.keys().await);
        if let Some(key) = keys.in_state(State::Current, name) {
            return Ok(Arc::clone(key));
        }
        let (db, vault, now) = (&self.db, &self.vault, self.clock.now());
        make_first::<SigningKey>(db, vault, self.purpose, name, now, &self.random, &self.trail).await?;
        let keys = self.reload(&keys).await?;
        let made = keys.in_state(State::Current, name).map(Arc::clone);
        made.ok_or_else(|| KeyringError::NoCurrentKey(format!("{} by {name}", self.purpose.as_str())))
    }

    /// Signs `claims` as a JWT of type `typ` by `algorithm`, with the key of [`current_for`](Self::current_for).
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn sign(
        &self,
        algorithm: Algorithm,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        match self.current_for(algorithm).await {
            Ok(key) => jose::sign(&key, typ, claims),
            Err(error) => Err(SignError::new(format!("{error} ({})", error.code()))),
        }
    }
}

fn has_current(stored: &[StoredKey], algorithm: &str) -> bool {
    stored.iter().any(|key| key.state == State::Current && key.algorithm == algorithm)
}

/// Makes the first two keys of an algorithm, unless another node was faster.
async fn make_first<K: RingKey>(
    db: &Db,
    vault: &Vault,
    purpose: Purpose,
    algorithm: &str,
    now: Time,
    random: &SharedRandom,
    trail: &Trail,
) -> Result<(), KeyringError> {
    let current = rotation::make::<K>(vault, purpose, algorithm, &**random).await?;
    let next = rotation::make::<K>(vault, purpose, algorithm, &**random).await?;
    let event = trail.event(Kind::KeyCreated).note(&format!("{} {algorithm}", purpose.as_str()));
    if signing_key::insert_first(db, &current, &next, now, &(&event).into()).await? {
        tracing::info!(purpose = purpose.as_str(), algorithm, kid = current.kid, "made the first keys");
    }
    Ok(())
}

fn unseal<K: RingKey>(
    stored: Vec<StoredKey>,
    vault: &Vault,
    purpose: Purpose,
    known: Option<&KeysOf<K>>,
) -> Result<KeysOf<K>, KeyringError> {
    let mut all: Vec<Held<K>> = Vec::with_capacity(stored.len());
    for row in stored.into_iter().filter(|row| row.state != State::Withdrawn) {
        let held = known.and_then(|keys| keys.all.iter().find(|held| held.kid == row.kid));
        let key = match held {
            Some(held) => Arc::clone(&held.key),
            None => Arc::new(K::open(vault, &row)?),
        };
        let StoredKey { kid, algorithm, state, retired_at, .. } = row;
        all.push(Held { kid, algorithm, key, state, retired_at });
    }
    let first = first_algorithm(purpose);
    let current = all.iter().find(|held| held.state == State::Current && held.algorithm == first);
    let current = current.map(|held| Arc::clone(&held.key));
    let current = current.ok_or_else(|| KeyringError::NoCurrentKey(purpose.as_str().to_owned()))?;
    Ok(KeysOf { current, all })
}

#[cfg(test)]
mod tests;
