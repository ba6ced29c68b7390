//! What goes wrong between the workstation and a session: each ends in a sentence that says what to do, in the person's
//! language, on the page where it happened and on the one that waits, with a stable code and an event in the audit
//! trail; and the sign-in can be tried again.

use std::sync::Arc;

use chrono::TimeDelta;
use sceau::clock::{Clock as _, MockClock, SystemClock};
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, ENGLISH, FRENCH, NOTICED, Settings, Window};
use crate::harness::hospital::{AGENT, AGENT_PORT, FRONT, Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::harness::site::Site;
use crate::sign_in::{to_popup, to_sign_in_page, type_pin};

/// Sends the answer of the card in the reader, and sees it refused with `code` everywhere.
async fn is_refused(browser: &Browser, hospital: &Hospital, code: &str) {
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    refusal_is_seen(browser, hospital, &first, code).await;
}

async fn refusal_is_seen(browser: &Browser, hospital: &Hospital, first: &Window, code: &str) {
    browser.is_at(&format!("{FRONT}/card/finish")).await;
    browser.shows_error(code).await;
    browser.close_window().await;
    browser.switch_to(first).await;
    browser.shows_error(code).await;
    hospital.assert_audited(code);
}

/// Sends the answer of the card in the reader, and is signed in.
async fn is_accepted(browser: &Browser) {
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
    browser.is_at(RECORDS).await;
    browser.says("demo-signed-in").await;
}

/// Wrong PIN, last try and no card end at the workstation: the agent tells the server, and the sign-in goes on.
#[test]
fn what_ends_at_the_workstation_is_audited() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            hospital.remove();
            to_sign_in_page(&browser, RECORDS).await;
            let first = to_popup(&browser).await;
            browser.shows_error("READER-003").await;
            hospital.insert("good");
            browser.press("try-again").await;
            type_pin(&browser, "0000").await;
            browser.shows_error("READER-009").await;
            for code in ["READER-003", "READER-009"] {
                let event = hospital.told(code).await;
                assert_eq!(event["kind"], "sign-in", "{event}");
                assert_eq!(event["outcome"], "failure", "{event}");
                for member in ["workstation", "transaction", "agent"] {
                    assert!(event["detail"][member].is_string(), "{member} in {event}");
                }
            }
            type_pin(&browser, PIN).await;
            browser.popup_closed(&first).await;
            browser.is_at(RECORDS).await;
        });
    });
}

#[test]
fn no_agent_in_the_popup() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.stop_agent().await;
            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            let first = browser.window().await;
            browser.press("card-start").await;
            browser.shows_error("WEB-010").await;
            let took = browser.took_to_show("no-agent").await;
            assert!(took < NOTICED, "after {took:?}");
            browser.popup_closed(&first).await;
            hospital.told("WEB-010").await;
            browser.pictures("no-agent-fr").await;

            // Another program in the agent's place is no agent either, and the agent says who is in its way.
            let other = Site::open(AGENT_PORT, "<h1>Something else</h1>", "").await;
            let refused = hospital.try_agent(&["run"]);
            assert!(!refused.status.success());
            assert!(String::from_utf8_lossy(&refused.stderr).contains("AGENT-030"), "{refused:?}");
            browser.press("card-start").await;
            browser.says("card-opening").await;
            browser.shows_error("WEB-010").await;
            let took = browser.took_to_show("no-agent").await;
            assert!(took < NOTICED, "after {took:?}");
            other.close().await;

            // The transaction is still good.
            hospital.start_agent().await;
            is_accepted(&browser).await;
        });
    });
}

#[test]
fn no_agent_in_the_same_tab() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.stop_agent().await;
            let browser = Browser::start(Settings { popups: false, ..ENGLISH }).await;
            to_sign_in_page(&browser, RECORDS).await;
            browser.press("card-start").await;
            // The browser's own page, in its own words: nobody answers there.
            browser.shows("ERR_CONNECTION_REFUSED").await;
            browser.back().await;
            browser.shows_error("WEB-011").await;
            hospital.told("WEB-011").await;
            browser.pictures("came-back-en").await;

            hospital.start_agent().await;
            browser.press("card-start").await;
            browser.is_at(AGENT).await;
            type_pin(&browser, PIN).await;
            browser.is_at(RECORDS).await;
        });
    });
}

