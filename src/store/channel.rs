//! Channels of workstations, and what a card's coming and going does to sessions.
//!
//! A message counts if its channel is open, its number is higher than any before, and its workstation is neither revoked
//! nor waiting for approval: all judged in the transaction that takes its effect, on whatever node it arrives. A card
//! that is there renews the lease of a session that is in order and does nothing else; it never opens a locked one. A
//! card that is not there locks or ends.

use std::collections::BTreeSet;

use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::session::{end_session, lock_session};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ChannelId, PersonId, Random, SessionId, WorkstationId};
use crate::session::{CardOut, EndReason, Policies, Station};

/// A channel that is open.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Channel {
    /// Its name in messages.
    pub id: ChannelId,
    /// Whose it is.
    pub workstation_id: WorkstationId,
    /// The number of the last message.
    pub number: i64,
    /// The cards that it reported: SHA-256 of their certificates, in hexadecimal.
    #[sqlx(json)]
    pub cards: Vec<String>,
    /// When the last message came.
    pub seen_at: Time,
}

/// A channel to offer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its name in messages.
    pub id: ChannelId,
    /// Whose it will be.
    pub workstation: WorkstationId,
    /// Which of the workstation's agents.
    pub agent: String,
}

/// Offers a channel to a workstation: it is open once a message comes over it. Forgets the workstation's offers that are
/// older than `stale`.
///
/// # Errors
/// [`StoreError`].
pub async fn offer(db: &Db, new: &Offer, stale: Time, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("DELETE FROM workstation_channel WHERE workstation_id = $1 AND number = 0 AND created_at <= $2")
            .bind(new.workstation)
            .bind(stale)
            .execute(&mut *c)
            .await?;
        sqlx::query(
            "INSERT INTO workstation_channel (id, workstation_id, agent, number, cards, created_at, seen_at)
             VALUES ($1, $2, $3, 0, $4, $5, $5)",
        )
        .bind(new.id)
        .bind(new.workstation)
        .bind(new.agent.clone())
        .bind(Json(Vec::<String>::new()))
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// The open channels of a workstation: one, unless several people use it at the same time.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db, workstation: WorkstationId) -> Result<Vec<Channel>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id, workstation_id, number, cards, seen_at FROM workstation_channel
         WHERE workstation_id = $1 AND number > 0 ORDER BY id",
    )
    .bind(workstation)
    .fetch_all(&mut *c)
    .await?))
}

/// What a workstation reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// Over which channel.
    pub channel: ChannelId,
    /// Who.
    pub workstation: WorkstationId,
    /// The message's number, from 1.
    pub number: i64,
    /// The cards in its readers: SHA-256 of their certificates, in hexadecimal.
    pub cards: Vec<String>,
    /// An offer that was made before this is no longer good.
    pub stale: Time,
}

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// It was taken, with these sessions locked or ended.
    Taken(Vec<(SessionId, CardOut)>),
    /// There is no such channel: never offered, offered too long ago, or another has taken its place.
    Unknown,
    /// A message with this number or a higher one has come before.
    Replayed,
    /// The workstation is revoked, or waits for approval.
    Refused,
}

/// A session that hangs on a card.
#[derive(sqlx::FromRow)]
struct Hanging {
    id: SessionId,
    person_id: PersonId,
    card: String,
    leased_until: Time,
    locked_at: Option<Time>,
    zone: String,
    shared: bool,
}

/// Makes what is recorded of a session that is locked or ended.
pub type EventOf<'a> = &'a (dyn Fn(SessionId, PersonId, CardOut) -> NewRow + Sync);

