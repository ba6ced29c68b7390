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
use super::finish::{MAX_ANSWER_LEN, read};
use super::login::CardLogin;
use super::protocol::{
    BADGE_LIFETIME, CardAnswer, CardRequest, Challenge, ChannelReport, Interface, PinEntry, ProtocolError,
    Purpose, TYP_CARD_REQUEST,
};
use super::refusal::Refusal;
use super::revocation::is_revoked;
use super::verify::VerifiedCard;
use crate::audit::{Caller, Event, Kind};
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::directory;
use crate::ids::{Secret, SessionId, TransactionId};
use crate::session::{
    Acr, Amr, AuthMode, Authentication, Demands, EndReason, Evidence, Session, Standing, Station,
};
use crate::store;
use crate::store::StoreError;
use crate::store::audit::NewRow;
use crate::store::badge::{BadgeRequest, State as Stage};
use crate::store::login_transaction::{Completion, LoginTransaction, Proof, State as TransactionStage};
use crate::store::session::NewSession;
use crate::store::workstation::{State as WorkstationState, Workstation};
use crate::web::cookies;
use crate::web::language::Language;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::Status;

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
        let client = store::client::by_id(&self.parts.db, &transaction.client_id).await?;
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
        };
        let keys = self.parts.keys.keys().await;
        let jws = jose::sign(keys.current(), TYP_CARD_REQUEST, &request.to_payload())?;
        Ok((request, jws))
    }
}

fn station(workstation: &Workstation) -> Station {
    Station { zone: workstation.zone.clone(), shared: workstation.shared }
}

/// What became of a click.
enum Waited {
    Open,
    Expired,
    Refused(String),
    /// The session has begun; its cookie, in the one answer that brings it.
    Done(Option<HeaderValue>),
}

/// One message of the browser on its way through the checks.
struct Page<'a>(Attempt<'a>);

