//! The PyPI package `authlib` as a relying party (`hw-tests/web/relying_party.py`), against the sandbox.

use std::path::Path;
use std::process::Command;

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::harness::run;
use crate::harness::sandbox::Sandbox;

fn party(issuer: &str) -> Value {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/authlib");
    assert!(modules.join("authlib").exists(), "authlib is missing: run `make setup`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/relying_party.py");
    let mut command = Command::new("python3");
    command.arg(script).env("PYTHONPATH", modules).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("ISSUER", issuer).env("CLIENT_ID", "authlib").env("CLIENT_SECRET", "a secret");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn authlib_signs_in_validates_refreshes_and_revokes() {
    isolated(|| {
        run(async {
            let sandbox =
                Sandbox::start("authlib", "a secret", &["--redirect-uri", "http://localhost:8087/*"]).await;
            sandbox.told("POST", "sign-ins", &json!({ "person": "pharmacist" }));
            let received = party(&sandbox.issuer);
            assert_eq!(received["claims"]["SubjectNameID"], "899700300116");
            assert_eq!(received["claims"]["acr"], "eidas1");
            assert_eq!(received["userinfo"]["family_name"], "PHA0030011");
            assert_eq!((&received["same"], &received["rotated"]), (&json!(true), &json!(true)));
            assert_eq!(received["signed"], false);
            assert_eq!(received["after_revocation"], 401, "a revoked grant tells nothing");

            sandbox.told("POST", "sign-ins", &json!({ "person": "pharmacist", "decision": "refuse" }));
            assert_eq!(party(&sandbox.issuer), json!({ "error": "access_denied" }));

            // The keys change under it: it validates with those that are published then.
            sandbox.told("POST", "keys/rotate", &Value::Null);
            sandbox.told("POST", "sign-ins", &json!({ "person": "nurse" }));
            assert_eq!(party(&sandbox.issuer)["claims"]["SubjectNameID"], "899700300017");

            // Userinfo as a signed JWT, for a client that is registered so.
            let client = json!({
                "client_id": "authlib", "client_secret": "a secret", "redirect_uris": ["http://localhost:8087/*"],
                "metadata": { "userinfo_signed_response_alg": "RS256" },
            });
            sandbox.told("POST", "clients", &client);
            sandbox.told("POST", "sign-ins", &json!({ "person": "student" }));
            let received = party(&sandbox.issuer);
            assert_eq!(received["signed"], true);
            assert_eq!(received["userinfo"]["SubjectNameID"], "899700300215");
        });
    });
}
