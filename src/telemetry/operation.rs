//! The operation id: one per request, on the error page, in the response header `x-operation-id`, on every log line
//! and in the audit, so that a call to the help desk finds what happened.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::clock::SharedClock;
use crate::ids::{OperationId, SharedRandom};

/// The response header that carries the operation id.
pub const HEADER: HeaderName = HeaderName::from_static("x-operation-id");

/// What the middleware needs.
#[derive(Debug, Clone)]
pub struct Operations {
    /// For the order of the ids.
    pub clock: SharedClock,
    /// For the rest of them.
    pub random: SharedRandom,
}

/// Gives the request its id (an extension of type [`OperationId`]), runs it inside a span that carries the id, and
/// logs how it ended. An id that a client sends is not taken over: it could be chosen to confuse the log.
pub async fn track(State(operations): State<Operations>, mut request: Request, next: Next) -> Response {
    let id = OperationId::new(operations.clock.now(), &*operations.random);
    request.extensions_mut().insert(id);
    let span = tracing::info_span!(
        "request", operation = %id, method = %request.method(), path = %request.uri().path()
    );
    let started = Instant::now();
    async {
        let mut response = next.run(request).await;
        let status = response.status();
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), ms, "answered");
        } else {
            tracing::info!(status = status.as_u16(), ms, "answered");
        }
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(HEADER, value);
        }
        response
    }
    .instrument(span)
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::get;
    use axum::{Extension, Router, middleware};
    use tower::ServiceExt as _;

    use super::*;
    use crate::clock::MockClock;
    use crate::ids::CountingRandom;

    #[tokio::test]
    async fn the_handler_and_the_header_have_the_same_id_and_a_clients_own_is_ignored() {
        let operations =
            Operations { clock: Arc::new(MockClock::default()), random: Arc::new(CountingRandom::default()) };
        let routes = Router::new()
            .route("/", get(|Extension(id): Extension<OperationId>| async move { id.to_string() }))
            .layer(middleware::from_fn_with_state(operations, track));
        let request = Request::get("/").header(HEADER, "chosen").body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        let header = response.headers()[HEADER].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(header.as_bytes(), &body[..]);
        assert_ne!(header, "chosen");
    }
}
