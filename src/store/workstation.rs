//! Workstations that hold a key of their own, and the invitations by which they came to us.
//!
//! An invitation is consumed by one conditional update, in the transaction that keeps the workstation: of two
//! workstations that present the same code one is enrolled.

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{SiteTokenId, WorkstationId};

/// A workstation.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Workstation {
    /// Its key, and its name in card answers.
    pub id: WorkstationId,
    /// How people know it: its host name, unless an administrator has renamed it.
    pub name: String,
    /// The host name that it gave when it enrolled, in small letters.
    pub host_name: String,
    /// The RFC 7638 thumbprint of its key.
    pub kid: String,
    /// The public half of its key, as a JWK.
    #[sqlx(json)]
    pub public_jwk: serde_json::Value,
    /// The site that its invitation named.
    pub site: String,
    /// The network zone that its invitation named.
    pub zone: String,
    /// The version of its agent when it was last seen.
    pub agent_version: String,
    /// When it enrolled.
    pub created_at: Time,
    /// Since when it may answer; none while an administrator has not approved it.
    pub approved_at: Option<Time>,
    /// When it last answered, to within an hour.
    pub last_seen_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    /// The site token that it came with; none for an invitation.
    pub site_token_id: Option<SiteTokenId>,
    /// When its request to enrol was made, by its own clock; known where it came with a site token.
    pub asked_at: Option<Time>,
    /// Until when it is good; none: until it is revoked.
    pub good_until: Option<Time>,
    /// Whether several people use it in turn.
    pub shared: bool,
    /// Since when its agent keeps a channel; none where it never has.
    pub channel_since: Option<Time>,
}

impl Workstation {
    /// Whether it may answer at `now`: approved, not revoked, and its time not over.
    #[must_use]
    pub fn state(&self, now: Time) -> State {
        match self {
            Self { revoked_at: Some(_), .. } => State::Revoked,
            Self { good_until: Some(until), .. } if *until <= now => State::Expired,
            Self { approved_at: None, .. } => State::Pending,
            _ => State::Active,
        }
    }
}

/// Whether a workstation may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may.
    Active,
    /// An administrator has not approved it yet.
    Pending,
    /// Its time is over; it can enrol anew.
    Expired,
    /// An administrator revoked it.
    Revoked,
}

impl State {
    /// Its name in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

macro_rules! columns {
    () => {
        "id, name, host_name, kid, public_jwk, site, zone, agent_version, created_at, approved_at, last_seen_at, \
         revoked_at, site_token_id, asked_at, good_until, shared, channel_since"
    };
}

/// Keeps a workstation, inside a `write!` body.
macro_rules! insert_workstation {
    ($c:expr, $new:expr, $now:expr) => {{
        let new: &$crate::store::workstation::Workstation = $new;
        sqlx::query(
            "INSERT INTO workstation (id, name, host_name, kid, public_jwk, site, zone, agent_version, created_at,
               approved_at, site_token_id, asked_at, good_until, shared)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(new.id)
        .bind(new.name.clone())
        .bind(new.host_name.clone())
        .bind(new.kid.clone())
        .bind(sqlx::types::Json(new.public_jwk.clone()))
        .bind(new.site.clone())
        .bind(new.zone.clone())
        .bind(new.agent_version.clone())
        .bind($now)
        .bind(new.approved_at)
        .bind(new.site_token_id)
        .bind(new.asked_at)
        .bind(new.good_until)
        .bind(new.shared)
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use insert_workstation;

/// An invitation.
#[derive(Clone, sqlx::FromRow)]
pub struct Invite {
    /// The hash that the code is found by (32 bytes).
    pub secret_hash: Vec<u8>,
    /// The secret, sealed for [`invite_place`].
    pub sealed: Vec<u8>,
    /// The site of the workstation that it is for.
    pub site: String,
    /// Its network zone.
    pub zone: String,
    /// Whether an administrator has to approve the workstation.
    pub needs_approval: bool,
    /// Whether several people will use it in turn.
    pub shared: bool,
    /// When it is no longer good.
    pub expires_at: Time,
    /// When it was used.
    pub consumed_at: Option<Time>,
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite").field("site", &self.site).field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// The name of the place that the secret of an invitation is sealed for.
pub fn invite_place(secret_hash: &[u8]) -> String {
    format!("workstation_invite/{}", hex::encode(secret_hash))
}

/// Keeps an invitation. `event` is recorded with it.
///
/// # Errors
/// [`StoreError`].
pub async fn invite(db: &Db, new: &Invite, event: &NewRow, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO workstation_invite (secret_hash, sealed, site, zone, needs_approval, created_at, expires_at,
               shared)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.secret_hash.clone())
        .bind(new.sealed.clone())
        .bind(new.site.clone())
        .bind(new.zone.clone())
        .bind(new.needs_approval)
        .bind(now)
        .bind(new.expires_at)
        .bind(new.shared)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(())
    })
}

/// The invitation of that hash, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn invite_by_hash(db: &Db, secret_hash: &[u8]) -> Result<Option<Invite>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT secret_hash, sealed, site, zone, needs_approval, shared, expires_at, consumed_at
         FROM workstation_invite WHERE secret_hash = $1",
    )
    .bind(secret_hash.to_vec())
    .fetch_optional(&mut *c)
    .await?))
}

