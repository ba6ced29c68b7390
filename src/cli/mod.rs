//! The command lines of both programs, one file per command.
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(any(feature = "agent", feature = "server"))]
mod manual;
#[cfg(feature = "server")]
pub mod server;
