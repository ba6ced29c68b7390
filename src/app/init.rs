//! What an installation has once and keeps.

use std::path::Path;

use super::{StartError, is_sandbox, open_database, vault};
use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::crypto::digest::sha256;
use crate::crypto::sealed::{SealError, SealKey};
use crate::ids::{self, SharedRandom};
use crate::keyring::{DecryptionKeyring, Keyring};
use crate::store::signing_key::Purpose;
use crate::store::{SANDBOX, Setting};

/// Makes an installation; see [`make`].
///
/// # Errors
/// [`StartError`]; [`StartError::SandboxDatabase`] where the database is a sandbox's.
pub async fn init(config: &Config, clock: SharedClock, random: SharedRandom) -> Result<String, StartError> {
    make(config, clock, random, false).await
}

/// Makes what a sandbox has; see [`make`]. The database says from now on that nobody in it is real.
///
/// # Errors
/// [`StartError`]; [`StartError::NotASandbox`] where there is a database already, and not of a sandbox.
pub async fn init_sandbox(
    config: &Config,
    clock: SharedClock,
    random: SharedRandom,
) -> Result<String, StartError> {
    make(config, clock, random, true).await
}

/// Makes state directory, seal key, database, namespace and the first signing keys. What is there already is kept.
/// Yields a sentence about what is there now.
///
/// # Errors
/// Where a part cannot be made; above all where sealed data exists and its key is missing.
async fn make(
    config: &Config,
    clock: SharedClock,
    random: SharedRandom,
    sandbox: bool,
) -> Result<String, StartError> {
    let state_dir = &config.server.state_dir;
    make_private_dir(state_dir).map_err(|source| StartError::StateDir { path: state_dir.clone(), source })?;
    let db = open_database(config).await?;
    match (is_sandbox(&db).await?, sandbox) {
        (true, false) => return Err(StartError::SandboxDatabase),
        (false, true) if db.has_sealed_rows().await? => return Err(StartError::NotASandbox),
        (false, true) => {
            db.setting_once(Setting::Kind, SANDBOX).await?;
        }
        (true, true) | (false, false) => {}
    }
    let seal_path = config.server.seal_key_path();
    let seal = match SealKey::read(&seal_path) {
        Err(SealError::KeyMissing { .. }) if !db.has_sealed_rows().await? => {
            let key = SealKey::generate(&*random);
            key.write_new(&seal_path)?;
            key
        }
        other => other?,
    };
    let namespace = config.oidc.namespace.unwrap_or_else(|| ids::uuid_v4(&*random));
    let namespace = db.setting_once(Setting::Namespace, &namespace.to_string()).await?;
    let trail = trail(config, &clock, &random);
    let vault = vault(config, &seal).await?;
    for purpose in [Purpose::Token, Purpose::Refresh, Purpose::CardRequest] {
        Keyring::open(db.clone(), &vault, purpose, clock.clone(), random.clone(), &trail).await?;
    }
    DecryptionKeyring::open(db.clone(), &vault, Purpose::RequestObject, clock, random, &trail).await?;
    db.close().await;
    Ok(format!("{}: ready; namespace {namespace}", state_dir.display()))
}

/// What makes the audit events of this node. The version of the policy that stands in each is a digest of the sections
/// of the configuration that decide who gets in, and for how long.
pub fn trail(config: &Config, clock: &SharedClock, random: &SharedRandom) -> Trail {
    let policy = format!("{:?} {:?} {:?}", config.card, config.session, config.oidc);
    let policy = hex::encode(sha256(policy.as_bytes()));
    let version = policy.get(..12).unwrap_or_default();
    Trail::new(&config.server.node, version, clock.clone(), random.clone())
}

/// Only its owner may look into it.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
