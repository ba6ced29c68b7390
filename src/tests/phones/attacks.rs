//! What a thief, a stranger and a relay try.

use std::sync::Arc;

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::{Shown, SoftPhone, code, decision, scanned};
use crate::mobile::Rules;
use crate::session::Acr;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::means::{Halt, Halting};
use crate::tests::security_keys::Hospital;
use crate::tests::security_keys::authenticator::SoftKey;
use crate::tests::spec::stand::DOCTOR;
use crate::web::asker::Reach;
use crate::webauthn::policy::KeyPolicy;

#[tokio::test]
async fn an_approval_serves_nothing_but_what_was_shown() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let (mine, theirs) = (hospital.begin().await, hospital.begin().await);
        let number = hospital.number(&mine, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.number(&theirs, DOCTOR).await;
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        let mut waiting = listed["waiting"].as_array().unwrap().iter().map(|waiting| &waiting["question"]);
        let other = waiting.find(|waiting| **waiting != json!(shown.question)).unwrap();
        let other = Shown::of(&hospital.opens(&phone, json!({"question": other})).await);

        // The words of another request, its challenge, its handle.
        let words = Shown { context: shown.context.replace("false", "true"), ..shown.clone() };
        assert_eq!(code(&hospital.approves(&mut phone, &words, Some(&number)).await), "PHONE-015");
        let swapped = Shown { question: other.question.clone(), ..shown.clone() };
        assert_eq!(code(&hospital.approves(&mut phone, &swapped, Some(&number)).await), "PHONE-012");
        let mut claims = decision(&phone, &shown, "approve");
        claims["challenge"] = other.options["challenge"].clone();
        claims["digits"] = json!(number);
        assert_eq!(code(&hospital.answers(&mut phone, &shown, &claims).await), "PHONE-015");
        // That challenge is used up; a fresh one works.
        assert_eq!(code(&hospital.approves(&mut phone, &shown, Some(&number)).await), "PHONE-012");
        let shown = Shown::of(&hospital.opens(&phone, json!({"question": shown.question})).await);
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some(&number)).await.json(),
            json!({"state": "done"})
        );
        assert_eq!(code(&hospital.finishes(&theirs).await), "PHONE-012", "the other waits still");
        assert_eq!(
            code(&hospital.approves(&mut phone, &shown, Some(&number)).await),
            "PHONE-012",
            "sent twice"
        );
    })
    .await;
}

#[tokio::test]
async fn neither_key_is_enough_without_the_other() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        // The passkey was synchronised to another device: the key of the installation was not.
        let mut copied = SoftPhone { installation: SoftPhone::new().installation, ..phone.clone() };
        assert_eq!(code(&hospital.approves(&mut copied, &shown, Some(&number)).await), "PHONE-002");
        // The key of the installation was stolen: the passkey was not.
        let mut stolen = SoftPhone { passkey: SoftPhone::new().passkey, ..phone.clone() };
        stolen.passkey.id = phone.passkey.id.clone();
        stolen.passkey.user = phone.passkey.user.clone();
        assert_eq!(code(&hospital.approves(&mut stolen, &shown, Some(&number)).await), "PHONE-011");
        let shown = hospital.opened(&phone).await;
        let mut unverified = phone.clone();
        unverified.passkey.user_verified = false;
        assert_eq!(code(&hospital.approves(&mut unverified, &shown, Some(&number)).await), "PHONE-010");
        // Nor is a message alone.
        let shown = hospital.opened(&phone).await;
        let message = phone.signed("sceau-phone-answer+jwt", &decision(&phone, &shown, "approve"));
        let answer = hospital.say("/phone/answer", &json!({"message": message}), &phone.cookie).await;
        assert_eq!((answer.status, code(&answer)), (StatusCode::BAD_REQUEST, "PHONE-001".into()));
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some(&number)).await.json(),
            json!({"state": "done"})
        );
    })
    .await;
}

