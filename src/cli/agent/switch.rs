//! `sceau-agent switch`: the service that holds the agent's port on a computer that several people use.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Failure, runtime};
use crate::agent::platform;
use crate::agent::switch::{SOCKET, Switch};
use crate::card::protocol::AGENT_PORT;
use crate::config::{Log, LogFormat};
use crate::telemetry::logs;

/// Arguments of `sceau-agent switch`.
#[derive(Debug, Args)]
pub(super) struct SwitchCommand {
    /// Where agents reach it. The folder has to be its own, in one of the administrator's.
    #[arg(long, value_name = "SOCKET", default_value = SOCKET)]
    socket: PathBuf,
    /// The port on 127.0.0.1. Sign-in pages expect the usual one.
    #[arg(long, hide = true, default_value_t = AGENT_PORT)]
    port: u16,
    /// What is logged: `error`, `warn`, `info`, `debug`.
    #[arg(long, default_value = "info")]
    log: String,
}

impl SwitchCommand {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        logs::start(&Log { format: LogFormat::Human, filter: self.log })
            .map_err(|error| Failure::plain(error.to_string()))?;
        let shutdown = CancellationToken::new();
        runtime()?.block_on(async {
            let stop = shutdown.clone();
            tokio::spawn(async move {
                platform::stop_signal().await;
                stop.cancel();
            });
            let switch = Switch::bind(self.port, &self.socket).await?;
            tracing::info!(port = self.port, socket = %self.socket.display(), "the switch answers");
            switch.serve(shutdown).await;
            Ok::<_, Failure>(())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
