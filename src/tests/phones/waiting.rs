//! Pages that wait: they hear at once, whichever node took the answer, by a stream or by requests, and are bounded.

use std::pin::Pin;

use axum::body::BodyDataStream;
use futures_util::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Shown, scanned};
use crate::clock::Clock as _;
use crate::store;
use crate::store::webauthn_ceremony::Purpose;
use crate::tests::security_keys::{Begun, Hospital};
use crate::tests::spec::stand::DOCTOR;

/// The stream of a page.
struct Page(Pin<Box<BodyDataStream>>);

impl Page {
    /// The next that it says.
    async fn next(&mut self) -> Value {
        let event = self.0.next().await.expect("more").expect("whole");
        let event = std::str::from_utf8(&event).unwrap();
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        serde_json::from_str(data).unwrap()
    }

    fn is_silent(&mut self) -> bool {
        self.0.next().now_or_never().is_none()
    }
}

impl Hospital {
    async fn opens_page(&self, begun: &Begun, scan: bool) -> Page {
        let request = http::Request::builder()
            .uri(format!("/login/phone/events?txn={}&scan={scan}", begun.txn))
            .header(http::header::COOKIE, &begun.cookie)
            .body(axum::body::Body::empty())
            .unwrap();
        let response = self.stand.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Page(Box::pin(response.into_body().into_data_stream()))
    }

    /// A request that is held until there is something to tell.
    async fn waits(&self, begun: &Begun, scan: bool, told: Option<&str>) -> Value {
        let words = json!({"txn": begun.txn, "scan": scan, "told": told});
        let answer = self.say("/login/phone/wait", &words, &begun.cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }
}

#[tokio::test]
async fn a_page_is_told_of_the_answer_and_of_nobody_elses() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let (begun, other) = (hospital.begin().await, hospital.begin().await);
        let number = hospital.number(&begun, DOCTOR).await;
        let mut page = hospital.opens_page(&begun, false).await;
        let mut beside = hospital.opens_page(&other, false).await;
        assert_eq!(page.next().await, json!({"state": "waiting"}));
        assert_eq!(beside.next().await, json!({"state": "waiting"}));
        let shown = hospital.opened(&phone).await;
        assert!(page.is_silent(), "nothing was said that it does not know");
        hospital.approves(&mut phone, &shown, Some(&number)).await;
        assert_eq!(page.next().await, json!({"state": "approved"}));
        assert!(beside.is_silent());
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_another_node_took_is_heard() {
    Hospital::on_both(async |hospital| {
        let begun = hospital.begin().await;
        let mut page = hospital.opens_page(&begun, true).await;
        assert_eq!(page.next().await["state"], "code");
        hospital.answers.hear(&hospital.stand.db).await.unwrap();
        let transaction = begun.txn.parse().unwrap();
        let asked = store::approval::of_transaction(&hospital.stand.db, transaction).await.unwrap().unwrap();
        assert!(store::approval::withdraw(&hospital.stand.db, asked.id).await.unwrap());
        // Told by its number, and by no clock.
        hospital.answers.hear(&hospital.stand.db).await.unwrap();
        let mut last = page.next().await;
        while last["state"] == "code" {
            last = page.next().await;
        }
        assert_eq!(last["code"], "PHONE-012", "{last}");
    })
    .await;
}

#[tokio::test]
async fn a_page_whose_stream_is_held_back_is_told_the_same_by_requests() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let first = hospital.waits(&begun, true, None).await;
        assert_eq!(first["state"], "code", "{first}");
        hospital.stand.clock.advance(chrono::TimeDelta::milliseconds(999));
        // It is held until the code is another.
        let (second, ()) = tokio::join!(hospital.waits(&begun, true, Some("code")), async {
            tokio::task::yield_now().await;
            hospital.stand.clock.advance(chrono::TimeDelta::milliseconds(1));
        });
        assert_ne!(scanned(&first["qr"]), scanned(&second["qr"]), "each second has its own");
        let shown = Shown::of(&hospital.opens(&phone, json!({"code": scanned(&second["qr"])})).await);
        assert_eq!(
            hospital.waits(&begun, true, Some("code")).await,
            json!({"state": "waiting"}),
            "scanned meanwhile"
        );
        let (told, answer) = tokio::join!(
            hospital.waits(&begun, true, Some("waiting")),
            hospital.approves(&mut phone, &shown, None)
        );
        assert_eq!((told, answer.json()), (json!({"state": "approved"}), json!({"state": "done"})));
        // What it has been told before is no matter where it is over.
        assert_eq!(hospital.waits(&begun, true, Some("waiting")).await, json!({"state": "approved"}));
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));

        let late = hospital.begin().await;
        let words = json!({"txn": late.txn, "scan": false, "told": null});
        let stranger = hospital.say("/login/phone/wait", &words, &begun.cookie).await;
        assert_eq!((stranger.status, super::code(&stranger)), (StatusCode::FORBIDDEN, "PHONE-020".into()));
    })
    .await;
}

