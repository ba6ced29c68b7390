//! `sceau-agent`: the program of the workstation. Everything is in the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    sceau::cli::agent::AgentCli::parse().run()
}
