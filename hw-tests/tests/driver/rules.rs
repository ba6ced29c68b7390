//! What the driver does with a card, whatever the reader: the card is called directly.

use std::sync::{Arc, Mutex};

use sceau::card::driver::apdu::Channel;
use sceau::card::driver::card::{self, CardSignature, Consent, PinState};
use sceau::card::driver::trace::Trace;
use sceau::card::driver::transport::{Protocol, Transport};
use sceau::card::driver::{Generation, LastTry, PresentedCard, ReaderError};
use sceau::card::proof::Proof;
use sceau_hw_tests::softcard::{self, Identity, Profile, Reaction, SoftCard};

use crate::fixture::{self, INTERNAL_AUTHENTICATE, UNCONFIRMED, VERIFY, identity, pin, proof, verifies};

/// A card called directly, without a reader.
pub struct Direct(pub SoftCard);

impl Transport for Direct {
    fn protocol(&self) -> Protocol {
        match self.0.protocol() {
            softcard::Protocol::T0 => Protocol::T0,
            softcard::Protocol::T1 => Protocol::T1,
        }
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        self.0.transmit(command).ok_or(ReaderError::ConnectionLost)
    }
}

impl Direct {
    pub fn new(identity: Identity, profile: Profile) -> Self {
        Self(SoftCard::new(identity, profile))
    }

    fn doctor() -> Self {
        Self(fixture::card("good"))
    }

    pub fn read(&mut self) -> Result<PresentedCard, ReaderError> {
        let atr = self.0.atr().to_vec();
        card::read(&mut Channel::new(self), &atr, "a reader", 1)
    }

    pub fn sign(
        &mut self,
        shown: &PresentedCard,
        typed: &str,
        last_try: LastTry,
    ) -> Result<CardSignature, ReaderError> {
        self.sign_with(shown, &Consent::Pin(pin(typed)), &proof(shown), last_try)
    }

    pub fn sign_with(
        &mut self,
        shown: &PresentedCard,
        consent: &Consent,
        proof: &Proof,
        last_try: LastTry,
    ) -> Result<CardSignature, ReaderError> {
        let (atr, mut state, before) = (self.0.atr().to_vec(), PinState::NotSent, self.0.presentations());
        let mut channel = Channel::new(self);
        let outcome = card::sign(&mut channel, &atr, shown, consent, proof, last_try, &mut state);
        assert_eq!(
            state == PinState::Sent,
            self.0.presentations() > before,
            "the state says whether a PIN was sent"
        );
        outcome
    }
}

#[test]
fn reads_who_the_card_was_issued_to() {
    let shown = Direct::doctor().read().unwrap();
    assert_eq!(shown.generation, Generation::Cps3);
    assert_eq!(shown.certificate.id_nat, "899700366240");
    assert_eq!(shown.certificate.family_name.as_deref(), Some("DOC0036624"));
    assert_eq!(shown.certificate.card_number.as_deref(), Some("2800300010"));
    assert_eq!(shown.certificate_der, identity("good").authentication.certificate);
    assert_eq!((shown.tries_left, shown.is_on_last_try()), (Some(3), false));
}

#[test]
fn reads_when_the_card_was_last_updated() {
    let updated = Profile { updated: Some("20260102030405"), ..Profile::default() };
    let shown = Direct::new(identity("good"), updated).read().unwrap();
    assert_eq!(shown.updated.as_deref(), Some("2026-01-02 03:04:05"));
    assert_eq!(Direct::doctor().read().unwrap().updated, None);
}

#[test]
fn recognises_the_authentication_certificate_by_its_usage_and_not_by_its_place() {
    let good = identity("good");
    let swapped =
        Identity { authentication: good.signature.clone(), signature: good.authentication.clone(), ..good };
    let shown = Direct::new(swapped.clone(), Profile::default()).read().unwrap();
    assert_eq!(shown.certificate_der, swapped.signature.certificate);
}

