//! Sign-in by a provider of others, in a real Chromium: `sceau sandbox` plays Pro Santé Connect, with its own people and keys,
//! and is cut off in the middle.

use std::path::Path;

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;

use crate::card_out::event;
use crate::desk::{HOLDER, add_colleague, check_identity, find_colleague, to_desk};
use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::sandbox::Sandbox;
use crate::harness::{run, until};
use crate::security_keys::forget_sessions;
use crate::sign_in::{to_popup, type_pin};

const REALM: &str = "http://127.0.0.1:8090/auth/realms/esante-wallet";
const SECRET: &str = "a secret between the two";

/// Pro Santé Connect, at an address of its own: browsers share cookies between the ports of one host.
async fn psc() -> Sandbox {
    psc_with(&[]).await
}

/// The same, which finds its people, keys and services there again when it is started anew.
async fn psc_keeping(state: &Path) -> Sandbox {
    psc_with(&["--state-dir", state.to_str().unwrap()]).await
}

async fn psc_with(more: &[&str]) -> Sandbox {
    let back = format!("{FRONT}/login/provider/psc/callback");
    let left = format!("{FRONT}/login/provider/psc/logged-out");
    let told = format!("{FRONT}/login/provider/psc/backchannel-logout");
    let place = ["--listen", "127.0.0.1:8090", "--control", "127.0.0.1:8099", "--issuer", REALM];
    let logout = ["--post-logout-redirect-uri", &left, "--backchannel-logout-uri", &told];
    let more = [&place[..], &["--redirect-uri", &back], &logout, more].concat();
    Sandbox::start("hopital", SECRET, &more).await
}

async fn hospital() -> Hospital {
    let mut hospital = Hospital::open(Setup::default()).await;
    let section = format!(
        "\n[upstream.psc]\nissuer = \"{REALM}\"\nclient_id = \"hopital\"\nclient_secret = \"{SECRET}\"\n"
    );
    hospital.configure(&section).await;
    hospital
}

async fn to_psc_tab(desk: &Browser) {
    desk.open(RECORDS).await;
    desk.press("demo-sign-in").await;
    desk.is_at(FRONT).await;
    desk.click_text("Pro Santé Connect").await;
}

