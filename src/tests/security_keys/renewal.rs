//! A key is renewed before its time is over, with the key in hand and by something else that vouches for its person.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::authenticator::SoftKey;
use super::means::forms;
use super::{Hospital, code};
use crate::audit::Kind as Recorded;
use crate::clock::Clock as _;
use crate::ids::MeansId;
use crate::session::Acr;
use crate::store;
use crate::store::means::{Evidence, Kind, Means};
use crate::tests::spec::stand::{Answer, DOCTOR, STRANGER, SignedIn};

impl Hospital {
    async fn key_of(&self, person: &str) -> Means {
        let all = store::means::of_person(&self.stand.db, self.stand.person(person).await).await.unwrap();
        all.into_iter().find(|means| means.kind == Kind::SecurityKey).unwrap()
    }

    async fn ask_renewal(&self, id: MeansId, browser: &SignedIn) -> Answer {
        self.say(&format!("/means/{id}/renew/options"), &json!({}), &browser.cookie).await
    }

    async fn renew(&self, id: MeansId, browser: &SignedIn, asked: &Answer, key: &mut SoftKey) -> Answer {
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        let asked = asked.json();
        let words = json!({"handle": asked["handle"], "credential": key.get(&asked["options"])});
        self.say(&format!("/means/{id}/renew"), &words, &browser.cookie).await
    }

    /// A doctor with a key that is good for sixty days more.
    async fn with_old_key(&self) -> (SoftKey, Means) {
        let mut key = SoftKey::new();
        self.register(&self.stand.sign_in().await, &mut key).await;
        let means = self.key_of(DOCTOR).await;
        self.stand.clock.advance(means.expires_at - self.stand.clock.now() - TimeDelta::days(60));
        (key, means)
    }
}

#[tokio::test]
async fn a_key_is_renewed_by_its_touch_in_a_sign_in_with_another_means() {
    Hospital::on_both(async |hospital| {
        let (mut key, before) = hospital.with_old_key().await;
        let browser = hospital.stand.sign_in().await;
        let page = hospital.page(&browser.cookie).await;
        assert!(page.contains(&format!("data-answer=\"/means/{}/renew\"", before.id)), "{page}");
        let asked = hospital.ask_renewal(before.id, &browser).await;
        let renewed = hospital.renew(before.id, &browser, &asked, &mut key).await;
        assert_eq!(renewed.json(), json!({"state": "done"}));
        let (after, now) = (hospital.key_of(DOCTOR).await, hospital.stand.clock.now());
        assert_eq!((after.id, after.level, after.issued_at), (before.id, before.level, before.issued_at));
        assert_eq!(after.expires_at, now + TimeDelta::days(3 * 365));
        assert!(matches!(after.evidence, Evidence::SignIn { at, .. } if at == now), "{:?}", after.evidence);
        let event = hospital.last_event_of(Recorded::MeansRenewed).await;
        assert_eq!(event["enrolment"], json!(before.id), "{event}");
        assert!(forms(&hospital.page(&browser.cookie).await, "/renew").is_empty());
        assert_eq!(code(&hospital.ask_renewal(before.id, &browser).await), "MEANS-008", "not twice");
        let (_, signed_in) = hospital.sign_in(&mut key).await;
        assert_eq!(signed_in.json()["state"], "done");
    })
    .await;
}

