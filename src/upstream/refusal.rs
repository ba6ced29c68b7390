//! Why a sign-in by a provider of others does not go on: one variant per cause.

use http::StatusCode;

use super::provider::ProviderError;
use crate::crypto::sealed::SealError;
use crate::directory;
use crate::store::StoreError;
use crate::web::cookies::NoCookie;
use crate::web::new_session::NotHere;

/// Why a sign-in by a provider of others does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The link was followed from another site, or in the background.
    #[error("the link was followed from another site, or in the background")]
    Forged,
    /// No such provider is configured.
    #[error("no such provider is configured")]
    UnknownProvider,
    /// The sign-in is over, or was begun in another browser.
    #[error("no sign-in of this browser waits for a provider")]
    NoSignIn,
    /// What came back was never sent, or has come back before.
    #[error("what came back was not sent by us, or has come back before")]
    UnknownState,
    /// It came back too late.
    #[error("the sign-in came back too late")]
    Late,
    /// It came back in another browser than it left.
    #[error("the sign-in comes back in another browser than it left")]
    OtherBrowser,
    /// The provider does not answer.
    #[error(transparent)]
    Away(ProviderError),
    /// What the provider says is not acceptable.
    #[error(transparent)]
    Untrue(ProviderError),
    /// The person gave up there, or was refused.
    #[error("the provider says {0:?}")]
    RefusedThere(String),
    /// The person did not sign in there anew, as the relying party wants.
    #[error("the person did not sign in anew at the provider")]
    NotFresh,
    /// The provider tells no national identifier.
    #[error("the provider tells no national identifier")]
    NoIdentifier,
    /// Nobody has said yet who this is here.
    #[error("nobody of this establishment is linked to this identity")]
    NotLinked,
    /// The provider and the registry disagree who this is.
    #[error("the provider and the registry disagree who this is")]
    Clash,
    /// The level is lower than the relying party insists on.
    #[error("the relying party insists on a level that the sign-in there does not reach")]
    TooLow,
    /// The person.
    #[error(transparent)]
    Person(#[from] directory::Refusal),
    /// The relying party does not take it from here.
    #[error(transparent)]
    NotHere(#[from] NotHere),
    /// Another tab was faster.
    #[error("the sign-in was completed or cancelled before")]
    Raced,
    /// What stayed here cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A cookie could not be written.
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        if error.is_failure() { Self::Away(error) } else { Self::Untrue(error) }
    }
}

impl Refusal {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forged => "UPSTREAM-001",
            Self::UnknownProvider => "UPSTREAM-002",
            Self::NoSignIn | Self::Raced => "UPSTREAM-003",
            Self::UnknownState => "UPSTREAM-004",
            Self::Late => "UPSTREAM-005",
            Self::OtherBrowser => "UPSTREAM-006",
            Self::Away(_) => "UPSTREAM-007",
            Self::Untrue(_) => "UPSTREAM-008",
            Self::RefusedThere(_) => "UPSTREAM-009",
            Self::NotFresh => "UPSTREAM-010",
            Self::NoIdentifier => "UPSTREAM-011",
            Self::NotLinked => "UPSTREAM-012",
            Self::Clash => "UPSTREAM-013",
            Self::TooLow => "UPSTREAM-014",
            Self::Person(refusal) => refusal.code(),
            Self::NotHere(refusal) => refusal.code(),
            Self::Seal(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Cookie(_) => "WEB-005",
        }
    }

    /// Whether somebody was kept from what they may not do; else something failed.
    pub fn is_denial(&self) -> bool {
        !matches!(
            self,
            Self::NoSignIn
                | Self::Late
                | Self::Away(_)
                | Self::RefusedThere(_)
                | Self::Raced
                | Self::Seal(_)
                | Self::Store(_)
                | Self::NotHere(NotHere::Store(_))
                | Self::Cookie(_)
        )
    }

    /// Whether the sign-in goes on by another means: its page says why this one did not do.
    pub fn leaves_the_rest(&self) -> bool {
        matches!(
            self,
            Self::Away(_)
                | Self::Untrue(_)
                | Self::RefusedThere(_)
                | Self::NotFresh
                | Self::NoIdentifier
                | Self::NotLinked
                | Self::Clash
                | Self::TooLow
                | Self::Person(_)
                | Self::NotHere(NotHere::Unwatched)
        )
    }

    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::NotHere(NotHere::Store(_)) | Self::Cookie(_) | Self::Seal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::UnknownProvider => StatusCode::NOT_FOUND,
            _ => StatusCode::FORBIDDEN,
        }
    }
}
