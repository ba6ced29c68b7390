//! The whole set: authorities, cards, organisations and revocation lists.

use chrono::{DateTime, TimeDelta, Utc};
use openssl::{
    pkey::{PKey, Private},
    x509::X509,
};

use crate::{
    Error,
    card::{self, Addresses, Profile},
    certificate::{Authority, Template, years},
    crl::{CrlTemplate, Revocation},
    extension::{
        AUTHORITY_KEY_IDENTIFIER, CLIENT_AUTH, CRL_DISTRIBUTION_POINTS, Extension, OCSP_NO_CHECK,
        OCSP_SIGNING, SERVER_AUTH, Usage,
    },
    keys,
    name::{Attribute, COMMON_NAME, COUNTRY, Name, ORGANIZATION, ORGANIZATIONAL_UNIT, Rdn},
};

/// What to generate.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of the cards to make (see [`card::profiles`]); empty means all of them. Fewer cards are made faster.
    pub cards: Vec<String>,
    /// Bits of the authorities' keys. The real ones have 4096.
    pub authority_bits: u32,
    /// Bits of the cards' keys.
    pub card_bits: u32,
    /// Whether to make the organisations' branch.
    pub organisations: bool,
    /// How long a revocation list is valid.
    pub crl_validity: TimeDelta,
    /// What certificates say of where their revocation is to be looked up.
    pub addresses: Addresses,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cards: Vec::new(),
            authority_bits: 2048,
            card_bits: 2048,
            organisations: true,
            crl_validity: TimeDelta::days(7),
            addresses: Addresses::default(),
        }
    }
}

impl Options {
    /// Only these cards and no organisations: for a test that wants to be quick.
    pub fn only(cards: &[&str]) -> Self {
        Self {
            cards: cards.iter().map(|name| (*name).to_owned()).collect(),
            organisations: false,
            ..Self::default()
        }
    }
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct KeyPair {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A card: its holder, and what it carries.
#[derive(Clone, Debug)]
pub struct Card {
    pub profile: Profile,
    pub authentication: KeyPair,
    pub signature: KeyPair,
    /// Behind the antenna, on cards that have one.
    pub technical: Option<KeyPair>,
}

impl Card {
    /// Its keys and certificates, with the name of their files.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, &KeyPair)> {
        [
            ("auth", Some(&self.authentication)),
            ("sign", Some(&self.signature)),
            ("tech", self.technical.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, pair)| pair.map(|pair| (name, pair)))
    }
}

/// A certificate of an establishment (the `AUTH_CLI` offer) or of a server.
#[derive(Clone, Debug)]
pub struct Organisation {
    pub name: String,
    pub pair: KeyPair,
}

/// The revocation lists, DER.
#[derive(Clone, Debug)]
pub struct Crls {
    pub root: Vec<u8>,
    pub persons: Vec<u8>,
}

/// Everything together.
#[derive(Debug)]
pub struct Pki {
    /// `TEST AC RACINE IGC-SANTE FORT`
    pub root: Authority,
    /// `TEST AC IGC-SANTE FORT PERSONNES`
    pub persons: Authority,
    /// `TEST AC IGC-SANTE FORT ORGANISATIONS`; not among the anchors for cards.
    pub organisations: Authority,
    pub cards: Vec<Card>,
    pub organisation_certificates: Vec<Organisation>,
    /// Answers for the cards by OCSP, on behalf of their authority; absent in a set of an older version.
    pub responder: Option<KeyPair>,
    pub crls: Crls,
}

impl Pki {
    /// Makes everything anew.
    ///
    /// `now` decides which cards are valid: `good` has been for a month, `expired` no longer is.
    pub fn generate(now: DateTime<Utc>, options: &Options) -> Result<Self, Error> {
        let profiles: Vec<Profile> = card::profiles(now)
            .into_iter()
            .filter(|profile| options.cards.is_empty() || options.cards.contains(&profile.name))
            .collect();
        let mut authority_keys = keys::generate(4, options.authority_bits)?.into_iter();
        let organisations_count = if options.organisations { ORGANISATIONS.len() } else { 0 };
        let technical_count = profiles.iter().filter(|profile| profile.contactless).count();
        let count = profiles.len() * 2 + technical_count + organisations_count + 1;
        let mut keys = keys::generate(count, options.card_bits)?.into_iter();
        let mut authority_key = || authority_keys.next().ok_or_else(out_of_keys);
        let mut key = || keys.next().ok_or_else(out_of_keys);

        let (from, until) = (now - years(6), now + years(14));
        let root =
            Authority::root(Name::authority("TEST AC RACINE IGC-SANTE FORT"), authority_key()?, from, until)?;
        let root_crl =
            || vec![Extension::distribution_points(CRL_DISTRIBUTION_POINTS, &[&options.addresses.root_list])];
        let persons_name = Name::authority("TEST AC IGC-SANTE FORT PERSONNES");
        let persons = root.subordinate(persons_name.clone(), authority_key()?, from, until, root_crl())?;
        let organisations_name = Name::authority("TEST AC IGC-SANTE FORT ORGANISATIONS");
        let organisations =
            root.subordinate(organisations_name, authority_key()?, from, until, root_crl())?;
        let impostor = Authority::root(persons_name, authority_key()?, from, until)?;

        let mut cards = Vec::new();
        for profile in profiles {
            let issuer = if profile.name == card::WRONG_ISSUER { &impostor } else { &persons };
            let claimed = Extension::authority_key(&persons.key_identifier()?);
            let mut issue = |template: Template| -> Result<KeyPair, Error> {
                let key = key()?;
                let template = template.without(AUTHORITY_KEY_IDENTIFIER).with(claimed.clone());
                Ok(KeyPair { certificate: issuer.issue(&template, &key)?, key })
            };
            let authentication = issue(profile.authentication_at(&options.addresses))?;
            let signature = issue(profile.signature_at(&options.addresses))?;
            let technical =
                profile.contactless.then(|| issue(profile.technical(&options.addresses))).transpose()?;
            cards.push(Card { profile, authentication, signature, technical });
        }
        let mut organisation_certificates = Vec::new();
        for organisation in ORGANISATIONS.iter().take(organisations_count) {
            let key = key()?;
            let certificate = organisations.issue(&organisation.template(now), &key)?;
            let name = organisation.name.to_owned();
            organisation_certificates.push(Organisation { name, pair: KeyPair { certificate, key } });
        }
        let responder_key = key()?;
        let certificate = persons.issue(&responder_template(now), &responder_key)?;
        let responder = Some(KeyPair { certificate, key: responder_key });
        let crls = Crls { root: Vec::new(), persons: Vec::new() };
        let mut pki =
            Self { root, persons, organisations, cards, organisation_certificates, responder, crls };
        pki.issue_crls(now, options.crl_validity)?;
        Ok(pki)
    }

