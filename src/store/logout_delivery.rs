//! Back-channel logouts that are due. The rows are written with the end of the session (`store::session`); here they
//! are taken, and marked as delivered, put off or given up; and counted for whoever looks after the installation.

use chrono::TimeDelta;
use uuid::Uuid;

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, SessionId};

/// One relying party to tell that one session ended.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LogoutDelivery {
    /// Its key; also the `jti` of the logout token, so that a relying party recognises a repetition.
    pub id: Uuid,
    /// The relying party.
    pub client_id: String,
    /// The session that ended.
    pub session_id: SessionId,
    /// Whose it was.
    pub person_id: PersonId,
    /// Where to tell it.
    pub uri: String,
    /// When the session ended.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// Takes at most `limit` deliveries that are due, and puts each off by `lease`, so that no other node takes it
/// meanwhile.
///
/// # Errors
/// [`StoreError`].
pub async fn take_due(
    db: &Db,
    limit: i64,
    lease: TimeDelta,
    now: Time,
) -> Result<Vec<LogoutDelivery>, StoreError> {
    // One statement, and on PostgreSQL two nodes may choose the same rows: the second finds them put off and
    // updates none, because the condition is judged again after the wait.
    write!(db, c => {
        Ok(sqlx::query_as(
            "UPDATE logout_delivery SET next_attempt_at = $2, attempts = attempts + 1
             WHERE next_attempt_at <= $1 AND id IN
               (SELECT id FROM logout_delivery WHERE next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $3)
             RETURNING id, client_id, session_id, person_id, uri, created_at, attempts, last_error",
        )
        .bind(now)
        .bind(now + lease)
        .bind(limit)
        .fetch_all(&mut *c)
        .await?)
    })
}

/// Takes the deliveries of one session that are due, like [`take_due`].
///
/// # Errors
/// [`StoreError`].
pub async fn take_due_of(
    db: &Db,
    session: SessionId,
    lease: TimeDelta,
    now: Time,
) -> Result<Vec<LogoutDelivery>, StoreError> {
    write!(db, c => {
        Ok(sqlx::query_as(
            "UPDATE logout_delivery SET next_attempt_at = $2, attempts = attempts + 1
             WHERE next_attempt_at <= $1 AND session_id = $3
             RETURNING id, client_id, session_id, person_id, uri, created_at, attempts, last_error",
        )
        .bind(now)
        .bind(now + lease)
        .bind(session)
        .fetch_all(&mut *c)
        .await?)
    })
}

/// Notes that the relying party was told; `event` is recorded with it.
///
/// # Errors
/// [`StoreError`].
pub async fn delivered(db: &Db, id: Uuid, now: Time, event: &NewRow) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "UPDATE logout_delivery SET delivered_at = $2, next_attempt_at = NULL, last_error = NULL WHERE id = $1",
        )
        .bind(id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(())
    })
}

/// Notes what went wrong, and that it is tried again at `next`.
///
/// # Errors
/// [`StoreError`].
pub async fn put_off(db: &Db, id: Uuid, error: &str, next: Time) -> Result<(), StoreError> {
    let error = error.to_owned();
    write!(db, c => {
        sqlx::query("UPDATE logout_delivery SET last_error = $2, next_attempt_at = $3 WHERE id = $1")
            .bind(id)
            .bind(error)
            .bind(next)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}

/// Notes what went wrong the last time: it is never tried again. `event` is recorded with it.
///
/// # Errors
/// [`StoreError`].
pub async fn given_up(db: &Db, id: Uuid, error: &str, event: &NewRow) -> Result<(), StoreError> {
    let error = error.to_owned();
    write!(db, c => {
        sqlx::query("UPDATE logout_delivery SET last_error = $2, next_attempt_at = NULL WHERE id = $1")
            .bind(id)
            .bind(error)
            .execute(&mut *c)
            .await?;
        record!(c, *event);
        Ok(())
    })
}

/// What became of the deliveries to one relying party that ended in one way, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Reported {
    /// The relying party.
    pub client_id: String,
    /// How they stand.
    pub standing: DeliveryStanding,
    /// What went wrong last; empty where nothing did.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// When the last of their sessions ended.
    pub last: Time,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "TEXT", rename_all = "kebab-case")]
pub enum DeliveryStanding {
    /// The relying party was told.
    Delivered,
    /// It is to be told, for the first time or again.
    Waiting,
    /// It could not be told, and is not tried again.
    GivenUp,
}

impl DeliveryStanding {
    /// The name, as in the database, on the command line and in figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::GivenUp => "given-up",
        }
    }
}

/// What became of the logouts that are still kept: per relying party, standing and reason; of one relying party, or of all.
///
/// # Errors
/// [`StoreError`].
pub async fn report(db: &Db, client_id: Option<&str>) -> Result<Vec<Reported>, StoreError> {
    const SQL: &str = "SELECT client_id,
           CASE WHEN delivered_at IS NOT NULL THEN 'delivered'
             WHEN next_attempt_at IS NOT NULL THEN 'waiting' ELSE 'given-up' END AS standing,
           COALESCE(last_error, '') AS reason, COUNT(*) AS count, MAX(created_at) AS last
         FROM logout_delivery WHERE $1 = '' OR client_id = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
    let client_id = client_id.unwrap_or_default().to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(client_id).fetch_all(&mut *c).await?))
}

