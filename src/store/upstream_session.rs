//! Sessions here that came from a session at a provider of others, and how the end of one is the end of the other.
//!
//! The ID token that signs out there is kept sealed for as long as the session here runs, and goes with its end. A logout token
//! of the provider is good once; what it ends is found by the provider's own words for session and person, under its issuer
//! and no other; and a sign-in that is older than it begins nothing any more.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::session::end_session;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, Random, SessionId};
use crate::session::EndReason;

/// The session of somebody at a provider.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UpstreamSession {
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// The session there, where the provider tells one.
    pub sid: Option<String>,
    /// The ID token, sealed; none once the session here has ended.
    pub id_token: Option<Vec<u8>>,
}

/// Inside a `write!` body that begins a session or goes on with one: notes where it came from last.
macro_rules! come_from_upstream {
    ($c:expr, $session:expr, $there:expr) => {{
        let there: &$crate::store::upstream_session::UpstreamSession = $there;
        sqlx::query(
            "INSERT INTO upstream_session (session_id, provider, issuer, subject, sid, id_token)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (session_id) DO UPDATE SET provider = excluded.provider, issuer = excluded.issuer,
               subject = excluded.subject, sid = excluded.sid, id_token = excluded.id_token",
        )
        .bind($session)
        .bind(there.provider.clone())
        .bind(there.issuer.clone())
        .bind(there.subject.clone())
        .bind(there.sid.clone())
        .bind(there.id_token.clone())
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use come_from_upstream;

/// Inside a `write!` body that ends a session: what signs out at its provider goes.
macro_rules! forget_id_token {
    ($c:expr, $session:expr) => {{
        sqlx::query("UPDATE upstream_session SET id_token = NULL WHERE session_id = $1")
            .bind($session)
            .execute(&mut *$c)
            .await?;
    }};
}
pub(crate) use forget_id_token;

/// Inside a `write!` body, first of all: a sign-in by a provider and a logout token of it wait for each other, until the one that
/// came first is in the database whole. Else a session could begin beside the token that ends it, and neither see the other.
macro_rules! pass_gate {
    ($c:expr, $issuer:expr) => {{
        sqlx::query(
            "INSERT INTO upstream_gate (issuer) VALUES ($1) ON CONFLICT (issuer) DO UPDATE SET issuer = excluded.issuer",
        )
        .bind($issuer)
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use pass_gate;

/// Inside a `write!` body: whether the provider has ended the session of a sign-in there since the ID token of that sign-in
/// was issued.
macro_rules! was_logged_out {
    ($c:expr, $there:expr, $issued_at:expr) => {{
        let there: &$crate::store::upstream_session::UpstreamSession = $there;
        let ended: Option<String> = sqlx::query_scalar($crate::store::upstream_session::LOGGED_OUT)
            .bind(there.issuer.clone())
            .bind(there.sid.clone().unwrap_or_default())
            .bind(there.subject.clone())
            .bind($issued_at)
            .fetch_optional(&mut *$c)
            .await?;
        ended.is_some()
    }};
}
pub(crate) use was_logged_out;

pub(crate) const LOGGED_OUT: &str = "SELECT issuer FROM upstream_logout_token
     WHERE issuer = $1 AND (sid = $2 OR sid IS NULL) AND (subject = $3 OR subject IS NULL) AND issued_at >= $4 LIMIT 1";

/// Where a session came from; none where it came from no provider, or has ended because it ended there. Once it has ended there
/// is no ID token any more.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db, session: SessionId) -> Result<Option<UpstreamSession>, StoreError> {
    const SQL: &str = "SELECT u.provider, u.issuer, u.subject, u.sid, u.id_token
         FROM upstream_session u JOIN session s ON s.id = u.session_id
         WHERE u.session_id = $1 AND (s.ended_at IS NULL OR s.end_reason <> $2)";
    let there = EndReason::UpstreamLogout.as_str();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(session).bind(there).fetch_optional(&mut *c).await?))
}

/// Whether the provider has ended the session of this sign-in since its ID token was issued.
///
/// # Errors
/// [`StoreError`].
pub async fn was_ended_there(db: &Db, there: &UpstreamSession, issued_at: Time) -> Result<bool, StoreError> {
    read!(db, c => Ok(was_logged_out!(c, there, issued_at)))
}

/// A logout token, verified. At least one of `sid` and `subject` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// Whose it is.
    pub issuer: String,
    /// SHA-256 of its `jti` (32 bytes).
    pub jti_hash: [u8; 32],
    /// The session there; none: every session of the subject.
    pub sid: Option<String>,
    /// Who it is there, where it says so.
    pub subject: Option<String>,
    /// When it was made.
    pub issued_at: Time,
    /// Until when it is remembered: it is good no longer.
    pub expires_at: Time,
}

/// What is recorded of a logout that a provider asked for.
pub struct Recording<'a> {
    /// Of the token, by how many sessions ended.
    pub token: &'a (dyn Fn(usize) -> NewRow + Sync),
    /// Of each session.
    pub session: &'a (dyn Fn(SessionId, PersonId) -> NewRow + Sync),
}

/// Ends what came from the session, or the person, that a logout token names, and queues the logouts here. Yields how many
/// sessions ended; none where the token has been here before, and nothing is done.
///
/// # Errors
/// [`StoreError`].
pub async fn log_out(
    db: &Db,
    token: &LogoutToken,
    recording: Recording<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<Option<usize>, StoreError> {
    let LogoutToken { issuer, jti_hash, sid, subject, issued_at, expires_at } = token.clone();
    let Recording { token: of_token, session: of_session } = recording;
    write!(db, c => {
        pass_gate!(c, issuer.clone());
        let is_new = sqlx::query(
            "INSERT INTO upstream_logout_token (issuer, jti_hash, subject, sid, issued_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (issuer, jti_hash) DO NOTHING",
        )
        .bind(issuer.clone())
        .bind(jti_hash.to_vec())
        .bind(subject.clone())
        .bind(sid.clone())
        .bind(issued_at)
        .bind(expires_at)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if !is_new {
            return Ok(None);
        }
        let due: Vec<(SessionId, PersonId)> = sqlx::query_as(
            "SELECT s.id, s.person_id FROM upstream_session u JOIN session s ON s.id = u.session_id
             WHERE u.issuer = $1 AND s.ended_at IS NULL AND (u.sid = $2 OR $3) AND (u.subject = $4 OR $5)
               AND NOT ($3 AND $5)
             ORDER BY s.id",
        )
        .bind(issuer)
        .bind(sid.clone().unwrap_or_default())
        .bind(sid.is_none())
        .bind(subject.clone().unwrap_or_default())
        .bind(subject.is_none())
        .fetch_all(&mut *c)
        .await?;
        for (session, person) in &due {
            end_session!(c, *session, EndReason::UpstreamLogout, now, random);
            record!(c, of_session(*session, *person));
        }
        record!(c, of_token(due.len()));
        Ok(Some(due.len()))
    })
}

/// Ends the session of a browser that its provider asked to end, where it runs and came from there. Yields whether it did.
///
/// # Errors
/// [`StoreError`].
pub async fn log_out_one(
    db: &Db,
    session: SessionId,
    (issuer, sid): (&str, &str),
    event: &NewRow,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let (issuer, sid) = (issuer.to_owned(), sid.to_owned());
    write!(db, c => {
        let came_from: Option<String> = sqlx::query_scalar(
            "SELECT issuer FROM upstream_session WHERE session_id = $1 AND issuer = $2 AND sid = $3",
        )
        .bind(session)
        .bind(issuer)
        .bind(sid)
        .fetch_optional(&mut *c)
        .await?;
        let ended = came_from.is_some() && end_session!(c, session, EndReason::UpstreamLogout, now, random);
        if ended {
            record!(c, *event);
        }
        Ok(ended)
    })
}

/// Where a browser goes on once it has signed out at a provider too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onward {
    /// The sessions that ended here.
    pub sessions: Vec<SessionId>,
    /// The service that the person goes back to: its name and its registered address.
    pub back: Option<(String, String)>,
}

/// A browser on its way to a provider, to sign out there too.
#[derive(Debug, Clone)]
pub struct NewSignOut {
    /// SHA-256 of its cookie (32 bytes).
    pub browser_hash: [u8; 32],
    /// SHA-256 of `state` (32 bytes).
    pub state_hash: [u8; 32],
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Where it goes then.
    pub onward: Onward,
    /// Until when it is waited for.
    pub expires_at: Time,
}

/// Sends a browser to a provider to sign out there. `event` is recorded with it.
///
/// # Errors
/// [`StoreError`].
pub async fn depart(db: &Db, new: &NewSignOut, event: &NewRow) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO upstream_sign_out (browser_hash, state_hash, provider, onward, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(new.browser_hash.to_vec())
        .bind(new.state_hash.to_vec())
        .bind(new.provider.clone())
        .bind(Json(new.onward.clone()))
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(())
    })
}

