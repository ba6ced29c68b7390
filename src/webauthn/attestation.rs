//! Whether the attestation of a key leads to a maker whom the hospital trusts, for the model that the key says it is (Web
//! Authentication §7.1, steps 22 to 24, and §8.2.1).
//!
//! A hospital gets from it that "this model" is proven, by certificates, on our clock, or is not said. The library has
//! verified the statement before: its signature, and for `packed` all of §8.2.1 (version, subject, basic constraints, and
//! the model in the certificate, where there is one). The path is ours.
//!
//! An authority that makes many models proves only what its certificates name: a certificate without the extension
//! `id-fido-gen-ce-aaguid` is believed where its authority is trusted for this one model, by a directory of its own or by
//! the metadata of the model. Revocation of a certificate is not asked for: makers publish it as the state of a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::clock::Time;
use crate::crypto::x509::anchors::AnchorFault;
use crate::crypto::x509::chain::ChainError;
use crate::crypto::x509::foreign::{Roots, extension};

/// `id-fido-gen-ce-aaguid` (§8.2.1).
const MODEL_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.4";

/// Why an attestation proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// There is none, or the key vouches for itself.
    #[error("nobody attests the model of the key")]
    Nobody,
    /// The certificate is that of another model.
    #[error("the attestation certificate is that of another model")]
    OtherModel,
    /// The certificate names no model, and its authority is not trusted for this one alone.
    #[error("the attestation certificate names no model, and no authority is installed for this model alone")]
    NoModel,
    /// No path to an authority.
    #[error("the attestation certificate: {0}")]
    Path(#[from] ChainError),
}

impl Unproven {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nobody => "KEY-015",
            Self::Path(ChainError::Expired | ChainError::NotYetValid) => "KEY-022",
            Self::Path(_) => "KEY-021",
            Self::OtherModel => "KEY-023",
            Self::NoModel => "KEY-024",
        }
    }
}

/// The makers whom the hospital trusts.
#[derive(Debug, Clone, Default)]
pub struct Makers {
    /// Of any number of models.
    any: Roots,
    /// Of one model each.
    by_model: BTreeMap<Uuid, Roots>,
    faults: Vec<AnchorFault>,
}

/// Why no maker is known.
#[derive(Debug, thiserror::Error)]
pub enum MakersError {
    /// The directory.
    #[error("the directory of attestation authorities {path} cannot be read: {source}")]
    Directory {
        /// Its name.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing in it can be used.
    #[error("no usable attestation authority in {0}")]
    Empty(PathBuf),
}

impl Makers {
    /// Reads `dir`: its files are authorities for any model, those of a directory in it that is called as an AAGUID for
    /// that model alone.
    ///
    /// # Errors
    /// [`MakersError`]; single files that cannot be used are no error, see [`Self::faults`].
    pub fn load(dir: &Path) -> Result<Self, MakersError> {
        let unreadable = |source| MakersError::Directory { path: dir.to_owned(), source };
        let (any, mut faults) = Roots::load(dir).map_err(unreadable)?;
        let mut by_model = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if !path.is_dir() {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(model) = Uuid::try_parse(name) else {
                faults.push(AnchorFault { path, reason: "is not called as an AAGUID".to_owned() });
                continue;
            };
            let (roots, unusable) = Roots::load(&path).map_err(unreadable)?;
            faults.extend(unusable);
            by_model.insert(model, roots);
        }
        if any.is_empty() && by_model.values().all(Roots::is_empty) {
            return Err(MakersError::Empty(dir.to_owned()));
        }
        Ok(Self { any, by_model, faults })
    }

    /// The files that could not be used.
    #[must_use]
    pub fn faults(&self) -> &[AnchorFault] {
        &self.faults
    }

    /// What is installed: how each authority is called, and when it ceases to count.
    #[must_use]
    pub fn installed(&self) -> Vec<(String, Time)> {
        self.by_model.values().chain([&self.any]).flat_map(Roots::ends).collect()
    }

