//! The npm package `openid-client` as a relying party: `hw-tests/web/relying-party.mjs` for a browser, and the scenarios of
//! `hw-tests/web/openid_client`, which need none; and `oidc-provider` as a provider of others.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::program::{Program, finished};

/// Where it listens.
pub const PORT: u16 = 8084;

/// The running relying party.
#[derive(Debug)]
pub struct RelyingParty {
    _program: Program,
    _directory: tempfile::TempDir,
}

pub fn address() -> String {
    format!("http://127.0.0.1:{PORT}")
}

pub fn redirect_uri() -> String {
    format!("{}/callback", address())
}

pub fn signed_out() -> String {
    format!("{}/signed-out", address())
}

impl RelyingParty {
    pub async fn start(issuer: &str, client_id: &str, client_secret: &str) -> Self {
        let directory = with_packages("relying-party.mjs");
        let program = Program::start(
            "openid-client (npm)",
            node(directory.path(), "relying-party.mjs")
                .env("ISSUER", issuer)
                .env("CLIENT_ID", client_id)
                .env("CLIENT_SECRET", client_secret)
                .env("PORT", PORT.to_string()),
        )
        .listening_on(PORT)
        .await;
        Self { _program: program, _directory: directory }
    }
}

/// The running `oidc-provider` (`hw-tests/web/upstream-provider.mjs`).
#[derive(Debug)]
pub struct UpstreamProvider {
    _program: Program,
    _directory: tempfile::TempDir,
}

impl UpstreamProvider {
    /// Where it listens, and its issuer.
    pub const PORT: u16 = 8091;
    pub const ISSUER: &str = "http://127.0.0.1:8091";

    /// With one relying party, and one person, who has that national identifier.
    pub async fn start(client_secret: &str, redirect_uri: &str, identifier: &str) -> Self {
        let directory = with_packages("upstream-provider.mjs");
        let program = Program::start(
            "oidc-provider (npm)",
            node(directory.path(), "upstream-provider.mjs")
                .env("CLIENT_ID", "hopital")
                .env("CLIENT_SECRET", client_secret)
                .env("REDIRECT_URI", redirect_uri)
                .env("IDENTIFIER", identifier)
                .env("PORT", Self::PORT.to_string()),
        )
        .listening_on(Self::PORT)
        .await;
        Self { _program: program, _directory: directory }
    }

    /// How its people answer when they are asked, from now on.
    pub fn says(&self, what: &str) {
        let address = format!("{}/test/answer?says={what}", Self::ISSUER);
        let output = Command::new("curl").args(["--silent", "--fail", &address]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), what);
    }
}

/// What the scenario `name.mjs` of `hw-tests/web/openid_client` says at its end, as JSON.
pub fn scenario(name: &str, environment: &[(&str, &str)]) -> Value {
    let directory = with_packages("openid_client");
    let script = format!("openid_client/{name}.mjs");
    let output = node(directory.path(), &script).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A copy of a script of `hw-tests/web`, or of a directory of them, beside the packages: Node looks for them there.
fn with_packages(name: &str) -> tempfile::TempDir {
    let modules = tools().join("web/node_modules");
    assert!(modules.join("openid-client").exists(), "openid-client is missing: run `make setup`");
    let directory = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("web").join(name);
    finished(Command::new("cp").arg("-R").arg(source).arg(directory.path()));
    std::os::unix::fs::symlink(modules.canonicalize().unwrap(), directory.path().join("node_modules"))
        .unwrap();
    directory
}

fn node(directory: &Path, script: &str) -> Command {
    let own = tools().join("bin/node");
    let mut command = Command::new(if own.exists() { own.as_os_str() } else { "node".as_ref() });
    command.arg(directory.join(script));
    command
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools")
}
