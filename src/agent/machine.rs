//! The machine certificate that the hospital's authority gave to this computer, with its key: shown once, at enrolment.
//!
//! Both are read anew each time, so that whatever renews them has nothing to tell us. The key signs one proof per
//! enrolment and never leaves this process; the agents of the people who use the computer never see it.

use std::path::{Path, PathBuf};

use super::{AgentError, platform};
use crate::card::protocol::{EnrolmentRequest, MachineProof, TYP_MACHINE_PROOF};
use crate::crypto::jose;
use crate::crypto::keys::SigningKey;
use crate::crypto::x509::machine::{MachineCertificate, first_certificate};

/// A machine certificate and its key.
#[derive(Debug)]
pub struct MachineIdentity {
    certificate: Vec<u8>,
    key: SigningKey,
}

impl MachineIdentity {
    /// Reads both files: the certificate (PEM or DER; of a chain, the first), and the key (PEM, not encrypted), which must
    /// not be open to everybody at this computer.
    ///
    /// # Errors
    /// [`AgentError::MachineFile`].
    pub fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, AgentError> {
        let faulty =
            |path: &Path, detail: String| AgentError::MachineFile { path: PathBuf::from(path), detail };
        let unread = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| AgentError::MachineFile { path, detail: error.to_string() }
        };
        if !platform::closed_to_others(key_file).map_err(unread(key_file))? {
            return Err(faulty(key_file, "everybody can read it; chmod 600".to_owned()));
        }
        let pem = zeroize::Zeroizing::new(std::fs::read(key_file).map_err(unread(key_file))?);
        let key = SigningKey::from_pem(&pem).map_err(|error| faulty(key_file, error.to_string()))?;
        let file = std::fs::read(certificate_file).map_err(unread(certificate_file))?;
        let certificate =
            first_certificate(&file).map_err(|error| faulty(certificate_file, error.to_string()))?;
        let read = MachineCertificate::from_der(&certificate)
            .map_err(|error| faulty(certificate_file, error.to_string()))?;
        if read.key.kid() != key.kid() {
            return Err(faulty(key_file, format!("is not the key of {}", certificate_file.display())));
        }
        Ok(Self { certificate, key })
    }

    /// The proof for this request.
    ///
    /// # Errors
    /// [`AgentError::Key`].
    pub fn prove(&self, request: &EnrolmentRequest) -> Result<String, AgentError> {
        let proof = MachineProof {
            audience: request.audience.clone(),
            workstation_key: request.key.kid().to_owned(),
            host_name: request.host_name.clone(),
            certificate: self.certificate.clone(),
            issued_at: request.issued_at,
        };
        jose::sign(&self.key, TYP_MACHINE_PROOF, &proof.to_payload())
            .map_err(|error| AgentError::Key(error.to_string()))
    }
}
