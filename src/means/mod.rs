//! "Mes moyens d'identification": the means that a person has, whatever their kind, and who may change them.
//!
//! A hospital gets from it one list for cards and security keys, in the same words for its person, the desk and the audit
//! trail; and the guarantee that whoever sits down at a screen that was left open can neither add a means of their own nor
//! take one away: a change asks for a sign-in of the last five minutes, by a means that has been there for a day.
//!
//! Nothing here knows how a means proves anything.

mod address;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use chrono::TimeDelta;

use crate::audit::{Caller, Kind as Recorded, Trail};
use crate::clock::{SharedClock, Time};
use crate::ids::{Random, SharedRandom};
use crate::notify::code::Codes;
use crate::session::{EndReason, Policies, Session};
use crate::store::audit::NewRow;
use crate::store::means::{Halt, Halting, Issuer, Kind, Means, Standing};
use crate::store::upstream_link::Link;
use crate::store::webauthn_credential::SecurityKey;
use crate::store::{self, Db, StoreError};
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;
use crate::web::pages::means::{
    ADDRESS_PATH, CODE_PATH, LinkRow, MEANS_PATH, MeansRow, RENAME_ROUTE, REVOKE_ROUTE, RowKind, RowStanding,
    SHARED,
};
use crate::web::repeats::Repeats;

/// How old the sign-in of whoever changes their means may be.
pub const FRESH: TimeDelta = TimeDelta::minutes(5);
/// For how long a means that its person added changes no other: time to notice that somebody else did.
pub const PROBATION: TimeDelta = TimeDelta::hours(24);
/// Refusals in one session with one code that are recorded each minute: more than a person makes.
const RECORDED: u32 = 5;

/// What the page is made of.
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
    /// Whether security keys can be registered.
    pub takes_keys: bool,
    /// Whether they may be such that count after a badge only.
    pub takes_second_factors: bool,
    /// Whether phones can be paired.
    pub takes_phones: bool,
    /// What derives the codes that verify a mail address; none where no mail server is configured.
    pub codes: Option<Codes>,
}

/// A person's own view of their means.
#[derive(Debug)]
pub struct OwnMeans {
    parts: Parts,
    repeats: Repeats,
}

impl OwnMeans {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, repeats: Repeats::default() })
    }
}

/// The page and its forms.
pub fn routes(means: &Arc<OwnMeans>) -> Router {
    Router::new()
        .route(MEANS_PATH, get(page::show))
        .route(RENAME_ROUTE, post(page::rename))
        .route(REVOKE_ROUTE, post(page::revoke))
        .route(ADDRESS_PATH, post(address::ask))
        .route(CODE_PATH, post(address::verify))
        .with_state(Arc::clone(means))
}

/// Why somebody may not change their means now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// The sign-in is too old, or is none of the moment.
    #[error("a change of means asks for a sign-in of the last five minutes")]
    NotFresh,
    /// The sign-in can be passed on by a stranger's page, and the person has means that cannot.
    #[error("a change of means asks for a means that resists phishing, and the person has one")]
    Weak,
    /// The means of the sign-in was added less than a day ago.
    #[error("a means that was added less than a day ago changes no other")]
    Probation,
    /// The workstation is one that several people use in turn: whoever sits there now may be another.
    #[error("means are not changed at a workstation that several people use")]
    Shared,
    /// The session's means is no longer in the registry.
    #[error("the means of the session is not in the registry any more")]
    Gone,
}

impl ChangeRefused {
    /// The stable code of `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFresh => "MEANS-002",
            Self::Weak => "MEANS-003",
            Self::Probation => "MEANS-004",
            Self::Gone => "MEANS-005",
            Self::Shared => SHARED,
        }
    }
}