#[tokio::test]
async fn attack_a_key_that_is_kept_by_itself_by_less_by_another_or_without_being_there() {
    Hospital::on_both(async |hospital| {
        let mut young = SoftKey::new();
        hospital.register(&hospital.stand.sign_in_as(STRANGER).await, &mut young).await;
        let others = hospital.key_of(STRANGER).await;
        let stranger = hospital.stand.sign_in_as(STRANGER).await;
        assert_eq!(code(&hospital.ask_renewal(others.id, &stranger).await), "MEANS-008", "good for long");

        let (mut key, means) = hospital.with_old_key().await;
        let (_, by_itself) = hospital.sign_in(&mut key).await;
        let itself = SignedIn { cookie: by_itself.cookie(), session: hospital.stand.sign_in().await.session };
        assert_eq!(code(&hospital.ask_renewal(means.id, &itself).await), "MEANS-009", "by itself");
        let stranger = hospital.stand.sign_in_as(STRANGER).await;
        assert_eq!(code(&hospital.ask_renewal(means.id, &stranger).await), "MEANS-008", "another's");

        let browser = hospital.stand.sign_in().await;
        let asked = hospital.ask_renewal(means.id, &browser).await;
        let mut other = SoftKey { user: key.user.clone(), ..SoftKey::new() };
        assert_eq!(code(&hospital.renew(means.id, &browser, &asked, &mut other).await), "KEY-009");
        let again = hospital.renew(means.id, &browser, &asked, &mut key).await;
        assert_eq!(code(&again), "KEY-002", "used up by the wrong key");
        // A challenge to sign in renews nothing, and the other way round.
        let begun = hospital.begin().await;
        let sign_in = hospital.challenge(&begun, None).await;
        let words = json!({"handle": sign_in["handle"], "credential": key.get(&sign_in["options"])});
        let swapped = hospital.say(&format!("/means/{}/renew", means.id), &words, &browser.cookie).await;
        assert_eq!(code(&swapped), "KEY-002");
        let asked = hospital.ask_renewal(means.id, &browser).await.json();
        assert_eq!(code(&hospital.answer(&begun, &asked, &mut key).await), "KEY-002");
        // Another session of the same person.
        let asked = hospital.ask_renewal(means.id, &browser).await;
        let elsewhere = hospital.stand.sign_in().await;
        assert_eq!(code(&hospital.renew(means.id, &elsewhere, &asked, &mut key).await), "KEY-002");
        // Six minutes later, whoever sits down there.
        hospital.stand.clock.advance(TimeDelta::minutes(6));
        assert_eq!(code(&hospital.ask_renewal(means.id, &browser).await), "MEANS-002");
        assert_eq!(hospital.key_of(DOCTOR).await.expires_at, means.expires_at);
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_that_reaches_less_than_the_key_does_not_keep_it() {
    use crate::webauthn::policy::KeyPolicy;

    let policy = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
    Hospital::on_both_with(policy, async |hospital| {
        let (_, means) = hospital.with_old_key().await;
        let low = hospital.stand.sign_in_at_level(DOCTOR, Acr::Eidas1).await;
        assert_eq!(code(&hospital.ask_renewal(means.id, &low).await), "MEANS-009");
        // When its time is over, its person renews it no more.
        hospital.stand.clock.advance(TimeDelta::days(61));
        let browser = hospital.stand.sign_in().await;
        assert_eq!(code(&hospital.ask_renewal(means.id, &browser).await), "MEANS-008");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_prolongs_a_key_once_on_the_document_that_was_shown() {
    use crate::crypto::random::SystemRandom;
    use crate::store::means::{Issuer, Prolonged};

    Hospital::on_both(async |hospital| {
        let (_, before) = hospital.with_old_key().await;
        let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
        let evidence = Evidence::IdentityCheck { document: "passport".into(), at: now };
        let event = hospital.stand.event(Recorded::MeansRenewed);
        let prolonged = Prolonged {
            means: &before,
            level: Acr::Eidas1,
            evidence: &evidence,
            expires_at: now + TimeDelta::days(365),
            event: &event,
        };
        assert!(store::means::prolong(db, &prolonged, now, &SystemRandom).await.unwrap());
        let after = hospital.key_of(DOCTOR).await;
        assert_eq!((after.level, after.issued_by, after.issuer_id), (Acr::Eidas1, Issuer::Desk, None));
        assert_eq!((&after.evidence, after.expires_at), (&evidence, prolonged.expires_at));
        // What it was found as is gone: of two at once one wins.
        assert!(!store::means::prolong(db, &prolonged, now, &SystemRandom).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_copy_that_is_noticed_at_a_renewal_is_suspended_with_the_key() {
    Hospital::on_both(async |hospital| {
        let (mut key, before) = hospital.with_old_key().await;
        let browser = hospital.stand.sign_in().await;
        let asked = hospital.ask_renewal(before.id, &browser).await;
        key.counter = 0;
        assert_eq!(code(&hospital.renew(before.id, &browser, &asked, &mut key).await), "KEY-008");
        let after = hospital.key_of(DOCTOR).await;
        assert!(after.suspended_at.is_some());
        assert_eq!(after.expires_at, before.expires_at);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_was_used_in_the_meantime_is_not_half_renewed() {
    use crate::crypto::random::SystemRandom;
    use crate::store::means::Issuer;
    use crate::store::notice::{NewNotice, Place, Told};
    use crate::store::webauthn_credential::{self, Registered, Renewal, Used};

    Hospital::on_both(async |hospital| {
        let (_, before) = hospital.with_old_key().await;
        let browser = hospital.stand.sign_in().await;
        let asked = hospital.ask_renewal(before.id, &browser).await.json();
        let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
        let mut key = webauthn_credential::of_person(db, before.person_id).await.unwrap().remove(0);
        let credential = key.credential.clone();
        // As it was when its signature was verified: another one has counted since.
        key.counter -= 1;
        let told = Told::MeansRenewed { means: Kind::SecurityKey, place: Place::default() };
        let renewal = Renewal {
            used: &Used {
                handle_hash: crate::crypto::digest::sha256(asked["handle"].as_str().unwrap().as_bytes()),
                counter: key.counter + 1,
                key,
                credential,
                backed_up: false,
                place: String::new(),
            },
            check: None,
            level: Acr::Eidas1,
            issued_by: Issuer::Person,
            issuer_id: None,
            evidence: &before.evidence,
            expires_at: now + TimeDelta::days(365),
            notice: &NewNotice::new(before.person_id, told, now, &SystemRandom),
            event: &hospital.stand.event(Recorded::MeansRenewed),
        };
        let outcome = webauthn_credential::renew(db, &renewal, now).await.unwrap();
        assert_eq!(outcome, Registered::CeremonyOver);
        assert_eq!(hospital.key_of(DOCTOR).await.expires_at, before.expires_at);
    })
    .await;
}
