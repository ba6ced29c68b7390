//! Keeping what is known of revoked cards fresh, and ending what was begun with one.
//!
//! A hospital gets from this that nobody waits for the Internet at sign-in, and that a card reported lost ends its
//! sessions within a minute of the list or answer that says so. Jobs call what is here: lists are fetched, responders
//! asked, and after each change the running sessions are compared with what is known. Only what a verified card or the
//! administrator names is ever called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::login::CardLogin;
use super::verify::{CardRefusal, CardVerifier, Side};
use crate::audit::{Event, Kind};
use crate::clock::Time;
use crate::crypto::egress::Egress;
use crate::crypto::x509::chain::VerifiedPath;
use crate::crypto::x509::crl::IssuerId;
use crate::crypto::x509::crl::fetch::{Fetcher, Outcome, Source, SourceStatus};
use crate::crypto::x509::ocsp::{Answer, Answers, AskError, Asked, KeptAnswer, OcspSettings, Status};
use crate::crypto::x509::revocation;
use crate::ids::SessionId;
use crate::session::{EndReason, Evidence};
use crate::store::audit::NewRow;
use crate::store::session;
use crate::store::{self, StoreError};

/// A serial number that no card has: it is longer than the numbers that are drawn.
const NOBODY: &[u8] = &[0x7F; 19];
/// How many running sessions are looked at in one go.
const BATCH: i64 = 1_000;
/// How often they are looked at after a change: a sign-in that was under way at the first is found at the second.
const TURNS: u8 = 2;

/// Where lists and answers come from.
#[derive(Debug)]
pub struct Sources {
    /// Whether lists are fetched at all.
    pub fetches: bool,
    /// Addresses that the administrator named.
    pub addresses: Vec<String>,
    pub fetcher: Fetcher,
    pub answers: Answers,
}

impl Default for Sources {
    /// Nothing is fetched, and nobody asked.
    fn default() -> Self {
        let ocsp = OcspSettings { enabled: false, ..OcspSettings::default() };
        Self {
            fetches: false,
            addresses: Vec::new(),
            fetcher: Fetcher::new(TimeDelta::hours(1)),
            answers: Answers::new(ocsp),
        }
    }
}

/// What has been done about the lists so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Until which change of them the running sessions have been compared with them, and how often.
    swept: Mutex<Option<(u64, u8)>>,
    /// What the audit says of each file: the date of the list in use, and what is wrong with the file.
    recorded: Mutex<BTreeMap<PathBuf, Recorded>>,
}

type Recorded = (Option<Time>, Option<String>);

impl CardVerifier {
    /// Has a card asked about before its holder has typed the PIN. Call it as soon as a card is known to be inserted:
    /// it only takes a note, which the next turn of the job acts upon.
    ///
    /// # Errors
    /// [`CardRefusal`] for what is no card that could sign in here: nobody is called on behalf of it.
    pub fn prefetch(&self, certificate_der: &[u8], now: Time) -> Result<(), CardRefusal> {
        let (path, _) = self.accept(&self.trust(), certificate_der, Side::Either, now)?;
        self.shown(&path, now);
        Ok(())
    }

    /// As [`prefetch`](Self::prefetch), for a card of which only the SHA-256 of its certificate is at hand. Yields whether
    /// it was shown here before, and so could sign in.
    pub fn prefetch_known(&self, fingerprint: &[u8; 32], now: Time) -> bool {
        self.answers().want_known(fingerprint, now)
    }

    /// Takes a note of a card that was shown: where its list is, and that it is to be asked about.
    pub(super) fn shown(&self, path: &VerifiedPath, now: Time) {
        if self.sources.fetches {
            let named: Result<BTreeSet<Source>, _> = self.trust().lists.sources_of(path);
            self.sources.fetcher.learn(named.unwrap_or_default());
        }
        if let Err(error) = self.answers().want(path, now) {
            tracing::debug!(%error, "a card cannot be asked about");
        }
    }

    /// Fetches the lists that are due, and takes the good ones into use. Yields how each fetch ended.
    pub async fn fetch_lists(&self, egress: &Egress, now: Time) -> Vec<(Source, Outcome)> {
        if !self.sources.fetches || self.crl_dir.is_none() {
            return Vec::new();
        }
        let (trust, fetcher) = (self.trust(), &self.sources.fetcher);
        fetcher.learn(self.named_sources());
        let ended = fetcher.run(egress, &trust.lists, now).await;
        for (source, outcome) in &ended {
            match outcome {
                Outcome::New(list) => {
                    self.changes.fetch_add(1, Ordering::AcqRel);
                    tracing::info!(
                        address = source.address,
                        issuer = list.issuer,
                        this_update = %list.this_update,
                        entries = list.entries,
                        "a new revocation list is in use"
                    );
                }
                Outcome::Unchanged => {}
                Outcome::Failed(error) => {
                    tracing::warn!(code = error.code(), address = source.address, %error, "a revocation list was not fetched");
                }
            }
        }
        ended
    }

