//! Fetching revocation lists by HTTP, beside the sign-ins and never for one.
//!
//! What a hospital gets: the lists that its installed authorities, its configuration and the cards that are used name
//! are kept fresh by themselves. A list is asked for again well before its `nextUpdate`, cheaply while it has not
//! changed (`ETag`, `Last-Modified`), and after a failure less and less often. Size and time are bounded. What arrives
//! is verified before it takes the place of anything, and stands on the disk before it counts, so that a restart has it.
//! LDAP addresses are never called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{CrlSet, IssuerId, ListFault, ListStatus};
use crate::crypto::digest::sha256;
use crate::crypto::egress::{Egress, EgressError, Wanted};

/// A million entries have some fifty megabytes. Entries are kept while they are read, and the signature behind them says
/// only then whether they count: so this also bounds what a forged list costs.
const LARGEST: u64 = 128 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(120);
const PROBE_WITHIN: Duration = Duration::from_secs(10);
/// After the first failure; then twice as long after each, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);
/// No address is asked more often, whatever its list says.
const SHORTEST_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// Addresses that are remembered. A hospital has three or four.
const MOST_SOURCES: usize = 32;

/// Where a list is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// `http` or `https`.
    pub address: String,
    /// Who has to have signed it; `None`: any installed authority.
    pub issuer: Option<IssuerId>,
}

impl Source {
    /// Whether the address answers, without fetching what it has: for `sceau doctor`. Yields the other side's clock,
    /// as its `Date` says it.
    ///
    /// # Errors
    /// [`FetchError`]: why not.
    pub async fn probe(&self, egress: &Egress) -> Result<Option<String>, FetchError> {
        const ENOUGH: u64 = 64 * 1024;
        // Who knows conditional requests sends nothing; of the others the beginning is enough.
        let modified = Some("Fri, 31 Dec 9999 23:59:59 GMT");
        let wanted =
            Wanted { address: &self.address, etag: None, modified, limit: ENOUGH, within: PROBE_WITHIN };
        match egress.download_signed(&wanted, &mut tokio::io::sink()).await {
            Ok(fetched) if matches!(fetched.status, StatusCode::OK | StatusCode::NOT_MODIFIED) => {
                Ok(fetched.date)
            }
            Ok(fetched) => Err(FetchError::Status(fetched.status.as_u16())),
            Err(EgressError::TooLong(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a list was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("what was fetched {0}")]
    List(#[from] ListFault),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the list was not taken into use: {0}")]
    Interrupted(String),
}

impl FetchError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Egress(error) => error.code(),
            Self::Status(_) | Self::File { .. } | Self::Interrupted(_) => "CERT-020",
            Self::List(_) => "CERT-012",
        }
    }
}

/// How a fetch ended.
#[derive(Debug)]
pub enum Outcome {
    /// A new list is in use.
    New(ListStatus),
    /// The one at hand is the newest.
    Unchanged,
    Failed(FetchError),
}

/// One address, as `sceau doctor` and the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    pub address: String,
    pub last_success: Option<DateTime<Utc>>,
    pub failures: u32,
    pub last_error: Option<String>,
    pub next_attempt: DateTime<Utc>,
}

/// Remembers, for each address, what is at hand and when it is asked again.
#[derive(Debug)]
pub struct Fetcher {
    /// How long after a success an address is asked again at the latest.
    every: TimeDelta,
    /// By address, so that each has one file and one fetch at a time.
    states: Mutex<BTreeMap<String, State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// See [`Source::issuer`].
    issuer: Option<IssuerId>,
    last_success: Option<DateTime<Utc>>,
    next_attempt: DateTime<Utc>,
    failures: u32,
    last_error: Option<String>,
}

/// What the server said of the list at hand; stands beside it, so that a restart does not fetch it again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Version {
    etag: Option<String>,
    modified: Option<String>,
    /// SHA-256 of the address: the file name holds only its beginning.
    address: String,
}

impl Fetcher {
    /// Asks each address again after `every` at the latest.
    #[must_use]
    pub fn new(every: TimeDelta) -> Self {
        Self { every, states: Mutex::default() }
    }

    /// Adds addresses to those that are asked. Beyond a few dozen no more are taken, so that nobody fills the memory by
    /// signing in with cards that name ever new ones. Who has to sign what an address has is learnt once.
    pub fn learn(&self, sources: impl IntoIterator<Item = Source>) {
        let mut states = self.states();
        for Source { address, issuer } in sources {
            if states.len() < MOST_SOURCES || states.contains_key(&address) {
                let state = states.entry(address).or_default();
                state.issuer = state.issuer.or(issuer);
            }
        }
    }

    /// Fetches every list that is due, at once, and takes the good ones into use in `lists`. Yields how each ended.
    pub async fn run(
        &self,
        egress: &Egress,
        lists: &Arc<CrlSet>,
        now: DateTime<Utc>,
    ) -> Vec<(Source, Outcome)> {
        let source =
            |(address, state): (&String, &State)| Source { address: address.clone(), issuer: state.issuer };
        let is_due = |state: &State| state.next_attempt <= now;
        let due: Vec<Source> = self.states().iter().filter(|(_, state)| is_due(state)).map(source).collect();
        let fetches = due.into_iter().map(async |source| {
            let outcome = fetch(egress, lists, &source, now).await.unwrap_or_else(Outcome::Failed);
            self.note(&source, &outcome, lists, now);
            (source, outcome)
        });
        futures_util::future::join_all(fetches).await
    }

