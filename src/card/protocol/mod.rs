//! The messages by which browser, workstation agent and server prove a card together, version 1.
//!
//! A hospital gets from it that both ends read the same thing or nothing: an unknown version, type, purpose or member is
//! refused, numbers have their exact length, and every text that a person will read is free of characters that could
//! disguise it. The messages do not depend on how they travel (agent protocol, sections 1, 6 and 9).
//!
//! This module never signs, never verifies and never touches a card: it turns the payload of a verified JWS into a typed
//! message, and back.

mod answer;
mod channel;
mod enrolment;
mod invitation;
mod machine;
mod notice;
mod origin;
mod question;
mod request;
mod standing;
mod terminal;

use chrono::TimeDelta;
use serde::de::DeserializeOwned;

pub use crate::card::proof::Purpose;
use crate::clock::Time;
use crate::crypto::jose::base64url;
use crate::web::text::is_plain;

pub use answer::{AgentVersion, CardAnswer, Interface, PinEntry};
pub use channel::{Accepts, AgentName, ChannelAnswer, ChannelOpening, ChannelReport, MAX_CARDS, MAX_WAIT};
pub use enrolment::{
    EnrolmentGrant, EnrolmentRequest, RequestKeys, WorkstationState, check_workstation_name,
};
pub use invitation::{Invitation, InvitationKind};
pub use machine::MachineProof;
pub use notice::{AgentNotice, NoticeCode};
pub use origin::WebOrigin;
pub use question::{MAX_DIGITS, QuestionReply, Said};
pub use request::{CardQuestion, CardRequest, Challenge};
pub use standing::{Standing, StandingRequest};
pub use terminal::{TerminalBegin, TerminalFinish, TerminalIdentity};

/// The one port of the agent, on 127.0.0.1.
pub const AGENT_PORT: u16 = 47_810;

/// The version that both ends speak; the member `v` of every message.
pub const VERSION: u8 = 1;

/// The audience of what a server signs for agents.
pub const AGENT_AUDIENCE: &str = "sceau-agent";

/// `typ` of a card request.
pub const TYP_CARD_REQUEST: &str = "sceau-card-request+jwt";
/// `typ` of a card answer.
pub const TYP_CARD_ANSWER: &str = "sceau-card-answer+jwt";
/// `typ` of the request by which a workstation enrols.
pub const TYP_ENROLMENT: &str = "sceau-enrolment+jwt";
/// `typ` of a [`MachineProof`].
pub const TYP_MACHINE_PROOF: &str = "sceau-machine-proof+jwt";
/// `typ` of what the server answers to an enrolment.
pub const TYP_ENROLLED: &str = "sceau-enrolled+jwt";
/// `typ` of what an agent tells by itself.
pub const TYP_AGENT_NOTICE: &str = "sceau-agent-notice+jwt";
/// `typ` of the question of a workstation whether it may answer.
pub const TYP_STANDING_REQUEST: &str = "sceau-standing-request+jwt";
/// `typ` of what the server says to it.
pub const TYP_STANDING: &str = "sceau-standing+jwt";
/// `typ` of what a command at a terminal asks for.
pub const TYP_TERMINAL_BEGIN: &str = "sceau-terminal-begin+jwt";
/// `typ` of what the server says of who is at a terminal.
pub const TYP_TERMINAL_IDENTITY: &str = "sceau-terminal-identity+jwt";
/// `typ` of the message by which an agent asks for a channel.
pub const TYP_CHANNEL_OPENING: &str = "sceau-channel-opening+jwt";
/// `typ` of what an agent reports over its channel.
pub const TYP_CHANNEL_REPORT: &str = "sceau-channel-report+jwt";
/// `typ` of what a server answers to both.
pub const TYP_CHANNEL_ANSWER: &str = "sceau-channel-answer+jwt";
/// `typ` of what a person at a workstation says to a question, before the PIN.
pub const TYP_QUESTION_REPLY: &str = "sceau-question-reply+jwt";
/// `typ` of the list of request keys that a server publishes to its agents.
pub const TYP_REQUEST_KEYS: &str = "sceau-request-keys+jwt";

