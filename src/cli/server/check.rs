//! `sceau check`: the configuration, each fault with its line, and whether what it names is there.

use std::path::Path;

use super::Failure;
use crate::app::{self, StartError};
use crate::card::machine::MachineAuthority;
use crate::card::verify::{CardPolicy, CardVerifier};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Fallback};
use crate::crypto::sealed::{SealError, SealKey};
use crate::crypto::x509::crl::CrlStatus;
use crate::store::StoreError;

/// Arguments of `sceau check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {}

impl Check {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let config = Config::read(path)?;
        let mut faults = Vec::new();
        let server = &config.server;
        let mut seal_key_is_to_come = false;
        match app::open_as_it_is(&config).await {
            Ok(db) => db.close().await,
            // Whoever installs a new version checks the file while the old server still runs.
            Err(StartError::Store(StoreError::Older(_))) => {}
            Err(error) => {
                seal_key_is_to_come = matches!(error, StartError::NotInitialised);
                faults.push(format!("{error} ({})", error.code()));
            }
        }
        match SealKey::read(&server.seal_key_path()) {
            // `sceau init` makes both: nothing is sealed yet.
            Err(SealError::KeyMissing { .. }) if seal_key_is_to_come => {}
            Err(error) => faults.push(format!("{error} ({})", error.code())),
            Ok(_) => {}
        }
        faults.extend(cards(&config));
        if let Some(machines) = &config.workstations.machine_certificates {
            let (anchors, lists) = (&machines.anchors_dir, machines.crl_dir.as_deref());
            if let Err(error) = MachineAuthority::open(anchors, lists, SystemClock.now()) {
                faults.push(format!("{error} ({})", error.code()));
            }
        }
        if let Err(error) = app::security_keys::ceremonies(&config) {
            faults.push(format!("{error} ({})", error.code()));
        }
        if let Err(error) = app::security_keys::models(&config) {
            faults.push(format!("{error} ({})", error.code()));
        }
        if let Err(error) = app::Certificates::read(&config) {
            faults.push(format!("{error} ({})", error.code()));
        }
        if config.tls.is_none() && server.trusted_proxies.is_empty() && !server.listen.ip().is_loopback() {
            faults.push(format!(
                "server.listen is {}, reachable from other machines, and there is no [tls] section: add one, or listen \
                 on 127.0.0.1 behind a proxy (WEB-021)",
                server.listen
            ));
        }
        if faults.is_empty() {
            println!("{}: in order", path.display());
            return Ok(());
        }
        let list: String = faults.iter().flat_map(|fault| ["\n  ", fault]).collect();
        Err(Failure::plain(format!("{} is readable, but:{list}", path.display())))
    }
}

/// What is wrong with the authorities of cards and their revocation lists.
fn cards(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    let card = &config.card;
    match &card.crl_dir {
        Some(dir) if !dir.is_dir() => {
            faults.push(format!("card.crl_dir names {}, which is no directory", dir.display()));
        }
        None if card.anchors_dir.is_some() && card.fallback.all != Fallback::Accept => faults.push(
            "card.crl_dir is not set: without revocation lists every card is refused (CERT-010)".to_owned(),
        ),
        _ => {}
    }
    let Some(anchors) = &card.anchors_dir else { return faults };
    let (lists, policy) = (card.crl_dir.as_deref(), CardPolicy::default());
    match CardVerifier::open(anchors, lists, policy, SystemClock.now()) {
        Ok(verifier) => {
            faults.extend(verifier.authorities().1.iter().map(|fault| format!("{fault} (CERT-013)")));
            let lists = verifier.revocation_lists();
            let fault = |list: &CrlStatus| {
                list.fault.as_ref().map(|fault| format!("{}: {fault} (CERT-012)", list.path.display()))
            };
            faults.extend(lists.iter().filter_map(fault));
        }
        Err(error) => faults.push(format!("{error} ({})", error.code())),
    }
    faults
}
