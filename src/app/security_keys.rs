//! Security keys: address and policy of the configuration become the tab of the sign-in page and what stands behind it.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Made;
use super::card::level;
use crate::clock::Time;
use crate::config::{self, Config, MetadataPlace};
use crate::crypto::x509::anchors::AnchorFault;
use crate::crypto::x509::foreign::Roots;
use crate::oidc::authorize;
use crate::oidc::authorize::means::{KeyMeans, Later};
use crate::session::{Level, Session};
use crate::store::login_transaction::LoginTransaction;
use crate::store::{Db, StoreError};
use crate::web::csrf::OwnOrigin;
use crate::webauthn::attestation::MakersError;
use crate::webauthn::ceremony::{Ceremonies, CeremonyError};
use crate::webauthn::metadata::{Certification, FIDO_ALLIANCE, Publisher};
use crate::webauthn::models::{Models, Place, Source};
use crate::webauthn::policy::{Attestation, KeyPolicy};
use crate::webauthn::populations::{KeyPolicies, Population};
use crate::webauthn::related::{RelatedError, RelyingParty};
use crate::webauthn::trial::{self, Taken};
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
    /// The hosts that share their keys.
    #[error(transparent)]
    Related(#[from] RelatedError),
    /// The root of the metadata.
    #[error("the root of the metadata of models: {0}")]
    Root(AnchorFault),
}

impl KeysError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ceremony(_) => "CONF-027",
            Self::Makers(_) => "CONF-028",
            Self::Root(_) => "CONF-029",
            Self::Related(error) => error.code(),
        }
    }
}

/// The server's side of security keys; none where they are turned off, or the pages are at an address without a name.
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<SecurityKeys>>, KeysError> {
    let Made { config, db, clock, random, trail, seal, site, .. } = made;
    let Some(ceremonies) = ceremonies(config)? else { return Ok(None) };
    let front = &config.server.front_url;
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
        is_answered_by: authorize::resume::is_answered_by,
        is_enough: authorize::resume::is_enough,
        decoy_key: seal.derive("security-key decoys").into(),
    })))
}

/// Security keys as the sign-in page knows them.
#[derive(Debug)]
pub(crate) struct KeyTab(pub(crate) Arc<SecurityKeys>);

impl KeyMeans for KeyTab {
    fn reach_any(&self, levels: &[Level]) -> bool {
        self.0.policy().reach_any(levels)
    }

    fn offers_touch<'a>(
        &'a self,
        transaction: &'a LoginTransaction,
        session: &'a Session,
    ) -> Later<'a, bool> {
        async move { self.0.offers_touch(transaction, session).await.map_err(|refusal| refusal.to_string()) }
            .boxed()
    }
}

/// The protocol at the address of the pages; none where keys are turned off, or that address has no name.
///
/// # Errors
/// [`KeysError`], where browsers would refuse it there.
pub fn ceremonies(config: &Config) -> Result<Option<Ceremonies>, KeysError> {
    if !config.security_keys.enabled {
        return Ok(None);
    }
    let (front, keys) = (&config.server.front_url, &config.security_keys);
    let party = RelyingParty::new(front, keys.rp_origin.as_ref().unwrap_or(front), &keys.related_origins)?;
    match Ceremonies::of(party, &config.establishment.name) {
        Err(error @ CeremonyError::NoDomain(_)) => {
            tracing::info!("security keys are not offered: {error}");
            Ok(None)
        }
        ceremonies => Ok(Some(ceremonies?)),
    }
}

/// What the configuration takes; without rules for keys, none of them.
pub fn taken<'a>(config: &Config, keys: Option<&'a KeyPolicies>, models: &'a Models) -> Taken<'a> {
    let (cards, role_level) = (config.card.anchors_dir.is_some(), level(config.desk.level));
    Taken { keys, models, cards, phones: keys.is_some() && config.phone.enabled, role_level }
}

