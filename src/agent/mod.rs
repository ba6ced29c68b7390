//! The workstation program.
