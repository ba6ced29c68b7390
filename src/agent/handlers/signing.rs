//! From the click to the answer: the PIN is typed, in whichever place is set, and the card signs.

use std::sync::Arc;

use axum::body::Body;
use http::request::Parts;
use zeroize::Zeroizing;

use super::{Agent, FAILED, Refused, blocking};
use crate::agent::card::{Remedy, ShownCard};
use crate::agent::checks::Refusal;
use crate::agent::exchange::Exchange;
use crate::agent::pages::{self, Page};
use crate::agent::pin::{PinSetting, TypedPin, WindowError};
use crate::card::proof::Proof;
use crate::card::protocol::{AgentVersion, CardAnswer, PinEntry, TYP_CARD_ANSWER};
use crate::crypto::jose;
use crate::web::language::Language;

/// What was typed cannot be a PIN.
const NOT_A_PIN: &str = "AGENT-023";

impl Agent {
    /// `POST /sign`: the click. The PIN window opens on the next page; a PIN typed in this one goes to the card.
    pub(super) async fn start(&self, parts: &Parts, body: Body) -> Result<Page, Refused> {
        let optional: &[&str] = match self.pin_entry {
            PinSetting::Window => &["last_try"],
            PinSetting::Page => &["last_try", "pin"],
        };
        let form = self.form(parts, body, &["token"], optional).await?;
        let exchange = self.own_form(parts, &form)?;
        let Some(shown) = exchange.shown.clone() else { return Err(Refusal::Token.into()) };
        let last_try_agreed = form.value("last_try") == "yes";
        // Not a matter of the page's own check alone: a wrong PIN would now block the card.
        if shown.tries_left.is_none_or(|tries| tries <= 1) && !last_try_agreed {
            return Ok(self.ask(exchange, shown, None));
        }
        let exchange = Exchange { started: true, last_try_agreed, ..exchange };
        match self.entry(&shown) {
            entry @ (PinEntry::Pad | PinEntry::Window | PinEntry::None) => {
                let server = exchange.server.clone();
                let token = self.next_page(exchange);
                Ok(Page::Wait { server, token, on_pad: entry == PinEntry::Pad })
            }
            PinEntry::Page => {
                let Some(pin) = TypedPin::new(Zeroizing::new(form.value("pin").as_bytes().to_vec())) else {
                    self.report(&exchange, NOT_A_PIN, "what was typed is no PIN");
                    return Ok(self.ask(exchange, shown, Some(NOT_A_PIN)));
                };
                let Ok(card) = self.at_the_card.try_lock() else { return Ok(self.busy(exchange)) };
                Ok(self.sign(exchange, shown, Some(pin), card).await)
            }
        }
    }

    /// Where the PIN of this card is typed: on the reader's keys where it has some, else as the setting says.
    pub(super) fn entry(&self, shown: &ShownCard) -> PinEntry {
        match self.pin_entry {
            _ if shown.has_pad => PinEntry::Pad,
            PinSetting::Window => PinEntry::Window,
            PinSetting::Page => PinEntry::Page,
        }
    }

    /// `GET /pin`: asks for the PIN in its window or on the reader's keys, then lets the card sign. The browser shows the
    /// waiting page meanwhile; if it goes away, so does the window. (The reader gives up by itself.)
    pub(super) async fn pin_window(&self, parts: &Parts, language: Language) -> Result<Page, Refused> {
        let exchange = self.own_link(parts)?;
        let (Some(shown), true) = (exchange.shown.clone(), exchange.started) else {
            return Err(Refusal::Token.into());
        };
        let entry = self.entry(&shown);
        if entry == PinEntry::Page {
            return Err(Refusal::Token.into());
        }
        let Ok(card) = self.at_the_card.try_lock() else { return Ok(self.busy(exchange)) };
        if entry == PinEntry::Pad {
            return Ok(self.sign(exchange, shown, None, card).await);
        }
        let text = pages::window_text(&exchange, &shown, language);
        match self.options.window.ask(&text).await {
            Ok(pin) => Ok(self.sign(exchange, shown, Some(pin), card).await),
            Err(error) => {
                let code = window_code(&error);
                if matches!(error, WindowError::Cancelled) {
                    // The server hears of it on the way back.
                    return Ok(self.cancelled(exchange));
                }
                self.report(&exchange, code, &format!("no PIN: {error}"));
                Ok(match error {
                    WindowError::NotAPin => self.ask(exchange, shown, Some(code)),
                    _ => self.trouble(exchange, code, true),
                })
            }
        }
    }

    /// Lets the card sign, with the PIN that was typed or one that will be on the reader's keys, and sends the answer off.
    async fn sign(
        &self,
        exchange: Exchange,
        shown: ShownCard,
        pin: Option<TypedPin>,
        card: tokio::sync::MutexGuard<'_, ()>,
    ) -> Page {
        let proof = Proof::new(
            exchange.request.purpose,
            exchange.server.origin.as_str(),
            &exchange.request_jws,
            &shown.certificate,
        );
        let (cards, for_card, agreed) =
            (Arc::clone(&self.options.cards), shown.clone(), exchange.last_try_agreed);
        let entry = self.entry(&shown);
        let signed = blocking(move || match pin {
            Some(pin) => cards.sign(&for_card, &pin, &proof, agreed),
            None => cards.sign_on_pad(&for_card, &proof, agreed),
        })
        .await;
        drop(card);
        match signed {
            Ok(signature) => self.send(exchange, shown, signature, entry),
            Err(fault) if fault.remedy == Remedy::AskAgain => {
                self.report(&exchange, fault.code, &fault.detail);
                // The tries that are left are read from the card again, never counted here.
                self.look(exchange, Some(fault.code)).await
            }
            Err(fault) => self.fault(exchange, &fault),
        }
    }

    /// Signs the answer with the workstation key and sends it off.
    fn send(&self, exchange: Exchange, shown: ShownCard, signature: Vec<u8>, entry: PinEntry) -> Page {
        let now = self.options.clock.now();
        let server = exchange.server.clone();
        let answer = CardAnswer {
            audience: server.origin.clone(),
            request: exchange.request_jws.clone(),
            card_certificate: shown.certificate,
            card_signature: signature,
            workstation: server.workstation,
            agent_version: AgentVersion::this(),
            pin: entry,
            interface: shown.interface,
            watched_by: Some(self.name.at(server.workstation).hash()),
            issued_at: now,
        };
        let answer = match jose::sign(&server.key, TYP_CARD_ANSWER, &answer.to_payload()) {
            Ok(answer) => answer,
            Err(error) => {
                self.report(&exchange, FAILED, &format!("the answer could not be signed: {error}"));
                return self.trouble(exchange, FAILED, true);
            }
        };
        if !self.exchanges.finish(exchange.request.challenge) {
            let refusal = Refusal::Answered;
            return Page::Refused { code: refusal.code(), status: refusal.status(), server: Some(server) };
        }
        tracing::info!(server = server.origin.as_str(), "answered a card request");
        Page::Answer { server, answer }
    }
}

fn window_code(error: &WindowError) -> &'static str {
    match error {
        WindowError::NotStarted { .. } | WindowError::Failed { .. } => "AGENT-021",
        WindowError::TimedOut => "AGENT-022",
        WindowError::NotAPin => NOT_A_PIN,
        WindowError::Cancelled => "AGENT-026",
    }
}
