//! The session that a sign-in ends in, where nobody watches a card: by a security key, a phone, a provider of others, or a test
//! person of a sandbox.
//!
//! A hospital gets from it one rule for whoever signs in where somebody is signed in already: the same person, with a
//! proof that is at least as good, goes on with the session and all that was granted in it, under a new cookie; whoever
//! else comes ends that session, with its logouts, in the transaction in which their own begins.
//!
//! Never: a session without its transaction consumed, once.

use http::{HeaderMap, HeaderValue};

use crate::audit::{Caller, Event, Kind, Trail};
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::{Random, Secret, SessionId, TransactionId};
use crate::session::{Amr, Authentication, EndReason, Policies, Session, Standing, Station};
use crate::store::audit::NewRow;
use crate::store::client::{Client, own_pages};
use crate::store::login_transaction::{self, Completion, LoginTransaction, Proof, Replaced};
use crate::store::session::NewSession;
use crate::store::{self, Db, StoreError};
use crate::web::browser;
use crate::web::cookies::{self, NoCookie};

/// The sign-in of that key, whatever its state, if this browser began it.
///
/// # Errors
/// [`StoreError`].
pub async fn transaction_of(
    db: &Db,
    id: TransactionId,
    headers: &HeaderMap,
) -> Result<Option<LoginTransaction>, StoreError> {
    let Some(cookie) = cookies::transaction(id).read(headers) else { return Ok(None) };
    let hash = sha256(cookie.expose().as_bytes());
    let found = login_transaction::by_id(db, id).await?;
    Ok(found.filter(|transaction| constant_time_eq(&transaction.browser_hash, &hash)))
}

/// The running session that a browser has, and SHA-256 of its cookie.
///
/// # Errors
/// [`StoreError`].
pub async fn of_browser(db: &Db, headers: &HeaderMap) -> Result<Option<(Session, [u8; 32])>, StoreError> {
    let Some(cookie) = cookies::session().read(headers) else { return Ok(None) };
    let hash = sha256(cookie.expose().as_bytes());
    let had = store::session::by_cookie(db, hash).await?;
    Ok(had.filter(|session| session.ended_at.is_none()).map(|session| (session, hash)))
}

/// The session of a browser that whoever is there may use for pages of our own, and its cookie. A locked one is none, nor is
/// one that a badge alone renewed: these pages take it no more than any service that does not say so.
///
/// # Errors
/// [`StoreError`].
pub async fn alive(
    db: &Db,
    headers: &HeaderMap,
    policies: &Policies,
    now: Time,
) -> Result<Option<(Session, Secret)>, StoreError> {
    let Some(cookie) = cookies::session().read(headers) else { return Ok(None) };
    let demands = own_pages().demands();
    let found = of_browser(db, headers).await?.filter(|(session, _)| {
        let policy = policies.at(&session.station()).tightened(&demands);
        session.standing(policy, now) == Standing::Alive
    });
    Ok(found.map(|(session, _)| (session, cookie)))
}

/// Where a session is opened by a browser that does not say at which workstation: where there are any that several people
/// use in turn, it may be one of them.
///
/// # Errors
/// [`StoreError`].
pub async fn station(db: &Db, policies: &Policies) -> Result<Station, StoreError> {
    let shared = policies.have_shared_zones() || store::workstation::any_shared(db).await?;
    Ok(Station { zone: String::new(), shared })
}

/// Why a sign-in without a card that is watched cannot lead to its relying party from here.
#[derive(Debug, thiserror::Error)]
pub enum NotHere {
    /// The relying party is gone or disabled.
    #[error("the relying party is not known or disabled")]
    Client,
    /// The relying party is not meant to be used from here.
    #[error("the relying party is not meant for this zone")]
    Zone,
    /// The relying party wants a card that is watched.
    #[error("the relying party wants a card that is watched, and no card was shown")]
    Unwatched,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotHere {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Client => "OIDC-002",
            Self::Zone => "CARD-021",
            Self::Unwatched => "CARD-022",
            Self::Store(error) => error.code(),
        }
    }
}

