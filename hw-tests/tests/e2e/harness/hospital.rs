//! One hospital with everything: the server with its database, a workstation with reader and agent, relying parties.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use sceau::app::App;
use sceau::clock::{SharedClock, SystemClock};
use sceau::config::Config;
use sceau::crypto::random::SystemRandom;
use sceau::ids::Secret;
use sceau::sandbox::SERVICES;
use sceau::sandbox::relying_party::RelyingParty;

use sceau_certs::{KeyPair, Pki};
use sceau_hw_tests::identity;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard, vpcd::Inserted};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::certificates;
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
/// The cards of these tests are test cards.
const ACCEPT: &str = "accept_test_cards = true";
/// The hospital of the invented directory.
pub const FINESS: &str = "0B0172805";
/// Its people, in the format of the national directory.
pub const DIRECTORY: &str = include_str!("../../../../src/sandbox/directory.txt");

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
}

impl Default for Setup {
    fn default() -> Self {
        Self { cards: &["good"], pin: PinEntry::Page, postgres: false }
    }
}

/// The server: the program, or the same inside this process for a test that sets the time.
enum Server {
    Program(Program),
    Here(#[expect(dead_code, reason = "dropping it ends the server")] DropGuard),
}

/// A hospital in operation. Dropping it ends everything in it.
pub struct Hospital {
    directory: tempfile::TempDir,
    pki: Pki,
    pcscd: Option<Pcscd>,
    /// The card service alone, with no reader in it.
    without_readers: Option<Program>,
    card: Option<Inserted>,
    server: Option<Server>,
    agent: Option<Program>,
    pub terminal: Option<Terminal>,
    postgres: Option<Postgres>,
}

impl Hospital {
    /// The usual: the doctors of the invented directory are admitted, one's card is in the reader, the workstation is
    /// enrolled, both relying parties run.
    pub async fn open(setup: Setup) -> Self {
        let mut hospital = Self::empty(&setup).await;
        hospital.import();
        hospital.enrol();
        hospital.start_agent().await;
        hospital.start_relying_parties().await;
        hospital.insert("good");
        hospital
    }

    /// As [`Self::open`], with a server in this process whose time is `clock`.
    pub async fn open_at(setup: Setup, clock: SharedClock) -> Self {
        let mut hospital = Self::without_server(&setup).await;
        hospital.sceau(&["init"]);
        hospital.start_server_at(clock).await;
        hospital.import();
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
        let configuration = configuration(ACCEPT, postgres.as_ref());
        std::fs::write(directory.path().join("sceau.toml"), configuration).unwrap();
        Self {
            directory,
            pki,
            pcscd: Some(Pcscd::start("Sceau test").unwrap()),
            without_readers: None,
            card: None,
            server: None,
            agent: None,
            terminal: (setup.pin == PinEntry::Terminal).then(Terminal::open),
            postgres,
        }
    }

    pub async fn start_server(&mut self) {
        let program = Program::start("sceau serve", self.command("sceau").arg("serve"));
        self.server = Some(Server::Program(program.listening_on(PORT).await));
    }

    async fn start_server_at(&mut self, clock: SharedClock) {
        let config = Arc::new(Config::read(&self.configuration()).unwrap());
        let app = App::start(config, clock, Arc::new(SystemRandom)).await.unwrap();
        let (listener, stop) = (app.bind().await.unwrap(), CancellationToken::new());
        tokio::spawn(app.serve(listener, stop.clone()));
        self.server = Some(Server::Here(stop.drop_guard()));
    }

    /// Starts the server again with `card_settings` in its section `[card]`.
    pub async fn configure(&mut self, card_settings: &str) {
        self.stop_server().await;
        let accept = if card_settings.contains("accept_test_cards") { "" } else { ACCEPT };
        let text = configuration(&format!("{accept}\n{card_settings}"), self.postgres.as_ref());
        std::fs::write(self.configuration(), text).unwrap();
        self.start_server().await;
    }

    /// Opens the way by the card's certificate, with `settings` in the section `[card.tls]` besides its address.
    pub async fn ask_for_certificates(&mut self, settings: &str) {
        let url = certificates::address();
        self.configure(&format!("[card.tls]\nurl = \"{url}\"\n{settings}")).await;
    }

    /// Where files of this hospital may be put.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the middleware offers a browser of the card called `name`.
    pub fn authentication(&self, name: &str) -> &KeyPair {
        &self.pki.card(name).unwrap_or_else(|| panic!("there is no card {name}")).authentication
    }

    /// A copy of the server's state, which does not run.
    pub fn keep_state(&self) -> tempfile::TempDir {
        assert!(self.server.is_none(), "a running server's files are not copied");
        let kept = tempfile::tempdir().unwrap();
        copy(&self.directory.path().join("state"), kept.path());
        kept
    }

    /// Puts a copy back.
    pub fn restore_state(&self, kept: &tempfile::TempDir) {
        assert!(self.server.is_none(), "a running server's files are not replaced");
        let state = self.directory.path().join("state");
        for entry in std::fs::read_dir(&state).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        copy(kept.path(), &state);
    }

    pub async fn stop_server(&mut self) {
        let Some(Server::Program(program)) = self.server.take() else { panic!("the server is no program") };
        let status = program.stop().await;
        assert!(status.success(), "sceau serve ended with {status}");
    }

