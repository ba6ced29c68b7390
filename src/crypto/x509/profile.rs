//! What the certificate of a health professional's card says: holder, card, profession.
//!
//! A hospital gets from this the national identifier that everything else hangs on, whatever the card's age: subjects
//! with several attributes in one element are read as a set (the order differs between cards), texts in the old
//! encodings too. The profile is that of IGC-Santé as decoded from TEST certificates; the private extensions are those
//! of the ANS terminologies TRE_G01, G02, G15 and R01.
//!
//! Reading is lenient with encodings and strict with meaning: an identifier or extension that stands twice, or a text
//! with a NUL in it, is refused rather than chosen from. Nothing here is a judgement: signature, path, dates and
//! revocation are [`super::chain`]'s and [`super::crl`]'s, and until these have spoken every field is a mere claim.

use chrono::{DateTime, Utc};
use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::x509::X509Name;

/// No certificate of a card comes near this; 2 to 3 KiB is usual.
pub const MAX_CERTIFICATE: usize = 16 * 1024;

/// No text in a subject is longer (RFC 5280 allows 64 characters for a common name, cards stay below).
const MAX_TEXT: usize = 256;

const COMMON_NAME: Oid<'static> = oid!(2.5.4.3);
const SURNAME: Oid<'static> = oid!(2.5.4.4);
const ORGANIZATION: Oid<'static> = oid!(2.5.4.10);
const ORGANIZATIONAL_UNIT: Oid<'static> = oid!(2.5.4.11);
const TITLE: Oid<'static> = oid!(2.5.4.12);
const GIVEN_NAME: Oid<'static> = oid!(2.5.4.42);

const PRODUCT_CATEGORY: Oid<'static> = oid!(1.2.250.1.71.1.2.5);
const CARD_TYPE: Oid<'static> = oid!(1.2.250.1.71.1.2.2);
const CARD_NUMBER: Oid<'static> = oid!(1.2.250.1.71.1.2.3);
const PROFESSION: Oid<'static> = oid!(1.2.250.1.71.1.2.7);
const SAVOIR_FAIRE: Oid<'static> = oid!(1.2.250.1.71.4.2.5);
const SMARTCARD_LOGON: Oid<'static> = oid!(1.3.6.1.4.1.311.20.2.2);

/// Why a certificate cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("the certificate has {0} bytes, more than the {MAX_CERTIFICATE} allowed")]
    TooLarge(usize),
    #[error("not a certificate: {0}")]
    NotACertificate(String),
    #[error("{0} bytes follow the certificate")]
    TrailingData(usize),
    #[error("extension {0} stands twice")]
    ExtensionTwice(String),
    #[error("extension {0} is malformed")]
    Extension(&'static str),
    #[error("the subject has no {0}")]
    Missing(&'static str),
    #[error("the subject has more than one {0}")]
    Ambiguous(&'static str),
    #[error("the subject's {0} is not a text, is too long or holds a control character")]
    Text(&'static str),
    #[error("the common name is no national identifier")]
    Identifier,
}

impl ProfileError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Ambiguous(_) | Self::Text(_) | Self::Identifier => "CERT-016",
            _ => "CERT-001",
        }
    }
}

/// TRE_G01, what the certificate is stored in, and whether it is of the test family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// A card of the CPx family.
    Card { test: bool },
    /// A security module of a server.
    Module { test: bool },
    /// A file: not a card.
    Software { test: bool },
    /// A value that is not in the terminology we know.
    Other(u8),
}

impl Category {
    fn from_byte(byte: u8) -> Self {
        let test = byte & 0x80 != 0;
        match byte & 0x7F {
            0 => Self::Card { test },
            2 => Self::Module { test },
            3 => Self::Software { test },
            _ => Self::Other(byte),
        }
    }

    #[must_use]
    pub fn is_test(self) -> bool {
        match self {
            Self::Card { test } | Self::Module { test } | Self::Software { test } => test,
            Self::Other(byte) => byte & 0x80 != 0,
        }
    }
}