#[test]
fn reads_key_references_written_as_negative_numbers() {
    let profile = Profile { negative_key_references: true, ..Profile::default() };
    let mut card = Direct::new(identity("good"), profile);
    let shown = card.read().unwrap();
    assert!(verifies(&shown, &card.sign(&shown, "1234", UNCONFIRMED).unwrap().signature));
}

/// Whatever of these a real card does: the driver sends what the strictest takes, and fetches or gets at once.
#[test]
fn signs_with_strict_and_lenient_cards_and_in_both_protocols() {
    for strict in [true, false] {
        for protocol in [softcard::Protocol::T0, softcard::Protocol::T1] {
            let profile = Profile {
                strict_pin_padding: strict,
                strict_digest_info: strict,
                protocol,
                ..Profile::default()
            };
            let mut card = Direct::new(identity("good"), profile);
            let shown = card.read().unwrap();
            assert!(verifies(&shown, &card.sign(&shown, "1234", UNCONFIRMED).unwrap().signature));
        }
    }
}

#[test]
fn signs_a_proof_after_one_verify() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    let signed = card.sign(&shown, "1234", UNCONFIRMED).unwrap();
    assert!(verifies(&shown, &signed.signature));
    assert_eq!((card.0.count(VERIFY), card.0.count(INTERNAL_AUTHENTICATE)), (1, 1));
    assert_eq!(card.0.count(0x2A), 0, "no other operation with a key");
}

/// A PIN that another program left presented is not taken for ours.
#[test]
fn presents_the_pin_even_where_another_program_has() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    card.0.transmit(&[0x00, 0x20, 0x00, 0x01, 0x08, b'1', b'2', b'3', b'4', 0xFF, 0xFF, 0xFF, 0xFF]);
    let verifications = card.0.count(VERIFY);
    assert_eq!(card.sign(&shown, "9999", UNCONFIRMED), Err(ReaderError::WrongPin { tries_left: 2 }));
    assert_eq!(card.0.count(VERIFY), verifications + 1);
    assert_eq!(card.0.count(INTERNAL_AUTHENTICATE), 0);
}

#[test]
fn a_wrong_pin_costs_one_try() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    assert_eq!(card.sign(&shown, "9999", UNCONFIRMED), Err(ReaderError::WrongPin { tries_left: 2 }));
    assert_eq!((card.0.tries_left(), card.0.count(VERIFY)), (2, 1));
}

#[test]
fn the_last_try_needs_a_confirmation() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    for _ in 0..2 {
        card.sign(&shown, "9999", UNCONFIRMED).unwrap_err();
    }
    assert!(card.read().unwrap().is_on_last_try());
    assert_eq!(card.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::LastTry));
    assert_eq!((card.0.tries_left(), card.0.count(VERIFY)), (1, 2), "not even the right PIN was sent");
    assert!(card.sign(&shown, "1234", LastTry::Confirmed).is_ok());
    assert_eq!(card.0.tries_left(), 3);
}

#[test]
fn a_blocked_card_is_not_tried() {
    for blocking_status in [0x63C0, 0x6983] {
        let mut card = Direct::new(identity("good"), Profile { blocking_status, ..Profile::default() });
        let shown = card.read().unwrap();
        for _ in 0..2 {
            card.sign(&shown, "9999", UNCONFIRMED).unwrap_err();
        }
        assert_eq!(card.sign(&shown, "9999", LastTry::Confirmed), Err(ReaderError::Blocked));
        assert_eq!(card.sign(&shown, "1234", LastTry::Confirmed), Err(ReaderError::Blocked));
        assert_eq!(card.0.count(VERIFY), 3);
        assert_eq!(card.read().unwrap().tries_left, Some(0), "a blocked card is still read and shown");
    }
}

#[test]
fn tries_are_read_by_an_empty_verify_where_the_pin_object_does_not_answer() {
    let mut card = Direct::new(identity("good"), Profile { pin_object: false, ..Profile::default() });
    assert_eq!(card.read().unwrap().tries_left, Some(3));
    assert_eq!(card.0.tries_left(), 3, "and it cost none");
}

