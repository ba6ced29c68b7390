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

/// The columns of [`Session`].
macro_rules! columns {
    () => {
        "id, person_id, acr, amr, auth_mode, auth_time, evidence, created_at, last_seen_at, expires_at, ended_at,
         workstation_id, card, leased_until, locked_at, zone, shared"
    };
}

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

/// A card that a workstation's channel watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Whose channel.
    pub workstation: WorkstationId,
    /// SHA-256 of the card's certificate, in hexadecimal.
    pub card: String,
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
               last_seen_at, expires_at, workstation_id, card, leased_until, zone, shared)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12, $13, $14, $15)",
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
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use begin_session;

/// Opens a locked session of the same person again with what a new sign-in proved, inside a `write!` body: its `sid` and
/// what was granted in it stay, its cookie, times, evidence and place are those of the sign-in. Yields whether it was
/// there and had not ended.
macro_rules! unlock_session {
    ($c:expr, $new:expr, $now:expr) => {{
        let new: &$crate::store::session::NewSession = $new;
        let proof = &new.authentication;
        sqlx::query(
            "UPDATE session SET cookie_hash = $3, acr = $4, amr = $5, auth_mode = $6, auth_time = $7, evidence = $8,
               last_seen_at = $9, expires_at = $10, workstation_id = $11, card = $12, leased_until = $13, zone = $14,
               shared = $15, locked_at = NULL
             WHERE id = $1 AND person_id = $2 AND ended_at IS NULL",
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
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use unlock_session;

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

/// Ends every running session of a person, inside a `write!` body. Yields the sessions that ended.
macro_rules! end_sessions_of {
    ($c:expr, $person:expr, $reason:expr, $now:expr, $random:expr) => {{
        let running: Vec<$crate::ids::SessionId> =
            sqlx::query_scalar("SELECT id FROM session WHERE person_id = $1 AND ended_at IS NULL")
                .bind($person)
                .fetch_all(&mut *$c)
                .await?;
        for session in &running {
            $crate::store::session::end_session!($c, *session, $reason, $now, $random);
        }
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
    const SQL: &str = concat!("SELECT ", columns!(), " FROM session WHERE cookie_hash = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(cookie_hash.to_vec()).fetch_optional(&mut *c).await?))
}

/// The session of that `sid`, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: SessionId) -> Result<Option<Session>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM session WHERE id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The running sessions of a person, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn running_of(db: &Db, person: PersonId) -> Result<Vec<Session>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM session WHERE person_id = $1 AND ended_at IS NULL ORDER BY id DESC"
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

/// A running session, with what its sign-in saw.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Running {
    /// Its `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub person_id: PersonId,
    /// What was seen.
    #[sqlx(json)]
    pub evidence: Evidence,
}

/// The running sessions in the order of their identifiers, `limit` of those after `after`.
///
/// # Errors
/// [`StoreError`].
pub async fn running(db: &Db, after: Option<SessionId>, limit: i64) -> Result<Vec<Running>, StoreError> {
    const SQL: &str = "SELECT id, person_id, evidence FROM session WHERE ended_at IS NULL AND id > $1
                       ORDER BY id LIMIT $2";
    let after = after.unwrap_or(SessionId(uuid::Uuid::nil()));
    read!(db, c => Ok(sqlx::query_as(SQL).bind(after).bind(limit).fetch_all(&mut *c).await?))
}

/// Ends these sessions and queues their logouts; what is recorded of each stands beside it. Yields how many were
/// running.
///
/// # Errors
/// [`StoreError`].
pub async fn end_each(
    db: &Db,
    sessions: &[(Running, NewRow)],
    reason: EndReason,
    now: Time,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    write!(db, c => {
        let mut ended = 0;
        for (session, event) in sessions {
            if end_session!(c, session.id, reason, now, random) {
                record!(c, *event);
                ended += 1;
            }
        }
        Ok(ended)
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
pub(crate) mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock, MockClock};
    use crate::ids::{CountingRandom, WorkstationId, uuid_v4};
    use crate::session::{Acr, Amr, AuthMode, Evidence, SessionPolicy, Standing};
    use crate::store::client::tests::event;
    use crate::store::testing::on_both;
    use crate::store::{audit, read, write};

    /// A person to hang sessions on.
    pub(crate) async fn somebody(db: &Db, now: Time, random: &dyn Random) -> PersonId {
        async fn insert(db: &Db, id: PersonId, now: Time) -> Result<(), StoreError> {
            write!(db, c => {
                sqlx::query("INSERT INTO person (id, family_name, given_name, created_at) VALUES ($1, $2, $3, $4)")
                    .bind(id).bind("DOC0036624").bind("KIT").bind(now).execute(&mut *c).await?;
                Ok(())
            })
        }
        let id = PersonId::new(now, random);
        insert(db, id, now).await.unwrap();
        id
    }

    /// A session to begin for `person`, by card, with the cookie hash `[cookie; 32]`.
    pub(crate) fn card_session(person: PersonId, cookie: u8, now: Time, random: &dyn Random) -> NewSession {
        NewSession {
            id: SessionId::new(now, random),
            cookie_hash: [cookie; 32],
            authentication: Authentication {
                person,
                acr: Acr::Eidas3,
                amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
                auth_mode: AuthMode::Card,
                at: now,
                evidence: Evidence::Card {
                    card_number: "8025000001/2800000009".into(),
                    certificate_sha256: "00".repeat(32),
                    serial: "01".into(),
                    issuer: None,
                    workstation: WorkstationId(uuid_v4(random)),
                    pin: "window".into(),
                    interface: "contact".into(),
                },
            },
            expires_at: now + SessionPolicy::default().lifetime,
            station: Station::default(),
            watched: None,
        }
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_cookie_as_it_was_begun() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            let new = card_session(person, 1, clock.now(), &random);
            begin(&db, &new, clock.now()).await.unwrap();
            let found = by_cookie(&db, [1; 32]).await.unwrap().unwrap();
            assert_eq!(found.id, new.id);
            assert_eq!(found.amr, new.authentication.amr);
            assert_eq!(found.evidence, new.authentication.evidence);
            assert_eq!(found.auth_time, clock.now());
            assert!(by_cookie(&db, [2; 32]).await.unwrap().is_none());
            assert_eq!(running_of(&db, person).await.unwrap().len(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn a_session_ends_after_thirty_minutes_without_use_and_after_four_hours_at_the_latest() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let policy = SessionPolicy::default();
            let person = somebody(&db, clock.now(), &random).await;
            let new = card_session(person, 1, clock.now(), &random);
            begin(&db, &new, clock.now()).await.unwrap();
            for _ in 0..11 {
                clock.advance(TimeDelta::minutes(20));
                let session = by_id(&db, new.id).await.unwrap().unwrap();
                assert_eq!(session.standing(policy, clock.now()), Standing::Alive);
                touch(&db, &session, clock.now()).await.unwrap();
            }
            let over = |_, _| event(Kind::SessionEnded, &clock);
            let everywhere = IdleGroup { zone: None, shared: false, idle: policy.idle };
            assert_eq!(end_expired(&db, &everywhere, 100, &over, clock.now(), &random).await.unwrap(), 0);
            clock.advance(TimeDelta::minutes(20));
            let session = by_id(&db, new.id).await.unwrap().unwrap();
            assert_eq!(session.standing(policy, clock.now()), Standing::Expired);

            let idle = card_session(person, 2, clock.now(), &random);
            begin(&db, &idle, clock.now()).await.unwrap();
            clock.advance(TimeDelta::minutes(30));
            let session = by_id(&db, idle.id).await.unwrap().unwrap();
            assert_eq!(session.standing(policy, clock.now()), Standing::Expired);
            assert_eq!(end_expired(&db, &everywhere, 100, &over, clock.now(), &random).await.unwrap(), 2);
            let session = by_id(&db, idle.id).await.unwrap().unwrap();
            assert_eq!(session.standing(policy, clock.now()), Standing::Ended);
            assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 2, "each end is recorded");

            assert_eq!(delete_old(&db, clock.now(), 100).await.unwrap(), 1, "the other's four hours run");
            assert!(by_id(&db, new.id).await.unwrap().is_none());
            clock.advance(policy.lifetime);
            assert_eq!(delete_old(&db, clock.now(), 100).await.unwrap(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn running_sessions_are_read_page_by_page_and_ended_one_by_one() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            let mut begun = Vec::new();
            for cookie in 1..=5 {
                let new = card_session(person, cookie, clock.now(), &random);
                begin(&db, &new, clock.now()).await.unwrap();
                begun.push(new.id);
                clock.advance(TimeDelta::seconds(1));
            }
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = running(&db, after, 2).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                found.extend(page);
            }
            let ids: Vec<_> = found.iter().map(|session| session.id).collect();
            assert_eq!(ids, begun);

            let (ending, staying) = found.split_at(2);
            let event = || event(Kind::SessionEnded, &clock);
            let ending: Vec<_> = ending.iter().map(|session| (session.clone(), event())).collect();
            let end =
                async || end_each(&db, &ending, EndReason::CardRevoked, clock.now(), &random).await.unwrap();
            assert_eq!(end().await, 2);
            assert_eq!(end().await, 0, "they have ended");
            assert_eq!(
                audit::unsealed(&db, "main", 10).await.unwrap().len(),
                2,
                "each end is recorded, once"
            );
            let left: Vec<_> =
                running(&db, None, 10).await.unwrap().iter().map(|session| session.id).collect();
            assert_eq!(left, staying.iter().map(|session| session.id).collect::<Vec<_>>());
        })
        .await;
    }

    #[tokio::test]
    async fn each_group_has_its_own_idle_time() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            let mut ids = Vec::new();
            for (cookie, (zone, shared)) in
                [("", false), ("", true), ("garde", false)].into_iter().enumerate()
            {
                let mut new = card_session(person, cookie as u8, clock.now(), &random);
                new.station = Station { zone: zone.into(), shared };
                begin(&db, &new, clock.now()).await.unwrap();
                ids.push(new.id);
            }
            clock.advance(TimeDelta::minutes(5));
            let over = |_, _| event(Kind::SessionEnded, &clock);
            for (zone, shared, ended) in [(Some("garde"), false, 2), (None, true, 1)] {
                let group = IdleGroup { zone: zone.map(str::to_owned), shared, idle: TimeDelta::minutes(5) };
                assert_eq!(end_expired(&db, &group, 10, &over, clock.now(), &random).await.unwrap(), 1);
                assert!(by_id(&db, ids[ended]).await.unwrap().unwrap().ended_at.is_some(), "{group:?}");
            }
            assert!(by_id(&db, ids[0]).await.unwrap().unwrap().ended_at.is_none(), "of neither group");
        })
        .await;
    }

    #[tokio::test]
    async fn the_end_of_a_session_queues_a_logout_for_each_relying_party_that_wants_one() {
        async fn grant(
            db: &Db,
            client: &str,
            uri: Option<&str>,
            new: &NewSession,
            now: Time,
            random: &dyn Random,
        ) {
            let id = uuid_v4(random);
            let (client, uri) = (client.to_owned(), uri.map(str::to_owned));
            let result: Result<(), StoreError> = async {
                write!(db, c => {
                    sqlx::query("INSERT INTO client (id, name, profile, redirect_uris, post_logout_redirect_uris,
                        backchannel_logout_uri, audience, may_introspect, created_at, updated_at)
                        VALUES ($1, $1, 'psc', '[]', '[]', $2, 'affiliated', FALSE, $3, $3)")
                        .bind(client.clone()).bind(uri).bind(now).execute(&mut *c).await?;
                    sqlx::query("INSERT INTO authorization_grant (id, session_id, person_id, client_id, scope, nonce,
                        created_at) VALUES ($1, $2, $3, $4, 'openid', '', $5)")
                        .bind(id).bind(new.id).bind(new.authentication.person).bind(client).bind(now)
                        .execute(&mut *c).await?;
                    Ok(())
                })
            }
            .await;
            result.unwrap();
        }
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            let new = card_session(person, 1, clock.now(), &random);
            begin(&db, &new, clock.now()).await.unwrap();
            grant(&db, "one", Some("https://one.example/logout"), &new, clock.now(), &random).await;
            grant(&db, "two", None, &new, clock.now(), &random).await;
            let over = event(Kind::SessionEnded, &clock);
            assert!(end(&db, new.id, EndReason::SignedOut, &over, clock.now(), &random).await.unwrap());
            let again = end(&db, new.id, EndReason::SignedOut, &over, clock.now(), &random).await.unwrap();
            assert!(!again, "ends once");
            assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 1, "and is recorded once");
            let later = clock.now() + TimeDelta::days(1);
            assert_eq!(delete_old(&db, later, 10).await.unwrap(), 0, "a grant still names it");
            let queued: Result<Vec<(String, String)>, StoreError> = async {
                read!(&db, c => Ok(sqlx::query_as("SELECT client_id, uri FROM logout_delivery").fetch_all(c).await?))
            }
            .await;
            assert_eq!(queued.unwrap(), [("one".to_owned(), "https://one.example/logout".to_owned())]);
        })
        .await;
    }
}
