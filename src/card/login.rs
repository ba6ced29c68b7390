//! What the server's side of a card sign-in is made of, and where it answers.
//!
//! A hospital gets from it that a professional who holds a card, its PIN, a workstation of the establishment and the
//! browser that began the sign-in is let in, and nobody who lacks one of the four (agent protocol, sections 1, 7 and 8).

use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::machine::MachineAuthority;
use super::protocol::{
    AgentVersion, BADGE_PATH, CANCEL_PATH, CHANNEL_OPENING_PATH, CHANNEL_PATH, ENROL_PATH, NOTICE_PATH,
    Purpose, QUESTION_PATH, QUESTION_REPLY_PATH, REQUEST_KEYS_PATH, RETURN_PATH, STANDING_PATH,
    TERMINAL_BEGIN_PATH, TERMINAL_FINISH_PATH, WebOrigin,
};
use super::question::{self, Questions};
use super::revocation::Watch;
use super::tls_login::{self, CertificateLogin};
use super::verify::CardVerifier;
use super::{badge, channel, enrolment, finish, return_path, standing, terminal, waiting};
use crate::audit::Trail;
use crate::clock::{SharedClock, Time};
use crate::crypto::sealed::SealKey;
use crate::crypto::x509::anchors::AnchorsError;
use crate::ids::{PersonId, SharedRandom, TransactionId};
use crate::keyring::Keyring;
use crate::session::{Acr, Policies};
use crate::store::Db;
use crate::store::login_transaction::LoginTransaction;
use crate::web::answers::Answers;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::{Delays, Waits};
use crate::web::moves::Waiting;
use crate::web::page::Site;
use crate::web::pages::sign_in::{
    BADGE_ASK_PATH, BADGE_WAIT_PATH, EVENTS_PATH, NOTICED_PATH, REQUEST_PATH, STATUS_PATH,
};
use crate::web::repeats::Repeats;

/// The path that the return path's page posts to.
pub const FINISH_PATH: &str = "/card/finish";

/// What only the browser's purpose is served with, here.
pub(super) const PURPOSE: Purpose = Purpose::Browser;

/// What a [`CardLogin`] is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
    /// What makes audit events.
    pub trail: Trail,
    /// The keys that sign card requests, and nothing else.
    pub keys: Arc<Keyring>,
    /// Opens the secrets of invitations.
    pub seal: SealKey,
    /// The origin of the pages, which workstations enrol.
    pub front: WebOrigin,
    /// How workstations name this installation to people.
    pub display_name: String,
    /// The port of the agent on workstations.
    pub agent_port: u16,
    /// The oldest agent that is served.
    pub minimum_agent: Option<AgentVersion>,
    /// Judges cards; none where no authority is installed.
    pub verifier: Option<Arc<CardVerifier>>,
    /// Judges machine certificates of workstations that enrol; none where it is not configured.
    pub machines: Option<Arc<MachineAuthority>>,
    /// The way by the certificate of a TLS handshake, where it is configured.
    pub certificate: Option<CertificateLogin>,
    /// How long sessions are good for, and what the card's leaving does.
    pub policies: Policies,
    /// What stands around the pages.
    pub site: Site,
    /// How long a card that is refused has to wait.
    pub waits: Waits,
    /// Where a sign-in goes on, and where its page is: a path of the front origin.
    pub next: fn(TransactionId) -> String,
    /// Whether the relying party wants the person to prove anew who they are.
    pub wants_fresh_proof: fn(&LoginTransaction) -> bool,
    /// Whether the relying party asks for nothing that a tap of this person's badge is not: a level, a fresh proof, somebody
    /// else.
    pub is_content_with_badge: fn(&LoginTransaction, PersonId) -> bool,
    /// The level that a card's answer to another program reaches at most.
    pub asked_level: Acr,
    /// Who waits for answers on this node.
    pub answers: Arc<Answers>,
}

/// The server's side of a card sign-in.
pub struct CardLogin {
    pub(super) parts: Parts,
    pub(super) own: OwnOrigin,
    pub(super) waiting: Waiting<TransactionId>,
    pub(super) held: channel::Held,
    pub(super) watch: Watch,
    pub(super) questions: Questions,
    pub(super) repeats: Repeats,
    /// Refusals of late, by certificate of a card and address.
    pub(super) refused: Delays<([u8; 32], IpAddr)>,
}