impl Page<'_> {
    /// The sign-in that the page speaks of, if it began in this browser and our own page says so.
    async fn transaction(&mut self, body: &[u8]) -> Result<(LoginTransaction, Duration), Refusal> {
        let attempt = &mut self.0;
        attempt.login.own.check_origin(attempt.headers)?;
        let OfPage { txn, wait } =
            serde_json::from_slice(body).map_err(|_| malformed("not JSON with a sign-in"))?;
        let id: TransactionId = txn.parse().map_err(|_| Refusal::UnknownRequest)?;
        let found = store::login_transaction::by_id(&attempt.login.parts.db, id).await?;
        let found = attempt.of_this_browser(found.ok_or(Refusal::UnknownRequest)?)?;
        Ok((found, Duration::from_secs(wait).min(LONGEST_WAIT)))
    }

    /// What the badge may renew in this browser.
    async fn renewable(&mut self, transaction: &LoginTransaction) -> Result<Renewable, Refusal> {
        let attempt = &mut self.0;
        let db = &attempt.login.parts.db;
        let cookie = cookies::session().read(attempt.headers).ok_or(BadgeRefusal::NoWindow)?;
        let session = store::session::by_cookie(db, sha256(cookie.expose().as_bytes())).await?;
        let session = session.ok_or(BadgeRefusal::NoWindow)?;
        attempt.learn(|event| event.person(session.person_id).zone(&session.zone));
        if let Some(Evidence::Card { workstation, .. }) = session.evidence.card_and_pin()
            && let Some(workstation) = store::workstation::by_id(db, *workstation).await?
        {
            attempt.learn(|event| event.workstation(workstation.id));
            attempt.at(&workstation);
        }
        let demands = attempt.client(transaction).await?.demands();
        attempt.login.renewable(transaction, &session, &demands).await
    }

    async fn ask(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let (transaction, _) = self.transaction(body).await?;
        self.0.check_open(&transaction)?;
        let Renewable { session, workstation, .. } = self.renewable(&transaction).await?;
        let client = self.0.client(&transaction).await?;
        let (login, now) = (self.0.login, self.0.login.now());
        // The name of the service is for the agent's log; the person is at the page of the server.
        let shown = RelyingParty { name: client.name.clone(), host: login.parts.front.as_str().to_owned() };
        let (request, jws) = login.sign_badge_request(&workstation, &shown).await?;
        let new = BadgeRequest {
            txn: request.challenge.to_text(),
            request: jws,
            transaction_id: transaction.id,
            workstation_id: workstation.id,
            session_id: session.id,
            person_id: session.person_id,
            since: session.auth_time,
            state: Stage::Open,
            error_code: None,
            evidence: None,
            expires_at: request.expires_at,
        };
        let event = login.parts.trail.event(Kind::CardRequest).caller(self.0.caller).means(MEANS, None);
        let event = event.person(session.person_id).session(session.id).transaction(transaction.id);
        let event = event.client(&client.id).workstation(workstation.id).zone(&workstation.zone);
        store::badge::ask(&login.parts.db, &new, &NewRow::from(&event), now).await?;
        login.held.wake(workstation.id);
        Ok(())
    }

    async fn wait(&mut self, body: &[u8]) -> Result<Waited, Refusal> {
        let login = self.0.login;
        // Before the first look, so that nothing happens in between.
        let mut woken = login.waiting.listen();
        let (transaction, mut left) = self.transaction(body).await?;
        loop {
            let now = login.now();
            let standing = store::login_transaction::by_id(&login.parts.db, transaction.id).await?;
            match standing.map(|transaction| transaction.state) {
                Some(TransactionStage::Open) if transaction.expires_at > now => {}
                Some(TransactionStage::Done) => return Ok(Waited::Done(None)),
                _ => return Ok(Waited::Expired),
            }
            let asked = store::badge::last_of(&login.parts.db, transaction.id).await?;
            let asked = asked.ok_or(Refusal::UnknownRequest)?;
            match asked.state {
                Stage::Refused => return Ok(Waited::Refused(asked.error_code.unwrap_or_default())),
                Stage::Withdrawn | Stage::Done => return Err(BadgeRefusal::NoTap.into()),
                Stage::Open | Stage::Answered if asked.expires_at <= now => {
                    return Err(BadgeRefusal::NoTap.into());
                }
                Stage::Answered => return self.finish(&transaction, asked).await,
                Stage::Open if left.is_zero() => return Ok(Waited::Open),
                Stage::Open => {}
            }
            let turn = LOOK_EVERY.min(left);
            left -= turn;
            tokio::select! {
                () = tokio::time::sleep(turn) => {}
                () = woken.moved(transaction.id) => {}
            }
        }
    }

    /// A good card was tapped: the session begins here, in the browser that clicked, and nowhere else.
    async fn finish(
        &mut self,
        transaction: &LoginTransaction,
        asked: BadgeRequest,
    ) -> Result<Waited, Refusal> {
        let Some(evidence) = asked.evidence.map(|stored| stored.0) else {
            return Err(BadgeRefusal::NoTap.into());
        };
        let renewable = self.renewable(transaction).await?;
        let had = &renewable.session;
        // The cookie is that of the session that was there at the click.
        if had.id != asked.session_id || had.auth_time != asked.since || had.person_id != asked.person_id {
            return Err(Refusal::OtherBrowser);
        }
        if let Some(verifier) = &self.0.login.parts.verifier
            && is_revoked(verifier, &evidence)
        {
            return Err(BadgeRefusal::NoWindow.into());
        }
        let client = self.0.client(transaction).await?;
        let (login, now) = (self.0.login, self.0.login.now());
        directory::admitted(&login.parts.db, had.person_id, client.audience, now).await??;
        let cookie_before = cookies::session().read(self.0.headers).ok_or(BadgeRefusal::NoWindow)?;
        let cookie_before = sha256(cookie_before.expose().as_bytes());
        let unlocks = had.ended_at.is_none()
            && had.standing(login.parts.policies.at(&had.station()), now) == Standing::Locked;
        let cookie = Secret::of_256_bits(&*login.parts.random);
        let amr = [Amr::Sc, Amr::Hwk];
        let lifetime = login.parts.policies.at(&had.station()).lifetime;
        let new = NewSession {
            id: if unlocks { had.id } else { SessionId::new(now, &*login.parts.random) },
            cookie_hash: sha256(cookie.expose().as_bytes()),
            authentication: Authentication {
                person: had.person_id,
                acr: Acr::Eidas1,
                amr: amr.to_vec(),
                auth_mode: AuthMode::Card,
                at: had.auth_time,
                evidence: evidence.clone(),
            },
            expires_at: renewable.until.min(now + lifetime),
            station: station(&renewable.workstation),
            // A card that was tapped goes back into the pocket: nobody watches it.
            watched: None,
        };
        let factors: Vec<String> = amr.into_iter().map(Amr::as_str).map(str::to_owned).collect();
        let number = match &evidence {
            Evidence::Badge { card_number, .. } => Some(card_number.as_str()),
            _ => None,
        };
        self.0.learn(|event| {
            let event = event.session(new.id).level(Acr::Eidas1.as_str(), &factors).means(MEANS, number);
            if unlocks { event.note("unlocked") } else { event }
        });
        // One that ran out but was not written off yet ends with its time, not for the tap.
        let replaced = (!unlocks && had.ended_at.is_none()).then(|| {
            let event = login.parts.trail.event(Kind::SessionEnded).person(had.person_id).session(had.id);
            let event = event.note(EndReason::Replaced.as_str()).transaction(transaction.id);
            let event = NewRow::from(&event.caller(self.0.caller));
            store::login_transaction::Replaced { session: had.id, event }
        });
        let event = NewRow::from(&self.0.event());
        let completion = Completion {
            proof: Proof::Badge(&asked.txn),
            session: &new,
            goes_on: unlocks.then_some(&cookie_before),
            replaced: replaced.as_ref(),
            event: &event,
        };
        let (db, random) = (&login.parts.db, &*login.parts.random);
        if !store::login_transaction::complete(db, transaction.id, completion, now, random).await? {
            return Err(Refusal::AlreadyEnded);
        }
        login.waiting.wake(transaction.id);
        Ok(Waited::Done(Some(cookies::session().set(&cookie, None)?)))
    }

    /// Says why nothing was renewed: here, in the log and in the audit.
    async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "a badge renewed nothing: {refusal}");
        let event = self.0.event();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let row = NewRow::from(&event);
        if let Err(error) = store::audit::append(&self.0.login.parts.db, row).await {
            tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
        }
        let status = match refusal {
            // The page has nothing to do with it, or not any more.
            Refusal::ForeignOrigin(_)
            | Refusal::Malformed(_)
            | Refusal::OtherBrowser
            | Refusal::UnknownRequest => {
                return unstored(
                    (refusal.status(), Json(serde_json::json!({ "code": code }))).into_response(),
                );
            }
            Refusal::AlreadyEnded | Refusal::TransactionExpired => Status::Expired,
            _ => Status::failed(code, language.texts()),
        };
        told(&status, None)
    }
}

