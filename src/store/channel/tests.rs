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
        let new = Offer { id, workstation, agent: agent.into(), takes_badge: false, takes_questions: false };
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
        self.session_watched_by(None, workstation, card, cookie, zone).await
    }

    /// As [`Self::session`], `agent` alone having a say.
    async fn session_watched_by(
        &self,
        agent: Option<&str>,
        workstation: WorkstationId,
        card: &str,
        cookie: u8,
        zone: &str,
    ) -> SessionId {
        let now = self.clock.now();
        let mut new = card_session(self.person, cookie, now, &self.random);
        new.station.zone = zone.into();
        let leased_until = Some(now + SessionPolicy::default().lease);
        new.watched =
            Some(Watched { workstation, card: card.into(), agent: agent.map(str::to_owned), leased_until });
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
            assert_eq!(scene.report(post, channel, replayed, &[]).await, Reported::Replayed, "{replayed}");
        }
        let open = of(&scene.db, post).await.unwrap().remove(0);
        assert_eq!((open.number, open.cards), (3, vec![CARD.to_owned()]), "what was refused had no effect");
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
        assert_eq!(scene.report(post, new, 2, &[]).await, Reported::Taken(Vec::new()), "and disturbs nobody");
        let open: Vec<_> = of(&scene.db, post).await.unwrap().iter().map(|open| open.id).collect();
        assert_eq!(open, [new]);
        assert_eq!(delete_silent(&scene.db, scene.clock.now()).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn of_offers_that_nobody_takes_up_the_last_are_kept() {
    on_both(async |db| {
        let scene = Scene::new(db).await;
        let (post, other) = (scene.workstation().await, scene.workstation().await);
        let open = scene.offer_to(post, "agent of a colleague").await;
        scene.report(post, open, 1, &[CARD]).await;
        let (first, elsewhere) = (scene.offer(post).await, scene.offer(other).await);
        let mut last = first;
        for _ in 0..MOST_OFFERS {
            scene.pass(1);
            last = scene.offer(post).await;
        }
        let taken = Reported::Taken(Vec::new());
        assert_eq!(scene.report(post, first, 1, &[]).await, Reported::Unknown);
        assert_eq!(scene.report(post, last, 1, &[]).await, taken);
        assert_eq!(scene.report(post, open, 2, &[CARD]).await, taken, "what is open stays");
        assert_eq!(scene.report(other, elsewhere, 1, &[]).await, taken);
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
        assert_eq!(scene.standing(far).await, Standing::Locked, "another workstation's word is not its own");
        let before = audit::unsealed(&scene.db, "main", 100).await.unwrap().len();
        let locked = Reported::Taken(vec![(doctor, CardOut::Lock)]);
        assert_eq!(scene.report(post, channel, 5, &[OTHER]).await, locked);
        assert_eq!(scene.standing(doctor).await, Standing::Locked);
        assert_eq!(scene.standing(nurse).await, Standing::Alive, "the other person at the same workstation");
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

/// On a terminal server all agents speak with one key: a colleague's program can open channels of its own at will.
#[tokio::test]
async fn no_other_agent_of_a_computer_renews_locks_or_ends_a_session_that_names_its_own() {
    on_both(async |db| {
        let mut scene = Scene::new(db).await;
        let post = scene.workstation().await;
        let (mine, colleague) = (scene.offer_to(post, "mine").await, scene.offer_to(post, "colleague").await);
        let id = scene.session_watched_by(Some("mine"), post, CARD, 1, "").await;
        let nothing = Reported::Taken(Vec::new());
        assert_eq!(scene.report(post, mine, 1, &[CARD]).await, nothing);
        // The colleague says that the card is gone: neither locked nor ended.
        for (number, reaction) in [(1, CardOut::Lock), (2, CardOut::End)] {
            scene.policies.general.card_out = reaction;
            assert_eq!(scene.report(post, colleague, number, &[]).await, nothing, "{reaction:?}");
            assert_eq!(scene.standing(id).await, Standing::Alive);
        }
        scene.policies.general.card_out = CardOut::Lock;
        // The colleague says that it is there: not renewed, and what its own agent says counts at once.
        let before = scene.look(id).await.leased_until;
        scene.pass(60);
        assert_eq!(scene.report(post, colleague, 3, &[CARD]).await, nothing);
        assert_eq!(scene.look(id).await.leased_until, before);
        let locked = Reported::Taken(vec![(id, CardOut::Lock)]);
        assert_eq!(scene.report(post, mine, 2, &[]).await, locked, "whatever the colleague sees");
        // Nor does it keep a session whose own agent has fallen silent.
        let id = scene.session_watched_by(Some("mine"), post, CARD, 2, "").await;
        scene.pass(60);
        scene.report(post, colleague, 4, &[CARD]).await;
        scene.pass(30);
        scene.report(post, colleague, 5, &[CARD]).await;
        assert_eq!(scene.standing(id).await, Standing::Locked);
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
        assert_eq!(scene.standing(id).await, Standing::Locked, "nobody knows where the card was meanwhile");
        let event = |_, _, _| scene.event();
        let lapsed =
            async || lock_lapsed(&scene.db, &scene.policies, 10, &event, scene.clock.now()).await.unwrap();
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
        client::set_policy(&scene.db, "strict", &demands, &Default::default(), scene.clock.now(), &scene.event()).await.unwrap();

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
