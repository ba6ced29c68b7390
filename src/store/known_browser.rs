//! Browsers in which a person has signed in before: a sign-in in another one is told to them by mail.
//!
//! A browser is known by a cookie of its own, and that only to the one person: the rows of two people who share a browser
//! have nothing in common.

use super::notice::Place;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::PersonId;

/// The browser in which somebody signs in.
#[derive(Debug, Clone, Default)]
pub struct SeenBrowser {
    /// SHA-256 of the person's key and the browser's cookie; none where it has no cookie, and stays a stranger.
    pub hash: Option<[u8; 32]>,
    /// What it is and where.
    pub place: Place,
}

/// Notes inside a `write!` body that a person signed in in this browser. Yields whether it is new to them.
macro_rules! note_browser {
    ($c:expr, $person:expr, $browser:expr, $now:expr) => {{
        let browser: &$crate::store::known_browser::SeenBrowser = $browser;
        match browser.hash {
            None => true,
            Some(hash) => {
                let is_new = sqlx::query(
                    "INSERT INTO known_browser (person_id, browser_hash, first_seen_at, last_seen_at)
                     VALUES ($1, $2, $3, $3) ON CONFLICT (person_id, browser_hash) DO NOTHING",
                )
                .bind($person)
                .bind(hash.to_vec())
                .bind($now)
                .execute(&mut *$c)
                .await?
                .rows_affected()
                    == 1;
                if !is_new {
                    sqlx::query(
                        "UPDATE known_browser SET last_seen_at = $3 WHERE person_id = $1 AND browser_hash = $2",
                    )
                    .bind($person)
                    .bind(hash.to_vec())
                    .bind($now)
                    .execute(&mut *$c)
                    .await?;
                }
                is_new
            }
        }
    }};
}
pub(crate) use note_browser;

/// Whether the person has signed in in the browser of that hash.
///
/// # Errors
/// [`StoreError`].
pub async fn is_known(db: &Db, person: PersonId, hash: [u8; 32]) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM known_browser WHERE person_id = $1 AND browser_hash = $2";
    let count: i64 = read!(db, c =>
        sqlx::query_scalar(SQL).bind(person).bind(hash.to_vec()).fetch_one(&mut *c).await?);
    Ok(count > 0)
}

/// Forgets the browsers that were not used since `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM known_browser WHERE (person_id, browser_hash) IN
               (SELECT person_id, browser_hash FROM known_browser WHERE last_seen_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}
