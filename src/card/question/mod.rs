//! Questions of other programs to whoever holds a card: the purpose `ciba` (agent protocol, section 15).
//!
//! A hospital gets from it that software without a browser, written for Pro Santé Connect, asks its user at the reader where
//! the card is: `channel=CARD`. The question travels over the channel that the workstation's agent keeps, only to
//! workstations that an administrator linked to the client by zone or network, and of those only to the one that has
//! reported a card of the very person: no other learns that anybody was asked. The number that the program shows is typed
//! and judged here before a PIN is asked for; then the card signs.
//!
//! The answer never resists phishing, whatever the card: whoever shows a number can be somebody else than the program of
//! this workstation.

mod reply;
mod take;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DurationRound as _, TimeDelta};
use http::StatusCode;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::challenge::presentable;
use super::enrolment::unstored;
use super::login::CardLogin;
use super::protocol::{
    CardQuestion as Asked, CardRequest, Challenge, ChannelReport, MAX_DIGITS, Purpose, REQUEST_LIFETIME,
    TYP_CARD_REQUEST,
};
use super::refusal::Refusal;
use super::verify::CardRefusal;
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, SignError};
use crate::ids::{ApprovalId, PersonId};
use crate::session::Acr;
use crate::session::asking::{Asks, Later, Workstations};
use crate::store::audit::NewRow;
use crate::store::card_question::{self, CardQuestion, Waiting};
use crate::store::workstation::Workstation;
use crate::store::{self, Db, StoreError};
use crate::web::answers::Awaited;
use crate::web::moves::{Moves as Listening, Waiting as Moves};
use take::Taken;

/// The means' name in the audit.
const MEANS: &str = "card";
/// For how long a node believes what it read of the questions that wait; one that is asked here is known at once.
const FRESH: Duration = Duration::from_secs(1);
/// How soon it is asked again whose a card is.
const ASKED_AGAIN: Duration = Duration::from_secs(60);
/// Cards that are remembered for it.
const MOST_STRANGERS: usize = 20_000;

/// Why an answer at a workstation does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuestionRefusal {
    /// It was answered, refused, taken back, or is over: perhaps at another workstation.
    #[error("nobody waits for an answer to this question any more")]
    NotWaiting,
    /// Another workstation answers than the one that it was sent to.
    #[error("another workstation answers than the one that was asked")]
    OtherWorkstation,
    /// An administrator does not let the client ask there, or not any more.
    #[error("the relying party may not ask at this workstation")]
    NotLinked,
    /// The number is not that of the program: there is one try.
    #[error("the number that was typed is not that of the program")]
    WrongNumber,
    /// The card answers before the number was typed.
    #[error("the card answers before the number was typed")]
    NoNumber,
    /// Somebody else's card answers.
    #[error("the card is that of another person")]
    OtherPerson,
    /// Another card answers than the one that was asked.
    #[error("the card is another one than the one that was asked")]
    OtherCard,
    /// The agent of the workstation understands no questions.
    #[error("the agent of the workstation in whose reader the card is understands no questions")]
    AgentTooOld,
}

impl QuestionRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotWaiting => "CARD-062",
            Self::OtherWorkstation => "CARD-063",
            Self::NotLinked => "CARD-064",
            Self::WrongNumber => "CARD-065",
            Self::NoNumber => "CARD-066",
            Self::OtherPerson => "CARD-067",
            Self::OtherCard => "CARD-068",
            Self::AgentTooOld => "CARD-069",
        }
    }
}

/// What this node knows of the questions that wait.
#[derive(Debug, Default)]
pub(super) struct Questions {
    known: Mutex<Option<(Instant, Arc<Vec<Waiting>>)>>,
    /// Something was asked since.
    stale: AtomicBool,
    /// The cards whose holder was asked for, and when.
    strangers: StdMutex<HashMap<[u8; 32], Instant>>,
    asked: Moves<()>,
}

impl Questions {
    /// Hears of questions that are asked from now on.
    pub(super) fn listen(&self) -> Listening<()> {
        self.asked.listen(())
    }

