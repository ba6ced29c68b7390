//! What each kind of security key comes to in a real Chromium: a synchronised passkey, a key that keeps no names, one that
//! verifies nobody, one of the first generation.
//!
//! A browser tells a page of none of these why it did not answer (Web Authentication §14.5.1 and §14.5.2: a page could learn
//! which keys somebody has). So one sentence stands for all of them, and says which key would do.

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::security_keys::{forget_sessions, internal, register, to_key_tab, to_means, usb_key};

const HOLDER: &str = "899700366240";

/// `key`, but for `otherwise`.
fn but(mut key: Value, otherwise: &Value) -> Value {
    for (name, value) in otherwise.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

/// A passkey that its person's devices share, and already do.
fn synced() -> Value {
    but(internal(), &json!({ "defaultBackupEligibility": true, "defaultBackupState": true }))
}

/// A key that keeps no names: it has to be told whose key is wanted.
fn nameless() -> Value {
    but(usb_key(), &json!({ "hasResidentKey": false }))
}

/// A key that has neither code nor finger.
fn without_code() -> Value {
    but(usb_key(), &json!({ "hasUserVerification": false, "isUserVerified": false }))
}

/// A key of the first generation (U2F).
pub(crate) fn first_generation() -> Value {
    json!({ "protocol": "u2f", "transport": "usb", "automaticPresenceSimulation": true })
}

/// The security keys of the doctor in the registry.
fn registered(hospital: &Hospital) -> Vec<Value> {
    let listed = hospital.sceau(&["means", "list", HOLDER, "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    listed.into_iter().filter(|means| means["kind"] == "security-key").collect()
}

/// What its person calls the key that signed in last, by its credential id in the audit trail.
fn used_last(hospital: &Hospital) -> Value {
    let mut sign_ins = hospital.audit().into_iter().filter(|event| event["kind"] == "sign-in");
    let used = sign_ins.next_back().unwrap();
    assert_eq!(used["outcome"], "success", "{used:#}");
    let is_it = |key: &&Value| key["reference"] == used["detail"]["means_id"];
    registered(hospital).iter().find(is_it).unwrap_or_else(|| panic!("{used:#}"))["label"].clone()
}

#[test]
fn a_synchronised_passkey_is_called_so_reaches_its_level_and_is_refused_where_keys_stay_in_their_device() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital
                .configure("\n[security_keys]\ndevice_bound_level = \"eidas2\"\nsynced_level = \"eidas1\"")
                .await;
            let browser = Browser::start(ENGLISH).await;
            let phone = browser.plug_in(synced()).await;
            to_means(&browser).await;
            register(&browser, "My phone").await;
            browser.says("means-passkey").await;
            browser.pictures("means-synced-en").await;
            // A key that stays where it is, for comparison, while the sign-in is fresh.
            let key = browser.plug_in(usb_key()).await;
            browser.is_touched(&phone, false).await;
            register(&browser, "My key").await;
            let level = |label: &str| {
                let keys = registered(&hospital);
                keys.iter().find(|key| key["label"] == label).unwrap()["level"].clone()
            };
            assert_eq!((level("My phone"), level("My key")), (json!("eidas1"), json!("eidas2")));

            // The key is asked for at a click, while there is no passkey that the browser could offer by itself.
            let held = browser.keys_on(&phone).await.remove(0);
            browser.pull_out(&phone).await;
            browser.is_touched(&key, true).await;
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;
            assert_eq!(used_last(&hospital), "My key");
            // The passkey is offered, and taken.
            browser.is_touched(&key, false).await;
            let phone = browser.plug_in(synced()).await;
            browser.put_on(&phone, &held).await;
            forget_sessions(&browser).await;
            browser.open(RECORDS).await;
            browser.press("demo-sign-in").await;
            browser.press("means-key").await;
            browser.is_at(RECORDS).await;
            assert_eq!(used_last(&hospital), "My phone");

            // The hospital changes its mind: what is there signs in no more, and nothing like it is registered.
            hospital.configure("\n[security_keys]\nsynced = false").await;
            forget_sessions(&browser).await;
            browser.open(RECORDS).await;
            browser.press("demo-sign-in").await;
            browser.press("means-key").await;
            browser.shows_error("KEY-017").await;
            browser.pictures("sign-in-key-synced-refused-en").await;
            hospital.assert_audited("KEY-017");
            let before = registered(&hospital).len();
            browser.pull_out(&phone).await;
            let another = browser.plug_in(synced()).await;
            browser.is_touched(&key, false).await;
            to_means(&browser).await;
            browser.write("#label", "Another").await;
            browser.press("means-add-start").await;
            browser.shows_error("KEY-017").await;
            browser.pictures("means-synced-refused-en").await;
            assert_eq!(registered(&hospital).len(), before);
            browser.pull_out(&another).await;
        });
    });
}

#[test]
fn a_key_that_does_not_fit_is_not_registered_and_its_person_reads_which_would() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            to_means(&browser).await;
            for kind in [nameless(), without_code(), first_generation()] {
                let key = browser.plug_in(kind).await;
                browser.write("#label", "Clé").await;
                browser.press("means-add-start").await;
                browser.shows_error("KEY-031").await;
                browser.pull_out(&key).await;
                browser.open(&format!("{FRONT}/means")).await;
            }
            assert_eq!(registered(&hospital), Vec::<Value>::new());
            // The same page takes one that does.
            let key = browser.plug_in(usb_key()).await;
            register(&browser, "Bonne clé").await;
            let held = browser.keys_on(&key).await.remove(0);
            browser.pull_out(&key).await;

            // Were it on a key that asks for no code, it would sign nobody in, named or not.
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            let key = browser.plug_in(without_code()).await;
            browser.put_on(&key, &held).await;
            for identifier in ["", HOLDER] {
                browser.write("#identifier", identifier).await;
                browser.press("key-start").await;
                browser.shows_error("KEY-031").await;
            }
            browser.pictures("sign-in-key-unfit-fr").await;
            browser.pull_out(&key).await;
        });
    });
}

/// The keys of other systems, and of a hospital that had another provider before: what was registered as kept by name is found
/// by its id alone.
#[test]
fn a_key_that_keeps_no_names_signs_in_after_the_identifier_alone_and_a_copy_of_it_is_noticed() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            to_means(&browser).await;
            let key = browser.plug_in(usb_key()).await;
            register(&browser, "Clé").await;
            let held = browser.keys_on(&key).await.remove(0);
            browser.pull_out(&key).await;

            let key = browser.plug_in(nameless()).await;
            browser.put_on(&key, &but(held.clone(), &json!({ "isResidentCredential": false }))).await;
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.press("key-start").await;
            browser.shows_error("KEY-031").await;
            browser.write("#identifier", HOLDER).await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;
            browser.shows("KIT DOC0036624").await;
            assert_eq!(registered(&hospital)[0]["state"], "active");
            browser.pull_out(&key).await;

            // A copy that was made before knows nothing of this sign-in.
            let copy = browser.plug_in(usb_key()).await;
            browser.put_on(&copy, &held).await;
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.press("key-start").await;
            browser.shows_error("KEY-008").await;
            assert_eq!(registered(&hospital)[0]["state"], "suspended");
        });
    });
}
