//! What a computer says with the key of its machine certificate when it enrols (agent protocol, section 9).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ProtocolError, VERSION, WebOrigin, check_version, from_json, time_from_seconds};
use crate::clock::Time;
use crate::crypto::jose::base64url;

/// "This workstation key is mine": for one server, one key, one name, one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineProof {
    /// The server's front origin.
    pub audience: WebOrigin,
    /// The thumbprint of the workstation's new key.
    pub workstation_key: String,
    /// The host name of the request that it belongs to.
    pub host_name: String,
    /// The machine certificate, DER.
    pub certificate: Vec<u8>,
    /// That of the request that it belongs to.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    aud: WebOrigin,
    workstation_key: String,
    host_name: String,
    certificate: String,
    iat: i64,
}

impl MachineProof {
    /// Reads the payload of a JWS of type [`super::TYP_MACHINE_PROOF`]. It carries the certificate whose key signs it.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        let certificate = base64url::decode(&wire.certificate)
            .ok_or_else(|| ProtocolError::Malformed("certificate is not base64url".to_owned()))?;
        Ok(Self {
            audience: wire.aud,
            workstation_key: wire.workstation_key,
            host_name: wire.host_name,
            certificate,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the machine's key.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        serde_json::json!(Wire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation_key: self.workstation_key.clone(),
            host_name: self.host_name.clone(),
            certificate: base64url::encode(&self.certificate),
            iat: self.issued_at.timestamp(),
        })
    }
}
