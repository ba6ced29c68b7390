//! The configuration: one TOML file, read once, turned into values that cannot be wrong.
//!
//! What a hospital gets: a file with comments in which most keys can stay away; where something is wrong, every fault
//! at once, each with its line and what to write instead; secrets that can stand in files of their own (`*_file`, also
//! from systemd's credentials). An unknown key is refused, because a typing error in a security setting must not be
//! read as "not set".
//!
//! One file per section. Nothing here opens a database, a socket or a certificate: `sceau check` does that with what
//! this module yields.

mod agent;
mod card;
mod card_tls;
mod database;
mod delegation;
mod desk;
mod egress;
mod establishment;
mod keys;
mod limits;
mod log;
mod mail;
mod metrics;
mod oidc;
mod oidc_mtls;
mod phone;
pub(crate) mod reader;
mod security_keys;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod upstream;
mod workstations;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use agent::{Agent, PinEntry};
pub use card::{Card, CardAcr, CardFallback, CardType, Fallback};
pub use card_tls::{CardTls, Handshake};
pub use database::Database;
pub use delegation::Delegation;
pub use desk::Desk;
pub use egress::{Destination, Egress};
pub use establishment::Establishment;
pub use keys::Keys;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use mail::{Mail, MailTls, MailUser};
pub use metrics::Metrics;
pub use oidc::Oidc;
pub use oidc_mtls::OidcMtls;
pub use phone::{Phone, Push, PushService};
pub use reader::{Fault, FaultKind};
pub use security_keys::{Attestation, KeyMetadata, KeyPopulation, MetadataPlace, SecurityKeys};
pub use server::Server;
pub use session::{CardOut, Session, Zone};
pub use tls::Tls;
pub use upstream::{Upstream, UpstreamApplication, UpstreamCredential, UpstreamLink, UpstreamProfile};
pub use workstations::{MachineCertificates, Workstations};

use reader::Document;

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/sceau/sceau.toml";

/// The version of the file's layout that this program reads.
const VERSION: u64 = 1;

/// The whole configuration, valid in itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses, state directory, proxies.
    pub server: Server,
    /// Certificate of our own listener; absent behind a proxy and on loopback.
    pub tls: Option<Tls>,
    /// Who runs this installation.
    pub establishment: Establishment,
    /// Where the data is.
    pub database: Database,
    /// Which cards are accepted.
    pub card: Card,
    /// Which security keys are taken.
    pub security_keys: SecurityKeys,
    /// Phones that answer for their persons.
    pub phone: Phone,
    /// Providers of others by which people can sign in here, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// What providers that delegate to this installation are told, and where.
    pub delegation: Delegation,
    /// What whoever has a role has to prove.
    pub desk: Desk,
    /// How computers prove that they are the hospital's.
    pub workstations: Workstations,
    /// How long a sign-in lasts.
    pub session: Session,
    /// The zones in which it differs, by name.
    pub zones: BTreeMap<String, Zone>,
    /// Tokens and claims.
    pub oidc: Oidc,
    /// Signing keys.
    pub keys: Keys,
    /// Where outbound calls may go.
    pub egress: Egress,
    /// How long whoever is refused again and again has to wait.
    pub limits: Limits,
    /// What is logged and how.
    pub log: Log,
    /// How notices are sent by mail; absent: they are not.
    pub mail: Option<Mail>,
    /// Figures for a monitoring system.
    pub metrics: Metrics,
    /// The agent of `sceau serve --agent`.
    pub agent: Agent,
}

/// The file cannot be used: every fault in it.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.path, .faults))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// In the order of their lines.
    pub faults: Vec<Fault>,
}

impl ConfigError {
    /// The stable code of `docs/errors.md`: that of the first fault.
    pub fn code(&self) -> &'static str {
        self.faults.first().map_or("CONF-001", Fault::code)
    }
}

fn list(path: &Path, faults: &[Fault]) -> String {
    let mut text = format!("the configuration {} cannot be used:", path.display());
    for fault in faults {
        text.push_str(&format!("\n  {fault}"));
    }
    text
}

