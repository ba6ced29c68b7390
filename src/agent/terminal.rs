//! `card login`: who sits at this terminal, proved by card to the hospital's server (agent protocol, purpose `terminal`).
//!
//! A hospital gets from it an identity for a script or a procedure that has no browser. The command asks for a card
//! request over a connection of its own and signs that request alone: it holds the secret whose hash the request names,
//! so nobody can slip it a request of theirs, and nobody but this process can use the answer.
//!
//! It never keeps anything: no session begins, and the identity that the server signs is for this process.

use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use super::card::{CardFault, Cards, ShownCard};
use super::checks::{self, Refusal};
use super::enrol::{self, expected};
use super::enrolments::Enrolment;
use super::exchange::Exchange;
use super::pages;
use super::pin::{PinWindow, TypedPin, WindowError};
use super::{AgentError, AgentOptions};
use crate::card::driver::ReaderError;
use crate::card::proof::Proof;
use crate::card::protocol::{
    AgentVersion, CardAnswer, CardRequest, Interface, PinEntry, Purpose, TERMINAL_BEGIN_PATH,
    TERMINAL_FINISH_PATH, TYP_CARD_ANSWER, TYP_TERMINAL_BEGIN, TYP_TERMINAL_IDENTITY, TerminalBegin,
    TerminalIdentity,
};
use crate::clock::Clock;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, JwsError, base64url};
use crate::ids::Random;
use crate::web::language::Language;

/// Why nobody was proved.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// The server, or this workstation's enrolment with it.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The card request is not one to sign.
    #[error(transparent)]
    Request(#[from] Refusal),
    /// The card, or its reader.
    #[error("{}", .0.detail)]
    Card(CardFault),
    /// No PIN came.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The PIN is blocked.
    #[error("the PIN of this card is blocked")]
    Blocked,
    /// One try of the PIN is left, or the card does not tell, and the person does not want to spend it.
    #[error("one wrong PIN more blocks this card; nothing was tried")]
    LastTry,
}

impl From<CardFault> for TerminalError {
    fn from(fault: CardFault) -> Self {
        Self::Card(fault)
    }
}

impl TerminalError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Agent(error) => error.code(),
            Self::Request(refusal) => refusal.code(),
            Self::Card(fault) => fault.code,
            Self::Window(WindowError::NotStarted { .. } | WindowError::Failed { .. }) => "AGENT-021",
            Self::Window(WindowError::TimedOut) => "AGENT-022",
            Self::Window(WindowError::NotAPin) => "AGENT-023",
            Self::Window(WindowError::Cancelled) => "AGENT-026",
            Self::Blocked => "AGENT-024",
            Self::LastTry => "READER-010",
        }
    }
}

/// A card request on its way, with the secret that it is bound to.
pub struct Asked {
    exchange: Exchange,
    secret: Zeroizing<[u8; 32]>,
}

impl Asked {
    /// What the server asks.
    #[must_use]
    pub fn request(&self) -> &CardRequest {
        &self.exchange.request
    }
}

