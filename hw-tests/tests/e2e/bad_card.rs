//! What goes wrong at the reader: each ends in a sentence that says what to do, in the person's language, with a stable
//! code that the agent logs too; and nothing is lost, so that the same sign-in succeeds in the end.

use sceau::card::protocol::Purpose;
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::softcard::{Profile, Reaction, SoftCard};

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{Hospital, Setup};
use crate::harness::other_server::OtherServer;
use crate::harness::run;

/// VERIFY: a PIN is presented.
const VERIFY: u8 = 0x20;
/// INTERNAL AUTHENTICATE: the signature.
const SIGN: u8 = 0x88;

async fn begin(browser: &Browser, server: &OtherServer) {
    server.page_posts(server.request(Purpose::Browser));
    browser.open(server.origin()).await;
}

async fn type_pin(browser: &Browser, pin: &str) {
    browser.write("#pin", pin).await;
    browser.press("agent-sign").await;
}

/// The page and the agent's log both name `code`.
async fn refused(browser: &Browser, hospital: &Hospital, code: &str) {
    browser.shows_error(code).await;
    hospital.agent_logs(code).await;
}

#[test]
fn readers_and_cards() {
    isolated(|| {
        run(async {
            let setup = Setup { cards: &["good", "nurse"], ..Setup::default() };
            let (mut hospital, server) = Hospital::workstation(&setup).await;
            let browser = Browser::start(FRENCH).await;

            hospital.remove();
            begin(&browser, &server).await;
            refused(&browser, &hospital, "READER-003").await;
            browser.pictures("no-card-fr").await;

            hospital.stop_readers();
            browser.press("try-again").await;
            refused(&browser, &hospital, "READER-001").await;
            hospital.start_without_readers().await;
            browser.press("try-again").await;
            refused(&browser, &hospital, "READER-002").await;
            hospital.start_readers();

            let atr = vec![0x3B, 0x65, 0x00, 0x00, 0x9C, 0x02, 0x02, 0x07, 0x02];
            let foreign = Profile { atr, application: false, ..Profile::default() };
            hospital.insert_card(SoftCard::new(hospital.identity("good"), foreign));
            browser.press("try-again").await;
            refused(&browser, &hospital, "READER-004").await;

            // Exchanged between show and PIN: the PIN must not reach the other card.
            hospital.insert("nurse");
            browser.press("try-again").await;
            browser.shows("INF0030001").await;
            hospital.insert("good");
            type_pin(&browser, PIN).await;
            refused(&browser, &hospital, "READER-007").await;
            assert_eq!(hospital.card().card().count(VERIFY), 0);

            // Pulled out between show and PIN, and while it signs.
            browser.press("try-again").await;
            browser.shows("DOC0036624").await;
            hospital.remove();
            type_pin(&browser, PIN).await;
            refused(&browser, &hospital, "READER-006").await;
            hospital.insert("good");
            for reaction in [Reaction::PulledBefore, Reaction::PulledAfter] {
                browser.press("try-again").await;
                browser.shows("DOC0036624").await;
                hospital.card().card().intervene(move |command| {
                    if command.get(1) == Some(&SIGN) { reaction } else { Reaction::Answer }
                });
                type_pin(&browser, PIN).await;
                refused(&browser, &hospital, "READER-006").await;
                assert_eq!(hospital.card().card().count(VERIFY), 1, "the PIN was presented again");
                // pcscd 1.9.9 misses a card that comes within its 0.4 s after a reset that failed.
                hospital.start_readers();
                hospital.insert("good");
            }

            browser.press("try-again").await;
            type_pin(&browser, PIN).await;
            browser.shows("Answered").await;
        });
    });
}

#[test]
fn wrong_pin_last_try_and_blocked_card() {
    isolated(|| {
        run(async {
            let (mut hospital, server) = Hospital::workstation(&Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            begin(&browser, &server).await;
            browser.shows("Il reste 3 essais").await;
            type_pin(&browser, "9999").await;
            refused(&browser, &hospital, "READER-009").await;
            browser.shows("Il reste 2 essais").await;
            browser.pictures("wrong-pin-fr").await;
            type_pin(&browser, "9999").await;
            browser.says("agent-last-try").await;
            browser.pictures("last-try-fr").await;

            // Without a word that the last try may be used, it is not: neither by the page nor by the agent.
            type_pin(&browser, PIN).await;
            browser.says("agent-last-try").await;
            let unlock =
                "for (const field of document.querySelectorAll('[required]')) field.required = false";
            browser.script(unlock).await;
            browser.press("agent-sign").await;
            browser.says("agent-last-try").await;
            assert_eq!(hospital.card().card().count(VERIFY), 2);

            browser.click("#last-try").await;
            type_pin(&browser, PIN).await;
            browser.shows("Answered").await;
            assert_eq!(hospital.card().card().tries_left(), 3);
            drop(browser);

            let browser = Browser::start(ENGLISH).await;
            begin(&browser, &server).await;
            type_pin(&browser, "9999").await;
            refused(&browser, &hospital, "READER-009").await;
            type_pin(&browser, "9999").await;
            browser.click("#last-try").await;
            type_pin(&browser, "9999").await;
            refused(&browser, &hospital, "READER-011").await;
            browser.pictures("blocked-en").await;
            assert_eq!(hospital.card().card().tries_left(), 0);

            // The next time it is said before anybody types a PIN; and there is a way back.
            begin(&browser, &server).await;
            refused(&browser, &hospital, "AGENT-024").await;
            browser.click_text("Clinique voisine").await;
            browser.shows("Cancelled").await;
            hospital.insert("good");
            begin(&browser, &server).await;
            type_pin(&browser, PIN).await;
            browser.shows("Answered").await;
        });
    });
}
