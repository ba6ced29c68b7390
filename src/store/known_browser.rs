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
    /// SHA-256 of the person's key and SHA-256 of the browser's cookie; none where it has no cookie, and stays a stranger.
    pub hash: Option<[u8; 32]>,
    /// What it is and where.
    pub place: Place,
}

/// So many browsers of a person are known; of more, those that were used last. Whoever signs in in private windows all day
/// fills no table.
pub(crate) const MOST: i64 = 50;

/// Notes inside a `write!` body that a person signed in in this browser, and whether with what resists phishing. Yields
/// whether it is new to them.
macro_rules! note_browser {
    ($c:expr, $person:expr, $browser:expr, $resists:expr, $now:expr) => {{
        let browser: &$crate::store::known_browser::SeenBrowser = $browser;
        let resists: bool = $resists;
        match browser.hash {
            None => true,
            Some(hash) => {
                let is_new = sqlx::query(
                    "INSERT INTO known_browser (person_id, browser_hash, first_seen_at, last_seen_at, resists)
                     VALUES ($1, $2, $3, $3, $4) ON CONFLICT (person_id, browser_hash) DO NOTHING",
                )
                .bind($person)
                .bind(hash.to_vec())
                .bind($now)
                .bind(resists)
                .execute(&mut *$c)
                .await?
                .rows_affected()
                    == 1;
                if is_new {
                    sqlx::query(
                        "DELETE FROM known_browser WHERE person_id = $1 AND browser_hash NOT IN
                           (SELECT browser_hash FROM known_browser WHERE person_id = $1
                            ORDER BY last_seen_at DESC, first_seen_at DESC, browser_hash LIMIT $2)",
                    )
                    .bind($person)
                    .bind($crate::store::known_browser::MOST)
                    .execute(&mut *$c)
                    .await?;
                } else {
                    sqlx::query(
                        "UPDATE known_browser SET last_seen_at = $3, resists = (resists OR $4)
                         WHERE person_id = $1 AND browser_hash = $2",
                    )
                    .bind($person)
                    .bind(hash.to_vec())
                    .bind($now)
                    .bind(resists)
                    .execute(&mut *$c)
                    .await?;
                }
                is_new
            }
        }
    }};
}
pub(crate) use note_browser;

/// Whether the person has signed in in the browser of that hash with what resists phishing: a weaker means there makes it no
/// better.
///
/// # Errors
/// [`StoreError`].
pub async fn is_known(db: &Db, person: PersonId, hash: [u8; 32]) -> Result<bool, StoreError> {
    const SQL: &str =
        "SELECT COUNT(*) FROM known_browser WHERE person_id = $1 AND browser_hash = $2 AND resists";
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

/// As if a person had signed in in that browser with what resists phishing.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn note_for_test(
    db: &Db,
    person: PersonId,
    hash: [u8; 32],
    now: Time,
) -> Result<bool, StoreError> {
    let browser = SeenBrowser { hash: Some(hash), place: Place::default() };
    write!(db, c => { Ok(note_browser!(c, person, &browser, true, now)) })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::crypto::random::SystemRandom;
    use crate::store::session::tests::somebody;
    use crate::store::testing::on_both;

    /// Whether the browser of that number is new to the person.
    async fn note(db: &Db, person: PersonId, number: u8, now: Time) -> Result<bool, StoreError> {
        note_for_test(db, person, [number; 32], now).await
    }

    #[tokio::test]
    async fn the_browsers_that_were_used_last_stay_known_and_no_more() {
        on_both(async |db| {
            let clock = MockClock::default();
            let [one, other] = [
                somebody(&db, clock.now(), &SystemRandom).await,
                somebody(&db, clock.now(), &SystemRandom).await,
            ];
            let sign_in = async |person: PersonId, number: u8| {
                clock.advance(TimeDelta::seconds(1));
                note(&db, person, number, clock.now()).await.unwrap()
            };
            let most = u8::try_from(MOST).unwrap();
            assert!(sign_in(other, 1).await);
            for number in 0..most {
                assert!(sign_in(one, number).await);
            }
            assert!(!sign_in(one, 0).await, "used again");
            assert!(sign_in(one, most).await);
            let known = async |person, number: u8| is_known(&db, person, [number; 32]).await.unwrap();
            assert!(known(one, 0).await && known(one, 2).await && known(one, most).await);
            assert!(!known(one, 1).await, "not used for the longest time");
            assert!(known(other, 1).await, "of somebody else");
        })
        .await;
    }
}
