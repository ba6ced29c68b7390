//! The signing keys of one purpose, as a running server holds them.
//!
//! What a hospital gets: keys that are made at the first start, sealed at rest, and rotated without an interruption:
//! the next key is published long before it signs, the last one long after. A rotation by the command line reaches
//! every running node within five seconds.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::TimeDelta;

use crate::audit::{Event, Kind, Trail};
use crate::clock::{SharedClock, Time};
use crate::crypto::keys::{Algorithm, KeyError, SigningKey, VerifyingKey};
use crate::crypto::sealed::{SealError, SealKey};
use crate::ids::{Random, SharedRandom};
use crate::store::signing_key::{self, NewKey, Purpose, State, StoredKey};
use crate::store::{Db, StoreError};

/// How old the keys in memory may be.
const FRESH: TimeDelta = TimeDelta::seconds(5);
/// How long a retired key stays published: longer than any cache of a relying party holds a key set.
const PUBLISHED_AFTER_RETIREMENT: TimeDelta = TimeDelta::hours(24);
/// How long the next key must have been published before it may sign: for relying parties, which fetch the key set anew
/// where they meet an unknown key.
const PUBLISHED_BEFORE_USE: TimeDelta = TimeDelta::hours(1);
/// The same for workstations. They ask every few hours while they run, and take a list of keys only from a key that they
/// know: one that slept through two rotations has to be enrolled again.
const PUBLISHED_BEFORE_USE_TO_WORKSTATIONS: TimeDelta = TimeDelta::days(30);

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
    Key(#[from] KeyError),
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
    /// A purpose without a current key.
    #[error("there is no current key for {0}")]
    NoCurrentKey(&'static str),
}

impl KeyringError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Seal(error) => error.code(),
            Self::Key(_) => "OIDC-090",
            Self::TooEarly { .. } => "OIDC-091",
            Self::RotatedMeanwhile => "OIDC-092",
            Self::NoCurrentKey(_) => "OIDC-093",
        }
    }
}

/// One key in memory.
#[derive(Debug)]
struct Held {
    key: Arc<SigningKey>,
    state: State,
    retired_at: Option<Time>,
}

/// The keys of one purpose at one time.
#[derive(Debug)]
pub struct Keys {
    current: Arc<SigningKey>,
    all: Vec<Held>,
}

impl Keys {
    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The key of that name, whether it signs or has signed.
    pub fn verifying(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        self.all.iter().map(|held| held.key.public()).find(|key| Some(key.kid()) == kid)
    }

    /// The keys to publish at `now`: the current, the next, and those retired not long ago.
    pub fn published(&self, now: Time) -> impl Iterator<Item = &VerifyingKey> {
        let is_published = move |held: &&Held| {
            held.state != State::Retired
                || held.retired_at.is_some_and(|at| now - at < PUBLISHED_AFTER_RETIREMENT)
        };
        self.all.iter().filter(is_published).map(|held| held.key.public())
    }

    /// The key that will sign after the next rotation.
    pub fn next(&self) -> Option<&VerifyingKey> {
        self.all.iter().find(|held| held.state == State::Next).map(|held| held.key.public())
    }
}

/// The keys of one purpose, followed in the database.
#[derive(Debug)]
pub struct Keyring {
    db: Db,
    seal: SealKey,
    purpose: Purpose,
    clock: SharedClock,
    held: RwLock<(Arc<Keys>, Time)>,
}

impl Keyring {
    /// Opens the keys of `purpose`; makes the first two where there are none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub async fn open(
        db: Db,
        seal: SealKey,
        purpose: Purpose,
        clock: SharedClock,
        random: SharedRandom,
        trail: &Trail,
    ) -> Result<Self, KeyringError> {
        let mut stored = signing_key::of(&db, purpose).await?;
        if stored.is_empty() {
            let algorithm = algorithm(purpose);
            let current = generate(&seal, purpose, algorithm, &*random).await?;
            let next = generate(&seal, purpose, algorithm, &*random).await?;
            let event = trail.event(Kind::KeyCreated).note(purpose.as_str());
            if signing_key::insert_first(&db, &current, &next, clock.now(), &(&event).into()).await? {
                tracing::info!(purpose = purpose.as_str(), kid = current.kid, "made the first signing keys");
            }
            stored = signing_key::of(&db, purpose).await?;
        }
        let keys = Arc::new(unseal(stored, &seal, purpose, None)?);
        let now = clock.now();
        Ok(Self { db, seal, purpose, clock, held: RwLock::new((keys, now)) })
    }

    /// The keys, not older than five seconds. Where the database does not answer, those known before.
    pub async fn keys(&self) -> Arc<Keys> {
        let (keys, loaded_at) = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.clock.now();
        // A clock that was set back must not make them young again.
        if (TimeDelta::zero()..FRESH).contains(&(now - loaded_at)) {
            return keys;
        }
        match self.reload(&keys).await {
            Ok(fresh) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = (Arc::clone(&fresh), now);
                fresh
            }
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "the signing keys could not be read again");
                keys
            }
        }
    }

    async fn reload(&self, known: &Keys) -> Result<Arc<Keys>, KeyringError> {
        let stored = signing_key::of(&self.db, self.purpose).await?;
        unseal(stored, &self.seal, self.purpose, Some(known)).map(Arc::new)
    }
}

