//! The page that posts an answer to a relying party (OAuth 2.0 Form Post Response Mode).
//!
//! It shows nothing of the answer, keeps nothing, can run one script of ours and post to one address.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// The page.
#[derive(Clone)]
pub struct FormPost {
    /// The relying party's address.
    pub action: String,
    /// The answer.
    pub fields: Vec<(String, String)>,
    /// Where the form may go, from [`crate::web::headers::form_target`].
    pub target: Option<String>,
}

/// Without the answer, which may be a code.
impl std::fmt::Debug for FormPost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FormPost").field("action", &self.action).finish_non_exhaustive()
    }
}

impl FormPost {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = View { frame, t: frame.texts, page: self, script: &assets::SUBMIT.path };
        let form_targets = self.target.clone().into_iter().collect();
        // The relying party is told whose form it is, as it would be told nothing else.
        let policy =
            Policy { scripts: true, images: true, form_targets, tells_origin: true, ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct View<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a FormPost,
    script: &'a str,
}
