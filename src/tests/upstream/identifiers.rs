//! One person, several national identifiers: RPPS, ADELI, and the UUID of Pro Santé Identité.

use serde_json::{Value, json};

use super::*;
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::directory::import::{Importer, Options};
use crate::directory::synthetic::{HEADER, SampleRow};
use crate::directory::{Activity, NationalId};
use crate::session::AuthMode;
use crate::session::asking::Channel;
use crate::store::client::Audience;
use crate::store::directory::{Counts, Entry, Wanted};
use crate::store::job_lease::{self, Holder};
use crate::store::person::{Merged, Merging};
use crate::store::upstream_link::Linked;
use crate::tests::spec::stand::{DOCTOR, NAMESPACE, STRANGER, claims};

const PSI: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const ADELI: &str = "0759970048";

/// An identifier as it stands in `otherIds`.
fn listed(id: &str) -> Value {
    let id = NationalId::of_source(id).unwrap();
    json!({ "identifiant": id.as_str(), "origine": id.origin(), "qualite": id.quality() })
}

/// Who the doctor is there, whatever it calls them.
fn sub() -> String {
    format!("f:{NAMESPACE}:{DOCTOR}")
}

impl Psc {
    /// Its UserInfo says this of the doctor from now on.
    fn tells(&self, mut told: Value) {
        if told.get("sub").is_none() {
            told["sub"] = sub().into();
        }
        self.answers_instead("userinfo", StatusCode::OK, &told.to_string());
    }

    /// It calls the doctor so from now on, and lists these.
    pub(super) fn calls(&self, first: &str, all: &[&str]) {
        let all: Vec<_> = all.iter().map(|id| listed(id)).collect();
        self.tells(json!({ "SubjectNameID": first, "otherIds": all }));
    }
}

impl Hospital {
    /// The identifiers of whoever has this one.
    async fn identifiers(&self, whose: &str) -> Vec<String> {
        let person = self.stand.person(whose).await;
        let all = store::person::identifiers(&self.stand.db, person).await.unwrap();
        all.into_iter().map(|id| id.as_str().to_owned()).collect()
    }

    /// Whoever has this one has another.
    async fn identify(&self, whose: &str, id: &str) {
        identify(&self.stand, whose, id).await;
    }

    /// Whoever is signed in there comes, and is the doctor.
    async fn lets_in(&self, psc: &Psc, there: &SignedIn) {
        self.stand.advance(1);
        let (_, tokens) = self.signed_in(psc, there).await;
        assert_eq!(claims(&tokens["access_token"])["preferred_username"], DOCTOR);
    }

    /// Whoever is signed in there comes, and does not get in: nothing of who is who has changed.
    async fn keeps_out(&self, psc: &Psc, there: &SignedIn, code: &str) {
        self.stand.advance(1);
        let before = self.who_is_who().await;
        let begun = self.begin(&[]).await;
        let answer = self.by(psc, &begun, there).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none(), "{code}");
        let notice = self.notice(&begun).await;
        assert!(notice.contains(code), "{code}: {notice}");
        assert_eq!(self.who_is_who().await, before, "{code}");
    }

    async fn who_is_who(&self) -> Vec<(String, String, String)> {
        let all = store::testing::everything(&self.stand.db).await;
        let of_people = |table: &str| table.starts_with("person") || table == "upstream_identity";
        let mut all: Vec<_> = all.into_iter().filter(|(table, _, _)| of_people(table)).collect();
        all.sort();
        all
    }

    /// What the audit has of that kind, oldest first.
    async fn recorded(&self, kind: Kind) -> Vec<Value> {
        let filter =
            store::audit::Filter { kind: Some(kind.name().to_owned()), limit: 100, ..Default::default() };
        let rows = store::audit::list(&self.stand.db, &filter).await.unwrap();
        rows.into_iter().rev().map(|row| serde_json::from_str(&row.detail).unwrap()).collect()
    }
}

async fn identify(stand: &Stand, whose: &str, id: &str) {
    let (person, now, event) =
        (stand.person(whose).await, stand.clock.now(), stand.some_event(Kind::PersonIdentified));
    let id = NationalId::of_source(id).unwrap();
    store::person::identify(&stand.db, person, &id, now, &event).await.unwrap();
}

