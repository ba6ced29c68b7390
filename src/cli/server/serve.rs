//! `sceau serve`: the provider, until SIGTERM or SIGINT.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Failure;
#[cfg(feature = "agent")]
use crate::agent::{
    AgentOptions, Bound,
    card::DriverCards,
    enrol,
    enrolments::EnrolmentStore,
    pin::PinSetting,
    settings::{MANAGED_FILE, ManagedSettings},
};
use crate::app::App;
#[cfg(feature = "agent")]
use crate::app::Listeners;
#[cfg(feature = "agent")]
use crate::audit::Kind;
#[cfg(feature = "agent")]
use crate::card::enrolment::Place;
use crate::clock::SystemClock;
use crate::config::Config;
#[cfg(feature = "agent")]
use crate::config::PinEntry;
use crate::crypto::random::SystemRandom;
#[cfg(feature = "agent")]
use crate::store;
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
        let listeners = app.bind().await?;
        let stop = CancellationToken::new();
        tokio::spawn(cancel_on_signal(stop.clone()));
        #[cfg(feature = "agent")]
        if self.agent {
            return with_agent(app, listeners, stop).await;
        }
        app.serve(listeners, stop).await;
        Ok(())
    }
}

/// Serves, and answers for the reader of this machine: either end takes the other with it.
#[cfg(feature = "agent")]
async fn with_agent(app: App, listeners: Listeners, stop: CancellationToken) -> Result<(), Failure> {
    let managed = ManagedSettings::read(Path::new(MANAGED_FILE))?;
    let cards = Arc::new(DriverCards::with_pads(managed.pin_pad.unwrap_or(true)));
    let mut options = AgentOptions::of_environment(cards, managed);
    options.state_dir = app.config().server.state_dir.join("agent");
    options.pin_entry = Some(match app.config().agent.pin_entry {
        PinEntry::Window => PinSetting::Window,
        PinEntry::Page => PinSetting::Page,
    });
    let agent = Bound::bind(options.clone()).await?;
    let serving = tokio::spawn(app.clone().serve(listeners, stop.clone()));
    let enrolled = enrol_here(&app, &options).await;
    if let Err(failure) = &enrolled {
        tracing::error!("the reader of this machine cannot be used: {failure}");
    }
    agent.serve(stop).await;
    serving.await.map_err(|error| Failure::plain(error.to_string()))
}

/// Makes this machine's agent known to its own server, once.
#[cfg(feature = "agent")]
async fn enrol_here(app: &App, options: &AgentOptions) -> Result<(), Failure> {
    let store = EnrolmentStore::open(&options.state_dir)?;
    let server = app.card().front().clone();
    for known in store.read()?.into_iter().filter(|known| known.origin == server) {
        let workstation = store::workstation::by_id(app.db(), known.workstation).await?;
        if workstation.is_some_and(|workstation| workstation.revoked_at.is_none()) {
            return Ok(());
        }
    }
    let place = Place { site: String::new(), zone: String::new(), needs_approval: false, shared: false };
    let event = app.trail().event(Kind::WorkstationInvited).actor("serve --agent");
    let code = app.card().invite(&place, event).await?;
    let enrolled = enrol::enrol(&server, &code, &**app.clock()).await?;
    store.add(&enrolled.enrolment)?;
    tracing::info!(workstation = %enrolled.enrolment.workstation, "this machine's reader is enrolled");
    Ok(())
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
