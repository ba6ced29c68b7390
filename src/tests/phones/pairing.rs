//! Pairing a phone.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::{SoftPhone, code};
use crate::store;
use crate::tests::security_keys::Hospital;

#[tokio::test]
async fn a_phone_is_paired_by_its_code_and_the_digits_that_it_shows() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let phone = hospital.pair(&browser).await;
        assert_eq!(hospital.last_event().await, ("means.issued".into(), "success".into(), None));
        let kept = store::phone::by_id(&hospital.stand.db, phone.id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(kept.passkey.means.label, "Téléphone de service");
        let page = hospital.stand.get("/means", &[("cookie", &browser.cookie)]).await;
        assert!(page.body.contains("Téléphone de service"), "{}", page.body);
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!((&listed["waiting"], &listed["label"]), (&json!([]), &json!("Téléphone de service")));
    })
    .await;
}

#[tokio::test]
async fn a_code_is_taken_once_and_within_ninety_seconds() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let (_, secret) = hospital.code_of(&browser).await;
        assert_eq!(code(&hospital.takes("another").await), "PHONE-006");
        assert_eq!(hospital.takes(&secret).await.status, StatusCode::OK);
        assert_eq!(code(&hospital.takes(&secret).await), "PHONE-006", "twice");
        let (_, before) = hospital.code_of(&browser).await;
        let (_, secret) = hospital.code_of(&browser).await;
        assert_eq!(code(&hospital.takes(&before).await), "PHONE-006", "another took its place");
        hospital.stand.clock.advance(TimeDelta::seconds(90));
        assert_eq!(code(&hospital.takes(&secret).await), "PHONE-006", "too late");
    })
    .await;
}

#[tokio::test]
async fn whoever_photographs_the_code_has_other_digits_and_three_tries() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let (pairing, secret) = hospital.code_of(&browser).await;
        let taken = hospital.takes(&secret).await.json();
        let brought = hospital.brings(&mut SoftPhone::new(), &taken).await.json();
        let digits = brought["digits"].as_str().unwrap().to_owned();
        let wrong = if digits == "000000" { "000001" } else { "000000" };
        for expected in ["PHONE-007", "PHONE-007", "PHONE-008", "PHONE-006"] {
            assert_eq!(code(&hospital.confirms(&browser, &pairing, wrong).await), expected);
        }
        assert_eq!(code(&hospital.confirms(&browser, &pairing, &digits).await), "PHONE-006", "it is gone");
    })
    .await;
}

#[tokio::test]
async fn the_digits_are_typed_in_the_session_that_vouched() {
    Hospital::on_both(async |hospital| {
        let (browser, other) = (hospital.stand.sign_in().await, hospital.stand.sign_in().await);
        let (pairing, secret) = hospital.code_of(&browser).await;
        let taken = hospital.takes(&secret).await.json();
        let brought = hospital.brings(&mut SoftPhone::new(), &taken).await.json();
        let digits = brought["digits"].as_str().unwrap();
        assert_eq!(code(&hospital.confirms(&other, &pairing, digits).await), "PHONE-006");
        // With spaces, as the phone shows them.
        let spaced = format!("{} {}", &digits[..3], &digits[3..]);
        hospital.stand.clock.advance(TimeDelta::minutes(4));
        assert_eq!(hospital.confirms(&browser, &pairing, &spaced).await.json(), json!({"state": "done"}));
        assert_eq!(code(&hospital.confirms(&browser, &pairing, digits).await), "PHONE-006", "once");
    })
    .await;
}

