//! How a workstation and a server come to know each other (agent protocol, section 9).
//!
//! The workstation sends an [`EnrolmentRequest`], signed by the key that it has just made, and proves with it that it
//! holds the invitation. The server answers an [`EnrolmentGrant`], signed by the key whose thumbprint the invitation
//! carries. Later the agent fetches [`RequestKeys`], signed by a key that it already knows, before the next one is used.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AGENT_AUDIENCE, AgentVersion, ProtocolError, VERSION, WebOrigin, check_text, check_version, fixed_bytes,
    from_json, time_from_seconds,
};
use crate::clock::Time;
use crate::crypto::jose::base64url;
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::WorkstationId;

/// What a workstation asks for: to be known by its key.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrolmentRequest {
    /// The server's front origin, as typed or configured at the workstation.
    pub audience: WebOrigin,
    /// The name of the invitation ([`super::Invitation::lookup`]).
    pub invitation: String,
    /// The workstation's public key; the request is signed by its private half.
    pub key: VerifyingKey,
    /// What the workstation calls itself: its host name.
    pub host_name: String,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// [`super::Invitation::prove`] over this key and this server.
    pub secret_proof: [u8; 32],
    /// A signed [`super::MachineProof`], where the computer has a machine certificate to show.
    pub machine_proof: Option<String>,
    /// When it was made, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestWire {
    v: u64,
    aud: WebOrigin,
    invitation: String,
    key: Value,
    host_name: String,
    agent_version: AgentVersion,
    secret_proof: String,
    // A server that is one version behind does not know it, and asks nobody for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine_proof: Option<String>,
    iat: i64,
}

impl EnrolmentRequest {
    /// Reads the payload of a JWS of type [`super::TYP_ENROLMENT`]. It carries the key it is verified with.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: RequestWire = from_json(payload)?;
        check_version(wire.v)?;
        check_workstation_name(&wire.host_name)?;
        Ok(Self {
            audience: wire.aud,
            invitation: wire.invitation,
            key: key_of("key", &wire.key)?,
            host_name: wire.host_name,
            agent_version: wire.agent_version,
            secret_proof: fixed_bytes("secret_proof", &wire.secret_proof)?,
            machine_proof: wire.machine_proof,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(RequestWire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            invitation: self.invitation.clone(),
            key: self.key.to_jwk(),
            host_name: self.host_name.clone(),
            agent_version: self.agent_version,
            secret_proof: base64url::encode(self.secret_proof),
            machine_proof: self.machine_proof.clone(),
            iat: self.issued_at.timestamp(),
        })
    }
}

/// Refuses what cannot be the name of a workstation: empty, longer than 255 characters, or text that could disguise
/// itself in a list.
///
/// # Errors
/// [`ProtocolError::Text`].
pub fn check_workstation_name(name: &str) -> Result<(), ProtocolError> {
    check_text("host_name", name, 255)
}

/// The keys that a server signs its card requests with.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestKeys {
    /// The server's front origin.
    pub issuer: WebOrigin,
    /// The key in use.
    pub current: VerifyingKey,
    /// The key that will follow.
    pub next: VerifyingKey,
    /// When the list was made, by the server's clock; an older list never replaces a newer one.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysWire {
    v: u64,
    iss: WebOrigin,
    aud: String,
    current: Value,
    next: Value,
    iat: i64,
}

impl RequestKeys {
    /// Reads the payload of a JWS of type [`super::TYP_REQUEST_KEYS`].
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: KeysWire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.aud != AGENT_AUDIENCE {
            return Err(ProtocolError::Audience(wire.aud));
        }
        Ok(Self {
            issuer: wire.iss,
            current: key_of("current", &wire.current)?,
            next: key_of("next", &wire.next)?,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the current request key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(KeysWire {
            v: u64::from(VERSION),
            iss: self.issuer.clone(),
            aud: AGENT_AUDIENCE.to_owned(),
            current: self.current.to_jwk(),
            next: self.next.to_jwk(),
            iat: self.issued_at.timestamp(),
        })
    }

    /// The key of that name, if it is one of the two.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        [&self.current, &self.next].into_iter().find(|key| key.kid() == kid)
    }
}

