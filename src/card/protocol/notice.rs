//! What an agent tells a server by itself, agent → server (agent protocol, section 9).

use serde::{Deserialize, Serialize};

use super::{AgentVersion, ProtocolError, VERSION, WebOrigin, check_version, from_json, time_from_seconds};
use crate::clock::Time;
use crate::ids::WorkstationId;

/// Something that happened at a workstation and that the establishment should know, although no request came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNotice {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// What happened.
    pub alert: Alert,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// When, by the workstation's clock.
    pub issued_at: Time,
}

/// What is worth an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alert {
    /// Another program holds the agent's port.
    PortHeld,
}

impl Alert {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::PortHeld => "AGENT-030",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    alert: Alert,
    agent_version: AgentVersion,
    iat: i64,
}

impl AgentNotice {
    /// Reads the payload of a JWS of type [`super::TYP_AGENT_NOTICE`], before it is verified: it names the workstation
    /// by whose key it is.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        Ok(Self {
            audience: wire.aud,
            workstation: wire.workstation,
            alert: wire.alert,
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
            alert: self.alert,
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
            "alert": "port-held", "agent_version": "0.1.0", "iat": 1_795_262_400,
        });
        let read = |payload: &serde_json::Value| AgentNotice::from_payload(payload.to_string().as_bytes());
        assert_eq!(read(&payload).unwrap().to_payload(), payload);
        for (member, value) in
            [("v", json!(2)), ("alert", json!("hello")), ("extra", json!(1)), ("aud", json!("x"))]
        {
            let mut bad = payload.clone();
            bad[member] = value;
            assert!(read(&bad).is_err(), "{member}");
        }
    }
}
