//! Readers, lost connections and other programs, under a real pcscd.

use std::ffi::CString;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode};
use sceau::card::driver::{LastTry, ReaderError, Readers, Slot};
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::vpcd::Inserted;
use sceau_hw_tests::softcard::{Profile, Reaction, SoftCard};

use crate::fixture::{
    INTERNAL_AUTHENTICATE, READ_BINARY, UNCONFIRMED, VERIFY, card, identity, pin, proof, verifies,
};

/// Another program's connection to the first reader.
fn other_program(pcscd: &Pcscd, share: ShareMode) -> pcsc::Card {
    let context = Context::establish(Scope::User).unwrap();
    context.connect(&CString::new(pcscd.reader(0)).unwrap(), share, Protocols::ANY).unwrap()
}

fn start() -> Pcscd {
    Pcscd::start("Sceau test").unwrap()
}

#[test]
fn says_that_the_service_does_not_run() {
    isolated(|| {
        assert_eq!(Readers::default().list(), Err(ReaderError::NoService));
        assert_eq!(Readers::default().only_card(), Err(ReaderError::NoService));
    });
}

#[test]
fn tells_no_card_one_card_and_several() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        assert_eq!(readers.only_card(), Err(ReaderError::NoCard));
        assert_eq!(readers.read(&pcscd.reader(0)), Err(ReaderError::NoCard));
        assert_eq!(readers.read("another reader"), Err(ReaderError::ReaderGone));

        let _doctor = pcscd.insert(0, card("good")).unwrap();
        assert_eq!(readers.only_card(), Ok(pcscd.reader(0)));
        let _nurse = pcscd.insert(1, card("nurse")).unwrap();
        assert_eq!(readers.only_card(), Err(ReaderError::SeveralCards));

        let listed = readers.list().unwrap();
        assert_eq!(listed.iter().filter(|reader| matches!(reader.slot, Slot::Card { .. })).count(), 2);
        assert_eq!(readers.read(&pcscd.reader(0)).unwrap().certificate.id_nat, "899700366240");
        assert_eq!(readers.read(&pcscd.reader(1)).unwrap().certificate.id_nat, "899700300017");
    });
}

#[test]
fn signs_and_leaves_the_card_reset() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        let signed = readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED).unwrap();
        assert!(verifies(&shown, &signed.signature));
        assert!(!inserted.card().pin_is_verified());

        // A program that was connected all the time does not find the PIN presented either.
        let other = other_program(&pcscd, ShareMode::Shared);
        readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED).unwrap();
        let mut buffer = [0; 258];
        assert_eq!(other.transmit(&[0x00, 0x20, 0x00, 0x01, 0x00], &mut buffer), Err(pcsc::Error::ResetCard));
        assert!(!inserted.card().pin_is_verified());
    });
}

#[test]
fn leaves_the_card_reset_after_a_wrong_pin_too() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        let refused = readers.sign(&shown, pin("9999"), &proof(&shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::WrongPin { tries_left: 2 }));
        assert_eq!(readers.read(&pcscd.reader(0)).unwrap().tries_left, Some(2));
        let card = inserted.card();
        assert_eq!((card.count(VERIFY), card.pin_is_verified()), (1, false));
    });
}

#[test]
fn blocks_and_comes_back_with_the_puk() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let _inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        for expected in [ReaderError::WrongPin { tries_left: 2 }, ReaderError::WrongPin { tries_left: 1 }] {
            assert_eq!(readers.sign(&shown, pin("9999"), &proof(&shown), UNCONFIRMED), Err(expected));
        }
        assert_eq!(readers.sign(&shown, pin("9999"), &proof(&shown), UNCONFIRMED), Err(ReaderError::LastTry));
        assert_eq!(
            readers.sign(&shown, pin("9999"), &proof(&shown), LastTry::Confirmed),
            Err(ReaderError::Blocked)
        );

        let other = other_program(&pcscd, ShareMode::Shared);
        let mut buffer = [0; 258];
        for command in [&b"\x00\x20\x00\x02\x0812345678"[..], b"\x00\x2C\x02\x01\x082468\xFF\xFF\xFF\xFF"] {
            assert_eq!(other.transmit(command, &mut buffer).unwrap(), [0x90, 0x00]);
        }
        other.disconnect(Disposition::ResetCard).map_err(|(_, error)| error).unwrap();
        assert!(readers.sign(&shown, pin("2468"), &proof(&shown), UNCONFIRMED).is_ok());
    });
}

