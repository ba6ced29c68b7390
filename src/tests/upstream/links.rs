//! Who is whom: links that are made, by what the provider tells or by hand, and taken away.

use super::*;
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::ids::SessionId;
use crate::session::EndReason;
use crate::store::audit::NewRow;
use crate::store::notice::{self, NewNotice, Place, Told};
use crate::store::person_contact::{self, Contact, Setting, Verifier};
use crate::store::upstream_link::{self, Linked, NewLink, Unlinking};
use crate::tests::spec::stand::DOCTOR;

impl Hospital {
    /// The doctor has an address for notices.
    async fn with_address(&self) {
        let now = self.stand.clock.now();
        let person = self.stand.person(DOCTOR).await;
        let notice = |told| NewNotice::new(person, told, now, &SystemRandom);
        let contact = Contact {
            address: "kit@chu.example".into(),
            language: "fr".into(),
            verified_by: Verifier::Administrator,
            verified_at: now,
        };
        let setting = Setting {
            person,
            contact: &contact,
            told_before: &notice(Told::AddressChanged),
            told_now: &notice(Told::AddressSet),
            event: &self.stand.event(Kind::ContactChanged),
        };
        person_contact::set(&self.stand.db, &setting, now).await.unwrap();
        self.told().await;
    }

    /// What waits to be sent, once.
    async fn told(&self) -> Vec<Told> {
        let db = &self.stand.db;
        let waiting = notice::older_than(db, self.stand.clock.now(), 100).await.unwrap();
        for written in &waiting {
            assert!(notice::done(db, written.id, &self.stand.event(Kind::NoticeSent)).await.unwrap());
        }
        waiting.into_iter().map(|notice| notice.told).collect()
    }

    pub(super) async fn unlinked(&self, issuer: &str) -> bool {
        let person = self.stand.person(DOCTOR).await;
        let ended = |session: SessionId| {
            let event = self.stand.some_event(Kind::SessionEnded).person(person).session(session);
            NewRow::from(&event.note(EndReason::Unlinked.as_str()))
        };
        let event = |_: &str| self.stand.event(Kind::IdentityUnlinked);
        let unlinking = Unlinking { person, issuer, event: &event, ended: &ended };
        let now = self.stand.clock.now();
        upstream_link::unlink(&self.stand.db, &unlinking, now, &SystemRandom).await.unwrap()
    }

    pub(super) async fn linked_by_hand(&self, issuer: &str, subject: &str, whose: &str) -> Linked {
        let new = NewLink {
            person: self.stand.person(whose).await,
            issuer: issuer.into(),
            subject: subject.into(),
            label: "Pro Santé Connect".into(),
            by: "command line",
            check: None,
        };
        let (event, now) = (self.stand.event(Kind::IdentityLinked), self.stand.clock.now());
        upstream_link::link(&self.stand.db, &new, &event, now, &SystemRandom).await.unwrap()
    }
}

#[tokio::test]
async fn a_person_is_told_of_the_first_sign_in_by_an_identity_and_of_its_end_which_is_that_of_its_sessions() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let issuer = psc.settings().issuer;
    Hospital::on_both(&psc.settings(), async |hospital| {
        hospital.with_address().await;
        let own = hospital.stand.sign_in().await;
        let (session, _) = hospital.signed_in(&psc, &there).await;
        let told = hospital.told().await;
        let linked = |told: &Told| matches!(told, Told::IdentityLinked { provider, .. } if provider == "Pro Santé Connect");
        assert_eq!(told.iter().filter(|told| linked(told)).count(), 1, "{told:?}");
        hospital.stand.advance(1);
        let (again, _) = hospital.signed_in(&psc, &there).await;
        assert!(!hospital.told().await.iter().any(linked), "once");
        let person = hospital.stand.person(DOCTOR).await;
        let links = upstream_link::of_person(&hospital.stand.db, person).await.unwrap();
        assert_eq!((links.len(), links[0].name(), links[0].linked_by.as_str()), (1, "Pro Santé Connect", "provider"));
        assert_eq!(links[0].last_used().unwrap() - links[0].linked_at, chrono::TimeDelta::seconds(1));

        assert!(hospital.unlinked(&issuer).await);
        let provider = "Pro Santé Connect".to_owned();
        assert_eq!(hospital.told().await, [Told::IdentityUnlinked { provider }]);
        let runs = async |cookie: &str| {
            hospital.stand.authorize(&[("prompt", "none")], cookie).await.parameter("code").is_some()
        };
        assert!(!runs(&session).await && !runs(&again).await, "at once");
        assert!(runs(&own.cookie).await, "what was opened otherwise stays");
        assert!(!hospital.unlinked(&issuer).await, "there is none any more");
        let events = hospital.stand.events().await;
        for kind in ["identity.linked", "identity.unlinked"] {
            assert_eq!(events.iter().filter(|event| *event == kind).count(), 1, "{kind}");
        }
    })
    .await;
}

