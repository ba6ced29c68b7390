//! Tests that look at more than one module.

mod directions;
mod sources;
mod spec;
