//! Why a card sign-in does not go on, one variant per cause.

use http::StatusCode;

use super::badge::BadgeRefusal;
use super::protocol::{AgentVersion, ProtocolError};
use super::question::QuestionRefusal;
use super::verify::CardRefusal;
use crate::crypto::jose::{JwsError, SignError};
use crate::directory;
use crate::store::StoreError;
use crate::web::cookies::NoCookie;
use crate::web::csrf;

/// Why a card sign-in does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The answer was posted to us by another site.
    #[error("the answer was posted by another site: {0}")]
    ForeignOrigin(#[from] csrf::Refused),
    /// What was posted is no answer.
    #[error("the answer is malformed: {0}")]
    Malformed(ProtocolError),
    /// The browser does not hold the cookie of the sign-in that the request was issued for: a relayed answer.
    #[error("the answer arrives in another browser than the sign-in began in")]
    OtherBrowser,
    /// No sign-in waits for this request: never issued, or another has taken its place.
    #[error("no sign-in waits for this card request")]
    UnknownRequest,
    /// The sign-in was ended before: a replayed answer.
    #[error("the sign-in was completed or cancelled before")]
    AlreadyEnded,
    /// The card request is older than two minutes.
    #[error("the card request has expired")]
    RequestExpired,
    /// The sign-in is older than ten minutes.
    #[error("the sign-in has expired")]
    TransactionExpired,
    /// The request is not for a browser.
    #[error("the card request has another purpose")]
    Purpose,
    /// The request that was answered is not, byte for byte, the one that was issued.
    #[error("the card request is not the one that was issued")]
    RequestDiffers,
    /// No such workstation.
    #[error("the workstation is not known")]
    WorkstationUnknown,
    /// Somebody revoked it.
    #[error("the workstation was revoked")]
    WorkstationRevoked,
    /// The time that its site token gave it is over.
    #[error("the workstation has to enrol anew")]
    WorkstationExpired,
    /// Nobody has approved it yet.
    #[error("the workstation waits for an administrator's approval")]
    WorkstationPending,
    /// The answer is not signed by the workstation that it names, or meant for another server.
    #[error("the answer is not the named workstation's, for us: {0}")]
    AnswerSignature(JwsError),
    /// The answer is for another server.
    #[error("the answer is meant for another server")]
    Audience,
    /// The agent is older than this installation serves.
    #[error("the agent is of version {found}, older than {minimum}")]
    AgentTooOld {
        /// What the workstation runs.
        found: AgentVersion,
        /// What it should run at least.
        minimum: AgentVersion,
    },
    /// What answers for a terminal does not hold the secret that the request is bound to.
    #[error("the answer comes from another process than the one that asked")]
    OtherProcess,
    /// Another workstation answers for a terminal than the one that asked.
    #[error("the answer comes from another workstation than the one that asked")]
    OtherWorkstation,
    /// So many card requests for terminals are open at the workstation.
    #[error("the workstation has as many card requests open as it may")]
    TooManyOpen,
    /// A card request was bound to that secret before.
    #[error("a card request was bound to that secret before")]
    SecretUsed,
    /// The clocks of a workstation and the server are too far apart, or somebody kept the message.
    #[error("the message was made at another time than now")]
    Clock,
    /// The card was used without its PIN.
    #[error("the card was used without its PIN")]
    WithoutPin,
    /// No authority is installed, so no card can be judged.
    #[error("no authority of cards is installed")]
    NoAuthorities,
    /// The person gave up.
    #[error("the person gave up")]
    Cancelled,
    /// No certificate waits under that handle: another took its place, it was used, or it was shown elsewhere.
    #[error("no certificate waits under this handle")]
    UnknownHandle,
    /// The certificate was brought more than two minutes ago.
    #[error("the certificate was brought too long ago")]
    HandleExpired,
    /// The browser presented no certificate.
    #[error("the browser presented no certificate")]
    NoCertificate,
    /// Certificates are not accepted from that network.
    #[error("certificates are not accepted from this address")]
    Network,
    /// The relying party wants a PIN typed now, which a certificate does not show.
    #[error("the relying party wants a fresh proof, which a certificate is not")]
    NotFresh,
    /// The host of certificates was not called by a person who follows a link.
    #[error("the host of certificates was called in the background")]
    InBackground,
    /// The card was suspended or revoked here.
    #[error("the card was suspended or revoked in the registry of means")]
    Halted,
    /// The badge window.
    #[error(transparent)]
    Badge(#[from] BadgeRefusal),
    /// A question of another program.
    #[error(transparent)]
    Question(#[from] QuestionRefusal),
    /// The card itself.
    #[error(transparent)]
    Card(#[from] CardRefusal),
    /// The person.
    #[error(transparent)]
    Person(#[from] directory::Refusal),
    /// The relying party is gone or disabled since the sign-in began.
    #[error("the relying party is not known or disabled")]
    Client,
    /// The relying party is not meant to be used from the workstation's zone.
    #[error("the relying party is not meant for this zone")]
    Zone,
    /// The relying party wants the card watched, and nobody watches it: an agent of a version before, or none.
    #[error("the relying party wants the card watched, and nobody watches it here")]
    Unwatched,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A request could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A cookie could not be written.
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

impl Refusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ForeignOrigin(_) => "CARD-001",
            Self::Malformed(_) => "CARD-002",
            Self::OtherBrowser => "CARD-003",
            Self::UnknownRequest => "CARD-004",
            Self::AlreadyEnded => "CARD-005",
            Self::RequestExpired => "CARD-006",
            Self::TransactionExpired => "CARD-007",
            Self::Purpose => "CARD-008",
            Self::RequestDiffers => "CARD-009",
            Self::WorkstationUnknown => "CARD-010",
            Self::WorkstationRevoked => "CARD-011",
            Self::WorkstationPending => "CARD-012",
            Self::WorkstationExpired => "CARD-030",
            Self::OtherProcess => "CARD-031",
            Self::OtherWorkstation => "CARD-032",
            Self::Clock => "CARD-033",
            Self::TooManyOpen => "CARD-034",
            Self::SecretUsed => "CARD-035",
            Self::AnswerSignature(_) => "CARD-013",
            Self::AgentTooOld { .. } => "CARD-014",
            Self::WithoutPin => "CARD-015",
            Self::Audience => "CARD-016",
            Self::NoAuthorities => "CARD-017",
            Self::Client => "CARD-018",
            Self::Sign(_) | Self::Cookie(_) => "CARD-019",
            Self::Zone => "CARD-021",
            Self::Unwatched => "CARD-022",
            Self::Halted => "CARD-061",
            Self::Cancelled => CANCELLED,
            Self::UnknownHandle => "CARD-040",
            Self::HandleExpired => "CARD-041",
            Self::NoCertificate => "CARD-042",
            Self::Network => "CARD-043",
            Self::NotFresh => "CARD-044",
            Self::InBackground => "CARD-045",
            Self::Badge(refusal) => refusal.code(),
            Self::Question(refusal) => refusal.code(),
            Self::Card(refusal) => refusal.code(),
            Self::Person(refusal) => refusal.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// The HTTP status of the page that says so.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooManyOpen => StatusCode::TOO_MANY_REQUESTS,
            Self::AlreadyEnded | Self::UnknownRequest | Self::UnknownHandle => StatusCode::CONFLICT,
            Self::Question(QuestionRefusal::NotWaiting)
            | Self::RequestExpired
            | Self::TransactionExpired
            | Self::HandleExpired
            | Self::Badge(BadgeRefusal::NoTap) => StatusCode::GONE,
            Self::NoAuthorities | Self::Sign(_) | Self::Cookie(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// Whether it was understood and not allowed, rather than gone wrong.
    pub(super) fn is_denial(&self) -> bool {
        self.status() == StatusCode::FORBIDDEN
    }
}

/// The code that a sign-in carries whose card request was given up.
pub const CANCELLED: &str = "CARD-020";
