//! What programs without a browser ask of people (CIBA): the side of the program. The question itself, and its answer, are a
//! row of `approval`, like those of a browser.
//!
//! The `auth_req_id` is kept as a hash. One command asks, one looks, one redeems; of two redemptions only one wins. What a
//! client wants to be told (ping) is due once there is an answer, or none can come any more.

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::types::Json;

use super::approval::{Approval, State, insert_approval, use_approval};
use super::audit::{NewRow, record};
use super::grant::{Grant, NewTokens, insert_grant, insert_tokens};
use super::means::{is_halted_card, note_card};
use super::notice::Place;
use super::session::{NewSession, begin_session};
use super::{Db, Promise, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ApprovalId, PersonId, Random};
use crate::session::Authentication;
use crate::session::asking::Channel;

/// By how many seconds the interval of a client grows that looks too often (CIBA Core §11: five at least).
pub const SLOW_DOWN: i64 = 5;

/// A question to keep, with what its client gets for it.
#[derive(Clone)]
pub struct NewRequest {
    /// The question; for nobody where the person may not be asked, or there is none: it looks the same and expires.
    pub approval: Approval,
    /// SHA-256 of the `auth_req_id`.
    pub auth_req_hash: [u8; 32],
    /// What is asked for, in the shape of `oidc::ciba`.
    pub request: Value,
    /// The zone of the network that it is asked from.
    pub zone: String,
    /// How many seconds the client has to leave between two looks.
    pub interval: i64,
    /// What is told once there is an answer, sealed; none where the client looks by itself.
    pub notification: Option<Vec<u8>>,
}

/// A question, as its client sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Asked {
    /// The question.
    pub approval_id: ApprovalId,
    /// Where it was asked.
    pub channel: Channel,
    /// How it stands.
    pub state: State,
    /// What the answer proved, where it was approved.
    #[sqlx(json(nullable))]
    pub authentication: Option<Authentication>,
    /// When it is no longer good.
    pub expires_at: Time,
    /// What is asked for.
    #[sqlx(json)]
    pub request: Value,
    /// The zone of the network that it was asked from.
    pub zone: String,
    /// How many seconds the client has to leave between two looks.
    #[sqlx(rename = "poll_interval")]
    pub interval: i64,
    /// When it looked last.
    pub polled_at: Option<Time>,
}

impl Asked {
    /// Whether an answer can still come.
    #[must_use]
    pub fn is_waiting(&self, now: Time) -> bool {
        self.state == State::Waiting && self.expires_at > now
    }
}

const BY_HASH: &str = "SELECT r.approval_id, a.channel, a.state, a.authentication, a.expires_at, r.request, r.zone,
       r.poll_interval, r.polled_at
     FROM ciba_request r JOIN approval a ON a.id = r.approval_id WHERE r.auth_req_hash = $1 AND r.client_id = $2";

/// Asks, and records `event`. A person who has too many questions waiting already is not asked: theirs becomes one for nobody.
/// Yields whether somebody is asked, which is nothing to tell the client.
///
/// # Errors
/// [`StoreError`].
pub async fn ask(db: &Db, new: &NewRequest, event: &NewRow) -> Result<bool, StoreError> {
    let approval = &new.approval;
    write!(db, c => {
        let is_asked = insert_approval!(c, approval);
        sqlx::query(
            "INSERT INTO ciba_request (approval_id, auth_req_hash, client_id, request, zone, poll_interval, notification,
               attempts, next_attempt_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)",
        )
        .bind(approval.id)
        .bind(new.auth_req_hash.to_vec())
        .bind(approval.client_id.clone())
        .bind(Json(new.request.clone()))
        .bind(new.zone.clone())
        .bind(new.interval)
        .bind(new.notification.clone())
        .bind(new.notification.as_ref().map(|_| approval.created_at))
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(is_asked && approval.person_id.is_some())
    })
}

/// A look of a client.
#[derive(Debug, Clone)]
pub struct Poll {
    /// What it sees.
    pub asked: Asked,
    /// It looked sooner than its interval allows; the interval has grown.
    pub too_soon: bool,
}

/// The question of that hash, if it is the client's; while it waits, that the client looked is noted.
///
/// # Errors
/// [`StoreError`].
pub async fn poll(
    db: &Db,
    auth_req_hash: [u8; 32],
    client_id: &str,
    now: Time,
) -> Result<Option<Poll>, StoreError> {
    let client_id = client_id.to_owned();
    // Lost in a crash, a look counts as none: nothing is given for it.
    write!(db, c => {
        // Of two looks at once the second waits here, and sees the first.
        sqlx::query("UPDATE ciba_request SET polled_at = polled_at WHERE auth_req_hash = $1 AND client_id = $2")
            .bind(auth_req_hash.to_vec())
            .bind(client_id.clone())
            .execute(&mut *c)
            .await?;
        let found: Option<Asked> = sqlx::query_as(BY_HASH)
            .bind(auth_req_hash.to_vec())
            .bind(client_id)
            .fetch_optional(&mut *c)
            .await?;
        let Some(asked) = found else { return Ok(None) };
        if !asked.is_waiting(now) {
            return Ok(Some(Poll { asked, too_soon: false }));
        }
        // A clock that was set back makes nobody wait.
        let since = asked.polled_at.map(|at| now - at).filter(|since| *since >= TimeDelta::zero());
        let too_soon = since.is_some_and(|since| since < TimeDelta::seconds(asked.interval));
        sqlx::query("UPDATE ciba_request SET polled_at = $2, poll_interval = $3 WHERE approval_id = $1")
            .bind(asked.approval_id)
            .bind(now)
            .bind(if too_soon { asked.interval + SLOW_DOWN } else { asked.interval })
            .execute(&mut *c)
            .await?;
        Ok(Some(Poll { asked, too_soon }))
    }, Promise::Order)
}

