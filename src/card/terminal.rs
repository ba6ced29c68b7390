//! `POST /agent/terminal` and `/agent/terminal/finish`: who is at a terminal, proved by card.
//!
//! A hospital gets from it that a command (`sceau-agent card login`) knows for certain who sits before it: for a
//! maintenance script, a break-glass procedure, a signature of an operation. What it gets is an identity and nothing else:
//! no session begins, no cookie, code or token leaves, so there is nothing that could sign anybody in elsewhere
//! (`docs/adr/0015`). The checks are those of section 8 of the agent protocol, but that in the place of the browser's
//! cookie stands the secret of the asking process.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DurationRound as _, TimeDelta};
use serde::Serialize;

use super::challenge::presentable;
use super::enrolment::{Envelope, unstored};
use super::finish::{MAX_ANSWER_LEN, read};
use super::login::CardLogin;
use super::protocol::{
    CLOCK_TOLERANCE, CardRequest, Challenge, ProtocolError, Purpose, REQUEST_LIFETIME, TYP_CARD_REQUEST,
    TYP_TERMINAL_BEGIN, TYP_TERMINAL_IDENTITY, TerminalBegin, TerminalFinish, TerminalIdentity,
};
use super::refusal::Refusal;
use super::standing::SignedByRefusal;
use crate::audit::{Caller, Event, Kind};
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, base64url};
use crate::directory::{self, NationalId};
use crate::ids::WorkstationId;
use crate::session::Acr;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::client::Audience;
use crate::store::terminal_login::{Begun, TerminalLogin};
use crate::store::workstation;

/// What an agent and the audit call the place where the person signs in.
const TERMINAL: &str = "Terminal";

/// `POST /agent/terminal`
pub(super) async fn begin(State(login): State<Arc<CardLogin>>, body: Bytes) -> Response {
    match login.begin_terminal(&body).await {
        Ok(jws) => unstored(Json(Envelope { jws }).into_response()),
        Err(refusal) => {
            tracing::warn!(code = refusal.code(), "a terminal got no card request: {refusal}");
            refused(&refusal)
        }
    }
}

/// `POST /agent/terminal/finish`
pub(super) async fn finish(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    let event = login.parts.trail.event(Kind::SignIn).caller(&caller).means("card", None);
    let mut attempt = Attempt { login: &login, event: event.application(TERMINAL), of: None };
    match attempt.run(&body).await {
        Ok(jws) => unstored(Json(Envelope { jws }).into_response()),
        Err(refusal) => {
            let code = refusal.code();
            tracing::warn!(code, "a card sign-in at a terminal was refused: {refusal}");
            // What answers no request of ours is a stranger's: it stands in the log alone.
            if let Some(of) = attempt.of {
                let event = attempt.event;
                let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
                login.repeats.record(&login.parts.db, of.0, code, 1, event, login.now()).await;
            }
            refused(&refusal)
        }
    }
}

#[derive(Serialize)]
struct Refused {
    code: &'static str,
    message: String,
}

fn refused(refusal: &Refusal) -> Response {
    let body = Refused { code: refusal.code(), message: refusal.to_string() };
    unstored((refusal.status(), Json(body)).into_response())
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(ProtocolError::Malformed(what.to_owned()))
}

impl CardLogin {
    /// A card request for a process of one of our workstations, bound to the process's secret.
    async fn begin_terminal(&self, body: &[u8]) -> Result<String, Refusal> {
        let Envelope { jws } = serde_json::from_slice(body).map_err(|_| malformed("not JSON with a JWS"))?;
        let payload = jose::unverified_payload(&jws).ok_or_else(|| malformed("not a JWS"))?;
        let asked = TerminalBegin::from_payload(&payload).map_err(Refusal::Malformed)?;
        let known = self.signed_by(asked.workstation, &jws, TYP_TERMINAL_BEGIN).await?;
        self.check_state(&known)?;
        if asked.audience != self.parts.front {
            return Err(Refusal::Audience);
        }
        let now = self.now();
        if (now - asked.issued_at).abs() > CLOCK_TOLERANCE {
            return Err(Refusal::Clock);
        }
        let issued_at = now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now);
        let mut nonce = [0; 32];
        self.parts.random.fill(&mut nonce);
        let request = CardRequest {
            issuer: self.parts.front.clone(),
            purpose: Purpose::Terminal,
            challenge: Challenge::new(&*self.parts.random),
            nonce,
            issued_at,
            expires_at: issued_at + REQUEST_LIFETIME,
            rp_name: TERMINAL.to_owned(),
            rp_host: presentable(&known.name, 260),
            confirmation: Some(asked.confirmation),
            workstation: None,
            question: None,
        };
        let keys = self.parts.keys.keys().await;
        let jws = jose::sign(keys.current(), TYP_CARD_REQUEST, &request.to_payload())?;
        let new = TerminalLogin {
            card_txn: request.challenge.to_text(),
            card_request: jws.clone(),
            workstation_id: known.id,
            expires_at: request.expires_at,
            consumed_at: None,
        };
        match store::terminal_login::begin(&self.parts.db, &new, asked.confirmation, now).await? {
            Begun::Done => Ok(jws),
            Begun::TooMany => Err(Refusal::TooManyOpen),
            Begun::UsedBefore => Err(Refusal::SecretUsed),
        }
    }
}

