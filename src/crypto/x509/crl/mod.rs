//! Revocation lists: is this certificate on its authority's list of those that no longer count?
//!
//! A hospital gets from this that a card reported lost stops working here as soon as the list that ANS publishes says
//! so, with no call to the Internet at sign-in. Lists are files in a directory (RFC 5280 §5), put there by [`fetch`] or
//! by whatever the hospital fetches files with; [`CrlSet::refresh`] notices a changed file. Each is read once and
//! indexed by serial number. A delta list counts together with the full list that it changes. A file that is broken,
//! forged, or older than the list in use is reported and the list in use stays: whoever can disturb a download can at
//! most make the list grow old, and what follows from that is [`super::revocation`]'s to say.

mod extensions;
pub mod fetch;
mod list;
mod points;
mod stream;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::error::ErrorStack;
use openssl::x509::X509;

use self::extensions::Scope;
use self::fetch::Source;
pub use self::list::{IssuerId, ListFault, issuer_id};
use self::list::{RevocationList, Serial, serial};
pub use self::points::fetchable;
use self::subject::{Known, Subject};
use super::anchors::Anchors;
use super::chain::VerifiedPath;

/// A million entries take some 40 MB.
const MAX_FILE: u64 = 512 * 1024 * 1024;
/// How far clocks may differ.
pub(super) const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why the lists have no answer.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    #[error("the certificate cannot be compared with the list: {0}")]
    Unreadable(String),
}

impl From<ErrorStack> for LookUpError {
    fn from(error: ErrorStack) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// What the lists say of a certificate whose path is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// No list of its authority is there that covers it.
    NoList,
    /// A list names it.
    Revoked { as_of: DateTime<Utc> },
    /// A list names an authority on its path: the common name.
    AuthorityRevoked(String),
    /// The list of this date does not name it; it should be replaced at `until`.
    Good { as_of: DateTime<Utc>, until: DateTime<Utc> },
}

/// One file of the directory, as `sceau check` and `sceau doctor` show it.
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
    /// When it should be replaced: its `nextUpdate`, or a week after `this_update`.
    pub until: DateTime<Utc>,
    pub entries: usize,
    /// It holds only what has changed since a full list.
    pub is_delta: bool,
}

impl From<&RevocationList> for ListStatus {
    fn from(list: &RevocationList) -> Self {
        Self {
            issuer: list.issuer_name.clone(),
            this_update: list.this_update,
            until: list.until(),
            entries: list.len(),
            is_delta: list.is_delta(),
        }
    }
}

/// The lists that decide: of each authority the newest, and the newest of the changes made to it since. Older files may lie
/// beside them.
#[must_use]
pub fn deciding(files: Vec<CrlStatus>) -> Vec<ListStatus> {
    let mut lists: Vec<_> = files.into_iter().filter_map(|file| file.list).collect();
    lists.sort_by_key(|list| std::cmp::Reverse(list.this_update));
    let mut deciding: Vec<ListStatus> = Vec::new();
    for list in lists {
        // A change counts only on top of an older list.
        let decided = |other: &ListStatus| {
            other.issuer == list.issuer && (other.is_delta == list.is_delta || !other.is_delta)
        };
        if !deciding.iter().any(decided) {
            deciding.push(list);
        }
    }
    deciding
}

