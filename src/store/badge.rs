//! Badge requests: from the click on the sign-in page until the browser that clicked takes what came of the tap.
//!
//! A request is for one workstation, is answered once, and its answer is used once, by the one sign-in that it was made
//! for. A request that takes its place withdraws it. Refused taps stay for as long as they count.

use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, SessionId, TransactionId, WorkstationId};
use crate::session::Evidence;

/// A badge request.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct BadgeRequest {
    /// The member `txn` of the request.
    pub txn: String,
    /// The request, byte for byte.
    pub request: String,
    /// The sign-in in whose page the click was.
    pub transaction_id: TransactionId,
    /// The workstation that it is for.
    pub workstation_id: WorkstationId,
    /// The session of the browser that is to be renewed.
    pub session_id: SessionId,
    /// Whose it is.
    pub person_id: PersonId,
    /// When that person last proved with card and PIN who they are.
    pub since: Time,
    /// Where it stands.
    pub state: State,
    /// Why the tap was refused, where it was: a stable code.
    pub error_code: Option<String>,
    /// What the tap proved, once it is answered.
    pub evidence: Option<Json<Evidence>>,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// Where a badge request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// It waits for a tap.
    Open,
    /// A card was tapped, and is good; the browser that clicked has not taken it yet.
    Answered,
    /// A session came of it.
    Done,
    /// The tap was refused.
    Refused,
    /// Another request has taken its place, or nobody tapped.
    Withdrawn,
}

macro_rules! columns {
    () => {
        "txn, request, transaction_id, workstation_id, session_id, person_id, since, state, error_code, evidence,
         expires_at"
    };
}

/// Consumes the answer of a tap for the sign-in `$transaction`, inside a `write!` body. Yields whether there was one.
macro_rules! consume_badge {
    ($c:expr, $txn:expr, $transaction:expr, $now:expr) => {{
        sqlx::query(
            "UPDATE badge_request SET state = 'done'
             WHERE txn = $1 AND transaction_id = $2 AND state = 'answered' AND expires_at > $3",
        )
        .bind($txn)
        .bind($transaction)
        .bind($now)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use consume_badge;

/// Opens a locked session again for a tap, inside a `write!` body: its `sid` and what was granted in it stay; its level is
/// that of the tap from now on, when its person typed a PIN stays, and nobody watches the card. Yields whether it could.
///
/// Only for the person whose it is, in the browser whose cookie it had until now, by a tap that names the same PIN.
macro_rules! renew_session {
    ($c:expr, $new:expr, $cookie_before:expr, $now:expr) => {{
        let new: &$crate::store::session::NewSession = $new;
        let cookie_before: &[u8; 32] = $cookie_before;
        let proof = &new.authentication;
        sqlx::query(
            "UPDATE session SET cookie_hash = $3, acr = $4, amr = $5, evidence = $6, last_seen_at = $7, expires_at = $8,
               workstation_id = NULL, card = NULL, leased_until = NULL, watched_by = NULL, locked_at = NULL,
               second_means_id = NULL
             WHERE id = $1 AND person_id = $2 AND ended_at IS NULL AND expires_at > $7 AND cookie_hash = $9
               AND auth_time = $10",
        )
        .bind(new.id)
        .bind(proof.person)
        .bind(new.cookie_hash.to_vec())
        .bind(proof.acr)
        .bind(sqlx::types::Json(proof.amr.clone()))
        .bind(sqlx::types::Json(proof.evidence.clone()))
        .bind($now)
        .bind(new.expires_at)
        .bind(cookie_before.to_vec())
        .bind(proof.at)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use renew_session;

/// What counts against another tap for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Why the session ended, if it did.
    pub end_reason: Option<String>,
    /// How many taps were refused since its person last typed a PIN.
    pub refused: i64,
}

/// What there was before.
///
/// # Errors
/// [`StoreError`].
pub async fn earlier(
    db: &Db,
    session: SessionId,
    person: PersonId,
    since: Time,
) -> Result<Earlier, StoreError> {
    read!(db, c => {
        let end_reason: Option<Option<String>> =
            sqlx::query_scalar("SELECT end_reason FROM session WHERE id = $1")
                .bind(session)
                .fetch_optional(&mut *c)
                .await?;
        let refused: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM badge_request WHERE person_id = $1 AND since = $2 AND state = 'refused'",
        )
        .bind(person)
        .bind(since)
        .fetch_one(&mut *c)
        .await?;
        Ok(Earlier { end_reason: end_reason.flatten(), refused })
    })
}

/// Keeps a request that is to be sent, and records `event`. What waits for a tap at the same workstation, or for the same
/// sign-in, is withdrawn.
///
/// # Errors
/// [`StoreError`].
pub async fn ask(db: &Db, new: &BadgeRequest, event: &NewRow, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "UPDATE badge_request SET state = 'withdrawn'
             WHERE (workstation_id = $1 AND state = 'open')
                OR (transaction_id = $2 AND state IN ('open', 'answered'))",
        )
        .bind(new.workstation_id)
        .bind(new.transaction_id)
        .execute(&mut *c)
        .await?;
        sqlx::query(
            "INSERT INTO badge_request (txn, request, transaction_id, workstation_id, session_id, person_id, since,
               state, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9)",
        )
        .bind(new.txn.clone())
        .bind(new.request.clone())
        .bind(new.transaction_id)
        .bind(new.workstation_id)
        .bind(new.session_id)
        .bind(new.person_id)
        .bind(new.since)
        .bind(now)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(())
    })
}

