//! How a workstation comes to be known, and what a box in between can do.

use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::*;
use crate::card::protocol::NoticeCode;
use crate::card::protocol::{
    EnrolmentGrant, EnrolmentRequest, Invitation, RequestKeys, TYP_ENROLLED, TYP_ENROLMENT,
};
use crate::crypto::keys::Algorithm;

async fn refused(hospital: &Hospital, code: &str) -> (String, String) {
    match enrol::enrol(&hospital.front, code, &hospital.clock).await {
        Err(error @ AgentError::Refused { .. }) => {
            let AgentError::Refused { code, .. } = &error else { unreachable!() };
            (error.code().to_owned(), code.clone())
        }
        Err(error) => (error.code().to_owned(), String::new()),
        Ok(enrolled) => panic!("enrolled: {enrolled:?}"),
    }
}

fn pair(agent: &str, server: &str) -> (String, String) {
    (agent.to_owned(), server.to_owned())
}

#[tokio::test]
async fn a_code_is_good_once_for_fifteen_minutes_at_one_server() {
    let (hospital, other) = (Hospital::open().await, Hospital::open().await);
    let code = hospital.invite(false).await;
    let enrolled = enrol::enrol(&hospital.front, &code, &hospital.clock).await.unwrap();
    assert_eq!((enrolled.site.as_str(), enrolled.zone.as_str()), ("Site principal", "bureaux"));
    assert_eq!(enrolled.enrolment.display_name, "CHU d’Essai");
    assert_eq!(refused(&hospital, &code).await, pair("AGENT-043", "WS-006"), "used");

    let code = hospital.invite(false).await;
    assert_eq!(refused(&other, &code).await, pair("AGENT-043", "WS-004"), "another server's");
    hospital.clock.advance(TimeDelta::minutes(15));
    assert_eq!(refused(&hospital, &code).await, pair("AGENT-043", "WS-005"), "too late");
    assert_eq!(refused(&hospital, "sceau1.abc").await.0, "AGENT-040");

    let known = store::workstation::all(&hospital.db).await.unwrap();
    assert_eq!(known.len(), 1);
    let filter = Filter { kind: Some("workstation.enrolled".into()), limit: 10, ..Filter::default() };
    let codes: Vec<_> =
        store::audit::list(&hospital.db, &filter).await.unwrap().into_iter().map(|row| row.code).collect();
    assert_eq!(codes.iter().flatten().count(), 2, "{codes:?}");
}

#[tokio::test]
async fn somebody_who_saw_the_request_but_not_the_code() {
    let hospital = Hospital::open().await;
    let code = hospital.invite(false).await;
    let invitation = Invitation::parse(&code).unwrap();
    let own_key = SigningKey::generate(Algorithm::Es256).unwrap();
    let send = async |request: &EnrolmentRequest, key: &SigningKey| {
        let jws = jose::sign(key, TYP_ENROLMENT, &request.to_payload()).unwrap();
        let mut call = Call::get("/agent/enrol", &hospital.address.to_string());
        call.method = "POST".into();
        call.body = serde_json::json!({ "jws": jws }).to_string().into_bytes();
        let answer = call.send(hospital.address).await;
        let refusal: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        refusal["code"].as_str().unwrap_or_default().to_owned()
    };
    let request = EnrolmentRequest {
        audience: hospital.front.clone(),
        invitation: invitation.lookup(),
        key: own_key.public().clone(),
        host_name: "poste-12".into(),
        agent_version: AgentVersion::this(),
        secret_proof: invitation.prove(&hospital.front, &[0; 32]),
        machine_proof: None,
        issued_at: hospital.clock.now(),
    };
    assert_eq!(send(&request, &own_key).await, "WS-007", "a proof for another key");
    let other_key = SigningKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(send(&request, &other_key).await, "WS-002", "a key that is not one's own");
    let elsewhere = EnrolmentRequest {
        audience: WebOrigin::parse("https://sceau.clinique.example").unwrap(),
        ..request.clone()
    };
    assert_eq!(send(&elsewhere, &own_key).await, "WS-003");
    let mut call = Call::get("/agent/enrol", &hospital.address.to_string());
    call.method = "POST".into();
    call.body = b"{}".to_vec();
    assert!(call.send(hospital.address).await.body.contains("WS-001"));
    assert!(store::workstation::all(&hospital.db).await.unwrap().is_empty());
}

