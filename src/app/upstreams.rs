//! Providers of others: the configuration becomes their tabs of the sign-in page and what stands behind them.

use std::sync::Arc;

use super::card::level;
use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::crypto::egress::{Egress, EgressError};
use crate::crypto::sealed::SealKey;
use crate::ids::SharedRandom;
use crate::oidc::authorize::resume;
use crate::oidc::{ProviderMeans, ProviderTab};
use crate::store::Db;
use crate::store::login_transaction::LoginTransaction;
use crate::upstream::{Parts, Provider, Upstreams, callback_address, start_path};
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
}

/// The providers that are configured; none where there are none.
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<Upstreams>>, EgressError> {
    let Made { config, db, clock, random, trail, seal, site } = made;
    if config.upstreams.is_empty() {
        return Ok(None);
    }
    let egress = Egress::new(&config.egress)?;
    let providers = config.upstreams.iter().map(|(name, settings)| {
        let redirect_uri = callback_address(&config.server.front_url, name);
        let level = level(settings.level);
        Provider::new(name, settings, level, redirect_uri, egress.clone(), clock.clone())
    });
    Ok(Some(Upstreams::new(Parts {
        db: db.clone(),
        clock: clock.clone(),
        random: random.clone(),
        trail: trail.clone(),
        policies: super::policies::of(config),
        site: site.clone(),
        seal: seal.clone(),
        providers: providers.collect(),
        next: resume::path,
        wants_fresh_proof: resume::wants_fresh_proof,
        is_enough: resume::is_enough,
    })))
}

/// The providers as the sign-in page knows them.
#[derive(Debug)]
pub(crate) struct ProviderTabs(pub(crate) Arc<Upstreams>);

impl ProviderMeans for ProviderTabs {
    fn tabs(&self) -> Vec<ProviderTab> {
        let tab = |provider: &Provider| ProviderTab {
            name: provider.name.clone(),
            label: provider.settings.label.clone(),
            level: provider.level,
            answers: provider.answers(),
        };
        self.0.providers().iter().map(tab).collect()
    }

    fn start(&self, name: &str, transaction: &LoginTransaction) -> String {
        start_path(name, transaction.id)
    }
}