/// One answer on its way through the checks. The event learns what is known, so that a refusal says as much as it can.
struct Attempt<'a> {
    login: &'a CardLogin,
    event: Event,
    /// The workstation that asked for what is answered, once it is certain that this is an answer to it.
    of: Option<WorkstationId>,
}

impl Attempt<'_> {
    async fn run(&mut self, body: &[u8]) -> Result<String, Refusal> {
        if body.len() > MAX_ANSWER_LEN {
            return Err(malformed("too long"));
        }
        let TerminalFinish { answer: jws, secret } =
            serde_json::from_slice(body).map_err(|_| malformed("not JSON with an answer and a secret"))?;
        let (answer, request) = read(&jws)?;
        let parts = &self.login.parts;
        let (now, txn) = (self.login.now(), request.challenge.to_text());
        let found = store::terminal_login::by_card_txn(&parts.db, &txn).await?;
        let issued = found.ok_or(Refusal::UnknownRequest)?;
        // Byte for byte the one that was issued, so its claims are ours: the purpose, and whose it is.
        if !constant_time_eq(issued.card_request.as_bytes(), answer.request.as_bytes()) {
            return Err(Refusal::RequestDiffers);
        }
        self.of = Some(issued.workstation_id);
        if issued.consumed_at.is_some() {
            return Err(Refusal::AlreadyEnded);
        }
        if issued.expires_at <= now {
            return Err(Refusal::RequestExpired);
        }
        let confirmation = match (request.purpose, request.confirmation) {
            (Purpose::Terminal, Some(confirmation)) => confirmation,
            _ => return Err(Refusal::Purpose),
        };
        let secret = base64url::decode(&secret).filter(|secret| secret.len() == 32);
        if !secret.is_some_and(|secret| constant_time_eq(&sha256(&secret), &confirmation)) {
            return Err(Refusal::OtherProcess);
        }

        let workstation = self.login.answering(&jws, &answer).await?;
        let version = answer.agent_version.to_string();
        self.learn(|event| event.workstation(workstation.id).zone(&workstation.zone).reader("", &version));
        if workstation.id != issued.workstation_id {
            return Err(Refusal::OtherWorkstation);
        }
        self.login.check_answer(&answer)?;
        let card = self.login.judge(Purpose::Terminal, &answer)?;
        let certificate = &card.certificate;
        let number = certificate.card_number.as_deref();
        self.learn(|event| event.means("card", number).id_nat(&certificate.id_nat));
        let id_nat = NationalId::of_source(&certificate.id_nat).ok_or(directory::Refusal::Unknown)?;
        // The terminal is the establishment's own: who merely is known somewhere in the country is nobody here.
        let audience = Audience::Affiliated;
        let person =
            directory::sign_in(&parts.db, &parts.trail, &id_nat, audience, now, &*parts.random).await??;
        let amr: Vec<String> = ["sc", "pin", "hwk", "mfa"].map(str::to_owned).to_vec();
        self.learn(|event| event.person(person).level(Acr::Eidas3.as_str(), &amr));

        let identity = TerminalIdentity {
            issuer: parts.front.clone(),
            challenge: request.challenge,
            confirmation,
            id_nat: certificate.id_nat.clone(),
            family_name: certificate.family_name.as_deref().map(|name| presentable(name, 300)),
            given_name: certificate.given_name.as_deref().map(|name| presentable(name, 300)),
            acr: Acr::Eidas3.as_str().to_owned(),
            amr,
            auth_time: now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now),
        };
        let keys = parts.keys.keys().await;
        let said = jose::sign(keys.current(), TYP_TERMINAL_IDENTITY, &identity.to_payload())?;
        let event = NewRow::from(&self.event);
        if !store::terminal_login::complete(&parts.db, &txn, &event, now).await? {
            // Another answer to the same request was faster.
            return Err(Refusal::AlreadyEnded);
        }
        if let Err(error) = workstation::seen(&parts.db, &workstation, &version, now).await {
            // The identity is proved; that the list shows an older time harms nobody.
            tracing::warn!(code = error.code(), %error, "the workstation's last use was not noted");
        }
        Ok(said)
    }

    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }
}

impl From<SignedByRefusal> for Refusal {
    fn from(refusal: SignedByRefusal) -> Self {
        match refusal {
            SignedByRefusal::Unknown => Self::WorkstationUnknown,
            SignedByRefusal::Signature(error) => Self::AnswerSignature(error),
            SignedByRefusal::Store(error) => Self::Store(error),
        }
    }
}
