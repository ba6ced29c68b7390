//! Admission and what ends it, on both engines.

use std::sync::Arc;

use chrono::TimeDelta;

use tokio::sync::oneshot;

use super::{
    Affiliation, Merged, Merging, NewAffiliation, NewPerson, Source, ToldIdentifier, add, affiliate,
    affiliations, disable, enable, end_affiliation, learn_identifiers,
};
use crate::audit::{Kind, Trail};
use crate::clock::{Clock as _, MockClock, Time};
use crate::directory::{
    Admission, Audience, NationalId, Refusal, admission, admitted, end_due_links, sign_in, subject,
};
use crate::ids::{CountingRandom, MeansId, PersonId};
use crate::session::{SessionPolicy, Standing};
use crate::store::audit::record;
use crate::store::job_lease::Holder;
use crate::store::means::{Evidence, Issuer, Kind as MeansKind, Means, insert_means};
use crate::store::session::tests::card_session;
use crate::store::testing::{fresh_postgres, on_both};
use crate::store::upstream_link::{self, Linked, NewLink};
use crate::store::{self, Db, StoreError, write};

struct Desk {
    clock: MockClock,
    random: Arc<CountingRandom>,
    trail: Trail,
}

fn desk() -> Desk {
    let (clock, random) = (MockClock::default(), Arc::new(CountingRandom::default()));
    let trail = Trail::new("node", "1", Arc::new(clock.clone()), random.clone());
    Desk { clock, random, trail }
}

fn id(text: &str) -> NationalId {
    text.parse().unwrap()
}

impl Desk {
    async fn add(&self, db: &Db, id_nat: &str, affiliated: bool) -> PersonId {
        let now = self.clock.now();
        let desk = NewAffiliation {
            source: Source::Desk,
            structure: String::new(),
            started_at: now,
            ended_at: None,
        };
        let new = NewPerson {
            id: PersonId::new(now, &*self.random),
            family_name: "DOC".into(),
            given_name: "KIT".into(),
            professional: None,
            identifiers: vec![id(id_nat)],
            affiliations: if affiliated { vec![desk] } else { Vec::new() },
        };
        let event = self.trail.event(Kind::PersonAdded).person(new.id);
        add(db, &new, now, &*self.random, &event).await.unwrap();
        new.id
    }

    async fn ask(&self, db: &Db, id_nat: &str, audience: Audience) -> Result<(), Refusal> {
        match admission(db, &id(id_nat), audience, self.clock.now()).await.unwrap() {
            Admission::Admitted(_) | Admission::Newcomer(_) => Ok(()),
            Admission::Refused(refusal) => Err(refusal),
        }
    }

    async fn count(&self, db: &Db, kind: Kind) -> usize {
        let filter =
            store::audit::Filter { kind: Some(kind.name().into()), limit: 100, ..Default::default() };
        store::audit::list(db, &filter).await.unwrap().len()
    }
}

/// A current generation that knows these professionals.
async fn directory_of(db: &Db, ids: &[&str], now: crate::clock::Time) {
    let lease = Holder { job: "test", node: "test".into() };
    assert!(store::job_lease::take(db, lease.job, &lease.node, now, now).await.unwrap());
    let generation = store::directory::begin(db, &lease, "test", now).await.unwrap().unwrap();
    let result: Result<(), StoreError> = async {
        write!(db, c => {
            for id_nat in ids {
                sqlx::query("INSERT INTO directory_entry (generation, id_nat, family_name, given_name, professional) \
                     VALUES ($1, $2, 'DOC0036624', 'KIT', '{\"c\":\"M\",\"e\":[{\"p\":\"10\"}]}')")
                    .bind(generation).bind((*id_nat).to_owned()).execute(&mut *c).await?;
            }
            sqlx::query("UPDATE directory_generation SET current = TRUE WHERE id = $1")
                .bind(generation).execute(&mut *c).await?;
            Ok(())
        })
    }
    .await;
    result.unwrap();
}

const DOCTOR: &str = "899700366240";
const EMPLOYEE: &str = "30B0168811/CPET00001";

