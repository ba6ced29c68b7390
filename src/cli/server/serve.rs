//! `sceau serve`: the provider, until SIGTERM or SIGINT.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::crypto::random::SystemRandom;
use crate::telemetry::logs;

/// Arguments of `sceau serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Serve the card reader of this machine too.
    #[cfg(feature = "agent")]
    #[arg(long)]
    agent: bool,
}

impl Serve {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let config = Arc::new(Config::read(path)?);
        logs::start(&config.log).map_err(|error| Failure::plain(error.to_string()))?;
        let app = App::start(config, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
        let listener = app.bind().await?;
        let stop = CancellationToken::new();
        tokio::spawn(cancel_on_signal(stop.clone()));
        app.serve(listener, stop).await;
        Ok(())
    }
}

/// Cancels `stop` at SIGTERM (systemd) or SIGINT (a terminal).
pub(super) async fn cancel_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened to");
            let _ = interrupt.await;
        }
    }
    stop.cancel();
}
