//! The card answer, agent → server (agent protocol, section 6).

use std::fmt::{self, Debug, Display};

use serde::{Deserialize, Serialize};

use super::{ProtocolError, VERSION, WebOrigin, check_version, fixed_bytes, from_json, time_from_seconds};
use crate::clock::Time;
use crate::crypto::jose::base64url;
use crate::ids::WorkstationId;

/// Where the PIN was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinEntry {
    /// On the reader's own keys.
    Pad,
    /// In a window of the agent's process.
    Window,
    /// On the agent's page.
    Page,
    /// Nowhere: the contactless side of a card has no PIN.
    None,
}

/// Which side of the card answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// In a slot.
    Contact,
    /// On a contactless reader.
    Contactless,
}

/// The version of an agent: three numbers, compared as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentVersion(u32, u32, u32);

impl AgentVersion {
    /// The version of this program.
    #[must_use]
    pub fn this() -> Self {
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self(0, 0, 0))
    }

    /// The oldest agent that a server of this version serves unless its configuration says otherwise: servers and
    /// workstations are never updated on one day, so the minor version before counts, whatever its last number. The first
    /// minor version of a major one cannot know which was the last before it, and serves all of that major version.
    #[must_use]
    pub const fn one_behind(self) -> Self {
        match self {
            Self(major, minor, _) if minor > 0 => Self(major, minor - 1, 0),
            Self(major, ..) => Self(major.saturating_sub(1), 0, 0),
        }
    }

    /// Whether agents of this version keep a channel: the cards that they answer for are watched.
    #[must_use]
    pub fn keeps_channels(self) -> bool {
        self >= Self(0, 1, 0)
    }

    /// Reads `1.2.3`.
    pub fn parse(text: &str) -> Result<Self, ProtocolError> {
        let malformed = || ProtocolError::Malformed("agent_version is not three numbers".to_owned());
        let number = |part: &str| match part {
            "0" => Ok(0),
            _ if part.starts_with(['0', '+']) => Err(malformed()),
            _ => part.parse().map_err(|_| malformed()),
        };
        match *text.split('.').collect::<Vec<_>>() {
            [major, minor, patch] => Ok(Self(number(major)?, number(minor)?, number(patch)?)),
            _ => Err(malformed()),
        }
    }
}

impl Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl TryFrom<String> for AgentVersion {
    type Error = ProtocolError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AgentVersion> for String {
    fn from(version: AgentVersion) -> Self {
        version.to_string()
    }
}

/// What an agent answers to a card request.
#[derive(Clone, PartialEq, Eq)]
pub struct CardAnswer {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The request JWS byte for byte as received.
    pub request: String,
    /// The card's authentication certificate, DER.
    pub card_certificate: Vec<u8>,
    /// The card's signature over the proof.
    pub card_signature: Vec<u8>,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// Where the PIN was typed.
    pub pin: PinEntry,
    /// Which side of the card answered.
    pub interface: Interface,
    /// Whose channel watches the card from now on: SHA-256 of the agent's name in section 13. The answer passes through a
    /// browser, so the name itself is not in it. None where a terminal asked, or the agent is of the version before.
    pub watched_by: Option<[u8; 32]>,
    /// When the answer was made, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    aud: WebOrigin,
    request: String,
    card_certificate: String,
    card_signature: String,
    workstation: WorkstationId,
    agent_version: AgentVersion,
    pin: PinEntry,
    interface: Interface,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watched_by: Option<String>,
    iat: i64,
}

impl CardAnswer {
    /// Reads the payload of a JWS of type [`super::TYP_CARD_ANSWER`].
    ///
    /// It is read before it is verified, because it names the request and the workstation by which it is verified:
    /// trust nothing of it before the signature of that workstation was checked.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        let bytes = |name: &str, text: &str| {
            base64url::decode(text)
                .ok_or_else(|| ProtocolError::Malformed(format!("{name} is not base64url")))
        };
        Ok(Self {
            audience: wire.aud,
            request: wire.request,
            card_certificate: bytes("card_certificate", &wire.card_certificate)?,
            card_signature: bytes("card_signature", &wire.card_signature)?,
            workstation: wire.workstation,
            agent_version: wire.agent_version,
            pin: wire.pin,
            interface: wire.interface,
            watched_by: wire.watched_by.map(|hash| fixed_bytes("watched_by", &hash)).transpose()?,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> serde_json::Value {
        serde_json::json!(Wire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            request: self.request.clone(),
            card_certificate: base64url::encode(&self.card_certificate),
            card_signature: base64url::encode(&self.card_signature),
            workstation: self.workstation,
            agent_version: self.agent_version,
            pin: self.pin,
            interface: self.interface,
            watched_by: self.watched_by.as_ref().map(base64url::encode),
            iat: self.issued_at.timestamp(),
        })
    }
}

impl Debug for CardAnswer {
    /// Without certificate and signature: they name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardAnswer")
            .field("audience", &self.audience)
            .field("workstation", &self.workstation)
            .field("agent_version", &self.agent_version)
            .field("pin", &self.pin)
            .field("interface", &self.interface)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn payload() -> Value {
        json!({
            "v": 1, "aud": "https://sceau.chu.example", "request": "a.b.c", "card_certificate": "MII", "card_signature": "AAE",
            "workstation": "019aa000-0000-7000-8000-000000000001", "agent_version": "0.1.0", "pin": "window",
            "interface": "contact", "watched_by": "A".repeat(43), "iat": 1_795_262_400,
        })
    }