/// How long the next key of `purpose` must have been published before it may sign.
pub fn published_before_use(purpose: Purpose) -> TimeDelta {
    match purpose {
        Purpose::Token | Purpose::Refresh => PUBLISHED_BEFORE_USE,
        Purpose::CardRequest => PUBLISHED_BEFORE_USE_TO_WORKSTATIONS,
    }
}

/// Lets the next key sign and makes the one after it. Refuses where the next key was published less than
/// [`published_before_use`] ago, unless `at_once`. Yields the `kid` that signs now. `event` says who did it.
///
/// # Errors
/// [`KeyringError::TooEarly`], [`KeyringError::RotatedMeanwhile`], …
pub async fn rotate(
    db: &Db,
    seal: &SealKey,
    purpose: Purpose,
    at_once: bool,
    now: Time,
    random: &dyn Random,
    event: Event,
) -> Result<String, KeyringError> {
    let stored = signing_key::of(db, purpose).await?;
    let in_state = |state| stored.iter().find(|key| key.state == state);
    let (Some(current), Some(next)) = (in_state(State::Current), in_state(State::Next)) else {
        return Err(KeyringError::NoCurrentKey(purpose.as_str()));
    };
    let usable = next.created_at + published_before_use(purpose);
    if !at_once && now < usable {
        return Err(KeyringError::TooEarly { published: next.created_at, usable });
    }
    let after = generate(seal, purpose, algorithm(purpose), random).await?;
    let event = event.note(&format!("{} {}", purpose.as_str(), next.kid));
    if signing_key::rotate(db, &current.kid, &after, now, &(&event).into()).await? {
        Ok(next.kid.clone())
    } else {
        Err(KeyringError::RotatedMeanwhile)
    }
}

fn algorithm(purpose: Purpose) -> Algorithm {
    match purpose {
        Purpose::Token => Algorithm::Rs256,
        Purpose::Refresh | Purpose::CardRequest => Algorithm::Es256,
    }
}

async fn generate(
    seal: &SealKey,
    purpose: Purpose,
    algorithm: Algorithm,
    random: &dyn Random,
) -> Result<NewKey, KeyringError> {
    // Finding primes takes up to 300 ms.
    let generated = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
    let key = generated.map_err(|_| KeyError::Unsupported)??;
    seal_key(&key, seal, purpose, random)
}

fn seal_key(
    key: &SigningKey,
    seal: &SealKey,
    purpose: Purpose,
    random: &dyn Random,
) -> Result<NewKey, KeyringError> {
    let sealed = seal.seal(&signing_key::place(key.kid()), &key.to_pkcs8()?, random)?;
    Ok(NewKey { kid: key.kid().to_owned(), purpose, algorithm: key.algorithm().name(), sealed })
}

