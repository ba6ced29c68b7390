//! The one connection that writes to SQLite, and how waiting writers share a commit.
//!
//! A commit that reaches the disk costs milliseconds, a savepoint microseconds. So each command runs in a savepoint
//! of a transaction that is shared: whoever has run its command queues up again behind those who were waiting, and
//! the first who comes round commits for all. Nobody gets an answer before the commit. Where nobody waits, a command
//! commits at once. The lock is fair (first come, first served), so a batch always ends.
//!
//! Each statement is a way to the database's thread and back, which costs more than most statements: what begins a
//! command goes together, and so does what ends it.
//!
//! What nobody misses after a power cut ([`Promise::Order`]) does not wait for the disk. It never shares a commit that
//! somebody waits for with less than that one needs, and every commit that reaches the disk brings along those before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::StoreError;

/// How a shared transaction ended; `None`: not yet.
type Outcome = Option<Ended>;

/// How a shared transaction ended, for all who wrote in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It is on disk.
    Kept,
    /// The disk is full: nothing was kept.
    Full,
    /// Nothing was kept.
    Lost,
}

impl Ended {
    fn of(error: &StoreError) -> Self {
        if matches!(error, StoreError::Full) { Self::Full } else { Self::Lost }
    }
}

/// What the answer to a command promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// It survives a power cut.
    Disk,
    /// It survives the end of this program, and a power cut if something does that was committed after it.
    Order,
}

/// The savepoint of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    /// There is none.
    None,
    /// It was begun or released, and the caller went away before that was answered: there may be one.
    InDoubt,
    /// A command writes in it.
    Open,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) connection: Option<SqliteConnection>,
    /// The transaction that is open, and how its writers hear of its end.
    batch: Option<watch::Sender<Outcome>>,
    /// BEGIN was sent and not answered: the caller went away.
    beginning: bool,
    /// Where a command stands. Its caller may go away at any point.
    savepoint: Savepoint,
    /// What the connection's next, or open, transaction promises; less, where that is in doubt.
    promise: Promise,
}

/// Those who wait for their turn: a commit that can serve them too is worth waiting for.
#[derive(Debug, Default)]
struct Waiting(AtomicUsize);

