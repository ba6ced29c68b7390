//! Why the desk does not do what it was asked for: one variant per cause.

use http::StatusCode;

use super::rights::RightsRefused;
use crate::directory;
use crate::mobile;
use crate::store::StoreError;
use crate::web::csrf;
use crate::webauthn;

/// Why the desk refuses.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Forged(#[from] csrf::Refused),
    #[error("nobody is signed in in this browser")]
    NoSession,
    #[error(transparent)]
    Rights(#[from] RightsRefused),
    #[error("nobody changes their own means at the desk")]
    OwnMeans,
    #[error("there is nobody with that key")]
    Nobody,
    #[error("the person gets nothing here: {0}")]
    Person(#[from] directory::Refusal),
    #[error("no identity check of this person is good in this session")]
    NoCheck,
    #[error("the means is not this person's, or does not stand as it did on the page")]
    Changed,
    #[error("the form holds what the page does not offer")]
    Unclear,
    #[error("the document proves less than the identity opens")]
    Document,
    #[error("the identity is somebody's already")]
    LinkedElsewhere,
    #[error("the person has another identity of this provider")]
    HasIdentity,
    #[error("the identity opens more than a desk vouches for, and its provider tells no national identifier")]
    TooHigh,
    #[error("the provider told somebody else's national identifier of the identity")]
    ToldOfAnother,
    #[error("security keys are turned off")]
    NoKeys,
    #[error("phones are turned off")]
    NoPhones,
    #[error(transparent)]
    Key(#[from] webauthn::Refusal),
    #[error(transparent)]
    Phone(#[from] mobile::Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The stable code of `docs/errors.md`.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Forged(refused) => refused.code(),
            Self::NoSession => "MEANS-001",
            Self::Rights(refused) => refused.code(),
            Self::OwnMeans => "DESK-005",
            Self::Nobody => "DESK-006",
            Self::Person(_) => "DESK-007",
            Self::NoCheck => "DESK-008",
            Self::Changed => "DESK-009",
            Self::Unclear => "DESK-010",
            Self::NoKeys => "DESK-011",
            Self::NoPhones => "DESK-012",
            Self::Document => "DESK-013",
            Self::LinkedElsewhere => "DESK-014",
            Self::HasIdentity => "DESK-015",
            Self::TooHigh => "DESK-016",
            Self::ToldOfAnother => "DESK-017",
            Self::Key(refusal) => refusal.code(),
            Self::Phone(refusal) => refusal.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// Whether somebody was kept from what they may not do; else something failed.
    pub(super) fn is_denial(&self) -> bool {
        match self {
            Self::Store(_) | Self::Rights(RightsRefused::Store(_)) => false,
            Self::Key(refusal) => refusal.is_denial(),
            Self::Phone(refusal) => refusal.is_denial(),
            _ => true,
        }
    }

    /// Whether signing in is all that it takes.
    pub(super) fn asks_for_sign_in(&self) -> bool {
        matches!(self, Self::NoSession | Self::Rights(RightsRefused::NotFresh))
    }

    /// Whether another sign-in might be enough.
    pub(super) fn asks_for_better(&self) -> bool {
        matches!(self, Self::Rights(RightsRefused::Weak | RightsRefused::Means))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::Rights(RightsRefused::Store(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Nobody => StatusCode::NOT_FOUND,
            Self::Changed | Self::LinkedElsewhere | Self::HasIdentity | Self::ToldOfAnother => {
                StatusCode::CONFLICT
            }
            Self::Unclear => StatusCode::BAD_REQUEST,
            Self::Key(refusal) => refusal.status(),
            Self::Phone(refusal) => refusal.status(),
            _ => StatusCode::FORBIDDEN,
        }
    }
}
