//! Security keys: address and policy of the configuration become the tab of the sign-in page and what stands behind it.

use std::sync::Arc;

use super::card::level;
use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::crypto::sealed::SealKey;
use crate::ids::SharedRandom;
use crate::store::Db;
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;
use crate::webauthn::ceremony::{Ceremonies, CeremonyError};
use crate::webauthn::policy::{Attestation, KeyPolicy};
use crate::webauthn::{Parts, SecurityKeys};

/// What the rest of the application has already made.
pub(super) struct Made<'a> {
    pub(super) config: &'a Config,
    pub(super) db: &'a Db,
    pub(super) clock: &'a SharedClock,
    pub(super) random: &'a SharedRandom,
    pub(super) trail: &'a Trail,
    pub(super) seal: &'a SealKey,
    pub(super) site: &'a Site,
}

/// The server's side of security keys; none where they are turned off, or the pages are at an address without a name.
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<SecurityKeys>>, CeremonyError> {
    let Made { config, db, clock, random, trail, seal, site } = made;
    if !config.security_keys.enabled {
        return Ok(None);
    }
    let front = &config.server.front_url;
    let ceremonies = match Ceremonies::new(front, &config.establishment.name) {
        Err(error @ CeremonyError::NoDomain(_)) => {
            tracing::info!("security keys are not offered: {error}");
            return Ok(None);
        }
        ceremonies => ceremonies?,
    };
    Ok(Some(SecurityKeys::new(Parts {
        db: db.clone(),
        clock: clock.clone(),
        random: random.clone(),
        trail: trail.clone(),
        policies: super::policies::of(config),
        own: OwnOrigin::of(front),
        site: site.clone(),
        ceremonies,
        policy: policy(config),
        decoy_key: *seal.derive("security-key decoys"),
    })))
}

/// The rules that the configuration states.
pub fn policy(config: &Config) -> KeyPolicy {
    let keys = &config.security_keys;
    KeyPolicy {
        attestation: match keys.attestation_required {
            true => Attestation::Required,
            false => Attestation::None,
        },
        allow: keys.allow.clone(),
        deny: keys.deny.clone(),
        synced: keys.synced,
        attested_level: level(keys.attested_level),
        device_bound_level: level(keys.device_bound_level),
        synced_level: level(keys.synced_level),
        per_person: keys.per_person,
        life: keys.life,
    }
}
