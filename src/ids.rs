//! Identifiers and randomness.
