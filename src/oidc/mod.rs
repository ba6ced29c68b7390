//! The OpenID Provider.
//!
//! What a hospital gets: services that were written for Pro Santé Connect sign their users in here, unchanged. OpenID
//! Connect Core 1.0 (code flow), Discovery 1.0, RP-Initiated Logout 1.0, Back-Channel Logout 1.0, RFC 6749, 6750, 7636
//! (S256), 7009, 7662, 8693, 9068, 9126, 9207, 9700 and 9701; what PSC does in its own way stands in [`psc`].
//!
//! It asks the session for who is signed in and never a sign-in method. It issues nothing in a session that has ended,
//! to a client that is disabled, or for a person who is not admitted, and looks at all three each time.

mod access;
pub mod authorize;
pub mod ciba;
mod claims_request;
pub mod client;
pub mod delegation;
mod discovery;
mod encryption;
mod error;
pub mod foreign;
mod host;
mod id_token_hint;
mod introspect;
mod jwks;
pub mod logout;
pub mod mtls;
pub mod outbound;
mod pairwise;
pub mod parameters;
mod profile;
pub mod proof;
pub mod psc;
mod registration;
mod revoke;
mod sessions;
mod settings;
pub mod signing;
mod standard;
pub mod subject;
mod token;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};

use crate::audit::Trail;
use crate::clock::{SharedClock, Time};
use crate::crypto::sealed::SealKey;
use crate::crypto::x509::trust::Trust;
use crate::ids::SharedRandom;
use crate::keyring::{DecryptionKeyring, Keyring, KeyringError, Vault};
use crate::store::Db;
use crate::store::signing_key::Purpose;
use crate::web::delays::Waits;
use crate::web::page::Site;
use crate::web::repeats::Repeats;

use ciba::Backchannel;
use client::authentication::refusals::Refusals;
use client::keys::ClientKeys;
use foreign::ForeignTokens;
use mtls::Mtls;
use outbound::Outbound;
use pairwise::{PairwiseError, PairwiseKey};
use proof::dpop::Nonces;

pub use authorize::means::{
    ApplicationTab, CardMeans, Leaving, Means, ProviderMeans, ProviderTab, TestPersons,
};
pub use ciba::Asking;
pub use settings::{DelegationSettings, Issuer, Lifetimes, Settings};

/// The OpenID Provider: what all its endpoints share.
#[derive(Debug)]
pub struct Provider {
    settings: Settings,
    db: Db,
    clock: SharedClock,
    random: SharedRandom,
    trail: Trail,
    token_keys: Keyring,
    refresh_keys: Keyring,
    request_object_keys: DecryptionKeyring,
    pairwise: PairwiseKey,
    site: Site,
    means: Means,
    client_keys: ClientKeys,
    outbound: Outbound,
    mtls: Option<Arc<Mtls>>,
    nonces: Nonces,
    refusals: Refusals,
    /// What anybody can bring about who is not signed in.
    repeats: Repeats,
    backchannel: Backchannel,
    /// Tokens of other providers that services exchange for ours, where there are any.
    foreign: Option<Arc<dyn ForeignTokens>>,
}

/// What a [`Provider`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Addresses, lifetimes, choices.
    pub settings: Settings,
    /// The database.
    pub db: Db,
    /// Opens the signing keys.
    pub seal: SealKey,
    /// The same, and the HSM that keys of tokens are made in.
    pub vault: Vault,
    /// The time.
    pub clock: SharedClock,
    /// Where codes and tokens come from.
    pub random: SharedRandom,
    /// What makes audit events.
    pub trail: Trail,
    /// What stands around the pages.
    pub site: Site,
    /// The means of identification that the sign-in page offers.
    pub means: Means,
    /// What calls the addresses that clients registered.
    pub outbound: Outbound,
    /// The host on which clients show a TLS certificate, where there is one.
    pub mtls: Option<Arc<Mtls>>,
    /// How long a client that is refused has to wait.
    pub waits: Waits,
    /// Where people can be asked who are at no browser (CIBA).
    pub asking: Asking,
    /// Tokens of other providers that services exchange for ours, where there are any.
    pub foreign: Option<Arc<dyn ForeignTokens>>,
}

