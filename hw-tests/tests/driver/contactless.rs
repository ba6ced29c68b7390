//! The driver with a CPS3 on a contactless reader: a key without a PIN, which signs for the badge window and nothing else.

use sceau::card::driver::{Consent, Generation, Interface, ReaderError, Readers};
use sceau::card::proof::{Proof, Purpose};
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard};

use crate::fixture::{
    INTERNAL_AUTHENTICATE, UNCONFIRMED, VERIFY, card, identity, pin, proof_for, verifies_for,
};
use crate::rules::Direct;

fn tapped(profile: Profile) -> Direct {
    Direct::new(identity("good"), profile)
}

#[test]
fn reads_the_technical_certificate_and_knows_no_pin() {
    for profile in [
        Profile::contactless(),
        Profile { application_list: false, ..Profile::contactless() },
        Profile { contactless_directory: 0x0007, technical_key: 0x8A, ..Profile::contactless() },
    ] {
        let mut card = tapped(profile);
        let shown = card.read().unwrap();
        assert_eq!((shown.generation, shown.interface), (Generation::Cps3, Interface::Contactless));
        assert_eq!((shown.pin, shown.tries_left, shown.is_on_last_try()), (None, None, false));
        assert_eq!(shown.certificate.id_nat, "899700366240");
        assert_ne!(shown.certificate_der, identity("good").authentication.certificate);
        assert_eq!(
            shown.serial(),
            Direct::new(identity("good"), Profile::default()).read().unwrap().serial()
        );
        assert_eq!(card.0.count(VERIFY), 0);
    }
}

#[test]
fn a_tap_signs_for_the_badge_window() {
    let mut card = tapped(Profile::contactless());
    let shown = card.read().unwrap();
    let proof = proof_for(Purpose::Badge, &shown);
    let signed = card.sign_with(&shown, &Consent::Tap, &proof, UNCONFIRMED).unwrap();
    assert_eq!(signed.interface, Interface::Contactless);
    assert!(verifies_for(Purpose::Badge, &shown, &signed.signature));
    assert_eq!(card.0.count(VERIFY), 0);
}

/// The card lies in a pocket, near a reader: it signs nothing that opens a session.
#[test]
fn a_card_that_lies_near_signs_no_sign_in() {
    let mut card = tapped(Profile::contactless());
    let shown = card.read().unwrap();
    for purpose in Purpose::ALL {
        for consent in [Consent::Tap, Consent::Pad, Consent::Pin(pin("1234"))] {
            if purpose == Purpose::Badge && matches!(consent, Consent::Tap) {
                continue;
            }
            let refused = card.sign_with(&shown, &consent, &proof_for(purpose, &shown), UNCONFIRMED);
            assert_eq!(refused, Err(ReaderError::ContactNeeded), "{purpose:?} {consent:?}");
        }
    }
    assert_eq!((card.0.count(VERIFY), card.0.count(INTERNAL_AUTHENTICATE)), (0, 0));
}

#[test]
fn a_card_in_a_slot_signs_neither_without_its_pin_nor_for_the_badge_window() {
    let mut card = Direct::new(identity("good"), Profile::default());
    let shown = card.read().unwrap();
    for (purpose, consent) in [
        (Purpose::Browser, Consent::Tap),
        (Purpose::Badge, Consent::Tap),
        (Purpose::Badge, Consent::Pin(pin("1234"))),
    ] {
        let refused = card.sign_with(&shown, &consent, &proof_for(purpose, &shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::TapNeeded), "{purpose:?}");
    }
    assert_eq!((card.0.presentations(), card.0.count(INTERNAL_AUTHENTICATE)), (0, 0));
}

#[test]
fn a_card_without_a_contactless_side_says_so() {
    let without = Identity { technical: None, ..identity("good") };
    let refused = Direct::new(without, Profile::contactless()).read();
    assert!(matches!(refused, Err(ReaderError::CertificateUnreadable(_))), "{refused:?}");
    let other = Profile { application: false, ..Profile::contactless() };
    assert_eq!(tapped(other).read(), Err(ReaderError::ForeignCard));
}

/// A slot and an antenna, as on many readers: the slot counts, and the antenna where there is nothing else.
#[test]
fn the_slot_comes_before_the_antenna() {
    isolated(|| {
        let (pcscd, readers) = (Pcscd::start("Sceau test").unwrap(), Readers::default());
        let on_antenna = SoftCard::new(identity("good"), Profile::contactless());
        let _tapped = pcscd.insert(1, on_antenna).unwrap();
        assert_eq!(readers.only_card(), Ok(pcscd.reader(1)));
        let shown = readers.read(&pcscd.reader(1)).unwrap();
        let refused = readers.sign(&shown, pin("1234"), &proof_for(Purpose::Browser, &shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::ContactNeeded));
        let proof = proof_for(Purpose::Badge, &shown);
        let signed = readers.sign_with(&shown, Consent::Tap, &proof, UNCONFIRMED).unwrap();
        assert!(verifies_for(Purpose::Badge, &shown, &signed.signature));

        let _inserted = pcscd.insert(0, card("good")).unwrap();
        assert_eq!(readers.only_card(), Ok(pcscd.reader(0)));
        assert_eq!(readers.only_tapped(), Ok(pcscd.reader(1)), "a card in a slot is none for a badge");
    });
}

/// What was signed for one card is not asked of another that was laid on meanwhile.
#[test]
fn another_card_on_the_antenna_is_not_touched() {
    let shown = tapped(Profile::contactless()).read().unwrap();
    let mut other = Direct::new(identity("nurse"), Profile::contactless());
    let proof: Proof = proof_for(Purpose::Badge, &shown);
    let refused = other.sign_with(&shown, &Consent::Tap, &proof, UNCONFIRMED);
    assert_eq!(refused, Err(ReaderError::Exchanged));
}
