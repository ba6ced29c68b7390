//! SoftHSM2 as the HSM. Its library finds its tokens by an environment variable, which a process cannot safely change for
//! itself: the test runs once more in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::{client, event, key_set, tokens, verifies};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::hsm::{Hsm, HsmSettings};
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, KeyError};
use crate::crypto::random::SystemRandom;
use crate::keyring::{self, Keyring, Vault, published_before_use};
use crate::store::signing_key::{self, Purpose};
use crate::tests::spec::stand::{Stand, header};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const TOKEN: &str = "sceau test";
const PIN: &str = "271828";
/// Set in the process that has a token.
const WITH_TOKEN: &str = "SCEAU_TEST_HSM";

fn settings() -> HsmSettings {
    HsmSettings { module: PathBuf::from(MODULE), token: TOKEN.into(), pin: PIN.into() }
}

/// Runs the test `name` of this file again, with a fresh token.
fn again_with_token(name: &str) {
    assert!(Path::new(MODULE).exists(), "SoftHSM2 is missing: make setup");
    let dir = tempfile::tempdir().unwrap();
    let (tokens, conf) = (dir.path().join("tokens"), dir.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&conf, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", TOKEN, "--so-pin", "314159", "--pin", PIN])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let test = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(WITH_TOKEN, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{test}: {said}");
}

#[test]
fn tokens_are_signed_by_keys_that_never_leave_the_hsm() {
    if std::env::var_os(WITH_TOKEN).is_none() {
        return again_with_token("tokens_are_signed_by_keys_that_never_leave_the_hsm");
    }
    // The runtime of the server: signatures must not hold its threads.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let hsm = Hsm::open(&settings()).unwrap();
        let stand = Stand::in_hsm(&hsm).await;
        every_algorithm_signs(&stand).await;
        nothing_of_a_key_is_outside(&stand).await;
        keys_are_rotated(&stand, &hsm).await;
        many_sign_at_once(&stand).await;
        the_hsm_is_gone(&stand).await;
    });
    refusals_say_what_is_wrong();
}

async fn every_algorithm_signs(stand: &Stand) {
    let clients = [
        ("rs", Algorithm::Rs256),
        ("ps", Algorithm::Ps256),
        ("es", Algorithm::Es256),
        ("ed", Algorithm::EdDsa),
    ];
    for (id, algorithm) in clients {
        client(stand, id, algorithm).await;
        let tokens = tokens(stand, id).await;
        assert_eq!(header(&tokens["id_token"])["alg"], algorithm.name());
        assert!(verifies(&tokens["id_token"], &key_set(stand).await), "{algorithm:?}: by what is published");
        assert_eq!(stand.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 200);
    }
}

async fn nothing_of_a_key_is_outside(stand: &Stand) {
    let stored = signing_key::of(&stand.db, Purpose::Token).await.unwrap();
    assert_eq!(stored.len(), 8);
    assert!(stored.iter().all(|key| key.sealed.is_empty() && key.hsm_public_key.is_some()));
    let key = stand.provider.token_keys().current_for(Algorithm::Es256).await.unwrap();
    assert_eq!(key.to_pkcs8().unwrap_err(), KeyError::NotHere);
    // Another program asks the token itself.
    let listed = Command::new("pkcs11-tool")
        .args(["--module", MODULE, "--token-label", TOKEN, "--login", "--pin", PIN, "--list-objects"])
        .args(["--type", "privkey"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let access: Vec<_> = listed.lines().filter(|line| line.contains("Access:")).collect();
    assert_eq!(access.len(), 8, "{listed}");
    assert!(
        access.iter().all(|line| line.contains("always sensitive, never extractable, local")),
        "{listed}"
    );
}

async fn keys_are_rotated(stand: &Stand, hsm: &Arc<Hsm>) {
    let before = tokens(stand, "rs").await;
    let published = key_set(stand).await;
    stand.clock.advance(published_before_use(Purpose::Token));
    let vault = Vault::new(stand.seal.clone(), Some(Arc::clone(hsm)));
    let (db, now, event) = (&stand.db, stand.clock.now(), event(stand, Kind::KeyRotated));
    let kid = keyring::rotate(db, &vault, Purpose::Token, false, now, &SystemRandom, event).await.unwrap();
    let after = tokens(stand, "rs").await;
    assert_eq!(header(&after["id_token"])["kid"], kid.as_str());
    assert!(verifies(&after["id_token"], &published), "it was published before it signed");
    assert!(verifies(&before["id_token"], &key_set(stand).await), "the one before still verifies");
}

async fn many_sign_at_once(stand: &Stand) {
    let key = stand.provider.token_keys().current_for(Algorithm::Es256).await.unwrap();
    let signatures = (0..64).map(|number| {
        let key = Arc::clone(&key);
        tokio::spawn(async move { jose::sign(&key, "JWT", &serde_json::json!({ "n": number })).unwrap() })
    });
    let expected = Expected { typ: Some("JWT"), algorithms: &[Algorithm::Es256], max_len: 1024 };
    for (number, signed) in futures_util::future::join_all(signatures).await.into_iter().enumerate() {
        let claims: serde_json::Value =
            jose::verify(&signed.unwrap(), expected, |_| Some(key.public())).unwrap();
        assert_eq!(claims["n"], number);
    }
}

async fn the_hsm_is_gone(stand: &Stand) {
    let trail = crate::audit::Trail::new("main", "1", Arc::new(stand.clock.clone()), Arc::new(SystemRandom));
    let (db, clock, random) = (stand.db.clone(), Arc::new(stand.clock.clone()), Arc::new(SystemRandom));
    let without = Keyring::open(db, &stand.seal, Purpose::Token, clock, random, &trail).await;
    assert_eq!(without.unwrap_err().code(), "OIDC-195");
}

fn refusals_say_what_is_wrong() {
    let code = |settings: HsmSettings| Hsm::open(&settings).unwrap_err().code();
    assert_eq!(code(HsmSettings { module: "/nowhere/pkcs11.so".into(), ..settings() }), "OIDC-190");
    assert_eq!(code(HsmSettings { token: "another".into(), ..settings() }), "OIDC-191");
}

#[test]
fn a_wrong_pin_is_known_at_the_start() {
    if std::env::var_os(WITH_TOKEN).is_none() {
        return again_with_token("a_wrong_pin_is_known_at_the_start");
    }
    let refused = Hsm::open(&HsmSettings { pin: "000000".into(), ..settings() }).unwrap_err();
    assert_eq!(refused.code(), "OIDC-192");
    assert!(!format!("{refused}").contains("000000"));
    Hsm::open(&settings()).unwrap();
}