/// How long a card request lives at most.
pub const REQUEST_LIFETIME: TimeDelta = TimeDelta::seconds(120);
/// How long a badge request lives: the card is in the hand.
pub const BADGE_LIFETIME: TimeDelta = TimeDelta::seconds(60);
/// What the clocks of a workstation and a server may differ by before the agent refuses.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);
/// How long an invitation to enrol lives.
pub const INVITATION_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// The path of the server that takes card answers from agents (a cross-site POST).
pub const RETURN_PATH: &str = "/card/return";
/// The path of the server that an agent leads to when its user gives up.
pub const CANCEL_PATH: &str = "/card/cancel";
/// The path of the server where a workstation enrols.
pub const ENROL_PATH: &str = "/agent/enrol";
/// The path of the server where its agents find its request keys.
pub const REQUEST_KEYS_PATH: &str = "/agent/keys";

/// The path of the server where a workstation asks whether it may answer.
pub const STANDING_PATH: &str = "/agent/standing";
/// The path of the server where a command at a terminal gets a card request.
pub const TERMINAL_BEGIN_PATH: &str = "/agent/terminal";
/// The path of the server that takes its answer.
pub const TERMINAL_FINISH_PATH: &str = "/agent/terminal/finish";
/// The path of the server where an agent asks for a channel.
pub const CHANNEL_OPENING_PATH: &str = "/agent/channel/open";
/// The path of the server that takes what comes over a channel.
pub const CHANNEL_PATH: &str = "/agent/channel";
/// The path of the server that takes the answers to badge requests.
pub const BADGE_PATH: &str = "/agent/badge";

/// The path of the server that takes what people say to questions of other programs, before the PIN.
pub const QUESTION_REPLY_PATH: &str = "/agent/question/reply";
/// The path of the server that takes what cards answer to them.
pub const QUESTION_PATH: &str = "/agent/question";

/// The code by which a server says that a channel is not open, so that the agent asks for another.
pub const CHANNEL_NOT_OPEN: &str = "WS-036";
/// The code by which a server says that it does not understand a message of the channel.
pub const CHANNEL_MALFORMED: &str = "WS-030";

/// The path of the server that takes alerts of agents.
pub const NOTICE_PATH: &str = "/agent/notice";

