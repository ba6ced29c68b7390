//! Opening the database, of either kind, and bringing it up to date, or leaving it as it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, PgPool, SqliteConnection};

use super::sqlite_readers::SqliteReaders;
use super::sqlite_writer::SqliteWriter;
use super::{StoreError, migrations};

/// How long a command waits for a lock before it says so.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server; the text may hold a password.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text.split_once("://") {
            Some(("sqlite", path)) if path.starts_with('/') => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.to_owned())),
            // The text is not repeated beyond its scheme: it may hold a password.
            other => Err(StoreError::Address(
                other.map_or_else(String::new, |(scheme, _)| format!("{scheme}://…")),
            )),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// SQLite: several connections that read, one that writes.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pub(super) readers: Arc<SqliteReaders>,
    pub(super) writer: Arc<SqliteWriter>,
}

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Db {
    /// One node.
    Sqlite(Sqlite),
    /// Several nodes.
    Postgres(PgPool),
}

impl Db {
    /// Opens the database, creates the file of SQLite where it is missing, and applies the migrations it lacks.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where a newer program wrote it, [`StoreError::Unreachable`], [`StoreError::Locked`], …
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let options =
                    sqlite_options(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
                let mut connection = options.connect().await?;
                migrations::run_sqlite(&mut connection).await?;
                with_readers(connection, options).await
            }
            DatabaseUrl::Postgres(url) => {
                let pool = postgres_pool(url).await?;
                migrations::run_postgres(&pool).await?;
                Ok(Self::Postgres(pool))
            }
        }
    }

    /// Opens a database that is there, and leaves it as it is: none is made, and no migration is applied.
    ///
    /// # Errors
    /// As [`Db::open`]; [`StoreError::Older`] where it would be brought up to date, or [`StoreError::Unreachable`] where
    /// there is none.
    pub async fn open_as_it_is(url: &DatabaseUrl) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => {
                let options = sqlite_options(path);
                let mut connection = options.connect().await?;
                migrations::check_sqlite(&mut connection).await?;
                with_readers(connection, options).await
            }
            DatabaseUrl::Postgres(url) => {
                let pool = postgres_pool(url).await?;
                migrations::check_postgres(&pool).await?;
                Ok(Self::Postgres(pool))
            }
        }
    }

    /// Whether the database answers: for the readiness check.
    ///
    /// # Errors
    /// What it says instead.
    pub async fn ping(&self) -> Result<(), StoreError> {
        super::read!(self, c => sqlx::query("SELECT 1").execute(c).await.map(|_| ()).map_err(StoreError::from))
    }

    /// Waits for the running commands and closes the connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                sqlite.writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // FULL: a consumed code or an audit event must not come back after a power cut. The writer commits for all
        // who wait at once, so that the price is paid once.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

async fn with_readers(writer: SqliteConnection, options: SqliteConnectOptions) -> Result<Db, StoreError> {
    let readers = SqliteReaders::open(options.read_only(true).create_if_missing(false)).await?;
    Ok(Db::Sqlite(Sqlite { readers: Arc::new(readers), writer: Arc::new(SqliteWriter::new(writer)) }))
}

async fn postgres_pool(url: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Address("postgres://…".into()))?
        .options([("lock_timeout", "5000")])
        .disable_statement_logging();
    Ok(PgPoolOptions::new().max_connections(8).acquire_timeout(BUSY).connect_with(options).await?)
}
