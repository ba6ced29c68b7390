//! The server of another hospital, that the same workstation is enrolled with: just what an agent sees of it.
//!
//! It is honest to its agents and can be as bad as a test wants towards everybody else.

use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use sceau::card::protocol::{
    CANCEL_PATH, CardQuestion, CardRequest, Challenge, ENROL_PATH, EnrolmentGrant, EnrolmentRequest,
    Invitation, Purpose, REQUEST_KEYS_PATH, REQUEST_LIFETIME, RETURN_PATH, RequestKeys, TYP_CARD_REQUEST,
    TYP_ENROLLED, TYP_REQUEST_KEYS, WebOrigin, WorkstationState,
};
use sceau::clock::{Clock as _, SystemClock};
use sceau::crypto::jose::{self, base64url};
use sceau::crypto::keys::{Algorithm, SigningKey};
use sceau::crypto::random::SystemRandom;
use sceau::ids::WorkstationId;
use serde::{Deserialize, Serialize};

use super::hospital::AGENT;

/// A running server. It ends with the test.
#[derive(Debug, Clone)]
pub struct OtherServer {
    origin: WebOrigin,
    key: Arc<SigningKey>,
    next: Arc<SigningKey>,
    answers: Arc<Mutex<Vec<String>>>,
    /// What its page sends to the agent.
    request: Arc<Mutex<String>>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    jws: String,
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
}

impl OtherServer {
    /// Starts it on any free port, and makes the code with which a workstation enrols.
    pub async fn open() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let key = || Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let server = Self {
            origin: WebOrigin::parse(&origin).unwrap(),
            key: key(),
            next: key(),
            answers: Arc::default(),
            request: Arc::default(),
        };
        let thumbprint = base64url::decode(server.key.kid()).unwrap().try_into().unwrap();
        let code = Invitation::new(thumbprint, &SystemRandom).to_code().to_string();
        let router = Router::new()
            .route("/", get(page))
            .route(ENROL_PATH, post(enrol))
            .route(REQUEST_KEYS_PATH, get(keys))
            .route(RETURN_PATH, post(answered))
            .route(CANCEL_PATH, get(async || Html("<h1>Cancelled</h1>")))
            .with_state(server.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        (server, code)
    }

    pub fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// What it has been answered so far.
    pub fn answers(&self) -> Vec<String> {
        self.answers.lock().unwrap().clone()
    }

    /// A request of its own.
    pub fn request(&self, purpose: Purpose) -> String {
        self.sign_request(&self.origin, purpose)
    }

    /// A request that says it is of `victim`, but signed here.
    pub fn request_in_the_name_of(&self, victim: &Self) -> String {
        self.sign_request(&victim.origin, Purpose::Browser)
    }

    /// What it signs for relying parties, should it use the same key for it.
    pub fn id_token(&self) -> String {
        jose::sign(&self.key, "JWT", &serde_json::json!({ "iss": self.origin, "aud": "sceau-agent" }))
            .unwrap()
    }

    fn sign_request(&self, issuer: &WebOrigin, purpose: Purpose) -> String {
        let now = SystemClock.now();
        let asks = purpose == Purpose::Ciba;
        let request = CardRequest {
            issuer: issuer.clone(),
            purpose,
            challenge: Challenge::new(&SystemRandom),
            nonce: [7; 32],
            issued_at: now,
            expires_at: now + REQUEST_LIFETIME,
            rp_name: "Autre service".to_owned(),
            rp_host: "autre.example".to_owned(),
            confirmation: None,
            // What the purpose asks for, so that nothing else is wrong with it.
            workstation: asks.then(|| WorkstationId::new(now, &SystemRandom)),
            question: asks.then_some(CardQuestion { card: [7; 32], digits: 2 }),
        };
        jose::sign(&self.key, TYP_CARD_REQUEST, &request.to_payload()).unwrap()
    }

    /// From now on, its page posts `request` to the agent as soon as it is opened.
    pub fn page_posts(&self, request: String) {
        *self.request.lock().unwrap() = request;
    }

    fn keys(&self) -> RequestKeys {
        RequestKeys {
            issuer: self.origin.clone(),
            current: self.key.public().clone(),
            next: self.next.public().clone(),
            issued_at: SystemClock.now(),
        }
    }
}

async fn page(State(server): State<OtherServer>) -> Html<String> {
    let request = server.request.lock().unwrap().clone();
    Html(format!(
        "<!doctype html><meta name=referrer content=origin><form method=post action='{AGENT}/'>\
         <input name=request value='{request}'></form><script>document.forms[0].submit()</script>"
    ))
}

async fn enrol(State(server): State<OtherServer>, Json(envelope): Json<Envelope>) -> Json<Envelope> {
    let asked = EnrolmentRequest::from_payload(&jose::unverified_payload(&envelope.jws).unwrap()).unwrap();
    let grant = EnrolmentGrant {
        keys: server.keys(),
        display_name: "Clinique voisine".to_owned(),
        return_path: RETURN_PATH.to_owned(),
        cancel_path: CANCEL_PATH.to_owned(),
        workstation: sceau::ids::uuid_v4(&SystemRandom).to_string().parse().unwrap(),
        workstation_key: asked.key.kid().to_owned(),
        site: "Site".to_owned(),
        zone: "zone".to_owned(),
        state: WorkstationState::Active,
        good_until: None,
        signer: None,
    };
    Json(Envelope { jws: jose::sign(&server.key, TYP_ENROLLED, &grant.to_payload()).unwrap() })
}

async fn keys(State(server): State<OtherServer>) -> Json<Envelope> {
    Json(Envelope { jws: jose::sign(&server.key, TYP_REQUEST_KEYS, &server.keys().to_payload()).unwrap() })
}

async fn answered(State(server): State<OtherServer>, Form(answer): Form<Answer>) -> Html<&'static str> {
    server.answers.lock().unwrap().push(answer.answer);
    Html("<h1>Answered</h1>")
}
