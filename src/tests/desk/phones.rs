//! A phone is paired at the desk: for the person whose document was seen, once, and worth what that justifies.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Counter, by_card, complete_in, revoke};
use crate::audit::Kind;
use crate::mobile::Rules;
use crate::session::Acr;
use crate::store;
use crate::store::known_browser::SeenBrowser;
use crate::store::means::{Evidence, Issuer, Kind as MeansKind, Means};
use crate::store::role::Role;
use crate::tests::phones::{SoftPhone, scanned};
use crate::tests::security_keys::{Hospital, code};
use crate::tests::spec::stand::{Answer, DOCTOR, STRANGER};
use crate::web::asker::Reach;
use crate::web::browser;
use crate::webauthn::policy::KeyPolicy;

impl Counter {
    async fn begins(&self) -> Answer {
        self.hospital.say(&self.path("/phone"), &json!({}), &self.desk.cookie).await
    }

    /// A code on the page of the desk: the handle of the page, and the secret that a phone finds in it.
    async fn code(&self) -> (String, String) {
        let begun = self.begins().await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        let address = scanned(&begun.json()["code"]);
        let secret = address.split_once("#pair=").expect("a secret").1.to_owned();
        (begun.json()["pairing"].as_str().unwrap().to_owned(), secret)
    }

    /// The phone takes the code and brings its keys; what it took, and the digits that it shows.
    async fn brought(&self, phone: &mut SoftPhone, secret: &str) -> (Value, String) {
        let taken = self.hospital.takes_in(&phone.cookie, secret).await;
        assert_eq!(taken.status, StatusCode::OK, "{}", taken.body);
        let brought = self.hospital.brings(phone, &taken.json()).await.json();
        (taken.json(), brought["digits"].as_str().unwrap().to_owned())
    }

    async fn confirms(&self, pairing: &str, digits: &str) -> Answer {
        let words = json!({"pairing": pairing, "digits": digits});
        self.hospital.say(&self.path("/phone/confirm"), &words, &self.desk.cookie).await
    }

    /// Pairs `phone` for the colleague, on the check that was made.
    async fn pair(&self, phone: &mut SoftPhone) {
        let (pairing, secret) = self.code().await;
        let (taken, digits) = self.brought(phone, &secret).await;
        assert_eq!(self.confirms(&pairing, &digits).await.json(), json!({"state": "done"}));
        self.hospital.learns(phone, &taken).await;
    }

    async fn phones(&self) -> Vec<Means> {
        let all = store::means::of_person(&self.stand().db, self.colleague).await.unwrap();
        all.into_iter().filter(|means| means.kind == MeansKind::Phone).collect()
    }
}

#[tokio::test]
async fn a_phone_is_paired_for_whoever_stands_there_and_answers_for_them() {
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let page = counter.see(&counter.path("")).await.body;
        assert!(page.contains("Associer un téléphone") && page.contains("/phone/status"), "{page}");
        let mut phone = SoftPhone::new();
        counter.pair(&mut phone).await;

        let doctor = counter.stand().person(DOCTOR).await;
        let [means] = &counter.phones().await[..] else { panic!("one phone") };
        assert_eq!((means.issued_by, means.issuer_id), (Issuer::Desk, Some(doctor)));
        assert!(
            matches!(&means.evidence, Evidence::IdentityCheck { document, .. } if document == "passport")
        );
        let event = counter.event(Kind::MeansIssued).await;
        assert_eq!((event.person_id, event.outcome.as_str()), (Some(counter.colleague), "success"));
        for part in [format!("desk: {doctor}"), "on passport".into(), "eidas1".into(), phone.id.clone()] {
            assert!(event.detail.contains(&part), "{part}: {}", event.detail);
        }

        // It signs its person in.
        let hospital = &counter.hospital;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, STRANGER).await;
        let shown = hospital.opened(&phone).await;
        hospital.approves(&mut phone, &shown, Some(&number)).await;
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
        // The check is used up: the next thing takes another.
        assert_eq!(code(&counter.begins().await), "DESK-008");
    })
    .await;
}

