//! The badge window on real parts: a real card service, the real agent, the server, and a browser in which a click is
//! followed by a tap.

use sceau::sandbox::SERVICES;
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::softcard::{Profile, SoftCard};

use crate::card_out::{OPEN, event, sign_in, to_images};
use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, IMAGES, ISSUER, RECORDS, Setup};
use crate::harness::run;
use crate::kinds_of_keys::first_generation;
use crate::security_keys::{register, to_means};
use crate::sign_in::sees_the_doctor;

/// Lays the card called `name` on the reader's antenna.
fn tap(hospital: &mut Hospital, name: &str) {
    hospital.insert_card(SoftCard::new(hospital.identity(name), Profile::contactless()));
}

#[test]
fn a_tap_after_a_click_brings_back_what_the_pin_began() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup { cards: &["good", "nurse"], ..Setup::default() }).await;
            hospital.configure("\n[zones.bureaux]\nbadge_window = \"2 h\"").await;
            for service in &SERVICES {
                hospital.sceau(&["client", "policy", service.client_id, "--badge"]);
            }
            hospital.stop_agent().await;
            hospital.start_agent().await;
            hospital.agent_logs(OPEN).await;
            let browser = Browser::start(FRENCH).await;
            sign_in(&browser, RECORDS).await;
            hospital.remove();
            event(&hospital, "session.locked").await;

            // A card that lies there does nothing before the click.
            tap(&mut hospital, "good");
            to_images(&browser).await;
            browser.is_at(FRONT).await;
            browser.says("badge-start").await;
            browser.pictures("badge-offered-fr").await;
            assert!(!hospital.agent_log().contains("a tap of the badge is waited for"));
            hospital.remove();

            // Somebody else's card ends nothing and opens nothing.
            browser.press("badge-start").await;
            browser.says("badge-waiting").await;
            browser.pictures("badge-waiting-fr").await;
            tap(&mut hospital, "nurse");
            browser.shows_error("CARD-057").await;
            browser.pictures("badge-other-person-fr").await;
            hospital.remove();

            browser.press("badge-start").await;
            browser.says("badge-waiting").await;
            tap(&mut hospital, "good");
            sees_the_doctor(&browser, IMAGES).await;
            let sign_ins: Vec<_> =
                hospital.audit().into_iter().filter(|event| event["kind"] == "sign-in").collect();
            let [by_pin, refused, by_badge] = sign_ins.as_slice() else { panic!("{sign_ins:#?}") };
            assert_eq!((&refused["outcome"], &refused["code"]), (&"denied".into(), &"CARD-057".into()));
            assert_eq!(by_badge["detail"]["means"], "badge", "{by_badge:#}");
            assert_eq!(by_badge["detail"]["acr"], "eidas1", "{by_badge:#}");
            assert_eq!(by_badge["detail"]["session"], by_pin["detail"]["session"], "the same, opened again");
        });
    });
}

#[test]
fn a_key_that_verifies_nobody_is_touched_after_the_tap_where_a_service_asks_for_more() {
    const BACK: &str = "http://127.0.0.1:8081/back";
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            let keys = "[security_keys]\nsecond_factor = true\nsecond_factor_level = \"eidas2\"";
            hospital.configure(&format!("\n[zones.bureaux]\nbadge_window = \"2 h\"\n{keys}")).await;
            hospital.register("orders", "Prescriptions", BACK, BACK, &["--profile", "standard"]);
            for id in SERVICES.iter().map(|service| service.client_id).chain(["orders"]) {
                hospital.sceau(&["client", "policy", id, "--badge"]);
            }
            hospital.stop_agent().await;
            hospital.start_agent().await;
            hospital.agent_logs(OPEN).await;
            let browser = Browser::start(FRENCH).await;
            browser.plug_in(first_generation()).await;
            to_means(&browser).await;
            browser.click("[name=second_factor]").await;
            register(&browser, "Clé ancienne").await;
            browser.says("means-second-factor").await;
            browser.pictures("second-factor-registered-fr").await;
            hospital.remove();
            event(&hospital, "session.locked").await;
            to_images(&browser).await;
            browser.press("badge-start").await;
            browser.says("badge-waiting").await;
            tap(&mut hospital, "good");
            sees_the_doctor(&browser, IMAGES).await;

            // The badge is enough for that service, and not for this one: the touch alone is missing.
            let asked = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("client_id", "orders"),
                    ("redirect_uri", BACK),
                    ("response_type", "code"),
                    ("scope", "openid"),
                    ("acr_values", "eidas2"),
                    ("state", "a"),
                    ("nonce", "b"),
                    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                    ("code_challenge_method", "S256"),
                ])
                .finish();
            browser.open(&format!("{ISSUER}/protocol/openid-connect/auth?{asked}")).await;
            browser.is_at(FRONT).await;
            browser.says("touch-lead").await;
            browser.pictures("second-factor-touch-fr").await;
            browser.press("touch-start").await;
            browser.is_at(BACK).await;
            assert!(browser.address().await.contains("code="), "{}", browser.address().await);
            let sign_ins: Vec<_> =
                hospital.audit().into_iter().filter(|event| event["kind"] == "sign-in").collect();
            let touched = &sign_ins.last().unwrap()["detail"];
            assert_eq!(
                (&touched["means"], &touched["acr"]),
                (&"second-factor".into(), &"eidas2".into()),
                "{touched:#}"
            );
        });
    });
}