/// Reads a whole list, DER, signed by one of `authorities`: what [`CrlSet`] does with a file, for bytes at hand.
///
/// # Errors
/// [`ListFault`]; the bytes may be anything.
pub fn inspect(der: &[u8], authorities: &[X509]) -> Result<ListStatus, ListFault> {
    let list = RevocationList::read(der, der.len() as u64, authorities)?;
    Ok(ListStatus::from(&list))
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

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }
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

    /// Takes a fetched list into use: reads `partial`, a file beside the lists, and only if it is a good one and not
    /// older than what is there, gives it the name `name`. Blocking. The file is read once; a restart finds it.
    ///
    /// # Errors
    /// [`ListFault`]; what was in use stays in use, and `partial` is left for the caller to remove.
    pub fn adopt(
        &self,
        partial: &Path,
        name: &str,
        expected: Option<&IssuerId>,
        now: DateTime<Utc>,
    ) -> Result<ListStatus, ListFault> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(name);
        let files = self.snapshot();
        let current = files.get(&path).and_then(|state| state.list.clone());
        let list = self.read_newer(partial, current.as_deref(), now)?;
        if let Some(expected) = expected.filter(|expected| **expected != list.issuer) {
            let known = self.known.iter().find(|known| known.id == *expected);
            let current = known.map_or_else(|| "another".to_owned(), |known| known.name.clone());
            return Err(ListFault::OtherIssuer { new: list.issuer_name, current });
        }
        // Fetched over plain HTTP: whoever stands in between could serve a genuine delta list, or one of another scope, in
        // the place of the full list, and so take the full list away.
        if current.is_some_and(|current| !current.may_be_replaced_by(&list)) {
            return Err(ListFault::OtherKind);
        }
        fs::File::open(partial)?.sync_all()?;
        fs::rename(partial, &path)?;
        fs::File::open(&self.dir)?.sync_all()?;
        let status = ListStatus::from(&list);
        let state = FileState { stamp: Stamp::of(&path)?, list: Some(Arc::new(list)), fault: None };
        let mut files = (*files).clone();
        files.insert(path, state);
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(files);
        Ok(status)
    }

    /// Where lists are kept.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is in use and what is wrong, file by file.
    #[must_use]
    pub fn status(&self) -> Vec<CrlStatus> {
        self.snapshot()
            .iter()
            .map(|(path, state)| CrlStatus {
                path: path.clone(),
                list: state.list.as_deref().map(ListStatus::from),
                fault: state.fault.clone(),
            })
            .collect()
    }

    /// Where the installed authorities, and the lists in use, say that lists are published: HTTP addresses only, each
    /// with the authority that has to have signed what is found there.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<Source> {
        let mut sources = BTreeSet::new();
        for authority in &self.authorities {
            let Ok(Some(known)) = self.known(authority) else { continue };
            let issuer = self.issuer_of(authority).map(|issuer| issuer.id);
            for address in known.subject.addresses().filter(|address| fetchable(address)) {
                sources.insert(Source { address, issuer });
            }
        }
        for list in self.snapshot().values().filter_map(|state| state.list.as_deref()) {
            for address in list.extensions.freshest.iter().filter(|address| fetchable(address)) {
                sources.insert(Source { address: address.clone(), issuer: Some(list.issuer) });
            }
        }
        sources
    }

    /// The addresses at which the certificate at the end of `path` says that its list is published.
    ///
    /// # Errors
    /// [`LookUpError`] if it cannot be read.
    pub fn sources_of(&self, path: &VerifiedPath) -> Result<BTreeSet<Source>, LookUpError> {
        let issuer = path.issuer().map(issuer_id).transpose()?;
        let subject = Subject::read(&path.leaf.to_der()?)?;
        let addresses = subject.addresses().filter(|address| fetchable(address));
        Ok(addresses.map(|address| Source { address, issuer }).collect())
    }

    /// What the lists say of the certificate at the end of `path`, and of the authorities on it.
    ///
    /// For the authorities a list is used where there is one: an administrator who does not trust one any more removes
    /// its file.
    ///
    /// # Errors
    /// [`LookUpError`] if the certificate cannot be read.
    pub fn look_up(&self, path: &VerifiedPath) -> Result<Listed, LookUpError> {
        let files = self.snapshot();
        for pair in path.authorities.windows(2) {
            let [authority, issuer] = pair else { continue };
            let (Some(authority), Some(issuer)) = (self.known(authority)?, self.known(issuer)?) else {
                continue;
            };
            if let Listed::Revoked { .. } = answer(&files, &issuer.id, &authority.subject, true) {
                return Ok(Listed::AuthorityRevoked(authority.name.clone()));
            }
        }
        let Some(issuer) = path.issuer() else {
            return Err(LookUpError::Unreadable("no issuer".to_owned()));
        };
        let subject = Subject::read(&path.leaf.to_der()?)?;
        let issuer = self.known(issuer)?;
        Ok(issuer.map_or(Listed::NoList, |issuer| answer(&files, &issuer.id, &subject, false)))
    }

    /// Whether any list in use revokes the certificate with this serial number (big-endian, without sign) of this
    /// authority, or the authority itself: for what was accepted before the list came.
    #[must_use]
    pub fn revokes(&self, issuer: &IssuerId, serial_number: &[u8]) -> bool {
        let files = self.snapshot();
        let of_authority = |known: &&Known| known.id == *issuer;
        let authority_is_revoked = self.known.iter().filter(of_authority).any(|known| {
            let above = self.known.iter().find(|above| above.subject_name == known.issuer_name);
            above.is_some_and(|above| {
                matches!(answer(&files, &above.id, &known.subject, true), Listed::Revoked { .. })
            })
        });
        let significant = serial_number.iter().copied().skip_while(|byte| *byte == 0);
        let positive: Vec<u8> = std::iter::once(0).chain(significant).collect();
        let Some(serial) = serial(&positive) else { return authority_is_revoked };
        let of_issuer = |list: &&RevocationList| list.issuer == *issuer;
        let lists = || files.values().filter_map(|state| state.list.as_deref()).filter(of_issuer);
        let names = |scope: &Scope| {
            let current = Current::of(lists().filter(|list| list.scope() == scope));
            current.is_some_and(|current| current.names(&serial))
        };
        authority_is_revoked || lists().filter(|list| !list.is_delta()).any(|list| names(list.scope()))
    }

    /// As of when the lists of this authority speak of people; the oldest, where it has several for parts of them.
    #[must_use]
    pub fn as_of(&self, issuer: &IssuerId) -> Option<DateTime<Utc>> {
        let files = self.snapshot();
        let of_people = |list: &&RevocationList| list.issuer == *issuer && !list.scope().only_authorities;
        let lists = || files.values().filter_map(|state| state.list.as_deref()).filter(of_people);
        let full = lists().filter(|list| !list.is_delta());
        full.filter_map(|one| Current::of(lists().filter(|list| list.scope() == one.scope())))
            .map(|current| current.as_of())
            .min()
    }

    /// The installed authorities.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerId> {
        self.known.iter().map(|known| &known.id)
    }

    fn known(&self, authority: &X509) -> Result<Option<&Known>, ErrorStack> {
        let der = authority.to_der()?;
        Ok(self.known.iter().find(|known| known.der == der))
    }

    /// The installed authority that signed this one.
    fn issuer_of(&self, authority: &X509) -> Option<&Known> {
        let signed = |candidate: &&X509| {
            let is_named = candidate.subject_name().try_cmp(authority.issuer_name());
            is_named.is_ok_and(std::cmp::Ordering::is_eq)
                && candidate.public_key().is_ok_and(|key| authority.verify(&key).unwrap_or(false))
        };
        self.known(self.authorities.iter().find(signed)?).ok()?
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
        match self.read_newer(path, current.as_deref(), now) {
            Ok(list) => FileState { stamp, list: Some(Arc::new(list)), fault: None },
            Err(fault) => {
                tracing::warn!(code = "CERT-012", path = %path.display(), "revocation list {fault}");
                FileState { stamp, list: current, fault: Some(fault.to_string()) }
            }
        }
    }

    /// The list in a file, unless what is in use is better.
    fn read_newer(
        &self,
        path: &Path,
        current: Option<&RevocationList>,
        now: DateTime<Utc>,
    ) -> Result<RevocationList, ListFault> {
        let new = read_list(path, &self.authorities)?;
        match current {
            _ if new.this_update > now + CLOCK_SKEW => Err(ListFault::FromTheFuture(new.this_update)),
            Some(current) if current.issuer == new.issuer && new.this_update < current.this_update => {
                Err(ListFault::Older { new: new.this_update, current: current.this_update })
            }
            _ => Ok(new),
        }
    }
}

