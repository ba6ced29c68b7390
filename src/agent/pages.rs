//! What the agent sends: its pages, with the headers that every response of it carries (agent protocol, section 3).

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::card::ShownCard;
use super::enrolments::Enrolment;
use super::exchange::Exchange;
use super::pin::WindowText;
use crate::card::protocol::{self, WebOrigin};
use crate::ids::Secret;
use crate::web::assets;
use crate::web::language::Language;
use crate::web::page::Site;
use crate::web::pages::agent::{
    Choice, Choose, Confirm, PinEntry, PostAnswer, Refusal, Server, Wait, Waiting,
};
use crate::web::pages::sign_in::RelyingParty;

/// `POST`: the click that starts it, with the PIN where it is typed in the page.
pub(super) const SIGN: &str = "/sign";
/// `POST`: the click on one of several cards.
pub(super) const CHOOSE: &str = "/choose";
/// `GET`: opens the PIN window; answers when the card has signed.
pub(super) const PIN: &str = "/pin";
/// `GET`: looks for the card again.
pub(super) const LOOK: &str = "/look";
/// `GET`: gives up.
pub(super) const CANCEL: &str = "/cancel";

/// The policy of section 3, but for the server that a form may go to and the script of the page that sends the answer.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A page of the agent.
pub(super) enum Page {
    /// A refusal before anything was touched.
    Refused { code: &'static str, status: StatusCode, server: Option<Enrolment> },
    /// Something that the person can put right, or not.
    Trouble { code: &'static str, server: Enrolment, token: Secret, can_retry: bool },
    /// Who asks, with which card; the button that starts.
    Ask {
        exchange: Box<Exchange>,
        shown: ShownCard,
        pin: protocol::PinEntry,
        notice: Option<&'static str>,
        token: Secret,
    },
    /// Several cards: which one is it?
    Choose { exchange: Box<Exchange>, token: Secret },
    /// The PIN window is about to open, or the reader to take the PIN on its own keys.
    Wait { server: Enrolment, token: Secret, on_pad: bool },
    /// The answer, on its way to the server.
    Answer { server: Enrolment, answer: String },
    /// Back to the server.
    Cancelled { server: Enrolment, address: String },
}

/// The page as a response, with all headers.
pub(super) fn respond(page: Page, language: Language) -> Response {
    let frame = Site { establishment: "".into(), https: false, sandbox: false }.frame(language);
    let (response, server, script) = match page {
        Page::Refused { code, status, server } => {
            let shown = server.as_ref().map(|server| to_show(server, server.cancel_address()));
            let page = Refusal { status, code: code.into(), values: Vec::new(), server: shown, retry: None };
            (page.render(&frame), server, false)
        }
        Page::Trouble { code, server, token, can_retry } => {
            let page = Refusal {
                status: StatusCode::OK,
                code: code.into(),
                values: Vec::new(),
                server: Some(to_show(&server, with_token(CANCEL, &token))),
                retry: can_retry.then(|| with_token(LOOK, &token)),
            };
            (page.render(&frame), Some(server), false)
        }
        Page::Ask { exchange, shown, pin, notice, token } => {
            let several = exchange.offered.len() > 1;
            let (server, request) = (exchange.server, exchange.request);
            let page = Confirm {
                server: to_show(&server, with_token(CANCEL, &token)),
                relying_party: RelyingParty { name: request.rp_name, host: request.rp_host },
                holder: shown.holder,
                reader: shown.reader,
                tries_left: shown.tries_left,
                pin: match pin {
                    protocol::PinEntry::Pad => PinEntry::Pad,
                    protocol::PinEntry::Window | protocol::PinEntry::None => PinEntry::Window,
                    protocol::PinEntry::Page => {
                        PinEntry::Page { min: shown.pin_digits.0, max: shown.pin_digits.1 }
                    }
                },
                another: several.then(|| with_token(LOOK, &token)),
                notice: notice.map(str::to_owned),
                action: SIGN.to_owned(),
                token: token.expose().to_owned(),
            };
            (page.render(&frame), Some(server), false)
        }
        Page::Choose { exchange, token } => {
            let (server, request) = (exchange.server, exchange.request);
            let page = Choose {
                server: to_show(&server, with_token(CANCEL, &token)),
                relying_party: RelyingParty { name: request.rp_name, host: request.rp_host },
                cards: exchange
                    .offered
                    .into_iter()
                    .map(|card| Choice { holder: card.holder, reader: card.reader })
                    .collect(),
                action: CHOOSE.to_owned(),
                token: token.expose().to_owned(),
            };
            (page.render(&frame), Some(server), false)
        }
        Page::Wait { server, token, on_pad } => {
            let page = Waiting {
                server: to_show(&server, with_token(CANCEL, &token)),
                wait: if on_pad { Wait::PinOnPad } else { Wait::PinInWindow },
                next: with_token(PIN, &token),
            };
            (page.render(&frame), Some(server), false)
        }
        Page::Answer { server, answer } => {
            let shown = to_show(&server, server.cancel_address());
            let page = PostAnswer { server: shown, action: server.return_address(), answer };
            (page.render(&frame), Some(server), true)
        }
        Page::Cancelled { server, address } => {
            let response = match HeaderValue::from_str(&address) {
                Ok(address) => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            };
            (response, Some(server), false)
        }
    };
    sealed(response, server.as_ref().map(|server| &server.origin), script)
}

/// The style sheet and the one script; `None` for anything else.
pub(super) fn asset(path: &str) -> Option<Response> {
    let response = assets::serve(path.strip_prefix("/assets/")?);
    response.status().is_success().then(|| sealed(response, None, false))
}

/// What a service worker gets that a program planted here while it held the port: an end to itself.
pub(super) fn farewell_worker() -> Response {
    const SCRIPT: &str = "self.addEventListener(\"install\", () => self.skipWaiting());\n\
        self.addEventListener(\"activate\", (event) => event.waitUntil(self.registration.unregister()));\n";
    let response = ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response();
    sealed(response, None, false)
}

/// What the PIN window says, in the language of the page that led to it.
pub(super) fn window_text(exchange: &Exchange, shown: &ShownCard, language: Language) -> WindowText {
    let t = language.texts();
    let mut description = t.text_with(
        "agent-window-description",
        &[
            ("relying_party", exchange.request.rp_name.as_str()),
            ("server", exchange.server.display_name.as_str()),
            ("origin", exchange.server.origin.as_str()),
            ("holder", shown.holder.as_str()),
        ],
    );
    if let Some(tries) = shown.tries_left {
        description.push('\n');
        description.push_str(&t.text_count("agent-tries-left", tries.into()));
    }
    WindowText {
        title: t.text("agent-name"),
        description,
        prompt: t.text("agent-window-prompt"),
        error: None,
        ok: t.text("agent-sign"),
        cancel: t.text("cancel"),
    }
}

fn to_show(server: &Enrolment, cancel: String) -> Server {
    Server { name: server.display_name.clone(), origin: server.origin.to_string(), cancel }
}

fn with_token(path: &str, token: &Secret) -> String {
    // base64url needs no escaping.
    format!("{path}?token={}", token.expose())
}

/// The headers of section 3, in the place of whatever the page brought. No cookie, no CORS header, ever.
fn sealed(mut response: Response, server: Option<&WebOrigin>, script: bool) -> Response {
    let mut policy = POLICY.to_owned();
    if let Some(server) = server {
        policy.push(' ');
        policy.push_str(server.as_str());
    }
    if script {
        policy.push_str("; script-src 'self'");
    }
    let headers: &mut HeaderMap<HeaderValue> = response.headers_mut();
    let policy =
        HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("clear-site-data", "\"cache\", \"storage\""),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response.map(Body::new)
}