/// The request that waits for a tap at a workstation, if there is one.
///
/// # Errors
/// [`StoreError`].
pub async fn open_at(
    db: &Db,
    workstation: WorkstationId,
    now: Time,
) -> Result<Option<BadgeRequest>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM badge_request WHERE workstation_id = $1 AND state = 'open' AND expires_at > $2"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(workstation).bind(now).fetch_optional(&mut *c).await?))
}

/// The request of that `txn`, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_txn(db: &Db, txn: &str) -> Result<Option<BadgeRequest>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM badge_request WHERE txn = $1");
    let txn = txn.to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(txn).fetch_optional(&mut *c).await?))
}

/// The request that was made last for a sign-in.
///
/// # Errors
/// [`StoreError`].
pub async fn last_of(db: &Db, transaction: TransactionId) -> Result<Option<BadgeRequest>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM badge_request WHERE transaction_id = $1 ORDER BY created_at DESC, (state = 'withdrawn') LIMIT 1"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(transaction).fetch_optional(&mut *c).await?))
}

/// Keeps what a tap proved, once. Yields whether the request still waited for one.
///
/// # Errors
/// [`StoreError`].
pub async fn answer(db: &Db, txn: &str, evidence: &Evidence, now: Time) -> Result<bool, StoreError> {
    let (txn, evidence) = (txn.to_owned(), Json(evidence.clone()));
    write!(db, c => {
        let answered = sqlx::query(
            "UPDATE badge_request SET state = 'answered', evidence = $2
             WHERE txn = $1 AND state = 'open' AND expires_at > $3",
        )
        .bind(txn)
        .bind(evidence)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(answered.rows_affected() == 1)
    })
}

/// Refuses the tap of a request that waited for one, and records `event` in any case. Yields whether it counts.
///
/// # Errors
/// [`StoreError`].
pub async fn refuse(db: &Db, txn: &str, code: &'static str, event: &NewRow) -> Result<bool, StoreError> {
    let txn = txn.to_owned();
    write!(db, c => {
        let refused = sqlx::query(
            "UPDATE badge_request SET state = 'refused', error_code = $2 WHERE txn = $1 AND state = 'open'",
        )
        .bind(txn)
        .bind(code)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(refused.rows_affected() == 1)
    })
}