/// How a browser comes back from a provider where it has signed out.
#[derive(Debug, Clone)]
pub struct Returning {
    /// SHA-256 of its cookie; none where it has none.
    pub browser_hash: Option<[u8; 32]>,
    /// SHA-256 of the `state` that came back; none where none came.
    pub state_hash: Option<[u8; 32]>,
    /// The provider whose address it came to.
    pub provider: String,
}

/// What is known of a browser that comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// It left, and goes on.
    Onward(Onward),
    /// Another browser left with this `state`, or this one left with another, or to another provider.
    Other,
    /// Nothing: it came too late, twice, or never left.
    Unknown,
}

/// Lets a browser come back, once.
///
/// # Errors
/// [`StoreError`].
pub async fn come_back(db: &Db, returning: &Returning, now: Time) -> Result<Returned, StoreError> {
    let Returning { browser_hash, state_hash, provider } = returning.clone();
    let browser = browser_hash.map(|hash| hash.to_vec()).unwrap_or_default();
    let (state, is_stateless) = (state_hash.map(|hash| hash.to_vec()), state_hash.is_none());
    let state = state.unwrap_or_default();
    write!(db, c => {
        let onward: Option<Json<Onward>> = sqlx::query_scalar(
            "DELETE FROM upstream_sign_out
             WHERE browser_hash = $1 AND (state_hash = $2 OR $3) AND provider = $4 AND expires_at > $5
             RETURNING onward",
        )
        .bind(browser.clone())
        .bind(state.clone())
        .bind(is_stateless)
        .bind(provider)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        if let Some(Json(onward)) = onward {
            return Ok(Returned::Onward(onward));
        }
        let other: Option<String> = sqlx::query_scalar(
            "SELECT provider FROM upstream_sign_out WHERE (browser_hash = $1 OR state_hash = $2) AND expires_at > $3",
        )
        .bind(browser)
        .bind(state)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        Ok(if other.is_some() { Returned::Other } else { Returned::Unknown })
    })
}

/// Deletes the logout tokens that nobody can bring any more, and the browsers that never came back, `limit` of each at a
/// time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let tokens = sqlx::query(
            "DELETE FROM upstream_logout_token WHERE (issuer, jti_hash) IN
               (SELECT issuer, jti_hash FROM upstream_logout_token WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        let browsers = sqlx::query(
            "DELETE FROM upstream_sign_out WHERE browser_hash IN
               (SELECT browser_hash FROM upstream_sign_out WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(tokens.rows_affected().max(browsers.rows_affected()))
    })
}
