//! The server's pages on the way back from the agent: sections 7 and 8 of the card protocol.
//!
//! [`Bounce`] is what the return path answers. It reads and writes no state: it only makes the browser post the same
//! answer again, this time from our own origin and so with our cookies. [`Finish`] ends the popup, or goes on in the
//! same tab. Neither holds a code, an address of the relying party, or a cookie. [`Holder`] asks whoever came with the
//! certificate of a card whether they are the person on it, before anything is signed in.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// Posts the agent's answer to ourselves: by script, or by its button.
pub struct Bounce {
    /// Where to: a path of this host.
    pub action: String,
    /// The card answer as received.
    pub answer: String,
}

/// The last page of a card sign-in.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Handle of the transaction, as on the sign-in page.
    pub transaction: String,
    pub outcome: Outcome,
    /// Where the same tab goes on: done, a GET that needs the new session cookie; cancelled, the sign-in page.
    pub next: String,
    /// The page is in the tab that the person signs in with, and goes on by itself.
    pub same_tab: bool,
}

/// Whose card it is, and whether to go on. Without this page, a link made with the card of somebody else would sign
/// them in here.
#[derive(Clone)]
pub struct Holder {
    pub name: String,
    /// Profession, in the words of the card.
    pub title: Option<String>,
    /// National identifier: names are not unique.
    pub id_nat: String,
    /// The service that is signed in to.
    pub relying_party: String,
    /// Where the answer goes: a path of this host.
    pub action: String,
    /// Handle of the transaction, as on the sign-in page.
    pub transaction: String,
    /// One-time handle of the certificate.
    pub handle: String,
    /// The sign-in page.
    pub back: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Cancelled,
}

impl Outcome {
    fn state(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Debug for Bounce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounce").field("action", &self.action).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Holder").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}

impl Bounce {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = BounceView { frame, t: frame.texts, page: self, script: &assets::SUBMIT.path };
        frame.page(StatusCode::OK, Policy { scripts: true, images: true, ..Policy::default() }, &view)
    }
}

impl Finish {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = FinishView { frame, t: frame.texts, page: self, script: &assets::FINISH.path };
        frame.page(StatusCode::OK, Policy { scripts: true, images: true, ..Policy::default() }, &view)
    }
}

impl Holder {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = HolderView { frame, t: frame.texts, page: self };
        frame.page(StatusCode::OK, Policy { images: true, ..Policy::default() }, &view)
    }
}

#[derive(Template)]
#[template(path = "card_bounce.html")]
struct BounceView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Bounce,
    script: &'a str,
}

#[derive(Template)]
#[template(path = "card_finish.html")]
struct FinishView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Finish,
    script: &'a str,
}

#[derive(Template)]
#[template(path = "card_holder.html")]
struct HolderView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Holder,
}