/// Consumes an invitation and keeps the workstation that came with it; `event` is recorded with both. Yields false, and
/// keeps nothing, where the invitation was used or has expired.
///
/// # Errors
/// [`StoreError`].
pub async fn enrol(
    db: &Db,
    secret_hash: &[u8],
    new: &Workstation,
    event: &NewRow,
    now: Time,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let consumed = sqlx::query(
            "UPDATE workstation_invite SET consumed_at = $2
             WHERE secret_hash = $1 AND consumed_at IS NULL AND expires_at > $2",
        )
        .bind(secret_hash.to_vec())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if consumed.rows_affected() != 1 {
            return Ok(false);
        }
        insert_workstation!(c, new, now);
        sqlx::query("UPDATE workstation_invite SET workstation_id = $2 WHERE secret_hash = $1")
            .bind(secret_hash.to_vec())
            .bind(new.id)
            .execute(&mut *c)
            .await?;
        record!(c, *event);
        Ok(true)
    })
}

/// The workstation of that id, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: WorkstationId) -> Result<Option<Workstation>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM workstation WHERE id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// All workstations, the youngest first.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &Db) -> Result<Vec<Workstation>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM workstation ORDER BY id DESC");
    read!(db, c => Ok(sqlx::query_as(SQL).fetch_all(&mut *c).await?))
}

/// Whether any workstation that is not revoked is marked as shared.
///
/// # Errors
/// [`StoreError`].
pub async fn any_shared(db: &Db) -> Result<bool, StoreError> {
    read!(db, c => {
        let shared: Option<WorkstationId> =
            sqlx::query_scalar("SELECT id FROM workstation WHERE shared AND revoked_at IS NULL LIMIT 1")
                .fetch_optional(&mut *c)
                .await?;
        Ok(shared.is_some())
    })
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// It may answer from now on.
    Done,
    /// The workstation has another key than the one that was seen: it enrolled anew since.
    OtherKey,
    /// There is no workstation of that id that waits.
    NotWaiting,
}

/// Lets a workstation answer with the key whose thumbprint begins with `key`: that of the row may be another by now, and
/// somebody else's. `event` is recorded where it was done.
///
/// # Errors
/// [`StoreError`].
pub async fn approve(
    db: &Db,
    id: WorkstationId,
    key: &str,
    event: &NewRow,
    now: Time,
) -> Result<Approval, StoreError> {
    write!(db, c => {
        let waiting: Option<String> = sqlx::query_scalar(
            "SELECT kid FROM workstation WHERE id = $1 AND approved_at IS NULL AND revoked_at IS NULL",
        )
        .bind(id)
        .fetch_optional(&mut *c)
        .await?;
        let Some(kid) = waiting else { return Ok(Approval::NotWaiting) };
        if !kid.starts_with(key) {
            return Ok(Approval::OtherKey);
        }
        let changed = sqlx::query(
            "UPDATE workstation SET approved_at = $2
             WHERE id = $1 AND kid = $3 AND approved_at IS NULL AND revoked_at IS NULL",
        )
        .bind(id)
        .bind(now)
        .bind(kid)
        .execute(&mut *c)
        .await?;
        if changed.rows_affected() != 1 {
            return Ok(Approval::OtherKey);
        }
        record!(c, *event);
        Ok(Approval::Done)
    })
}

