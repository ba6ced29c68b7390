//! What is known of the models of security keys: who makes them, and what the metadata says of them.
//!
//! The database keeps the metadata, so that it counts without a network and on every node; a job looks for a newer one in
//! the file or at the address that the configuration names, and reads what another node has found.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use http::StatusCode;
use uuid::Uuid;

use super::attestation::{Makers, MakersError, Unproven};
use super::metadata::{LARGEST, Listed, Metadata, MetadataError, Publisher};
use super::policy::Seen;
use crate::clock::Time;
use crate::crypto::egress::{Egress, Wanted};
use crate::store::fido_metadata::{self, Kept};
use crate::store::means::Kind;
use crate::store::webauthn_credential::SecurityKey;
use crate::store::{Db, StoreError};

/// A model that was broken should be known within a day.
const EVERY: TimeDelta = TimeDelta::days(1);
/// After a failure.
const PAUSE: TimeDelta = TimeDelta::hours(1);
/// From the beginning of the connection to the last byte.
const WITHIN: Duration = Duration::from_secs(120);

/// Where the metadata comes from.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file, that somebody else replaces.
    File(PathBuf),
    /// An address.
    Address(String),
}

/// The metadata that is to be had.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where from.
    pub place: Place,
    /// Who has to have signed it.
    pub publisher: Publisher,
    /// Whether a key is refused while the metadata is missing or too old.
    pub refuses_stale: bool,
}

/// Why what is known of models could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The document.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The makers.
    #[error(transparent)]
    Makers(#[from] MakersError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RefreshError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Metadata(error) => error.code(),
            Self::Makers(_) => "CONF-028",
            Self::Store(error) => error.code(),
        }
    }
}

/// What was looked at last.
#[derive(Debug, Default)]
struct Looked {
    /// The file, as it was.
    file: Option<(SystemTime, u64)>,
    /// When the address is due.
    due: Option<Time>,
}

/// What is known of models. Shared by all threads.
#[derive(Debug, Default)]
pub struct Models {
    dir: Option<PathBuf>,
    makers: RwLock<Arc<Makers>>,
    source: Option<Source>,
    metadata: RwLock<Option<Arc<Metadata>>>,
    looked: Mutex<Looked>,
}

impl Models {
    /// With the makers in `dir`, and the metadata of `source` as soon as it is [read](Self::recall).
    ///
    /// # Errors
    /// [`MakersError`], where no maker in `dir` can be used.
    pub fn open(dir: Option<PathBuf>, source: Option<Source>) -> Result<Arc<Self>, MakersError> {
        let models = Self { dir, source, ..Self::default() };
        models.reload()?;
        for fault in models.makers().faults() {
            tracing::warn!(code = "CONF-028", "attestation authority not used: {fault}");
        }
        Ok(Arc::new(models))
    }

    /// With these makers.
    #[cfg(test)]
    pub(crate) fn of(makers: Makers, source: Option<Source>) -> Arc<Self> {
        Arc::new(Self { makers: RwLock::new(Arc::new(makers)), source, ..Self::default() })
    }

    /// Reads the makers again. Blocking.
    ///
    /// # Errors
    /// [`MakersError`]; those that are known stay in use.
    pub fn reload(&self) -> Result<(), MakersError> {
        if let Some(dir) = &self.dir {
            let makers = Arc::new(Makers::load(dir)?);
            *self.makers.write().unwrap_or_else(PoisonError::into_inner) = makers;
        }
        Ok(())
    }

