//! Who tries to fill the audit trail, so that nobody finds in it what they did.

use super::*;
use crate::card::protocol::{
    Accepts, CHANNEL_OPENING_PATH, ChannelOpening, ENROL_PATH, TERMINAL_FINISH_PATH, TYP_CHANNEL_OPENING,
};

impl Hospital {
    async fn post_json(&self, path: &str, body: &serde_json::Value) -> Answer {
        let mut call = Call::get(path, &self.address.to_string());
        call.method = "POST".into();
        call.body = body.to_string().into_bytes();
        call.send(self.address).await
    }

    /// Outcome and note of the events of this kind, oldest first.
    async fn noted(&self, kind: Kind) -> Vec<(String, String)> {
        let filter = Filter { kind: Some(kind.name().into()), limit: 100, ..Filter::default() };
        let mut rows = store::audit::list(&self.db, &filter).await.unwrap();
        rows.sort_by_key(|row| row.id);
        rows.into_iter().map(|row| (row.code.unwrap_or_default(), row.detail)).collect()
    }
}

#[tokio::test]
async fn a_stranger_writes_nothing_into_the_audit_trail() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    // An answer that is signed, by a key that nobody knows, to a request that nobody made.
    let stranger = Arc::new(SigningKey::generate(crate::crypto::keys::Algorithm::Es256).unwrap());
    let forged = workstation.forge_signed_by(&stranger, &request, "good", |_| {});
    let before = hospital.noted(Kind::WorkstationEnrolled).await.len();
    for number in 0..20 {
        let junk = format!("a.{number}.c");
        for (path, body) in [
            (TERMINAL_FINISH_PATH, serde_json::json!({ "answer": junk, "secret": junk })),
            (TERMINAL_FINISH_PATH, serde_json::json!({ "answer": forged, "secret": junk })),
            (ENROL_PATH, serde_json::json!({ "jws": junk })),
            (ENROL_PATH, serde_json::json!({ "jws": forged })),
        ] {
            let answer = hospital.post_json(path, &body).await;
            assert!((400..500).contains(&answer.status), "{path} {answer:?}");
        }
        let mut alone = Browser::default();
        assert_eq!(alone.finish(&hospital, &junk).await.code(), Some("CARD-002"));
    }
    assert_eq!(hospital.noted(Kind::SignIn).await, []);
    assert_eq!(hospital.noted(Kind::WorkstationEnrolled).await.len(), before);
}

/// Somebody knows of a sign-in, and has not its cookie: some of it is recorded, since it may be a relay, and no flood.
#[tokio::test]
async fn what_names_a_sign_in_is_recorded_some_times_a_minute() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    for _ in 0..20 {
        assert_eq!(Browser::default().finish(&hospital, &answer).await.code(), Some("CARD-003"));
    }
    assert_eq!(hospital.refusals().await, ["CARD-003"; 5]);
    hospital.clock.advance(TimeDelta::minutes(1));
    assert_eq!(Browser::default().finish(&hospital, &answer).await.code(), Some("CARD-003"));
    let noted = hospital.noted(Kind::SignIn).await;
    assert!(noted.len() == 6 && noted[5].1.contains("and 15 more before"), "{noted:?}");
}

#[tokio::test]
async fn the_key_of_a_revoked_workstation_is_an_event_a_minute() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let id = workstation.enrolment.workstation;
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    assert!(store::workstation::revoke(&hospital.db, id, &event, hospital.clock.now()).await.unwrap());
    let open = async || {
        let opening = ChannelOpening {
            audience: hospital.front.clone(),
            workstation: id,
            agent: crate::card::protocol::AgentName::of_bytes(&[7; 16]),
            agent_version: AgentVersion::this(),
            accepts: Accepts::default(),
            issued_at: hospital.clock.now(),
        };
        let jws = jose::sign(&workstation.enrolment.key, TYP_CHANNEL_OPENING, &opening.to_payload()).unwrap();
        let answer = hospital.post_json(CHANNEL_OPENING_PATH, &serde_json::json!({ "jws": jws })).await;
        assert!(answer.body.contains("WS-032"), "{answer:?}");
    };
    for _ in 0..30 {
        open().await;
    }
    let once = hospital.noted(Kind::WorkstationRefused).await;
    let ours: Vec<_> = once.iter().filter(|(code, _)| code == "WS-032").collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    hospital.clock.advance(TimeDelta::minutes(1));
    open().await;
    let noted = hospital.noted(Kind::WorkstationRefused).await;
    let untold: Vec<_> = noted.iter().filter(|(_, detail)| detail.contains("more before")).collect();
    assert_eq!((noted.len(), untold.len()), (2, 1), "{noted:?}");
}

#[tokio::test]
async fn what_a_page_notices_again_and_again_is_one_event_a_minute() {
    let hospital = Hospital::open().await;
    let mut browser = Browser::default();
    let (id, _) = hospital.begin(&mut browser).await;
    let (host, front) = (hospital.address.to_string(), hospital.front.as_str());
    for _ in 0..30 {
        let call = Call::post("/card/noticed", &host, front, &[]).instead("content-type", "application/json");
        let body = format!("{{\"txn\":\"{id}\",\"code\":\"WEB-010\"}}").into_bytes();
        assert_eq!(browser.send(&hospital, Call { body, ..call }).await.status, 204);
    }
    assert_eq!(hospital.refusals().await, ["WEB-010"]);
}
