//! What the agent answers: the request of a server, and the forms of its own pages. How the card comes to sign is in
//! [`signing`], what passes between the agent and its servers besides in [`servers`].

mod servers;
mod signing;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, Request};

use super::AgentOptions;
use super::card::{CardFault, Remedy, ShownCard};
use super::checks::{self, Refusal};
use super::enrolments::{Enrolment, Enrolments};
use super::exchange::{Exchange, Exchanges};
use super::name::OwnName;
use super::pages::{self, Page};
use super::pin::PinSetting;
use super::platform::UserId;
use super::reports::Reports;
use crate::card::protocol::{Interface, WebOrigin};
use crate::clock::Time;
use crate::ids::Secret;
use crate::web::language::Language;

/// Another request is at the card.
const BUSY: &str = "AGENT-020";
/// One try of the PIN is left: the person is warned.
const LAST_TRY: &str = "READER-010";
/// The PIN is blocked already.
const BLOCKED: &str = "AGENT-024";
/// No card that could answer.
const NO_CARD: &str = "READER-003";
/// The card lies on an antenna, where it has no PIN.
const CONTACTLESS: &str = "READER-022";
/// The agent itself failed.
const FAILED: &str = "AGENT-025";

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
    at_the_card: Arc<tokio::sync::Mutex<()>>,
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
            at_the_card: Arc::default(),
            keys_asked: Mutex::new(HashMap::new()),
            reports: Reports::default(),
        }
    }

    /// The user that it runs for.
    pub(super) fn user(&self) -> UserId {
        self.user
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

    /// A page that says what is wrong and offers the ways on.
    fn trouble(&self, exchange: Exchange, code: &'static str, can_retry: bool) -> Page {
        let server = exchange.server.clone();
        let token = self.next_page(Exchange { shown: None, offered: Vec::new(), started: false, ..exchange });
        Page::Trouble { code, server, token, can_retry }
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
