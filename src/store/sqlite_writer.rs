//! The one connection that writes to SQLite, and how waiting writers share a commit.
//!
//! A commit that reaches the disk costs milliseconds, a savepoint microseconds. So each command runs in a savepoint
//! of a transaction that is shared: whoever has run its command queues up again behind those who were waiting, and
//! the first who comes round commits for all. Nobody gets an answer before the commit; without a queue the way round
//! is immediate. The lock is fair (first come, first served), so a batch always ends.

use std::sync::Arc;

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
}

/// The writing connection. See the module's description.
#[derive(Debug)]
pub struct SqliteWriter(pub(super) Arc<Mutex<State>>);

impl SqliteWriter {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self(Arc::new(Mutex::new(State {
            connection: Some(connection),
            batch: None,
            beginning: false,
            savepoint: Savepoint::None,
        })))
    }

    /// Waits for one's turn to write.
    pub(crate) async fn turn(&self) -> Result<Turn, StoreError> {
        let mut state = Arc::clone(&self.0).lock_owned().await;
        state.undo(Ended::Lost).await;
        if state.batch.is_none() {
            if state.beginning {
                // Fails where BEGIN had not arrived: then there is nothing to undo.
                let _ = state.execute("ROLLBACK").await;
            }
            state.beginning = true;
            state.execute("BEGIN IMMEDIATE").await?;
            state.beginning = false;
            state.batch = Some(watch::Sender::new(None));
        }
        state.savepoint = Savepoint::InDoubt;
        state.execute("SAVEPOINT command").await?;
        state.savepoint = Savepoint::Open;
        let outcome = state.batch.as_ref().map(watch::Sender::subscribe);
        Ok(Turn { lock: Arc::clone(&self.0), state: Some(state), outcome, settled: false })
    }

    pub(super) async fn close(&self) {
        let mut state = self.0.lock().await;
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

    /// Ends the open transaction, if there is one, and tells its writers.
    async fn commit(&mut self) {
        self.undo(Ended::Lost).await;
        if self.batch.is_none() {
            return;
        }
        let ended = match self.execute("COMMIT").await {
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
        // A task of its own, so that a caller who goes away does not interrupt the commit of the others.
        let ended = tokio::spawn(async move {
            let mut state = lock.lock().await;
            if outcome.borrow().is_none() {
                state.commit().await;
            }
            *outcome.borrow()
        });
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