/// TRE_G02, type of card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CardType {
    /// Health professional.
    Cps,
    /// Health professional in training.
    Cpf,
    /// Staff of an establishment (CDE, CPE).
    Cpe,
    /// Authorised staff (CDA, CPA).
    Cpa,
    /// A value that is not in the terminology we know.
    Other(u32),
}

impl CardType {
    fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Cps,
            1 => Self::Cpf,
            2 => Self::Cpe,
            3 => Self::Cpa,
            other => Self::Other(other),
        }
    }

    /// The name used on the card and in directories.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cps => "CPS",
            Self::Cpf => "CPF",
            Self::Cpe => "CPE",
            Self::Cpa => "CPA",
            Self::Other(_) => "?",
        }
    }
}

/// What a certificate's keys may be used for, as far as cards are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyUsage {
    pub digital_signature: bool,
    pub non_repudiation: bool,
    pub key_cert_sign: bool,
}

/// Extended key usages, as far as cards are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtendedKeyUsage {
    pub client_auth: bool,
    pub smartcard_logon: bool,
    pub email_protection: bool,
    /// `anyExtendedKeyUsage`: no card has it, and it is not taken for any of the others.
    pub any: bool,
}

/// What a card's certificate says. Claims only, until the path has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardCertificate {
    /// National identifier with its type digit: `8` + RPPS, `0` + ADELI, `3` + FINESS + `/` + register number, …
    pub id_nat: String,
    /// Absent on a card that bears no name (some CPE).
    pub family_name: Option<String>,
    pub given_name: Option<String>,
    /// Profession in words.
    pub title: Option<String>,
    /// Name of the establishment, on cards of its staff.
    pub organization: Option<String>,
    /// National identifier of the establishment, on cards of its staff.
    pub organization_id: Option<String>,
    /// The ten digits printed on the card.
    pub card_number: Option<String>,
    pub card_type: Option<CardType>,
    /// `None` in a certificate that is not of this family at all.
    pub category: Option<Category>,
    /// TRE_G15.
    pub profession_code: Option<u32>,
    /// TRE_R01, e.g. `SM26`.
    pub savoir_faire: Vec<String>,
    /// Serial number, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Common name of the issuer, or its whole name where it has none.
    pub issuer: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    /// `None` if the extension is absent.
    pub key_usage: Option<KeyUsage>,
    /// `None` if the extension is absent.
    pub ext_key_usage: Option<ExtendedKeyUsage>,
    /// Certificate policies, dotted.
    pub policies: Vec<String>,
}

impl CardCertificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`ProfileError`]; the input may be anything.
    pub fn from_der(der: &[u8]) -> Result<Self, ProfileError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(ProfileError::TooLarge(der.len()));
        }
        let (rest, certificate) = X509Certificate::from_der(der)
            .map_err(|error| ProfileError::NotACertificate(error.to_string()))?;
        if !rest.is_empty() {
            return Err(ProfileError::TrailingData(rest.len()));
        }
        let extensions = Extensions::read(&certificate)?;
        let subject = Subject::read(certificate.subject())?;
        let validity = certificate.validity();
        Ok(Self {
            id_nat: subject.id_nat,
            family_name: subject.family_name,
            given_name: subject.given_name,
            title: subject.title,
            organization: subject.organization,
            organization_id: subject.organization_id,
            card_number: extensions.card_number,
            card_type: extensions.card_type,
            category: extensions.category,
            profession_code: extensions.profession_code,
            savoir_faire: extensions.savoir_faire,
            serial: significant(certificate.raw_serial()).to_vec(),
            issuer: display_name(certificate.issuer()),
            not_before: time(validity.not_before.timestamp())?,
            not_after: time(validity.not_after.timestamp())?,
            key_usage: extensions.key_usage,
            ext_key_usage: extensions.ext_key_usage,
            policies: extensions.policies,
        })
    }

    /// Whether this is the certificate of the authentication key: the one whose extended key usage says `clientAuth`.
    /// A card's signature certificate says `emailProtection` instead.
    #[must_use]
    pub fn is_for_authentication(&self) -> bool {
        self.ext_key_usage.as_ref().is_some_and(|usage| usage.client_auth)
            && self.key_usage.as_ref().is_none_or(|usage| usage.digital_signature)
    }

    /// Given name and family name, as far as the card bears them; else the national identifier.
    #[must_use]
    pub fn holder(&self) -> String {
        match (&self.given_name, &self.family_name) {
            (Some(given), Some(family)) => format!("{given} {family}"),
            (None, Some(name)) | (Some(name), None) => name.clone(),
            (None, None) => self.id_nat.clone(),
        }
    }
}

