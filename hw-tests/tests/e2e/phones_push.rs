//! A phone that is woken: permission, worker and notification in a real Chromium. Its own push service is not reached
//! from a test, which the page has to live with; what that would deliver, the developer tools do.

use std::time::Duration;

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, Setup};
use crate::harness::{run, until, within};
use crate::phones::{DOCTOR, Phone, digits_of, pair, to_phone_tab};
use crate::security_keys::{forget_sessions, to_means};

const CONFIGURED: &str =
    "\n[phone]\nenabled = true\nnetworks = [\"127.0.0.0/8\"]\n\n[phone.push]\nenabled = true\n";

/// A push service that a browser reaches: what it gives a page, in its form.
const SUBSCRIBES: &str = "
  PushManager.prototype.getSubscription = async () => null;
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly || applicationServerKey.length !== 65) throw new TypeError('not so');
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
    const p256dh = text(await crypto.subtle.exportKey('raw', pair.publicKey));
    const auth = text(crypto.getRandomValues(new Uint8Array(16)));
    const endpoint = 'https://fcm.googleapis.com/fcm/send/of-a-test';
    return { toJSON: () => ({ endpoint, expirationTime: null, keys: { p256dh, auth } }) };
  };";

/// After how long a push service sends again.
const RESENT: Duration = Duration::from_secs(6);

async fn permit(browser: &Browser, setting: &str) {
    let permission = json!({"permission": {"name": "notifications"}, "setting": setting, "origin": FRONT});
    browser.devtools("Browser.setPermission", permission).await;
    browser.open(&format!("{FRONT}/phone")).await;
}

/// A desk without a session asks for the person: the number that it shows.
async fn asks(desk: &Browser) -> String {
    forget_sessions(desk).await;
    to_phone_tab(desk).await;
    desk.unfold("phone-other").await;
    desk.write("#phone-identifier", DOCTOR).await;
    desk.press("phone-number-start").await;
    digits_of(desk, "[data-number]").await
}

/// The notifications that the worker of the application shows.
async fn shown(browser: &Browser) -> Value {
    let read = "return navigator.serviceWorker.getRegistration('/phone').then(async (registration) =>
        (await registration.getNotifications()).map(({ title, body, lang, tag }) => [title, body, lang, tag]))";
    browser.script(read).await
}

/// What the worker shows once a push service has woken it: one that the browser loses on a busy machine is sent again,
/// as a push service does with what was not taken.
async fn pushed(browser: &Browser) -> Value {
    browser.devtools("ServiceWorker.enable", json!({})).await;
    for _ in 0..5 {
        let message = json!({"origin": FRONT, "registrationId": "0", "data": "waiting"});
        browser.devtools("ServiceWorker.deliverPushMessage", message).await;
        let said = within(RESENT, async || {
            Some(shown(browser).await).filter(|all| all.as_array().is_some_and(|all| !all.is_empty()))
        });
        if let Some(said) = said.await {
            return said;
        }
    }
    panic!("no notification after five messages");
}

#[test]
fn a_phone_is_woken_where_it_may_be_and_everything_works_where_it_may_not() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.configure(CONFIGURED).await;
            let desk = Browser::start(FRENCH).await;
            let phone = Phone::start(FRENCH).await;
            to_means(&desk).await;
            pair(&desk, &phone, "").await;
            let phone = &phone.browser;
            permit(phone, "prompt").await;
            phone.says("phone-push-off").await;
            phone.picture("phone-push-1-off-fr").await;
            assert_eq!(phone.accessibility_faults().await, Vec::<String>::new());
            let registered = "return navigator.serviceWorker.getRegistrations().then((all) => all.length)";
            assert_eq!(phone.script(registered).await, 0, "nothing before it is asked for");

            // The person said no: the page says how to go on.
            permit(phone, "denied").await;
            phone.says("phone-push-denied").await;
            phone.picture("phone-push-2-denied-fr").await;
            assert_eq!(phone.accessibility_faults().await, Vec::<String>::new());

            // They say yes, and the browser reaches no push service.
            permit(phone, "granted").await;
            phone.says("phone-push-off").await;
            phone.press("phone-push-do").await;
            phone.says("phone-push-failed").await;
            phone.picture("phone-push-3-failed-fr").await;
            assert_eq!(phone.accessibility_faults().await, Vec::<String>::new());
            let worker =
                "return navigator.serviceWorker.getRegistration('/phone').then(({ scope, active }) =>
                [scope, active.scriptURL])";
            let worker = phone.script(worker).await;
            assert_eq!(
                worker,
                json!([format!("{FRONT}/phone"), format!("{FRONT}/phone/worker.js?ui_locales=fr")])
            );

            // A question waits; what a push service would deliver arrives.
            let number = asks(&desk).await;
            let said = pushed(phone).await;
            let words = json!([["Sceau", "Une demande d’identification vous attend.", "fr", "waiting"]]);
            assert_eq!(said, words, "and nothing of who or what");

            // Opened, the application shows what waits, and the notification has done its work.
            phone.open(&format!("{FRONT}/phone")).await;
            phone.click("[data-open]").await;
            until("no notification", async || (shown(phone).await == json!([])).then_some(())).await;
            phone.write("#phone-digits", &number).await;
            phone.press("phone-approve").await;
            phone.says("phone-approved").await;
        });
    });
}

#[test]
fn a_phone_whose_browser_subscribes_is_known_until_its_person_wants_it_no_more() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup::default()).await;
            hospital.configure(CONFIGURED).await;
            let desk = Browser::start(FRENCH).await;
            let phone = Phone::start(FRENCH).await;
            phone.browser.on_every_page(SUBSCRIBES).await;
            to_means(&desk).await;
            pair(&desk, &phone, "").await;
            let phone = &phone.browser;
            permit(phone, "granted").await;
            phone.press("phone-push-do").await;
            phone.says("phone-push-on").await;
            phone.picture("phone-push-4-on-fr").await;
            assert_eq!(phone.accessibility_faults().await, Vec::<String>::new());
            let pushes = |hospital: &Hospital| {
                let events = hospital.audit().into_iter().filter(|event| event["kind"] == "phone.push");
                events.map(|event| event["detail"]["note"].clone()).collect::<Vec<_>>()
            };
            assert_eq!(pushes(&hospital), ["on"]);

            // Its push service is not reached from here: the question waits in the application all the same.
            asks(&desk).await;
            // Opened anew, it says so by itself, in the language that was chosen.
            phone.open(&format!("{FRONT}/phone?ui_locales=en")).await;
            phone.element("[data-open]").await;
            phone.shows("This phone tells you").await;
            phone.picture("phone-push-5-on-en").await;
            phone.click("[data-push-off]").await;
            phone.shows("This phone can tell you").await;
            phone.picture("phone-push-6-off-en").await;
            assert_eq!(pushes(&hospital).last(), Some(&json!("off")));
        });
    });
}
