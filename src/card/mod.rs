//! Sign-in with a CPS card: request, proof, answer and what the certificate says.
#[cfg(feature = "server")]
mod challenge;
#[cfg(feature = "agent")]
pub mod driver;
#[cfg(feature = "server")]
pub mod enrolment;
#[cfg(feature = "server")]
mod finish;
#[cfg(feature = "server")]
pub mod identity;
#[cfg(feature = "server")]
pub mod login;
pub mod proof;
pub mod protocol;
#[cfg(feature = "server")]
pub mod refusal;
#[cfg(feature = "server")]
mod return_path;
#[cfg(feature = "server")]
pub mod verify;
#[cfg(feature = "server")]
mod waiting;