struct Subject {
    id_nat: String,
    family_name: Option<String>,
    given_name: Option<String>,
    title: Option<String>,
    organization: Option<String>,
    organization_id: Option<String>,
}

impl Subject {
    fn read(name: &X509Name<'_>) -> Result<Self, ProfileError> {
        let id_nat =
            single(name, &COMMON_NAME, "common name")?.ok_or(ProfileError::Missing("common name"))?;
        if !is_national_identifier(&id_nat) {
            return Err(ProfileError::Identifier);
        }
        Ok(Self {
            id_nat,
            family_name: single(name, &SURNAME, "surname")?,
            given_name: single(name, &GIVEN_NAME, "given name")?,
            title: single(name, &TITLE, "title")?,
            organization: single(name, &ORGANIZATION, "organisation")?,
            organization_id: single(name, &ORGANIZATIONAL_UNIT, "organisational unit")?,
        })
    }
}

/// A type digit, then letters, digits, and the separator of establishment and register.
fn is_national_identifier(text: &str) -> bool {
    text.len() >= 2
        && text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.'))
}

/// The one attribute of this kind, wherever in the name it stands.
fn single(name: &X509Name<'_>, kind: &Oid<'_>, label: &'static str) -> Result<Option<String>, ProfileError> {
    let mut found = name.iter_attributes().filter(|attribute| attribute.attr_type() == kind);
    let Some(attribute) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(ProfileError::Ambiguous(label));
    }
    text(attribute.attr_value()).map(Some).ok_or(ProfileError::Text(label))
}

