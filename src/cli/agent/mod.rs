//! The commands of `sceau-agent`, the program of the workstation: one file per command.
//!
//! What a hospital gets: a technician at a post can see which readers and cards the system knows (`card list`), read a
//! card (`card read`), and produce a report that can be sent to us without a personal datum in it (`card report`);
//! `enrol` makes the post known to a server, and `run` is the program that stays.

mod card;
mod enrol;
mod login;
mod run;
mod switch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::manual::Manual;
use crate::agent::AgentError;

/// The workstation program of Sceau: it speaks to the card reader, and to nobody it was not enrolled with.
#[derive(Debug, Parser)]
#[command(name = "sceau-agent", version, propagate_version = true)]
pub struct AgentCli {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, Subcommand)]
enum AgentCommand {
    /// Readers and cards of this workstation.
    #[command(subcommand)]
    Card(card::CardCommand),
    /// Make this workstation known to a server.
    Enrol(enrol::Enrol),
    /// Answer the sign-in pages of the servers that this workstation is enrolled with.
    Run(run::Run),
    /// On a computer that several people use: hold the agent's port for all of them, and hand each connection to the agent
    /// of the user who opened it.
    Switch(switch::SwitchCommand),
    /// Write the manual pages of this program, for a package.
    #[command(hide = true)]
    Manual(Manual),
}

impl AgentCli {
    /// Runs the command and says how it ended: 0 done, 1 refused or failed (the sentence is on standard error), 2 wrong
    /// use, 3 another program has the agent's port.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let ended = match self.command {
            AgentCommand::Card(card::CardCommand::Login(command)) => command.run(),
            AgentCommand::Card(command) => return command.run(),
            AgentCommand::Enrol(command) => command.run(),
            AgentCommand::Run(command) => command.run(),
            AgentCommand::Switch(command) => command.run(),
            AgentCommand::Manual(command) => {
                command.write::<Self>().map(|()| ExitCode::SUCCESS).map_err(Failure::plain)
            }
        };
        ended.unwrap_or_else(|failure| {
            eprintln!("sceau-agent: {}", failure.message);
            failure.exit
        })
    }
}

/// Why a command stopped: the sentence for standard error, and the exit code.
#[derive(Debug)]
struct Failure {
    message: String,
    exit: ExitCode,
}

impl Failure {
    fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: ExitCode::FAILURE }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let exit = match error {
            AgentError::PortHeld { .. } => ExitCode::from(3),
            _ => ExitCode::FAILURE,
        };
        Self { message: format!("{} {error}", error.code()), exit }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::plain(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::AgentCli;

    #[test]
    fn the_command_line_is_consistent() {
        <AgentCli as clap::CommandFactory>::command().debug_assert();
    }
}
