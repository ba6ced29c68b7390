//! The frame around every page, and the answer that carries it.
//!
//! What a hospital gets: one look, its own name on top, the same headers everywhere. A page is a plain struct of
//! [`super::pages`]; `render(&frame)` turns it into a response. All values are escaped by the templates.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::{assets, headers::Policy, i18n::Texts, language::Language};

/// What stands around the pages of one site; made once, from the configuration.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name of the establishment, as its people know it; empty when not configured.
    pub establishment: Arc<str>,
    /// The pages are reached by https.
    pub https: bool,
    /// Nobody here is real, and every page says so.
    pub sandbox: bool,
}

impl Site {
    /// The frame of a page in this language.
    pub fn frame(&self, language: Language) -> Frame {
        Frame {
            texts: language.texts(),
            establishment: self.establishment.clone(),
            https: self.https,
            sandbox: self.sandbox,
            switch: None,
        }
    }
}

/// What stands around one page.
#[derive(Clone, Debug)]
pub struct Frame {
    pub texts: &'static Texts,
    pub establishment: Arc<str>,
    pub https: bool,
    /// Nobody here is real: a banner says so.
    pub sandbox: bool,
    /// Address of this page in the other language, where there is one to offer.
    pub switch: Option<String>,
}

impl Frame {
    /// Address of the style sheet.
    pub fn style(&self) -> &'static str {
        &assets::STYLE.path
    }

    /// Address of the icon.
    pub fn icon(&self) -> &'static str {
        &assets::ICON.path
    }

    pub fn lang(&self) -> &'static str {
        self.texts.language().tag()
    }

    /// The language a [`Frame::switch`] leads to.
    pub fn other(&self) -> Language {
        match self.texts.language() {
            Language::French => Language::English,
            Language::English => Language::French,
        }
    }

    /// Renders a page with its headers.
    pub(super) fn page(&self, status: StatusCode, mut policy: Policy, template: &impl Template) -> Response {
        policy.https = self.https;
        let body = template.render().unwrap_or_else(|flaw| {
            // Only a formatting fault in a value can bring this about; the headers still go out.
            tracing::error!(%flaw, "a page could not be rendered");
            String::new()
        });
        let mut response = (status, policy.headers(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.lang()));
        response
    }
}