#[test]
fn psc_is_in_front_then_gone_then_back_and_cards_never_stop() {
    isolated(|| {
        run(async {
            let kept = tempfile::tempdir().unwrap();
            let sandbox = psc_keeping(kept.path()).await;
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            to_psc_tab(&desk).await;
            desk.shows("Continuer avec Pro Santé Connect").await;
            desk.pictures("provider-1-tab-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            desk.click_text("Continuer avec Pro Santé Connect").await;
            desk.is_at("http://127.0.0.1:8090").await;
            desk.click("input[value=doctor]").await;
            desk.press("persons-approve").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            let signed_in = event(&hospital, "sign-in").await;
            assert_eq!(signed_in["detail"]["means"], "upstream", "{signed_in}");

            // Given up there: the page of the hospital says so, and goes on.
            forget_sessions(&desk).await;
            to_psc_tab(&desk).await;
            desk.click_text("Continuer avec Pro Santé Connect").await;
            desk.is_at("http://127.0.0.1:8090").await;
            desk.press("persons-refuse").await;
            desk.is_at(FRONT).await;
            desk.shows_error("UPSTREAM-009").await;
            desk.pictures("provider-2-refused-fr").await;

            // Gone: whoever tries three times learns it on the page, where the card works as ever.
            sandbox.interrupted().await;
            forget_sessions(&desk).await;
            to_psc_tab(&desk).await;
            until("the tab to say so", async || {
                desk.click_text("Continuer avec Pro Santé Connect").await;
                // For two seconds after its last answer people are still sent there.
                if !desk.address().await.starts_with(FRONT) {
                    desk.back().await;
                }
                desk.is_at(FRONT).await;
                desk.click_text("Pro Santé Connect").await;
                desk.text().await.contains("ne répond pas en ce moment").then_some(())
            })
            .await;
            desk.pictures("provider-3-away-fr").await;
            // Meanwhile the card signs in as ever.
            desk.press("means-card").await;
            desk.says("card-insert").await;
            let first = to_popup(&desk).await;
            type_pin(&desk, PIN).await;
            desk.popup_closed(&first).await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;

            // Back: it is offered again by itself, and signs in.
            let _back = psc_keeping(kept.path()).await;
            forget_sessions(&desk).await;
            until("the tab to offer it again", async || {
                to_psc_tab(&desk).await;
                (!desk.text().await.contains("ne répond pas en ce moment")).then_some(())
            })
            .await;
            desk.click_text("Continuer avec Pro Santé Connect").await;
            desk.is_at("http://127.0.0.1:8090").await;
            desk.click("input[value=doctor]").await;
            desk.press("persons-approve").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
        });
    });
}

#[test]
fn somebody_whom_psc_knows_and_the_hospital_does_not_stays_outside() {
    isolated(|| {
        run(async {
            let _sandbox = psc().await;
            let _hospital = hospital().await;
            let desk = Browser::start(ENGLISH).await;
            to_psc_tab(&desk).await;
            desk.pictures("provider-4-tab-en").await;
            desk.click_text("Continue with Pro Santé Connect").await;
            desk.is_at("http://127.0.0.1:8090").await;
            desk.click("input[value=psi]").await;
            desk.press("persons-approve").await;
            desk.is_at(FRONT).await;
            desk.shows("PERSON-").await;
            desk.pictures("provider-5-unknown-en").await;
        });
    });
}

/// Where the provider tells no national identifier, somebody at the desk says whose an identity is.
#[test]
fn the_desk_links_an_identity_that_was_refused_and_its_person_comes_in() {
    isolated(|| {
        run(async {
            let _sandbox = psc().await;
            let mut hospital = Hospital::open(Setup::default()).await;
            let section = format!(
                "\n[upstream.psc]\nprofile = \"standard\"\nlabel = \"Groupement\"\nissuer = \"{REALM}\"\n\
                 client_id = \"hopital\"\nclient_secret = \"{SECRET}\"\n"
            );
            hospital.configure(&section).await;
            add_colleague(&hospital);
            hospital.sceau(&["person", "role", "grant", HOLDER, "desk"]);
            let own = Browser::start(FRENCH).await;
            let by_provider = async || {
                own.open(RECORDS).await;
                own.press("demo-sign-in").await;
                own.is_at(FRONT).await;
                own.click_text("Groupement").await;
                own.click_text("Continuer avec Groupement").await;
                own.is_at("http://127.0.0.1:8090").await;
                own.click("input[value=nurse]").await;
                own.press("persons-approve").await;
            };
            by_provider().await;
            own.shows_error("UPSTREAM-012").await;

            let desk = Browser::start(FRENCH).await;
            to_desk(&desk).await;
            find_colleague(&desk).await;
            check_identity(&desk).await;
            desk.says("desk-link").await;
            desk.pictures("provider-10-desk-links-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            desk.press("desk-link-confirm").await;
            desk.says("desk-links").await;
            desk.shows("Rattachée le").await;
            event(&hospital, "identity.linked").await;

            // The provider's session goes with the cookies of its host.
            own.open(RECORDS).await;
            forget_sessions(&own).await;
            by_provider().await;
            own.is_at(RECORDS).await;
            own.shows("CAMILLE EXEMPLE").await;
        });
    });
}

/// By Pro Santé Connect to the service, where the doctor is chosen there.
async fn sign_in_by_psc(desk: &Browser, go_on: &str) {
    to_psc_tab(desk).await;
    desk.click_text(go_on).await;
    desk.is_at("http://127.0.0.1:8090").await;
    desk.click("input[value=doctor]").await;
    desk.press("persons-approve").await;
    desk.is_at(RECORDS).await;
    desk.shows("KIT DOC0036624").await;
}

#[test]
fn whoever_signs_out_at_one_has_signed_out_at_the_other() {
    isolated(|| {
        run(async {
            let sandbox = psc().await;
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            sign_in_by_psc(&desk, "Continuer avec Pro Santé Connect").await;

            // Here, by a click in the service: the browser goes by Pro Santé Connect, and back to the service.
            desk.press("sign-out").await;
            desk.is_at(RECORDS).await;
            desk.says("demo-sign-in").await;
            let ended = event(&hospital, "session.ended").await;
            assert_eq!(ended["detail"]["note"], "relying-party", "{ended}");
            // Whoever comes next is asked there who they are.
            sign_in_by_psc(&desk, "Continuer avec Pro Santé Connect").await;

            // There: the session of the hospital ends, and its services are told.
            desk.open("http://127.0.0.1:8090/logout").await;
            desk.press("sign-out").await;
            desk.says("signed-out-title").await;
            let told = until("the word of Pro Santé Connect", async || {
                let mut told =
                    hospital.audit().into_iter().filter(|event| event["kind"] == "upstream.logout");
                told.find(|event| event["detail"]["note"] != "browser sent there")
            })
            .await;
            assert_eq!(told["outcome"], "success", "{told}");
            let last = until("the end of the session", async || {
                let ended = hospital.audit().into_iter().rfind(|event| event["kind"] == "session.ended");
                ended.filter(|event| event["detail"]["note"] == "upstream-logout")
            })
            .await;
            assert_eq!(last["detail"]["upstream"], "psc", "{last}");
            until("the service to be told", async || {
                desk.open(RECORDS).await;
                (!desk.text().await.contains("KIT DOC0036624")).then_some(())
            })
            .await;

            // Gone: the session of the hospital ends all the same, and the page says what may stay open.
            sign_in_by_psc(&desk, "Continuer avec Pro Santé Connect").await;
            sandbox.interrupted().await;
            desk.press("sign-out").await;
            desk.is_at(FRONT).await;
            desk.shows("est peut-être encore ouverte").await;
            desk.pictures("provider-6-left-open-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
        });
    });
}

#[test]
fn the_page_says_so_in_english_too() {
    isolated(|| {
        run(async {
            let _sandbox = psc().await;
            let _hospital = hospital().await;
            let desk = Browser::start(ENGLISH).await;
            sign_in_by_psc(&desk, "Continue with Pro Santé Connect").await;
            desk.open(&format!("{FRONT}/means")).await;
            desk.shows("My outside identities").await;
            desk.pictures("provider-9-identities-en").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            // Where the browser comes back to our own page, because nobody sent the person here.
            desk.open(&format!("{FRONT}/")).await;
            desk.pictures("provider-7-sessions-en").await;
            desk.click("form[action='/sessions/end'] button").await;
            desk.shows("You are signed out").await;
            desk.is_at(&format!("{FRONT}/login/provider/psc/logged-out")).await;
            desk.pictures("provider-8-signed-out-en").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
        });
    });
}
