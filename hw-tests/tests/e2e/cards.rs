//! Other cards than one CPS3 alone: a CPS4 on the whole way, and two cards of which the person chooses one.

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::softcard::{Profile, SoftCard};

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{Hospital, RECORDS, Setup};
use crate::harness::run;
use crate::sign_in::{sees_the_doctor, the_main_job, to_popup, to_sign_in_page, type_pin};

/// INTERNAL AUTHENTICATE, which a CPS3 signs with, and PERFORM SECURITY OPERATION, which a CPS4 does.
const CPS3_SIGNS: u8 = 0x88;
const CPS4_SIGNS: u8 = 0x2A;

#[test]
fn a_cps4_goes_the_whole_way() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.insert_card(SoftCard::new(hospital.identity("good"), Profile::cps4()));
            let browser = Browser::start(FRENCH).await;
            the_main_job(&hospital, &browser, "cps4-fr").await;
            let card = hospital.card().card();
            assert_eq!((card.presentations(), card.count(CPS3_SIGNS)), (1, 0));
            assert!(card.count(CPS4_SIGNS) > 0);
        });
    });
}

/// The names on the cards are shown before a PIN is asked for, and only the chosen one gets it.
#[test]
fn the_person_chooses_between_two_cards() {
    isolated(|| {
        run(async {
            let setup = Setup { cards: &["good", "nurse"], ..Setup::default() };
            let hospital = Hospital::open(setup).await;
            let nurse = SoftCard::new(hospital.identity("nurse"), Profile::cps4());
            let nurse = hospital.insert_beside(nurse);
            for (settings, language) in [(FRENCH, "fr"), (ENGLISH, "en")] {
                let browser = Browser::start(settings).await;
                to_sign_in_page(&browser, RECORDS).await;
                let first = to_popup(&browser).await;
                browser.says("agent-choose-title").await;
                for holder in ["DOC0036624", "INF0030001"] {
                    browser.shows(holder).await;
                }
                browser.pictures(&format!("choice-{language}")).await;
                let faults = browser.accessibility_faults().await;
                assert!(faults.is_empty(), "{faults:#?}");
                browser.click_text("DOC0036624").await;
                browser.element("#pin").await;
                browser.shows("DOC0036624").await;
                type_pin(&browser, PIN).await;
                browser.popup_closed(&first).await;
                sees_the_doctor(&browser, RECORDS).await;
            }
            assert_eq!(hospital.card().card().presentations(), 2);
            assert_eq!(nurse.card().presentations(), 0, "nobody spends a try of another card");
        });
    });
}
