//! A directory of authorities with their revocation lists, for certificates that are no card's: whether one leads there,
//! today, and is not revoked.
//!
//! A hospital gets from this that the certificates of software (IGC-Santé's organisation branch, or an authority of its own)
//! are trusted for that use alone: each use has a directory of its own, and a card's authorities are in none of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};

use super::anchors::{AnchorFault, Anchors, AnchorsError, Installed};
use super::chain::{self, ChainError};
use super::crl::fetch::{Fetcher, Outcome, Source};
use super::crl::{CrlSet, CrlStatus};
use super::ocsp::{Answers, OcspSettings};
use super::revocation::{self, Fallback, RevocationError, RevocationEvidence};
use crate::crypto::egress::Egress;

/// Where authorities and lists are.
#[derive(Debug, Clone)]
pub struct TrustDirs {
    /// The authorities.
    pub anchors: PathBuf,
    /// Their revocation lists; without it nothing is known of revocation, and `fallback` decides.
    pub crls: Option<PathBuf>,
    /// Whether lists are fetched into that directory.
    pub fetch: bool,
    /// What to do where no list in its time is at hand.
    pub fallback: Fallback,
}

/// Why a certificate is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No path, out of its dates, or not for the authentication of a client.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Revoked, or nothing in its time says that it is not.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
}

impl TrustError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => error.code(),
            Self::Revocation(error) => error.code(),
        }
    }
}

#[derive(Debug)]
struct InUse {
    anchors: Anchors,
    lists: Arc<CrlSet>,
}

/// The authorities of one use. Shared by all threads; [`Trust::reload`] and [`Trust::fetch`] belong into jobs.
#[derive(Debug)]
pub struct Trust {
    dirs: TrustDirs,
    in_use: RwLock<Arc<InUse>>,
    fetcher: Fetcher,
    /// Nobody is asked: lists say enough of some thousand establishments.
    answers: Answers,
}

impl Trust {
    /// Reads authorities and lists.
    ///
    /// # Errors
    /// [`AnchorsError`] if there is no authority to trust.
    pub fn open(dirs: TrustDirs, now: DateTime<Utc>) -> Result<Self, AnchorsError> {
        let in_use = InUse::load(&dirs.anchors, dirs.crls.as_deref(), now)?;
        for fault in in_use.anchors.faults() {
            tracing::warn!(code = "CERT-013", "authority not used: {fault}");
        }
        Ok(Self {
            dirs,
            in_use: RwLock::new(Arc::new(in_use)),
            fetcher: Fetcher::new(TimeDelta::hours(1)),
            answers: Answers::new(OcspSettings { enabled: false, ..OcspSettings::default() }),
        })
    }

    /// Looks at both directories again. Authorities that cannot be read any more stay in use. Blocking.
    ///
    /// # Errors
    /// [`AnchorsError`]; the lists have been looked at all the same.
    pub fn reload(&self, now: DateTime<Utc>) -> Result<(), AnchorsError> {
        let current = self.in_use();
        current.lists.refresh(now);
        if Anchors::load(&self.dirs.anchors)?.installed() != current.anchors.installed() {
            let fresh = InUse::load(&self.dirs.anchors, self.dirs.crls.as_deref(), now)?;
            *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        }
        Ok(())
    }

    /// Fetches the lists that are due, from where the installed authorities and lists say.
    pub async fn fetch(&self, egress: &Egress, now: DateTime<Utc>) {
        if !self.dirs.fetch || self.dirs.crls.is_none() {
            return;
        }
        let in_use = self.in_use();
        self.fetcher.learn(in_use.lists.sources());
        for (source, outcome) in self.fetcher.run(egress, &in_use.lists, now).await {
            if let Outcome::Failed(error) = outcome {
                tracing::warn!(code = error.code(), address = source.address, %error, "a revocation list was not fetched");
            }
        }
    }

    /// Judges a certificate whose key has been proven.
    ///
    /// # Errors
    /// [`TrustError`]: the first check that fails.
    pub fn judge(&self, der: &[u8], now: DateTime<Utc>) -> Result<RevocationEvidence, TrustError> {
        let in_use = self.in_use();
        let path = chain::verify(&in_use.anchors, der, now)?;
        if self.dirs.fetch {
            self.fetcher.learn(in_use.lists.sources_of(&path).unwrap_or_default());
        }
        Ok(revocation::judge(&in_use.lists, &self.answers, &path, self.dirs.fallback, now)?)
    }

    /// The authorities in use.
    #[must_use]
    pub fn authorities(&self) -> Vec<Installed> {
        self.in_use().anchors.installed()
    }

    /// The files that are no authority.
    #[must_use]
    pub fn faults(&self) -> Vec<AnchorFault> {
        self.in_use().anchors.faults().to_vec()
    }

    /// The revocation lists in use, file by file.
    #[must_use]
    pub fn lists(&self) -> Vec<CrlStatus> {
        self.in_use().lists.status()
    }

    /// Where lists are fetched from; nothing where they are not.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        if !self.dirs.fetch || self.dirs.crls.is_none() {
            return Vec::new();
        }
        self.in_use().lists.sources().into_iter().collect()
    }

    fn in_use(&self) -> Arc<InUse> {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl InUse {
    fn load(anchors: &Path, crls: Option<&Path>, now: DateTime<Utc>) -> Result<Self, AnchorsError> {
        let anchors = Anchors::load(anchors)?;
        let lists = crls.map_or_else(CrlSet::none, |dir| CrlSet::load(dir, &anchors, now));
        Ok(Self { anchors, lists: Arc::new(lists) })
    }
}
