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
use super::checks::{self, Fields, Refusal};
use super::enrolments::{Enrolment, EnrolmentStore};
use super::exchange::{Exchange, Exchanges};
use super::pages::{self, Page};
use super::pin::{PinSetting, TypedPin, WindowError};
use super::platform::UserId;
use super::{AgentOptions, enrol};
use crate::card::proof::Proof;
use crate::card::protocol::{AgentVersion, CardAnswer, CardRequest, PinEntry, TYP_CARD_ANSWER, WebOrigin};
use crate::clock::Time;
use crate::crypto::jose::{self, JwsError};
use crate::web::language::Language;

/// How often one server is asked for its keys because of a request that is signed by an unknown one.
const KEYS_ASKED_AT_MOST_EVERY: TimeDelta = TimeDelta::minutes(1);
/// How often each server is asked for its keys in any case.
const KEYS_ASKED_EVERY: Duration = Duration::from_secs(6 * 3600);

/// The agent, as it answers one connection or another.
pub(super) struct Agent {
    options: AgentOptions,
    store: EnrolmentStore,
    pin_entry: PinSetting,
    user: UserId,
    own_host: String,
    own_origin: String,
    exchanges: Exchanges,
    /// One person, one card: held while a card is read or a PIN window is open.
    at_the_card: tokio::sync::Mutex<()>,
    keys_asked: Mutex<HashMap<WebOrigin, Time>>,
}

/// A page to be sent, with the server that its forms may go to.
pub(super) struct Reply {
    pub(super) page: Page,
    pub(super) server: Option<WebOrigin>,
}

/// A refusal, with the server it concerns where that is known.
struct Refused {
    refusal: Refusal,
    server: Option<Enrolment>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, server: None }
    }
}

impl Agent {
    pub(super) fn new(
        options: AgentOptions,
        store: EnrolmentStore,
        pin_entry: PinSetting,
        user: UserId,
        address: SocketAddr,
    ) -> Self {
        Self {
            options,
            store,
            pin_entry,
            user,
            own_host: address.to_string(),
            own_origin: format!("http://{address}"),
            exchanges: Exchanges::default(),
            at_the_card: tokio::sync::Mutex::new(()),
            keys_asked: Mutex::new(HashMap::new()),
        }
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
                let back = server.as_ref().map(Enrolment::cancel_address);
                let page = Page::Refused { code: refusal.code(), status: refusal.status(), back };
                pages::respond(Reply { page, server: server.map(|server| server.origin) }, language)
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
        let reply = match (&parts.method, parts.uri.path()) {
            (_, "/") => self.card_request(parts, body, language).await?,
            (_, pages::SIGN) => self.sign(parts, body, language).await?,
            (_, pages::LAST_TRY) => self.last_try(parts, body).await?,
            (_, pages::LOOK) => self.look_again(parts, body).await?,
            (_, pages::CANCEL) => return self.cancel(parts, body).await,
            (&Method::GET, path) => return pages::asset(path).ok_or(Refusal::NotFound.into()),
            _ => return Err(Refusal::NotFound.into()),
        };
        Ok(pages::respond(reply, language))
    }

    /// `POST /`: the card request of a server (section 2 of the protocol, in its order).
    async fn card_request(&self, parts: &Parts, body: Body, language: Language) -> Result<Reply, Refused> {
        let form = checks::form(&parts.method, &parts.headers, body, &["request"]).await?;
        checks::navigation(&parts.headers)?;
        let origin = checks::origin(&parts.headers)?;
        let server = self.enrolment(&origin).ok_or_else(|| Refusal::UnknownOrigin(origin.to_string()))?;
        let refused = |refusal| Refused { refusal, server: Some(server.clone()) };
        let (request, server) = self.check_request(form.value("request"), server.clone()).await.map_err(refused)?;
        let now = self.options.clock.now();
        if self.exchanges.is_done(request.challenge, now) {
            return Err(Refused { refusal: Refusal::Answered, server: Some(server) });
        }
        let exchange = Exchange {
            request_jws: form.value("request").to_owned(),
            request,
            server,
            shown: None,
            last_try_agreed: false,
        };
        let _ = language;
        Ok(self.look(exchange, None).await)
    }

    /// The signature and the claims. A key that is not known yet may be the server's next but one: it is asked, rarely.
    async fn check_request(&self, jws: &str, server: Enrolment) -> Result<(CardRequest, Enrolment), Refusal> {
        let check = |server: &Enrolment| {
            let key_of = |kid: Option<&str>| kid.and_then(|kid| server.keys.find(kid));
            checks::request(jws, &server.origin, key_of, self.options.clock.now())
        };
        match check(&server) {
            Err(Refusal::Signature(JwsError::UnknownKey)) if self.may_ask_keys(&server.origin) => {
                let server = self.refresh_keys(server).await;
                check(&server).map(|request| (request, server))
            }
            other => other.map(|request| (request, server)),
        }
    }

