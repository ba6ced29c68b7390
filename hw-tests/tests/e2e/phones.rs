//! A desk and a phone: two real Chromium, the second of the size of a phone, with an authenticator that verifies its person.
//! The camera of the phone looks at the desk's screen: a canvas on which the test draws what the desk shows.

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::card_out::event;
use crate::desk::{COLLEAGUE, add_colleague, check_identity, find_colleague, halt, to_desk};
use crate::harness::browser::{Browser, ENGLISH, FRENCH, PHONE, Settings};
use crate::harness::hospital::{FRONT, Hospital, RECORDS, Setup};
use crate::harness::{run, until};
use crate::security_keys::{forget_sessions, internal, to_means};

const CONFIGURED: &str = "\n[phone]\nenabled = true\nnetworks = [\"127.0.0.0/8\"]\n";
pub(crate) const DOCTOR: &str = "899700366240";

/// A camera that looks at whatever `window.desk` holds: the path of a code, and how many modules it is wide.
const CAMERA: &str = "
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [480, 480];
    const context = canvas.getContext('2d');
    const draw = () => {
      context.fillStyle = 'white';
      context.fillRect(0, 0, 480, 480);
      if (!window.desk) return;
      context.save();
      context.scale(480 / window.desk.width, 480 / window.desk.width);
      context.fillStyle = 'black';
      context.fill(new Path2D(window.desk.path));
      context.restore();
    };
    draw();
    setInterval(draw, 100);
    return canvas.captureStream(10);
  };";

/// A phone: its browser, and the authenticator in it.
pub(crate) struct Phone {
    pub(crate) browser: Browser,
    authenticator: String,
}

impl Phone {
    pub(crate) async fn start(settings: Settings) -> Self {
        let browser = Browser::start(settings).await;
        browser.size(PHONE).await;
        browser.on_every_page(CAMERA).await;
        let authenticator = browser.plug_in(internal()).await;
        Self { browser, authenticator }
    }

    /// What the camera sees from now on.
    async fn look_at(&self, code: &Value) {
        self.browser.script_with("window.desk = arguments[0]", vec![code.clone()]).await;
    }

    /// Goes to what `application` asks, by the list of the application.
    pub(crate) async fn open_waiting_of(&self, application: &str) {
        self.browser.open(&format!("{FRONT}/phone")).await;
        self.browser.click_text(application).await;
        self.browser.says("phone-question").await;
    }

    /// Goes to what waits, by the list of the application.
    async fn open_waiting(&self) {
        self.browser.open(&format!("{FRONT}/phone")).await;
        self.browser.click("[data-open]").await;
        self.browser.says("phone-question").await;
    }
}

/// What a page shows as a code at this moment; null where it shows none.
async fn code_now(desk: &Browser) -> Value {
    let read =
        "const svg = [...document.querySelectorAll('svg[data-qr]')].find((one) => one.checkVisibility());
        const path = svg?.querySelector('path');
        return path ? { path: path.getAttribute('d'), width: svg.viewBox.baseVal.width } : null;";
    desk.script(read).await
}

/// What a page shows as a code, once it does.
async fn code_of(desk: &Browser) -> Value {
    until("a code on the page", async || Some(code_now(desk).await).filter(|code| !code.is_null())).await
}

/// What the camera of a phone reads in a code that leads to an address: the system's own camera opens it.
fn address_in(code: &Value) -> String {
    let width = code["width"].as_u64().unwrap() as usize;
    let mut dark = vec![false; width * width];
    for module in code["path"].as_str().unwrap().split('M').filter(|module| !module.is_empty()) {
        let (x, rest) = module.split_once(' ').unwrap();
        let (y, _) = rest.split_once('h').unwrap();
        dark[y.parse::<usize>().unwrap() * width + x.parse::<usize>().unwrap()] = true;
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width * 4, width * 4, |x, y| {
        if dark[(y / 4) * width + x / 4] { 0 } else { 255 }
    });
    image.detect_grids().remove(0).decode().unwrap().1
}

/// The digits that stand somewhere on a page.
pub(crate) async fn digits_of(browser: &Browser, css: &str) -> String {
    let digits = until("digits", async || {
        Some(browser.text_of(css).await).filter(|text| text.chars().filter(char::is_ascii_digit).count() == 6)
    });
    digits.await.chars().filter(char::is_ascii_digit).collect()
}

