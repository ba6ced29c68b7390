//! What an agent tells a server by itself, agent → server (agent protocol, section 9).
//!
//! Every refusal has an audit event, also one that ends at the workstation: a wrong PIN, a card pulled out, a page that
//! tried to use the agent. The server could not know of it otherwise, since no answer comes of it.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::{
    AgentVersion, Challenge, ProtocolError, VERSION, WebOrigin, check_version, from_json, time_from_seconds,
};
use crate::clock::Time;
use crate::ids::WorkstationId;

/// Something that happened at a workstation and that the establishment should know, although no answer came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNotice {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// What happened.
    pub code: NoticeCode,
    /// The card request during which it happened, where there was one.
    pub request: Option<Challenge>,
    /// How often it happened since the agent last told of it, 1 at least.
    pub count: u32,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// When the notice was made, by the workstation's clock.
    pub issued_at: Time,
}

/// A code of `docs/errors.md` that an agent may report: of the agent itself, or of reader and card.
///
/// Any number is taken, so that a server of today understands a workstation of tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoticeCode(String);

impl NoticeCode {
    /// Another program holds the agent's port: it could pose as the agent.
    #[must_use]
    pub fn port_held() -> Self {
        Self("AGENT-030".to_owned())
    }

    /// Reads `AGENT-nnn` or `READER-nnn`.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ProtocolError> {
        let number = text.strip_prefix("AGENT-").or_else(|| text.strip_prefix("READER-"));
        match number {
            Some(digits) if digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(ProtocolError::Malformed("code is none of a workstation".to_owned())),
        }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for NoticeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NoticeCode {
    type Error = ProtocolError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<NoticeCode> for String {
    fn from(code: NoticeCode) -> Self {
        code.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    code: NoticeCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    txn: Option<String>,
    count: u32,
    agent_version: AgentVersion,
    iat: i64,
}

impl AgentNotice {
    /// Reads the payload of a JWS of type [`super::TYP_AGENT_NOTICE`], before it is verified: it names the workstation
    /// by whose key it is.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.count == 0 {
            return Err(ProtocolError::Malformed("count is not positive".to_owned()));
        }
        Ok(Self {
            audience: wire.aud,
            workstation: wire.workstation,
            code: wire.code,
            request: wire.txn.as_deref().map(Challenge::parse).transpose()?,
            count: wire.count,
            agent_version: wire.agent_version,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> serde_json::Value {
        serde_json::json!(Wire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation: self.workstation,
            code: self.code.clone(),
            txn: self.request.map(Challenge::to_text),
            count: self.count,
            agent_version: self.agent_version,
            iat: self.issued_at.timestamp(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        let payload = json!({
            "v": 1, "aud": "https://sceau.chu.example", "workstation": "019aa000-0000-7000-8000-000000000001",
            "code": "READER-009", "txn": "AAAAAAAAAAAAAAAAAAAAAA", "count": 2, "agent_version": "0.1.0",
            "iat": 1_795_262_400,
        });
        let read = |payload: &serde_json::Value| AgentNotice::from_payload(payload.to_string().as_bytes());
        assert_eq!(read(&payload).unwrap().to_payload(), payload);
        let mut alone = payload.clone();
        alone.as_object_mut().unwrap().remove("txn");
        assert_eq!(read(&alone).unwrap().to_payload(), alone);
        for (member, value) in [
            ("v", json!(2)),
            ("code", json!("hello")),
            ("code", json!("CARD-003")),
            ("code", json!("AGENT-9")),
            ("code", json!("AGENT-0001")),
            ("code", json!("READER-00９")),
            ("txn", json!("short")),
            ("count", json!(0)),
            ("count", json!(-1)),
            ("extra", json!(1)),
            ("aud", json!("x")),
        ] {
            let mut bad = payload.clone();
            bad[member] = value;
            assert!(read(&bad).is_err(), "{member}");
        }
    }
}
