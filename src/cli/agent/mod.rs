//! The commands of `sceau-agent`, the program of the workstation: one file per command.
//!
//! What a hospital gets: a technician at a post can see which readers and cards the system knows (`card list`), read a
//! card (`card read`), and produce a report that can be sent to us without a personal datum in it (`card report`).

mod card;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The workstation program of Sceau: it speaks to the card reader, and to nobody it was not enrolled with.
#[derive(Debug, Parser)]
#[command(name = "sceau-agent", version, about, propagate_version = true)]
pub struct AgentCli {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, Subcommand)]
enum AgentCommand {
    /// Readers and cards of this workstation.
    #[command(subcommand)]
    Card(card::CardCommand),
}

impl AgentCli {
    /// Runs the command and says how it ended: 0 done, 1 refused or failed (the sentence is on standard error), 2 wrong
    /// use.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.command {
            AgentCommand::Card(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AgentCli;

    #[test]
    fn the_command_line_is_consistent() {
        <AgentCli as clap::CommandFactory>::command().debug_assert();
    }
}
