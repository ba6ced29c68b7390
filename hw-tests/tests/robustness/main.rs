//! What is left when something breaks: the program killed at any moment, the power cut, the disk full, everybody
//! signing in at once. The server is the real program on a real disk; cards and agents are in this process, so that no
//! reader slows them down. Each test runs in namespaces of its own, see `sceau_hw_tests::isolation`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that cannot be taken ends the test, and its place in the source says which"
)]

mod harness;
#[expect(dead_code, reason = "other tests send what these do not")]
#[path = "../../../src/tests/http.rs"]
mod http;

mod full_disk;
mod killed;
mod many_at_once;
mod power_cut;
