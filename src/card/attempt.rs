//! One try to sign in with a card, whichever way the card was proven: by the answer of an agent ([`super::finish`]) or
//! by a TLS handshake ([`super::tls_login`]).
//!
//! A hospital gets from it that both ways end in the same session, by the same rules: only in the browser that began
//! the sign-in, only for a person who is admitted, once, with whoever was signed in here before signed out first; and
//! that a refusal is said on the page, to the page that waits, in the log and in the audit, with one code.
//!
//! It never asks how the card was proven; each way brings its own checks.

use std::net::IpAddr;

use axum::response::Response;
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::login::CardLogin;
use super::protocol::CardAnswer;
use super::refusal::Refusal;
use super::verify::VerifiedCard;
use crate::audit::{Caller, Event, Kind};
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::directory::{self, NationalId};
use crate::ids::{PersonId, Secret, SessionId, TransactionId};
use crate::session::{
    Amr, Authentication, CardOut, Demands, EndReason, Evidence, Session, SessionPolicy, Standing, Station,
};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::client::Client;
use crate::store::login_transaction::{Completion, LoginTransaction, Proof, Replaced, State as Stage};
use crate::store::session::{NewSession, Watched};
use crate::store::workstation::Workstation;
use crate::web::browser;
use crate::web::cookies;
use crate::web::error_page::ErrorPage;
use crate::web::limits::{TooMany, network_of};
use crate::web::page::Frame;
use crate::web::pages::card::{Finish, Outcome};

/// How long a card counts as present that the workstation's channel does not report: the next report is asked for at
/// once, and this is what it may take to arrive.
const FIRST_LEASE: TimeDelta = TimeDelta::seconds(10);

/// The agent whose channel watches a card.
struct Watcher {
    /// SHA-256 of its name, in hexadecimal; none: an agent of the version before, for which any channel of its
    /// workstation speaks.
    agent: Option<String>,
}

/// What is told whose card was refused too often from one address.
const TOO_MANY: &str = "WEB-008";
/// Refusals of one sign-in with one code that are recorded each minute: more than a person makes.
const RECORDED: u32 = 5;

/// A try on its way through the checks. The event learns what is known, so that a refusal says as much as it can.
pub(super) struct Attempt<'a> {
    pub(super) login: &'a CardLogin,
    pub(super) headers: &'a HeaderMap,
    pub(super) caller: &'a Caller,
    means: &'static str,
    event: Event,
    /// SHA-256 of the certificate that is presented, whoever presents it.
    presented: Option<[u8; 32]>,
    /// The sign-in that what came here names, whoever sent it.
    named: Option<TransactionId>,
    /// The sign-in, once it is certain that this browser began it.
    transaction: Option<LoginTransaction>,
    /// Where the card was read, where that is known.
    workstation: Option<Workstation>,
    /// Who watches it there.
    watcher: Option<Watcher>,
    /// What the relying party asks for beyond the rules of the place.
    demands: Demands,
}

impl<'a> Attempt<'a> {
    /// `means` is the name of the way in the audit.
    pub(super) fn new(
        login: &'a CardLogin,
        headers: &'a HeaderMap,
        caller: &'a Caller,
        means: &'static str,
    ) -> Self {
        let event = login.parts.trail.event(Kind::SignIn).caller(caller).means(means, None);
        let (presented, named, transaction, workstation) = (None, None, None, None);
        let (watcher, demands) = (None, Demands::default());
        Self {
            login,
            headers,
            caller,
            means,
            event,
            presented,
            named,
            transaction,
            workstation,
            watcher,
            demands,
        }
    }

    /// Adds what is known to the event.
    pub(super) fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// The sign-in that was found, if this browser holds its cookie.
    pub(super) fn of_this_browser(&mut self, found: LoginTransaction) -> Result<LoginTransaction, Refusal> {
        self.learn(|event| event.transaction(found.id).client(&found.client_id));
        self.named = Some(found.id);
        let cookie = cookies::transaction(found.id).read(self.headers).ok_or(Refusal::OtherBrowser)?;
        if !constant_time_eq(&found.browser_hash, &sha256(cookie.expose().as_bytes())) {
            return Err(Refusal::OtherBrowser);
        }
        self.transaction = Some(found.clone());
        Ok(found)
    }

