//! Related origins (Web Authentication Level 3 §5.11): several hosts, one relying party, each host with a node of its own
//! over the same database.

use std::sync::Arc;

use http::{StatusCode, header};
use serde_json::json;
use url::Url;

use super::authenticator::SoftKey;
use super::{FRONT, Hospital, code, security_keys};
use crate::webauthn;
use crate::webauthn::ceremony::Ceremonies;
use crate::webauthn::related::{PATH, RelyingParty};

const CLINIC: &str = "http://id.clinique.localhost:8080";
/// Looks like it, or belongs to the group and is not in the list.
const ELSEWHERE: [&str; 8] = [
    "http://badid.clinique.localhost:8080",
    "http://id.badclinique.localhost:8080",
    "http://x.id.clinique.localhost:8080",
    "http://clinique.localhost:8080",
    "http://id.clinique.localhost:8081",
    "https://id.clinique.localhost:8080",
    "http://id.clinique.localhost.evil.example:8080",
    "http://id.autre.localhost:8080",
];

/// From now on the pages are those of the node at `front`.
fn turn_to(hospital: &mut Hospital, front: &str) {
    let url = |text: &str| Url::parse(text).unwrap();
    let party = RelyingParty::new(&url(front), &url(FRONT), &[url(CLINIC)]).unwrap();
    let ceremonies = Ceremonies::of(party, "Groupe").unwrap();
    let stand = &mut hospital.stand;
    let keys = security_keys(
        stand,
        &url(front),
        &ceremonies,
        &webauthn::policy::KeyPolicy::default().into(),
        &Arc::default(),
    );
    stand.router = crate::oidc::routes(&stand.provider).merge(webauthn::routes(&keys));
}

#[tokio::test]
async fn a_key_that_was_registered_at_one_host_signs_in_at_the_others_of_the_list() {
    Hospital::on_both(async |mut hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        turn_to(&mut hospital, CLINIC);
        let begun = hospital.begin().await;
        let words = json!({"txn": begun.txn});
        let asked = hospital.say_from(CLINIC, "/login/key/options", &words, &begun.cookie).await.json();
        assert_eq!(asked["options"]["rpId"], "localhost", "the relying party's, not the page's");
        key.origin = CLINIC.into();
        let credential = key.get(&asked["options"]);
        let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": credential});
        let answer = hospital.say_from(CLINIC, "/login/key", &words, &begun.cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(hospital.last_event().await.1, "success");
    })
    .await;
}

#[tokio::test]
async fn what_was_signed_beside_the_list_signs_nobody_in() {
    Hospital::on_both(async |mut hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        for node in [FRONT, CLINIC] {
            turn_to(&mut hospital, node);
            for origin in ELSEWHERE {
                let begun = hospital.begin().await;
                let words = json!({"txn": begun.txn});
                let asked = hospital.say_from(node, "/login/key/options", &words, &begun.cookie).await.json();
                let mut phished = SoftKey { origin: origin.into(), ..key.clone() };
                let credential = phished.get(&asked["options"]);
                let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": credential});
                let answer = hospital.say_from(node, "/login/key", &words, &begun.cookie).await;
                assert_eq!(code(&answer), "KEY-003", "{origin} at {node}");
                // Nor does its page post here at all.
                let answer = hospital.say_from(origin, "/login/key", &words, &begun.cookie).await;
                assert_eq!(code(&answer), "WEB-001", "{origin} at {node}");
                let browser = hospital.stand.sign_in().await;
                let asked =
                    hospital.say_from(node, "/means/key/options", &json!({}), &browser.cookie).await.json();
                let mut new = SoftKey { origin: origin.into(), ..SoftKey::new() };
                let credential = new.create(&asked["options"]);
                let words = json!({"handle": asked["handle"], "label": "", "credential": credential});
                let answer = hospital.say_from(node, "/means/key", &words, &browser.cookie).await;
                assert_eq!(code(&answer), "KEY-003", "{origin} at {node}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn browsers_get_the_list_of_the_relying_partys_own_host_and_only_where_there_is_one() {
    Hospital::on_both(async |mut hospital| {
        let status =
            async |hospital: &Hospital, host: &str| hospital.stand.get(PATH, &[("host", host)]).await.status;
        assert_eq!(status(&hospital, "localhost:8080").await, StatusCode::NOT_FOUND, "none is configured");
        turn_to(&mut hospital, FRONT);
        let list = hospital.stand.get(PATH, &[("host", "localhost:8080")]).await;
        assert_eq!(list.status, StatusCode::OK);
        assert_eq!(list.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(list.json(), json!({ "origins": [CLINIC] }));
        for host in ["id.clinique.localhost:8080", "x.localhost", "localhost.evil.example", ""] {
            assert_eq!(status(&hospital, host).await, StatusCode::NOT_FOUND, "{host}");
        }
        turn_to(&mut hospital, CLINIC);
        for host in ["id.clinique.localhost:8080", "localhost:8080"] {
            assert_eq!(status(&hospital, host).await, StatusCode::NOT_FOUND, "{host} at the clinic");
        }
    })
    .await;
}
