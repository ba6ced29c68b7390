//! `sceau-agent card …`: readers and cards of this workstation.

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum CardCommand {
    /// List the readers and the cards in them.
    List,
}

impl CardCommand {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::List => ExitCode::SUCCESS,
        }
    }
}
