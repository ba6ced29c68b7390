//! The desk in a real Chromium: somebody whom the command line gave the role finds a colleague, checks their identity, issues a
//! key that the colleague touches, and takes it away again. By keyboard, where a person would type anyway.

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::card_out::event;
use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::security_keys::{forget_sessions, to_key_tab, usb_key};
use crate::sign_in::{to_popup, type_pin};

const HOLDER: &str = "899700366240";
const COLLEAGUE: &str = "3010000001/E00042";

/// Signs in to the desk with the card.
async fn to_desk(browser: &Browser) {
    browser.open(&format!("{FRONT}/desk")).await;
    browser.says("card-insert").await;
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
    browser.is_at(&format!("{FRONT}/desk")).await;
}

#[test]
fn the_desk_issues_a_key_to_a_colleague_and_takes_it_away() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            hospital.sceau(&[
                "person",
                "add",
                COLLEAGUE,
                "--family-name",
                "EXEMPLE",
                "--given-name",
                "CAMILLE",
                "--sector",
                "SA01",
                "--structure-name",
                "HOPITAL DE DEMONSTRATION",
            ]);
            let browser = Browser::start(FRENCH).await;
            to_desk(&browser).await;
            browser.shows_error("DESK-001").await;
            browser.pictures("desk-refused-fr").await;
            hospital.sceau(&["person", "role", "grant", HOLDER, "desk"]);
            browser.open(&format!("{FRONT}/desk")).await;
            browser.says("desk-title").await;

            browser.write("#text", "exemple").await;
            browser.press("desk-find-start").await;
            browser.pictures("desk-found-fr").await;
            browser.click_text("CAMILLE EXEMPLE").await;
            browser.says("desk-check").await;
            browser.pictures("desk-person-fr").await;
            browser.press("desk-check-confirm").await;
            browser.says("desk-checked").await;
            let key = browser.plug_in(usb_key()).await;
            browser.write("#label", "Clé remise").await;
            browser.press("means-add-start").await;
            browser.shows("Clé remise").await;
            browser.pictures("desk-issued-fr").await;
            event(&hospital, "means.issued").await;
            let mine = hospital.sceau(&["person", "show", HOLDER, "--json"]);
            let mine: Value = serde_json::from_str(&mine).unwrap();
            assert_eq!(mine["roles"], serde_json::json!(["desk"]));
            let issued: Vec<_> =
                hospital.audit().into_iter().filter(|event| event["kind"] == "means.issued").collect();
            let actor = issued.last().unwrap()["detail"]["actor"].as_str().unwrap_or_default().to_owned();
            assert_eq!(actor, format!("desk: {}", mine["id"].as_str().unwrap()), "{issued:#?}");
            // The card of the desk is its own, and is not looked after there.
            browser.open(&format!("{FRONT}/desk/people/{}", mine["id"].as_str().unwrap())).await;
            browser.shows_error("DESK-005").await;

            // The colleague goes to work with it.
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;
            browser.shows("CAMILLE EXEMPLE").await;
            browser.open(&format!("{FRONT}/desk")).await;
            browser.shows_error("DESK-001").await;
            browser.pull_out(&key).await;
        });
    });
}
