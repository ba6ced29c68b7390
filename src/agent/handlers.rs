//! What the agent answers: the request of a server, and the forms of its own pages.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use chrono::TimeDelta;
use http::request::Parts;
use http::{Method, Request};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::card::{CardFault, Remedy, ShownCard};
use super::checks::{self, Refusal};
use super::enrolments::{Enrolment, Enrolments};
use super::exchange::{Exchange, Exchanges};
use super::name::OwnName;
use super::pages::{self, Page};
use super::pin::{PinSetting, TypedPin, WindowError};
use super::platform::{self, UserId};
use super::reports::Reports;
use super::{AgentError, AgentOptions, channel, enrol, report_port_held};
use crate::card::proof::Proof;
use crate::card::protocol::{
    AgentVersion, CardAnswer, CardRequest, Interface, PinEntry, Purpose, TYP_CARD_ANSWER, WebOrigin,
    WorkstationState,
};
use crate::clock::Time;
use crate::crypto::jose::{self, JwsError};
use crate::ids::Secret;
use crate::web::language::Language;

/// Another request is at the card.
const BUSY: &str = "AGENT-020";
/// What was typed cannot be a PIN.
const NOT_A_PIN: &str = "AGENT-023";
/// One try of the PIN is left: the person is warned.
const LAST_TRY: &str = "READER-010";
/// The PIN is blocked already.
const BLOCKED: &str = "AGENT-024";
/// An administrator has to approve this workstation first.
const PENDING: &str = "AGENT-050";
/// This workstation waited for approval and was revoked instead.
const REVOKED: &str = "AGENT-051";
/// No card that could answer.
const NO_CARD: &str = "READER-003";
/// The card lies on an antenna, where it has no PIN.
const CONTACTLESS: &str = "READER-022";
/// The switch does not answer.
const SWITCH_MISSED: &str = "AGENT-055";
/// The agent itself failed.
const FAILED: &str = "AGENT-025";

/// How often one server is asked for its keys because of a request that is signed by an unknown one.
const KEYS_ASKED_AT_MOST_EVERY: TimeDelta = TimeDelta::minutes(1);
/// How often each server is asked for its keys in any case.
const KEYS_ASKED_EVERY: Duration = Duration::from_secs(6 * 3600);

/// The agent, as it answers one connection or another.
pub(super) struct Agent {
    options: AgentOptions,
    store: Enrolments,
    name: OwnName,
    pin_entry: PinSetting,
    user: UserId,
    own_host: String,
    own_origin: String,
    exchanges: Exchanges,
    /// One person, one card: held while a card is read or a PIN window is open.
    at_the_card: tokio::sync::Mutex<()>,
    keys_asked: Mutex<HashMap<WebOrigin, Time>>,
    reports: Reports,
}

/// A refusal, with the server it concerns where that is known.
struct Refused {
    refusal: Refusal,
    server: Option<Box<Enrolment>>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, server: None }
    }
}

impl Agent {
    pub(super) fn new(
        options: AgentOptions,
        store: Enrolments,
        name: OwnName,
        pin_entry: PinSetting,
        user: UserId,
        address: SocketAddr,
    ) -> Self {
        Self {
            options,
            store,
            name,
            pin_entry,
            user,
            own_host: address.to_string(),
            own_origin: format!("http://{address}"),
            exchanges: Exchanges::default(),
            at_the_card: tokio::sync::Mutex::new(()),
            keys_asked: Mutex::new(HashMap::new()),
            reports: Reports::default(),
        }
    }

    /// The user that it runs for.
    pub(super) fn user(&self) -> UserId {
        self.user
    }

    /// Tells servers that the switch of this computer does not answer.
    pub(super) fn tell_switch_missed(&self) {
        self.report_refusal(SWITCH_MISSED, None);
    }