/// Gives a workstation another name, for people. Yields false where there is none. `event` is recorded where it was done.
///
/// # Errors
/// [`StoreError`].
pub async fn rename(db: &Db, id: WorkstationId, name: &str, event: &NewRow) -> Result<bool, StoreError> {
    let name = name.to_owned();
    write!(db, c => {
        let changed = sqlx::query("UPDATE workstation SET name = $2 WHERE id = $1")
            .bind(id)
            .bind(name)
            .execute(&mut *c)
            .await?
            .rows_affected()
            == 1;
        if changed {
            record!(c, *event);
        }
        Ok(changed)
    })
}

/// Takes a workstation's word no longer. Yields false where there is none, or it was revoked before. `event` is recorded
/// where it was done.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(db: &Db, id: WorkstationId, event: &NewRow, now: Time) -> Result<bool, StoreError> {
    write!(db, c => {
        let changed = sqlx::query("UPDATE workstation SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now)
            .execute(&mut *c)
            .await?
            .rows_affected()
            == 1;
        if changed {
            record!(c, *event);
        }
        Ok(changed)
    })
}

/// Notes when a workstation answered and with which agent: once an hour, or where the agent is another.
///
/// # Errors
/// [`StoreError`].
pub async fn seen(db: &Db, known: &Workstation, agent_version: &str, now: Time) -> Result<(), StoreError> {
    let recently = known.last_seen_at.is_some_and(|at| now - at < chrono::TimeDelta::hours(1));
    if recently && known.agent_version == agent_version {
        return Ok(());
    }
    let (id, agent_version) = (known.id, agent_version.to_owned());
    write!(db, c => {
        sqlx::query("UPDATE workstation SET last_seen_at = $2, agent_version = $3 WHERE id = $1")
            .bind(id)
            .bind(now)
            .bind(agent_version)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}

/// Deletes the invitations that expired before `before`. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired_invites(db: &Db, before: Time) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query("DELETE FROM workstation_invite WHERE expires_at <= $1")
            .bind(before)
            .execute(&mut *c)
            .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;

    use super::*;
    use crate::audit::{Kind, Trail};
    use crate::clock::{Clock, MockClock};
    use crate::ids::CountingRandom;
    use crate::store::testing::on_both;

    fn event(clock: &MockClock, kind: Kind) -> NewRow {
        let trail =
            Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(crate::crypto::random::SystemRandom));
        NewRow::from(&trail.event(kind))
    }

    fn workstation(clock: &MockClock, random: &CountingRandom, kid: &str) -> Workstation {
        Workstation {
            id: WorkstationId::new(clock.now(), random),
            name: "poste-12".into(),
            host_name: "poste-12".into(),
            kid: kid.into(),
            public_jwk: serde_json::json!({ "kty": "EC" }),
            site: "Site principal".into(),
            zone: "bureaux".into(),
            agent_version: "0.1.0".into(),
            created_at: clock.now(),
            approved_at: None,
            last_seen_at: None,
            revoked_at: None,
            site_token_id: None,
            asked_at: None,
            good_until: None,
            shared: false,
            channel_since: None,
        }
    }

    /// A workstation that was invited, has enrolled and may answer.
    pub(crate) async fn enrolled(
        db: &Db,
        clock: &MockClock,
        random: &dyn crate::ids::Random,
    ) -> WorkstationId {
        let id = WorkstationId::new(clock.now(), random);
        let invitation = Invite {
            secret_hash: id.0.as_bytes().repeat(2),
            sealed: vec![1; 45],
            site: String::new(),
            zone: String::new(),
            needs_approval: false,
            shared: false,
            expires_at: clock.now() + TimeDelta::minutes(15),
            consumed_at: None,
        };
        invite(db, &invitation, &event(clock, Kind::WorkstationInvited), clock.now()).await.unwrap();
        let new = Workstation {
            id,
            approved_at: Some(clock.now()),
            ..workstation(clock, &CountingRandom::default(), &id.to_string())
        };
        let event = event(clock, Kind::WorkstationEnrolled);
        assert!(enrol(db, &invitation.secret_hash, &new, &event, clock.now()).await.unwrap());
        id
    }

    #[tokio::test]
    async fn an_invitation_is_good_once_and_for_a_time() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let new = |n: u8| Invite {
                secret_hash: vec![n; 32],
                sealed: vec![n; 45],
                site: "Site principal".into(),
                zone: "bureaux".into(),
                needs_approval: true,
                shared: false,
                expires_at: clock.now() + TimeDelta::minutes(15),
                consumed_at: None,
            };
            for n in [1, 2] {
                invite(&db, &new(n), &event(&clock, Kind::WorkstationInvited), clock.now()).await.unwrap();
            }
            let found = invite_by_hash(&db, &[1; 32]).await.unwrap().unwrap();
            assert!(found.needs_approval && found.consumed_at.is_none());
            assert!(invite_by_hash(&db, &[3; 32]).await.unwrap().is_none());

            let enrolled = || event(&clock, Kind::WorkstationEnrolled);
            let (first, second) = (workstation(&clock, &random, "a"), workstation(&clock, &random, "b"));
            assert!(enrol(&db, &[1; 32], &first, &enrolled(), clock.now()).await.unwrap());
            assert!(!enrol(&db, &[1; 32], &second, &enrolled(), clock.now()).await.unwrap(), "used");
            let late = clock.now() + TimeDelta::minutes(15);
            assert!(!enrol(&db, &[2; 32], &second, &enrolled(), late).await.unwrap(), "expired");
            assert!(by_id(&db, second.id).await.unwrap().is_none());
            assert_eq!(all(&db).await.unwrap().len(), 1);
            let recorded = crate::store::audit::unsealed(&db, "main", 10).await.unwrap();
            assert_eq!(recorded.len(), 3, "two invitations, one enrolment");
            assert_eq!(delete_expired_invites(&db, late).await.unwrap(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn a_workstation_is_approved_seen_and_revoked() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let invitation = Invite {
                secret_hash: vec![1; 32],
                sealed: vec![1; 45],
                site: String::new(),
                zone: String::new(),
                needs_approval: true,
                shared: false,
                expires_at: clock.now() + TimeDelta::minutes(15),
                consumed_at: None,
            };
            invite(&db, &invitation, &event(&clock, Kind::WorkstationInvited), clock.now()).await.unwrap();
            let new = workstation(&clock, &random, "a");
            enrol(&db, &[1; 32], &new, &event(&clock, Kind::WorkstationEnrolled), clock.now()).await.unwrap();
            let known = by_id(&db, new.id).await.unwrap().unwrap();
            assert_eq!((known.approved_at, known.public_jwk), (None, new.public_jwk));
            let approved = event(&clock, Kind::WorkstationApproved);
            let clock_now = clock.now();
            let other = approve(&db, new.id, "b", &approved, clock_now).await.unwrap();
            assert_eq!(other, Approval::OtherKey, "the row has another key than the one that was seen");
            assert_eq!(by_id(&db, new.id).await.unwrap().unwrap().approved_at, None);
            assert_eq!(approve(&db, new.id, "a", &approved, clock_now).await.unwrap(), Approval::Done);
            assert_eq!(approve(&db, new.id, "a", &approved, clock_now).await.unwrap(), Approval::NotWaiting);
            let recorded = crate::store::audit::unsealed(&db, "main", 10).await.unwrap();
            assert_eq!(recorded.len(), 3, "invited, enrolled, approved once");
            let known = by_id(&db, new.id).await.unwrap().unwrap();
            seen(&db, &known, "0.2.0", clock.now()).await.unwrap();
            let known = by_id(&db, new.id).await.unwrap().unwrap();
            assert_eq!((known.agent_version.as_str(), known.last_seen_at), ("0.2.0", Some(clock.now())));
            clock.advance(TimeDelta::minutes(5));
            seen(&db, &known, "0.2.0", clock.now()).await.unwrap();
            assert!(
                by_id(&db, new.id).await.unwrap().unwrap().last_seen_at < Some(clock.now()),
                "not each time"
            );
            let renamed = event(&clock, Kind::WorkstationRenamed);
            assert!(rename(&db, new.id, "Accueil des urgences", &renamed).await.unwrap());
            let known = by_id(&db, new.id).await.unwrap().unwrap();
            assert_eq!((known.name.as_str(), known.host_name.as_str()), ("Accueil des urgences", "poste-12"));
            let nobody = WorkstationId::new(clock.now(), &random);
            let renamed = event(&clock, Kind::WorkstationRenamed);
            assert!(!rename(&db, nobody, "x", &renamed).await.unwrap());
            assert_eq!(known.state(clock.now()), State::Active);
            assert!(
                revoke(&db, new.id, &event(&clock, Kind::WorkstationRevoked), clock.now()).await.unwrap()
            );
            assert!(
                !revoke(&db, new.id, &event(&clock, Kind::WorkstationRevoked), clock.now()).await.unwrap()
            );
            assert_eq!(by_id(&db, new.id).await.unwrap().unwrap().revoked_at, Some(clock.now()));
        })
        .await;
    }
}
