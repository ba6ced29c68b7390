//! Watching readers come and go, and cards in them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pcsc::{Context, ReaderState, Scope, State};
use tokio::sync::watch;

use super::connection::fault;
use super::error::ReaderError;
use super::reader::{Reader, look, states};

/// The list of readers is made anew this often, since older services miss a reader that comes between two looks.
const RELIST: Duration = Duration::from_secs(5);

/// A service that is not there, or goes away, is looked for this often.
const RETRY: Duration = Duration::from_secs(2);

/// What the monitor last saw.
pub type Snapshot = Result<Vec<Reader>, ReaderError>;

/// A thread that watches the readers. Dropping it ends the thread.
#[derive(Debug)]
pub struct Monitor {
    changes: watch::Receiver<Snapshot>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// The context that may be waiting, for another thread to cancel.
    context: Mutex<Option<Context>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl Monitor {
    /// Begins to watch. Until the first look, the readers are [`ReaderError::NoReader`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (sender, changes) = watch::channel(Err(ReaderError::NoReader));
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("readers".into()).spawn(move || watch(&theirs, &sender))?;
        Ok(Self { changes, shared, thread: Some(thread) })
    }

    /// What is seen, now and at every change: readers and cards that come and go, a card that was out for a moment
    /// (its event count differs), the service itself.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Snapshot> {
        self.changes.clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return };
        // The thread may be just about to wait: it is woken until it is gone.
        while !thread.is_finished() {
            if let Some(context) = &*self.shared.context.lock().unwrap_or_else(PoisonError::into_inner) {
                let _cancelled = context.cancel();
            }
            thread.thread().unpark();
            thread::sleep(Duration::from_millis(2));
        }
        let _joined = thread.join();
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn hold(&self, context: Option<Context>) {
        *self.context.lock().unwrap_or_else(PoisonError::into_inner) = context;
    }
}

fn watch(shared: &Shared, sender: &watch::Sender<Snapshot>) {
    while shared.goes_on() {
        let outcome = Context::establish(Scope::User).map_err(fault).and_then(|context| {
            shared.hold(Some(context.clone()));
            watch_with(&context, shared, sender)
        });
        shared.hold(None);
        if let Err(error) = outcome {
            publish(sender, Err(error));
            if shared.goes_on() {
                thread::park_timeout(RETRY);
            }
        }
    }
}

/// Watches until the service fails or the monitor ends.
fn watch_with(
    context: &Context,
    shared: &Shared,
    sender: &watch::Sender<Snapshot>,
) -> Result<(), ReaderError> {
    // Kept over the rounds: newer services count in it the readers that came and went.
    let mut plug_and_play = ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE);
    while shared.goes_on() {
        let mut states = states(context)?;
        publish(sender, Ok(look(context, &mut states)?));
        for state in &mut states {
            state.sync_current_state();
        }
        states.push(plug_and_play);
        let waited = context.get_status_change(RELIST, &mut states);
        plug_and_play = match states.pop() {
            Some(state) => state,
            None => ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE),
        };
        plug_and_play.sync_current_state();
        match waited {
            Ok(()) | Err(pcsc::Error::Timeout | pcsc::Error::Cancelled | pcsc::Error::UnknownReader) => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(())
}

fn publish(sender: &watch::Sender<Snapshot>, snapshot: Snapshot) {
    sender.send_if_modified(|last| {
        let changed = *last != snapshot;
        *last = snapshot;
        changed
    });
}
