//! The pages of the workstation program: sections 3 to 6 of the card protocol.
//!
//! They show who asks before anything is typed, load nothing but the style sheet that the agent itself serves, and
//! have a script on one page only, [`PostAnswer`]. The PIN field of [`PinEntry::Page`] is no password field: browsers
//! would offer to keep it.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};

use super::RelyingParty;
use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// The server that asks, as it was enrolled on this workstation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    /// `https://identite.hopital.example`, without a slash.
    pub origin: String,
    /// Where "cancel" leads: the enrolled cancel address.
    pub cancel: String,
}

/// Who asks, with which card, and the start button. Also asks for the PIN where that is done in the page.
pub struct Confirm {
    pub server: Server,
    pub relying_party: RelyingParty,
    /// Name on the card.
    pub holder: String,
    /// Name of the reader, as the system gives it.
    pub reader: String,
    /// Tries before the card locks its PIN; `None` where the card does not say.
    pub tries_left: Option<u8>,
    pub pin: PinEntry,
    /// Path that leads back to the choice, where there are several cards.
    pub another: Option<String>,
    /// Code of what went wrong just before (a wrong PIN), with a text.
    pub notice: Option<String>,
    /// Path that the form posts to.
    pub action: String,
    /// One-time token of this page, field `token`.
    pub token: String,
}

/// Several cards in readers: the person says which one is theirs.
pub struct Choose {
    pub server: Server,
    pub relying_party: RelyingParty,
    /// In the order of their places, which field `card` of the form names.
    pub cards: Vec<Choice>,
    /// Path that the form posts to.
    pub action: String,
    /// One-time token of this page, field `token`.
    pub token: String,
}

/// One of several cards.
pub struct Choice {
    /// Name on the card.
    pub holder: String,
    /// Name of the reader, as the system gives it.
    pub reader: String,
}

/// Where the PIN will be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinEntry {
    /// On the reader's keys.
    Pad,
    /// In a window of the agent.
    Window,
    /// In this page, field `pin`.
    Page { min: u8, max: u8 },
}

/// Shown while something takes its time; the browser asks for `next` at once, and that request waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub server: Server,
    pub wait: Wait,
    /// Path asked for at once (header `Refresh`).
    pub next: String,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No card in a reader yet.
    Card,
    /// The card is being read.
    Reading,
    PinOnPad,
    PinInWindow,
    /// The PIN was typed in the page.
    Signing,
}

/// Posts the answer to the server's return path: by script, or by its button.
pub struct PostAnswer {
    pub server: Server,
    /// The enrolled return address.
    pub action: String,
    /// The card answer, field `answer`.
    pub answer: String,
}

/// What went wrong on this workstation. Says what to do, and leads back to the server where there is one.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: StatusCode,
    /// Stable code; its text is `error-<CODE>`.
    pub code: Cow<'static, str>,
    pub values: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// `None` where the request did not come from an enrolled server.
    pub server: Option<Server>,
    /// Path that tries again, where the person can put it right.
    pub retry: Option<String>,
}

impl Wait {
    fn title(self, t: &Texts) -> String {
        match self {
            Self::Card => t.text("agent-wait-card"),
            Self::Reading => t.text("agent-wait-reading"),
            Self::PinOnPad => t.text("agent-wait-pad"),
            Self::PinInWindow => t.text("agent-wait-window"),
            Self::Signing => t.text("agent-wait-signing"),
        }
    }

    fn detail(self, t: &Texts) -> String {
        match self {
            Self::Card => t.text("agent-wait-card.detail"),
            Self::Reading => t.text("agent-wait-reading.detail"),
            Self::PinOnPad => t.text("agent-wait-pad.detail"),
            Self::PinInWindow => t.text("agent-wait-window.detail"),
            Self::Signing => t.text("agent-wait-signing.detail"),
        }
    }
}

impl Confirm {
    fn last_try(&self) -> bool {
        // A card that does not tell may be at its last try.
        self.tries_left.is_none_or(|tries| tries <= 1)
    }

    fn tries(&self, t: &Texts) -> Option<String> {
        self.tries_left.map(|tries| t.text_count("agent-tries-left", tries.into()))
    }

    fn page_pin(&self) -> Option<(u8, u8)> {
        match self.pin {
            PinEntry::Page { min, max } => Some((min, max)),
            _ => None,
        }
    }

    fn hint(&self, t: &Texts) -> String {
        match self.pin {
            PinEntry::Pad => t.text("agent-pin-pad"),
            PinEntry::Window => t.text("agent-pin-window"),
            PinEntry::Page { .. } => t.text("agent-pin-page"),
        }
    }

    pub fn render(&self, frame: &Frame) -> Response {
        let notice = self.notice.as_deref().and_then(|code| frame.texts.error(code, &[]));
        let view = ConfirmView { frame, t: frame.texts, page: self, notice };
        frame.page(StatusCode::OK, policy(Some(&self.server), false), &view)
    }
}

impl Choose {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = ChooseView { frame, t: frame.texts, page: self };
        frame.page(StatusCode::OK, policy(Some(&self.server), false), &view)
    }
}

impl Waiting {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = WaitingView { frame, t: frame.texts, page: self };
        let mut response = frame.page(StatusCode::OK, policy(Some(&self.server), false), &view);
        if let Ok(refresh) = HeaderValue::from_str(&format!("0; url={}", self.next)) {
            response.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
        }
        response
    }
}

impl PostAnswer {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = PostAnswerView { frame, t: frame.texts, page: self, script: &assets::SUBMIT.path };
        frame.page(StatusCode::OK, policy(Some(&self.server), true), &view)
    }
}

impl Refusal {
    pub fn render(&self, frame: &Frame) -> Response {
        let t = frame.texts;
        let (message, action) = t
            .error(&self.code, &self.values)
            .unwrap_or_else(|| (t.text("error-unknown"), t.text("error-unknown.action")));
        let view = RefusalView { frame, t, page: self, title: t.error_title(&self.code), message, action };
        frame.page(self.status, policy(self.server.as_ref(), false), &view)
    }
}

/// Section 3: only our own style sheet, forms to ourselves and to the enrolled server.
fn policy(server: Option<&Server>, scripts: bool) -> Policy {
    let form_targets = server.map(|server| server.origin.clone()).into_iter().collect();
    Policy { scripts, form_targets, ..Policy::default() }
}

impl std::fmt::Debug for Confirm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Confirm")
            .field("server", &self.server)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Choose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choose").field("cards", &self.cards.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PostAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostAnswer").field("action", &self.action).finish_non_exhaustive()
    }
}

#[derive(Template)]
#[template(path = "agent_confirm.html")]
struct ConfirmView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Confirm,
    notice: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "agent_choose.html")]
struct ChooseView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Choose,
}

#[derive(Template)]
#[template(path = "agent_waiting.html")]
struct WaitingView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Waiting,
}

#[derive(Template)]
#[template(path = "agent_answer.html")]
struct PostAnswerView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a PostAnswer,
    script: &'a str,
}

#[derive(Template)]
#[template(path = "agent_refusal.html")]
struct RefusalView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Refusal,
    title: String,
    message: String,
    action: String,
}
