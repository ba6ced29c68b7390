//! Everything on one machine: provider, two services, agent, and a card that exists in software only.
//!
//! What a hospital gets: `make demo`, and a professional signs in with a card a minute later. Everything is kept in one
//! directory, so that a second start keeps keys and people; nothing outside of it is touched, no port is open to the
//! network, and when the program ends, all it started has ended.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::programs::{self, ProgramError, Programs, Running};
use super::relying_party::RelyingParty;
use super::{SERVICES, Service};
use crate::app::{self, App, StartError};
use crate::audit::Kind;
use crate::card::enrolment::{self, EnrolmentRefusal};
use crate::card::protocol::AGENT_PORT;
use crate::clock::SharedClock;
use crate::config::{Config, ConfigError};
use crate::crypto::digest::sha256;
use crate::directory::import::{self, ImportError, Importer};
use crate::ids::{Secret, SharedRandom};
use crate::store::client::{self, Audience, NewClient, ProfileName};
use crate::store::{self, Db, StoreError, workstation};
use crate::web::serve::{Listener, Patience, ServeError, Transport};

/// The provider's port.
const PORT: u16 = 8080;
/// The PIN of the software card.
pub const PIN: &str = "1234";
/// The establishment of the invented directory.
pub const FINESS: &str = "0B0172805";
/// Somebody who works there and has no number of the directory.
const EMPLOYEE: &str = "30B0168811/CPET00001";
/// How the names of the throw-away authorities begin, where they stand beside real ones.
const OURS: &str = "demonstration-";
/// Its professionals, in the format of the national directory.
const DIRECTORY: &str = include_str!("directory.txt");

/// Why the demonstration does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port is taken.
    #[error(
        "port {port} is taken by another program, and the demonstration needs it for {what}: see `ss -ltnp`"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// For what it is needed.
        what: &'static str,
    },
    /// A file cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The configuration that we wrote ourselves.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The provider.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The workstation.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentRefusal),
    /// The invented directory.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A service.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything is kept.
    pub state_dir: PathBuf,
    /// The name of the software card, of those that `sceau-certs` makes.
    pub card: String,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
}

/// A running demonstration.
#[derive(Debug)]
pub struct Demo {
    agent: Running,
    card: Option<Running>,
    servers: TaskTracker,
    stop: CancellationToken,
}

impl Demo {
    /// Prepares what is missing and starts everything. `tell` is given a sentence at each step.
    ///
    /// # Errors
    /// [`DemoError`]; what was started has ended then.
    pub async fn start(options: Options, tell: impl Fn(&str)) -> Result<Self, DemoError> {
        for (port, what) in [
            (PORT, "the provider"),
            (SERVICES[0].port, "a service"),
            (SERVICES[1].port, "a service"),
            (AGENT_PORT, "the agent"),
        ] {
            if programs::listens(port) {
                return Err(DemoError::PortTaken { port, what });
            }
        }
        let programs = Programs::beside_this_one()
            .map_err(|source| DemoError::File { path: "the directory of this program".into(), source })?;
        let place = Place::make(&options.state_dir)?;
        tell("certificates of the authorities and cards");
        let mut generate = programs.command("sceau-certs")?;
        generate.arg("generate").arg(place.pki());
        programs::finish("sceau-certs", generate, "").await?;
        place.install_authorities()?;

        tell("database, keys and people");
        let config = Arc::new(Config::read(&place.config())?);
        app::init(&config, options.clock.clone(), options.random.clone()).await?;
        let app = App::start(config.clone(), options.clock.clone(), options.random.clone()).await?;
        import(&app, &programs, &place).await?;
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        let ends = stop.clone().drop_guard();
        for service in SERVICES {
            let secret = register(&app, service).await?;
            let issuer = config.server.issuer.clone();
            let party =
                RelyingParty::new(service, issuer, secret, options.clock.clone(), options.random.clone());
            let listener = Listener::bind(
                ([127, 0, 0, 1], service.port).into(),
                Transport::Plain { behind_proxy: false },
            )
            .await?;
            let stop = stop.clone();
            servers.spawn(async move { listener.serve(party.router(), Patience::default(), stop).await });
        }
        let listener = app.bind().await?;
        servers.spawn(app.clone().serve(listener, stop.clone()));
        servers.close();

        let own_card = match real_card(&programs).await? {
            Some(reader) if place.has_real_authorities()? => {
                tell(&format!("your card, in {reader}"));
                true
            }
            Some(reader) => {
                tell(&format!(
                    "there is a card in {reader}; to use it, put its authorities into {} and its revocation list into {} \
                     (certs/README.md), add its holder with `sceau person add`, and start again",
                    place.authorities().display(),
                    place.lists().display()
                ));
                false
            }
            None => false,
        };
        let mut card = None;
        let mut agent = programs.companion("sceau-agent")?;
        if !own_card {
            tell("a card in a virtual reader");
            let mut reader = programs.command("sceau-softcard")?;
            reader.arg("--certs-dir").arg(place.pki()).args(["--card", &options.card, "--pin", PIN]);
            reader.arg("--socket-dir").arg(place.path("pcscd"));
            let (running, address) = Running::start_and_listen("sceau-softcard", reader).await?;
            agent.env("PCSCLITE_CSOCK_NAME", address);
            card = Some(running);
        }

        tell("the agent");
        enrol(&app, &programs, &place).await?;
        agent.args(["run", "--pin-entry", "page", "--log", "warn"]).arg("--state-dir").arg(place.agent());
        agent.arg("--config").arg(place.path("agent.toml"));
        let agent = Running::start_until("sceau-agent", agent, || programs::listens(AGENT_PORT)).await?;
        let stop = ends.disarm();
        Ok(Self { agent, card, servers, stop })
    }

