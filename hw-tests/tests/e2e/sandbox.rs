//! `sceau sandbox` before a person and a client of other hands: no card, no reader, no agent in this namespace.

use std::process::Command;

use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::node::{self, RelyingParty};
use crate::harness::program::{Program, ours};
use crate::harness::run;

#[test]
fn a_person_is_chosen_refuses_and_approves_by_a_click() {
    isolated(|| {
        run(async {
            let mut command = Command::new(ours("sceau"));
            command.args(["sandbox", "--client-id", "npm", "--client-secret", "a secret", "--redirect-uri"]);
            command.arg(format!("{}/*", node::address()));
            let mut sandbox = Program::start("sceau sandbox", &mut command);
            let discovery = sandbox
                .said("its addresses", |log| {
                    log.contains("control ").then(|| {
                        log.lines().find_map(|line| line.strip_prefix("discovery")).unwrap().trim().to_owned()
                    })
                })
                .await;
            let issuer = discovery.trim_end_matches("/.well-known/wallet-openid-configuration");
            let _party = RelyingParty::start(issuer, "npm", "a secret").await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&node::address()).await;
            browser.shows("Bac à sable\u{a0}: aucune identité n’est vraie").await;
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

            let status = sandbox.interrupt().await;
            assert!(status.success(), "{status}");
        });
    });
}
