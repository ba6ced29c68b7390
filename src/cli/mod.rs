//! The command line, one file per command.
#[cfg(feature = "agent")]
pub mod agent;
