//! One hospital with everything: the server with its database, a workstation with reader and agent, relying parties.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use sceau::audit::Kind;
use sceau::clock::{Clock as _, SharedClock, SystemClock};
use sceau::config::Config;
use sceau::crypto::digest::sha256;
use sceau::crypto::random::SystemRandom;
use sceau::ids::{Secret, SharedRandom};
use sceau::sandbox::SERVICES;
use sceau::sandbox::relying_party::RelyingParty;
use sceau::store::client::{self, Audience, NewClient, ProfileName};

use sceau_certs::Pki;
use sceau_hw_tests::identity;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard, vpcd::Inserted};
use serde_json::Value;

use super::other_server::OtherServer;
use super::postgres::Postgres;
use super::program::{Program, ours};
use super::terminal::Terminal;
use super::until;

pub const FRONT: &str = "http://localhost:8080";
pub const ISSUER: &str = "http://localhost:8080/auth/realms/esante-wallet";
pub const AGENT: &str = "http://127.0.0.1:47810";
/// The first demonstration relying party, and the second.
pub const RECORDS: &str = "http://127.0.0.1:8081";
pub const IMAGES: &str = "http://127.0.0.1:8082";

pub const PORT: u16 = 8080;
pub const AGENT_PORT: u16 = 47810;
/// The hospital of the invented directory.
pub const FINESS: &str = "0B0172805";

/// Where the PIN is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinEntry {
    /// In the agent's page.
    Page,
    /// In a window of the agent: here, `pinentry-tty` on a terminal.
    Terminal,
}

/// What differs between hospitals.
#[derive(Debug)]
pub struct Setup {
    /// The cards that there are, by their names in `sceau-certs`.
    pub cards: &'static [&'static str],
    pub pin: PinEntry,
    pub postgres: bool,
    /// Further lines of the section `[card]`.
    pub card_settings: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self { cards: &["good"], pin: PinEntry::Page, postgres: false, card_settings: "" }
    }
}

/// A hospital in operation. Dropping it ends everything in it.
pub struct Hospital {
    directory: tempfile::TempDir,
    pki: Pki,
    pcscd: Option<Pcscd>,
    /// The card service alone, with no reader in it.
    without_readers: Option<Program>,
    card: Option<Inserted>,
    server: Option<Program>,
    agent: Option<Program>,
    relying_parties: Vec<Program>,
    pub terminal: Option<Terminal>,
    _postgres: Option<Postgres>,
}

impl Hospital {
    /// The usual: the doctors of the invented directory are admitted, one's card is in the reader, the workstation is
    /// enrolled, both relying parties run.
    pub async fn open(setup: Setup) -> Self {
        let mut hospital = Self::empty(&setup).await;
        hospital.import(&["--finess", FINESS]);
        hospital.enrol();
        hospital.start_agent().await;
        hospital.start_relying_parties().await;
        hospital.insert("good");
        hospital
    }

    /// A workstation that is enrolled with another hospital's server only, with the doctor's card in its reader.
    pub async fn workstation(setup: &Setup) -> (Self, OtherServer) {
        let mut hospital = Self::without_server(setup).await;
        let (other, code) = OtherServer::open().await;
        hospital.enrol_with(other.origin(), &code);
        hospital.start_agent().await;
        hospital.insert("good");
        (hospital, other)
    }

    /// A server that runs, and a reader without a card: nobody is known, no workstation is enrolled.
    pub async fn empty(setup: &Setup) -> Self {
        let mut hospital = Self::without_server(setup).await;
        hospital.sceau(&["init"]);
        hospital.start_server().await;
        hospital
    }

    async fn without_server(setup: &Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pki = identity::authorities(setup.cards).unwrap();
        pki.write_to(&directory.path().join("pki")).unwrap();
        let postgres = if setup.postgres { Some(Postgres::start().await) } else { None };
        let configuration = configuration(setup, postgres.as_ref());
        std::fs::write(directory.path().join("sceau.toml"), configuration).unwrap();
        Self {
            directory,
            pki,
            pcscd: Some(Pcscd::start("Sceau test").unwrap()),
            without_readers: None,
            card: None,
            server: None,
            agent: None,
            relying_parties: Vec::new(),
            terminal: (setup.pin == PinEntry::Terminal).then(Terminal::open),
            _postgres: postgres,
        }
    }

