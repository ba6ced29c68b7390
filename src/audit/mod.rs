//! The audit trail: who signed in, by which means, where, to which service, and what administrators changed.
//!
//! What a hospital gets: every event is written in the transaction of the change it records, so neither exists without
//! the other; each node's events form a hash chain, so a record that is changed, removed, moved or slipped in afterwards
//! shows ([`verify`]); and the trail leaves as JSON lines that anybody can check with SHA-256 ([`export()`]).
//!
//! Follows the CNIL's recommendation on logging of October 2021 (time-stamped at creation, minimal personal data) and
//! the traces that eIDAS and the RIE ask for. The means, the level and the place are recorded; a PIN, a token, a cookie
//! or a challenge has no field here and never enters.
//!
//! A chain without a key does not stop whoever can rewrite the whole database: keep an export, or the last hash that
//! [`verify`] prints, outside of this server.

mod chain;
mod event;
mod export;

#[cfg(test)]
pub(crate) use chain::covered_text;
pub use chain::{Break, BreakKind, NodeReport, seal, verify};
pub use event::{Caller, Event, Kind, Outcome, Trail};
pub use export::{ExportError, export, line};
