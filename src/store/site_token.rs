//! Site tokens, and the workstations that come with them.
//!
//! A token has so many places, one per host name. A workstation that enrols again under its host name keeps its place
//! and its row: the new key takes the place of the old one, which is worth nothing from then on. So a desktop that loses
//! its key at each boot costs one place for ever, and not one per boot.

use ipnet::IpNet;
use serde_json::Value;

use super::audit::{NewRow, record};
use super::workstation::{Workstation, by_id, insert_workstation};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{SiteTokenId, WorkstationId};

/// What a fleet enrols with.
#[derive(Clone, sqlx::FromRow)]
pub struct SiteToken {
    /// Its key, and its name in lists and events.
    pub id: SiteTokenId,
    /// The hash that the token is found by (32 bytes).
    pub secret_hash: Vec<u8>,
    /// The token and its private key, sealed for [`SiteToken::seal_place`].
    pub sealed: Vec<u8>,
    /// The site of the workstations that it is for.
    pub site: String,
    /// Their network zone.
    pub zone: String,
    /// How many of them may have a place at one time.
    pub places: i64,
    /// The networks that it may be used from; none: any.
    #[sqlx(json)]
    pub networks: Vec<IpNet>,
    /// Whether an administrator has to approve each workstation.
    pub needs_approval: bool,
    /// Whether a workstation has to prove itself with a machine certificate besides.
    pub machine_certificate: bool,
    /// Whether several people use the workstations in turn.
    pub shared: bool,
    /// For how many seconds a workstation is good; none: until it is revoked.
    pub good_for: Option<i64>,
    /// When it was made.
    pub created_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    /// When a workstation last came with it.
    pub last_used_at: Option<Time>,
}

impl SiteToken {
    /// The name of the place that its secrets are sealed for.
    #[must_use]
    pub fn seal_place(id: SiteTokenId) -> String {
        format!("site_token/{id}")
    }
}

impl std::fmt::Debug for SiteToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteToken").field("id", &self.id).field("zone", &self.zone).finish_non_exhaustive()
    }
}

macro_rules! columns {
    () => {
        "id, secret_hash, sealed, site, zone, places, networks, needs_approval, machine_certificate, shared, good_for, \
         created_at, expires_at, revoked_at, last_used_at"
    };
}

/// A place is taken by a workstation that is good, and by one that an administrator revoked: revoking one of a lost
/// token's guests must not make room for the next. `$1` is the token, `$2` now.
macro_rules! taken {
    () => {
        "site_token_id = $1 AND (revoked_at IS NOT NULL OR good_until IS NULL OR good_until > $2)"
    };
}

/// Keeps a token. `event` is recorded with it.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &Db, new: &SiteToken, event: &NewRow) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO site_token (id, secret_hash, sealed, site, zone, places, networks, needs_approval, good_for,
               created_at, expires_at, machine_certificate, shared)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(new.id)
        .bind(new.secret_hash.clone())
        .bind(new.sealed.clone())
        .bind(new.site.clone())
        .bind(new.zone.clone())
        .bind(new.places)
        .bind(sqlx::types::Json(new.networks.clone()))
        .bind(new.needs_approval)
        .bind(new.good_for)
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(new.machine_certificate)
        .bind(new.shared)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(())
    })
}

/// The token of that hash, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_hash(db: &Db, secret_hash: &[u8]) -> Result<Option<SiteToken>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM site_token WHERE secret_hash = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(secret_hash.to_vec()).fetch_optional(&mut *c).await?))
}

/// All tokens, the youngest first, each with the number of places that are taken at `now`.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &Db, now: Time) -> Result<Vec<(SiteToken, i64)>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM site_token ORDER BY id DESC");
    const TAKEN: &str = concat!("SELECT COUNT(*) FROM workstation WHERE ", taken!());
    read!(db, c => {
        let tokens: Vec<SiteToken> = sqlx::query_as(SQL).fetch_all(&mut *c).await?;
        let mut counted = Vec::with_capacity(tokens.len());
        for token in tokens {
            let taken = sqlx::query_scalar(TAKEN).bind(token.id).bind(now).fetch_one(&mut *c).await?;
            counted.push((token, taken));
        }
        Ok(counted)
    })
}

