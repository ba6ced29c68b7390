//! Sign-in with a CPS card: request, proof, answer and what the certificate says.
#[cfg(feature = "agent")]
pub mod driver;
#[cfg(feature = "server")]
pub mod identity;
pub mod proof;
pub mod protocol;
#[cfg(feature = "server")]
pub mod verify;
