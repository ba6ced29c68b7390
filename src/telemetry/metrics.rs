//! Figures for a monitoring system, in the text format of Prometheus; and the reasons behind `/health/ready`.
//!
//! What a hospital gets: alerts on what closes the door before it does, above all a revocation list that grows old.
//! Both are served on a listener of their own, on loopback only, since they say more than a stranger should know. No
//! figure is about a person, and no label holds more than the name of an authority or of a server.
//!
//! The figures are read when they are asked for; nothing is counted in between.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::health::Check;

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Without the prefix `sceau_`; with its unit at the end, such as `_seconds`.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// What tells it from others of the same name.
    pub labels: Vec<(&'static str, String)>,
    /// Now.
    pub value: f64,
}

/// What yields figures.
pub type Collect = Arc<dyn Fn() -> BoxFuture<'static, Vec<Sample>> + Send + Sync>;

/// What is served.
#[derive(Clone)]
pub struct Metrics {
    /// What `/health/ready` asks as well.
    pub checks: Vec<Check>,
    /// Everything else.
    pub collect: Collect,
}

impl Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("checks", &self.checks).finish_non_exhaustive()
    }
}

/// `/metrics` and `/health/details`.
pub fn routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(figures))
        .route("/health/details", get(details))
        .with_state(Arc::new(metrics))
}

async fn figures(State(metrics): State<Arc<Metrics>>) -> Response {
    let mut samples = vec![Sample {
        name: "build_info",
        help: "The version that runs",
        labels: vec![("version", env!("CARGO_PKG_VERSION").to_owned())],
        value: 1.0,
    }];
    for check in &metrics.checks {
        samples.push(Sample {
            name: "check_in_order",
            help: "Whether what a sign-in needs is in order: 1, or 0",
            labels: vec![("check", check.name().to_owned())],
            value: f64::from(u8::from(check.run().await.is_ok())),
        });
    }
    samples.extend((metrics.collect)().await);
    match text(&samples) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the figures cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn text(samples: &[Sample]) -> Result<String, fmt::Error> {
    type Figures = Family<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>;
    let mut registry = Registry::with_prefix("sceau");
    let mut families: BTreeMap<&str, Figures> = BTreeMap::new();
    for sample in samples {
        let family = families.entry(sample.name).or_insert_with(|| {
            let family = Figures::default();
            registry.register(sample.name, sample.help, family.clone());
            family
        });
        family.get_or_create(&sample.labels).set(sample.value);
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

async fn details(State(metrics): State<Arc<Metrics>>) -> Response {
    let mut checks = BTreeMap::new();
    for check in &metrics.checks {
        let verdict = match check.run().await {
            Ok(()) => json!({ "in_order": true }),
            Err(reason) => json!({ "in_order": false, "reason": reason }),
        };
        checks.insert(check.name(), verdict);
    }
    let figures: Vec<Value> = (metrics.collect)()
        .await
        .into_iter()
        .map(|sample| {
            let labels: BTreeMap<_, _> = sample.labels.into_iter().collect();
            json!({ "name": sample.name, "labels": labels, "value": sample.value })
        })
        .collect();
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "checks": checks, "figures": figures })))
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(path: &str) -> String {
        let sample = |issuer: &str, value| Sample {
            name: "revocation_list_age_seconds",
            help: "Since its thisUpdate",
            labels: vec![("issuer", issuer.to_owned())],
            value,
        };
        let metrics = Metrics {
            checks: vec![
                Check::new("database", || async { Ok(()) }),
                Check::warning("revocation-lists", || async { Err("since \"Monday\"".to_owned()) }),
            ],
            collect: Arc::new(move || {
                Box::pin(async move { vec![sample("AC \"A\"\nB", 60.0), sample("AC C", 1.5)] })
            }),
        };
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes(metrics).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn figures_are_written_as_prometheus_reads_them() {
        let text = ask("/metrics").await;
        for line in [
            "# HELP sceau_revocation_list_age_seconds Since its thisUpdate.",
            "# TYPE sceau_revocation_list_age_seconds gauge",
            r#"sceau_revocation_list_age_seconds{issuer="AC \"A\"\nB"} 60.0"#,
            r#"sceau_revocation_list_age_seconds{issuer="AC C"} 1.5"#,
            r#"sceau_check_in_order{check="database"} 1.0"#,
            r#"sceau_check_in_order{check="revocation-lists"} 0.0"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.matches("# TYPE sceau_revocation_list_age_seconds").count(), 1);
    }

    #[tokio::test]
    async fn reasons_are_told_here() {
        let details: Value = serde_json::from_str(&ask("/health/details").await).unwrap();
        assert_eq!(details["checks"]["revocation-lists"]["reason"], "since \"Monday\"");
        assert_eq!(details["checks"]["database"], json!({ "in_order": true }));
        assert_eq!(details["figures"][1]["value"], 1.5);
    }
}
