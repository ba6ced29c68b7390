//! Readers and services that come and go, more readers than one, and programs that keep a card for themselves.

use std::ffi::CString;
use std::time::Duration;

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode};
use sceau::agent::card::{Cards, DriverCards};
use sceau::card::driver::monitor::Snapshot;
use sceau::card::driver::{Monitor, Reader, ReaderError, Readers, Slot};
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Profile, Reaction, SoftCard};

use crate::fixture::{UNCONFIRMED, VERIFY, card, identity, pin, proof, verifies};

fn foreign() -> SoftCard {
    let atr = vec![0x3B, 0x65, 0, 0, 1, 2, 3, 4, 5];
    SoftCard::new(identity("good"), Profile { atr, application: false, ..Profile::default() })
}

/// Four readers: a doctor's card, a nurse's, a patient's, and one that lies on an antenna.
#[test]
fn all_cards_that_may_answer_are_shown_with_their_holders() {
    isolated(|| {
        let pcscd = Pcscd::start_devices(&["First", "Second"]).unwrap();
        let listed = Readers::default().list().unwrap();
        assert_eq!(listed.len(), 4);
        let doctor = pcscd.insert(0, card("good")).unwrap();
        let _patient = pcscd.insert(1, foreign()).unwrap();
        let _nurse = pcscd.insert(2, SoftCard::new(identity("nurse"), Profile::cps4())).unwrap();
        let _near = pcscd.insert(3, SoftCard::new(identity("student"), Profile::contactless())).unwrap();

        let cards = DriverCards::default();
        let shown = cards.look_all().unwrap();
        let seen: Vec<_> = shown.iter().map(|card| (card.reader.as_str(), card.holder.as_str())).collect();
        assert_eq!(
            seen,
            [(pcscd.reader(0).as_str(), "KIT DOC0036624"), (pcscd.reader(2).as_str(), "KIT INF0030001")]
        );
        assert_eq!(cards.look().unwrap_err().code, "READER-019", "nobody chose");

        // A card that breaks while it is read does not stand in the way of the other.
        doctor.card().intervene(|_| Reaction::Status(0x6F00));
        let left = cards.look_all().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].holder, "KIT INF0030001");
    });
}

#[test]
fn where_no_card_can_be_read_the_reason_is_that_of_the_first() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let cards = DriverCards::default();
        assert_eq!(cards.look_all().unwrap_err().code, "READER-003");
        let _one = pcscd.insert(0, foreign()).unwrap();
        let _other = pcscd.insert(1, foreign()).unwrap();
        assert_eq!(cards.look_all().unwrap_err().code, "READER-004");
    });
}

/// Unplugged between the page and the PIN, and while the card is used.
#[test]
fn a_reader_that_disappears_is_said_to_be_gone() {
    isolated(|| {
        let pcscd = Pcscd::start("Unplugged").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let readers = Readers::default();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        drop(pcscd);
        let pcscd = Pcscd::start("Another").unwrap();
        let refused = readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::ReaderGone));
        assert_eq!(readers.read(&shown.reader), Err(ReaderError::ReaderGone));
        assert_eq!(inserted.card().count(VERIFY), 0);
        assert_eq!(readers.only_card(), Err(ReaderError::NoCard));
        drop(pcscd);
    });
}

/// A laptop that slept: the service starts anew, every connection and context is lost, the card was without power.
#[test]
fn after_a_suspended_laptop_everything_is_built_anew() {
    isolated(|| {
        let monitor = Monitor::start().unwrap();
        let readers = Readers::default();
        let pcscd = Pcscd::start("Laptop").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = readers.read(&pcscd.reader(0)).unwrap();
        seen(&monitor, has_a_card);
        let in_the_slot = inserted.remove();
        drop(pcscd);
        seen(&monitor, |snapshot| *snapshot == Err(ReaderError::NoService));
        assert_eq!(
            readers.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED),
            Err(ReaderError::NoService)
        );

        let pcscd = Pcscd::start("Laptop").unwrap();
        let inserted = pcscd.insert_again(0, in_the_slot).unwrap();
        seen(&monitor, has_a_card);
        let again = readers.read(&pcscd.reader(0)).unwrap();
        assert_eq!(again.certificate_der, shown.certificate_der);
        let signed = readers.sign(&again, pin("1234"), &proof(&again), UNCONFIRMED).unwrap();
        assert!(verifies(&again, &signed.signature));
        assert_eq!(inserted.card().presentations(), 1);
    });
}

/// What the sentence of READER-027 advises, and what does not help.
#[test]
fn a_card_that_is_held_exclusively_is_free_when_the_program_ends_and_not_before() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let shown = Readers::default().read(&pcscd.reader(0)).unwrap();
        let context = Context::establish(Scope::User).unwrap();
        let name = CString::new(pcscd.reader(0)).unwrap();
        let other = context.connect(&name, ShareMode::Exclusive, Protocols::ANY).unwrap();

        let hasty = Readers::waiting(Duration::from_millis(300));
        assert_eq!(hasty.read(&pcscd.reader(0)), Err(ReaderError::HeldExclusively));
        let refused = hasty.sign(&shown, pin("1234"), &proof(&shown), UNCONFIRMED);
        assert_eq!(refused, Err(ReaderError::HeldExclusively));
        assert_eq!(inserted.card().count(VERIFY), 0);

        // Pulled out and put in again, the card is as much the other program's as before.
        let pulled = pcscd.remove(0, inserted).unwrap();
        let _inserted = pcscd.insert_again(0, pulled).unwrap();
        assert_eq!(hasty.read(&pcscd.reader(0)), Err(ReaderError::HeldExclusively));

        other.disconnect(Disposition::LeaveCard).map_err(|(_, error)| error).unwrap();
        assert!(hasty.read(&pcscd.reader(0)).is_ok());
    });
}

fn has_a_card(snapshot: &Snapshot) -> bool {
    let first = snapshot.as_ref().ok().and_then(|readers| readers.first());
    first.is_some_and(|Reader { slot, .. }| matches!(slot, Slot::Card { .. }))
}

/// Waits until the monitor has seen what is `wanted`.
fn seen(monitor: &Monitor, wanted: impl Fn(&Snapshot) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut changes = monitor.changes();
        let waited = tokio::time::timeout(Duration::from_secs(20), changes.wait_for(wanted)).await;
        drop(waited.expect("seen within 20 s").expect("the monitor lives"));
    });
}
