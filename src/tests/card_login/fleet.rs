//! A fleet that enrols by itself, what somebody can do who has its token, and a workstation that waits for approval.

use std::net::IpAddr;

use axum::Extension;
use axum::body::Body;
use tower::ServiceExt as _;

use super::*;
use crate::agent::fleet::{Kept, keep};
use crate::card::fleet::{self, Limits};
use crate::card::protocol::{
    ENROL_PATH, EnrolmentGrant, EnrolmentRequest, Invitation, RequestKeys, TYP_ENROLLED, TYP_ENROLMENT,
    WorkstationState,
};
use crate::crypto::keys::Algorithm;
use crate::ids::SiteTokenId;
use crate::web::proxy::ClientAddress;

impl Hospital {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            site: "Site principal".into(),
            zone: "soins".into(),
            places: 2,
            networks: Vec::new(),
            until: self.clock.now() + TimeDelta::days(30),
            good_for: None,
            needs_approval: false,
            machine_certificate: false,
            shared: false,
        }
    }

    pub(super) async fn token(&self, limits: &Limits) -> (SiteTokenId, String) {
        let event = self.trail.event(Kind::SiteTokenCreated).actor("test");
        let now = self.clock.now();
        let (id, code) =
            fleet::create(&self.db, &self.seal, limits, event, now, &SystemRandom).await.unwrap();
        (id, code.to_string())
    }

    /// The server's code where it refuses the host, and nothing where it takes it.
    pub(super) async fn try_enrol(&self, host: &str, code: &str) -> String {
        match enrol::enrol_as(host, &self.front, code, None, &self.clock).await {
            Ok(_) => String::new(),
            Err(AgentError::Refused { code, .. }) => code,
            Err(error) => panic!("{error}"),
        }
    }

    /// The request of a host, and its key.
    fn request(&self, host: &str, code: &str) -> (String, SigningKey) {
        let (invitation, key) =
            (Invitation::parse(code).unwrap(), SigningKey::generate(Algorithm::Es256).unwrap());
        let thumbprint = jose::base64url::decode(key.kid()).unwrap().try_into().unwrap();
        let request = EnrolmentRequest {
            audience: self.front.clone(),
            invitation: invitation.lookup(),
            key: key.public().clone(),
            host_name: host.into(),
            agent_version: AgentVersion::this(),
            secret_proof: invitation.prove(&self.front, &thumbprint),
            machine_proof: None,
            issued_at: self.clock.now(),
        };
        (jose::sign(&key, TYP_ENROLMENT, &request.to_payload()).unwrap(), key)
    }

    /// The server's code for a request that comes from `address`.
    pub(super) async fn post(&self, jws: &str, address: &str) -> String {
        let address: IpAddr = address.parse().unwrap();
        let router = login::routes(&self.login)
            .merge(login::channel_routes(&self.login))
            .layer(Extension(ClientAddress(address)));
        let body = Body::from(serde_json::json!({ "jws": jws }).to_string());
        let request = http::Request::post(ENROL_PATH).body(body).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        said["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) async fn hosts(&self) -> Vec<String> {
        let all = store::workstation::all(&self.db).await.unwrap();
        let mut hosts: Vec<_> = all.into_iter().map(|one| one.host_name).collect();
        hosts.sort_unstable();
        hosts
    }
}

