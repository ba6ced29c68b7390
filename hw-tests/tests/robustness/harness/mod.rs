//! An installation whose server may break, the workstations that are enrolled with it, and browsers.

pub mod browser;
pub mod installation;
#[path = "../../e2e/harness/postgres.rs"]
pub mod postgres;
#[expect(dead_code, reason = "the tests with a browser use the rest")]
#[path = "../../e2e/harness/program.rs"]
pub mod program;
#[path = "../../e2e/harness/waiting.rs"]
mod waiting;
pub mod workstation;

use waiting::listens;
pub use waiting::{run, until};