    fn read(payload: &Value) -> Result<CardAnswer, ProtocolError> {
        CardAnswer::from_payload(payload.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let answer = read(&payload()).unwrap();
        assert_eq!(answer.to_payload(), payload());
        assert!(!format!("{answer:?}").contains("48, 130"));
        let mut before = payload();
        before.as_object_mut().unwrap().remove("watched_by");
        let answer = read(&before).unwrap();
        assert_eq!(
            (answer.watched_by, answer.to_payload()),
            (None, before),
            "an agent of the version before"
        );
    }

    #[test]
    fn what_is_unknown_or_missing_is_refused() {
        for (member, value) in [
            ("v", json!(0)),
            ("v", json!("1")),
            ("pin", json!("none of it")),
            ("interface", json!("usb")),
            ("watched_by", json!("AAEC")),
            ("watched_by", json!("A".repeat(22))),
            ("extra", json!(true)),
            ("workstation", json!("1")),
            ("agent_version", json!("1.0")),
            ("agent_version", json!("01.0.0")),
            ("agent_version", json!("1.0.0-rc")),
            ("card_signature", json!("AAE=")),
            ("aud", json!("null")),
        ] {
            let mut bad = payload();
            bad[member] = value;
            assert!(read(&bad).is_err(), "{member}");
        }
        for member in payload().as_object().unwrap().keys().filter(|member| *member != "watched_by") {
            let mut without = payload();
            without.as_object_mut().unwrap().remove(member);
            assert!(read(&without).is_err(), "{member}");
        }
    }

    #[test]
    fn a_server_serves_the_agents_of_the_version_before() {
        let version = |text| AgentVersion::parse(text).unwrap();
        for (server, oldest, too_old) in [
            ("0.4.2", "0.3.0", Some("0.2.9")),
            ("1.7.0", "1.6.0", Some("1.5.12")),
            ("2.0.3", "1.0.0", Some("0.99.0")),
            ("0.1.0", "0.0.0", None),
            ("0.0.1", "0.0.0", None),
        ] {
            assert_eq!(version(server).one_behind(), version(oldest), "{server}");
            assert!(
                too_old.is_none_or(|too_old| version(too_old) < version(server).one_behind()),
                "{server}"
            );
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text| AgentVersion::parse(text).unwrap();
        assert!(version("0.10.0") > version("0.9.9"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert!(AgentVersion::this() >= version("0.1.0"));
    }
}
