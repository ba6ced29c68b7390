//! What can go wrong with the database, in the words of whoever must mend it.

/// Why the database did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another program holds the database for longer than we wait.
    #[error("the database is locked by another program; stop it or wait, then try again")]
    Locked,
    /// The disk or the quota is full.
    #[error("the database cannot grow: the disk is full; free some space, nothing was lost")]
    Full,
    /// A newer version of the program wrote it.
    #[error(
        "the database was written by a newer version of Sceau (migration {0}); install that version again"
    )]
    Newer(i64),
    /// A migration that was applied is not the one this program has.
    #[error(
        "migration {0} of the database differs from this program's; restore the backup or the matching version"
    )]
    MigrationChanged(i64),
    /// An older version of the program wrote it, and it is to be left as it is.
    #[error(
        "the database lacks migration {0} of this program; the server brings it up to date when it starts"
    )]
    Older(i64),
    /// The server or file cannot be reached.
    #[error("the database cannot be opened: {0}")]
    Unreachable(String),
    /// The address in the configuration is not one of the two forms.
    #[error("database_url must be sqlite:///path/to/file or postgres://user@host/database, not {0:?}")]
    Address(String),
    /// A row holds what no version of the program writes.
    #[error("the row {id} of {table} is inconsistent: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The transaction that this command shared could not be committed.
    #[error("the database could not keep the change; nothing of it was kept, try again")]
    NotCommitted,
    /// Anything else that the driver says.
    #[error("the database failed: {0}")]
    Driver(#[source] sqlx::Error),
}

impl StoreError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked => "STORE-001",
            Self::Full => "STORE-002",
            Self::Newer(_) => "STORE-003",
            Self::MigrationChanged(_) => "STORE-004",
            Self::Unreachable(_) => "STORE-005",
            Self::Address(_) => "STORE-006",
            Self::Inconsistent { .. } => "STORE-007",
            Self::Driver(_) => "STORE-008",
            Self::NotCommitted => "STORE-009",
            Self::Older(_) => "STORE-015",
        }
    }

    /// Whether a unique constraint refused the row.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Driver(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Locked,
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => Self::Full,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Unreachable(error.to_string()),
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // SQLite: primary result code in the low byte (https://sqlite.org/rescode.html).
                Some(code) if sqlite_primary(code) == Some(5) || sqlite_primary(code) == Some(6) => {
                    Self::Locked
                }
                Some(code) if sqlite_primary(code) == Some(13) => Self::Full,
                Some(code) if sqlite_primary(code) == Some(14) => Self::Unreachable(database.to_string()),
                // PostgreSQL: SQLSTATE (appendix A of its manual).
                Some("55P03" | "40P01") => Self::Locked,
                Some("53100") => Self::Full,
                Some("3D000" | "28000" | "28P01" | "57P03") => Self::Unreachable(database.to_string()),
                _ => Self::Driver(error),
            },
            _ => Self::Driver(error),
        }
    }
}

/// The primary result code of SQLite; `None` for a SQLSTATE, which has five characters.
fn sqlite_primary(code: &str) -> Option<u32> {
    (code.len() < 5).then(|| code.parse::<u32>().ok()).flatten().map(|code| code & 0xFF)
}