#[tokio::test]
async fn what_the_phone_asks_is_signed_by_it_for_this_server_and_now() {
    Hospital::on_both(async |hospital| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let asks = async |phone: &SoftPhone| hospital.phone_asks(phone, "/phone/list", json!({})).await;
        assert_eq!(asks(&phone).await.status, StatusCode::OK);
        let other = SoftPhone { installation: SoftPhone::new().installation, ..phone.clone() };
        assert_eq!(code(&asks(&other).await), "PHONE-002");
        let elsewhere = SoftPhone { server: "https://other.example".into(), ..phone.clone() };
        assert_eq!(code(&asks(&elsewhere).await), "PHONE-001");
        for off in [-61, 61] {
            assert_eq!(code(&asks(&SoftPhone { off, ..phone.clone() }).await), "PHONE-003");
        }
        let nobody = SoftPhone { id: uuid::Uuid::from_u128(1).to_string(), ..phone.clone() };
        assert_eq!(code(&asks(&nobody).await), "PHONE-004");
        // A message of one kind is none of another.
        let claims = json!({"aud": phone.server, "iat": 0});
        let message = phone.signed("sceau-phone-answer+jwt", &claims);
        let answer = hospital.say("/phone/list", &json!({"message": message}), "").await;
        assert_eq!(code(&answer), "PHONE-002");
        let words = json!({"message": message});
        let foreign = hospital.say_from("https://evil.example", "/phone/list", &words, "").await;
        assert_eq!(code(&foreign), "WEB-001");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_phone_answers_nothing_and_what_it_opened_ends() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.approves(&mut phone, &shown, Some(&number)).await;
        let finished = hospital.finishes(&begun).await.cookie();

        // Another sign-in is approved, and not fetched yet.
        let late = hospital.begin().await;
        let number = hospital.number(&late, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.approves(&mut phone, &shown, Some(&number)).await;

        let event = hospital.stand.event(crate::audit::Kind::MeansRevoked);
        let ended = |_| -> NewRow { hospital.stand.event(crate::audit::Kind::SessionEnded) };
        let id = phone.id.parse().unwrap();
        let halting = Halting { id, halt: Halt::Revoke, reason: "lost", event: &event, ended: &ended };
        let now = crate::clock::Clock::now(&hospital.stand.clock);
        let random = crate::crypto::random::SystemRandom;
        assert!(store::means::halt(&hospital.stand.db, &halting, now, &random).await.unwrap());

        let (_, value) = finished.split_once('=').unwrap();
        let hash = crate::crypto::digest::sha256(value.as_bytes());
        let session = store::session::by_cookie(&hospital.stand.db, hash).await.unwrap();
        assert!(session.is_none_or(|session| session.ended_at.is_some()));
        assert_eq!(code(&hospital.finishes(&late).await), "PHONE-012");
        assert_eq!(code(&hospital.phone_asks(&phone, "/phone/list", json!({})).await), "PHONE-005");
    })
    .await;
}

#[tokio::test]
async fn a_code_that_was_photographed_and_one_that_another_scanned_are_worth_nothing() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let thief = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let seen = hospital.code_on_the_page(&begun).await;
        hospital.stand.clock.advance(TimeDelta::seconds(6));
        assert_eq!(code(&hospital.opens(&thief, json!({"code": seen})).await), "PHONE-013", "photographed");
        assert_eq!(code(&hospital.opens(&thief, json!({"code": "https://evil.example"})).await), "PHONE-013");
        let seen = hospital.code_on_the_page(&begun).await;
        let shown = Shown::of(&hospital.opens(&phone, json!({"code": seen})).await);
        assert_eq!(code(&hospital.opens(&thief, json!({"code": seen})).await), "PHONE-012", "scanned");
        assert_eq!(shown.context()["digits"], 0);
        assert_eq!(hospital.approves(&mut phone, &shown, None).await.json(), json!({"state": "done"}));
        let other = hospital.begin().await;
        assert_eq!(code(&hospital.finishes(&other).await), "PHONE-012", "another browser");
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn the_browser_of_the_phone_itself_is_sent_to_its_passkey() {
    Hospital::on_both(async |hospital| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let mut begun = hospital.begin().await;
        begun.cookie = format!("{}; {}", begun.cookie, phone.cookie);
        hospital.number(&begun, DOCTOR).await;
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        let question = &listed["waiting"][0]["question"];
        assert_eq!(code(&hospital.opens(&phone, json!({"question": question})).await), "PHONE-016");
    })
    .await;
}

