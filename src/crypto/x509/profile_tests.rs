use proptest::prelude::*;
use sceau_certs::extension::{self, Extension};
use sceau_certs::name::{Attribute, COMMON_NAME, GIVEN_NAME, Name, Rdn, SURNAME, TITLE};
use sceau_certs::{Template, der};

use super::*;
use crate::crypto::x509::test_pki::{authentication, card, issue, now};

fn read(template: &Template) -> Result<CardCertificate, ProfileError> {
    CardCertificate::from_der(&issue(template))
}

fn good() -> Template {
    card("good").profile.authentication()
}

fn with_subject(elements: Vec<Rdn>) -> Template {
    Template { subject: Name(elements), ..good() }
}

#[test]
fn the_good_card_says_who_holds_it() {
    let card = CardCertificate::from_der(&authentication("good")).unwrap();
    assert_eq!(card.id_nat, "899700366240");
    assert_eq!(card.family_name.as_deref(), Some("DOC0036624"));
    assert_eq!(card.given_name.as_deref(), Some("KIT"));
    assert_eq!(card.holder(), "KIT DOC0036624");
    assert_eq!(card.title.as_deref(), Some("Médecin"));
    assert_eq!(card.card_number.as_deref(), Some("2800300010"));
    assert_eq!(card.card_type, Some(CardType::Cps));
    assert_eq!(card.category, Some(Category::Card { test: true }));
    assert_eq!(card.profession_code, Some(10));
    assert_eq!(card.savoir_faire, ["SM26"]);
    assert_eq!(card.issuer, "TEST AC IGC-SANTE FORT PERSONNES");
    assert_eq!(card.policies, ["1.2.250.1.213.1.7.2.1.1.1.1"]);
    assert_eq!(card.serial.len(), 16);
    assert!(card.not_before < now() && now() < card.not_after);
    assert_eq!(card.key_usage.clone().map(|usage| usage.digital_signature), Some(true));
    assert!(card.ext_key_usage.clone().is_some_and(|usage| usage.client_auth && usage.smartcard_logon));
    assert!(card.is_for_authentication());
}

#[test]
fn the_signature_certificate_is_not_taken_for_the_authentication_certificate() {
    let der = card("good").signature.certificate.to_der().unwrap();
    let signature = CardCertificate::from_der(&der).unwrap();
    assert!(!signature.is_for_authentication());
    assert_eq!(signature.id_nat, "899700366240");
}

#[test]
fn an_employee_is_read_with_slash_and_establishment() {
    let card = CardCertificate::from_der(&authentication("employee")).unwrap();
    assert_eq!(card.id_nat, "30B0168811/CPET00001");
    assert_eq!(card.organization_id.as_deref(), Some("10B0168811"));
    assert_eq!(card.organization.as_deref(), Some("HOPITAL GENERIQUE FIN VARI"));
    assert_eq!(card.card_type.map(CardType::name), Some("CPE"));
    assert_eq!((card.profession_code, card.title), (None, None));
}

#[test]
fn software_says_that_it_is_software_and_has_no_number() {
    let card = CardCertificate::from_der(&authentication("software")).unwrap();
    assert_eq!(card.category, Some(Category::Software { test: true }));
    assert_eq!((card.card_type, card.card_number), (None, None));
}

#[test]
fn every_order_of_the_set_gives_the_same_holder() {
    let attributes = [
        Attribute::utf8(COMMON_NAME, "899700366240"),
        Attribute::utf8(SURNAME, "DOC0036624"),
        Attribute::utf8(GIVEN_NAME, "KIT"),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let set = Rdn::unsorted(order.iter().map(|place| attributes[*place].clone()).collect());
        let card = read(&with_subject(vec![set])).unwrap();
        assert_eq!((card.id_nat.as_str(), card.holder().as_str()), ("899700366240", "KIT DOC0036624"));
    }
}

#[test]
fn a_card_without_a_name_is_read() {
    let card =
        read(&with_subject(vec![Rdn::one(Attribute::utf8(COMMON_NAME, "30B0168811/CPET00001"))])).unwrap();
    assert_eq!(card.holder(), "30B0168811/CPET00001");
}

#[test]
fn names_in_old_encodings_are_read() {
    let bmp: Vec<u8> = "Éléonore".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let universal: Vec<u8> = "Zoé".chars().flat_map(|char| u32::from(char).to_be_bytes()).collect();
    for (value, expected) in [
        (der::t61(b"LEF\xC8VRE"), "LEFÈVRE"),
        (der::printable("LEFEVRE"), "LEFEVRE"),
        (der::utf8("Lefèvre"), "Lefèvre"),
        (der::tlv(0x13, b"Lef\xE8vre"), "Lefèvre"), // Latin-1 in a type that should not hold it
        (der::tlv(0x1E, &bmp), "Éléonore"),
        (der::tlv(0x1C, &universal), "Zoé"),
    ] {
        let card = read(&with_subject(vec![Rdn::several(vec![
            Attribute::utf8(COMMON_NAME, "899700366240"),
            Attribute { kind: SURNAME, value },
        ])]))
        .unwrap();
        assert_eq!(card.family_name.as_deref(), Some(expected));
    }
}

/// Two common names: which one is the person would depend on who reads.
#[test]
fn an_identifier_that_stands_twice_is_refused() {
    let subject = vec![
        Rdn::one(Attribute::utf8(COMMON_NAME, "899700300017")),
        Rdn::one(Attribute::utf8(COMMON_NAME, "899700366240")),
    ];
    let error = read(&with_subject(subject)).unwrap_err();
    assert_eq!((error.code(), error), ("CERT-016", ProfileError::Ambiguous("common name")));
}