#[tokio::test]
async fn a_phone_that_does_not_verify_its_person_or_lies_about_its_key_is_not_paired() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let attempt = async |phone: &mut SoftPhone, handle: Option<&str>| {
            let (_, secret) = hospital.code_of(&browser).await;
            let mut taken = hospital.takes(&secret).await.json();
            if let Some(handle) = handle {
                let proof = json!({"aud": phone.server, "handle": handle, "jwk": phone.jwk()});
                let words = json!({
                    "handle": taken["handle"], "credential": phone.passkey.create(&taken["options"]),
                    "installation": phone.signed("sceau-phone-pairing+jwt", &proof),
                });
                return hospital.say("/phone/pair/bring", &words, &phone.cookie).await;
            }
            let refused = hospital.brings(phone, &taken).await;
            // What was answered wrongly is no use a second time.
            taken["options"]["challenge"] = json!("AAAA");
            assert_eq!(code(&hospital.brings(&mut SoftPhone::new(), &taken).await), "PHONE-006");
            refused
        };
        let mut phone = SoftPhone::new();
        phone.passkey.user_verified = false;
        assert_eq!(code(&attempt(&mut phone, None).await), "PHONE-010");
        let mut phone = SoftPhone::new();
        phone.passkey.origin = "https://hopital-de-test.example".into();
        assert_eq!(code(&attempt(&mut phone, None).await), "PHONE-011");
        let mut phone = SoftPhone::new();
        phone.server = "https://other.example".into();
        assert_eq!(code(&attempt(&mut phone, None).await), "PHONE-001");
        assert_eq!(code(&attempt(&mut SoftPhone::new(), Some("another pairing")).await), "PHONE-015");
    })
    .await;
}

/// Three years by default, a year here: after it the phone answers nothing and is paired anew, by the same device, which the
/// browser would otherwise keep from it; in the last 90 days as well.
#[tokio::test]
async fn a_phone_has_its_time_and_is_paired_anew() {
    Hospital::on_both(async |hospital| {
        let phone = hospital.pair(&hospital.stand.sign_in().await).await;
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        let kept = store::phone::by_id(&hospital.stand.db, phone.id.parse().unwrap()).await.unwrap().unwrap();
        let until = kept.passkey.means.expires_at;
        assert_eq!(until - kept.passkey.means.issued_at, TimeDelta::days(365));
        assert_eq!(listed["expires_at"], json!(until));
        let known = async || {
            let browser = hospital.stand.sign_in().await;
            let (_, secret) = hospital.code_of(&browser).await;
            let taken = hospital.takes(&secret).await.json();
            taken["options"]["excludeCredentials"].as_array().map_or(0, Vec::len)
        };
        assert_eq!(known().await, 1, "one device, one phone");
        hospital.stand.clock.advance(TimeDelta::days(276));
        assert_eq!(known().await, 0, "but for the last 90 days");
        assert_eq!(hospital.phone_asks(&phone, "/phone/list", json!({})).await.status, StatusCode::OK);

        // Its time is over in the middle of a question.
        hospital
            .stand
            .clock
            .advance(until - crate::clock::Clock::now(&hospital.stand.clock) - TimeDelta::seconds(30));
        let begun = hospital.begin().await;
        let number = hospital.number(&begun, crate::tests::spec::stand::DOCTOR).await;
        let mut late = phone.clone();
        let shown = hospital.opened(&late).await;
        hospital.stand.clock.advance(TimeDelta::seconds(30));
        assert_eq!(code(&hospital.approves(&mut late, &shown, Some(&number)).await), "PHONE-005");
        assert_eq!(code(&hospital.phone_asks(&phone, "/phone/list", json!({})).await), "PHONE-005");
        let anew = hospital.pair(&hospital.stand.sign_in().await).await;
        assert_eq!(hospital.phone_asks(&anew, "/phone/list", json!({})).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_phone_takes_no_place_of_a_security_key() {
    use crate::tests::security_keys::authenticator::SoftKey;
    use crate::webauthn::policy::KeyPolicy;

    let one = KeyPolicy { per_person: 1, ..KeyPolicy::default() };
    Hospital::on_both_with(one, async |hospital| {
        let browser = hospital.stand.sign_in().await;
        hospital.pair(&browser).await;
        hospital.register(&browser, &mut SoftKey::new()).await;
    })
    .await;
}
