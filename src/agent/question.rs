//! Questions of other programs: the person types the number that the program shows, then the PIN, and the card signs (agent
//! protocol, section 15).
//!
//! A hospital gets from it that software without a browser asks its user for the card at the workstation where it is. The
//! question comes over the channel, made by the server that this workstation is enrolled with, for one card that this agent
//! has reported; no page can bring one here. Everything is asked in windows of the agent's own process.
//!
//! It never asks for a PIN before the server has taken the number, never sends a PIN twice by itself, and keeps nobody from
//! signing in meanwhile: the card is held only while the PIN is asked for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::AgentError;
use super::card::{CardFault, Cards, Remedy, ShownCard};
use super::checks::{self, Refusal};
use super::enrol;
use super::enrolments::Enrolment;
use super::exchange::Exchange;
use super::pages;
use super::pin::{PinWindow, TypedPin, WindowError, WindowText};
use super::presence::Present;
use crate::card::proof::Proof;
use crate::card::protocol::{
    AgentVersion, CardAnswer, CardQuestion, CardRequest, Challenge, Interface, NoticeCode, PinEntry, Purpose,
    QUESTION_PATH, QUESTION_REPLY_PATH, QuestionReply, Said, TYP_CARD_ANSWER, TYP_QUESTION_REPLY,
};
use crate::clock::SharedClock;
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::web::language::Language;

/// The card is not there any more.
const PULLED: &str = "READER-006";
/// One try of the PIN is left, and the person does not want to spend it.
const LAST_TRY: &str = "READER-010";
/// The window cannot be opened.
const NO_WINDOW: &str = "AGENT-021";
/// Nobody typed anything.
const LEFT_ALONE: &str = "AGENT-022";
/// What was typed is no PIN.
const NOT_A_PIN: &str = "AGENT-023";
/// The PIN is blocked already.
const BLOCKED: &str = "AGENT-024";
/// The person refused.
const REFUSED: &str = "AGENT-026";
/// What was typed is no number of so many digits.
const NOT_A_NUMBER: &str = "AGENT-060";

/// What asks a person, and the card.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) cards: Arc<dyn Cards>,
    pub(super) window: PinWindow,
    pub(super) clock: SharedClock,
    pub(super) present: watch::Receiver<Present>,
    /// One person, one card: held while a card is read or a PIN is asked for.
    pub(super) at_the_card: Arc<Mutex<()>>,
}

/// The questions of one server.
pub(super) struct Questions {
    around: Surroundings,
    /// The one that arrived last.
    heard: Option<Challenge>,
    /// Ends what is asked because of it.
    asking: CancellationToken,
}

impl Questions {
    pub(super) fn new(around: Surroundings) -> Self {
        Self { around, heard: None, asking: CancellationToken::new() }
    }

    /// The question that arrived last, so that the server does not send it again.
    pub(super) fn heard(&self) -> Option<Challenge> {
        self.heard
    }

    /// The certificate of a card that this workstation has reported, for the server that asked for it; none where it is gone,
    /// and while somebody is at the card: the channel waits for nobody's PIN, and the server asks again.
    pub(super) async fn certificate(&self, card: [u8; 32]) -> Option<Vec<u8>> {
        let _held = self.around.at_the_card.try_lock().ok()?;
        let cards = Arc::clone(&self.around.cards);
        let seen = tokio::task::spawn_blocking(move || cards.look_all()).await.ok()?.ok()?;
        seen.into_iter().map(|seen| seen.certificate).find(|der| sha256(der) == card)
    }

