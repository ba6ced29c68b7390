//! National identifiers of people (idNat): one digit of TRE_G08 and a number, such as `8` + RPPS or
//! `3` + FINESS + `/` + register number for an employee of an establishment.
//!
//! Two readings: what a person types is checked and refused with a sentence ([`NationalId::from_str`]); what the
//! directory or a card says is taken as it is ([`NationalId::of_source`]), since ANS adds kinds without notice.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The longest identifier we keep: far more than any kind has.
const LONGEST: usize = 64;

/// The kind of an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// ADELI number; closed since June 2024.
    Adeli,
    /// Employee of a practice known by its ADELI number.
    AdeliPractice,
    /// Employee of an establishment: FINESS / register.
    Finess,
    /// SIREN / register; unused.
    Siren,
    /// Employee of another body: SIRET / register.
    Siret,
    /// Employee of a practice known by its RPPS rank.
    RppsPractice,
    /// RPPS, for life.
    Rpps,
    /// Pro Santé Identité account: a UUID.
    Psi,
    /// Test identity made with ANS's tool EDIT.
    Edit,
    /// Any other.
    Other,
}

/// A national identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NationalId(String);

/// Why a typed identifier was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// No prefix that we know.
    #[error(
        "{0:?} is not a national identifier: it is 8 and the RPPS number (12 digits in all), 3 and the FINESS number, \
         a slash and the register number (30B0168811/CPET00001), or 5 and the SIRET number, a slash and the register \
         number"
    )]
    Unknown(String),
    /// The RPPS number alone.
    #[error("{0} is an RPPS number without its prefix: write 8{0}")]
    RppsWithoutPrefix(String),
    /// RPPS of the wrong length.
    #[error("an RPPS identifier is 8 and 11 digits; {0:?} is not")]
    Rpps(String),
    /// FINESS of the wrong form.
    #[error(
        "an identifier of type 3 is 3, the FINESS number (9 characters), a slash and the register number; {0:?} is not"
    )]
    Finess(String),
    /// SIRET of the wrong form.
    #[error(
        "an identifier of type 5 is 5, the SIRET number (14 digits), a slash and the register number; {0:?} is not"
    )]
    Siret(String),
    /// The register number.
    #[error("the register number after the slash is 1 to 32 letters, digits, '-', '_' or '.'; {0:?} is not")]
    Register(String),
}

impl IdError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        "PERSON-010"
    }
}

impl NationalId {
    /// What the directory or a card says; none where it is empty, too long or holds what no identifier holds.
    pub fn of_source(text: &str) -> Option<Self> {
        let good = |c: char| c.is_ascii_graphic();
        let is_good = !text.is_empty() && text.len() <= LONGEST && text.chars().all(good);
        is_good.then(|| uuid(text).unwrap_or_else(|| Self(text.to_owned())))
    }

    /// What somebody typed of their own. An RPPS number alone is one: that is what people know.
    pub fn typed(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        match text.parse() {
            Err(IdError::RppsWithoutPrefix(number)) => format!("8{number}").parse().ok(),
            read => read.ok(),
        }
    }

    /// The text, as in `SubjectNameID`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind, from the first character as in PSC's own code (`ansforge/psc-ps-api`, `ApiUtils`).
    pub fn kind(&self) -> IdKind {
        if Uuid::parse_str(&self.0).is_ok() {
            return IdKind::Psi;
        }
        match self.0.as_bytes().first() {
            Some(b'0') => IdKind::Adeli,
            Some(b'1') => IdKind::AdeliPractice,
            Some(b'3') => IdKind::Finess,
            Some(b'4') => IdKind::Siren,
            Some(b'5') => IdKind::Siret,
            Some(b'6') => IdKind::RppsPractice,
            Some(b'8') => IdKind::Rpps,
            _ if self.0.starts_with("ANS") => IdKind::Edit,
            _ => IdKind::Other,
        }
    }

