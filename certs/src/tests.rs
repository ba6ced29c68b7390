//! What is issued is looked at with OpenSSL: its own reading of the profile, of the path and of the lists.

use chrono::{DateTime, TimeDelta, Utc};
use openssl::{
    nid::Nid,
    stack::Stack,
    x509::{
        CrlStatus, X509, X509Crl, X509StoreContext, X509VerifyResult, store::X509StoreBuilder,
        verify::X509VerifyParam,
    },
};

use crate::{
    Error, Found, Options, Pki, Template,
    card::profiles,
    certificate::Hash,
    ensure,
    extension::{BASIC_CONSTRAINTS, Extension},
    roots,
};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

/// OpenSSL's verdict on a path with nothing trusted but the root.
fn verdict(pki: &Pki, certificate: &X509, intermediate: &X509) -> X509VerifyResult {
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(pki.root.certificate.clone()).unwrap();
    let mut param = X509VerifyParam::new().unwrap();
    param.set_time(now().timestamp());
    store.set_param(&param).unwrap();
    let mut chain = Stack::new().unwrap();
    chain.push(intermediate.to_owned()).unwrap();
    let mut context = X509StoreContext::new().unwrap();
    context
        .init(&store.build(), certificate, &chain, |context| {
            context.verify_cert()?;
            Ok(context.error())
        })
        .unwrap()
}

#[test]
fn every_card_has_the_verdict_its_name_promises() {
    let pki = Pki::generate(now(), &Options::default()).unwrap();
    assert_eq!(pki.cards.len(), profiles(now()).len());
    for card in &pki.cards {
        for pair in [&card.authentication, &card.signature] {
            let verdict = verdict(&pki, &pair.certificate, &pki.persons.certificate).error_string();
            let expected = match card.profile.name.as_str() {
                "expired" => "certificate has expired",
                "not-yet-valid" => "certificate is not yet valid",
                "wrong-issuer" => "certificate signature failure",
                _ => "ok",
            };
            assert_eq!(verdict, expected, "{}", card.profile.name);
            assert!(pair.certificate.public_key().unwrap().public_eq(&pair.key));
        }
    }
    for organisation in &pki.organisation_certificates {
        let certificate = &organisation.pair.certificate;
        assert_eq!(verdict(&pki, certificate, &pki.organisations.certificate), X509VerifyResult::OK);
    }
}

#[test]
fn the_good_card_has_the_profile_of_igc_sante() {
    let pki = Pki::generate(now(), &Options::only(&["good"])).unwrap();
    let card = pki.card("good").unwrap();
    let text = |certificate: &X509| String::from_utf8(certificate.to_text().unwrap()).unwrap();

    let authentication = text(&card.authentication.certificate);
    for line in [
        "Signature Algorithm: sha256WithRSAEncryption",
        "Issuer: C=FR, O=ASIP-SANTE, OU=0002 187512751, OU=IGC-SANTE TEST, CN=TEST AC IGC-SANTE FORT PERSONNES",
        "Public-Key: (2048 bit)",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Client Authentication, Microsoft Smartcard Login",
        "UPN::8.99700366240@carte-cps.fr",
        "Policy: 1.2.250.1.213.1.7.2.1.1.1.1",
        "CPS: http://igc-sante.esante.gouv.fr/PC%20TEST",
        "http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP-TEST.crl",
        "OCSP - URI:http://ocsp.esante.gouv.fr",
        "X509v3 Private Key Usage Period",
        "Netscape Cert Type: \n                SSL Client",
        "1.2.250.1.71.1.2.3: \n                ..8025000001/2800300010",
        "CA:FALSE",
    ] {
        assert!(authentication.contains(line), "{line:?} is missing in\n{authentication}");
    }
    // The holder's three attributes stand in one element; OpenSSL prints plus signs between them.
    assert!(authentication.contains("GN=KIT+SN=DOC0036624+CN=899700366240"), "{authentication}");
    let der = card.authentication.certificate.to_der().unwrap();
    assert!(contains(&der, b"\x06\x08\x2A\x81\x7A\x01\x47\x01\x02\x05\x04\x03\x04\x01\x80"), "category");
    assert!(contains(&der, b"\x04\x08\x30\x06\x0C\x04SM26"), "know-how");

    let signature = text(&card.signature.certificate);
    assert!(signature.contains("X509v3 Key Usage: critical\n                Non Repudiation\n"));
    assert!(signature.contains("E-mail Protection"));
    assert!(!signature.contains("Smartcard Login"));
}