#[tokio::test]
async fn a_fleet_enrols_within_its_count_and_a_known_host_as_often_as_it_likes() {
    let hospital = Hospital::open().await;
    let (id, code) = hospital.token(&hospital.limits()).await;
    assert_eq!(hospital.try_enrol("POSTE-1", &code).await, "");
    assert_eq!(hospital.try_enrol("poste-2", &code).await, "");
    assert_eq!(hospital.try_enrol("poste-3", &code).await, "WS-023", "every place is taken");
    for _ in 0..5 {
        hospital.clock.advance(TimeDelta::hours(12));
        assert_eq!(hospital.try_enrol("Poste-1", &code).await, "", "the same host, in other letters");
    }
    assert_eq!(hospital.hosts().await, ["poste-1", "poste-2"]);
    let known = store::workstation::all(&hospital.db).await.unwrap();
    assert!(known.iter().all(|one| one.zone == "soins" && one.site_token_id == Some(id)));
    let filter = Filter { kind: Some("workstation.enrolled".into()), limit: 20, ..Filter::default() };
    let events = store::audit::list(&hospital.db, &filter).await.unwrap();
    assert_eq!(events.len(), 8, "each of them, the refused one too");
    assert!(events.iter().all(|event| event.detail.contains(&id.to_string())), "{events:?}");
    let again = events.iter().filter(|event| event.detail.contains("its former key is forgotten"));
    assert_eq!(again.count(), 5, "{events:?}");
    // The request keys change; the token stays what it is.
    let event = hospital.trail.event(Kind::KeyRotated);
    let (db, seal, now) = (&hospital.db, &hospital.seal, hospital.clock.now());
    crate::keyring::rotate(db, seal, KeyPurpose::CardRequest, true, now, &SystemRandom, event).await.unwrap();
    hospital.clock.advance(TimeDelta::minutes(1));
    assert_eq!(hospital.try_enrol("poste-2", &code).await, "");
}

#[tokio::test]
async fn more_hosts_at_once_than_there_are_places() {
    let hospital = Arc::new(Hospital::open().await);
    let (_, code) = hospital.token(&Limits { places: 1, ..hospital.limits() }).await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (hospital, code) = (Arc::clone(&hospital), code.clone());
            tokio::spawn(async move { hospital.try_enrol(&format!("poste-{n}"), &code).await })
        })
        .collect();
    let mut codes = Vec::new();
    for task in tasks {
        codes.push(task.await.unwrap());
    }
    codes.sort_unstable();
    assert_eq!(codes[0], "", "one gets the place");
    assert!(codes[1..].iter().all(|code| code == "WS-023"), "{codes:?}");
    assert_eq!(hospital.hosts().await.len(), 1);
}

#[tokio::test]
async fn a_token_that_is_over_or_used_from_elsewhere() {
    let hospital = Hospital::open().await;
    let (revoked, code) = hospital.token(&hospital.limits()).await;
    let event = NewRow::from(&hospital.trail.event(Kind::SiteTokenRevoked));
    let now = hospital.clock.now();
    store::site_token::revoke(&hospital.db, revoked, false, &event, now).await.unwrap();
    assert_eq!(hospital.try_enrol("poste-1", &code).await, "WS-020");

    let ward: Vec<_> = vec!["10.20.0.0/16".parse().unwrap()];
    let (_, code) = hospital.token(&Limits { networks: ward, ..hospital.limits() }).await;
    let post = async |address: &str| hospital.post(&hospital.request("poste-1", &code).0, address).await;
    assert_eq!(post("10.30.0.9").await, "WS-022", "another zone");
    assert_eq!(hospital.try_enrol("poste-1", &code).await, "WS-022", "an address that is not known");
    assert_eq!(post("10.20.4.9").await, "");

    let (_, code) = hospital.token(&hospital.limits()).await;
    hospital.clock.advance(TimeDelta::days(30));
    assert_eq!(hospital.try_enrol("poste-2", &code).await, "WS-021");
    let (other, mut wrong) = (Hospital::open().await, code.clone());
    assert_eq!(other.try_enrol("poste-2", &code).await, "WS-004", "another server's");
    // One character of the secret, somewhere in its middle.
    let place = wrong.len() - 8;
    let character = if &wrong[place..=place] == "A" { "B" } else { "A" };
    wrong.replace_range(place..=place, character);
    assert_eq!(hospital.try_enrol("poste-2", &wrong).await, "WS-004");
    assert_eq!(hospital.hosts().await, ["poste-1"]);
}