    /// Each address and how it does.
    #[must_use]
    pub fn status(&self) -> Vec<SourceStatus> {
        let describe = |(address, state): (&String, &State)| SourceStatus {
            address: address.clone(),
            last_success: state.last_success,
            failures: state.failures,
            last_error: state.last_error.clone(),
            next_attempt: state.next_attempt,
        };
        self.states().iter().map(describe).collect()
    }

    fn note(&self, source: &Source, outcome: &Outcome, lists: &CrlSet, now: DateTime<Utc>) {
        let path = lists.dir().join(file_name(&source.address));
        let list =
            || lists.status().into_iter().find(|status| status.path == path).and_then(|status| status.list);
        let mut states = self.states();
        let Some(state) = states.get_mut(&source.address) else { return };
        match outcome {
            Outcome::Failed(error) => {
                state.failures = state.failures.saturating_add(1);
                state.last_error = Some(format!("{error} ({})", error.code()));
                state.next_attempt = now + pause(state.failures);
            }
            Outcome::New(_) | Outcome::Unchanged => {
                *state = State {
                    issuer: state.issuer,
                    last_success: Some(now),
                    next_attempt: next_attempt(list().as_ref(), self.every, now),
                    ..State::default()
                };
            }
        }
    }

    fn states(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> TimeDelta {
    let doubled = failures.saturating_sub(1).min(10);
    (FIRST_PAUSE * 2_i32.pow(doubled)).min(LONGEST_PAUSE)
}

/// After `every`, or a tenth of the list's life before its end, whichever comes first.
fn next_attempt(list: Option<&ListStatus>, every: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    let early = list.map(|list| list.until - (list.until - list.this_update) / 10);
    let latest = now + every;
    early.map_or(latest, |early| early.min(latest)).max(now + SHORTEST_PAUSE)
}

/// The file of an address: what a person recognises, and enough of a digest that two addresses never share one.
fn file_name(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let stem = last.strip_suffix(".crl").unwrap_or(last);
    let readable: String =
        stem.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
    let digest = hex::encode(sha256(address.as_bytes()));
    format!("fetched-{readable}-{}.crl", digest.get(..12).unwrap_or_default())
}

async fn fetch(
    egress: &Egress,
    lists: &Arc<CrlSet>,
    source: &Source,
    now: DateTime<Utc>,
) -> Result<Outcome, FetchError> {
    let name = file_name(&source.address);
    let dir = lists.dir().to_owned();
    let (place, partial) = (dir.join(&name), dir.join(format!(".{name}.partial")));
    let beside = dir.join(format!(".{name}.json"));
    let before =
        lists.status().into_iter().find(|status| status.path == place).and_then(|status| status.list);
    let at_hand = match &before {
        Some(_) => version(&beside, &source.address).await,
        None => Version::default(),
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchError::File { path, source }
    };
    tokio::fs::create_dir_all(&dir).await.map_err(failed(&dir))?;
    let mut file = tokio::fs::File::create(&partial).await.map_err(failed(&partial))?;
    let wanted = Wanted {
        address: &source.address,
        etag: at_hand.etag.as_deref(),
        modified: at_hand.modified.as_deref(),
        limit: LARGEST,
        within: WITHIN,
    };
    let outcome = async {
        let fetched = egress.download_signed(&wanted, &mut file).await?;
        match fetched.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if at_hand.is_known() => return Ok(Outcome::Unchanged),
            status => return Err(FetchError::Status(status.as_u16())),
        }
        drop(file);
        let (set, issuer, path) = (Arc::clone(lists), source.issuer, partial.clone());
        let adopted =
            tokio::task::spawn_blocking(move || set.adopt(&path, &name, issuer.as_ref(), now)).await;
        let list = adopted.map_err(|error| FetchError::Interrupted(error.to_string()))??;
        let version = Version {
            etag: fetched.etag,
            modified: fetched.modified,
            address: hex::encode(sha256(source.address.as_bytes())),
        };
        // Without it the next start fetches once more than needed.
        if let Ok(json) = serde_json::to_vec(&version) {
            tokio::fs::write(&beside, json).await.map_err(failed(&beside))?;
        }
        // Not every server knows conditional requests.
        let is_known = before.is_some_and(|before| before.this_update == list.this_update);
        Ok(if is_known { Outcome::Unchanged } else { Outcome::New(list) })
    }
    .await;
    // Gone where it was adopted.
    let _left = tokio::fs::remove_file(&partial).await;
    outcome
}

/// What the server said of the list at hand.
async fn version(beside: &Path, address: &str) -> Version {
    let json = tokio::fs::read(beside).await.unwrap_or_default();
    let version: Version = serde_json::from_slice(&json).unwrap_or_default();
    let is_its_own = version.address == hex::encode(sha256(address.as_bytes()));
    if is_its_own { version } else { Version::default() }
}

impl Version {
    fn is_known(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