#[tokio::test]
async fn outside_a_phone_answers_for_browsers_alone_that_its_person_has_used() {
    let rules = Rules { level: Acr::Eidas1, life: TimeDelta::days(365), reach: Reach::default() };
    let policy = || KeyPolicy::default().into();
    Hospital::on_both_where(policy(), Arc::default(), rules, async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        // A number like any other, that nobody is asked for.
        hospital.number(&begun, DOCTOR).await;
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(listed["waiting"], json!([]));
        let seen = hospital.code_on_the_page(&begun).await;
        assert_eq!(code(&hospital.opens(&phone, json!({"code": seen})).await), "PHONE-017");

        // Its person signs in there with a key; from then on it is known.
        let mut known = hospital.begin().await;
        known.cookie = format!("{}; __Host-browser=desk", known.cookie);
        let mut key = crate::tests::security_keys::authenticator::SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        let asked = hospital.challenge(&known, None).await;
        assert_eq!(hospital.answer(&known, &asked, &mut key).await.json(), json!({"state": "done"}));
        let mut begun = hospital.begin().await;
        begun.cookie = format!("{}; __Host-browser=desk", begun.cookie);
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        assert_eq!(shown.context()["is_new_browser"], json!(false));
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some(&number)).await.json(),
            json!({"state": "done"})
        );
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn a_flood_for_one_person_neither_fills_their_phone_nor_keeps_them_out() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        for _ in 0..9 {
            let stranger = hospital.begin().await;
            assert_eq!(hospital.number(&stranger, DOCTOR).await.len(), 6);
        }
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(listed["waiting"].as_array().unwrap().len(), 2, "the share of one address");
        // Who goes on asking for one name waits, the longer the longer; a name that nobody has is no different.
        for identifier in [DOCTOR, "899700000001"] {
            let stranger = hospital.begin().await;
            let mut answers = Vec::new();
            for _ in 0..12 {
                let words = json!({"txn": stranger.txn, "identifier": identifier});
                answers.push(hospital.say("/login/phone/ask", &words, &stranger.cookie).await.status);
            }
            assert_eq!(*answers.last().unwrap(), StatusCode::TOO_MANY_REQUESTS, "{identifier}");
        }
        // Scanning is as good as ever, and so is every other means.
        let begun = hospital.begin().await;
        let seen = hospital.code_on_the_page(&begun).await;
        let shown = Shown::of(&hospital.opens(&phone, json!({"code": seen})).await);
        assert_eq!(hospital.approves(&mut phone, &shown, None).await.json(), json!({"state": "done"}));
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn whoever_gets_in_has_not_asked_in_vain() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        // More often than a stranger may ask for one name without waiting.
        for _ in 0..15 {
            let begun = hospital.begin().await;
            let number = hospital.number(&begun, DOCTOR).await;
            let shown = hospital.opened(&phone).await;
            hospital.approves(&mut phone, &shown, Some(&number)).await;
            assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
        }
    })
    .await;
}

#[tokio::test]
async fn a_copied_passkey_of_a_phone_is_suspended_with_it() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        phone.passkey.counter = 0;
        assert_eq!(code(&hospital.approves(&mut phone, &shown, Some(&number)).await), "PHONE-011");
        assert_eq!(code(&hospital.phone_asks(&phone, "/phone/list", json!({})).await), "PHONE-005");
    })
    .await;
}

#[tokio::test]
async fn a_phone_makes_no_browser_known() {
    // Where it answers for any browser, it has answered for this one; that makes it no better.
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        for _ in 0..2 {
            let mut begun = hospital.begin().await;
            begun.cookie = format!("{}; __Host-browser=desk", begun.cookie);
            let number = hospital.number(&begun, DOCTOR).await;
            let shown = hospital.opened(&phone).await;
            assert_eq!(shown.context()["is_new_browser"], json!(true));
            let approved = hospital.approves(&mut phone, &shown, Some(&number)).await;
            assert_eq!(approved.json(), json!({"state": "done"}));
            assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
        }
    })
    .await;
}