/// Pairs a phone in the session of the desk, which has signed in with the card.
pub(crate) async fn pair(desk: &Browser, phone: &Phone, name: &str) {
    desk.press("phone-pair-start").await;
    desk.says("phone-pair-scan").await;
    let code = code_of(desk).await;
    if !name.is_empty() {
        desk.pictures(&format!("phone-1-pair-desk-{name}")).await;
    }
    phone.browser.open(&address_in(&code)).await;
    phone.browser.says("phone-pair-whose").await;
    phone.browser.shows("KIT DOC0036624").await;
    if !name.is_empty() {
        phone.browser.picture(&format!("phone-2-pair-{name}")).await;
    }
    phone.browser.press("phone-pair-do").await;
    let digits = digits_of(&phone.browser, "[data-digits]").await;
    if !name.is_empty() {
        phone.browser.picture(&format!("phone-3-digits-{name}")).await;
    }
    desk.says("phone-pair-digits").await;
    desk.write("#pair-digits", &digits).await;
    desk.press("phone-pair-confirm").await;
    desk.shows_means_phone().await;
    phone.browser.says("phone-nothing").await;
    if !name.is_empty() {
        desk.pictures(&format!("phone-4-means-{name}")).await;
        phone.browser.picture(&format!("phone-5-home-{name}")).await;
    }
}

impl Browser {
    async fn shows_means_phone(&self) {
        until("the phone among the means", async || {
            self.script("return document.querySelector('ul.rows')?.innerText ?? ''")
                .await
                .as_str()
                .is_some_and(|rows| rows.contains("Téléphone") || rows.contains("Phone"))
                .then_some(())
        })
        .await;
    }
}

pub(crate) async fn to_phone_tab(desk: &Browser) {
    desk.open(RECORDS).await;
    desk.press("demo-sign-in").await;
    desk.is_at(FRONT).await;
    desk.press("means-phone").await;
}

pub(crate) async fn hospital() -> Hospital {
    let mut hospital = Hospital::open(Setup::default()).await;
    hospital.configure(CONFIGURED).await;
    hospital
}

#[test]
fn a_phone_is_paired_scans_the_desk_and_types_its_number() {
    isolated(|| {
        run(async {
            let mut hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            let mut phone = Phone::start(FRENCH).await;
            to_means(&desk).await;
            pair(&desk, &phone, "fr").await;
            event(&hospital, "means.issued").await;
            hospital.remove();

            // By the code, in a browser that it has not signed in in: the page goes on by itself.
            forget_sessions(&desk).await;
            to_phone_tab(&desk).await;
            desk.says("phone-scan-lead").await;
            code_of(&desk).await;
            desk.pictures("phone-6-scan-desk-fr").await;
            phone.browser.press("phone-scan").await;
            until("the question on the phone", async || {
                // Once it is scanned the page shows it no more.
                phone.look_at(&code_now(&desk).await).await;
                let shown =
                    phone.browser.script("return document.querySelector('[data-phone]').dataset.shown").await;
                (shown == "question").then_some(())
            })
            .await;
            phone.browser.picture("phone-7-question-scan-fr").await;
            desk.says("phone-waiting").await;
            desk.pictures("phone-8-waiting-desk-fr").await;
            phone.browser.press("phone-approve").await;
            phone.browser.says("phone-approved").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            desk.shows("MOBILE").await;
            phone.browser.picture("phone-9-approved-fr").await;

            // By the number, which the phone finds when it is opened.
            forget_sessions(&desk).await;
            to_phone_tab(&desk).await;
            desk.unfold("phone-other").await;
            desk.write("#phone-identifier", DOCTOR).await;
            desk.press("phone-number-start").await;
            let number = digits_of(&desk, "[data-number]").await;
            desk.pictures("phone-10-number-desk-fr").await;
            phone.open_waiting().await;
            phone.browser.write("#phone-digits", &number).await;
            phone.browser.picture("phone-11-question-number-fr").await;
            phone.browser.press("phone-approve").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;

            // The person does not show their finger: nothing is sent, and they may try again; a wrong number ends it.
            forget_sessions(&desk).await;
            to_phone_tab(&desk).await;
            desk.unfold("phone-other").await;
            desk.write("#phone-identifier", DOCTOR).await;
            desk.press("phone-number-start").await;
            let number = digits_of(&desk, "[data-number]").await;
            phone.open_waiting().await;
            phone.browser.verifies(&phone.authenticator, false).await;
            phone.browser.write("#phone-digits", if number == "000000" { "000001" } else { "000000" }).await;
            phone.browser.press("phone-approve").await;
            phone.browser.says("phone-cancelled").await;
            phone.browser.verifies(&phone.authenticator, true).await;
            phone.browser.press("phone-approve").await;
            phone.browser.shows_error("PHONE-014").await;
            desk.shows_error("PHONE-014").await;
            desk.pictures("phone-12-mistyped-desk-fr").await;

            // The server starts anew while a question waits: it waits still. The identifier is still in its field.
            desk.unfold("phone-other").await;
            desk.press("phone-number-start").await;
            let number = digits_of(&desk, "[data-number]").await;
            hospital.stop_server().await;
            hospital.start_server().await;
            phone.open_waiting().await;
            phone.browser.write("#phone-digits", &number).await;
            phone.browser.press("phone-approve").await;
            phone.browser.says("phone-approved").await;
            desk.is_at(RECORDS).await;
            phone.browser.pull_out(&phone.authenticator).await;
            phone.authenticator.clear();
        });
    });
}

