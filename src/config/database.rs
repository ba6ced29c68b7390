//! `[database]`: SQLite in the state directory, unless a PostgreSQL server is named.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::reader::Section;

/// Where the data is.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server; the address may hold a password.
    Postgres(SecretString),
}

impl Database {
    pub(super) fn read(section: &mut Section<'_>, state_dir: Option<&Path>) -> Option<Self> {
        let Some(url) = section.secret("url", "url_file") else {
            return state_dir.map(|state_dir| Self::Sqlite(state_dir.join("sceau.db")));
        };
        match url.expose_secret().split_once("://") {
            Some(("sqlite", path)) if path.starts_with('/') => Some(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => Some(Self::Postgres(url)),
            // The address is not repeated: it may hold a password.
            _ => {
                section.refuse(
                    "url",
                    "must begin with sqlite:/// (and an absolute path) or postgres://user@host/database",
                );
                None
            }
        }
    }
}
