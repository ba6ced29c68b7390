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

/// An installation in a directory of its own.
struct Installation(tempfile::TempDir);

impl Installation {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let text = format!(
            "config_version = 1\n[server]\nissuer = \"http://localhost:8080/auth/realms/esante-wallet\"\n\
             state_dir = \"{}\"\n",
            state.display()
        );
        std::fs::write(dir.path().join("sceau.toml"), text).unwrap();
        let installation = Self(dir);
        installation.done(&["init"]);
        installation
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let config = self.0.path().join("sceau.toml");
        Command::new(env!("CARGO_BIN_EXE_sceau"))
            .arg("--config")
            .arg(config)
            .args(arguments)
            .output()
            .unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// What a refused command says.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn services_are_looked_after_from_a_shell() {
    let here = Installation::new();
    let add = |id: &'static str, uri: &'static str| {
        ["client", "add", id, "--name", "Dossier", "--redirect-uri", uri]
    };
    let uri = "https://dpi.example/cb";
    let added = here.json(&[add("dpi", uri).as_slice(), &["--json"]].concat());
    assert_eq!(added["issuer"], "http://localhost:8080/auth/realms/esante-wallet");
    let secret = added["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 43);
    assert!(here.refused(&add("dpi", uri)).contains("OIDC-085"));
    assert!(here.refused(&add("other", "http://dpi.example/cb")).contains("OIDC-080"));
    assert!(here.refused(&add("other", "https://dpi.example/*")).contains("OIDC-080"));
    assert!(here.refused(&add("899700366240", uri)).contains("OIDC-081"));
    let shown = here.json(&["client", "show", "dpi", "--json"]);
    assert_eq!((&shown["audience"], &shown["redirect_uris"][0]), (&"affiliated".into(), &uri.into()));
    assert!(!shown.to_string().contains(&secret), "the secret is kept nowhere");
    let rotated = here.json(&["client", "rotate-secret", "dpi", "--json"]);
    assert_ne!(rotated["client_secret"], secret);
    assert_eq!(here.json(&["client", "list", "--json"]).as_array().unwrap().len(), 1);
    here.done(&["client", "remove", "dpi"]);
    assert!(here.refused(&["client", "remove", "dpi"]).contains("OIDC-086"));
    let trail = here.done(&["audit", "list"]);
    for kind in ["client.added", "client.secret-rotated", "client.removed"] {
        assert!(trail.contains(kind), "{trail}");
    }
    assert!(!trail.contains(&secret));
}

#[test]
fn keys_are_rotated_from_a_shell_and_not_too_early() {
    let here = Installation::new();
    let keys = || {
        let all = here.json(&["keys", "list", "--json"]);
        let is = |key: &&serde_json::Value, state: &str| key["purpose"] == "token" && key["state"] == state;
        let kid =
            |state| all.as_array().unwrap().iter().find(|key| is(key, state)).map(|key| key["kid"].clone());
        (kid("current").unwrap(), kid("next").unwrap(), kid("retired"))
    };
    let (current, next, retired) = keys();
    assert_eq!(retired, None);
    assert!(here.refused(&["keys", "rotate"]).contains("OIDC-091"));
    here.done(&["keys", "rotate", "--at-once"]);
    let after = keys();
    assert_eq!((after.0, after.2), (next, Some(current)));
    std::fs::remove_file(here.0.path().join("state/seal.key")).unwrap();
    assert!(here.refused(&["keys", "rotate", "--at-once"]).contains("STORE-010"));
}