#[tokio::test]
async fn a_person_whose_phone_is_full_looks_like_one_who_has_none() {
    Hospital::on_both(async |hospital| {
        let _phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let mut last = hospital.begin().await;
        for _ in 0..5 {
            hospital.number(&last, DOCTOR).await;
            last = hospital.begin().await;
        }
        hospital.number(&last, DOCTOR).await;
        let nobody = hospital.begin().await;
        hospital.number(&nobody, "899700000001").await;
        hospital.stand.clock.advance(TimeDelta::seconds(120));
        for begun in [&last, &nobody] {
            let said = hospital.first_event(begun, false, &[]).await;
            assert_eq!(said["code"], json!("PHONE-019"), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_that_lost_its_connection_takes_nothing_back() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let seen = hospital.code_on_the_page(&begun).await;
        let shown = Shown::of(&hospital.opens(&phone, json!({"code": seen})).await);
        let again = [("last-event-id", "1")];
        assert_eq!(hospital.first_event(&begun, true, &again).await["state"], "waiting");
        assert_eq!(hospital.approves(&mut phone, &shown, None).await.json(), json!({"state": "done"}));
        // A page that is loaded anew finds the answer too.
        assert_eq!(hospital.first_event(&begun, true, &[]).await["state"], "approved");
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
        let late = hospital.begin().await;
        hospital.stand.clock.advance(TimeDelta::minutes(9));
        assert_eq!(hospital.first_event(&late, true, &[]).await["state"], "code");
        hospital.stand.clock.advance(TimeDelta::minutes(2));
        assert_eq!(hospital.events_status(&late).await, StatusCode::FORBIDDEN, "the sign-in is over");
    })
    .await;
}

#[tokio::test]
async fn not_me_takes_back_whatever_else_strangers_have_asked() {
    Hospital::on_both(async |hospital| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let (one, other) = (hospital.begin().await, hospital.begin().await);
        hospital.number(&one, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.number(&other, DOCTOR).await;
        assert_eq!(hospital.denies(&phone, &shown, "not-me").await.json(), json!({"state": "done"}));
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(listed["waiting"], json!([]));
    })
    .await;
}

impl Hospital {
    /// What the stream of a sign-in page says first.
    async fn first_event(
        &self,
        begun: &crate::tests::security_keys::Begun,
        scan: bool,
        headers: &[(&'static str, &str)],
    ) -> serde_json::Value {
        use futures_util::StreamExt as _;

        let response = self.events(begun, scan, headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        let event = response.into_body().into_data_stream().next().await.unwrap().unwrap();
        let event = std::str::from_utf8(&event).unwrap();
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str(data).unwrap()
    }

    async fn events_status(&self, begun: &crate::tests::security_keys::Begun) -> StatusCode {
        self.events(begun, true, &[]).await.status()
    }

    async fn events(
        &self,
        begun: &crate::tests::security_keys::Begun,
        scan: bool,
        headers: &[(&'static str, &str)],
    ) -> axum::response::Response {
        use tower::ServiceExt as _;

        let mut request = http::Request::builder()
            .uri(format!("/login/phone/events?txn={}&scan={scan}", begun.txn))
            .header(http::header::COOKIE, &begun.cookie)
            .header("sec-fetch-site", "same-origin");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        self.stand.router.clone().oneshot(request).await.unwrap()
    }

    /// The code that a camera reads on the sign-in page at this moment.
    pub(super) async fn code_on_the_page(&self, begun: &crate::tests::security_keys::Begun) -> String {
        let said = self.first_event(begun, true, &[]).await;
        assert_eq!(said["state"], "code", "{said}");
        scanned(&said["qr"])
    }
}

#[tokio::test]
async fn the_passkey_of_a_phone_changes_none_of_the_means_of_who_has_a_better_one() {
    Hospital::on_both(async |hospital| {
        let card = hospital.stand.sign_in().await;
        assert_eq!(hospital.try_register(&card, &mut SoftKey::new()).await.json()["state"], "done");
        let mut phone = hospital.pair(&card).await;
        // Past the time in which no new means changes another.
        hospital.stand.advance(25 * 3600);
        let (_, answer) = hospital.sign_in(&mut phone.passkey).await;
        assert_eq!(answer.json(), json!({"state": "done"}));
        let refused = hospital.say("/means/key/options", &json!({}), &answer.cookie()).await;
        assert_eq!(code(&refused), "MEANS-003");
    })
    .await;
}
