//! The npm package `openid-client` as a relying party: `hw-tests/web/relying-party.mjs`.

use std::path::Path;
use std::process::Command;

use super::program::Program;

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
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools");
        let modules = tools.join("web/node_modules");
        assert!(modules.join("openid-client").exists(), "openid-client is missing: run `make setup`");
        // Node looks for packages beside the script.
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("relying-party.mjs");
        std::fs::write(&script, include_str!("../../../web/relying-party.mjs")).unwrap();
        std::os::unix::fs::symlink(modules.canonicalize().unwrap(), directory.path().join("node_modules"))
            .unwrap();
        let own = tools.join("bin/node");
        let program = Program::start(
            "openid-client (npm)",
            Command::new(if own.exists() { own.as_os_str() } else { "node".as_ref() })
                .arg(script)
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
