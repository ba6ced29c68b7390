//! The workstation program.
pub mod pin;
pub mod platform;
