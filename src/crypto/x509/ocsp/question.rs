//! What a responder is asked (RFC 6960 §4.1): one certificate, by the hashes of its issuer's name and key and its serial
//! number.
//!
//! The hash is SHA-1, as RFC 5019 §2.1.1 prescribes and every responder understands: it only says which of a responder's
//! issuers is meant. Nothing rests on it, since the answer is verified with the issuer's own key. Requests are not
//! signed and carry no nonce, so that responders may answer from what they have prepared (RFC 5019 §2.1.1).

use openssl::sha::sha1;
use openssl::x509::X509;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::super::crl::{IssuerId, LookUpError, issuer_id};
use super::super::der::tlv;
use crate::crypto::digest::sha256;

/// `AlgorithmIdentifier` of SHA-1, parameters NULL.
const SHA1: &[u8] = &[0x30, 9, 0x06, 5, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0];

/// One certificate whose state is asked for.
#[derive(Clone)]
pub struct Question {
    pub(super) issuer: X509,
    pub(super) issuer_id: IssuerId,
    /// Content of the INTEGER.
    pub(super) serial: Vec<u8>,
    /// DER of the issuer's name; content of the BIT STRING of its key.
    name: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("serial", &hex::encode(&self.serial)).finish_non_exhaustive()
    }
}

impl Question {
    /// About the certificate with this serial number (content of its INTEGER) of this authority.
    ///
    /// # Errors
    /// [`LookUpError`] if the authority's certificate cannot be read.
    pub fn new(issuer: &X509, serial: &[u8]) -> Result<Self, LookUpError> {
        let der = issuer.to_der()?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|error| LookUpError::Unreadable(error.to_string()))?;
        Ok(Self {
            issuer: issuer.clone(),
            issuer_id: issuer_id(issuer)?,
            serial: serial.to_vec(),
            name: parsed.subject().as_raw().to_vec(),
            key: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// `OCSPRequest`, DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let id =
            [SHA1, &tlv(0x04, &sha1(&self.name)), &tlv(0x04, &sha1(&self.key)), &tlv(0x02, &self.serial)]
                .concat();
        let list = tlv(0x30, &tlv(0x30, &tlv(0x30, &id)));
        tlv(0x30, &tlv(0x30, &list))
    }

    /// Hashes of the issuer's name and of its key, as an answer may write them.
    pub(super) fn hashes(&self, algorithm: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        match algorithm {
            "1.3.14.3.2.26" => Some((sha1(&self.name).to_vec(), sha1(&self.key).to_vec())),
            "2.16.840.1.101.3.4.2.1" => Some((sha256(&self.name).to_vec(), sha256(&self.key).to_vec())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::ocsp::{OcspCertId, OcspRequest};

    use super::*;
    use crate::crypto::x509::test_pki::{card, pki};

    /// OpenSSL writes the same request.
    #[test]
    fn a_question_is_written_as_openssl_writes_it() {
        let certificate = &card("good").authentication.certificate;
        let issuer = &pki().persons.certificate;
        let serial = certificate.serial_number().to_bn().unwrap().to_vec();
        let mut request = OcspRequest::new().unwrap();
        request.add_id(OcspCertId::from_cert(MessageDigest::sha1(), certificate, issuer).unwrap()).unwrap();
        assert_eq!(Question::new(issuer, &serial).unwrap().to_der(), request.to_der().unwrap());
    }
}