#[tokio::test]
async fn a_request_that_somebody_kept() {
    let hospital = Hospital::open().await;
    let (_, code) = hospital.token(&hospital.limits()).await;
    let (kept, _) = hospital.request("vdi-1", &code);
    assert_eq!(hospital.post(&kept, "10.1.1.1").await, "");
    assert_eq!(hospital.post(&kept, "10.1.1.1").await, "WS-025", "once more");
    hospital.clock.advance(TimeDelta::minutes(5));
    let (newer, _) = hospital.request("vdi-1", &code);
    assert_eq!(hospital.post(&newer, "10.1.1.1").await, "");
    assert_eq!(hospital.post(&kept, "10.1.1.1").await, "WS-025", "an old key does not come back");
    let (unused, _) = hospital.request("vdi-2", &code);
    // Dated ahead, it would bar its host name until then.
    hospital.clock.advance(TimeDelta::minutes(2));
    let (ahead, _) = hospital.request("vdi-1", &code);
    hospital.clock.advance(TimeDelta::minutes(-1) - TimeDelta::seconds(1));
    assert_eq!(hospital.post(&ahead, "10.1.1.1").await, "WS-009");
    hospital.clock.advance(TimeDelta::seconds(1));
    assert_eq!(hospital.post(&ahead, "10.1.1.1").await, "", "a minute is what clocks err");
    hospital.clock.advance(TimeDelta::minutes(1) + TimeDelta::seconds(1));
    let (newer, newer_key) = hospital.request("vdi-1", &code);
    assert_eq!(hospital.post(&newer, "10.1.1.1").await, "");
    hospital.clock.advance(TimeDelta::minutes(11));
    assert_eq!(hospital.post(&unused, "10.1.1.1").await, "WS-009");
    let known = store::workstation::all(&hospital.db).await.unwrap();
    assert_eq!((known.len(), known[0].kid.as_str()), (1, newer_key.kid()));
}

/// Somebody who has the token knows its secret, and still cannot pose as the server: the key is not in it.
#[tokio::test]
async fn a_box_between_that_has_the_token_cannot_answer_for_the_server() {
    let hospital = Hospital::open().await;
    let (_, code) = hospital.token(&hospital.limits()).await;
    let own = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    for as_token in [true, false] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = WebOrigin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (own, address) = (Arc::clone(&own), front.clone());
        let grant = move |body: String| {
            let (own, front) = (Arc::clone(&own), front.clone());
            async move {
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                let payload = jose::unverified_payload(body["jws"].as_str().unwrap()).unwrap();
                let request = EnrolmentRequest::from_payload(&payload).unwrap();
                let grant = EnrolmentGrant {
                    keys: RequestKeys {
                        issuer: front,
                        current: own.public().clone(),
                        next: own.public().clone(),
                        issued_at: now(),
                    },
                    display_name: "CHU d’Essai".into(),
                    return_path: "/card/return".into(),
                    cancel_path: "/card/cancel".into(),
                    workstation: "019aa000-0000-7000-8000-000000000001".parse().unwrap(),
                    workstation_key: request.key.kid().into(),
                    site: String::new(),
                    zone: String::new(),
                    state: WorkstationState::Active,
                    good_until: None,
                    signer: as_token.then(|| own.public().clone()),
                };
                let jws = jose::sign(&own, TYP_ENROLLED, &grant.to_payload()).unwrap();
                axum::Json(serde_json::json!({ "jws": jws }))
            }
        };
        let router = axum::Router::new().route(ENROL_PATH, axum::routing::post(grant));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let error = enrol::enrol(&address, &code, &hospital.clock).await.unwrap_err();
        assert_eq!(error.code(), "AGENT-045", "{error}");
    }
}