fn unseal(
    stored: Vec<StoredKey>,
    seal: &SealKey,
    purpose: Purpose,
    known: Option<&Keys>,
) -> Result<Keys, KeyringError> {
    let mut all = Vec::with_capacity(stored.len());
    for row in stored {
        let held = known.and_then(|keys| keys.all.iter().find(|held| held.key.kid() == row.kid));
        let key = match held {
            Some(held) => Arc::clone(&held.key),
            None => {
                let opened = seal.open(&signing_key::place(&row.kid), &row.sealed)?;
                let algorithm = Algorithm::from_name(&row.algorithm).ok_or(KeyError::Unsupported)?;
                Arc::new(SigningKey::from_pkcs8(algorithm, &opened)?)
            }
        };
        all.push(Held { key, state: row.state, retired_at: row.retired_at });
    }
    let current = all.iter().find(|held| held.state == State::Current).map(|held| Arc::clone(&held.key));
    Ok(Keys { current: current.ok_or(KeyringError::NoCurrentKey(purpose.as_str()))?, all })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, MockClock};
    use crate::crypto::random::SystemRandom;
    use crate::store::testing::on_both;

    fn trail(clock: &MockClock) -> Trail {
        Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(SystemRandom))
    }

    #[tokio::test]
    async fn the_next_key_is_published_before_it_signs_and_the_last_one_after() {
        on_both(async |db| {
            let clock = MockClock::default();
            let trail = trail(&clock);
            let seal = SealKey::generate(&SystemRandom);
            let open = || {
                let (db, seal, shared) = (db.clone(), seal.clone(), Arc::new(clock.clone()));
                Keyring::open(db, seal, Purpose::Token, shared, Arc::new(SystemRandom), &trail)
            };
            let ring = open().await.unwrap();
            let before = ring.keys().await;
            let (first, second) =
                (before.current().kid().to_owned(), before.next().unwrap().kid().to_owned());
            assert_eq!(before.published(clock.now()).count(), 2);
            assert_eq!(open().await.unwrap().keys().await.current().kid(), first, "a restart keeps the keys");

            let rotate = async |at_once| {
                let event = trail.event(Kind::KeyRotated);
                rotate(&db, &seal, Purpose::Token, at_once, clock.now(), &SystemRandom, event).await
            };
            assert_eq!(rotate(false).await.unwrap_err().code(), "OIDC-091");
            clock.advance(published_before_use(Purpose::Token));
            assert_eq!(rotate(false).await.unwrap(), second);
            let after = ring.keys().await;
            assert_eq!(after.current().kid(), second);
            assert_eq!(after.published(clock.now()).count(), 3, "old, current, next");
            assert!(after.verifying(Some(&first)).is_some());
            assert!(after.verifying(None).is_none());
            clock.advance(TimeDelta::hours(25));
            let later = ring.keys().await;
            assert_eq!(later.published(clock.now()).count(), 2);
            assert!(later.verifying(Some(&first)).is_some(), "hints signed by it are still understood");
            rotate(true).await.unwrap();
            rotate(true).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn the_next_key_waits_until_workstations_know_it() {
        on_both(async |db| {
            let clock = MockClock::default();
            let trail = trail(&clock);
            let seal = SealKey::generate(&SystemRandom);
            let (shared, random): (SharedClock, SharedRandom) =
                (Arc::new(clock.clone()), Arc::new(SystemRandom));
            let purpose = Purpose::CardRequest;
            Keyring::open(db.clone(), seal.clone(), purpose, shared, random, &trail).await.unwrap();
            clock.advance(TimeDelta::days(29));
            let event = trail.event(Kind::KeyRotated);
            let early = rotate(&db, &seal, purpose, false, clock.now(), &SystemRandom, event).await;
            assert_eq!(
                early.unwrap_err().code(),
                "OIDC-091",
                "a laptop that was away would have to enrol again"
            );
            clock.advance(TimeDelta::days(1));
            let event = trail.event(Kind::KeyRotated);
            rotate(&db, &seal, purpose, false, clock.now(), &SystemRandom, event).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_hides_no_rotation() {
        on_both(async |db| {
            let clock = MockClock::default();
            let trail = trail(&clock);
            let seal = SealKey::generate(&SystemRandom);
            let (shared, random): (SharedClock, SharedRandom) =
                (Arc::new(clock.clone()), Arc::new(SystemRandom));
            let purpose = Purpose::Refresh;
            let ring =
                Keyring::open(db.clone(), seal.clone(), purpose, shared, random, &trail).await.unwrap();
            clock.advance(TimeDelta::minutes(-10));
            let event = trail.event(Kind::KeyRotated);
            let kid = rotate(&db, &seal, purpose, true, clock.now(), &SystemRandom, event).await.unwrap();
            assert_eq!(ring.keys().await.current().kid(), kid);
        })
        .await;
    }

    #[tokio::test]
    async fn another_seal_key_opens_nothing() {
        on_both(async |db| {
            let clock = MockClock::default();
            let trail = trail(&clock);
            let clock = Arc::new(clock);
            let open = |seal| {
                let (db, clock) = (db.clone(), clock.clone());
                Keyring::open(db, seal, Purpose::Refresh, clock, Arc::new(SystemRandom), &trail)
            };
            open(SealKey::generate(&SystemRandom)).await.unwrap();
            assert_eq!(open(SealKey::generate(&SystemRandom)).await.unwrap_err().code(), "STORE-013");
        })
        .await;
    }
}
