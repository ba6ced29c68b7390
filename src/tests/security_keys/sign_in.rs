//! Registering a key, and signing in with it.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::authenticator::SoftKey;
use super::{Hospital, code};
use crate::session::Amr;
use crate::tests::spec::stand::{DOCTOR, STRANGER, claims};

#[tokio::test]
async fn a_key_that_was_registered_signs_in_without_a_name_being_typed() {
    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        assert_eq!(hospital.last_event().await, ("means.issued".into(), "success".into(), None));

        let (begun, answer) = hospital.sign_in(&mut key).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"state": "done"})));
        let session = answer.cookie();
        assert!(session.starts_with("__Host-session="), "{session}");
        assert_eq!(hospital.last_event().await, ("sign-in".into(), "success".into(), None));

        // The service gets its code, and the token says what was proved, and no more.
        let cookies = format!("{session}; {}", begun.cookie);
        let back = hospital.stand.get(&format!("/login/{}", begun.txn), &[("cookie", &cookies)]).await;
        let tokens = hospital.stand.redeem(&back.parameter("code").expect("a code")).await;
        let claims = claims(&tokens.json()["id_token"]);
        assert_eq!(claims["preferred_username"], DOCTOR);
        assert_eq!((&claims["acr"], &claims["authMode"]), (&json!("eidas1"), &json!("FIDO")));
        let id = claims["sid"].as_str().unwrap().parse().unwrap();
        let session = crate::store::session::by_id(&hospital.stand.db, id).await.unwrap().unwrap();
        assert_eq!(session.amr, [Amr::Swk, Amr::User, Amr::Mfa]);
        assert!(session.evidence.is_phishing_resistant() && session.evidence.means().is_some());
        let access_token = tokens.json()["access_token"].as_str().unwrap().to_owned();
        let told = hospital.stand.userinfo(&access_token).await.json();
        assert_eq!(told.get("Palier_Authentification"), None, "a level of cards: {told}");
    })
    .await;
}

#[tokio::test]
async fn a_name_may_be_typed_and_tells_nothing_of_who_has_a_key() {
    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, Some(DOCTOR)).await;
        let answer = hospital.answer(&begun, &asked, &mut key).await;
        assert_eq!(answer.json(), json!({"state": "done"}));

        // Somebody without a key, somebody unknown, and something that is no identifier: a challenge for one key each, the
        // same one whenever it is asked for.
        let begun = hospital.begin().await;
        for typed in [STRANGER, "899700000001", "nobody at all"] {
            let ids = [
                hospital.challenge(&begun, Some(typed)).await["options"]["allowCredentials"].clone(),
                hospital.challenge(&begun, Some(typed)).await["options"]["allowCredentials"].clone(),
            ];
            assert_eq!(ids[0], ids[1], "{typed}");
            assert_eq!(ids[0].as_array().unwrap().len(), 1, "{typed}");
            let members: Vec<_> = ids[0][0].as_object().unwrap().keys().cloned().collect();
            let real = &asked["options"]["allowCredentials"][0];
            assert_eq!(members, real.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_is_used_again_only_by_whoever_signs_in_within_five_minutes() {
    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, None).await;
        hospital.stand.clock.advance(TimeDelta::minutes(5));
        let late = hospital.answer(&begun, &asked, &mut key).await;
        assert_eq!(code(&late), "KEY-002");
        let asked = hospital.challenge(&begun, None).await;
        assert_eq!(hospital.answer(&begun, &asked, &mut key).await.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        let begun = hospital.begin().await;
        let (first, second) =
            (hospital.challenge(&begun, None).await, hospital.challenge(&begun, None).await);
        assert_eq!(hospital.answer(&begun, &first, &mut key).await.json(), json!({"state": "done"}));
        // The sign-in is over; the other tab says so.
        assert_eq!(code(&hospital.answer(&begun, &second, &mut key).await), "KEY-020");
    })
    .await;
}

#[tokio::test]
async fn the_crates_own_authenticator_agrees() {
    use webauthn_authenticator_rs::WebauthnAuthenticator as _;
    use webauthn_authenticator_rs::softpasskey::SoftPasskey;

    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let front = url::Url::parse(super::FRONT).unwrap();
        let mut key = SoftPasskey::new(true);
        let asked = hospital.registration(&browser).await;
        let mut options = asked["options"].clone();
        // It keeps no names.
        options["authenticatorSelection"]["requireResidentKey"] = json!(false);
        let options = serde_json::from_value(json!({"publicKey": options})).unwrap();
        let made = key.do_registration(front.clone(), options).unwrap();
        let words = json!({"handle": asked["handle"], "label": "", "credential": made});
        let answer = hospital.say("/means/key", &words, &browser.cookie).await;
        assert_eq!(answer.json(), json!({"state": "done"}), "{}", answer.body);

        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, Some(DOCTOR)).await;
        let options = serde_json::from_value(json!({"publicKey": asked["options"]})).unwrap();
        let signed = key.do_authentication(front, options).unwrap();
        let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": signed});
        let answer = hospital.say("/login/key", &words, &begun.cookie).await;
        assert_eq!(answer.json(), json!({"state": "done"}), "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn a_key_resists_phishing_and_is_no_hardware_that_is_proven() {
    use crate::session::Level;

    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        let (_, answer) = hospital.sign_in(&mut key).await;
        let cookie = answer.cookie();
        let (_, value) = cookie.split_once('=').unwrap();
        let hash = crate::crypto::digest::sha256(value.as_bytes());
        let session = crate::store::session::by_cookie(&hospital.stand.db, hash).await.unwrap().unwrap();
        let met = [Level::Eidas1, Level::Eidas2, Level::Phr, Level::Phrh];
        assert_eq!(met.map(|level| level.is_met_by(&session)), [true, false, true, false]);
    })
    .await;
}
