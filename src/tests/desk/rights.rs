//! Who gets in: everything that a role asks for, taken away one by one.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::{Counter, by_card, complete, get, grant, press, refused, revoke, token};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::ids::WorkstationId;
use crate::session::{Acr, Amr, Evidence};
use crate::store;
use crate::store::role::Role;
use crate::tests::security_keys::authenticator::SoftKey;
use crate::tests::security_keys::{FRONT, code};
use crate::tests::spec::stand::{DOCTOR, STRANGER, SignedIn};
use crate::webauthn::policy::KeyPolicy;

impl Counter {
    /// Every door of the desk refuses this browser, with that code.
    async fn every_door_refuses(&self, browser: &SignedIn, expected: &str) {
        refused(&get(self.stand(), "/desk", browser).await, expected);
        refused(&get(self.stand(), &self.path(""), browser).await, expected);
        refused(&press(self.stand(), "/desk/find", browser, "&text=DOC").await, expected);
        refused(&press(self.stand(), &self.path("/check"), browser, "&document=passport").await, expected);
        let means = crate::ids::MeansId::new(self.stand().clock.now(), &SystemRandom);
        for end in ["/links/link", "/links/unlink"] {
            refused(
                &press(self.stand(), &self.path(end), browser, "&provider=psc&subject=f:1:2").await,
                expected,
            );
        }
        for act in ["suspend", "resume", "hand-out", "revoke"] {
            let path = self.path(&format!("/means/{means}/{act}"));
            refused(&press(self.stand(), &path, browser, "&reason=lost").await, expected);
        }
        for end in ["/key/options", "/key"] {
            let said = self.hospital.say(&self.path(end), &json!({}), &browser.cookie).await;
            assert_eq!(code(&said), expected, "{end}");
        }
        let event = self.event(Kind::MeansIssued).await;
        assert_eq!((event.outcome.as_str(), event.code.as_deref()), ("denied", Some(expected)));
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_role_nor_with_another_one_nor_after_it_was_taken_away() {
    Counter::on_both(async |counter| {
        let other = by_card(counter.stand(), STRANGER).await;
        counter.every_door_refuses(&other, "DESK-001").await;
        grant(counter.stand(), STRANGER, Role::Admin).await;
        grant(counter.stand(), STRANGER, Role::Auditor).await;
        counter.every_door_refuses(&other, "DESK-001").await;

        assert_eq!(counter.see("/desk").await.status, StatusCode::OK);
        revoke(counter.stand(), DOCTOR, Role::Desk).await;
        counter.every_door_refuses(&counter.desk, "DESK-001").await;
    })
    .await;
}

#[tokio::test]
async fn without_a_session_the_desk_leads_to_its_sign_in() {
    Counter::on_both(async |counter| {
        let nobody = SignedIn { cookie: "__Host-session=none".into(), session: counter.desk.session };
        assert_eq!(get(counter.stand(), "/desk", &nobody).await.location(), "/sign-in/desk");
        let pressed = press(counter.stand(), "/desk/find", &nobody, "&text=DOC").await;
        assert_eq!(pressed.location(), "/sign-in/desk");
        let said = counter.hospital.say(&counter.path("/key"), &json!({}), &nobody.cookie).await;
        assert_eq!(code(&said), "MEANS-001");
    })
    .await;
}

#[tokio::test]
async fn a_role_ends_with_the_link_of_its_person_and_when_they_are_disabled() {
    Counter::on_both(async |counter| {
        let (db, now) = (&counter.stand().db, counter.stand().clock.now());
        grant(counter.stand(), STRANGER, Role::Desk).await;
        assert!(store::role::holds(db, counter.colleague, Role::Desk, now).await.unwrap());
        for link in store::person::affiliations(db, counter.colleague).await.unwrap() {
            let event = counter.stand().some_event(Kind::AffiliationEnded);
            let random = &SystemRandom;
            store::person::end_affiliation(db, counter.colleague, link.id, "left", now, random, &event)
                .await
                .unwrap();
        }
        let left = by_card(counter.stand(), STRANGER).await;
        counter.every_door_refuses(&left, "DESK-001").await;

        counter.stand().disable(DOCTOR).await;
        assert_eq!(counter.see("/desk").await.location(), "/sign-in/desk", "the session has ended");
        let disabled = by_card(counter.stand(), DOCTOR).await;
        counter.every_door_refuses(&disabled, "DESK-001").await;
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_of_sixteen_minutes_ago_is_asked_for_again() {
    Counter::on_both(async |counter| {
        counter.stand().clock.advance(TimeDelta::minutes(15));
        assert_eq!(counter.see("/desk").await.status, StatusCode::OK);
        counter.stand().clock.advance(TimeDelta::minutes(1));
        assert_eq!(counter.see("/desk").await.location(), "/sign-in/desk");
        assert_eq!(counter.see(&counter.path("")).await.location(), "/sign-in/desk");
        let checked = counter.press(&counter.path("/check"), "&document=passport").await;
        assert_eq!(checked.location(), "/sign-in/desk");
        assert_eq!(code(&counter.challenge().await), "DESK-002");
        // There the session alone is not enough, although it is good for other pages.
        assert!(counter.see("/sign-in/desk").await.location().starts_with("/login/"));
        assert_eq!(counter.see("/sign-in/means").await.location(), "/means");
    })
    .await;
}

#[tokio::test]
async fn one_factor_and_a_pin_of_hours_ago_are_not_enough() {
    Counter::on_both(async |counter| {
        let stand = counter.stand();
        let session = async |evidence, amr: &[Amr]| {
            let (cookie, mut new) = stand.new_session(DOCTOR).await;
            new.authentication.evidence = evidence;
            new.authentication.amr = amr.to_vec();
            complete(stand, &new).await;
            SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
        };
        let card = Evidence::Card {
            card_number: format!("8025000001/{DOCTOR}"),
            certificate_sha256: "00".repeat(32),
            serial: "01".into(),
            issuer: None,
            workstation: WorkstationId(crate::ids::uuid_v4(&SystemRandom)),
            pin: "window".into(),
            interface: "contact".into(),
        };
        let badge = Evidence::Badge {
            card_number: "8025000001/2".into(),
            certificate_sha256: "11".repeat(32),
            serial: "02".into(),
            issuer: String::new(),
            workstation: WorkstationId(crate::ids::uuid_v4(&SystemRandom)),
            tapped_at: stand.clock.now(),
            renews: Box::new(card.clone()),
        };
        let certificate = Evidence::CardCertificate {
            card_number: format!("8025000001/{DOCTOR}"),
            certificate_sha256: "00".repeat(32),
            serial: "01".into(),
            issuer: None,
            pin: "middleware".into(),
            interface: "contact".into(),
            fresh: false,
        };
        let test_person = Evidence::Sandbox { person: "x".into(), acr_untold: false };
        let all = [Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa];
        // A tap of the badge opens nothing of ours: its session is locked here.
        let tapped = session(badge, &[Amr::Sc, Amr::Hwk]).await;
        assert_eq!(get(stand, "/desk", &tapped).await.location(), "/sign-in/desk");
        assert!(get(stand, "/sign-in/desk", &tapped).await.location().starts_with("/login/"));
        let said = counter.hospital.say(&counter.path("/key"), &json!({}), &tapped.cookie).await;
        assert_eq!(code(&said), "MEANS-001");
        for (evidence, amr) in [
            (certificate, &all[..]),
            (test_person, &all[..]),
            // The same card as ever, but no second factor.
            (card, &[Amr::Sc, Amr::Hwk][..]),
        ] {
            let browser = session(evidence, amr).await;
            counter.every_door_refuses(&browser, "DESK-003").await;
            // The page leads to another sign-in, although this one is of the moment.
            let page = get(stand, "/desk", &browser).await;
            assert!(page.body.contains("/sign-in/desk?fresh=1"), "{}", page.body);
            let again = get(stand, "/sign-in/desk?fresh=1", &browser).await;
            assert!(again.location().starts_with("/login/"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_below_the_level_opens_no_desk() {
    Counter::on_both(async |counter| {
        let mut key = SoftKey::new();
        counter.hospital.register(&counter.desk, &mut key).await;
        counter.stand().clock.advance(TimeDelta::hours(25));
        let by_key = key_session(&counter, &mut key).await;
        counter.every_door_refuses(&by_key, "DESK-003").await;
    })
    .await;
}

#[tokio::test]
async fn a_means_that_is_not_there_for_a_day_opens_no_desk() {
    let policy = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
    Counter::on_both_with(policy, async |counter| {
        let mut key = SoftKey::new();
        counter.hospital.register(&counter.desk, &mut key).await;
        let by_key = key_session(&counter, &mut key).await;
        counter.every_door_refuses(&by_key, "DESK-004").await;
        counter.stand().clock.advance(TimeDelta::hours(24));
        let by_key = key_session(&counter, &mut key).await;
        assert_eq!(get(counter.stand(), "/desk", &by_key).await.status, StatusCode::OK);
        // A card that the registry never saw.
        let unknown = counter.stand().sign_in().await;
        counter.every_door_refuses(&unknown, "DESK-004").await;
    })
    .await;
}

#[tokio::test]
async fn forms_come_from_our_own_pages_of_this_session_alone() {
    Counter::on_both(async |counter| {
        let other = by_card(counter.stand(), STRANGER).await;
        let paths = ["/desk/find".to_owned(), counter.path("/check"), counter.path("/links/link")];
        for path in paths {
            let rest = "&text=DOC&document=passport";
            let stolen = format!("csrf={}{rest}", token(&other));
            let cookie = ("cookie", counter.desk.cookie.as_str());
            refused(&counter.stand().post(&path, &stolen, &[cookie, ("origin", FRONT)]).await, "WEB-001");
            let own = format!("csrf={}{rest}", token(&counter.desk));
            let evil = ("origin", "https://evil.example");
            refused(&counter.stand().post(&path, &own, &[cookie, evil]).await, "WEB-001");
            refused(&counter.stand().post(&path, &own, &[cookie]).await, "WEB-001");
        }
        counter.check("passport").await;
        for end in ["/key/options", "/key"] {
            let (evil, cookie) = ("https://evil.example", &counter.desk.cookie);
            let said = counter.hospital.say_from(evil, &counter.path(end), &json!({}), cookie).await;
            assert_eq!(code(&said), "WEB-001");
        }
    })
    .await;
}

/// The doctor, signed in with a key.
async fn key_session(counter: &Counter, key: &mut SoftKey) -> SignedIn {
    let (_, signed_in) = counter.hospital.sign_in(key).await;
    SignedIn { cookie: signed_in.cookie(), session: counter.desk.session }
}