/// Deletes the requests that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM badge_request WHERE txn IN (SELECT txn FROM badge_request WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::CountingRandom;
    use crate::store::client::tests::event;
    use crate::store::testing::on_both;
    use crate::store::{audit, write};
    use chrono::TimeDelta;

    /// What an administrator does who enrols a computer in another zone under the same name, as far as it matters here.
    pub(crate) async fn move_to_zone(db: &Db, workstation: WorkstationId, zone: &str) {
        async fn moved(db: &Db, id: WorkstationId, zone: String) -> Result<(), StoreError> {
            write!(db, c => {
                sqlx::query("UPDATE workstation SET zone = $2 WHERE id = $1").bind(id).bind(zone).execute(&mut *c).await?;
                Ok(())
            })
        }
        moved(db, workstation, zone.to_owned()).await.unwrap();
    }

    fn request(txn: &str, now: Time, random: &CountingRandom) -> BadgeRequest {
        BadgeRequest {
            txn: txn.into(),
            request: format!("request {txn}"),
            transaction_id: TransactionId::new(now, random),
            workstation_id: WorkstationId::new(now, random),
            session_id: SessionId::new(now, random),
            person_id: PersonId::new(now, random),
            since: now,
            state: State::Open,
            error_code: None,
            evidence: None,
            expires_at: now + TimeDelta::seconds(60),
        }
    }

    fn evidence() -> Evidence {
        Evidence::Card {
            card_number: "1".into(),
            certificate_sha256: String::new(),
            serial: String::new(),
            issuer: None,
            workstation: WorkstationId(uuid::Uuid::nil()),
            pin: "window".into(),
            interface: "contact".into(),
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_once_and_used_once_by_its_own_sign_in() {
        async fn consumed(db: &Db, txn: &str, id: TransactionId, now: Time) -> Result<bool, StoreError> {
            let txn = txn.to_owned();
            write!(db, c => { Ok(consume_badge!(c, txn, id, now)) })
        }
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let recorded = event(Kind::CardRequest, &clock);
            let new = request("a", now, &random);
            ask(&db, &new, &recorded, now).await.unwrap();
            assert_eq!(open_at(&db, new.workstation_id, now).await.unwrap().unwrap().txn, "a");
            assert!(open_at(&db, new.workstation_id, new.expires_at).await.unwrap().is_none());
            let id = new.transaction_id;
            assert!(!consumed(&db, "a", id, now).await.unwrap(), "nobody has tapped");
            assert!(!answer(&db, "a", &evidence(), new.expires_at).await.unwrap());
            assert!(answer(&db, "a", &evidence(), now).await.unwrap());
            assert!(!answer(&db, "a", &evidence(), now).await.unwrap());
            assert!(!refuse(&db, "a", "CARD-057", &event(Kind::SignIn, &clock)).await.unwrap());
            let other = TransactionId::new(now, &random);
            assert!(!consumed(&db, "a", other, now).await.unwrap());
            assert!(!consumed(&db, "a", id, new.expires_at).await.unwrap());
            assert!(consumed(&db, "a", id, now).await.unwrap());
            assert!(!consumed(&db, "a", id, now).await.unwrap());
            let kept = by_txn(&db, "a").await.unwrap().unwrap();
            assert_eq!((kept.state, kept.evidence.unwrap().0), (State::Done, evidence()));
            assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn a_later_request_takes_the_place_of_one_at_the_same_workstation_or_for_the_same_sign_in() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let first = request("a", now, &random);
            let there = BadgeRequest { workstation_id: first.workstation_id, ..request("b", now, &random) };
            let again = BadgeRequest { transaction_id: there.transaction_id, ..request("c", now, &random) };
            for new in [&first, &there] {
                ask(&db, new, &event(Kind::CardRequest, &clock), now).await.unwrap();
            }
            assert_eq!(by_txn(&db, "a").await.unwrap().unwrap().state, State::Withdrawn);
            assert!(answer(&db, "b", &evidence(), now).await.unwrap());
            ask(&db, &again, &event(Kind::CardRequest, &clock), now).await.unwrap();
            assert_eq!(by_txn(&db, "b").await.unwrap().unwrap().state, State::Withdrawn);
            assert_eq!(last_of(&db, there.transaction_id).await.unwrap().unwrap().txn, "c");

            let before = earlier(&db, first.session_id, again.person_id, now).await.unwrap();
            assert_eq!(before, Earlier { end_reason: None, refused: 0 });
            assert!(refuse(&db, "c", "CARD-057", &event(Kind::SignIn, &clock)).await.unwrap());
            assert_eq!(earlier(&db, first.session_id, again.person_id, now).await.unwrap().refused, 1);
            let later = now + TimeDelta::hours(1);
            assert_eq!(earlier(&db, first.session_id, again.person_id, later).await.unwrap().refused, 0);
            assert_eq!(delete_expired(&db, now, 10).await.unwrap(), 0);
            assert_eq!(delete_expired(&db, first.expires_at, 2).await.unwrap(), 2);
            assert_eq!(delete_expired(&db, first.expires_at, 10).await.unwrap(), 1);
        })
        .await;
    }
}
