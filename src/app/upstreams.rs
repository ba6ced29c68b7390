//! Providers of others: the configuration becomes their tabs of the sign-in page and what stands behind them.

use std::sync::Arc;

use super::Made;
use super::card::level;
use crate::oidc::authorize::resume;
use crate::oidc::{ProviderMeans, ProviderTab};
use crate::store::login_transaction::LoginTransaction;
use crate::upstream::{Parts, Provider, Upstreams, callback_address, start_path};

/// The providers that are configured; none where there are none.
pub(super) fn open(made: Made<'_>) -> Option<Arc<Upstreams>> {
    let Made { config, db, clock, random, trail, seal, site, egress, .. } = made;
    if config.upstreams.is_empty() {
        return None;
    }
    let providers = config.upstreams.iter().map(|(name, settings)| {
        let redirect_uri = callback_address(&config.server.front_url, name);
        let level = level(settings.level);
        Provider::new(name, settings, level, redirect_uri, egress.clone(), clock.clone())
    });
    Some(Upstreams::new(Parts {
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
    }))
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
