//! Which sessions answer a request without asking the person.

use chrono::TimeDelta;

use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::ids::SessionId;
use crate::session::EndReason;
use crate::store;
use crate::store::client::{Audience, NewClient};
use crate::tests::spec::stand::{STRANGER, Stand, new_client};

#[tokio::test]
async fn one_session_serves_every_relying_party() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    stand.code(&[], &browser).await;
    let other = [("client_id", "other"), ("redirect_uri", "https://other.example/cb"), ("prompt", "none")];
    stand.code(&other, &browser).await;
}

#[tokio::test]
async fn a_session_that_is_over_answers_nothing() {
    let stand = Stand::new().await;
    let none = [("prompt", "none")];
    let refused = async |cookie: &str| {
        let answer = stand.authorize(&none, cookie).await;
        assert_eq!(answer.parameter("error").unwrap(), "login_required");
    };
    refused("").await;
    refused("__Host-session=guess").await;
    let idle = stand.sign_in().await;
    stand.advance(30 * 60);
    refused(&idle.cookie).await;
    let old = stand.sign_in().await;
    for _ in 0..15 {
        stand.advance(16 * 60 - 1);
        stand.code(&none, &old).await;
    }
    stand.advance(60);
    refused(&old.cookie).await;
    let ended = stand.sign_in().await;
    let end = async |session: SessionId| {
        let random = crate::crypto::random::SystemRandom;
        let event = stand.event(Kind::SessionEnded);
        store::session::end(&stand.db, session, EndReason::SignedOut, &event, stand.clock.now(), &random)
            .await
            .unwrap();
    };
    end(ended.session).await;
    refused(&ended.cookie).await;
}

#[tokio::test]
async fn prompt_login_and_max_age_ask_again() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    stand.advance(100);
    let answer = stand.authorize(&[("prompt", "login")], &browser.cookie).await;
    assert!(answer.location().starts_with("/login/"));
    let answer = stand.authorize(&[("prompt", "select_account")], &browser.cookie).await;
    assert!(answer.location().starts_with("/login/"));
    let answer = stand.authorize(&[("max_age", "99")], &browser.cookie).await;
    assert!(answer.location().starts_with("/login/"));
    let answer = stand.authorize(&[("max_age", "0")], &browser.cookie).await;
    assert!(answer.location().starts_with("/login/"));
    let answer = stand.authorize(&[("max_age", "99"), ("prompt", "none")], &browser.cookie).await;
    assert_eq!(answer.parameter("error").unwrap(), "login_required");
    stand.code(&[("max_age", "100")], &browser).await;
}

#[tokio::test]
async fn known_is_not_admitted_unless_the_client_welcomes_everybody() {
    let stand = Stand::new().await;
    let open = NewClient { audience: Audience::AnyProfessional, ..new_client("open") };
    stand.add_client(&open).await;
    let stranger = stand.sign_in_as(STRANGER).await;
    let answer = stand.authorize(&[], &stranger.cookie).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(answer.body.contains("PERSON-002") && !answer.headers.contains_key("location"));
    assert_eq!(stand.events().await.last().unwrap(), "authorization.refused PERSON-002");
    let silent = stand.authorize(&[("prompt", "none")], &stranger.cookie).await;
    assert_eq!(silent.parameter("error").unwrap(), "access_denied", "no page where none can be shown");
}

#[tokio::test]
async fn a_disabled_client_gets_nothing_and_a_removed_one_neither() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let event = stand.event(Kind::ClientRemoved);
    assert!(store::client::remove(&stand.db, "rp", &event).await.unwrap());
    let answer = stand.authorize(&[], &browser.cookie).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("OIDC-001"));
}

#[tokio::test]
async fn the_use_of_a_session_is_in_the_audit_and_keeps_it_alive() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    stand.clock.advance(TimeDelta::minutes(20));
    stand.code(&[], &browser).await;
    assert_eq!(stand.events().await.last().unwrap(), "session.used");
    stand.clock.advance(TimeDelta::minutes(20));
    stand.code(&[], &browser).await;
}

#[tokio::test]
async fn a_session_of_somebody_else_than_the_hint_names_does_not_do() {
    let stand = Stand::new().await;
    let open = NewClient { audience: Audience::AnyProfessional, ..new_client("open") };
    stand.add_client(&open).await;
    let (doctor, stranger) = (stand.sign_in().await, stand.sign_in_as(STRANGER).await);
    let hint = stand.tokens(&doctor).await["id_token"].as_str().unwrap().to_owned();
    let asked = |hint| {
        let redirect_uri = ("redirect_uri", "https://open.example/cb");
        vec![("client_id", "open"), redirect_uri, ("prompt", "none"), ("id_token_hint", hint)]
    };
    assert!(stand.authorize(&asked(&hint), &doctor.cookie).await.parameter("code").is_some());
    let answer = stand.authorize(&asked(&hint), &stranger.cookie).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "{}", answer.body);
    let ignored = stand.authorize(&asked("nonsense"), &doctor.cookie).await;
    assert!(ignored.parameter("code").is_some());
}
