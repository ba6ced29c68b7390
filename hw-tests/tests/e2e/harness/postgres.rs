//! A PostgreSQL cluster from Debian's package, for the run that is not on SQLite.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::program::{Program, as_ordinary_user};
use super::until;

/// A running cluster with one empty database, `sceau`.
#[derive(Debug)]
pub struct Postgres {
    _server: Program,
    directory: tempfile::TempDir,
}

impl Postgres {
    pub async fn start() -> Self {
        let (bin, directory) = (binaries(), tempfile::tempdir().unwrap());
        let data = directory.path().join("data");
        let made = as_ordinary_user(bin.join("initdb"))
            .args(["--username=sceau", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"])
            .arg("-D")
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server = Program::start(
            "PostgreSQL",
            as_ordinary_user(bin.join("postgres"))
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(directory.path())
                .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off"]),
        );
        until("the database sceau", async || {
            Command::new(bin.join("createdb"))
                .arg("-h")
                .arg(directory.path())
                .args(["-U", "sceau", "sceau"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
                .then_some(())
        })
        .await;
        Self { _server: server, directory }
    }

    /// The address for the configuration.
    pub fn address(&self) -> String {
        format!("postgres://sceau@localhost/sceau?host={}", self.directory.path().display())
    }
}

fn binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.retain(|path| path.join("initdb").exists());
    versions.sort();
    versions.pop().expect("PostgreSQL is missing: run `make setup` (Debian package postgresql)")
}
