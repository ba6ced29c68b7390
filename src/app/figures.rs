//! The figures that a monitoring system of the hospital reads.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::card::verify::CardVerifier;
use crate::clock::Time;
use crate::mobile::Push;
use crate::store;
use crate::store::logout_delivery::DeliveryStanding;
use crate::telemetry::metrics::{self, Metrics, Sample};
use crate::web::serve::{Listener, Patience, Transport};

impl App {
    /// Answers a monitoring system of this machine until `stop`, where the configuration says so. That it cannot is no
    /// reason to sign nobody in.
    pub(super) async fn serve_metrics(self, stop: CancellationToken) {
        let Some(address) = self.config.metrics.listen else { return };
        match Listener::bind(address, Transport::Plain { behind_proxy: false }).await {
            Ok(listener) => {
                tracing::info!(address = %listener.address(), "serving figures");
                let router = metrics::routes(self.metrics());
                listener.serve(router, Patience::default(), stop).await;
            }
            Err(error) => tracing::error!(code = error.code(), %error, "no figures are served"),
        }
    }

    /// What `/metrics` and `/health/details` say.
    fn metrics(&self) -> Metrics {
        let app = self.clone();
        Metrics { checks: self.health_checks(), collect: Arc::new(move || app.clone().figures().boxed()) }
    }

    async fn figures(self) -> Vec<Sample> {
        let mut samples = match self.card.verifier() {
            Some(verifier) => revocation(verifier, self.clock.now()),
            None => Vec::new(),
        };
        let metadata = self.keys.as_ref().and_then(|keys| keys.models().metadata());
        samples.extend(metadata.map(|metadata| Sample {
            name: "key_metadata_remaining_seconds",
            help: "Until the metadata of security keys should be replaced (nextUpdate); negative: it is too old",
            labels: Vec::new(),
            value: -seconds(self.clock.now(), metadata.until()),
        }));
        let push = self.phones.as_ref().and_then(|phones| phones.push());
        samples.extend(push.into_iter().flat_map(Push::counted).map(|(outcome, count)| Sample {
            name: "phone_pushes",
            help: "Messages by which phones were to be woken, since the start, by how that ended",
            labels: vec![("outcome", outcome.name().to_owned())],
            value: count as f64,
        }));
        match store::logout_delivery::undelivered(&self.db).await {
            Ok((waiting, given_up)) => samples.extend(logouts(waiting, given_up)),
            Err(error) => tracing::error!(code = error.code(), %error, "the logouts cannot be counted"),
        }
        samples
    }
}

/// Services that could not be told that a session ended.
fn logouts(waiting: i64, given_up: i64) -> impl Iterator<Item = Sample> {
    let counted = [(DeliveryStanding::Waiting, waiting), (DeliveryStanding::GivenUp, given_up)];
    counted.into_iter().map(|(standing, count)| Sample {
        name: "logout_deliveries",
        help: "Back-channel logouts that wait to be delivered, and that were given up in the last thirty days",
        labels: vec![("standing", standing.as_str().to_owned())],
        value: count as f64,
    })
}

/// How fresh the knowledge of revoked cards is.
fn revocation(verifier: &CardVerifier, now: Time) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |name, help, labels, value| samples.push(Sample { name, help, labels, value });
    for list in verifier.deciding_lists() {
        let kind = if list.is_delta { "delta" } else { "full" };
        let labels = || vec![("issuer", list.issuer.clone()), ("kind", kind.to_owned())];
        add(
            "revocation_list_age_seconds",
            "Since the list was made (thisUpdate)",
            labels(),
            seconds(now, list.this_update),
        );
        add(
            "revocation_list_remaining_seconds",
            "Until the list should be replaced (nextUpdate); negative: it is too old",
            labels(),
            -seconds(now, list.until),
        );
        add("revocation_list_entries", "Certificates that the list names", labels(), list.entries as f64);
    }
    for source in verifier.list_sources() {
        add(
            "revocation_list_fetch_failures",
            "Failures to fetch the list since the last success",
            vec![("address", source.address)],
            f64::from(source.failures),
        );
    }
    let (cards, responders) = verifier.answers().status();
    for responder in responders {
        add(
            "ocsp_failures",
            "Questions that a responder did not answer since the last answer",
            vec![("address", responder.address)],
            f64::from(responder.failures),
        );
    }
    add("ocsp_cards", "Cards that responders are asked about", Vec::new(), cards as f64);
    samples
}

fn seconds(now: Time, since: Time) -> f64 {
    let milliseconds = (now - since).num_milliseconds() as f64;
    milliseconds / 1000.0
}