/// Whether the person of `session` may add or take away means of their own, of which `own` are all.
///
/// # Errors
/// [`ChangeRefused`], the first that applies.
pub fn may_change(
    own: &[Means],
    session: &Session,
    policies: &Policies,
    now: Time,
) -> Result<(), ChangeRefused> {
    if policies.is_shared(&session.station()) {
        return Err(ChangeRefused::Shared);
    }
    // What a phone answers for another browser can be passed on by a stranger's page; every other kind resists phishing. One
    // that is suspended or too old counts too: losing it must not make the weaker one worth more.
    let resists = |means: &Means| {
        means.kind.signs_in_alone() && means.kind != Kind::Phone && means.revoked_at.is_none()
    };
    // Nor does the passkey of a phone count, which resists phishing by itself: the desk may have issued it on a document.
    let is_weak = !session.evidence.is_phishing_resistant()
        || used(own, session).is_some_and(|means| means.kind == Kind::Phone);
    if is_weak && own.iter().any(resists) {
        return Err(ChangeRefused::Weak);
    }
    if !session.is_fresh(FRESH, now) {
        return Err(ChangeRefused::NotFresh);
    }
    match used(own, session) {
        Some(means) if means.standing(now) != Standing::Active => Err(ChangeRefused::Gone),
        Some(means) if means.issued_by == Issuer::Person && now - means.issued_at < PROBATION => {
            Err(ChangeRefused::Probation)
        }
        Some(_) => Ok(()),
        // A card without a number has no row, nor has one of a session that is older than the registry.
        None if session.evidence.means().is_none() => Ok(()),
        None => Err(ChangeRefused::Gone),
    }
}

/// There may be two of this means, whose counter went back: neither signs in until the desk has looked into it (Web
/// Authentication §6.1.1).
///
/// # Errors
/// [`StoreError`].
pub async fn suspend_cloned(
    db: &Db,
    trail: &Trail,
    random: &dyn Random,
    (caller, means): (&Caller, &Means),
    now: Time,
) -> Result<(), StoreError> {
    let event = trail.event(Recorded::MeansSuspended).caller(caller).person(means.person_id);
    let event = event.means(means.kind.as_str(), Some(&means.reference));
    let event = NewRow::from(&event.enrolment(&means.id.to_string()).note("counter went back"));
    let ended = |session| {
        let event = trail.event(Recorded::SessionEnded).person(means.person_id).session(session);
        NewRow::from(&event.note(EndReason::MeansHalted.as_str()))
    };
    let halting =
        Halting { id: means.id, halt: Halt::Suspend, reason: "counter", event: &event, ended: &ended };
    store::means::halt(db, &halting, now, random).await.map(drop)
}

/// The means of `own` that the session was opened with.
pub fn used<'a>(own: &'a [Means], session: &Session) -> Option<&'a Means> {
    own.iter().find(|means| means.kind.signs_in_alone() && is_of(means, session))
}

/// Whether the session was opened with this means.
pub(crate) fn is_of(means: &Means, session: &Session) -> bool {
    match means.kind {
        Kind::SecurityKey | Kind::Phone => session.evidence.means() == Some(means.id),
        Kind::SecondFactor => session.evidence.second_factor() == Some(means.id),
        Kind::Card => session.evidence.card_number() == Some(means.reference.as_str()),
    }
}

/// An identity at another provider as pages show it.
pub fn link_row(link: &Link) -> LinkRow {
    LinkRow {
        name: link.name().to_owned(),
        issuer: link.issuer.clone(),
        linked_at: link.linked_at,
        last_used: link.last_used(),
    }
}

/// A means as pages show it, without what can be done with it; none where it was revoked. `keys` are those of its person.
pub fn row(means: &Means, keys: &[SecurityKey], now: Time) -> Option<MeansRow> {
    let standing = match means.standing(now) {
        Standing::Active => RowStanding::Active,
        Standing::Suspended => RowStanding::Suspended,
        Standing::Expired => RowStanding::Expired,
        Standing::Revoked => return None,
    };
    let is_synced = || keys.iter().any(|key| key.means.id == means.id && key.backup_eligible);
    let kind = match means.kind {
        Kind::Card => RowKind::Card,
        Kind::SecurityKey if is_synced() => RowKind::Passkey,
        Kind::SecurityKey => RowKind::SecurityKey,
        Kind::SecondFactor => RowKind::SecondFactor,
        Kind::Phone => RowKind::Phone,
    };
    Some(MeansRow {
        kind,
        label: means.label.clone(),
        standing,
        issued_at: means.issued_at,
        expires_at: means.expires_at,
        last_used: means.last_used_at.map(|at| (at, means.last_used_where.clone())),
        current: false,
        rename: None,
        renew: None,
        revoke: None,
    })
}