#[test]
fn the_revocation_list_names_the_revoked_card_only() {
    let pki = Pki::generate(now(), &Options::only(&["good", "revoked"])).unwrap();
    let list = X509Crl::from_der(&pki.crls.persons).unwrap();
    assert!(list.verify(&pki.persons.key).unwrap());
    assert!(matches!(
        list.get_by_cert(&pki.card("good").unwrap().authentication.certificate),
        CrlStatus::NotRevoked
    ));
    for pair in [&pki.card("revoked").unwrap().authentication, &pki.card("revoked").unwrap().signature] {
        assert!(matches!(list.get_by_cert(&pair.certificate), CrlStatus::Revoked(_)));
    }
    assert!(X509Crl::from_der(&pki.crls.root).unwrap().verify(&pki.root.key).unwrap());
}

/// The responder is one for OpenSSL as well: it signs on behalf of the cards' authority, and nothing else.
#[test]
fn the_responder_is_charged_by_the_cards_authority() {
    let pki = Pki::generate(now(), &Options::only(&["good", "revoked"])).unwrap();
    let responder = &pki.responder.as_ref().unwrap().certificate;
    assert!(responder.verify(&pki.persons.key).unwrap());
    let text = String::from_utf8(responder.to_text().unwrap()).unwrap();
    assert!(text.contains("OCSP Signing") && text.contains("OCSP No Check"), "{text}");
    let index = pki.ocsp_index().unwrap();
    let states: Vec<_> = index.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(states, ["V", "V", "R", "R"]);
}

#[test]
fn certificates_name_the_addresses_they_are_told() {
    let options =
        Options { addresses: crate::Addresses::at("http://127.0.0.1:1"), ..Options::only(&["good"]) };
    let pki = Pki::generate(now(), &options).unwrap();
    let text = |certificate: &X509| String::from_utf8(certificate.to_text().unwrap()).unwrap();
    let card = text(&pki.card("good").unwrap().authentication.certificate);
    for address in ["persons.crl", "persons-delta.crl", "ocsp"] {
        assert!(card.contains(&format!("URI:http://127.0.0.1:1/{address}")), "{card}");
    }
    assert!(text(&pki.persons.certificate).contains("URI:http://127.0.0.1:1/root.crl"));
}

#[test]
fn an_employee_is_named_by_establishment_and_register() {
    let pki = Pki::generate(now(), &Options::only(&["employee"])).unwrap();
    let subject = pki.card("employee").unwrap().authentication.certificate.subject_name().to_owned().unwrap();
    let entry = |nid| subject.entries_by_nid(nid).next().map(|entry| entry.data().to_string().unwrap());
    assert_eq!(entry(Nid::COMMONNAME).as_deref(), Some("30B0168811/CPET00001"));
    assert_eq!(entry(Nid::ORGANIZATIONALUNITNAME).as_deref(), Some("10B0168811"));
    assert_eq!(entry(Nid::TITLE), None);
}

#[test]
fn numbers_carry_their_check_digit() {
    fn luhn(digits: &str) -> bool {
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, byte)| match (place % 2, u32::from(byte - b'0')) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            })
            .sum();
        sum.is_multiple_of(10)
    }
    for profile in profiles(now()) {
        if let Some(rpps) = profile.id_nat.strip_prefix('8') {
            assert!(rpps.starts_with("997") && rpps.len() == 11 && luhn(rpps), "{rpps}");
        }
        if let Some(number) = &profile.card_number {
            assert!(number.len() == 10 && luhn(number), "{number}");
        }
    }
}

