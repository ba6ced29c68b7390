//! The one place where a card is believed.
//!
//! Every way to sign in with a card ends here. [`CardVerifier::verify`] takes what came from a workstation, rebuilds
//! the proof from what *this server* knows (its own origin, the request it issued, the purpose it meant), and answers
//! with a professional or with the one reason why not. The order is that of the agent protocol, section 8: proof,
//! signature, path with dates, policies, key usage, extended key usage, category and type of card, revocation.
//!
//! It never decides whether the person may come in: admission is the directory's. It never believes a claim of the
//! answer that is not signed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::x509::anchors::{AnchorFault, Anchors, AnchorsError, Installed};
use crate::crypto::x509::chain::{self, ChainError, VerifiedPath};
use crate::crypto::x509::crl::{self, CrlSet, CrlStatus, IssuerId, ListStatus};
use crate::crypto::x509::ocsp::Answers;
use crate::crypto::x509::profile::{CardCertificate, CardType, Category, ProfileError};
use crate::crypto::x509::revocation::{self, RevocationError, RevocationEvidence, RevocationPolicy};
use crate::crypto::x509::signature::{SignatureError, verify_rsa_sha256};

use super::identity::{IdentityError, Professional};
use super::proof::{Proof, Purpose};
use super::revocation::Sources;

/// Which cards are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardPolicy {
    /// Accept cards of the test family. Never where real patients are.
    pub accept_test_cards: bool,
    /// Types of card that may sign in.
    pub card_types: Vec<CardType>,
    /// Whether the certificate of a two-factor sign-in has to be one for smart card logon too, by which the official
    /// library tells it from that of the contactless side.
    pub require_smartcard_logon: bool,
    /// Certificate policies, dotted, one of which has to stand in the certificate; empty: any. (The policy identifiers
    /// of production certificates are not published.)
    pub policies: Vec<String>,
    pub revocation: RevocationPolicy,
}

impl Default for CardPolicy {
    fn default() -> Self {
        Self {
            accept_test_cards: false,
            card_types: vec![CardType::Cps, CardType::Cpf, CardType::Cpe, CardType::Cpa],
            require_smartcard_logon: true,
            policies: Vec::new(),
            revocation: RevocationPolicy::default(),
        }
    }
}

/// What a card and its workstation presented, with what the server itself knows of the request.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// What the server asked the proof for.
    pub purpose: Purpose,
    /// The server's own origin, as workstations enrolled it.
    pub origin: &'a str,
    /// The request, byte for byte as issued.
    pub request_jws: &'a str,
    /// The card's authentication certificate, DER.
    pub certificate_der: &'a [u8],
    /// The card's signature of the proof.
    pub signature: &'a [u8],
}

/// A card that passed every check.
#[derive(Debug, Clone)]
pub struct VerifiedCard {
    pub professional: Professional,
    pub certificate: CardCertificate,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: [u8; 32],
    /// Its issuer: SHA-256 of name and key.
    pub issuer: IssuerId,
    /// Common names from the issuer up to the root.
    pub authorities: Vec<String>,
    pub revocation: RevocationEvidence,
}

