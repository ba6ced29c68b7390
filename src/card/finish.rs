//! `/card/finish`: where a card answer becomes a session, after every check of the agent protocol, section 8, in its
//! order.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, header};

use super::login::{CardLogin, PURPOSE};
use super::protocol::{
    CardAnswer, CardRequest, Interface, PinEntry, ProtocolError, Purpose, TYP_CARD_ANSWER,
};
use super::refusal::Refusal;
use super::return_path::posted;
use super::verify::{Presented, VerifiedCard};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::directory::{self, NationalId};
use crate::ids::{PersonId, Secret, SessionId};
use crate::session::{Acr, Amr, AuthMode, Authentication, EndReason, Evidence};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::login_transaction::{Completion, LoginTransaction, Replaced, State as Stage};
use crate::store::session::NewSession;
use crate::store::workstation::{self, Workstation};
use crate::web::cookies;
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::pages::card::{Finish, Outcome};

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
    let event = login.parts.trail.event(Kind::SignIn).caller(&caller).means("card", None);
    let mut attempt = Attempt { login: &login, headers: &headers, caller: &caller, event, transaction: None };
    let frame = login.parts.site.frame(language);
    match attempt.run(&body).await {
        Ok((transaction, cookie)) => {
            let page = Finish {
                transaction: transaction.id.to_string(),
                outcome: Outcome::Done,
                next: (login.parts.next)(transaction.id),
            };
            let mut response = page.render(&frame);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(refusal) => {
            let transaction = attempt.transaction.take();
            attempt.record(&refusal, transaction.as_ref()).await;
            let operation = caller.operation.map(|id| id.to_string()).unwrap_or_default();
            let page = ErrorPage::new(refusal.status(), refusal.code(), operation);
            let page = match &transaction {
                Some(transaction) => page.retry((login.parts.next)(transaction.id)),
                None => page,
            };
            page.render(&frame)
        }
    }
}

/// One answer on its way through the checks. The event learns what is known, so that a refusal says as much as it can.
struct Attempt<'a> {
    login: &'a CardLogin,
    headers: &'a HeaderMap,
    caller: &'a Caller,
    event: Event,
    /// The sign-in, once it is certain that this browser began it.
    transaction: Option<LoginTransaction>,
}

