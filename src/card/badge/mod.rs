//! The badge window: for some hours after a sign-in with card and PIN, a tap of the same card renews it.
//!
//! A hospital gets from it that a nurse who moves between patients all day types the PIN once and taps the card
//! afterwards, where the hospital has said so: in the zones that have a window, for the services that take one factor,
//! for four hours at most (RIE v2, PS 10; agent protocol, section 14). A click in the browser that has the earlier session
//! makes a request for the one workstation that opened it; it goes out over that workstation's channel, the agent lets the
//! key behind the antenna sign it, and the browser that clicked, and no other, takes what came of it.
//!
//! It never begins with a badge: without a sign-in with PIN before it, in the same browser and zone, by the same person with
//! the same card, there is nothing to renew. It never moves `auth_time`, and never answers who asks for a fresh proof.

mod page;
mod tap;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DurationRound as _, TimeDelta};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::attempt::Attempt;
use super::challenge::presentable;
use super::enrolment::unstored;
use super::login::CardLogin;
use super::protocol::{
    BADGE_LIFETIME, CardRequest, Challenge, ChannelReport, ProtocolError, Purpose, TYP_CARD_REQUEST,
};
use super::refusal::Refusal;
use super::revocation::is_revoked;
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::jose;
use crate::session::{Demands, EndReason, Evidence, Session, Standing, Station};
use crate::store;
use crate::store::StoreError;
use crate::store::login_transaction::LoginTransaction;
use crate::store::workstation::{State as WorkstationState, Workstation};
use crate::web::language::Language;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::Status;
use page::{Page, Waited};
use tap::Tap;

/// The means' name in the audit.
const MEANS: &str = "badge";
/// So many taps may be refused before the PIN has to be typed.
const MOST_REFUSED: i64 = 3;
/// How long a page may let its question be held back.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How often a question that is held back is looked at for an answer that came to another node.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a badge renews nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadgeRefusal {
    /// No window is open here: the zone has none, the service takes no badge, or the earlier session was not one with PIN,
    /// is still good, or was ended by somebody.
    #[error("there is nothing here that a badge could renew")]
    NoWindow,
    /// The hours are over.
    #[error("the badge window is over")]
    Over,
    /// Too many taps were refused since.
    #[error("too many taps were refused since the PIN was typed")]
    Spent,
    /// The service asks for more than one factor, or for a proof of now.
    #[error("the relying party asks for more than a badge")]
    MoreAsked,
    /// The workstation has another zone by now.
    #[error("the workstation is of another zone than the session")]
    OtherZone,
    /// The workstation has no channel, several, or one of an agent of the version before.
    #[error("no agent of the workstation can be asked")]
    NoAgent,
    /// Nobody tapped in time.
    #[error("no card was tapped in time")]
    NoTap,
    /// Somebody else's card was tapped.
    #[error("the card is that of another person")]
    OtherPerson,
    /// Another card of the same person was tapped.
    #[error("the card is another one than the PIN was typed for")]
    OtherCard,
    /// The answer speaks of a slot or a PIN.
    #[error("the answer is not that of a tap")]
    NotATap,
    /// Another workstation answers than the one that was asked.
    #[error("another workstation answers than the one that was asked")]
    OtherWorkstation,
}

impl BadgeRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoWindow => "CARD-050",
            Self::Over => "CARD-051",
            Self::Spent => "CARD-052",
            Self::MoreAsked => "CARD-053",
            Self::OtherZone => "CARD-054",
            Self::NoAgent => "CARD-055",
            Self::NoTap => "CARD-056",
            Self::OtherPerson => "CARD-057",
            Self::OtherCard => "CARD-058",
            Self::NotATap => "CARD-059",
            Self::OtherWorkstation => "CARD-060",
        }
    }
}

/// What the page sends: of which sign-in it speaks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPage {
    txn: String,
    /// For how many seconds the answer may be held back.
    #[serde(default)]
    wait: u64,
}

