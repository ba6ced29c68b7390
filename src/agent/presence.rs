//! Which cards are in the readers, as the channel reports it.
//!
//! A hospital gets from it that a card which was pulled is known within a moment, and that one which was out for a moment
//! is told from one that stayed. A card is known by the SHA-256 of its certificate, read once per insertion, without PIN;
//! no name and no number is kept.

use std::any::Any;
use std::fmt::{self, Debug};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::card::driver::monitor::Snapshot;
use crate::card::driver::{Monitor, Reader, ReaderError, Readers, Slot};
use crate::crypto::digest::sha256;

/// How long another program may hold a card before it is looked at again later.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon a card is looked at again that another program held.
const RETRY: Duration = Duration::from_secs(2);
/// How long the first word waits for a card that another program holds. Said before, the word would take that card for one that
/// is gone, and lock the session of somebody who has not moved. Later no session is left that it could harm: none has a lease
/// that outlasts so long a silence (`[session] lease` is 90 s unless the server says otherwise). And a program that keeps a
/// patient's card to itself for hours must not keep the agent silent.
const FIRST_WORD: Duration = Duration::from_secs(90);

/// A card that is in a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentCard {
    /// SHA-256 of its certificate.
    pub certificate: [u8; 32],
    /// Another number each time it is put in, so that a card that was out for a moment is another one.
    pub insertion: u64,
}

/// The cards that are there; `None` until somebody has looked.
pub type Present = Option<Vec<PresentCard>>;

/// What watches the readers. Dropping it ends the watch.
#[derive(Clone)]
pub struct CardWatch {
    present: watch::Receiver<Present>,
    _watcher: Option<Arc<dyn Any + Send + Sync>>,
}

impl CardWatch {
    /// A watch that somebody else feeds.
    #[must_use]
    pub fn of(present: watch::Receiver<Present>) -> Self {
        Self { present, _watcher: None }
    }

    /// What is there, now and at every change.
    #[must_use]
    pub fn present(&self) -> watch::Receiver<Present> {
        self.present.clone()
    }
}

impl Debug for CardWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardWatch").finish_non_exhaustive()
    }
}

/// Watches the readers of this workstation. Called within a runtime.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch_readers() -> io::Result<CardWatch> {
    let monitor = Monitor::start()?;
    let changes = monitor.changes();
    let (sender, present) = watch::channel(None);
    let readers = Readers::waiting(PATIENCE);
    let read = move |name: &str| readers.read(name).map(|card| sha256(&card.certificate_der));
    tokio::spawn(async move { follow(changes, &Follow { sender, read: Arc::new(read) }).await });
    Ok(CardWatch { present, _watcher: Some(Arc::new(monitor)) })
}

/// Yields the fingerprint of the card in a reader. Blocks.
type Read = dyn Fn(&str) -> Result<[u8; 32], ReaderError> + Send + Sync;

struct Follow {
    sender: watch::Sender<Present>,
    read: Arc<Read>,
}

/// A slot whose card was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    /// As the monitor saw it.
    reader: Reader,
    /// Its card, if it is one of ours.
    card: Option<PresentCard>,
}

impl Follow {
    fn publish(&self, looked: &[Looked]) {
        let present: Vec<_> = looked.iter().filter_map(|looked| looked.card).collect();
        self.sender.send_if_modified(|last| {
            let changed = last.as_ref() != Some(&present);
            if changed {
                tracing::debug!(cards = present.len(), "what is in the readers has changed");
            }
            *last = Some(present);
            changed
        });
    }

    /// The certificate of the card in a reader. `Err` where another program holds it: it is to be looked at again.
    async fn certificate(&self, reader: &str) -> Result<Option<[u8; 32]>, ()> {
        let (read, name) = (Arc::clone(&self.read), reader.to_owned());
        match tokio::task::spawn_blocking(move || read(&name)).await {
            Ok(Ok(fingerprint)) => Ok(Some(fingerprint)),
            Ok(Err(ReaderError::InUse | ReaderError::ConnectionLost)) | Err(_) => Err(()),
            // A patient's card, say. The next one that is put in is looked at anew.
            Ok(Err(_)) => Ok(None),
        }
    }
}

