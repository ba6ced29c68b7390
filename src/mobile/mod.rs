//! The phone: a person pairs theirs, and it answers for them what another browser, or a program, waits for.
//!
//! A hospital gets from it the habit of the national application, without an application store: a web application that the
//! provider serves. A sign-in is tied to whoever answers by a code that the phone scans, or by a number that is typed on it;
//! never by a bare "approve", nor by a choice among a few. Neither is resistant to phishing: somebody who relays the page live
//! gets in. The level says so, and outside the networks of the establishment both are for browsers alone that the person has
//! used with a card or a key.
//!
//! Two keys answer together: a passkey, which verifies the person by a finger, the face or the code of the phone, and a key of
//! this installation, which the browser does not give away. The second signs everything that was shown, with the challenge of
//! the first: what was approved can serve nothing else.
//!
//! Never: an address that opens an approval, nor an answer whose context is not ours.

mod answer;
mod application;
mod message;
mod pairing;
mod push;
mod question;
mod refusal;
mod scan_code;
mod sign_in;
mod wake;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use chrono::TimeDelta;

use crate::audit::Trail;
use crate::clock::{SharedClock, Time};
use crate::ids::{ApprovalId, PersonId, SharedRandom, TransactionId};
use crate::session::asking::{Asks, Later};
use crate::session::{Acr, Authentication, Policies};
use crate::store::Db;
use crate::store::login_transaction::LoginTransaction;
use crate::web::answers::{Answers, Awaited};
use crate::web::asker::Reach;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::{Delays, Waits};
use crate::web::page::Site;
use crate::web::pages::phone as pages;
use crate::web::places::Places;
use crate::web::repeats::Repeats;
use crate::webauthn::ceremony::Ceremonies;
pub use pairing::{Said, Vouched};
pub use refusal::Refusal;
pub use wake::Push;

/// Refusals of one session, phone or sign-in with one code that are recorded each minute: more than a person makes.
const RECORDED: u32 = 5;
/// How long strangers are kept from asking somebody who said that a question was none of theirs.
pub const GUARDED: TimeDelta = TimeDelta::hours(24);

/// What [`Phones`] are made of.
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
    /// The ceremonies of the passkeys, for that origin.
    pub ceremonies: Ceremonies,
    /// The rules of the establishment.
    pub rules: Rules,
    /// The address that hears of it when somebody says "it was not me"; none where none is configured.
    pub security: Option<String>,
    /// What codes that are scanned are derived from: 32 random bytes of this installation.
    pub code_key: [u8; 32],
    /// Who waits for answers on this node.
    pub answers: Arc<Answers>,
    /// Whether what was proved reaches what the relying party of a sign-in insists on.
    pub is_enough: fn(&LoginTransaction, &Authentication) -> bool,
    /// What wakes phones; none where they are not.
    pub push: Option<Push>,
}

/// The rules of the establishment for phones.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The level that an answer reaches at most.
    pub level: Acr,
    /// For how long a phone is good.
    pub life: TimeDelta,
    /// From where people can be asked.
    pub reach: Reach,
}

/// The server's side of phones.
#[derive(Debug)]
pub struct Phones {
    parts: Parts,
    repeats: Repeats,
    /// How often one address has asked; and how often for one name.
    asked: Delays<IpAddr>,
    named: Delays<[u8; 32]>,
    /// Who waits on this node, for answers that come to any.
    answers: Arc<Answers>,
    /// The pages that wait, by the network that they wait in.
    places: Arc<Places<Option<IpAddr>>>,
    /// The same, by the sign-in that they wait for.
    tabs: Arc<Places<TransactionId>>,
}

/// Pages that wait on one node.
const MOST_PAGES: usize = 20_000;
/// Of these, the share of one address: a whole site may stand behind it.
const MOST_OF_ONE: usize = 5_000;
/// Of these, the pages of one sign-in: a person has a few tabs, and each change of its question wakes all of them.
const MOST_TABS: usize = 8;

impl Phones {
    /// From its parts. `waits`: how often one address may ask.
    #[must_use]
    pub fn new(parts: Parts, waits: Waits) -> Arc<Self> {
        Arc::new(Self {
            answers: Arc::clone(&parts.answers),
            parts,
            repeats: Repeats::default(),
            asked: Delays::new(waits),
            named: Delays::new(waits),
            places: Places::new(MOST_PAGES, MOST_OF_ONE),
            tabs: Places::new(MOST_PAGES, MOST_TABS),
        })
    }

    /// Forgets who asked nothing for a while. A job calls it.
    pub fn forget_idle(&self) {
        self.asked.forget_idle(self.now());
        self.named.forget_idle(self.now());
    }

    /// The level that an answer reaches at most.
    #[must_use]
    pub fn level(&self) -> Acr {
        self.parts.rules.level
    }

    fn now(&self) -> Time {
        self.parts.clock.now()
    }

    /// All the places of one address, taken.
    #[cfg(test)]
    pub(crate) fn fill(&self, address: Option<IpAddr>) -> Vec<crate::web::places::Place<Option<IpAddr>>> {
        std::iter::from_fn(|| self.places.take(address)).collect()
    }
}

impl Asks for Phones {
    /// Where nothing wakes phones, the application looks by itself while it is open.
    fn wake(&self, approval: ApprovalId, _: PersonId) -> Later<'_, ()> {
        Box::pin(self.wake_now(approval))
    }

    fn answered(&self, approval: ApprovalId) -> Later<'_, ()> {
        let mut moves = self.answers.listen(Awaited::Question(approval));
        Box::pin(async move { moves.moved().await })
    }
}

/// The pages of the phone, what they call, and what the pages of the desk call.
pub fn routes(phones: &Arc<Phones>) -> Router {
    Router::new()
        .route(pages::PHONE_PATH, get(application::show))
        .route(pages::MANIFEST_PATH, get(application::manifest))
        .route(pages::WORKER_PATH, get(push::worker))
        .route(pages::PUSH_PATH, post(push::say))
        .route(pages::PAIR_PATH, post(pairing::begin))
        .route(pages::PAIR_STATUS_PATH, post(pairing::status))
        .route(pages::PAIR_CONFIRM_PATH, post(pairing::confirm))
        .route(pages::TAKE_PATH, post(pairing::take))
        .route(pages::BRING_PATH, post(pairing::bring))
        .route(pages::BROUGHT_PATH, post(pairing::brought))
        .route(pages::LIST_PATH, post(question::list))
        .route(pages::QUESTION_PATH, post(question::open))
        .route(pages::ANSWER_PATH, post(answer::answer))
        .route(pages::ASK_PATH, post(sign_in::ask))
        .route(pages::EVENTS_PATH, get(watch::events))
        .route(pages::WAIT_PATH, post(watch::wait))
        .route(pages::FINISH_PATH, post(sign_in::finish))
        .with_state(Arc::clone(phones))
}
