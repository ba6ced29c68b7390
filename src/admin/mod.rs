//! What people with a role do here: the desk, which looks after the means of identification of others.
//!
//! A hospital gets from it a counter that issues security keys, pairs phones and links identities of other providers for
//! people whose document it has seen, takes lost means out of use at once, and leaves a trail of who did what for whom; and
//! a separation: whoever runs the servers has no part in it, whoever works there cannot change their own means, and nobody
//! gives themself a role (RIE v2, PS 08: delivered to the expected person only, revoked at any time, the identity of
//! whoever asks for it checked).
//!
//! Default deny: a role is asked for at every request, with a sign-in by two factors of the last fifteen minutes.

mod desk;
mod identities;
mod keys;
mod phones;
mod refusal;
mod rights;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use chrono::TimeDelta;

use crate::audit::Trail;
use crate::clock::{SharedClock, Time};
use crate::ids::SharedRandom;
use crate::mobile::Phones;
use crate::session::{Acr, Policies};
use crate::store::Db;
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;
use crate::web::pages::desk::{
    ACT_ROUTE, CHECK_ROUTE, DESK_PATH, FIND_PATH, KEY_OPTIONS_ROUTE, KEY_ROUTE, LINK_ROUTE, PERSON_ROUTE,
    PHONE_CONFIRM_ROUTE, PHONE_ROUTE, PHONE_STATUS_ROUTE, RENEWAL_OPTIONS_ROUTE, RENEWAL_ROUTE, UNLINK_ROUTE,
};
use crate::web::repeats::Repeats;
use crate::webauthn::SecurityKeys;

/// How long an identity check is good: the person stands there.
const CHECK_LIFE: TimeDelta = TimeDelta::minutes(10);
/// Refusals in one session with one code that are recorded each minute: more than a person makes.
const RECORDED: u32 = 5;

/// What the desk is made of.
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
    /// The lowest level of a sign-in that may use a role.
    pub level: Acr,
    /// Security keys; none where they are turned off.
    pub keys: Option<Arc<SecurityKeys>>,
    /// Phones; none where they are turned off.
    pub phones: Option<Arc<Phones>>,
    /// The providers of others that are configured.
    pub providers: Vec<Elsewhere>,
}

/// A provider of others, of which the desk links identities.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Its name in the configuration.
    pub name: String,
    /// Its issuer.
    pub issuer: String,
    /// What people call it.
    pub label: String,
    /// The level that a sign-in by it reaches at most.
    pub level: Acr,
    /// Whether it tells national identifiers (`identifier_claim`), which are compared at each sign-in.
    pub tells_identifier: bool,
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    parts: Parts,
    repeats: Repeats,
}

impl Desk {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, repeats: Repeats::default() })
    }

    fn now(&self) -> Time {
        self.parts.clock.now()
    }
}

/// The pages of the desk and their forms.
pub fn routes(desk: &Arc<Desk>) -> Router {
    Router::new()
        .route(DESK_PATH, get(desk::show))
        .route(FIND_PATH, post(desk::find))
        .route(PERSON_ROUTE, get(desk::person))
        .route(CHECK_ROUTE, post(desk::check))
        .route(ACT_ROUTE, post(desk::act))
        .route(LINK_ROUTE, post(identities::link))
        .route(UNLINK_ROUTE, post(identities::unlink))
        .route(KEY_OPTIONS_ROUTE, post(keys::options))
        .route(RENEWAL_OPTIONS_ROUTE, post(keys::renewal_options))
        .route(RENEWAL_ROUTE, post(keys::renewal_answer))
        .route(KEY_ROUTE, post(keys::answer))
        .route(PHONE_ROUTE, post(phones::begin))
        .route(PHONE_STATUS_ROUTE, post(phones::status))
        .route(PHONE_CONFIRM_ROUTE, post(phones::confirm))
        .with_state(Arc::clone(desk))
}
