//! What ends at the workstation stands in the server's audit trail all the same.

use std::time::Duration;

use super::*;
use crate::agent::card::Remedy;
use crate::store::audit::Row;

/// A reader in which something is wrong.
struct FaultyCard(&'static str);

impl Cards for FaultyCard {
    fn look(&self) -> Result<ShownCard, CardFault> {
        Err(CardFault { code: self.0, remedy: Remedy::LookAgain, detail: "as the test wants".into() })
    }

    fn sign(&self, _: &ShownCard, _: &TypedPin, _: &Proof, _: bool) -> Result<Vec<u8>, CardFault> {
        unreachable!("nothing to sign with")
    }
}

impl Hospital {
    /// The first event with this code, as soon as it is there.
    async fn told(&self, code: &str) -> Row {
        let filter = Filter { code: Some(code.into()), limit: 1, ..Filter::default() };
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        let look = async {
            loop {
                looks.tick().await;
                if let Some(row) = store::audit::list(&self.db, &filter).await.unwrap().pop() {
                    return row;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), look).await.expect("the agent tells")
    }
}

#[tokio::test]
async fn a_fault_of_the_card_is_an_event_of_the_sign_in() {
    for code in ["READER-002", "READER-003", "READER-004", "READER-006", "READER-011"] {
        let hospital = Hospital::open().await;
        let workstation = Workstation::with(&hospital, Arc::new(FaultyCard(code))).await;
        let mut browser = Browser::default();
        let (id, request) = hospital.begin(&mut browser).await;
        let host = workstation.address.to_string();
        let call = Call::post("/", &host, hospital.front.as_str(), &[("request", &request)]);
        let page = call.send(workstation.address).await;
        assert!(page.body.contains(code), "{page:?}");

        let event = hospital.told(code).await;
        assert_eq!((event.kind.as_str(), event.outcome.as_str()), ("sign-in", "failure"));
        assert_eq!(event.client_id.as_deref(), Some(CLIENT));
        for part in [id.to_string(), workstation.enrolment.workstation.to_string(), "bureaux".to_owned()] {
            assert!(event.detail.contains(&part), "{part} in {}", event.detail);
        }
        // The sign-in is as good as before: the person puts the card in and goes on.
        assert_eq!(browser.status(&hospital, id).await["state"], "open");
    }
}

#[tokio::test]
async fn the_sign_in_page_tells_that_no_agent_answered_and_no_other_page_can() {
    let hospital = Hospital::open().await;
    let mut browser = Browser::default();
    let (id, _) = hospital.begin(&mut browser).await;
    let (host, front) = (hospital.address.to_string(), hospital.front.as_str());
    let call = |origin: &str, body: String| {
        let call =
            Call::post("/card/noticed", &host, origin, &[]).instead("content-type", "application/json");
        Call { body: body.into_bytes(), ..call }
    };
    let told = |code: &str| format!("{{\"txn\":\"{id}\",\"code\":\"{code}\"}}");
    assert_eq!(browser.send(&hospital, call(front, told("WEB-010"))).await.status, 204);
    assert_eq!(browser.send(&hospital, call("https://evil.example", told("WEB-010"))).await.status, 403);
    assert_eq!(
        browser.send(&hospital, call(front, told("CARD-003"))).await.status,
        422,
        "not for a page to say"
    );
    let mut stranger = Browser::default();
    assert_eq!(stranger.send(&hospital, call(front, told("WEB-011"))).await.status, 404);
    assert_eq!(hospital.refusals().await, ["WEB-010"]);
    assert_eq!(browser.status(&hospital, id).await["state"], "open");
    let event = hospital.told("WEB-010").await;
    assert!(event.detail.contains(&id.to_string()) && event.client_id.as_deref() == Some(CLIENT));
}

#[tokio::test]
async fn a_page_that_tries_to_use_the_agent_is_an_alert_and_not_a_flood() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let host = workstation.address.to_string();
    for _ in 0..20 {
        let call = Call::post("/", &host, "https://evil.example", &[("request", &request)]);
        assert_eq!(call.send(workstation.address).await.status, 403);
    }
    let event = hospital.told("AGENT-009").await;
    assert_eq!((event.kind.as_str(), event.outcome.as_str()), ("workstation.alert", "failure"));
    assert!(!event.detail.contains("evil.example"), "what a stranger wrote stays on the workstation");
    let alerts = Filter { kind: Some("workstation.alert".into()), limit: 100, ..Filter::default() };
    let alerts = store::audit::list(&hospital.db, &alerts).await.unwrap();
    assert!(alerts.len() <= 2, "one at once, the others together after a minute: {alerts:?}");
}