    /// Tells servers and the person that another program has the port, which the switch should have.
    pub(super) async fn tell_port_held(&self, address: SocketAddr) {
        let error = AgentError::PortHeld {
            port: address.port(),
            user: platform::listener_user(address).map(|user| user.0),
        };
        tracing::error!(code = error.code(), "{error}");
        report_port_held(&self.options).await;
        self.options.window.tell("Sceau", &error.to_string()).await;
    }

    /// How long a request may take to arrive.
    pub(super) fn patience(&self) -> Duration {
        self.options.patience
    }

    /// Answers one request of a connection that `peer` opened.
    pub(super) async fn answer(&self, peer: Option<UserId>, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let language = Language::of(&parts);
        match self.route(peer, &parts, body, language).await {
            Ok(response) => response,
            Err(Refused { refusal, server }) => {
                // Nothing that a stranger wrote but its site; never a form's content.
                tracing::warn!(
                    code = refusal.code(),
                    server = server.as_ref().map(|server| server.origin.as_str()),
                    "refused: {refusal}"
                );
                self.report_refusal(refusal.code(), server.as_deref());
                let (code, status) = (refusal.code(), refusal.status());
                let page = Page::Refused { code, status, server: server.map(|server| *server) };
                pages::respond(page, language)
            }
        }
    }

    /// The first checks, then the table of what there is.
    async fn route(
        &self,
        peer: Option<UserId>,
        parts: &Parts,
        body: Body,
        language: Language,
    ) -> Result<Response, Refused> {
        if peer != Some(self.user) {
            return Err(Refusal::OtherUser.into());
        }
        checks::host(&parts.headers, &parts.uri, &self.own_host)?;
        if parts.headers.get("service-worker").is_some() {
            return Ok(pages::farewell_worker());
        }
        let page = match (&parts.method, parts.uri.path()) {
            (_, "/") => self.card_request(parts, body).await?,
            (_, pages::SIGN) => self.start(parts, body).await?,
            (_, pages::CHOOSE) => self.choose(parts, body).await?,
            (&Method::GET, pages::PIN) => self.pin_window(parts, language).await?,
            (&Method::GET, pages::LOOK) => self.look_again(parts).await?,
            (&Method::GET, pages::CANCEL) => self.cancel(parts)?,
            (&Method::GET, path) => return pages::asset(path).ok_or(Refusal::NotFound.into()),
            _ => return Err(Refusal::NotFound.into()),
        };
        Ok(pages::respond(page, language))
    }

    /// `POST /`: the card request of a server (section 2 of the protocol, in its order).
    async fn card_request(&self, parts: &Parts, body: Body) -> Result<Page, Refused> {
        let form = self.form(parts, body, &["request"], &[]).await?;
        checks::navigation(&parts.headers)?;
        let origin = checks::origin(&parts.headers)?;
        let server = self.enrolment(&origin).ok_or_else(|| Refusal::UnknownOrigin(origin.to_string()))?;
        let refused = |refusal| Refused { refusal, server: Some(Box::new(server.clone())) };
        let (request, server) =
            self.check_request(form.value("request"), server.clone()).await.map_err(refused)?;
        if self.exchanges.is_done(request.challenge) {
            return Err(Refused { refusal: Refusal::Answered, server: Some(Box::new(server)) });
        }
        let exchange = Exchange {
            request_jws: form.value("request").to_owned(),
            request,
            server,
            shown: None,
            offered: Vec::new(),
            started: false,
            last_try_agreed: false,
        };
        Ok(self.look(exchange, None).await)
    }

    /// The signature and the claims. A key that is not known yet may be the server's next but one: it is asked, rarely.
    async fn check_request(&self, jws: &str, server: Enrolment) -> Result<(CardRequest, Enrolment), Refusal> {
        let check = |server: &Enrolment| {
            let key_of = |kid: Option<&str>| kid.and_then(|kid| server.keys.find(kid));
            checks::request(jws, &server.origin, Purpose::Browser, key_of, self.options.clock.now())
        };
        match check(&server) {
            Err(Refusal::Signature(JwsError::UnknownKey)) if self.may_ask_keys(&server.origin) => {
                let server = self.refresh_keys(server).await;
                check(&server).map(|request| (request, server))
            }
            other => other.map(|request| (request, server)),
        }
    }

