//! Signing in at a desk, by a number and by a code that is scanned.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::code;
use crate::session::{Amr, Evidence};
use crate::tests::security_keys::Hospital;
use crate::tests::spec::stand::{DOCTOR, STRANGER, claims};

#[tokio::test]
async fn a_number_that_is_typed_on_the_phone_signs_in_at_the_desk() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        // Their RPPS number is what people know; the 8 before it is not.
        let number = hospital.number(&begun, &DOCTOR[1..]).await;
        assert_eq!(code(&hospital.finishes(&begun).await), "PHONE-012", "nobody has answered");
        let shown = hospital.opened(&phone).await;
        assert_eq!(
            (&shown.context()["digits"], &shown.context()["is_new_browser"]),
            (&json!(6), &json!(true))
        );
        assert!(!shown.context.contains(&number), "the number comes from the desk alone");
        let answer = hospital.approves(&mut phone, &shown, Some(&number)).await;
        assert_eq!(answer.json(), json!({"state": "done"}));
        assert_eq!(hospital.last_event().await, ("approval".into(), "success".into(), None));

        let finished = hospital.finishes(&begun).await;
        assert_eq!((finished.status, finished.json()), (StatusCode::OK, json!({"state": "done"})));
        let cookies = format!("{}; {}", finished.cookie(), begun.cookie);
        let back = hospital.stand.get(&format!("/login/{}", begun.txn), &[("cookie", &cookies)]).await;
        let tokens = hospital.stand.redeem(&back.parameter("code").expect("a code")).await;
        let claims = claims(&tokens.json()["id_token"]);
        assert_eq!(claims["preferred_username"], DOCTOR);
        assert_eq!((&claims["acr"], &claims["authMode"]), (&json!("eidas1"), &json!("MOBILE")));
        let id = claims["sid"].as_str().unwrap().parse().unwrap();
        let session = crate::store::session::by_id(&hospital.stand.db, id).await.unwrap().unwrap();
        assert_eq!(session.amr, [Amr::Swk, Amr::User, Amr::Mfa]);
        assert!(!session.evidence.is_phishing_resistant());
        assert!(matches!(session.evidence, Evidence::Phone { ref way, .. } if way == "number"));
        assert_eq!(code(&hospital.finishes(&begun).await), "PHONE-020", "once");
        let access_token = tokens.json()["access_token"].as_str().unwrap().to_owned();
        let told = hospital.stand.userinfo(&access_token).await.json();
        assert_eq!(told.get("Palier_Authentification"), None, "a level of cards: {told}");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_number_ends_the_attempt() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        let wrong = if number == "000000" { "000001" } else { "000000" };
        assert_eq!(code(&hospital.approves(&mut phone, &shown, Some(wrong)).await), "PHONE-014");
        assert_eq!(
            hospital.last_event().await,
            ("approval".into(), "denied".into(), Some("PHONE-014".into()))
        );
        assert_eq!(code(&hospital.approves(&mut phone, &shown, Some(&number)).await), "PHONE-012", "one try");
        assert_eq!(code(&hospital.finishes(&begun).await), "PHONE-012");
        // The page asks anew.
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some(&number)).await.json(),
            json!({"state": "done"})
        );
        assert_eq!(hospital.finishes(&begun).await.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn whoever_has_no_phone_and_whoever_is_nobody_get_a_number_too() {
    Hospital::on_both(async |hospital| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        for typed in [STRANGER, "899700000001", "nobody at all"] {
            assert_eq!(hospital.number(&begun, typed).await.len(), 6, "{typed}");
        }
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(listed["waiting"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_answer_comes_in_two_minutes_or_not_at_all() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.stand.clock.advance(TimeDelta::seconds(120));
        assert_eq!(code(&hospital.approves(&mut phone, &shown, Some(&number)).await), "PHONE-012");
        // An approval that nobody fetches in time is worth nothing either.
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.approves(&mut phone, &shown, Some(&number)).await;
        hospital.stand.clock.advance(TimeDelta::seconds(120));
        assert_eq!(code(&hospital.finishes(&begun).await), "PHONE-012");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_ends_the_attempt_and_not_me_keeps_strangers_away_for_a_day() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let begun = hospital.begin().await;
        hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        assert_eq!(hospital.denies(&phone, &shown, "refuse").await.json(), json!({"state": "done"}));
        assert_eq!(
            hospital.last_event().await,
            ("approval".into(), "denied".into(), Some("PHONE-018".into()))
        );
        assert_eq!(code(&hospital.finishes(&begun).await), "PHONE-012");

        hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        assert_eq!(hospital.denies(&phone, &shown, "not-me").await.json(), json!({"state": "done"}));
        // The page shows a number as before; nobody is asked.
        hospital.number(&begun, DOCTOR).await;
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(listed["waiting"], json!([]));
        hospital.stand.clock.advance(TimeDelta::hours(24));
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some(&number)).await.json(),
            json!({"state": "done"})
        );
    })
    .await;
}

#[tokio::test]
async fn the_passkey_of_a_phone_signs_in_on_the_phone_itself() {
    Hospital::on_both(async |hospital| {
        let mut phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let (_, answer) = hospital.sign_in(&mut phone.passkey).await;
        assert_eq!(answer.json(), json!({"state": "done"}));
    })
    .await;
}