    /// The PIN to type; none where the card is the visitor's own.
    pub fn pin(&self) -> Option<&'static str> {
        self.card.as_ref().map(|_| PIN)
    }

    /// Waits until `stop` is cancelled, or a part ends by itself; then ends everything.
    ///
    /// # Errors
    /// The part that ended by itself.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), DemoError> {
        let ended = {
            let card = async {
                match &mut self.card {
                    Some(card) => card.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => None,
                error = self.agent.ended() => Some(error),
                error = card => Some(error),
            }
        };
        self.agent.stop().await;
        if let Some(card) = self.card {
            card.stop().await;
        }
        self.stop.cancel();
        self.servers.wait().await;
        ended.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The address to open first.
pub fn address() -> String {
    SERVICES[0].origin()
}

/// The directory of the demonstration.
#[derive(Debug)]
struct Place(PathBuf);

impl Place {
    fn make(dir: &Path) -> Result<Self, DemoError> {
        let place = Self(programs::absolute(dir));
        std::fs::create_dir_all(&place.0)
            .map_err(|source| DemoError::File { path: place.0.clone(), source })?;
        place.write("sceau.toml", &configuration(&place))?;
        place.write("directory.txt", DIRECTORY)?;
        Ok(place)
    }

    fn write(&self, name: &str, content: &str) -> Result<(), DemoError> {
        let path = self.path(name);
        std::fs::write(&path, content).map_err(|source| DemoError::File { path, source })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("sceau.toml")
    }

    fn pki(&self) -> PathBuf {
        self.path("pki")
    }

    fn authorities(&self) -> PathBuf {
        self.path("authorities")
    }

    fn lists(&self) -> PathBuf {
        self.path("lists")
    }

    /// Copies the throw-away authorities and their lists to where a visitor may put real ones beside them.
    fn install_authorities(&self) -> Result<(), DemoError> {
        for (from, to) in [("anchors", self.authorities()), ("crl", self.lists())] {
            let from = self.pki().join(from);
            std::fs::create_dir_all(&to).map_err(|source| DemoError::File { path: to.clone(), source })?;
            for name in names(&from)? {
                let path = to.join(format!("{OURS}{name}"));
                std::fs::copy(from.join(&name), &path).map_err(|source| DemoError::File { path, source })?;
            }
        }
        Ok(())
    }

    fn has_real_authorities(&self) -> Result<bool, DemoError> {
        Ok(names(&self.authorities())?.iter().any(|name| !name.starts_with(OURS)))
    }

    fn agent(&self) -> PathBuf {
        self.path("agent")
    }
}

fn names(dir: &Path) -> Result<Vec<String>, DemoError> {
    let failed = |source| DemoError::File { path: dir.to_owned(), source };
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}

fn configuration(place: &Place) -> String {
    let quoted = |path: PathBuf| toml::Value::from(path.display().to_string()).to_string();
    format!(
        "# Written by `sceau demo` at each start. Try commands with --config and this file.\n\
         config_version = 1\n\n\
         [server]\n\
         issuer = \"http://localhost:{PORT}/auth/realms/esante-wallet\"\n\
         listen = \"127.0.0.1:{PORT}\"\n\
         state_dir = {state}\n\n\
         [establishment]\n\
         name = \"Hôpital de démonstration\"\n\
         finess = [\"{FINESS}\"]\n\n\
         [card]\n\
         anchors_dir = {anchors}\n\
         crl_dir = {crl}\n\
         # The lists of the demonstration are made here; nothing outside is called.\n\
         crl_fetch = false\n\
         ocsp = false\n\
         accept_test_cards = true\n\n\
         [egress]\n\
         allow = [\"127.0.0.1\"]\n\n\
         [log]\n\
         format = \"human\"\n\
         filter = \"warn\"\n",
        state = quoted(place.path("state")),
        anchors = quoted(place.authorities()),
        crl = quoted(place.lists()),
    )
}

/// Makes the workstation known to the provider, unless it is.
async fn enrol(app: &App, programs: &Programs, place: &Place) -> Result<(), DemoError> {
    let known = workstation::all(app.db()).await?;
    let known = known.iter().any(|workstation| workstation.revoked_at.is_none());
    if known && place.agent().join("enrolments.json").exists() {
        return Ok(());
    }
    let site = enrolment::Place {
        site: "Démonstration".into(),
        zone: "demo".into(),
        needs_approval: false,
        shared: false,
    };
    let event = app.trail().event(Kind::WorkstationInvited).actor("demo");
    let code = app.card().invite(&site, event).await?;
    let mut enrol = programs.command("sceau-agent")?;
    enrol.arg("enrol").arg(app.card().front().as_str());
    enrol.arg("--state-dir").arg(place.agent()).arg("--config").arg(place.path("agent.toml"));
    programs::finish("sceau-agent", enrol, &code).await?;
    Ok(())
}

/// Imports the invented directory into an installation that has none: a real one that somebody tries is not touched.
async fn import(app: &App, programs: &Programs, place: &Place) -> Result<(), DemoError> {
    if store::directory::current(app.db()).await?.is_some() {
        return Ok(());
    }
    let options = import::Options {
        files: vec![place.path("directory.txt")],
        finess: vec![FINESS.to_owned()],
        ..import::Options::default()
    };
    let importer = Importer {
        db: app.db(),
        trail: app.trail(),
        clock: &**app.clock(),
        random: &**app.random(),
        actor: "demo",
    };
    importer.run(&options, &|_| {}).await?;
    // Staff without a number of the directory are added by hand, as a hospital does.
    let mut add = programs.command("sceau")?;
    add.arg("--config").arg(place.config()).args(["person", "add", EMPLOYEE]);
    add.args(["--family-name", "EMP0000001", "--given-name", "KIT", "--sector", "SA01"]);
    add.args(["--structure-name", "HOPITAL DE DEMONSTRATION"]);
    programs::finish("sceau", add, "").await?;
    Ok(())
}

/// The reader of this machine that holds a card of health professionals, if there is one.
async fn real_card(programs: &Programs) -> Result<Option<String>, DemoError> {
    let mut list = programs.command("sceau-agent")?;
    list.args(["card", "list"]);
    // It fails where there is no reader, or no service for readers.
    let readers = programs::finish("sceau-agent", list, "").await.unwrap_or_default();
    let with_card = |line: &str| line.rsplit_once(": CPS").map(|(reader, _)| reader.to_owned());
    Ok(readers.lines().find_map(with_card))
}

/// Registers a service, or gives it another secret: nobody has to keep one.
async fn register(app: &App, service: Service) -> Result<Secret, DemoError> {
    let secret = Secret::of_256_bits(&**app.random());
    let (db, now, hash): (&Db, _, _) = (app.db(), app.clock().now(), sha256(secret.expose().as_bytes()));
    let event = |kind| (&app.trail().event(kind).client(service.client_id).actor("demo")).into();
    if client::rotate_secret(db, service.client_id, hash, now, now, &event(Kind::ClientSecretRotated)).await?
    {
        return Ok(secret);
    }
    let new = NewClient {
        id: service.client_id.to_owned(),
        name: service.name.to_owned(),
        profile: ProfileName::Psc,
        secret_hash: Some(hash),
        redirect_uris: vec![service.redirect_uri()],
        post_logout_redirect_uris: vec![service.post_logout_redirect_uri()],
        backchannel_logout_uri: Some(service.backchannel_logout_uri()),
        audience: Audience::Affiliated,
        may_introspect: false,
        metadata: client::Metadata::default(),
        self_registered: false,
        registration_token_hash: None,
    };
    client::add(db, &new, now, &event(Kind::ClientAdded)).await?;
    Ok(secret)
}