impl Waiting {
    /// Counts until it is dropped, also where a caller goes away.
    fn count(self: &Arc<Self>) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    fn is_nobody(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

struct Counted(Arc<Waiting>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The writing connection. See the module's description.
#[derive(Debug)]
pub struct SqliteWriter {
    pub(super) state: Arc<Mutex<State>>,
    waiting: Arc<Waiting>,
}

impl SqliteWriter {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        let state = State {
            connection: Some(connection),
            batch: None,
            beginning: false,
            savepoint: Savepoint::None,
            // As it was opened.
            promise: Promise::Disk,
        };
        Self { state: Arc::new(Mutex::new(state)), waiting: Arc::default() }
    }

    /// Waits for one's turn to write.
    pub(crate) async fn turn(&self, promise: Promise) -> Result<Turn, StoreError> {
        let counted = self.waiting.count();
        let mut state = Arc::clone(&self.state).lock_owned().await;
        drop(counted);
        state.undo(Ended::Lost).await;
        if promise == Promise::Disk && state.promise == Promise::Order {
            state.commit().await;
        }
        if state.batch.is_none() {
            state.begin(promise).await?;
        } else {
            state.savepoint = Savepoint::InDoubt;
            state.execute("SAVEPOINT command").await?;
        }
        state.savepoint = Savepoint::Open;
        let outcome = state.batch.as_ref().map(watch::Sender::subscribe);
        let (lock, waiting) = (Arc::clone(&self.state), Arc::clone(&self.waiting));
        Ok(Turn { lock, waiting, state: Some(state), outcome, settled: false })
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.commit().await;
        if let Some(connection) = state.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

impl State {
    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Driver(sqlx::Error::PoolClosed))
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(self.connection()?).await?;
        Ok(())
    }

    /// Begins a transaction, and the command in it.
    async fn begin(&mut self, promise: Promise) -> Result<(), StoreError> {
        if self.beginning {
            // Fails where BEGIN had not arrived: then there is nothing to undo.
            let _ = self.execute("ROLLBACK").await;
        }
        if self.promise != promise {
            // In doubt, and on the way down, it is the lesser one: then it is asked for again.
            self.promise = Promise::Order;
            let level = match promise {
                Promise::Disk => "PRAGMA synchronous = FULL",
                Promise::Order => "PRAGMA synchronous = NORMAL",
            };
            // SQLite obeys it while it compiles the statement (<https://sqlite.org/pragma.html>): one that is compiled
            // already would change nothing.
            sqlx::query(level).persistent(false).execute(self.connection()?).await?;
            self.promise = promise;
        }
        self.beginning = true;
        self.execute("BEGIN IMMEDIATE; SAVEPOINT command").await?;
        self.beginning = false;
        self.batch = Some(watch::Sender::new(None));
        Ok(())
    }

    /// Undoes the command that failed, or whose caller went away. Where SQLite has undone the whole transaction already, as
    /// it does when the disk is full (<https://sqlite.org/lang_transaction.html>, section 3), those who shared it hear
    /// so, with `reason`: otherwise the next command would write outside any transaction and be kept on its own.
    async fn undo(&mut self, reason: Ended) {
        if self.savepoint == Savepoint::None {
            return;
        }
        if self.execute("ROLLBACK TO command").await.is_ok() {
            self.savepoint = Savepoint::InDoubt;
            let _ = self.execute("RELEASE command").await;
        } else if self.savepoint == Savepoint::Open {
            // Fails where nothing is left to undo.
            let _ = self.execute("ROLLBACK").await;
            self.tell(reason);
        }
        self.savepoint = Savepoint::None;
    }

    fn tell(&mut self, ended: Ended) {
        if let Some(batch) = self.batch.take() {
            batch.send_replace(Some(ended));
        }
    }

    /// Ends the open transaction, if there is one, and tells its writers. What a command left behind is undone.
    async fn commit(&mut self) {
        self.undo(Ended::Lost).await;
        if self.batch.is_some() {
            self.end_batch("COMMIT").await;
        }
    }

    /// Keeps the command and commits for all who wrote in the transaction.
    async fn keep_and_commit(&mut self) {
        self.savepoint = Savepoint::None;
        self.end_batch("RELEASE command; COMMIT").await;
    }

    async fn end_batch(&mut self, sql: &'static str) {
        let ended = match self.execute(sql).await {
            Ok(()) => Ended::Kept,
            Err(error) => {
                tracing::error!(code = error.code(), %error, "the commit failed");
                // Where the disk is full, SQLite may have undone it by itself.
                let _ = self.execute("ROLLBACK").await;
                Ended::of(&error)
            }
        };
        self.tell(ended);
    }
}

/// One command's turn to write.
#[derive(Debug)]
pub(crate) struct Turn {
    lock: Arc<Mutex<State>>,
    waiting: Arc<Waiting>,
    state: Option<OwnedMutexGuard<State>>,
    outcome: Option<watch::Receiver<Outcome>>,
    settled: bool,
}

impl Turn {
    /// The connection, inside the command's savepoint.
    #[expect(
        clippy::expect_used,
        reason = "a turn holds the lock and the connection until `end` consumes it"
    )]
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.state.as_mut().and_then(|state| state.connection.as_mut()).expect("a turn holds the connection")
    }

    /// Keeps or undoes what the command did, and answers once that is on disk.
    pub(crate) async fn end<T>(mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let (Some(mut state), Some(outcome)) = (self.state.take(), self.outcome.take()) else {
            return result;
        };
        // The commit runs in a task of its own, so that a caller who goes away does not interrupt that of the others.
        let ended = if result.is_ok() && self.waiting.is_nobody() {
            self.settled = true;
            tokio::spawn(async move {
                state.keep_and_commit().await;
                *outcome.borrow()
            })
        } else {
            if let Err(error) = &result {
                state.undo(Ended::of(error)).await;
            } else {
                state.savepoint = Savepoint::InDoubt;
                if let Err(error) = state.execute("RELEASE command").await {
                    // A statement had failed and the command went on: there is no transaction any more.
                    state.savepoint = Savepoint::Open;
                    return Err(error);
                }
                state.savepoint = Savepoint::None;
            }
            drop(state);
            // Behind those who were already waiting: they join the same transaction.
            let lock = Arc::clone(&self.lock);
            self.settled = true;
            tokio::spawn(async move {
                let mut state = lock.lock().await;
                if outcome.borrow().is_none() {
                    state.commit().await;
                }
                *outcome.borrow()
            })
        };
        match ended.await.ok().flatten() {
            Some(Ended::Kept) => result,
            _ if result.is_err() => result,
            Some(Ended::Full) => Err(StoreError::Full),
            Some(Ended::Lost) | None => Err(StoreError::NotCommitted),
        }
    }
}

impl Drop for Turn {
    /// A caller that went away must not leave its transaction open: another program could not write.
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.state.take();
        let lock = Arc::clone(&self.lock);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { lock.lock().await.commit().await });
        }
    }
}