#[tokio::test]
async fn known_is_not_admitted() {
    on_both(async |db| {
        let desk = desk();
        directory_of(&db, &[DOCTOR], desk.clock.now()).await;
        assert_eq!(desk.ask(&db, DOCTOR, Audience::Affiliated).await, Err(Refusal::NotAdmitted));
        assert_eq!(desk.ask(&db, DOCTOR, Audience::AnyProfessional).await, Ok(()));
        assert_eq!(desk.ask(&db, EMPLOYEE, Audience::AnyProfessional).await, Err(Refusal::Unknown));
        assert_eq!(desk.ask(&db, EMPLOYEE, Audience::Affiliated).await, Err(Refusal::Unknown));
        desk.add(&db, EMPLOYEE, true).await;
        assert_eq!(desk.ask(&db, EMPLOYEE, Audience::Affiliated).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_first_sign_in_makes_the_person_once() {
    on_both(async |db| {
        let desk = desk();
        let now = desk.clock.now();
        directory_of(&db, &[DOCTOR], now).await;
        let doctor = id(DOCTOR);
        let sign_in = || sign_in(&db, &desk.trail, &doctor, Audience::AnyProfessional, now, &*desk.random);
        let (one, other) = tokio::join!(sign_in(), sign_in());
        let person = one.unwrap().unwrap();
        assert_eq!(other.unwrap().unwrap(), person);
        assert_eq!(desk.count(&db, Kind::PersonAdded).await, 1);
        let seen = subject(&db, person, desk.clock.now()).await.unwrap().unwrap();
        assert_eq!((seen.family_name.as_str(), seen.id_nat.as_str()), ("DOC0036624", DOCTOR));
        assert_eq!(seen.professional.practices[0].profession, "10");
        // Signed in once where any professional may: still nobody of this establishment.
        assert_eq!(desk.ask(&db, DOCTOR, Audience::Affiliated).await, Err(Refusal::NotAdmitted));
    })
    .await;
}

#[tokio::test]
async fn a_link_counts_from_its_start_to_its_end() {
    on_both(async |db| {
        let desk = desk();
        let person = desk.add(&db, EMPLOYEE, false).await;
        let now = desk.clock.now();
        let new = NewAffiliation {
            source: Source::Desk,
            structure: "10B0168811".into(),
            started_at: now + TimeDelta::days(1),
            ended_at: Some(now + TimeDelta::days(3)),
        };
        let event = desk.trail.event(Kind::AffiliationStarted);
        super::affiliate(&db, person, &new, now, &*desk.random, &event).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(desk.ask(&db, EMPLOYEE, Audience::Affiliated).await.is_ok());
            desk.clock.advance(TimeDelta::days(1));
        }
        assert_eq!(answers, [false, true, true, false]);
    })
    .await;
}

#[tokio::test]
async fn disabling_ends_the_sessions_and_refuses_the_next_sign_in() {
    on_both(async |db| {
        let desk = desk();
        let person = desk.add(&db, EMPLOYEE, true).await;
        let now = desk.clock.now();
        let session = store::session::tests::card_session(person, 1, now, &*desk.random);
        store::session::begin(&db, &session, now).await.unwrap();
        let event = desk.trail.event(Kind::PersonDisabled).person(person);
        let ended = disable(&db, person, "left", now, &*desk.random, &event).await.unwrap().unwrap();
        assert_eq!(ended, [session.id]);
        assert_eq!(disable(&db, person, "left", now, &*desk.random, &event).await.unwrap(), None);
        let found = store::session::by_id(&db, session.id).await.unwrap().unwrap();
        assert_eq!(found.standing(SessionPolicy::default(), now), Standing::Ended);
        assert_eq!(desk.ask(&db, EMPLOYEE, Audience::AnyProfessional).await, Err(Refusal::Disabled));
        let answer = admitted(&db, person, Audience::Affiliated, now).await.unwrap();
        assert_eq!(answer.unwrap_err(), Refusal::Disabled);
        assert_eq!(desk.count(&db, Kind::PersonDisabled).await, 1);
        assert!(enable(&db, person, &desk.trail.event(Kind::PersonEnabled)).await.unwrap());
        assert_eq!(desk.ask(&db, EMPLOYEE, Audience::Affiliated).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn the_sessions_end_with_the_last_link() {
    on_both(async |db| {
        let desk = desk();
        let person = desk.add(&db, EMPLOYEE, true).await;
        let now = desk.clock.now();
        let second = NewAffiliation {
            source: Source::List,
            structure: String::new(),
            started_at: now,
            ended_at: None,
        };
        let event = desk.trail.event(Kind::AffiliationStarted);
        super::affiliate(&db, person, &second, now, &*desk.random, &event).await.unwrap();
        let session = store::session::tests::card_session(person, 1, now, &*desk.random);
        store::session::begin(&db, &session, now).await.unwrap();
        let mut running = Vec::new();
        for link in affiliations(&db, person).await.unwrap() {
            let event = desk.trail.event(Kind::AffiliationEnded).person(person);
            assert!(end_affiliation(&db, person, link.id, "desk", now, &*desk.random, &event).await.unwrap());
            assert!(
                !end_affiliation(&db, person, link.id, "desk", now, &*desk.random, &event).await.unwrap()
            );
            running.push(store::session::running_of(&db, person).await.unwrap().len());
        }
        assert_eq!(running, [1, 0]);
        assert_eq!(desk.count(&db, Kind::AffiliationEnded).await, 2);
        assert_eq!(desk.ask(&db, EMPLOYEE, Audience::Affiliated).await, Err(Refusal::NotAdmitted));
    })
    .await;
}

#[tokio::test]
async fn a_link_whose_term_has_come_ends_with_its_sessions() {
    on_both(async |db| {
        let desk = desk();
        let person = desk.add(&db, EMPLOYEE, false).await;
        let now = desk.clock.now();
        let new = NewAffiliation {
            source: Source::Desk,
            structure: String::new(),
            started_at: now,
            ended_at: Some(now + TimeDelta::hours(1)),
        };
        let event = desk.trail.event(Kind::AffiliationStarted);
        super::affiliate(&db, person, &new, now, &*desk.random, &event).await.unwrap();
        let session = store::session::tests::card_session(person, 1, now, &*desk.random);
        store::session::begin(&db, &session, now).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let ended = end_due_links(&db, &desk.trail, desk.clock.now(), &*desk.random).await.unwrap();
            seen.push((ended, store::session::running_of(&db, person).await.unwrap().len()));
            desk.clock.advance(TimeDelta::hours(1));
        }
        assert_eq!(seen, [(0, 1), (1, 0), (0, 0)]);
        assert_eq!(desk.count(&db, Kind::AffiliationEnded).await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_identifier_belongs_to_one_person() {
    on_both(async |db| {
        let desk = desk();
        let person = desk.add(&db, EMPLOYEE, true).await;
        let now = desk.clock.now();
        let event = desk.trail.event(Kind::PersonIdentified).person(person);
        super::identify(&db, person, &id(DOCTOR), now, &event).await.unwrap();
        assert_eq!(super::identifiers(&db, person).await.unwrap(), [id(DOCTOR), id(EMPLOYEE)]);
        let other = desk.add(&db, "899700245667", false).await;
        assert!(super::identify(&db, other, &id(DOCTOR), now, &event).await.unwrap_err().is_duplicate());
        assert_eq!(desk.ask(&db, DOCTOR, Audience::Affiliated).await, Ok(()));
    })
    .await;
}

/// A means of a person.
fn means_of(person: PersonId, kind: MeansKind, desk: &Desk) -> Means {
    let now = desk.clock.now();
    Means {
        id: MeansId::new(now, &*desk.random),
        person_id: person,
        kind,
        reference: format!("{}/{person}", kind.as_str()),
        label: String::new(),
        level: crate::session::Acr::Eidas2,
        issued_by: Issuer::National,
        issuer_id: None,
        evidence: Evidence::Certificate { sha256: "00".repeat(32) },
        issued_at: now,
        expires_at: now + TimeDelta::days(1),
        suspended_at: None,
        revoked_at: None,
        reason: None,
        last_used_at: None,
        last_used_where: String::new(),
    }
}

impl Desk {
    /// Somebody without a link, a moment after whoever came before.
    async fn newcomer(&self, db: &Db, id_nat: &str) -> PersonId {
        self.clock.advance(TimeDelta::seconds(1));
        self.add(db, id_nat, false).await
    }

    async fn links_identity(&self, db: &Db, person: PersonId, subject: &str) {
        let link = NewLink {
            person,
            issuer: "https://psc.example".into(),
            subject: subject.into(),
            label: String::new(),
            by: "command line",
            check: None,
        };
        let event = (&self.trail.event(Kind::IdentityLinked)).into();
        let linked = upstream_link::link(db, &link, &event, self.clock.now(), &*self.random).await.unwrap();
        assert_eq!(linked, Linked::Done);
    }

    async fn merge(&self, db: &Db, kept: PersonId, other: PersonId) -> Merged {
        let event = |person, ids: &[String]| {
            (&self.trail.event(Kind::PersonMerged).person(person).note(&ids.join(" "))).into()
        };
        let revoked = |_, _, _: &str| (&self.trail.event(Kind::MeansRevoked).person(other)).into();
        let merging = Merging { kept, other, event: &event, revoked: &revoked };
        super::merge(db, &merging, self.clock.now(), &*self.random).await.unwrap()
    }
}

#[tokio::test]
async fn two_rows_of_one_human_become_one_by_hand() {
    on_both(async |db| {
        let desk = desk();
        let (kept, other) = (desk.add(&db, EMPLOYEE, true).await, desk.add(&db, DOCTOR, true).await);
        let now = desk.clock.now();
        desk.links_identity(&db, other, "f:1:2").await;
        let (card, key) =
            (means_of(other, MeansKind::Card, &desk), means_of(other, MeansKind::SecurityKey, &desk));
        let added: Result<bool, StoreError> =
            async { write!(&db, c => { Ok(insert_means!(c, &card) && insert_means!(c, &key)) }) }.await;
        assert!(added.unwrap());
        for (person, cookie) in [(kept, 1), (other, 2)] {
            let session = card_session(person, cookie, now, &*desk.random);
            store::session::begin(&db, &session, now).await.unwrap();
        }
        desk.clock.advance(TimeDelta::seconds(1));

        let done = desk.merge(&db, kept, other).await;
        assert_eq!(done, Merged::Done { identifiers: vec![DOCTOR.into()], revoked: 1, sessions: 1 });
        assert_eq!(super::identifiers(&db, kept).await.unwrap(), [id(DOCTOR), id(EMPLOYEE)]);
        assert_eq!(super::by_identifier(&db, DOCTOR).await.unwrap().unwrap().id, kept);
        assert_eq!(
            store::upstream::person_of(&db, "https://psc.example", "f:1:2").await.unwrap(),
            Some(kept)
        );
        let running = async |person| store::session::running_of(&db, person).await.unwrap().len();
        assert_eq!((running(kept).await, running(other).await), (1, 0));
        let of = async |person| store::means::of_person(&db, person).await.unwrap();
        assert_eq!(of(kept).await.iter().map(|means| means.id).collect::<Vec<_>>(), [card.id]);
        let left = of(other).await.remove(0);
        assert_eq!((left.id, left.revoked_at.is_some()), (key.id, true), "it answers for its own row alone");
        let links = affiliations(&db, kept).await.unwrap();
        assert_eq!(links.len(), 1, "the same link twice is one: {links:?}");
        let left = super::by_id(&db, other).await.unwrap().unwrap();
        assert!(left.disabled_at.is_some() && left.disabled_reason.unwrap().contains(&kept.to_string()));
        assert!(affiliations(&db, other).await.unwrap().iter().all(|link| link.ended_at.is_some()));
        assert_eq!(desk.ask(&db, DOCTOR, Audience::Affiliated).await, Ok(()));
        assert_eq!(desk.count(&db, Kind::PersonMerged).await, 2);
        assert_eq!(desk.count(&db, Kind::MeansRevoked).await, 1);
        assert_eq!(desk.merge(&db, kept, other).await, Merged::Disabled);
    })
    .await;
}

/// Until so many commands wait for what another one holds.
async fn somebody_waits(db: &Db, commands: i64) {
    const SQL: &str = "SELECT COUNT(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = async || -> Result<i64, StoreError> {
        let Db::Postgres(pool) = db else { unreachable!("nobody else writes to SQLite meanwhile") };
        Ok(sqlx::query_scalar(SQL).fetch_one(pool).await?)
    };
    while waiting().await.unwrap() < commands {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_merges_of_the_same_two_at_once_leave_one_of_them() {
    let db = Db::open(&fresh_postgres().await).await.unwrap();
    let desk = desk();
    let (one, two) = (desk.add(&db, EMPLOYEE, true).await, desk.add(&db, DOCTOR, true).await);
    let (held, is_held) = oneshot::channel();
    let (release, is_released) = oneshot::channel();
    let first = async {
        let done: Result<(), StoreError> = async {
            write!(&db, c => {
                // Somebody of whom something was entered is written to at the end of a merge only.
                sqlx::query("UPDATE person SET professional = '{}'").execute(&mut *c).await?;
                held.send(()).unwrap();
                is_released.await.unwrap();
                Ok(())
            })
        }
        .await;
        done.unwrap();
    };
    let merges = async {
        is_held.await.unwrap();
        tokio::join!(desk.merge(&db, one, two), desk.merge(&db, two, one))
    };
    let then = async {
        somebody_waits(&db, 2).await;
        release.send(()).unwrap();
    };
    let (_, done, ()) = tokio::join!(first, merges, then);
    let is_done = |merged: &Merged| matches!(merged, Merged::Done { .. });
    assert!(is_done(&done.0) != is_done(&done.1), "{done:?}");
    assert!(done.0 == Merged::Disabled || done.1 == Merged::Disabled, "{done:?}");
    db.close().await;
}

#[tokio::test]
async fn what_two_sign_ins_learn_at_once_is_learnt_once_and_keeps_neither_out() {
    let db = Db::open(&fresh_postgres().await).await.unwrap();
    let desk = desk();
    let (person, now) = (desk.add(&db, DOCTOR, true).await, desk.clock.now());
    let event = desk.trail.event(Kind::PersonIdentified);
    let told = [ToldIdentifier { id: id(EMPLOYEE), event: (&event).into() }];
    let (held, is_held) = oneshot::channel();
    let (release, is_released) = oneshot::channel();
    let first = async {
        let done: Result<(), StoreError> = async {
            write!(&db, c => {
                learn_identifiers!(c, &told, "https://psc.example", person, now);
                held.send(()).unwrap();
                is_released.await.unwrap();
                Ok(())
            })
        }
        .await;
        done.unwrap();
    };
    let second = async {
        is_held.await.unwrap();
        let event = desk.trail.event(Kind::PersonIdentified);
        super::learn_for_test(&db, person, &id(EMPLOYEE), "https://psc.example", now, &event).await
    };
    let then = async {
        somebody_waits(&db, 1).await;
        release.send(()).unwrap();
    };
    let (_, second, ()) = tokio::join!(first, second, then);
    second.unwrap();
    assert_eq!(super::identifiers(&db, person).await.unwrap(), [id(DOCTOR), id(EMPLOYEE)]);
    assert_eq!(desk.count(&db, Kind::PersonIdentified).await, 1, "once");
    db.close().await;
}

#[tokio::test]
async fn a_merge_shortens_no_link_with_the_establishment() {
    on_both(async |db| {
        let desk = desk();
        let days = |days| desk.clock.now() + TimeDelta::days(days);
        // When the link of the kept one begins and ends, and the other's; how many the one has then, and until when.
        for (own, others, count, until) in [
            ((-1, None), (-1, None), 1, None),
            ((-1, Some(7)), (-1, None), 2, None),
            ((30, None), (-1, None), 2, None),
            ((-1, Some(7)), (-1, Some(14)), 2, Some(14)),
            ((-1, Some(14)), (-1, Some(7)), 1, Some(14)),
            ((-1, Some(14)), (-1, Some(14)), 1, Some(14)),
        ] {
            let (kept, other) = (desk.newcomer(&db, EMPLOYEE).await, desk.newcomer(&db, DOCTOR).await);
            for (person, (start, end)) in [(kept, own), (other, others)] {
                let link = NewAffiliation {
                    source: Source::Desk,
                    structure: String::new(),
                    started_at: days(start),
                    ended_at: end.map(days),
                };
                let event = desk.trail.event(Kind::AffiliationStarted);
                let now = desk.clock.now();
                affiliate(&db, person, &link, now, &*desk.random, &event).await.unwrap();
            }
            let merged = desk.merge(&db, kept, other).await;
            assert!(matches!(merged, Merged::Done { .. }), "{merged:?}");
            let links = affiliations(&db, kept).await.unwrap();
            assert_eq!(links.len(), count, "{own:?} {others:?}: {links:?}");
            let runs = |link: &&Affiliation| link.started_at <= desk.clock.now();
            let ends = links.iter().filter(runs).map(|link| link.ended_at);
            let last = ends.max_by_key(|end| end.unwrap_or(Time::MAX_UTC)).unwrap();
            assert_eq!(last, until.map(days), "{own:?} {others:?}");
            // Their identifiers are free for the next two.
            forget_identifiers(&db).await;
        }
    })
    .await;
}

async fn forget_identifiers(db: &Db) {
    let done: Result<(), StoreError> = async {
        write!(db, c => {
            sqlx::query("DELETE FROM person_identifier").execute(&mut *c).await?;
            Ok(())
        })
    }
    .await;
    done.unwrap();
}

#[tokio::test]
async fn services_go_on_calling_somebody_as_they_did_whatever_is_added_but_an_rpps_number() {
    const PSI: &str = "0f6d3c1e-7dec-41d0-a765-00a0c91e6bf6";
    const ADELI: &str = "0759970048";
    const EARLIER: &str = "30B0168811/CPET00000";
    on_both(async |db| {
        let desk = desk();
        // The other row is older, and all of it would stand before the kept one's in an alphabet.
        let other = desk.add(&db, ADELI, false).await;
        desk.clock.advance(TimeDelta::days(1));
        let (kept, now) = (desk.add(&db, EMPLOYEE, false).await, desk.clock.now());
        let event = || desk.trail.event(Kind::PersonIdentified);
        super::identify(&db, kept, &id(EARLIER), now, &event()).await.unwrap();
        super::learn_for_test(&db, kept, &id(PSI), "https://psc.example", now, &event()).await.unwrap();
        let all = async || super::identifiers(&db, kept).await.unwrap();
        assert_eq!(all().await, [id(EMPLOYEE), id(EARLIER), id(PSI)]);
        desk.merge(&db, kept, other).await;
        assert_eq!(all().await, [id(EMPLOYEE), id(EARLIER), id(PSI), id(ADELI)]);
        let known = store::subject::known(&db, kept, now).await.unwrap().unwrap();
        assert_eq!(known.identifiers, all().await, "what tokens say");
        super::learn_for_test(&db, kept, &id(DOCTOR), "https://psc.example", now, &event()).await.unwrap();
        assert_eq!(all().await[..2], [id(DOCTOR), id(EMPLOYEE)]);
    })
    .await;
}

#[tokio::test]
async fn an_identifier_that_was_wrong_is_taken_away_and_the_last_one_is_not() {
    on_both(async |db| {
        let desk = desk();
        let (person, other) =
            (desk.add(&db, EMPLOYEE, true).await, desk.add(&db, "899700245667", true).await);
        let now = desk.clock.now();
        let event = desk.trail.event(Kind::PersonIdentified);
        super::learn_for_test(&db, person, &id(DOCTOR), "https://psc.example", now, &event).await.unwrap();
        store::session::begin(&db, &card_session(person, 1, now, &*desk.random), now).await.unwrap();
        let take = async |whose, what: &str| {
            let event = desk.trail.event(Kind::PersonIdentified);
            super::take_identifier_away(&db, whose, &id(what), now, &*desk.random, &event).await.unwrap()
        };
        assert!(!take(other, DOCTOR).await, "it is none of theirs");
        assert!(take(person, DOCTOR).await);
        assert!(!take(person, DOCTOR).await && !take(person, EMPLOYEE).await);
        assert_eq!(super::identifiers(&db, person).await.unwrap(), [id(EMPLOYEE)]);
        assert!(store::session::running_of(&db, person).await.unwrap().is_empty());
        assert_eq!(desk.ask(&db, DOCTOR, Audience::Affiliated).await, Err(Refusal::Unknown));
        assert_eq!(desk.count(&db, Kind::PersonIdentified).await, 2);
    })
    .await;
}

#[tokio::test]
async fn two_humans_are_not_made_one() {
    const PSI: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    const OTHER_PSI: &str = "0f6d3c1e-7dec-41d0-a765-00a0c91e6bf6";
    on_both(async |db| {
        let desk = desk();
        let (one, two) = (desk.add(&db, DOCTOR, true).await, desk.add(&db, "899700245667", true).await);
        let employee = desk.add(&db, EMPLOYEE, true).await;
        let (psi, other) = (desk.add(&db, PSI, false).await, desk.add(&db, OTHER_PSI, false).await);
        let two_of_a_kind = |one: &str, two: &str| Merged::TwoOfAKind(one.into(), two.into());
        assert_eq!(desk.merge(&db, one, two).await, two_of_a_kind(DOCTOR, "899700245667"));
        assert_eq!(desk.merge(&db, psi, other).await, two_of_a_kind(PSI, OTHER_PSI));
        desk.links_identity(&db, employee, "f:1:2").await;
        desk.links_identity(&db, one, "f:1:3").await;
        let issuer = "https://psc.example".to_owned();
        assert_eq!(desk.merge(&db, one, employee).await, Merged::TwoIdentities(issuer));
        let event = desk.trail.event(Kind::PersonDisabled);
        disable(&db, two, "", desk.clock.now(), &*desk.random, &event).await.unwrap().unwrap();
        for (kept, other) in [(two, psi), (psi, two), (psi, psi)] {
            assert_eq!(desk.merge(&db, kept, other).await, Merged::Disabled);
        }
        assert_eq!(desk.count(&db, Kind::PersonMerged).await, 0);
        assert_eq!(super::by_identifier(&db, EMPLOYEE).await.unwrap().unwrap().id, employee);
        assert_eq!(super::by_identifier(&db, PSI).await.unwrap().unwrap().id, psi);
    })
    .await;
}

#[tokio::test]
async fn the_list_takes_no_pattern() {
    on_both(async |db| {
        let desk = desk();
        desk.add(&db, EMPLOYEE, true).await;
        desk.add(&db, DOCTOR, false).await;
        let count = async |text: &str| super::list(&db, text, 10, desk.clock.now()).await.unwrap().len();
        assert_eq!(count("").await, 2);
        assert_eq!(count("cpet").await, 1);
        assert_eq!(count("%").await, 0);
        assert_eq!(count("_").await, 0);
        assert_eq!(count("\\").await, 0);
        assert_eq!(count("---").await, 0, "what folds to spaces is looked for as spaces");
    })
    .await;
}

#[tokio::test]
async fn names_are_found_however_they_are_typed_on_both_engines() {
    on_both(async |db| {
        let desk = desk();
        let now = desk.clock.now();
        let new = NewPerson {
            id: PersonId::new(now, &*desk.random),
            family_name: "Lefèvre-Œuillet".into(),
            given_name: "ZOÉ".into(),
            professional: None,
            identifiers: vec![id(EMPLOYEE)],
            affiliations: Vec::new(),
        };
        let event = desk.trail.event(Kind::PersonAdded).person(new.id);
        add(&db, &new, now, &*desk.random, &event).await.unwrap();
        for typed in
            ["zoe", "Zoé", "ZOÉ", "LEFEVRE", "lefèvre oeuillet", "Zoé Lefèvre", "lefevre-œuillet zoe"]
        {
            assert_eq!(super::list(&db, typed, 10, now).await.unwrap().len(), 1, "{typed}");
        }
        assert!(super::list(&db, "zoa", 10, now).await.unwrap().is_empty());
    })
    .await;
}
