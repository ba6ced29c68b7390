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

use crate::card::driver::monitor::Snapshot;
use crate::card::driver::{Monitor, Reader, ReaderError, Readers, Slot};
use crate::crypto::digest::sha256;

/// How long another program may hold a card before it is looked at again later.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon a card is looked at again that another program held.
const RETRY: Duration = Duration::from_secs(2);

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
    tokio::spawn(async move { follow(changes, &Follow::new(sender, Readers::waiting(PATIENCE))).await });
    Ok(CardWatch { present, _watcher: Some(Arc::new(monitor)) })
}

struct Follow {
    sender: watch::Sender<Present>,
    readers: Readers,
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
    fn new(sender: watch::Sender<Present>, readers: Readers) -> Self {
        Self { sender, readers }
    }

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
        let (readers, name) = (self.readers, reader.to_owned());
        match tokio::task::spawn_blocking(move || readers.read(&name)).await {
            Ok(Ok(card)) => Ok(Some(sha256(&card.certificate_der))),
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
        follow.publish(&looked);
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
