//! The driver with a CPS4: an applet on a logical channel, a key that deciphers raw blocks, padding of our own.

use sceau::card::driver::{Generation, Interface, ReaderError, Readers};
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Opening, Profile, Reaction, SoftCard};

use crate::fixture::{UNCONFIRMED, VERIFY, identity, pin, proof, verifies};
use crate::rules::Direct;

const MANAGE_CHANNEL: u8 = 0x70;
const PERFORM_SECURITY_OPERATION: u8 = 0x2A;

fn doctor(profile: Profile) -> Direct {
    Direct::new(identity("good"), profile)
}

/// Both protocols; a PIN with the usual reference and with another; both ways of opening the channel; with a list of
/// applications and without.
fn variants() -> Vec<Profile> {
    vec![
        Profile::cps4(),
        Profile::cps4_t0(),
        Profile { pin_reference: 0x11, ..Profile::cps4() },
        Profile { opening: Opening::ByManageChannel, ..Profile::cps4() },
        Profile { application_list: false, ..Profile::cps4() },
        Profile { atr: vec![0x3B, 0x65, 0, 0, 1, 2, 3, 4, 5], ..Profile::cps4() },
    ]
}

#[test]
fn reads_and_signs() {
    for profile in variants() {
        let mut card = doctor(profile.clone());
        let shown = card.read().unwrap();
        assert_eq!((shown.generation, shown.interface), (Generation::Cps4, Interface::Contact));
        assert_eq!(shown.certificate.id_nat, "899700366240");
        assert_eq!(shown.tries_left, Some(3), "{profile:?}");
        let signed = card.sign(&shown, "1234", UNCONFIRMED).unwrap();
        assert!(verifies(&shown, &signed.signature), "{profile:?}");
        assert_eq!(card.0.presentations(), 1);
        assert_eq!(card.0.count(0x88), 0, "a CPS4 has no INTERNAL AUTHENTICATE");
        let chain: Vec<u8> = card
            .0
            .headers()
            .iter()
            .filter(|[_, ins, ..]| *ins == PERFORM_SECURITY_OPERATION)
            .map(|[cla, ..]| *cla)
            .collect();
        assert_eq!(chain, [0x11, 0x01], "one block, in two commands");
    }
}

#[test]
fn the_channel_is_opened_only_where_the_card_asks_for_it() {
    let mut card = doctor(Profile::cps4());
    card.read().unwrap();
    assert_eq!(card.0.count(MANAGE_CHANNEL), 0);
    let mut card = doctor(Profile { opening: Opening::ByManageChannel, ..Profile::cps4() });
    card.read().unwrap();
    assert_eq!(card.0.count(MANAGE_CHANNEL), 1);
}

/// By way of the issuer's security domain, before the PIN as well as before reading.
#[test]
fn a_card_that_another_program_left_in_its_older_view_is_brought_back() {
    let mut card = doctor(Profile::cps4());
    card.0.leave_in_older_view();
    let shown = card.read().unwrap();
    card.0.leave_in_older_view();
    assert!(card.sign(&shown, "1234", UNCONFIRMED).is_ok());
    assert_eq!(card.0.tries_left(), 3);
}

#[test]
fn wrong_pins_are_counted_and_the_last_is_kept() {
    for blocking_status in [0x63C0, 0x6983] {
        let mut card = doctor(Profile { blocking_status, ..Profile::cps4() });
        let shown = card.read().unwrap();
        for left in [2, 1] {
            let refused = card.sign(&shown, "9999", UNCONFIRMED);
            assert_eq!(refused, Err(ReaderError::WrongPin { tries_left: left }));
        }
        assert_eq!(card.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::LastTry));
        let refused = card.sign(&shown, "9999", sceau::card::driver::LastTry::Confirmed);
        assert_eq!(refused, Err(ReaderError::Blocked));
        assert_eq!(card.read().unwrap().tries_left, Some(0));
        assert_eq!(card.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::Blocked));
    }
}

