//! What a key that verifies nobody does not open, each way tried.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::authenticator::SoftKey;
use super::second_factor::{CB, old_key, substantial};
use super::{Begun, Hospital, code};
use crate::store::means::Kind;
use crate::tests::spec::browser::of;
use crate::tests::spec::stand::{DOCTOR, STRANGER, SignedIn};
use crate::webauthn::policy::KeyPolicy;

const MORE: [(&str, &str); 1] = [("acr_values", "eidas2")];

/// A hospital whose doctor has such a key, and has tapped their badge.
async fn scene(test: impl AsyncFn(&Hospital, SoftKey, SignedIn)) {
    Hospital::on_both_with(substantial(), async |hospital| {
        hospital.takes_badge("std").await;
        let mut key = old_key();
        let registered = hospital.try_register_second(&hospital.stand.sign_in().await, &mut key).await;
        assert_eq!(registered.json()["state"], "done", "{}", registered.body);
        let browser = hospital.tapped(DOCTOR).await;
        test(&hospital, key, browser).await;
    })
    .await;
}

#[tokio::test]
async fn attack_it_signs_nobody_in_alone() {
    scene(async |hospital, mut key, _| {
        let doctor = hospital.stand.person(DOCTOR).await;
        // It verifies, this once, whoever found it; and names its person, as if it were a passkey.
        (key.user_verified, key.user) = (true, Some(doctor.0.as_bytes().to_vec()));
        let (_, answer) = hospital.sign_in(&mut key).await;
        assert_eq!(code(&answer), "KEY-009", "discoverable");
        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, Some(DOCTOR)).await;
        let id = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &key.id);
        assert!(!asked["options"]["allowCredentials"].to_string().contains(&id), "not offered");
        assert_eq!(code(&hospital.answer(&begun, &asked, &mut key).await), "KEY-009", "nor taken");
    })
    .await;
}

#[tokio::test]
async fn attack_swapped_ceremonies() {
    scene(async |hospital, mut key, browser| {
        // A challenge for a touch is none to sign in, and the other way round.
        let begun = hospital.asks(&browser, &MORE).await;
        let touch = hospital.ask_touch(&begun).await.json();
        assert_eq!(code(&hospital.answer(&begun, &touch, &mut key).await), "KEY-002");
        let sign_in = hospital.challenge(&begun, None).await;
        assert_eq!(code(&hospital.bring_touch(&begun, &sign_in, &mut key).await), "KEY-002");
        // A challenge to register the one kind registers no other: what verified nobody does not come to sign in.
        let by_pin = hospital.stand.sign_in().await;
        for (asked_for, said) in [(true, false), (false, true)] {
            let asked = hospital
                .say("/means/key/options", &json!({"second_factor": asked_for}), &by_pin.cookie)
                .await;
            let asked = asked.json();
            let credential = SoftKey::new().create(&asked["options"]);
            let words = json!({
                "handle": asked["handle"], "label": "", "second_factor": said, "credential": credential,
            });
            assert_eq!(code(&hospital.say("/means/key", &words, &by_pin.cookie).await), "KEY-002");
        }
        // One key is of one kind, whoever comes with its id.
        let mut known = SoftKey { id: key.id.clone(), ..SoftKey::new() };
        let stranger = hospital.stand.sign_in_as(STRANGER).await;
        assert_eq!(code(&hospital.try_register(&stranger, &mut known).await), "KEY-013");
    })
    .await;
}

#[tokio::test]
async fn attack_the_key_of_somebody_else_or_of_nobody() {
    scene(async |hospital, _, browser| {
        let mut other = old_key();
        hospital.try_register_second(&hospital.stand.sign_in_as(STRANGER).await, &mut other).await;
        let begun = hospital.asks(&browser, &MORE).await;
        for mut key in [other, old_key()] {
            let asked = hospital.ask_touch(&begun).await.json();
            assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut key).await), "KEY-009");
        }
        // A key of their own that signs in alone is none of these.
        let mut own = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut own).await;
        let asked = hospital.ask_touch(&begun).await.json();
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut own).await), "KEY-009");
    })
    .await;
}

#[tokio::test]
async fn attack_another_browser_and_another_session() {
    scene(async |hospital, mut key, again| {
        let browser = hospital.tapped(DOCTOR).await;
        let begun = hospital.asks(&browser, &MORE).await;
        let asked = hospital.ask_touch(&begun).await.json();
        let (session, transaction) = begun.cookie.split_once("; ").unwrap();
        let with = |cookie: String| Begun { txn: begun.txn.clone(), cookie };
        let elsewhere = with(session.to_owned());
        assert_eq!(code(&hospital.bring_touch(&elsewhere, &asked, &mut key).await), "KEY-020");
        let without = with(transaction.to_owned());
        assert_eq!(code(&hospital.ask_touch(&without).await), "KEY-042");
        assert_eq!(code(&hospital.bring_touch(&without, &asked, &mut key).await), "KEY-042");
        // Another session of the same person in the same browser, begun before.
        let asked = hospital.ask_touch(&begun).await.json();
        let swapped = with(format!("{}; {transaction}", again.cookie));
        assert_eq!(code(&hospital.bring_touch(&swapped, &asked, &mut key).await), "KEY-002");
    })
    .await;
}

