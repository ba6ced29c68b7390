//! `config/browser-policies/`: what an administrator copies is well formed, and the browsers take it for what it is meant.

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::harness::browser::{Browser, ENGLISH, Settings};
use crate::harness::{etc, run, until};

const CHROME: &str = include_str!("../../../config/browser-policies/chrome.json");
const EDGE: &str = include_str!("../../../config/browser-policies/edge.json");
const FIREFOX: &str = include_str!("../../../config/browser-policies/firefox.json");

#[test]
fn they_open_loopback_to_one_origin_and_nothing_else() {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let own = json!(["https://connexion.hopital.example"]);
    assert_eq!(
        read(CHROME),
        json!({ "LoopbackNetworkAllowedForUrls": own, "LocalNetworkAccessAllowedForUrls": own })
    );
    assert_eq!(read(EDGE), read(CHROME), "both know the same names");
    let skipped = &read(FIREFOX)["policies"]["LocalNetworkAccess"]["SkipDomains"];
    assert_eq!(skipped, &json!(["127.0.0.1"]));
}

#[test]
fn chromium_knows_each_of_its_policies() {
    isolated(|| {
        run(async {
            etc::write(etc::CHROMIUM_POLICY, CHROME);
            let browser = Browser::start(ENGLISH).await;
            browser.open("chrome://policy/").await;
            // The page is made of nested components, each with a tree of its own.
            let deep = "const text = (node) => [...node.childNodes].map((child) => child.nodeType === 3
                    ? child.data : child.tagName === 'STYLE' ? '' : text(child.shadowRoot ?? child)).join(' ');
                return text(document)";
            let rows = until("the policies", async || {
                let text =
                    browser.script(deep).await.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
                text.contains("LoopbackNetworkAllowedForUrls").then_some(text)
            })
            .await;
            // The row of each policy: name, value, where it comes from, and the browser's verdict.
            let verdict = r#"["https://connexion.hopital.example"] Platform Machine Mandatory OK"#;
            let policies: Value = serde_json::from_str(CHROME).unwrap();
            for name in policies.as_object().unwrap().keys() {
                assert!(rows.contains(&format!("{name} {verdict}")), "{name} in {rows}");
            }
        });
    });
}

#[test]
fn firefox_knows_each_of_its_policies() {
    isolated(|| {
        run(async {
            etc::write(etc::FIREFOX_POLICIES, FIREFOX);
            let arguments: &[&str] = &["--remote-allow-system-access"];
            let browser = Browser::start(Settings { arguments, ..ENGLISH.in_firefox() }).await;
            let active = browser.firefox_itself("return Services.policies.getActivePolicies()").await;
            let written: Value = serde_json::from_str(FIREFOX).unwrap();
            assert_eq!(active, written["policies"]);
            // And does with them what they say.
            let preference = "return [Services.prefs.getBoolPref('network.lna.enabled'),
                Services.prefs.getStringPref('network.lna.skip-domains')]";
            assert_eq!(browser.firefox_itself(preference).await, json!([true, "127.0.0.1"]));
        });
    });
}