    /// The makers in use.
    pub fn makers(&self) -> Arc<Makers> {
        self.makers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The metadata in use.
    pub fn metadata(&self) -> Option<Arc<Metadata>> {
        self.metadata.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the metadata comes from; none where none is configured.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Whether the certificates prove that a key is of this model.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn prove(&self, model: Uuid, chain: Option<&[Vec<u8>]>, now: Time) -> Result<(), Unproven> {
        let metadata = self.metadata();
        let listed = metadata.as_ref().and_then(|metadata| metadata.roots(model));
        self.makers().vouch(model, chain, listed, now)
    }

    /// A key that is registered, as the policy sees it.
    pub(super) fn seen(&self, key: &SecurityKey, user_verified: bool, now: Time) -> Seen {
        let aaguid = key.aaguid.parse().unwrap_or(Uuid::nil());
        Seen {
            aaguid,
            attested: key.attested,
            synced: key.backup_eligible,
            user_verified,
            second_factor: key.means.kind == Kind::SecondFactor,
            listed: self.listed(aaguid, now),
        }
    }

    /// What the metadata says of a model.
    pub fn listed(&self, model: Uuid, now: Time) -> Listed {
        self.metadata().map(|metadata| metadata.listed(model, now)).unwrap_or_default()
    }

    /// Whether keys are refused because the metadata is missing or too old.
    pub fn refuses(&self, now: Time) -> bool {
        let refuses_stale = self.source.as_ref().is_some_and(|source| source.refuses_stale);
        refuses_stale && self.metadata().is_none_or(|metadata| metadata.until() <= now)
    }

    /// Reads what the database keeps of our publisher, if it is not in use already. It was in its time when it was kept; its
    /// signature is checked again.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn recall(&self, db: &Db) -> Result<(), RefreshError> {
        let Some(source) = &self.source else { return Ok(()) };
        let publisher = source.publisher.id();
        let number = fido_metadata::number(db, &publisher).await?;
        if number.is_none() || number == self.metadata().map(|metadata| metadata.number) {
            return Ok(());
        }
        if let Some(Kept { document, received_at, .. }) = fido_metadata::kept(db, &publisher).await? {
            self.take(verified(document, &source.publisher, received_at).await?);
        }
        Ok(())
    }

    /// Looks for newer metadata, where it is due, and keeps it.
    ///
    /// # Errors
    /// [`RefreshError`]; what is in use stays so.
    pub async fn refresh(&self, db: &Db, egress: &Egress, now: Time) -> Result<(), RefreshError> {
        // What is kept may be spoilt: that keeps nobody from looking for better.
        if let Err(error) = self.recall(db).await {
            tracing::warn!("the metadata that is kept is not used: {error}");
        }
        let Some(source) = &self.source else { return Ok(()) };
        let mut seen = None;
        let document = match &source.place {
            Place::File(path) => {
                let unavailable = |error: std::io::Error| {
                    MetadataError::Unavailable(format!("{}: {error}", path.display()))
                };
                let about = tokio::fs::metadata(path).await.map_err(unavailable)?;
                seen = Some((about.modified().map_err(unavailable)?, about.len()));
                if self.looked().file == seen {
                    return Ok(());
                }
                if about.len() > LARGEST as u64 {
                    return Err(MetadataError::Unavailable(format!("{} is too long", path.display())).into());
                }
                tokio::fs::read_to_string(path).await.map_err(unavailable)?
            }
            Place::Address(address) => {
                let outdated = self.metadata().is_none_or(|metadata| metadata.until() <= now);
                let due = self.looked().due.get_or_insert(now).to_owned();
                if due > now && !(outdated && due - now > PAUSE) {
                    return Ok(());
                }
                self.looked().due = Some(now + PAUSE);
                fetch(egress, address).await?
            }
        };
        let learned = self.learn(db, document, now).await;
        // A database that did not answer says nothing of the file.
        if !matches!(learned, Err(RefreshError::Store(_))) {
            self.looked().file = seen;
        }
        learned?;
        self.looked().due = Some(now + EVERY);
        Ok(())
    }

    /// Takes a document into use, if it is the publisher's and newer than what is there.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn learn(&self, db: &Db, document: String, now: Time) -> Result<(), RefreshError> {
        let Some(source) = &self.source else { return Ok(()) };
        let read = verified(document.clone(), &source.publisher, now).await?;
        let kept = Kept { publisher: source.publisher.id(), number: read.number, document, received_at: now };
        if let Some(newer) = fido_metadata::keep(db, &kept).await? {
            if newer != read.number {
                return Err(MetadataError::Older { new: read.number, kept: newer }.into());
            }
            // The same again; what is kept of it may be spoilt, so that this node uses none yet.
            if self.metadata().is_none_or(|metadata| metadata.number < read.number) {
                self.take(read);
            }
            return Ok(());
        }
        tracing::info!(number = read.number, models = read.len(), "metadata of security keys taken into use");
        if read.until() <= now {
            tracing::warn!(code = "KEY-026", "the metadata was to be replaced on {}", read.next_update);
        }
        self.take(read);
        Ok(())
    }

    /// As [`Self::refresh`] from a file, without keeping anything: for what is only tried.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn preview(&self, db: &Db, now: Time) -> Result<(), RefreshError> {
        self.recall(db).await?;
        let Some(Source { place: Place::File(path), publisher, .. }) = &self.source else { return Ok(()) };
        let read = tokio::fs::read_to_string(path).await;
        let document =
            read.map_err(|error| MetadataError::Unavailable(format!("{}: {error}", path.display())))?;
        let read = verified(document, publisher, now).await?;
        if self.metadata().is_none_or(|metadata| metadata.number < read.number) {
            self.take(read);
        }
        Ok(())
    }

    fn take(&self, metadata: Metadata) {
        *self.metadata.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(metadata));
    }

    fn looked(&self) -> std::sync::MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Verifies and reads a document beside the requests: it has some nine million bytes.
async fn verified(document: String, publisher: &Publisher, at: Time) -> Result<Metadata, MetadataError> {
    let publisher = publisher.clone();
    let read = tokio::task::spawn_blocking(move || Metadata::read(&document, &publisher, at)).await;
    read.map_err(|error| MetadataError::Unavailable(error.to_string()))?
}

async fn fetch(egress: &Egress, address: &str) -> Result<String, MetadataError> {
    let unavailable = |why: String| MetadataError::Unavailable(format!("{address}: {why}"));
    let wanted = Wanted { address, etag: None, modified: None, limit: LARGEST as u64, within: WITHIN };
    let mut document = Vec::new();
    let fetched = egress.download_signed(&wanted, &mut document).await;
    match fetched.map_err(|error| unavailable(error.to_string()))?.status {
        StatusCode::OK => String::from_utf8(document).map_err(|_| unavailable("is no text".to_owned())),
        status => Err(unavailable(format!("the server answered {status}"))),
    }
}
