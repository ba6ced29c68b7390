use std::sync::LazyLock;

use chrono::TimeDelta;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use proptest::prelude::*;
use sceau_certs::extension::{self, Extension, Usage};
use sceau_certs::{Template, der};

use super::*;
use crate::card::identity::IdentifierKind;
use crate::crypto::x509::revocation::Fallback;
use crate::crypto::x509::test_pki::{authentication, card, issue, now, pki};

const ORIGIN: &str = "https://sceau.hopital.example";
const REQUEST: &str = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";

/// A server's directories and its verifier.
struct Server {
    place: tempfile::TempDir,
    verifier: CardVerifier,
}

impl Server {
    fn with(policy: CardPolicy) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (anchors, crl) = (place.path().join("anchors"), place.path().join("crl"));
        std::fs::create_dir_all(&anchors).unwrap();
        std::fs::create_dir_all(&crl).unwrap();
        for (name, authority) in [("root.pem", &pki().root), ("persons.pem", &pki().persons)] {
            std::fs::write(anchors.join(name), authority.certificate.to_pem().unwrap()).unwrap();
        }
        std::fs::write(crl.join("persons.crl"), &pki().crls.persons).unwrap();
        let verifier = CardVerifier::open(&anchors, Some(&crl), policy, now()).unwrap();
        Self { place, verifier }
    }

    /// Of a demonstration: test cards are welcome.
    fn test() -> Self {
        Self::with(CardPolicy { accept_test_cards: true, ..CardPolicy::default() })
    }

    fn code(&self, presented: &Presented<'_>) -> &'static str {
        self.verifier.verify(presented, now()).map_or_else(|refusal| refusal.code(), |_| "good")
    }

    fn certificate_code(&self, template: &Template) -> &'static str {
        let result = self.verifier.verify_certificate(&issue(template), now());
        result.map_or_else(|refusal| refusal.code(), |_| "good")
    }
}

/// What a card answers, as far as the server sees it.
struct Answer {
    certificate: Vec<u8>,
    signature: Vec<u8>,
}

impl Answer {
    fn of(name: &str) -> Self {
        let certificate = authentication(name);
        let proof = Proof::new(Purpose::Browser, ORIGIN, REQUEST, &certificate);
        let signature = sign(&card(name).authentication.key, proof.as_bytes());
        Self { certificate, signature }
    }

    fn presented(&self) -> Presented<'_> {
        Presented {
            purpose: Purpose::Browser,
            origin: ORIGIN,
            request_jws: REQUEST,
            certificate_der: &self.certificate,
            signature: &self.signature,
        }
    }
}

fn sign(key: &PKey<Private>, message: &[u8]) -> Vec<u8> {
    Signer::new(MessageDigest::sha256(), key).unwrap().sign_oneshot_to_vec(message).unwrap()
}

fn good() -> Template {
    card("good").profile.authentication()
}

#[test]
fn the_good_card_signs_in_and_says_who_it_is() {
    let verified = Server::test().verifier.verify(&Answer::of("good").presented(), now()).unwrap();
    assert_eq!(verified.professional.id_nat, "899700366240");
    assert_eq!(verified.professional.family_name.as_deref(), Some("DOC0036624"));
    assert_eq!(verified.certificate.card_number.as_deref(), Some("2800300010"));
    assert_eq!(verified.fingerprint, sha256(&authentication("good")));
    assert_eq!(verified.revocation, RevocationEvidence::Good { as_of: now() });
    assert_eq!(verified.authorities[0], "TEST AC IGC-SANTE FORT PERSONNES");
}

#[test]
fn every_card_gets_its_code() {
    let server = Server::test();
    for (name, expected) in [
        ("good", "good"),
        ("nurse", "good"),
        ("employee", "good"),
        ("expired", "CERT-002"),
        ("not-yet-valid", "CERT-003"),
        ("wrong-issuer", "CERT-004"),
        ("revoked", "CERT-005"),
        ("software", "CERT-007"),
        ("student", "good"),
        ("director", "good"),
        ("employee-siren", "good"),
        ("authorised", "good"),
        ("practice-rpps", "good"),
        ("practice-adeli", "good"),
        ("nameless", "CERT-030"),
    ] {
        assert_eq!(server.code(&Answer::of(name).presented()), expected, "{name}");
    }
}

