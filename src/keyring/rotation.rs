//! One key takes over from another: by its age, by a command, or because it was lost.

use chrono::TimeDelta;

use super::{KeyringError, RingKey, Vault, first_algorithm};
use crate::audit::{Event, Kind, Trail};
use crate::clock::Time;
use crate::crypto::jose::DecryptionKey;
use crate::crypto::keys::{KeyError, SigningKey};
use crate::ids::Random;
use crate::store::Db;
use crate::store::signing_key::{self, NewKey, Purpose, State, StoredKey};

/// How long the next key must have been published before it may sign: for relying parties, which fetch the key set anew
/// where they meet an unknown key.
const PUBLISHED_BEFORE_USE: TimeDelta = TimeDelta::hours(1);
/// The same for workstations. They ask every few hours while they run, and take a list of keys only from a key that they
/// know: one that slept through two rotations has to be enrolled again.
const PUBLISHED_BEFORE_USE_TO_WORKSTATIONS: TimeDelta = TimeDelta::days(30);

/// How long the next key of `purpose` must have been published before it may sign.
pub fn published_before_use(purpose: Purpose) -> TimeDelta {
    match purpose {
        Purpose::Token | Purpose::Refresh | Purpose::RequestObject | Purpose::WebPush => PUBLISHED_BEFORE_USE,
        Purpose::CardRequest => PUBLISHED_BEFORE_USE_TO_WORKSTATIONS,
    }
}

/// Which keys are meant.
#[derive(Debug, Clone)]
pub struct Which {
    /// What they are for.
    pub purpose: Purpose,
    /// The JOSE name of their algorithm.
    pub algorithm: String,
}

/// Those of the algorithm that the purpose begins with.
impl From<Purpose> for Which {
    fn from(purpose: Purpose) -> Self {
        Self { purpose, algorithm: first_algorithm(purpose).to_owned() }
    }
}

/// Lets the next key sign and makes the one after it. Refuses where the next key was published less than
/// [`published_before_use`] ago, unless `at_once`. Yields the `kid` that signs now. `event` says who did it.
///
/// # Errors
/// [`KeyringError::TooEarly`], [`KeyringError::RotatedMeanwhile`], …
pub async fn rotate(
    db: &Db,
    vault: impl Into<Vault>,
    which: impl Into<Which>,
    at_once: bool,
    now: Time,
    random: &dyn Random,
    event: Event,
) -> Result<String, KeyringError> {
    let Which { purpose, algorithm } = which.into();
    let stored = signing_key::of(db, purpose).await?;
    let in_state = |state| stored.iter().find(|key| key.state == state && key.algorithm == algorithm);
    let (Some(current), Some(next)) = (in_state(State::Current), in_state(State::Next)) else {
        return Err(KeyringError::NoCurrentKey(format!("{} by {algorithm}", purpose.as_str())));
    };
    let usable = next.created_at + published_before_use(purpose);
    if !at_once && now < usable {
        return Err(KeyringError::TooEarly { published: next.created_at, usable });
    }
    let after = make_any(&vault.into(), purpose, &algorithm, random).await?;
    let event = event.note(&format!("{} {}", purpose.as_str(), next.kid));
    if signing_key::rotate(db, &current.kid, &after, now, &(&event).into()).await? {
        Ok(next.kid.clone())
    } else {
        Err(KeyringError::RotatedMeanwhile)
    }
}

/// Rotates the keys that have signed for `after`, of every purpose and algorithm. Yields how many. Where a next key is not
/// known everywhere yet, or an administrator was faster, the next turn looks again.
///
/// # Errors
/// [`KeyringError`].
pub async fn rotate_due(
    db: &Db,
    vault: &Vault,
    after: TimeDelta,
    now: Time,
    random: &dyn Random,
    trail: &Trail,
) -> Result<usize, KeyringError> {
    let mut rotated = 0;
    for purpose in Purpose::ALL {
        let is_due = |key: &StoredKey| {
            key.state == State::Current && now - key.current_since.unwrap_or(key.created_at) >= after
        };
        for StoredKey { algorithm, .. } in signing_key::of(db, purpose).await?.into_iter().filter(is_due) {
            let event = trail.event(Kind::KeyRotated).actor("schedule");
            match rotate(db, vault, Which { purpose, algorithm }, false, now, random, event).await {
                Ok(kid) => {
                    tracing::info!(purpose = purpose.as_str(), kid, "the next key signs from now on");
                    rotated += 1;
                }
                Err(KeyringError::TooEarly { .. } | KeyringError::RotatedMeanwhile) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(rotated)
}

/// Withdraws the key `kid`: from now on it neither signs nor verifies, and is published no more. Where it was the current
/// one the next key signs at once, whoever may not know it yet. Yields what it was. `event` says who did it.
///
/// # Errors
/// [`KeyringError::UnknownKey`], [`KeyringError::Withdrawn`], [`KeyringError::RotatedMeanwhile`], …
pub async fn withdraw(
    db: &Db,
    vault: impl Into<Vault>,
    kid: &str,
    now: Time,
    random: &dyn Random,
    event: Event,
) -> Result<(Purpose, State), KeyringError> {
    let mut found = None;
    for purpose in Purpose::ALL {
        found = found.or(signing_key::of(db, purpose).await?.into_iter().find(|key| key.kid == kid));
    }
    let key = found.ok_or_else(|| KeyringError::UnknownKey(kid.to_owned()))?;
    let next = match key.state {
        State::Current | State::Next => {
            Some(make_any(&vault.into(), key.purpose, &key.algorithm, random).await?)
        }
        State::Retired => None,
        State::Withdrawn => return Err(KeyringError::Withdrawn(kid.to_owned())),
    };
    let event = event.note(&format!("{} {kid}", key.purpose.as_str()));
    if signing_key::withdraw(db, &key, next.as_ref(), now, &(&event).into()).await? {
        Ok((key.purpose, key.state))
    } else {
        Err(KeyringError::RotatedMeanwhile)
    }
}

async fn make_any(
    vault: &Vault,
    purpose: Purpose,
    algorithm: &str,
    random: &dyn Random,
) -> Result<NewKey, KeyringError> {
    match purpose {
        Purpose::Token | Purpose::Refresh | Purpose::CardRequest | Purpose::WebPush => {
            make::<SigningKey>(vault, purpose, algorithm, random).await
        }
        Purpose::RequestObject => make::<DecryptionKey>(vault, purpose, algorithm, random).await,
    }
}

/// Makes a key, on a thread where that may take its time.
pub(super) async fn make<K: RingKey>(
    vault: &Vault,
    purpose: Purpose,
    algorithm: &str,
    random: &dyn Random,
) -> Result<NewKey, KeyringError> {
    let (opener, name) = (vault.clone(), algorithm.to_owned());
    let made = tokio::task::spawn_blocking(move || K::generate(&opener, purpose, &name)).await;
    made.map_err(|_| KeyError::Unsupported)??.to_keep(vault, purpose, random)
}
