//! "Is this account yours?": whoever comes by another provider for the first time confirms that its account is theirs.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::web::{headers::Policy, i18n::Texts, page::Frame};

/// The page.
#[derive(Clone, Debug)]
pub struct PairingPage {
    /// Who has signed in here.
    pub person: String,
    /// What people call the provider.
    pub provider: String,
    /// What they are called there; empty where it does not say.
    pub name: String,
    /// The account, for the answer to say which was shown.
    pub shown: String,
    /// Path that both answers post to.
    pub action: String,
    /// Handle of the sign-in.
    pub txn: String,
    pub csrf: String,
}

impl PairingPage {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = View { frame, t: frame.texts, page: self };
        frame.page(StatusCode::OK, Policy { images: true, ..Policy::default() }, &view)
    }
}

#[derive(Template)]
#[template(path = "pairing.html")]
struct View<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a PairingPage,
}