impl Attempt<'_> {
    async fn run(&mut self, body: &[u8]) -> Result<(LoginTransaction, http::HeaderValue), Refusal> {
        self.login.own.check_origin(self.headers)?;
        let jws = posted(self.headers, body)?;
        let (answer, request) = read(&jws)?;
        let transaction = self.transaction(&request).await?;
        self.check_transaction(&transaction, &answer, &request)?;
        let workstation = self.workstation(&jws, &answer).await?;
        let card = self.card(&answer)?;
        let person = self.person(&transaction, &card).await?;
        let cookie = self.begin_session(&transaction, &request, &answer, &card, person).await?;
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
        self.login.waiting.wake(transaction.id);
        Ok((transaction, cookie))
    }

    /// The sign-in that the request was issued for, if this browser holds its cookie.
    async fn transaction(&mut self, request: &CardRequest) -> Result<LoginTransaction, Refusal> {
        let txn = request.challenge.to_text();
        let found = store::login_transaction::by_card_txn(&self.login.parts.db, &txn).await?;
        let transaction = found.ok_or(Refusal::UnknownRequest)?;
        self.learn(|event| event.transaction(transaction.id).client(&transaction.client_id));
        let cookie = cookies::transaction(transaction.id).read(self.headers).ok_or(Refusal::OtherBrowser)?;
        if !constant_time_eq(&transaction.browser_hash, &sha256(cookie.expose().as_bytes())) {
            return Err(Refusal::OtherBrowser);
        }
        self.transaction = Some(transaction.clone());
        Ok(transaction)
    }

    fn check_transaction(
        &self,
        transaction: &LoginTransaction,
        answer: &CardAnswer,
        request: &CardRequest,
    ) -> Result<(), Refusal> {
        let now = self.login.now();
        if transaction.state != Stage::Open {
            return Err(Refusal::AlreadyEnded);
        }
        if transaction.expires_at <= now {
            return Err(Refusal::TransactionExpired);
        }
        if transaction.card_request_expires_at.is_none_or(|at| at <= now) {
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
    fn card(&mut self, answer: &CardAnswer) -> Result<VerifiedCard, Refusal> {
        let card = self.login.judge(PURPOSE, answer)?;
        let number = card.certificate.card_number.clone();
        self.learn(|event| event.means("card", number.as_deref()).id_nat(&card.certificate.id_nat));
        Ok(card)
    }

    /// The person, if admitted and active.
    async fn person(
        &mut self,
        transaction: &LoginTransaction,
        card: &VerifiedCard,
    ) -> Result<PersonId, Refusal> {
        let parts = &self.login.parts;
        let client = store::client::by_id(&parts.db, &transaction.client_id).await?;
        let client = client.filter(|client| client.disabled_at.is_none()).ok_or(Refusal::Client)?;
        let id_nat = NationalId::of_source(&card.certificate.id_nat).ok_or(directory::Refusal::Unknown)?;
        let now = self.login.now();
        let person =
            directory::sign_in(&parts.db, &parts.trail, &id_nat, client.audience, now, &*parts.random)
                .await??;
        self.learn(|event| event.person(person).application(&client.name));
        Ok(person)
    }

    /// Consumes the sign-in, begins the session and ends the one that this browser had, all or nothing. The new cookie
    /// is set in this response only.
    async fn begin_session(
        &mut self,
        transaction: &LoginTransaction,
        request: &CardRequest,
        answer: &CardAnswer,
        card: &VerifiedCard,
        person: PersonId,
    ) -> Result<http::HeaderValue, Refusal> {
        let parts = &self.login.parts;
        let (now, random) = (self.login.now(), &*parts.random);
        let cookie = Secret::of_256_bits(random);
        let authentication = authentication(person, answer, card, now);
        let new = NewSession {
            id: SessionId::new(now, random),
            cookie_hash: sha256(cookie.expose().as_bytes()),
            expires_at: now + parts.session.lifetime,
            authentication,
        };
        let factors: Vec<String> = ["sc", "pin", "hwk", "mfa"].map(str::to_owned).to_vec();
        self.learn(|event| event.session(new.id).level(Acr::Eidas3.as_str(), &factors));
        let replaced = match cookies::session().read(self.headers) {
            Some(old) => store::session::by_cookie(&parts.db, sha256(old.expose().as_bytes())).await?,
            None => None,
        };
        let replaced = replaced.filter(|session| session.ended_at.is_none()).map(|session| {
            let event = parts.trail.event(Kind::SessionEnded).person(session.person_id).session(session.id);
            let event =
                event.note(EndReason::Replaced.as_str()).transaction(transaction.id).caller(self.caller);
            Replaced { session: session.id, event: NewRow::from(&event) }
        });
        let completion = Completion {
            card_txn: &request.challenge.to_text(),
            session: &new,
            replaced: replaced.as_ref(),
            event: &NewRow::from(&self.event),
        };
        let done =
            store::login_transaction::complete(&parts.db, transaction.id, completion, now, random).await?;
        if !done {
            // Another answer to the same request was faster.
            return Err(Refusal::AlreadyEnded);
        }
        Ok(cookies::session().set(&cookie, None)?)
    }

    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// Writes the refusal to log and audit, and, in the browser that began the sign-in, to the sign-in, so that the
    /// waiting page can say it.
    async fn record(&self, refusal: &Refusal, transaction: Option<&LoginTransaction>) {
        let code = refusal.code();
        tracing::warn!(code, "a card sign-in was refused: {refusal}");
        let event = self.event.clone();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let db = &self.login.parts.db;
        if let Err(error) = store::audit::append(db, NewRow::from(&event)).await {
            tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
        }
        if let Some(transaction) = transaction {
            if let Err(error) = store::login_transaction::note_failure(db, transaction.id, code).await {
                tracing::error!(code = error.code(), %error, "the waiting page will not learn of the refusal");
            }
            self.login.waiting.wake(transaction.id);
        }
    }
}

/// What an answer has to be wherever it arrives.
impl CardLogin {
    /// The workstation that signed the answer, if it is one of ours and may answer.
    pub(super) async fn answering(&self, jws: &str, answer: &CardAnswer) -> Result<Workstation, Refusal> {
        let found = store::workstation::by_id(&self.parts.db, answer.workstation).await?;
        let workstation = found.ok_or(Refusal::WorkstationUnknown)?;
        match workstation.state(self.now()) {
            workstation::State::Active => {}
            workstation::State::Pending => return Err(Refusal::WorkstationPending),
            workstation::State::Expired => return Err(Refusal::WorkstationExpired),
            workstation::State::Revoked => return Err(Refusal::WorkstationRevoked),
        }
        let key = VerifyingKey::from_jwk(&workstation.public_jwk).ok();
        let expected =
            Expected { typ: Some(TYP_CARD_ANSWER), algorithms: &[Algorithm::Es256], max_len: MAX_ANSWER_LEN };
        jose::verify_payload(jws, expected, |kid| key.as_ref().filter(|key| Some(key.kid()) == kid))
            .map_err(Refusal::AnswerSignature)?;
        Ok(workstation)
    }

    /// That the answer is for us, by an agent that is served, and that the PIN was typed.
    pub(super) fn check_answer(&self, answer: &CardAnswer) -> Result<(), Refusal> {
        if answer.audience != self.parts.front {
            return Err(Refusal::Audience);
        }
        if let Some(minimum) = self.parts.minimum_agent
            && answer.agent_version < minimum
        {
            return Err(Refusal::AgentTooOld { found: answer.agent_version, minimum });
        }
        if answer.pin == PinEntry::None || answer.interface != Interface::Contact {
            return Err(Refusal::WithoutPin);
        }
        Ok(())
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
fn authentication(
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
            workstation: answer.workstation,
            pin: pin.to_owned(),
            interface: interface.to_owned(),
        },
    }
}
