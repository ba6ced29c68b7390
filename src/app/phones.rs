//! Phones: address and rules of the configuration become the tab of the sign-in page and what stands behind it.

use std::sync::Arc;

use super::Made;
use super::StartError;
use super::card::level;
use super::security_keys::ceremonies;
use crate::config::Config;
use crate::keyring::Keyring;
use crate::mobile::{Parts, Phones, Push, Rules};
use crate::oidc::authorize;
use crate::store::signing_key::Purpose;
use crate::web::asker::Reach;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::Waits;

/// The server's side of phones; none where they or security keys are turned off, or the pages are at an address without a
/// name: a phone keeps a passkey.
pub(super) async fn open(made: Made<'_>) -> Result<Option<Arc<Phones>>, StartError> {
    let Made { config, db, clock, random, trail, seal, site, answers, egress } = made;
    if !config.phone.enabled {
        return Ok(None);
    }
    // The same as those of security keys: the passkey of a phone is one.
    let Some(ceremonies) = ceremonies(config)? else { return Ok(None) };
    let front = &config.server.front_url;
    let push = match &config.phone.push {
        Some(push) => {
            let (db, seal, clock, random) = (db.clone(), seal.clone(), clock.clone(), random.clone());
            let keys = Keyring::open(db, seal, Purpose::WebPush, clock, random, trail).await?;
            // RFC 8292 §2.1: an address of ours says who we are where no other was named.
            let contact = push.contact.clone().unwrap_or_else(|| front.origin().ascii_serialization());
            Some(Push::new(keys, egress.clone(), push.services.clone(), contact))
        }
        None => None,
    };
    let parts = Parts {
        db: db.clone(),
        clock: clock.clone(),
        random: random.clone(),
        trail: trail.clone(),
        policies: super::policies::of(config),
        own: OwnOrigin::of(front),
        site: site.clone(),
        ceremonies,
        rules: Rules { level: level(config.phone.level), life: config.phone.life, reach: reach(config) },
        answers: Arc::clone(answers),
        security: config.mail.as_ref().and_then(|mail| mail.security.clone()),
        code_key: *seal.derive("phone scan codes"),
        is_enough: authorize::resume::is_enough,
        push,
    };
    // A person tries a few times; whoever goes on waits.
    let waits = Waits { free: 10, longest: config.limits.longest_wait };
    Ok(Some(Phones::new(parts, waits)))
}

/// From where people can be asked, on their phone or in the application of a provider.
pub(super) fn reach(config: &Config) -> Reach {
    Reach { networks: config.phone.networks.clone(), anywhere: config.phone.anywhere }
}
