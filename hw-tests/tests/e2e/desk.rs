//! The desk in a real Chromium: somebody whom the command line gave the role finds a colleague, checks their identity, issues a
//! key that the colleague touches, and later suspends it, gives it back and revokes it, while the colleague works with it in
//! a browser of their own.

use sceau::web::language::Language;
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::card_out::{event, hears_of_it};
use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::security_keys::{forget_sessions, to_key_tab, usb_key};
use crate::sign_in::{to_popup, type_pin};

pub(crate) const HOLDER: &str = "899700366240";
pub(crate) const COLLEAGUE: &str = "3010000001/E00042";

/// Somebody of the hospital who has no card, as the command line makes one.
pub fn add_colleague(hospital: &Hospital) {
    let who = ["person", "add", COLLEAGUE, "--family-name", "EXEMPLE", "--given-name", "CAMILLE"];
    let where_ = ["--sector", "SA01", "--structure-name", "HOPITAL DE DEMONSTRATION"];
    hospital.sceau(&[&who[..], &where_].concat());
}

/// Signs in to the desk with the card.
pub async fn to_desk(browser: &Browser) {
    browser.open(&format!("{FRONT}/desk")).await;
    browser.says("card-insert").await;
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
    browser.is_at(&format!("{FRONT}/desk")).await;
}

/// Finds the colleague; the page about them.
pub async fn find_colleague(browser: &Browser) {
    browser.write("#text", "exemple").await;
    browser.press("desk-find-start").await;
    browser.click_text("CAMILLE EXEMPLE").await;
    browser.says("desk-means").await;
}

/// Unfolds what is called `unfold`, chooses a reason and confirms.
pub(crate) async fn halt(browser: &Browser, unfold: &str, reason: &str, confirm: &str) {
    browser.unfold(unfold).await;
    browser.choose("details[open] select", reason).await;
    browser.press(confirm).await;
}

/// Records that the person showed a passport.
pub(crate) async fn check_identity(browser: &Browser) {
    browser.choose("#document", "passport").await;
    browser.press("desk-check-confirm").await;
    browser.says("desk-checked").await;
}

/// Whose key it is that was plugged into `browser` signs in to a service.
async fn colleague_signs_in(browser: &Browser) {
    to_key_tab(browser).await;
    browser.press("key-start").await;
    browser.is_at(RECORDS).await;
    browser.shows("CAMILLE EXEMPLE").await;
}

/// The service has been told, nobody is signed in at the provider any more, and the key is refused.
async fn colleague_is_out(browser: &Browser) {
    hears_of_it(browser, RECORDS).await;
    browser.open(FRONT).await;
    browser.says("nobody-title").await;
    to_key_tab(browser).await;
    browser.press("key-start").await;
    browser.shows_error("KEY-011").await;
}

#[test]
fn the_desk_issues_a_key_to_a_colleague_suspends_it_gives_it_back_and_revokes_it() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            add_colleague(&hospital);
            let desk = Browser::start(FRENCH).await;
            to_desk(&desk).await;
            desk.shows_error("DESK-001").await;
            desk.pictures("desk-refused-fr").await;
            hospital.sceau(&["person", "role", "grant", HOLDER, "desk"]);
            desk.open(&format!("{FRONT}/desk")).await;
            desk.says("desk-title").await;

            find_colleague(&desk).await;
            desk.says("desk-check").await;
            desk.pictures("desk-person-fr").await;
            check_identity(&desk).await;
            let plugged = desk.plug_in(usb_key()).await;
            desk.write("#label", "Clé remise").await;
            desk.press("means-add-start").await;
            desk.shows("Clé remise").await;
            desk.pictures("desk-issued-fr").await;
            event(&hospital, "means.issued").await;
            let mine = hospital.sceau(&["person", "show", HOLDER, "--json"]);
            let mine: Value = serde_json::from_str(&mine).unwrap();
            assert_eq!(mine["roles"], serde_json::json!(["desk"]));
            let by_desk = format!("desk: {}", mine["id"].as_str().unwrap());
            assert_eq!(event(&hospital, "means.issued").await["detail"]["actor"], by_desk.as_str());

            // The colleague takes the key along, to a computer of their own.
            let own = Browser::start(FRENCH).await;
            let key = own.plug_in(usb_key()).await;
            desk.hand_over(&plugged, &own, &key).await;
            colleague_signs_in(&own).await;
            own.open(&format!("{FRONT}/desk")).await;
            own.shows_error("DESK-001").await;

            // Suspended: at once, and nothing of it is left open.
            halt(&desk, "desk-suspend", "lost", "desk-suspend-confirm").await;
            desk.says("means-suspended").await;
            desk.pictures("desk-suspended-fr").await;
            assert_eq!(event(&hospital, "means.suspended").await["detail"]["actor"], by_desk.as_str());
            colleague_is_out(&own).await;

            // Given back, to whoever shows a document.
            assert!(!desk.text().await.contains(&Language::French.texts().text("desk-resume")));
            check_identity(&desk).await;
            desk.pictures("desk-to-resume-fr").await;
            desk.press("desk-resume").await;
            desk.shows("Remise au guichet le").await;
            forget_sessions(&own).await;
            colleague_signs_in(&own).await;

            // Revoked: the same, for ever.
            halt(&desk, "desk-revoke", "stolen", "desk-revoke-confirm").await;
            desk.says("means-none").await;
            colleague_is_out(&own).await;
            own.pictures("sign-in-key-revoked-at-the-desk-fr").await;
            let revoked = event(&hospital, "means.revoked").await;
            assert_eq!(revoked["detail"]["actor"], by_desk.as_str(), "{revoked:#}");
            let ends = hospital.audit().into_iter().filter(|event| event["kind"] == "session.ended");
            assert_eq!(ends.filter(|event| event["detail"]["actor"] == by_desk.as_str()).count(), 2);

            // The card of the desk is its own, and is not looked after there.
            desk.open(&format!("{FRONT}/desk/people/{}", mine["id"].as_str().unwrap())).await;
            desk.shows_error("DESK-005").await;
        });
    });
}
