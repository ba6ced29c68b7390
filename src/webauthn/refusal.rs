//! Why a key is not registered, or does not sign in: one variant per cause.

use http::StatusCode;

use super::attestation::Unproven;
use super::ceremony::CeremonyError;
use super::policy::Unfit;
use crate::directory;
use crate::means::ChangeRefused;
use crate::store::StoreError;
use crate::store::means::Standing;
use crate::web::cookies::NoCookie;
use crate::web::csrf;
use crate::web::new_session::NotHere;

/// Why a ceremony ends without what it was for.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another site posted it.
    #[error("the answer was posted by another site: {0}")]
    ForeignOrigin(#[from] csrf::Refused),
    /// The ceremony is over, too old, of another purpose, or another browser's.
    #[error("no ceremony of this browser waits for this answer")]
    NotWaiting,
    /// The identity check of the desk was used in the meantime.
    #[error("the identity check was used, or is too old")]
    CheckOver,
    /// The sign-in is over, or was begun in another browser.
    #[error("no sign-in of this browser waits for a key")]
    NoSignIn,
    /// Nobody is signed in in this browser.
    #[error("nobody is signed in in this browser")]
    NoSession,
    /// Nothing waits for the touch of a key: the session of this browser comes of no badge or is over, or such a key of its
    /// person would not answer what is asked.
    #[error("no badge of this browser waits for the touch of a key")]
    NothingToTouch,
    /// The key is not one that can be renewed now: it is another person's, halted, or good for long.
    #[error("the key is not due for renewal")]
    NotDue,
    /// The sign-in is with the key itself, or at a lower level than the key is worth.
    #[error("the sign-in does not vouch for the key")]
    VouchedByLess,
    /// The relying party insists on more than the key reaches.
    #[error("the relying party insists on a level that the key does not reach")]
    TooLow,
    /// The key is not registered here.
    #[error("the key is not registered here")]
    Unknown,
    /// The key is another person's than the one it names, or that was named.
    #[error("the key is another person's")]
    OtherPerson,
    /// The key may not sign in.
    #[error("the key is {0:?}")]
    Halted(Standing),
    /// A key with this credential id is registered already.
    #[error("a key with this credential id is registered already")]
    KnownAlready,
    /// The person has as many keys as one may have.
    #[error("the person has as many keys as one may have")]
    TooMany,
    /// The attestation of a key that has to prove its model.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The policy.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The protocol, of a key that has not signed.
    #[error(transparent)]
    Unverified(CeremonyError),
    /// The protocol.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// The rules for changing means.
    #[error(transparent)]
    Change(#[from] ChangeRefused),
    /// The person.
    #[error(transparent)]
    Person(#[from] directory::Refusal),
    /// The relying party does not take it from here.
    #[error(transparent)]
    NotHere(#[from] NotHere),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A cookie could not be written.
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

impl Refusal {
    /// Of an answer that did not verify.
    pub fn unverified(error: CeremonyError) -> Self {
        match error {
            // What these say is in the answer itself, whatever the key.
            CeremonyError::Origin
            | CeremonyError::Framed
            | CeremonyError::Host
            | CeremonyError::Challenge
            | CeremonyError::NotVerified
            | CeremonyError::Kept(_) => Self::Ceremony(error),
            error => Self::Unverified(error),
        }
    }

    /// The code that the page is told. Of a key that has not signed nobody learns whether it is there, or whose it is: the
    /// log and the audit trail know.
    pub fn told(&self) -> &'static str {
        match self {
            Self::Unverified(_) => Self::Unknown.code(),
            refusal => refusal.code(),
        }
    }

    /// Whether it says nothing of anybody here: whoever asks in vain makes as many of these as they like.
    pub fn names_nobody(&self) -> bool {
        matches!(
            self,
            Self::NotWaiting | Self::NoSignIn | Self::Unknown | Self::Ceremony(_) | Self::ForeignOrigin(_)
        )
    }

    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ForeignOrigin(refused) => refused.code(),
            Self::Unverified(CeremonyError::Malformed(_)) => "KEY-001",
            Self::Unverified(CeremonyError::Signature) => "KEY-007",
            Self::Unverified(CeremonyError::Cloned) => "KEY-008",
            Self::Unverified(CeremonyError::Backup) => "KEY-017",
            Self::Unverified(CeremonyError::Algorithm) => "KEY-018",
            Self::Unverified(_) => "KEY-009",
            Self::Ceremony(CeremonyError::Malformed(_)) => "KEY-001",
            Self::NotWaiting | Self::Ceremony(CeremonyError::Challenge) => "KEY-002",
            Self::Ceremony(CeremonyError::Origin | CeremonyError::NoDomain(_)) => "KEY-003",
            Self::Ceremony(CeremonyError::Framed) => "KEY-004",
            Self::Ceremony(CeremonyError::Host) => "KEY-005",
            Self::Ceremony(CeremonyError::NotVerified) | Self::Unfit(Unfit::Unverified) => "KEY-006",
            Self::Ceremony(CeremonyError::Signature) => "KEY-007",
            Self::Ceremony(CeremonyError::Cloned) => "KEY-008",
            Self::Unknown | Self::Ceremony(CeremonyError::NotAsked) => "KEY-009",
            Self::OtherPerson => "KEY-010",
            Self::Halted(Standing::Expired) => "KEY-012",
            Self::Halted(_) => "KEY-011",
            Self::KnownAlready => "KEY-013",
            Self::TooMany => "KEY-014",
            Self::Unproven(unproven) => unproven.code(),
            Self::Ceremony(CeremonyError::OtherModel) => "KEY-023",
            Self::Unfit(Unfit::Unattested) | Self::Ceremony(CeremonyError::Attestation(_)) => "KEY-015",
            Self::Unfit(Unfit::Model(_)) => "KEY-016",
            Self::Unfit(Unfit::Broken(..)) => "KEY-025",
            Self::Unfit(Unfit::Stale) => "KEY-026",
            Self::Unfit(Unfit::Synced) | Self::Ceremony(CeremonyError::Backup) => "KEY-017",
            Self::Ceremony(CeremonyError::Algorithm) => "KEY-018",
            Self::Ceremony(CeremonyError::Kept(_) | CeremonyError::Failed(_)) => "KEY-019",
            Self::NoSignIn => "KEY-020",
            Self::TooLow => "KEY-044",
            Self::NotDue => "MEANS-008",
            Self::VouchedByLess => "MEANS-009",
            Self::NothingToTouch => "KEY-042",
            Self::Unfit(Unfit::SecondFactor) => "KEY-043",
            Self::NoSession => "MEANS-001",
            Self::CheckOver => "DESK-008",
            Self::Change(refused) => refused.code(),
            Self::Person(refusal) => refusal.code(),
            Self::NotHere(refusal) => refusal.code(),
            Self::Store(error) => error.code(),
            Self::Cookie(_) => "WEB-005",
        }
    }

    /// Whether somebody was kept from what they may not do; else something failed.
    pub fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::ForeignOrigin(_)
                | Self::Halted(_)
                | Self::TooMany
                | Self::Unfit(_)
                | Self::Unproven(_)
                | Self::Change(_)
                | Self::Person(_)
                | Self::NotHere(NotHere::Client | NotHere::Zone | NotHere::Unwatched)
                | Self::TooLow
                | Self::NotDue
                | Self::VouchedByLess
        )
    }

    /// The status of the answer to the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_)
            | Self::NotHere(NotHere::Store(_))
            | Self::Cookie(_)
            | Self::Ceremony(CeremonyError::Kept(_) | CeremonyError::Failed(_)) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Ceremony(CeremonyError::Malformed(_)) => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }
}
