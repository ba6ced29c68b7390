//! `sceau sandbox`: the provider in one process, for those who write applications.
//!
//! A software house gets what Pro Santé Connect's sandbox gives, and more of it, on its own machine: no card, no reader,
//! no PC/SC, no agent, no configuration file; ready in a second, gone without a trace. Everything but the means of
//! identification is what hospitals run.
//!
//! It refuses to work with what a real installation made, and what it makes is refused by `sceau serve` ([`super::place`],
//! [`crate::app::StartError::SandboxDatabase`]).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::Url;

use super::control::{Control, Registered};
use super::persons::PersonsError;
use super::place::{Place, PlaceError};
use super::play::{Play, Scripted, Switches};
use crate::app::{self, App, Listeners, StartError};
use crate::clock::SharedClock;
use crate::config::{Config, ConfigError};
use crate::ids::SharedRandom;
use crate::oidc::client::registration::ClientFault;
use crate::oidc::psc;
use crate::web::serve::{Listener, Patience, ServeError, Transport};

/// Below it, the paths of PSC's realm.
const REALM: &str = "/auth/realms/esante-wallet";

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the provider listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The issuer; without one, `localhost` with the port of `listen` and the path of PSC's realm.
    pub issuer: Option<Url>,
    /// Where the control interface listens, on loopback; port 0 takes a free one.
    pub control: SocketAddr,
    /// Where everything is kept; without one, a directory that goes with the process.
    pub state_dir: Option<PathBuf>,
    /// Relying parties that are known from the start.
    pub clients: Vec<Registered>,
    /// How it behaves from the start.
    pub switches: Switches,
    /// Who signs in, if not whoever clicks.
    pub script: Vec<Scripted>,
    /// What is logged.
    pub log_filter: String,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
}

/// Why the sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Its directory.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The control interface would be open to others.
    #[error("the control interface listens on loopback only, and {0} is not")]
    ControlInTheOpen(IpAddr),
    /// An option, in the words of the configuration that is made of them.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The provider.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The test persons.
    #[error(transparent)]
    Persons(#[from] PersonsError),
    /// A relying party.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// An address.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl SandboxError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Place(PlaceError::NotOurs(_)) => "SANDBOX-010",
            Self::Place(PlaceError::File { .. }) => "SANDBOX-011",
            Self::ControlInTheOpen(_) => "SANDBOX-012",
            Self::Config(error) => error.code(),
            Self::Start(error) => error.code(),
            Self::Persons(error) => error.code(),
            Self::Client(fault) => fault.code(),
            Self::Serve(error) => error.code(),
        }
    }
}

/// A sandbox that is ready to answer.
#[derive(Debug)]
pub struct Sandbox {
    app: App,
    listeners: Listeners,
    control: Arc<Control>,
    control_listener: Listener,
    /// Goes last.
    _place: Place,
}

impl Sandbox {
    /// Makes what is missing and takes the addresses.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        if !options.control.ip().is_loopback() {
            return Err(SandboxError::ControlInTheOpen(options.control.ip()));
        }
        let place = Place::take(options.state_dir.as_deref())?;
        // In a container the port is reached through another address. Nothing here is worth a certificate.
        let plain = |behind_proxy| Transport::Plain { behind_proxy };
        let front = Listener::bind(options.listen, plain(!options.listen.ip().is_loopback())).await?;
        let control_listener = Listener::bind(options.control, plain(false)).await?;
        let config = Arc::new(configuration(&options, front.address(), &place)?);
        app::init_sandbox(&config, options.clock.clone(), options.random.clone()).await?;
        let play = Arc::new(Play::new(options.switches.clone()));
        for scripted in options.script {
            play.script(scripted);
        }
        let app = App::for_sandbox(config, options.clock, options.random, Arc::clone(&play)).await?;
        let control = Control::new(app.clone(), play, place.path().to_owned());
        control.describe_persons(&options.switches).await?;
        control.add_others().await?;
        for client in options.clients {
            control.register(client).await?;
        }
        let listeners = Listeners::front_only(front);
        Ok(Self { app, listeners, control, control_listener, _place: place })
    }

    /// The discovery document that relying parties of PSC read.
    pub fn discovery(&self) -> String {
        format!("{}{}", self.app.config().server.issuer, psc::WALLET_DISCOVERY)
    }

    /// The address of the control interface.
    pub fn control(&self) -> String {
        format!("http://{}/", self.control_listener.address())
    }

    /// Answers until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let control = self.control_listener.serve(self.control.router(), Patience::default(), stop.clone());
        tokio::join!(self.app.serve(self.listeners, stop.clone()), control);
    }
}

/// The configuration of an installation, made of the options: what is wrong with them is said in the same words.
fn configuration(options: &Options, listen: SocketAddr, place: &Place) -> Result<Config, ConfigError> {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let issuer = options.issuer.as_ref().map_or_else(
        || format!("http://localhost:{}{REALM}", listen.port()),
        |issuer| issuer.as_str().trim_end_matches('/').to_owned(),
    );
    let proxies = if listen.ip().is_loopback() { "" } else { "trusted_proxies = [\"127.0.0.1\"]\n" };
    let text = format!(
        "# Written by `sceau sandbox` at each start.\n\
         config_version = 1\n\n\
         [server]\n\
         issuer = {issuer}\n\
         listen = \"{listen}\"\n\
         state_dir = {state}\n\
         requests_per_minute = 100000\n\
         {proxies}\n\
         [establishment]\n\
         name = \"Bac à sable\"\n\n\
         [oidc]\n\
         redirect_wildcards = true\n\n\
         [egress]\n\
         # Relying parties that are told of the end of a session stand on this machine.\n\
         allow = [\"127.0.0.1\", \"::1\"]\n\n\
         [log]\n\
         format = \"human\"\n\
         filter = {filter}\n",
        issuer = quoted(&issuer),
        state = quoted(&place.path().display().to_string()),
        filter = quoted(&options.log_filter),
    );
    Config::parse(&text, &place.path().join("sceau.toml"))
}
