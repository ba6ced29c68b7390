//! Sign-in by the certificate of the card, with a browser that holds it as the national middleware would offer it.

use std::path::{Path, PathBuf};

use sceau_hw_tests::isolation::isolated;

use crate::harness::apache::CertificateProxy;
use crate::harness::browser::{Browser, ENGLISH, FRENCH, Settings};
use crate::harness::certificates;
use crate::harness::hospital::{FRONT, Hospital, IMAGES, RECORDS, Setup};
use crate::harness::run;
use crate::sign_in::{sees_the_doctor, to_sign_in_page};

/// A hospital that asks for certificates, and the certificate of the host that does.
async fn hospital(cards: &'static [&'static str]) -> (Hospital, PathBuf) {
    let (mut hospital, certificate, key) = without_host(cards).await;
    let port = certificates::PORT;
    let ours =
        format!("certificate_file = {certificate:?}\nkey_file = {key:?}\nlisten = \"127.0.0.1:{port}\"");
    hospital.ask_for_certificates(&ours).await;
    (hospital, certificate)
}

/// A hospital, and the files of a host that shall ask for certificates.
async fn without_host(cards: &'static [&'static str]) -> (Hospital, PathBuf, PathBuf) {
    certificates::chosen_by_policy();
    let mut hospital = Hospital::open(Setup { cards, ..Setup::default() }).await;
    // This way needs no agent.
    hospital.stop_agent().await;
    let (certificate, key) = certificates::of_the_host(hospital.directory());
    (hospital, certificate, key)
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
            let (hospital, trusted) = hospital(&["good"]).await;
            for (settings, name, question) in [
                (FRENCH, "certificate-fr", "Êtes-vous KIT DOC0036624"),
                (ENGLISH, "certificate-en", "Are you KIT DOC0036624?"),
            ] {
                let browser = browser(&hospital, &trusted, settings, Some("good")).await;
                to_sign_in_page(&browser, RECORDS).await;
                browser.pictures(&format!("{name}-1-sign-in")).await;
                to_holder_page(&browser).await;
                browser.shows(question).await;
                browser.shows("899700366240").await;
                browser.pictures(&format!("{name}-2-holder")).await;
                // Nothing is signed in yet.
                let first = browser.window().await;
                browser.new_tab().await;
                to_sign_in_page(&browser, IMAGES).await;
                browser.switch_to(&first).await;

                browser.press("holder-go-on").await;
                sees_the_doctor(&browser, RECORDS).await;
                browser.open(IMAGES).await;
                browser.press("demo-sign-in").await;
                sees_the_doctor(&browser, IMAGES).await;
            }
            let events = hospital.audit();
            let event = events.iter().find(|event| event["kind"] == "sign-in").unwrap();
            assert_eq!(event["outcome"], "success", "{event:#}");
            for (member, value) in [
                ("means", "card-certificate"),
                ("acr", "eidas2"),
                ("confirmed", "holder"),
                ("address", "127.0.0.1"),
            ] {
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
                hospital(&["good", "expired", "revoked", "wrong-issuer", "software"]).await;
            for (card, settings, code) in [
                // Chromium does not offer what has expired; another client's is CERT-002.
                (Some("expired"), FRENCH, "CARD-042"),
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
            let (hospital, trusted) = hospital(&["good", "nurse"]).await;
            let attacker = browser(&hospital, &trusted, FRENCH, Some("nurse")).await;
            let victim = browser(&hospital, &trusted, FRENCH, Some("good")).await;
            to_sign_in_page(&attacker, RECORDS).await;
            let link = "return document.querySelector('a[href*=\"/card/certificate\"]').href";
            let attackers = attacker.script(link).await;
            victim.open(attackers.as_str().unwrap()).await;
            victim.shows_error("CARD-003").await;
            victim.picture("certificate-relayed-fr").await;
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

            // The reverse, the attacker's card for the victim's sign-in: the attacker's own browser is taken back to the
            // pages, which void the handle. (Without such a browser, the page names the attacker: `tests/card_login`.)
            to_sign_in_page(&victim, RECORDS).await;
            attacker.open(victim.script(link).await.as_str().unwrap()).await;
            attacker.shows_error("CARD-003").await;
            victim.open(&attacker.address().await).await;
            victim.shows_error("CARD-040").await;
            to_sign_in_page(&victim, IMAGES).await;
        });
    });
}

/// With the recipe of the manual for Apache in front: a card passes, what is refused is refused on our page, and nobody
/// comes past the proxy or speaks for it.
#[test]
fn behind_a_proxy() {
    /// Where the proxy passes on to.
    const BEHIND: u16 = 8444;

    isolated(|| {
        run(async {
            let (mut hospital, trusted, key) = without_host(&["good", "revoked"]).await;
            let _proxy =
                CertificateProxy::start((&trusted, &key), (certificates::HOST, certificates::PORT), BEHIND)
                    .await;
            let behind = format!("listen = \"127.0.0.1:{BEHIND}\"\nproxies = [\"127.0.0.1\"]");
            hospital.ask_for_certificates(&behind).await;

            for (card, code) in [(Some("revoked"), "CERT-005"), (None, "CARD-042")] {
                let browser = browser(&hospital, &trusted, FRENCH, card).await;
                to_sign_in_page(&browser, RECORDS).await;
                to_holder_page(&browser).await;
                browser.shows_error(code).await;
            }
            let browser = browser(&hospital, &trusted, FRENCH, Some("good")).await;
            to_sign_in_page(&browser, RECORDS).await;
            let link = "return document.querySelector('a[href*=\"/card/certificate\"]').href";
            let link = browser.script(link).await.as_str().unwrap().to_owned();
            to_holder_page(&browser).await;
            browser.press("holder-go-on").await;
            sees_the_doctor(&browser, RECORDS).await;

            // A client without a card that sends the header itself is a client without a card.
            let pem =
                String::from_utf8(hospital.authentication("good").certificate.to_pem().unwrap()).unwrap();
            let forged: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let forged = format!("Client-Cert: :{forged}:");
            let other = Browser::start(FRENCH).await;
            to_sign_in_page(&other, RECORDS).await;
            let curl = async |address: &str, arguments: &[&str]| {
                let mut command = tokio::process::Command::new("curl");
                command.args(["--silent", "--show-error", "--output", "/dev/null", "--write-out"]);
                command.arg("%{http_code} %{redirect_url}").args(["--cacert"]).arg(&trusted);
                let output = command.args(arguments).arg(address).output().await.unwrap();
                String::from_utf8(output.stdout).unwrap()
            };
            let said = curl(&link, &["--header", &forged]).await;
            assert!(said.starts_with("409"), "that sign-in is over: {said}");
            let link =
                other.script("return document.querySelector('a[href*=\"/card/certificate\"]').href").await;
            let said = curl(link.as_str().unwrap(), &["--header", &forged]).await;
            let (status, sent_to) = said.split_once(' ').unwrap();
            assert_eq!(status, "303", "{said}");
            other.open(sent_to).await;
            other.shows_error("CARD-042").await;
        });
    });
}
