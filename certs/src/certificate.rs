//! Assembling and signing a certificate, and looking at what is about to be signed before it is.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::{
    hash::MessageDigest,
    pkey::{HasPublic, Id, PKey, PKeyRef, Private},
    sha::sha1,
    sign::Signer,
    x509::X509,
};

use crate::{
    Error,
    der::{self, Oid},
    extension::{
        AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, Extension, KEY_USAGE, SUBJECT_KEY_IDENTIFIER, Usage,
    },
    name::Name,
};

/// Hash of a signature: SHA-256 everywhere but in a test of what must be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hash {
    #[default]
    Sha256,
    Sha1,
}

/// What a certificate shall say. The authority adds key identifiers, serial and signature.
#[derive(Clone, Debug)]
pub struct Template {
    pub subject: Name,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub extensions: Vec<Extension>,
    /// Up to 20 bytes; drawn at random if absent.
    pub serial: Option<Vec<u8>>,
    pub hash: Hash,
}

impl Template {
    pub fn new(subject: Name, not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Self {
        Self { subject, not_before, not_after, extensions: Vec::new(), serial: None, hash: Hash::Sha256 }
    }

    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Takes every extension of this kind away.
    pub fn without(mut self, kind: Oid) -> Self {
        self.extensions.retain(|extension| extension.kind != kind);
        self
    }

    /// The faults that would make this certificate wrong to sign. Empty: nothing to object to.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.not_before >= self.not_after {
            faults.push("ends before it begins".to_owned());
        }
        if self.hash != Hash::Sha256 {
            faults.push("signed with a hash that is no longer safe".to_owned());
        }
        if self.subject.0.is_empty() {
            faults.push("has no subject".to_owned());
        }
        if let Some(serial) = &self.serial
            && (serial.len() > 20 || serial.iter().all(|byte| *byte == 0))
        {
            faults.push("serial is zero or longer than 20 bytes".to_owned());
        }
        let mut seen = BTreeSet::new();
        for extension in &self.extensions {
            if !seen.insert(extension.kind) {
                faults.push(format!("extension {:?} stands twice", extension.kind));
            }
        }
        for (kind, name) in [(BASIC_CONSTRAINTS, "basic constraints"), (KEY_USAGE, "key usage")] {
            if !seen.contains(kind) {
                faults.push(format!("{name} missing"));
            }
        }
        faults
    }
}

/// A certificate authority with its key: throw-away, made at run time.
pub struct Authority {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("subject", &self.certificate.subject_name()).finish_non_exhaustive()
    }
}

impl Authority {
    /// A self-signed root.
    pub fn root(
        name: Name,
        key: PKey<Private>,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let template = Template::new(name.clone(), from, until)
            .with(Extension::authority(None))
            .with(Extension::key_usage(&[Usage::KeyCertSign, Usage::CrlSign]));
        let identifier = key_identifier(&key)?;
        let certificate =
            X509::from_der(&sign_template(&template, &key, &name.to_der(), &identifier, &key)?)?;
        Ok(Self { certificate, key })
    }

    /// An authority below this one that may only issue end-entity certificates.
    pub fn subordinate(
        &self,
        name: Name,
        key: PKey<Private>,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        extra: Vec<Extension>,
    ) -> Result<Self, Error> {
        let mut template = Template::new(name, from, until)
            .with(Extension::authority(Some(0)))
            .with(Extension::key_usage(&[Usage::KeyCertSign, Usage::CrlSign]));
        template.extensions.extend(extra);
        let certificate = self.issue(&template, &key)?;
        Ok(Self { certificate, key })
    }

    /// Signs the template for this public key, after having looked at what it says.
    ///
    /// # Errors
    /// [`Error::WouldNotSign`] with everything that is wrong with the template.
    pub fn issue<T: HasPublic>(&self, template: &Template, key: &PKeyRef<T>) -> Result<X509, Error> {
        let mut faults = template.faults();
        if key.bits() < 2048 {
            faults.push(format!("key has only {} bits", key.bits()));
        }
        if !faults.is_empty() {
            return Err(Error::WouldNotSign(faults));
        }
        let certificate = X509::from_der(&self.issue_unchecked(template, key)?)?;
        if !certificate.verify(&self.key)? {
            return Err(Error::WouldNotSign(vec!["signature does not verify".to_owned()]));
        }
        Ok(certificate)
    }

    /// Signs whatever the template says, for tests of what must be refused; returns DER, since OpenSSL may not even be
    /// able to read it.
    pub fn issue_unchecked<T: HasPublic>(
        &self,
        template: &Template,
        key: &PKeyRef<T>,
    ) -> Result<Vec<u8>, Error> {
        sign_template(template, key, &self.name()?, &self.key_identifier()?, &self.key)
    }