    /// Asks the person, beside the channel; what was asked before is given up.
    ///
    /// # Errors
    /// [`Refusal`], where the request is none for this workstation.
    pub(super) fn take(&mut self, request: String, server: &Enrolment) -> Result<(), Refusal> {
        let key_of = |kid: Option<&str>| kid.and_then(|kid| server.keys.find(kid));
        let read = checks::request(&request, &server.origin, Purpose::Ciba, key_of, self.around.clock.now())?;
        let Some(asked) = read.question.filter(|_| read.workstation == Some(server.workstation)) else {
            return Err(Refusal::OtherWorkstation);
        };
        if self.heard.replace(read.challenge) == Some(read.challenge) {
            return Ok(());
        }
        self.asking.cancel();
        self.asking = CancellationToken::new();
        let stop = self.asking.clone();
        let language = Language::choose(Some(&self.around.window.locale), None);
        let question =
            Question { around: self.around.clone(), server: server.clone(), request, read, asked, language };
        tokio::spawn(async move { stop.run_until_cancelled(question.run()).await });
        Ok(())
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        self.asking.cancel();
    }
}

/// Why nothing was answered.
enum End {
    /// It ended here, for this reason.
    Here(&'static str),
    /// Nobody typed anything, or the time is over.
    LeftAlone,
    /// The server does not take it, or does not answer.
    There(AgentError),
}

impl From<AgentError> for End {
    fn from(error: AgentError) -> Self {
        Self::There(error)
    }
}

impl From<WindowError> for End {
    fn from(error: WindowError) -> Self {
        match error {
            WindowError::Cancelled => Self::Here(REFUSED),
            WindowError::TimedOut => Self::LeftAlone,
            WindowError::NotAPin => Self::Here(NOT_A_PIN),
            WindowError::NotStarted { .. } | WindowError::Failed { .. } => Self::Here(NO_WINDOW),
        }
    }
}

/// One question.
struct Question {
    around: Surroundings,
    server: Enrolment,
    /// Byte for byte as received.
    request: String,
    read: CardRequest,
    asked: CardQuestion,
    language: Language,
}

impl Question {
    async fn run(self) {
        let server = self.server.origin.as_str();
        tracing::info!(server, "another program asks for a card that is here");
        // By the server's clock alone: that of the workstation may err.
        let lifetime = (self.read.expires_at - self.read.issued_at).to_std().unwrap_or_default();
        let ended = match tokio::time::timeout(lifetime, self.ask()).await {
            Ok(Ok(())) => return tracing::info!(server, "the card has answered another program"),
            Ok(Err(end)) => end,
            Err(_) => End::LeftAlone,
        };
        match ended {
            End::Here(code) => {
                tracing::warn!(code, server, "a question was not answered");
                if let Ok(code) = NoticeCode::parse(code)
                    && let Err(error) = self.reply(Said::No(code)).await
                {
                    tracing::warn!(code = error.code(), server, "{error}");
                }
                if code != REFUSED {
                    self.tell(code, "").await;
                }
            }
            End::LeftAlone => {
                tracing::warn!(code = LEFT_ALONE, server, "a question was left alone");
                self.notice(LEFT_ALONE).await;
            }
            End::There(error) => {
                tracing::warn!(code = error.code(), server, "a question was not answered: {error}");
                match &error {
                    AgentError::Refused { code, message } => self.tell(code, message).await,
                    error => self.tell(error.code(), &error.to_string()).await,
                }
            }
        }
    }

    /// The number, and once the server has taken it, the PIN.
    async fn ask(&self) -> Result<(), End> {
        let shown = {
            let _card = self.around.at_the_card.lock().await;
            self.look().await?
        };
        if shown.tries_left == Some(0) {
            return Err(End::Here(BLOCKED));
        }
        let number = self.unless_pulled(self.number(&shown)).await??;
        self.reply(Said::Number(number)).await?;
        let (shown, entry, signature) = self.signature(shown).await?;
        self.hand_in(shown, entry, signature).await?;
        Ok(())
    }

    /// The card that was asked for, read anew.
    async fn look(&self) -> Result<ShownCard, End> {
        let cards = Arc::clone(&self.around.cards);
        let seen = tokio::task::spawn_blocking(move || cards.look_all()).await;
        let seen = seen.map_err(|error| CardFault::interrupted(&error)).and_then(|seen| seen);
        let seen = seen.map_err(|fault| End::Here(fault.code))?;
        let is_asked = |card: &ShownCard| {
            card.interface == Interface::Contact && sha256(&card.certificate) == self.asked.card
        };
        seen.into_iter().find(is_asked).ok_or(End::Here(PULLED))
    }