    pub async fn start_server(&mut self) {
        let program = Program::start("sceau serve", self.command("sceau").arg("serve"));
        self.server = Some(program.listening_on(PORT).await);
    }

    pub async fn stop_server(&mut self) {
        let status = self.server.take().unwrap().stop().await;
        assert!(status.success(), "sceau serve ended with {status}");
    }

    pub async fn start_agent(&mut self) {
        let mut command = self.command("sceau-agent");
        command.arg("run");
        match &self.terminal {
            None => command.args(["--pin-entry", "page"]),
            Some(terminal) => command.env("GPG_TTY", terminal.path()).env("TERM", "xterm"),
        };
        self.agent = Some(Program::start("sceau-agent run", &mut command).listening_on(AGENT_PORT).await);
    }

    pub async fn stop_agent(&mut self) {
        let status = self.agent.take().unwrap().stop().await;
        assert!(status.success(), "sceau-agent run ended with {status}");
    }

    /// Waits until the agent has logged `text`.
    pub async fn agent_logs(&self, text: &str) {
        until(&format!("the agent to log {text}"), async || self.agent_log().contains(text).then_some(()))
            .await;
    }

    /// What the agent has logged.
    pub fn agent_log(&self) -> String {
        self.agent.as_ref().map(Program::log).unwrap_or_default()
    }

