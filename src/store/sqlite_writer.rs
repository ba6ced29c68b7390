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

/// How a shared transaction ended. `None`: not yet. `Some(false)`: the commit failed, nothing was kept.
type Outcome = Option<bool>;

#[derive(Debug)]
pub(super) struct State {
    pub(super) connection: Option<SqliteConnection>,
    /// The transaction that is open, and how its writers hear of its end.
    batch: Option<watch::Sender<Outcome>>,
    /// BEGIN was sent and not answered: the caller went away.
    beginning: bool,
    /// A command began and did not end: its caller went away in the middle.
    abandoned: bool,
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
            abandoned: false,
        })))
    }

    /// Waits for one's turn to write.
    pub(crate) async fn turn(&self) -> Result<Turn, StoreError> {
        let mut state = Arc::clone(&self.0).lock_owned().await;
        state.undo_abandoned().await;
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
        state.abandoned = true;
        state.execute("SAVEPOINT command").await?;
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

    /// Undoes the command whose caller went away. It may have gone before SAVEPOINT or after RELEASE: then the
    /// statements fail, and rightly do nothing.
    async fn undo_abandoned(&mut self) {
        if self.abandoned {
            let _ = self.execute("ROLLBACK TO command").await;
            let _ = self.execute("RELEASE command").await;
            self.abandoned = false;
        }
    }

    /// Ends the open transaction, if there is one, and tells its writers.
    async fn commit(&mut self) {
        self.undo_abandoned().await;
        let Some(batch) = self.batch.take() else { return };
        let committed = self.execute("COMMIT").await;
        if let Err(error) = &committed {
            tracing::error!(code = error.code(), %error, "the commit failed");
            // SQLite undoes the whole transaction by itself where the disk is full; otherwise we do.
            let _ = self.execute("ROLLBACK").await;
        }
        batch.send_replace(Some(committed.is_ok()));
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
        if result.is_err() {
            state.undo_abandoned().await;
        } else {
            state.execute("RELEASE command").await?;
            state.abandoned = false;
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
        let kept = ended.await.ok().flatten().unwrap_or(false);
        if kept || result.is_err() { result } else { Err(StoreError::NotCommitted) }
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
