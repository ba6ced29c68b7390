//! Sessions: beginning, use, end.
//!
//! The end of a session writes, in the same transaction, its audit event and one row per relying party that has to be
//! told (`logout_delivery`): a crash between them cannot leave a relying party signed in, nor an end without a trace.

use chrono::TimeDelta;

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, Random, SessionId, WorkstationId};
use crate::session::{Authentication, EndReason, Evidence, IdleGroup, Session, Station};

/// The columns of [`Session`], of a row `s`.
macro_rules! session_columns {
    () => {
        "s.id, s.person_id, s.acr, s.amr, s.auth_mode, s.auth_time, s.evidence, s.created_at, s.last_seen_at,
         s.expires_at, s.ended_at, s.workstation_id, s.card, s.leased_until, s.locked_at, s.zone, s.shared"
    };
}
pub(crate) use session_columns;

/// A session to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its `sid`.
    pub id: SessionId,
    /// SHA-256 of the cookie.
    pub cookie_hash: [u8; 32],
    /// What the sign-in proved.
    pub authentication: Authentication,
    /// When it ends at the latest.
    pub expires_at: Time,
    /// Where it is opened.
    pub station: Station,
    /// Who watches its card; none where nobody does.
    pub watched: Option<Watched>,
}

impl NewSession {
    /// The session that begins at `now`.
    #[must_use]
    pub fn begun(&self, now: Time) -> Session {
        let proof = &self.authentication;
        let watched = self.watched.as_ref();
        Session {
            id: self.id,
            person_id: proof.person,
            acr: proof.acr,
            amr: proof.amr.clone(),
            auth_mode: proof.auth_mode,
            auth_time: proof.at,
            evidence: proof.evidence.clone(),
            created_at: now,
            last_seen_at: now,
            expires_at: self.expires_at,
            ended_at: None,
            workstation_id: watched.map(|watched| watched.workstation),
            card: watched.map(|watched| watched.card.clone()),
            leased_until: watched.and_then(|watched| watched.leased_until),
            locked_at: None,
            zone: self.station.zone.clone(),
            shared: self.station.shared,
        }
    }
}

/// A card that a workstation's channel watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Whose channel.
    pub workstation: WorkstationId,
    /// SHA-256 of the card's certificate, in hexadecimal.
    pub card: String,
    /// The one of its agents whose word counts: SHA-256 of its name, in hexadecimal; none: any of the workstation's.
    pub agent: Option<String>,
    /// Until when the card counts as present; none where its leaving is of no interest.
    pub leased_until: Option<Time>,
}

