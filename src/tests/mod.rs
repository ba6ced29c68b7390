//! Tests that look at more than one module.

#[cfg(all(feature = "server", feature = "agent"))]
mod card_login;
mod dependencies;
#[cfg(feature = "server")]
mod desk;
mod directions;
#[cfg(all(feature = "agent", feature = "server"))]
mod documents;
mod errors;
pub(crate) mod http;
#[cfg(feature = "server")]
mod phones;
mod platform;
#[cfg(feature = "server")]
mod sandbox;
mod secrets;
#[cfg(feature = "server")]
mod security_keys;
mod services;
mod sources;
mod spec;
mod upstream;