/// One tap on its way through the checks. The event learns what is known.
struct Tap<'a> {
    login: &'a CardLogin,
    event: Event,
    /// The request, once it is certain that the workstation that was asked answers it.
    asked: Option<BadgeRequest>,
}

impl Tap<'_> {
    async fn judge(&mut self, body: &[u8]) -> Result<(), Refusal> {
        if body.len() > MAX_ANSWER_LEN {
            return Err(malformed("too long"));
        }
        let OfAgent { answer: jws } =
            serde_json::from_slice(body).map_err(|_| malformed("not JSON with an answer"))?;
        let (answer, request) = read(&jws)?;
        let (login, txn) = (self.login, request.challenge.to_text());
        let parts = &login.parts;
        let asked = store::badge::by_txn(&parts.db, &txn).await?.ok_or(Refusal::UnknownRequest)?;
        self.learn(|event| event.person(asked.person_id).transaction(asked.transaction_id));
        // Byte for byte the one that was issued, so its claims are ours.
        if !constant_time_eq(asked.request.as_bytes(), answer.request.as_bytes()) {
            return Err(Refusal::RequestDiffers);
        }
        let workstation = login.answering(&jws, &answer).await?;
        let version = answer.agent_version.to_string();
        self.learn(|event| event.workstation(workstation.id).zone(&workstation.zone).reader("", &version));
        if request.purpose != Purpose::Badge {
            return Err(Refusal::Purpose);
        }
        if workstation.id != asked.workstation_id || request.workstation != Some(workstation.id) {
            return Err(BadgeRefusal::OtherWorkstation.into());
        }
        match asked.state {
            Stage::Open => {}
            Stage::Answered | Stage::Done | Stage::Refused | Stage::Withdrawn => {
                return Err(Refusal::AlreadyEnded);
            }
        }
        if asked.expires_at <= login.now() {
            return Err(Refusal::RequestExpired);
        }
        self.asked = Some(asked.clone());
        login.check_agent(&answer)?;
        if answer.pin != PinEntry::None || answer.interface != Interface::Contactless {
            return Err(BadgeRefusal::NotATap.into());
        }
        let card = login.judge(Purpose::Badge, &answer)?;
        let number = card.certificate.card_number.clone();
        self.learn(|event| event.means(MEANS, number.as_deref()).id_nat(&card.certificate.id_nat));
        let evidence = self.renews(&asked, &card, &answer).await?;
        if !store::badge::answer(&parts.db, &txn, &evidence, login.now()).await? {
            return Err(Refusal::AlreadyEnded);
        }
        login.waiting.wake(asked.transaction_id);
        Ok(())
    }

    /// What the tap proves, if it is the card of the person whose session it is to renew.
    async fn renews(
        &self,
        asked: &BadgeRequest,
        card: &VerifiedCard,
        answer: &CardAnswer,
    ) -> Result<Evidence, Refusal> {
        let (login, certificate) = (self.login, &card.certificate);
        let db = &login.parts.db;
        let holder = store::person::by_identifier(db, &certificate.id_nat).await?;
        if holder.map(|holder| holder.id) != Some(asked.person_id) {
            return Err(BadgeRefusal::OtherPerson.into());
        }
        let session = store::session::by_id(db, asked.session_id).await?.ok_or(BadgeRefusal::NoWindow)?;
        let seen = session.evidence.card_and_pin().ok_or(BadgeRefusal::NoWindow)?;
        let Evidence::Card { card_number, certificate_sha256, .. } = seen else {
            return Err(BadgeRefusal::NoWindow.into());
        };
        // The number of the card is in both of its certificates; one that has none is no card to us.
        if card_number.is_empty() || certificate.card_number.as_ref() != Some(card_number) {
            return Err(BadgeRefusal::OtherCard.into());
        }
        let fingerprint = hex::encode(card.fingerprint);
        if fingerprint == *certificate_sha256 {
            return Err(BadgeRefusal::NotATap.into());
        }
        Ok(Evidence::Badge {
            card_number: card_number.clone(),
            certificate_sha256: fingerprint,
            serial: hex::encode(&certificate.serial),
            issuer: hex::encode(card.issuer),
            workstation: answer.workstation,
            tapped_at: login.now(),
            renews: Box::new(seen.clone()),
        })
    }

    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// Writes the refusal to log, audit and, where the workstation that was asked answered, to the request: the page that
    /// waits says it, and it counts.
    async fn refuse(&mut self, refusal: &Refusal) {
        let code = refusal.code();
        tracing::warn!(code, "a tap was refused: {refusal}");
        let event = self.event.clone();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let (db, row) = (&self.login.parts.db, NewRow::from(&event));
        let recorded = match &self.asked {
            Some(asked) => store::badge::refuse(db, &asked.txn, code, &row).await.map(|_| ()),
            None => store::audit::append(db, row).await,
        };
        if let Err(error) = recorded {
            tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
        }
        if let Some(asked) = &self.asked {
            self.login.waiting.wake(asked.transaction_id);
        }
    }
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

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
