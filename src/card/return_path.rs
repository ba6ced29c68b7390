//! The return path: a cross-site POST from the agent's page, so without our cookies (agent protocol, section 7).
//!
//! It reads and writes **no state**. A version that kept the answer here and let the waiting page go on would sign in an
//! attacker who opened the sign-in and lured the victim's agent. It makes the browser post the same answer once more,
//! from our own origin: then the cookie tells whose sign-in it is.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::login::{CardLogin, FINISH_PATH};
use super::protocol::ProtocolError;
use super::refusal::Refusal;
use crate::audit::Caller;
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::pages::card::Bounce;

/// The largest form that is read: an answer with its certificate has some 8 KiB.
const MAX_FORM_LEN: usize = 32 * 1024;

/// `POST /card/return`
pub(super) async fn answer(
    State(login): State<Arc<CardLogin>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let frame = login.parts.site.frame(language);
    match posted(&headers, &body) {
        Ok(answer) => Bounce { action: FINISH_PATH.to_owned(), answer }.render(&frame),
        Err(refusal) => {
            tracing::warn!(code = refusal.code(), "{refusal}");
            let operation = caller.operation.map(|id| id.to_string()).unwrap_or_default();
            ErrorPage::new(refusal.status(), refusal.code(), operation).render(&frame)
        }
    }
}

/// The one field of the form: three parts of base64url and nothing else.
pub(super) fn posted(headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(ProtocolError::Malformed(what.to_owned()));
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if !is_form || body.len() > MAX_FORM_LEN {
        return Err(malformed("not a form, or too large"));
    }
    let mut fields = form_urlencoded::parse(body);
    match (fields.next(), fields.next()) {
        (Some((name, value)), None) if name == "answer" => {
            let compact = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if compact { Ok(value.into_owned()) } else { Err(malformed("not a compact JWS")) }
        }
        _ => Err(malformed("not the field of an answer")),
    }
}
