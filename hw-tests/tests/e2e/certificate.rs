//! Sign-in by the certificate of the card, with a browser that holds it as the national middleware would offer it.

use std::path::Path;

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, ENGLISH, FRENCH, Settings};
use crate::harness::certificates;
use crate::harness::hospital::{FRONT, Hospital, IMAGES, RECORDS, Setup};
use crate::harness::run;
use crate::sign_in::{sees_the_doctor, to_sign_in_page};

/// A hospital that asks for certificates, and the certificate of the host that does.
async fn hospital(cards: &'static [&'static str], settings: &str) -> (Hospital, std::path::PathBuf) {
    certificates::chosen_by_policy();
    let mut hospital = Hospital::open(Setup { cards, ..Setup::default() }).await;
    // This way needs no agent.
    hospital.stop_agent().await;
    let trusted = hospital.ask_for_certificates(settings).await;
    (hospital, trusted)
}

/// A browser whose middleware offers the card called `name`.
async fn browser(hospital: &Hospital, trusted: &Path, settings: Settings, name: Option<&str>) -> Browser {
    let card = name.map(|name| hospital.authentication(name));
    Browser::at_home(settings, |home| certificates::install(home, trusted, card)).await
}

/// Follows the link of the sign-in page, to the page that names the holder of the card.
async fn to_holder_page(browser: &Browser) {
    browser.press("card-certificate").await;
    browser.is_at(&format!("{FRONT}/card/certificate/holder")).await;
}

#[test]
fn in_french_and_in_english() {
    isolated(|| {
        run(async {
            let (hospital, trusted) = hospital(&["good"], "").await;
            for (settings, name, go_on) in [
                (FRENCH, "certificate-fr", "Continuer en tant que KIT DOC0036624"),
                (ENGLISH, "certificate-en", "Continue as KIT DOC0036624"),
            ] {
                let browser = browser(&hospital, &trusted, settings, Some("good")).await;
                to_sign_in_page(&browser, RECORDS).await;
                browser.pictures(&format!("{name}-1-sign-in")).await;
                to_holder_page(&browser).await;
                browser.says("holder-title").await;
                browser.shows("899700366240").await;
                browser.pictures(&format!("{name}-2-holder")).await;
                // Nothing is signed in yet.
                let first = browser.window().await;
                browser.new_tab().await;
                to_sign_in_page(&browser, IMAGES).await;
                browser.switch_to(&first).await;

                browser.click_text(go_on).await;
                sees_the_doctor(&browser, RECORDS).await;
                browser.open(IMAGES).await;
                browser.press("demo-sign-in").await;
                sees_the_doctor(&browser, IMAGES).await;
            }
            let events = hospital.audit();
            let event = events.iter().find(|event| event["kind"] == "sign-in").unwrap();
            assert_eq!(event["outcome"], "success", "{event:#}");
            for (member, value) in
                [("means", "card-certificate"), ("acr", "eidas2"), ("confirmed", "holder"), ("address", "127.0.0.1")]
            {
                assert_eq!(event["detail"][member], value, "{member}: {event:#}");
            }
            assert!(event["detail"]["workstation"].is_null(), "{event:#}");
        });
    });
}

#[test]
fn what_is_no_good_card_is_refused() {
    isolated(|| {
        run(async {
            let (hospital, trusted) =
                hospital(&["good", "expired", "revoked", "wrong-issuer", "software"], "").await;
            for (card, settings, code) in [
                (Some("expired"), FRENCH, "CERT-002"),
                (Some("revoked"), ENGLISH, "CERT-005"),
                (Some("wrong-issuer"), FRENCH, "CERT-004"),
                (Some("software"), FRENCH, "CERT-007"),
                (None, FRENCH, "CARD-042"),
            ] {
                let browser = browser(&hospital, &trusted, settings, card).await;
                to_sign_in_page(&browser, RECORDS).await;
                to_holder_page(&browser).await;
                browser.shows_error(code).await;
                hospital.assert_audited(code);
                if code == "CARD-042" {
                    browser.pictures("certificate-none-fr").await;
                }
                // The sign-in is still good, and says why the last try was not.
                browser.press("try-again").await;
                browser.shows_error(code).await;
            }
        });
    });
}

/// The link of the attacker's sign-in, opened by the victim, whose browser brings the card without a question.
#[test]
fn a_relayed_link_signs_nobody_in() {
    isolated(|| {
        run(async {
            let (hospital, trusted) = hospital(&["good", "nurse"], "").await;
            let attacker = browser(&hospital, &trusted, FRENCH, Some("nurse")).await;
            let victim = browser(&hospital, &trusted, ENGLISH, Some("good")).await;
            to_sign_in_page(&attacker, RECORDS).await;
            let link = "return document.querySelector('.other-way a').href";
            let link = attacker.script(link).await.as_str().unwrap().to_owned();

            victim.open(&link).await;
            victim.shows_error("CARD-003").await;
            victim.picture("certificate-relayed-en").await;
            let status = "const { txn, status } = document.querySelector('[data-card]').dataset;
                return fetch(`${status}?txn=${encodeURIComponent(txn)}`).then((answer) => answer.json())";
            assert_eq!(attacker.script(status).await["state"], "open");
            // Not even with the address that the victim was sent to.
            attacker.open(&victim.address().await).await;
            attacker.shows_error("CARD-040").await;
            for browser in [&attacker, &victim] {
                to_sign_in_page(browser, IMAGES).await;
            }
            hospital.assert_audited("CARD-003");

            // The reverse: the attacker's card in the victim's browser. The page says whose it is.
            to_sign_in_page(&victim, RECORDS).await;
            let link = victim.script("return document.querySelector('.other-way a').href").await;
            attacker.open(link.as_str().unwrap()).await;
            attacker.shows_error("CARD-003").await;
            victim.open(&attacker.address().await).await;
            // The attacker's own browser has voided it by being taken back to the pages.
            victim.shows_error("CARD-040").await;
            to_sign_in_page(&victim, IMAGES).await;
        });
    });
}
