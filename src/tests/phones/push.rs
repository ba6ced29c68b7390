//! A phone is woken by its push service, and by nothing that a stranger, a thief or a service of that name tries.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::ciba::{asked, register};
use super::push_service::{PushService, Received, Receiver};
use super::{SoftPhone, code};
use crate::clock::Clock as _;
use crate::config::{Destination, Egress as EgressConfig, PushService as Service};
use crate::crypto::egress::Egress;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::crypto::random::SystemRandom;
use crate::ids::Secret;
use crate::keyring::{self, Keyring};
use crate::mobile::{Push, Rules};
use crate::session::Acr;
use crate::store;
use crate::store::means::{Halt, Halting};
use crate::store::signing_key::Purpose;
use crate::tests::security_keys::Hospital;
use crate::tests::spec::stand::{DOCTOR, STRANGER, Stand, trail};
use crate::web::asker::Reach;
use crate::webauthn::policy::KeyPolicy;

const CONTACT: &str = "mailto:dsi@hopital.example";

/// What wakes the phones of a stand: by this push service on this machine, which is called where `is_allowed`.
async fn waking(stand: &Stand, service: &PushService, is_allowed: bool) -> Push {
    let clock = Arc::new(stand.clock.clone());
    let (db, seal, random) = (stand.db.clone(), stand.seal.clone(), Arc::new(SystemRandom));
    let keys = Keyring::open(db, seal, Purpose::WebPush, clock, random, &trail(&stand.clock)).await.unwrap();
    let allow = if is_allowed { vec![Destination::Host("localhost".into())] } else { Vec::new() };
    let egress = Egress::trusting(&EgressConfig { allow }, Some(service.authority.clone())).unwrap();
    let services = vec![
        format!("localhost:{}", service.port).parse::<Service>().unwrap(),
        "*.push.example".parse().unwrap(),
    ];
    Push::new(keys, egress, services, CONTACT.into())
}

/// A hospital whose phones are woken, with its push service.
async fn on_both(is_allowed: bool, test: impl AsyncFn(Hospital, &mut PushService)) {
    let service = Arc::new(Mutex::new(PushService::start().await));
    let rules = Rules {
        level: Acr::Eidas1,
        life: TimeDelta::days(365),
        reach: Reach { anywhere: true, ..Reach::default() },
    };
    let push = async |stand: &Stand| Some(waking(stand, &*service.lock().await, is_allowed).await);
    Hospital::on_both_woken(KeyPolicy::default().into(), Arc::default(), rules, push, async |hospital| {
        let mut service = service.lock().await;
        test(hospital, &mut service).await;
        assert_eq!(service.rest(), Vec::<String>::new(), "sent for nothing");
    })
    .await;
}

impl Hospital {
    /// The key that the page of the application has for browsers to subscribe with.
    async fn push_key(&self) -> String {
        let page = self.stand.get("/phone", &[]).await.body;
        let (_, rest) = page.split_once("data-key=\"").expect("phones are woken");
        rest.split_once('"').unwrap().0.to_owned()
    }

    fn push_message(&self, phone: &SoftPhone, subscription: &Value) -> Value {
        let iat = self.stand.clock.now().timestamp() + phone.off;
        let jti = Secret::of_256_bits(&SystemRandom);
        let claims =
            json!({"aud": phone.server, "iat": iat, "jti": jti.expose(), "subscription": subscription});
        json!({"message": phone.signed("sceau-phone-push+jwt", &claims)})
    }

    async fn say_push(&self, phone: &SoftPhone, subscription: &Value) -> super::Answer {
        let message = self.push_message(phone, subscription);
        self.say("/phone/push", &message, &phone.cookie).await
    }

    /// Subscribes, as the application does.
    async fn subscribe(&self, phone: &SoftPhone, endpoint: &str) -> Receiver {
        let browser = Receiver::new();
        let subscription = browser.subscription(endpoint, &self.push_key().await);
        let said = self.say_push(phone, &subscription).await;
        assert_eq!((said.status, said.json()), (StatusCode::OK, json!({"state": "done"})), "{}", said.body);
        browser
    }