/// Follows the monitor until it ends or nobody wants to know any more.
async fn follow(mut changes: watch::Receiver<Snapshot>, follow: &Follow) {
    let mut looked: Vec<Looked> = Vec::new();
    let mut insertion = 0;
    // Until its first look, the monitor knows nothing.
    if changes.changed().await.is_err() {
        return;
    }
    let begun = Instant::now();
    loop {
        // Where the card service is gone, nobody can say that a card is there.
        let seen = changes.borrow_and_update().clone();
        tracing::debug!(readers = seen.as_ref().map_or(0, Vec::len), "the readers were looked at");
        let seen = seen.unwrap_or_default();
        let with_card: Vec<_> =
            seen.into_iter().filter(|reader| matches!(reader.slot, Slot::Card { .. })).collect();
        looked.retain(|known| with_card.iter().any(|reader| is_same_insertion(reader, &known.reader)));
        // That a card is gone is told before another is read. The first word waits until all were read: a card that
        // is there is not to be taken for one that is gone.
        if follow.sender.borrow().is_some() {
            follow.publish(&looked);
        }
        let mut again = false;
        for reader in with_card {
            if looked.iter().any(|known| is_same_insertion(&reader, &known.reader)) {
                continue;
            }
            match follow.certificate(&reader.name).await {
                Ok(certificate) => {
                    insertion += 1;
                    let card = certificate.map(|certificate| PresentCard { certificate, insertion });
                    looked.push(Looked { reader, card });
                }
                Err(()) => again = true,
            }
        }
        let is_first_word = follow.sender.borrow().is_none();
        if !(again && is_first_word && begun.elapsed() < FIRST_WORD) {
            follow.publish(&looked);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = follow.sender.closed() => return,
            () = tokio::time::sleep(RETRY), if again => {}
        }
    }
}

/// Whether a reader holds the card that it held, without interruption. That another program uses it makes no difference.
fn is_same_insertion(now: &Reader, before: &Reader) -> bool {
    let atr = |reader: &Reader| match &reader.slot {
        Slot::Card { atr, .. } => Some(atr.clone()),
        Slot::Empty | Slot::Mute => None,
    };
    now.name == before.name && now.event_count == before.event_count && atr(now) == atr(before)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::card::driver::Recognised;

    const DOCTOR: [u8; 32] = [1; 32];
    const NURSE: [u8; 32] = [2; 32];

    /// Readers of the test's own: what is in them, and which of them another program holds.
    struct Desk {
        seen: watch::Sender<Snapshot>,
        held: Arc<Mutex<Vec<String>>>,
        present: watch::Receiver<Present>,
    }

    impl Desk {
        fn new(held: &[&str]) -> Self {
            let (seen, changes) = watch::channel(Err(ReaderError::NoReader));
            let (sender, present) = watch::channel(None);
            let held = Arc::new(Mutex::new(held.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
            let theirs = Arc::clone(&held);
            let read = move |name: &str| {
                if theirs.lock().unwrap().contains(&name.to_owned()) {
                    return Err(ReaderError::InUse);
                }
                Ok(if name == "doctor" { DOCTOR } else { NURSE })
            };
            tokio::spawn(async move { follow(changes, &Follow { sender, read: Arc::new(read) }).await });
            Self { seen, held, present }
        }

        fn see(&self, readers: &[&str]) {
            let reader = |name: &&str| Reader {
                name: (*name).to_owned(),
                slot: Slot::Card { atr: vec![0x3B], recognised: Recognised::Unknown, exclusive: false },
                event_count: 1,
            };
            self.seen.send(Ok(readers.iter().map(reader).collect())).unwrap();
        }

        /// The next word, within `seconds`.
        async fn word(&mut self, seconds: u64) -> Option<Vec<[u8; 32]>> {
            let changed = tokio::time::timeout(Duration::from_secs(seconds), self.present.changed());
            changed.await.ok()?.ok()?;
            let present = self.present.borrow_and_update().clone()?;
            Some(present.iter().map(|card| card.certificate).collect())
        }
    }

    /// The agent starts anew while another program holds a card: the session that hangs on it must not lock.
    #[tokio::test(start_paused = true)]
    async fn a_card_that_is_held_when_the_agent_starts_is_not_reported_as_gone() {
        let mut desk = Desk::new(&["doctor"]);
        desk.see(&["doctor", "nurse"]);
        assert_eq!(desk.word(60).await, None, "nothing is said before the card was read");
        desk.held.lock().unwrap().clear();
        assert_eq!(desk.word(10).await, Some(vec![NURSE, DOCTOR]));
        // From then on a card that leaves is told at once, whatever another program holds.
        desk.held.lock().unwrap().push("other".into());
        desk.see(&["doctor", "other"]);
        assert_eq!(desk.word(10).await, Some(vec![DOCTOR]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_never_lets_go_of_a_card_does_not_keep_the_agent_silent() {
        let mut desk = Desk::new(&["patient"]);
        desk.see(&["patient", "doctor"]);
        assert_eq!(desk.word(FIRST_WORD.as_secs() - 1).await, None);
        assert_eq!(desk.word(10).await, Some(vec![DOCTOR]));
    }

    #[tokio::test(start_paused = true)]
    async fn readers_without_a_card_are_told_at_once() {
        let mut desk = Desk::new(&[]);
        desk.see(&[]);
        assert_eq!(desk.word(1).await, Some(Vec::new()));
    }
}
