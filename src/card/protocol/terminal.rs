//! Sign-in of a command at a terminal: the purpose `terminal` (agent protocol, sections 1 and 9).
//!
//! The command makes a secret and sends its hash ([`TerminalBegin`]); the card request that it gets names the hash in
//! `cnf`. It has the card sign only a request with its own hash, and the server takes the answer only with the secret. So
//! a request that one process fetched cannot be answered by another, nor an answer be used by whoever sees it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AGENT_AUDIENCE, Challenge, ProtocolError, VERSION, WebOrigin, check_text, check_version, fixed_bytes,
    from_json, time_from_seconds,
};
use crate::clock::Time;
use crate::crypto::jose::base64url;
use crate::ids::WorkstationId;

/// What a command asks for, signed by the workstation key: a card request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalBegin {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// SHA-256 of the secret of the process that asks.
    pub confirmation: [u8; 32],
    /// When it was made, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginWire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    cnf: String,
    iat: i64,
}

impl TerminalBegin {
    /// Reads the payload of a JWS of type [`super::TYP_TERMINAL_BEGIN`]. It names the workstation it is verified by.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: BeginWire = from_json(payload)?;
        check_version(wire.v)?;
        Ok(Self {
            audience: wire.aud,
            workstation: wire.workstation,
            confirmation: fixed_bytes("cnf", &wire.cnf)?,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(BeginWire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation: self.workstation,
            cnf: base64url::encode(self.confirmation),
            iat: self.issued_at.timestamp(),
        })
    }
}

/// The body of the answer: the card answer, and the secret that shows whose it is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalFinish {
    /// The card answer, a JWS of type [`super::TYP_CARD_ANSWER`].
    pub answer: String,
    /// The secret, in base64url.
    pub secret: String,
}

/// Who is at the terminal, signed by the server's request key: a box between the two cannot make it say another name.
#[derive(Clone, PartialEq, Eq)]
pub struct TerminalIdentity {
    /// The server's front origin.
    pub issuer: WebOrigin,
    /// The card request that was answered.
    pub challenge: Challenge,
    /// SHA-256 of the secret of the process that asked.
    pub confirmation: [u8; 32],
    /// The national identifier on the card.
    pub id_nat: String,
    /// The family name on the card, if it is there.
    pub family_name: Option<String>,
    /// The given name on the card, if it is there.
    pub given_name: Option<String>,
    /// The level that was reached.
    pub acr: String,
    /// By which factors.
    pub amr: Vec<String>,
    /// When, by the server's clock, in whole seconds.
    pub auth_time: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityWire {
    v: u64,
    iss: WebOrigin,
    aud: String,
    txn: String,
    cnf: String,
    id_nat: String,
    family_name: Option<String>,
    given_name: Option<String>,
    acr: String,
    amr: Vec<String>,
    auth_time: i64,
}

impl TerminalIdentity {
    /// Reads the payload of a verified JWS of type [`super::TYP_TERMINAL_IDENTITY`].
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: IdentityWire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.aud != AGENT_AUDIENCE {
            return Err(ProtocolError::Audience(wire.aud));
        }
        // It ends on a terminal, which characters can rewrite.
        let texts =
            [Some(&wire.id_nat), wire.family_name.as_ref(), wire.given_name.as_ref(), Some(&wire.acr)];
        for text in texts.into_iter().flatten().chain(&wire.amr) {
            check_text("identity", text, 300)?;
        }
        Ok(Self {
            issuer: wire.iss,
            challenge: Challenge::parse(&wire.txn)?,
            confirmation: fixed_bytes("cnf", &wire.cnf)?,
            id_nat: wire.id_nat,
            family_name: wire.family_name,
            given_name: wire.given_name,
            acr: wire.acr,
            amr: wire.amr,
            auth_time: time_from_seconds("auth_time", wire.auth_time)?,
        })
    }

    /// The payload to sign with the current request key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(IdentityWire {
            v: u64::from(VERSION),
            iss: self.issuer.clone(),
            aud: AGENT_AUDIENCE.to_owned(),
            txn: self.challenge.to_text(),
            cnf: base64url::encode(self.confirmation),
            id_nat: self.id_nat.clone(),
            family_name: self.family_name.clone(),
            given_name: self.given_name.clone(),
            acr: self.acr.clone(),
            amr: self.amr.clone(),
            auth_time: self.auth_time.timestamp(),
        })
    }
}

impl std::fmt::Debug for TerminalIdentity {
    /// Without whom it names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalIdentity").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_are_read_back_and_nothing_else() {
        let issuer = WebOrigin::parse("https://sceau.chu.example").unwrap();
        let issued_at = Time::from_timestamp(1_795_262_400, 0).unwrap();
        let begin = TerminalBegin {
            audience: issuer.clone(),
            workstation: "019aa000-0000-7000-8000-000000000001".parse().unwrap(),
            confirmation: [7; 32],
            issued_at,
        };
        let said = begin.to_payload();
        assert_eq!(TerminalBegin::from_payload(said.to_string().as_bytes()).unwrap(), begin);
        let identity = TerminalIdentity {
            issuer,
            challenge: Challenge::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
            confirmation: [7; 32],
            id_nat: "810003456786".into(),
            family_name: Some("DUPONT".into()),
            given_name: None,
            acr: "eidas3".into(),
            amr: vec!["sc".into(), "pin".into()],
            auth_time: issued_at,
        };
        let said = identity.to_payload();
        assert_eq!(TerminalIdentity::from_payload(said.to_string().as_bytes()).unwrap(), identity);
        assert!(!format!("{identity:?}").contains("DUPONT"));
        for (member, value) in [
            ("v", json!(2)),
            ("aud", json!("sceau")),
            ("family_name", json!("DU\u{1b}[2JPONT")),
            ("id_nat", json!("")),
            ("cnf", json!("AAAA")),
            ("extra", json!(1)),
        ] {
            let mut bad = said.clone();
            bad[member] = value;
            assert!(TerminalIdentity::from_payload(bad.to_string().as_bytes()).is_err(), "{member}");
        }
    }
}