/// Takes a token no longer, and, where `with_workstations`, the word of those that came with it. Yields how many of them
/// were revoked; `None` where there is no such token, or it was revoked before and no workstation of it is left. `event`
/// is recorded where something was done.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    db: &Db,
    id: SiteTokenId,
    with_workstations: bool,
    event: &NewRow,
    now: Time,
) -> Result<Option<u64>, StoreError> {
    write!(db, c => {
        let token = sqlx::query("UPDATE site_token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now)
            .execute(&mut *c)
            .await?
            .rows_affected();
        let mut workstations = 0;
        if with_workstations {
            workstations = sqlx::query(
                "UPDATE workstation SET revoked_at = $2 WHERE site_token_id = $1 AND revoked_at IS NULL",
            )
            .bind(id)
            .bind(now)
            .execute(&mut *c)
            .await?
            .rows_affected();
        }
        let done = token + workstations > 0;
        if done {
            record!(c, *event);
        }
        Ok(done.then_some(workstations))
    })
}

/// The workstation that has the place of `host_name` under a token.
///
/// # Errors
/// [`StoreError`].
pub async fn place_of(
    db: &Db,
    token: SiteTokenId,
    host_name: &str,
) -> Result<Option<Workstation>, StoreError> {
    const SQL: &str = "SELECT id FROM workstation WHERE site_token_id = $1 AND host_name = $2";
    let found: Option<WorkstationId> = read!(db, c => {
        let found = sqlx::query_scalar(SQL).bind(token).bind(host_name.to_owned());
        Ok::<_, StoreError>(found.fetch_optional(&mut *c).await?)
    })?;
    match found {
        Some(id) => by_id(db, id).await,
        None => Ok(None),
    }
}

/// What became of a workstation that came with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It has a place.
    Done,
    /// The token was revoked or has expired.
    Over,
    /// Every place is taken.
    Full,
    /// Another request of the same host was faster; or an older one came late, or twice.
    Overtaken,
}

/// Gives a workstation the place of its host name under its token. All or nothing, in one transaction that holds the
/// token's row: of two that want the last place one gets it. `event` is recorded with it.
///
/// `former` is what [`place_of`] said: the row that `new`, which has its id, takes over. Its key, and with it whoever
/// holds the key, is forgotten. The name that an administrator gave to it stays.
///
/// # Errors
/// [`StoreError`].
pub async fn admit(
    db: &Db,
    new: &Workstation,
    former: Option<&Workstation>,
    event: &NewRow,
    now: Time,
) -> Result<Admission, StoreError> {
    const TAKEN: &str = concat!("SELECT COUNT(*) FROM workstation WHERE host_name <> $3 AND ", taken!());
    let former = former.map(|former| former.kid.clone());
    write!(db, c => {
        let places: Option<i64> = sqlx::query_scalar(
            "UPDATE site_token SET last_used_at = $2
             WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 RETURNING places",
        )
        .bind(new.site_token_id)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        let Some(places) = places else { return Ok(Admission::Over) };
        let taken: i64 = sqlx::query_scalar(TAKEN)
            .bind(new.site_token_id)
            .bind(now)
            .bind(new.host_name.clone())
            .fetch_one(&mut *c)
            .await?;
        if taken >= places {
            return Ok(Admission::Full);
        }
        if let Some(former) = former {
            let taken_over = sqlx::query(
                "UPDATE workstation SET kid = $3, public_jwk = $4, agent_version = $5, created_at = $6, approved_at = $7,
                   asked_at = $8, good_until = $9, last_seen_at = NULL
                 WHERE id = $1 AND kid = $2 AND revoked_at IS NULL AND asked_at < $8",
            )
            .bind(new.id)
            .bind(former)
            .bind(new.kid.clone())
            .bind(sqlx::types::Json::<Value>(new.public_jwk.clone()))
            .bind(new.agent_version.clone())
            .bind(now)
            .bind(new.approved_at)
            .bind(new.asked_at)
            .bind(new.good_until)
            .execute(&mut *c)
            .await?
            .rows_affected();
            if taken_over != 1 {
                return Ok(Admission::Overtaken);
            }
        } else {
            let there: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM workstation WHERE site_token_id = $1 AND host_name = $2",
            )
            .bind(new.site_token_id)
            .bind(new.host_name.clone())
            .fetch_one(&mut *c)
            .await?;
            if there > 0 {
                return Ok(Admission::Overtaken);
            }
            insert_workstation!(c, new, now);
        }
        record!(c, *event);
        Ok(Admission::Done)
    })
}

