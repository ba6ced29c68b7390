//! A card that leaves its reader takes the session along: a real card service notices it, the real agent reports it, the
//! server acts, and the relying parties hear of it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sceau::clock::{Clock as _, MockClock, SystemClock};
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, IMAGES, RECORDS, Setup};
use crate::harness::{run, until};
use crate::sign_in::{sees_the_doctor, to_popup, to_sign_in_page, type_pin};

/// What the agent logs once server and agent have heard each other.
pub const OPEN: &str = "the channel is open";
/// The promise is a second; the machine of the tests may be busy with other things.
const AT_ONCE: TimeDelta = TimeDelta::seconds(2);

pub async fn sign_in(browser: &Browser, relying_party: &str) {
    to_sign_in_page(browser, relying_party).await;
    put_in_the_pin(browser).await;
    sees_the_doctor(browser, relying_party).await;
}

async fn put_in_the_pin(browser: &Browser) {
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
}

/// Goes to the second relying party, which asks the provider who is there.
pub async fn to_images(browser: &Browser) {
    browser.open(IMAGES).await;
    browser.press("demo-sign-in").await;
}

/// Waits until the relying party has signed the person out, because it was told.
pub async fn hears_of_it(browser: &Browser, relying_party: &str) {
    until("the relying party to sign the person out", async || {
        browser.open(relying_party).await;
        browser.text().await.contains("Pro Santé Connect").then_some(())
    })
    .await;
}

/// The first event of that kind, once there is one.
pub async fn event(hospital: &Hospital, kind: &str) -> Value {
    until(kind, async || hospital.audit().into_iter().find(|event| event["kind"] == kind)).await
}

fn at(event: &Value) -> DateTime<Utc> {
    event["at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn ends_the_session_and_the_relying_parties_are_told() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.configure("\n[session]\ncard_out = \"end\"").await;
            hospital.stop_agent().await;
            hospital.start_agent().await;
            hospital.agent_logs(OPEN).await;
            let browser = Browser::start(FRENCH).await;
            sign_in(&browser, RECORDS).await;
            to_images(&browser).await;
            sees_the_doctor(&browser, IMAGES).await;

            let pulled = SystemClock.now();
            hospital.remove();
            let ended = event(&hospital, "session.ended").await;
            let took = at(&ended) - pulled;
            println!(
                "the session ended {} ms after the card was pulled (target 1000)",
                took.num_milliseconds()
            );
            assert!(took < AT_ONCE, "the session ended {took} after the card was pulled");
            assert_eq!(ended["detail"]["note"], "card-removed", "{ended:#}");
            assert!(ended["detail"]["workstation"].is_string() && ended["person"].is_string(), "{ended:#}");
            let told = event(&hospital, "logout.delivered").await;
            let took = at(&told) - pulled;
            println!("a relying party was told {} ms after the card was pulled", took.num_milliseconds());
            assert!(took < AT_ONCE * 2, "a relying party was told {took} after the card was pulled");
            for relying_party in [RECORDS, IMAGES] {
                hears_of_it(&browser, relying_party).await;
                to_sign_in_page(&browser, relying_party).await;
            }
            // The card comes back, and nobody is signed in by that.
            hospital.insert("good");
            to_sign_in_page(&browser, RECORDS).await;
            sign_in(&browser, RECORDS).await;
            hospital.sceau(&["audit", "verify"]);
        });
    });
}

#[test]
fn locks_the_session_until_the_same_card_and_pin() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.agent_logs(OPEN).await;
            let browser = Browser::start(FRENCH).await;
            sign_in(&browser, RECORDS).await;

            let pulled = SystemClock.now();
            hospital.remove();
            let took = at(&event(&hospital, "session.locked").await) - pulled;
            println!(
                "the session was locked {} ms after the card was pulled (target 1000)",
                took.num_milliseconds()
            );
            assert!(took < AT_ONCE, "the session was locked {took} after the card was pulled");
            to_images(&browser).await;
            browser.is_at(FRONT).await;
            browser.shows_error("SESSION-001").await;
            browser.pictures("card-out-locked-fr").await;
            hospital.insert("good");
            browser.open(IMAGES).await;
            to_images(&browser).await;
            browser.shows_error("SESSION-001").await;
            put_in_the_pin(&browser).await;
            sees_the_doctor(&browser, IMAGES).await;
            // What was open all the while is still open, and the services were told nothing.
            browser.open(RECORDS).await;
            browser.says("demo-signed-in").await;
            let kinds: Vec<_> = hospital.audit().iter().map(|event| event["kind"].clone()).collect();
            assert!(
                !kinds.iter().any(|kind| kind == "session.ended" || kind == "logout.delivered"),
                "{kinds:?}"
            );
            let signed_in = hospital.audit().into_iter().filter(|event| event["kind"] == "sign-in");
            let sessions: Vec<_> = signed_in.map(|event| event["detail"]["session"].clone()).collect();
            assert!(sessions.len() == 2 && sessions[0] == sessions[1], "{sessions:?}");
        });
    });
}

#[test]
fn a_workstation_that_falls_silent_locks_by_the_servers_clock() {
    isolated(|| {
        run(async {
            let clock = MockClock::at(SystemClock.now());
            let mut hospital = Hospital::open_at(Setup::default(), Arc::new(clock.clone())).await;
            hospital.agent_logs(OPEN).await;
            // Who is admitted was admitted by the clock of the commands, which goes on.
            clock.advance(TimeDelta::minutes(1));
            let browser = Browser::start(ENGLISH).await;
            sign_in(&browser, RECORDS).await;
            hospital.stop_agent().await;
            clock.advance(TimeDelta::seconds(91));
            to_images(&browser).await;
            browser.is_at(FRONT).await;
            browser.shows_error("SESSION-001").await;
            browser.pictures("card-out-silent-en").await;
        });
    });
}

#[test]
fn at_a_shared_workstation_the_name_is_confirmed_first() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::empty(&Setup::default()).await;
            hospital.import();
            hospital.enrol_shared();
            hospital.start_agent().await;
            hospital.start_relying_parties().await;
            hospital.insert("good");
            hospital.agent_logs(OPEN).await;
            let browser = Browser::start(FRENCH).await;
            sign_in(&browser, RECORDS).await;
            to_images(&browser).await;
            browser.shows("KIT DOC0036624").await;
            browser.says("confirm-detail").await;
            browser.pictures("confirmation-fr").await;
            browser.press("go-on").await;
            sees_the_doctor(&browser, IMAGES).await;

            // Whoever comes next says so, and what was left open is closed.
            browser.press("sign-out").await;
            browser.is_at(IMAGES).await;
            hears_of_it(&browser, RECORDS).await;
            sign_in(&browser, RECORDS).await;
            to_images(&browser).await;
            browser.press("confirm-not-me").await;
            browser.says("card-insert").await;
            hears_of_it(&browser, RECORDS).await;
        });
    });
}
