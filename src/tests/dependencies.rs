//! What a workstation's agent is made of: built alone, it holds neither a database nor a provider.

use std::process::Command;

/// What a server needs and a workstation must not carry.
const OF_A_SERVER: [&str; 6] =
    ["sqlx", "webauthn-rs", "webauthn-rs-core", "openidconnect", "oauth2", "lettre"];

#[test]
fn the_agent_alone_carries_nothing_of_a_server() {
    let tree = |features: &[&str]| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command.args(["tree", "--package", "sceau", "--edges", "normal", "--prefix", "none", "--locked"]);
        let output = command.args(features).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let has = |tree: &str, name: &str| {
        let own =
            |line: &str| line.split(' ').next().is_some_and(|found| found == name || is_part(found, name));
        tree.lines().any(own)
    };
    let agent = tree(&["--no-default-features", "--features", "agent"]);
    for name in OF_A_SERVER {
        assert!(!has(&agent, name), "the agent depends on {name}:\n{agent}");
    }
    assert!(has(&agent, "pcsc") && has(&tree(&[]), "sqlx"), "cargo tree was not understood");
}

/// `sqlx-core` is a part of `sqlx`.
fn is_part(found: &str, name: &str) -> bool {
    found.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
}
