//! Tests that look at more than one module.

mod directions;
#[cfg(all(feature = "agent", feature = "server"))]
mod documents;
mod errors;
mod sources;
mod spec;
