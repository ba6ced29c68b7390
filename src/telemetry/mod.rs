//! Logs, health and operation ids.
