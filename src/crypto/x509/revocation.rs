//! Whether a card still counts: what lists and OCSP responders have said, and what to do where neither answers in time.
//!
//! A hospital gets from this a rule that it has written down, per kind of card. Nothing is asked of the network here:
//! lists have been fetched ([`super::crl`]) and responders asked ([`super::ocsp`]) before. "Revoked" counts from
//! whoever says it, for ever; "good" counts while it is in its time. When nothing in its time is at hand, the
//! [`Fallback`] of the kind of card decides, and the evidence says that it did.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::anchors::common_name;
use super::chain::VerifiedPath;
use super::crl::{CrlSet, IssuerId, Listed, LookUpError};
use super::ocsp::{Answer, Answers, Status};
use super::profile::CardType;

/// What to do with a card of which no list and no answer in its time says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// Refuse it.
    #[default]
    Refuse,
    /// Accept it while the last good list or answer is younger than this.
    Younger(TimeDelta),
    /// Accept it for so long after the list should have been replaced (the older key `revocation_grace`).
    Overdue(TimeDelta),
    /// Accept it, even if there has never been a list (the older key `revocation_required = false`).
    Accept,
}

/// The written rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevocationPolicy {
    /// For kinds of card without a rule of their own.
    pub fallback: Fallback,
    /// Kinds of card with a rule of their own.
    pub kinds: BTreeMap<CardType, Fallback>,
}

impl RevocationPolicy {
    /// The same rule for all cards.
    #[must_use]
    pub fn of(fallback: Fallback) -> Self {
        Self { fallback, kinds: BTreeMap::new() }
    }

    /// The rule of a kind of card.
    #[must_use]
    pub fn fallback(&self, kind: Option<CardType>) -> Fallback {
        kind.and_then(|kind| self.kinds.get(&kind)).copied().unwrap_or(self.fallback)
    }
}

/// What is known about a certificate that was not refused; for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationEvidence {
    /// A list or answer of this date, in its time, does not revoke it.
    Good { as_of: DateTime<Utc> },
    /// A list or answer that is past its time does not revoke it, and the policy accepts that.
    Stale { as_of: DateTime<Utc> },
    /// Nobody has said anything of it, and the policy accepts that.
    Unchecked,
}

impl RevocationEvidence {
    /// What the record says of a card that the [`Fallback`] let in; `None` where it was not needed.
    #[must_use]
    pub fn exception(&self) -> Option<String> {
        match self {
            Self::Good { .. } => None,
            Self::Stale { as_of } => Some(format!("revocation known as of {as_of} only")),
            Self::Unchecked => Some("revocation not known".to_owned()),
        }
    }
}

/// Why a certificate is refused.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    #[error("the certificate has been revoked (as of {as_of})")]
    Revoked { as_of: DateTime<Utc> },
    #[error("the authority {0} has been revoked")]
    AuthorityRevoked(String),
    #[error("no revocation list of {0} is installed")]
    Missing(String),
    #[error("the revocation list of {issuer} should have been replaced on {expired}")]
    TooOld { issuer: String, expired: DateTime<Utc> },
    #[error(transparent)]
    LookUp(#[from] LookUpError),
}

impl RevocationError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::LookUp(_) => "CERT-001",
            Self::AuthorityRevoked(_) => "CERT-004",
            Self::Revoked { .. } => "CERT-005",
            Self::Missing(_) => "CERT-010",
            Self::TooOld { .. } => "CERT-011",
        }
    }
}

/// Whether a list or an answer revokes the certificate with this serial number (big-endian, without sign) of this
/// authority: for what [`judge`] accepted before the list or the answer came.
#[must_use]
pub fn revokes(lists: &CrlSet, answers: &Answers, issuer: &IssuerId, serial: &[u8]) -> bool {
    let answered = || answers.of_serial(issuer, serial);
    let is_revoked = |answer: Answer| {
        matches!(answer.status, Status::Revoked { .. }) && !is_lifted(&answer, lists.as_of(issuer))
    };
    lists.revokes(issuer, serial) || answered().is_some_and(is_revoked)
}

/// A card on hold may come back: then a later list, as of `listed`, does not name it.
fn is_lifted(answer: &Answer, listed: Option<DateTime<Utc>>) -> bool {
    answer.status == Status::Revoked { on_hold: true }
        && listed.is_some_and(|as_of| as_of > answer.this_update)
}

/// Judges the certificate at the end of `path`, a card of this kind.
///
/// # Errors
/// [`RevocationError`]: why it is refused.
pub fn judge(
    lists: &CrlSet,
    answers: &Answers,
    path: &VerifiedPath,
    fallback: Fallback,
    now: DateTime<Utc>,
) -> Result<RevocationEvidence, RevocationError> {
    let listed = match lists.look_up(path)? {
        Listed::AuthorityRevoked(name) => return Err(RevocationError::AuthorityRevoked(name)),
        Listed::Revoked { as_of } => return Err(RevocationError::Revoked { as_of }),
        Listed::NoList => None,
        Listed::Good { as_of, until } => Some((as_of, until)),
    };
    let answered = match answers.of(path)? {
        Some(answer) => match answer.status {
            Status::Good => Some((answer.this_update, answer.until)),
            Status::Unknown => None,
            Status::Revoked { .. } if is_lifted(&answer, listed.map(|(as_of, _)| as_of)) => None,
            Status::Revoked { .. } => return Err(RevocationError::Revoked { as_of: answer.this_update }),
        },
        None => None,
    };
    let said = || listed.iter().chain(answered.iter()).copied();
    if let Some(as_of) = said().filter(|(_, until)| now <= *until).map(|(as_of, _)| as_of).max() {
        return Ok(RevocationEvidence::Good { as_of });
    }
    let issuer = || path.issuer().map(common_name).unwrap_or_default();
    let Some((as_of, until)) = said().max_by_key(|(_, until)| *until) else {
        return match fallback {
            Fallback::Accept => Ok(RevocationEvidence::Unchecked),
            _ => Err(RevocationError::Missing(issuer())),
        };
    };
    let is_accepted = match fallback {
        Fallback::Refuse => false,
        Fallback::Younger(age) => said().any(|(as_of, _)| now - as_of < age),
        Fallback::Overdue(grace) => now <= until + grace,
        Fallback::Accept => true,
    };
    if is_accepted {
        Ok(RevocationEvidence::Stale { as_of })
    } else {
        Err(RevocationError::TooOld { issuer: issuer(), expired: until })
    }
}