    /// Reads the cards and shows who asks and who would answer; where there are several, lets the person choose.
    async fn look(&self, mut exchange: Exchange, notice: Option<&'static str>) -> Page {
        if let Err(code) = self.see_approval(&mut exchange.server).await {
            return self.trouble(exchange, code, true);
        }
        let looked = {
            let Ok(_card) = self.at_the_card.try_lock() else { return self.busy(exchange) };
            let cards = Arc::clone(&self.options.cards);
            blocking(move || cards.look_all()).await
        };
        let cards = match looked {
            Ok(cards) => cards,
            Err(fault) => return self.fault(exchange, &fault),
        };
        // The one that was chosen before is not asked for again.
        let chosen = exchange.shown.as_ref().and_then(|before| cards.iter().find(|card| card.is_as(before)));
        match (chosen.cloned(), cards.as_slice()) {
            (_, []) => self.trouble(exchange, NO_CARD, true),
            (_, [only]) => {
                let only = only.clone();
                self.ask(Exchange { offered: Vec::new(), ..exchange }, only, notice)
            }
            (Some(card), _) => self.ask(Exchange { offered: cards, ..exchange }, card, notice),
            (None, _) => self.offer(exchange, cards),
        }
    }

    /// Asks a server that this workstation waits for whether it has been approved, so that nobody types a PIN in vain. Where
    /// the server cannot be asked, it will judge the answer.
    async fn see_approval(&self, server: &mut Enrolment) -> Result<(), &'static str> {
        if server.state == WorkstationState::Active {
            return Ok(());
        }
        match enrol::standing(server, self.options.clock.as_ref()).await {
            Ok(WorkstationState::Active) => {
                server.state = WorkstationState::Active;
                tracing::info!(server = server.origin.as_str(), "this workstation has been approved");
                if let Err(error) = self.store.set_state(server.workstation, server.state) {
                    tracing::error!(code = error.code(), "{error}");
                }
                Ok(())
            }
            Ok(WorkstationState::Pending) => Err(PENDING),
            Ok(WorkstationState::Revoked) => Err(REVOKED),
            Err(error) => {
                tracing::warn!(code = error.code(), server = server.origin.as_str(), "{error}");
                Ok(())
            }
        }
    }

    /// The page on which the person says which card is theirs.
    fn offer(&self, exchange: Exchange, cards: Vec<ShownCard>) -> Page {
        let exchange = Exchange { offered: cards, shown: None, started: false, ..exchange };
        let token = self.next_page(exchange.clone());
        Page::Choose { exchange: Box::new(exchange), token }
    }

    /// `POST /choose`: the click on a card.
    async fn choose(&self, parts: &Parts, body: Body) -> Result<Page, Refused> {
        let form = self.form(parts, body, &["token", "card"], &[]).await?;
        let exchange = self.own_form(parts, &form)?;
        let place: Option<usize> = form.value("card").parse().ok();
        let card = place.and_then(|place| exchange.offered.get(place)).cloned().ok_or(Refusal::Form)?;
        Ok(self.ask(exchange, card, None))
    }

    /// The checks of a form of the agent's own page, and the exchange that its token stands for.
    fn own_form(&self, parts: &Parts, form: &checks::Fields) -> Result<Exchange, Refusal> {
        checks::navigation(&parts.headers)?;
        checks::own_origin(&parts.headers, &self.own_origin)?;
        self.exchanges.take(form.value("token"), self.options.clock.now()).ok_or(Refusal::Token)
    }

    /// The page that asks the person to start. Whatever was agreed on an earlier page no longer counts.
    fn ask(&self, exchange: Exchange, shown: ShownCard, notice: Option<&'static str>) -> Page {
        if shown.interface == Interface::Contactless {
            self.report(&exchange, CONTACTLESS, "it lies on a contactless reader");
            return self.trouble(exchange, CONTACTLESS, true);
        }
        if shown.tries_left == Some(0) {
            self.report(&exchange, BLOCKED, "its PIN is blocked");
            return self.trouble(exchange, BLOCKED, false);
        }
        if shown.tries_left == Some(1) && notice.is_none() {
            self.report(&exchange, LAST_TRY, "one try of its PIN is left");
        }
        let exchange =
            Exchange { shown: Some(shown.clone()), started: false, last_try_agreed: false, ..exchange };
        let token = self.next_page(exchange.clone());
        let pin = self.entry(&shown);
        Page::Ask { exchange: Box::new(exchange), shown, pin, notice, token }
    }

    /// `GET /look`: the person has put something right.
    async fn look_again(&self, parts: &Parts) -> Result<Page, Refused> {
        let exchange = Exchange { shown: None, ..self.own_link(parts)? };
        Ok(self.look(exchange, None).await)
    }

    /// `POST /sign`: the click. The PIN window opens on the next page; a PIN typed in this one goes to the card.
    async fn start(&self, parts: &Parts, body: Body) -> Result<Page, Refused> {
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
    fn entry(&self, shown: &ShownCard) -> PinEntry {
        match self.pin_entry {
            _ if shown.has_pad => PinEntry::Pad,
            PinSetting::Window => PinEntry::Window,
            PinSetting::Page => PinEntry::Page,
        }
    }

    /// `GET /pin`: asks for the PIN in its window or on the reader's keys, then lets the card sign. The browser shows the
    /// waiting page meanwhile; if it goes away, so does the window. (The reader gives up by itself.)
    async fn pin_window(&self, parts: &Parts, language: Language) -> Result<Page, Refused> {
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

    /// `GET /cancel`: back to the server; this request is never answered here. Also while the PIN window is open.
    fn cancel(&self, parts: &Parts) -> Result<Page, Refused> {
        checks::navigation(&parts.headers)?;
        let exchange = checks::token(&parts.uri)
            .and_then(|token| self.exchanges.give_up(&token, self.options.clock.now()))
            .ok_or(Refusal::Token)?;
        Ok(self.cancelled(exchange))
    }

    fn cancelled(&self, exchange: Exchange) -> Page {
        self.exchanges.finish(exchange.request.challenge);
        tracing::info!(server = exchange.server.origin.as_str(), "a card request was cancelled");
        let txn = exchange.request.challenge.to_text();
        let address = format!("{}?txn={txn}", exchange.server.cancel_address());
        Page::Cancelled { server: exchange.server, address }
    }

    /// The checks of a link of the agent's own page, and the exchange that its token stands for.
    fn own_link(&self, parts: &Parts) -> Result<Exchange, Refusal> {
        checks::navigation(&parts.headers)?;
        checks::token(&parts.uri)
            .and_then(|token| self.exchanges.take(&token, self.options.clock.now()))
            .ok_or(Refusal::Token)
    }

    async fn form(
        &self,
        parts: &Parts,
        body: Body,
        names: &[&str],
        optional: &[&str],
    ) -> Result<checks::Fields, Refusal> {
        checks::form(&parts.method, &parts.headers, body, self.options.patience, names, optional).await
    }

    fn next_page(&self, exchange: Exchange) -> Secret {
        self.exchanges.open(exchange, self.options.clock.now(), self.options.random.as_ref())
    }

    fn fault(&self, exchange: Exchange, fault: &CardFault) -> Page {
        self.report(&exchange, fault.code, &fault.detail);
        self.trouble(exchange, fault.code, fault.remedy != Remedy::GiveUp)
    }

    fn busy(&self, exchange: Exchange) -> Page {
        self.report(&exchange, BUSY, "another request is at the card");
        self.trouble(exchange, BUSY, true)
    }

    /// Writes what stands in the way of a request to the log, and tells its server.
    fn report(&self, exchange: &Exchange, code: &'static str, detail: &str) {
        let server = &exchange.server.origin;
        tracing::warn!(code, server = server.as_str(), "a card request is not answered yet: {detail}");
        self.reports.note(server, code, Some(exchange.request.challenge), self.options.clock.now());
    }

    /// Tells a refusal to the server that it concerns; where that is not known, to each that the workstation has.
    fn report_refusal(&self, code: &'static str, server: Option<&Enrolment>) {
        let now = self.options.clock.now();
        match server {
            Some(server) => self.reports.note(&server.origin, code, None, now),
            None => {
                for server in self.enrolments() {
                    self.reports.note(&server.origin, code, None, now);
                }
            }
        }
    }

    /// Tells the servers what was reported, until `shutdown`.
    pub(super) async fn deliver_reports(self: Arc<Self>, shutdown: CancellationToken) {
        self.reports.deliver(|| self.enrolments(), self.options.clock.as_ref(), shutdown).await;
    }

    /// A page that says what is wrong and offers the ways on.
    fn trouble(&self, exchange: Exchange, code: &'static str, can_retry: bool) -> Page {
        let server = exchange.server.clone();
        let token = self.next_page(Exchange { shown: None, offered: Vec::new(), started: false, ..exchange });
        Page::Trouble { code, server, token, can_retry }
    }

    /// The enrolment with the server of this origin, if the administrator's list does not exclude it. Read from its file
    /// each time: `enrol` may have run in the meantime.
    fn enrolment(&self, origin: &WebOrigin) -> Option<Enrolment> {
        self.enrolments().into_iter().find(|enrolment| enrolment.origin == *origin)
    }

    /// The servers of this workstation, but those that the administrator's list excludes.
    fn enrolments(&self) -> Vec<Enrolment> {
        let all = self.store.read().unwrap_or_else(|error| {
            tracing::error!(code = error.code(), "{error}");
            Vec::new()
        });
        all.into_iter().filter(|enrolment| self.options.managed.allows(&enrolment.origin)).collect()
    }

    fn may_ask_keys(&self, origin: &WebOrigin) -> bool {
        let now = self.options.clock.now();
        let mut asked = self.keys_asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.get(origin).is_some_and(|at| now - *at < KEYS_ASKED_AT_MOST_EVERY) {
            return false;
        }
        asked.insert(origin.clone(), now);
        true
    }

    /// Asks a server for its request keys and keeps them. The enrolment as it was where that fails.
    async fn refresh_keys(&self, server: Enrolment) -> Enrolment {
        match enrol::newer_keys(&server).await {
            Ok(Some(keys)) => {
                if let Err(error) = self.store.set_keys(&keys) {
                    tracing::error!(code = error.code(), "{error}");
                }
                Enrolment { keys, ..server }
            }
            Ok(None) => server,
            Err(error) => {
                tracing::warn!(code = error.code(), server = server.origin.as_str(), "{error}");
                server
            }
        }
    }

    /// Learns each server's next key before it is used.
    pub(super) async fn keep_keys_fresh(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            for server in self.store.read().unwrap_or_default() {
                if shutdown.run_until_cancelled(self.refresh_keys(server)).await.is_none() {
                    return;
                }
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(KEYS_ASKED_EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// Tells the servers of this workstation what is in its readers, until it ends.
    pub(super) async fn keep_channels(self: Arc<Self>, shutdown: CancellationToken) {
        channel::keep_all(&self.options, &self.store, &self.name, &shutdown).await;
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

/// Runs what blocks, for seconds at worst, beside the threads that answer.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, CardFault> + Send + 'static,
) -> Result<T, CardFault> {
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|error| {
        Err(CardFault { code: FAILED, remedy: Remedy::LookAgain, detail: error.to_string() })
    })
}