#[test]
fn nothing_is_signed_that_should_not_be() {
    let pki = Pki::generate(now(), &Options::only(&["good"])).unwrap();
    let good = pki.card("good").unwrap();
    let refused = |template: &Template| match pki.persons.issue(template, &good.authentication.key) {
        Err(Error::WouldNotSign(faults)) => faults.join("; "),
        other => panic!("signed: {other:?}"),
    };
    let template = good.profile.authentication();
    let twice = template.clone().with(Extension::end_entity());
    assert!(refused(&twice).contains("stands twice"));
    assert!(refused(&template.clone().without(BASIC_CONSTRAINTS)).contains("basic constraints missing"));
    assert!(
        refused(&Template { not_after: template.not_before, ..template.clone() }).contains("ends before")
    );
    assert!(refused(&Template { hash: Hash::Sha1, ..template.clone() }).contains("no longer safe"));
    assert!(refused(&Template { serial: Some(vec![0]), ..template.clone() }).contains("serial"));
    let short = &crate::keys::generate(1, 1024).unwrap()[0];
    assert!(matches!(pki.persons.issue(&template, short), Err(Error::WouldNotSign(_))));
}

#[test]
fn a_second_run_keeps_what_is_there_and_renews_only_old_lists() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("pki");
    let options = Options::only(&["good", "revoked"]);
    let (first, found) = ensure(&dir, now(), &options).unwrap();
    assert_eq!(found, Found::Nothing);
    assert!(dir.join("cards/good/auth.key").is_file() && dir.join("anchors/ac-racine-fort.pem").is_file());

    let (second, found) = ensure(&dir, now() + TimeDelta::hours(1), &options).unwrap();
    assert_eq!(found, Found::Fresh);
    assert_eq!(second.crls.persons, first.crls.persons);
    let certificate = |pki: &Pki| pki.card("good").unwrap().authentication.certificate.to_der().unwrap();
    assert_eq!(certificate(&second), certificate(&first));
    assert_eq!(second.card("good").unwrap().profile, first.card("good").unwrap().profile);

    let (third, found) = ensure(&dir, now() + TimeDelta::days(5), &options).unwrap();
    assert_eq!(found, Found::StaleLists);
    assert_eq!(certificate(&third), certificate(&first));
    let list = X509Crl::from_der(&std::fs::read(dir.join("crl/aci-fo-pp-test.crl")).unwrap()).unwrap();
    assert_eq!(list.get_revoked().unwrap().len(), 2);
    assert_ne!(third.crls.persons, first.crls.persons);
}

#[cfg(unix)]
#[test]
fn private_keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("pki");
    ensure(&dir, now(), &Options::only(&["good"])).unwrap();
    for key in ["cards/good/auth.key", "cards/good/sign.key", "authorities/root.key"] {
        let mode = std::fs::metadata(dir.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("thesis.txt"), "years of work").unwrap();
    let result = ensure(place.path(), now(), &Options::only(&["good"]));
    assert!(matches!(result, Err(Error::NotOurs(_))));
    assert_eq!(std::fs::read_to_string(place.path().join("thesis.txt")).unwrap(), "years of work");
}

#[test]
fn only_the_real_fingerprints_are_recognised() {
    let fingerprint: Vec<u8> = (0..32)
        .map(|index| u8::from_str_radix(&roots::IGC_SANTE[0].sha256[index * 2..index * 2 + 2], 16).unwrap())
        .collect();
    assert_eq!(roots::recognise(&fingerprint).unwrap().common_name, "AC RACINE IGC-SANTE FORT");
    assert!(roots::recognise(&[0; 32]).is_none());
    assert_eq!(roots::IGC_SANTE.iter().filter(|authority| authority.for_cards).count(), 2);
    assert!(
        roots::IGC_SANTE.iter().all(|authority| authority.sha256.len() == 64 && authority.serial.len() == 36)
    );
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
