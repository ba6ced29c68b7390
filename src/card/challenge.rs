//! Card requests: made for one sign-in, good for two minutes, signed by a key that is used for nothing else.

use chrono::{DurationRound as _, TimeDelta};

use super::login::{CardLogin, PURPOSE};
use super::protocol::{CardRequest, Challenge, REQUEST_LIFETIME, TYP_CARD_REQUEST};
use super::refusal::Refusal;
use crate::crypto::jose;
use crate::ids::TransactionId;
use crate::session::Session;
use crate::store::login_transaction::{self, LoginTransaction};
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::CardPanel;

/// A request with less than this left is not shown again.
const WORTH_SHOWING: TimeDelta = TimeDelta::seconds(60);

impl CardLogin {
    /// What the card tab of a sign-in page needs. A request that was issued for the page a moment ago is kept, so that
    /// reloading the page does not void the one that a popup is about to answer. `session` is the one that this browser
    /// has, or had: a badge may renew it.
    ///
    /// # Errors
    /// [`Refusal::AlreadyEnded`] where the sign-in is not open, [`Refusal::Store`], [`Refusal::Sign`].
    pub async fn panel(
        &self,
        transaction: &LoginTransaction,
        relying_party: &RelyingParty,
        next: String,
        session: Option<&Session>,
    ) -> Result<CardPanel, Refusal> {
        let fresh_until = self.now() + WORTH_SHOWING;
        let kept = transaction.card_request.clone().filter(|_| {
            transaction.error_code.is_none()
                && transaction.card_request_expires_at.is_some_and(|at| at > fresh_until)
        });
        let request = match kept {
            Some(request) => request,
            None => self.issue(transaction.id, relying_party).await?,
        };
        Ok(CardPanel {
            agent: format!("http://127.0.0.1:{}/", self.parts.agent_port),
            request,
            transaction: transaction.id.to_string(),
            next,
            certificate: self.certificate_link(transaction).await,
            badge: self.offers_badge(transaction, session).await?,
        })
    }

    /// A new request for an open sign-in; it takes the place of the one before.
    ///
    /// # Errors
    /// As [`CardLogin::panel`].
    pub async fn issue(
        &self,
        transaction: TransactionId,
        relying_party: &RelyingParty,
    ) -> Result<String, Refusal> {
        let now = self.now();
        let issued_at = now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now);
        let mut nonce = [0; 32];
        self.parts.random.fill(&mut nonce);
        let request = CardRequest {
            issuer: self.parts.front.clone(),
            purpose: PURPOSE,
            challenge: Challenge::new(&*self.parts.random),
            nonce,
            issued_at,
            expires_at: issued_at + REQUEST_LIFETIME,
            rp_name: presentable(&relying_party.name, 200),
            rp_host: presentable(&relying_party.host, 260),
            confirmation: None,
            workstation: None,
            question: None,
        };
        let keys = self.parts.keys.keys().await;
        let jws = jose::sign(keys.current(), TYP_CARD_REQUEST, &request.to_payload())?;
        let txn = request.challenge.to_text();
        let issued = login_transaction::issue_card_request(
            &self.parts.db,
            transaction,
            &txn,
            &jws,
            request.expires_at,
            now,
        )
        .await?;
        if issued { Ok(jws) } else { Err(Refusal::AlreadyEnded) }
    }

    /// A new request for the relying party that the last one named.
    pub(super) async fn renew(&self, transaction: &LoginTransaction) -> Result<String, Refusal> {
        let last = transaction
            .card_request
            .as_deref()
            .and_then(jose::unverified_payload)
            .and_then(|payload| CardRequest::from_payload(&payload).ok())
            .ok_or(Refusal::UnknownRequest)?;
        self.issue(transaction.id, &RelyingParty { name: last.rp_name, host: last.rp_host }).await
    }
}

/// The text as agents accept it: they refuse what could disguise itself.
pub(super) fn presentable(text: &str, max_chars: usize) -> String {
    let shown = crate::web::text::line(text, max_chars);
    if shown.is_empty() { "?".to_owned() } else { shown }
}
