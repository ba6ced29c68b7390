//! Attacks on the way between the workstation and the session, tried in Chromium: requests and answers that come to
//! other browsers than they belong to, and windows that try to hold on to each other.

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::json;

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{AGENT, FRONT, Hospital, IMAGES, RECORDS, Setup};
use crate::harness::site::Site;
use crate::harness::{run, until};
use crate::sign_in::{to_sign_in_page, type_pin};

/// The card request that the sign-in page of `browser` would send.
async fn request_of(browser: &Browser) -> String {
    let request = browser.script("return document.querySelector('input[name=request]').value").await;
    request.as_str().unwrap().to_owned()
}

/// Someone else's sign-in, answered by the victim's agent with the victim's card and PIN: the worst case, in which the
/// attacker even got their request into the server's own page in the victim's browser.
#[test]
fn a_relayed_request_signs_nobody_in() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let attacker = Browser::start(FRENCH).await;
            to_sign_in_page(&attacker, RECORDS).await;
            let request = request_of(&attacker).await;

            let victim = Browser::start(FRENCH).await;
            to_sign_in_page(&victim, RECORDS).await;
            let post = "const form = document.querySelector('[data-card] form');
                form.elements.request.value = arguments[0]; form.submit();";
            victim.script_with(post, vec![json!(request)]).await;
            victim.is_at(AGENT).await;
            type_pin(&victim, PIN).await;
            victim.is_at(&format!("{FRONT}/card/finish")).await;
            victim.shows_error("CARD-003").await;

            // Neither browser is signed in.
            let status = "const { txn, status } = document.querySelector('[data-card]').dataset;
                return fetch(`${status}?txn=${encodeURIComponent(txn)}`).then((answer) => answer.json())";
            assert_eq!(attacker.script(status).await["state"], "open");
            for browser in [&attacker, &victim] {
                to_sign_in_page(browser, IMAGES).await;
            }
            hospital.assert_audited("CARD-003");
        });
    });
}

/// Windows that hold on to each other: the attacker opens the sign-in page, or takes the name of the agent's popup.
#[test]
fn windows_do_not_know_each_other() {
    isolated(|| {
        run(async {
            let _hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            let page = format!(
                "<button onclick=\"opened = window.open('{RECORDS}/sign-in', 'theirs')\">Open</button>"
            );
            let site = Site::open(0, page, "").await;
            browser.open(site.address()).await;
            let attacker = browser.window().await;
            browser.click("button").await;
            browser.follow_popup(&attacker).await;
            browser.says("card-insert").await;
            assert!(browser.script("return window.opener").await.is_null(), "the sign-in page has an opener");
            let theirs = browser.window().await;

            browser.press("card-start").await;
            let popup = until("the agent's popup", async || {
                browser.windows().await.into_iter().find(|window| *window != attacker && *window != theirs)
            })
            .await;
            browser.switch_to(&popup).await;
            browser.element("#pin").await;
            assert!(browser.script("return window.opener").await.is_null(), "the agent's page has an opener");

            // The opener sees a closed window, and the popup's name opens another one.
            browser.switch_to(&attacker).await;
            assert_eq!(browser.script("return opened.closed").await, true);
            browser.click("body").await;
            browser.script("window.other = window.open('about:blank', 'sceau-card')").await;
            browser.switch_to(&popup).await;
            browser.is_at(AGENT).await;
            type_pin(&browser, PIN).await;
            browser.switch_to(&theirs).await;
            browser.is_at(RECORDS).await;
        });
    });
}

/// The answer of one sign-in, kept and posted again.
#[test]
fn a_replayed_answer_signs_nobody_in() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            // A wiretap in the person's own browser.
            let keep = "addEventListener('submit', ({ target }) => {
                const answer = target.elements.answer;
                if (answer) localStorage.setItem('kept', answer.value);
            }, true);";
            browser.on_every_page(keep).await;
            let in_same_tab = "window.open = () => null;";
            browser.on_every_page(in_same_tab).await;
            to_sign_in_page(&browser, RECORDS).await;
            browser.press("card-start").await;
            browser.is_at(AGENT).await;
            type_pin(&browser, PIN).await;
            browser.is_at(RECORDS).await;
            browser.open(&format!("{FRONT}/")).await;
            let answer = browser.script("return localStorage.getItem('kept')").await;
            let answer = answer.as_str().expect("the answer was kept").to_owned();

            // In the same browser, by the server's own page, and in another one that has begun a sign-in of its own.
            let post = "const form = document.createElement('form');
                form.method = 'post'; form.action = '/card/finish';
                const field = document.createElement('input');
                field.name = 'answer'; field.value = arguments[0];
                form.append(field); document.body.append(form); form.submit();";
            browser.script_with(post, vec![json!(answer)]).await;
            browser.is_at(&format!("{FRONT}/card/finish")).await;
            // The sign-in's cookie went with its end: to the server, this is another browser now.
            browser.shows_error("CARD-003").await;
            hospital.assert_audited("CARD-003");

            let thief = Browser::start(FRENCH).await;
            to_sign_in_page(&thief, RECORDS).await;
            thief.script_with(post, vec![json!(answer)]).await;
            thief.is_at(&format!("{FRONT}/card/finish")).await;
            thief.shows_error("CARD-003").await;
            to_sign_in_page(&thief, IMAGES).await;

            // By the return path from anywhere: it reads and writes nothing, so it leads to the same refusal.
            let site = Site::open(0, format!("<form method=post action='{FRONT}/card/return'><input name=answer value='{answer}'></form><script>document.forms[0].submit()</script>"), "").await;
            thief.open(site.address()).await;
            thief.is_at(&format!("{FRONT}/card/finish")).await;
            to_sign_in_page(&thief, IMAGES).await;
        });
    });
}
