//! Providers of others by which people sign in here: Pro Santé Connect above all, and any OpenID Provider.
//!
//! A hospital gets from it one sign-in page for the national means and its own, and one session for both. Whoever comes back
//! from a provider is a person of ours, with the level that the provider told, no higher than the configuration lets it
//! reach. Where a provider does not answer, its tab says so, and nothing else is slower or different.
//!
//! OpenID Connect Core 1.0 (code flow, PKCE, RFC 7636; `iss`, RFC 9207; OAuth 2.0 Security BCP, RFC 9700). Never here: a
//! password of anybody, an identity linked by a mail address, a call to a provider while a page is made.

mod breaker;
mod identity;
mod pairing;
mod provider;
mod refusal;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;

use crate::audit::Trail;
use crate::clock::{SharedClock, Time};
use crate::crypto::sealed::SealKey;
use crate::ids::{SharedRandom, TransactionId};
use crate::session::{Authentication, Policies};
use crate::store::Db;
use crate::store::login_transaction::LoginTransaction;
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;
use crate::web::repeats::Repeats;

pub use pairing::{PAIR_ROUTE, pair_path};
pub use provider::Provider;
pub use refusal::Refusal;
pub use sign_in::{CALLBACK_ROUTE, START_ROUTE, callback_address, start_path};

/// What [`Upstreams`] are made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
    /// What makes audit events.
    pub trail: Trail,
    /// How long sessions are good for.
    pub policies: Policies,
    /// Our own origin.
    pub own: OwnOrigin,
    /// What stands around the pages.
    pub site: Site,
    /// What the rest of a sign-in that is on its way is sealed with.
    pub seal: SealKey,
    /// The providers, in the order of their names.
    pub providers: Vec<Provider>,
    /// Where a sign-in goes on.
    pub next: fn(TransactionId) -> String,
    /// Whether the relying party of a sign-in wants the person to prove anew who they are.
    pub wants_fresh_proof: fn(&LoginTransaction) -> bool,
    /// Whether a provider delegates a sign-in to us.
    pub is_passed_on: fn(&LoginTransaction) -> bool,
    /// The provider by which the relying party of a sign-in wants its person to come, in its own words.
    pub idp_hint: fn(&LoginTransaction) -> Option<String>,
    /// Whether what was proved reaches what the relying party of a sign-in insists on.
    pub is_enough: fn(&LoginTransaction, &Authentication) -> bool,
}

/// The providers of others.
#[derive(Debug)]
pub struct Upstreams {
    parts: Parts,
    repeats: Repeats,
}

impl Upstreams {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, repeats: Repeats::default() })
    }

    /// The providers, in the order of the tabs.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.parts.providers
    }

    /// Asks those that did not answer, and keeps what is known of the others new. A job calls it.
    pub async fn look(&self) {
        join_all(self.parts.providers.iter().map(Provider::look)).await;
    }

    fn provider(&self, name: &str) -> Result<&Provider, Refusal> {
        self.parts.providers.iter().find(|provider| provider.name == name).ok_or(Refusal::UnknownProvider)
    }

    fn now(&self) -> Time {
        self.parts.clock.now()
    }
}

/// The way there, and the way back.
pub fn routes(upstreams: &Arc<Upstreams>) -> Router {
    Router::new()
        .route(START_ROUTE, get(sign_in::start))
        .route(CALLBACK_ROUTE, get(sign_in::callback))
        .route(PAIR_ROUTE, get(pairing::ask).post(pairing::answer))
        .with_state(Arc::clone(upstreams))
}
