//! Revocation: is this card on its authority's list of those that no longer count?
//!
//! A hospital gets from this that a card reported lost stops working here as soon as the list that ANS publishes says
//! so, with no call to the Internet at sign-in. Lists are files in a directory (RFC 5280 §5, full lists only), fetched
//! by whatever the hospital fetches files with; [`CrlSet::refresh`] notices a changed file. Each is read once and
//! indexed. A file that is broken, forged, or older than the list in use is reported and the list in use
//! stays: whoever can disturb a download can at most make the list grow old, and that is an error of its own.

mod list;
mod stream;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::error::ErrorStack;
use openssl::x509::X509;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, ParsedExtension};
use x509_parser::prelude::FromDer;

pub use self::list::ListFault;
use self::list::{IssuerId, RevocationList, Serial, address, issuer_id, serial};
use super::anchors::{Anchors, common_name};
use super::chain::VerifiedPath;

/// A million entries take some 40 MB.
const MAX_FILE: u64 = 512 * 1024 * 1024;
/// How far clocks may differ.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);
/// How long a list without `nextUpdate` counts. RFC 5280 §5.1.2.5 asks for one, so this is for others.
const DEFAULT_LIFE: TimeDelta = TimeDelta::days(7);

/// What to do when the lists do not allow an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationPolicy {
    /// Refuse a card whose list is missing or too old. `false` accepts it and says so in the evidence.
    pub required: bool,
    /// How long past its `nextUpdate` a list still counts, for when the network is down.
    pub grace: TimeDelta,
}

impl Default for RevocationPolicy {
    fn default() -> Self {
        Self { required: true, grace: TimeDelta::zero() }
    }
}

/// What is known about a certificate that was not refused; for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationEvidence {
    /// A list of this date, in its time, does not name it.
    Good { as_of: DateTime<Utc> },
    /// A list that is past its time does not name it, and the policy accepts that.
    Stale { as_of: DateTime<Utc> },
    /// There is no list, and the policy accepts that.
    Unchecked,
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    #[error("the certificate has been revoked (list of {as_of})")]
    Revoked { as_of: DateTime<Utc> },
    #[error("the authority {0} has been revoked")]
    AuthorityRevoked(String),
    #[error("no revocation list of {0} is installed")]
    Missing(String),
    #[error("the revocation list of {issuer} should have been replaced on {expired}")]
    TooOld { issuer: String, expired: DateTime<Utc> },
    #[error("the certificate cannot be compared with the list: {0}")]
    Unreadable(String),
}

impl CrlError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "CERT-001",
            Self::AuthorityRevoked(_) => "CERT-004",
            Self::Revoked { .. } => "CERT-005",
            Self::Missing(_) => "CERT-010",
            Self::TooOld { .. } => "CERT-011",
        }
    }
}

impl From<ErrorStack> for CrlError {
    fn from(error: ErrorStack) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// One file of the directory, as `sceau check` and `doctor` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlStatus {
    pub path: PathBuf,
    /// The list in use from this file, if there is one.
    pub list: Option<ListStatus>,
    /// What is wrong with the file as it stands now (code `CERT-012`).
    pub fault: Option<String>,
}

/// A list in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStatus {
    pub issuer: String,
    pub this_update: DateTime<Utc>,
    pub next_update: Option<DateTime<Utc>>,
    pub entries: usize,
}

/// The lists of a directory. Asked from many threads; [`CrlSet::refresh`] belongs into a job.
#[derive(Debug)]
pub struct CrlSet {
    dir: PathBuf,
    authorities: Vec<X509>,
    known: Vec<Known>,
    files: RwLock<Arc<BTreeMap<PathBuf, FileState>>>,
    refreshing: Mutex<()>,
}

