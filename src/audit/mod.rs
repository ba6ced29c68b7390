//! Audit events, their hash chain, export and verification.
