//! Which notices of workstations were taken already: by their digest, since the time they carry is that of another clock.

use super::audit::{NewRow, record};
use super::{Db, StoreError, write};
use crate::clock::Time;

/// Takes a notice. Yields false, and records nothing, where it was taken before. `event` says what it reports.
///
/// # Errors
/// [`StoreError`].
pub async fn take(db: &Db, digest: [u8; 32], event: &NewRow, now: Time) -> Result<bool, StoreError> {
    write!(db, c => {
        let taken = sqlx::query(
            "INSERT INTO agent_notice (digest, taken_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(digest.to_vec())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if taken.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Forgets the notices that were taken before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM agent_notice WHERE digest IN
               (SELECT digest FROM agent_notice WHERE taken_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::audit;
    use crate::store::client::tests::event;
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_notice_is_taken_once_and_forgotten_later() {
        on_both(async |db| {
            let clock = MockClock::default();
            let now = clock.now();
            let event = || event(Kind::WorkstationAlert, &clock);
            assert!(take(&db, [1; 32], &event(), now).await.unwrap());
            assert!(!take(&db, [1; 32], &event(), now).await.unwrap());
            assert!(take(&db, [2; 32], &event(), now).await.unwrap());
            assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 2);
            assert_eq!(delete_old(&db, now, 10).await.unwrap(), 2);
        })
        .await;
    }
}