#[tokio::test]
async fn a_desktop_that_lost_its_key_goes_on_and_the_lost_key_is_worth_nothing() {
    let hospital = Hospital::open().await;
    let limits = Limits { good_for: Some(TimeDelta::hours(12)), ..hospital.limits() };
    let (_, code) = hospital.token(&limits).await;
    let before = Workstation::enrolled_by(&hospital, &code, Arc::new(PkiCard("good"))).await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = before.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200);

    // It boots, and has nothing of the day before.
    hospital.clock.advance(TimeDelta::hours(1));
    let after = Workstation::enrolled_by(&hospital, &code, Arc::new(PkiCard("good"))).await;
    assert_eq!(after.enrolment.workstation, before.enrolment.workstation, "its place is the same");
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = before.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.code(), Some("CARD-013"), "the lost key");
    let answer = after.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200);

    // Nobody renewed it.
    hospital.clock.advance(TimeDelta::hours(12));
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = after.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.code(), Some("CARD-030"));
}

#[tokio::test]
async fn a_computer_keeps_itself_enrolled_and_undoes_nothing() {
    let hospital = Hospital::open().await;
    let limits = Limits { good_for: Some(TimeDelta::hours(12)), ..hospital.limits() };
    let (_, code) = hospital.token(&limits).await;
    let dir = tempfile::tempdir().unwrap();
    let store = EnrolmentStore::open(&dir.path().join("agent")).unwrap();
    let turn = async || keep(&store, "vdi-7", &hospital.front, &code, None, &hospital.clock).await;
    assert!(matches!(turn().await.unwrap(), Kept::Enrolled(_)));
    let first = store.read().unwrap().remove(0);
    hospital.clock.advance(TimeDelta::hours(1));
    assert!(matches!(turn().await.unwrap(), Kept::Known(_)), "there is nothing to do");
    hospital.clock.advance(TimeDelta::hours(9));
    assert!(matches!(turn().await.unwrap(), Kept::Enrolled(_)), "its time is nearly over");
    let second = store.read().unwrap().remove(0);
    assert_eq!(second.workstation, first.workstation);
    assert_ne!(second.key.kid(), first.key.kid());
    // Another computer of that name, or a thief with the token: this one takes its place back, and both are on record.
    hospital.clock.advance(TimeDelta::minutes(1));
    assert_eq!(hospital.try_enrol("vdi-7", &code).await, "");
    hospital.clock.advance(TimeDelta::minutes(1));
    assert!(matches!(turn().await.unwrap(), Kept::Enrolled(_)));
    // What an administrator revoked stays revoked, whatever the token would allow.
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    let (id, now) = (first.workstation, hospital.clock.now());
    assert!(store::workstation::revoke(&hospital.db, id, &event, now).await.unwrap());
    hospital.clock.advance(TimeDelta::minutes(1));
    let AgentError::Refused { code, .. } = turn().await.unwrap_err() else { panic!("another error") };
    assert_eq!(code, "WS-024");
}

#[tokio::test]
async fn a_workstation_that_waits_says_so_and_sees_its_approval() {
    let hospital = Hospital::open().await;
    let code = hospital.invite(true).await;
    let workstation = Workstation::enrolled_by(&hospital, &code, Arc::new(PkiCard("good"))).await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let (host, origin) = (workstation.address.to_string(), hospital.front.as_str());
    let asked = Call::post("/", &host, origin, &[("request", &request)]).send(workstation.address).await;
    assert_eq!(asked.code(), Some("AGENT-050"), "before a PIN is typed");
    let again = asked.after("class=\"button primary\" href=\"");
    let still = Call::get(&again, &host).send(workstation.address).await;
    assert_eq!(still.code(), Some("AGENT-050"));

    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationApproved));
    let (id, now) = (workstation.enrolment.workstation, hospital.clock.now());
    let key = store::workstation::by_id(&hospital.db, id).await.unwrap().unwrap().kid;
    let approved = store::workstation::approve(&hospital.db, id, &key, &event, now).await.unwrap();
    assert_eq!(approved, store::workstation::Approval::Done);
    let again = still.after("class=\"button primary\" href=\"");
    let shown = Call::get(&again, &host).send(workstation.address).await;
    assert!(shown.body.contains("Claire DUPONT"), "{}", shown.body);
    let own = format!("http://{host}");
    let fields = [("token", shown.token()), ("pin", "1234".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = Call::post("/sign", &host, &own, &fields).send(workstation.address).await;
    let answer = sent.after("name=\"answer\" value=\"");
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200);

    // Nobody else learns how it stands.
    let stranger = Enrolment {
        key: Arc::new(SigningKey::generate(Algorithm::Es256).unwrap()),
        ..workstation.enrolment.clone()
    };
    let AgentError::Refused { code, .. } = enrol::standing(&stranger, &hospital.clock).await.unwrap_err()
    else {
        panic!("another error")
    };
    assert_eq!(code, "WS-002");
    let earlier = MockClock::at(now - TimeDelta::minutes(11));
    assert!(enrol::standing(&workstation.enrolment, &earlier).await.is_err(), "a message that was kept");
}