/// A TLS inspection box: it sees every message in the clear and answers in the server's place with keys of its own.
#[tokio::test]
async fn a_box_between_workstation_and_server_cannot_put_its_own_keys_in() {
    let hospital = Hospital::open().await;
    let code = hospital.invite(false).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = WebOrigin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let own_key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let seen = Arc::new(Mutex::new(String::new()));
    type Box = (Arc<SigningKey>, WebOrigin, Arc<Mutex<String>>);
    async fn answer(State((key, front, seen)): State<Box>, body: String) -> axum::Json<serde_json::Value> {
        seen.lock().unwrap().push_str(&body);
        let jws =
            serde_json::from_str::<serde_json::Value>(&body).unwrap()["jws"].as_str().unwrap().to_owned();
        let request = EnrolmentRequest::from_payload(&jose::unverified_payload(&jws).unwrap()).unwrap();
        let grant = EnrolmentGrant {
            keys: RequestKeys {
                issuer: front,
                current: key.public().clone(),
                next: key.public().clone(),
                issued_at: now(),
            },
            display_name: "CHU d’Essai".into(),
            return_path: "/card/return".into(),
            cancel_path: "/card/cancel".into(),
            workstation: "019aa000-0000-7000-8000-000000000001".parse().unwrap(),
            workstation_key: request.key.kid().into(),
            site: String::new(),
            zone: String::new(),
            state: crate::card::protocol::WorkstationState::Active,
            good_until: None,
            signer: None,
        };
        let jws = jose::sign(&key, TYP_ENROLLED, &grant.to_payload()).unwrap();
        axum::Json(serde_json::json!({ "jws": jws }))
    }
    let router = Router::new().route("/agent/enrol", post(answer)).with_state((
        own_key,
        front.clone(),
        Arc::clone(&seen),
    ));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let error = enrol::enrol(&front, &code, &hospital.clock).await.unwrap_err();
    assert_eq!(error.code(), "AGENT-045", "{error}");
    assert!(!seen.lock().unwrap().contains(&code[8..40]), "the secret does not travel");
}

#[tokio::test]
async fn the_next_key_is_learnt_before_it_is_used() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    assert!(enrol::newer_keys(&workstation.enrolment).await.unwrap().is_none(), "nothing is newer yet");
    let rotate = async || {
        let event = hospital.trail.event(Kind::KeyRotated);
        let (db, seal, now) = (&hospital.db, &hospital.seal, hospital.clock.now());
        crate::keyring::rotate(db, seal, KeyPurpose::CardRequest, true, now, &SystemRandom, event)
            .await
            .unwrap()
    };
    hospital.clock.advance(TimeDelta::minutes(5));
    rotate().await;
    hospital.clock.advance(TimeDelta::seconds(10));
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200, "signed by what was the next key");

    // Once more: the key is one that the workstation has never seen. The agent asks, and believes the one it knows.
    hospital.clock.advance(TimeDelta::minutes(5));
    let known = enrol::newer_keys(&workstation.enrolment).await.unwrap().expect("newer keys");
    rotate().await;
    hospital.clock.advance(TimeDelta::seconds(10));
    let newest =
        enrol::newer_keys(&Enrolment { keys: known, ..workstation.enrolment.clone() }).await.unwrap();
    assert!(newest.is_some(), "signed by a key that was announced");
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let forgotten = RequestKeys {
        current: stranger.public().clone(),
        next: stranger.public().clone(),
        ..workstation.enrolment.keys.clone()
    };
    let lost = Enrolment { keys: forgotten, ..workstation.enrolment.clone() };
    assert_eq!(enrol::newer_keys(&lost).await.unwrap_err().code(), "AGENT-045", "signed by nobody it knows");
}

#[tokio::test]
async fn a_program_that_took_the_agents_port_is_reported() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = EnrolmentStore::open(&dir.path().join("agent")).unwrap();
    store.add(&workstation.enrolment).unwrap();
    let mut options = AgentOptions::of_environment(Arc::new(PkiCard("good")), ManagedSettings::default());
    options.port = holder.local_addr().unwrap().port();
    options.state_dir = store.dir().to_owned();
    options.clock = Arc::new(hospital.clock.clone());
    let Err(error) = Bound::bind(options.clone()).await else { panic!("bound") };
    assert_eq!(error.code(), "AGENT-030");
    crate::agent::report_port_held(&options).await;

    let alerts = async || {
        let filter = Filter { kind: Some("workstation.alert".into()), limit: 10, ..Filter::default() };
        let rows = store::audit::list(&hospital.db, &filter).await.unwrap();
        rows.into_iter().map(|row| (row.code.unwrap(), row.detail)).collect::<Vec<_>>()
    };
    let [(code, detail)] = &alerts().await[..] else { panic!("one alert") };
    assert_eq!(code, "AGENT-030");
    assert!(detail.contains(&workstation.enrolment.workstation.to_string()), "{detail}");

    // Nobody else can raise one: not with another key, not with an old notice, not for a revoked workstation.
    let stranger = Enrolment {
        key: Arc::new(SigningKey::generate(Algorithm::Es256).unwrap()),
        ..workstation.enrolment.clone()
    };
    let code = NoticeCode::port_held();
    let report = async |by: &Enrolment, clock: &MockClock| {
        enrol::report(by, &code, None, 1, clock).await.unwrap_err().code()
    };
    assert_eq!(report(&stranger, &hospital.clock).await, "AGENT-043");
    let earlier = MockClock::at(hospital.clock.now() - TimeDelta::minutes(11));
    assert_eq!(report(&workstation.enrolment, &earlier).await, "AGENT-043");
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    let (id, now) = (workstation.enrolment.workstation, hospital.clock.now());
    assert!(store::workstation::revoke(&hospital.db, id, &event, now).await.unwrap());
    assert_eq!(report(&workstation.enrolment, &hospital.clock).await, "AGENT-043");
    assert_eq!(alerts().await.len(), 1);
}
