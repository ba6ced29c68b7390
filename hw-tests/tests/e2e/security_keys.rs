//! Security keys in a real Chromium, whose virtual authenticators answer as keys do: registered after a sign-in with the
//! card, used, refused, removed.

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::card_out::event;
use crate::harness::browser::{Browser, DESK, ENGLISH, FRENCH, PHONE};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::sign_in::{to_popup, type_pin};

/// A USB key with a code, which keeps its person's name.
pub(crate) fn usb_key() -> Value {
    json!({
        "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "usb", "hasResidentKey": true,
        "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
    })
}

/// The device's own passkey, as of a phone or a laptop.
pub(crate) fn internal() -> Value {
    json!({
        "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": true,
        "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
    })
}

/// Signs in to the page of means with the card.
pub(crate) async fn to_means(browser: &Browser) {
    browser.open(&format!("{FRONT}/means")).await;
    browser.says("card-insert").await;
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
    browser.is_at(&format!("{FRONT}/means")).await;
    browser.says("means-title").await;
}

/// Registers the authenticator that is plugged in.
pub(crate) async fn register(browser: &Browser, label: &str) {
    browser.write("#label", label).await;
    browser.press("means-add-start").await;
    browser.shows(label).await;
}

/// The tab of security keys, from a service.
pub(crate) async fn to_key_tab(browser: &Browser) {
    browser.open(RECORDS).await;
    browser.press("demo-sign-in").await;
    browser.is_at(FRONT).await;
    browser.press("means-key").await;
    browser.says("key-lead").await;
}

pub(crate) async fn forget_sessions(browser: &Browser) {
    browser.client().delete_all_cookies().await.unwrap();
    browser.open(FRONT).await;
    browser.client().delete_all_cookies().await.unwrap();
}

#[test]
fn a_key_that_the_card_vouched_for_signs_in_without_the_card() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            let key = browser.plug_in(usb_key()).await;
            to_means(&browser).await;
            browser.pictures("means-card-only-fr").await;
            register(&browser, "Clé du bloc").await;
            browser.pictures("means-with-key-fr").await;
            event(&hospital, "means.issued").await;
            hospital.remove();

            // Another day, another browser session, no card in the reader.
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.pictures("sign-in-key-fr").await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;
            browser.shows("KIT DOC0036624").await;
            browser.shows("FIDO").await;
            let sign_ins: Vec<_> =
                hospital.audit().into_iter().filter(|event| event["kind"] == "sign-in").collect();
            let by_key = sign_ins.last().unwrap();
            assert_eq!(by_key["detail"]["means"], "security-key", "{by_key:#}");
            assert_eq!(by_key["detail"]["acr"], "eidas1", "{by_key:#}");

            // After the identifier, as for keys that keep no name.
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.write("#identifier", "899700366240").await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;

            // A key whose code was not given is no second factor.
            forget_sessions(&browser).await;
            browser.verifies(&key, false).await;
            to_key_tab(&browser).await;
            browser.press("key-start").await;
            browser.shows_error("KEY-031").await;
            browser.pictures("sign-in-key-cancelled-fr").await;
            browser.verifies(&key, true).await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;

            // Revoked on the command line: the session ends, and the key is refused.
            let listed: Value =
                serde_json::from_str(&hospital.sceau(&["means", "list", "899700366240", "--json"])).unwrap();
            let registered =
                listed.as_array().unwrap().iter().find(|means| means["kind"] == "security-key").unwrap();
            assert_eq!(
                (&registered["label"], &registered["state"]),
                (&"Clé du bloc".into(), &"active".into())
            );
            hospital.sceau(&["means", "revoke", registered["id"].as_str().unwrap(), "--reason", "lost"]);
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.press("key-start").await;
            browser.shows_error("KEY-011").await;
            browser.pictures("sign-in-key-revoked-fr").await;
            browser.pull_out(&key).await;
        });
    });
}

#[test]
fn a_passkey_is_registered_once_offered_by_the_browser_itself_and_changes_nothing_on_its_first_day() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(ENGLISH).await;
            let phone = browser.plug_in(internal()).await;
            to_means(&browser).await;
            browser.size(PHONE).await;
            register(&browser, "My phone").await;
            browser.pictures("means-with-passkey-en").await;
            // The same one is not registered twice.
            browser.write("#label", "Again").await;
            browser.press("means-add-start").await;
            browser.shows_error("KEY-013").await;
            // The browser offers the passkey by itself (conditional mediation); this one's person takes it at once.
            forget_sessions(&browser).await;
            browser.open(RECORDS).await;
            browser.press("demo-sign-in").await;
            browser.is_at(FRONT).await;
            browser.press("means-key").await;
            browser.is_at(RECORDS).await;
            browser.shows("KIT DOC0036624").await;
            browser.size(DESK).await;
            event(&hospital, "sign-in").await;
            // Its session is there to look, and not to change: the passkey is of today.
            browser.open(&format!("{FRONT}/means")).await;
            browser.shows_error("MEANS-004").await;
            browser.pictures("means-fixed-en").await;
            browser.pull_out(&phone).await;
        });
    });
}
