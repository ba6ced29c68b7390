//! What the operations team sees of a running program: log lines, the operation id that joins a user's error page with
//! them, the two health endpoints, and
//! figures.
//!
//! A log line never holds a secret: no cookie, code, token, PIN or query string. Addresses are logged by path alone,
//! because authorization codes and hints travel in queries.

pub mod health;
pub mod logs;
#[cfg(feature = "server")]
pub mod metrics;
pub mod operation;
