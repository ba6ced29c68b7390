//! `sceau`: the server. Everything is in the library.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    sceau::cli::server::ServerCli::parse().run().await
}
