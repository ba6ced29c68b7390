//! By which phones are woken (Web Push): of each, the subscription that its browser made last.
//!
//! It is worth as much as its phone: one that may not answer is not woken, and with one that is revoked it is gone
//! (`means::halt`).

use chrono::TimeDelta;

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{MeansId, PersonId};

/// How long a phone is left alone once it was woken: what it shows by then it shows still.
pub const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Where the push service of a browser takes messages for it.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PushSubscription {
    /// The phone.
    pub means_id: MeansId,
    /// The address. Whoever knows it and has the key can wake the phone: it stands in no log.
    pub endpoint: String,
    /// What messages are encrypted to: a point on P-256, base64url.
    pub p256dh: String,
    /// The secret beside it: 16 bytes, base64url.
    pub auth: String,
    /// The key of ours that the browser has subscribed with.
    pub kid: String,
}

impl std::fmt::Debug for PushSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushSubscription").field("means_id", &self.means_id).finish_non_exhaustive()
    }
}

/// What became of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The phone is woken by it from now on; `event` is recorded.
    New,
    /// It was known already.
    Known,
    /// The phone may not answer any more.
    Halted,
}

/// Keeps the subscription of a phone in the place of the one before. A browser that was paired anew is woken once: the
/// phone that it was before, of the same person, no longer.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(db: &Db, new: &PushSubscription, event: &NewRow, now: Time) -> Result<Kept, StoreError> {
    let PushSubscription { means_id, endpoint, p256dh, auth, kid } = new.clone();
    write!(db, c => {
        // Whoever halts the phone holds this row too: of the two the one sees what the other did.
        let is_active = sqlx::query(
            "UPDATE means SET last_used_at = last_used_at
             WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at > $2",
        )
        .bind(means_id)
        .bind(now)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if !is_active {
            return Ok(Kept::Halted);
        }
        let known: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM push_subscription
             WHERE means_id = $1 AND endpoint = $2 AND p256dh = $3 AND auth = $4 AND kid = $5",
        )
        .bind(means_id)
        .bind(endpoint.clone())
        .bind(p256dh.clone())
        .bind(auth.clone())
        .bind(kid.clone())
        .fetch_one(&mut *c)
        .await?;
        if known > 0 {
            return Ok(Kept::Known);
        }
        sqlx::query(
            "DELETE FROM push_subscription WHERE endpoint = $1 AND means_id <> $2 AND means_id IN
               (SELECT id FROM means WHERE person_id = (SELECT person_id FROM means WHERE id = $2))",
        )
        .bind(endpoint.clone())
        .bind(means_id)
        .execute(&mut *c)
        .await?;
        sqlx::query(
            "INSERT INTO push_subscription (means_id, endpoint, p256dh, auth, kid, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (means_id) DO UPDATE SET endpoint = excluded.endpoint, p256dh = excluded.p256dh,
               auth = excluded.auth, kid = excluded.kid, created_at = excluded.created_at",
        )
        .bind(means_id)
        .bind(endpoint)
        .bind(p256dh)
        .bind(auth)
        .bind(kid)
        .bind(now)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(Kept::New)
    })
}

/// Wakes a phone no more, and records `event`; with an `endpoint`, only while it is still that one. Yields whether it
/// was.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(
    db: &Db,
    phone: MeansId,
    endpoint: Option<&str>,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let endpoint = endpoint.map(str::to_owned);
    write!(db, c => {
        let forgotten = sqlx::query(
            "DELETE FROM push_subscription WHERE means_id = $1 AND endpoint = COALESCE($2, endpoint)",
        )
        .bind(phone)
        .bind(endpoint)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if forgotten {
            record!(c, *event);
        }
        Ok(forgotten)
    })
}

/// The phones of a person that are to be woken now, each marked as woken: of several who ask at once, on whatever node,
/// one gets it. Those that may not answer, and those of somebody who is disabled, are none.
///
/// # Errors
/// [`StoreError`].
pub async fn take_due(db: &Db, person: PersonId, now: Time) -> Result<Vec<PushSubscription>, StoreError> {
    write!(db, c => {
        Ok(sqlx::query_as(
            "UPDATE push_subscription SET woken_at = $2
             WHERE (woken_at IS NULL OR woken_at <= $3) AND means_id IN (
               SELECT m.id FROM means m JOIN person p ON p.id = m.person_id
               WHERE m.person_id = $1 AND m.kind = 'phone' AND m.revoked_at IS NULL AND m.suspended_at IS NULL
                 AND m.expires_at > $2 AND p.disabled_at IS NULL)
             RETURNING means_id, endpoint, p256dh, auth, kid",
        )
        .bind(person)
        .bind(now)
        .bind(now - PAUSE)
        .fetch_all(&mut *c)
        .await?)
    })
}

/// How many phones are woken.
///
/// # Errors
/// [`StoreError`].
pub async fn count(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM push_subscription";
    read!(db, c => Ok(sqlx::query_scalar(SQL).fetch_one(&mut *c).await?))
}

/// Deletes those of phones whose time is over, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, now: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM push_subscription WHERE means_id IN (
               SELECT s.means_id FROM push_subscription s JOIN means m ON m.id = s.means_id
               WHERE m.expires_at <= $1 LIMIT $2)",
        )
        .bind(now)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}