/// Who the cards of the family name, by which register.
#[test]
fn every_card_of_the_family_says_who_it_is() {
    let server = Server::test();
    for (name, id_nat, kind, card_type) in [
        ("student", "899700300058", IdentifierKind::Rpps, CardType::Cpf),
        ("employee", "30B0168811/CPET00001", IdentifierKind::Finess, CardType::Cpe),
        ("director", "30B0168811/CDET00001", IdentifierKind::Finess, CardType::Cpe),
        ("employee-siren", "4123456782/CPET00002", IdentifierKind::Siren, CardType::Cpe),
        ("authorised", "500000001815646/CPAT00045", IdentifierKind::Siret, CardType::Cpa),
        ("practice-rpps", "699700366240008/12", IdentifierKind::PracticeRpps, CardType::Cpe),
        ("practice-adeli", "100B60875100/7", IdentifierKind::PracticeAdeli, CardType::Cpe),
    ] {
        let verified = server.verifier.verify(&Answer::of(name).presented(), now()).unwrap();
        let professional = verified.professional;
        assert_eq!((professional.id_nat.as_str(), professional.kind), (id_nat, kind), "{name}");
        assert_eq!(professional.card_type, Some(card_type), "{name}");
    }
}

/// An administrator who does not want all of them names those that may sign in.
#[test]
fn types_of_card_can_be_left_out() {
    let policy =
        CardPolicy { accept_test_cards: true, card_types: vec![CardType::Cps], ..CardPolicy::default() };
    let server = Server::with(policy);
    for (name, expected) in [("good", "good"), ("student", "CERT-015"), ("authorised", "CERT-015")] {
        assert_eq!(server.code(&Answer::of(name).presented()), expected, "{name}");
    }
}

/// A workstation that was tampered with says "in a slot, with a PIN" of a card that merely lies near: the certificate
/// tells.
#[test]
fn the_contactless_key_proves_no_two_factor_sign_in_whatever_the_workstation_says() {
    let server = Server::test();
    let pair = card("good").technical.as_ref().unwrap();
    let certificate = pair.certificate.to_der().unwrap();
    for (purpose, expected) in [
        (Purpose::Browser, "CERT-031"),
        (Purpose::Terminal, "CERT-031"),
        (Purpose::Ciba, "CERT-031"),
        (Purpose::Badge, "good"),
    ] {
        let proof = Proof::new(purpose, ORIGIN, REQUEST, &certificate);
        let signature = sign(&pair.key, proof.as_bytes());
        let presented = Presented {
            purpose,
            origin: ORIGIN,
            request_jws: REQUEST,
            certificate_der: &certificate,
            signature: &signature,
        };
        assert_eq!(server.code(&presented), expected, "{purpose:?}");
    }
    let refused = server.verifier.verify_certificate(&certificate, now()).unwrap_err();
    assert_eq!(refused.code(), "CERT-031", "nor does a TLS handshake with it");
}

/// Test cards are sent to any software house on demand.
#[test]
fn test_cards_are_refused_unless_the_configuration_says_test() {
    let server = Server::with(CardPolicy::default());
    assert_eq!(server.code(&Answer::of("good").presented()), "CERT-008");
    let real = good().without(extension::PRODUCT_CATEGORY).with(category(0x00));
    assert_eq!(server.certificate_code(&real), "good");
}

/// Each member is what the server itself knows: a proof made for anything else does not verify.
#[test]
fn a_proof_for_anything_else_is_refused() {
    let server = Server::test();
    let answer = Answer::of("good");
    let nurse = Answer::of("nurse");
    let presented = answer.presented();
    for (attack, presented) in [
        ("replayed for another request", Presented { request_jws: "another.request.jws", ..presented }),
        ("made at another server", Presented { origin: "https://evil.example", ..presented }),
        ("made for another purpose", Presented { purpose: Purpose::Badge, ..presented }),
        ("another card's certificate", Presented { certificate_der: &nurse.certificate, ..presented }),
        ("another card's signature", Presented { signature: &nurse.signature, ..presented }),
        ("no signature", Presented { signature: &[], ..presented }),
    ] {
        assert_eq!(server.code(&presented), "CERT-017", "{attack}");
    }
}

/// The certificate is public: the attacker puts a key of theirs into one that looks the same.
#[test]
fn a_self_made_certificate_with_the_victims_name_is_refused() {
    let key = &card("nurse").authentication.key;
    let template = good();
    let forger = sceau_certs::Authority { certificate: pki().persons.certificate.clone(), key: key.clone() };
    let certificate = forger.issue_unchecked(&template, key).unwrap();
    let proof = Proof::new(Purpose::Browser, ORIGIN, REQUEST, &certificate);
    let answer = Answer { signature: sign(key, proof.as_bytes()), certificate };
    assert_eq!(Server::test().code(&answer.presented()), "CERT-004");
}