#[test]
fn workstations() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::empty(&Setup::default()).await;
            hospital.import();
            hospital.start_relying_parties().await;
            hospital.stop_server().await;
            let before = hospital.keep_state();
            hospital.start_server().await;
            hospital.insert("good");

            // Unknown: the server was restored from a copy that is older than the workstation.
            hospital.enrol();
            hospital.start_agent().await;
            hospital.stop_server().await;
            hospital.restore_state(&before);
            hospital.start_server().await;
            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            is_refused(&browser, &hospital, "CARD-010").await;
            browser.pictures("refused-fr").await;

            // Enrolled again, but nobody has approved it yet: said before anybody types a PIN. Then approved, revoked,
            // and enrolled once more.
            hospital.enrol_after_approval();
            let first = to_popup(&browser).await;
            browser.shows_error("AGENT-050").await;
            browser.pictures("pending-fr").await;
            let id = hospital.workstation_id();
            let key = hospital.workstation_key(&id);
            hospital.sceau(&["workstation", "approve", &id, &format!("--key={key}")]);
            browser.press("try-again").await;
            browser.element("#pin").await;
            browser.client().close_window().await.unwrap();
            browser.switch_to(&first).await;
            hospital.sceau(&["workstation", "revoke", &id]);
            is_refused(&browser, &hospital, "CARD-011").await;
            hospital.enrol();

            hospital.configure("minimum_agent_version = \"99.0.0\"").await;
            is_refused(&browser, &hospital, "CARD-014").await;
            hospital.configure("").await;
            is_accepted(&browser).await;
        });
    });
}

#[test]
fn certificates() {
    isolated(|| {
        run(async {
            let cards = &["good", "expired", "not-yet-valid", "revoked", "wrong-issuer", "software"];
            let mut hospital = Hospital::open(Setup { cards, ..Setup::default() }).await;
            let browser = Browser::start(ENGLISH).await;
            to_sign_in_page(&browser, RECORDS).await;
            for (card, code) in [
                ("expired", "CERT-002"),
                ("not-yet-valid", "CERT-003"),
                ("wrong-issuer", "CERT-004"),
                ("revoked", "CERT-005"),
                ("software", "CERT-007"),
            ] {
                hospital.insert(card);
                is_refused(&browser, &hospital, code).await;
            }
            hospital.insert("good");
            hospital.configure("accept_test_cards = false").await;
            is_refused(&browser, &hospital, "CERT-008").await;
            hospital.configure("").await;
            is_accepted(&browser).await;
        });
    });
}

#[test]
fn people() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::empty(&Setup::default()).await;
            hospital.enrol();
            hospital.start_agent().await;
            hospital.start_relying_parties().await;
            hospital.insert("good");
            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            is_refused(&browser, &hospital, "PERSON-001").await;
            // Known is not admitted.
            hospital.import_as_of_elsewhere();
            is_refused(&browser, &hospital, "PERSON-002").await;
            hospital.import();
            is_accepted(&browser).await;

            // Disabled: the session is gone, and no other begins.
            hospital.sceau(&["person", "disable", "899700366240", "--reason", "a test"]);
            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            is_refused(&browser, &hospital, "PERSON-003").await;
        });
    });
}

#[test]
fn requests_and_sign_ins_that_are_too_old() {
    isolated(|| {
        run(async {
            let clock = Arc::new(MockClock::at(SystemClock.now()));
            let hospital = Hospital::open_at(Setup::default(), clock.clone()).await;
            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            let first = to_popup(&browser).await;
            browser.element("#pin").await;
            clock.advance(TimeDelta::minutes(3));
            type_pin(&browser, PIN).await;
            refusal_is_seen(&browser, &hospital, &first, "CARD-006").await;
            is_accepted(&browser).await;

            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            clock.advance(TimeDelta::minutes(11));
            browser.press("card-start").await;
            browser.shows_error("WEB-013").await;
            browser.pictures("too-old-fr").await;
        });
    });
}