#[tokio::test]
async fn where_the_desk_links_an_identity_comes_in_once_it_is_linked_and_stays_out_once_it_is_not() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let settings = Upstream { link: UpstreamLink::Desk, ..psc.settings() };
    let issuer = settings.issuer.clone();
    Hospital::on_both(&settings, async |hospital| {
        hospital.with_address().await;
        let stays_out = async || {
            let begun = hospital.begin(&[]).await;
            let answer = hospital.by(&psc, &begun, &there).await;
            assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
            assert!(hospital.notice(&begun).await.contains("UPSTREAM-012"));
        };
        stays_out().await;
        // Whoever links by hand reads in the trail which identity it was.
        let filter = store::audit::Filter { kind: Some("sign-in".into()), limit: 1, ..Default::default() };
        let refused = store::audit::list(&hospital.stand.db, &filter).await.unwrap().remove(0);
        let detail: serde_json::Value = serde_json::from_str(&refused.detail).unwrap();
        let subject = detail["means_id"].as_str().unwrap().to_owned();
        assert!(subject.ends_with(DOCTOR), "{subject}");

        assert_eq!(hospital.linked_by_hand(&issuer, &subject, DOCTOR).await, Linked::Done);
        let provider = "Pro Santé Connect".to_owned();
        assert_eq!(hospital.told().await, [Told::IdentityLinked { provider, place: Place::default() }]);
        let stranger = crate::tests::spec::stand::STRANGER;
        assert_eq!(hospital.linked_by_hand(&issuer, &subject, stranger).await, Linked::Taken);
        assert_eq!(hospital.linked_by_hand(&issuer, "another", DOCTOR).await, Linked::HasOther);
        assert!(hospital.told().await.is_empty());
        let person = hospital.stand.person(DOCTOR).await;
        let link = upstream_link::of_person(&hospital.stand.db, person).await.unwrap().remove(0);
        assert_eq!((link.last_used(), link.linked_by.as_str()), (None, "command line"));
        hospital.stand.advance(1);
        hospital.signed_in(&psc, &there).await;
        assert!(hospital.unlinked(&issuer).await);
        stays_out().await;
    })
    .await;
}

#[tokio::test]
async fn what_psc_tells_of_a_professional_fills_the_record_and_replaces_nothing_that_was_entered_here() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let issuer = psc.settings().issuer;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let db = &hospital.stand.db;
        let record = async || store::person::by_identifier(db, DOCTOR).await.unwrap().unwrap();
        let entered = record().await;
        hospital.signed_in(&psc, &there).await;
        let after = record().await;
        assert_eq!((after.professional, after.professional_origin.as_str()), (entered.professional, ""));
        assert!(!hospital.stand.events().await.contains(&"person.refreshed".to_owned()));

        // Nobody entered anything of them.
        store::person::forget_professional_for_test(db, entered.id).await.unwrap();
        for _ in 0..2 {
            hospital.stand.advance(1);
            let (_, tokens) = hospital.signed_in(&psc, &there).await;
            let token = tokens["access_token"].as_str().unwrap();
            let told = hospital.stand.userinfo(token).await.json();
            let practice = &told["SubjectRefPro"]["exercices"][0];
            assert_eq!(
                (&practice["codeProfession"], &practice["codeSavoirFaire"]),
                (&"10".into(), &"SM26".into())
            );
            assert_eq!(practice["activities"][0]["raisonSocialeSite"], "CABINET M DOC0042788");
            assert_eq!(record().await.professional_origin, issuer, "whose word it is");
        }
        let events = hospital.stand.events().await;
        assert_eq!(events.iter().filter(|event| *event == "person.refreshed").count(), 1, "no news is none");
    })
    .await;
}

#[tokio::test]
async fn what_psc_told_of_a_professional_goes_when_it_tells_of_no_practice_any_more_and_with_the_link() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let issuer = psc.settings().issuer;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let db = &hospital.stand.db;
        let record = async || store::person::by_identifier(db, DOCTOR).await.unwrap().unwrap();
        let person = record().await.id;
        store::person::forget_professional_for_test(db, person).await.unwrap();
        let comes = async || {
            hospital.stand.advance(1);
            hospital.signed_in(&psc, &there).await;
            let record = record().await;
            (record.professional.is_some(), record.professional_origin)
        };
        assert_eq!(comes().await, (true, issuer.clone()));
        let sub = store::upstream::subject_of(db, &issuer, person).await.unwrap().unwrap();
        let says = |told: serde_json::Value| {
            let body = serde_json::json!({ "sub": sub, "SubjectRefPro": told }).to_string();
            *psc.instead.lock().unwrap() =
                Some(Instead { end: "userinfo", status: StatusCode::OK, body, left: usize::MAX });
        };
        says(serde_json::Value::Null);
        assert_eq!(comes().await, (true, issuer.clone()), "it says nothing of that");
        says(serde_json::json!({ "codeCivilite": "M", "exercices": [] }));
        assert_eq!(comes().await, (false, String::new()));
        *psc.instead.lock().unwrap() = None;
        assert_eq!(comes().await, (true, issuer.clone()));
        let events = hospital.stand.events().await;
        assert_eq!(events.iter().filter(|event| *event == "person.refreshed").count(), 3);

        assert!(hospital.unlinked(&issuer).await);
        let after = record().await;
        assert!(after.professional.is_none() && after.professional_origin.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_somebody_entered_of_a_professional_stays_when_a_link_goes() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let issuer = psc.settings().issuer;
    Hospital::on_both(&psc.settings(), async |hospital| {
        hospital.signed_in(&psc, &there).await;
        assert!(hospital.unlinked(&issuer).await);
        let after = store::person::by_identifier(&hospital.stand.db, DOCTOR).await.unwrap().unwrap();
        assert!(after.professional.is_some());
    })
    .await;
}
