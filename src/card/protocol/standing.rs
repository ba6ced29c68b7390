//! How a workstation learns whether it may answer (agent protocol, section 9): one that waits for approval sees it given
//! without enrolling again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AGENT_AUDIENCE, AgentVersion, ProtocolError, VERSION, WebOrigin, WorkstationState, check_version,
    from_json, time_from_seconds,
};
use crate::clock::Time;
use crate::ids::WorkstationId;

/// What a workstation asks, signed by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRequest {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// When it was made, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestWire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    agent_version: AgentVersion,
    iat: i64,
}

impl StandingRequest {
    /// Reads the payload of a JWS of type [`super::TYP_STANDING_REQUEST`]. It names the workstation it is verified by.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: RequestWire = from_json(payload)?;
        check_version(wire.v)?;
        Ok(Self {
            audience: wire.aud,
            workstation: wire.workstation,
            agent_version: wire.agent_version,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(RequestWire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation: self.workstation,
            agent_version: self.agent_version,
            iat: self.issued_at.timestamp(),
        })
    }
}

/// What the server says of a workstation, signed by its request key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The server's front origin.
    pub issuer: WebOrigin,
    /// The workstation that asked.
    pub workstation: WorkstationId,
    /// Whether it may answer.
    pub state: WorkstationState,
    /// When it was said, by the server's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    iss: WebOrigin,
    aud: String,
    workstation: WorkstationId,
    state: WorkstationState,
    iat: i64,
}

impl Standing {
    /// Reads the payload of a JWS of type [`super::TYP_STANDING`].
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.aud != AGENT_AUDIENCE {
            return Err(ProtocolError::Audience(wire.aud));
        }
        Ok(Self {
            issuer: wire.iss,
            workstation: wire.workstation,
            state: wire.state,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the current request key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(Wire {
            v: u64::from(VERSION),
            iss: self.issuer.clone(),
            aud: AGENT_AUDIENCE.to_owned(),
            workstation: self.workstation,
            state: self.state,
            iat: self.issued_at.timestamp(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_are_read_back_and_nothing_else() {
        let issuer = WebOrigin::parse("https://sceau.chu.example").unwrap();
        let workstation = "019aa000-0000-7000-8000-000000000001".parse().unwrap();
        let issued_at = Time::from_timestamp(1_795_262_400, 0).unwrap();
        let request = StandingRequest {
            audience: issuer.clone(),
            workstation,
            agent_version: AgentVersion::this(),
            issued_at,
        };
        let standing = Standing { issuer, workstation, state: WorkstationState::Revoked, issued_at };
        let read = |payload: &Value| StandingRequest::from_payload(payload.to_string().as_bytes());
        assert_eq!(read(&request.to_payload()).unwrap(), request);
        let said = standing.to_payload();
        assert_eq!(Standing::from_payload(said.to_string().as_bytes()).unwrap(), standing);
        assert!(read(&said).is_err(), "one is not the other");
        for (member, value) in
            [("v", json!(2)), ("aud", json!("sceau")), ("state", json!("approved")), ("hint", json!(1))]
        {
            let mut bad = said.clone();
            bad[member] = value;
            assert!(Standing::from_payload(bad.to_string().as_bytes()).is_err(), "{member}");
        }
    }
}
