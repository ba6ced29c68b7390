//! Whether a certificate leads to an installed root.
//!
//! OpenSSL builds the path and checks signatures, dates, basic constraints with path length, key usages and names
//! (RFC 5280 §6.1), from the installed authorities alone: what a card or a network brings along is not even looked at
//! as a stepping stone. On top stand the accepted algorithms and key sizes. Revocation is [`super::crl`]'s.

use std::fmt;

use chrono::{DateTime, Utc};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509VerifyResult};

use super::anchors::{Anchors, common_name, is_authority};
use super::crl::{IssuerId, issuer_id};
use super::signature::{WeakKey, accepted_hash, check_key};

/// Authorities between card and root, root included: IGC-Santé has two, one more is left for a successor.
const MAX_DEPTH: i32 = 3;
/// OpenSSL's level of 112 bits: RSA 2048, SHA-256.
pub(super) const AUTH_LEVEL: i32 = 2;

/// Numbers of OpenSSL's `x509_vfy.h` (a stable interface) that have an answer of their own here.
mod verdict {
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const HAS_EXPIRED: i32 = 10;
    pub(super) const INVALID_PURPOSE: i32 = 26;
    pub(super) const EE_KEY_TOO_SMALL: i32 = 66;
    pub(super) const CA_KEY_TOO_SMALL: i32 = 67;
    pub(super) const CA_MD_TOO_WEAK: i32 = 68;
}

/// Why a certificate is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("the certificate cannot be read: {0}")]
    Unreadable(#[source] ErrorStack),
    #[error("the certificate has expired")]
    Expired,
    #[error("the certificate is not valid yet")]
    NotYetValid,
    #[error("the certificate may not be used to authenticate a person ({0})")]
    Purpose(String),
    #[error("too weak: {0}")]
    Weak(String),
    #[error("no path to an installed authority ({reason}, at depth {depth})")]
    Untrusted { reason: String, depth: u32 },
    #[error("OpenSSL could not check the path: {0}")]
    OpenSsl(#[source] ErrorStack),
}

impl ChainError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "CERT-001",
            Self::Expired => "CERT-002",
            Self::NotYetValid => "CERT-003",
            Self::Untrusted { .. } | Self::OpenSsl(_) => "CERT-004",
            Self::Purpose(_) => "CERT-006",
            Self::Weak(_) => "CERT-009",
        }
    }
}

/// A certificate that leads to an installed root, with the authorities on the way.
#[derive(Clone)]
pub struct VerifiedPath {
    pub(super) leaf: X509,
    /// The issuer first, the root last.
    pub(super) authorities: Vec<X509>,
}

impl VerifiedPath {
    /// The authority that issued the certificate.
    pub(super) fn issuer(&self) -> Option<&X509> {
        self.authorities.first()
    }

    /// SHA-256 of the issuer's name and key: with the serial number, what a revocation names.
    ///
    /// # Errors
    /// Where OpenSSL cannot write them.
    pub fn issuer_id(&self) -> Result<IssuerId, ErrorStack> {
        self.issuer().map_or_else(|| Err(ErrorStack::get()), issuer_id)
    }

    /// Whether one of the authorities on the way is among those that issue something else.
    #[must_use]
    pub fn passes(&self, others: &Anchors) -> bool {
        self.authorities.iter().any(|authority| others.holds(authority))
    }

    /// Common names from the issuer up to the root.
    #[must_use]
    pub fn authorities(&self) -> Vec<String> {
        self.authorities.iter().map(common_name).collect()
    }
}

impl fmt::Debug for VerifiedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedPath").field("authorities", &self.authorities()).finish_non_exhaustive()
    }
}

/// The path from `certificate_der` to an installed root, as of `now`, for the authentication of a person.
///
/// # Errors
/// [`ChainError`].
pub fn verify(
    anchors: &Anchors,
    certificate_der: &[u8],
    now: DateTime<Utc>,
) -> Result<VerifiedPath, ChainError> {
    let leaf = X509::from_der(certificate_der).map_err(ChainError::Unreadable)?;
    let key = leaf.public_key().map_err(ChainError::Unreadable)?;
    check_key(&key).map_err(weak)?;
    let (result, depth, chain) = build_path(anchors, &leaf, now).map_err(ChainError::OpenSsl)?;
    if result != X509VerifyResult::OK {
        return Err(refusal(result, depth));
    }
    let authorities: Vec<X509> = chain.into_iter().skip(1).collect();
    if authorities.is_empty() || is_authority(&leaf) {
        return Err(ChainError::Untrusted { reason: "an authority is no card".to_owned(), depth: 0 });
    }
    // The root's own signature is not what it is trusted for; every other one is. The authorities' keys have been
    // looked at when they were installed.
    for certificate in std::iter::once(&leaf).chain(authorities.iter().rev().skip(1)) {
        accepted_hash(certificate.signature_algorithm().object().nid()).map_err(weak)?;
    }
    Ok(VerifiedPath { leaf, authorities })
}