    pub async fn start_agent(&mut self) {
        let mut command = self.agent_command();
        command.arg("run");
        if self.terminal.is_none() {
            command.args(["--pin-entry", "page"]);
        }
        self.agent = Some(Program::start("sceau-agent run", &mut command).listening_on(AGENT_PORT).await);
    }

    /// `sceau-agent` on the test's terminal, if there is one.
    pub fn agent_command(&self) -> Command {
        let mut command = self.command("sceau-agent");
        if let Some(terminal) = &self.terminal {
            command.env("GPG_TTY", terminal.path()).env("TERM", "xterm");
        }
        command
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

    /// Starts both demonstration relying parties, registered at the server.
    pub async fn start_relying_parties(&mut self) {
        for service in SERVICES {
            let logout = service.backchannel_logout_uri();
            let secret = self.register(
                service.client_id,
                service.name,
                &service.redirect_uri(),
                &service.post_logout_redirect_uri(),
                &["--backchannel-logout-uri", &logout],
            );
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

    /// Registers a relying party; its secret. `more` are further arguments of `sceau client add`.
    pub fn register(
        &self,
        id: &str,
        name: &str,
        redirect_uri: &str,
        signed_out: &str,
        more: &[&str],
    ) -> String {
        let arguments = ["client", "add", id, "--json", "--name", name, "--redirect-uri", redirect_uri];
        let said = self.sceau(&[&arguments, &["--post-logout-redirect-uri", signed_out][..], more].concat());
        let registered: Value = serde_json::from_str(&said).unwrap();
        registered["client_secret"].as_str().unwrap().to_owned()
    }

    /// Registers the server of an API that exchanges tokens, with what it may ask for; its secret.
    pub fn register_api(&self, id: &str, scope: &str) -> String {
        let document = serde_json::json!({
            "client_name": id,
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "scope": scope,
            "token_endpoint_auth_method": "client_secret_post",
        });
        let file = self.directory.path().join(format!("{id}.json"));
        std::fs::write(&file, document.to_string()).unwrap();
        let metadata = file.to_str().unwrap();
        let arguments = ["client", "add", id, "--json", "--profile", "standard", "--metadata", metadata];
        let registered: Value = serde_json::from_str(&self.sceau(&arguments)).unwrap();
        registered["client_secret"].as_str().unwrap().to_owned()
    }

    /// Imports the invented directory: who works here is admitted.
    pub fn import(&self) {
        self.import_text(DIRECTORY);
    }

    /// Imports the same people as if they worked in another hospital.
    pub fn import_as_of_elsewhere(&self) {
        self.import_text(&DIRECTORY.replace(FINESS, "0B0999999"));
    }

    fn import_text(&self, text: &str) {
        let file = self.directory.path().join("directory.txt");
        std::fs::write(&file, text).unwrap();
        self.sceau(&["directory", "import", file.to_str().unwrap()]);
    }

    /// Invites the workstation and enrols it with the code.
    pub fn enrol(&self) {
        self.enrol_by(&["workstation", "invite", "--site", "Site principal", "--zone", "bureaux"]);
    }

    /// As [`Self::enrol`], for a workstation that several people share.
    pub fn enrol_shared(&self) {
        self.enrol_by(&["workstation", "invite", "--shared"]);
    }

    /// As [`Self::enrol`], but an administrator has to approve the workstation.
    pub fn enrol_after_approval(&self) {
        self.enrol_by(&["workstation", "invite", "--approval"]);
    }

    /// The id of the workstation that enrolled last.
    pub fn workstation_id(&self) -> String {
        let listed: Vec<Value> =
            serde_json::from_str(&self.sceau(&["workstation", "list", "--json"])).unwrap();
        let last = listed.iter().map(|one| one["id"].as_str().unwrap()).max();
        last.expect("a workstation").to_owned()
    }

    /// The thumbprint of a workstation's key.
    pub fn workstation_key(&self, id: &str) -> String {
        let listed: Vec<Value> =
            serde_json::from_str(&self.sceau(&["workstation", "list", "--json"])).unwrap();
        let one = listed.iter().find(|one| one["id"] == id).expect("the workstation");
        one["key"].as_str().unwrap().to_owned()
    }

    fn enrol_by(&self, invitation: &[&str]) {
        let said = self.sceau(invitation);
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

    /// Puts a second card into the second reader, for as long as the test keeps it.
    pub fn insert_beside(&self, card: SoftCard) -> Inserted {
        self.readers().insert(1, card).unwrap()
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

    /// Waits until the agent has told `code`, which ended at the workstation, and yields the event.
    pub async fn told(&self, code: &str) -> Value {
        until(&format!("{code} in the audit trail"), async || {
            self.audit().into_iter().find(|event| event["code"] == code)
        })
        .await
    }

    /// The audit trail, oldest first.
    pub fn audit(&self) -> Vec<Value> {
        let listed = self.sceau(&["audit", "list", "--json"]);
        let event = |line| serde_json::from_str::<Value>(line).unwrap()["event"].take();
        listed.lines().map(event).collect()
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

fn configuration(card_settings: &str, postgres: Option<&Postgres>) -> String {
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

# A refresh token that comes twice is noticed at once: no test has to wait for it.
[oidc]
refresh_grace = "0 s"

[card]
anchors_dir = "pki/anchors"
crl_dir = "pki/crl"
crl_fetch = false
ocsp = false
{card_settings}

[egress]
allow = ["127.0.0.1"]

{database}"#
    )
}

/// Copies the files of a directory.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
