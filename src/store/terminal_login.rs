//! Card requests that a command at a terminal asked for, each answered once.

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::WorkstationId;

/// A card request for a terminal.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct TerminalLogin {
    /// The member `txn` of the request.
    pub card_txn: String,
    /// The request as it was issued.
    pub card_request: String,
    /// The workstation that asked.
    pub workstation_id: WorkstationId,
    /// When it is no longer good.
    pub expires_at: Time,
    /// When it was answered.
    pub consumed_at: Option<Time>,
}

/// Keeps a request that is to be handed out.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, new: &TerminalLogin, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO terminal_login (card_txn, card_request, workstation_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(new.card_txn.clone())
        .bind(new.card_request.clone())
        .bind(new.workstation_id)
        .bind(now)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// The request of that `txn`, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_card_txn(db: &Db, card_txn: &str) -> Result<Option<TerminalLogin>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT card_txn, card_request, workstation_id, expires_at, consumed_at FROM terminal_login WHERE card_txn = $1",
    )
    .bind(card_txn.to_owned())
    .fetch_optional(&mut *c)
    .await?))
}

/// Consumes a request, and records `event` if and only if it did. Yields whether the request was still open: of two
/// answers only one can win.
///
/// # Errors
/// [`StoreError`].
pub async fn complete(db: &Db, card_txn: &str, event: &NewRow, now: Time) -> Result<bool, StoreError> {
    let card_txn = card_txn.to_owned();
    write!(db, c => {
        let consumed = sqlx::query(
            "UPDATE terminal_login SET consumed_at = $2
             WHERE card_txn = $1 AND consumed_at IS NULL AND expires_at > $2",
        )
        .bind(card_txn)
        .bind(now)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if consumed {
            record!(c, *event);
        }
        Ok(consumed)
    })
}

/// Deletes the requests that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM terminal_login
             WHERE card_txn IN (SELECT card_txn FROM terminal_login WHERE expires_at <= $1 LIMIT $2)",
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
    use std::sync::Arc;

    use chrono::TimeDelta;

    use super::*;
    use crate::audit::{Kind, Trail};
    use crate::clock::{Clock as _, MockClock};
    use crate::crypto::random::SystemRandom;
    use crate::ids::CountingRandom;
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_request_is_answered_once_and_in_time() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let trail = Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(SystemRandom));
            let event = || NewRow::from(&trail.event(Kind::SignIn));
            let now = clock.now();
            for txn in ["a", "b"] {
                let new = TerminalLogin {
                    card_txn: txn.into(),
                    card_request: "a.b.c".into(),
                    workstation_id: WorkstationId::new(now, &random),
                    expires_at: now + TimeDelta::minutes(2),
                    consumed_at: None,
                };
                begin(&db, &new, now).await.unwrap();
            }
            assert!(complete(&db, "a", &event(), now).await.unwrap());
            assert!(!complete(&db, "a", &event(), now).await.unwrap(), "once");
            assert_eq!(by_card_txn(&db, "a").await.unwrap().unwrap().consumed_at, Some(now));
            let late = now + TimeDelta::minutes(2);
            assert!(!complete(&db, "b", &event(), late).await.unwrap(), "too late");
            assert!(!complete(&db, "c", &event(), now).await.unwrap(), "never issued");
            let recorded = crate::store::audit::unsealed(&db, "main", 10).await.unwrap();
            assert_eq!(recorded.len(), 1, "what was not done is not recorded");
            assert_eq!(delete_expired(&db, late, 1).await.unwrap(), 1);
            assert_eq!(delete_expired(&db, late, 5).await.unwrap(), 1);
        })
        .await;
    }
}
