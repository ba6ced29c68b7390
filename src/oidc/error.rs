//! Errors as OAuth's endpoints answer them: a JSON document with `error` and `error_description` (RFC 6749 §5.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::web::limits::TooMany;

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// The document, never to be stored.
pub fn json(status: StatusCode, error: &str, description: &str) -> Response {
    let body = Json(Body { error, error_description: description });
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}

/// A fault of ours: nothing of it is told, the log has it.
pub fn fault(error: &dyn std::error::Error, code: &'static str) -> Response {
    tracing::error!(code, error = %error, "the request could not be served");
    json(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "a fault of the provider; the log has it")
}

/// Whoever is refused again and again waits (RFC 6585 §4).
pub fn too_many(error: &str, refused: TooMany) -> Response {
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, error, "Too many refusals, wait a little");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(refused.retry_after()));
    response
}
