//! `sceau-certs` as it is run. That it stands here also makes `cargo test --workspace` build the program, which the
//! demonstration starts.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::path::Path;
use std::process::{Command, Output};

fn certs(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sceau-certs")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn certificate_of(dir: &Path, card: &str) -> Vec<u8> {
    std::fs::read(dir.join("cards").join(card).join("auth.crt")).unwrap()
}

#[test]
fn what_was_generated_once_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    assert!(said(&certs(&["generate", place])).contains("made"));
    let first = certificate_of(dir.path(), "good");
    assert!(said(&certs(&["generate", place])).contains("kept"));
    assert_eq!(certificate_of(dir.path(), "good"), first);
}

#[test]
fn a_generated_authority_is_not_taken_for_a_real_one() {
    let dir = tempfile::tempdir().unwrap();
    said(&certs(&["generate", dir.path().to_str().unwrap()]));
    assert!(said(&certs(&["roots"])).contains("AC IGC-SANTE FORT PERSONNES"));
    let mut anchors = std::fs::read_dir(dir.path().join("anchors")).unwrap();
    let anchor = anchors.next().unwrap().unwrap().path();
    assert!(!certs(&["check", anchor.to_str().unwrap()]).status.success());
}