impl CardLogin {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let own = OwnOrigin::named(parts.front.as_str());
        Arc::new(Self {
            refused: Delays::new(parts.waits),
            parts,
            own,
            waiting: Waiting::default(),
            held: channel::Held::default(),
            watch: Watch::default(),
            questions: Questions::default(),
            repeats: Repeats::default(),
        })
    }

    /// Looks at the authorities and revocation lists again. Blocking.
    ///
    /// # Errors
    /// [`AnchorsError`]; what was in use stays in use then.
    pub fn reload(&self, now: Time) -> Result<(), AnchorsError> {
        if let Some(machines) = &self.parts.machines {
            machines.reload(now)?;
        }
        self.parts.verifier.as_ref().map_or(Ok(()), |verifier| verifier.reload(now))
    }

    /// Whether the revocation lists in use are in their time, for the health check.
    ///
    /// # Errors
    /// What is wrong with the first that is not, for the log.
    pub fn revocation_lists_in_order(&self, now: Time) -> Result<(), String> {
        let Some(verifier) = &self.parts.verifier else { return Ok(()) };
        for status in verifier.revocation_lists() {
            if let Some(fault) = status.fault {
                return Err(format!("{}: {fault}", status.path.display()));
            }
        }
        if let Some(list) = verifier.deciding_lists().into_iter().find(|list| list.until < now) {
            return Err(format!("the list of {} should have been replaced on {}", list.issuer, list.until));
        }
        Ok(())
    }

    /// Drops what is counted of whoever was not refused for a while, for a job.
    pub fn forget_idle(&self) {
        self.refused.forget_idle(self.now());
    }

    pub(super) fn now(&self) -> Time {
        self.parts.clock.now()
    }
}

impl Debug for CardLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardLogin").field("front", &self.parts.front).finish_non_exhaustive()
    }
}

/// Every address, on the front origin.
pub fn routes(login: &Arc<CardLogin>) -> Router {
    let by_certificate = match &login.parts.certificate {
        Some(_) => tls_login::routes(),
        None => Router::new(),
    };
    by_certificate
        .route(BADGE_ASK_PATH, post(badge::ask))
        .route(BADGE_WAIT_PATH, post(badge::wait))
        .route(ENROL_PATH, post(enrolment::answer))
        .route(REQUEST_KEYS_PATH, get(enrolment::keys))
        .route(NOTICE_PATH, post(enrolment::notice))
        .route(STANDING_PATH, post(standing::answer))
        .route(TERMINAL_BEGIN_PATH, post(terminal::begin))
        .route(TERMINAL_FINISH_PATH, post(terminal::finish))
        .with_state(Arc::clone(login))
        .merge(sign_in_routes(login))
}

/// The browser's side of a sign-in with a card, and the way back from the agent: without badges, enrolment, terminals and
/// channels, for the address that faces the Internet.
pub fn sign_in_routes(login: &Arc<CardLogin>) -> Router {
    Router::new()
        .route(RETURN_PATH, post(return_path::answer))
        .route(FINISH_PATH, post(finish::answer))
        .route(CANCEL_PATH, get(waiting::cancel))
        .route(REQUEST_PATH, get(waiting::renew))
        .route(STATUS_PATH, get(waiting::status))
        .route(EVENTS_PATH, get(waiting::events))
        .route(NOTICED_PATH, post(waiting::noticed))
        .with_state(Arc::clone(login))
}

/// What the agents of workstations report by themselves. Apart, since it has a limit of its own: a browser that asks too
/// often must not silence the workstations behind the same address, whose silence locks sessions.
pub fn channel_routes(login: &Arc<CardLogin>) -> Router {
    Router::new()
        .route(CHANNEL_OPENING_PATH, post(channel::open))
        .route(CHANNEL_PATH, post(channel::report))
        .route(BADGE_PATH, post(badge::answer))
        .route(QUESTION_REPLY_PATH, post(question::reply))
        .route(QUESTION_PATH, post(question::answer))
        .with_state(Arc::clone(login))
}
