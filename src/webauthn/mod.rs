//! Security keys and passkeys (Web Authentication Level 3): registering one, and signing in with it.
//!
//! A hospital gets from it a means that resists phishing and needs neither card reader nor phone. A signature is bound to
//! our origin by the browser, to one challenge by us, and, verified by a code or a finger, is two factors in one.
//!
//! The protocol itself is the business of `webauthn-rs`, in [`ceremony`] alone; which keys are good enough, and for what,
//! that of [`policy`]. A challenge is for one purpose, one browser and one answer. Nothing here trusts what a page says
//! about a key: model, backup and verification of the person are read from what the authenticator signed.

pub mod attestation;
mod authentication;
pub mod ceremony;
mod decoy;
pub mod issue;
pub mod metadata;
pub mod models;
pub mod policy;
pub mod populations;
mod refusal;
mod registration;
pub mod related;
mod renewal;
mod second_factor;
pub mod trial;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use chrono::TimeDelta;

use crate::audit::{Caller, Trail};
use crate::clock::{SharedClock, Time};
use crate::crypto::digest::sha256;
use crate::ids::{PersonId, Secret, SessionId, SharedRandom, TransactionId};
use crate::means::suspend_cloned;
use crate::session::{Authentication, Policies, Session};
use crate::store::login_transaction::LoginTransaction;
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::store::webauthn_credential::SecurityKey;
use crate::store::{Db, StoreError};
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;
use crate::web::pages::means::{KEY_OPTIONS_PATH, KEY_PATH, KeyChallenge, RENEW_OPTIONS_ROUTE, RENEW_ROUTE};
use crate::web::pages::sign_in::{
    KEY_SIGN_IN_OPTIONS_PATH, KEY_SIGN_IN_PATH, TOUCH_OPTIONS_PATH, TOUCH_PATH,
};
use crate::web::repeats::Repeats;
use ceremony::{Ceremonies, Challenge};
pub use decoy::DecoyKey;
use models::Models;
use policy::{Seen, Unfit};
use populations::{KeyPolicies, KeyRules};
pub use refusal::Refusal;

/// How long a challenge is good: a person looks for the key and remembers its code.
const CHALLENGE: TimeDelta = TimeDelta::minutes(5);
/// The longest answer that is read: attestations carry whole certificate chains.
const MAX_ANSWER_LEN: usize = 64 * 1024;

/// What [`SecurityKeys`] are made of.
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
    /// The protocol, for that origin and those that share its keys.
    pub ceremonies: Ceremonies,
    /// Which keys are good enough.
    pub policy: KeyPolicies,
    /// What is known of their models.
    pub models: Arc<Models>,
    /// Whether a session answers the request of a sign-in.
    pub is_answered_by: fn(&LoginTransaction, &Session, Time) -> bool,
    /// Whether a sign-in proves as much as its request insists on.
    pub is_enough: fn(&LoginTransaction, &Authentication) -> bool,
    /// What decoys are derived from.
    pub decoy_key: DecoyKey,
}

/// The server's side of security keys.
#[derive(Debug)]
pub struct SecurityKeys {
    parts: Parts,
    repeats: Repeats,
}

impl SecurityKeys {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, repeats: Repeats::default() })
    }

    /// What is known of models.
    pub fn models(&self) -> &Arc<Models> {
        &self.parts.models
    }

    /// Which keys are good enough.
    pub fn policy(&self) -> &KeyPolicies {
        &self.parts.policy
    }

    /// Keeps a challenge until its one answer, for a sign-in or for a session and its person; what the page is told of it.
    async fn challenge(
        &self,
        purpose: Purpose,
        transaction_id: Option<TransactionId>,
        session: Option<(SessionId, PersonId)>,
        challenge: Challenge,
    ) -> Result<KeyChallenge, Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let handle = Secret::of_256_bits(&*parts.random);
        let new = Ceremony {
            handle_hash: sha256(handle.expose().as_bytes()).to_vec(),
            purpose,
            transaction_id,
            session_id: session.map(|(session, _)| session),
            person_id: session.map(|(_, person)| person),
            state: challenge.state,
            expires_at: now + CHALLENGE,
        };
        webauthn_ceremony::begin(&parts.db, &new, now).await?;
        Ok(KeyChallenge { handle: handle.expose().to_owned(), options: challenge.options })
    }

    /// There may be two of this key.
    async fn suspend_cloned(&self, caller: &Caller, key: &SecurityKey) -> Result<(), StoreError> {
        let Parts { db, trail, random, .. } = &self.parts;
        suspend_cloned(db, trail, &**random, (caller, &key.means), self.now()).await
    }

    /// A key that is registered, as the policy sees it.
    fn seen(&self, key: &SecurityKey, user_verified: bool) -> Seen {
        self.parts.models.seen(key, user_verified, self.now())
    }

    /// Whether a key is good enough, as far as is known today.
    fn admit(&self, rules: &KeyRules<'_>, seen: Seen) -> Result<(), Unfit> {
        if self.parts.models.refuses(self.now()) {
            return Err(Unfit::Stale);
        }
        rules.judge(seen)
    }

    fn now(&self) -> Time {
        self.parts.clock.now()
    }
}

/// Where a sign-in page asks for a challenge, and brings what a key signed: for the address that faces the Internet.
pub fn sign_in_routes(keys: &Arc<SecurityKeys>) -> Router {
    Router::new()
        .route(KEY_SIGN_IN_OPTIONS_PATH, post(authentication::options))
        .route(KEY_SIGN_IN_PATH, post(authentication::answer))
        .with_state(Arc::clone(keys))
}

/// Where pages ask for challenges and bring answers.
pub fn routes(keys: &Arc<SecurityKeys>) -> Router {
    let list = match keys.parts.ceremonies.relying_party().is_asked_here() {
        true => Router::new().route(related::PATH, get(related::list)),
        false => Router::new(),
    };
    list.route(KEY_OPTIONS_PATH, post(registration::options))
        .route(KEY_PATH, post(registration::answer))
        .route(RENEW_OPTIONS_ROUTE, post(registration::renewal_options))
        .route(RENEW_ROUTE, post(registration::renewal_answer))
        .route(TOUCH_OPTIONS_PATH, post(second_factor::options))
        .route(TOUCH_PATH, post(second_factor::answer))
        .with_state(Arc::clone(keys))
        .merge(sign_in_routes(keys))
}
