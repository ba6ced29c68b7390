//! Keys at rest: one current and one next per purpose and algorithm, and those that were current before.
//!
//! The private half is sealed by the caller, or stays in an HSM; nothing here opens it.

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;

/// What a key is for, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "TEXT", rename_all = "kebab-case")]
pub enum Purpose {
    /// ID, access and logout tokens: published in the JWKS.
    Token,
    /// Refresh tokens: never published, so that nobody takes one for an access token.
    Refresh,
    /// Card requests: known to the enrolled workstations.
    CardRequest,
    /// Decrypts request objects: published in the JWKS with `"use": "enc"`.
    RequestObject,
    /// Says to push services who sends (VAPID): known to the browsers that subscribed.
    WebPush,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] =
        [Self::Token, Self::Refresh, Self::CardRequest, Self::RequestObject, Self::WebPush];

    /// The name, as in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Refresh => "refresh",
            Self::CardRequest => "card-request",
            Self::RequestObject => "request-object",
            Self::WebPush => "web-push",
        }
    }
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "TEXT", rename_all = "lowercase")]
pub enum State {
    /// Published, and not yet used.
    Next,
    /// Signs.
    Current,
    /// Signed; still verifies.
    Retired,
    /// Was given up at once, as after a theft: neither signs nor verifies.
    Withdrawn,
}

impl State {
    /// The name, as in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A key as it stands in the database.
#[derive(Clone, sqlx::FromRow)]
pub struct StoredKey {
    /// Its name: the RFC 7638 thumbprint of the public half.
    pub kid: String,
    /// What it signs.
    pub purpose: Purpose,
    /// The JOSE name of its algorithm.
    pub algorithm: String,
    /// Where it stands.
    pub state: State,
    /// The private half in PKCS#8, sealed for [`place`]; empty where it is in an HSM.
    pub sealed: Vec<u8>,
    /// The public half (SubjectPublicKeyInfo) of a key whose private half is in an HSM.
    pub hsm_public_key: Option<Vec<u8>>,
    /// When it was made, and published.
    pub created_at: Time,
    /// When it began to sign.
    pub current_since: Option<Time>,
    /// When it ceased to sign, or was withdrawn.
    pub retired_at: Option<Time>,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_fmt(format_args!("StoredKey({} {:?} {})", self.purpose.as_str(), self.state, self.kid))
    }
}

/// The name of the place that a key is sealed for.
pub fn place(kid: &str) -> String {
    format!("signing_key/{kid}")
}

/// A key to keep.
#[derive(Clone)]
pub struct NewKey {
    /// Its name.
    pub kid: String,
    /// What it signs.
    pub purpose: Purpose,
    /// The JOSE name of its algorithm.
    pub algorithm: &'static str,
    /// The private half in PKCS#8, sealed for [`place`]; empty where it is in an HSM.
    pub sealed: Vec<u8>,
    /// The public half (SubjectPublicKeyInfo) of a key whose private half is in an HSM.
    pub hsm_public_key: Option<Vec<u8>>,
}

/// Inserts a key in a state, inside a `write!` body.
macro_rules! insert_key {
    ($c:expr, $new:expr, $state:expr, $current_since:expr, $now:expr) => {
        sqlx::query(
            "INSERT INTO signing_key
               (kid, purpose, algorithm, state, sealed, created_at, current_since, hsm_public_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind($new.kid.clone())
        .bind($new.purpose)
        .bind($new.algorithm)
        .bind($state)
        .bind($new.sealed.clone())
        .bind($now)
        .bind::<Option<Time>>($current_since)
        .bind($new.hsm_public_key.clone())
        .execute(&mut *$c)
        .await?
    };
}

/// The keys of a purpose: next, current, then the retired ones, youngest first.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db, purpose: Purpose) -> Result<Vec<StoredKey>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT kid, purpose, algorithm, state, sealed, hsm_public_key, created_at, current_since, retired_at
         FROM signing_key WHERE purpose = $1 ORDER BY created_at DESC, kid",
    )
    .bind(purpose)
    .fetch_all(&mut *c)
    .await?))
}

