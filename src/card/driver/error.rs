//! Everything that can go wrong between a reader and a signature, one variant per cause.

use super::cps::Generation;

/// What went wrong with a reader or a card. The sentences are for logs and the command line; pages take theirs from the
/// translations, by [`Self::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReaderError {
    /// The PC/SC service of the system does not run.
    #[error("the card service of this computer (PC/SC, pcscd) is not running")]
    NoService,
    #[error("no card reader is connected")]
    NoReader,
    #[error("there is no card in the reader")]
    NoCard,
    /// A card that is none of a health professional.
    #[error("the card in the reader is not a health professional's card")]
    ForeignCard,
    /// A health professional's card that this version cannot use.
    #[error("this version cannot use a card of the generation {0}")]
    UnsupportedGeneration(Generation),
    /// Pulled out while it was used, or between being shown and the PIN.
    #[error("the card was pulled out")]
    Removed,
    /// The card is not the one that was shown.
    #[error("the card is not the one that was shown")]
    Exchanged,
    /// Another program holds the reader exclusively, or does not end its transaction.
    #[error("another program is using the card")]
    InUse,
    #[error("wrong PIN; {tries_left} left")]
    WrongPin { tries_left: u8 },
    /// One try is left, or their number cannot be read, and nobody has said that it may be used.
    #[error("only one try of the PIN is left")]
    LastTry,
    #[error("the PIN is blocked")]
    Blocked,
    /// The certificate cannot be found or read, or none is for authentication.
    #[error("the card's authentication certificate cannot be read: {0}")]
    CertificateUnreadable(String),
    /// The card's signature is not one of the key in its certificate.
    #[error("the card's signature does not verify with its certificate")]
    SignatureInvalid,
    /// Not a number of digits that the card's PIN can have. No try was lost.
    #[error("the PIN has {min} to {max} digits")]
    PinFormat { min: usize, max: usize },
    /// No answer to reset: inserted the wrong way round, dirty or broken.
    #[error("the card does not answer")]
    Mute,
    /// The card refused a command that a card of its kind accepts.
    #[error("the card answered {status:04X} to {command}")]
    Refused { command: &'static str, status: u16 },
    /// The reader that was named is not there, or no longer.
    #[error("the reader is not connected")]
    ReaderGone,
    /// The connection broke after the PIN was sent: whether a try was lost is not known.
    #[error("the connection to the card broke after the PIN was sent")]
    Interrupted,
    /// More than one card, and none named.
    #[error("there are several cards: name the reader")]
    SeveralCards,
    /// The connection broke, by another program's reset or a fault of the reader, and could not be rebuilt.
    #[error("the connection to the card was lost")]
    ConnectionLost,
    /// A sign-in needs the PIN, and this card lies on an antenna, where it has none.
    #[error("the card lies on a contactless reader, where it has no PIN")]
    ContactNeeded,
    /// A badge is tapped, and this card stands in a slot.
    #[error("the card stands in a slot, and is to be laid on a contactless reader")]
    TapNeeded,
    /// Without the card's word, a VERIFY could spend the tries of another code.
    #[error("the card does not say how its PIN is presented")]
    PinUnknown,
    /// Nobody typed on the reader's keys in time. No try was lost.
    #[error("no PIN was typed on the reader in time")]
    PadTimeout,
    /// The holder pressed the reader's cancel key. No try was lost.
    #[error("the PIN entry was cancelled on the reader")]
    PadCancelled,
    /// Another program holds the card for itself alone.
    #[error("another program holds the card exclusively")]
    HeldExclusively,
    /// The reader has no keys, or no longer says so.
    #[error("the reader has no keys for the PIN")]
    NoPad,
    /// It asks to be asked again for ever: no card of this family does, but a broken or a hostile one may.
    #[error("the card does not come to an end of its answers")]
    Endless,
    /// Anything else the PC/SC service says.
    #[error("PC/SC: {0}")]
    Service(String),
}

impl ReaderError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoService => "READER-001",
            Self::NoReader => "READER-002",
            Self::NoCard => "READER-003",
            Self::ForeignCard => "READER-004",
            Self::UnsupportedGeneration(_) => "READER-005",
            Self::Removed => "READER-006",
            Self::Exchanged => "READER-007",
            Self::InUse => "READER-008",
            Self::WrongPin { .. } => "READER-009",
            Self::LastTry => "READER-010",
            Self::Blocked => "READER-011",
            Self::CertificateUnreadable(_) => "READER-012",
            Self::SignatureInvalid => "READER-013",
            Self::PinFormat { .. } => "READER-014",
            Self::Mute => "READER-015",
            Self::Refused { .. } => "READER-016",
            Self::ReaderGone => "READER-017",
            Self::Interrupted => "READER-018",
            Self::SeveralCards => "READER-019",
            Self::ConnectionLost => "READER-020",
            Self::Service(_) => "READER-021",
            Self::ContactNeeded => "READER-022",
            Self::TapNeeded => "READER-023",
            Self::PinUnknown => "READER-024",
            Self::PadTimeout => "READER-025",
            Self::PadCancelled => "READER-026",
            Self::HeldExclusively => "READER-027",
            Self::NoPad => "READER-028",
            Self::Endless => "READER-029",
        }
    }
}