/// Takes a report, and does to the sessions of the workstation what the policies say.
///
/// # Errors
/// [`StoreError`].
pub async fn report(
    db: &Db,
    report: &Report,
    policies: &Policies,
    event: EventOf<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<Reported, StoreError> {
    write!(db, c => {
        let channel: Option<(i64, Time, String)> = sqlx::query_as(
            "SELECT number, created_at, agent FROM workstation_channel WHERE id = $1 AND workstation_id = $2",
        )
        .bind(report.channel)
        .bind(report.workstation)
        .fetch_optional(&mut *c)
        .await?;
        let (opening, agent) = match channel {
            None => return Ok(Reported::Unknown),
            Some((last, ..)) if last >= report.number => return Ok(Reported::Replayed),
            Some((0, offered, _)) if offered <= report.stale => return Ok(Reported::Unknown),
            Some((last, _, agent)) => (last == 0, agent),
        };
        let allowed: Option<WorkstationId> = sqlx::query_scalar(
            "SELECT id FROM workstation WHERE id = $1 AND revoked_at IS NULL AND approved_at IS NOT NULL
               AND (good_until IS NULL OR good_until > $2)",
        )
        .bind(report.workstation)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        if allowed.is_none() {
            return Ok(Reported::Refused);
        }
        // Of two messages at once the one with the higher number stays.
        let taken = sqlx::query("UPDATE workstation_channel SET number = $2, cards = $3, seen_at = $4 WHERE id = $1 AND number < $2")
            .bind(report.channel)
            .bind(report.number)
            .bind(Json(report.cards.clone()))
            .bind(now)
            .execute(&mut *c)
            .await?;
        if taken.rows_affected() != 1 {
            return Ok(Reported::Replayed);
        }
        if opening {
            sqlx::query("DELETE FROM workstation_channel WHERE workstation_id = $1 AND agent = $3 AND id <> $2 AND number > 0")
                .bind(report.workstation)
                .bind(report.channel)
                .bind(agent)
                .execute(&mut *c)
                .await?;
            sqlx::query("UPDATE workstation SET channel_since = $2 WHERE id = $1 AND channel_since IS NULL")
                .bind(report.workstation)
                .bind(now)
                .execute(&mut *c)
                .await?;
        }
        // What another agent of the workstation has just reported is there as well.
        let others: Vec<Json<Vec<String>>> = sqlx::query_scalar(
            "SELECT cards FROM workstation_channel
             WHERE workstation_id = $1 AND id <> $2 AND number > 0 AND seen_at > $3",
        )
        .bind(report.workstation)
        .bind(report.channel)
        .bind(now - policies.general.lease)
        .fetch_all(&mut *c)
        .await?;
        let present: BTreeSet<&String> =
            report.cards.iter().chain(others.iter().flat_map(|Json(cards)| cards)).collect();
        let hanging: Vec<Hanging> = sqlx::query_as(
            "SELECT id, person_id, card, leased_until, locked_at, zone, shared FROM session
             WHERE workstation_id = $1 AND ended_at IS NULL AND leased_until IS NOT NULL AND card IS NOT NULL",
        )
        .bind(report.workstation)
        .fetch_all(&mut *c)
        .await?;
        let mut changed = Vec::new();
        for session in hanging {
            let policy = policies.at(&Station { zone: session.zone.clone(), shared: session.shared });
            if present.contains(&session.card) {
                if session.locked_at.is_none() && policy.holds(session.leased_until, now) {
                    sqlx::query("UPDATE session SET leased_until = $2 WHERE id = $1 AND locked_at IS NULL")
                        .bind(session.id)
                        .bind(now + policy.lease)
                        .execute(&mut *c)
                        .await?;
                }
                continue;
            }
            let demanded: Vec<CardOut> = sqlx::query_scalar(
                "SELECT DISTINCT c.card_out FROM authorization_grant g JOIN client c ON c.id = g.client_id
                 WHERE g.session_id = $1 AND g.revoked_at IS NULL AND c.card_out IS NOT NULL",
            )
            .bind(session.id)
            .fetch_all(&mut *c)
            .await?;
            let reaction = demanded.into_iter().fold(policy.card_out, Ord::max);
            let done = match reaction {
                CardOut::Ignore => false,
                CardOut::Lock => lock_session!(c, session.id, now),
                CardOut::End => end_session!(c, session.id, EndReason::CardRemoved, now, random),
            };
            if done {
                record!(c, event(session.id, session.person_id, reaction));
                changed.push((session.id, reaction));
            }
        }
        Ok(Reported::Taken(changed))
    })
}

/// Locks the sessions that no channel vouches for any more, `limit` at a time; those whose card may be taken along are
/// left alone. Yields how many rows were looked at; `event` makes what is recorded of each that is locked.
///
/// They serve nobody from the moment their lease has run out: this writes it down, with its event.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_lapsed(
    db: &Db,
    policies: &Policies,
    limit: i64,
    event: EventOf<'_>,
    now: Time,
) -> Result<usize, StoreError> {
    write!(db, c => {
        let lapsed: Vec<Hanging> = sqlx::query_as(
            "SELECT id, person_id, card, leased_until, locked_at, zone, shared FROM session
             WHERE ended_at IS NULL AND locked_at IS NULL AND card IS NOT NULL AND leased_until <= $1
             ORDER BY leased_until LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&mut *c)
        .await?;
        for session in &lapsed {
            let policy = policies.at(&Station { zone: session.zone.clone(), shared: session.shared });
            if policy.card_out == CardOut::Ignore {
                // Somebody has loosened the zone's rule since: the lease is of no interest any more.
                sqlx::query("UPDATE session SET leased_until = NULL WHERE id = $1").bind(session.id).execute(&mut *c).await?;
            } else if lock_session!(c, session.id, now) {
                record!(c, event(session.id, session.person_id, CardOut::Lock));
            }
        }
        Ok(lapsed.len())
    })
}

