//! Why a sign-in by a provider of others does not go on, or a token of it is not taken: one variant per cause.

use http::StatusCode;

use super::provider::ProviderError;
use crate::crypto::sealed::SealError;
use crate::directory;
use crate::store::StoreError;
use crate::web::cookies::NoCookie;
use crate::web::csrf;
use crate::web::limits::TooMany;
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
    /// A provider delegates this sign-in to us: it is not passed on to another.
    #[error("a sign-in that a provider delegates to us does not go to another provider")]
    PassedOn,
    /// Two providers send somebody to each other.
    #[error("the sign-in turns in circles between two providers")]
    Circle,
    /// The tenant is another than the one that is configured.
    #[error("the provider tells another tenant than the one that is configured, or none")]
    OtherTenant,
    /// The provider does not tell who somebody is for good.
    #[error("the provider does not tell the claim that somebody is known by")]
    NoSubject,
    /// There is no identity to pair.
    #[error("no identity waits to be paired in this sign-in of this browser")]
    NothingToPair,
    /// Whoever pairs has not signed in for it, or not well enough.
    #[error("whoever pairs did not sign in for it by a means that resists phishing")]
    NotPairedHere,
    /// The identity was paired with somebody else a moment ago, or the person is paired with another.
    #[error("the identity is another person's, or the person has another one of this provider")]
    PairedElsewhere,
    /// The national identifier that the provider tells is not the one of whoever signed in here.
    #[error("the provider tells another national identifier than that of whoever pairs")]
    Contradicted,
    /// Another identity waits to be paired than the one that the page showed.
    #[error("the identity to be paired is another one by now than the page showed")]
    OtherShown,
    /// A form of another site.
    #[error(transparent)]
    Form(#[from] csrf::Refused),
    /// The level is lower than the relying party insists on.
    #[error("the relying party insists on a level that the sign-in there does not reach")]
    TooLow,
    /// The person said no where they were asked.
    #[error("the person refused where they were asked")]
    Denied,
    /// Nobody answered in time.
    #[error("nobody answered in time")]
    Unanswered,
    /// The browser has left the place where its person may be asked.
    #[error("the answer is fetched from outside, by a browser that its person has not used")]
    OutOfReach,
    /// Somebody else answered than the one who was asked.
    #[error("somebody else answered than the one who was asked")]
    OtherPerson,
    /// The provider knows nobody of the identifier that was typed. The page is not told: it waits.
    #[error("the provider knows nobody of the identifier that was typed: {0}")]
    UnknownThere(String),
    /// What was typed is no national identifier.
    #[error("what was typed is no national identifier")]
    BadIdentifier,
    /// This sign-in, or the establishment, has asked too often.
    #[error("somebody is asked too often")]
    AskedTooOften,
    /// Another page of this sign-in has asked anew.
    #[error("another page of this sign-in has asked anew")]
    Replaced,
    /// No question of this sign-in waits, or it was not approved.
    #[error("no question of this sign-in waits for that")]
    NoQuestion,
    /// Not a message of our page.
    #[error("the message is malformed")]
    Malformed,
    /// People are not asked there.
    #[error("people are not asked there, or not in this way")]
    NotOffered,
    /// Too many pages wait.
    #[error("too many pages wait on this node")]
    Full,
    /// Whoever asks goes too fast.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The service may not exchange the tokens of that client of the provider.
    #[error("the service may not exchange the tokens of that client of the provider")]
    TokenOfOthers,
    /// A token of the provider is not good.
    #[error("the token of the provider is not good: {0}")]
    TokenNotGood(&'static str),
    /// The person has signed out there since they signed in there.
    #[error("the person has signed out at the provider since")]
    EndedThere,
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
        match error {
            ProviderError::NoBackchannel => Self::NotOffered,
            error if error.is_failure() => Self::Away(error),
            error => Self::Untrue(error),
        }
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
            Self::Clash | Self::PairedElsewhere => "UPSTREAM-013",
            Self::TooLow => "UPSTREAM-014",
            Self::Denied => "UPSTREAM-015",
            Self::Unanswered | Self::OutOfReach => "UPSTREAM-016",
            Self::OtherPerson => "UPSTREAM-017",
            Self::UnknownThere(_) => "UPSTREAM-018",
            Self::BadIdentifier => "UPSTREAM-019",
            Self::AskedTooOften => "UPSTREAM-020",
            Self::Replaced => "UPSTREAM-021",
            Self::NoQuestion | Self::Malformed => "UPSTREAM-022",
            Self::NotOffered => "UPSTREAM-023",
            Self::Full => "UPSTREAM-024",
            Self::TooMany(too_many) => too_many.code(),
            Self::PassedOn => "UPSTREAM-035",
            Self::Circle => "UPSTREAM-036",
            Self::OtherTenant => "UPSTREAM-037",
            Self::NoSubject => "UPSTREAM-038",
            Self::NothingToPair => "UPSTREAM-039",
            Self::NotPairedHere => "UPSTREAM-040",
            Self::Contradicted => "UPSTREAM-046",
            Self::OtherShown => "UPSTREAM-048",
            Self::TokenOfOthers => "UPSTREAM-050",
            Self::TokenNotGood(_) => "UPSTREAM-051",
            Self::Form(refused) => refused.code(),
            Self::EndedThere => "UPSTREAM-033",
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
                | Self::NothingToPair
                | Self::OtherShown
                | Self::Late
                | Self::Away(_)
                | Self::RefusedThere(_)
                | Self::Denied
                | Self::Unanswered
                | Self::UnknownThere(_)
                | Self::BadIdentifier
                | Self::Replaced
                | Self::NoQuestion
                | Self::Malformed
                | Self::NotOffered
                | Self::Full
                | Self::Raced
                | Self::Seal(_)
                | Self::Store(_)
                | Self::NotHere(NotHere::Store(_))
                | Self::Cookie(_)
        )
    }

    /// Whether it takes somebody whom a provider names, or who was asked; everything else anybody can bring about as often as
    /// they like, by ever new sign-ins. What is out of order here is not theirs either.
    pub fn is_of_somebody(&self) -> bool {
        matches!(
            self,
            Self::NotFresh
                | Self::NoIdentifier
                | Self::NotLinked
                | Self::Clash
                | Self::OtherTenant
                | Self::NoSubject
                | Self::TooLow
                | Self::PairedElsewhere
                | Self::Contradicted
                | Self::OtherShown
                | Self::Denied
                | Self::Unanswered
                | Self::OutOfReach
                | Self::OtherPerson
                | Self::UnknownThere(_)
                | Self::EndedThere
                | Self::Person(_)
                | Self::Seal(_)
                | Self::Store(_)
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
                | Self::PassedOn
                | Self::Circle
                | Self::OtherTenant
                | Self::NoSubject
                | Self::EndedThere
                | Self::Person(_)
                | Self::NotHere(NotHere::Unwatched)
        )
    }

    /// Whether it stands in the audit by now, with what it changed.
    pub fn was_recorded(&self) -> bool {
        matches!(self, Self::Contradicted)
    }

    /// Whether whoever is refused is signed in all the same, and can go on.
    pub fn leaves_the_session(&self) -> bool {
        matches!(self, Self::PairedElsewhere | Self::Contradicted | Self::OtherShown)
    }

    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::NotHere(NotHere::Store(_)) | Self::Cookie(_) | Self::Seal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::UnknownProvider => StatusCode::NOT_FOUND,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }
}