/// The signature key of the same card: its use is a signature in law, not a sign-in.
#[test]
fn the_signature_key_of_a_card_does_not_sign_in() {
    let certificate = card("good").signature.certificate.to_der().unwrap();
    let proof = Proof::new(Purpose::Browser, ORIGIN, REQUEST, &certificate);
    let answer = Answer { signature: sign(&card("good").signature.key, proof.as_bytes()), certificate };
    assert_eq!(Server::test().code(&answer.presented()), "CERT-006");
}

fn category(byte: u8) -> Extension {
    Extension::new(extension::PRODUCT_CATEGORY, der::octets(&[byte]))
}

#[test]
fn what_is_not_a_card_is_refused() {
    let server = Server::test();
    let with_category = |byte| good().without(extension::PRODUCT_CATEGORY).with(category(byte));
    for (what, template) in [
        ("software", with_category(0x03)),
        ("test software", with_category(0x83)),
        ("module", with_category(0x02)),
        ("unknown category", with_category(0x01)),
        ("no category", good().without(extension::PRODUCT_CATEGORY)),
        ("no type", good().without(extension::CARD_TYPE)),
        ("no number", good().without(extension::CARD_NUMBER)),
    ] {
        assert_eq!(server.certificate_code(&template), "CERT-007", "{what}");
    }
}

#[test]
fn usages_have_to_be_said_not_merely_not_denied() {
    let server = Server::test();
    for (what, template) in [
        ("no key usage", good().without(extension::KEY_USAGE)),
        (
            "authority",
            good()
                .without(extension::KEY_USAGE)
                .with(Extension::key_usage(&[Usage::DigitalSignature, Usage::KeyCertSign])),
        ),
        ("no extended usage", good().without(extension::EXTENDED_KEY_USAGE)),
        (
            "logon only",
            good()
                .without(extension::EXTENDED_KEY_USAGE)
                .with(Extension::extended_key_usage(&[extension::SMARTCARD_LOGON])),
        ),
        (
            "any usage",
            good()
                .without(extension::EXTENDED_KEY_USAGE)
                .with(Extension::extended_key_usage(&[&[2, 5, 29, 37, 0]])),
        ),
    ] {
        assert_eq!(server.certificate_code(&template), "CERT-006", "{what}");
    }
}

#[test]
fn types_and_policies_are_as_configured() {
    let only_cps = CardPolicy {
        accept_test_cards: true,
        card_types: vec![CardType::Cps],
        policies: vec!["1.2.250.1.213.1.7.2.1.1.1.1".to_owned()],
        ..CardPolicy::default()
    };
    let server = Server::with(only_cps.clone());
    assert_eq!(server.code(&Answer::of("good").presented()), "good");
    assert_eq!(server.code(&Answer::of("employee").presented()), "CERT-015");
    assert_eq!(server.certificate_code(&good().without(extension::CERTIFICATE_POLICIES)), "CERT-014");
    let other = Server::with(CardPolicy { policies: vec!["1.2.3".to_owned()], ..only_cps });
    assert_eq!(other.code(&Answer::of("good").presented()), "CERT-014");
    let unknown_type =
        good().without(extension::CARD_TYPE).with(Extension::new(extension::CARD_TYPE, der::integer(7)));
    assert_eq!(Server::test().certificate_code(&unknown_type), "CERT-015");
}

#[test]
fn an_identifier_of_an_unknown_register_is_refused() {
    let mut profile = card("good").profile.clone();
    profile.id_nat = "799700366240".to_owned();
    assert_eq!(Server::test().certificate_code(&profile.authentication()), "CERT-016");
}

#[test]
fn a_list_that_appears_or_an_authority_that_goes_counts_after_reload() {
    let server = Server::test();
    let answer = Answer::of("good");
    let crl = server.place.path().join("crl/persons.crl");
    std::fs::remove_file(&crl).unwrap();
    server.verifier.reload(now()).unwrap();
    assert_eq!(server.code(&answer.presented()), "CERT-010");
    std::fs::write(&crl, &pki().crls.persons).unwrap();
    server.verifier.reload(now()).unwrap();
    assert_eq!(server.code(&answer.presented()), "good");

    std::fs::remove_file(server.place.path().join("anchors/persons.pem")).unwrap();
    server.verifier.reload(now()).unwrap();
    assert_eq!(server.code(&answer.presented()), "CERT-004");
    assert_eq!(server.verifier.authorities().0.len(), 1);

    // A directory that is suddenly empty (a mount that failed) does not close the hospital …
    std::fs::remove_file(server.place.path().join("anchors/root.pem")).unwrap();
    assert_eq!(server.verifier.reload(now()).unwrap_err().code(), "CERT-013");
    assert_eq!(server.verifier.authorities().0.len(), 1);
}