/// Somebody without a card: the desk looks at a document and shows the code, their phone the digits.
#[test]
fn the_desk_pairs_the_phone_of_a_colleague_who_has_nothing_else() {
    isolated(|| {
        run(async {
            let hospital = hospital().await;
            add_colleague(&hospital);
            hospital.sceau(&["person", "role", "grant", DOCTOR, "desk"]);
            let desk = Browser::start(FRENCH).await;
            let phone = Phone::start(FRENCH).await;
            to_desk(&desk).await;
            find_colleague(&desk).await;
            check_identity(&desk).await;
            desk.says("desk-phone-hint").await;
            desk.press("phone-pair-start").await;
            desk.says("phone-pair-scan").await;
            let code = code_of(&desk).await;
            desk.pictures("desk-phone-1-code-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            phone.browser.open(&address_in(&code)).await;
            phone.browser.says("phone-pair-whose").await;
            phone.browser.shows("CAMILLE EXEMPLE").await;
            phone.browser.press("phone-pair-do").await;
            let digits = digits_of(&phone.browser, "[data-digits]").await;
            phone.browser.picture("desk-phone-2-digits-fr").await;
            desk.says("phone-pair-digits").await;
            desk.write("#pair-digits", &digits).await;
            desk.press("phone-pair-confirm").await;
            desk.shows_means_phone().await;
            phone.browser.says("phone-nothing").await;
            desk.pictures("desk-phone-3-means-fr").await;
            let issued = event(&hospital, "means.issued").await;
            assert!(issued["detail"]["actor"].as_str().unwrap().starts_with("desk: "), "{issued:#}");

            // It signs its person in, at a workstation of theirs.
            let own = Browser::start(FRENCH).await;
            to_phone_tab(&own).await;
            own.unfold("phone-other").await;
            own.write("#phone-identifier", COLLEAGUE).await;
            own.press("phone-number-start").await;
            let number = digits_of(&own, "[data-number]").await;
            phone.open_waiting().await;
            phone.browser.write("#phone-digits", &number).await;
            phone.browser.press("phone-approve").await;
            phone.browser.says("phone-approved").await;
            own.is_at(RECORDS).await;
            own.shows("CAMILLE EXEMPLE").await;

            // Lost: the desk revokes it, and nothing of it is left open.
            halt(&desk, "desk-revoke", "lost", "desk-revoke-confirm").await;
            desk.says("means-none").await;
            event(&hospital, "session.ended").await;
            own.open(FRONT).await;
            own.says("nobody-title").await;
            phone.browser.open(&format!("{FRONT}/phone")).await;
            phone.browser.shows_error("PHONE-005").await;
        });
    });
}

#[test]
fn what_was_none_of_theirs_is_refused_and_a_lost_phone_is_revoked() {
    isolated(|| {
        run(async {
            let hospital = hospital().await;
            let desk = Browser::start(ENGLISH).await;
            let phone = Phone::start(ENGLISH).await;
            to_means(&desk).await;
            pair(&desk, &phone, "en").await;
            let stranger = Browser::start(ENGLISH).await;
            to_phone_tab(&stranger).await;
            stranger.unfold("phone-other").await;
            stranger.write("#phone-identifier", DOCTOR).await;
            stranger.press("phone-number-start").await;
            digits_of(&stranger, "[data-number]").await;
            phone.open_waiting().await;
            phone.browser.picture("phone-13-question-en").await;
            phone.browser.press("phone-not-me").await;
            phone.browser.says("phone-guarded").await;
            phone.browser.picture("phone-14-guarded-en").await;
            stranger.shows_error("PHONE-018").await;
            stranger.pictures("phone-15-refused-desk-en").await;
            let refused: Vec<_> =
                hospital.audit().into_iter().filter(|event| event["kind"] == "approval").collect();
            assert_eq!(refused.last().unwrap()["detail"]["note"], "not me", "{refused:#?}");

            // Its own browser is sent to its passkey.
            phone.browser.open(RECORDS).await;
            phone.browser.press("demo-sign-in").await;
            phone.browser.is_at(FRONT).await;
            phone.browser.press("means-key").await;
            phone.browser.is_at(RECORDS).await;
            phone.browser.shows("KIT DOC0036624").await;

            // Lost: on the command line, and everything that it opened ends.
            let listed: Value =
                serde_json::from_str(&hospital.sceau(&["means", "list", DOCTOR, "--json"])).unwrap();
            let kept = listed.as_array().unwrap().iter().find(|means| means["kind"] == "phone").unwrap();
            hospital.sceau(&["means", "revoke", kept["id"].as_str().unwrap(), "--reason", "lost"]);
            event(&hospital, "session.ended").await;
            phone.browser.open(&format!("{FRONT}/phone")).await;
            phone.browser.shows_error("PHONE-005").await;
            phone.browser.picture("phone-16-revoked-en").await;
            assert_eq!(json!(kept["label"]), json!(""));
        });
    });
}

/// Lost, and its person has their card: they see to it themselves, and what the phone opened ends.
#[test]
fn its_person_revokes_a_phone_and_what_it_opened_ends() {
    isolated(|| {
        run(async {
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            let phone = Phone::start(FRENCH).await;
            to_means(&desk).await;
            pair(&desk, &phone, "").await;
            phone.browser.open(RECORDS).await;
            phone.browser.press("demo-sign-in").await;
            phone.browser.is_at(FRONT).await;
            phone.browser.press("means-key").await;
            phone.browser.is_at(RECORDS).await;
            phone.browser.shows("KIT DOC0036624").await;

            desk.open(&format!("{FRONT}/means")).await;
            desk.unfold("means-revoke").await;
            desk.pictures("phone-17-revoke-own-fr").await;
            desk.click("details[open] form button").await;
            event(&hospital, "means.revoked").await;
            event(&hospital, "session.ended").await;
            until("the phone to be gone from the page", async || {
                desk.open(&format!("{FRONT}/means")).await;
                let rows = desk.script("return document.querySelector('ul.rows')?.innerText ?? ''").await;
                (!rows.as_str().unwrap_or_default().contains("Téléphone")).then_some(())
            })
            .await;
            // The desk is signed in as before; the phone is not.
            desk.pictures("phone-18-revoked-own-fr").await;
            phone.browser.open(&format!("{FRONT}/phone")).await;
            phone.browser.shows_error("PHONE-005").await;
            phone.browser.open(&format!("{FRONT}/means")).await;
            phone.browser.is_at(&format!("{FRONT}/login")).await;
        });
    });
}

/// As behind a proxy that keeps streams until they end: the page asks by requests, and goes on by itself all the same.
#[test]
fn where_events_are_held_back_the_page_asks_by_requests() {
    isolated(|| {
        run(async {
            let _hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            let phone = Phone::start(FRENCH).await;
            to_means(&desk).await;
            pair(&desk, &phone, "").await;
            forget_sessions(&desk).await;
            let held = json!({ "patterns": [{ "urlPattern": "*/login/phone/events*" }] });
            desk.devtools("Fetch.enable", held).await;
            to_phone_tab(&desk).await;
            phone.browser.press("phone-scan").await;
            until("the question on the phone", async || {
                phone.look_at(&code_now(&desk).await).await;
                let shown =
                    phone.browser.script("return document.querySelector('[data-phone]').dataset.shown").await;
                (shown == "question").then_some(())
            })
            .await;
            desk.says("phone-waiting").await;
            phone.browser.press("phone-approve").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
        });
    });
}