    /// Reads the card and shows who asks and who would answer.
    async fn look(&self, exchange: Exchange, notice: Option<&'static str>) -> Reply {
        let Ok(_card) = self.at_the_card.try_lock() else {
            return self.trouble(exchange, "AGENT-020", true);
        };
        let cards = Arc::clone(&self.options.cards);
        match blocking(move || cards.look()).await {
            Ok(shown) => self.ask(Exchange { shown: Some(shown), ..exchange }, notice),
            Err(fault) => self.fault(exchange, &fault),
        }
    }

    /// The page that asks for the PIN, or what comes before it.
    fn ask(&self, exchange: Exchange, notice: Option<&'static str>) -> Reply {
        let Some(shown) = exchange.shown.clone() else { return self.trouble(exchange, "AGENT-025", true) };
        if shown.tries_left == Some(0) {
            return self.trouble(exchange, "AGENT-026", false);
        }
        let last_try = shown.tries_left == Some(1) && !exchange.last_try_agreed;
        let server = exchange.server.clone();
        let (rp_name, rp_host) = (exchange.request.rp_name.clone(), exchange.request.rp_host.clone());
        let token = self.next_page(exchange);
        let page = Page::Ask(Box::new(pages::Ask {
            server_name: server.display_name.clone(),
            server_origin: server.origin.to_string(),
            rp_name,
            rp_host,
            reader: shown.reader,
            holder: shown.holder,
            tries_left: shown.tries_left,
            notice,
            last_try,
            pin_on_page: self.pin_entry == PinSetting::Page,
            token,
        }));
        Reply { page, server: Some(server.origin) }
    }

    /// `POST /look`: the person has put something right.
    async fn look_again(&self, parts: &Parts, body: Body) -> Result<Reply, Refused> {
        let (exchange, _) = self.own_form(parts, body, &["token"]).await?;
        Ok(self.look(exchange, None).await)
    }

    /// `POST /last-try`: the person knows that a wrong PIN would block the card.
    async fn last_try(&self, parts: &Parts, body: Body) -> Result<Reply, Refused> {
        let (exchange, _) = self.own_form(parts, body, &["token"]).await?;
        Ok(self.ask(Exchange { last_try_agreed: true, ..exchange }, None))
    }

    /// `POST /sign`: the PIN, then the signature, then the page that carries the answer.
    async fn sign(&self, parts: &Parts, body: Body, language: Language) -> Result<Reply, Refused> {
        let names: &[&str] =
            if self.pin_entry == PinSetting::Page { &["token", "pin"] } else { &["token"] };
        let (exchange, form) = self.own_form(parts, body, names).await?;
        let Some(shown) = exchange.shown.clone() else { return Ok(self.look(exchange, None).await) };
        if shown.tries_left == Some(1) && !exchange.last_try_agreed {
            return Ok(self.ask(exchange, None));
        }
        let Ok(card) = self.at_the_card.try_lock() else {
            return Ok(self.trouble(exchange, "AGENT-020", true));
        };
        let pin = match self.pin(&exchange, &shown, &form, language).await {
            Ok(pin) => pin,
            Err(PinFault::Cancelled) => return Ok(self.give_up(&exchange)),
            Err(PinFault::Code(code)) => {
                return Ok(self.ask(exchange, Some(code)));
            }
        };
        let request = &exchange.request;
        let proof =
            Proof::new(request.purpose, exchange.server.origin.as_str(), &exchange.request_jws, &shown.certificate);
        let (cards, to_sign, for_card) = (Arc::clone(&self.options.cards), proof.clone(), shown.clone());
        let signed = blocking(move || cards.sign(&for_card, &pin, &to_sign)).await;
        drop(card);
        // The agreement was for this one try.
        let exchange = Exchange { last_try_agreed: false, ..exchange };
        match signed {
            Ok(signature) => Ok(self.send(exchange, &shown, &proof, signature)),
            Err(fault) => Ok(match fault.remedy {
                Remedy::AskAgain => {
                    log_fault(&exchange, &fault);
                    self.look(exchange, Some(fault.code)).await
                }
                Remedy::LookAgain | Remedy::GiveUp => self.fault(exchange, &fault),
            }),
        }
    }

    async fn pin(
        &self,
        exchange: &Exchange,
        shown: &ShownCard,
        form: &Fields,
        language: Language,
    ) -> Result<TypedPin, PinFault> {
        match self.pin_entry {
            PinSetting::Page => TypedPin::new(Zeroizing::new(form.value("pin").as_bytes().to_vec()))
                .ok_or(PinFault::Code("AGENT-023")),
            PinSetting::Window => {
                let text = pages::window_text(exchange, shown, language);
                self.options.window.ask(&text).await.map_err(|error| {
                    tracing::warn!(code = window_code(&error), "no PIN: {error}");
                    match error {
                        WindowError::Cancelled => PinFault::Cancelled,
                        error => PinFault::Code(window_code(&error)),
                    }
                })
            }
        }
    }