    /// The questions that wait. One look serves all workstations of this node for a second.
    async fn waiting(&self, db: &Db, now: Time) -> Result<Arc<Vec<Waiting>>, StoreError> {
        let mut known = self.known.lock().await;
        let stale = self.stale.swap(false, Ordering::AcqRel);
        if let Some((at, list)) = &*known
            && !stale
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(list));
        }
        let list = Arc::new(card_question::waiting(db, now).await?);
        *known = Some((Instant::now(), Arc::clone(&list)));
        Ok(list)
    }

    /// Whether it is time to ask whose a card is: a card of nobody is not asked about without end.
    fn may_ask_about(&self, card: [u8; 32]) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.retain(|_, at| at.elapsed() < ASKED_AGAIN);
        if strangers.len() >= MOST_STRANGERS || strangers.contains_key(&card) {
            return false;
        }
        strangers.insert(card, Instant::now());
        true
    }

    fn forget(&self) {
        self.stale.store(true, Ordering::Release);
    }
}

/// What the answer to a report says beside what it answers.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// A card request.
    pub(super) request: Option<String>,
    /// A card that nobody knows whose it is.
    pub(super) whose: Option<[u8; 32]>,
}

impl Word {
    pub(super) fn is_empty(&self) -> bool {
        self.request.is_none() && self.whose.is_none()
    }
}

/// The card as a place where people are asked.
#[derive(Debug)]
pub struct CardAsks {
    login: Arc<CardLogin>,
    level: Acr,
}

impl CardAsks {
    /// Over the channels of `login`'s workstations.
    #[must_use]
    pub fn new(login: Arc<CardLogin>) -> Self {
        let level = login.parts.asked_level;
        Self { login, level }
    }
}

impl Asks for CardAsks {
    fn wake(&self, _: ApprovalId, _: PersonId) -> Later<'_, ()> {
        let questions = &self.login.questions;
        questions.forget();
        questions.asked.wake(());
        Box::pin(std::future::ready(()))
    }

    fn answered(&self, approval: ApprovalId) -> Later<'_, ()> {
        let mut moves = self.login.parts.answers.listen(Awaited::Question(approval));
        Box::pin(async move { moves.moved().await })
    }

    fn level(&self) -> Option<Acr> {
        Some(self.level)
    }

    fn asks_for(&self, workstations: &Workstations) -> bool {
        !workstations.is_empty()
    }
}

/// `POST /agent/question/reply`: what the person says before the PIN.
pub(super) async fn reply(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    let mut taken = Taken::new(&login, &caller);
    let done = taken.reply(&body).await;
    taken.respond(done).await
}

/// `POST /agent/question`: what the card has signed.
pub(super) async fn answer(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    let mut taken = Taken::new(&login, &caller);
    let done = taken.answer(&body).await;
    taken.respond(done).await
}

fn done() -> Response {
    unstored(StatusCode::NO_CONTENT.into_response())
}

fn refused(refusal: &Refusal) -> Response {
    let body = serde_json::json!({ "code": refusal.code(), "message": refusal.to_string() });
    unstored((refusal.status(), Json(body)).into_response())
}

impl CardLogin {
    /// What the workstation is to be told of questions: one for a card that it has reported, or that nobody knows whose a card
    /// is, while somebody is asked who could be its holder.
    pub(super) async fn question_to_send(
        &self,
        workstation: &Workstation,
        report: &ChannelReport,
        address: Option<IpAddr>,
    ) -> Result<Word, ChannelFault> {
        if report.cards.is_empty() || self.parts.verifier.is_none() {
            return Ok(Word::default());
        }
        let (db, now) = (&self.parts.db, self.now());
        let waiting = self.questions.waiting(db, now).await?;
        let here: Vec<&Waiting> = waiting
            .iter()
            .filter(|one| one.expires_at > now && one.workstations.hold(&workstation.zone, address))
            .collect();
        if here.is_empty() {
            return Ok(Word::default());
        }
        let channels = store::channel::of(db, workstation.id).await?;
        let takes = channels.iter().any(|channel| channel.id == report.channel && channel.takes_questions);
        let mut unknown = Vec::new();
        for card in &report.cards {
            let certificate = hex::encode(card);
            let Some(holder) = card_question::holder(db, &certificate).await? else {
                unknown.push(*card);
                continue;
            };
            for one in here.iter().filter(|one| one.person_id == holder) {
                if !takes {
                    self.tell_too_old(one, workstation).await;
                    continue;
                }
                let sent = self.send(one, workstation, *card, &certificate).await?;
                let heard = report.question.map(Challenge::to_text);
                let is_heard = |sent: &CardQuestion| heard.as_ref() == Some(&sent.txn);
                match sent {
                    // One at a time: the next one once this is answered.
                    Some(sent) if is_heard(&sent) => return Ok(Word::default()),
                    Some(sent) => return Ok(Word { request: Some(sent.request), whose: None }),
                    None => {}
                }
            }
        }
        // A card of nobody's beside it hides none.
        let whose = unknown.into_iter().find(|card| takes && self.questions.may_ask_about(*card));
        Ok(Word { request: None, whose })
    }

