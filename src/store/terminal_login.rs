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

/// Requests of one workstation that may be open at a time.
pub const MOST_OPEN: i64 = 8;

/// What became of a request that is to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is kept.
    Done,
    /// The workstation has [`MOST_OPEN`] already.
    TooMany,
    /// A request was bound to that secret before.
    UsedBefore,
}

/// Keeps a request that is to be handed out, bound to the secret with this hash.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(
    db: &Db,
    new: &TerminalLogin,
    confirmation: [u8; 32],
    now: Time,
) -> Result<Begun, StoreError> {
    write!(db, c => {
        // Whoever counts at the same time waits here.
        sqlx::query("UPDATE workstation SET kid = kid WHERE id = $1")
            .bind(new.workstation_id)
            .execute(&mut *c)
            .await?;
        let open: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM terminal_login
             WHERE workstation_id = $1 AND consumed_at IS NULL AND expires_at > $2",
        )
        .bind(new.workstation_id)
        .bind(now)
        .fetch_one(&mut *c)
        .await?;
        if open >= MOST_OPEN {
            return Ok(Begun::TooMany);
        }
        let kept = sqlx::query(
            "INSERT INTO terminal_login (card_txn, card_request, workstation_id, created_at, expires_at, confirmation)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (confirmation) DO NOTHING",
        )
        .bind(new.card_txn.clone())
        .bind(new.card_request.clone())
        .bind(new.workstation_id)
        .bind(now)
        .bind(new.expires_at)
        .bind(confirmation.to_vec())
        .execute(&mut *c)
        .await?;
        Ok(if kept.rows_affected() == 1 { Begun::Done } else { Begun::UsedBefore })
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
            for (number, txn) in (1..).zip(["a", "b"]) {
                let new = TerminalLogin {
                    card_txn: txn.into(),
                    card_request: "a.b.c".into(),
                    workstation_id: WorkstationId::new(now, &random),
                    expires_at: now + TimeDelta::minutes(2),
                    consumed_at: None,
                };
                assert_eq!(begin(&db, &new, [number; 32], now).await.unwrap(), Begun::Done);
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

    #[tokio::test]
    async fn a_workstation_has_so_many_open_and_a_secret_one_request() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let workstation = crate::store::workstation::tests::enrolled(&db, &clock, &random).await;
            let other = crate::store::workstation::tests::enrolled(&db, &clock, &random).await;
            let ask = async |workstation_id, number: u8| {
                let now = clock.now();
                let expires_at = now + TimeDelta::minutes(2);
                let card_txn = format!("{workstation_id} {number} {now}");
                let card_request = String::new();
                let new =
                    TerminalLogin { card_txn, card_request, workstation_id, expires_at, consumed_at: None };
                begin(&db, &new, [number; 32], now).await.unwrap()
            };
            // All at once: as many as may be open are.
            let asked = (0..20).map(|number| ask(workstation, number));
            let begun = futures_util::future::join_all(asked).await;
            assert_eq!(begun.iter().filter(|begun| **begun == Begun::Done).count(), 8);
            assert!(begun.iter().all(|begun| matches!(begun, Begun::Done | Begun::TooMany)), "{begun:?}");
            assert_eq!(ask(other, 99).await, Begun::Done, "another workstation's are its own");
            assert_eq!(ask(other, 99).await, Begun::UsedBefore);
            clock.advance(TimeDelta::minutes(2));
            assert_eq!(ask(workstation, 100).await, Begun::Done, "those of before have expired");
        })
        .await;
    }
}
