//! Sceau: the identity provider that a French hospital or clinic runs itself.
//!
//! One library behind two programs: `sceau`, the server, and `sceau-agent`, the workstation program that speaks to a
//! card reader. The modules, and which of them may use which, are described in `docs/architecture.md`; the test
//! `src/tests/directions.rs` holds the code to that table.

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod audit;
pub mod card;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
#[cfg(feature = "server")]
pub mod directory;
pub mod ids;
#[cfg(feature = "server")]
pub mod jobs;
#[cfg(feature = "server")]
pub mod keyring;
#[cfg(feature = "server")]
pub mod means;
#[cfg(feature = "server")]
pub mod mobile;
#[cfg(feature = "server")]
pub mod notify;
#[cfg(feature = "server")]
pub mod oidc;
#[cfg(feature = "server")]
pub mod sandbox;
#[cfg(feature = "server")]
pub mod session;
#[cfg(feature = "server")]
pub mod store;
pub mod telemetry;
#[cfg(feature = "server")]
pub mod upstream;
pub mod web;
#[cfg(feature = "server")]
pub mod webauthn;

#[cfg(test)]
mod tests;