/// OpenSSL's verdict, the depth it is about, and the path it found. The store is made for this one question because
/// the time belongs to it; it holds a handful of references.
fn build_path(
    anchors: &Anchors,
    leaf: &X509,
    now: DateTime<Utc>,
) -> Result<(X509VerifyResult, u32, Vec<X509>), ErrorStack> {
    let mut param = X509VerifyParam::new()?;
    param.set_time(now.timestamp());
    param.set_depth(MAX_DEPTH);
    param.set_auth_level(AUTH_LEVEL);
    param.set_purpose(X509PurposeId::SSL_CLIENT)?;
    // Policy constraints that an authority puts into its own certificate count; none are asked for here.
    param.set_flags(X509VerifyFlags::POLICY_CHECK)?;
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&param)?;
    for root in &anchors.roots {
        store.add_cert(root.clone())?;
    }
    let mut intermediates = Stack::new()?;
    for authority in &anchors.intermediates {
        intermediates.push(authority.clone())?;
    }
    X509StoreContext::new()?.init(&store.build(), leaf, &intermediates, |context| {
        context.verify_cert()?;
        let chain = context.chain().map(|chain| chain.iter().map(ToOwned::to_owned).collect());
        Ok((context.error(), context.error_depth(), chain.unwrap_or_default()))
    })
}

pub(super) fn weak(weak: WeakKey) -> ChainError {
    ChainError::Weak(weak.to_string())
}

