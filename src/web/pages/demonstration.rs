//! The page of a demonstration relying party: what a service built for Pro Santé Connect received.
//!
//! Only the sandbox serves it. It shows tokens in clear on purpose; a real service never does.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::web::{headers::Policy, i18n::Texts, page::Frame};

/// The page.
#[derive(Clone, Debug)]
pub struct Demonstration {
    /// Name of this service.
    pub service: String,
    /// `None` before sign-in.
    pub person: Option<Person>,
    /// What arrived, decoded, in the order shown.
    pub received: Vec<Received>,
    /// Address that starts a sign-in.
    pub sign_in: String,
    /// Address that signs out, here and at the provider.
    pub sign_out: String,
    /// The other service: name and address.
    pub other: Option<(String, String)>,
    /// What the provider answered instead of a sign-in: error code and description.
    pub error: Option<(String, String)>,
}

/// The signed-in professional, from userinfo.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub profession: Option<String>,
    /// Place of practice.
    pub place: Option<String>,
    pub id_nat: String,
    /// How they signed in (`acr`, `amr`), as received.
    pub level: Option<String>,
}

/// One decoded thing.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it is: "ID token", "UserInfo".
    pub title: String,
    /// Indented JSON.
    pub json: String,
}

impl Demonstration {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = View { frame, t: frame.texts, page: self };
        frame.page(StatusCode::OK, Policy { images: true, ..Policy::default() }, &view)
    }
}

#[derive(Template)]
#[template(path = "demonstration.html")]
struct View<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Demonstration,
}
