//! Certificates that an OCSP responder has called revoked, so that a restart forgets none and every node knows them.

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::crypto::x509::ocsp::{KeptAnswer, Status};

/// How a status is written; nobody keeps that a certificate is unknown.
const REVOKED: &str = "revoked";
const ON_HOLD: &str = "on-hold";
const GOOD: &str = "good";

/// Keeps an answer, unless what is there already counts more: a revocation is final, and otherwise the later answer
/// counts. `event` is recorded where the standing of the certificate changes. Yields whether it did.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(db: &Db, answer: &KeptAnswer, event: &NewRow, now: Time) -> Result<bool, StoreError> {
    let status = match answer.status {
        Status::Revoked { on_hold: false } => REVOKED,
        Status::Revoked { on_hold: true } => ON_HOLD,
        Status::Good => GOOD,
        Status::Unknown => return Ok(false),
    };
    write!(db, c => {
        let former: Option<String> =
            sqlx::query_scalar("SELECT status FROM revoked_certificate WHERE issuer = $1 AND serial = $2")
                .bind(answer.issuer.to_vec())
                .bind(answer.serial.clone())
                .fetch_optional(&mut *c)
                .await?;
        let kept = sqlx::query(
            "INSERT INTO revoked_certificate (issuer, serial, status, this_update, noted_at, not_after)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (issuer, serial) DO UPDATE
             SET status = excluded.status, this_update = excluded.this_update
             WHERE revoked_certificate.status <> $7
               AND (excluded.status = $7 OR excluded.this_update > revoked_certificate.this_update)",
        )
        .bind(answer.issuer.to_vec())
        .bind(answer.serial.clone())
        .bind(status)
        .bind(answer.this_update)
        .bind(now)
        .bind(answer.not_after)
        .bind(REVOKED)
        .execute(&mut *c)
        .await?;
        let changed = kept.rows_affected() == 1 && former.as_deref() != Some(status);
        if changed {
            record!(c, *event);
        }
        Ok(changed)
    })
}

#[derive(sqlx::FromRow)]
struct Row {
    issuer: Vec<u8>,
    serial: Vec<u8>,
    status: String,
    this_update: Time,
    not_after: Time,
}

impl Row {
    fn read(self) -> Option<KeptAnswer> {
        let status = match self.status.as_str() {
            GOOD => Status::Good,
            ON_HOLD => Status::Revoked { on_hold: true },
            _ => Status::Revoked { on_hold: false },
        };
        let Self { serial, this_update, not_after, .. } = self;
        Some(KeptAnswer { issuer: self.issuer.try_into().ok()?, serial, status, this_update, not_after })
    }
}

/// All that is kept.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &Db) -> Result<Vec<KeptAnswer>, StoreError> {
    let rows: Vec<Row> = read!(db, c => sqlx::query_as(
        "SELECT issuer, serial, status, this_update, not_after FROM revoked_certificate ORDER BY issuer, serial",
    )
    .fetch_all(&mut *c)
    .await?);
    Ok(rows.into_iter().filter_map(Row::read).collect())
}

/// Forgets the certificates that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM revoked_certificate WHERE (issuer, serial) IN
               (SELECT issuer, serial FROM revoked_certificate WHERE not_after <= $1 LIMIT $2)",
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
    use chrono::TimeDelta;

    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::audit;
    use crate::store::client::tests::event;
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_revocation_stays_a_hold_is_lifted_and_both_go_with_the_certificate() {
        on_both(async |db| {
            let clock = MockClock::default();
            let now = clock.now();
            let event = || event(Kind::CardRevoked, &clock);
            let answer = |serial: u8, status, minute| KeptAnswer {
                issuer: [7; 32],
                serial: vec![0, serial],
                status,
                this_update: now + TimeDelta::minutes(minute),
                not_after: now + TimeDelta::days(i64::from(serial)),
            };
            let (revoked, held) = (Status::Revoked { on_hold: false }, Status::Revoked { on_hold: true });
            for (answer, is_news) in [
                (answer(1, held, 5), true),
                (answer(1, held, 6), false),
                (answer(1, Status::Good, 4), false),
                (answer(1, Status::Good, 7), true),
                (answer(1, held, 6), false),
                (answer(1, Status::Unknown, 8), false),
                (answer(2, revoked, 5), true),
                (answer(2, revoked, 6), false),
                (answer(2, held, 6), false),
                (answer(2, Status::Good, 6), false),
                (answer(3, held, 5), true),
                (answer(3, revoked, 4), true),
            ] {
                assert_eq!(keep(&db, &answer, &event(), now).await.unwrap(), is_news, "{answer:?}");
            }
            let kept = [answer(1, Status::Good, 7), answer(2, revoked, 5), answer(3, revoked, 4)];
            assert_eq!(all(&db).await.unwrap(), kept);
            assert_eq!(
                audit::unsealed(&db, "main", 20).await.unwrap().len(),
                5,
                "each change, and nothing else"
            );
            assert_eq!(delete_expired(&db, now + TimeDelta::days(2), 1).await.unwrap(), 1);
            assert_eq!(delete_expired(&db, now + TimeDelta::days(2), 5).await.unwrap(), 1);
            assert_eq!(all(&db).await.unwrap(), [answer(3, revoked, 4)]);
        })
        .await;
    }
}