#[derive(Debug, Clone)]
struct FileState {
    stamp: Stamp,
    list: Option<Arc<RevocationList>>,
    fault: Option<String>,
}

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl CrlSet {
    /// Reads every `.crl` file of `dir` (DER or PEM). A directory that is missing is an empty one: what follows from
    /// that is the policy's to say.
    #[must_use]
    pub fn load(dir: &Path, anchors: &Anchors, now: DateTime<Utc>) -> Self {
        let authorities: Vec<X509> = anchors.roots.iter().chain(&anchors.intermediates).cloned().collect();
        let set = Self {
            dir: dir.to_owned(),
            known: authorities.iter().filter_map(|authority| Known::of(authority).ok()).collect(),
            authorities,
            files: RwLock::default(),
            refreshing: Mutex::default(),
        };
        set.refresh(now);
        set
    }

    /// No lists at all: what follows from that is the policy's to say.
    #[must_use]
    pub fn none() -> Self {
        Self {
            dir: PathBuf::new(),
            known: Vec::new(),
            authorities: Vec::new(),
            files: RwLock::default(),
            refreshing: Mutex::default(),
        }
    }

    /// Reads what has changed since the last time; returns whether anything did. Blocking, some 100 ms per 100 000
    /// new entries.
    pub fn refresh(&self, now: DateTime<Utc>) -> bool {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.snapshot();
        let mut files = BTreeMap::new();
        let mut changed = false;
        for (path, stamp) in crl_files(&self.dir) {
            let before = known.get(&path);
            let state = match before {
                Some(before) if before.stamp == stamp => before.clone(),
                _ => {
                    changed = true;
                    self.read_file(&path, stamp, before.and_then(|state| state.list.clone()), now)
                }
            };
            files.insert(path, state);
        }
        changed |= files.len() != known.len();
        if changed {
            *self.files.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(files);
        }
        changed
    }

    /// What is in use and what is wrong, file by file.
    #[must_use]
    pub fn status(&self) -> Vec<CrlStatus> {
        let describe = |list: &Arc<RevocationList>| ListStatus {
            issuer: list.issuer_name.clone(),
            this_update: list.this_update,
            next_update: list.next_update,
            entries: list.len(),
        };
        self.snapshot()
            .iter()
            .map(|(path, state)| CrlStatus {
                path: path.clone(),
                list: state.list.as_ref().map(describe),
                fault: state.fault.clone(),
            })
            .collect()
    }

    /// Whether the certificate at the end of `path`, or an authority on it, has been revoked.
    ///
    /// The card's own list is asked for as the policy says. For the authorities a list is used where there is one: an
    /// administrator who does not trust one any more removes its file.
    ///
    /// # Errors
    /// [`CrlError`].
    pub fn check(
        &self,
        path: &VerifiedPath,
        policy: &RevocationPolicy,
        now: DateTime<Utc>,
    ) -> Result<RevocationEvidence, CrlError> {
        let files = self.snapshot();
        for pair in path.authorities.windows(2) {
            let [authority, issuer] = pair else { continue };
            let (Some(authority), Some(issuer)) = (self.known(authority)?, self.known(issuer)?) else {
                continue;
            };
            let list = newest(&files, &issuer.id, &authority.subject, true);
            if list.is_some_and(|list| list.contains(&authority.subject.serial)) {
                return Err(CrlError::AuthorityRevoked(authority.name.clone()));
            }
        }
        let Some(issuer) = path.authorities.first() else {
            return Err(CrlError::Unreadable("no issuer".to_owned()));
        };
        let subject = Subject::read(&path.leaf.to_der()?)?;
        let list = self.known(issuer)?.and_then(|issuer| newest(&files, &issuer.id, &subject, false));
        let Some(list) = list else {
            return if policy.required {
                Err(CrlError::Missing(common_name(issuer)))
            } else {
                Ok(RevocationEvidence::Unchecked)
            };
        };
        let as_of = list.this_update;
        if list.contains(&subject.serial) {
            return Err(CrlError::Revoked { as_of });
        }
        let expired = list.next_update.unwrap_or(list.this_update + DEFAULT_LIFE);
        if now <= expired {
            Ok(RevocationEvidence::Good { as_of })
        } else if !policy.required || now <= expired + policy.grace {
            Ok(RevocationEvidence::Stale { as_of })
        } else {
            Err(CrlError::TooOld { issuer: common_name(issuer), expired })
        }
    }

    fn known(&self, authority: &X509) -> Result<Option<&Known>, CrlError> {
        let der = authority.to_der()?;
        Ok(self.known.iter().find(|known| known.der == der))
    }

    fn snapshot(&self) -> Arc<BTreeMap<PathBuf, FileState>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read_file(
        &self,
        path: &Path,
        stamp: Stamp,
        current: Option<Arc<RevocationList>>,
        now: DateTime<Utc>,
    ) -> FileState {
        let read = read_list(path, &self.authorities).and_then(|new| match &current {
            _ if new.this_update > now + CLOCK_SKEW => Err(ListFault::FromTheFuture(new.this_update)),
            Some(current) if current.issuer == new.issuer && new.this_update < current.this_update => {
                Err(ListFault::Older { new: new.this_update, current: current.this_update })
            }
            _ => Ok(new),
        });
        match read {
            Ok(list) => FileState { stamp, list: Some(Arc::new(list)), fault: None },
            Err(fault) => {
                tracing::warn!(code = "CERT-012", path = %path.display(), "revocation list {fault}");
                FileState { stamp, list: current, fault: Some(fault.to_string()) }
            }
        }
    }
}

