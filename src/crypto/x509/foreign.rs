//! Paths in the hierarchies of others: makers of security keys, publishers of signed documents.
//!
//! What comes in brings the authorities between itself and its root along (`x5c`, RFC 7515 §4.1.6): they are stepping
//! stones, and nothing is trusted but what the administrator, or a document that is verified already, names. Such a name
//! may be a root, an authority below one, or the certificate itself (FIDO Metadata Statement, `attestationRootCertificates`),
//! so a path may end before a root. No extended key usage is asked for: these certificates are for neither TLS nor people.
//! Revocation is not looked at here: makers publish it as metadata of models.

use std::path::Path;

use chrono::{DateTime, Utc};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext, X509VerifyResult};

use super::anchors::{AnchorFault, certificate_files, common_name, end, is_authority, read_certificates};
use super::chain::{AUTH_LEVEL, ChainError, refusal, weak};
use super::signature::{accepted_hash, check_key};
use crate::crypto::digest::sha256;

/// The most certificates that one chain brings along.
const MAX_CHAIN: usize = 6;
/// Authorities between a certificate and its root.
const MAX_DEPTH: i32 = 5;

/// Certificates that somebody named as trusted, of one use.
#[derive(Clone, Default)]
pub struct Roots(Vec<X509>);

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(common_name)).finish()
    }
}

impl Roots {
    /// The certificates of one PEM or DER file.
    ///
    /// # Errors
    /// [`AnchorFault`]: why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, AnchorFault> {
        read_certificates(path).map(Self).map_err(|reason| AnchorFault { path: path.to_owned(), reason })
    }

    /// The certificates of every file of `dir` that ends in `.pem`, `.crt`, `.cer` or `.der`, and the files that cannot be
    /// read.
    ///
    /// # Errors
    /// Where the directory itself cannot be read.
    pub fn load(dir: &Path) -> std::io::Result<(Self, Vec<AnchorFault>)> {
        let (mut roots, mut faults) = (Vec::new(), Vec::new());
        for path in certificate_files(dir)? {
            match Self::read(&path) {
                Ok(Self(mut found)) => roots.append(&mut found),
                Err(fault) => faults.push(fault),
            }
        }
        Ok((Self(roots), faults))
    }

    /// From certificates in DER; what is none is left out.
    #[must_use]
    pub fn of(certificates: &[Vec<u8>]) -> Self {
        Self(certificates.iter().filter_map(|der| X509::from_der(der).ok()).collect())
    }

    /// SHA-256 over all of them, in whatever order they stand.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut each: Vec<_> =
            self.0.iter().filter_map(|root| root.to_der().ok()).map(|der| sha256(&der)).collect();
        each.sort_unstable();
        sha256(&each.concat())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How each is called, and when it ceases to count.
    #[must_use]
    pub fn ends(&self) -> Vec<(String, DateTime<Utc>)> {
        self.0.iter().map(|root| (common_name(root), end(root).unwrap_or_default())).collect()
    }

    /// Whether the first certificate of `chain` (DER, the others above it) leads to one of these as of `now`, and is no
    /// authority itself.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn vouch(&self, chain: &[Vec<u8>], now: DateTime<Utc>) -> Result<(), ChainError> {
        let untrusted = |reason: &str| ChainError::Untrusted { reason: reason.to_owned(), depth: 0 };
        if chain.len() > MAX_CHAIN {
            return Err(untrusted("the chain is too long"));
        }
        let read = chain.iter().map(|der| X509::from_der(der)).collect::<Result<Vec<_>, _>>();
        let read = read.map_err(ChainError::Unreadable)?;
        let Some((leaf, between)) = read.split_first() else { return Err(untrusted("no certificate")) };
        if is_authority(leaf) {
            return Err(untrusted("an authority speaks for itself"));
        }
        let (result, depth, path) = self.build(leaf, between, now).map_err(ChainError::OpenSsl)?;
        if result != X509VerifyResult::OK {
            return Err(refusal(result, depth));
        }
        for certificate in &path {
            check_key(&*certificate.public_key().map_err(ChainError::Unreadable)?).map_err(weak)?;
        }
        // What is named is not trusted for its signature; every other signature counts.
        for certificate in path.iter().rev().skip(1) {
            accepted_hash(certificate.signature_algorithm().object().nid()).map_err(weak)?;
        }
        Ok(())
    }

    /// OpenSSL's verdict, the depth it is about, and the path that it found.
    fn build(
        &self,
        leaf: &X509,
        between: &[X509],
        now: DateTime<Utc>,
    ) -> Result<(X509VerifyResult, u32, Vec<X509>), ErrorStack> {
        let mut param = X509VerifyParam::new()?;
        param.set_time(now.timestamp());
        param.set_depth(MAX_DEPTH);
        param.set_auth_level(AUTH_LEVEL);
        param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        let mut store = X509StoreBuilder::new()?;
        store.set_param(&param)?;
        for root in &self.0 {
            store.add_cert(root.clone())?;
        }
        let mut untrusted = Stack::new()?;
        for certificate in between {
            untrusted.push(certificate.clone())?;
        }
        X509StoreContext::new()?.init(&store.build(), leaf, &untrusted, |context| {
            context.verify_cert()?;
            let path = context.chain().map(|chain| chain.iter().map(ToOwned::to_owned).collect());
            Ok((context.error(), context.error_depth(), path.unwrap_or_default()))
        })
    }
}

/// The value of an extension of a certificate (DER), by its dotted identifier.
#[must_use]
pub fn extension(certificate_der: &[u8], dotted: &str) -> Option<Vec<u8>> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate_der).ok()?;
    let found = certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == dotted)?;
    Some(found.value.to_vec())
}
