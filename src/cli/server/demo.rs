//! `sceau demo`: everything on this machine, until Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Failure;
use super::serve::cancel_on_signal;
use crate::clock::SystemClock;
use crate::config::{Log, LogFormat};
use crate::crypto::random::SystemRandom;
use crate::sandbox::demo::{self, Options};
use crate::telemetry::logs;

/// Arguments of `sceau demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Where everything is kept [default: ~/.local/state/sceau-demo].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The card in the virtual reader: good, nurse, student, employee, director, authorised, nameless, revoked, expired,
    /// not-yet-valid, wrong-issuer, software.
    #[arg(long, value_name = "NAME", default_value = "good")]
    card: String,
    /// Log everything that happens.
    #[arg(long)]
    verbose: bool,
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let filter = if self.verbose { "info" } else { "warn" };
        logs::start(&Log { format: LogFormat::Human, filter: filter.into() })
            .map_err(|error| Failure::plain(error.to_string()))?;
        let stop = CancellationToken::new();
        tokio::spawn(cancel_on_signal(stop.clone()));
        tokio::spawn(cancel_on_hangup(stop.clone()));
        let state_dir = self.state_dir.unwrap_or_else(default_state_dir);
        let options = Options {
            state_dir: state_dir.clone(),
            card: self.card,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        let starting = demo::Demo::start(options, |step| eprintln!("  … {step}"));
        let running = tokio::select! {
            running = starting => running.map_err(|error| Failure::plain(error.to_string()))?,
            () = stop.cancelled() => return Ok(()),
        };
        println!(
            "\nOpen   {}\nPIN    {}\n\nEverything is kept in {}. Ctrl-C stops all of it.\n",
            demo::address(),
            running.pin().unwrap_or("that of your card"),
            state_dir.display()
        );
        running.run(stop).await.map_err(|error| Failure::plain(error.to_string()))
    }
}

/// A closed terminal is a Ctrl-C of another kind.
async fn cancel_on_hangup(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut hangup) = signal(SignalKind::hangup()) {
        hangup.recv().await;
        stop.cancel();
    }
}

fn default_state_dir() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("sceau-demo")
}