#[tokio::test]
async fn a_phone_is_worth_no_more_than_the_document_and_the_rules_of_the_house() {
    let rules = Rules {
        level: Acr::Eidas2,
        life: TimeDelta::days(365),
        reach: Reach { anywhere: true, ..Reach::default() },
    };
    let documents = [("identity-card", Acr::Eidas2), ("staff-card", Acr::Eidas1)];
    let keys = KeyPolicy::default().into();
    Hospital::on_both_where(keys, std::sync::Arc::default(), rules, async |hospital| {
        let counter = Counter::of(hospital).await;
        for (document, level) in documents {
            counter.stand().clock.advance(TimeDelta::seconds(1));
            counter.check(document).await;
            counter.pair(&mut SoftPhone::new()).await;
            assert_eq!(counter.phones().await.last().unwrap().level, level, "{document}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_good_check_in_this_session_no_phone_is_paired() {
    Counter::on_both(async |counter| {
        assert_eq!(code(&counter.begins().await), "DESK-008");
        counter.check("passport").await;
        let (pairing, secret) = counter.code().await;
        let (_, digits) = counter.brought(&mut SoftPhone::new(), &secret).await;
        // Another document was looked at meanwhile: the phone was begun on the one before.
        counter.check("staff-card").await;
        assert_eq!(code(&counter.confirms(&pairing, &digits).await), "PHONE-006");
        // Ten minutes are over, and the five of the phone are not.
        counter.stand().clock.advance(TimeDelta::minutes(6));
        let (pairing, secret) = counter.code().await;
        let (_, digits) = counter.brought(&mut SoftPhone::new(), &secret).await;
        counter.stand().clock.advance(TimeDelta::minutes(4));
        assert_eq!(code(&counter.confirms(&pairing, &digits).await), "DESK-008");
        assert!(counter.phones().await.is_empty());
    })
    .await;
}

/// Its phone is faster than that of the person, and it shows other digits than they read.
#[tokio::test]
async fn whoever_photographs_the_code_of_the_desk_gets_nothing() {
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let (pairing, secret) = counter.code().await;
        let (_, digits) = counter.brought(&mut SoftPhone::new(), &secret).await;
        assert_eq!(code(&counter.hospital.takes_in("", &secret).await), "PHONE-006", "it was taken");
        let wrong = if digits == "000000" { "000001" } else { "000000" };
        for expected in ["PHONE-007", "PHONE-007", "PHONE-008", "PHONE-006"] {
            assert_eq!(code(&counter.confirms(&pairing, wrong).await), expected);
        }
        let event = counter.event(Kind::MeansIssued).await;
        let doctor = counter.stand().person(DOCTOR).await;
        assert!(event.detail.contains(&format!("desk: {doctor}")), "{}", event.detail);
        assert!(counter.phones().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn whoever_is_disabled_or_loses_the_desk_in_between_pairs_nothing() {
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let (pairing, secret) = counter.code().await;
        let (_, digits) = counter.brought(&mut SoftPhone::new(), &secret).await;
        counter.stand().disable(STRANGER).await;
        assert_eq!(code(&counter.confirms(&pairing, &digits).await), "DESK-007");
        assert!(counter.phones().await.is_empty());
    })
    .await;
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let (pairing, secret) = counter.code().await;
        let (_, digits) = counter.brought(&mut SoftPhone::new(), &secret).await;
        revoke(counter.stand(), DOCTOR, Role::Desk).await;
        assert_eq!(code(&counter.confirms(&pairing, &digits).await), "DESK-001");
        assert!(counter.phones().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_digits_count_in_the_session_and_for_the_person_of_the_code() {
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let (pairing, secret) = counter.code().await;
        let (_, digits) = counter.brought(&mut SoftPhone::new(), &secret).await;
        let words = json!({"pairing": pairing, "digits": digits});
        // Another session of the desk, and the own page of whoever works there.
        let other = by_card(counter.stand(), DOCTOR).await;
        let said = counter.hospital.say(&counter.path("/phone/confirm"), &words, &other.cookie).await;
        assert_eq!(code(&said), "DESK-008");
        let said = counter.hospital.say("/means/phone/confirm", &words, &counter.desk.cookie).await;
        assert_eq!(code(&said), "PHONE-006");
        // Nobody pairs one for themself there.
        let own = format!("/desk/people/{}/phone", counter.stand().person(DOCTOR).await);
        assert_eq!(code(&counter.hospital.say(&own, &json!({}), &counter.desk.cookie).await), "DESK-005");
        // Nor does another site.
        let evil = "https://evil.example";
        let said =
            counter.hospital.say_from(evil, &counter.path("/phone"), &json!({}), &counter.desk.cookie).await;
        assert_eq!(code(&said), "WEB-001");
        assert_eq!(counter.confirms(&pairing, &digits).await.json(), json!({"state": "done"}));
    })
    .await;
}

/// Somebody of the desk takes out their own phone. What tells it is the browser that they have signed in with; who erases that
/// is in the trail, and its person has a mail.
#[tokio::test]
async fn whoever_works_at_the_desk_does_not_pair_their_own_phone_to_somebody_else() {
    Counter::on_both(async |counter| {
        let doctor = counter.stand().person(DOCTOR).await;
        let cookie = "__Host-browser=of-the-desk";
        let mut headers = http::HeaderMap::new();
        headers.insert("cookie", cookie.parse().unwrap());
        counter.check("passport").await;
        let (_, secret) = counter.code().await;
        let hash = browser::of_person(doctor, &browser::hash(&headers).unwrap());
        let seen = SeenBrowser { hash: Some(hash), ..SeenBrowser::default() };
        let (_, new) = counter.stand().new_session(DOCTOR).await;
        complete_in(counter.stand(), &new, Some(&seen)).await;
        assert_eq!(code(&counter.hospital.takes_in(cookie, &secret).await), "PHONE-027");
        let event = counter.event(Kind::MeansIssued).await;
        assert_eq!((event.outcome.as_str(), event.code.as_deref()), ("denied", Some("PHONE-027")));
        assert_eq!(event.person_id, Some(counter.colleague));
        assert!(event.detail.contains(&format!("desk: {doctor}")), "{}", event.detail);
        assert_eq!(code(&counter.hospital.takes_in("", &secret).await), "PHONE-006", "the code is gone");
        // The colleague's own phone is taken, though the desk has been seen with another.
        counter.pair(&mut SoftPhone::new()).await;
    })
    .await;
}
