//! The machine certificate: how a computer proves at enrolment that the hospital's own authority knows it.
//!
//! A hospital gets from it that a site token alone, found in an image, enrols nobody: whoever enrols has, besides, the
//! private key of a certificate that names this very computer, from an authority that stands in a directory of its own.
//! The proof is for one server, one workstation key, one name and one moment (agent protocol, section 9). It never lets
//! anybody sign in, and never believes an authority of cards, a common name or a certificate that came along as a step.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::protocol::{EnrolmentRequest, MachineProof, TYP_MACHINE_PROOF};
use super::verify::{CardVerifier, Trust};
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::Algorithm;
use crate::crypto::x509::anchors::AnchorsError;
use crate::crypto::x509::chain::{self, ChainError};
use crate::crypto::x509::machine::{MachineCertificate, MachineFault};
use crate::crypto::x509::ocsp::{Answers, OcspSettings};
use crate::crypto::x509::revocation::{self, Fallback, RevocationError};

/// The longest proof that is read: a certificate of 3 kB, twice in base64url.
const MAX_LEN: usize = 8 * 1024;

/// Why a computer is not one of the hospital's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MachineRefusal {
    /// The token asks for a proof, and there is none that can be read.
    #[error("the request brings no proof by a machine certificate")]
    Missing,
    /// There is no authority of computers here.
    #[error("the server has no authority of machine certificates")]
    NotConfigured,
    /// No path to an authority of computers.
    #[error("the machine certificate is not of the hospital's authority: {0}")]
    Untrusted(String),
    /// Expired, or not valid yet.
    #[error("the machine certificate: {0}")]
    Dates(String),
    /// Not for signing by a client.
    #[error("the machine certificate may not be used for this: {0}")]
    Usage(String),
    /// Its key, or a signature on its path.
    #[error("the machine certificate is too weak: {0}")]
    Weak(String),
    /// It names another computer.
    #[error("the machine certificate is not in the name of this computer")]
    Host,
    /// Its authority has revoked it.
    #[error("the machine certificate has been revoked")]
    Revoked,
    /// A list is wanted, and there is none in its time.
    #[error("the revocation list of machine certificates is missing or too old: {0}")]
    List(String),
    /// Signed by another key, or made for another key, name, server or moment.
    #[error("the proof was not made by the key of the machine certificate for this request")]
    Proof,
}

impl MachineRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "WS-040",
            Self::NotConfigured => "WS-041",
            Self::Untrusted(_) => "WS-042",
            Self::Dates(_) => "WS-043",
            Self::Usage(_) => "WS-044",
            Self::Weak(_) => "WS-045",
            Self::Host => "WS-046",
            Self::Revoked => "WS-047",
            Self::List(_) => "WS-048",
            Self::Proof => "WS-049",
        }
    }
}

impl From<ChainError> for MachineRefusal {
    fn from(error: ChainError) -> Self {
        let said = error.to_string();
        match error {
            ChainError::Expired | ChainError::NotYetValid => Self::Dates(said),
            ChainError::Purpose(_) => Self::Usage(said),
            ChainError::Weak(_) => Self::Weak(said),
            ChainError::Unreadable(_) | ChainError::Untrusted { .. } | ChainError::OpenSsl(_) => {
                Self::Untrusted(said)
            }
        }
    }
}

impl From<MachineFault> for MachineRefusal {
    fn from(fault: MachineFault) -> Self {
        let said = fault.to_string();
        match fault {
            MachineFault::Unreadable => Self::Untrusted(said),
            MachineFault::Usage(_) => Self::Usage(said),
            MachineFault::Key(_) => Self::Weak(said),
        }
    }
}

impl From<RevocationError> for MachineRefusal {
    fn from(error: RevocationError) -> Self {
        match error {
            RevocationError::Revoked { .. } | RevocationError::AuthorityRevoked(_) => Self::Revoked,
            RevocationError::Missing(_) | RevocationError::TooOld { .. } | RevocationError::LookUp(_) => {
                Self::List(error.to_string())
            }
        }
    }
}

