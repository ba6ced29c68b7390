//! `/card/finish`: where a card answer becomes a session, after every check of the agent protocol, section 8, in its
//! order.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::attempt::Attempt;
use super::login::{CardLogin, PURPOSE};
use super::protocol::{
    CardAnswer, CardRequest, Interface, PinEntry, ProtocolError, Purpose, TYP_CARD_ANSWER,
};
use super::refusal::Refusal;
use super::return_path::posted;
use super::verify::{Presented, VerifiedCard};
use crate::audit::Caller;
use crate::crypto::constant_time_eq;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::PersonId;
use crate::session::{Acr, Amr, AuthMode, Authentication, Evidence};
use crate::store;
use crate::store::login_transaction::{LoginTransaction, Proof};
use crate::store::workstation::{self, Workstation};
use crate::web::language::Language;
use crate::web::page::Frame;

/// The longest answer that is read.
pub(super) const MAX_ANSWER_LEN: usize = 32 * 1024;

/// `POST /card/finish`
pub(super) async fn answer(
    State(login): State<Arc<CardLogin>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut attempt = Attempt::new(&login, &headers, &caller, "card");
    let frame = login.parts.site.frame(language);
    match attempt.finish(&body, &frame).await {
        Ok(page) => page,
        Err(refusal) => attempt.refuse(&refusal, &frame).await,
    }
}

impl Attempt<'_> {
    async fn finish(&mut self, body: &[u8], frame: &Frame) -> Result<Response, Refusal> {
        self.login.own.check_origin(self.headers)?;
        let jws = posted(self.headers, body)?;
        let (answer, request) = read(&jws)?;
        let transaction = self.transaction_of(&request).await?;
        self.check_request(&transaction, &answer, &request)?;
        let workstation = self.workstation(&jws, &answer).await?;
        self.read_at(&workstation, &answer);
        let card = self.answered_by(&answer)?;
        let person = self.person(&transaction, &card).await?;
        let txn = request.challenge.to_text();
        let authentication = authentication(person, &answer, &card, self.login.now());
        let finish = self.finish_page(&transaction);
        let page = self.complete(&transaction, Proof::Request(&txn), authentication, finish, frame).await?;
        if let Err(error) = store::workstation::seen(
            &self.login.parts.db,
            &workstation,
            &answer.agent_version.to_string(),
            self.login.now(),
        )
        .await
        {
            // The person is signed in; that the list shows an older time harms nobody.
            tracing::warn!(code = error.code(), %error, "the workstation's last use was not noted");
        }
        // The card may have been out by the time the session began: the workstation says so now, not at its next turn.
        self.login.held.wake(workstation.id);
        self.login.waiting.wake(transaction.id);
        Ok(page)
    }

    /// The sign-in that the request was issued for, if this browser holds its cookie.
    async fn transaction_of(&mut self, request: &CardRequest) -> Result<LoginTransaction, Refusal> {
        let txn = request.challenge.to_text();
        let found = store::login_transaction::by_card_txn(&self.login.parts.db, &txn).await?;
        self.of_this_browser(found.ok_or(Refusal::UnknownRequest)?)
    }

    fn check_request(
        &self,
        transaction: &LoginTransaction,
        answer: &CardAnswer,
        request: &CardRequest,
    ) -> Result<(), Refusal> {
        self.check_open(transaction)?;
        if transaction.card_request_expires_at.is_none_or(|at| at <= self.login.now()) {
            return Err(Refusal::RequestExpired);
        }
        if request.purpose != PURPOSE {
            return Err(Refusal::Purpose);
        }
        let issued = transaction.card_request.as_deref().unwrap_or_default();
        if !constant_time_eq(issued.as_bytes(), answer.request.as_bytes()) {
            return Err(Refusal::RequestDiffers);
        }
        Ok(())
    }

    /// The workstation, if it is one of ours and the answer is its own, for us.
    async fn workstation(&mut self, jws: &str, answer: &CardAnswer) -> Result<Workstation, Refusal> {
        let workstation = self.login.answering(jws, answer).await?;
        let version = answer.agent_version.to_string();
        self.learn(|event| event.workstation(workstation.id).zone(&workstation.zone).reader("", &version));
        self.login.check_answer(answer)?;
        Ok(workstation)
    }

    /// Proof, signature, path, content, revocation: all in `card::verify`.
    fn answered_by(&mut self, answer: &CardAnswer) -> Result<VerifiedCard, Refusal> {
        self.presents(&answer.card_certificate);
        let card = self.login.judge(PURPOSE, answer)?;
        self.saw(&card);
        Ok(card)
    }
}