/// As [`taken`], of a server at work; `none` stands for what is known of models where it takes no keys.
pub(super) fn taken_by<'a>(config: &Config, keys: Option<&'a SecurityKeys>, none: &'a Models) -> Taken<'a> {
    let models = keys.map_or(none, |keys| &**keys.models());
    taken(config, keys.map(SecurityKeys::policy), models)
}

/// Says in the log how many means the configuration takes no more.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn look_over(db: &Db, taken: Taken<'_>, now: Time) -> Result<(), StoreError> {
    let trial = trial::of(db, taken, now).await?;
    let (excluded, cards, people) = (trial.excluded.len(), trial.cards, trial.locked_out.len());
    if excluded + cards > 0 {
        tracing::warn!(
            code = "KEY-040",
            excluded,
            cards,
            people,
            "{excluded} of {} security keys and {cards} cards are not taken any more, and {people} people have no other \
             means: `sceau policy try` names them",
            trial.tried
        );
    }
    Ok(())
}

/// What is known of models, from what the configuration names.
///
/// # Errors
/// [`KeysError`], where no maker can be used, or the root of the metadata cannot.
pub fn models(config: &Config) -> Result<Arc<Models>, KeysError> {
    let keys = &config.security_keys;
    let source = keys.metadata.as_ref().map(|metadata| {
        let root = Roots::read(&metadata.anchor).map_err(KeysError::Root)?;
        let name = metadata.signer.clone().unwrap_or_else(|| FIDO_ALLIANCE.to_owned());
        let place = match &metadata.place {
            MetadataPlace::File(path) => Place::File(path.clone()),
            MetadataPlace::Address(address) => Place::Address(address.clone()),
        };
        let publisher = Publisher { root, name };
        Ok::<_, KeysError>(Source { place, publisher, refuses_stale: metadata.refuses_stale })
    });
    Ok(Models::open(keys.attestation_anchors_dir.clone(), source.transpose()?)?)
}

/// The rules that the configuration states.
pub fn policy(config: &Config) -> KeyPolicies {
    let keys = &config.security_keys;
    let general = KeyPolicy {
        attestation: attestation(keys.attestation),
        allow: keys.allow.clone(),
        deny: keys.deny.clone(),
        synced: keys.synced,
        attested_level: level(keys.attested_level),
        attested_certification: keys.attested_certification.as_deref().and_then(Certification::of),
        device_bound_level: level(keys.device_bound_level),
        synced_level: level(keys.synced_level),
        second_factor: keys.second_factor,
        second_factor_level: level(keys.second_factor_level),
        per_person: keys.per_person,
        life: keys.life,
    };
    let populations = keys.populations.iter().map(|own| population(own, &general)).collect();
    KeyPolicies { general, populations }
}

/// The general rules, and what is stated for a population in their place.
fn population(own: &config::KeyPopulation, general: &KeyPolicy) -> Population {
    let certification = own.attested_certification.as_deref().and_then(Certification::of);
    let policy = KeyPolicy {
        attestation: own.attestation.map_or(general.attestation, attestation),
        allow: own.allow.clone().unwrap_or_else(|| general.allow.clone()),
        deny: own.deny.clone().unwrap_or_else(|| general.deny.clone()),
        synced: own.synced.unwrap_or(general.synced),
        attested_level: own.attested_level.map_or(general.attested_level, level),
        attested_certification: certification.or(general.attested_certification),
        device_bound_level: own.device_bound_level.map_or(general.device_bound_level, level),
        synced_level: own.synced_level.map_or(general.synced_level, level),
        second_factor: own.second_factor.unwrap_or(general.second_factor),
        second_factor_level: own.second_factor_level.map_or(general.second_factor_level, level),
        ..general.clone()
    };
    Population { professions: own.professions.clone(), employees: own.employees, policy }
}

fn attestation(asked: config::Attestation) -> Attestation {
    match asked {
        config::Attestation::None => Attestation::None,
        config::Attestation::Preferred => Attestation::Preferred,
        config::Attestation::Required => Attestation::Required,
    }
}