pub(super) fn refusal(result: X509VerifyResult, depth: u32) -> ChainError {
    let reason = result.error_string().to_owned();
    match (result.as_raw(), depth) {
        (verdict::HAS_EXPIRED, 0) => ChainError::Expired,
        (verdict::NOT_YET_VALID, 0) => ChainError::NotYetValid,
        (verdict::INVALID_PURPOSE, 0) => ChainError::Purpose(reason),
        (verdict::EE_KEY_TOO_SMALL | verdict::CA_KEY_TOO_SMALL | verdict::CA_MD_TOO_WEAK, _) => {
            ChainError::Weak(reason)
        }
        _ => ChainError::Untrusted { reason, depth },
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use openssl::pkey::PKey;
    use sceau_certs::certificate::{Hash, years};
    use sceau_certs::extension::{
        AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, EMAIL_PROTECTION, EXTENDED_KEY_USAGE, Extension,
        KEY_USAGE, Usage,
    };
    use sceau_certs::name::Name;
    use sceau_certs::{Authority, Template};

    use super::*;
    use crate::crypto::x509::test_pki::{anchors, authentication, card, issue, now, pki};

    fn code(der: &[u8]) -> &'static str {
        verify(&anchors(), der, now()).map_or_else(|error| error.code(), |_| "good")
    }

    fn good() -> Template {
        card("good").profile.authentication()
    }

    #[test]
    fn every_card_gets_its_verdict() {
        for (name, expected) in [
            ("good", "good"),
            ("nurse", "good"),
            ("employee", "good"),
            // A path is not all: these two are refused by the revocation list and by the profile.
            ("revoked", "good"),
            ("software", "good"),
            ("expired", "CERT-002"),
            ("not-yet-valid", "CERT-003"),
            ("wrong-issuer", "CERT-004"),
        ] {
            assert_eq!(code(&authentication(name)), expected, "{name}");
        }
    }

    #[test]
    fn the_path_names_its_authorities() {
        let path = verify(&anchors(), &authentication("good"), now()).unwrap();
        assert_eq!(path.authorities(), ["TEST AC IGC-SANTE FORT PERSONNES", "TEST AC RACINE IGC-SANTE FORT"]);
    }

    #[test]
    fn the_time_is_the_one_given() {
        let der = authentication("good");
        let at = |when| verify(&anchors(), &der, when).map_err(|error| error.code()).err();
        assert_eq!(at(now() + years(2)), None);
        assert_eq!(at(now() + years(4)), Some("CERT-002"));
        assert_eq!(at(now() - TimeDelta::days(31)), Some("CERT-003"));
        assert_eq!(at(now() + years(40)), Some("CERT-004"), "the authorities have expired as well");
    }

    #[test]
    fn a_signature_certificate_authenticates_nobody() {
        assert_eq!(code(&card("good").signature.certificate.to_der().unwrap()), "CERT-006");
        let without_digital_signature =
            good().without(KEY_USAGE).with(Extension::key_usage(&[Usage::NonRepudiation]));
        assert_eq!(code(&issue(&without_digital_signature)), "CERT-006");
        let for_mail =
            good().without(EXTENDED_KEY_USAGE).with(Extension::extended_key_usage(&[EMAIL_PROTECTION]));
        assert_eq!(code(&issue(&for_mail)), "CERT-006");
    }

    /// An unknown critical extension means: who does not understand me must not trust me.
    #[test]
    fn an_unknown_critical_extension_is_refused() {
        let template =
            good().with(Extension::critical(&[1, 3, 6, 1, 4, 1, 99999, 1], sceau_certs::der::null()));
        assert_eq!(code(&issue(&template)), "CERT-004");
    }

    #[test]
    fn weak_hashes_and_keys_are_refused() {
        assert_eq!(code(&issue(&Template { hash: Hash::Sha1, ..good() })), "CERT-009");
        let small = &sceau_certs::keys::generate(1, 1024).unwrap()[0];
        assert_eq!(code(&pki().persons.issue_unchecked(&good(), small).unwrap()), "CERT-009");
        let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::SECP256K1).unwrap();
        let odd = PKey::from_ec_key(openssl::ec::EcKey::generate(&curve).unwrap()).unwrap();
        assert_eq!(code(&pki().persons.issue_unchecked(&good(), &odd).unwrap()), "CERT-009");
    }

    /// A genuine card holder who plays authority with the card's key.
    #[test]
    fn a_card_cannot_issue_cards() {
        let holder = card("nurse");
        let as_authority = Authority {
            certificate: holder.authentication.certificate.clone(),
            key: holder.authentication.key.clone(),
        };
        let der = as_authority.issue_unchecked(&good(), &card("good").authentication.key).unwrap();
        assert_eq!(code(&der), "CERT-004");
        // Not even where an administrator has installed the card as an authority by mistake.
        let place = tempfile::tempdir().unwrap();
        for (name, certificate) in [
            ("root.pem", &pki().root.certificate),
            ("persons.pem", &pki().persons.certificate),
            ("card.pem", &holder.authentication.certificate),
        ] {
            std::fs::write(place.path().join(name), certificate.to_pem().unwrap()).unwrap();
        }
        let anchors = Anchors::load(place.path()).unwrap();
        assert_eq!(anchors.faults().len(), 1);
        assert_eq!(verify(&anchors, &der, now()).unwrap_err().code(), "CERT-004");
    }

    /// `FORT PERSONNES` has path length 0: an authority below it is none.
    #[test]
    fn the_path_length_holds() {
        let name = Name::authority("TEST AC D'UN AUTRE");
        let key = card("nurse").authentication.key.clone();
        let below = pki().persons.subordinate(name, key, now() - years(1), now() + years(1), vec![]).unwrap();
        let der = below.issue_unchecked(&good(), &card("good").authentication.key).unwrap();
        let mut anchors = anchors();
        anchors.intermediates.push(below.certificate);
        let error = verify(&anchors, &der, now()).unwrap_err();
        assert!(error.to_string().contains("path length"), "{error}");
    }

    #[test]
    fn an_authority_that_is_not_installed_is_not_trusted_even_below_an_installed_root() {
        let client = pki().organisation("client").unwrap().pair.certificate.to_der().unwrap();
        assert_eq!(code(&client), "CERT-004");
    }

    /// An authority that the genuine one did issue, with all that a card has.
    #[test]
    fn authorities_themselves_are_no_cards() {
        let with_all = good()
            .without(BASIC_CONSTRAINTS)
            .without(KEY_USAGE)
            .with(Extension::authority(None))
            .with(Extension::key_usage(&[Usage::DigitalSignature, Usage::KeyCertSign]));
        assert_eq!(code(&issue(&with_all)), "CERT-004");
        assert_ne!(code(&pki().root.certificate.to_der().unwrap()), "good");
        assert_ne!(code(&pki().persons.certificate.to_der().unwrap()), "good");
    }

    #[test]
    fn a_changed_byte_or_a_missing_one_breaks_the_path() {
        let der = authentication("good");
        for place in (40..der.len()).step_by(37) {
            let mut changed = der.clone();
            changed[place] ^= 0x01;
            assert_ne!(code(&changed), "good", "byte {place}");
        }
        assert_eq!(code(&der[..der.len() - 1]), "CERT-001");
    }

    /// A forged certificate that says another authority's key signed it.
    #[test]
    fn the_key_identifier_is_only_a_hint() {
        let forged = good()
            .without(AUTHORITY_KEY_IDENTIFIER)
            .with(Extension::authority_key(&pki().root.key_identifier().unwrap()));
        assert_ne!(code(&issue(&forged)), "good");
    }
}
