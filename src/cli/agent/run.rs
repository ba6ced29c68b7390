//! `sceau-agent run`: answers the sign-in pages of the servers that this workstation is enrolled with.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::{Failure, runtime};
use crate::agent::card::DriverCards;
use crate::agent::enrolments::SYSTEM_DIR;
use crate::agent::pin::{PinSetting, PinWindow};
use crate::agent::settings::{MANAGED_FILE, ManagedSettings};
use crate::agent::{AgentError, AgentOptions, platform, report_port_held, serve};
use crate::card::protocol::AGENT_PORT;
use crate::config::{Log, LogFormat};
use crate::telemetry::logs;

/// Arguments of `sceau-agent run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Where the PIN is typed, unless the administrator's file says it.
    #[arg(long, value_enum)]
    pin_entry: Option<PinEntryArg>,
    /// The program of the PIN window.
    #[arg(long, value_name = "PROGRAM")]
    pinentry: Option<PathBuf>,
    /// Where enrolments and workstation keys stand [default: ~/.local/state/sceau-agent].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The administrator's file.
    #[arg(long, value_name = "FILE", default_value = MANAGED_FILE)]
    config: PathBuf,
    /// Where the enrolments of the computer as a whole stand.
    #[arg(long, value_name = "DIR", default_value = SYSTEM_DIR)]
    system_dir: PathBuf,
    /// The socket of the switch that holds the port for all who use this computer. By default the usual one where the
    /// administrator's file says `several_users`.
    #[arg(long, value_name = "SOCKET")]
    switch: Option<PathBuf>,
    /// The port on 127.0.0.1. Sign-in pages expect the usual one.
    #[arg(long, hide = true, default_value_t = AGENT_PORT)]
    port: u16,
    /// What is logged: `error`, `warn`, `info`, `debug`.
    #[arg(long, default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PinEntryArg {
    /// In a window of this program.
    Window,
    /// In the page, in the browser. For machines with one user.
    Page,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        logs::start(&Log { format: LogFormat::Human, filter: self.log.clone() })
            .map_err(|error| Failure::plain(error.to_string()))?;
        let managed = ManagedSettings::read(&self.config)?;
        let cards = Arc::new(DriverCards::with_pads(managed.pin_pad.unwrap_or(true)));
        let mut options = AgentOptions::of_environment(cards, managed);
        options.port = self.port;
        options.system_dir = self.system_dir;
        if self.switch.is_some() {
            options.switch = self.switch;
        }
        options.pin_entry = self.pin_entry.map(|entry| match entry {
            PinEntryArg::Window => PinSetting::Window,
            PinEntryArg::Page => PinSetting::Page,
        });
        if let Some(dir) = self.state_dir {
            options.state_dir = dir;
        }
        if options.managed.pinentry.is_none() {
            options.window = PinWindow::of_environment(self.pinentry);
        }
        let shutdown = CancellationToken::new();
        runtime()?.block_on(async {
            let stop = shutdown.clone();
            tokio::spawn(async move {
                platform::stop_signal().await;
                stop.cancel();
            });
            let ended = serve(options.clone(), shutdown).await;
            if let Err(error @ AgentError::PortHeld { .. }) = &ended {
                report_port_held(&options).await;
                if !io::stderr().is_terminal() {
                    // Started with the desktop session: nobody reads standard error there.
                    tracing::error!(code = error.code(), "{error}");
                    options.window.tell("Sceau", &error.to_string()).await;
                }
            }
            ended
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
