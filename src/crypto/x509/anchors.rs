//! The authorities that the administrator installed: the only ones that a card's certificate may lead to.
//!
//! A directory of PEM or DER files, roots and the authorities below them together. The system's list of authorities is
//! never read: it holds hundreds that have nothing to say about health professionals. A file that cannot be used is
//! reported by name and the others still serve, so that one bad copy does not close a hospital.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::X509;

use super::crl::issuer_id;
use super::names::Names;
use super::ocsp::Question;
use super::signature::check_key;

/// A file of authorities is a few kilobytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why there is nothing to trust.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    #[error("the directory of authorities {path} cannot be read: {source}")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("no usable root authority in {path}{}", listed(.faults))]
    NoRoot { path: PathBuf, faults: Vec<AnchorFault> },
}

impl AnchorsError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "CERT-013"
    }
}

/// A file, or a certificate in it, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct AnchorFault {
    pub path: PathBuf,
    pub reason: String,
}

/// One installed authority, as `sceau check` and `doctor` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Common name, or the whole name.
    pub name: String,
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub fingerprint: String,
    pub is_root: bool,
    /// When it ceases to count.
    pub until: DateTime<Utc>,
}

/// The installed authorities.
#[derive(Clone)]
pub struct Anchors {
    pub(super) roots: Vec<X509>,
    pub(super) intermediates: Vec<X509>,
    faults: Vec<AnchorFault>,
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anchors")
            .field("installed", &self.installed())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Anchors {
    /// Reads every file of `dir` that ends in `.pem`, `.crt`, `.cer` or `.der`. Other files are not looked at.
    ///
    /// # Errors
    /// [`AnchorsError`] if the directory cannot be read or holds no usable root. Single unusable files are no error,
    /// see [`Anchors::faults`].
    pub fn load(dir: &Path) -> Result<Self, AnchorsError> {
        let unreadable = |source| AnchorsError::Directory { path: dir.to_owned(), source };
        let files = certificate_files(dir).map_err(unreadable)?;
        let mut anchors = Self { roots: Vec::new(), intermediates: Vec::new(), faults: Vec::new() };
        for path in files {
            match read_certificates(&path) {
                Ok(certificates) => {
                    for certificate in certificates {
                        if let Err(reason) = anchors.add(certificate) {
                            anchors.faults.push(AnchorFault { path: path.clone(), reason });
                        }
                    }
                }
                Err(reason) => anchors.faults.push(AnchorFault { path, reason }),
            }
        }
        if anchors.roots.is_empty() {
            return Err(AnchorsError::NoRoot { path: dir.to_owned(), faults: anchors.faults });
        }
        Ok(anchors)
    }

    /// The files that could not be used, for the log and `sceau check`.
    #[must_use]
    pub fn faults(&self) -> &[AnchorFault] {
        &self.faults
    }

    /// What is installed, roots first.
    #[must_use]
    pub fn installed(&self) -> Vec<Installed> {
        let describe = |certificate: &X509, is_root| Installed {
            name: common_name(certificate),
            fingerprint: certificate
                .digest(MessageDigest::sha256())
                .map(|digest| hex::encode(&*digest))
                .unwrap_or_default(),
            is_root,
            until: end(certificate).unwrap_or_default(),
        };
        let roots = self.roots.iter().map(|certificate| describe(certificate, true));
        roots.chain(self.intermediates.iter().map(|certificate| describe(certificate, false))).collect()
    }

    /// A question to a responder about the certificate with this serial number, for each authority below a root.
    #[must_use]
    pub fn questions(&self, serial: &[u8]) -> Vec<(String, Question)> {
        let ask = |issuer: &X509| Some((common_name(issuer), Question::new(issuer, serial).ok()?));
        self.intermediates.iter().filter_map(ask).collect()
    }

    /// Whether an authority of this name and key is installed.
    pub(super) fn holds(&self, authority: &X509) -> bool {
        let Ok(id) = issuer_id(authority) else { return true };
        self.roots
            .iter()
            .chain(&self.intermediates)
            .any(|known| issuer_id(known).is_ok_and(|known| known == id))
    }

    fn add(&mut self, certificate: X509) -> Result<(), String> {
        let key = certificate.public_key().map_err(|error| format!("its key cannot be read: {error}"))?;
        check_key(&key).map_err(|weak| format!("{}: {weak}", common_name(&certificate)))?;
        if !is_authority(&certificate) {
            return Err(format!("{} is no authority", common_name(&certificate)));
        }
        let is_self_issued = certificate
            .subject_name()
            .try_cmp(certificate.issuer_name())
            .is_ok_and(std::cmp::Ordering::is_eq);
        // Self-issued but not self-signed is what an authority makes when it changes its key: a link, not a root.
        let is_root = is_self_issued && certificate.verify(&key).unwrap_or(false);
        let list = if is_root { &mut self.roots } else { &mut self.intermediates };
        if !list.iter().any(|known| same(known, &certificate)) {
            list.push(certificate);
        }
        Ok(())
    }
}

/// The extensions of RFC 5280 §4.2.1.9 and §4.2.1.3, read with x509-parser because OpenSSL's binding gives only parts.
pub(super) fn is_authority(certificate: &X509) -> bool {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let Ok(der) = certificate.to_der() else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(&der) else { return false };
    let may_sign =
        parsed.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    may_sign
        && parsed.basic_constraints().is_ok_and(|constraints| constraints.is_some_and(|found| found.value.ca))
}

/// The files of a directory that are called as files of certificates are, in the order of their names.
pub(super) fn certificate_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if ["pem", "crt", "cer", "der"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn read_certificates(path: &Path) -> Result<Vec<X509>, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut content = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("larger than {MAX_FILE} bytes"));
    }
    let certificates = if content.starts_with(b"0") {
        X509::from_der(&content).map(|certificate| vec![certificate])
    } else {
        X509::stack_from_pem(&content)
    };
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("holds no certificate".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("is not a certificate: {error}")),
    }
}

