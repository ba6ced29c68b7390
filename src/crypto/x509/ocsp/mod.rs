//! OCSP (RFC 6960, RFC 5019): what an authority says of one card, asked for when the card is shown and never while
//! somebody waits for a page.
//!
//! A hospital gets from this that a card reported lost stops working before the next list is published. Cards that are
//! inserted or used ([`Answers::want`]) are asked about by a job ([`Answers::run`]) and again while they may have a
//! session; a sign-in only looks at what has been answered. A responder that does not answer, or answers what cannot be
//! believed, is left alone for a while, longer each time: the list decides then, and what follows where that is too old
//! is [`super::revocation`]'s to say. Nothing is asked of private addresses that are not listed in `[egress] allow`.
//!
//! "Good" is kept in memory for its time. "Revoked" outlives this process and its node: what [`Answers::unkept`] yields
//! goes into the database, and [`Answers::recall`] brings back what any node has put there.

mod kept;
mod question;
pub mod response;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::x509::X509;
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

pub use self::kept::KeptAnswer;
pub use self::question::Question;
pub use self::response::{Answer, ResponseFault, Status};
use super::chain::VerifiedPath;
use super::crl::{IssuerId, LookUpError, fetchable, issuer_id};
use crate::crypto::digest::sha256;
use crate::crypto::egress::{Egress, EgressError};

/// Answers have one to three kilobytes.
const LARGEST: u64 = 32 * 1024;
const WITHIN: Duration = Duration::from_secs(5);
const CONTENT_TYPE: &str = "application/ocsp-request";
const ACCESS_METHOD: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1);
/// A card that was shown is asked about for so long: the longest session.
const WANTED: TimeDelta = TimeDelta::hours(4);
/// How often a card is asked about at most, and at least while it is wanted.
const SHORTEST_PAUSE: TimeDelta = TimeDelta::minutes(5);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);
/// A responder that failed is left alone for so long, twice as long after each failure.
const FIRST_REST: TimeDelta = TimeDelta::seconds(15);
const LONGEST_REST: TimeDelta = TimeDelta::minutes(15);
/// Cards that are remembered; each takes some 300 bytes.
const MOST_CARDS: usize = 20_000;
/// Questions under way at once.
const AT_ONCE: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the responder answered {0}")]
    HttpStatus(u16),
    #[error("the answer {0}")]
    Response(#[from] ResponseFault),
    #[error("the answer is older ({new}) than the one at hand ({current})")]
    Older { new: DateTime<Utc>, current: DateTime<Utc> },
}

impl AskError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Egress(error) => error.code(),
            Self::HttpStatus(_) | Self::Response(_) | Self::Older { .. } => "CERT-021",
        }
    }
}

/// How OCSP is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspSettings {
    /// Whether responders are asked at all.
    pub enabled: bool,
    /// The responder to ask instead of the one that the card names.
    pub address: Option<String>,
    /// How long an answer counts at most, and how long one without `nextUpdate` does.
    pub max_age: TimeDelta,
}

impl Default for OcspSettings {
    fn default() -> Self {
        Self { enabled: true, address: None, max_age: TimeDelta::hours(24) }
    }
}

/// A responder, as `sceau doctor` and the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponderStatus {
    pub address: String,
    pub last_success: Option<DateTime<Utc>>,
    pub failures: u32,
    pub last_error: Option<String>,
}

/// What responders have said of the cards that were shown.
#[derive(Debug)]
pub struct Answers {
    settings: OcspSettings,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    cards: BTreeMap<Key, Card>,
    /// What the database has of revoked certificates.
    kept: BTreeMap<Key, Answer>,
    /// By SHA-256 of the certificate.
    fingerprints: BTreeMap<[u8; 32], Key>,
    issuers: BTreeMap<IssuerId, X509>,
    responders: BTreeMap<String, Responder>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("cards", &self.cards.len()).finish_non_exhaustive()
    }
}

type Key = (IssuerId, Vec<u8>);

#[derive(Debug)]
struct Card {
    address: String,
    answer: Option<Answer>,
    not_after: DateTime<Utc>,
    wanted_until: DateTime<Utc>,
    next_attempt: DateTime<Utc>,
}

#[derive(Debug, Clone, Default)]
struct Responder {
    last_success: Option<DateTime<Utc>>,
    rests_until: DateTime<Utc>,
    failures: u32,
    last_error: Option<String>,
}

/// How one question ended.
#[derive(Debug)]
pub struct Asked {
    /// Where.
    pub address: String,
    /// What was answered; whether that is news.
    pub outcome: Result<(Answer, bool), AskError>,
}

impl Answers {
    /// None yet.
    #[must_use]
    pub fn new(settings: OcspSettings) -> Self {
        Self { settings, known: Mutex::default() }
    }

