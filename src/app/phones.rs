//! Phones: address and rules of the configuration become the tab of the sign-in page and what stands behind it.

use std::sync::Arc;

use super::card::level;
use super::security_keys::{KeysError, ceremonies};
use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::crypto::sealed::SealKey;
use crate::ids::SharedRandom;
use crate::mobile::{Parts, Phones, Rules};
use crate::oidc::authorize;
use crate::store::Db;
use crate::web::answers::Answers;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::Waits;
use crate::web::page::Site;

/// What the rest of the application has already made.
pub(super) struct Made<'a> {
    pub(super) config: &'a Config,
    pub(super) db: &'a Db,
    pub(super) clock: &'a SharedClock,
    pub(super) random: &'a SharedRandom,
    pub(super) trail: &'a Trail,
    pub(super) seal: &'a SealKey,
    pub(super) site: &'a Site,
    pub(super) answers: &'a Arc<Answers>,
}

/// The server's side of phones; none where they or security keys are turned off, or the pages are at an address without a
/// name: a phone keeps a passkey.
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<Phones>>, KeysError> {
    let Made { config, db, clock, random, trail, seal, site, answers } = made;
    if !config.phone.enabled {
        return Ok(None);
    }
    // The same as those of security keys: the passkey of a phone is one.
    let Some(ceremonies) = ceremonies(config)? else { return Ok(None) };
    let front = &config.server.front_url;
    let parts = Parts {
        db: db.clone(),
        clock: clock.clone(),
        random: random.clone(),
        trail: trail.clone(),
        policies: super::policies::of(config),
        own: OwnOrigin::of(front),
        site: site.clone(),
        ceremonies,
        rules: Rules {
            level: level(config.phone.level),
            life: config.phone.life,
            networks: config.phone.networks.clone(),
            anywhere: config.phone.anywhere,
        },
        answers: Arc::clone(answers),
        code_key: *seal.derive("phone scan codes"),
        is_enough: authorize::resume::is_enough,
    };
    // A person tries a few times; whoever goes on waits.
    let waits = Waits { free: 10, longest: config.limits.longest_wait };
    Ok(Some(Phones::new(parts, waits)))
}
