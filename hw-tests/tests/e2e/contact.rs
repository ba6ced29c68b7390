//! The mail address of a person, in a real Chromium and by keyboard: typed on the page of their means, verified by the code of
//! a real mail, and told what happens from then on.

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{Hospital, Setup};
use crate::harness::mail_server::MailServer;
use crate::harness::run;
use crate::security_keys::{register, to_means, usb_key};

const ADDRESS: &str = "kit.doc0036624@chu.example";

/// The six digits of a mail.
fn code(text: &str) -> String {
    let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '\u{a0}' && c != '\u{202f}' && c != ' ');
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    words
        .find_map(|word| Some(digits(word)).filter(|digits| digits.len() == 6))
        .unwrap_or_else(|| panic!("{text}"))
}

/// Another code.
fn wrong(code: &str) -> String {
    format!("{}{}", &code[..5], if code.ends_with('0') { '1' } else { '0' })
}

#[test]
fn an_address_is_typed_corrected_verified_by_a_code_and_told_of_a_new_key() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            let mails = MailServer::start().await;
            hospital.configure(&mails.section()).await;
            let browser = Browser::start(FRENCH).await;
            to_means(&browser).await;
            browser.says("contact-none").await;

            // What the browser lets through and no mail server takes.
            browser.tab_to("contact-address").await;
            browser.types("kit@hopital").await;
            browser.enter().await;
            browser.shows_error("MAIL-010").await;
            browser.keyboard_is_on("contact-address").await;
            browser.pictures("means-address-wrong-fr").await;
            browser.types(ADDRESS).await;
            browser.enter().await;

            browser.keyboard_is_on("contact-code").await;
            browser.shows(ADDRESS).await;
            browser.pictures("means-address-code-fr").await;
            let sent = mails.brings("code").await;
            assert_eq!(sent.to, ADDRESS);
            let code = code(&sent.text[sent.text.find("code de").unwrap()..]);
            browser.types(&wrong(&code)).await;
            browser.enter().await;
            browser.shows_error("MAIL-011").await;
            browser.keyboard_is_on("contact-code").await;
            browser.pictures("means-address-code-wrong-fr").await;
            browser.types(&code).await;
            browser.enter().await;
            browser.shows("Vos avis sont envoyés à").await;
            assert!(!browser.text().await.contains("MAIL-011"));
            browser.pictures("means-address-verified-fr").await;
            hospital.assert_audited("contact.changed");

            // From now on the person hears of what happens.
            browser.plug_in(usb_key()).await;
            register(&browser, "Clé du bloc").await;
            let told = mails.brings("vient d’être ajouté aux vôtres").await;
            assert_eq!(told.to, ADDRESS);
            assert!(told.text.contains("le support, poste 4242"), "{}", told.text);
            assert!(!told.text.contains("KIT"), "a notice names nobody: {}", told.text);
        });
    });
}
