//! What becomes of the browser's own question for a key: nobody touches it, it is pulled out, two tabs ask at once, the browser
//! cannot ask at all. Each time a sentence, nothing lost, and the keyboard where it was.

use sceau_hw_tests::isolation::isolated;
use serde_json::json;

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, IMAGES, RECORDS, Setup};
use crate::harness::{run, until};
use crate::security_keys::{forget_sessions, register, to_key_tab, to_means, usb_key};

/// Makes the browser wait for less than the server said, once the page says so: Chromium's own clock then ends its question.
const HURRIED: &str = "
    const keys = navigator.credentials;
    for (const ask of ['create', 'get']) {
        const asked = keys[ask].bind(keys);
        keys[ask] = (what) => {
            if (window.hurried && what.mediation !== 'conditional') what.publicKey.timeout = 300;
            return asked(what);
        };
    }
";

async fn hurry(browser: &Browser, hurried: bool) {
    browser.script_with("window.hurried = arguments[0]", vec![json!(hurried)]).await;
}

/// Whether the keyboard is on the button that asked, so that Enter asks again.
async fn is_ready_again(browser: &Browser) {
    until("the focus to come back to the button", async || {
        let back = "return document.activeElement.matches('button.primary:enabled')";
        (browser.script(back).await == json!(true)).then_some(())
    })
    .await;
}

#[test]
fn a_key_that_nobody_touches_or_that_is_pulled_out_leaves_everything_as_it_was() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            browser.on_every_page(HURRIED).await;
            to_means(&browser).await;
            let key = browser.plug_in(usb_key()).await;
            browser.is_touched(&key, false).await;
            hurry(&browser, true).await;
            browser.write("#label", "Clé du bloc").await;
            browser.press("means-add-start").await;
            browser.says("key-waiting").await;
            browser.shows_error("KEY-031").await;
            is_ready_again(&browser).await;
            browser.pictures("means-key-untouched-fr").await;
            // What was typed is still there, and the next try counts.
            browser.is_touched(&key, true).await;
            browser.press("means-add-start").await;
            browser.shows("Clé du bloc").await;

            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            browser.is_touched(&key, false).await;
            hurry(&browser, true).await;
            browser.press("key-start").await;
            browser.says("key-waiting").await;
            browser.pictures("sign-in-key-waiting-fr").await;
            browser.shows_error("KEY-031").await;
            is_ready_again(&browser).await;
            // Pulled out while it blinks.
            browser.press("key-start").await;
            browser.says("key-waiting").await;
            let held = browser.keys_on(&key).await.remove(0);
            browser.pull_out(&key).await;
            browser.shows_error("KEY-031").await;
            let key = browser.plug_in(usb_key()).await;
            browser.put_on(&key, &held).await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;
            assert_eq!(hospital.audit().iter().filter(|event| event["code"] == "KEY-031").count(), 0);
        });
    });
}

#[test]
fn two_tabs_at_once_do_not_get_into_each_others_way() {
    isolated(|| {
        run(async {
            let _hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            to_means(&browser).await;
            // One tab waits for a key while another registers one.
            let first = browser.window().await;
            let slow = browser.plug_in(usb_key()).await;
            browser.is_touched(&slow, false).await;
            browser.write("#label", "Clé lente").await;
            browser.press("means-add-start").await;
            browser.says("key-waiting").await;
            browser.new_tab().await;
            let quick = browser.plug_in(usb_key()).await;
            browser.open(&format!("{FRONT}/means")).await;
            register(&browser, "Clé rapide").await;
            let held = browser.keys_on(&quick).await.remove(0);
            browser.close_window().await;
            browser.switch_to(&first).await;
            // A key that blinks and is not touched goes on blinking; one that is plugged in now is touched.
            let touched = browser.plug_in(usb_key()).await;
            browser.shows("Clé lente").await;
            browser.shows("Clé rapide").await;
            browser.pull_out(&slow).await;
            browser.pull_out(&touched).await;

            // Two services ask for a sign-in, each in its tab; and the page of one of them is open twice.
            forget_sessions(&browser).await;
            to_key_tab(&browser).await;
            let page = browser.address().await;
            let twice = browser.new_tab().await;
            browser.open(&page).await;
            browser.says("key-lead").await;
            browser.new_tab().await;
            let key = browser.plug_in(usb_key()).await;
            browser.put_on(&key, &held).await;
            browser.open(IMAGES).await;
            browser.press("demo-sign-in").await;
            browser.press("means-key").await;
            browser.press("key-start").await;
            browser.is_at(IMAGES).await;
            browser.shows("KIT DOC0036624").await;
            let signed = browser.keys_on(&key).await.remove(0);
            browser.close_window().await;
            browser.switch_to(&first).await;
            // The same key, whose counter has gone on.
            let key = browser.plug_in(usb_key()).await;
            browser.put_on(&key, &signed).await;
            browser.press("key-start").await;
            browser.is_at(RECORDS).await;
            browser.shows("KIT DOC0036624").await;
            browser.switch_to(&twice).await;
            browser.press("key-start").await;
            browser.shows_error("KEY-020").await;
            browser.pictures("sign-in-key-over-fr").await;
        });
    });
}

#[test]
fn a_browser_that_knows_no_keys_says_so_and_leaves_the_card() {
    isolated(|| {
        run(async {
            let _hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(ENGLISH).await;
            browser.on_every_page("delete window.PublicKeyCredential;").await;
            to_means(&browser).await;
            browser.shows_error("KEY-030").await;
            browser.pictures("means-unsupported-en").await;
            assert_eq!(
                browser.script("return document.querySelector('[data-keys] button').disabled").await,
                true
            );
            forget_sessions(&browser).await;
            browser.open(RECORDS).await;
            browser.press("demo-sign-in").await;
            browser.press("means-key").await;
            browser.shows_error("KEY-030").await;
            browser.pictures("sign-in-key-unsupported-en").await;
            assert_eq!(
                browser.script("return document.querySelector('[data-key] button').disabled").await,
                true
            );
            browser.press("means-card").await;
            browser.says("card-insert").await;
        });
    });
}
