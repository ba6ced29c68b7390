//! §10.2: a client that is told that there is an answer.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::stand::{answer, approve, ask, asked, poll, refusal, told, with_phone};
use crate::oidc::ciba::ping::deliver_due;
use crate::store::approval::Answer as Said;
use crate::store::client::{DeliveryMode, Metadata, ProfileName};
use crate::tests::spec::stand::Stand;

const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";

type Received = Arc<Mutex<Vec<(Option<String>, Value)>>>;

/// A client that listens, and answers with `status`; where that is a redirect, to itself.
async fn receiver(status: StatusCode) -> (String, Received) {
    let received = Received::default();
    let listen = async move |State(received): State<Received>,
                             headers: HeaderMap,
                             Json(body): Json<Value>|
                -> Response {
        let bearer = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        received.lock().unwrap().push((bearer, body));
        (status, [("location", "/cb")]).into_response()
    };
    let routes = Router::new().route("/cb", post(listen)).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/cb", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, received)
}

fn pinged_at(address: &str) -> Metadata {
    Metadata {
        backchannel_token_delivery_mode: Some(DeliveryMode::Ping),
        backchannel_client_notification_endpoint: Some(address.to_owned()),
        ..super::stand::polls()
    }
}

async fn register(stand: &Stand, address: &str) {
    stand.change_rp("ask", ProfileName::Psc, pinged_at(address)).await;
}

#[tokio::test]
async fn it_is_told_once_when_somebody_has_answered() {
    with_phone(async |stand, _| {
        let (address, received) = receiver(StatusCode::NO_CONTENT).await;
        register(&stand, &address).await;
        for said in [None, Some(Said::Refuse)] {
            received.lock().unwrap().clear();
            let id = asked(&stand, "ask", &[("client_notification_token", TOKEN)]).await;
            assert_eq!(deliver_due(&stand.provider).await.unwrap(), 0, "nobody has answered");
            match &said {
                None => approve(&stand, "ask", &id).await,
                Some(no) => assert!(answer(&stand, "ask", &id, no.clone()).await),
            }
            assert_eq!(deliver_due(&stand.provider).await.unwrap(), 1);
            assert_eq!(deliver_due(&stand.provider).await.unwrap(), 0);
            let told_of = received.lock().unwrap().clone();
            assert_eq!(told_of, [(Some(format!("Bearer {TOKEN}")), json!({ "auth_req_id": id }))]);
            assert_eq!(*stand.events().await.last().unwrap(), "backchannel.notified");
            let looked = poll(&stand, "ask", &id).await;
            assert_eq!(looked.status, if said.is_none() { 200 } else { 400 }, "{}", looked.body);
        }
    })
    .await;
}

/// Also where nobody can answer any more; and not where the client has its tokens already.
#[tokio::test]
async fn it_is_told_of_the_end_of_a_question_and_not_of_what_it_has() {
    with_phone(async |stand, _| {
        let (address, received) = receiver(StatusCode::OK).await;
        register(&stand, &address).await;
        let fast = asked(&stand, "ask", &[("client_notification_token", TOKEN)]).await;
        approve(&stand, "ask", &fast).await;
        assert_eq!(poll(&stand, "ask", &fast).await.status, 200, "who is told may ask all the same");
        assert_eq!(deliver_due(&stand.provider).await.unwrap(), 0);
        let late = asked(&stand, "ask", &[("client_notification_token", TOKEN)]).await;
        stand.advance(120);
        assert_eq!(deliver_due(&stand.provider).await.unwrap(), 1);
        assert_eq!(received.lock().unwrap()[0].1["auth_req_id"], json!(late));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_hear_is_told_again_and_given_up() {
    with_phone(async |stand, _| {
        for status in
            [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TEMPORARY_REDIRECT, StatusCode::UNAUTHORIZED]
        {
            let (address, received) = receiver(status).await;
            register(&stand, &address).await;
            let id = asked(&stand, "ask", &[("client_notification_token", TOKEN)]).await;
            approve(&stand, "ask", &id).await;
            let mut attempts = 0;
            for seconds in [0, 1, 3, 10, 30, 60, 600] {
                stand.advance(seconds);
                attempts += deliver_due(&stand.provider).await.unwrap();
                assert_eq!(deliver_due(&stand.provider).await.unwrap(), 0, "not twice at once");
            }
            assert_eq!((attempts, received.lock().unwrap().len()), (6, 6), "and no redirect is followed");
            assert_eq!(*stand.events().await.last().unwrap(), "backchannel.notified CIBA-030");
        }
    })
    .await;
}

/// The address is a stranger's wish like every other.
#[tokio::test]
async fn an_address_behind_the_provider_is_not_called() {
    with_phone(async |stand, _| {
        for address in ["http://169.254.169.254/cb", "http://127.0.0.1:22/cb", "https://10.0.0.1/cb"] {
            register(&stand, address).await;
            let id = asked(&stand, "ask", &[("client_notification_token", TOKEN)]).await;
            approve(&stand, "ask", &id).await;
            for seconds in [0, 1, 3, 10, 30, 60] {
                stand.advance(seconds);
                assert_eq!(deliver_due(&stand.provider).await.unwrap(), 1, "{address}");
            }
            let events = stand.events().await;
            assert!(events.last().unwrap().starts_with("backchannel.notified OIDC-"), "{address} {events:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_token_to_be_recognised_by_nobody_is_asked() {
    with_phone(async |stand, phone| {
        register(&stand, "https://ask.example/cb").await;
        let long = "a".repeat(1025);
        for token in ["", "a b", "a\"b", "=", "é", &long] {
            let answer = ask(&stand, "ask", &[("client_notification_token", token)]).await;
            assert_eq!(told(&answer), refusal(400, "invalid_request"), "{token:?}");
        }
        assert!(phone.rung().await.is_empty());
        for token in ["a+/-._~b==", &long[1..]] {
            assert_eq!(ask(&stand, "ask", &[("client_notification_token", token)]).await.status, 200);
        }
    })
    .await;
}

/// What is told lies in the database sealed, and is gone once it was told.
#[tokio::test]
async fn the_database_holds_nothing_that_could_be_redeemed() {
    with_phone(async |stand, _| {
        let (address, _received) = receiver(StatusCode::NO_CONTENT).await;
        register(&stand, &address).await;
        let id = asked(&stand, "ask", &[("client_notification_token", TOKEN)]).await;
        approve(&stand, "ask", &id).await;
        let due = crate::store::ciba::take_due(
            &stand.db,
            10,
            chrono::TimeDelta::zero(),
            crate::clock::Clock::now(&stand.clock),
        );
        let due = due.await.unwrap();
        let kept = String::from_utf8_lossy(&due[0].notification).into_owned();
        assert!(!kept.contains(&id) && !kept.contains(TOKEN));
        // Nothing of it opens in another row.
        assert!(stand.seal.open("ciba_request/another", &due[0].notification).is_err());
    })
    .await;
}