    /// Where lists are fetched from, as the administrator, the installed authorities and the lists in use say.
    #[must_use]
    pub fn named_sources(&self) -> Vec<Source> {
        if !self.sources.fetches || self.crl_dir.is_none() {
            return Vec::new();
        }
        let named = self.sources.addresses.iter();
        let mut sources = self.trust().lists.sources();
        // An address that an authority names too is known with who has to sign there.
        sources.extend(
            named
                .filter(|address| !sources.iter().any(|known| known.address == **address))
                .map(|address| Source { address: address.clone(), issuer: None })
                .collect::<Vec<_>>(),
        );
        sources.into_iter().collect()
    }

    /// Asks a responder about a certificate that nobody has, once for each authority that issues cards: whether it
    /// answers at all.
    pub async fn try_responder(
        &self,
        egress: &Egress,
        address: &str,
        now: Time,
    ) -> Vec<(String, Result<Answer, AskError>)> {
        let trust = self.trust();
        let revoked = |issuer: &IssuerId, serial: &[u8]| trust.lists.revokes(issuer, serial);
        let mut tried = Vec::new();
        for (name, question) in trust.anchors.questions(NOBODY) {
            tried.push((name, self.answers().ask(egress, &question, address, &revoked, now).await));
        }
        tried
    }

    /// How the fetching of lists does, address by address.
    #[must_use]
    pub fn list_sources(&self) -> Vec<SourceStatus> {
        self.sources.fetcher.status()
    }

    /// Asks responders about the cards that were shown. Yields how each question ended.
    pub async fn ask_responders(&self, egress: &Egress, now: Time) -> Vec<Asked> {
        let trust = self.trust();
        let revoked = |issuer: &IssuerId, serial: &[u8]| trust.lists.revokes(issuer, serial);
        let asked = self.answers().run(egress, &revoked, now).await;
        for Asked { address, outcome } in &asked {
            match outcome {
                Ok((answer, true)) if matches!(answer.status, Status::Revoked { .. }) => {
                    self.changes.fetch_add(1, Ordering::AcqRel);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(code = error.code(), address, %error, "a responder gave no answer");
                }
            }
        }
        asked
    }

    /// Whether a list or an answer revokes the card with this certificate. Where the issuer was not noted, every
    /// installed authority is meant: serial numbers are drawn at random.
    #[must_use]
    pub fn revokes(&self, issuer: Option<&IssuerId>, serial: &[u8]) -> bool {
        let trust = self.trust();
        let by = |issuer: &IssuerId| revocation::revokes(&trust.lists, self.answers(), issuer, serial);
        issuer.map_or_else(|| trust.lists.issuers().any(by), by)
    }
}

impl CardLogin {
    /// These cards are in the readers of a workstation: those that are known are asked about before their PIN is typed.
    pub(super) fn have_asked_about(&self, fingerprints: &[[u8; 32]], now: Time) {
        if let Some(verifier) = self.verifier() {
            for fingerprint in fingerprints {
                verifier.prefetch_known(fingerprint, now);
            }
        }
    }

    /// The judge of cards, where authorities are installed.
    #[must_use]
    pub fn verifier(&self) -> Option<&CardVerifier> {
        self.parts.verifier.as_deref()
    }

    /// Asks responders about the cards that were shown, and keeps in the database which of them are revoked: for the time
    /// after a restart, and for the other nodes. Yields how each question ended.
    ///
    /// # Errors
    /// Where the database does not answer; the next call keeps what this one could not.
    pub async fn ask_responders(&self, egress: &Egress) -> Result<Vec<Asked>, StoreError> {
        let Some(verifier) = self.verifier() else { return Ok(Vec::new()) };
        let asked = verifier.ask_responders(egress, self.now()).await;
        let unkept = verifier.answers().unkept();
        for answer in &unkept {
            let event = NewRow::from(&self.event_of_answer(answer));
            store::revoked_certificate::keep(&self.parts.db, answer, &event, self.now()).await?;
        }
        if !unkept.is_empty() {
            self.recall_revoked().await?;
        }
        Ok(asked)
    }

    fn event_of_answer(&self, answer: &KeptAnswer) -> Event {
        let what = match answer.status {
            Status::Revoked { on_hold: true } => "on hold",
            Status::Revoked { on_hold: false } => "revoked",
            Status::Good | Status::Unknown => "no longer on hold",
        };
        let note =
            format!("certificate {}: {what} as of {}", hex::encode(&answer.serial), answer.this_update);
        self.parts.trail.event(Kind::CardRevoked).actor("schedule").note(&note)
    }