/// The relying party of that name, if it is there and not disabled.
///
/// # Errors
/// [`NotHere`].
pub async fn relying_party(db: &Db, client: &str) -> Result<Client, NotHere> {
    let found = store::client::for_sign_in(db, client).await?;
    found.filter(|client| client.disabled_at.is_none()).ok_or(NotHere::Client)
}

/// Where a sign-in by nothing that is watched is opened, if its relying party takes it there.
///
/// # Errors
/// [`NotHere`].
pub async fn admitted_station(db: &Db, policies: &Policies, client: &Client) -> Result<Station, NotHere> {
    let (station, demands) = (station(db, policies).await?, client.demands());
    if !demands.admit(&station.zone) {
        return Err(NotHere::Zone);
    }
    if demands.need_watch() {
        return Err(NotHere::Unwatched);
    }
    Ok(station)
}

/// Why no session began.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// Another answer was faster, or what proved it was withdrawn a moment ago.
    #[error("the sign-in was completed or cancelled before")]
    Raced,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cookie.
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

/// A sign-in whose person has proved who they are.
pub struct Beginning<'a> {
    /// The database.
    pub db: &'a Db,
    /// What makes audit events.
    pub trail: &'a Trail,
    /// How long sessions are good for.
    pub policies: &'a Policies,
    /// Randomness.
    pub random: &'a dyn Random,
    /// The browser.
    pub caller: &'a Caller,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The sign-in.
    pub transaction: TransactionId,
    /// Where.
    pub station: Station,
}

impl Beginning<'_> {
    /// Consumes the sign-in and begins the session, or goes on with the browser's own. `event` is recorded with it. Yields
    /// the cookie.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub async fn begin(
        self,
        proof: Proof<'_>,
        authentication: Authentication,
        event: Event,
        now: Time,
    ) -> Result<HeaderValue, NotBegun> {
        let policy = self.policies.at(&self.station);
        let had = of_browser(self.db, self.headers).await?;
        let goes_on = had.as_ref().filter(|(had, _)| {
            let alive = had.standing(policy, now) == Standing::Alive;
            alive && had.person_id == authentication.person && had.is_matched_by(&authentication)
        });
        let person = authentication.person;
        let cookie = Secret::of_256_bits(self.random);
        let factors: Vec<String> =
            authentication.amr.iter().copied().map(Amr::as_str).map(str::to_owned).collect();
        let level = authentication.acr.as_str();
        let session = NewSession {
            id: goes_on.map_or_else(|| SessionId::new(now, self.random), |(had, _)| had.id),
            cookie_hash: sha256(cookie.expose().as_bytes()),
            expires_at: now + policy.lifetime,
            authentication,
            station: self.station,
            watched: None,
        };
        let event = event.session(session.id).level(level, &factors);
        let event = if goes_on.is_some() { event.note("renewed") } else { event };
        let replaced = had.as_ref().filter(|_| goes_on.is_none()).map(|(had, _)| {
            let event = self.trail.event(Kind::SessionEnded).person(had.person_id).session(had.id);
            let event = event.note(EndReason::Replaced.as_str()).transaction(self.transaction);
            Replaced { session: had.id, event: NewRow::from(&event.caller(self.caller)) }
        });
        let completion = Completion {
            proof,
            session: &session,
            goes_on: goes_on.map(|(_, cookie_before)| cookie_before),
            replaced: replaced.as_ref(),
            browser: Some(&browser::seen(person, self.headers, self.caller)),
            event: &NewRow::from(&event),
        };
        match login_transaction::complete(self.db, self.transaction, completion, now, self.random).await? {
            true => Ok(cookies::session().set(&cookie, None)?),
            false => Err(NotBegun::Raced),
        }
    }
}
