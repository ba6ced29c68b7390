//! Providers of others: the configuration becomes their tabs of the sign-in page and what stands behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Made;
use super::card::level;
use crate::admin::Elsewhere;
use crate::clock::SharedClock;
use crate::config::{Config, Upstream, UpstreamCredential};
use crate::crypto::egress::{Egress, EgressError};
use crate::oidc::authorize::means::SigningOut;
use crate::oidc::authorize::resume;
use crate::oidc::foreign::{ForeignError, ForeignTokens, Reading};
use crate::oidc::{ApplicationTab, Leaving, ProviderMeans, ProviderTab};
use crate::store::client::Client;
use crate::store::login_transaction::LoginTransaction;
use crate::store::upstream_session::UpstreamSession;
use crate::upstream::{
    Parts, Provider, Refusal, Upstreams, callback_address, leave_path, pair_path, start_path,
};
use crate::web::csrf::OwnOrigin;
use crate::web::delays::Waits;

/// For how long a page that waits for an application is held: proxies are patient for half a minute at least.
const HOLD: Duration = Duration::from_secs(20);

/// People can be asked in the application of a provider, and for no page of the establishment.
const NOWHERE_TO_ASK: &str = "UPSTREAM-049";

/// The providers that are configured; none where there are none.
///
/// # Errors
/// A certificate that is to be shown to one of them cannot be used.
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<Upstreams>>, EgressError> {
    let Made { config, db, clock, random, trail, seal, site, egress, .. } = made;
    if config.upstreams.is_empty() {
        return Ok(None);
    }
    for (name, settings) in &config.upstreams {
        if settings.application.is_some() && !config.phone.has_anywhere_to_ask() {
            tracing::warn!(
                code = NOWHERE_TO_ASK,
                provider = name,
                "ciba is on, and [phone] networks is empty: people are asked in no browser that is new to them"
            );
        }
    }
    let providers = config.upstreams.iter();
    let providers = providers.map(|(name, settings)| provider(config, name, settings, egress, clock.clone()));
    let providers = providers.collect::<Result<_, EgressError>>()?;
    Ok(Some(Upstreams::new(Parts {
        db: db.clone(),
        clock: clock.clone(),
        random: random.clone(),
        trail: trail.clone(),
        policies: super::policies::of(config),
        own: OwnOrigin::of(&config.server.front_url),
        site: site.clone(),
        seal: seal.clone(),
        providers,
        reach: super::phones::reach(config),
        // A person tries a few times; whoever goes on waits.
        waits: Waits { free: 10, longest: config.limits.longest_wait },
        hold: HOLD,
        next: resume::path,
        wants_fresh_proof: resume::wants_fresh_proof,
        is_passed_on: resume::is_passed_on,
        idp_hint: resume::idp_hint,
        is_enough: resume::is_enough,
    })))
}

/// One that is configured. Whoever is shown a certificate is called by a client of their own.
pub(crate) fn provider(
    config: &Config,
    name: &str,
    settings: &Upstream,
    egress: &Egress,
    clock: SharedClock,
) -> Result<Provider, EgressError> {
    let redirect_uri = callback_address(&config.server.front_url, name);
    let egress = match &settings.credential {
        UpstreamCredential::Secret(_) => egress.clone(),
        UpstreamCredential::Certificate { certificate, key } => {
            Egress::showing(&config.egress, certificate, key)?
        }
    };
    Ok(Provider::new(name, settings, level(settings.level), redirect_uri, egress, clock))
}

/// The providers that are configured, as the desk has them.
pub(super) fn elsewhere(configured: &BTreeMap<String, Upstream>) -> Vec<Elsewhere> {
    let of_desk = |(name, upstream): (&String, &Upstream)| Elsewhere {
        name: name.clone(),
        issuer: upstream.issuer.clone(),
        label: upstream.label.clone(),
        level: level(upstream.level),
        tells_identifier: upstream.identifier_claim.is_some(),
    };
    configured.iter().map(of_desk).collect()
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
            direct: provider.settings.direct,
            application: provider.settings.application.as_ref().map(|application| ApplicationTab {
                name: application.name.clone(),
                level: provider.answer_level(),
                mobile: application.mobile,
                card: application.card,
            }),
        };
        self.0.providers().iter().map(tab).collect()
    }

    fn start(&self, name: &str, transaction: &LoginTransaction) -> String {
        start_path(name, transaction.id)
    }

    fn is_at(&self, name: &str, address: &str) -> bool {
        let named = self.0.providers().iter().find(|provider| provider.name == name);
        named.is_some_and(|provider| provider.is_at(address))
    }

    fn pairing_page(&self, name: &str, transaction: &LoginTransaction) -> String {
        pair_path(name, transaction.id)
    }

    fn leaving_pairing(&self, name: &str) -> String {
        leave_path(name)
    }

    fn sign_out<'a>(&'a self, there: &'a UpstreamSession, leaving: Leaving<'a>) -> SigningOut<'a> {
        let found = self.0.providers().iter().find(|provider| provider.name == there.provider);
        let label = found.map_or_else(|| there.provider.clone(), |provider| provider.settings.label.clone());
        Box::pin(async move {
            let Leaving { back, state, language } = leaving;
            let address = self.0.sign_out(there, (back, state), language).await;
            (label, address.map(|address| address.map(String::from)).map_err(|error| error.to_string()))
        })
    }
}

/// Their access tokens, as the provider that we are knows them.
#[derive(Debug)]
pub(crate) struct ProviderTokens(pub(crate) Arc<Upstreams>);

impl ForeignTokens for ProviderTokens {
    fn of_issuer(&self, issuer: &str) -> Option<String> {
        let found = self.0.providers().iter().find(|provider| provider.settings.issuer == issuer);
        found.map(|provider| provider.name.clone())
    }

    fn named(&self, name: &str) -> Option<String> {
        let found = self.0.providers().iter().find(|provider| provider.name == name);
        found.map(|provider| provider.name.clone()).or_else(|| self.of_issuer(name))
    }

    fn read<'a>(&'a self, provider: &'a str, token: &'a str, client: &'a Client) -> Reading<'a> {
        Box::pin(async move {
            self.0.read_token(provider, token, client).await.map_err(|refusal| {
                let code = refusal.code();
                tracing::warn!(
                    code,
                    provider,
                    client = client.id,
                    "a token of it is not exchanged: {refusal}"
                );
                match refusal {
                    Refusal::Store(error) => ForeignError::Store(error),
                    Refusal::Away(_) => ForeignError::Away(code),
                    _ => ForeignError::Refused(code),
                }
            })
        })
    }
}
