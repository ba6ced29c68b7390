//! The page for what went wrong.
//!
//! What a hospital gets: a sentence that says what to do, a stable code for the help desk, and the operation id under
//! which the log holds the detail. The page itself never shows that detail.

use std::borrow::Cow;

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{headers::Policy, i18n::Texts, page::Frame};

/// The page.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    pub status: StatusCode,
    /// Stable code (`docs/errors.md`); its text is `error-<CODE>`.
    pub code: Cow<'static, str>,
    /// Values for the places of the text.
    pub values: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// Operation id, as in the log; empty where there is none.
    pub operation: String,
    /// Where to try again, where that makes sense.
    pub retry: Option<String>,
    /// Where a person can go instead: the relying party, or home.
    pub back: Option<String>,
}

impl ErrorPage {
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, operation: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            values: Vec::new(),
            operation: operation.into(),
            retry: None,
            back: None,
        }
    }

    /// Fills the place `{ $name }` of the text.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name.into(), value.into().into()));
        self
    }

    pub fn retry(mut self, address: impl Into<String>) -> Self {
        self.retry = Some(address.into());
        self
    }

    pub fn back(mut self, address: impl Into<String>) -> Self {
        self.back = Some(address.into());
        self
    }

    pub fn render(&self, frame: &Frame) -> Response {
        let t = frame.texts;
        let (message, action) = t
            .error(&self.code, &self.values)
            .unwrap_or_else(|| (t.text("error-unknown"), t.text("error-unknown.action")));
        let view = View { frame, t, page: self, title: t.error_title(&self.code), message, action };
        frame.page(self.status, Policy { images: true, ..Policy::default() }, &view)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct View<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a ErrorPage,
    title: String,
    message: String,
    action: String,
}