#[tokio::test]
async fn an_end_by_the_clock_is_looked_up_before_it_is_told() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        assert_eq!(hospital.waits(&begun, false, None).await["state"], "waiting");
        let shown = hospital.opened(&phone).await;
        hospital.approves(&mut phone, &shown, Some(&number)).await;
        hospital.stand.clock.advance(chrono::TimeDelta::seconds(120));
        let said = hospital.waits(&begun, false, Some("waiting")).await;
        assert_eq!(said["code"], "PHONE-012", "answered, and too late to be fetched: {said}");
    })
    .await;
}

#[tokio::test]
async fn one_address_takes_its_share_of_the_places_and_whoever_finds_none_is_told() {
    Hospital::on_both(async |hospital| {
        let (begun, late) = (hospital.begin().await, hospital.begin().await);
        let mut page = hospital.opens_page(&begun, false).await;
        let mut flood = hospital.phones.fill(None);
        let words = json!({"txn": late.txn, "scan": true, "told": null});
        let refused = hospital.say("/login/phone/wait", &words, &late.cookie).await;
        assert_eq!(
            (refused.status, super::code(&refused)),
            (StatusCode::SERVICE_UNAVAILABLE, "PHONE-040".into())
        );
        assert_eq!(refused.headers["retry-after"], "15");
        assert!(hospital.stand.events().await.iter().all(|event| !event.contains("PHONE-040")), "no trail");
        assert_eq!(page.next().await["state"], "waiting", "nobody loses theirs");
        let of_others = hospital.phones.fill(Some([192, 0, 2, 1].into()));
        assert!(!of_others.is_empty(), "the rest is for others");
        flood.pop();
        assert_eq!(hospital.waits(&late, true, None).await["state"], "code", "a place came back");
        // A place is no condition for the rest.
        hospital.number(&late, DOCTOR).await;
    })
    .await;
}

#[tokio::test]
async fn one_sign_in_has_a_few_pages_and_no_more() {
    Hospital::on_both(async |hospital| {
        let begun = hospital.begin().await;
        let mut pages = Vec::new();
        for _ in 0..8 {
            pages.push(hospital.opens_page(&begun, false).await);
        }
        let words = json!({"txn": begun.txn, "scan": false, "told": null});
        assert_eq!(super::code(&hospital.say("/login/phone/wait", &words, &begun.cookie).await), "PHONE-040");
        let other = hospital.begin().await;
        assert_eq!(hospital.waits(&other, false, None).await["state"], "waiting", "others have their own");
        pages.pop();
        assert_eq!(hospital.waits(&begun, false, None).await["state"], "waiting", "a place came back");
    })
    .await;
}

#[tokio::test]
async fn a_page_hears_at_once_that_its_service_was_disabled() {
    Hospital::on_both(async |hospital| {
        let begun = hospital.begin().await;
        let mut page = hospital.opens_page(&begun, true).await;
        assert_eq!(page.next().await["state"], "code");
        let before = store::approval::last_move(&hospital.stand.db).await.unwrap();
        hospital.stand.disable_client("rp").await;
        let moves = store::approval::moves_since(&hospital.stand.db, before).await.unwrap();
        assert_eq!(moves.len(), 1, "every node hears of it");
    })
    .await;
}

#[tokio::test]
async fn a_phone_has_a_bounded_number_of_challenges_open_and_the_newest_are_good() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let mut shown = hospital.opened(&phone).await;
        let first = shown.clone();
        for _ in 0..20 {
            hospital.stand.clock.advance(chrono::TimeDelta::milliseconds(1));
            shown = hospital.opened(&phone).await;
        }
        let (now, db) = (hospital.stand.clock.now(), &hospital.stand.db);
        let is_open = async |shown: &Shown| {
            let hash = crate::crypto::digest::sha256(shown.handle.as_bytes());
            store::webauthn_ceremony::by_handle(db, hash, Purpose::Approve, now).await.unwrap().is_some()
        };
        assert_eq!((is_open(&first).await, is_open(&shown).await), (false, true));
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some(&number)).await.json(),
            json!({"state": "done"})
        );
    })
    .await;
}

#[tokio::test]
async fn two_numbers_asked_for_at_once_for_one_sign_in_are_no_fault() {
    Hospital::on_both(async |hospital| {
        let begun = hospital.begin().await;
        let asked = futures_util::future::join_all((0..6).map(|_| hospital.number(&begun, DOCTOR))).await;
        assert!(asked.iter().all(|number| number.len() == 6));
    })
    .await;
}
