//! The PIN on the reader's own keys, under a real pcscd with a driver that has the feature.

use sceau::agent::card::{Cards, DriverCards, Remedy};
use sceau::card::driver::{CardSignature, Consent, LastTry, PresentedCard, ReaderError, Readers};
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Profile, SoftCard};

use crate::fixture::{UNCONFIRMED, card, identity, proof, verifies};

fn sign(shown: &PresentedCard, last_try: LastTry) -> Result<CardSignature, ReaderError> {
    Readers::default().sign_with(shown, Consent::Pad, &proof(shown), last_try)
}

#[test]
fn both_generations_sign_with_a_pin_that_the_computer_never_sees() {
    isolated(|| {
        for profile in [Profile::default(), Profile::cps4(), Profile::cps4_t0()] {
            let pcscd = Pcscd::start_with_keys("Reader with keys").unwrap();
            let inserted = pcscd.insert(0, SoftCard::new(identity("good"), profile)).unwrap();
            let shown = Readers::default().read(&pcscd.reader(0)).unwrap();
            assert!(shown.has_pad);
            pcscd.will_be_typed("1234").unwrap();
            let signed = sign(&shown, UNCONFIRMED).unwrap();
            assert!(verifies(&shown, &signed.signature));
            let card = inserted.card();
            assert_eq!((card.presentations(), card.pin_is_verified()), (1, false), "reset afterwards");
        }
    });
}

/// Whatever happens on the keys, the card sees the PIN once or not at all.
#[test]
fn what_happens_on_the_keys_is_told_apart() {
    isolated(|| {
        let pcscd = Pcscd::start_with_keys("Reader with keys").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = Readers::default().read(&pcscd.reader(0)).unwrap();
        for (keys, expected) in [
            ("timeout", ReaderError::PadTimeout),
            ("cancel", ReaderError::PadCancelled),
            ("123", ReaderError::PinFormat { min: 4, max: 4 }),
            ("12345", ReaderError::PinFormat { min: 4, max: 4 }),
        ] {
            pcscd.will_be_typed(keys).unwrap();
            assert_eq!(sign(&shown, UNCONFIRMED), Err(expected), "{keys}");
            assert_eq!(inserted.card().presentations(), 0, "{keys}");
        }
        pcscd.will_be_typed("9999").unwrap();
        for left in [2, 1] {
            assert_eq!(sign(&shown, UNCONFIRMED), Err(ReaderError::WrongPin { tries_left: left }));
        }
        assert_eq!(sign(&shown, UNCONFIRMED), Err(ReaderError::LastTry));
        assert_eq!(inserted.card().presentations(), 2, "the keys were not even asked");
        pcscd.will_be_typed("1234").unwrap();
        assert!(sign(&shown, LastTry::Confirmed).is_ok());
    });
}

#[test]
fn a_reader_without_keys_does_not_get_a_pin_by_them() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = Readers::default().read(&pcscd.reader(0)).unwrap();
        assert!(!shown.has_pad);
        assert_eq!(sign(&shown, UNCONFIRMED), Err(ReaderError::NoPad));
        assert_eq!(inserted.card().presentations(), 0);
    });
}

/// As the agent sees it, and with the administrator's `pin_pad = false`.
#[test]
fn the_agent_uses_the_keys_unless_it_is_told_not_to() {
    isolated(|| {
        let pcscd = Pcscd::start_with_keys("Reader with keys").unwrap();
        let _inserted = pcscd.insert(0, card("good")).unwrap();
        assert!(!DriverCards::with_pads(false).look().unwrap().has_pad);
        let cards = DriverCards::with_pads(true);
        let shown = cards.look().unwrap();
        assert!(shown.has_pad);
        let proof = sceau::card::proof::Proof::new(
            sceau::card::proof::Purpose::Browser,
            "http://localhost:8080",
            "a.request.jws",
            &shown.certificate,
        );
        pcscd.will_be_typed("cancel").unwrap();
        let fault = cards.sign_on_pad(&shown, &proof, false).unwrap_err();
        assert_eq!((fault.code, fault.remedy), ("READER-026", Remedy::AskAgain));
        pcscd.will_be_typed("1234").unwrap();
        assert!(cards.sign_on_pad(&shown, &proof, false).is_ok());
    });
}
