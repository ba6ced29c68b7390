//! The two programs start, and say who they are. Being a test of this package, it also makes cargo build them for the
//! tests with real parts.

#![cfg(test)]

use std::process::Command;

fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().unwrap();
    assert!(output.status.success(), "{program} {argument}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn both_programs_name_themselves_and_their_commands() {
    for (program, name, command) in [
        (env!("CARGO_BIN_EXE_sceau"), "sceau", "serve"),
        (env!("CARGO_BIN_EXE_sceau-agent"), "sceau-agent", "card"),
    ] {
        let version = said(program, "--version");
        assert_eq!(version.trim(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
        assert!(said(program, "--help").contains(command));
    }
}