#[tokio::test]
async fn attack_a_session_that_no_badge_has_opened_or_that_is_over() {
    scene(async |hospital, mut key, browser| {
        let begun = hospital.asks(&browser, &MORE).await;
        let (_, transaction) = begun.cookie.split_once("; ").unwrap();
        let by_pin = hospital.stand.sign_in_at_level(DOCTOR, crate::session::Acr::Eidas1).await;
        let page = Begun { txn: begun.txn.clone(), cookie: format!("{}; {transaction}", by_pin.cookie) };
        assert_eq!(code(&hospital.ask_touch(&page).await), "KEY-042", "a low session of another sort");
        // Its window ends between the challenge and the touch.
        let late = hospital.tapped(DOCTOR).await;
        hospital.stand.clock.advance(TimeDelta::minutes(29));
        let keep = hospital.stand.authorize(&of("std", CB, &[]), &late.cookie).await;
        assert!(keep.parameter("code").is_some(), "still in use: {}", keep.location());
        hospital.stand.clock.advance(TimeDelta::minutes(29));
        let keep = hospital.stand.authorize(&of("std", CB, &[]), &late.cookie).await;
        assert!(keep.parameter("code").is_some());
        hospital.stand.clock.advance(TimeDelta::minutes(28));
        let begun = hospital.asks(&late, &MORE).await;
        let asked = hospital.ask_touch(&begun).await.json();
        hospital.stand.clock.advance(TimeDelta::minutes(4));
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut key).await), "KEY-042");
    })
    .await;
}

#[tokio::test]
async fn attack_an_answer_that_comes_twice_or_from_elsewhere() {
    scene(async |hospital, mut key, browser| {
        let begun = hospital.asks(&browser, &MORE).await;
        let asked = hospital.ask_touch(&begun).await.json();
        let mut phished = SoftKey { origin: "https://localhost.evil.example".into(), ..key.clone() };
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut phished).await), "KEY-003");
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut key).await), "KEY-002", "used up");
        let asked = hospital.ask_touch(&begun).await.json();
        let mut untouched = SoftKey { user_present: false, ..key.clone() };
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut untouched).await), "KEY-006");
        let joined = hospital.touch(&begun, &mut key, &browser).await;
        let (_, transaction) = begun.cookie.split_once("; ").unwrap();
        let over = Begun { txn: begun.txn.clone(), cookie: format!("{}; {transaction}", joined.cookie) };
        assert_eq!(code(&hospital.bring_touch(&over, &asked, &mut key).await), "KEY-020");
        assert_eq!(hospital.ask_touch(&begun).await.status, StatusCode::FORBIDDEN, "the old cookie");
    })
    .await;
}

#[tokio::test]
async fn attack_a_key_that_was_lost_or_copied() {
    scene(async |hospital, mut key, browser| {
        let begun = hospital.asks(&browser, &MORE).await;
        let asked = hospital.ask_touch(&begun).await.json();
        let mut copy = SoftKey { counter: 0, ..key.clone() };
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut copy).await), "KEY-008");
        let means = hospital.second_factor_of(DOCTOR).await;
        assert!(means.suspended_at.is_some() && means.kind == Kind::SecondFactor);
        assert_eq!(code(&hospital.ask_touch(&begun).await), "KEY-042", "nor is it asked for");
        key.counter += 10;
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut key).await), "KEY-002");
    })
    .await;
    scene(async |hospital, mut key, browser| {
        let begun = hospital.asks(&browser, &MORE).await;
        let asked = hospital.ask_touch(&begun).await.json();
        hospital.halt(&hospital.second_factor_of(DOCTOR).await).await;
        assert_eq!(code(&hospital.bring_touch(&begun, &asked, &mut key).await), "KEY-011");
    })
    .await;
}

#[tokio::test]
async fn a_hospital_that_does_not_want_such_keys_has_none() {
    Hospital::on_both_with(KeyPolicy::default(), async |hospital| {
        let browser = hospital.stand.sign_in().await;
        assert!(!hospital.page(&browser.cookie).await.contains("second_factor"));
        assert_eq!(code(&hospital.try_register_second(&browser, &mut old_key()).await), "KEY-043");
        assert_eq!(code(&hospital.try_register(&browser, &mut old_key()).await), "KEY-006");
    })
    .await;
}