#[test]
fn a_card_pulled_out_while_it_is_read() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let inserted = pcscd.insert(0, card("good")).unwrap();
        inserted.card().intervene(|command| match command {
            [_, READ_BINARY, ..] => Reaction::PulledBefore,
            _ => Reaction::Answer,
        });
        assert_eq!(readers.read(&pcscd.reader(0)), Err(ReaderError::Removed));
        pcscd.wait_for_empty(0).unwrap();
        assert_eq!(readers.read(&pcscd.reader(0)), Err(ReaderError::NoCard));
    });
}

/// Whether the card had seen the PIN before it was gone: VERIFY is not sent again, and nothing is signed.
#[test]
fn a_card_pulled_out_over_the_pin_or_the_signature() {
    isolated(|| {
        let readers = Readers::default();
        for (instruction, reaction, tries) in [
            (VERIFY, Reaction::PulledBefore, 3),
            (VERIFY, Reaction::PulledAfter, 2),
            (INTERNAL_AUTHENTICATE, Reaction::PulledBefore, 3),
        ] {
            // A new one each time: pcscd 1.9.9 misses a card that comes within its 0.4 s after a reset that failed.
            let pcscd = start();
            let inserted = pcscd.insert(0, card("good")).unwrap();
            let shown = readers.read(&pcscd.reader(0)).unwrap();
            inserted.card().intervene(move |command| match command {
                [_, ins, ..] if *ins == instruction => reaction,
                _ => Reaction::Answer,
            });
            let typed = if tries == 2 { "9999" } else { "1234" };
            let refused = readers.sign(&shown, pin(typed), &proof(&shown), UNCONFIRMED);
            assert_eq!(refused, Err(ReaderError::Removed), "{instruction:02X} {reaction:?}");
            let card = inserted.wait();
            let card = card.lock().unwrap();
            assert_eq!((card.count(VERIFY), card.tries_left()), (1, tries));
        }
    });
}

/// The reader loses the card for a moment, over the PIN, and has it back: still not sent again.
#[test]
fn a_connection_that_breaks_after_the_pin_is_not_rebuilt() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        inserted.card().intervene(|command| match command {
            [_, VERIFY, ..] => Reaction::PulledBefore,
            _ => Reaction::Answer,
        });
        let signing = thread::spawn({
            let (shown, proof) = (shown.clone(), proof(&shown));
            move || readers.sign(&shown, pin("1234"), &proof, UNCONFIRMED)
        });
        let card = inserted.wait();
        card.lock().unwrap().leave_alone();
        // Before pcscd can have noticed, which is why nothing waits for it to see the card.
        let again = Inserted::insert(card, pcscd.port(0)).unwrap();
        let refused = signing.join().unwrap().unwrap_err();
        assert!(matches!(refused, ReaderError::Removed | ReaderError::Interrupted), "{refused:?}");
        assert_eq!(again.card().count(VERIFY), 1);
    });
}

#[test]
fn a_card_exchanged_between_show_and_pin() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let doctor = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        let doctor = pcscd.remove(0, doctor).unwrap();

        let refused = readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::Removed), "nothing is in the reader");

        let nurse = pcscd.insert(0, card("nurse")).unwrap();
        let refused = readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::Exchanged));
        assert_eq!(nurse.card().count(VERIFY), 0);
        pcscd.remove(0, nurse).unwrap();

        // The same card again: it was out, so it is shown again.
        let doctor = pcscd.insert_again(0, doctor).unwrap();
        let refused = readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::Exchanged));
        assert_eq!(doctor.card().count(VERIFY), 0);
    });
}

/// Programs that share the card and reset it: between two operations, and while ours waits for the transaction.
#[test]
fn works_beside_a_program_that_resets_the_card() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let _inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        let mut other = other_program(&pcscd, ShareMode::Shared);
        other.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard).unwrap();
        assert!(readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED).is_ok());

        other.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).unwrap();
        let transaction = other.transaction().unwrap();
        let signing = thread::spawn({
            let (shown, proof) = (shown.clone(), proof(&shown));
            move || readers.sign(&shown, pin("1234"), &proof, UNCONFIRMED)
        });
        transaction.end(Disposition::ResetCard).map_err(|(_, error)| error).unwrap();
        let signed = signing.join().unwrap().unwrap();
        assert!(verifies(&shown, &signed.signature));
    });
}

