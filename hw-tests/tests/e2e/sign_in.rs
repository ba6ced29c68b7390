//! The main job: from a relying party through the agent and the card in the reader, and back.

use std::time::Duration;

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, ENGLISH, FRENCH, Settings, Window};
use crate::harness::hospital::{AGENT, FRONT, Hospital, IMAGES, PinEntry, RECORDS, Setup};
use crate::harness::{run, until, within};

/// Opens a relying party and goes to its identity provider's page.
pub async fn to_sign_in_page(browser: &Browser, relying_party: &str) {
    browser.open(relying_party).await;
    browser.press("demo-sign-in").await;
    browser.is_at(FRONT).await;
    browser.says("card-insert").await;
}

/// Presses the button of the sign-in page and drives the agent's popup; the window that waits.
pub async fn to_popup(browser: &Browser) -> Window {
    let first = browser.window().await;
    browser.press("card-start").await;
    browser.follow_popup(&first).await;
    browser.is_at(AGENT).await;
    first
}

/// Types the PIN into the agent's page.
pub async fn type_pin(browser: &Browser, pin: &str) {
    browser.write("#pin", pin).await;
    browser.press("agent-sign").await;
}

/// What the relying party shows of the doctor.
pub async fn sees_the_doctor(browser: &Browser, relying_party: &str) {
    browser.is_at(relying_party).await;
    browser.says("demo-signed-in").await;
    browser.shows("KIT DOC0036624").await;
    browser.shows("Médecin").await;
    browser.shows("HOPITAL DE DEMONSTRATION").await;
    browser.shows("899700366240").await;
    browser.shows("CARD").await;
}

/// Signs in by popup, goes to the second relying party without a new sign-in, and signs out of both.
pub async fn the_main_job(hospital: &Hospital, browser: &Browser, name: &str) {
    to_sign_in_page(browser, RECORDS).await;
    browser.pictures(&format!("{name}-1-sign-in")).await;
    let first = to_popup(browser).await;
    browser.shows("DOC0036624").await;
    browser.pictures(&format!("{name}-2-agent")).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
    sees_the_doctor(browser, RECORDS).await;
    browser.pictures(&format!("{name}-3-records")).await;

    browser.open(IMAGES).await;
    browser.press("demo-sign-in").await;
    sees_the_doctor(browser, IMAGES).await;

    browser.open(RECORDS).await;
    browser.press("sign-out").await;
    browser.is_at(RECORDS).await;
    browser.says("demo-welcome").await;
    until("the second relying party to hear of the sign-out", async || {
        browser.open(IMAGES).await;
        let welcome = browser.text().await.contains("Pro Santé Connect");
        welcome.then_some(())
    })
    .await;
    to_sign_in_page(browser, IMAGES).await;

    the_audit_tells_it(hospital);
}

/// Everything that the minimum record asks for, of this sign-in; and nobody has changed it since.
fn the_audit_tells_it(hospital: &Hospital) {
    let events = hospital.audit();
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    for kind in ["sign-in", "code.issued", "session.used", "session.ended", "logout.delivered"] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == "token.issued").count(), 2, "{kinds:?}");
    let event = events.iter().find(|event| event["kind"] == "sign-in").unwrap();
    let detail = &event["detail"];
    assert_eq!(
        (&event["outcome"], &event["code"]),
        (&"success".into(), &serde_json::Value::Null),
        "{event:#}"
    );
    for (name, value) in [
        ("means", "card"),
        ("means_id", "2800300010"),
        ("id_nat", "899700366240"),
        ("acr", "eidas3"),
        ("application", "Dossier patient"),
        ("zone", "bureaux"),
        ("address", "127.0.0.1"),
    ] {
        assert!(detail[name].as_str().is_some_and(|found| found.ends_with(value)), "{name}: {event:#}");
    }
    for name in ["workstation", "agent", "session", "transaction", "user_agent", "policy_version"] {
        assert!(detail[name].is_string(), "{name}: {event:#}");
    }
    for name in ["at", "node", "person", "client", "operation"] {
        assert!(event[name].is_string(), "{name}: {event:#}");
    }
    assert!(!event.to_string().contains("\"1234\""), "the PIN is in the audit trail");
    hospital.sceau(&["audit", "verify"]);
}

#[test]
fn by_popup_in_french() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            the_main_job(&hospital, &Browser::start(FRENCH).await, "popup-fr").await;
        });
    });
}

#[test]
fn by_popup_in_english_on_postgresql() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup { postgres: true, ..Setup::default() }).await;
            the_main_job(&hospital, &Browser::start(ENGLISH).await, "popup-en").await;
        });
    });
}

/// Signs in with a browser that blocks popups: the agent's page takes the place of the sign-in page.
pub async fn without_popups(settings: Settings) {
    let browser = Browser::start(Settings { popups: false, ..settings }).await;
    to_sign_in_page(&browser, RECORDS).await;
    browser.press("card-start").await;
    browser.is_at(AGENT).await;
    type_pin(&browser, PIN).await;
    sees_the_doctor(&browser, RECORDS).await;
    assert_eq!(browser.windows().await.len(), 1);
}

/// Signs in with a browser that runs no scripts: the agent's page and the server's each need a click to go on.
pub async fn without_scripts(settings: Settings) {
    let browser = Browser::start(Settings { scripts: false, ..settings }).await;
    to_sign_in_page(&browser, RECORDS).await;
    browser.press("card-start").await;
    browser.is_at(AGENT).await;
    type_pin(&browser, PIN).await;
    for page in [AGENT, &format!("{FRONT}/card/return"), &format!("{FRONT}/card/finish")] {
        browser.is_at(page).await;
        // Firefox takes no click in the first moment of a page.
        until("the next page", async || {
            browser.press("go-on").await;
            let has_left = async || (!browser.address().await.starts_with(page)).then_some(());
            within(Duration::from_secs(5), has_left).await
        })
        .await;
    }
    sees_the_doctor(&browser, RECORDS).await;
}

#[test]
fn in_the_same_tab() {
    isolated(|| {
        run(async {
            let _hospital = Hospital::open(Setup::default()).await;
            without_popups(FRENCH).await;
            without_scripts(ENGLISH).await;
        });
    });
}

/// Signs in with the PIN typed into a window of the agent, which is `pinentry-tty` here.
pub async fn pin_in_a_window(settings: Settings) {
    let setup = Setup { pin: PinEntry::Terminal, ..Setup::default() };
    let mut hospital = Hospital::open(setup).await;
    let browser = Browser::start(settings).await;
    to_sign_in_page(&browser, RECORDS).await;
    let first = to_popup(&browser).await;
    browser.press("agent-start").await;
    let terminal = hospital.terminal.as_mut().unwrap();
    // The window says who asks for what, with whose card.
    for text in ["Dossier patient", "Centre hospitalier de Saint-Aubin", FRONT, "DOC0036624", "3 essais"] {
        terminal.shows(text).await;
    }
    terminal.types(PIN);
    browser.popup_closed(&first).await;
    sees_the_doctor(&browser, RECORDS).await;
    assert!(!terminal.text().contains(PIN), "the PIN was shown: {}", terminal.text());
}

#[test]
fn with_the_pin_in_a_window_of_the_agent() {
    isolated(|| run(pin_in_a_window(FRENCH)));
}