/// Keeps the first two keys of a purpose and algorithm. Yields false where another node was faster: then read again.
///
/// # Errors
/// [`StoreError`].
pub async fn insert_first(
    db: &Db,
    current: &NewKey,
    next: &NewKey,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let inserted: Result<(), StoreError> = async {
        write!(db, c => {
            insert_key!(c, current, State::Current, Some(now), now);
            insert_key!(c, next, State::Next, None, now);
            record!(c, *event);
            Ok(())
        })
    }
    .await;
    match inserted {
        Ok(()) => Ok(true),
        Err(error) if error.is_duplicate() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets the next key of a purpose and algorithm sign, inside a `write!` body.
macro_rules! promote_next {
    ($c:expr, $purpose:expr, $algorithm:expr, $now:expr) => {
        sqlx::query(
            "UPDATE signing_key SET state = 'current', current_since = $3
             WHERE purpose = $1 AND algorithm = $2 AND state = 'next'",
        )
        .bind($purpose)
        .bind($algorithm)
        .bind($now)
        .execute(&mut *$c)
        .await?
    };
}

/// Retires `current`, lets the next key sign and keeps `next` as the one after it. Yields false where `current` no
/// longer is: somebody else rotated.
///
/// # Errors
/// [`StoreError`].
pub async fn rotate(
    db: &Db,
    current: &str,
    next: &NewKey,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let (current, purpose, algorithm) = (current.to_owned(), next.purpose, next.algorithm);
    write!(db, c => {
        let retired = sqlx::query(
            "UPDATE signing_key SET state = 'retired', retired_at = $4
             WHERE kid = $1 AND purpose = $2 AND algorithm = $3 AND state = 'current'",
        )
        .bind(current.clone())
        .bind(purpose)
        .bind(algorithm)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if retired.rows_affected() != 1 {
            return Ok(false);
        }
        promote_next!(c, purpose, algorithm, now);
        insert_key!(c, next, State::Next, None, now);
        record!(c, *event);
        Ok(true)
    })
}

/// Withdraws `key`, whatever its state: a current one is followed by the next at once, and `next` is kept as the one
/// after it. Yields false where it is no longer in that state.
///
/// # Errors
/// [`StoreError`].
pub async fn withdraw(
    db: &Db,
    key: &StoredKey,
    next: Option<&NewKey>,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let (kid, state, purpose, algorithm) = (key.kid.clone(), key.state, key.purpose, key.algorithm.clone());
    write!(db, c => {
        let withdrawn = sqlx::query(
            "UPDATE signing_key SET state = 'withdrawn', retired_at = $3 WHERE kid = $1 AND state = $2",
        )
        .bind(kid.clone())
        .bind(state)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if withdrawn.rows_affected() != 1 {
            return Ok(false);
        }
        if state == State::Current {
            promote_next!(c, purpose, algorithm.clone(), now);
        }
        if let Some(next) = next {
            insert_key!(c, next, State::Next, None, now);
        }
        record!(c, *event);
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock, MockClock};
    use crate::store::client::tests::event;
    use crate::store::testing::on_both;
    use chrono::TimeDelta;

    fn key(kid: &str) -> NewKey {
        of_algorithm(kid, "RS256")
    }

    fn of_algorithm(kid: &str, algorithm: &'static str) -> NewKey {
        let (purpose, sealed) = (Purpose::Token, vec![1, 2, 3]);
        NewKey { kid: kid.into(), purpose, algorithm, sealed, hsm_public_key: None }
    }

    async fn states(db: &Db) -> Vec<(String, State)> {
        let keys = of(db, Purpose::Token).await.unwrap();
        keys.into_iter().map(|key| (key.kid, key.state)).collect()
    }

    #[tokio::test]
    async fn keys_go_from_next_to_current_to_retired() {
        on_both(async |db| {
            let clock = MockClock::default();
            let event = || event(Kind::KeyCreated, &clock);
            assert!(insert_first(&db, &key("a"), &key("b"), clock.now(), &event()).await.unwrap());
            assert!(
                !insert_first(&db, &key("x"), &key("y"), clock.now(), &event()).await.unwrap(),
                "another node"
            );
            clock.advance(TimeDelta::hours(1));
            assert!(rotate(&db, "a", &key("c"), clock.now(), &event()).await.unwrap());
            assert!(!rotate(&db, "a", &key("d"), clock.now(), &event()).await.unwrap(), "rotated twice");
            assert_eq!(
                states(&db).await,
                [
                    ("c".to_owned(), State::Next),
                    ("a".to_owned(), State::Retired),
                    ("b".to_owned(), State::Current)
                ]
            );
            assert!(of(&db, Purpose::Refresh).await.unwrap().is_empty());
        })
        .await;
    }

    #[tokio::test]
    async fn each_algorithm_has_keys_of_its_own() {
        on_both(async |db| {
            let clock = MockClock::default();
            let event = || event(Kind::KeyCreated, &clock);
            assert!(insert_first(&db, &key("a"), &key("b"), clock.now(), &event()).await.unwrap());
            let (c, d) = (of_algorithm("c", "ES256"), of_algorithm("d", "ES256"));
            assert!(insert_first(&db, &c, &d, clock.now(), &event()).await.unwrap());
            assert!(!insert_first(&db, &c, &d, clock.now(), &event()).await.unwrap());
            clock.advance(TimeDelta::hours(1));
            assert!(rotate(&db, "c", &of_algorithm("e", "ES256"), clock.now(), &event()).await.unwrap());
            assert!(!rotate(&db, "a", &of_algorithm("f", "ES256"), clock.now(), &event()).await.unwrap());
            let mut found = states(&db).await;
            found.sort_by(|one, other| one.0.cmp(&other.0));
            let expected = [State::Current, State::Next, State::Retired, State::Current, State::Next];
            assert_eq!(found.iter().map(|(_, state)| *state).collect::<Vec<_>>(), expected);
        })
        .await;
    }

    #[tokio::test]
    async fn a_withdrawn_key_is_followed_at_once() {
        on_both(async |db| {
            let clock = MockClock::default();
            let event = || event(Kind::KeyWithdrawn, &clock);
            assert!(insert_first(&db, &key("a"), &key("b"), clock.now(), &event()).await.unwrap());
            let named = async |kid: &str| {
                of(&db, Purpose::Token).await.unwrap().into_iter().find(|key| key.kid == kid).unwrap()
            };
            let current = named("a").await;
            assert!(withdraw(&db, &current, Some(&key("c")), clock.now(), &event()).await.unwrap());
            assert!(!withdraw(&db, &current, Some(&key("d")), clock.now(), &event()).await.unwrap(), "twice");
            assert_eq!(named("b").await.state, State::Current);
            let next = named("c").await;
            assert!(withdraw(&db, &next, Some(&key("e")), clock.now(), &event()).await.unwrap());
            assert_eq!(named("b").await.state, State::Current, "only the next one changed");
            assert_eq!(named("e").await.state, State::Next);
            assert!(rotate(&db, "b", &key("f"), clock.now(), &event()).await.unwrap());
            let retired = named("b").await;
            assert!(withdraw(&db, &retired, None, clock.now(), &event()).await.unwrap());
            let withdrawn = ["a", "b", "c"].map(|kid| (kid.to_owned(), State::Withdrawn));
            let found = states(&db).await;
            assert!(withdrawn.iter().all(|key| found.contains(key)), "{found:?}");
            assert_eq!(found.len(), 6 - 1);
        })
        .await;
    }
}