/// A text in any of the encodings that names were ever written in (RFC 5280 §4.1.2.4, and Latin-1 in T61String).
pub(super) fn text(value: &Any<'_>) -> Option<String> {
    let data = value.data;
    let text = match value.tag() {
        Tag::Utf8String => String::from_utf8(data.to_vec()).ok()?,
        // The old encodings; cards were written by programs that put Latin-1 bytes into any of them.
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString | Tag::T61String => {
            latin1(data)
        }
        Tag::BmpString => {
            let units: Vec<u16> = chunks::<2>(data)?.map(u16::from_be_bytes).collect();
            String::from_utf16(&units).ok()?
        }
        Tag::UniversalString => {
            chunks::<4>(data)?.map(|unit| char::from_u32(u32::from_be_bytes(unit))).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let text = text.trim();
    let acceptable = !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    acceptable.then(|| text.to_owned())
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn chunks<const N: usize>(data: &[u8]) -> Option<impl Iterator<Item = [u8; N]> + '_> {
    data.len().is_multiple_of(N).then(|| data.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()))
}

#[derive(Default)]
struct Extensions {
    card_number: Option<String>,
    card_type: Option<CardType>,
    category: Option<Category>,
    profession_code: Option<u32>,
    savoir_faire: Vec<String>,
    key_usage: Option<KeyUsage>,
    ext_key_usage: Option<ExtendedKeyUsage>,
    policies: Vec<String>,
}

impl Extensions {
    fn read(certificate: &X509Certificate<'_>) -> Result<Self, ProfileError> {
        let mut read = Self::default();
        let mut seen = Vec::new();
        for extension in certificate.extensions() {
            let kind = &extension.oid;
            if seen.contains(&kind) {
                return Err(ProfileError::ExtensionTwice(kind.to_id_string()));
            }
            seen.push(kind);
            match extension.parsed_extension() {
                ParsedExtension::KeyUsage(usage) => {
                    read.key_usage = Some(KeyUsage {
                        digital_signature: usage.digital_signature(),
                        non_repudiation: usage.non_repudiation(),
                        key_cert_sign: usage.key_cert_sign(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    read.ext_key_usage = Some(ExtendedKeyUsage {
                        client_auth: usage.client_auth,
                        smartcard_logon: usage.other.contains(&SMARTCARD_LOGON),
                        email_protection: usage.email_protection,
                        any: usage.any,
                    });
                }
                ParsedExtension::CertificatePolicies(policies) => {
                    read.policies = policies.iter().map(|policy| policy.policy_id.to_id_string()).collect();
                }
                _ => read.read_private(kind, extension.value)?,
            }
        }
        for (kind, is_read, label) in [
            (oid!(2.5.29.15), read.key_usage.is_some(), "key usage"),
            (oid!(2.5.29.37), read.ext_key_usage.is_some(), "extended key usage"),
        ] {
            if !is_read && seen.contains(&&kind) {
                return Err(ProfileError::Extension(label));
            }
        }
        Ok(read)
    }

    fn read_private(&mut self, kind: &Oid<'_>, value: &[u8]) -> Result<(), ProfileError> {
        if *kind == PRODUCT_CATEGORY {
            let byte = match whole(value) {
                Some(Any { data: [byte], header }) if header.tag() == Tag::OctetString => *byte,
                _ => return Err(ProfileError::Extension("product category")),
            };
            self.category = Some(Category::from_byte(byte));
        } else if *kind == CARD_TYPE {
            let number = small_number(value).ok_or(ProfileError::Extension("card type"))?;
            self.card_type = Some(CardType::from_number(number));
        } else if *kind == CARD_NUMBER {
            let number =
                whole(value).and_then(|any| text(&any)).ok_or(ProfileError::Extension("card number"))?;
            // `issuer/number`; the issuer is always ANS.
            let number = number.rsplit('/').next().unwrap_or(&number);
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ProfileError::Extension("card number"));
            }
            self.card_number = Some(number.to_owned());
        } else if *kind == PROFESSION {
            self.profession_code = Some(small_number(value).ok_or(ProfileError::Extension("profession"))?);
        } else if *kind == SAVOIR_FAIRE {
            self.savoir_faire = texts(value).ok_or(ProfileError::Extension("savoir-faire"))?;
        }
        Ok(())
    }
}

/// The one DER value that these bytes are, with nothing behind it.
fn whole(value: &[u8]) -> Option<Any<'_>> {
    match Any::from_der(value) {
        Ok(([], any)) => Some(any),
        _ => None,
    }
}

/// A non-negative INTEGER of at most four bytes.
fn small_number(value: &[u8]) -> Option<u32> {
    let any = whole(value).filter(|any| any.tag() == Tag::Integer)?;
    match any.data {
        [] => None,
        [first, ..] if first & 0x80 != 0 => None,
        bytes if bytes.len() > 4 => None,
        bytes => Some(bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte))),
    }
}

/// SEQUENCE OF texts.
fn texts(value: &[u8]) -> Option<Vec<String>> {
    let sequence = whole(value).filter(|any| any.tag() == Tag::Sequence)?;
    let mut texts = Vec::new();
    let mut rest = sequence.data;
    while !rest.is_empty() {
        let (behind, any) = Any::from_der(rest).ok()?;
        texts.push(text(&any)?);
        rest = behind;
    }
    Some(texts)
}

fn display_name(name: &X509Name<'_>) -> String {
    let common_name =
        name.iter_by_oid(&COMMON_NAME).next().and_then(|attribute| text(attribute.attr_value()));
    common_name.unwrap_or_else(|| name.to_string().chars().filter(|char| !char.is_control()).collect())
}

fn time(timestamp: i64) -> Result<DateTime<Utc>, ProfileError> {
    DateTime::from_timestamp(timestamp, 0)
        .ok_or_else(|| ProfileError::NotACertificate("a date out of range".to_owned()))
}

fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
