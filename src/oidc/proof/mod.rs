//! Proofs that a request comes from whom it says.

pub mod binding;
pub mod certificate;
pub mod dpop;
pub mod jwt;
pub mod pkce;