/// An installed authority, with what a look-up would otherwise work out every time.
#[derive(Debug)]
struct Known {
    der: Vec<u8>,
    name: String,
    id: IssuerId,
    subject: Subject,
}

impl Known {
    fn of(authority: &X509) -> Result<Self, CrlError> {
        let der = authority.to_der()?;
        let subject = Subject::read(&der)?;
        Ok(Self { name: common_name(authority), id: issuer_id(authority)?, subject, der })
    }
}

/// Serial and list addresses of a certificate.
#[derive(Debug)]
struct Subject {
    serial: Serial,
    points: Vec<String>,
}

impl Subject {
    fn read(der: &[u8]) -> Result<Self, CrlError> {
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|error| CrlError::Unreadable(error.to_string()))?;
        let serial = serial(parsed.raw_serial())
            .ok_or_else(|| CrlError::Unreadable("serial longer than 20 bytes".to_owned()))?;
        let mut points = Vec::new();
        for extension in parsed.extensions() {
            if let ParsedExtension::CRLDistributionPoints(list) = extension.parsed_extension() {
                for point in &list.points {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point {
                        points.extend(names.iter().filter_map(address));
                    }
                }
            }
        }
        Ok(Self { serial, points })
    }
}

/// The newest list that this issuer signed and that covers the subject.
fn newest<'a>(
    files: &'a BTreeMap<PathBuf, FileState>,
    issuer: &IssuerId,
    subject: &Subject,
    is_authority: bool,
) -> Option<&'a RevocationList> {
    let covers = |list: &&RevocationList| {
        let scope = &list.scope;
        list.issuer == *issuer
            && !(if is_authority { scope.only_people } else { scope.only_authorities })
            && (scope.points.is_empty() || scope.points.iter().any(|point| subject.points.contains(point)))
    };
    files
        .values()
        .filter_map(|state| state.list.as_deref())
        .filter(covers)
        .max_by_key(|list| list.this_update)
}

fn crl_files(dir: &Path) -> BTreeMap<PathBuf, Stamp> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeMap::new() };
    let is_list = |path: &PathBuf| {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !is_hidden && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("crl"))
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_list)
        .filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            let stamp = Stamp { length: metadata.len(), modified: metadata.modified().ok() };
            Some((path, stamp))
        })
        .collect()
}

fn read_list(path: &Path, authorities: &[X509]) -> Result<RevocationList, ListFault> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE {
        return Err(ListFault::TooLarge(MAX_FILE));
    }
    let mut first = [0];
    file.read_exact(&mut first).map_err(|_| ListFault::Malformed("empty", 0))?;
    file.rewind()?;
    if first == *b"-" {
        let mut pem = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut pem)?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).map_err(|_| ListFault::Malformed("PEM", 0))?;
        let length = pem.contents.len() as u64;
        return RevocationList::read(Cursor::new(pem.contents), length, authorities);
    }
    RevocationList::read(BufReader::with_capacity(256 * 1024, file), length, authorities)
}

#[cfg(test)]
mod tests;
