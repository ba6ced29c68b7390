//! Everything about keys, by keyboard alone: no test here has a mouse. Tab reaches each control in the order of the page, a
//! ring shows where it is, and after each form the page goes on where its person does.

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;

use crate::desk::add_colleague;
use crate::harness::browser::{Browser, DESK, ENGLISH, FRENCH, PHONE};
use crate::harness::hospital::{AGENT, FRONT, Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::security_keys::{forget_sessions, usb_key};

/// Signs in with the card at `page`, one of our own.
async fn to(browser: &Browser, page: &str) {
    browser.open(&format!("{FRONT}{page}")).await;
    browser.keyboard_is_on("card-start").await;
    let first = browser.window().await;
    browser.enter().await;
    browser.follow_popup(&first).await;
    browser.is_at(AGENT).await;
    browser.element("#pin:focus").await;
    browser.types(PIN).await;
    browser.enter().await;
    browser.popup_closed(&first).await;
    browser.is_at(&format!("{FRONT}{page}")).await;
}

/// From a service to the tab of keys, where Enter is all it takes.
async fn to_keys(browser: &Browser) {
    browser.open(RECORDS).await;
    browser.tab_to("demo-sign-in").await;
    browser.enter().await;
    browser.keyboard_is_on("card-start").await;
    browser.shift_tab_to("means-key").await;
    browser.enter().await;
    browser.keyboard_is_on("key-start").await;
}

#[test]
fn every_page_is_reached_in_order_and_shows_where_the_keyboard_is() {
    isolated(|| {
        run(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async { axum::serve(listener, sceau::web::samples::router()).await });
            let browser = Browser::start(FRENCH).await;
            let mut all = Vec::new();
            for (page, _) in sceau::web::samples::ALL {
                browser.open(&format!("{address}/fr/{page}")).await;
                for (width, size) in [("desk", DESK), ("phone", PHONE)] {
                    browser.size(size).await;
                    // Folded first, then with everything that can be unfolded.
                    let folded = browser.keyboard_faults().await;
                    browser
                        .script("document.querySelectorAll('details').forEach((one) => one.open = true)")
                        .await;
                    let unfolded = browser.keyboard_faults().await;
                    browser
                        .script("document.querySelectorAll('details').forEach((one) => one.open = false)")
                        .await;
                    let faults = folded.into_iter().chain(unfolded);
                    all.extend(faults.map(|fault| format!("{page} on a {width}: {fault}")));
                }
            }
            all.dedup();
            assert!(all.is_empty(), "{all:#?}");
        });
    });
}

#[test]
fn a_key_is_registered_renamed_used_and_removed() {
    isolated(|| {
        run(async {
            let _hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            to(&browser, "/means").await;
            let spare = browser.plug_in(usb_key()).await;
            browser.tab_to("means-label").await;
            browser.types("Clé de secours").await;
            browser.enter().await;
            browser.keyboard_is_on("means-added").await;
            browser.pictures("means-added-fr").await;
            browser.tab_to("means-revoke").await;
            browser.enter().await;
            browser.tab().await;
            browser.keyboard_is_on("means-revoke").await;
            browser.pictures("means-removing-fr").await;
            browser.space().await;
            browser.gone("Clé de secours").await;
            browser.pull_out(&spare).await;

            let key = browser.plug_in(usb_key()).await;
            browser.tab_to("means-label").await;
            browser.types("Clé").await;
            browser.tab_to("means-add-start").await;
            browser.space().await;
            browser.keyboard_is_on("means-added").await;
            browser.tab_to("means-revoke").await;
            browser.shift_tab().await;
            browser.keyboard_is_on("means-rename").await;
            browser.enter().await;
            browser.tab_to("means-label").await;
            browser.types("Clé du bloc").await;
            browser.enter().await;
            browser.shows("Clé du bloc").await;

            // No code, then the code: the keyboard never leaves the button.
            forget_sessions(&browser).await;
            browser.verifies(&key, false).await;
            to_keys(&browser).await;
            browser.enter().await;
            browser.shows_error("KEY-031").await;
            browser.keyboard_is_on("key-start").await;
            browser.verifies(&key, true).await;
            browser.enter().await;
            browser.is_at(RECORDS).await;
            browser.shows("KIT DOC0036624").await;

            // After the identifier, with Enter in its field.
            forget_sessions(&browser).await;
            to_keys(&browser).await;
            browser.tab().await;
            browser.keyboard_is_on("key-identifier").await;
            browser.types("899700366240").await;
            browser.enter().await;
            browser.is_at(RECORDS).await;
            browser.shows("KIT DOC0036624").await;
        });
    });
}

#[test]
fn the_desk_finds_checks_issues_and_suspends() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            add_colleague(&hospital);
            hospital.sceau(&["person", "role", "grant", "899700366240", "desk"]);
            let browser = Browser::start(ENGLISH).await;
            to(&browser, "/desk").await;
            browser.keyboard_is_on("desk-find").await;
            browser.types("nobody").await;
            browser.enter().await;
            browser.says("desk-found-none").await;
            browser.keyboard_is_on("desk-find").await;
            browser.pictures("desk-found-none-en").await;
            browser.select_all().await;
            browser.types("exemple").await;
            browser.enter().await;
            browser.keyboard_is_on("desk-found").await;
            browser.tab_to_name("CAMILLE EXEMPLE").await;
            browser.enter().await;
            browser.says("desk-means").await;

            browser.tab_to("desk-document").await;
            browser.arrow_down().await;
            browser.tab_to("desk-check-confirm").await;
            browser.space().await;
            browser.shows("Passport").await;
            browser.says("desk-checked").await;
            browser.plug_in(usb_key()).await;
            // What comes next is one Tab away.
            browser.tab().await;
            browser.keyboard_is_on("means-label").await;
            browser.types("Key of the desk").await;
            browser.enter().await;
            browser.keyboard_is_on("means-added").await;
            browser.shows("Key of the desk").await;
            browser.pictures("desk-added-en").await;

            browser.tab_to("desk-suspend").await;
            browser.enter().await;
            browser.tab().await;
            browser.keyboard_is_on("desk-reason").await;
            browser.arrow_down().await;
            browser.tab_to("desk-suspend-confirm").await;
            browser.enter().await;
            browser.says("means-suspended").await;
            let halted: Vec<_> =
                hospital.audit().into_iter().filter(|event| event["kind"] == "means.suspended").collect();
            assert_eq!(halted[0]["detail"]["note"], "stolen", "{halted:#?}");
            browser.tab().await;
            browser.keyboard_is_on("desk-revoke").await;
            browser.pictures("desk-suspended-en").await;

            // A refusal leads back.
            browser.open(&format!("{FRONT}/desk/people/01931f0e-0000-7000-8000-000000000000")).await;
            browser.shows_error("DESK-006").await;
            browser.pictures("desk-nobody-en").await;
            browser.tab_to("back").await;
            browser.enter().await;
            browser.keyboard_is_on("desk-find").await;
        });
    });
}