/// Why a message was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Not JSON, a member is missing, unknown, double or of the wrong form.
    #[error("the message is malformed: {0}")]
    Malformed(String),
    /// The member `v` names a version that this program does not speak.
    #[error("the message is of version {0}; this program speaks version {VERSION}")]
    Version(u64),
    /// The member `aud` names somebody else.
    #[error("the message is addressed to {0:?}")]
    Audience(String),
    /// The member `purpose` names nothing known.
    #[error("the purpose {0:?} is unknown")]
    Purpose(String),
    /// A member that belongs to another purpose, or is missing for this one.
    #[error("the member {0} does not fit the purpose")]
    Misplaced(&'static str),
    /// A text that people read carries control or direction characters, or is too long.
    #[error("the text of {0} cannot be shown")]
    Text(&'static str),
    /// `exp` lies before `iat` or more than two minutes after it.
    #[error("the lifetime of the request is {0} seconds")]
    Lifetime(i64),
    /// The text is not an origin as browsers write it.
    #[error("{0:?} is not an origin that can be enrolled")]
    Origin(String),
    /// The text is not an invitation.
    #[error("this is not an enrolment code")]
    Invitation,
}

/// Reads JSON strictly: the types below refuse unknown and double members.
fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ProtocolError> {
    serde_json::from_slice(payload).map_err(|error| {
        // It may repeat the name of a member, which a stranger chose: no line of the log is to be begun by it.
        let text = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        ProtocolError::Malformed(text)
    })
}

fn check_version(v: u64) -> Result<(), ProtocolError> {
    if v == u64::from(VERSION) { Ok(()) } else { Err(ProtocolError::Version(v)) }
}

/// Refuses text that could make a page say something else than what was meant: control characters, line ends and the
/// characters that turn the direction of writing (Unicode Technical Report 36 §3).
fn check_text(name: &'static str, text: &str, max_chars: usize) -> Result<(), ProtocolError> {
    if text.trim().is_empty() || text.chars().count() > max_chars || !text.chars().all(is_plain) {
        return Err(ProtocolError::Text(name));
    }
    Ok(())
}

fn time_from_seconds(name: &'static str, seconds: i64) -> Result<Time, ProtocolError> {
    Time::from_timestamp(seconds, 0).ok_or_else(|| ProtocolError::Malformed(format!("{name} is not a time")))
}

/// Exactly `N` bytes in base64url without padding, in the one canonical spelling.
fn fixed_bytes<const N: usize>(name: &'static str, text: &str) -> Result<[u8; N], ProtocolError> {
    base64url::decode(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| ProtocolError::Malformed(format!("{name} is not {N} bytes in base64url")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_could_disguise_itself_is_refused() {
        assert!(check_text("rp_name", "Dossier patient (DPI) – Bloc n° 3", 100).is_ok());
        for bad in ["", "  ", "a\u{202E}b", "a\nb", "a\u{0}b", "\u{2066}x", "x\u{200B}y", "x\u{FEFF}"] {
            assert_eq!(check_text("rp_name", bad, 100), Err(ProtocolError::Text("rp_name")), "{bad:?}");
        }
        assert_eq!(check_text("rp_name", &"x".repeat(101), 100), Err(ProtocolError::Text("rp_name")));
    }

    #[test]
    fn bytes_have_one_spelling_and_one_length() {
        assert_eq!(fixed_bytes::<2>("n", "AAE"), Ok([0, 1]));
        for bad in ["AAF", "AAE=", "AA", "AAEC", "A+E", ""] {
            assert!(fixed_bytes::<2>("n", bad).is_err(), "{bad:?}");
        }
    }

    /// Payloads as they are sent, one of each kind that needs no key.
    fn payloads() -> Vec<serde_json::Value> {
        let workstation = "019aa000-0000-7000-8000-000000000001";
        let (bytes, challenge) = ("A".repeat(43), "A".repeat(22));
        vec![
            serde_json::json!({
                "v": 1, "iss": "https://sceau.chu.example", "aud": "sceau-agent", "purpose": "browser",
                "txn": challenge, "nonce": bytes, "iat": 1_795_262_400, "exp": 1_795_262_500,
                "rp_name": "Dossier patient", "rp_host": "dpi.chu.example",
            }),
            serde_json::json!({
                "v": 1, "aud": "https://sceau.chu.example", "request": "a.b.c", "card_certificate": "AAEC",
                "card_signature": "AAEC", "workstation": workstation, "agent_version": "0.1.0",
                "pin": "window", "interface": "contact", "iat": 1_795_262_400,
            }),
            serde_json::json!({
                "v": 1, "aud": "https://sceau.chu.example", "workstation": workstation, "code": "AGENT-030",
                "count": 1, "agent_version": "0.1.0", "iat": 1_795_262_400,
            }),
        ]
    }

    /// Reads `payload` as each kind of message; what it means, where it is one.
    fn read(payload: &[u8]) -> Vec<serde_json::Value> {
        let _not_signed_here =
            (EnrolmentGrant::from_payload(payload), EnrolmentRequest::from_payload(payload));
        [
            CardRequest::from_payload(payload).ok().map(|message| message.to_payload()),
            CardAnswer::from_payload(payload).ok().map(|message| message.to_payload()),
            AgentNotice::from_payload(payload).ok().map(|message| message.to_payload()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    #[test]
    fn each_payload_is_one_message() {
        for payload in payloads() {
            assert_eq!(read(payload.to_string().as_bytes()), [payload]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes);
        }

        /// What is still a message after it was damaged says one thing: read again, it is the same.
        #[test]
        fn a_damaged_message_is_refused_or_means_one_thing(
            which in 0..3usize,
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = payloads()[which].to_string().into_bytes();
            for (place, byte) in places {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            for meant in read(&bytes) {
                prop_assert!(read(meant.to_string().as_bytes()).contains(&meant));
            }
        }
    }
}