/// Why the provider cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The signing keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The key of pairwise subjects.
    #[error(transparent)]
    Pairwise(#[from] PairwiseError),
}

impl OpenError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Keyring(error) => error.code(),
            Self::Pairwise(PairwiseError::Store(error)) => error.code(),
            Self::Pairwise(PairwiseError::Seal(error)) => error.code(),
            Self::Pairwise(PairwiseError::Damaged) => "OIDC-147",
        }
    }
}

impl Provider {
    /// Opens the signing keys, and makes them at the first start.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(parts: Parts) -> Result<Arc<Self>, OpenError> {
        let Parts { settings, db, seal, vault, clock, random, trail, site, means, outbound, .. } = parts;
        let (mtls, waits, asking, foreign) = (parts.mtls, parts.waits, parts.asking, parts.foreign);
        let open =
            |purpose| Keyring::open(db.clone(), &vault, purpose, clock.clone(), random.clone(), &trail);
        let token_keys = open(Purpose::Token).await?;
        let refresh_keys = open(Purpose::Refresh).await?;
        let (purpose, for_ring) = (Purpose::RequestObject, (clock.clone(), random.clone()));
        let request_object_keys =
            DecryptionKeyring::open(db.clone(), &vault, purpose, for_ring.0, for_ring.1, &trail).await?;
        let pairwise = PairwiseKey::open(&db, &seal, &*random).await?;
        let client_keys = ClientKeys::new(outbound.clone(), clock.clone());
        let refusals = Refusals::new(waits);
        Ok(Arc::new(Self {
            settings,
            db,
            clock,
            random,
            trail,
            token_keys,
            refresh_keys,
            request_object_keys,
            pairwise,
            site,
            means,
            client_keys,
            outbound,
            mtls,
            nonces: Nonces::of(&seal),
            refusals,
            repeats: Repeats::default(),
            backchannel: Backchannel::new(asking, waits, seal),
            foreign,
        }))
    }

    /// Addresses, lifetimes, choices.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Drops what is counted of whoever was not refused for a while, for a job.
    pub fn forget_idle(&self) {
        self.refusals.forget_idle(self.now());
        self.backchannel.forget_idle(self.now());
    }

    /// The authorities that clients' certificates may lead to, for the jobs that keep them fresh.
    pub fn authorities_of_clients(&self) -> Option<&Trust> {
        self.mtls.as_ref()?.authorities()
    }

    /// The nonces of DPoP proofs, for whoever plays a client in tests.
    #[cfg(test)]
    pub(crate) fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    /// What calls the addresses of clients.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// The keys of tokens.
    pub fn token_keys(&self) -> &Keyring {
        &self.token_keys
    }

    fn now(&self) -> Time {
        self.clock.now()
    }
}