/// When the first certificate of a PEM or DER file ceases to count: that of the server itself in a chain.
///
/// # Errors
/// Why the file cannot be read, in words.
pub fn end_of(path: &Path) -> Result<DateTime<Utc>, String> {
    let certificates = read_certificates(path)?;
    certificates.first().and_then(end).ok_or_else(|| "its end cannot be read".to_owned())
}

/// As [`end_of`], of a PEM text.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn end_of_pem(pem: &[u8]) -> Result<DateTime<Utc>, String> {
    let certificates = X509::stack_from_pem(pem).map_err(|error| error.to_string())?;
    certificates.first().and_then(end).ok_or_else(|| "there is no certificate in it".to_owned())
}

/// Whether the first certificate of a PEM or DER file is for this host: by its name, or by a `*` in the place of its first
/// label (RFC 9525 §6.3).
///
/// # Errors
/// Why the file cannot be read, in words.
pub fn is_for(path: &Path, host: &str) -> Result<bool, String> {
    let certificates = read_certificates(path)?;
    let first = certificates.first().ok_or_else(|| "there is no certificate in it".to_owned())?;
    let der = first.to_der().map_err(|error| error.to_string())?;
    let names = Names::read(&der).map_err(|error| error.to_string())?;
    let any = host.split_once('.').map(|(_, domain)| format!("*.{domain}"));
    Ok(names.has_dns(host) || any.is_some_and(|any| names.has_dns(&any)))
}

pub(super) fn end(certificate: &X509) -> Option<DateTime<Utc>> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let der = certificate.to_der().ok()?;
    let (_, parsed) = X509Certificate::from_der(&der).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}

pub(super) fn common_name(certificate: &X509) -> String {
    certificate
        .subject_name()
        .entries_by_nid(Nid::COMMONNAME)
        .next()
        .and_then(|entry| entry.data().to_string().ok())
        .unwrap_or_else(|| format!("{:?}", certificate.subject_name()))
}