    /// What comes of `act`, unless the card leaves meanwhile: its windows close then.
    async fn unless_pulled<T>(&self, act: impl Future<Output = T>) -> Result<T, End> {
        let mut present = self.around.present.clone();
        let card = self.asked.card;
        let is_gone = move |present: &Present| {
            present.as_ref().is_some_and(|cards| cards.iter().all(|there| there.certificate != card))
        };
        tokio::select! {
            done = act => Ok(done),
            Ok(_) = present.wait_for(is_gone) => Err(End::Here(PULLED)),
        }
    }

    /// The number that the other program shows. What is no number of so many digits is asked for again: it says nothing.
    async fn number(&self, shown: &ShownCard) -> Result<String, End> {
        let t = self.language.texts();
        let digits = self.asked.digits.to_string();
        let mut text = WindowText {
            title: t.text("agent-name"),
            description: t.text_with(
                "agent-question-description",
                &[
                    ("relying_party", self.read.rp_name.as_str()),
                    ("server", self.server.display_name.as_str()),
                    ("origin", self.server.origin.as_str()),
                    ("holder", shown.holder.as_str()),
                    ("digits", digits.as_str()),
                ],
            ),
            prompt: t.text("agent-question-prompt"),
            error: None,
            ok: t.text("agent-question-next"),
            cancel: t.text("agent-question-refuse"),
        };
        loop {
            let typed = match self.around.window.ask(&text).await {
                Ok(typed) => String::from_utf8(typed.expose().to_vec()).unwrap_or_default(),
                Err(WindowError::NotAPin) => String::new(),
                Err(error) => return Err(error.into()),
            };
            let is_number = typed.len() == usize::from(self.asked.digits)
                && typed.bytes().all(|byte| byte.is_ascii_digit());
            if is_number {
                return Ok(typed);
            }
            text.error = self.sentence(NOT_A_NUMBER);
        }
    }

