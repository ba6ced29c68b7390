//! A power cut: what an answer says is on the disk before the answer leaves. Shown by `strace`, which sees the writes, the
//! `fsync` and the answer as the system does.

mod trace;

use std::path::Path;
use std::process::Command;

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, code_of, path_of, request_of, tokens_of};
use crate::harness::installation::{Installation, PORT};
use crate::harness::program::Program;
use crate::harness::{run, until};
use crate::http::Answer;
use trace::Trace;

/// The operation that an answer names; the audit event of what it did holds it too.
fn operation(answer: &Answer) -> String {
    let id = answer.header("x-operation-id");
    assert!(!id.is_empty(), "{answer:?}");
    id.replace('-', "")
}

/// A command of the program, with its writes and answers traced into `file`. The program is the child, so that a signal
/// reaches it, and the tracer stands beside it.
fn traced(installation: &Installation, file: &Path, arguments: &[&str]) -> Command {
    let calls = "trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg";
    let file = file.to_str().unwrap();
    let strace = ["strace", "-D", "-f", "-q", "-xx", "-y", "-s", "8192", "-e", calls, "-o", file];
    installation.command(&strace, arguments)
}

/// Waits until the trace is written to its end.
async fn whole(file: &Path) {
    until("the end of the trace", async || {
        std::fs::read_to_string(file).unwrap().contains("+++ exited with 0 +++").then_some(())
    })
    .await;
}

#[test]
fn no_answer_leaves_before_what_it_says_is_on_the_disk() {
    isolated(|| {
        run(async {
            let installation = Installation::on_sqlite();
            let file = installation.path("trace");
            let mut traced = traced(&installation, &file, &["serve"]);
            let server = Program::start("strace sceau serve", &mut traced).listening_on(PORT).await;
            let workstation = installation.workstation().await;

            let mut browser = Browser::default();
            let page = path_of(&browser.authorize("").await);
            let answer = workstation.answer(&request_of(&browser.open(&page).await)).await;
            let signed_in = browser.finish(&answer).await;
            let code = browser.open(&page).await;
            let redeemed = installation.redeem(&code_of(&code)).await;
            let refreshed = installation.refresh(&tokens_of(&redeemed).refresh).await;
            // The refresh token that was used comes again: what it gave is revoked.
            let revoked = installation.refresh(&tokens_of(&redeemed).refresh).await;
            assert_eq!(revoked.status, 400);
            assert!(server.stop().await.success());
            whole(&file).await;

            let trace = Trace::read(&file, &installation.state().join("sceau.db-wal"));
            for (what, answer) in [
                ("a session", &signed_in),
                ("a code", &code),
                ("a redeemed code", &redeemed),
                ("a refreshed token", &refreshed),
                ("a revoked grant", &revoked),
            ] {
                trace.assert_on_disk_before_answer(what, &operation(answer));
            }
        });
    });
}

#[test]
fn a_command_says_that_it_is_done_when_it_is_on_the_disk() {
    isolated(|| {
        let installation = Installation::on_sqlite();
        let file = installation.path("trace");
        let disable = ["person", "disable", "899700366240", "--reason", "perdue-en-ville"];
        assert!(traced(&installation, &file, &disable).output().unwrap().status.success());
        run(whole(&file));
        let trace = Trace::read(&file, &installation.state().join("sceau.db-wal"));
        trace.assert_on_disk_before_word("a disabled person", "perdue-en-ville");
    });
}
