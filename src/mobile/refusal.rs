//! Why a phone is not paired, or does not answer: one variant per cause.

use http::StatusCode;

use crate::crypto::jose::JwsError;
use crate::directory;
use crate::means::ChangeRefused;
use crate::store::StoreError;
use crate::store::means::Standing;
use crate::web::cookies::NoCookie;
use crate::web::csrf;
use crate::web::limits::TooMany;
use crate::web::new_session::NotHere;
use crate::webauthn::ceremony::CeremonyError;

/// Why something ends without what it was for.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another site posted it.
    #[error("posted by another site: {0}")]
    Forged(#[from] csrf::Refused),
    /// Not a message of ours.
    #[error("the message is malformed")]
    Malformed,
    /// Not signed by the phone that it names.
    #[error("the message is not signed by the phone that it names: {0}")]
    Signature(#[from] JwsError),
    /// Meant for another server.
    #[error("the message is meant for another server")]
    OtherServer,
    /// The phone's clock is off, or the message was kept.
    #[error("the message was made at another time than now")]
    Clock,
    /// No such phone.
    #[error("the phone is not known")]
    UnknownPhone,
    /// The phone may not answer.
    #[error("the phone is {0:?}")]
    Halted(Standing),
    /// The code of a pairing was taken, or is too old; or its rest took too long.
    #[error("no pairing waits for this")]
    NoPairing,
    /// Something else than the digits was typed.
    #[error("other digits than those of the phone were typed")]
    WrongDigits,
    /// Something else was typed too often: the pairing is gone.
    #[error("other digits than those of the phone were typed too often")]
    TooManyDigits,
    /// The identity check on which the desk vouches is used, or too old.
    #[error("the identity check is used, or too old")]
    CheckOver,
    /// The browser of the phone is one in which whoever works at the desk has signed in.
    #[error("the phone is one that whoever works at the desk has signed in with")]
    OfTheDesk,
    /// The passkey is another means already.
    #[error("the passkey is registered already")]
    KnownAlready,
    /// The phone cannot verify its person.
    #[error("the phone did not verify its person")]
    Unverified,
    /// The protocol of passkeys.
    #[error(transparent)]
    Ceremony(CeremonyError),
    /// Nobody waits for an answer of this person any more.
    #[error("no question of this person waits")]
    NotWaiting,
    /// The code that was scanned is too old, or none of ours.
    #[error("the code that was scanned is too old, or none of ours")]
    BadCode,
    /// The number that was typed is another.
    #[error("another number was typed")]
    Mistyped,
    /// What was answered is not what was shown.
    #[error("the answer covers something else than what was shown")]
    OtherContext,
    /// The browser that waits is that of the phone itself.
    #[error("the browser that waits is the phone's own")]
    SameBrowser,
    /// The browser is outside and its person has used it with nothing better.
    #[error("the browser is outside, and not known to its person")]
    UnknownBrowser,
    /// The person said that it was not them.
    #[error("the person refused")]
    Refused,
    /// Nobody answered in time.
    #[error("nobody answered in time")]
    Unanswered,
    /// One address asks too often.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// As many pages wait as this node holds, or as may from one address.
    #[error("too many pages wait already")]
    Full,
    /// The sign-in is over, or was begun in another browser.
    #[error("no sign-in of this browser waits for a phone")]
    NoSignIn,
    /// Nobody is signed in in this browser.
    #[error("nobody is signed in in this browser")]
    NoSession,
    /// The rules for changing means.
    #[error(transparent)]
    Change(#[from] ChangeRefused),
    /// The person.
    #[error(transparent)]
    Person(#[from] directory::Refusal),
    /// The relying party insists on more than a phone reaches.
    #[error("the relying party insists on a level that the answer does not reach")]
    TooLow,
    /// The relying party does not take it from here.
    #[error(transparent)]
    NotHere(#[from] NotHere),
    /// Phones are not woken here.
    #[error("no phone is woken here")]
    NoPush,
    /// What the browser says of its subscription is none, or for another key than ours.
    #[error("the subscription is malformed, or for another key")]
    BadSubscription,
    /// The subscription is with a push service that the configuration does not name.
    #[error("the subscription is with a push service that [phone.push] hosts does not name")]
    OtherPushService,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A cookie could not be written.
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

impl From<CeremonyError> for Refusal {
    fn from(error: CeremonyError) -> Self {
        match error {
            CeremonyError::NotVerified => Self::Unverified,
            error => Self::Ceremony(error),
        }
    }
}

impl Refusal {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forged(refused) => refused.code(),
            Self::Malformed | Self::OtherServer => "PHONE-001",
            Self::Signature(_) => "PHONE-002",
            Self::Clock => "PHONE-003",
            Self::UnknownPhone => "PHONE-004",
            Self::Halted(_) => "PHONE-005",
            Self::NoPairing => "PHONE-006",
            Self::WrongDigits => "PHONE-007",
            Self::TooManyDigits => "PHONE-008",
            Self::CheckOver => "DESK-008",
            Self::OfTheDesk => "PHONE-027",
            Self::KnownAlready => "PHONE-009",
            Self::Unverified => "PHONE-010",
            Self::Ceremony(_) => "PHONE-011",
            Self::NotWaiting => "PHONE-012",
            Self::BadCode => "PHONE-013",
            Self::Mistyped => "PHONE-014",
            Self::OtherContext => "PHONE-015",
            Self::SameBrowser => "PHONE-016",
            Self::UnknownBrowser => "PHONE-017",
            Self::Refused => "PHONE-018",
            Self::Unanswered => "PHONE-019",
            Self::NoSignIn => "PHONE-020",
            Self::TooLow => "PHONE-021",
            Self::NoPush => "PHONE-022",
            Self::BadSubscription => "PHONE-023",
            Self::OtherPushService => "PHONE-024",
            Self::Full => "PHONE-040",
            Self::NoSession => "MEANS-001",
            Self::TooMany(too_many) => too_many.code(),
            Self::Change(refused) => refused.code(),
            Self::Person(refusal) => refusal.code(),
            Self::NotHere(refusal) => refusal.code(),
            Self::Store(error) => error.code(),
            Self::Cookie(_) => "WEB-005",
        }
    }

    /// Whether somebody was kept from what they may not do; else something failed.
    pub fn is_denial(&self) -> bool {
        !matches!(
            self,
            Self::Malformed
                | Self::Clock
                | Self::NoPairing
                | Self::Unverified
                | Self::NotWaiting
                | Self::Unanswered
                | Self::NoSignIn
                | Self::NoSession
                | Self::Full
                | Self::Store(_)
                | Self::NotHere(NotHere::Store(_))
                | Self::Cookie(_)
        )
    }

    /// The status of the answer to the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::NotHere(NotHere::Store(_)) | Self::Cookie(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }
}
