//! A provider on a bad day: endpoints that answer late, or 503.
//!
//! A software house sees what its application does then, before its users do. What is refused here never reaches the
//! provider; the body is what a load balancer says, since an application must not count on JSON in it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};

use super::play::{Endpoint, Play};

const BODY: &str = "<html><body><h1>503 Service Unavailable</h1></body></html>\n";

/// Disturbs the endpoints of `router` as the switches say.
pub(super) fn around(play: &Arc<Play>, router: Router) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::clone(play), disturb))
}

async fn disturb(State(play): State<Arc<Play>>, request: Request, next: Next) -> Response {
    let Some(endpoint) = Endpoint::at(request.uri().path()) else { return next.run(request).await };
    let switches = play.switches();
    if let Some(seconds) = switches.slow.get(&endpoint) {
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
    }
    if switches.unavailable.contains(&endpoint) {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html")),
            (header::RETRY_AFTER, HeaderValue::from_static("1")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        return (StatusCode::SERVICE_UNAVAILABLE, headers, BODY).into_response();
    }
    next.run(request).await
}