pub(super) fn same(one: &X509, other: &X509) -> bool {
    matches!((one.to_der(), other.to_der()), (Ok(one), Ok(other)) if one == other)
}

fn listed(faults: &[AnchorFault]) -> String {
    faults.iter().map(|fault| format!("; {fault}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::x509::test_pki::{card, now, pki};

    fn load(files: &[(&str, Vec<u8>)]) -> Result<Anchors, AnchorsError> {
        let place = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(place.path().join(name), content).unwrap();
        }
        Anchors::load(place.path())
    }

    #[test]
    fn pem_der_and_bundles_are_read_and_doubles_dropped() {
        let (root, persons) = (&pki().root.certificate, &pki().persons.certificate);
        let bundle = [root.to_pem().unwrap(), persons.to_pem().unwrap()].concat();
        let anchors = load(&[
            ("a.cer", root.to_der().unwrap()),
            ("b.PEM", bundle),
            ("c.crt", persons.to_pem().unwrap()),
            ("read-me.txt", b"not looked at".to_vec()),
        ])
        .unwrap();
        assert_eq!(anchors.faults(), []);
        let installed = anchors.installed();
        assert_eq!(installed.len(), 2);
        assert!(installed[0].is_root && installed[0].name == "TEST AC RACINE IGC-SANTE FORT");
        assert_eq!(installed[0].fingerprint.len(), 64);
        assert_eq!(installed[0].until, now() + sceau_certs::certificate::years(14));
    }

    #[test]
    fn each_unusable_file_is_named_and_the_others_serve() {
        let mut cut = pki().persons.certificate.to_der().unwrap();
        cut.truncate(500);
        let small = &sceau_certs::keys::generate(1, 1024).unwrap()[0];
        let weak = pki().root.issue_unchecked(&card("good").profile.authentication(), small).unwrap();
        let anchors = load(&[
            ("root.pem", pki().root.certificate.to_pem().unwrap()),
            ("cut.der", cut),
            ("empty.pem", Vec::new()),
            ("html.cer", b"<html>404</html>".to_vec()),
            ("card.pem", card("good").authentication.certificate.to_pem().unwrap()),
            ("weak.der", weak),
            ("huge.pem", vec![b'-'; 2 * 1024 * 1024]),
        ])
        .unwrap();
        let named: Vec<&str> =
            anchors.faults().iter().filter_map(|fault| fault.path.file_name()?.to_str()).collect();
        assert_eq!(named, ["card.pem", "cut.der", "empty.pem", "html.cer", "huge.pem", "weak.der"]);
        assert_eq!(anchors.installed().len(), 1);
    }

    #[test]
    fn nothing_to_trust_is_an_error_that_says_why() {
        let error = load(&[("html.cer", b"<html>404</html>".to_vec())]).unwrap_err();
        assert_eq!(error.code(), "CERT-013");
        assert!(error.to_string().contains("html.cer"), "{error}");
        let missing = Anchors::load(Path::new("/nonexistent/anchors")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/anchors"));
        // An intermediate alone is no root: trust has to end somewhere the administrator chose.
        let error = load(&[("persons.pem", pki().persons.certificate.to_pem().unwrap())]).unwrap_err();
        assert!(matches!(error, AnchorsError::NoRoot { .. }));
    }

    /// A "root" that is called as its issuer but was signed by another key: nobody vouches for it.
    #[test]
    fn what_did_not_sign_itself_is_no_root() {
        let name = sceau_certs::name::Name::authority("TEST AC RACINE IGC-SANTE FORT");
        let key = card("nurse").authentication.key.clone();
        let signed_by_root =
            pki().root.subordinate(name, key, now(), now() + chrono::TimeDelta::days(1), vec![]).unwrap();
        let result = load(&[("root.pem", signed_by_root.certificate.to_pem().unwrap())]);
        assert!(matches!(result, Err(AnchorsError::NoRoot { .. })));
    }
}
