//! Signing keys at rest: one current and one next per purpose, and those that were current before.
//!
//! The private half is sealed by the caller; nothing here opens it.

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;

/// What a key signs, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "TEXT", rename_all = "kebab-case")]
pub enum Purpose {
    /// ID, access and logout tokens: published in the JWKS.
    Token,
    /// Refresh tokens: never published, so that nobody takes one for an access token.
    Refresh,
    /// Card requests: known to the enrolled workstations.
    CardRequest,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Token, Self::Refresh, Self::CardRequest];

    /// The name, as in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Refresh => "refresh",
            Self::CardRequest => "card-request",
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
    /// The private half in PKCS#8, sealed for [`place`].
    pub sealed: Vec<u8>,
    /// When it was made, and published.
    pub created_at: Time,
    /// When it began to sign.
    pub current_since: Option<Time>,
    /// When it ceased to sign.
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
    /// The private half in PKCS#8, sealed for [`place`].
    pub sealed: Vec<u8>,
}

/// Inserts a key in a state, inside a `write!` body.
macro_rules! insert_key {
    ($c:expr, $new:expr, $state:expr, $current_since:expr, $now:expr) => {
        sqlx::query(
            "INSERT INTO signing_key (kid, purpose, algorithm, state, sealed, created_at, current_since)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind($new.kid.clone())
        .bind($new.purpose)
        .bind($new.algorithm)
        .bind($state)
        .bind($new.sealed.clone())
        .bind($now)
        .bind::<Option<Time>>($current_since)
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
        "SELECT kid, purpose, algorithm, state, sealed, created_at, current_since, retired_at
         FROM signing_key WHERE purpose = $1 ORDER BY created_at DESC, kid",
    )
    .bind(purpose)
    .fetch_all(&mut *c)
    .await?))
}

/// Keeps the first two keys of a purpose. Yields false where another node was faster: then read again.
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
    let (current, purpose) = (current.to_owned(), next.purpose);
    write!(db, c => {
        let retired = sqlx::query(
            "UPDATE signing_key SET state = 'retired', retired_at = $3
             WHERE kid = $1 AND purpose = $2 AND state = 'current'",
        )
        .bind(current.clone())
        .bind(purpose)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if retired.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE signing_key SET state = 'current', current_since = $2 WHERE purpose = $1 AND state = 'next'",
        )
        .bind(purpose)
        .bind(now)
        .execute(&mut *c)
        .await?;
        insert_key!(c, next, State::Next, None, now);
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
        NewKey { kid: kid.into(), purpose: Purpose::Token, algorithm: "RS256", sealed: vec![1, 2, 3] }
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
            let states: Vec<_> =
                of(&db, Purpose::Token).await.unwrap().into_iter().map(|k| (k.kid, k.state)).collect();
            assert_eq!(
                states,
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
}
