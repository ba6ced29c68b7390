//! `sceau sandbox` as a program, and a `curl` that plays the browser: what a software house's CI has.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::program::{Program, ours};

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    program: Program,
    pub issuer: String,
    pub control: String,
}

impl Sandbox {
    /// With one relying party.
    pub async fn start(client_id: &str, client_secret: &str, more: &[&str]) -> Self {
        let mut command = Command::new(ours("sceau"));
        command.args(["sandbox", "--client-id", client_id, "--client-secret", client_secret]).args(more);
        let mut program = Program::start("sceau sandbox", &mut command);
        let said = |log: &str, label: &str| {
            log.lines().find_map(|line| line.strip_prefix(label)).map(|text| text.trim().to_owned())
        };
        let (discovery, control) =
            program.said("its addresses", |log| Some((said(log, "discovery")?, said(log, "control")?))).await;
        let issuer = discovery.trim_end_matches("/.well-known/wallet-openid-configuration").to_owned();
        Self { program, issuer, control }
    }

    /// The control interface did as asked.
    pub fn told(&self, method: &str, path: &str, body: &Value) {
        let output =
            curl(&["--request", method, "--data", &body.to_string(), &format!("{}{path}", self.control)]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("\"code\""), "{method} {path}: {said}");
    }

    /// A document below the issuer.
    pub fn document(&self, path: &str) -> String {
        String::from_utf8(curl(&[&format!("{}{path}", self.issuer)]).stdout).unwrap()
    }

    /// Ends it as Ctrl-C does.
    pub async fn interrupted(self) {
        let status = self.program.interrupt().await;
        assert!(status.success(), "{status}");
    }
}

/// Follows `address` with the cookies in `jar`, as a browser would; the last page.
pub fn visit(jar: &Path, address: &str) -> String {
    let jar = jar.to_str().unwrap();
    let output = curl(&["--location", "--max-redirs", "10", "--cookie", jar, "--cookie-jar", jar, address]);
    assert!(output.status.success(), "{address}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn curl(arguments: &[&str]) -> Output {
    let output = Command::new("curl").args(["--silent", "--show-error"]).args(arguments).output();
    output.expect("curl is missing: run `make setup`")
}