/// The names of the relying parties that were not told of the end of a session, each with what went wrong last; with
/// nothing while the first attempt is still to come, or on its way.
///
/// # Errors
/// [`StoreError`].
pub async fn untold(db: &Db, session: SessionId) -> Result<Vec<(String, Option<String>)>, StoreError> {
    const SQL: &str = "SELECT c.name, d.last_error FROM logout_delivery d JOIN client c ON c.id = d.client_id
         WHERE d.session_id = $1 AND d.delivered_at IS NULL";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(session).fetch_all(&mut *c).await?))
}

/// How many deliveries wait, and how many were given up.
///
/// # Errors
/// [`StoreError`].
pub async fn undelivered(db: &Db) -> Result<(i64, i64), StoreError> {
    const SQL: &str = "SELECT COUNT(next_attempt_at), COUNT(*) - COUNT(next_attempt_at)
         FROM logout_delivery WHERE delivered_at IS NULL";
    read!(db, c => Ok(sqlx::query_as(SQL).fetch_one(&mut *c).await?))
}

/// Deletes the deliveries of sessions that ended before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM logout_delivery WHERE id IN
               (SELECT id FROM logout_delivery WHERE created_at <= $1 AND next_attempt_at IS NULL LIMIT $2)",
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
    use crate::clock::{Clock, MockClock};
    use crate::ids::{CountingRandom, GrantId};
    use crate::session::EndReason;
    use crate::store::client::{
        self,
        tests::{event, new_client},
    };
    use crate::store::grant::{self, NewGrant};
    use crate::store::session;
    use crate::store::session::tests::{card_session, somebody};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_delivery_is_taken_by_one_put_off_and_given_up() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            let new = card_session(person, 1, clock.now(), &random);
            session::begin(&db, &new, clock.now()).await.unwrap();
            let event = || event(Kind::ClientAdded, &clock);
            client::add(&db, &new_client("rp"), clock.now(), &event()).await.unwrap();
            let grant = NewGrant {
                id: GrantId::new(clock.now(), &random),
                session_id: new.id,
                person_id: person,
                client_id: "rp".into(),
                scope: "openid".into(),
                nonce: String::new(),
                code_hash: [1; 32],
                redirect_uri: "https://rp.example/cb".into(),
                code_challenge: None,
                code_expires_at: clock.now(),
                transaction: None,
                details: grant::Details::default(),
                consent: None,
            };
            assert!(grant::issue(&db, &grant, clock.now(), &event()).await.unwrap());
            session::end(&db, new.id, EndReason::SignedOut, &event(), clock.now(), &random).await.unwrap();

            let lease = TimeDelta::seconds(30);
            let not_told = async || untold(&db, new.id).await.unwrap();
            assert_eq!(not_told().await, [("Service rp".into(), None)]);
            let taken = take_due(&db, 10, lease, clock.now()).await.unwrap();
            assert_eq!(taken.len(), 1);
            assert_eq!((taken[0].uri.as_str(), taken[0].attempts), ("https://rp.example/logout", 1));
            assert!(take_due(&db, 10, lease, clock.now()).await.unwrap().is_empty(), "taken");
            clock.advance(lease);
            let again = take_due(&db, 10, lease, clock.now()).await.unwrap();
            assert_eq!(again[0].attempts, 2, "its taker died");
            let reported = async || {
                let mut all = report(&db, None).await.unwrap();
                assert_eq!(all, report(&db, Some("rp")).await.unwrap());
                assert!(report(&db, Some("other")).await.unwrap().is_empty());
                all.remove(0)
            };
            put_off(&db, again[0].id, "502", clock.now() + lease).await.unwrap();
            assert_eq!(not_told().await, [("Service rp".into(), Some("502".into()))]);
            assert_eq!(
                (reported().await.standing, undelivered(&db).await.unwrap()),
                (DeliveryStanding::Waiting, (1, 0))
            );
            assert!(take_due_of(&db, new.id, lease, clock.now()).await.unwrap().is_empty(), "not yet");
            clock.advance(lease);
            let other = SessionId::new(clock.now(), &random);
            assert!(
                take_due_of(&db, other, lease, clock.now()).await.unwrap().is_empty(),
                "of another session"
            );
            assert_eq!(take_due_of(&db, new.id, lease, clock.now()).await.unwrap()[0].attempts, 3);
            given_up(&db, again[0].id, "503", &event()).await.unwrap();
            clock.advance(TimeDelta::days(1));
            assert!(take_due(&db, 10, lease, clock.now()).await.unwrap().is_empty(), "given up");
            assert_eq!(undelivered(&db).await.unwrap(), (0, 1));
            let found = reported().await;
            assert_eq!((found.client_id.as_str(), found.standing), ("rp", DeliveryStanding::GivenUp));
            assert_eq!((found.reason.as_str(), found.count, found.last), ("503", 1, again[0].created_at));
            delivered(&db, again[0].id, clock.now(), &event()).await.unwrap();
            assert_eq!((undelivered(&db).await.unwrap(), not_told().await), ((0, 0), vec![]));
            assert_eq!(reported().await.standing, DeliveryStanding::Delivered);
            assert_eq!(delete_old(&db, clock.now(), 10).await.unwrap(), 1);
        })
        .await;
    }
}
