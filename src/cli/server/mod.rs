//! The commands of `sceau`, the server: one file per command.
//!
//! What a hospital gets: an installation that can be set up and looked after from a shell. Commands open the database
//! directly; a running server follows what they change within five seconds.

mod arguments;
mod audit;
mod check;
mod client;
mod context;
mod demo;
mod directory;
mod doctor;
mod failure;
mod init;
mod keys;
mod mail;
mod means;
mod person;
mod person_mail;
mod person_merge;
mod policy;
mod role;
mod sandbox;
mod serve;
mod site_token;
mod upstream;
mod workstation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::manual::Manual;
use crate::config::DEFAULT_PATH;

pub use context::Context;
pub use failure::Failure;

/// The identity provider that French hospitals and clinics run themselves.
#[derive(Debug, Parser)]
#[command(name = "sceau", version, about, propagate_version = true)]
pub struct ServerCli {
    /// The configuration file [default: /etc/sceau/sceau.toml].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: ServerCommand,
}

#[derive(Debug, Subcommand)]
enum ServerCommand {
    /// Make the state directory, the seal key, the database and the first signing keys.
    Init(init::Init),
    /// Run the provider.
    Serve(serve::Serve),
    /// Try everything on this machine: provider, two services, agent and a software card.
    Demo(demo::Demo),
    /// Run a provider with test persons, for those who write applications: no card, no reader, no configuration.
    Sandbox(Box<sandbox::Sandbox>),
    /// Check the configuration and what it names, and say every fault with its line.
    Check(check::Check),
    /// Say what is wrong with the installation, or soon will be, and what to do about it.
    Doctor(doctor::Doctor),
    /// Services that sign their users in here: add, list, show, change, disable, remove.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Signing keys: list, rotate, withdraw one that was stolen.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Workstations: invite, list, rename, approve, revoke; site tokens for a fleet.
    #[command(subcommand)]
    Workstation(workstation::WorkstationCommand),
    /// Import the national directory, and look into it.
    Directory(directory::Directory),
    /// People: add, list, show, unlink, disable; roles.
    Person(person::PersonArguments),
    /// Cards and security keys of a person: list, suspend, resume, revoke.
    #[command(subcommand)]
    Means(means::MeansCommand),
    /// Identities of people at other providers: list, link, unlink.
    #[command(subcommand)]
    Upstream(upstream::UpstreamCommand),
    /// The rules for security keys: try them on the keys that are registered.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Notices by mail: try the mail server.
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// The audit trail: read, verify, export.
    Audit(audit::Audit),
    /// Write the manual pages of this program, for a package.
    #[command(hide = true)]
    Manual(Manual),
}

impl ServerCli {
    /// Runs the command and says how it ended: 0 done, 1 refused or failed (the sentence is on standard error), 2 wrong
    /// use.
    pub async fn run(self) -> ExitCode {
        let config = self.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
        let done = match self.command {
            ServerCommand::Init(command) => command.run(config).await,
            ServerCommand::Serve(command) => command.run(config).await,
            ServerCommand::Demo(command) => command.run().await,
            ServerCommand::Sandbox(command) => command.run(self.config.as_deref()).await,
            ServerCommand::Check(command) => command.run(config).await,
            ServerCommand::Doctor(command) => command.run(config).await,
            ServerCommand::Client(command) => command.run(config).await,
            ServerCommand::Keys(command) => command.run(config).await,
            ServerCommand::Workstation(command) => command.run(config).await,
            ServerCommand::Directory(command) => command.run(config).await,
            ServerCommand::Person(command) => command.run(config).await,
            ServerCommand::Means(command) => command.run(config).await,
            ServerCommand::Upstream(command) => command.run(config).await,
            ServerCommand::Policy(command) => command.run(config).await,
            ServerCommand::Mail(command) => command.run(config).await,
            ServerCommand::Audit(command) => command.run(config).await,
            ServerCommand::Manual(command) => command.write::<Self>().map_err(Failure::plain),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("sceau: {failure}");
                ExitCode::FAILURE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ServerCli;

    #[test]
    fn the_command_line_is_consistent() {
        <ServerCli as clap::CommandFactory>::command().debug_assert();
    }
}