/// Deletes the offers that nobody took up and the channels that fell silent before `before`. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_silent(db: &Db, before: Time) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query("DELETE FROM workstation_channel WHERE seen_at <= $1")
            .bind(before)
            .execute(&mut *c)
            .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::CountingRandom;
    use crate::session::{Demands, Session, SessionPolicy, Standing, ZonePolicy};
    use crate::store::client::tests::{event, new_client};
    use crate::store::session::tests::{card_session, somebody};
    use crate::store::session::{self, Watched};
    use crate::store::testing::on_both;
    use crate::store::workstation;
    use crate::store::{audit, client, read, write};
    use chrono::TimeDelta;

    const CARD: &str = "card of the doctor";
    const OTHER: &str = "card of the nurse";

    struct Scene {
        db: Db,
        clock: MockClock,
        random: CountingRandom,
        policies: Policies,
        person: PersonId,
    }

    impl Scene {
        async fn new(db: Db) -> Self {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            Self { db, clock, random, policies: Policies::default(), person }
        }

        async fn workstation(&self) -> WorkstationId {
            workstation::tests::enrolled(&self.db, &self.clock, &self.random).await
        }

        async fn offer(&self, workstation: WorkstationId) -> ChannelId {
            self.offer_to(workstation, "agent").await
        }

        async fn offer_to(&self, workstation: WorkstationId, agent: &str) -> ChannelId {
            let (id, now) = (ChannelId::new(self.clock.now(), &self.random), self.clock.now());
            let new = Offer { id, workstation, agent: agent.into() };
            offer(&self.db, &new, now - TimeDelta::seconds(60), now).await.unwrap();
            id
        }

        async fn report(
            &self,
            workstation: WorkstationId,
            channel: ChannelId,
            number: i64,
            cards: &[&str],
        ) -> Reported {
            let now = self.clock.now();
            let cards = cards.iter().map(|card| (*card).to_owned()).collect();
            let new = Report { channel, workstation, number, cards, stale: now - TimeDelta::seconds(60) };
            let event = |_, _, _| self.event();
            report(&self.db, &new, &self.policies, &event, now, &self.random).await.unwrap()
        }

        fn event(&self) -> NewRow {
            event(Kind::SessionLocked, &self.clock)
        }

        /// A session that was opened with `card` at `workstation`.
        async fn session(&self, workstation: WorkstationId, card: &str, cookie: u8, zone: &str) -> SessionId {
            let now = self.clock.now();
            let mut new = card_session(self.person, cookie, now, &self.random);
            new.station.zone = zone.into();
            let leased_until = Some(now + SessionPolicy::default().lease);
            new.watched = Some(Watched { workstation, card: card.into(), leased_until });
            session::begin(&self.db, &new, now).await.unwrap();
            new.id
        }

        async fn look(&self, id: SessionId) -> Session {
            session::by_id(&self.db, id).await.unwrap().unwrap()
        }

        async fn standing(&self, id: SessionId) -> Standing {
            self.look(id).await.standing(SessionPolicy::default(), self.clock.now())
        }

        fn pass(&self, seconds: i64) {
            self.clock.advance(TimeDelta::seconds(seconds));
        }
    }

    #[tokio::test]
    async fn a_channel_takes_each_number_once_and_only_upwards() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let post = scene.workstation().await;
            let channel = scene.offer(post).await;
            assert!(of(&scene.db, post).await.unwrap().is_empty(), "offered, not open");
            let taken = Reported::Taken(Vec::new());
            assert_eq!(scene.report(post, channel, 1, &[CARD]).await, taken);
            assert_eq!(scene.report(post, channel, 3, &[CARD]).await, taken, "2 was lost on the way");
            for replayed in [1, 2, 3, 0, -1] {
                assert_eq!(
                    scene.report(post, channel, replayed, &[]).await,
                    Reported::Replayed,
                    "{replayed}"
                );
            }
            let open = of(&scene.db, post).await.unwrap().remove(0);
            assert_eq!(
                (open.number, open.cards),
                (3, vec![CARD.to_owned()]),
                "what was refused had no effect"
            );
            assert!(
                workstation::by_id(&scene.db, post).await.unwrap().unwrap().channel_since.is_some(),
                "from now on its cards are watched"
            );
        })
        .await;
    }

    #[tokio::test]
    async fn a_new_channel_closes_the_one_before_and_nothing_of_it_can_be_replayed() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let post = scene.workstation().await;
            let old = scene.offer(post).await;
            scene.report(post, old, 1, &[CARD]).await;
            let new = scene.offer(post).await;
            assert_eq!(
                scene.report(post, old, 2, &[CARD]).await,
                Reported::Taken(Vec::new()),
                "only offered yet"
            );
            assert_eq!(scene.report(post, new, 1, &[]).await, Reported::Taken(Vec::new()));
            for number in [1, 2, 3] {
                assert_eq!(scene.report(post, old, number, &[CARD]).await, Reported::Unknown);
            }
            let stale = scene.offer(post).await;
            scene.pass(60);
            assert_eq!(
                scene.report(post, stale, 1, &[CARD]).await,
                Reported::Unknown,
                "an offer is good for a minute"
            );
            assert_eq!(
                scene.report(post, new, 2, &[]).await,
                Reported::Taken(Vec::new()),
                "and disturbs nobody"
            );
            let open: Vec<_> = of(&scene.db, post).await.unwrap().iter().map(|open| open.id).collect();
            assert_eq!(open, [new]);
            assert_eq!(delete_silent(&scene.db, scene.clock.now()).await.unwrap(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn the_channel_of_another_workstation_or_of_a_revoked_one_is_refused() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let (mine, other) = (scene.workstation().await, scene.workstation().await);
            let channel = scene.offer(mine).await;
            assert_eq!(scene.report(other, channel, 1, &[]).await, Reported::Unknown);
            scene.report(mine, channel, 1, &[CARD]).await;
            assert!(workstation::revoke(&scene.db, mine, &scene.event(), scene.clock.now()).await.unwrap());
            assert_eq!(scene.report(mine, channel, 2, &[CARD]).await, Reported::Refused);
        })
        .await;
    }

    #[tokio::test]
    async fn a_card_that_stays_renews_its_lease_and_one_that_leaves_locks_its_session_only() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let (post, elsewhere) = (scene.workstation().await, scene.workstation().await);
            let channel = scene.offer(post).await;
            let doctor = scene.session(post, CARD, 1, "").await;
            let nurse = scene.session(post, OTHER, 2, "").await;
            let far = scene.session(elsewhere, CARD, 3, "").await;
            for number in 1..=4 {
                scene.pass(30);
                assert_eq!(
                    scene.report(post, channel, number, &[CARD, OTHER]).await,
                    Reported::Taken(Vec::new())
                );
            }
            assert_eq!(scene.standing(doctor).await, Standing::Alive, "renewed four times");
            assert_eq!(
                scene.standing(far).await,
                Standing::Locked,
                "another workstation's word is not its own"
            );
            let before = audit::unsealed(&scene.db, "main", 100).await.unwrap().len();
            let locked = Reported::Taken(vec![(doctor, CardOut::Lock)]);
            assert_eq!(scene.report(post, channel, 5, &[OTHER]).await, locked);
            assert_eq!(scene.standing(doctor).await, Standing::Locked);
            assert_eq!(
                scene.standing(nurse).await,
                Standing::Alive,
                "the other person at the same workstation"
            );
            // The card is put in again. That is nobody's sign-in.
            assert_eq!(scene.report(post, channel, 6, &[CARD, OTHER]).await, Reported::Taken(Vec::new()));
            assert_eq!(scene.standing(doctor).await, Standing::Locked);
            let recorded = audit::unsealed(&scene.db, "main", 100).await.unwrap().len();
            assert_eq!(recorded - before, 1, "once");
        })
        .await;
    }

    #[tokio::test]
    async fn two_agents_of_one_workstation_do_not_take_each_others_word_away() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let post = scene.workstation().await;
            let (one, two) = (scene.offer_to(post, "one").await, scene.offer_to(post, "two").await);
            let id = scene.session(post, CARD, 1, "").await;
            scene.report(post, one, 1, &[CARD]).await;
            assert_eq!(
                scene.report(post, two, 1, &[OTHER]).await,
                Reported::Taken(Vec::new()),
                "the one still sees it"
            );
            assert_eq!(of(&scene.db, post).await.unwrap().len(), 2);
            assert_eq!(scene.report(post, one, 2, &[]).await, Reported::Taken(vec![(id, CardOut::Lock)]));
            // What an agent said that has fallen silent counts no longer.
            let id = scene.session(post, CARD, 2, "").await;
            scene.report(post, one, 3, &[CARD]).await;
            scene.pass(60);
            scene.report(post, two, 2, &[OTHER]).await;
            scene.pass(30);
            let gone = scene.report(post, two, 3, &[OTHER]).await;
            assert_eq!(gone, Reported::Taken(vec![(id, CardOut::Lock)]));
        })
        .await;
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_is_not_renewed_and_is_written_down() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let post = scene.workstation().await;
            let channel = scene.offer(post).await;
            let id = scene.session(post, CARD, 1, "").await;
            scene.report(post, channel, 1, &[CARD]).await;
            scene.pass(90);
            assert_eq!(scene.standing(id).await, Standing::Locked, "the channel was cut");
            scene.report(post, channel, 2, &[CARD]).await;
            assert_eq!(
                scene.standing(id).await,
                Standing::Locked,
                "nobody knows where the card was meanwhile"
            );
            let event = |_, _, _| scene.event();
            let lapsed = async || {
                lock_lapsed(&scene.db, &scene.policies, 10, &event, scene.clock.now()).await.unwrap()
            };
            assert_eq!((lapsed().await, lapsed().await), (1, 0));
            assert_eq!(scene.look(id).await.locked_at, Some(scene.clock.now()));
        })
        .await;
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_lets_no_lease_be_renewed() {
        on_both(async |db| {
            let scene = Scene::new(db).await;
            let post = scene.workstation().await;
            let channel = scene.offer(post).await;
            let id = scene.session(post, CARD, 1, "").await;
            scene.report(post, channel, 1, &[CARD]).await;
            scene.pass(-600);
            scene.report(post, channel, 2, &[CARD]).await;
            assert_eq!(scene.standing(id).await, Standing::Locked);
            let until = scene.look(id).await.leased_until.unwrap();
            assert!(until > scene.clock.now() + TimeDelta::minutes(10), "it was not touched");
        })
        .await;
    }

    #[tokio::test]
    async fn the_zone_or_a_service_that_was_reached_decides_what_happens() {
        on_both(async |db| {
            let mut scene = Scene::new(db).await;
            let zone = |card_out| ZonePolicy { card_out: Some(card_out), ..ZonePolicy::default() };
            scene.policies.zones.insert("bureaux".into(), zone(CardOut::Ignore));
            scene.policies.zones.insert("accueil".into(), zone(CardOut::End));
            let post = scene.workstation().await;
            let channel = scene.offer(post).await;
            let office = scene.session(post, CARD, 1, "bureaux").await;
            let desk = scene.session(post, CARD, 2, "accueil").await;
            let strict = scene.session(post, CARD, 3, "").await;
            for (session, service) in [(strict, "strict"), (strict, "rp"), (office, "rp"), (desk, "rp")] {
                if client::by_id(&scene.db, service).await.unwrap().is_none() {
                    client::add(&scene.db, &new_client(service), scene.clock.now(), &scene.event()).await.unwrap();
                }
                grant(&scene, session, service).await;
            }
            let demands = Demands { card_out: Some(CardOut::End), ..Demands::default() };
            client::set_demands(&scene.db, "strict", &demands, scene.clock.now(), &scene.event()).await.unwrap();

            let Reported::Taken(mut changed) = scene.report(post, channel, 1, &[]).await else { panic!("refused") };
            changed.sort();
            let mut expected = vec![(desk, CardOut::End), (strict, CardOut::End)];
            expected.sort();
            assert_eq!(changed, expected);
            assert!(scene.look(office).await.ended_at.is_none() && scene.look(office).await.locked_at.is_none());
            let told: Result<i64, StoreError> = async {
                read!(&scene.db, c => Ok(sqlx::query_scalar("SELECT COUNT(*) FROM logout_delivery").fetch_one(c).await?))
            }
            .await;
            assert_eq!(told.unwrap(), 3, "both services of the one session and the one of the other are told");

            // The lease of the office lapses, and nobody minds.
            scene.pass(90);
            let event = |_, _, _| scene.event();
            lock_lapsed(&scene.db, &scene.policies, 10, &event, scene.clock.now()).await.unwrap();
            let session = scene.look(office).await;
            assert_eq!((session.locked_at, session.leased_until), (None, None));
        })
        .await;
    }

    async fn grant(scene: &Scene, session: SessionId, service: &str) {
        let (id, now, service) = (crate::ids::uuid_v4(&scene.random), scene.clock.now(), service.to_owned());
        let kept: Result<(), StoreError> = async {
            write!(&scene.db, c => {
                sqlx::query("INSERT INTO authorization_grant (id, session_id, person_id, client_id, scope, nonce,
                    created_at) VALUES ($1, $2, $3, $4, 'openid', '', $5)")
                    .bind(id).bind(session).bind(scene.person).bind(service).bind(now).execute(&mut *c).await?;
                Ok(())
            })
        }
        .await;
        kept.unwrap();
    }
}
