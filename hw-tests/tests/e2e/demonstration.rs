//! `sceau demo`, as `make demo` starts it: one address and a PIN, a sign-in in Chromium, an end by Ctrl-C that leaves
//! nothing running, and a second start that knows the same keys.

use std::process::Command;

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{IMAGES, ISSUER, RECORDS};
use crate::harness::program::{Program, ours};
use crate::harness::run;
use crate::sign_in::{to_popup, to_sign_in_page, type_pin};

/// Starts it with `home` as its user's home; the address and the PIN that it prints.
async fn start(home: &std::path::Path) -> (Program, String, String) {
    let mut command = Command::new(ours("sceau"));
    command.arg("demo").env("HOME", home).env_remove("XDG_STATE_HOME");
    let mut demo = Program::start("sceau demo", &mut command);
    let printed = |log: &str, label: &str| {
        let line = log.lines().find_map(|line| line.strip_prefix(label))?;
        Some(line.trim().to_owned())
    };
    let (address, pin) =
        demo.said("an address and a PIN", |log| Some((printed(log, "Open ")?, printed(log, "PIN ")?))).await;
    (demo, address, pin)
}

/// The names of our programs, and of pcscd, that run in this namespace besides `sceau demo` itself.
fn running() -> Vec<String> {
    let names = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let state = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?.trim().to_owned();
        let ended = state.rsplit(')').next()?.trim().starts_with('Z');
        (!ended && (name.starts_with("sceau") || name == "pcscd")).then_some(name)
    });
    names.collect()
}

#[test]
fn signs_in_stops_and_starts_again() {
    isolated(|| {
        run(async {
            let home = tempfile::tempdir().unwrap();
            let (demo, address, pin) = start(home.path()).await;
            assert!(address.starts_with(RECORDS), "{address}");
            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, &address).await;
            let first = to_popup(&browser).await;
            type_pin(&browser, &pin).await;
            browser.popup_closed(&first).await;
            browser.is_at(RECORDS).await;
            browser.shows("Dr KIT DOC0036624").await;
            browser.pictures("demonstration-fr").await;
            browser.open(IMAGES).await;
            browser.press("demo-sign-in").await;
            browser.is_at(IMAGES).await;
            browser.shows("Dr KIT DOC0036624").await;
            let keys = format!("{ISSUER}/protocol/openid-connect/certs");
            browser.open(&keys).await;
            let before = browser.text().await;
            drop(browser);

            let status = demo.interrupt().await;
            assert!(status.success(), "sceau demo ended with {status}");
            assert_eq!(running(), Vec::<String>::new());

            let (demo, ..) = start(home.path()).await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&keys).await;
            assert_eq!(browser.text().await, before);
            demo.interrupt().await;
        });
    });
}