    /// Learns from the database what responders have told any node, before a restart too.
    ///
    /// # Errors
    /// Where the database does not answer; what is known stays known.
    pub async fn recall_revoked(&self) -> Result<(), StoreError> {
        let Some(verifier) = self.verifier() else { return Ok(()) };
        if verifier.answers().recall(store::revoked_certificate::all(&self.parts.db).await?) {
            verifier.changes.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Records which lists are new, and which files cannot be used, since the last call.
    ///
    /// # Errors
    /// Where the database does not answer; the next call records it.
    pub async fn record_lists(&self) -> Result<(), StoreError> {
        let Some(verifier) = self.verifier() else { return Ok(()) };
        for status in verifier.revocation_lists() {
            let found = (status.list.as_ref().map(|list| list.this_update), status.fault);
            let before = self.recorded().get(&status.path).cloned().unwrap_or_default();
            if found == before {
                continue;
            }
            let event = self.parts.trail.event(Kind::RevocationListRead).actor("schedule");
            let file = status.path.file_name().unwrap_or_default().to_string_lossy();
            let event = match (&found.1, &status.list) {
                (Some(fault), _) => event.note(&format!("{file} {fault}")).failure("CERT-012"),
                (None, Some(list)) => event.note(&format!("{file}: {} of {}", list.issuer, list.this_update)),
                (None, None) => continue,
            };
            store::audit::append(&self.parts.db, &event).await?;
            self.recorded().insert(status.path, found);
        }
        Ok(())
    }

    fn recorded(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Recorded>> {
        self.watch.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the sessions that were begun with a card that has been revoked since, and what was granted to outlive them:
    /// relying parties are told, the audit has an event for each. Looks at the sessions only where lists or answers have changed. Yields how many ended.
    ///
    /// # Errors
    /// Where the database does not answer; the next turn goes on.
    pub async fn end_revoked_sessions(&self) -> Result<usize, StoreError> {
        let Some(verifier) = self.verifier() else { return Ok(0) };
        let changes = verifier.changes.load(Ordering::Acquire);
        let turn = match *self.watch.swept.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((swept, turns)) if swept == changes && turns >= TURNS => return Ok(0),
            Some((swept, turns)) if swept == changes => turns + 1,
            _ => 1,
        };
        let parts = &self.parts;
        let (mut ended, mut after) = (0, None);
        loop {
            let page = session::relied_on(&parts.db, after, BATCH).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let revoked: Vec<(SessionId, NewRow)> = page
                .into_iter()
                .filter(|session| is_revoked(verifier, &session.evidence))
                .map(|session| {
                    let kind = if session.runs { Kind::SessionEnded } else { Kind::TokenRevoked };
                    let event = parts.trail.event(kind).person(session.person_id);
                    let event = event.session(session.id).note(EndReason::CardRevoked.as_str());
                    (session.id, NewRow::from(&event))
                })
                .collect();
            if !revoked.is_empty() {
                let now = self.now();
                ended += session::end_of_revoked_cards(&parts.db, &revoked, now, &*parts.random).await?;
            }
        }
        if ended > 0 {
            tracing::info!(ended, "sessions of revoked cards have ended");
        }
        *self.watch.swept.lock().unwrap_or_else(PoisonError::into_inner) = Some((changes, turn));
        Ok(ended)
    }
}

pub(super) fn is_revoked(verifier: &CardVerifier, evidence: &Evidence) -> bool {
    match evidence {
        // Of the side that was tapped, or of the one that the PIN was typed for.
        Evidence::Badge { serial, issuer, renews, .. } => {
            let issuer = hex::decode(issuer).ok().and_then(|issuer| issuer.try_into().ok());
            hex::decode(serial).is_ok_and(|serial| verifier.revokes(issuer.as_ref(), &serial))
                || is_revoked(verifier, renews)
        }
        Evidence::BadgeAndKey { badge, .. } => is_revoked(verifier, badge),
        Evidence::CardAsked { card } => is_revoked(verifier, card),
        Evidence::Card { serial, issuer, .. } | Evidence::CardCertificate { serial, issuer, .. } => {
            let issuer = issuer.as_ref().and_then(|issuer| hex::decode(issuer).ok()?.try_into().ok());
            hex::decode(serial).is_ok_and(|serial| verifier.revokes(issuer.as_ref(), &serial))
        }
        Evidence::SecurityKey { .. }
        | Evidence::Phone { .. }
        | Evidence::Upstream { .. }
        | Evidence::Sandbox { .. } => false,
    }
}
