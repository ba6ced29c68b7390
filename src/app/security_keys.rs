//! Security keys: address and policy of the configuration become the tab of the sign-in page and what stands behind it.

use std::sync::Arc;

use super::card::level;
use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::config::{self, Config};
use crate::crypto::sealed::SealKey;
use crate::ids::SharedRandom;
use crate::store::Db;
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;
use crate::webauthn::attestation::{Makers, MakersError};
use crate::webauthn::ceremony::{Ceremonies, CeremonyError};
use crate::webauthn::models::Models;
use crate::webauthn::policy::{Attestation, KeyPolicy};
use crate::webauthn::{Parts, SecurityKeys};

/// Why security keys cannot be offered as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The address of the pages.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// The makers who are trusted.
    #[error(transparent)]
    Makers(#[from] MakersError),
}

impl KeysError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ceremony(_) => "CONF-027",
            Self::Makers(_) => "CONF-028",
        }
    }
}

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
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<SecurityKeys>>, KeysError> {
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
        models: models(config)?,
        policy: policy(config),
        decoy_key: *seal.derive("security-key decoys"),
    })))
}

/// What is known of models, from what the configuration names.
///
/// # Errors
/// [`MakersError`], where no maker can be used.
pub fn models(config: &Config) -> Result<Arc<Models>, MakersError> {
    let makers = config.security_keys.attestation_anchors_dir.as_deref().map(Makers::load).transpose()?;
    let makers = makers.unwrap_or_default();
    for fault in makers.faults() {
        tracing::warn!(code = "CONF-028", "attestation authority not used: {fault}");
    }
    Ok(Models::new(makers))
}

/// The rules that the configuration states.
pub fn policy(config: &Config) -> KeyPolicy {
    let keys = &config.security_keys;
    KeyPolicy {
        attestation: match keys.attestation {
            config::Attestation::None => Attestation::None,
            config::Attestation::Preferred => Attestation::Preferred,
            config::Attestation::Required => Attestation::Required,
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