/// The question of that hash, if it is the client's; nothing is noted.
///
/// # Errors
/// [`StoreError`].
pub async fn by_hash(db: &Db, auth_req_hash: [u8; 32], client_id: &str) -> Result<Option<Asked>, StoreError> {
    let client_id = client_id.to_owned();
    read!(db, c => {
        Ok(sqlx::query_as(BY_HASH).bind(auth_req_hash.to_vec()).bind(client_id).fetch_optional(&mut *c).await?)
    })
}

/// An approved question to redeem.
#[derive(Clone)]
pub struct Redemption {
    /// The question.
    pub approval_id: ApprovalId,
    /// The session that begins: of no browser, so that nobody has its cookie.
    pub session: NewSession,
    /// What is granted in it.
    pub grant: Grant,
    /// What the client gets.
    pub tokens: NewTokens,
}

/// Redeems an approved question, once: uses the answer, begins the session, keeps grant and tokens, and records the events.
/// Yields false, and begins nothing, where it was used, taken back or expired, or where its person, its client or the means
/// that approved it is disabled, suspended or revoked.
///
/// # Errors
/// [`StoreError`].
pub async fn redeem(
    db: &Db,
    redemption: &Redemption,
    events: &[NewRow],
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let Redemption { approval_id, session, grant, tokens } = redemption;
    let proof = &session.authentication;
    write!(db, c => {
        // Each row that decides is held: whoever disables or revokes at this moment was first, or finds the session.
        let person = sqlx::query("UPDATE person SET id = id WHERE id = $1 AND disabled_at IS NULL")
            .bind(proof.person)
            .execute(&mut *c)
            .await?;
        let client = sqlx::query("UPDATE client SET id = id WHERE id = $1 AND disabled_at IS NULL")
            .bind(grant.client_id.clone())
            .execute(&mut *c)
            .await?;
        if person.rows_affected() != 1 || client.rows_affected() != 1 || is_halted_card!(c, proof) {
            return Ok(false);
        }
        if !use_approval!(c, *approval_id, None, proof, now) {
            return Ok(false);
        }
        begin_session!(c, session, now);
        note_card!(c, session.id, proof, Place::default(), now, random);
        if !insert_grant!(c, grant, now) {
            // Nothing of this command is kept.
            return Err(StoreError::Inconsistent {
                table: "authorization_grant",
                id: grant.id.to_string(),
                what: "a session that has just begun takes no grant",
            });
        }
        insert_tokens!(c, grant.id, tokens, now);
        sqlx::query("UPDATE ciba_request SET next_attempt_at = NULL WHERE approval_id = $1")
            .bind(*approval_id)
            .execute(&mut *c)
            .await?;
        for event in events {
            record!(c, *event);
        }
        Ok(true)
    })
}

/// A client to tell that it need not wait any longer.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Ping {
    /// The question.
    pub approval_id: ApprovalId,
    /// The client.
    pub client_id: String,
    /// Who was asked, where somebody was.
    pub person_id: Option<PersonId>,
    /// What is told, sealed.
    pub notification: Vec<u8>,
    /// How often it was tried.
    pub attempts: i64,
}

/// Takes at most `limit` clients that are to be told now, and puts each off by `lease`, so that no other node takes it
/// meanwhile.
///
/// # Errors
/// [`StoreError`].
pub async fn take_due(db: &Db, limit: i64, lease: TimeDelta, now: Time) -> Result<Vec<Ping>, StoreError> {
    // As for logouts: two nodes may choose the same rows, and the second finds them put off.
    write!(db, c => {
        Ok(sqlx::query_as(
            "UPDATE ciba_request SET next_attempt_at = $2, attempts = attempts + 1
             WHERE next_attempt_at <= $1 AND approval_id IN
               (SELECT r.approval_id FROM ciba_request r JOIN approval a ON a.id = r.approval_id
                WHERE r.next_attempt_at <= $1 AND (a.state <> 'waiting' OR a.expires_at <= $1)
                ORDER BY r.next_attempt_at LIMIT $3)
             RETURNING approval_id, client_id,
               (SELECT a.person_id FROM approval a WHERE a.id = ciba_request.approval_id) AS person_id, notification,
               attempts",
        )
        .bind(now)
        .bind(now + lease)
        .bind(limit)
        .fetch_all(&mut *c)
        .await?)
    })
}

/// Notes that the client was told, or that it is not tried again: `error` says why then, and `event` is recorded.
///
/// # Errors
/// [`StoreError`].
pub async fn told(
    db: &Db,
    approval_id: ApprovalId,
    error: Option<&str>,
    event: &NewRow,
) -> Result<(), StoreError> {
    let error = error.map(str::to_owned);
    write!(db, c => {
        sqlx::query(
            "UPDATE ciba_request SET next_attempt_at = NULL, notification = NULL, last_error = $2
             WHERE approval_id = $1",
        )
        .bind(approval_id)
        .bind(error)
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
pub async fn put_off(db: &Db, approval_id: ApprovalId, error: &str, next: Time) -> Result<(), StoreError> {
    let error = error.to_owned();
    write!(db, c => {
        sqlx::query(
            "UPDATE ciba_request SET last_error = $2, next_attempt_at = $3
             WHERE approval_id = $1 AND next_attempt_at IS NOT NULL",
        )
            .bind(approval_id)
            .bind(error)
            .bind(next)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}
