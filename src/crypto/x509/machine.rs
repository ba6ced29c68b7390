//! The certificate that a hospital's own authority gives to its computers: what stands in it, and whose computer it is.
//!
//! Says nothing about the path ([`super::chain`]). A host name counts where it is a `dNSName` of the alternative names
//! (RFC 9525 §6.3); the common name is never looked at, and a name with a wildcard names no computer.

use openssl::error::ErrorStack;
use openssl::x509::X509;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::crypto::keys::{KeyError, VerifyingKey};

/// Why a certificate is not that of a computer.
#[derive(Debug, thiserror::Error)]
pub enum MachineFault {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("the certificate is not for {0}")]
    Usage(&'static str),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A machine certificate, read.
#[derive(Debug)]
pub struct MachineCertificate {
    /// Its key, which signs the proof.
    pub key: VerifyingKey,
    hosts: Vec<String>,
}

impl MachineCertificate {
    /// Reads a certificate that may be used by a client to prove who it is: key usage `digitalSignature` and extended key
    /// usage `clientAuth`, both said aloud.
    ///
    /// # Errors
    /// [`MachineFault`].
    pub fn from_der(der: &[u8]) -> Result<Self, MachineFault> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| MachineFault::Unreadable)?;
        if !rest.is_empty() {
            return Err(MachineFault::Unreadable);
        }
        let usage = parsed.key_usage().map_err(|_| MachineFault::Unreadable)?;
        if !usage.is_some_and(|usage| usage.value.digital_signature()) {
            return Err(MachineFault::Usage("signing (digitalSignature)"));
        }
        let extended = parsed.extended_key_usage().map_err(|_| MachineFault::Unreadable)?;
        if !extended.is_some_and(|usage| usage.value.client_auth) {
            return Err(MachineFault::Usage("the authentication of a client (clientAuth)"));
        }
        let names = parsed.subject_alternative_name().map_err(|_| MachineFault::Unreadable)?;
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let hosts = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(host) if is_host(host) => Some(host.to_lowercase()),
            _ => None,
        });
        Ok(Self { key: VerifyingKey::from_spki(parsed.public_key().raw)?, hosts: hosts.collect() })
    }

    /// The name in the certificate of a computer that calls itself `host`: in full, or by the first label alone. In small
    /// letters.
    #[must_use]
    pub fn host(&self, host: &str) -> Option<&str> {
        let host = host.to_lowercase();
        let short = |name: &&String| name.split_once('.').is_some_and(|(label, _)| label == host);
        let known = self.hosts.iter().find(|name| **name == host).or_else(|| self.hosts.iter().find(short));
        known.map(String::as_str)
    }
}

fn is_host(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(is_plain)
}

/// DER of the first certificate of a file: that of the computer itself in a chain. PEM or DER.
///
/// # Errors
/// Where it holds none.
pub fn first_certificate(file: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let first = if file.starts_with(b"0") { X509::from_der(file)? } else { X509::from_pem(file)? };
    first.to_der()
}

/// The key of a certificate (DER), as a SubjectPublicKeyInfo.
///
/// # Errors
/// Where it cannot be read.
pub fn spki_of(certificate_der: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    X509::from_der(certificate_der)?.public_key()?.public_key_to_der()
}