    /// Whether `chain` (DER, the attestation certificate first) proves that a key is of `model`, as of `now`. `listed` are
    /// the authorities that the metadata names for the model.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn vouch(
        &self,
        model: Uuid,
        chain: Option<&[Vec<u8>]>,
        listed: Option<&Roots>,
        now: Time,
    ) -> Result<(), Unproven> {
        let chain = chain.filter(|chain| !chain.is_empty()).ok_or(Unproven::Nobody)?;
        let named = chain.first().and_then(|leaf| extension(leaf, MODEL_EXTENSION));
        // An OCTET STRING of sixteen bytes, within the one around the value of any extension.
        if named.as_ref().is_some_and(|value| value[..] != [&[0x04, 0x10], &model.as_bytes()[..]].concat()) {
            return Err(Unproven::OtherModel);
        }
        let of_model = [self.by_model.get(&model), listed];
        let mut path = None;
        for roots in of_model.into_iter().flatten().filter(|roots| !roots.is_empty()) {
            match roots.vouch(chain, now) {
                Ok(()) => return Ok(()),
                Err(error) => path = Some(error),
            }
        }
        match (named, self.any.vouch(chain, now)) {
            (Some(_), Ok(())) => Ok(()),
            (None, Ok(())) => Err(Unproven::NoModel),
            // A certificate that is out of its time under one authority is that under none.
            (_, Err(error)) => Err(match path {
                Some(first @ (ChainError::Expired | ChainError::NotYetValid)) => first.into(),
                _ => error.into(),
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeDelta;
    use openssl::pkey::{PKey, Private};
    use sceau_certs::extension::{CLIENT_AUTH, Extension, Usage};
    use sceau_certs::name::{Attribute, COMMON_NAME, COUNTRY, Name, ORGANIZATION, ORGANIZATIONAL_UNIT, Rdn};
    use sceau_certs::{Authority, Template};

    use super::*;
    use crate::clock::{Clock as _, MockClock};

    const MODEL: Uuid = Uuid::from_u128(7);
    const YEAR: TimeDelta = TimeDelta::days(365);

    fn now() -> Time {
        MockClock::default().now()
    }

    pub(crate) fn p256() -> PKey<Private> {
        let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(openssl::ec::EcKey::generate(&curve).unwrap()).unwrap()
    }

    /// A root of a maker of keys.
    pub(crate) fn maker(name: &str) -> Authority {
        Authority::root(subject(name, "Root"), p256(), now() - YEAR, now() + YEAR).unwrap()
    }

    fn subject(name: &str, unit: &str) -> Name {
        Name(vec![
            Rdn::one(Attribute::printable(COUNTRY, "FR")),
            Rdn::one(Attribute::utf8(ORGANIZATION, name)),
            Rdn::one(Attribute::utf8(ORGANIZATIONAL_UNIT, unit)),
            Rdn::one(Attribute::utf8(COMMON_NAME, name)),
        ])
    }

    /// What §8.2.1 asks for, for this model or for none.
    pub(crate) fn template(model: Option<Uuid>) -> Template {
        let subject = subject("Clés de test", "Authenticator Attestation");
        let template = Template::new(subject, now() - YEAR, now() + YEAR).with(Extension::end_entity());
        match model {
            None => template,
            Some(model) => {
                let value = [&[0x04, 0x10], &model.as_bytes()[..]].concat();
                template.with(Extension::new(&[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], value))
            }
        }
    }

    fn issued(by: &Authority, template: &Template) -> Vec<u8> {
        by.issue_unchecked(template, &p256()).unwrap()
    }

    /// A directory of authorities: for any model, and for one.
    pub(crate) fn makers(any: &[&Authority], of_one: &[(Uuid, &Authority)]) -> Makers {
        let place = tempfile::tempdir().unwrap();
        for (number, authority) in any.iter().enumerate() {
            let pem = authority.certificate.to_pem().unwrap();
            std::fs::write(place.path().join(format!("{number}.pem")), pem).unwrap();
        }
        for (model, authority) in of_one {
            let dir = place.path().join(model.to_string());
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("root.pem"), authority.certificate.to_pem().unwrap()).unwrap();
        }
        Makers::load(place.path()).unwrap()
    }

    fn code(makers: &Makers, chain: &[Vec<u8>], listed: Option<&Roots>) -> &'static str {
        match makers.vouch(MODEL, Some(chain), listed, now()) {
            Ok(()) => "good",
            Err(unproven) => unproven.code(),
        }
    }

    #[test]
    fn a_maker_who_is_trusted_proves_the_models_that_its_certificates_name() {
        let (ours, other) = (maker("A"), maker("B"));
        let makers = makers(&[&ours], &[]);
        let good = template(Some(MODEL));
        assert_eq!(code(&makers, &[issued(&ours, &good)], None), "good");
        assert_eq!(code(&makers, &[issued(&other, &good)], None), "KEY-021", "another root");
        assert_eq!(code(&makers, &[issued(&ours, &template(Some(Uuid::from_u128(8))))], None), "KEY-023");
        assert_eq!(code(&makers, &[issued(&ours, &template(None))], None), "KEY-024");
        assert_eq!(code(&makers, &[], None), "KEY-015");
        assert_eq!(makers.vouch(MODEL, None, None, now()).unwrap_err().code(), "KEY-015");
        assert_eq!(code(&makers, &[b"0\x03abc".to_vec()], None), "KEY-021");
        let for_tls = good.with(Extension::extended_key_usage(&[CLIENT_AUTH]));
        assert_eq!(code(&makers, &[issued(&ours, &for_tls)], None), "good", "usages are not asked for");
    }

    #[test]
    fn a_certificate_counts_in_its_time_and_below_authorities_alone() {
        let ours = maker("A");
        let makers = makers(&[&ours], &[]);
        let until =
            |from, to| Template { not_before: now() + from, not_after: now() + to, ..template(Some(MODEL)) };
        let (day, past) = (TimeDelta::days(1), TimeDelta::days(-2));
        assert_eq!(code(&makers, &[issued(&ours, &until(past, -day))], None), "KEY-022", "expired");
        assert_eq!(code(&makers, &[issued(&ours, &until(day, YEAR))], None), "KEY-022", "not yet valid");
        // An authority that attests in its own name, and a key that plays authority.
        let authority = template(Some(MODEL))
            .without(sceau_certs::extension::BASIC_CONSTRAINTS)
            .with(Extension::authority(None))
            .with(Extension::key_usage(&[Usage::DigitalSignature, Usage::KeyCertSign]));
        assert_eq!(code(&makers, &[issued(&ours, &authority)], None), "KEY-021", "an authority");
        let key = p256();
        let leaf = ours.issue_unchecked(&template(Some(MODEL)), &key).unwrap();
        let player = Authority { certificate: openssl::x509::X509::from_der(&leaf).unwrap(), key };
        let below = issued(&player, &template(Some(MODEL)));
        assert_eq!(code(&makers, &[below, leaf], None), "KEY-021", "a key is no authority");
    }

    #[test]
    fn what_is_brought_along_is_a_stepping_stone_and_nothing_more() {
        let (ours, other) = (maker("A"), maker("B"));
        let makers = makers(&[&ours], &[]);
        let factory = below(&ours, subject("A", "Factory"), p256());
        let leaf = issued(&factory, &template(Some(MODEL)));
        let between = factory.certificate.to_der().unwrap();
        assert_eq!(code(&makers, &[leaf.clone(), between.clone()], None), "good");
        assert_eq!(code(&makers, &[leaf], None), "KEY-021", "the step is missing");
        // Its own root, brought along, makes nobody trusted.
        let stranger = issued(&other, &template(Some(MODEL)));
        let root = other.certificate.to_der().unwrap();
        assert_eq!(code(&makers, &[stranger.clone(), root.clone()], None), "KEY-021");
        assert_eq!(code(&makers, &vec![stranger; 7], None), "KEY-021", "a chain without end");
    }

    fn below(authority: &Authority, name: Name, key: PKey<Private>) -> Authority {
        let template = Template::new(name, now() - YEAR, now() + YEAR)
            .with(Extension::authority(Some(0)))
            .with(Extension::key_usage(&[Usage::KeyCertSign]));
        let der = authority.issue_unchecked(&template, &key).unwrap();
        Authority { certificate: openssl::x509::X509::from_der(&der).unwrap(), key }
    }

    #[test]
    fn an_authority_of_one_model_speaks_for_that_model_alone() {
        let ours = maker("A");
        let here = makers(&[], &[(MODEL, &ours)]);
        let nameless = issued(&ours, &template(None));
        assert_eq!(code(&here, std::slice::from_ref(&nameless), None), "good");
        let elsewhere = makers(&[], &[(Uuid::from_u128(8), &ours)]);
        assert_eq!(code(&elsewhere, std::slice::from_ref(&nameless), None), "KEY-021");
        // Named by the metadata: the root, or the certificate itself.
        let listed = Roots::of(&[ours.certificate.to_der().unwrap()]);
        assert_eq!(code(&Makers::default(), std::slice::from_ref(&nameless), Some(&listed)), "good");
        let itself = Roots::of(std::slice::from_ref(&nameless));
        assert_eq!(code(&Makers::default(), std::slice::from_ref(&nameless), Some(&itself)), "good");
        assert_eq!(code(&Makers::default(), &[nameless], None), "KEY-021");
    }

    #[test]
    fn a_directory_without_an_authority_is_an_error_and_a_bad_file_is_named() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(Makers::load(place.path()), Err(MakersError::Empty(_))));
        assert!(matches!(Makers::load(&place.path().join("none")), Err(MakersError::Directory { .. })));
        std::fs::write(place.path().join("a.pem"), maker("A").certificate.to_pem().unwrap()).unwrap();
        std::fs::write(place.path().join("b.pem"), "<html>").unwrap();
        std::fs::create_dir(place.path().join("yubico")).unwrap();
        let makers = Makers::load(place.path()).unwrap();
        assert_eq!((makers.installed().len(), makers.faults().len()), (1, 2));
    }
}