#[test]
fn tries_that_cannot_be_read_may_be_the_last() {
    let profile = Profile { pin_object: false, empty_verify: false, ..Profile::default() };
    let mut card = Direct::new(identity("good"), profile);
    let shown = card.read().unwrap();
    assert_eq!((shown.tries_left, shown.is_on_last_try()), (None, true));
    let (atr, mut state) = (card.0.atr().to_vec(), PinState::NotSent);
    let mut channel = Channel::new(&mut card);
    let refused = card::sign(
        &mut channel,
        &atr,
        &shown,
        &Consent::Pin(pin("1234")),
        &proof(&shown),
        UNCONFIRMED,
        &mut state,
    );
    assert_eq!((refused, state), (Err(ReaderError::LastTry), PinState::NotSent));
    assert!(card.sign(&shown, "1234", LastTry::Confirmed).is_ok());
}

#[test]
fn a_pin_of_the_wrong_length_is_never_sent() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    for typed in ["123", "12345", "12345678"] {
        assert_eq!(card.sign(&shown, typed, UNCONFIRMED), Err(ReaderError::PinFormat { min: 4, max: 4 }));
    }
    assert_eq!((card.0.count(VERIFY), card.0.tries_left()), (0, 3));
}

#[test]
fn another_card_than_the_one_shown_is_not_touched() {
    let shown = Direct::doctor().read().unwrap();
    let mut other = Direct(fixture::card("nurse"));
    assert_eq!(other.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::Exchanged));

    let replaced = Identity { serial: "99999999".to_owned(), ..identity("good") };
    let mut replaced = Direct::new(replaced, Profile::default());
    assert_eq!(replaced.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::Exchanged));
}

#[test]
fn a_proof_for_another_certificate_is_not_signed() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    let for_another = proof(&Direct(fixture::card("nurse")).read().unwrap());
    let (atr, mut state) = (card.0.atr().to_vec(), PinState::NotSent);
    let mut channel = Channel::new(&mut card);
    let refused = card::sign(
        &mut channel,
        &atr,
        &shown,
        &Consent::Pin(pin("1234")),
        &for_another,
        UNCONFIRMED,
        &mut state,
    );
    assert_eq!((refused, state), (Err(ReaderError::Exchanged), PinState::NotSent));
}

/// Whatever the card or the reader answers to VERIFY, it is sent once: no second try is lost to insistence.
#[test]
fn verify_is_never_repeated() {
    for status in [0x6E00, 0x6A86, 0x6C08, 0x6108, 0x6F00, 0x6985, 0x6700] {
        let mut card = Direct::doctor();
        let shown = card.read().unwrap();
        card.0.intervene(move |command| match command {
            [_, VERIFY, ..] => Reaction::Status(status),
            _ => Reaction::Answer,
        });
        let refused = card.sign(&shown, "1234", UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::Refused { command: "VERIFY", status }));
        assert_eq!(card.0.count(VERIFY), 1, "{status:04X}");
    }
}

/// Another program reset the card after the PIN: it is not presented a second time.
#[test]
fn a_card_that_forgot_the_pin_is_not_given_it_again() {
    for status in [0x6982, 0x6985] {
        let mut card = Direct::doctor();
        let shown = card.read().unwrap();
        card.0.intervene(move |command| match command {
            [_, INTERNAL_AUTHENTICATE, ..] => Reaction::Status(status),
            _ => Reaction::Answer,
        });
        assert_eq!(card.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::Interrupted));
        assert_eq!(card.0.count(VERIFY), 1);
    }
}

#[test]
fn a_card_of_another_kind_is_foreign() {
    let bank =
        Profile { atr: vec![0x3B, 0x65, 0, 0, 1, 2, 3, 4, 5], application: false, ..Profile::default() };
    assert_eq!(Direct::new(identity("good"), bank).read(), Err(ReaderError::ForeignCard));

    // The answer to reset alone does not make a health card.
    let pretender = Profile { application: false, ..Profile::default() };
    assert_eq!(Direct::new(identity("good"), pretender).read(), Err(ReaderError::ForeignCard));
}

