//! A security key is issued at the desk: to the person whose document was seen, once, and worth what that justifies.

use http::StatusCode;
use serde_json::json;

use super::{Counter, answered, by_card, press, revoke};
use crate::audit::Kind;
use crate::session::Acr;
use crate::store;
use crate::store::means::{Evidence, Issuer, Kind as MeansKind};
use crate::store::role::Role;
use crate::tests::security_keys::authenticator::SoftKey;
use crate::tests::security_keys::code;
use crate::tests::spec::stand::{DOCTOR, STRANGER};
use crate::webauthn::policy::KeyPolicy;

/// A policy under which the document decides.
fn substantial() -> KeyPolicy {
    KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() }
}

#[tokio::test]
async fn a_key_is_issued_to_whoever_stands_there_and_signs_them_in() {
    Counter::on_both_with(substantial(), async |counter| {
        counter.check("passport").await;
        assert!(counter.see(&counter.path("")).await.body.contains("Remettre une clé de sécurité"));
        let mut key = SoftKey::new();
        let issued = counter.issue(&mut key).await;
        assert_eq!(issued.json(), json!({"state": "done"}));

        let doctor = counter.stand().person(DOCTOR).await;
        let all = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
        let means = all.iter().find(|means| means.kind == MeansKind::SecurityKey).unwrap();
        assert_eq!((means.issued_by, means.issuer_id), (Issuer::Desk, Some(doctor)));
        assert!(
            matches!(&means.evidence, Evidence::IdentityCheck { document, .. } if document == "passport")
        );
        let event = counter.event(Kind::MeansIssued).await;
        assert_eq!(event.person_id, Some(counter.colleague));
        assert!(event.detail.contains(&format!("desk: {doctor}")), "{}", event.detail);
        assert!(event.detail.contains("on passport") && event.detail.contains("eidas2"), "{}", event.detail);

        // It is the colleague's, and may add others at once: the desk is the exception to the first day.
        let (_, signed_in) = counter.hospital.sign_in(&mut key).await;
        let page = counter.stand().get("/means", &[("cookie", &signed_in.cookie())]).await;
        assert!(
            page.body.contains("KIT DOC0036624") && page.body.contains("Clé du guichet"),
            "{}",
            page.body
        );
        let more = counter.hospital.say("/means/key/options", &json!({}), &signed_in.cookie()).await;
        assert_eq!(more.status, StatusCode::OK, "{}", more.body);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_worth_no_more_than_the_document_that_was_shown() {
    let documents = [
        ("identity-card", Acr::Eidas2),
        ("passport", Acr::Eidas2),
        ("residence-permit", Acr::Eidas2),
        ("driving-licence", Acr::Eidas1),
        ("staff-card", Acr::Eidas1),
    ];
    Counter::on_both_with(substantial(), async |counter| {
        for (document, expected) in documents {
            counter.check(document).await;
            counter.issue(&mut SoftKey::new()).await;
            let all = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
            let wanted =
                |evidence: &Evidence| matches!(evidence, Evidence::IdentityCheck { document: d, .. } if d == document);
            let issued = all.iter().find(|means| wanted(&means.evidence)).unwrap();
            assert_eq!(issued.level, expected, "{document}");
        }
    })
    .await;
    // Nor more than the policy says of such keys.
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        counter.issue(&mut SoftKey::new()).await;
        let all = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
        assert_eq!(all.last().unwrap().level, Acr::Eidas1);
    })
    .await;
}

#[tokio::test]
async fn an_identity_check_issues_one_key() {
    Counter::on_both(async |counter| {
        assert_eq!(code(&counter.challenge().await), "DESK-008");
        counter.check("passport").await;
        let (first, second) = (counter.challenge().await.json(), counter.challenge().await.json());
        assert_eq!(counter.answer(&first, &mut SoftKey::new()).await.json(), json!({"state": "done"}));
        assert_eq!(code(&counter.answer(&second, &mut SoftKey::new()).await), "DESK-008");
        assert_eq!(code(&counter.challenge().await), "DESK-008");
        // Nor does a new check bring an old answer to life twice.
        counter.check("passport").await;
        assert_eq!(code(&counter.answer(&first, &mut SoftKey::new()).await), "KEY-002");
    })
    .await;
}

#[tokio::test]
async fn a_challenge_of_one_browser_and_purpose_is_answered_nowhere_else() {
    Counter::on_both(async |counter| {
        let (own, other) = (by_card(counter.stand(), STRANGER).await, by_card(counter.stand(), DOCTOR).await);
        // One of the desk, at the page of the colleague, of the desk person themself, and at another browser of the desk.
        counter.check("passport").await;
        let at_desk = counter.challenge().await.json();
        let words = answered(&at_desk, &mut SoftKey::new());
        assert_eq!(code(&counter.hospital.say("/means/key", &words, &own.cookie).await), "KEY-002");
        assert_eq!(code(&counter.hospital.say("/means/key", &words, &counter.desk.cookie).await), "KEY-002");
        press(counter.stand(), &counter.path("/check"), &other, "&document=passport").await;
        assert_eq!(
            code(&counter.hospital.say(&counter.path("/key"), &words, &other.cookie).await),
            "KEY-002"
        );
        // One of a person's own page, at the desk.
        for browser in [&own, &counter.desk] {
            let asked = counter.hospital.registration(browser).await;
            let words = answered(&asked, &mut SoftKey::new());
            let said = counter.hospital.say(&counter.path("/key"), &words, &counter.desk.cookie).await;
            assert_eq!(code(&said), "KEY-002");
        }
        // Nobody has used up what is right.
        let good = counter.answer(&at_desk, &mut SoftKey::new()).await;
        assert_eq!(good.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn a_role_that_is_taken_away_meanwhile_issues_nothing() {
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let asked = counter.challenge().await.json();
        revoke(counter.stand(), DOCTOR, Role::Desk).await;
        assert_eq!(code(&counter.answer(&asked, &mut SoftKey::new()).await), "DESK-001");
        let all = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
        assert!(all.is_empty(), "{all:?}");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_somebody_has_is_not_issued_again() {
    Counter::on_both(async |counter| {
        let mut key = SoftKey::new();
        counter.hospital.register(&counter.desk, &mut key).await;
        counter.check("passport").await;
        let mut same = SoftKey { id: key.id.clone(), ..SoftKey::new() };
        assert_eq!(code(&counter.issue(&mut same).await), "KEY-013");
        let mut silent = SoftKey { user_verified: false, ..SoftKey::new() };
        counter.check("passport").await;
        assert_eq!(code(&counter.issue(&mut silent).await), "KEY-006");
    })
    .await;
}

#[tokio::test]
async fn the_desk_issues_a_key_that_counts_after_a_badge_only() {
    let wanted = KeyPolicy { second_factor: true, second_factor_level: Acr::Eidas2, ..KeyPolicy::default() };
    Counter::on_both_with(wanted, async |counter| {
        counter.check("staff-card").await;
        let path = counter.path("/key");
        let say = async |path: &str, words| counter.hospital.say(path, &words, &counter.desk.cookie).await;
        let asked = say(&format!("{path}/options"), json!({"second_factor": true})).await.json();
        let mut key = SoftKey { user_verified: false, ..SoftKey::new() };
        let credential = key.create(&asked["options"]);
        let words = |second_factor: bool| {
            json!({
                "handle": asked["handle"], "label": "", "second_factor": second_factor,
                "credential": credential,
            })
        };
        assert_eq!(say(&path, words(true)).await.json(), json!({"state": "done"}));
        let all = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
        let means = all.iter().find(|means| means.kind == MeansKind::SecondFactor).unwrap();
        assert_eq!((means.issued_by, means.level), (Issuer::Desk, Acr::Eidas1), "no more than the document");
        let page = counter.see(&counter.path("")).await.body;
        assert!(page.contains("Clé de sécurité (second facteur seulement)"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn the_desk_renews_a_key_whose_time_is_over_and_makes_it_worth_no_more_than_the_document() {
    Counter::on_both_with(substantial(), async |counter| {
        counter.check("passport").await;
        let mut key = SoftKey::new();
        counter.issue(&mut key).await;
        let find = async || {
            let all = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
            all.into_iter().find(|means| means.kind == MeansKind::SecurityKey).unwrap()
        };
        let before = find().await;
        assert_eq!(before.level, Acr::Eidas2);
        let path = counter.path(&format!("/means/{}/renew", before.id));
        let say = async |path: &str, words, cookie: &str| counter.hospital.say(path, &words, cookie).await;
        let options = format!("{path}/options");
        counter.check("passport").await;
        assert_eq!(code(&say(&options, json!({}), &counter.desk.cookie).await), "MEANS-008", "good for long");

        counter.stand().clock.advance(chrono::TimeDelta::days(3 * 365 + 1));
        assert_eq!(code(&counter.hospital.sign_in(&mut key).await.1), "KEY-012");
        // Whoever is at the desk has signed in this morning.
        let desk = by_card(counter.stand(), DOCTOR).await;
        assert_eq!(code(&say(&options, json!({}), &desk.cookie).await), "DESK-008", "no check");
        let check = format!("csrf={}&document=staff-card", super::token(&desk));
        let headers = [("cookie", desk.cookie.as_str()), ("origin", crate::tests::security_keys::FRONT)];
        assert!(
            counter.stand().post(&counter.path("/check"), &check, &headers).await.status.is_redirection()
        );
        let asked = say(&options, json!({}), &desk.cookie).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        let asked = asked.json();
        let words = json!({"handle": asked["handle"], "credential": key.get(&asked["options"])});
        assert_eq!(say(&path, words, &desk.cookie).await.json(), json!({"state": "done"}));
        let after = find().await;
        assert_eq!((after.level, after.issued_by), (Acr::Eidas1, Issuer::Desk));
        assert!(
            matches!(&after.evidence, Evidence::IdentityCheck { document, .. } if document == "staff-card")
        );
        assert_eq!(counter.hospital.sign_in(&mut key).await.1.json()["state"], "done");
        let event = counter.event(Kind::MeansRenewed).await;
        assert!(
            event.detail.contains("eidas1") && event.person_id == Some(counter.colleague),
            "{}",
            event.detail
        );
    })
    .await;
}