    /// Whether the sign-in still waits for a proof.
    pub(super) fn check_open(&self, transaction: &LoginTransaction) -> Result<(), Refusal> {
        if transaction.state != Stage::Open {
            return Err(Refusal::AlreadyEnded);
        }
        if transaction.expires_at <= self.login.now() {
            return Err(Refusal::TransactionExpired);
        }
        Ok(())
    }

    /// Notes which card is presented. Nothing of it is believed yet.
    pub(super) fn presents(&mut self, certificate: &[u8]) {
        self.presented = Some(sha256(certificate));
    }

    /// The card that is presented, and from where.
    fn account(&self) -> Option<([u8; 32], IpAddr)> {
        Some((self.presented?, network_of(self.caller.address?)))
    }

    /// Notes whose card it is.
    pub(super) fn saw(&mut self, card: &VerifiedCard) {
        let (means, number) = (self.means, card.certificate.card_number.clone());
        self.learn(|event| event.means(means, number.as_deref()).id_nat(&card.certificate.id_nat));
        if let Some(exception) = card.revocation.exception() {
            tracing::warn!(exception, "a card was accepted without an answer in its time");
            self.learn(|event| event.note(&exception));
        }
    }

    /// The event as far as it is known.
    pub(super) fn event(&self) -> Event {
        self.event.clone()
    }

    /// Notes the workstation that is concerned, which vouches for nothing yet.
    pub(super) fn at(&mut self, workstation: &Workstation) {
        self.workstation = Some(workstation.clone());
    }

    /// Notes the workstation that vouches for the card, and who watches it there: an agent of a version that keeps a
    /// channel, whether its first report has come yet or not; also one of a version before where there once was a
    /// channel, so that blocking the channel does not bring the old ways back.
    pub(super) fn read_at(&mut self, workstation: &Workstation, answer: &CardAnswer) {
        let watches = answer.watched_by.is_some()
            || answer.agent_version.keeps_channels()
            || workstation.channel_since.is_some();
        self.watcher = watches.then(|| Watcher { agent: answer.watched_by.map(hex::encode) });
        self.workstation = Some(workstation.clone());
    }

    /// The network zone of the sign-in, where it is known.
    fn zone(&self) -> &str {
        self.workstation.as_ref().map_or("", |workstation| &workstation.zone)
    }

    /// The relying party, if it is still there and may be used from here.
    pub(super) async fn client(&mut self, transaction: &LoginTransaction) -> Result<Client, Refusal> {
        let client = store::client::for_sign_in(&self.login.parts.db, &transaction.client_id).await?;
        let client = client.filter(|client| client.disabled_at.is_none()).ok_or(Refusal::Client)?;
        self.demands = client.demands();
        if !self.demands.admit(self.zone()) {
            return Err(Refusal::Zone);
        }
        self.learn(|event| event.application(&client.name));
        Ok(client)
    }

    /// The card's person, if admitted and active.
    pub(super) async fn person(
        &mut self,
        transaction: &LoginTransaction,
        card: &VerifiedCard,
    ) -> Result<PersonId, Refusal> {
        let client = self.client(transaction).await?;
        let parts = &self.login.parts;
        self.login.check_not_halted(card.certificate.card_number.as_deref()).await?;
        let id_nat = NationalId::of_source(&card.certificate.id_nat).ok_or(directory::Refusal::Unknown)?;
        let now = self.login.now();
        let person =
            directory::sign_in(&parts.db, &parts.trail, &id_nat, client.audience, now, &*parts.random)
                .await??;
        self.learn(|event| event.person(person));
        Ok(person)
    }

    /// Consumes the sign-in, begins the session and ends the one that this browser had, all or nothing. Where that one
    /// is the same person's, it goes on instead, so that other services stay signed in: a proof that is at least as
    /// good takes the place of the one before, and a new cookie that of the old one, which somebody may have planted or
    /// seen. Yields the page that says so; the new cookie is set in this response only.
    pub(super) async fn complete(
        &mut self,
        transaction: &LoginTransaction,
        proof: Proof<'_>,
        authentication: Authentication,
        finish: Finish,
        frame: &Frame,
    ) -> Result<Response, Refusal> {
        let cookie = self.begin_session(transaction, proof, authentication).await?;
        if let Some(account) = self.account() {
            self.login.refused.clear(&account);
        }
        let mut response = finish.render(frame);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }

