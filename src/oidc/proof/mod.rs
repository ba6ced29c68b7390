//! Proofs that a request comes from whom it says.

pub mod pkce;
