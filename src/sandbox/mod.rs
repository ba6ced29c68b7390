//! Test people and the demonstration relying parties.