/// What a sign-in at a terminal needs of its surroundings.
#[derive(Clone)]
pub struct Terminal {
    /// The card reader.
    pub cards: Arc<dyn Cards>,
    /// Where the PIN is typed.
    pub window: PinWindow,
    /// In which language it is asked for.
    pub language: Language,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl Terminal {
    /// With what an agent of these options has.
    #[must_use]
    pub fn of(options: &AgentOptions, language: Language) -> Self {
        Self {
            cards: Arc::clone(&options.cards),
            window: options.window.clone(),
            language,
            clock: Arc::clone(&options.clock),
            random: Arc::clone(&options.random),
        }
    }

    /// Asks `server` for a card request of this process.
    ///
    /// # Errors
    /// [`TerminalError::Agent`] or [`TerminalError::Request`].
    pub async fn ask(&self, server: &Enrolment) -> Result<Asked, TerminalError> {
        let mut secret = Zeroizing::new([0; 32]);
        self.random.fill(&mut *secret);
        let begin = TerminalBegin {
            audience: server.origin.clone(),
            workstation: server.workstation,
            confirmation: sha256(&*secret),
            issued_at: self.clock.now(),
        };
        let begin = jose::sign(&server.key, TYP_TERMINAL_BEGIN, &begin.to_payload())
            .map_err(|error| AgentError::Key(error.to_string()))?;
        let jws = enrol::post(server, TERMINAL_BEGIN_PATH, &json!({ "jws": begin })).await?;
        let (request, server) = self.check(&jws, server.clone()).await?;
        if request.confirmation != Some(sha256(&*secret)) {
            return Err(Refusal::Confirmation.into());
        }
        let exchange = Exchange {
            request_jws: jws,
            request,
            server,
            shown: None,
            offered: Vec::new(),
            started: false,
            last_try_agreed: false,
        };
        Ok(Asked { exchange, secret })
    }

    /// The checks of section 2 that have a meaning without a browser. A key that is not known may be the server's next but
    /// one: it is asked, once.
    async fn check(&self, jws: &str, server: Enrolment) -> Result<(CardRequest, Enrolment), TerminalError> {
        let check = |server: &Enrolment| {
            let key_of = |kid: Option<&str>| kid.and_then(|kid| server.keys.find(kid));
            checks::request(jws, &server.origin, Purpose::Terminal, key_of, self.clock.now())
        };
        match check(&server) {
            Err(Refusal::Signature(JwsError::UnknownKey)) => {
                let keys = enrol::newer_keys(&server).await?.unwrap_or_else(|| server.keys.clone());
                let server = Enrolment { keys, ..server };
                Ok((check(&server)?, server))
            }
            other => Ok((other?, server)),
        }
    }

    /// The card in the reader.
    ///
    /// # Errors
    /// [`TerminalError::Card`] or [`TerminalError::Blocked`].
    pub async fn look(&self) -> Result<ShownCard, TerminalError> {
        let cards = Arc::clone(&self.cards);
        let shown = blocking(move || cards.look()).await?;
        if shown.interface == Interface::Contactless {
            return Err(CardFault::from(ReaderError::ContactNeeded).into());
        }
        if shown.tries_left == Some(0) { Err(TerminalError::Blocked) } else { Ok(shown) }
    }

    /// Takes the PIN, once, in its window or on the reader's own keys, lets the card sign, and yields who the server says it is. `last_try_agreed`: the person knows
    /// that a wrong PIN now blocks the card.
    ///
    /// # Errors
    /// [`TerminalError`]. A wrong PIN ends it, too: nothing is sent to a card twice.
    pub async fn prove(
        &self,
        asked: Asked,
        shown: ShownCard,
        last_try_agreed: bool,
    ) -> Result<TerminalIdentity, TerminalError> {
        if shown.tries_left.is_none_or(|tries| tries <= 1) && !last_try_agreed {
            return Err(TerminalError::LastTry);
        }
        let Asked { exchange, secret } = asked;
        let pin = match shown.has_pad {
            true => None,
            false => Some(self.window.ask(&pages::window_text(&exchange, &shown, self.language)).await?),
        };
        let answer = self.sign(&exchange, &shown, pin, last_try_agreed).await?;
        let body = json!({ "answer": answer, "secret": base64url::encode(*secret) });
        let jws = enrol::post(&exchange.server, TERMINAL_FINISH_PATH, &body).await?;
        let payload = jose::verify_payload(&jws, expected(TYP_TERMINAL_IDENTITY), |kid| {
            kid.and_then(|kid| exchange.server.keys.find(kid))
        })
        .map_err(|_| AgentError::ServerKey)?;
        let identity = TerminalIdentity::from_payload(&payload)
            .map_err(|error| AgentError::ServerAnswer(error.to_string()))?;
        let is_ours = identity.issuer == exchange.server.origin
            && identity.challenge == exchange.request.challenge
            && Some(identity.confirmation) == exchange.request.confirmation;
        if is_ours {
            Ok(identity)
        } else {
            Err(AgentError::ServerAnswer("it answers another request".to_owned()).into())
        }
    }

    async fn sign(
        &self,
        exchange: &Exchange,
        shown: &ShownCard,
        pin: Option<TypedPin>,
        last_try_agreed: bool,
    ) -> Result<String, TerminalError> {
        let server = &exchange.server;
        let proof =
            Proof::new(Purpose::Terminal, server.origin.as_str(), &exchange.request_jws, &shown.certificate);
        let (cards, card) = (Arc::clone(&self.cards), shown.clone());
        let entry = if pin.is_some() { PinEntry::Window } else { PinEntry::Pad };
        let signature = blocking(move || match pin {
            Some(pin) => cards.sign(&card, &pin, &proof, last_try_agreed),
            None => cards.sign_on_pad(&card, &proof, last_try_agreed),
        })
        .await?;
        let answer = CardAnswer {
            audience: server.origin.clone(),
            request: exchange.request_jws.clone(),
            card_certificate: shown.certificate.clone(),
            card_signature: signature,
            workstation: server.workstation,
            agent_version: AgentVersion::this(),
            pin: entry,
            interface: shown.interface,
            // No session begins.
            watched_by: None,
            issued_at: self.clock.now(),
        };
        jose::sign(&server.key, TYP_CARD_ANSWER, &answer.to_payload())
            .map_err(|error| AgentError::Key(error.to_string()).into())
    }
}

/// Runs what blocks, for seconds at worst, beside the threads that answer.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, CardFault> + Send + 'static,
) -> Result<T, TerminalError> {
    let done = tokio::task::spawn_blocking(act).await;
    Ok(done.map_err(|error| AgentError::Key(error.to_string()))??)
}