    /// The PIN, as often as the person wants to try, and what the card signs.
    async fn signature(&self, first: ShownCard) -> Result<(ShownCard, PinEntry, Vec<u8>), End> {
        let mut wrong = None;
        loop {
            let _card = self.around.at_the_card.lock().await;
            // The tries that are left are read from the card each time, never counted here.
            let shown = self.look().await?;
            if !shown.is_as(&first) {
                return Err(End::Here(PULLED));
            }
            if shown.tries_left == Some(0) {
                return Err(End::Here(BLOCKED));
            }
            let is_last = shown.tries_left.is_none_or(|tries| tries <= 1);
            let text = self.pin_text(&shown, wrong);
            if is_last && !self.unless_pulled(self.agrees_to_last_try(&text)).await? {
                return Err(End::Here(LAST_TRY));
            }
            let (pin, entry) = if shown.has_pad {
                (None, PinEntry::Pad)
            } else {
                match self.unless_pulled(self.around.window.ask(&text)).await? {
                    Ok(pin) => (Some(pin), PinEntry::Window),
                    Err(WindowError::NotAPin) => {
                        wrong = Some(NOT_A_PIN);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            };
            match self.sign(&shown, pin, is_last).await {
                Ok(signature) => return Ok((shown, entry, signature)),
                Err(fault) if fault.remedy == Remedy::AskAgain => {
                    tracing::warn!(code = fault.code, "the card did not sign: {}", fault.detail);
                    self.notice(fault.code).await;
                    wrong = Some(fault.code);
                }
                Err(fault) => return Err(End::Here(fault.code)),
            }
        }
    }

    fn pin_text(&self, shown: &ShownCard, wrong: Option<&'static str>) -> WindowText {
        let exchange = Exchange {
            request_jws: self.request.clone(),
            request: self.read.clone(),
            server: self.server.clone(),
            shown: None,
            offered: Vec::new(),
            started: true,
            last_try_agreed: false,
        };
        let error = wrong.and_then(|code| self.sentence(code));
        WindowText { error, ..pages::window_text(&exchange, shown, self.language) }
    }

    async fn agrees_to_last_try(&self, text: &WindowText) -> bool {
        let warning = self.sentence(LAST_TRY).unwrap_or_default();
        let asked = WindowText { description: format!("{warning}\n{}", text.description), ..text.clone() };
        self.around.window.confirm(&asked).await
    }

    async fn sign(
        &self,
        shown: &ShownCard,
        pin: Option<TypedPin>,
        agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        let origin = self.server.origin.as_str();
        let proof = Proof::new(Purpose::Ciba, origin, &self.request, &shown.certificate);
        let (cards, card) = (Arc::clone(&self.around.cards), shown.clone());
        let signed = tokio::task::spawn_blocking(move || match pin {
            Some(pin) => cards.sign(&card, &pin, &proof, agreed),
            None => cards.sign_on_pad(&card, &proof, agreed),
        });
        signed.await.map_err(|error| CardFault::interrupted(&error))?
    }

    async fn hand_in(&self, shown: ShownCard, pin: PinEntry, signature: Vec<u8>) -> Result<(), AgentError> {
        let answer = CardAnswer {
            audience: self.server.origin.clone(),
            request: self.request.clone(),
            card_certificate: shown.certificate,
            card_signature: signature,
            workstation: self.server.workstation,
            agent_version: AgentVersion::this(),
            pin,
            interface: shown.interface,
            // What begins is in no browser of this workstation.
            watched_by: None,
            issued_at: self.around.clock.now(),
        };
        let jws = jose::sign(&self.server.key, TYP_CARD_ANSWER, &answer.to_payload())
            .map_err(|error| AgentError::Key(error.to_string()))?;
        self.post(QUESTION_PATH, &json!({ "answer": jws })).await
    }

    /// Tells the server what the person says.
    async fn reply(&self, said: Said) -> Result<(), AgentError> {
        let reply = QuestionReply {
            audience: self.server.origin.clone(),
            workstation: self.server.workstation,
            challenge: self.read.challenge,
            said,
            agent_version: AgentVersion::this(),
            issued_at: self.around.clock.now(),
        };
        let jws = jose::sign(&self.server.key, TYP_QUESTION_REPLY, &reply.to_payload())
            .map_err(|error| AgentError::Key(error.to_string()))?;
        self.post(QUESTION_REPLY_PATH, &json!({ "jws": jws })).await
    }

    async fn post(&self, path: &str, body: &serde_json::Value) -> Result<(), AgentError> {
        let client = enrol::client(&self.server.origin)?;
        let request = client.post(self.server.origin.join(path)).json(body);
        enrol::send(&self.server.origin, request).await.map(|_| ())
    }

    /// Tells the server what happened while the question goes on.
    async fn notice(&self, code: &'static str) {
        let Ok(code) = NoticeCode::parse(code) else { return };
        let (server, challenge) = (&self.server, Some(self.read.challenge));
        if let Err(error) = enrol::report(server, &code, challenge, 1, self.around.clock.as_ref()).await {
            tracing::warn!(code = error.code(), server = server.origin.as_str(), "not reported: {error}");
        }
    }

    /// What happened, by its code.
    fn sentence(&self, code: &str) -> Option<String> {
        self.language.texts().error(code, &[]).map(|(what, _)| what)
    }

    /// Says why nothing came of it.
    async fn tell(&self, code: &str, otherwise: &str) {
        let t = self.language.texts();
        let said = t.error(code, &[]).map(|(what, action)| format!("{what}\n{action}"));
        let said = format!("{}\n({code})", said.unwrap_or_else(|| otherwise.to_owned()));
        let title = t.text("agent-name");
        let told = self.around.window.tell(&title, &said);
        // Nobody has to be there to read it.
        let _read = tokio::time::timeout(Duration::from_secs(60), told).await;
    }
}