/// A computer that proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Its name as the certificate has it, in small letters.
    pub(super) host: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub(super) fingerprint: String,
}

/// The authority of the hospital's computers.
pub struct MachineAuthority {
    anchors_dir: PathBuf,
    crl_dir: Option<PathBuf>,
    trust: RwLock<Arc<Trust>>,
    /// Nobody is asked about a machine.
    answers: Answers,
}

impl std::fmt::Debug for MachineAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineAuthority").field("anchors_dir", &self.anchors_dir).finish_non_exhaustive()
    }
}

impl MachineAuthority {
    /// Reads authorities and, where there is a directory of them, revocation lists.
    ///
    /// # Errors
    /// [`AnchorsError`] if there is no authority to trust.
    pub fn open(anchors_dir: &Path, crl_dir: Option<&Path>, now: Time) -> Result<Self, AnchorsError> {
        let trust = Trust::load(anchors_dir, crl_dir, now)?;
        for fault in trust.anchors.faults() {
            tracing::warn!(code = "CERT-013", "authority of machine certificates not used: {fault}");
        }
        Ok(Self {
            anchors_dir: anchors_dir.to_owned(),
            crl_dir: crl_dir.map(Path::to_owned),
            trust: RwLock::new(Arc::new(trust)),
            answers: Answers::new(OcspSettings { enabled: false, ..OcspSettings::default() }),
        })
    }

    /// Looks at both directories again. Blocking.
    ///
    /// # Errors
    /// [`AnchorsError`]; what was in use stays in use then.
    pub fn reload(&self, now: Time) -> Result<(), AnchorsError> {
        let current = self.trust.read().unwrap_or_else(PoisonError::into_inner).clone();
        current.lists.refresh(now);
        if let Some(next) = current.with_other_authorities(&self.anchors_dir, self.crl_dir.as_deref(), now)? {
            *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
        Ok(())
    }

    /// Judges the proof in a request whose own signature has been verified. `cards` is the judge of cards, whose
    /// authorities have nothing to say here.
    ///
    /// # Errors
    /// [`MachineRefusal`]: the first check that fails.
    pub(super) fn verify(
        &self,
        request: &EnrolmentRequest,
        cards: Option<&CardVerifier>,
        now: Time,
    ) -> Result<Machine, MachineRefusal> {
        let jws = request.machine_proof.as_deref().ok_or(MachineRefusal::Missing)?;
        let payload = jose::unverified_payload(jws).ok_or(MachineRefusal::Missing)?;
        let claimed = MachineProof::from_payload(&payload).map_err(|_| MachineRefusal::Missing)?;

        let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner).clone();
        let path = chain::verify(&trust.anchors, &claimed.certificate, now)?;
        if cards.is_some_and(|cards| path.passes(&cards.trust().anchors)) {
            return Err(MachineRefusal::Untrusted("its authority issues cards".to_owned()));
        }
        let certificate = MachineCertificate::from_der(&claimed.certificate)?;
        let fallback = if self.crl_dir.is_some() { Fallback::Refuse } else { Fallback::Accept };
        revocation::judge(&trust.lists, &self.answers, &path, fallback, now)?;

        let key = &certificate.key;
        let expected = Expected {
            typ: Some(TYP_MACHINE_PROOF),
            algorithms: &[Algorithm::Rs256, Algorithm::Es256],
            max_len: MAX_LEN,
        };
        jose::verify_payload(jws, expected, |kid| (kid == Some(key.kid())).then_some(key))
            .map_err(|_| MachineRefusal::Proof)?;
        let is_for_this_request = claimed.audience == request.audience
            && claimed.workstation_key == request.key.kid()
            && claimed.host_name == request.host_name
            && claimed.issued_at == request.issued_at;
        if !is_for_this_request {
            return Err(MachineRefusal::Proof);
        }
        let host = certificate.host(&request.host_name).ok_or(MachineRefusal::Host)?;
        Ok(Machine { host: host.to_owned(), fingerprint: hex::encode(sha256(&claimed.certificate)) })
    }
}
