//! `sceau sandbox` before a person and a client of other hands: no card, no reader, no agent in this namespace.

use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::node::{self, RelyingParty};
use crate::harness::run;
use crate::harness::sandbox::Sandbox;

#[test]
fn a_person_is_chosen_refuses_and_approves_by_a_click() {
    isolated(|| {
        run(async {
            let addresses = format!("{}/*", node::address());
            let sandbox = Sandbox::start("npm", "a secret", &["--redirect-uri", &addresses]).await;
            let _party = RelyingParty::start(&sandbox.issuer, "npm", "a secret").await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&node::address()).await;
            browser.says("sandbox-banner").await;
            browser.pictures("sandbox-fr").await;
            assert_eq!(browser.accessibility_faults().await, Vec::<String>::new());
            browser.press("persons-refuse").await;
            browser.is_at(&node::redirect_uri()).await;
            browser.shows("access_denied").await;

            browser.open(&node::address()).await;
            browser.click("input[value=nurse]").await;
            browser.press("persons-approve").await;
            browser.is_at(&node::redirect_uri()).await;
            browser.shows("SubjectNameID").await;
            let text = browser.script("return document.body.innerText").await;
            let received: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            assert_eq!(received["userinfo"]["SubjectNameID"], "899700300017");
            assert_eq!(received["claims"]["authMode"], "CARD");

            sandbox.interrupted().await;
        });
    });
}
