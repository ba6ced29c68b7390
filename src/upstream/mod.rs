//! Providers of others by which people sign in here: Pro Santé Connect above all, and any OpenID Provider. Whoever sits at a
//! sign-in page goes to the provider's page and comes back, or answers in its application, on their phone.
//!
//! A hospital gets from it one sign-in page for the national means and its own, and one session for both. Whoever comes back
//! from a provider is a person of ours, with the level that the provider told, no higher than the configuration lets it
//! reach. Where a provider does not answer, its tab says so, and nothing else is slower or different.
//!
//! Services can bring its access tokens to exchange them for ours ([`exchange`]).
//!
//! OpenID Connect Core 1.0 (code flow, PKCE, RFC 7636; `iss`, RFC 9207; OAuth 2.0 Security BCP, RFC 9700), CIBA Core 1.0
//! (poll), introspection (RFC 7662). Never here: a password of anybody, an identity linked by a mail address, a call to a
//! provider while a page is made.

mod breaker;
mod exchange;
mod identity;
mod logout;
mod pairing;
mod provider;
mod question;
mod refusal;
mod sign_in;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use futures_util::future::join_all;

use crate::audit::{Event, Trail};
use crate::clock::{SharedClock, Time};
use crate::crypto::sealed::SealKey;
use crate::ids::{SharedRandom, TransactionId};
use crate::session::{Authentication, Policies};
use crate::store::Db;
use crate::store::login_transaction::LoginTransaction;
use crate::web::asker::Reach;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::{Delays, Waits};
use crate::web::page::Site;
use crate::web::pages::application as pages;
use crate::web::places::Places;
use crate::web::repeats::Repeats;

pub use logout::{BACKCHANNEL_ROUTE, FRONTCHANNEL_ROUTE};
#[cfg(test)]
pub(crate) use pairing::mark_for_test;
pub use pairing::{LEAVE_ROUTE, PAIR_ROUTE, leave_path, pair_path};
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
    /// The origin of the pages.
    pub own: OwnOrigin,
    /// What stands around the pages.
    pub site: Site,
    /// What the rest of a sign-in that is on its way is sealed with.
    pub seal: SealKey,
    /// The providers, in the order of their names.
    pub providers: Vec<Provider>,
    /// From where people can be asked in the application of a provider, which resists phishing no more than a phone of ours.
    pub reach: Reach,
    /// How often one address may ask.
    pub waits: Waits,
    /// For how long a page that waits for an application is held.
    pub hold: Duration,
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
    /// How often one address has asked for somebody; and how often for one name.
    asked: Delays<IpAddr>,
    named: Delays<[u8; 32]>,
    /// The pages that wait for an application, by the network that they wait in.
    places: Arc<Places<Option<IpAddr>>>,
    /// The same, by the sign-in that they wait for.
    tabs: Arc<Places<TransactionId>>,
    /// What providers said of tokens of theirs.
    words: exchange::Words,
}

/// So many refusals of one kind in one sign-in are recorded each; of more, how many there were.
const RECORDED: u32 = 3;
/// Pages that wait on one node: each looks at a provider every few seconds.
const MOST_PAGES: usize = 5_000;
/// Of these, the share of one address: a whole site may stand behind it.
const MOST_OF_ONE: usize = 1_000;
/// Of these, the pages of one sign-in.
const MOST_TABS: usize = 4;

impl Upstreams {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            repeats: Repeats::default(),
            asked: Delays::new(parts.waits),
            named: Delays::new(parts.waits),
            places: Places::new(MOST_PAGES, MOST_OF_ONE),
            tabs: Places::new(MOST_PAGES, MOST_TABS),
            words: exchange::Words::default(),
            parts,
        })
    }

    /// Forgets who asked nothing for a while, and what was said too long ago. A job calls it.
    pub fn forget_idle(&self) {
        self.words.forget_old(self.now());
        self.asked.forget_idle(self.now());
        self.named.forget_idle(self.now());
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

    /// All the places of one sign-in, taken.
    #[cfg(test)]
    pub(crate) fn fill(&self, transaction: TransactionId) -> Vec<crate::web::places::Place<TransactionId>> {
        std::iter::from_fn(|| self.tabs.take(transaction)).collect()
    }

    /// Records that a sign-in by a provider, or a question there, did not go on.
    async fn note_refusal(
        &self,
        refusal: &Refusal,
        transaction: TransactionId,
        event: Event,
        from: Option<IpAddr>,
    ) {
        let (code, db, now) = (refusal.code(), &self.parts.db, self.now());
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        match refusal.is_of_somebody() {
            true => self.repeats.record(db, transaction.0, code, RECORDED, event, now).await,
            false => self.repeats.record_of_anybody(db, ("", from), code, event, now).await,
        }
    }

    fn provider(&self, name: &str) -> Result<&Provider, Refusal> {
        self.parts.providers.iter().find(|provider| provider.name == name).ok_or(Refusal::UnknownProvider)
    }

    fn now(&self) -> Time {
        self.parts.clock.now()
    }
}

/// What a provider calls by itself, where an address faces the Internet.
pub fn internet_routes(upstreams: &Arc<Upstreams>) -> Router {
    Router::new().route(BACKCHANNEL_ROUTE, post(logout::backchannel)).with_state(Arc::clone(upstreams))
}

/// The way there, the way back, and what the provider says when somebody signs out there.
pub fn routes(upstreams: &Arc<Upstreams>) -> Router {
    Router::new()
        .route(START_ROUTE, get(sign_in::start))
        .route(CALLBACK_ROUTE, get(sign_in::callback))
        .route(PAIR_ROUTE, get(pairing::ask).post(pairing::answer))
        .route(LEAVE_ROUTE, post(pairing::leave))
        .route(pages::ASK_PATH, post(question::ask))
        .route(pages::WAIT_PATH, post(question::wait))
        .route(pages::FINISH_PATH, post(question::finish))
        .route(BACKCHANNEL_ROUTE, post(logout::backchannel))
        .route(FRONTCHANNEL_ROUTE, get(logout::frontchannel))
        .with_state(Arc::clone(upstreams))
}