    /// Checks the card's signature, signs the answer with the workstation key, and sends it off.
    fn send(&self, exchange: Exchange, shown: &ShownCard, proof: &Proof, signature: Vec<u8>) -> Reply {
        if !super::card::signature_fits(&shown.certificate, proof, &signature) {
            tracing::error!(code = "AGENT-024", "the card's signature does not fit its certificate");
            return self.trouble(exchange, "AGENT-024", true);
        }
        let now = self.options.clock.now();
        let answer = CardAnswer {
            audience: exchange.server.origin.clone(),
            request: exchange.request_jws.clone(),
            card_certificate: shown.certificate.clone(),
            card_signature: signature,
            workstation: exchange.server.workstation,
            agent_version: AgentVersion::this(),
            pin: match self.pin_entry {
                PinSetting::Window => PinEntry::Window,
                PinSetting::Page => PinEntry::Page,
            },
            interface: shown.interface,
            issued_at: now,
        };
        let answer = match jose::sign(&exchange.server.key, TYP_CARD_ANSWER, &answer.to_payload()) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(code = "AGENT-025", "the answer could not be signed: {error}");
                return self.trouble(exchange, "AGENT-025", true);
            }
        };
        if !self.exchanges.finish(exchange.request.challenge, now) {
            let page = Page::Refused {
                code: Refusal::Answered.code(),
                status: Refusal::Answered.status(),
                back: Some(exchange.server.cancel_address()),
            };
            return Reply { page, server: Some(exchange.server.origin) };
        }
        tracing::info!(server = exchange.server.origin.as_str(), "answered a card request");
        let page = Page::Answer { address: exchange.server.return_address(), answer };
        Reply { page, server: Some(exchange.server.origin) }
    }

    /// `POST /cancel`: back to the server, and this request is never answered here.
    async fn cancel(&self, parts: &Parts, body: Body) -> Result<Response, Refused> {
        let (exchange, _) = self.own_form(parts, body, &["token"]).await?;
        let reply = self.give_up(&exchange);
        Ok(pages::respond(reply, Language::of(parts)))
    }

    fn give_up(&self, exchange: &Exchange) -> Reply {
        self.exchanges.finish(exchange.request.challenge, self.options.clock.now());
        tracing::info!(server = exchange.server.origin.as_str(), "a card request was cancelled");
        let address =
            format!("{}?txn={}", exchange.server.cancel_address(), exchange.request.challenge.to_text());
        Reply { page: Page::Cancelled { address }, server: Some(exchange.server.origin.clone()) }
    }

    /// The checks of a form of the agent's own page, and the exchange that its token stands for.
    async fn own_form(&self, parts: &Parts, body: Body, names: &[&str]) -> Result<(Exchange, Fields), Refused> {
        let form = checks::form(&parts.method, &parts.headers, body, names).await?;
        checks::navigation(&parts.headers)?;
        checks::own_origin(&parts.headers, &self.own_origin)?;
        let exchange =
            self.exchanges.take(form.value("token"), self.options.clock.now()).ok_or(Refusal::Token)?;
        Ok((exchange, form))
    }

    fn next_page(&self, exchange: Exchange) -> String {
        let token = self.exchanges.open(exchange, self.options.clock.now(), self.options.random.as_ref());
        token.expose().to_owned()
    }

    fn fault(&self, exchange: Exchange, fault: &CardFault) -> Reply {
        log_fault(&exchange, fault);
        self.trouble(exchange, fault.code, fault.remedy != Remedy::GiveUp)
    }

    /// A page that says what is wrong and offers the ways on.
    fn trouble(&self, exchange: Exchange, code: &'static str, can_retry: bool) -> Reply {
        let server = exchange.server.origin.clone();
        let name = exchange.server.display_name.clone();
        let token = self.next_page(Exchange { shown: None, ..exchange });
        Reply { page: Page::Trouble { code, server_name: name, can_retry, token }, server: Some(server) }
    }

    /// The enrolment with the server of this origin, if the administrator's list does not exclude it. Read from its file
    /// each time: `enrol` may have run in the meantime.
    fn enrolment(&self, origin: &WebOrigin) -> Option<Enrolment> {
        if !self.options.managed.allows(origin) {
            return None;
        }
        match self.store.read() {
            Ok(all) => all.into_iter().find(|enrolment| enrolment.origin == *origin),
            Err(error) => {
                tracing::error!(code = error.code(), "{error}");
                None
            }
        }
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
}

/// Why there is no PIN to try.
enum PinFault {
    Cancelled,
    Code(&'static str),
}

fn window_code(error: &WindowError) -> &'static str {
    match error {
        WindowError::Cancelled => "AGENT-027",
        WindowError::TimedOut => "AGENT-022",
        WindowError::NotAPin => "AGENT-023",
        WindowError::NotStarted { .. } | WindowError::Failed { .. } => "AGENT-021",
    }
}

fn log_fault(exchange: &Exchange, fault: &CardFault) {
    tracing::warn!(code = fault.code, server = exchange.server.origin.as_str(), "the card: {}", fault.detail);
}

/// Runs what blocks, for seconds at worst, beside the threads that answer.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, CardFault> + Send + 'static,
) -> Result<T, CardFault> {
    tokio::task::spawn_blocking(act).await.unwrap_or_else(|error| {
        Err(CardFault { code: "AGENT-025", remedy: Remedy::LookAgain, detail: error.to_string() })
    })
}
