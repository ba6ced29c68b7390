//! Badge requests: which of them lets a card sign, and how an older server is met.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::agent::badge::Taps;
use crate::agent::presence::{CardWatch, Present};
use crate::card::protocol::{
    CHANNEL_MALFORMED, CHANNEL_OPENING_PATH, CHANNEL_PATH, Challenge, Purpose, TYP_CHANNEL_ANSWER,
};
use crate::ids::ChannelId;

/// A card on an antenna that says what it was asked to sign.
struct Tapped(mpsc::UnboundedSender<Purpose>, watch::Receiver<Present>);

impl Cards for Tapped {
    fn look(&self) -> Result<ShownCard, CardFault> {
        Err(TestCard::fault("READER-002", Remedy::LookAgain))
    }

    fn sign(&self, _: &ShownCard, _: &TypedPin, _: &Proof, _: bool) -> Result<Vec<u8>, CardFault> {
        panic!("no PIN is ever asked for")
    }

    fn look_on_antenna(&self) -> Result<ShownCard, CardFault> {
        Ok(ShownCard {
            handle: Arc::new(()),
            reader: "Antenne".into(),
            certificate: b"technical".to_vec(),
            holder: String::new(),
            tries_left: None,
            pin_digits: (0, 0),
            has_pad: false,
            interface: Interface::Contactless,
        })
    }

    fn sign_by_tap(&self, _: &ShownCard, proof: &Proof) -> Result<Vec<u8>, CardFault> {
        self.0.send(proof.purpose()).unwrap();
        Ok(Vec::new())
    }

    fn watch(&self) -> Option<CardWatch> {
        Some(CardWatch::of(self.1.clone()))
    }
}

impl Desk {
    fn enrolment(&self) -> Enrolment {
        EnrolmentStore::open(&self.state_dir()).unwrap().read().unwrap().remove(0)
    }

    /// The claims of a good badge request.
    fn badge(&self) -> Value {
        let mut claims = self.claims();
        claims["purpose"] = "badge".into();
        claims["workstation"] = json!(self.workstation);
        claims
    }
}

#[tokio::test]
async fn a_badge_request_counts_only_from_the_server_and_for_this_workstation() {
    let desk = Desk::with(PinSetting::Page).await;
    let (sender, mut signed) = mpsc::unbounded_channel();
    let (_reader, present) = watch::channel(Some(Vec::new()));
    let cards = Arc::new(Tapped(sender, present.clone()));
    let mut taps = Taps::new(cards, Arc::new(desk.clock.clone()), present);
    let enrolment = desk.enrolment();
    let with = |member: &str, value: Value| {
        let mut claims = desk.badge();
        claims[member] = value;
        desk.sign(&claims)
    };
    let elsewhere = WorkstationId(uuid::Uuid::nil());
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let forged = jose::sign(&stranger, TYP_CARD_REQUEST, &desk.badge()).unwrap();
    let late = (desk.clock.now() - TimeDelta::minutes(11)).timestamp();
    let mut old = desk.badge();
    (old["iat"], old["exp"]) = (late.into(), (late + 60).into());
    for (request, code) in [
        (with("workstation", json!(elsewhere)), "AGENT-059"),
        (with("iss", json!("https://other.example")), "AGENT-013"),
        (desk.request(), "AGENT-014"),
        (forged, "AGENT-010"),
        (desk.sign(&old), "AGENT-015"),
        ("x".to_owned(), "AGENT-010"),
    ] {
        let refused = taps.take(request, &enrolment).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    assert_eq!(taps.heard(), None);

    let claims = desk.badge();
    let request = desk.sign(&claims);
    taps.take(request.clone(), &enrolment).unwrap();
    assert_eq!(taps.heard(), Some(Challenge::parse(claims["txn"].as_str().unwrap()).unwrap()));
    // Sent again before the server knows that it has arrived.
    taps.take(request, &enrolment).unwrap();
    assert_eq!(signed.recv().await, Some(Purpose::Badge));
    assert!(signed.try_recv().is_err(), "once");
}

/// A server of the version before: it refuses a member that it does not know, as the protocol says.
struct Older {
    key: SigningKey,
    workstation: WorkstationId,
    origin: String,
    /// The claims of the messages that came.
    came: mpsc::UnboundedSender<Value>,
}

async fn older(State(server): State<Arc<Older>>, Json(body): Json<Value>) -> (http::StatusCode, Json<Value>) {
    let claims = Value::Object(jose::unverified_claims(body["jws"].as_str().unwrap()).unwrap());
    server.came.send(claims.clone()).unwrap();
    if claims.get("accepts").is_some() || claims.get("badge").is_some() {
        let refused = json!({ "code": CHANNEL_MALFORMED, "message": "unknown member" });
        return (http::StatusCode::BAD_REQUEST, Json(refused));
    }
    let answer = json!({
        "v": 1, "iss": server.origin, "aud": "sceau-agent", "workstation": server.workstation,
        "channel": ChannelId(uuid::Uuid::nil()), "number": claims["number"].as_u64().unwrap_or(0),
        "iat": claims["iat"],
    });
    let jws = jose::sign(&server.key, TYP_CHANNEL_ANSWER, &answer).unwrap();
    (http::StatusCode::OK, Json(json!({ "jws": jws })))
}

#[tokio::test]
async fn a_server_of_the_version_before_has_its_channel_all_the_same() {
    let desk = Desk::with(PinSetting::Page).await;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = WebOrigin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (came, mut messages) = mpsc::unbounded_channel();
    let enrolment = Enrolment {
        origin: origin.clone(),
        keys: RequestKeys { issuer: origin.clone(), ..desk.enrolment().keys },
        ..desk.enrolment()
    };
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = RequestKeys { current: key.public().clone(), ..enrolment.keys.clone() };
    let enrolment = Enrolment { keys, ..enrolment };
    let server = Older { key, workstation: desk.workstation, origin: origin.to_string(), came };
    let router = Router::new().route(CHANNEL_OPENING_PATH, post(older)).route(CHANNEL_PATH, post(older));
    let router = router.with_state(Arc::new(server));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let dir = tempfile::tempdir().unwrap();
    EnrolmentStore::open(&dir.path().join("state")).unwrap().add(&enrolment).unwrap();
    let (sender, _signed) = mpsc::unbounded_channel();
    let (_reader, present) = watch::channel(Some(Vec::new()));
    let options = AgentOptions {
        port: 0,
        state_dir: dir.path().join("state"),
        system_dir: dir.path().join("system"),
        switch: None,
        managed: ManagedSettings::default(),
        pin_entry: Some(PinSetting::Page),
        window: PinWindow::of_environment(None),
        patience: Duration::from_secs(5),
        cards: Arc::new(Tapped(sender, present)),
        clock: Arc::new(desk.clock.clone()),
        random: Arc::new(CountingRandom::default()),
    };
    let shutdown = CancellationToken::new();
    tokio::spawn(Bound::bind(options).await.unwrap().serve(shutdown.clone()));
    let mut next =
        async || tokio::time::timeout(Duration::from_secs(10), messages.recv()).await.unwrap().unwrap();
    assert_eq!(next().await["accepts"], json!(["badge", "ciba"]));
    assert!(next().await.get("accepts").is_none(), "asked again without what it does not know");
    let report = next().await;
    assert_eq!((report["number"].as_u64(), report.get("badge")), (Some(1), None));
    shutdown.cancel();
}
