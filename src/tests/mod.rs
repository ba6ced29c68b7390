//! Tests that look at more than one module.

mod spec;