    /// How OCSP is used.
    #[must_use]
    pub fn settings(&self) -> &OcspSettings {
        &self.settings
    }

    /// Has the certificate at the end of `path` asked about, at once and again while it may have a session. Yields
    /// whether there is anybody to ask.
    ///
    /// # Errors
    /// [`LookUpError`] if the certificate cannot be read.
    pub fn want(&self, path: &VerifiedPath, now: DateTime<Utc>) -> Result<bool, LookUpError> {
        let Some(issuer) = path.issuer().filter(|_| self.settings.enabled) else { return Ok(false) };
        let der = path.leaf.to_der()?;
        let Certificate { serial, responder, not_after } = read_certificate(&der)?;
        let Some(address) = self.settings.address.clone().or(responder) else { return Ok(false) };
        let key = (issuer_id(issuer)?, serial);
        let wanted_until = now + WANTED;
        let mut known = self.known();
        if let Some(card) = known.cards.get_mut(&key) {
            card.wanted_until = wanted_until;
            return Ok(true);
        }
        if known.cards.len() >= MOST_CARDS && !known.forget_some(now) {
            return Ok(false);
        }
        let fingerprint = sha256(&der);
        known.issuers.entry(key.0).or_insert_with(|| issuer.clone());
        known.fingerprints.insert(fingerprint, key.clone());
        known.cards.insert(key, Card { address, answer: None, not_after, wanted_until, next_attempt: now });
        Ok(true)
    }

    /// As [`want`](Self::want), for a card of which only the SHA-256 of its certificate is at hand: a workstation says
    /// which cards are in its readers. Yields whether it was shown here before, and so is known.
    pub fn want_known(&self, fingerprint: &[u8; 32], now: DateTime<Utc>) -> bool {
        let mut known = self.known();
        let Some(key) = known.fingerprints.get(fingerprint).cloned() else { return false };
        known.cards.get_mut(&key).is_some_and(|card| {
            card.wanted_until = now + WANTED;
            true
        })
    }

    /// What was answered about the certificate at the end of `path`, in its time or not.
    ///
    /// # Errors
    /// [`LookUpError`] if the certificate cannot be read.
    pub fn of(&self, path: &VerifiedPath) -> Result<Option<Answer>, LookUpError> {
        let Some(issuer) = path.issuer() else { return Ok(None) };
        let serial = read_certificate(&path.leaf.to_der()?)?.serial;
        Ok(self.known().answer(&(issuer_id(issuer)?, serial)))
    }

    /// What was answered about the certificate with this serial number (big-endian, without sign) of this authority.
    #[must_use]
    pub fn of_serial(&self, issuer: &IssuerId, serial: &[u8]) -> Option<Answer> {
        let known = self.known();
        let answer = |serial: Vec<u8>| known.answer(&(*issuer, serial));
        answer(serial.to_vec()).or_else(|| answer([&[0], serial].concat()))
    }

    /// Asks about every card that is due, some at a time, and keeps the answers that can be believed. `revoked` says
    /// whether a list revokes a certificate: a responder's own is looked up with it.
    pub async fn run(
        &self,
        egress: &Egress,
        revoked: &(dyn Fn(&IssuerId, &[u8]) -> bool + Sync),
        now: DateTime<Utc>,
    ) -> Vec<Asked> {
        let questions = self.due(now).into_iter().map(async |(key, question, address)| {
            let outcome = self.ask(egress, &question, &address, revoked, now).await;
            let outcome = self.note(&key, &address, outcome, now);
            Asked { address, outcome }
        });
        futures_util::future::join_all(questions).await
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`AskError`]: why there is no answer that can be believed.
    pub async fn ask(
        &self,
        egress: &Egress,
        question: &Question,
        address: &str,
        revoked: &(dyn Fn(&IssuerId, &[u8]) -> bool + Sync),
        now: DateTime<Utc>,
    ) -> Result<Answer, AskError> {
        let answer = egress.post_signed(address, CONTENT_TYPE, question.to_der(), LARGEST, WITHIN).await?;
        if !answer.status.is_success() {
            return Err(AskError::HttpStatus(answer.status.as_u16()));
        }
        let revoked = |serial: &[u8]| revoked(&question.issuer_id, serial);
        Ok(response::read(&answer.body, question, self.settings.max_age, &revoked, now)?)
    }

    /// How many cards are remembered, and how each responder does.
    #[must_use]
    pub fn status(&self) -> (usize, Vec<ResponderStatus>) {
        let known = self.known();
        let describe = |(address, responder): (&String, &Responder)| ResponderStatus {
            address: address.clone(),
            last_success: responder.last_success,
            failures: responder.failures,
            last_error: responder.last_error.clone(),
        };
        (known.cards.len(), known.responders.iter().map(describe).collect())
    }