/// Whether a workstation may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkstationState {
    /// It may.
    #[default]
    Active,
    /// An administrator has to approve it first.
    Pending,
    /// It may not: an administrator revoked it, or its time is over.
    Revoked,
}

/// What the server answers to a workstation that it now knows.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrolmentGrant {
    /// The request keys, and the server's origin.
    pub keys: RequestKeys,
    /// How the agent names the server to people.
    pub display_name: String,
    /// Where the agent's page posts an answer to, on the server's origin.
    pub return_path: String,
    /// Where the agent leads somebody who gives up, on the server's origin.
    pub cancel_path: String,
    /// The workstation's name in every answer.
    pub workstation: WorkstationId,
    /// The thumbprint of the key that was enrolled.
    pub workstation_key: String,
    /// The site that the invitation named.
    pub site: String,
    /// The network zone that the invitation named.
    pub zone: String,
    /// Whether it may answer already.
    pub state: WorkstationState,
    /// Until when it may, in whole seconds; then it has to enrol anew. For desktops that lose their key.
    pub good_until: Option<Time>,
    /// The key of the site token, which signs the grant where the workstation came with one; else the current request key
    /// does.
    pub signer: Option<VerifyingKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantWire {
    v: u64,
    iss: WebOrigin,
    aud: String,
    current: Value,
    next: Value,
    iat: i64,
    display_name: String,
    return_path: String,
    cancel_path: String,
    workstation: WorkstationId,
    workstation_key: String,
    site: String,
    zone: String,
    state: WorkstationState,
    // An agent that is one version behind knows neither, and never gets them: they belong to site tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    good_until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<Value>,
}

impl EnrolmentGrant {
    /// Reads the payload of a JWS of type [`super::TYP_ENROLLED`].
    ///
    /// It carries the key it is verified with, so the caller first compares that key with the invitation's thumbprint.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: GrantWire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.aud != AGENT_AUDIENCE {
            return Err(ProtocolError::Audience(wire.aud));
        }
        check_text("display_name", &wire.display_name, 200)?;
        for (name, path) in [("return_path", &wire.return_path), ("cancel_path", &wire.cancel_path)] {
            if !is_plain_path(path) {
                return Err(ProtocolError::Malformed(format!("{name} is not a path")));
            }
        }
        Ok(Self {
            keys: RequestKeys {
                issuer: wire.iss,
                current: key_of("current", &wire.current)?,
                next: key_of("next", &wire.next)?,
                issued_at: time_from_seconds("iat", wire.iat)?,
            },
            display_name: wire.display_name,
            return_path: wire.return_path,
            cancel_path: wire.cancel_path,
            workstation: wire.workstation,
            workstation_key: wire.workstation_key,
            site: wire.site,
            zone: wire.zone,
            state: wire.state,
            good_until: wire
                .good_until
                .map(|seconds| time_from_seconds("good_until", seconds))
                .transpose()?,
            signer: wire.signer.map(|jwk| key_of("signer", &jwk)).transpose()?,
        })
    }

    /// The key that signs it.
    #[must_use]
    pub fn signer(&self) -> &VerifyingKey {
        self.signer.as_ref().unwrap_or(&self.keys.current)
    }

    /// The payload to sign with the key of [`Self::signer`].
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(GrantWire {
            v: u64::from(VERSION),
            iss: self.keys.issuer.clone(),
            aud: AGENT_AUDIENCE.to_owned(),
            current: self.keys.current.to_jwk(),
            next: self.keys.next.to_jwk(),
            iat: self.keys.issued_at.timestamp(),
            display_name: self.display_name.clone(),
            return_path: self.return_path.clone(),
            cancel_path: self.cancel_path.clone(),
            workstation: self.workstation,
            workstation_key: self.workstation_key.clone(),
            site: self.site.clone(),
            zone: self.zone.clone(),
            state: self.state,
            good_until: self.good_until.map(|time| time.timestamp()),
            signer: self.signer.as_ref().map(VerifyingKey::to_jwk),
        })
    }
}