    pub fn server_log(&self) -> String {
        self.server.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Starts both demonstration relying parties, registered at the server.
    pub async fn start_relying_parties(&mut self) {
        for service in SERVICES {
            let secret = self
                .register(
                    service.client_id,
                    service.name,
                    &service.redirect_uri(),
                    &service.post_logout_redirect_uri(),
                    Some(service.backchannel_logout_uri()),
                )
                .await;
            let party = RelyingParty::new(
                service,
                url::Url::parse(ISSUER).unwrap(),
                Secret::from(secret),
                Arc::new(SystemClock),
                Arc::new(SystemRandom),
            );
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, service.port)).await.unwrap();
            tokio::spawn(async move { axum::serve(listener, party.router()).await });
        }
    }

    /// Registers a relying party; its secret.
    pub async fn register(
        &self,
        client_id: &str,
        name: &str,
        redirect_uri: &str,
        signed_out: &str,
        backchannel_logout_uri: Option<String>,
    ) -> String {
        let config = Config::read(&self.configuration()).unwrap();
        let db = sceau::app::open_database(&config).await.unwrap();
        let secret = Secret::of_256_bits(&SystemRandom);
        let client = NewClient {
            id: client_id.to_owned(),
            name: name.to_owned(),
            profile: ProfileName::Psc,
            secret_hash: sha256(secret.expose().as_bytes()),
            redirect_uris: vec![redirect_uri.to_owned()],
            post_logout_redirect_uris: vec![signed_out.to_owned()],
            backchannel_logout_uri,
            audience: Audience::Affiliated,
            may_introspect: false,
        };
        let (clock, random): (SharedClock, SharedRandom) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let trail = sceau::app::trail(&config, &clock, &random);
        let event = (&trail.event(Kind::ClientAdded).client(client_id).actor("test")).into();
        client::add(&db, &client, clock.now(), &event).await.unwrap();
        db.close().await;
        secret.expose().to_owned()
    }

    /// Imports the invented directory.
    pub fn import(&self, arguments: &[&str]) {
        let file = self.directory.path().join("directory.txt");
        std::fs::write(&file, include_str!("../../../../src/sandbox/directory.txt")).unwrap();
        self.sceau(&[&["directory", "import", file.to_str().unwrap()], arguments].concat());
    }

    /// Invites the workstation and enrols it with the code.
    pub fn enrol(&self) {
        let said = self.sceau(&["workstation", "invite", "--site", "Site principal", "--zone", "bureaux"]);
        let code = said.split_whitespace().find(|word| word.starts_with("sceau1.")).expect("a code");
        self.enrol_with(FRONT, code);
    }

    /// Enrols the workstation with the server at `address`, whose administrator handed out `code`.
    pub fn enrol_with(&self, address: &str, code: &str) {
        let enrolled = self.try_agent(&["enrol", address, code]);
        assert!(enrolled.status.success(), "sceau-agent enrol: {enrolled:?}");
    }

    /// Who is on the card called `name`.
    pub fn identity(&self, name: &str) -> Identity {
        identity::of(&self.pki, name).unwrap()
    }

    /// Puts the card called `name` into the first reader.
    pub fn insert(&mut self, name: &str) {
        self.insert_card(SoftCard::new(self.identity(name), Profile::default()));
    }

    pub fn insert_card(&mut self, card: SoftCard) {
        self.remove();
        self.card = Some(self.readers().insert(0, card).unwrap());
    }

    /// Takes the card out of the reader, if there is one.
    pub fn remove(&mut self) {
        if let Some(card) = self.card.take() {
            self.readers().remove(0, card).unwrap();
        }
    }

    fn readers(&self) -> &Pcscd {
        self.pcscd.as_ref().expect("there are readers")
    }

    /// Ends the card service.
    pub fn stop_readers(&mut self) {
        self.remove();
        self.without_readers = None;
        self.pcscd = None;
    }

    /// Starts the card service again, with its readers.
    pub fn start_readers(&mut self) {
        self.stop_readers();
        self.pcscd = Some(Pcscd::start("Sceau test").unwrap());
    }

    /// Starts the card service with no reader in it.
    pub async fn start_without_readers(&mut self) {
        self.stop_readers();
        let nothing = self.directory.path().join("no-readers");
        std::fs::create_dir_all(&nothing).unwrap();
        let mut command = Command::new("pcscd");
        command.args(["--foreground", "--config"]).arg(nothing);
        self.without_readers = Some(Program::start("pcscd without readers", &mut command));
        until("the card service", async || Path::new("/run/pcscd/pcscd.comm").exists().then_some(())).await;
    }

    pub fn card(&self) -> &Inserted {
        self.card.as_ref().expect("there is a card in the reader")
    }

    /// Runs a command of `sceau`, which has to succeed; what it says on standard output.
    pub fn sceau(&self, arguments: &[&str]) -> String {
        let output = self.try_sceau(arguments);
        assert!(output.status.success(), "sceau {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn try_sceau(&self, arguments: &[&str]) -> Output {
        self.command("sceau").args(arguments).output().unwrap()
    }

    /// Runs a command of `sceau-agent`.
    pub fn try_agent(&self, arguments: &[&str]) -> Output {
        self.command("sceau-agent").args(arguments).output().unwrap()
    }

    /// The last event that speaks of `code`.
    pub fn assert_audited(&self, code: &str) {
        let events = self.audit();
        let found = events.iter().any(|event| event.to_string().contains(code));
        assert!(found, "{code} is not in the audit trail: {events:#?}");
    }

    /// The audit trail, oldest first.
    pub fn audit(&self) -> Vec<Value> {
        let listed = self.sceau(&["audit", "list", "--json"]);
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(ours(program));
        let home = self.directory.path();
        command
            .env("HOME", home)
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env("LC_ALL", "C.UTF-8");
        if program == "sceau" {
            command.arg("--config").arg(self.configuration());
        } else {
            command.env("PATH", self.path_with_pinentry());
        }
        command
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("sceau.toml")
    }

    /// A path on which `pinentry` is `pinentry-tty`, as Debian's alternatives make it where there is no desktop.
    fn path_with_pinentry(&self) -> std::ffi::OsString {
        let directory = self.directory.path().join("bin");
        if std::fs::create_dir(&directory).is_ok() {
            std::os::unix::fs::symlink("/usr/bin/pinentry-tty", directory.join("pinentry")).unwrap();
        }
        let path = std::env::var_os("PATH").unwrap();
        std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&path))).unwrap()
    }
}

fn configuration(setup: &Setup, postgres: Option<&Postgres>) -> String {
    let Setup { card_settings, .. } = setup;
    let database = postgres
        .map(|postgres| format!("[database]\nurl = \"{}\"\n", postgres.address()))
        .unwrap_or_default();
    format!(
        r#"config_version = 1

[server]
issuer = "{ISSUER}"
listen = "127.0.0.1:{PORT}"
state_dir = "state"

[establishment]
name = "Centre hospitalier de Saint-Aubin"
finess = ["{FINESS}"]

[card]
anchors_dir = "pki/anchors"
crl_dir = "pki/crl"
accept_test_cards = true
{card_settings}

[egress]
allow = ["127.0.0.1"]

{database}"#
    )
}
