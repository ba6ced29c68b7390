//! What stands between every request and its handler, for the pages that people see.
//!
//! What a hospital gets: an unknown address, a flood, a forged form, a fault of ours or a request that takes too long
//! ends in a page with a sentence, a code and the operation id, never in an empty screen. Endpoints that programs
//! call (token, userinfo, …) answer in their own protocol and are not wrapped by [`Pages::guard`].

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
};
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header, request::Parts};

use super::{
    csrf::OwnOrigin,
    error_page::ErrorPage,
    language::Language,
    limits::{Limit, TooMany, network_of},
    page::Site,
    proxy::ClientAddress,
};
use crate::ids::OperationId;

/// The largest form that any page takes, in bytes; a card answer has about ten thousand.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How long a handler may take. A stream of events is answered at once and then lives on.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the layers need.
#[derive(Clone, Debug)]
pub struct Pages {
    pub site: Site,
    /// Our own origin, from `front_url`.
    pub origin: OwnOrigin,
    /// Requests of one client's network; `None` sets no limit.
    pub limit: Option<Arc<Limit<IpAddr>>>,
}

impl Pages {
    /// Around all routes: unknown addresses, faults, time, size, rate. Client address and operation id must be known
    /// before, so their layers go around this.
    pub fn around(&self, router: Router) -> Router {
        let (unknown, wrong_method) = (self.clone(), self.clone());
        let router = router
            .fallback(async move |request: Request| {
                unknown.error(&Asker::of(&request.into_parts().0), StatusCode::NOT_FOUND, "WEB-003")
            })
            .method_not_allowed_fallback(async move |request: Request| {
                let asker = Asker::of(&request.into_parts().0);
                wrong_method.error(&asker, StatusCode::METHOD_NOT_ALLOWED, "WEB-004")
            });
        self.within_limits(router)
    }

    /// Around routes that stand beside those of [`Self::around`]: faults, time, size, rate.
    pub fn within_limits(&self, router: Router) -> Router {
        router
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(middleware::from_fn_with_state(self.clone(), shield))
    }

    /// Around the routes whose forms act for the person behind the cookies: only our own pages may post to them.
    pub fn guard<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        router.layer(middleware::from_fn_with_state(self.clone(), same_origin))
    }

    fn error(&self, asker: &Asker, status: StatusCode, code: &'static str) -> Response {
        ErrorPage::new(status, code, asker.operation.clone()).render(&self.site.frame(asker.language))
    }

    fn too_many(&self, asker: &Asker, refused: TooMany) -> Response {
        let mut response = self.error(asker, StatusCode::TOO_MANY_REQUESTS, refused.code());
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(refused.retry_after()));
        response
    }
}

/// What an error page needs to know of a request.
struct Asker {
    language: Language,
    operation: String,
}

impl Asker {
    fn of(parts: &Parts) -> Self {
        let operation = parts.extensions.get::<OperationId>().map(OperationId::to_string).unwrap_or_default();
        Self { language: Language::of(parts), operation }
    }
}

async fn shield(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asker = Asker::of(&parts);
    if let (Some(limit), Some(client)) = (&pages.limit, parts.extensions.get::<ClientAddress>())
        && let Err(refused) = limit.check(&network_of(client.0))
    {
        tracing::warn!(client = %client.0, "too many requests");
        return pages.too_many(&asker, refused);
    }
    let answering = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind();
    match tokio::time::timeout(PATIENCE, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a handler panicked");
            pages.error(&asker, StatusCode::INTERNAL_SERVER_ERROR, "WEB-005")
        }
        Err(_) => pages.error(&asker, StatusCode::GATEWAY_TIMEOUT, "WEB-007"),
    }
}

async fn same_origin(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refused) = pages.origin.check(&parts.method, &parts.headers) {
        tracing::warn!(%refused, path = parts.uri.path(), "a form was refused");
        return pages.error(&Asker::of(&parts), StatusCode::FORBIDDEN, refused.code());
    }
    next.run(Request::from_parts(parts, body)).await
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use axum::{
        body::Body,
        routing::{get, post},
    };
    use http::Method;
    use tower::ServiceExt as _;
    use url::Url;

    use super::*;
    use crate::clock::MockClock;

    fn pages(limit: Option<u32>) -> Pages {
        let clock = Arc::new(MockClock::default());
        let number = |n| NonZeroU32::new(n).expect("not zero");
        Pages {
            site: Site { establishment: "Hôpital".into(), https: false, sandbox: false },
            origin: OwnOrigin::of(&Url::parse("http://localhost:8080").expect("a URL")),
            limit: limit.map(|burst| Arc::new(Limit::new(number(burst), number(1), clock))),
        }
    }

    fn router(pages: &Pages) -> Router {
        let routes = Router::new()
            .route("/", get(async || "fine"))
            .route("/form", post(async || "changed"))
            .route("/fault", get(async || -> &'static str { panic!("a fault of ours") }));
        pages.around(pages.guard(routes))
    }

    async fn ask(router: &Router, method: Method, path: &str, origin: Option<&str>) -> (StatusCode, String) {
        let mut request = http::Request::builder().method(method).uri(path).header("accept-language", "en");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let mut request = request.body(Body::empty()).expect("a request");
        request.extensions_mut().insert(ClientAddress(IpAddr::from([192, 0, 2, 1])));
        let response = router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn what_goes_wrong_ends_in_a_page_with_a_code() {
        let router = router(&pages(None));
        for (method, path, status, code) in [
            (Method::GET, "/nowhere", StatusCode::NOT_FOUND, "WEB-003"),
            (Method::GET, "/form", StatusCode::METHOD_NOT_ALLOWED, "WEB-004"),
            (Method::GET, "/fault", StatusCode::INTERNAL_SERVER_ERROR, "WEB-005"),
            (Method::POST, "/form", StatusCode::FORBIDDEN, "WEB-001"),
        ] {
            let (found, body) = ask(&router, method, path, None).await;
            assert_eq!(found, status, "{path}");
            assert!(body.contains(code) && body.contains("lang=\"en\""), "{path}: {body}");
            assert!(!body.contains("a fault of ours"), "the detail is for the log");
        }
        assert_eq!(ask(&router, Method::GET, "/", None).await, (StatusCode::OK, "fine".to_owned()));
    }

    #[tokio::test]
    async fn another_sites_form_changes_nothing() {
        let router = router(&pages(None));
        let own = ask(&router, Method::POST, "/form", Some("http://localhost:8080")).await;
        assert_eq!(own, (StatusCode::OK, "changed".to_owned()));
        // Another port of the same host shares our cookies, and is another origin.
        for foreign in ["http://localhost:8081", "http://127.0.0.1:8080", "null"] {
            let (status, body) = ask(&router, Method::POST, "/form", Some(foreign)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{foreign}");
            assert!(!body.contains("changed"));
        }
    }

    #[tokio::test]
    async fn a_flood_is_told_to_wait() {
        let router = router(&pages(Some(2)));
        for _ in 0..2 {
            assert_eq!(ask(&router, Method::GET, "/", None).await.0, StatusCode::OK);
        }
        let (status, body) = ask(&router, Method::GET, "/", None).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert!(body.contains("WEB-002"), "{body}");
    }
}
