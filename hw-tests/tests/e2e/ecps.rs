//! The application of a provider, from the hospital's sign-in page, in a real Chromium: `sceau sandbox` plays Pro Santé Connect,
//! and its test persons answer in their e-CPS as a switch says.

use sceau_hw_tests::isolation::isolated;
use serde_json::json;

use crate::card_out::event;
use crate::harness::browser::{Browser, ENGLISH, FRENCH, PHONE};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::sandbox::Sandbox;
use crate::harness::{run, until};
use crate::phones::DOCTOR;
use crate::security_keys::forget_sessions;

const REALM: &str = "http://127.0.0.1:8090/auth/realms/esante-wallet";
const SECRET: &str = "a secret between the two";

/// Pro Santé Connect, which has allowed the hospital to ask people in their e-CPS.
async fn psc() -> Sandbox {
    let place = ["--listen", "127.0.0.1:8090", "--control", "127.0.0.1:8099", "--issuer", REALM];
    let more = [&place[..], &["--redirect-uri", "http://localhost:8084/*"]].concat();
    let sandbox = Sandbox::start("unused", "a secret", &more).await;
    let hospital = json!({
        "client_id": "hopital",
        "client_secret": SECRET,
        "redirect_uris": [format!("{FRONT}/login/provider/psc/callback")],
        "profile": "psc",
        "metadata": {
            "grant_types": ["authorization_code", "refresh_token", "urn:openid:params:grant-type:ciba"],
            "backchannel_token_delivery_mode": "poll",
        },
    });
    sandbox.told("POST", "clients", &hospital);
    sandbox
}

async fn hospital() -> Hospital {
    let mut hospital = Hospital::open(Setup::default()).await;
    let section = format!(
        "\n[phone]\nnetworks = [\"127.0.0.0/8\"]\n\n[upstream.psc]\nissuer = \"{REALM}\"\nclient_id = \"hopital\"\n\
         client_secret = \"{SECRET}\"\nciba = true\nchannels = [\"MOBILE\", \"CARD\"]\n"
    );
    hospital.configure(&section).await;
    hospital
}

async fn to_tab(desk: &Browser, tab: &str) {
    desk.open(RECORDS).await;
    desk.press("demo-sign-in").await;
    desk.is_at(FRONT).await;
    desk.click_text(tab).await;
    desk.element("[data-application] form").await;
}

/// Types who one is, in the place of what stands there from the last time.
pub(crate) async fn identify(desk: &Browser, identifier: &str) {
    desk.script("document.querySelector('#application-identifier').value = ''").await;
    desk.write("#application-identifier", identifier).await;
}

/// Asks for the doctor, and yields the number that the page shows.
async fn ask(desk: &Browser, channel: &str) -> String {
    identify(desk, &DOCTOR[1..]).await;
    desk.click(&format!("[data-application] button[value={channel}]")).await;
    let number = until("two digits on the page", async || {
        Some(desk.text_of("[data-number]").await).filter(|text| text.trim().len() == 2)
    });
    number.await.trim().to_owned()
}

#[test]
fn the_page_shows_two_digits_and_goes_on_by_itself_when_the_e_cps_approves() {
    isolated(|| {
        run(async {
            let sandbox = psc().await;
            let mut hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            to_tab(&desk, "Application e-CPS").await;
            desk.pictures("ecps-1-tab-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());

            // Nobody answers yet.
            sandbox.told("PATCH", "switches", &json!({ "ciba": "silent" }));
            let number = ask(&desk, "mobile").await;
            assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
            desk.shows("Tapez ce nombre dans votre application e-CPS").await;
            desk.pictures("ecps-2-number-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());

            // Asked once more, and refused.
            desk.press("phone-again").await;
            sandbox.told("PATCH", "switches", &json!({ "ciba": "refuse" }));
            ask(&desk, "mobile").await;
            desk.shows_error("UPSTREAM-015").await;
            desk.pictures("ecps-3-refused-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());

            // Approved, while the server of the hospital is started anew: the page goes on by itself.
            desk.press("phone-again").await;
            sandbox.told("PATCH", "switches", &json!({ "ciba": "approve" }));
            ask(&desk, "mobile").await;
            hospital.stop_server().await;
            hospital.start_server().await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            let signed_in = event(&hospital, "sign-in").await;
            assert_eq!(signed_in["detail"]["means"], "upstream", "{signed_in}");
            hospital.assert_audited("UPSTREAM-015");

            // The reader of the workstation.
            forget_sessions(&desk).await;
            to_tab(&desk, "Application e-CPS").await;
            sandbox.told("PATCH", "switches", &json!({ "ciba": "silent" }));
            ask(&desk, "card").await;
            desk.shows("fenêtre de CPS‑Gestion").await;
            desk.pictures("ecps-4-card-fr").await;
        });
    });
}

#[test]
fn a_provider_that_is_cut_off_in_the_middle_leaves_the_other_means() {
    isolated(|| {
        run(async {
            let sandbox = psc().await;
            let hospital = hospital().await;
            let desk = Browser::start(ENGLISH).await;
            to_tab(&desk, "e-CPS application").await;
            desk.pictures("ecps-5-tab-en").await;
            identify(&desk, "8997").await;
            desk.click("[data-application] button[value=mobile]").await;
            desk.shows_error("UPSTREAM-019").await;
            desk.pictures("ecps-6-mistyped-en").await;
            desk.press("phone-again").await;

            // Too slow to be asked, and then slow to say that nobody has answered.
            sandbox.told("PATCH", "switches", &json!({ "ciba": "silent", "slow": { "backchannel": 12 } }));
            ask(&desk, "mobile").await;
            desk.shows_error("UPSTREAM-007").await;
            desk.press("phone-again").await;
            sandbox.told("PATCH", "switches", &json!({ "slow": { "token": 3 } }));
            ask(&desk, "mobile").await;
            desk.size(PHONE).await;
            desk.pictures("ecps-7-number-en").await;
            sandbox.interrupted().await;
            desk.shows_error("UPSTREAM-007").await;
            desk.pictures("ecps-8-away-en").await;
            hospital.assert_audited("UPSTREAM-007");
            desk.press("means-card").await;
            desk.says("card-insert").await;
        });
    });
}