    /// DER of the subject.
    pub fn name(&self) -> Result<Vec<u8>, Error> {
        Ok(self.certificate.subject_name().to_der()?)
    }

    pub fn key_identifier(&self) -> Result<[u8; 20], Error> {
        key_identifier(&self.key)
    }
}

/// SHA-1 of the public key, as RFC 5280 §4.2.1.2 (1) makes key identifiers.
pub fn key_identifier<T: HasPublic>(key: &PKeyRef<T>) -> Result<[u8; 20], Error> {
    match key.id() {
        Id::RSA => Ok(sha1(&key.rsa()?.public_key_to_der_pkcs1()?)),
        _ => Ok(sha1(&key.public_key_to_der()?)),
    }
}

fn sign_template<T: HasPublic>(
    template: &Template,
    key: &PKeyRef<T>,
    issuer: &[u8],
    issuer_identifier: &[u8],
    issuer_key: &PKeyRef<Private>,
) -> Result<Vec<u8>, Error> {
    let algorithm = signature_algorithm(issuer_key, template.hash)?;
    let serial = match &template.serial {
        Some(serial) => serial.clone(),
        None => random_serial()?,
    };
    let mut extensions: Vec<Vec<u8>> = Vec::new();
    // A template that names its own identifiers (a test of a forged one) keeps them.
    if !template.extensions.iter().any(|extension| extension.kind == SUBJECT_KEY_IDENTIFIER) {
        extensions.push(Extension::subject_key(&key_identifier(key)?).to_der());
    }
    if !template.extensions.iter().any(|extension| extension.kind == AUTHORITY_KEY_IDENTIFIER) {
        extensions.push(Extension::authority_key(issuer_identifier).to_der());
    }
    extensions.extend(template.extensions.iter().map(Extension::to_der));
    let to_be_signed = der::sequence(&[
        der::context(0, &der::integer(2)),
        der::unsigned(&serial),
        algorithm.clone(),
        issuer.to_vec(),
        der::sequence(&[der::time(template.not_before), der::time(template.not_after)]),
        template.subject.to_der(),
        key.public_key_to_der()?,
        der::context(3, &der::sequence(&extensions)),
    ]);
    sign(&to_be_signed, &algorithm, template.hash, issuer_key)
}

/// Wraps a to-be-signed structure (certificate or list) with its algorithm and signature.
pub(crate) fn sign(
    to_be_signed: &[u8],
    algorithm: &[u8],
    hash: Hash,
    key: &PKeyRef<Private>,
) -> Result<Vec<u8>, Error> {
    let digest = match hash {
        Hash::Sha256 => MessageDigest::sha256(),
        Hash::Sha1 => MessageDigest::sha1(),
    };
    let mut signer = Signer::new(digest, key)?;
    let signature = signer.sign_oneshot_to_vec(to_be_signed)?;
    Ok(der::sequence(&[to_be_signed.to_vec(), algorithm.to_vec(), der::bits(&signature)]))
}

pub(crate) fn signature_algorithm(key: &PKeyRef<Private>, hash: Hash) -> Result<Vec<u8>, Error> {
    const SHA256_WITH_RSA: Oid = &[1, 2, 840, 113549, 1, 1, 11];
    const SHA1_WITH_RSA: Oid = &[1, 2, 840, 113549, 1, 1, 5];
    const ECDSA_WITH_SHA256: Oid = &[1, 2, 840, 10045, 4, 3, 2];
    match (key.id(), hash) {
        (Id::RSA, Hash::Sha256) => Ok(der::sequence(&[der::oid(SHA256_WITH_RSA), der::null()])),
        (Id::RSA, Hash::Sha1) => Ok(der::sequence(&[der::oid(SHA1_WITH_RSA), der::null()])),
        (Id::EC, Hash::Sha256) => Ok(der::sequence(&[der::oid(ECDSA_WITH_SHA256)])),
        _ => Err(Error::WouldNotSign(vec!["no signature algorithm for this key".to_owned()])),
    }
}

/// 16 random bytes, as the serials seen in the field; the first bit clear and the first byte not zero.
pub(crate) fn random_serial() -> Result<Vec<u8>, Error> {
    let mut serial = [0_u8; 16];
    openssl::rand::rand_bytes(&mut serial)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x3F) | 0x40;
    }
    Ok(serial.to_vec())
}

/// So many years, of 365 days and a quarter.
pub fn years(count: i64) -> TimeDelta {
    TimeDelta::hours(count * 8_766)
}
