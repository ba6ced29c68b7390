//! From a card's certificate to the professional identity that the rest of Sceau works with.
//!
//! The national identifier begins with a digit that says which register it comes from (TRE_G08). A value whose digit is
//! unknown, or whose shape is not that of its register, is refused: it would be looked up, admitted and put into tokens
//! as something that it is not. Names and profession come along for display and for the first look at a person who is
//! not in the directory yet; the directory's own data has precedence.

use crate::crypto::x509::profile::{CardCertificate, CardType};

/// The register of a national identifier: its first digit (TRE_G08, open values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentifierKind {
    /// `0`: ADELI number, of professions not yet in the RPPS.
    Adeli,
    /// `1`: employee of a practice known by ADELI.
    PracticeAdeli,
    /// `3`: employee of an establishment, FINESS `/` register number.
    Finess,
    /// `4`: employee of an enterprise, SIREN `/` register number.
    Siren,
    /// `5`: employee of a site of an enterprise, SIRET `/` register number.
    Siret,
    /// `6`: employee of a practice known by RPPS.
    PracticeRpps,
    /// `8`: RPPS number.
    Rpps,
}

/// Why a national identifier is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("national identifiers of kind {0:?} are not known")]
    UnknownKind(char),
    #[error("the national identifier does not have the shape of its register ({0:?})")]
    Shape(IdentifierKind),
}

impl IdentityError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "CERT-016"
    }
}

impl IdentifierKind {
    /// Reads the kind from an identifier and checks the shape that its register gives it.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn of(id_nat: &str) -> Result<Self, IdentityError> {
        let mut chars = id_nat.chars();
        let first = chars.next().unwrap_or(' ');
        let rest = chars.as_str();
        let kind = match first {
            '0' => Self::Adeli,
            '1' => Self::PracticeAdeli,
            '3' => Self::Finess,
            '4' => Self::Siren,
            '5' => Self::Siret,
            '6' => Self::PracticeRpps,
            '8' => Self::Rpps,
            other => return Err(IdentityError::UnknownKind(other)),
        };
        let is_register_entry = |structure_length: Option<usize>| {
            rest.split_once('/').is_some_and(|(structure, register)| {
                !register.is_empty()
                    && !register.contains('/')
                    && !structure.is_empty()
                    && structure_length.is_none_or(|length| structure.len() == length)
                    && structure.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        };
        let is_shaped = match kind {
            // Test numbers hold letters, and the digit of the department can be one (Corsica).
            Self::Adeli => rest.len() == 9 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            Self::Rpps => rest.len() == 11 && rest.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Finess | Self::Siren => is_register_entry(Some(9)),
            Self::Siret => is_register_entry(Some(14)),
            Self::PracticeAdeli | Self::PracticeRpps => is_register_entry(None),
        };
        if is_shaped { Ok(kind) } else { Err(IdentityError::Shape(kind)) }
    }
}

/// A professional, as the card says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Professional {
    /// National identifier with its first digit, as PSC's `SubjectNameID`.
    pub id_nat: String,
    pub kind: IdentifierKind,
    pub family_name: Option<String>,
    pub given_name: Option<String>,
    /// Profession in words, as on the card.
    pub title: Option<String>,
    /// TRE_G15.
    pub profession_code: Option<u32>,
    /// TRE_R01.
    pub savoir_faire: Vec<String>,
    /// Kind of card, which tells a professional in training (CPF) from a full one.
    pub card_type: Option<CardType>,
}

impl Professional {
    /// # Errors
    /// [`IdentityError`].
    pub fn of(certificate: &CardCertificate) -> Result<Self, IdentityError> {
        Ok(Self {
            id_nat: certificate.id_nat.clone(),
            kind: IdentifierKind::of(&certificate.id_nat)?,
            family_name: certificate.family_name.clone(),
            given_name: certificate.given_name.clone(),
            title: certificate.title.clone(),
            profession_code: certificate.profession_code,
            savoir_faire: certificate.savoir_faire.clone(),
            card_type: certificate.card_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::x509::test_pki::authentication;

    #[test]
    fn each_register_is_known_by_its_digit_and_shape() {
        for (id_nat, kind) in [
            ("899700366240", IdentifierKind::Rpps),
            ("00B6087510", IdentifierKind::Adeli),
            ("30B0168811/CPET00001", IdentifierKind::Finess),
            ("4123456789/A-1", IdentifierKind::Siren),
            ("512345678901234/0001", IdentifierKind::Siret),
            ("6R83714/12", IdentifierKind::PracticeRpps),
            ("1C12345/1", IdentifierKind::PracticeAdeli),
        ] {
            assert_eq!(IdentifierKind::of(id_nat), Ok(kind), "{id_nat}");
        }
    }

    #[test]
    fn other_values_are_refused() {
        for id_nat in ["", "299700366240", "999700366240", "x", "é"] {
            assert!(matches!(IdentifierKind::of(id_nat), Err(IdentityError::UnknownKind(_))), "{id_nat}");
        }
        for id_nat in [
            "8",
            "89970036624",
            "8997003662400",
            "8997003662 0",
            "0",
            "00B608751",
            "3",
            "30B0168811",
            "30B0168811/",
            "3/CPET00001",
            "30B016881/CPET00001",
            "30B0168811/a/b",
            "51234567890123/1",
            "412345678/1",
        ] {
            assert!(matches!(IdentifierKind::of(id_nat), Err(IdentityError::Shape(_))), "{id_nat}");
        }
    }

    #[test]
    fn the_card_says_who_it_is() {
        let certificate = CardCertificate::from_der(&authentication("nurse")).unwrap();
        let nurse = Professional::of(&certificate).unwrap();
        assert_eq!((nurse.id_nat.as_str(), nurse.kind), ("899700300017", IdentifierKind::Rpps));
        assert_eq!((nurse.family_name.as_deref(), nurse.profession_code), (Some("INF0030001"), Some(60)));
        let certificate = CardCertificate::from_der(&authentication("employee")).unwrap();
        let employee = Professional::of(&certificate).unwrap();
        assert_eq!((employee.kind, employee.card_type), (IdentifierKind::Finess, Some(CardType::Cpe)));
    }
}