    /// The value of `otherIds[].origine`.
    pub fn origin(&self) -> &'static str {
        match self.kind() {
            IdKind::Adeli => "ADELI",
            IdKind::AdeliPractice => "CAB_ADELI",
            IdKind::Finess => "FINESS",
            IdKind::Siren => "SIREN",
            IdKind::Siret => "SIRET",
            IdKind::RppsPractice => "CAB_RPPS",
            IdKind::Rpps => "RPPS",
            IdKind::Psi => "PSI",
            IdKind::Edit => "EDIT",
            IdKind::Other => "RASS",
        }
    }

    /// The value of `otherIds[].qualite`.
    pub fn quality(&self) -> i64 {
        if self.kind() == IdKind::Psi { 2 } else { 1 }
    }

    /// Whether a person has one of this kind at most: RPPS and Pro Santé Identité follow them for life, what an employer
    /// gives does not.
    pub fn is_for_life(&self) -> bool {
        matches!(self.kind(), IdKind::Rpps | IdKind::Psi)
    }

    /// The structure that employs the holder, as in VIHF: `1` + FINESS or `3` + SIRET. None for other kinds.
    pub fn employer(&self) -> Option<String> {
        let (number, _) = self.0.get(1..)?.split_once('/')?;
        match self.kind() {
            IdKind::Finess => Some(format!("1{number}")),
            IdKind::Siret => Some(format!("3{number}")),
            _ => None,
        }
    }

    /// What looks wrong and may be right: keys that do not fit. Real numbers have a key of Luhn, test numbers may not.
    pub fn warnings(&self) -> Vec<String> {
        let number = self.0.get(1..).unwrap_or_default();
        let number = number.split_once('/').map_or(number, |(number, _)| number);
        let name = match self.kind() {
            IdKind::Rpps => "RPPS",
            IdKind::Finess => "FINESS",
            IdKind::Siret => "SIRET",
            _ => return Vec::new(),
        };
        match luhn(number) {
            Some(false) => {
                vec![format!("the {name} number {number} does not have the right key: is it mistyped?")]
            }
            // Corsican and test FINESS numbers hold letters: nothing to compute.
            None | Some(true) => Vec::new(),
        }
    }
}