    async fn subscribed(&self) -> i64 {
        store::push_subscription::count(&self.stand.db).await.unwrap()
    }

    /// The code of what a phone says of this subscription.
    async fn push_refusal(&self, phone: &SoftPhone, subscription: &Value) -> String {
        code(&self.say_push(phone, subscription).await)
    }

    /// A stranger's page asks for this person.
    async fn somebody_asks(&self, identifier: &str) {
        let begun = self.begin().await;
        self.number(&begun, identifier).await;
    }

    /// How often waking ended in this way.
    fn counted(&self, name: &str) -> u64 {
        let push = self.phones.push().unwrap();
        push.counted().find(|(outcome, _)| outcome.name() == name).unwrap().1
    }

    /// Waits until waking has ended so often in this way.
    async fn counts(&self, name: &str, times: u64) {
        let reached = async {
            while self.counted(name) < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), reached).await.unwrap();
        assert_eq!(self.counted(name), times, "{name}");
    }
}

/// What a push service reads in `Authorization` (RFC 8292 §3), once it has checked the signature with the key beside
/// it.
fn sender(received: &Received) -> (String, Vapid) {
    let said = received.header("authorization").strip_prefix("vapid ").unwrap();
    let (token, key) = said.split_once(", ").unwrap();
    let (token, key) = (token.strip_prefix("t=").unwrap(), key.strip_prefix("k=").unwrap());
    let point = jose::base64url::decode(key).unwrap();
    let [x, y] = [&point[1..33], &point[33..]].map(jose::base64url::encode);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
    let verifying = VerifyingKey::from_jwk(&jwk).unwrap();
    let expected = Expected { typ: Some("JWT"), algorithms: &[Algorithm::Es256], max_len: 4096 };
    (key.to_owned(), jose::verify(token, expected, |_| Some(&verifying)).unwrap())
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Vapid {
    aud: String,
    exp: i64,
    sub: String,
}

#[tokio::test]
async fn a_question_wakes_the_phone_and_says_nothing_else() {
    on_both(true, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let browser = hospital.subscribe(&phone, &service.endpoint("ok", "mine")).await;
        assert_eq!(hospital.last_event().await, ("phone.push".into(), "success".into(), None));
        hospital.somebody_asks(DOCTOR).await;
        let received = service.next().await;
        assert_eq!(browser.read(&received.body), b"waiting");
        for (name, value) in
            [("content-encoding", "aes128gcm"), ("urgency", "high"), ("ttl", "120"), ("topic", "waiting")]
        {
            assert_eq!(received.header(name), value, "{name}");
        }
        let (key, claims) = sender(&received);
        assert_eq!(key, hospital.push_key().await, "the key that the browser subscribed with");
        let exp = (hospital.stand.clock.now() + TimeDelta::hours(1)).timestamp();
        let aud = format!("https://localhost:{}", service.port);
        assert_eq!(claims, Vapid { aud, exp, sub: CONTACT.into() });
        hospital.counts("sent", 1).await;

        // A program that asks wakes it too, for as long as its own question has.
        hospital.stand.clock.advance(TimeDelta::seconds(60));
        register(&hospital.stand).await;
        asked(&hospital.stand).await;
        let received = service.next().await;
        assert_eq!(browser.read(&received.body), b"waiting");
        hospital.counts("sent", 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_phone_that_may_not_answer_is_not_woken_and_one_that_is_revoked_is_forgotten() {
    on_both(true, async |hospital, service| {
        let [suspended, revoked, kept] = [
            hospital.pair(&hospital.stand.sign_in().await).await,
            hospital.pair(&hospital.stand.sign_in().await).await,
            hospital.pair(&hospital.stand.sign_in().await).await,
        ];
        for (phone, name) in [(&suspended, "suspended"), (&revoked, "revoked"), (&kept, "kept")] {
            hospital.subscribe(phone, &service.endpoint("ok", name)).await;
        }
        let ended = |_| hospital.stand.event(crate::audit::Kind::SessionEnded);
        for (phone, halt) in [(&suspended, Halt::Suspend), (&revoked, Halt::Revoke)] {
            let (id, event) =
                (phone.id.parse().unwrap(), hospital.stand.event(crate::audit::Kind::MeansRevoked));
            let halting = Halting { id, halt, reason: "lost", event: &event, ended: &ended };
            let now = hospital.stand.clock.now();
            assert!(store::means::halt(&hospital.stand.db, &halting, now, &SystemRandom).await.unwrap());
        }
        assert_eq!(hospital.subscribed().await, 2, "the revoked one is gone");
        hospital.somebody_asks(DOCTOR).await;
        assert_eq!(service.next().await.which, "kept");
        hospital.counts("sent", 1).await;
        // Nor can it come back.
        let again =
            Receiver::new().subscription(&service.endpoint("ok", "revoked"), &hospital.push_key().await);
        assert_eq!(hospital.push_refusal(&revoked, &again).await, "PHONE-005");

        // The person wants it no more.
        let said = hospital.say_push(&kept, &Value::Null).await;
        assert_eq!(said.json(), json!({"state": "done"}));
        hospital.stand.clock.advance(TimeDelta::seconds(10));
        hospital.somebody_asks(DOCTOR).await;
        assert_eq!(hospital.subscribed().await, 1);
        // Beyond its life nothing is left of it.
        let late = hospital.stand.clock.now() + TimeDelta::days(366);
        let db = &hospital.stand.db;
        assert_eq!(store::push_subscription::delete_expired(db, late, 10).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn whoever_is_nobody_wakes_nobody_and_who_asks_learns_nothing() {
    on_both(true, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        // Its push service takes the message and never says so: nobody waits for that.
        hospital.subscribe(&phone, &service.endpoint("slow", "mine")).await;
        for nobody in [STRANGER, "899700000001", "nobody at all"] {
            hospital.somebody_asks(nobody).await;
        }
        hospital.somebody_asks(DOCTOR).await;
        assert_eq!(service.next().await.which, "mine");
        // "Not me": no stranger wakes anybody.
        let shown = hospital.opened(&phone).await;
        hospital.denies(&phone, &shown, "not-me").await;
        hospital.stand.clock.advance(TimeDelta::seconds(10));
        hospital.somebody_asks(DOCTOR).await;
        let questions = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(questions["waiting"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_flood_wakes_a_phone_once_in_ten_seconds() {
    on_both(true, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        hospital.subscribe(&phone, &service.endpoint("ok", "mine")).await;
        // One page that asks again and again, and several at once.
        let begun = hospital.begin().await;
        for _ in 0..4 {
            hospital.number(&begun, DOCTOR).await;
        }
        for _ in 0..4 {
            hospital.somebody_asks(DOCTOR).await;
        }
        assert_eq!(service.next().await.which, "mine");
        hospital.counts("sent", 1).await;
        hospital.stand.clock.advance(TimeDelta::seconds(10));
        hospital.number(&begun, DOCTOR).await;
        assert_eq!(service.next().await.which, "mine");
        hospital.counts("sent", 2).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_push_service_answers_costs_nobody_anything() {
    on_both(true, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let asks = async |service: &mut PushService, how: &str| {
            hospital.subscribe(&phone, &service.endpoint(how, how)).await;
            hospital.stand.clock.advance(TimeDelta::seconds(60));
            hospital.somebody_asks(DOCTOR).await;
            assert_eq!(service.next().await.which, how);
        };
        // It knows the browser no more.
        for (times, how) in [(1, "gone"), (2, "unknown")] {
            asks(service, how).await;
            hospital.counts("gone", times).await;
            while hospital.subscribed().await > 0 {}
            assert_eq!(hospital.last_event().await, ("phone.push".into(), "success".into(), None));
            assert_eq!(hospital.last_event_of(crate::audit::Kind::PhonePush).await["note"], "gone");
        }
        // It has too much to do, is broken, or sends us elsewhere, where nobody follows: another message finds the
        // phone.
        for (times, how) in [(1, "busy"), (2, "broken"), (3, "redirect")] {
            asks(service, how).await;
            hospital.counts("refused", times).await;
            assert_eq!(hospital.subscribed().await, 1, "{how}");
        }
        // An answer without end is not read.
        asks(service, "giant").await;
        hospital.counts("sent", 1).await;
        assert_eq!(hospital.counted("failed"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_subscription_is_believed_only_where_a_browser_could_have_made_it() {
    on_both(true, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let (browser, key) = (Receiver::new(), hospital.push_key().await);
        let port = service.port;
        for endpoint in [
            "https://127.0.0.1/ok/x".to_owned(),
            format!("https://127.0.0.1:{port}/ok/x"),
            "https://10.0.0.1/ok/x".to_owned(),
            "https://169.254.169.254/latest/meta-data".to_owned(),
            "https://[::1]/ok/x".to_owned(),
            format!("http://localhost:{port}/ok/x"),
            "https://localhost/ok/x".to_owned(),
            format!("https://localhost:{}/ok/x", port ^ 1),
            "https://push.example/x".to_owned(),
            "https://a.push.example:8443/x".to_owned(),
            "https://a.push.example.evil.example/x".to_owned(),
            "https://evil.example/#.push.example".replace('#', "?"),
            "ftp://a.push.example/x".to_owned(),
        ] {
            let subscription = browser.subscription(&endpoint, &key);
            assert_eq!(hospital.push_refusal(&phone, &subscription).await, "PHONE-024", "{endpoint}");
        }
        for endpoint in [
            String::new(),
            "a.push.example".to_owned(),
            "https://user@a.push.example/x".to_owned(),
            "https://:password@a.push.example/x".to_owned(),
            "https://a.push.example/x#part".to_owned(),
            format!("https://a.push.example/{}", "x".repeat(2048)),
        ] {
            let subscription = browser.subscription(&endpoint, &key);
            assert_eq!(hospital.push_refusal(&phone, &subscription).await, "PHONE-023", "{endpoint}");
        }
        let good = browser.subscription(&service.endpoint("ok", "x"), &key);
        for (member, wrong) in [("p256dh", "BAAA"), ("auth", "AAAA"), ("auth", "")] {
            let mut subscription = good.clone();
            subscription["keys"][member] = json!(wrong);
            assert_eq!(hospital.push_refusal(&phone, &subscription).await, "PHONE-023", "{member}");
        }
        let other =
            browser.subscription(&service.endpoint("ok", "x"), good["keys"]["p256dh"].as_str().unwrap());
        assert_eq!(hospital.push_refusal(&phone, &other).await, "PHONE-023", "a key that is not ours");
        assert_eq!(hospital.subscribed().await, 0);
        assert!(hospital.say_push(&phone, &good).await.status.is_success());
    })
    .await;
}

#[tokio::test]
async fn a_phone_speaks_for_itself_once_and_now() {
    on_both(true, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let other = hospital.pair(&hospital.stand.sign_in().await).await;
        let key = hospital.push_key().await;
        let subscription = Receiver::new().subscription(&service.endpoint("ok", "mine"), &key);
        // Somebody else's name, another server, another hour, another page.
        let forged = SoftPhone { id: phone.id.clone(), ..other.clone() };
        assert_eq!(hospital.push_refusal(&forged, &subscription).await, "PHONE-002");
        let elsewhere = SoftPhone { server: "https://other.example".into(), ..phone.clone() };
        assert_eq!(hospital.push_refusal(&elsewhere, &subscription).await, "PHONE-001");
        let late = SoftPhone { off: -61, ..phone.clone() };
        assert_eq!(hospital.push_refusal(&late, &subscription).await, "PHONE-003");
        let message = hospital.push_message(&phone, &subscription);
        let foreign = hospital.say_from("https://evil.example", "/phone/push", &message, &phone.cookie).await;
        assert_eq!(code(&foreign), "WEB-001");
        // A message of another kind is none of this.
        let claims = json!({"aud": phone.server, "iat": hospital.stand.clock.now().timestamp()});
        let ask = json!({"message": phone.signed("sceau-phone-ask+jwt", &claims)});
        assert_eq!(code(&hospital.say("/phone/push", &ask, "").await), "PHONE-002");
        assert_eq!(hospital.subscribed().await, 0);
        // Overheard, and sent again after the person wanted it no more.
        assert!(hospital.say("/phone/push", &message, "").await.status.is_success());
        assert!(hospital.say_push(&phone, &Value::Null).await.status.is_success());
        assert_eq!(code(&hospital.say("/phone/push", &message, "").await), "PHONE-003");
        assert_eq!(hospital.subscribed().await, 0);

        // The same browser, paired anew: it is woken once.
        for paired in [&phone, &other] {
            assert!(hospital.say_push(paired, &subscription).await.status.is_success());
        }
        assert_eq!(hospital.subscribed().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_private_address_is_not_called_whatever_name_leads_there() {
    on_both(false, async |hospital, service| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        hospital.subscribe(&phone, &service.endpoint("ok", "mine")).await;
        hospital.somebody_asks(DOCTOR).await;
        hospital.counts("failed", 1).await;
        assert_eq!(hospital.subscribed().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_browser_that_subscribed_with_a_former_key_is_woken_with_it_until_that_is_withdrawn() {
    on_both(true, async |hospital, service| {
        let Stand { db, seal, clock, .. } = &hospital.stand;
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let former = hospital.push_key().await;
        hospital.subscribe(&phone, &service.endpoint("ok", "mine")).await;
        let event = trail(clock).event(crate::audit::Kind::KeyRotated);
        keyring::rotate(db, seal, Purpose::WebPush, true, clock.now(), &SystemRandom, event).await.unwrap();
        clock.advance(TimeDelta::seconds(10));
        assert_ne!(hospital.push_key().await, former);
        hospital.somebody_asks(DOCTOR).await;
        assert_eq!(sender(&service.next().await).0, former);
        hospital.counts("sent", 1).await;

        let stored = store::signing_key::of(db, Purpose::WebPush).await.unwrap();
        let retired = stored.iter().find(|key| key.state == store::signing_key::State::Retired).unwrap();
        let event = trail(clock).event(crate::audit::Kind::KeyWithdrawn);
        keyring::withdraw(db, seal, &retired.kid, clock.now(), &SystemRandom, event).await.unwrap();
        clock.advance(TimeDelta::seconds(10));
        hospital.somebody_asks(DOCTOR).await;
        hospital.counts("gone", 1).await;
        while hospital.subscribed().await > 0 {}
    })
    .await;
}

#[tokio::test]
async fn where_phones_are_not_woken_nothing_speaks_of_it() {
    Hospital::on_both(async |hospital| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let page = hospital.stand.get("/phone", &[]).await.body;
        assert!(!page.contains("data-push"), "{page}");
        assert_eq!(hospital.stand.get("/phone/worker.js", &[]).await.status, StatusCode::NOT_FOUND);
        let subscription = Receiver::new().subscription("https://a.push.example/x", "x");
        assert_eq!(hospital.push_refusal(&phone, &subscription).await, "PHONE-022");
        // Asking is as it was.
        hospital.somebody_asks(DOCTOR).await;
    })
    .await;
}

#[tokio::test]
async fn the_worker_speaks_the_language_of_its_address_and_may_call_nobody() {
    on_both(true, async |hospital, _| {
        for (language, words) in [("fr", "Une demande d’identification"), ("en", "A request to identify")] {
            let worker = hospital.stand.get(&format!("/phone/worker.js?ui_locales={language}"), &[]).await;
            assert!(
                worker.body.contains(words) && worker.body.contains("showNotification"),
                "{}",
                worker.body
            );
            for (name, value) in [
                ("service-worker-allowed", "/phone"),
                ("content-security-policy", "default-src 'none'"),
                ("cache-control", "no-cache"),
                ("content-type", "text/javascript; charset=utf-8"),
            ] {
                assert_eq!(worker.headers[name], value);
            }
            for power in ["fetch", "postMessage", "importScripts", "caches", "indexedDB"] {
                assert!(!worker.body.contains(power), "{power}");
            }
        }
        let page = hospital.stand.get("/phone", &[]).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("worker-src 'self'; trusted-types phone-worker"), "{policy}");
    })
    .await;
}
