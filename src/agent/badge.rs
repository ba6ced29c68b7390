//! Badge requests: the card that is tapped after a click on the server's page signs, without a PIN (agent protocol,
//! section 14).
//!
//! A hospital gets from it that a tap renews a session where the hospital wants that. The request comes over the channel,
//! made by the server that this workstation is enrolled with, for this workstation; a page cannot bring one here. Then,
//! for a minute at most, the first card that lies on a contactless reader signs it, and nothing else: the key behind the
//! antenna signs for the purpose `badge` alone.
//!
//! Without a request it touches no card. It never asks for a PIN, and never uses a card in a slot.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::AgentError;
use super::card::{CardFault, Cards, ShownCard};
use super::checks::{self, Refusal};
use super::enrol;
use super::enrolments::Enrolment;
use super::presence::Present;
use crate::card::proof::Proof;
use crate::card::protocol::{
    AgentVersion, BADGE_LIFETIME, BADGE_PATH, CardAnswer, Challenge, Interface, PinEntry, Purpose,
    TYP_CARD_ANSWER,
};
use crate::clock::SharedClock;
use crate::crypto::jose;

/// How often the readers are looked at while a tap is waited for: a card that was laid on is noticed at once by the
/// watch, but not one that lies there.
const LOOK: Duration = Duration::from_millis(250);

/// What waits for taps, for one server.
pub(super) struct Taps {
    cards: Arc<dyn Cards>,
    clock: SharedClock,
    present: watch::Receiver<Present>,
    /// The request that arrived last.
    heard: Option<Challenge>,
    /// Ends the wait for its tap.
    waiting: CancellationToken,
}

impl Taps {
    pub(super) fn new(cards: Arc<dyn Cards>, clock: SharedClock, present: watch::Receiver<Present>) -> Self {
        Self { cards, clock, present, heard: None, waiting: CancellationToken::new() }
    }

    /// The request that arrived last, so that the server does not send it again.
    pub(super) fn heard(&self) -> Option<Challenge> {
        self.heard
    }

    /// Waits for a tap that answers `request`, beside the channel; what was waited for before is given up.
    ///
    /// # Errors
    /// [`Refusal`], where the request is none for this workstation.
    pub(super) fn take(&mut self, request: String, server: &Enrolment) -> Result<(), Refusal> {
        let key_of = |kid: Option<&str>| kid.and_then(|kid| server.keys.find(kid));
        let read = checks::request(&request, &server.origin, Purpose::Badge, key_of, self.clock.now())?;
        if read.workstation != Some(server.workstation) {
            return Err(Refusal::OtherWorkstation);
        }
        if self.heard.replace(read.challenge) == Some(read.challenge) {
            return Ok(());
        }
        self.waiting.cancel();
        self.waiting = CancellationToken::new();
        let stop = self.waiting.clone();
        let wait = Wait {
            cards: Arc::clone(&self.cards),
            clock: Arc::clone(&self.clock),
            present: self.present.clone(),
            server: server.clone(),
            request,
        };
        tokio::spawn(async move {
            let lifetime = BADGE_LIFETIME.to_std().unwrap_or_default();
            stop.run_until_cancelled(tokio::time::timeout(lifetime, wait.run())).await
        });
        Ok(())
    }
}

impl Drop for Taps {
    fn drop(&mut self) {
        self.waiting.cancel();
    }
}

/// One request that waits for its tap.
struct Wait {
    cards: Arc<dyn Cards>,
    clock: SharedClock,
    present: watch::Receiver<Present>,
    server: Enrolment,
    request: String,
}

impl Wait {
    async fn run(mut self) {
        tracing::info!(server = self.server.origin.as_str(), "a tap of the badge is waited for");
        let mut said = None;
        loop {
            match self.sign().await {
                Ok(answer) => return self.hand_in(&answer).await,
                // No card there yet, or it was taken away too soon.
                Err(fault) if said == Some(fault.code) => {}
                Err(fault) => {
                    tracing::debug!(code = fault.code, "no tap yet: {}", fault.detail);
                    said = Some(fault.code);
                }
            }
            tokio::select! {
                _ = self.present.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// The answer of the card that lies on a contactless reader.
    async fn sign(&self) -> Result<CardAnswer, CardFault> {
        let (cards, request) = (Arc::clone(&self.cards), self.request.clone());
        let origin = self.server.origin.clone();
        let signed = tokio::task::spawn_blocking(move || -> Result<(ShownCard, Vec<u8>), CardFault> {
            let shown = cards.look_on_antenna()?;
            let proof = Proof::new(Purpose::Badge, origin.as_str(), &request, &shown.certificate);
            let signature = cards.sign_by_tap(&shown, &proof)?;
            Ok((shown, signature))
        });
        let (shown, signature) = signed.await.map_err(|error| CardFault::interrupted(&error))??;
        Ok(CardAnswer {
            audience: self.server.origin.clone(),
            request: self.request.clone(),
            card_certificate: shown.certificate,
            card_signature: signature,
            workstation: self.server.workstation,
            agent_version: AgentVersion::this(),
            pin: PinEntry::None,
            interface: Interface::Contactless,
            // A card that was tapped is in the pocket again.
            watched_by: None,
            issued_at: self.clock.now(),
        })
    }

    async fn hand_in(&self, answer: &CardAnswer) {
        let server = self.server.origin.as_str();
        match self.send(answer).await {
            Ok(()) => tracing::info!(server, "a tap of the badge was taken"),
            // The page that waits says why.
            Err(error) => tracing::warn!(code = error.code(), server, "a tap was refused: {error}"),
        }
    }

    async fn send(&self, answer: &CardAnswer) -> Result<(), AgentError> {
        let jws = jose::sign(&self.server.key, TYP_CARD_ANSWER, &answer.to_payload())
            .map_err(|error| AgentError::Key(error.to_string()))?;
        let client = enrol::client(&self.server.origin)?;
        let request = client.post(self.server.origin.join(BADGE_PATH)).json(&json!({ "answer": jws }));
        enrol::send(&self.server.origin, request).await.map(|_| ())
    }
}