    async fn begin_session(
        &mut self,
        transaction: &LoginTransaction,
        proof: Proof<'_>,
        authentication: Authentication,
    ) -> Result<HeaderValue, Refusal> {
        let parts = &self.login.parts;
        let (now, random) = (self.login.now(), &*parts.random);
        let station = self.station().await?;
        let policy = parts.policies.at(&station);
        let watched = self.watched(&authentication, policy.tightened(&self.demands)).await?;
        if self.demands.need_watch() && watched.is_none() {
            return Err(Refusal::Unwatched);
        }
        let had = match cookies::session().read(self.headers) {
            Some(old) => {
                let hash = sha256(old.expose().as_bytes());
                store::session::by_cookie(&parts.db, hash).await?.map(|session| (session, hash))
            }
            None => None,
        };
        let had = had.filter(|(session, _)| session.ended_at.is_none());
        let goes_on = had.as_ref().and_then(|(had, cookie_before)| {
            Some((had.id, *cookie_before, self.goes_on(had, &authentication, watched.as_ref())?))
        });
        let cookie = Secret::of_256_bits(random);
        let factors: Vec<String> =
            authentication.amr.iter().copied().map(Amr::as_str).map(str::to_owned).collect();
        let acr = authentication.acr;
        let new = NewSession {
            id: goes_on.map_or_else(|| SessionId::new(now, random), |(id, ..)| id),
            cookie_hash: sha256(cookie.expose().as_bytes()),
            expires_at: now + policy.lifetime,
            authentication,
            station,
            watched,
        };
        let replaced = had.filter(|_| goes_on.is_none()).map(|(session, _)| {
            let event = parts.trail.event(Kind::SessionEnded).person(session.person_id).session(session.id);
            let event =
                event.note(EndReason::Replaced.as_str()).transaction(transaction.id).caller(self.caller);
            Replaced { session: session.id, event: NewRow::from(&event) }
        });
        self.learn(|event| {
            let event = event.session(new.id).level(acr.as_str(), &factors);
            goes_on.iter().fold(event, |event, (_, _, how)| event.note(how))
        });
        let mut browser = browser::seen(new.authentication.person, self.headers, self.caller);
        browser.place.zone.clone_from(&new.station.zone);
        let completion = Completion {
            proof,
            session: &new,
            goes_on: goes_on.as_ref().map(|(_, cookie_before, _)| cookie_before),
            replaced: replaced.as_ref(),
            browser: Some(&browser),
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

    /// Where the session is opened. A browser that proves a card by itself does not say at which workstation: where
    /// there are any that several people use in turn, it may be one of them.
    async fn station(&self) -> Result<Station, Refusal> {
        let parts = &self.login.parts;
        if let Some(Workstation { zone, shared, .. }) = &self.workstation {
            return Ok(Station { zone: zone.clone(), shared: *shared });
        }
        let shared = parts.policies.have_shared_zones() || store::workstation::any_shared(&parts.db).await?;
        Ok(Station { zone: String::new(), shared })
    }

    /// Whether the browser's session goes on with this sign-in, and what the audit calls that. Another person's sign-in
    /// inherits nothing. A session that is locked is opened by the card that opened it; one that is not moves to
    /// whatever card and workstation its person has just proved, unless that proves less or nobody watches it: what was
    /// granted must not come to rest on less than it was granted for.
    fn goes_on(
        &self,
        had: &Session,
        proved: &Authentication,
        watched: Option<&Watched>,
    ) -> Option<&'static str> {
        let (now, place) = (self.login.now(), self.login.parts.policies.at(&had.station()));
        let standing = had.standing(place, now);
        let is_over = matches!(standing, Standing::Ended | Standing::Expired);
        if is_over || had.person_id != proved.person || !had.is_matched_by(proved) {
            return None;
        }
        let card = had.card_of_pin();
        let same_card = card.is_some() && card == watched.map(|watched| watched.card.as_str());
        let for_this_client = had.standing(place.tightened(&self.demands), now);
        if standing == Standing::Locked || for_this_client == Standing::Locked {
            return same_card.then_some("unlocked");
        }
        (had.card.is_none() || watched.is_some()).then_some("renewed")
    }

    /// Who watches the card from now on: the channel of the agent that answered, or of the workstation. An agent of a
    /// version before keeps none, and its sessions are as they always were.
    async fn watched(
        &self,
        proved: &Authentication,
        policy: SessionPolicy,
    ) -> Result<Option<Watched>, Refusal> {
        let (Some(workstation), Some(watcher), Evidence::Card { certificate_sha256: card, .. }) =
            (&self.workstation, &self.watcher, &proved.evidence)
        else {
            return Ok(None);
        };
        let now = self.login.now();
        let mut channels = store::channel::of(&self.login.parts.db, workstation.id).await?;
        channels.retain(|channel| {
            let has_a_say = watcher.agent.as_ref().is_none_or(|agent| *agent == channel.agent);
            has_a_say && policy.holds(channel.seen_at + policy.lease, now)
        });
        let unseen = !channels.is_empty() && !channels.iter().any(|channel| channel.cards.contains(card));
        // A channel that is silent has until the end of a whole lease to come back.
        let lease = if unseen { FIRST_LEASE } else { policy.lease };
        Ok(Some(Watched {
            workstation: workstation.id,
            card: card.clone(),
            agent: watcher.agent.clone(),
            leased_until: (policy.card_out != CardOut::Ignore).then_some(now + lease),
        }))
    }

    /// Writes the refusal to log and audit, and, in the browser that began the sign-in, to the sign-in, so that the
    /// waiting page can say it. Yields the page that says so here.
    ///
    /// Whoever is refused with one card from one address again and again is told to wait, and nothing is written. That
    /// stops nobody: a card that is good is let in whatever was counted, so that its holder cannot be locked out.
    pub(super) async fn refuse(mut self, refusal: &Refusal, frame: &Frame) -> Response {
        let transaction = self.transaction.take();
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        let retry = |page: ErrorPage| match &transaction {
            Some(transaction) => page.retry((self.login.parts.next)(transaction.id)),
            None => page,
        };
        if let Err(too_many) = self.count(refusal) {
            tracing::warn!(
                code = TOO_MANY,
                refused = refusal.code(),
                "a card is refused too often from one address"
            );
            let page = retry(ErrorPage::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, operation));
            let mut response = page.render(frame);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(too_many.retry_after()));
            return response;
        }
        self.record(refusal, transaction.as_ref()).await;
        retry(ErrorPage::new(refusal.status(), refusal.code(), operation)).render(frame)
    }

    fn count(&self, refusal: &Refusal) -> Result<(), TooMany> {
        match self.account() {
            Some(account) if refusal.is_denial() => self.login.refused.refuse(account, self.login.now()),
            _ => Ok(()),
        }
    }

    async fn record(&self, refusal: &Refusal, transaction: Option<&LoginTransaction>) {
        let code = refusal.code();
        tracing::warn!(code, "a card sign-in was refused: {refusal}");
        let db = &self.login.parts.db;
        // What names no sign-in of ours is a stranger's: it stands in the log alone.
        if let Some(named) = self.named {
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            self.login.repeats.record(db, named.0, code, RECORDED, event, self.login.now()).await;
        }
        if let Some(transaction) = transaction {
            if let Err(error) = store::login_transaction::note_failure(db, transaction.id, code).await {
                tracing::error!(code = error.code(), %error, "the waiting page will not learn of the refusal");
            }
            self.login.waiting.wake(transaction.id);
        }
    }

    /// The last page of this sign-in, once it has succeeded.
    pub(super) fn finish_page(&self, transaction: &LoginTransaction) -> Finish {
        Finish {
            transaction: transaction.id.to_string(),
            outcome: Outcome::Done,
            next: (self.login.parts.next)(transaction.id),
            same_tab: false,
        }
    }
}