/// A batch of cards with another answer to reset still works.
#[test]
fn a_card_with_an_unknown_answer_to_reset_is_recognised_by_its_application() {
    let profile = Profile { atr: vec![0x3B, 0x65, 0, 0, 1, 2, 3, 4, 5], ..Profile::default() };
    assert!(Direct::new(identity("good"), profile).read().is_ok());
}

#[test]
fn the_generation_before_is_named_and_left_alone() {
    let cps2ter = vec![
        0x3B, 0xAC, 0x00, 0x40, 0x2A, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x82, 0x02, 0x12, 0x00, 0x90, 0x00,
    ];
    let mut card = Direct::new(identity("good"), Profile { atr: cps2ter, ..Profile::default() });
    assert_eq!(card.read(), Err(ReaderError::UnsupportedGeneration(Generation::Cps2ter)));
    assert!(card.0.headers().is_empty());
}

/// Another program left the card in its older view, or elsewhere: the root application is selected, and the command
/// repeated.
#[test]
fn brings_back_a_card_that_was_left_in_another_view() {
    let mut card = Direct::new(identity("good"), Profile { older_view: true, ..Profile::default() });
    let shown = card.read().unwrap();
    card.0.leave_in_older_view();
    assert!(verifies(&shown, &card.sign(&shown, "1234", UNCONFIRMED).unwrap().signature));

    let mut card = Direct::doctor();
    let lost = Arc::new(Mutex::new(true));
    card.0.intervene(move |command| {
        let mut lost = lost.lock().unwrap();
        if command.ends_with(&[0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00]) {
            *lost = false;
        }
        if *lost { Reaction::Status(0x6A86) } else { Reaction::Answer }
    });
    assert!(card.read().is_ok());
}

#[test]
fn a_certificate_that_is_none_is_said_to_be_unreadable() {
    let mut damaged = identity("good");
    damaged.authentication.certificate.truncate(100);
    let refused = Direct::new(damaged, Profile::default()).read();
    assert!(matches!(refused, Err(ReaderError::CertificateUnreadable(_))), "{refused:?}");

    let good = identity("good");
    let without = Identity { authentication: good.signature.clone(), ..good };
    let refused = Direct::new(without, Profile::default()).read();
    assert!(matches!(refused, Err(ReaderError::CertificateUnreadable(_))), "{refused:?}");
}

/// A card, or a program between card and driver, that answers with another key.
#[test]
fn a_signature_of_another_key_is_not_passed_on() {
    let mut forged = identity("good");
    forged.authentication.key = identity("nurse").authentication.key;
    let mut card = Direct::new(forged, Profile::default());
    let shown = card.read().unwrap();
    assert_eq!(card.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::SignatureInvalid));
}

#[test]
fn a_trace_holds_no_pin_no_name_and_no_number() {
    let mut card = Direct::doctor();
    let shown = card.read().unwrap();
    let (atr, mut state) = (card.0.atr().to_vec(), PinState::NotSent);
    let mut channel = Channel::traced(&mut card, Trace::on());
    card::sign(
        &mut channel,
        &atr,
        &shown,
        &Consent::Pin(pin("1234")),
        &proof(&shown),
        UNCONFIRMED,
        &mut state,
    )
    .unwrap();
    let trace = std::mem::take(channel.trace()).into_lines().join("\n");

    assert!(trace.contains("VERIFY: 0020000108 [8] → 9000"), "{trace}");
    assert!(trace.contains("EF certificate"));
    let certificate = &shown.certificate;
    let texts = [
        "1234".to_owned(),
        "DOC0036624".to_owned(),
        certificate.id_nat.clone(),
        certificate.card_number.clone().unwrap(),
    ];
    for personal in texts {
        let as_bytes = hex(personal.as_bytes());
        assert!(!trace.contains(&personal), "{personal}");
        assert!(!trace.contains(&as_bytes), "{as_bytes}");
    }
    // The chip's number is written in digits of half a byte; its issuer's part is the same on all cards.
    let serial = identity("good").serial;
    assert!(!trace.contains(&serial), "{serial}");
    assert!(!trace.contains(&hex(&certificate.serial)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