#[tokio::test]
async fn whoever_psc_calls_by_rpps_one_day_and_by_psi_the_next_is_one_person() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let issuer = psc.settings().issuer;
    Hospital::on_both(&psc.settings(), async |hospital| {
        psc.calls(DOCTOR, &[DOCTOR]);
        hospital.lets_in(&psc, &there).await;
        assert_eq!(hospital.identifiers(DOCTOR).await, [DOCTOR]);
        // The two accounts are one now, and the list says so.
        for _ in 0..2 {
            psc.calls(PSI, &[PSI, DOCTOR, ADELI]);
            hospital.lets_in(&psc, &there).await;
            assert_eq!(hospital.identifiers(DOCTOR).await, [DOCTOR, PSI, ADELI], "the RPPS stays the first");
        }
        // And from now on any of them will do.
        for first in [PSI, ADELI, DOCTOR] {
            psc.calls(first, &[]);
            hospital.lets_in(&psc, &there).await;
        }
        let person = hospital.stand.person(DOCTOR).await;
        let told = store::person::told_identifiers(&hospital.stand.db, person).await.unwrap();
        let by_psc = |id: &str| (id.to_owned(), issuer.clone());
        assert_eq!(told, [by_psc(PSI), by_psc(ADELI)], "whose word it is");
        let events = hospital.recorded(Kind::PersonIdentified).await;
        let recorded: Vec<_> = events.iter().map(|event| (&event["id_nat"], &event["upstream"])).collect();
        assert_eq!(recorded, [(&json!(PSI), &json!("psc")), (&json!(ADELI), &json!("psc"))], "once");
        let subjects = hospital.links().await.into_iter().filter(|(column, _)| column == "subject").count();
        assert_eq!(subjects, 1);
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn the_first_time_any_identifier_that_psc_lists_finds_the_person() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        psc.calls(PSI, &[PSI, ADELI]);
        hospital.keeps_out(&psc, &there, "PERSON-001").await;
        psc.calls(PSI, &[PSI, ADELI, DOCTOR]);
        hospital.lets_in(&psc, &there).await;
        assert_eq!(hospital.identifiers(PSI).await, [DOCTOR, PSI, ADELI]);
        psc.tells(json!({ "SubjectNameID": ADELI, "PSISubjectNameID": PSI }));
        hospital.lets_in(&psc, &there).await;
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn whoever_has_no_row_here_is_found_in_the_directory_by_any_of_them_and_gets_one_row() {
    const NURSE: &str = "810003456786";
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
        let lease = Holder { job: "test", node: "test".into() };
        assert!(job_lease::take(db, lease.job, &lease.node, now, now + TimeDelta::hours(1)).await.unwrap());
        let generation = store::directory::begin(db, &lease, "file", now).await.unwrap().unwrap();
        let entry = Entry {
            id_nat: NURSE.into(),
            family_name: "INF".into(),
            given_name: "KIT".into(),
            professional: crate::directory::Professional::default().to_text(),
        };
        assert!(store::directory::fill(db, &lease, generation, vec![entry]).await.unwrap());
        let (event, wanted) = (hospital.stand.some_event(Kind::DirectoryImported), Wanted::default());
        let counts = Counts { lines: 1, people: 1, rejected: 0 };
        assert!(
            store::directory::switch(db, &lease, generation, counts, &wanted, now, &event).await.unwrap()
        );
        let open = NewClient { audience: Audience::AnyProfessional, ..new_client("open") };
        hospital.stand.add_client(&open).await;

        psc.calls(PSI, &[PSI, NURSE]);
        let begun =
            hospital.begin(&[("client_id", "open"), ("redirect_uri", "https://open.example/cb")]).await;
        let answer = hospital.by(&psc, &begun, &there).await;
        assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        assert_eq!(hospital.identifiers(PSI).await, [NURSE, PSI]);
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn identifiers_of_two_people_here_sign_nobody_in_and_make_nobody_one() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        hospital.identify(STRANGER, ADELI).await;
        // Not linked yet; then linked.
        for _ in 0..2 {
            for first in [DOCTOR, ADELI, PSI] {
                psc.calls(first, &[DOCTOR, PSI, ADELI]);
                hospital.keeps_out(&psc, &there, "UPSTREAM-013").await;
            }
            psc.calls(DOCTOR, &[DOCTOR]);
            hospital.lets_in(&psc, &there).await;
        }
        let events = hospital.recorded(Kind::SignIn).await;
        assert_eq!(events[0]["note"], format!("told {DOCTOR} {PSI} {ADELI}"), "for whoever finds out");
        assert_eq!(events[0]["id_nat"], DOCTOR);
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn two_rows_of_one_human_that_the_directory_made_are_merged_and_the_next_import_leaves_it_so() {
    const FINESS: &str = "0B0172805";
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let (stand, dir) = (&hospital.stand, tempfile::tempdir().unwrap());
        let row = |id_nat: &str| SampleRow {
            id_nat: id_nat.into(),
            civility: "M".into(),
            practice_civility: "DR".into(),
            family_name: "DOC".into(),
            given_name: "KIT".into(),
            profession: "10".into(),
            category: "C".into(),
            skill: ("S".into(), "SM26".into()),
            activity: Activity {
                mode: "S".into(),
                sector: "SA01".into(),
                finess: FINESS.into(),
                structure_id: format!("F{FINESS}"),
                structure_name: "HOPITAL GENERIQUE  FIN VARI".into(),
                former_structure_id: format!("1{FINESS}"),
                ..Activity::default()
            },
        };
        let file = dir.path().join("directory.txt");
        let rows = format!("{HEADER}\n{}\n{}\n", row(DOCTOR).line(), row(ADELI).line());
        std::fs::write(&file, rows).unwrap();
        let trail = trail(&stand.clock);
        let importer = Importer {
            db: &stand.db,
            trail: &trail,
            clock: &stand.clock,
            random: &SystemRandom,
            actor: "command line: root",
        };
        let options = Options { files: vec![file], finess: vec![FINESS.into()], ..Options::default() };
        let report = importer.run(&options, &|_| {}).await.unwrap();
        assert_eq!((report.members, report.added), (2, 1), "whoever has the ADELI number gets a row");
        psc.calls(DOCTOR, &[DOCTOR, ADELI]);
        hospital.keeps_out(&psc, &there, "UPSTREAM-013").await;

        let (kept, other) = (stand.person(DOCTOR).await, stand.person(ADELI).await);
        let event = |person, _: &[String]| (&stand.some_event(Kind::PersonMerged).person(person)).into();
        let revoked = |_, _, _: &str| stand.event(Kind::MeansRevoked);
        let merging = Merging { kept, other, event: &event, revoked: &revoked };
        let merged = store::person::merge(&stand.db, &merging, stand.clock.now(), &SystemRandom).await;
        let done = Merged::Done { identifiers: vec![ADELI.into()], revoked: 0, sessions: 0 };
        assert_eq!(merged.unwrap(), done);
        hospital.lets_in(&psc, &there).await;
        let report = importer.run(&options, &|_| {}).await.unwrap();
        assert_eq!((report.members, report.added, report.started, report.ended), (2, 0, 0, 0));
        assert_eq!(hospital.identifiers(ADELI).await, [DOCTOR, ADELI]);
        hospital.lets_in(&psc, &there).await;
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn a_linked_person_of_whom_only_strange_identifiers_are_told_is_a_clash() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        psc.calls(DOCTOR, &[DOCTOR]);
        hospital.lets_in(&psc, &there).await;
        for (first, all) in [(PSI, &[PSI, ADELI][..]), (STRANGER, &[]), (STRANGER, &[PSI])] {
            psc.calls(first, all);
            hospital.keeps_out(&psc, &there, "UPSTREAM-013").await;
        }
        // Who tells nothing contradicts nothing.
        psc.tells(json!({}));
        hospital.lets_in(&psc, &there).await;
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn nobody_ends_up_with_two_rpps_numbers_or_two_accounts_of_pro_sante_identite() {
    const OTHER_RPPS: &str = "810003456786";
    const OTHER_PSI: &str = "0f6d3c1e-7dec-41d0-a765-00a0c91e6bf6";
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        for _ in 0..2 {
            for all in [&[DOCTOR, OTHER_RPPS][..], &[DOCTOR, PSI, OTHER_PSI]] {
                psc.calls(DOCTOR, all);
                hospital.keeps_out(&psc, &there, "UPSTREAM-013").await;
            }
            psc.calls(DOCTOR, &[DOCTOR]);
            hospital.lets_in(&psc, &there).await;
        }
        psc.calls(DOCTOR, &[DOCTOR, PSI]);
        hospital.lets_in(&psc, &there).await;
        psc.calls(OTHER_PSI, &[OTHER_PSI, DOCTOR]);
        hospital.keeps_out(&psc, &there, "UPSTREAM-013").await;
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn a_list_that_is_malformed_or_without_end_adds_nothing_and_keeps_nobody_out() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let many: Vec<_> = (0..2_000).map(|n| listed(&format!("30B0168811/CPET{n:05}"))).collect();
        for other in [
            json!("0759970048"),
            json!({ "identifiant": ADELI, "origine": "ADELI", "qualite": 1 }),
            json!([ADELI, 7, null, [listed(ADELI)]]),
            json!([{ "identifiant": ADELI, "origine": "RPPS", "qualite": 1 }]),
            json!([{ "identifiant": ADELI, "origine": "ADELI", "qualite": 2 }]),
            json!([{ "identifiant": format!("{ADELI}\u{0}"), "origine": "ADELI", "qualite": 1 }]),
            json!([{ "identifiant": "8".repeat(100_000), "origine": "RPPS", "qualite": 1 }]),
            Value::Array(many),
        ] {
            psc.tells(json!({ "SubjectNameID": DOCTOR, "otherIds": other }));
            hospital.lets_in(&psc, &there).await;
            assert_eq!(hospital.identifiers(DOCTOR).await, [DOCTOR]);
        }
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn what_another_provider_lists_says_nothing() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let settings = Upstream { profile: UpstreamProfile::Standard, ..psc.settings() };
    Hospital::on_both(&settings, async |hospital| {
        psc.calls(PSI, &[PSI, DOCTOR]);
        hospital.keeps_out(&psc, &there, "PERSON-001").await;
        psc.calls(DOCTOR, &[DOCTOR, PSI]);
        hospital.lets_in(&psc, &there).await;
        assert_eq!(hospital.identifiers(DOCTOR).await, [DOCTOR]);
        psc.calls(PSI, &[PSI, DOCTOR]);
        hospital.keeps_out(&psc, &there, "UPSTREAM-013").await;
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn what_userinfo_says_of_somebody_else_is_nobodys() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        for _ in 0..2 {
            let all = [listed(DOCTOR), listed(PSI)];
            psc.tells(
                json!({ "sub": format!("f:{NAMESPACE}:{PSI}"), "SubjectNameID": DOCTOR, "otherIds": all }),
            );
            hospital.keeps_out(&psc, &there, "UPSTREAM-008").await;
            psc.calls(DOCTOR, &[]);
            hospital.lets_in(&psc, &there).await;
        }
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn where_the_desk_links_what_psc_lists_becomes_the_persons_once_they_are_linked() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let settings = Upstream { link: UpstreamLink::Desk, ..psc.settings() };
    Hospital::on_both(&settings, async |hospital| {
        psc.calls(PSI, &[PSI, DOCTOR]);
        hospital.keeps_out(&psc, &there, "UPSTREAM-012").await;
        assert_eq!(hospital.linked_by_hand(&settings.issuer, &sub(), DOCTOR).await, Linked::Done);
        hospital.lets_in(&psc, &there).await;
        assert_eq!(hospital.identifiers(DOCTOR).await, [DOCTOR, PSI]);
        psc.answers_again();
    })
    .await;
}

#[tokio::test]
async fn whoever_types_one_of_their_identifiers_may_answer_under_another() {
    ciba::with_application(async |psc, hospital| {
        identify(&psc.stand, DOCTOR, ADELI).await;
        hospital.identify(DOCTOR, ADELI).await;
        // What is typed, and what is told of whoever answers.
        for (typed, first, all) in [
            (DOCTOR, PSI, &[PSI, DOCTOR][..]),
            (ADELI, PSI, &[PSI, ADELI]),
            (ADELI, DOCTOR, &[]),
            (ADELI, PSI, &[]),
        ] {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, typed).await;
            assert_eq!(hospital.wait(&begun, &asked).await, ciba::waiting(), "{typed}");
            psc.says(Channel::Phone, psc.yes(AuthMode::Mobile).await).await;
            psc.pass(&hospital, 2);
            psc.calls(first, all);
            assert_eq!(hospital.wait(&begun, &asked).await["state"], "approved", "{typed}");
            psc.answers_again();
            let finished = hospital.finish(&begun, &asked).await;
            assert_eq!(finished.json(), json!({ "state": "done" }), "{typed} {first} {all:?}");
            psc.pass(&hospital, 121);
        }
        assert_eq!(hospital.identifiers(DOCTOR).await, [DOCTOR, ADELI, PSI]);

        // Of another account, whatever else it lists.
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.says(Channel::Phone, psc.yes(AuthMode::Mobile).await).await;
        psc.pass(&hospital, 2);
        psc.calls(STRANGER, &[STRANGER, "30B0168811/CPET00001"]);
        hospital.wait(&begun, &asked).await;
        psc.answers_again();
        assert_eq!(hospital.finish(&begun, &asked).await.json()["code"], "UPSTREAM-017");
    })
    .await;
}
