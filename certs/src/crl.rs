//! Certificate revocation lists: full ones, one per issuer, as RFC 5280 §5 and IGC-Santé have them.

use chrono::{DateTime, Utc};

use crate::{
    Error,
    certificate::{Authority, Hash, sign, signature_algorithm},
    der,
    extension::{CRL_NUMBER, CRL_REASON, Extension},
};

/// A revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    pub at: DateTime<Utc>,
    /// CRLReason (RFC 5280 §5.3.1), 1 = key compromised, 4 = replaced.
    pub reason: Option<u8>,
}

#[derive(Clone, Debug)]
pub struct CrlTemplate {
    pub number: u64,
    pub this_update: DateTime<Utc>,
    /// Absent only in a test of what must be refused.
    pub next_update: Option<DateTime<Utc>>,
    pub revoked: Vec<Revocation>,
    pub extra_extensions: Vec<Extension>,
    pub hash: Hash,
}

impl CrlTemplate {
    pub fn new(number: u64, this_update: DateTime<Utc>, next_update: DateTime<Utc>) -> Self {
        Self {
            number,
            this_update,
            next_update: Some(next_update),
            revoked: Vec::new(),
            extra_extensions: Vec::new(),
            hash: Hash::Sha256,
        }
    }

    pub fn revoke(mut self, revocation: Revocation) -> Self {
        self.revoked.push(revocation);
        self
    }
}

impl Authority {
    /// Signs a revocation list; returns its DER.
    pub fn issue_crl(&self, template: &CrlTemplate) -> Result<Vec<u8>, Error> {
        let algorithm = signature_algorithm(&self.key, template.hash)?;
        let mut fields =
            vec![der::integer(1), algorithm.clone(), self.name()?, der::time(template.this_update)];
        fields.extend(template.next_update.map(der::time));
        if !template.revoked.is_empty() {
            fields.push(der::sequence(&template.revoked.iter().map(Revocation::to_der).collect::<Vec<_>>()));
        }
        let mut extensions = vec![
            Extension::authority_key(&self.key_identifier()?).to_der(),
            Extension::new(CRL_NUMBER, der::integer(template.number)).to_der(),
        ];
        extensions.extend(template.extra_extensions.iter().map(Extension::to_der));
        fields.push(der::context(0, &der::sequence(&extensions)));
        sign(&der::sequence(&fields), &algorithm, template.hash, &self.key)
    }
}

impl Revocation {
    fn to_der(&self) -> Vec<u8> {
        let mut fields = vec![der::unsigned(&self.serial), der::time(self.at)];
        if let Some(reason) = self.reason {
            let reason = Extension::new(CRL_REASON, der::tlv(0x0A, &[reason]));
            fields.push(der::sequence(&[reason.to_der()]));
        }
        der::sequence(&fields)
    }
}