#[tokio::test]
async fn one_that_waits_and_is_revoked_is_told_so() {
    let hospital = Hospital::open().await;
    let code = hospital.invite(true).await;
    let workstation = Workstation::enrolled_by(&hospital, &code, Arc::new(PkiCard("good"))).await;
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    let (id, now) = (workstation.enrolment.workstation, hospital.clock.now());
    assert!(store::workstation::revoke(&hospital.db, id, &event, now).await.unwrap());
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let (host, origin) = (workstation.address.to_string(), hospital.front.as_str());
    let asked = Call::post("/", &host, origin, &[("request", &request)]).send(workstation.address).await;
    assert_eq!(asked.code(), Some("AGENT-051"));
}

#[tokio::test]
async fn an_agent_of_the_version_before_is_served() {
    let server = AgentVersion::parse("0.4.2").unwrap();
    let hospital = Hospital::with(|parts| parts.minimum_agent = Some(server.one_behind())).await;
    let workstation = Workstation::of(&hospital, "good").await;
    for (agent, served) in [("0.3.0", true), ("0.4.9", true), ("0.5.0", true), ("0.2.9", false)] {
        let mut browser = Browser::default();
        let (_, request) = hospital.begin(&mut browser).await;
        let version = AgentVersion::parse(agent).unwrap();
        let answer = workstation.forge(&request, "good", |answer| answer.agent_version = version);
        let finished = browser.finish(&hospital, &answer).await;
        assert_eq!(finished.status == 200, served, "{agent}: {finished:?}");
    }
}

/// What an administrator looked at is what they approve, whoever enrols under that name meanwhile.
#[tokio::test]
async fn an_approval_is_for_the_key_that_was_seen() {
    let hospital = Hospital::open().await;
    let (_, code) = hospital.token(&Limits { needs_approval: true, ..hospital.limits() }).await;
    let enrol = async || {
        hospital.clock.advance(TimeDelta::minutes(1));
        enrol::enrol_as("poste-1", &hospital.front, &code, None, &hospital.clock).await.unwrap().enrolment
    };
    let seen = enrol().await;
    let replaced = enrol().await;
    assert_eq!(seen.workstation, replaced.workstation, "the row is the same");
    let approve = async |key: &str| {
        let event = NewRow::from(&hospital.trail.event(Kind::WorkstationApproved));
        let (id, now) = (seen.workstation, hospital.clock.now());
        store::workstation::approve(&hospital.db, id, key, &event, now).await.unwrap()
    };
    assert_eq!(approve(&seen.key.kid()[..12]).await, store::workstation::Approval::OtherKey);
    let state = enrol::standing(&replaced, &hospital.clock).await.unwrap();
    assert_eq!(state, WorkstationState::Pending);
    assert_eq!(approve(&replaced.key.kid()[..12]).await, store::workstation::Approval::Done);
    assert_eq!(enrol::standing(&replaced, &hospital.clock).await.unwrap(), WorkstationState::Active);
}