    /// What is to be asked now, some at a time.
    fn due(&self, now: DateTime<Utc>) -> Vec<(Key, Question, String)> {
        let known = self.known();
        let rests = |address: &str| {
            known.responders.get(address).is_some_and(|responder| responder.rests_until > now)
        };
        let is_due =
            |card: &Card| card.wanted_until > now && card.next_attempt <= now && !rests(&card.address);
        let mut due: Vec<_> = known.cards.iter().filter(|(_, card)| is_due(card)).collect();
        // Whoever has waited longest: a few cards that get no answer must not keep the others from theirs.
        due.sort_by_key(|(_, card)| card.next_attempt);
        let due = due.into_iter().take(AT_ONCE);
        due.filter_map(|(key, card)| {
            let question = Question::new(known.issuers.get(&key.0)?, &key.1).ok()?;
            Some((key.clone(), question, card.address.clone()))
        })
        .collect()
    }

    fn note(
        &self,
        key: &Key,
        address: &str,
        outcome: Result<Answer, AskError>,
        now: DateTime<Utc>,
    ) -> Result<(Answer, bool), AskError> {
        let mut known = self.known();
        let current = known.answer(key);
        // What was true once is played back by whoever wants a revoked card to pass.
        let outcome = match (outcome, current) {
            (Ok(new), Some(current)) if new.this_update < current.this_update => {
                Err(AskError::Older { new: new.this_update, current: current.this_update })
            }
            (outcome, _) => outcome,
        };
        let responder = known.responders.entry(address.to_owned()).or_default();
        match &outcome {
            Ok(_) => *responder = Responder { last_success: Some(now), ..Responder::default() },
            Err(error) => {
                responder.failures = responder.failures.saturating_add(1);
                responder.rests_until = now + rest(responder.failures);
                responder.last_error = Some(format!("{error} ({})", error.code()));
            }
        }
        let card = known.cards.get_mut(key);
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                if let Some(card) = card {
                    // Behind those that wait.
                    card.next_attempt = now;
                }
                return Err(error);
            }
        };
        let Some(card) = card else { return Ok((answer, false)) };
        let early = answer.until - (answer.until - answer.this_update) / 10;
        card.next_attempt = early.min(now + LONGEST_PAUSE).max(now + SHORTEST_PAUSE);
        let counts = current.map_or(answer, |current| kept::weightier(current, answer));
        card.answer = Some(counts);
        Ok((answer, current.map(|current| current.status) != Some(counts.status)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What counts of what was answered here and of what the database has.
    fn answer(&self, key: &Key) -> Option<Answer> {
        let answered = self.cards.get(key).and_then(|card| card.answer);
        let kept = self.kept.get(key).copied();
        kept.into_iter().chain(answered).reduce(kept::weightier)
    }

    /// Makes room: forgets the cards that nobody has shown for the time of a session. Yields whether that was any.
    fn forget_some(&mut self, now: DateTime<Utc>) -> bool {
        let before = self.cards.len();
        self.cards.retain(|_, card| card.wanted_until > now);
        let cards = &self.cards;
        self.fingerprints.retain(|_, key| cards.contains_key(key));
        self.cards.len() < before
    }
}

fn rest(failures: u32) -> TimeDelta {
    (FIRST_REST * 2_i32.pow(failures.saturating_sub(1).min(10))).min(LONGEST_REST)
}

/// What is asked about.
struct Certificate {
    /// Content of the INTEGER.
    serial: Vec<u8>,
    /// The responder that it names, if it is one we can ask.
    responder: Option<String>,
    not_after: DateTime<Utc>,
}

fn read_certificate(der: &[u8]) -> Result<Certificate, LookUpError> {
    let (_, parsed) =
        X509Certificate::from_der(der).map_err(|error| LookUpError::Unreadable(error.to_string()))?;
    let mut responder = None;
    for extension in parsed.extensions() {
        if let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() {
            let responders = access.iter().filter(|access| access.access_method == ACCESS_METHOD);
            responder = responders
                .filter_map(|access| match access.access_location {
                    GeneralName::URI(address) if fetchable(address) => Some(address.to_owned()),
                    _ => None,
                })
                .next();
        }
    }
    let not_after = parsed.validity().not_after.timestamp();
    let not_after = DateTime::from_timestamp(not_after, 0)
        .ok_or_else(|| LookUpError::Unreadable("an end that is no date".to_owned()))?;
    Ok(Certificate { serial: parsed.raw_serial().to_vec(), responder, not_after })
}

#[cfg(test)]
pub(crate) mod test_responder;
#[cfg(test)]
mod tests;