/// A path of plain characters: it is joined to the enrolled origin and must stay there (`//evil.example` would not).
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 200
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.'))
}

/// A public key of the kind that Sceau's own parts sign with.
fn key_of(name: &'static str, jwk: &Value) -> Result<VerifyingKey, ProtocolError> {
    VerifyingKey::from_jwk(jwk)
        .ok()
        .filter(|key| key.allows(Algorithm::Es256))
        .ok_or_else(|| ProtocolError::Malformed(format!("{name} is not a public key on P-256")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::SigningKey;
    use serde_json::json;

    fn key() -> VerifyingKey {
        SigningKey::generate(Algorithm::Es256).unwrap().public().clone()
    }

    fn grant() -> EnrolmentGrant {
        EnrolmentGrant {
            keys: RequestKeys {
                issuer: WebOrigin::parse("https://sceau.chu.example").unwrap(),
                current: key(),
                next: key(),
                issued_at: Time::from_timestamp(1_795_262_400, 0).unwrap(),
            },
            display_name: "CHU de Test".into(),
            return_path: "/card/return".into(),
            cancel_path: "/card/cancel".into(),
            workstation: "019aa000-0000-7000-8000-000000000001".parse().unwrap(),
            workstation_key: key().kid().into(),
            site: "Site principal".into(),
            zone: "bureaux".into(),
            state: WorkstationState::Pending,
            good_until: None,
            signer: None,
        }
    }

    #[test]
    fn a_grant_is_read_back_and_nothing_else() {
        let payload = grant().to_payload();
        assert_eq!(EnrolmentGrant::from_payload(payload.to_string().as_bytes()).unwrap(), grant_of(&payload));
        for (member, value) in [
            ("return_path", json!("//evil.example/")),
            ("return_path", json!("https://evil.example/")),
            ("cancel_path", json!("/card/cancel?x=<")),
            ("display_name", json!("CHU\u{202E}")),
            ("state", json!("approved")),
            ("aud", json!("somebody")),
            ("v", json!(2)),
            ("extra", json!(1)),
            ("current", json!({ "kty": "oct", "k": "AAAA" })),
        ] {
            let mut bad = payload.clone();
            bad[member] = value;
            assert!(EnrolmentGrant::from_payload(bad.to_string().as_bytes()).is_err(), "{member}");
        }
    }

    fn grant_of(payload: &Value) -> EnrolmentGrant {
        EnrolmentGrant {
            keys: RequestKeys {
                current: VerifyingKey::from_jwk(&payload["current"]).unwrap(),
                next: VerifyingKey::from_jwk(&payload["next"]).unwrap(),
                ..grant().keys
            },
            workstation_key: payload["workstation_key"].as_str().unwrap().into(),
            ..grant()
        }
    }

    #[test]
    fn a_request_is_read_back() {
        let request = EnrolmentRequest {
            audience: WebOrigin::parse("https://sceau.chu.example").unwrap(),
            invitation: "00".repeat(32),
            key: key(),
            host_name: "poste-12".into(),
            agent_version: AgentVersion::this(),
            secret_proof: [9; 32],
            machine_proof: None,
            issued_at: Time::from_timestamp(1_795_262_400, 0).unwrap(),
        };
        let payload = request.to_payload();
        assert_eq!(EnrolmentRequest::from_payload(payload.to_string().as_bytes()).unwrap(), request);
        let mut bad = payload;
        bad["host_name"] = json!("a\nb");
        assert!(EnrolmentRequest::from_payload(bad.to_string().as_bytes()).is_err());
    }
}