    /// Signs new revocation lists, valid from `now`.
    pub fn issue_crls(&mut self, now: DateTime<Utc>, validity: TimeDelta) -> Result<(), Error> {
        let number = u64::try_from(now.timestamp()).unwrap_or(1);
        let mut persons = CrlTemplate::new(number, now, now + validity);
        for card in self.cards.iter().filter(|card| card.profile.name == card::REVOKED) {
            for (_, pair) in card.pairs() {
                persons = persons.revoke(Revocation {
                    serial: pair.certificate.serial_number().to_bn()?.to_vec(),
                    at: now - TimeDelta::days(1),
                    reason: Some(1),
                });
            }
        }
        self.crls = Crls {
            root: self.root.issue_crl(&CrlTemplate::new(number, now, now + validity))?,
            persons: self.persons.issue_crl(&persons)?,
        };
        Ok(())
    }

    /// The register of the cards' certificates as `openssl ocsp -index` reads it: state, end, date and reason of the
    /// revocation, serial number.
    pub fn ocsp_index(&self) -> Result<String, Error> {
        let stamp = |at: DateTime<Utc>| at.format("%y%m%d%H%M%SZ").to_string();
        let mut lines = String::new();
        for card in self.cards.iter().filter(|card| card.profile.name != card::WRONG_ISSUER) {
            let revoked = card.profile.name == card::REVOKED;
            let pairs = [("authentication", &card.authentication), ("signature", &card.signature)];
            for (kind, pair) in pairs {
                let serial = pair.certificate.serial_number().to_bn()?.to_hex_str()?;
                let (state, when) = if revoked {
                    ("R", format!("{},keyCompromise", stamp(card.profile.not_before + TimeDelta::days(1))))
                } else {
                    ("V", String::new())
                };
                let (end, name) = (stamp(card.profile.not_after), &card.profile.name);
                // OpenSSL wants each subject once.
                lines.push_str(&format!("{state}\t{end}\t{when}\t{serial}\tunknown\t/CN={name} {kind}\n"));
            }
        }
        Ok(lines)
    }

    /// The card of this name.
    pub fn card(&self, name: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.profile.name == name)
    }

    pub fn organisation(&self, name: &str) -> Option<&Organisation> {
        self.organisation_certificates.iter().find(|organisation| organisation.name == name)
    }
}

/// How an organisation's certificate is made.
struct OrganisationProfile {
    name: &'static str,
    common_name: &'static str,
    server: bool,
}

const ORGANISATIONS: [OrganisationProfile; 2] = [
    OrganisationProfile { name: "client", common_name: "client.hopital-generique.test", server: false },
    OrganisationProfile { name: "server", common_name: "localhost", server: true },
];

impl OrganisationProfile {
    fn template(&self, now: DateTime<Utc>) -> Template {
        let not_before = now - TimeDelta::days(1);
        let subject = Name(vec![
            Rdn::one(Attribute::printable(COUNTRY, "FR")),
            Rdn::one(Attribute::utf8(ORGANIZATION, "HOPITAL GENERIQUE FIN VARI")),
            Rdn::one(Attribute::utf8(ORGANIZATIONAL_UNIT, "10B0168811")),
            Rdn::one(Attribute::utf8(COMMON_NAME, self.common_name)),
        ]);
        let template =
            Template::new(subject, not_before, not_before + years(3)).with(Extension::end_entity());
        if self.server {
            template
                .with(Extension::key_usage(&[Usage::DigitalSignature, Usage::KeyEncipherment]))
                .with(Extension::extended_key_usage(&[SERVER_AUTH]))
                .with(Extension::hosts(&["localhost", "127.0.0.1", "::1"]))
        } else {
            template
                .with(Extension::key_usage(&[Usage::DigitalSignature]))
                .with(Extension::extended_key_usage(&[CLIENT_AUTH]))
        }
    }
}

/// The certificate of a responder that the authority has charged with answering (RFC 6960 §4.2.2.2).
pub fn responder_template(now: DateTime<Utc>) -> Template {
    let not_before = now - TimeDelta::days(1);
    Template::new(Name::authority("TEST OCSP IGC-SANTE FORT PERSONNES"), not_before, not_before + years(1))
        .with(Extension::end_entity())
        .with(Extension::key_usage(&[Usage::DigitalSignature]))
        .with(Extension::extended_key_usage(&[OCSP_SIGNING]))
        .with(Extension::new(OCSP_NO_CHECK, crate::der::null()))
}

fn out_of_keys() -> Error {
    Error::WouldNotSign(vec!["has no key left".to_owned()])
}