/// What an agent sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAgent {
    answer: String,
}

/// `POST /card/badge`: the click.
pub(super) async fn ask(
    State(login): State<Arc<CardLogin>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut page = Page(Attempt::new(&login, &headers, &caller, MEANS));
    match page.ask(&body).await {
        Ok(()) => told(&Status::Open, None),
        Err(refusal) => page.refuse(&refusal, language).await,
    }
}

/// `POST /card/badge/wait`: what became of it; and, once a good card was tapped, the session.
pub(super) async fn wait(
    State(login): State<Arc<CardLogin>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut page = Page(Attempt::new(&login, &headers, &caller, MEANS));
    match page.wait(&body).await {
        Ok(Waited::Open) => told(&Status::Open, None),
        Ok(Waited::Expired) => told(&Status::Expired, None),
        Ok(Waited::Done(cookie)) => told(&Status::Done, cookie),
        // It was recorded when the card was tapped.
        Ok(Waited::Refused(code)) => told(&Status::failed(&code, language.texts()), None),
        Err(refusal) => page.refuse(&refusal, language).await,
    }
}

/// `POST /agent/badge`: what the card that was tapped has signed.
pub(super) async fn answer(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    let event = login.parts.trail.event(Kind::SignIn).caller(&caller).means(MEANS, None);
    let mut tap = Tap { login: &login, event, asked: None };
    let mut response = match tap.judge(&body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => {
            tap.refuse(&refusal).await;
            let body = serde_json::json!({ "code": refusal.code(), "message": refusal.to_string() });
            (refusal.status(), Json(body)).into_response()
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a badge may renew.
pub(super) struct Renewable {
    session: Session,
    workstation: Workstation,
    /// When the window ends.
    until: Time,
}

impl CardLogin {
    /// Whether the sign-in page offers the badge: to this browser, whose session is `session`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn offers_badge(
        &self,
        transaction: &LoginTransaction,
        session: Option<&Session>,
    ) -> Result<bool, Refusal> {
        let Some(session) = session else { return Ok(false) };
        // Before the database is asked: most places have no window at all.
        if self.parts.policies.at(&session.station()).badge_window.is_none() {
            return Ok(false);
        }
        let client = store::client::for_sign_in(&self.parts.db, &transaction.client_id).await?;
        let Some(client) = client else { return Ok(false) };
        match self.renewable(transaction, session, &client.demands()).await {
            Ok(_) => Ok(true),
            Err(Refusal::Store(error)) => Err(error.into()),
            Err(refusal) => {
                tracing::debug!(code = refusal.code(), "no badge is offered: {refusal}");
                Ok(false)
            }
        }
    }

    /// What a badge may renew: the earlier session of the browser, if all is so that it may. Asked when the page is shown,
    /// at the click, when the card was tapped and when the session begins.
    async fn renewable(
        &self,
        transaction: &LoginTransaction,
        session: &Session,
        demands: &Demands,
    ) -> Result<Renewable, Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let place = parts.policies.at(&session.station());
        let Some(Evidence::Card { workstation, .. }) = session.evidence.card_and_pin() else {
            return Err(BadgeRefusal::NoWindow.into());
        };
        let window = place.tightened(demands).badge_window.ok_or(BadgeRefusal::NoWindow)?;
        // Nobody watches a card that was tapped.
        if demands.need_watch() || !(parts.is_content_with_badge)(transaction, session.person_id) {
            return Err(BadgeRefusal::MoreAsked.into());
        }
        let until = session.auth_time + window;
        // A clock that was set back opens nothing.
        if now >= until || now < session.auth_time {
            return Err(BadgeRefusal::Over.into());
        }
        let standing = session.standing(place, now);
        let before =
            store::badge::earlier(&parts.db, session.id, session.person_id, session.auth_time).await?;
        let ran_out = [EndReason::CardRemoved, EndReason::Expired].map(|reason| Some(reason.as_str()));
        let may_be_renewed = match standing {
            Standing::Alive | Standing::Unwatched => false,
            Standing::Locked | Standing::Expired => true,
            // Whoever signed out, was disabled, or was found to be somebody else, types a PIN.
            Standing::Ended => ran_out.contains(&before.end_reason.as_deref()),
        };
        if !may_be_renewed {
            return Err(BadgeRefusal::NoWindow.into());
        }
        if before.refused >= MOST_REFUSED {
            return Err(BadgeRefusal::Spent.into());
        }
        if parts.verifier.as_ref().is_none_or(|verifier| is_revoked(verifier, &session.evidence)) {
            return Err(BadgeRefusal::NoWindow.into());
        }
        let workstation = store::workstation::by_id(&parts.db, *workstation).await?;
        let workstation = workstation.ok_or(BadgeRefusal::NoAgent)?;
        if workstation.state(now) != WorkstationState::Active {
            return Err(BadgeRefusal::NoAgent.into());
        }
        if workstation.zone != session.zone {
            return Err(BadgeRefusal::OtherZone.into());
        }
        // Where several people use a computer at once, nobody can say in front of whom the browser is.
        let mut channels = store::channel::of(&parts.db, workstation.id).await?;
        channels.retain(|channel| place.holds(channel.seen_at + place.lease, now));
        match channels.as_slice() {
            [only] if only.takes_badge => {}
            _ => return Err(BadgeRefusal::NoAgent.into()),
        }
        Ok(Renewable { session: session.clone(), workstation, until })
    }

    /// Whether taps renew anything at a workstation.
    pub(super) fn has_badge_window(&self, workstation: &Workstation) -> bool {
        self.parts.policies.at(&station(workstation)).badge_window.is_some()
    }

    /// The badge request that the workstation does not have yet, for the answer to its report.
    pub(super) async fn badge_to_send(
        &self,
        workstation: &Workstation,
        report: &ChannelReport,
    ) -> Result<Option<String>, StoreError> {
        if !self.has_badge_window(workstation) {
            return Ok(None);
        }
        let waiting = store::badge::open_at(&self.parts.db, workstation.id, self.now()).await?;
        let Some(waiting) =
            waiting.filter(|waiting| report.badge.map(Challenge::to_text) != Some(waiting.txn.clone()))
        else {
            return Ok(None);
        };
        let channels = store::channel::of(&self.parts.db, workstation.id).await?;
        let takes = channels.iter().any(|channel| channel.id == report.channel && channel.takes_badge);
        Ok(takes.then_some(waiting.request))
    }

    async fn sign_badge_request(
        &self,
        workstation: &Workstation,
        relying_party: &RelyingParty,
    ) -> Result<(CardRequest, String), Refusal> {
        let now = self.now();
        let issued_at = now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now);
        let mut nonce = [0; 32];
        self.parts.random.fill(&mut nonce);
        let request = CardRequest {
            issuer: self.parts.front.clone(),
            purpose: Purpose::Badge,
            challenge: Challenge::new(&*self.parts.random),
            nonce,
            issued_at,
            expires_at: issued_at + BADGE_LIFETIME,
            rp_name: presentable(&relying_party.name, 200),
            rp_host: presentable(&relying_party.host, 260),
            confirmation: None,
            workstation: Some(workstation.id),
            question: None,
        };
        let keys = self.parts.keys.keys().await;
        let jws = jose::sign(keys.current(), TYP_CARD_REQUEST, &request.to_payload())?;
        Ok((request, jws))
    }
}

fn station(workstation: &Workstation) -> Station {
    Station { zone: workstation.zone.clone(), shared: workstation.shared }
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(ProtocolError::Malformed(what.to_owned()))
}

fn told(status: &Status, cookie: Option<HeaderValue>) -> Response {
    let mut response = unstored(Json(status).into_response());
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