/// Deletes the workstations whose time was over before `before` and that nobody revoked, `limit` at most. Yields how
/// many. Desktops with names that never come back would fill the list.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired_workstations(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM workstation WHERE id IN (
               SELECT w.id FROM workstation w WHERE w.good_until <= $1 AND w.revoked_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM session s WHERE s.workstation_id = w.id)
               AND NOT EXISTS (SELECT 1 FROM workstation_channel c WHERE c.workstation_id = w.id)
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
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;

    use super::*;
    use crate::audit::{Kind, Trail};
    use crate::clock::{Clock as _, MockClock};
    use crate::crypto::random::SystemRandom;
    use crate::ids::CountingRandom;
    use crate::session::IdleGroup;
    use crate::store::session::tests::{card_session, somebody};
    use crate::store::session::{self, Watched};
    use crate::store::testing::on_both;
    use crate::store::workstation;

    /// A database with one token, and what to enrol with it.
    struct Fleet {
        db: Db,
        clock: MockClock,
        random: CountingRandom,
        token: SiteToken,
    }

    impl Fleet {
        async fn with(db: Db, places: i64, good_for: Option<i64>) -> Self {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let token = SiteToken {
                id: SiteTokenId::new(clock.now(), &random),
                secret_hash: vec![1; 32],
                sealed: vec![1; 45],
                site: "Site principal".into(),
                zone: "soins".into(),
                places,
                networks: vec!["10.1.0.0/16".parse().unwrap()],
                needs_approval: false,
                machine_certificate: true,
                shared: true,
                good_for,
                created_at: clock.now(),
                expires_at: clock.now() + TimeDelta::days(30),
                revoked_at: None,
                last_used_at: None,
            };
            let fleet = Self { db, clock, random, token };
            add(&fleet.db, &fleet.token, &fleet.event(Kind::SiteTokenCreated)).await.unwrap();
            fleet
        }

        fn event(&self, kind: Kind) -> NewRow {
            let trail = Trail::new("main", "1", Arc::new(self.clock.clone()), Arc::new(SystemRandom));
            NewRow::from(&trail.event(kind))
        }

        fn workstation(&self, host: &str, kid: &str) -> Workstation {
            let now = self.clock.now();
            Workstation {
                id: WorkstationId::new(now, &self.random),
                name: host.to_uppercase(),
                host_name: host.into(),
                kid: kid.into(),
                public_jwk: serde_json::json!({ "kty": "EC", "kid": kid }),
                site: self.token.site.clone(),
                zone: self.token.zone.clone(),
                agent_version: "0.1.0".into(),
                created_at: now,
                approved_at: Some(now),
                last_seen_at: None,
                revoked_at: None,
                site_token_id: Some(self.token.id),
                asked_at: Some(now),
                good_until: self.token.good_for.map(|seconds| now + TimeDelta::seconds(seconds)),
                shared: false,
                channel_since: None,
            }
        }

        /// As the server does it: looks who has the place, then takes it.
        async fn admit(&self, host: &str, kid: &str) -> Admission {
            let former = place_of(&self.db, self.token.id, host).await.unwrap();
            let mut new = self.workstation(host, kid);
            if let Some(former) = &former {
                new.id = former.id;
            }
            let event = self.event(Kind::WorkstationEnrolled);
            admit(&self.db, &new, former.as_ref(), &event, self.clock.now()).await.unwrap()
        }

        async fn taken(&self) -> i64 {
            all(&self.db, self.clock.now()).await.unwrap()[0].1
        }
    }

    #[tokio::test]
    async fn a_host_that_comes_again_keeps_its_place_and_its_old_key_is_forgotten() {
        on_both(async |db| {
            let fleet = Fleet::with(db, 1, None).await;
            assert_eq!(fleet.admit("vdi-1", "a").await, Admission::Done);
            let first = place_of(&fleet.db, fleet.token.id, "vdi-1").await.unwrap().unwrap();
            let renamed = fleet.event(Kind::WorkstationRenamed);
            assert!(workstation::rename(&fleet.db, first.id, "Salle 4", &renamed).await.unwrap());
            for kid in ["b", "c"] {
                fleet.clock.advance(TimeDelta::hours(8));
                assert_eq!(fleet.admit("vdi-1", kid).await, Admission::Done);
            }
            let last = place_of(&fleet.db, fleet.token.id, "vdi-1").await.unwrap().unwrap();
            assert_eq!((last.id, last.kid.as_str(), last.name.as_str()), (first.id, "c", "Salle 4"));
            assert_eq!(fleet.taken().await, 1);
            assert_eq!(fleet.admit("vdi-2", "d").await, Admission::Full);
            let token = by_hash(&fleet.db, &[1; 32]).await.unwrap().unwrap();
            assert_eq!((token.networks, token.last_used_at), (fleet.token.networks, Some(last.created_at)));
            assert!(token.machine_certificate && token.shared);
        })
        .await;
    }

    #[tokio::test]
    async fn of_many_that_come_at_once_only_as_many_as_there_are_places_get_one() {
        on_both(async |db| {
            let fleet = Arc::new(Fleet::with(db, 3, None).await);
            let tasks: Vec<_> = (0..12)
                .map(|n| {
                    let fleet = Arc::clone(&fleet);
                    tokio::spawn(async move { fleet.admit(&format!("poste-{n}"), &format!("k{n}")).await })
                })
                .collect();
            let mut done = 0;
            for task in tasks {
                match task.await.unwrap() {
                    Admission::Done => done += 1,
                    other => assert_eq!(other, Admission::Full),
                }
            }
            assert_eq!((done, fleet.taken().await), (3, 3));
            assert_eq!(workstation::all(&fleet.db).await.unwrap().len(), 3);
        })
        .await;
    }

    #[tokio::test]
    async fn the_same_host_twice_at_once_and_an_older_request_that_comes_late() {
        on_both(async |db| {
            let fleet = Fleet::with(db, 5, None).await;
            let (one, other) = (fleet.workstation("vdi-1", "a"), fleet.workstation("vdi-1", "b"));
            let event = || fleet.event(Kind::WorkstationEnrolled);
            let now = fleet.clock.now();
            assert_eq!(admit(&fleet.db, &one, None, &event(), now).await.unwrap(), Admission::Done);
            assert_eq!(admit(&fleet.db, &other, None, &event(), now).await.unwrap(), Admission::Overtaken);
            // Its own request once more, and one made in the same second.
            let replayed = admit(&fleet.db, &one, Some(&one), &event(), now).await.unwrap();
            assert_eq!(replayed, Admission::Overtaken);
            fleet.clock.advance(TimeDelta::minutes(1));
            assert_eq!(fleet.admit("vdi-1", "c").await, Admission::Done);
            let late = Workstation { kid: "late".into(), ..one.clone() };
            let known = place_of(&fleet.db, fleet.token.id, "vdi-1").await.unwrap().unwrap();
            let outcome = admit(&fleet.db, &late, Some(&known), &event(), fleet.clock.now()).await.unwrap();
            assert_eq!(outcome, Admission::Overtaken);
            let recorded = crate::store::audit::unsealed(&fleet.db, "main", 10).await.unwrap();
            assert_eq!(recorded.len(), 3, "the token and two enrolments; what was not done is not recorded");
        })
        .await;
    }

    #[tokio::test]
    async fn a_token_ends_by_time_and_by_revocation_alone_or_with_its_workstations() {
        on_both(async |db| {
            let fleet = Fleet::with(db, 5, None).await;
            assert_eq!(fleet.admit("poste-1", "a").await, Admission::Done);
            let revoked = || fleet.event(Kind::SiteTokenRevoked);
            let now = fleet.clock.now();
            assert_eq!(revoke(&fleet.db, fleet.token.id, false, &revoked(), now).await.unwrap(), Some(0));
            assert_eq!(revoke(&fleet.db, fleet.token.id, false, &revoked(), now).await.unwrap(), None);
            assert_eq!(fleet.admit("poste-1", "b").await, Admission::Over);
            assert_eq!(fleet.admit("poste-2", "c").await, Admission::Over);
            assert_eq!(revoke(&fleet.db, fleet.token.id, true, &revoked(), now).await.unwrap(), Some(1));
            let left = place_of(&fleet.db, fleet.token.id, "poste-1").await.unwrap().unwrap();
            assert_eq!((left.kid.as_str(), left.revoked_at), ("a", Some(now)));
        })
        .await;
        on_both(async |db| {
            let fleet = Fleet::with(db, 5, None).await;
            fleet.clock.advance(TimeDelta::days(30));
            assert_eq!(fleet.admit("poste-1", "a").await, Admission::Over, "not a moment longer");
        })
        .await;
    }

    #[tokio::test]
    async fn a_place_comes_back_by_time_and_not_by_revoking_who_has_it() {
        on_both(async |db| {
            let fleet = Fleet::with(db, 2, Some(3600)).await;
            assert_eq!(fleet.admit("vdi-1", "a").await, Admission::Done);
            assert_eq!(fleet.admit("vdi-2", "b").await, Admission::Done);
            let rogue = place_of(&fleet.db, fleet.token.id, "vdi-2").await.unwrap().unwrap();
            let event = fleet.event(Kind::WorkstationRevoked);
            workstation::revoke(&fleet.db, rogue.id, &event, fleet.clock.now()).await.unwrap();
            assert_eq!(fleet.admit("vdi-3", "c").await, Admission::Full, "a revoked one keeps its place");
            assert_eq!(fleet.admit("vdi-2", "d").await, Admission::Overtaken, "and does not come back");
            fleet.clock.advance(TimeDelta::hours(1));
            assert_eq!(fleet.admit("vdi-3", "e").await, Admission::Done, "the time of the first is over");
            assert_eq!(fleet.admit("vdi-1", "f").await, Admission::Full);
            let now = fleet.clock.now();
            assert_eq!(delete_expired_workstations(&fleet.db, now, 10).await.unwrap(), 1);
            let left: Vec<_> = workstation::all(&fleet.db).await.unwrap();
            let mut left: Vec<_> = left.iter().map(|one| one.host_name.as_str()).collect();
            left.sort_unstable();
            assert_eq!(left, ["vdi-2", "vdi-3"]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_workstation_stays_as_long_as_a_session_that_was_opened_there() {
        on_both(async |db| {
            let fleet = Fleet::with(db, 1, Some(3600)).await;
            assert_eq!(fleet.admit("vdi-1", "a").await, Admission::Done);
            let place = place_of(&fleet.db, fleet.token.id, "vdi-1").await.unwrap().unwrap();
            let (now, random) = (fleet.clock.now(), &fleet.random);
            let person = somebody(&fleet.db, now, random).await;
            let mut new = card_session(person, 1, now, random);
            new.watched = Some(Watched {
                workstation: place.id,
                card: "00".into(),
                agent: None,
                leased_until: Some(now),
            });
            session::begin(&fleet.db, &new, now).await.unwrap();

            fleet.clock.advance(TimeDelta::days(8));
            let now = fleet.clock.now();
            assert_eq!(delete_expired_workstations(&fleet.db, now, 10).await.unwrap(), 0);
            let group = IdleGroup { zone: None, shared: false, idle: TimeDelta::minutes(30) };
            let event = |_, _| fleet.event(Kind::SessionEnded);
            assert_eq!(session::end_expired(&fleet.db, &group, 10, &event, now, random).await.unwrap(), 1);
            assert_eq!(session::delete_old(&fleet.db, now, 10).await.unwrap(), 1);
            assert_eq!(delete_expired_workstations(&fleet.db, now, 10).await.unwrap(), 1);
        })
        .await;
    }
}