/// Inserts a session, inside a `write!` body.
macro_rules! begin_session {
    ($c:expr, $new:expr, $now:expr) => {{
        let new: &$crate::store::session::NewSession = $new;
        let proof = &new.authentication;
        sqlx::query(
            "INSERT INTO session (id, person_id, cookie_hash, acr, amr, auth_mode, auth_time, evidence, created_at,
               last_seen_at, expires_at, workstation_id, card, leased_until, zone, shared, watched_by, means_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(new.id)
        .bind(proof.person)
        .bind(new.cookie_hash.to_vec())
        .bind(proof.acr)
        .bind(sqlx::types::Json(proof.amr.clone()))
        .bind(proof.auth_mode)
        .bind(proof.at)
        .bind(sqlx::types::Json(proof.evidence.clone()))
        .bind($now)
        .bind(new.expires_at)
        .bind(new.watched.as_ref().map(|watched| watched.workstation))
        .bind(new.watched.as_ref().map(|watched| watched.card.clone()))
        .bind(new.watched.as_ref().and_then(|watched| watched.leased_until))
        .bind(new.station.zone.clone())
        .bind(new.station.shared)
        .bind(new.watched.as_ref().and_then(|watched| watched.agent.clone()))
        .bind(proof.evidence.means())
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use begin_session;

/// Goes on with the session that a browser has, after a new sign-in there, inside a `write!` body: its `sid` and what was
/// granted in it stay; its cookie, times, level, evidence, place and watch are those of the sign-in. Yields whether it could.
///
/// Only for the person whose it is, in the browser whose cookie it had until now, and only by a sign-in that reaches its
/// level and is watched if it was. One that is locked, or whose lease has run out, is opened by the card that opened it and by
/// no other.
macro_rules! go_on_with_session {
    ($c:expr, $new:expr, $cookie_before:expr, $now:expr) => {{
        let new: &$crate::store::session::NewSession = $new;
        let cookie_before: &[u8; 32] = $cookie_before;
        let proof = &new.authentication;
        sqlx::query(
            "UPDATE session SET cookie_hash = $3, acr = $4, amr = $5, auth_mode = $6, auth_time = $7, evidence = $8,
               last_seen_at = $9, expires_at = $10, workstation_id = $11, card = $12, leased_until = $13, zone = $14,
               shared = $15, watched_by = $16, locked_at = NULL, means_id = $18, second_means_id = NULL
             WHERE id = $1 AND person_id = $2 AND ended_at IS NULL AND expires_at > $9 AND cookie_hash = $17
               AND acr <= $4 AND (workstation_id IS NULL OR card IS NULL OR $12 IS NOT NULL)
               AND (card = $12 OR (locked_at IS NULL AND (leased_until IS NULL OR leased_until > $9)))",
        )
        .bind(new.id)
        .bind(proof.person)
        .bind(new.cookie_hash.to_vec())
        .bind(proof.acr)
        .bind(sqlx::types::Json(proof.amr.clone()))
        .bind(proof.auth_mode)
        .bind(proof.at)
        .bind(sqlx::types::Json(proof.evidence.clone()))
        .bind($now)
        .bind(new.expires_at)
        .bind(new.watched.as_ref().map(|watched| watched.workstation))
        .bind(new.watched.as_ref().map(|watched| watched.card.clone()))
        .bind(new.watched.as_ref().and_then(|watched| watched.leased_until))
        .bind(new.station.zone.clone())
        .bind(new.station.shared)
        .bind(new.watched.as_ref().and_then(|watched| watched.agent.clone()))
        .bind(cookie_before.to_vec())
        .bind(proof.evidence.means())
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use go_on_with_session;

/// Goes on with a session that a badge renewed, once a key was touched besides, inside a `write!` body: its level, factors and
/// evidence are those of both, its cookie is new, and it ends with either. When its person typed a PIN, and when it ends at
/// the latest, stays. Yields whether it could: only for the person whose it is, in the browser whose cookie it had until now.
macro_rules! join_session {
    ($c:expr, $new:expr, $cookie_before:expr, $now:expr) => {{
        let new: &$crate::store::session::NewSession = $new;
        let cookie_before: &[u8; 32] = $cookie_before;
        let proof = &new.authentication;
        sqlx::query(
            "UPDATE session SET cookie_hash = $3, acr = $4, amr = $5, evidence = $6, last_seen_at = $7,
               second_means_id = $8
             WHERE id = $1 AND person_id = $2 AND ended_at IS NULL AND locked_at IS NULL AND expires_at > $7
               AND cookie_hash = $9 AND auth_time = $10 AND acr <= $4",
        )
        .bind(new.id)
        .bind(proof.person)
        .bind(new.cookie_hash.to_vec())
        .bind(proof.acr)
        .bind(sqlx::types::Json(proof.amr.clone()))
        .bind(sqlx::types::Json(proof.evidence.clone()))
        .bind($now)
        .bind(proof.evidence.second_factor())
        .bind(cookie_before.to_vec())
        .bind(proof.at)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use join_session;

/// Locks a session that runs and is not locked, inside a `write!` body. Yields whether it locked it.
macro_rules! lock_session {
    ($c:expr, $session:expr, $now:expr) => {{
        let session: $crate::ids::SessionId = $session;
        sqlx::query(
            "UPDATE session SET locked_at = $2 WHERE id = $1 AND ended_at IS NULL AND locked_at IS NULL",
        )
        .bind(session)
        .bind($now)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use lock_session;

/// Ends a session that is not ended yet and queues its logouts, inside a `write!` body. Yields whether it ended one.
macro_rules! end_session {
    ($c:expr, $session:expr, $reason:expr, $now:expr, $random:expr) => {{
        let (session, now): ($crate::ids::SessionId, $crate::clock::Time) = ($session, $now);
        let ended =
            sqlx::query("UPDATE session SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL")
                .bind(session)
                .bind(now)
                .bind($reason.as_str())
                .execute(&mut *$c)
                .await?
                .rows_affected()
                == 1;
        if ended {
            $crate::store::upstream_session::forget_id_token!($c, session);
            let due: Vec<(String, String, $crate::ids::PersonId)> = sqlx::query_as(
                "SELECT DISTINCT c.id, c.backchannel_logout_uri, g.person_id
                 FROM authorization_grant g JOIN client c ON c.id = g.client_id
                 WHERE g.session_id = $1 AND c.backchannel_logout_uri IS NOT NULL AND c.disabled_at IS NULL",
            )
            .bind(session)
            .fetch_all(&mut *$c)
            .await?;
            for (client, uri, person) in due {
                sqlx::query(
                    "INSERT INTO logout_delivery (id, client_id, session_id, person_id, uri, created_at, attempts,
                       next_attempt_at) VALUES ($1, $2, $3, $4, $5, $6, 0, $6)",
                )
                .bind($crate::ids::uuid_v7(now, $random))
                .bind(client)
                .bind(session)
                .bind(person)
                .bind(uri)
                .bind(now)
                .execute(&mut *$c)
                .await?;
            }
        }
        ended
    }};
}
pub(crate) use end_session;

/// Revokes what was granted for after the end of sessions (`offline_access`), inside a `write!` body: of the sessions that
/// `$sessions`, a query with the one parameter `$id`, names. Yields how many grants.
macro_rules! revoke_offline {
    ($c:expr, $sessions:literal, $id:expr, $reason:expr, $now:expr) => {
        sqlx::query(concat!(
            "UPDATE authorization_grant SET revoked_at = $2, revoke_reason = $3
             WHERE offline AND revoked_at IS NULL AND session_id IN (",
            $sessions,
            ")"
        ))
        .bind($id)
        .bind($now)
        .bind($reason.as_str())
        .execute(&mut *$c)
        .await?
        .rows_affected()
    };
}
pub(crate) use revoke_offline;

/// Ends every running session of a person, and what outlives sessions, inside a `write!` body. Yields the sessions that
/// ended.
macro_rules! end_sessions_of {
    ($c:expr, $person:expr, $reason:expr, $now:expr, $random:expr) => {{
        let running: Vec<$crate::ids::SessionId> = sqlx::query_scalar(
            "SELECT id FROM session WHERE person_id = $1 AND ended_at IS NULL ORDER BY id",
        )
        .bind($person)
        .fetch_all(&mut *$c)
        .await?;
        for session in &running {
            $crate::store::session::end_session!($c, *session, $reason, $now, $random);
        }
        $crate::store::session::revoke_offline!(
            $c,
            "SELECT id FROM session WHERE person_id = $1",
            $person,
            $reason,
            $now
        );
        running
    }};
}
pub(crate) use end_sessions_of;

/// Begins a session.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, new: &NewSession, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        begin_session!(c, new, now);
        Ok(())
    })
}

/// The session of a cookie, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_cookie(db: &Db, cookie_hash: [u8; 32]) -> Result<Option<Session>, StoreError> {
    const SQL: &str = concat!("SELECT ", session_columns!(), " FROM session s WHERE s.cookie_hash = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(cookie_hash.to_vec()).fetch_optional(&mut *c).await?))
}

/// The session of that `sid`, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: SessionId) -> Result<Option<Session>, StoreError> {
    const SQL: &str = concat!("SELECT ", session_columns!(), " FROM session s WHERE s.id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The running sessions of a person, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn running_of(db: &Db, person: PersonId) -> Result<Vec<Session>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        session_columns!(),
        " FROM session s WHERE s.person_id = $1 AND s.ended_at IS NULL ORDER BY s.id DESC"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_all(&mut *c).await?))
}

/// Notes that the session was used. Writes at most once a minute per session: idle time is counted in minutes, and a
/// page that asks every second must not write every second.
///
/// # Errors
/// [`StoreError`].
pub async fn touch(db: &Db, session: &Session, now: Time) -> Result<(), StoreError> {
    if now - session.last_seen_at < TimeDelta::minutes(1) {
        return Ok(());
    }
    let id = session.id;
    write!(db, c => {
        sqlx::query("UPDATE session SET last_seen_at = $2 WHERE id = $1 AND ended_at IS NULL AND last_seen_at < $2")
            .bind(id)
            .bind(now)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}

/// Ends a session and queues its logouts. Yields whether it was running; `event` is recorded if and only if it was.
///
/// # Errors
/// [`StoreError`].
pub async fn end(
    db: &Db,
    session: SessionId,
    reason: EndReason,
    event: &NewRow,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let ended = end_session!(c, session, reason, now, random);
        if ended {
            record!(c, *event);
        }
        Ok(ended)
    })
}

/// A session that something still rests on, with what its sign-in saw: a running one, or one whose end something was granted
/// to outlive.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Relied {
    /// Its `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub person_id: PersonId,
    /// What was seen.
    #[sqlx(json)]
    pub evidence: Evidence,
    /// Whether it runs.
    pub runs: bool,
}

/// The services that were reached in each running session of a person, by the names that their users know.
///
/// # Errors
/// [`StoreError`].
pub async fn services_of(db: &Db, person: PersonId) -> Result<Vec<(SessionId, String)>, StoreError> {
    const SQL: &str = "SELECT DISTINCT s.id, c.name
         FROM session s
         JOIN authorization_grant g ON g.session_id = s.id
         JOIN client c ON c.id = g.client_id
         WHERE s.person_id = $1 AND s.ended_at IS NULL AND g.revoked_at IS NULL
         ORDER BY s.id, c.name";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_all(&mut *c).await?))
}

/// The sessions that something rests on in the order of their identifiers, `limit` of those after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn relied_on(db: &Db, after: Option<SessionId>, limit: i64) -> Result<Vec<Relied>, StoreError> {
    const SQL: &str = "SELECT s.id, s.person_id, s.evidence, s.ended_at IS NULL AS runs FROM session s
         WHERE s.id > $1 AND (s.ended_at IS NULL OR EXISTS
           (SELECT 1 FROM authorization_grant g WHERE g.session_id = s.id AND g.offline AND g.revoked_at IS NULL))
         ORDER BY s.id LIMIT $2";
    let after = after.unwrap_or(SessionId(uuid::Uuid::nil()));
    read!(db, c => Ok(sqlx::query_as(SQL).bind(after).bind(limit).fetch_all(&mut *c).await?))
}

/// Ends these sessions, which rest on a card that is no good any more, with what outlives them, and queues their logouts;
/// what is recorded of each stands beside it. Yields of how many there was something to end.
///
/// # Errors
/// [`StoreError`].
pub async fn end_of_revoked_cards(
    db: &Db,
    sessions: &[(SessionId, NewRow)],
    now: Time,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    write!(db, c => {
        let mut ended = 0;
        for (session, event) in sessions {
            let ran = end_session!(c, *session, EndReason::CardRevoked, now, random);
            let outlived = revoke_offline!(c, "$1", *session, EndReason::CardRevoked, now);
            if ran || outlived > 0 {
                record!(c, *event);
                ended += 1;
            }
        }
        Ok(ended)
    })
}

/// Ends sessions of a person who asked for it, and queues their logouts; what is recorded of each stands beside it. Whoever
/// signs out `everywhere` takes back, besides, what services were allowed for afterwards; its event is recorded where there
/// was such a thing.
///
/// # Errors
/// [`StoreError`].
pub async fn sign_out(
    db: &Db,
    sessions: &[(SessionId, NewRow)],
    everywhere: Option<&(PersonId, NewRow)>,
    now: Time,
    random: &dyn Random,
) -> Result<(), StoreError> {
    write!(db, c => {
        for (session, event) in sessions {
            if end_session!(c, *session, EndReason::SignedOut, now, random) {
                record!(c, *event);
            }
        }
        if let Some((person, event)) = everywhere {
            let revoked = revoke_offline!(
                c,
                "SELECT id FROM session WHERE person_id = $1",
                *person,
                EndReason::SignedOut,
                now
            );
            if revoked > 0 {
                record!(c, *event);
            }
        }
        Ok(())
    })
}

/// Ends the sessions of a group whose time has run out, `limit` at a time. Yields how many; `event` makes what is recorded
/// of each.
///
/// # Errors
/// [`StoreError`].
pub async fn end_expired(
    db: &Db,
    group: &IdleGroup,
    limit: i64,
    event: &(dyn Fn(SessionId, PersonId) -> NewRow + Sync),
    now: Time,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    write!(db, c => {
        let due: Vec<(SessionId, PersonId)> = sqlx::query_as(
            "SELECT id, person_id FROM session
             WHERE ended_at IS NULL AND (expires_at <= $1 OR last_seen_at <= $2)
               AND ($4 = '' OR zone = $4) AND (shared OR NOT $5) LIMIT $3",
        )
        .bind(now)
        .bind(now - group.idle)
        .bind(limit)
        .bind(group.zone.clone().unwrap_or_default())
        .bind(group.shared)
        .fetch_all(&mut *c)
        .await?;
        for (session, person) in &due {
            if end_session!(c, *session, EndReason::Expired, now, random) {
                record!(c, event(*session, *person));
            }
        }
        Ok(due.len())
    })
}

/// Deletes the sessions that ended and whose time was over before `before`, `limit` at a time, once neither a grant nor
/// a sign-in names them any more. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM session WHERE id IN
               (SELECT s.id FROM session s WHERE s.expires_at <= $1 AND s.ended_at IS NOT NULL
                  AND NOT EXISTS (SELECT 1 FROM authorization_grant g WHERE g.session_id = s.id)
                  AND NOT EXISTS (SELECT 1 FROM login_transaction t WHERE t.session_id = s.id)
                LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
pub(crate) mod tests;