/// What the lists of this issuer that cover the subject say of it.
fn answer(
    files: &BTreeMap<PathBuf, FileState>,
    issuer: &IssuerId,
    subject: &Subject,
    is_authority: bool,
) -> Listed {
    let covers = |list: &&RevocationList| {
        let scope = list.scope();
        list.issuer == *issuer
            && !(if is_authority { scope.only_people } else { scope.only_authorities })
            && (scope.points.is_empty() || scope.points.iter().any(|point| subject.points.contains(point)))
    };
    let lists = files.values().filter_map(|state| state.list.as_deref()).filter(covers);
    match Current::of(lists) {
        None => Listed::NoList,
        Some(current) if current.names(&subject.serial) => Listed::Revoked { as_of: current.as_of() },
        Some(current) => Listed::Good { as_of: current.as_of(), until: current.until() },
    }
}

/// The newest full list, together with the newest delta list that changes it (RFC 5280 §6.3.3).
struct Current<'a> {
    full: &'a RevocationList,
    delta: Option<&'a RevocationList>,
}

impl<'a> Current<'a> {
    fn of(lists: impl Iterator<Item = &'a RevocationList>) -> Option<Self> {
        let (deltas, full): (Vec<_>, Vec<_>) = lists.partition(|list| list.is_delta());
        let full = full.into_iter().max_by_key(|list| list.this_update)?;
        let changes = deltas.into_iter().filter(|delta| delta.updates(full));
        Some(Self { full, delta: changes.max_by_key(|delta| delta.extensions.number) })
    }

    fn names(&self, serial: &Serial) -> bool {
        self.delta.is_some_and(|delta| delta.contains(serial))
            || self.full.contains(serial) && !self.delta.is_some_and(|delta| delta.removes(serial))
    }

    fn as_of(&self) -> DateTime<Utc> {
        let full = self.full.this_update;
        self.delta.map_or(full, |delta| delta.this_update.max(full))
    }

    fn until(&self) -> DateTime<Utc> {
        let full = self.full.until();
        self.delta.map_or(full, |delta| delta.until().max(full))
    }
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
        .filter_map(|path| Stamp::of(&path).ok().map(|stamp| (path, stamp)))
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