/// Every endpoint, below the issuer and on the front host.
pub fn routes(provider: &Arc<Provider>) -> Router {
    let issuer = provider.settings.issuer.path();
    let below = |path: &str| format!("{issuer}{path}");
    let mut routes = Router::new()
        .route(&below(psc::DISCOVERY), get(discovery::standard))
        .route(&below(psc::WALLET_DISCOVERY), get(discovery::wallet))
        .route(&below(psc::JWKS), get(jwks::answer))
        .route(&below(psc::TOKEN), post(token::answer))
        .route(&below(psc::PUSHED), post(authorize::pushed::answer))
        .route(&below(psc::BACKCHANNEL), post(ciba::answer))
        .route(&below(psc::INTROSPECTION), post(introspect::answer))
        .route(&below(psc::REVOCATION), post(revoke::answer))
        .route(&below(psc::USERINFO), userinfo_methods())
        .route(&below(psc::AUTHORIZATION), get(authorize::answer).post(authorize::answer))
        .route(&below(psc::LOGOUT), get(logout::answer).post(logout::answer))
        .route(sessions::ROUTE, get(sessions::show))
        .route(sessions::END_ROUTE, post(sessions::end))
        .route(sessions::END_ALL_ROUTE, post(sessions::end_all))
        .route(sessions::consents::WITHDRAW_ROUTE, post(sessions::consents::withdraw))
        .route(logout::FRONT, get(logout::answer).post(logout::answer))
        .route(logout::CONFIRMED, post(logout::confirmed))
        .route(logout::elsewhere::RETURN_ROUTE, get(logout::elsewhere::returned))
        .route(authorize::own_pages::ROUTE, get(authorize::own_pages::answer))
        .route(authorize::resume::ROUTE, get(authorize::resume::answer))
        .route(authorize::resume::CANCEL_ROUTE, get(authorize::resume::cancel))
        .route(authorize::confirm::CONTINUE_ROUTE, post(authorize::confirm::go_on))
        .route(authorize::confirm::NOT_ME_ROUTE, post(authorize::confirm::not_me))
        .route(authorize::confirm::ALLOW_ROUTE, post(authorize::confirm::allow))
        .route(authorize::confirm::REFUSE_ROUTE, post(authorize::confirm::refuse));
    for path in psc::FRONT_AUTHORIZATION {
        routes = routes.route(path, get(authorize::answer).post(authorize::answer));
    }
    if provider.settings.registration {
        let one = format!("{}/{{client}}", psc::REGISTRATION);
        let manage = get(registration::manage::show)
            .put(registration::manage::replace)
            .delete(registration::manage::remove);
        routes = routes
            .route(&below(psc::REGISTRATION), post(registration::register::answer))
            .route(&below(&one), manage);
    }
    routes.with_state(Arc::clone(provider))
}

/// The endpoints that clients call, below the issuer, without any page: for the host on which they show a certificate.
pub fn client_routes(provider: &Arc<Provider>) -> Router {
    let issuer = provider.settings.issuer.path();
    let below = |path: &str| format!("{issuer}{path}");
    Router::new()
        .route(&below(psc::TOKEN), post(token::answer))
        .route(&below(psc::PUSHED), post(authorize::pushed::answer))
        .route(&below(psc::BACKCHANNEL), post(ciba::answer))
        .route(&below(psc::INTROSPECTION), post(introspect::answer))
        .route(&below(psc::REVOCATION), post(revoke::answer))
        .route(&below(psc::USERINFO), userinfo_methods())
        .with_state(Arc::clone(provider))
}

/// What a provider that delegates to us needs, and whoever it sends here: for the address that faces the Internet. The sign-in
/// is that of [`routes`], for such clients alone ([`delegation`]).
pub fn delegation_routes(provider: &Arc<Provider>) -> Router {
    let issuer = provider.settings.issuer.path();
    let below = |path: &str| format!("{issuer}{path}");
    let mut routes = Router::new()
        .route(&below(psc::DISCOVERY), get(discovery::standard))
        .route(&below(psc::JWKS), get(jwks::answer))
        .route(&below(psc::TOKEN), post(token::answer))
        .route(&below(psc::USERINFO), get(userinfo::answer).post(userinfo::answer))
        .route(&below(psc::AUTHORIZATION), get(authorize::answer))
        .route(authorize::resume::ROUTE, get(authorize::resume::answer))
        .route(authorize::resume::CANCEL_ROUTE, get(authorize::resume::cancel))
        .route(authorize::confirm::CONTINUE_ROUTE, post(authorize::confirm::go_on))
        .route(authorize::confirm::NOT_ME_ROUTE, post(authorize::confirm::not_me));
    for path in psc::FRONT_AUTHORIZATION {
        routes = routes.route(path, get(authorize::answer));
    }
    routes.with_state(Arc::clone(provider))
}

fn userinfo_methods() -> MethodRouter<Arc<Provider>> {
    get(userinfo::answer).post(userinfo::answer).options(userinfo::preflight)
}
