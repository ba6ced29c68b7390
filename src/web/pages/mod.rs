//! The pages, one file per place: a struct with public fields and `render(&self, &Frame) -> Response`.
//!
//! They hold what is shown and nothing else: no session, no store, no secret but the ones a form carries.

pub mod agent;
#[cfg(feature = "server")]
pub mod application;
pub mod card;
#[cfg(feature = "server")]
pub mod demonstration;
#[cfg(feature = "server")]
pub mod desk;
pub mod form_post;
#[cfg(feature = "server")]
pub mod means;
#[cfg(feature = "server")]
pub mod pairing;
#[cfg(feature = "server")]
pub mod phone;
#[cfg(feature = "server")]
pub mod session;
pub mod sign_in;

pub use sign_in::RelyingParty;
