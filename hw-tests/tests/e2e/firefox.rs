//! The main job in Firefox ESR: the same steps as in Chromium, by popup and in the same tab, with the PIN typed into the
//! agent's page and into its window.

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{Hospital, Setup};
use crate::harness::run;
use crate::sign_in::{pin_in_a_window, the_main_job, without_popups, without_scripts};

#[test]
fn by_popup_in_french() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(FRENCH.in_firefox()).await;
            the_main_job(&hospital, &browser, "firefox-fr").await;
        });
    });
}

#[test]
fn by_popup_in_english() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let browser = Browser::start(ENGLISH.in_firefox()).await;
            the_main_job(&hospital, &browser, "firefox-en").await;
        });
    });
}

#[test]
fn in_the_same_tab() {
    isolated(|| {
        run(async {
            let _hospital = Hospital::open(Setup::default()).await;
            without_popups(FRENCH.in_firefox()).await;
            without_scripts(ENGLISH.in_firefox()).await;
        });
    });
}

#[test]
fn with_the_pin_in_a_window_of_the_agent() {
    isolated(|| run(pin_in_a_window(FRENCH.in_firefox())));
}
