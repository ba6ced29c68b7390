//! Why an import stopped. Nothing of it is in use then: the directory is the one of before.

use std::path::PathBuf;

use super::super::identifier::IdError;
use crate::store::StoreError;

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("{} cannot be opened: {error}", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The first line is not UTF-8.
    #[error(
        "{} is not in UTF-8, as the directory is published: it was probably opened and saved by another program; \
         download it again", file.display()
    )]
    Encoding {
        /// The file.
        file: PathBuf,
    },
    /// The first line is not that of the file we read.
    #[error(
        "{} is not PS_LibreAcces_Personne_activite: its first line does not name the columns of that file, separated \
         by |{hint}", file.display()
    )]
    Header {
        /// The file.
        file: PathBuf,
        /// What it looks like instead, from a semicolon on; may be empty.
        hint: &'static str,
    },
    /// Columns are missing.
    #[error(
        "{} lacks the columns {}: is it an old or shortened extraction? Download it again",
        file.display(), columns.join(", ")
    )]
    Columns {
        /// The file.
        file: PathBuf,
        /// Their names.
        columns: Vec<&'static str>,
    },
    /// The last line ends in the middle.
    #[error(
        "{} is cut: it ends in the middle of line {line}; download it again", file.display()
    )]
    Cut {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// So many lines are bad that the good ones are no directory.
    #[error(
        "{rejected} of {lines} lines cannot be used, far more than usual; look at the ones listed, then download the \
         file again, or repeat with --accept-change"
    )]
    TooManyBad {
        /// Lines that cannot be used.
        rejected: u64,
        /// Lines read.
        lines: u64,
    },
    /// Far fewer people than in the directory in use.
    #[error(
        "the new directory knows {after} people, the one in use {before}: more than 5 % would be gone; compare with \
         the size of the published file, then repeat with --accept-change if this is right"
    )]
    FewerPeople {
        /// In use.
        before: u64,
        /// New.
        after: u64,
    },
    /// Many of this establishment's people would lose their link.
    #[error(
        "{ended} of the {before} people linked with this establishment would lose their link and be signed out; check \
         --finess, --siret and --rpps-list, then repeat with --accept-change if this is right"
    )]
    FewerLinks {
        /// Linked now.
        before: usize,
        /// Linked no more.
        ended: usize,
    },
    /// Another import runs.
    #[error(
        "another import of the directory is running; wait for its end (2 minutes after a crash), then try again"
    )]
    Running,
    /// It is the archive.
    #[error("{} is an archive: unpack it (unzip) and give the file in it", file.display())]
    Archive {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be read further.
    #[error("{} cannot be read beyond line {line}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What the system says.
        error: std::io::Error,
    },
    /// The establishment's list holds what is no identifier.
    #[error("{}, line {line}: {error}", file.display())]
    List {
        /// The list.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        error: IdError,
    },
    /// A number of this establishment is none.
    #[error("{0:?} is not a {1}")]
    Structure(String, &'static str),
    /// Nobody in it.
    #[error("there is no professional in the files given")]
    Empty,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "DIR-001",
            Self::Encoding { .. } => "DIR-002",
            Self::Header { .. } => "DIR-003",
            Self::Columns { .. } => "DIR-004",
            Self::Cut { .. } => "DIR-005",
            Self::TooManyBad { .. } => "DIR-006",
            Self::FewerPeople { .. } => "DIR-007",
            Self::FewerLinks { .. } => "DIR-008",
            Self::Running => "DIR-009",
            Self::Archive { .. } => "DIR-010",
            Self::Read { .. } => "DIR-011",
            Self::List { .. } => "DIR-012",
            Self::Structure(..) => "DIR-013",
            Self::Empty => "DIR-014",
            Self::Store(error) => error.code(),
        }
    }
}
