//! Watching readers and cards under a real pcscd.

use std::time::Duration;

use sceau::card::driver::monitor::Snapshot;
use sceau::card::driver::{Monitor, Reader, ReaderError, Slot};
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;

use crate::fixture::card;

/// What is seen once `wanted` holds; a monitor that does not see it within 20 s has failed.
fn until(monitor: &Monitor, wanted: impl Fn(&Snapshot) -> bool) -> Vec<Reader> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut changes = monitor.changes();
        let waited = tokio::time::timeout(Duration::from_secs(20), changes.wait_for(wanted)).await;
        waited.expect("seen within 20 s").expect("the monitor lives").clone().unwrap_or_default()
    })
}

fn first_slot(snapshot: &Snapshot) -> Option<&Slot> {
    snapshot.as_ref().ok().and_then(|readers| readers.first()).map(|reader| &reader.slot)
}

#[test]
fn sees_the_service_a_card_its_removal_and_the_end_of_the_service() {
    isolated(|| {
        let monitor = Monitor::start().unwrap();
        until(&monitor, |seen| *seen == Err(ReaderError::NoService));

        let pcscd = Pcscd::start("Sceau test").unwrap();
        until(&monitor, |seen| first_slot(seen) == Some(&Slot::Empty));

        let inserted = pcscd.insert(0, card("good")).unwrap();
        let seen = until(&monitor, |seen| matches!(first_slot(seen), Some(Slot::Card { .. })));
        let before = seen[0].event_count;

        pcscd.remove(0, inserted).unwrap();
        until(&monitor, |seen| first_slot(seen) == Some(&Slot::Empty));
        let _again = pcscd.insert(0, card("nurse")).unwrap();
        let seen = until(&monitor, |seen| matches!(first_slot(seen), Some(Slot::Card { .. })));
        assert_ne!(seen[0].event_count, before);

        drop(pcscd);
        until(&monitor, |seen| *seen == Err(ReaderError::NoService));
        drop(monitor);
    });
}
