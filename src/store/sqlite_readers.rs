//! The connections that read SQLite.
//!
//! Each has a thread of its own, and each question to it is a way there and back. The usual pool asks a connection
//! whether it lives before it lends it and again afterwards, which makes three ways of one. A file does not hang up:
//! here a connection is lent as it is. They are opened when they are needed, the first at once.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::StoreError;
use super::open::BUSY;

/// More than processors, since a reader also waits for the disk.
const READERS: u32 = 4;

/// The reading connections. See the module's description.
#[derive(Debug)]
pub struct SqliteReaders {
    options: SqliteConnectOptions,
    /// Those that nobody uses; the one that was used last is lent first, since it remembers most.
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Arc<Semaphore>,
}

impl SqliteReaders {
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let first = options.connect().await?;
        let permits = Arc::new(Semaphore::new(READERS as usize));
        Ok(Self { options, idle: Mutex::new(vec![first]), permits })
    }

    /// Waits for a connection.
    pub(crate) async fn reader(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let free = tokio::time::timeout(BUSY, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = free.map_err(|_| StoreError::Locked)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Reader { readers: Arc::clone(self), connection: Some(connection), _permit: permit })
    }

    /// Waits for those who read, and lets nobody read after them.
    pub(super) async fn close(&self) {
        let _all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a reading connection did not close cleanly");
            }
        }
    }
}

/// A connection that may only read, lent.
#[derive(Debug)]
pub(crate) struct Reader {
    readers: Arc<SqliteReaders>,
    connection: Option<SqliteConnection>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    #[expect(clippy::expect_used, reason = "a reader holds its connection until it is dropped")]
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a reader holds its connection")
    }
}

impl Drop for Reader {
    /// A question whose asker went away is answered to nobody, and the next one has its own way back.
    fn drop(&mut self) {
        let idle = &self.readers.idle;
        idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}