/// A NUL ends the text for a C program, and the identifier would be another person's.
#[test]
fn control_characters_and_foreign_characters_are_refused() {
    for identifier in
        ["899700366240\0@evil", "8997003662\n40", "", "8", "x99700366240", "8 99700366240", "8’; DROP"]
    {
        let error =
            read(&with_subject(vec![Rdn::one(Attribute::utf8(COMMON_NAME, identifier))])).unwrap_err();
        assert_eq!(error.code(), "CERT-016", "{identifier:?}");
    }
    let named = |value: &str| {
        read(&with_subject(vec![
            Rdn::one(Attribute::utf8(COMMON_NAME, "899700366240")),
            Rdn::one(Attribute::utf8(TITLE, value)),
        ]))
    };
    assert_eq!(named("Mé\u{0}decin").unwrap_err(), ProfileError::Text("title"));
    assert_eq!(named(&"x".repeat(300)).unwrap_err(), ProfileError::Text("title"));
    let no_name = read(&with_subject(vec![Rdn::one(Attribute::utf8(SURNAME, "KIT"))])).unwrap_err();
    assert_eq!(no_name, ProfileError::Missing("common name"));
    let no_utf8 = Attribute { kind: COMMON_NAME, value: der::tlv(0x0C, b"8\xE8") };
    assert_eq!(read(&with_subject(vec![Rdn::one(no_utf8)])).unwrap_err().code(), "CERT-016");
    let number = Attribute { kind: COMMON_NAME, value: der::integer(899_700_366_240) };
    assert_eq!(read(&with_subject(vec![Rdn::one(number)])).unwrap_err(), ProfileError::Text("common name"));
}

/// One reader would take the first category (card), another the last (software).
#[test]
fn an_extension_that_stands_twice_is_refused() {
    let second = Extension::new(extension::PRODUCT_CATEGORY, der::octets(&[0x83]));
    let error = read(&good().with(second)).unwrap_err();
    assert_eq!(error, ProfileError::ExtensionTwice("1.2.250.1.71.1.2.5".to_owned()));
    assert_eq!(error.code(), "CERT-001");
}

#[test]
fn malformed_private_extensions_are_refused_not_ignored() {
    for (kind, value) in [
        (extension::PRODUCT_CATEGORY, der::octets(&[0x80, 0x83])),
        (extension::PRODUCT_CATEGORY, der::octets(&[])),
        (extension::PRODUCT_CATEGORY, der::integer(0)),
        (extension::PRODUCT_CATEGORY, [der::octets(&[0x80]), der::null()].concat()),
        (extension::CARD_TYPE, der::octets(&[0])),
        (extension::CARD_TYPE, der::tlv(2, &[0xFF])),
        (extension::CARD_TYPE, der::unsigned(&[1, 0, 0, 0, 0])),
        (extension::CARD_NUMBER, der::printable("8025000001/")),
        (extension::CARD_NUMBER, der::printable("8025000001/28<b>")),
        (extension::PROFESSION, der::tlv(2, &[])),
        (extension::KNOW_HOW, der::utf8("SM26")),
        (extension::KNOW_HOW, der::sequence(&[der::integer(26)])),
        (extension::KEY_USAGE, der::octets(&[1])),
        (extension::EXTENDED_KEY_USAGE, der::octets(&[1])),
    ] {
        let template = good().without(kind).with(Extension::new(kind, value));
        assert!(
            matches!(read(&template), Err(ProfileError::Extension(_))),
            "{kind:?}: {:?}",
            read(&template)
        );
    }
}

#[test]
fn unknown_values_of_the_terminologies_stay_visible() {
    let template = good()
        .without(extension::PRODUCT_CATEGORY)
        .without(extension::CARD_TYPE)
        .with(Extension::new(extension::PRODUCT_CATEGORY, der::octets(&[0x85])))
        .with(Extension::new(extension::CARD_TYPE, der::integer(9)));
    let card = read(&template).unwrap();
    assert_eq!((card.category, card.card_type), (Some(Category::Other(0x85)), Some(CardType::Other(9))));
    assert!(card.category.is_some_and(Category::is_test));
}

#[test]
fn hostile_sizes_and_tails_are_refused() {
    let der = authentication("good");
    assert_eq!(CardCertificate::from_der(&vec![0x30; 20_000]), Err(ProfileError::TooLarge(20_000)));
    for length in 0..der.len() {
        assert!(CardCertificate::from_der(&der[..length]).is_err(), "cut at {length}");
    }
    let tail = [der.as_slice(), &[0]].concat();
    assert_eq!(CardCertificate::from_der(&tail), Err(ProfileError::TrailingData(1)));
}

proptest! {
    /// Whatever the bytes, an answer and no panic; and what is read has only clean texts.
    #[test]
    fn mutated_certificates_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut der = authentication("good");
        for (place, byte) in changes {
            let place = place.index(der.len());
            der[place] = byte;
        }
        if let Ok(card) = CardCertificate::from_der(&der) {
            prop_assert!(is_national_identifier(&card.id_nat));
            for text in [card.family_name, card.given_name, card.title, card.card_number, Some(card.issuer)].into_iter().flatten() {
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(CardCertificate::from_der(&bytes).is_err());
    }
}
