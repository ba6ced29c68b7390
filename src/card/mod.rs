//! Sign-in with a CPS card: request, proof, answer and what the certificate says.
//!
//! A hospital gets from it that a professional who holds a card and its PIN, at a workstation of the establishment, in
//! the browser that began the sign-in, is let in, and nobody who lacks one of the four. The agent protocol is in
//! [`protocol`]; the server's side of it in [`login`] and beside it, one file per step; the one place where a card is
//! believed is [`verify`]; what speaks to a card is [`driver`]. Posts that have the national middleware instead of our
//! agent have a way of their own, [`tls_login`].
//!
//! Never here: who may come in (that is the directory's), and what a relying party is told (that is `oidc`).

#[cfg(feature = "server")]
mod attempt;
#[cfg(feature = "server")]
mod badge;
#[cfg(feature = "server")]
mod challenge;
#[cfg(feature = "server")]
pub mod channel;
#[cfg(feature = "agent")]
pub mod driver;
#[cfg(feature = "server")]
pub mod enrolment;
#[cfg(feature = "server")]
mod finish;
#[cfg(feature = "server")]
pub mod fleet;
#[cfg(feature = "server")]
pub mod identity;
#[cfg(feature = "server")]
pub mod login;
#[cfg(feature = "server")]
pub mod machine;
pub mod proof;
pub mod protocol;
#[cfg(feature = "server")]
pub mod question;
#[cfg(feature = "server")]
pub mod refusal;
#[cfg(feature = "server")]
#[cfg(feature = "server")]
mod return_path;
#[cfg(feature = "server")]
pub mod revocation;
#[cfg(feature = "server")]
mod standing;
#[cfg(feature = "server")]
mod terminal;
#[cfg(feature = "server")]
pub mod tls_login;
#[cfg(feature = "server")]
pub mod verify;
#[cfg(feature = "server")]
mod waiting;
