//! What the person at a workstation says to a question of another program before the PIN is asked for: the purpose `ciba`
//! (agent protocol, section 15).
//!
//! The number that the other program shows is typed, and judged by the server alone: no workstation is told it. Only then
//! may the card answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AgentVersion, Challenge, NoticeCode, ProtocolError, VERSION, WebOrigin, check_version, from_json,
    time_from_seconds,
};
use crate::clock::Time;
use crate::ids::WorkstationId;

/// The most digits that a person is asked to type.
pub const MAX_DIGITS: u8 = 8;

/// What the person said.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// The number that the other program shows: one to [`MAX_DIGITS`] digits.
    Number(String),
    /// Nothing comes of it: the person refused, or the card cannot answer. Why says the code.
    No(NoticeCode),
}

/// A reply to a question, agent → server, signed by the workstation's key.
#[derive(Clone, PartialEq, Eq)]
pub struct QuestionReply {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// The member `txn` of the card request.
    pub challenge: Challenge,
    /// What the person said.
    pub said: Said,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// When, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    txn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<NoticeCode>,
    agent_version: AgentVersion,
    iat: i64,
}

impl QuestionReply {
    /// Reads the payload of a JWS of type [`super::TYP_QUESTION_REPLY`], before it is verified: it names the workstation by
    /// whose key it is.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        let said = match (wire.digits, wire.code) {
            (Some(digits), None) if is_number(&digits) => Said::Number(digits),
            (None, Some(code)) => Said::No(code),
            _ => return Err(ProtocolError::Malformed("one of digits and code is expected".to_owned())),
        };
        Ok(Self {
            audience: wire.aud,
            workstation: wire.workstation,
            challenge: Challenge::parse(&wire.txn)?,
            said,
            agent_version: wire.agent_version,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        let (digits, code) = match &self.said {
            Said::Number(digits) => (Some(digits.clone()), None),
            Said::No(code) => (None, Some(code.clone())),
        };
        serde_json::json!(Wire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation: self.workstation,
            txn: self.challenge.to_text(),
            digits,
            code,
            agent_version: self.agent_version,
            iat: self.issued_at.timestamp(),
        })
    }
}

fn is_number(text: &str) -> bool {
    (1..=usize::from(MAX_DIGITS)).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply() -> Value {
        json!({
            "v": 1, "aud": "https://sceau.chu.example", "workstation": "019aa000-0000-7000-8000-000000000001",
            "txn": "AAECAwQFBgcICQoLDA0ODw", "digits": "07", "agent_version": "0.1.0", "iat": 1_795_262_400,
        })
    }

    fn read(payload: &Value) -> Result<QuestionReply, ProtocolError> {
        QuestionReply::from_payload(payload.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(read(&reply()).ok().unwrap().to_payload(), reply());
        let mut refused = reply();
        refused.as_object_mut().unwrap().remove("digits");
        refused["code"] = json!("AGENT-026");
        assert_eq!(read(&refused).ok().unwrap().to_payload(), refused);
    }

    #[test]
    fn a_number_or_a_reason_and_never_both() {
        for (member, value) in [
            ("digits", json!("")),
            ("digits", json!("123456789")),
            ("digits", json!("0x")),
            ("digits", json!(7)),
            ("code", json!("AGENT-026")),
            ("txn", json!("AAEC")),
            ("extra", json!(1)),
            ("v", json!(2)),
        ] {
            let mut changed = reply();
            changed[member] = value.clone();
            assert!(read(&changed).is_err(), "{member} = {value}");
        }
        for member in reply().as_object().unwrap().keys() {
            let mut without = reply();
            without.as_object_mut().unwrap().remove(member);
            assert!(read(&without).is_err(), "without {member}");
        }
    }
}