#[test]
fn without_a_directory_of_lists_cards_are_refused() {
    let server = Server::test();
    let anchors = server.place.path().join("anchors");
    let policy = CardPolicy { accept_test_cards: true, ..CardPolicy::default() };
    let strict = CardVerifier::open(&anchors, None, policy.clone(), now()).unwrap();
    let refusal = strict.verify(&Answer::of("good").presented(), now()).unwrap_err();
    assert_eq!(refusal.code(), "CERT-010");
    let revocation = RevocationPolicy::of(Fallback::Accept);
    let lenient = CardVerifier::open(&anchors, None, CardPolicy { revocation, ..policy }, now()).unwrap();
    let verified = lenient.verify(&Answer::of("good").presented(), now()).unwrap();
    assert_eq!(verified.revocation, RevocationEvidence::Unchecked);
}

#[test]
fn the_time_is_the_servers() {
    let server = Server::test();
    let answer = Answer::of("good");
    let at = |when| server.verifier.verify(&answer.presented(), when).map_err(|refusal| refusal.code()).err();
    assert_eq!(at(now()), None);
    assert_eq!(at(now() + TimeDelta::days(8)), Some("CERT-011"));
    assert_eq!(at(now() + TimeDelta::days(4 * 365)), Some("CERT-002"));
}

#[test]
fn rubbish_is_refused_with_a_code() {
    let server = Server::test();
    let answer = Answer::of("good");
    for certificate in [&b""[..], b"0", &[0x30; 30_000], &answer.certificate[..1000]] {
        let presented = Presented { certificate_der: certificate, ..answer.presented() };
        assert_eq!(server.code(&presented), "CERT-001");
    }
}

proptest! {
    /// Whatever byte of an answer is changed, it is refused: there is nothing in it that does not count.
    #[test]
    fn a_changed_answer_is_refused(place in any::<prop::sample::Index>(), change in 1_u8.., in_signature in any::<bool>()) {
        static SERVER: LazyLock<Server> = LazyLock::new(Server::test);
        let mut answer = Answer::of("good");
        let bytes = if in_signature { &mut answer.signature } else { &mut answer.certificate };
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert_ne!(SERVER.code(&answer.presented()), "good");
    }
}

/// The rule that an establishment has written: its doctors go on in an outage, others do not.
#[test]
fn each_kind_of_card_has_its_own_rule_for_when_nothing_is_known() {
    let mut revocation = RevocationPolicy::of(Fallback::Refuse);
    revocation.kinds.insert(CardType::Cps, Fallback::Younger(TimeDelta::days(9)));
    let server = Server::with(CardPolicy { accept_test_cards: true, revocation, ..CardPolicy::default() });
    let at = |name, days| {
        let judged = server.verifier.verify(&Answer::of(name).presented(), now() + TimeDelta::days(days));
        judged.map(|card| card.revocation.exception()).map_err(|refusal| refusal.code())
    };
    assert_eq!((at("good", 6), at("employee", 6)), (Ok(None), Ok(None)));
    assert!(matches!(at("good", 8), Ok(Some(_))), "let in, and said so");
    assert_eq!(at("employee", 8), Err("CERT-011"));
    assert_eq!(at("good", 9), Err("CERT-011"));
    assert_eq!(at("revoked", 8), Err("CERT-005"));
}

/// A file of before, past its time, beside the list that is fetched: no reason to wake anybody.
#[test]
fn the_newest_list_of_an_authority_decides() {
    let server = Server::test();
    let crl = |number, age, delta| {
        let at = now() - TimeDelta::days(age);
        let mut template = sceau_certs::crl::CrlTemplate::new(number, at, at + TimeDelta::days(7));
        if delta {
            template.extra_extensions.push(Extension::delta_indicator(1));
        }
        pki().persons.issue_crl(&template).unwrap()
    };
    let dates = |files: &[(&str, Vec<u8>)]| {
        let dir = server.place.path().join("crl");
        for entry in std::fs::read_dir(&dir).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, content) in files {
            std::fs::write(dir.join(name), content).unwrap();
        }
        server.verifier.reload(now()).unwrap();
        let lists = server.verifier.deciding_lists();
        lists.iter().map(|list| ((now() - list.this_update).num_days(), list.is_delta)).collect::<Vec<_>>()
    };
    let (old, new) = (("old.crl", crl(1, 9, false)), ("new.crl", crl(5, 2, false)));
    assert_eq!(dates(&[old, new.clone()]), [(2, false)]);
    assert_eq!(dates(&[new.clone(), ("delta.crl", crl(6, 1, true))]), [(1, true), (2, false)]);
    assert_eq!(dates(&[new, ("late.crl", crl(4, 3, true))]), [(2, false)], "the change is in the list");
}