impl Config {
    /// Reads the file at `path`, and the files of secrets that it names.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault found.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            path: path.to_owned(),
            faults: vec![Fault::unreadable(&error)],
        })?;
        Self::parse(&text, path)
    }

    /// Reads the configuration from its text; `path` says where relative files are and stands in messages.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault found.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let error = |faults| ConfigError { path: path.to_owned(), faults };
        let mut document = Document::parse(text, path).map_err(error)?;
        let config = Self::from_document(&mut document);
        let faults = document.finish();
        config.filter(|_| faults.is_empty()).ok_or_else(|| error(faults))
    }

    fn from_document(document: &mut Document<'_>) -> Option<Self> {
        document.check_version(VERSION);
        let server = Server::read(&mut document.section("server"));
        let tls = document.optional_section("tls").and_then(|mut section| Tls::read(&mut section));
        let establishment = Establishment::read(&mut document.section("establishment"));
        let state_dir = server.as_ref().map(|server| server.state_dir.as_path());
        let database = Database::read(&mut document.section("database"), state_dir);
        let card = Card::read(&mut document.section("card"), server.as_ref());
        let security_keys = SecurityKeys::read(&mut document.section("security_keys"));
        let phone = Phone::read(&mut document.section("phone"));
        let upstreams = upstreams(document);
        let desk = Desk::read(&mut document.section("desk"));
        let workstations = Workstations::read(&mut document.section("workstations"), &card);
        let session = Session::read(&mut document.section("session"));
        let zones = document.sections_of("zones");
        let zones = zones.into_iter().map(|(name, mut zone)| (name, Zone::read(&mut zone))).collect();
        let oidc = Oidc::read(&mut document.section("oidc"), server.as_ref(), tls.as_ref(), &card);
        let addresses = [
            ("server.listen", server.as_ref().map(|server| server.listen)),
            ("card.tls.listen", card.tls.as_ref().map(|host| host.listen)),
            ("oidc.mtls.listen", oidc.mtls.as_ref().and_then(|host| host.listen)),
        ];
        let addresses: Vec<_> = addresses.into_iter().filter_map(|(key, at)| Some((key, at?))).collect();
        let mut delegation = document.section("delegation");
        let delegation = Delegation::read(&mut delegation, server.as_ref(), tls.as_ref(), &addresses);
        let keys = Keys::read(&mut document.section("keys"));
        let egress = Egress::read(&mut document.section("egress"));
        let limits = Limits::read(&mut document.section("limits"));
        let log = Log::read(&mut document.section("log"));
        let mail = document.optional_section("mail").and_then(|mut section| Mail::read(&mut section));
        let metrics = Metrics::read(&mut document.section("metrics"));
        let agent = Agent::read(&mut document.section("agent"));
        let server = server?;
        Some(Self {
            database: database?,
            server,
            tls,
            establishment,
            card,
            security_keys,
            phone,
            upstreams,
            delegation,
            desk,
            workstations,
            session,
            zones,
            oidc,
            keys,
            egress,
            limits,
            log,
            mail,
            metrics,
            agent,
        })
    }
}

/// The sections `[upstream.…]`.
fn upstreams(document: &mut Document<'_>) -> BTreeMap<String, Upstream> {
    let sections = document.sections_of("upstream").into_iter();
    let mut issuers = BTreeSet::new();
    sections
        .filter_map(|(name, mut section)| {
            if !upstream::is_name(&name) {
                section.refuse("label", "is of a section whose name is not made of a-z, 0-9 and hyphens");
            }
            let upstream = Upstream::read(&mut section)?;
            // Who somebody is there hangs on the issuer: two sections would let one speak of the other's people.
            if !issuers.insert(upstream.issuer.clone()) {
                section.refuse("issuer", "is that of another section: one section for each provider");
            }
            Some((name, upstream))
        })
        .collect()
}
