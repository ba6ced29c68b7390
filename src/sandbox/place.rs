//! Where a sandbox keeps what it has: a directory of its own, of this run or of several, that is never a real
//! installation's.
//!
//! A directory that holds anything and was not made by a sandbox is refused before it is opened: opening would bring a
//! real database up to date. The database says once more what it is for; `sceau serve` reads that.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The file that a sandbox leaves in its directory.
const MARK: &str = "sandbox";
const MARK_TEXT: &str =
    "Made by `sceau sandbox`. Nobody in here is real, and no key in here may ever sign for anybody.\n";

/// The directory, and whether it goes with the process.
#[derive(Debug)]
pub(super) enum Place {
    /// Gone at the end.
    Temporary(TempDir),
    /// Kept.
    Kept(PathBuf),
}

/// Why there is no place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It holds something that no sandbox made.
    #[error(
        "{0} holds files that no sandbox made: a real installation's keys must not sign for people who do not exist. \
         Name an empty directory, or leave --state-dir away"
    )]
    NotOurs(PathBuf),
    /// It cannot be used.
    #[error("{path}: {source}")]
    File {
        /// What cannot be used.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Place {
    /// Makes it, or goes back to it.
    ///
    /// # Errors
    /// [`PlaceError`]; nothing was changed in what is not ours.
    pub(super) fn take(kept: Option<&Path>) -> Result<Self, PlaceError> {
        let failed = |path: &Path, source| PlaceError::File { path: path.to_owned(), source };
        let place = match kept {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
                let mut files = std::fs::read_dir(path).map_err(|source| failed(path, source))?;
                let is_ours = std::fs::read_to_string(path.join(MARK)).is_ok_and(|text| text == MARK_TEXT);
                if !is_ours && files.next().is_some() {
                    return Err(PlaceError::NotOurs(path.to_owned()));
                }
                Self::Kept(std::path::absolute(path).map_err(|source| failed(path, source))?)
            }
            None => {
                let parent = std::env::temp_dir();
                let made = tempfile::Builder::new().prefix("sceau-sandbox-").tempdir_in(&parent);
                Self::Temporary(made.map_err(|source| failed(&parent, source))?)
            }
        };
        let mark = place.path().join(MARK);
        std::fs::write(&mark, MARK_TEXT).map_err(|source| failed(&mark, source))?;
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_a_sandbox_s_or_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept");
        assert_eq!(Place::take(Some(&path)).unwrap().path(), path);
        std::fs::write(path.join("sceau.db"), "").unwrap();
        assert_eq!(Place::take(Some(&path)).unwrap().path(), path, "a second start goes back to it");

        for name in ["seal.key", "sceau.db", "anything"] {
            let real = dir.path().join(format!("real-{name}"));
            std::fs::create_dir(&real).unwrap();
            std::fs::write(real.join(name), "").unwrap();
            assert!(matches!(Place::take(Some(&real)), Err(PlaceError::NotOurs(_))), "{name}");
            let left: Vec<_> = std::fs::read_dir(&real).unwrap().collect();
            assert_eq!(left.len(), 1, "nothing was added");
        }
    }

    #[test]
    fn a_temporary_place_goes_with_the_process() {
        let place = Place::take(None).unwrap();
        let path = place.path().to_owned();
        assert!(path.join(MARK).exists());
        drop(place);
        assert!(!path.exists());
    }
}