impl FromStr for NationalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        let digits =
            |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if let Some(id) = uuid(text) {
            return Ok(id);
        }
        let Some((prefix, rest)) = text.split_at_checked(1) else {
            return Err(IdError::Unknown(text.to_owned()));
        };
        match prefix {
            "8" if digits(rest, 11) => {}
            "1" | "9" if digits(text, 11) => return Err(IdError::RppsWithoutPrefix(text.to_owned())),
            "8" => return Err(IdError::Rpps(text.to_owned())),
            "3" | "5" => {
                let wrong = |text: &str| {
                    let text = text.to_owned();
                    if prefix == "3" { IdError::Finess(text) } else { IdError::Siret(text) }
                };
                let (number, register) = rest.split_once('/').ok_or_else(|| wrong(text))?;
                let good = if prefix == "3" { is_finess(number) } else { digits(number, 14) };
                if !good {
                    return Err(wrong(text));
                }
                check_register(register)?;
            }
            "0" if rest.len() == 9 && rest.bytes().all(|b| b.is_ascii_alphanumeric()) => {}
            "1" | "4" | "6" if rest.split_once('/').is_some_and(|(number, _)| !number.is_empty()) => {
                check_register(rest.split_once('/').map_or("", |(_, register)| register))?;
            }
            "A" if text.strip_prefix("ANS").is_some_and(|rest| digits(rest, 14)) => {}
            _ => return Err(IdError::Unknown(text.to_owned())),
        }
        Self::of_source(text).ok_or_else(|| IdError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A UUID is the same one in capitals (RFC 9562 §4): it is kept without them.
fn uuid(text: &str) -> Option<NationalId> {
    Uuid::parse_str(text).ok().map(|uuid| NationalId(uuid.to_string()))
}

/// Whether the text has the form of a FINESS number: nine digits or capital letters.
pub fn is_finess(text: &str) -> bool {
    text.len() == 9 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// Whether the text has the form of a SIRET number: fourteen digits.
pub fn is_siret(text: &str) -> bool {
    text.len() == 14 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the last digit is the key of Luhn (ISO/IEC 7812-1, annex B); none where there are other characters.
pub fn luhn(number: &str) -> Option<bool> {
    let mut sum = 0;
    for (place, c) in number.chars().rev().enumerate() {
        let digit = c.to_digit(10)?;
        // Every second digit from the right counts twice; the digits of the double are added.
        let value = if place % 2 == 1 { digit * 2 } else { digit };
        sum += value / 10 + value % 10;
    }
    Some(!number.is_empty() && sum % 10 == 0)
}

fn check_register(register: &str) -> Result<(), IdError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=32).contains(&register.len()) && register.bytes().all(good) {
        return Ok(());
    }
    Err(IdError::Register(register.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_know_of_their_identifier_is_enough_and_what_is_none_is_refused() {
        for (text, read) in [
            ("899700366240", Some("899700366240")),
            ("99700366240", Some("899700366240")),
            ("10003456789", Some("810003456789")),
            (" 8 99700 366 240 ", Some("899700366240")),
            ("500000001815646/CPAT00045", Some("500000001815646/CPAT00045")),
            ("", None),
            ("8997003662", None),
            ("kit.doc@hopital.example", None),
            ("899700366240; drop", None),
        ] {
            assert_eq!(NationalId::typed(text).as_ref().map(NationalId::as_str), read, "{text}");
        }
    }

    #[test]
    fn identifiers_of_the_published_test_kits_are_read() {
        for (text, kind, origin) in [
            ("899700366240", IdKind::Rpps, "RPPS"),
            ("30B0168811/CPET00001", IdKind::Finess, "FINESS"),
            ("500000001815646/CPAT00045", IdKind::Siret, "SIRET"),
            ("ANS20210107161422", IdKind::Edit, "EDIT"),
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", IdKind::Psi, "PSI"),
        ] {
            let id: NationalId = text.parse().unwrap();
            assert_eq!((id.kind(), id.origin()), (kind, origin));
            assert!(id.warnings().is_empty(), "{text}");
        }
        let psi = |text: &str| text.parse::<NationalId>().unwrap();
        let capitals = "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6";
        assert_eq!(psi(capitals), psi(&capitals.to_lowercase()), "one person, however it is written");
        assert_eq!(NationalId::of_source(capitals), Some(psi(capitals)));
        let employee: NationalId = "30B0168811/CPET00001".parse().unwrap();
        assert_eq!(employee.employer().unwrap(), "10B0168811");
    }

    #[test]
    fn a_mistyped_identifier_gets_a_sentence_that_helps() {
        let sentence = |text: &str| text.parse::<NationalId>().unwrap_err().to_string();
        assert!(sentence("99700366240").contains("write 899700366240"));
        assert!(sentence("89970036624").contains("8 and 11 digits"));
        assert!(sentence("30B016881/CPET00001").contains("FINESS number (9 characters)"));
        assert!(sentence("30B0168811").contains("a slash"));
        assert!(sentence("30B0168811/").contains("register number"));
        assert!(sentence("5123/A").contains("14 digits"));
        assert!(sentence("").contains("30B0168811/CPET00001"));
        assert!(sentence("é").contains("not a national identifier"));
        for hostile in ["30B0168811/../../etc", "30B0168811/a b", "30B0168811/a|b", "8997003662401 OR 1=1"] {
            hostile.parse::<NationalId>().unwrap_err();
        }
    }

    #[test]
    fn a_wrong_key_is_a_warning() {
        assert!(luhn("99700366240").unwrap() && !luhn("99700366241").unwrap());
        let id: NationalId = "899700366241".parse().unwrap();
        assert_eq!(id.warnings().len(), 1);
    }

    #[test]
    fn what_a_source_says_is_taken_unless_it_cannot_be_an_identifier() {
        assert_eq!(NationalId::of_source("72345").unwrap().origin(), "RASS");
        for bad in ["", "a b", "8\u{0}", "é", &"1".repeat(65)] {
            assert!(NationalId::of_source(bad).is_none());
        }
    }
}