/// Programs that end with a reset, as most do, reset the card even within a transaction of ours: pcscd lets them.
#[test]
fn begins_again_where_another_program_resets_the_card_in_the_middle() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let inserted = pcscd.insert(0, card("good")).unwrap();
        for instruction in [0xA4, READ_BINARY, 0xCB] {
            let other = other_program(&pcscd, ShareMode::Shared);
            let (sender, reached) = mpsc::channel();
            inserted.card().intervene(move |command| {
                if command[1] == instruction {
                    let _test_is_over = sender.send(());
                }
                Reaction::Answer
            });
            let reader = pcscd.reader(0);
            let reading = thread::spawn(move || readers.read(&reader));
            reached.recv().unwrap();
            other.disconnect(Disposition::ResetCard).map_err(|(_, error)| error).unwrap();
            assert!(reading.join().unwrap().is_ok());
        }
    });
}

/// Another program does not end its transaction: ours gives up, and does nothing when its turn comes at last.
#[test]
fn gives_up_on_a_card_that_another_program_holds_and_does_nothing_later() {
    isolated(|| {
        let pcscd = start();
        let patient = Readers::default();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = patient.read(&pcscd.reader(0)).unwrap();
        let mut other = other_program(&pcscd, ShareMode::Shared);
        let transaction = other.transaction().unwrap();

        let began = Instant::now();
        let hasty = Readers::waiting(Duration::from_millis(300));
        assert_eq!(hasty.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED), Err(ReaderError::InUse));
        assert!(began.elapsed() < Duration::from_secs(5));

        transaction.end(Disposition::LeaveCard).map_err(|(_, error)| error).unwrap();
        // This one takes its turn after the one that was given up.
        assert!(patient.read(&pcscd.reader(0)).is_ok());
        assert_eq!(inserted.card().count(VERIFY), 0);
    });
}

#[test]
fn waits_for_a_program_that_holds_the_card_exclusively() {
    isolated(|| {
        let pcscd = start();
        let _inserted = pcscd.insert(0, card("good")).unwrap();
        let other = other_program(&pcscd, ShareMode::Exclusive);
        let hasty = Readers::waiting(Duration::from_millis(300));
        assert_eq!(hasty.read(&pcscd.reader(0)), Err(ReaderError::HeldExclusively));
        let listed = hasty.list().unwrap();
        assert!(matches!(listed[0].slot, Slot::Card { exclusive: true, .. }));

        let reader = pcscd.reader(0);
        let reading = thread::spawn(move || Readers::default().read(&reader));
        other.disconnect(Disposition::LeaveCard).map_err(|(_, error)| error).unwrap();
        assert!(reading.join().unwrap().is_ok());
    });
}

fn foreign_card() -> SoftCard {
    let profile =
        Profile { atr: vec![0x3B, 0x65, 0, 0, 1, 2, 3, 4, 5], application: false, ..Profile::default() };
    SoftCard::new(identity("good"), profile)
}

#[test]
fn a_foreign_card_is_said_to_be_one() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let _inserted = pcscd.insert(0, foreign_card()).unwrap();
        assert_eq!(readers.only_card(), Ok(pcscd.reader(0)));
        assert_eq!(readers.read(&pcscd.reader(0)), Err(ReaderError::ForeignCard));
    });
}

/// A reader with two slots, the patient's card in the other.
#[test]
fn a_card_of_another_kind_does_not_stand_in_the_way() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let _patient = pcscd.insert(0, foreign_card()).unwrap();
        let _doctor = pcscd.insert(1, card("good")).unwrap();
        assert_eq!(readers.only_card(), Ok(pcscd.reader(1)));
    });
}

/// A slow card, behind a slow reader, is waited for.
#[test]
fn a_slow_card_is_waited_for() {
    isolated(|| {
        let latency = Duration::from_millis(60);
        let (pcscd, readers) = (start(), Readers::default());
        let slow = SoftCard::new(identity("good"), Profile { latency, ..Profile::default() });
        let _inserted = pcscd.insert(0, slow).unwrap();
        let began = Instant::now();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        assert!(readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED).is_ok());
        assert!(began.elapsed() > 20 * latency, "the card was not slow: {:?}", began.elapsed());
    });
}

/// Many at once: operations queue, none fails.
#[test]
fn operations_of_several_threads_queue() {
    isolated(|| {
        let (pcscd, readers) = (start(), Readers::default());
        let _inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        thread::scope(|scope| {
            for number in 0..6 {
                let shown = &shown;
                scope.spawn(move || {
                    if number % 2 == 0 {
                        readers.read(&shown.reader).unwrap();
                    } else {
                        readers.sign(shown, pin("1234"), &proof(shown), UNCONFIRMED).unwrap();
                    }
                });
            }
        });
    });
}
