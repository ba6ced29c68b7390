//! The means of identification on the sign-in page. `oidc` names none of their modules: `app` joins them here.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::session::{Acr, Level, Session};
use crate::store::login_transaction::LoginTransaction;
use crate::store::upstream_session::UpstreamSession;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::{CardPanel, PersonsPanel};

/// What a means yields some time later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// The card: makes what its tab of the sign-in page needs.
pub trait CardMeans: Send + Sync + Debug {
    /// The card tab of this sign-in, with a request for the agent. `next` is where the page goes once signed in;
    /// `session` the one that this browser has, or had.
    ///
    /// # Errors
    /// A sentence for the log.
    fn panel<'a>(
        &'a self,
        transaction: &'a LoginTransaction,
        relying_party: &'a RelyingParty,
        next: String,
        session: Option<&'a Session>,
    ) -> Later<'a, CardPanel>;
}

/// Security keys: know what they reach, alone or after a badge.
pub trait KeyMeans: Send + Sync + Debug {
    /// Whether any key that is taken here, whoever's, reaches one of these levels by itself.
    fn reach_any(&self, levels: &[Level]) -> bool;

    /// Whether the touch of a key is all that this sign-in needs of whoever has this session, which a badge has renewed.
    ///
    /// # Errors
    /// A sentence for the log.
    fn offers_touch<'a>(&'a self, transaction: &'a LoginTransaction, session: &'a Session)
    -> Later<'a, bool>;
}

/// Providers of others: what their tabs of the sign-in page need. Nothing here waits for one.
pub trait ProviderMeans: Send + Sync + Debug {
    /// In the order of their tabs.
    fn tabs(&self) -> Vec<ProviderTab>;

    /// The address of ours that sends the browser of this sign-in to the provider of that name.
    fn start(&self, name: &str, transaction: &LoginTransaction) -> String;

    /// Whether an address is one of that provider's own.
    fn is_at(&self, name: &str, address: &str) -> bool;

    /// The page of ours on which somebody who has signed in confirms that an identity of that provider is theirs.
    fn pairing_page(&self, name: &str, transaction: &LoginTransaction) -> String;

    /// The address of ours to which a form says, before anybody has signed in, that such an identity is not theirs.
    fn leaving_pairing(&self, name: &str) -> String;

    /// What people read of the provider that a session came from, and the address there that ends its session too: none where
    /// it has none. It is asked first whether it is there.
    fn sign_out<'a>(&'a self, there: &'a UpstreamSession, leaving: Leaving<'a>) -> SigningOut<'a>;
}

/// The name of a provider, and where its session is ended or, for the log, why that is not known.
pub type SigningOut<'a> = Pin<Box<dyn Future<Output = (String, Result<Option<String>, String>)> + Send + 'a>>;

/// A browser that is sent to a provider to sign out there too.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// Where it comes back.
    pub back: &'a str,
    /// Comes back with it.
    pub state: &'a str,
    /// The language of the page.
    pub language: &'a str,
}

/// A provider of others, as its tab has it.
#[derive(Debug, Clone)]
pub struct ProviderTab {
    /// Its name in the configuration.
    pub name: String,
    /// What people read.
    pub label: String,
    /// The level that a sign-in there reaches at most.
    pub level: Acr,
    /// Whether it answered the last times.
    pub answers: bool,
    /// Whether a relying party that names it sends people straight to it.
    pub direct: bool,
    /// Its application, where people are asked in it.
    pub application: Option<ApplicationTab>,
}

/// The application of a provider, as its tab has it.
#[derive(Debug, Clone)]
pub struct ApplicationTab {
    /// The level that an answer in it reaches at most.
    pub level: Acr,
    /// What people call it.
    pub name: String,
    /// Whether they are asked on their phone.
    pub mobile: bool,
    /// Whether they are asked at the card reader of their workstation.
    pub card: bool,
}

/// The test persons of `sceau sandbox`, where nobody has a card. No configuration leads here: `app` fills it for a
/// database that was made as a sandbox's, and for no other.
pub trait TestPersons: Send + Sync + Debug {
    /// What a sandbox offers in this sign-in.
    ///
    /// # Errors
    /// A sentence for the log.
    fn offer<'a>(&'a self, transaction: &'a LoginTransaction) -> Later<'a, Offer>;
}

/// What a sandbox offers in a sign-in.
#[derive(Debug)]
pub enum Offer {
    /// A choice of persons.
    Choice(PersonsPanel),
    /// A script has chosen already: the browser goes to this path of ours.
    Scripted(String),
}

/// The means that are configured.
#[derive(Debug, Clone, Default)]
pub struct Means {
    /// The card.
    pub card: Option<Arc<dyn CardMeans>>,
    /// Security keys; none where none sign in.
    pub security_keys: Option<Arc<dyn KeyMeans>>,
    /// The highest level that an answer on a phone reaches; none where none answers.
    pub phones: Option<Acr>,
    /// Providers of others; none where none is configured.
    pub providers: Option<Arc<dyn ProviderMeans>>,
    /// Test persons; none in an installation.
    pub test_persons: Option<Arc<dyn TestPersons>>,
}