/// What an answer has to be wherever it arrives.
impl CardLogin {
    /// The workstation that signed the answer, if it is one of ours and may answer.
    pub(super) async fn answering(&self, jws: &str, answer: &CardAnswer) -> Result<Workstation, Refusal> {
        let found = store::workstation::by_id(&self.parts.db, answer.workstation).await?;
        let workstation = found.ok_or(Refusal::WorkstationUnknown)?;
        self.check_state(&workstation)?;
        let key = VerifyingKey::from_jwk(&workstation.public_jwk).ok();
        let expected =
            Expected { typ: Some(TYP_CARD_ANSWER), algorithms: &[Algorithm::Es256], max_len: MAX_ANSWER_LEN };
        jose::verify_payload(jws, expected, |kid| key.as_ref().filter(|key| Some(key.kid()) == kid))
            .map_err(Refusal::AnswerSignature)?;
        Ok(workstation)
    }

    /// That the workstation may answer now.
    pub(super) fn check_state(&self, workstation: &Workstation) -> Result<(), Refusal> {
        match workstation.state(self.now()) {
            workstation::State::Active => Ok(()),
            workstation::State::Pending => Err(Refusal::WorkstationPending),
            workstation::State::Expired => Err(Refusal::WorkstationExpired),
            workstation::State::Revoked => Err(Refusal::WorkstationRevoked),
        }
    }

    /// That the answer is for us, by an agent that is served, and that the PIN was typed.
    pub(super) fn check_answer(&self, answer: &CardAnswer) -> Result<(), Refusal> {
        self.check_agent(answer)?;
        if answer.pin == PinEntry::None || answer.interface != Interface::Contact {
            return Err(Refusal::WithoutPin);
        }
        Ok(())
    }

    /// That the answer is for us, by an agent that is served.
    pub(super) fn check_agent(&self, answer: &CardAnswer) -> Result<(), Refusal> {
        if answer.audience != self.parts.front {
            return Err(Refusal::Audience);
        }
        if let Some(minimum) = self.parts.minimum_agent
            && answer.agent_version < minimum
        {
            return Err(Refusal::AgentTooOld { found: answer.agent_version, minimum });
        }
        Ok(())
    }

    /// That nobody suspended or revoked the card in the registry of means.
    pub(super) async fn check_not_halted(&self, number: Option<&str>) -> Result<(), Refusal> {
        let Some(number) = number.filter(|number| !number.is_empty()) else { return Ok(()) };
        let found = store::means::by_reference(&self.parts.db, store::means::Kind::Card, number).await?;
        let halted = found.is_some_and(|card| card.revoked_at.is_some() || card.suspended_at.is_some());
        if halted { Err(Refusal::Halted) } else { Ok(()) }
    }

    /// The card, if its proof is for this purpose, server and request, and the card itself is good.
    pub(super) fn judge(&self, purpose: Purpose, answer: &CardAnswer) -> Result<VerifiedCard, Refusal> {
        let verifier = self.parts.verifier.as_ref().ok_or(Refusal::NoAuthorities)?;
        let presented = Presented {
            purpose,
            origin: self.parts.front.as_str(),
            request_jws: &answer.request,
            certificate_der: &answer.card_certificate,
            signature: &answer.card_signature,
        };
        Ok(verifier.verify(&presented, self.now())?)
    }
}

/// The answer and the request in it, before anything of either is verified: they name what they are verified with.
pub(super) fn read(jws: &str) -> Result<(CardAnswer, CardRequest), Refusal> {
    let payload = |jws: &str| {
        jose::unverified_payload(jws)
            .ok_or_else(|| Refusal::Malformed(ProtocolError::Malformed("not a JWS".to_owned())))
    };
    let answer = CardAnswer::from_payload(&payload(jws)?).map_err(Refusal::Malformed)?;
    let request = CardRequest::from_payload(&payload(&answer.request)?).map_err(Refusal::Malformed)?;
    Ok((answer, request))
}

/// What a card and its PIN prove.
pub(super) fn authentication(
    person: PersonId,
    answer: &CardAnswer,
    card: &VerifiedCard,
    now: crate::clock::Time,
) -> Authentication {
    let pin = match answer.pin {
        PinEntry::Pad => "pad",
        PinEntry::Window => "window",
        PinEntry::Page => "page",
        PinEntry::None => "none",
    };
    let interface = match answer.interface {
        Interface::Contact => "contact",
        Interface::Contactless => "contactless",
    };
    Authentication {
        person,
        acr: Acr::Eidas3,
        amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
        auth_mode: AuthMode::Card,
        at: now,
        evidence: Evidence::Card {
            card_number: card.certificate.card_number.clone().unwrap_or_default(),
            certificate_sha256: hex::encode(card.fingerprint),
            serial: hex::encode(&card.certificate.serial),
            issuer: Some(hex::encode(card.issuer)),
            workstation: answer.workstation,
            pin: pin.to_owned(),
            interface: interface.to_owned(),
        },
    }
}