/// Why a card is refused.
#[derive(Debug, thiserror::Error)]
pub enum CardRefusal {
    #[error("signature of the card: {0}")]
    Signature(#[from] SignatureError),
    #[error("path of the card's certificate: {0}")]
    Chain(#[from] ChainError),
    #[error("content of the card's certificate: {0}")]
    Profile(#[from] ProfileError),
    #[error("certificate policies {found:?} are not among those accepted")]
    Policy { found: Vec<String> },
    #[error("the certificate is not for authentication ({0})")]
    Usage(&'static str),
    #[error("the certificate is not that of a card (category {category:?})")]
    NotACard { category: Option<Category> },
    #[error("a test card, and this server does not accept test cards")]
    TestCard,
    #[error("cards of type {0:?} are not accepted")]
    CardType(CardType),
    #[error("the certificate is that of the contactless side, which no PIN protects")]
    Contactless,
    #[error("the certificate is not that of the contactless side")]
    NotContactless,
    #[error("the card bears no name")]
    Nameless,
    #[error("revocation: {0}")]
    Revocation(#[from] RevocationError),
    #[error("holder of the card: {0}")]
    Identity(#[from] IdentityError),
}

impl CardRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.code(),
            Self::Chain(error) => error.code(),
            Self::Profile(error) => error.code(),
            Self::Usage(_) => "CERT-006",
            Self::NotACard { .. } => "CERT-007",
            Self::TestCard => "CERT-008",
            Self::Policy { .. } => "CERT-014",
            Self::CardType(_) => "CERT-015",
            Self::Contactless => "CERT-031",
            Self::NotContactless => "CERT-032",
            Self::Nameless => "CERT-030",
            Self::Revocation(error) => error.code(),
            Self::Identity(error) => error.code(),
        }
    }
}

/// Authorities and lists that belong together: lists are verified with those authorities.
pub(super) struct Trust {
    pub(super) anchors: Anchors,
    pub(super) lists: Arc<CrlSet>,
}

/// Verifies cards against what is installed. Shared by all threads; [`CardVerifier::reload`] belongs into a job.
pub struct CardVerifier {
    anchors_dir: PathBuf,
    pub(super) crl_dir: Option<PathBuf>,
    policy: CardPolicy,
    trust: RwLock<Arc<Trust>>,
    pub(super) sources: Sources,
    /// Grows with every new list, answer or authority.
    pub(super) changes: AtomicU64,
}

impl fmt::Debug for CardVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardVerifier")
            .field("anchors_dir", &self.anchors_dir)
            .field("crl_dir", &self.crl_dir)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl CardVerifier {
    /// Reads authorities and revocation lists. Without a directory of lists every card is refused with `CERT-010`,
    /// unless the policy does not require one.
    ///
    /// # Errors
    /// [`AnchorsError`] if there is no authority to trust.
    pub fn open(
        anchors_dir: &Path,
        crl_dir: Option<&Path>,
        policy: CardPolicy,
        now: Time,
    ) -> Result<Self, AnchorsError> {
        let trust = Trust::load(anchors_dir, crl_dir, now)?;
        for fault in trust.anchors.faults() {
            tracing::warn!(code = "CERT-013", "authority not used: {fault}");
        }
        Ok(Self {
            anchors_dir: anchors_dir.to_owned(),
            crl_dir: crl_dir.map(Path::to_owned),
            policy,
            trust: RwLock::new(Arc::new(trust)),
            sources: Sources::default(),
            changes: AtomicU64::default(),
        })
    }

    /// Says where lists and answers come from; without it, from nowhere but the directory.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// Looks at both directories again. Authorities that cannot be read any more stay in use until the directory is in
    /// order or the program is started anew. Blocking.
    ///
    /// # Errors
    /// [`AnchorsError`]; the revocation lists have been looked at all the same.
    pub fn reload(&self, now: Time) -> Result<(), AnchorsError> {
        let current = self.trust();
        if current.lists.refresh(now) {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(trust) =
            current.with_other_authorities(&self.anchors_dir, self.crl_dir.as_deref(), now)?
        {
            *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Judges a proof.
    ///
    /// # Errors
    /// [`CardRefusal`]: the first check that fails.
    pub fn verify(&self, presented: &Presented<'_>, now: Time) -> Result<VerifiedCard, CardRefusal> {
        let proof =
            Proof::new(presented.purpose, presented.origin, presented.request_jws, presented.certificate_der);
        verify_rsa_sha256(presented.certificate_der, proof.as_bytes(), presented.signature)?;
        let side = match presented.purpose {
            Purpose::Badge => Side::Antenna,
            Purpose::Browser | Purpose::Terminal | Purpose::Ciba => Side::Contacts,
        };
        self.judge(presented.certificate_der, side, now)
    }

    /// Judges a certificate whose key has been proven in another way: by a TLS handshake.
    ///
    /// # Errors
    /// [`CardRefusal`]: the first check that fails.
    pub fn verify_certificate(&self, der: &[u8], now: Time) -> Result<VerifiedCard, CardRefusal> {
        self.judge(der, Side::Contacts, now)
    }

    fn judge(&self, der: &[u8], side: Side, now: Time) -> Result<VerifiedCard, CardRefusal> {
        let trust = self.trust();
        let (path, certificate) = self.accept(&trust, der, side, now)?;
        self.shown(&path, now);
        let fallback = self.policy.revocation.fallback(certificate.card_type);
        let revocation = revocation::judge(&trust.lists, self.answers(), &path, fallback, now)?;
        let professional = Professional::of(&certificate)?;
        Ok(VerifiedCard {
            professional,
            certificate,
            fingerprint: sha256(der),
            issuer: path.issuer_id().map_err(ChainError::OpenSsl)?,
            authorities: path.authorities(),
            revocation,
        })
    }

    /// All checks of a certificate but that of its revocation.
    pub(super) fn accept(
        &self,
        trust: &Trust,
        der: &[u8],
        side: Side,
        now: Time,
    ) -> Result<(VerifiedPath, CardCertificate), CardRefusal> {
        let path = chain::verify(&trust.anchors, der, now)?;
        let certificate = CardCertificate::from_der(der)?;
        self.policy.check(&certificate, side)?;
        Ok((path, certificate))
    }

    /// What responders have said.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.sources.answers
    }

    /// The authorities in use, and the files that could not be used.
    #[must_use]
    pub fn authorities(&self) -> (Vec<Installed>, Vec<AnchorFault>) {
        let trust = self.trust();
        (trust.anchors.installed(), trust.anchors.faults().to_vec())
    }

    /// The lists that decide, out of [`revocation_lists`](Self::revocation_lists).
    #[must_use]
    pub fn deciding_lists(&self) -> Vec<ListStatus> {
        crl::deciding(self.revocation_lists())
    }

    /// The revocation lists in use, file by file.
    #[must_use]
    pub fn revocation_lists(&self) -> Vec<CrlStatus> {
        self.trust().lists.status()
    }

    pub(super) fn trust(&self) -> Arc<Trust> {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Trust {
    /// Both directories anew, where other authorities stand in the first than before.
    pub(super) fn with_other_authorities(
        &self,
        anchors_dir: &Path,
        crl_dir: Option<&Path>,
        now: Time,
    ) -> Result<Option<Self>, AnchorsError> {
        let anchors = Anchors::load(anchors_dir)?;
        if anchors.installed() == self.anchors.installed() {
            return Ok(None);
        }
        tracing::info!(authorities = anchors.installed().len(), "installed authorities have changed");
        Self::load(anchors_dir, crl_dir, now).map(Some)
    }

    pub(super) fn load(anchors_dir: &Path, crl_dir: Option<&Path>, now: Time) -> Result<Self, AnchorsError> {
        let anchors = Anchors::load(anchors_dir)?;
        let lists = match crl_dir {
            Some(dir) => CrlSet::load(dir, &anchors, now),
            None => CrlSet::none(),
        };
        Ok(Self { anchors, lists: Arc::new(lists) })
    }
}

/// Which of a card's keys may answer. That of the contactless side signs for whoever holds the card near: a workstation
/// that lies about the side must not make two factors of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Contacts,
    Antenna,
    /// Where nobody is let in by it: what is known of a card's revocation concerns both.
    Either,
}

impl CardPolicy {
    /// What the certificate itself has to say, in the order of the protocol.
    fn check(&self, certificate: &CardCertificate, side: Side) -> Result<(), CardRefusal> {
        let has_policy = certificate.policies.iter().any(|policy| self.policies.contains(policy));
        if !self.policies.is_empty() && !has_policy {
            return Err(CardRefusal::Policy { found: certificate.policies.clone() });
        }
        match &certificate.key_usage {
            Some(usage) if usage.digital_signature && !usage.key_cert_sign => {}
            _ => return Err(CardRefusal::Usage("key usage is not digitalSignature")),
        }
        let usage = certificate.ext_key_usage.as_ref().filter(|usage| usage.client_auth);
        let usage = usage.ok_or(CardRefusal::Usage("extended key usage is not clientAuth"))?;
        if side == Side::Contacts && self.require_smartcard_logon && !usage.smartcard_logon {
            return Err(CardRefusal::Contactless);
        }
        // That of the contacts is for a PIN: a badge window is not to be held open by it.
        if side == Side::Antenna && usage.smartcard_logon {
            return Err(CardRefusal::NotContactless);
        }
        let category = certificate.category;
        let Some(Category::Card { test }) = category else {
            return Err(CardRefusal::NotACard { category });
        };
        // A card also has a type and a number; a file that merely says "card" has not.
        let (Some(card_type), Some(_)) = (certificate.card_type, &certificate.card_number) else {
            return Err(CardRefusal::NotACard { category });
        };
        if test && !self.accept_test_cards {
            return Err(CardRefusal::TestCard);
        }
        if !self.card_types.contains(&card_type) {
            return Err(CardRefusal::CardType(card_type));
        }
        // The card of a service says who employs, not who signs in.
        if certificate.family_name.is_none() {
            return Err(CardRefusal::Nameless);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
