//! Sign-in with a CPS card: request, proof, answer and what the certificate says.
#[cfg(feature = "agent")]
pub mod driver;
pub mod proof;
pub mod protocol;