    /// The question as it was sent to the workstation, or as it is from now on.
    async fn send(
        &self,
        one: &Waiting,
        workstation: &Workstation,
        card: [u8; 32],
        certificate: &str,
    ) -> Result<Option<CardQuestion>, ChannelFault> {
        let (db, now) = (&self.parts.db, self.now());
        if let Some(sent) = card_question::sent(db, one.approval_id, workstation.id, certificate).await? {
            let stands = store::approval::by_id(db, one.approval_id).await?;
            return Ok(stands.filter(|approval| approval.is_waiting(now)).map(|_| sent));
        }
        let issued_at = now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now);
        let mut nonce = [0; 32];
        self.parts.random.fill(&mut nonce);
        let request = CardRequest {
            issuer: self.parts.front.clone(),
            purpose: Purpose::Ciba,
            challenge: Challenge::new(&*self.parts.random),
            nonce,
            issued_at,
            expires_at: one.expires_at.min(issued_at + REQUEST_LIFETIME),
            rp_name: presentable(&one.context.application, 200),
            rp_host: self.parts.front.as_str().to_owned(),
            confirmation: None,
            workstation: Some(workstation.id),
            question: Some(Asked { card, digits: one.context.digits.clamp(1, MAX_DIGITS) }),
        };
        let keys = self.parts.keys.keys().await;
        let new = CardQuestion {
            txn: request.challenge.to_text(),
            approval_id: one.approval_id,
            workstation_id: workstation.id,
            certificate: certificate.to_owned(),
            request: jose::sign(keys.current(), TYP_CARD_REQUEST, &request.to_payload())?,
            typed_at: None,
        };
        let event = self.parts.trail.event(Kind::CardRequest).means(MEANS, None).person(one.person_id);
        let event =
            event.client(&one.client_id).workstation(workstation.id).zone(&workstation.zone).note("ciba");
        Ok(card_question::offer(db, &new, &NewRow::from(&event), now).await?)
    }

    /// Says, once of each question, that the workstation at which the person could answer runs an agent of the version before.
    async fn tell_too_old(&self, one: &Waiting, workstation: &Workstation) {
        let refusal = QuestionRefusal::AgentTooOld;
        tracing::warn!(code = refusal.code(), workstation = %workstation.id, "{refusal}");
        let event = self.parts.trail.event(Kind::Approval).means(MEANS, None).person(one.person_id);
        let event = event.client(&one.client_id).workstation(workstation.id).zone(&workstation.zone);
        let event = event.reader("", &workstation.agent_version).failure(refusal.code());
        let (db, whose) = (&self.parts.db, one.approval_id.0);
        self.repeats.record(db, whose, refusal.code(), 1, event, self.now()).await;
    }

    /// Learns whose a card is from the certificate that the workstation sends with its report of that card. What is no card of
    /// ours, or of nobody who is known here, is nobody's.
    pub(super) async fn learn_holder(&self, report: &ChannelReport) -> Result<(), StoreError> {
        let (Some(der), Some(verifier)) = (&report.certificate, &self.parts.verifier) else { return Ok(()) };
        let fingerprint = sha256(der);
        if !report.cards.contains(&fingerprint) {
            return Ok(());
        }
        let holder = match verifier.verify_certificate(der, self.now()) {
            Ok(card) => store::person::by_identifier(&self.parts.db, &card.certificate.id_nat).await?,
            Err(refusal) => {
                let code = CardRefusal::code(&refusal);
                tracing::debug!(code, "a card in a reader cannot be asked: {refusal}");
                None
            }
        };
        let Some(holder) = holder else { return Ok(()) };
        card_question::note(&self.parts.db, &hex::encode(fingerprint), holder.id, self.now()).await
    }
}

/// Why a question cannot be sent: the database, or the key.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChannelFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}
