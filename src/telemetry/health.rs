//! `/health/live`: the process answers. `/health/ready`: everything that a sign-in needs is there.
//!
//! The answer names what is missing in one word each; the reason goes to the log, since anybody may ask. What needs an
//! administrator soon, but would not get better by sending people elsewhere (a revocation list that grows old), stands
//! under `warnings` and leaves the status at 200. The age of the oldest revocation list in use is told as well: it is
//! public knowledge.

use std::fmt::{self, Debug};
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::json;

type Verdict = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One thing that must be in order.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    is_vital: bool,
    run: Arc<dyn Fn() -> Verdict + Send + Sync>,
}

impl Check {
    /// `name` is one word that a monitoring system can show; `run` yields the reason where it is not in order.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, is_vital: true, run: Arc::new(move || Box::pin(run())) }
    }

    /// The word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Looks now.
    ///
    /// # Errors
    /// The reason where it is not in order.
    pub async fn run(&self) -> Result<(), String> {
        (self.run)().await
    }

    /// As [`new`](Self::new), for what is only to be warned of.
    pub fn warning<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { is_vital: false, ..Self::new(name, run) }
    }
}

impl Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.name)
    }
}

/// Yields the age in seconds of the oldest revocation list in use, if there is one.
pub type ListAge = Arc<dyn Fn() -> Option<i64> + Send + Sync>;

/// The two endpoints.
pub fn routes(checks: Vec<Check>, list_age: ListAge) -> Router {
    Router::new()
        .route("/health/live", get(|| async { answer(&[], &[], None) }))
        .route("/health/ready", get(ready))
        .with_state((Arc::new(checks), list_age))
}

async fn ready(State((checks, list_age)): State<(Arc<Vec<Check>>, ListAge)>) -> Response {
    let (mut missing, mut warnings) = (Vec::new(), Vec::new());
    for check in checks.iter() {
        if let Err(reason) = check.run().await {
            tracing::warn!(check = check.name, %reason, "not in order");
            if check.is_vital { &mut missing } else { &mut warnings }.push(check.name);
        }
    }
    answer(&missing, &warnings, list_age())
}

fn answer(missing: &[&str], warnings: &[&str], list_age: Option<i64>) -> Response {
    let (status, word) = if missing.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let mut body = json!({ "status": word, "missing": missing, "warnings": warnings });
    if let (Some(age), Some(body)) = (list_age, body.as_object_mut()) {
        body.insert("revocation_list_age_seconds".to_owned(), age.into());
    }
    let body = Json(body);
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str, checks: Vec<Check>) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes(checks, Arc::new(|| None)).oneshot(request).await.unwrap();
        let status = response.status();
        (status, String::from_utf8(to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_missing_is_named_and_its_reason_is_not() {
        let checks = vec![
            Check::new("keys", || async { Ok(()) }),
            Check::new("database", || async { Err("postgres://secret".to_owned()) }),
        ];
        let (status, body) = ask("/health/ready", checks.clone()).await;
        assert_eq!(
            (status, body.as_str()),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":"not ready","missing":["database"],"warnings":[]}"#
            )
        );
        assert_eq!(ask("/health/live", checks).await.0, StatusCode::OK);
        assert_eq!(ask("/health/ready", vec![]).await.0, StatusCode::OK);
        let old = vec![Check::warning("revocation-lists", || async { Err("since Monday".to_owned()) })];
        let (status, body) = ask("/health/ready", old).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::OK, r#"{"status":"ok","missing":[],"warnings":["revocation-lists"]}"#)
        );
    }

    #[tokio::test]
    async fn the_age_of_the_revocation_list_is_told() {
        let request = Request::get("/health/ready").body(Body::empty()).unwrap();
        let response = routes(vec![], Arc::new(|| Some(3_600))).oneshot(request).await.unwrap();
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["status"], &body["revocation_list_age_seconds"]), (&json!("ok"), &json!(3_600)));
    }
}
