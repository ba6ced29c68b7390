//! Log lines: JSON for a collector, or for people on a terminal. They go to standard error, where journald and
//! container engines take them; standard output is for what a command was asked for.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::util::TryInitError;

use crate::config::{Log, LogFormat};

/// Starts logging for this process. `filter` has been checked by `config`.
///
/// # Errors
/// Where the process logs already.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().try_init()
        }
        LogFormat::Human => lines.with_target(false).compact().finish().try_init(),
    }
}
