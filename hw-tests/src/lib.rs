//! A software CPS card behind a virtual PC/SC reader, and the tests that need real parts.
//!
//! See [`softcard`] for the card, [`identity`] for the people on it, [`pcscd`] for the reader under a real `pcscd`, and
//! [`real`] for one's own card in a real reader, [`isolation`] for how a test gets a network and a `/run/pcscd` of its own.

pub mod identity;
pub mod isolation;
pub mod pcscd;
pub mod real;
pub mod softcard;
