//! Everything a hospital has, for one test: authorities, reader and card, server, workstation, relying parties, browser.
//!
//! Call it inside [`sceau_hw_tests::isolation::isolated`] only: the ports are fixed, and what is started here sees no
//! other network than its own loopback and ends with the test. [`here`] does both.

pub mod apache;
pub mod browser;
pub mod certificates;
pub mod etc;
pub mod hospital;
pub mod mail_server;
pub mod node;
pub mod other_server;
pub mod postgres;
pub mod program;
pub mod sandbox;
pub mod site;
pub mod terminal;
pub mod tls_server;
mod waiting;

pub use waiting::{PATIENCE, listens, run, until, within};
