//! Admission and what ends it, on both engines.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{NewAffiliation, NewPerson, Source, add, affiliations, disable, enable, end_affiliation};
use crate::audit::{Kind, Trail};
use crate::clock::{Clock as _, MockClock};
use crate::directory::{
    Admission, Audience, NationalId, Refusal, admission, admitted, end_due_links, sign_in, subject,
};
use crate::ids::{CountingRandom, PersonId};
use crate::session::{SessionPolicy, Standing};
use crate::store::job_lease::Holder;
use crate::store::testing::on_both;
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

/// A current generation that knows one professional.
async fn directory_of(db: &Db, id_nat: &str, now: crate::clock::Time) {
    let lease = Holder { job: "test", node: "test".into() };
    assert!(store::job_lease::take(db, lease.job, &lease.node, now, now).await.unwrap());
    let generation = store::directory::begin(db, &lease, "test", now).await.unwrap().unwrap();
    let result: Result<(), StoreError> = async {
        write!(db, c => {
            sqlx::query("INSERT INTO directory_entry (generation, id_nat, family_name, given_name, professional) \
                 VALUES ($1, $2, 'DOC0036624', 'KIT', '{\"c\":\"M\",\"e\":[{\"p\":\"10\"}]}')")
                .bind(generation).bind(id_nat).execute(&mut *c).await?;
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
        directory_of(&db, DOCTOR, desk.clock.now()).await;
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
        directory_of(&db, DOCTOR, now).await;
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