/// A middleware that stays logged in is the usual case: the counter cannot be asked for, and is full.
#[test]
fn a_pin_that_another_program_left_presented_has_all_its_tries() {
    let mut card = doctor(Profile::cps4());
    card.read().unwrap();
    let verify = [0x01, 0x20, 0x00, 0x01, 0x08, b'1', b'2', b'3', b'4', 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(card.0.transmit(&verify).unwrap(), [0x90, 0x00]);
    let shown = card.read().unwrap();
    assert_eq!(shown.tries_left, Some(3));
    assert_eq!(card.sign(&shown, "9999", UNCONFIRMED), Err(ReaderError::WrongPin { tries_left: 2 }));
}

/// VERIFY with a guessed reference could spend the tries of another code.
#[test]
fn a_card_that_does_not_say_how_its_pin_is_presented_is_left_alone() {
    let mut card = doctor(Profile::cps4());
    card.0.intervene(|command| match command {
        [_, 0xA4, .., 0x70, 0x01] | [_, 0xA4, .., 0x70, 0x01, 0x00] => Reaction::Status(0x6A82),
        _ => Reaction::Answer,
    });
    assert_eq!(card.read(), Err(ReaderError::PinUnknown));
    assert_eq!(card.0.count(VERIFY), 0);
}

#[test]
fn verify_is_never_repeated() {
    for status in [0x6E00, 0x6A86, 0x6985, 0x6881, 0x6C08, 0x6108, 0x6F00] {
        let mut card = doctor(Profile::cps4());
        let shown = card.read().unwrap();
        card.0.intervene(move |command| match command {
            [_, VERIFY, _, _, 0x08, ..] => Reaction::Status(status),
            _ => Reaction::Answer,
        });
        let refused = card.sign(&shown, "1234", UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::Refused { command: "VERIFY", status }));
        assert_eq!(card.0.presentations(), 1, "{status:04X}");
    }
}

#[test]
fn a_card_that_forgot_the_pin_is_not_given_it_again() {
    let mut card = doctor(Profile::cps4());
    let shown = card.read().unwrap();
    card.0.intervene(|command| match command {
        [_, PERFORM_SECURITY_OPERATION, ..] => Reaction::Status(0x6982),
        _ => Reaction::Answer,
    });
    assert_eq!(card.sign(&shown, "1234", UNCONFIRMED), Err(ReaderError::Interrupted));
}

/// A card, or a program between card and driver, that answers another block.
#[test]
fn a_signature_of_another_key_is_not_passed_on() {
    let mut forged = identity("good");
    forged.authentication.key = identity("nurse").authentication.key;
    let mut card = Direct::new(forged, Profile::cps4());
    let shown = card.read().unwrap();
    let refused = card.sign(&shown, "1234", UNCONFIRMED);
    // A block that is not below the other key's modulus is refused by the card itself.
    assert!(
        matches!(refused, Err(ReaderError::SignatureInvalid | ReaderError::Refused { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_card_without_the_applet_is_foreign() {
    let pretender = Profile { application: false, ..Profile::cps4() };
    assert_eq!(doctor(pretender).read(), Err(ReaderError::ForeignCard));
}

/// Under a real pcscd, which chooses the protocol by the answer to reset.
#[test]
fn signs_in_a_reader_and_leaves_the_card_reset() {
    isolated(|| {
        for profile in [Profile::cps4(), Profile::cps4_t0()] {
            let (pcscd, readers) = (Pcscd::start("Sceau test").unwrap(), Readers::default());
            let inserted = pcscd.insert(0, SoftCard::new(identity("good"), profile)).unwrap();
            assert_eq!(readers.only_card(), Ok(pcscd.reader(0)));
            let shown = readers.read(&pcscd.reader(0)).unwrap();
            assert_eq!(shown.generation, Generation::Cps4);
            let refused = readers.sign(&shown, pin("9999"), &proof(&shown), UNCONFIRMED);
            assert_eq!(refused, Err(ReaderError::WrongPin { tries_left: 2 }));
            let signed = readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED).unwrap();
            assert!(verifies(&shown, &signed.signature));
            assert!(!inserted.card().pin_is_verified());
        }
    });
}
