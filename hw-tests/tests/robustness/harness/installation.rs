//! One installation: authorities, configuration, state on disk or in PostgreSQL, and the program on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sceau_certs::Pki;
use sceau_hw_tests::identity;
use serde_json::Value;

use super::postgres::Postgres;
use super::program::{Program, ours};
use super::workstation::Workstation;

pub const PORT: u16 = 8080;
/// The server as browsers name it.
pub const HOST: &str = "localhost:8080";
pub const FRONT: &str = "http://localhost:8080";
pub const REALM: &str = "/auth/realms/esante-wallet";
/// The relying party, which nobody has to serve: only where a browser is sent counts.
pub const CLIENT: &str = "dpi";
pub const REDIRECT: &str = "https://dpi.hopital.example/callback";
/// The card that its holder is admitted with.
pub const CARD: &str = "good";
/// The hospital of the invented directory.
pub const FINESS: &str = "0B0172805";
/// Its people, in the format of the national directory.
pub const DIRECTORY: &str = include_str!("../../../../src/sandbox/directory.txt");

/// An installation. Dropping it removes its files.
pub struct Installation {
    directory: tempfile::TempDir,
    pki: Pki,
    postgres: Option<Postgres>,
    secret: String,
}

impl Installation {
    /// After `sceau init`, on SQLite, with one professional admitted and one relying party registered.
    pub fn on_sqlite() -> Self {
        Self::with(None)
    }

    /// The same, on a PostgreSQL cluster of its own.
    pub async fn on_postgres() -> Self {
        Self::with(Some(Postgres::start().await))
    }

    fn with(postgres: Option<Postgres>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pki = identity::authorities(&[CARD]).unwrap();
        pki.write_to(&directory.path().join("pki")).unwrap();
        let mut new = Self { directory, pki, postgres, secret: String::new() };
        std::fs::write(new.configuration(), new.text()).unwrap();
        new.sceau(&["init"]);
        let people = new.path("directory.txt");
        std::fs::write(&people, DIRECTORY).unwrap();
        new.sceau(&["directory", "import", people.to_str().unwrap()]);
        let added =
            new.sceau(&["client", "add", CLIENT, "--json", "--name", "DPI", "--redirect-uri", REDIRECT]);
        let added: Value = serde_json::from_str(&added).unwrap();
        new.secret = added["client_secret"].as_str().unwrap().to_owned();
        new
    }

    fn text(&self) -> String {
        let postgres = self.postgres.as_ref().map(Postgres::address);
        let database = postgres.map(|url| format!("[database]\nurl = \"{url}\"\n")).unwrap_or_default();
        format!(
            "config_version = 1\n[oidc]\nrefresh_grace = \"0 s\"\n[server]\nissuer = \"{FRONT}{REALM}\"\nlisten = \"127.0.0.1:{PORT}\"\n\
             state_dir = \"state\"\nrequests_per_minute = 100000\n[establishment]\nfiness = [\"{FINESS}\"]\n\
             [card]\nanchors_dir = \"pki/anchors\"\ncrl_dir = \"pki/crl\"\naccept_test_cards = true\n{database}"
        )
    }

    /// A file of the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory of the SQLite database and the seal key.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn configuration(&self) -> PathBuf {
        self.path("sceau.toml")
    }

    /// The secret of [`CLIENT`].
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Starts the server and waits until it serves.
    pub async fn serve(&self) -> Program {
        let mut command = Command::new(ours("sceau"));
        command.arg("--config").arg(self.configuration()).arg("serve");
        Program::start("sceau serve", &mut command).listening_on(PORT).await
    }

    /// A command of the program, not started yet. `before` is what it is started with, such as `strace`.
    pub fn command(&self, before: &[&str], arguments: &[&str]) -> Command {
        let program = ours("sceau");
        let mut command = match before {
            [] => Command::new(&program),
            [wrapper, its @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(its).arg(&program);
                command
            }
        };
        command.arg("--config").arg(self.configuration()).args(arguments);
        command
    }

    /// Runs a command that has to succeed; what it says on standard output.
    pub fn sceau(&self, arguments: &[&str]) -> String {
        let output = self.try_sceau(arguments);
        assert!(output.status.success(), "sceau {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn try_sceau(&self, arguments: &[&str]) -> Output {
        self.command(&[], arguments).output().unwrap()
    }

    /// Enrols a workstation of this process with the running server, the card in its reader.
    pub async fn workstation(&self) -> Workstation {
        let said = self.sceau(&["workstation", "invite", "--site", "Site principal", "--zone", "bureaux"]);
        let code = said.split_whitespace().find(|word| word.starts_with("sceau1.")).expect("a code");
        Workstation::enrol(code, self.pki.card(CARD).unwrap()).await
    }

    /// The events of a kind that succeeded, oldest first.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let listed = self.sceau(&["audit", "list", "--kind", kind, "--outcome", "success", "--json"]);
        listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].take()).collect()
    }

    /// The chain of the audit is whole.
    pub fn assert_audit_verifies(&self) {
        self.sceau(&["audit", "verify"]);
    }
}

/// Copies a directory without directories in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
