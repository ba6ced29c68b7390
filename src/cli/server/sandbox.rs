//! `sceau sandbox`: a provider for those who write applications, until Ctrl-C.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::Url;

use super::Failure;
use super::serve::cancel_on_signal;
use crate::clock::SystemClock;
use crate::config::{Log, LogFormat};
use crate::crypto::random::SystemRandom;
use crate::sandbox::control::Registered;
use crate::sandbox::play::{Change, Endpoint, Exercices, Phone, Scripted, Switches, ToldAcr};
use crate::sandbox::process::{Options, Sandbox as Process};
use crate::store::client::Metadata;
use crate::telemetry::logs;

/// Arguments of `sceau sandbox`.
#[derive(Debug, clap::Args)]
pub(super) struct Sandbox {
    /// Where the provider listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    listen: SocketAddr,
    /// Where the control interface listens, on loopback; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8089)))]
    control: SocketAddr,
    /// The issuer [default: http://localhost:PORT/auth/realms/esante-wallet].
    #[arg(long, value_name = "URL")]
    issuer: Option<Url>,
    /// Where everything is kept [default: a directory that goes with the program].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// A relying party, with --client-secret and --redirect-uri.
    #[arg(long, value_name = "ID", requires = "client_secret", requires = "redirect_uri")]
    client_id: Option<String>,
    /// Its secret: any text.
    #[arg(long, value_name = "SECRET", requires = "client_id")]
    client_secret: Option<String>,
    /// Where it may be answered; may end with /*; may be repeated.
    #[arg(long, value_name = "URI", requires = "client_id")]
    redirect_uri: Vec<String>,
    /// Where a user may be sent after a logout; may be repeated.
    #[arg(long, value_name = "URI", requires = "client_id")]
    post_logout_redirect_uri: Vec<String>,
    /// Where it is told that a session ended.
    #[arg(long, value_name = "URI", requires = "client_id")]
    backchannel_logout_uri: Option<String>,
    /// A JSON file with a list of relying parties.
    #[arg(long, value_name = "FILE")]
    clients: Option<PathBuf>,
    /// The test person who signs in each time, without being asked: doctor, pharmacist, nurse, student, employee, psi.
    #[arg(long, value_name = "PERSON")]
    sign_in: Option<String>,
    /// The acr that relying parties are told.
    #[arg(long, value_enum, default_value_t)]
    acr: ToldAcr,
    /// How many exercices professionals have.
    #[arg(long, value_enum, default_value_t)]
    exercices: Exercices,
    /// Leave empty in userinfo what PSC may leave empty.
    #[arg(long)]
    empty_fields: bool,
    /// How test persons answer on their phone when a program asks them.
    #[arg(long, value_enum, default_value_t)]
    ciba: Phone,
    /// An endpoint that answers late, and by how many seconds: token=3; may be repeated.
    #[arg(long, value_name = "ENDPOINT=SECONDS", value_parser = slow)]
    slow: Vec<(Endpoint, u64)>,
    /// An endpoint that answers 503; may be repeated.
    #[arg(long, value_name = "ENDPOINT", value_enum)]
    unavailable: Vec<Endpoint>,
    /// Log everything that happens.
    #[arg(long)]
    verbose: bool,
}

impl Sandbox {
    /// `config` is what the command line names, if it names one: the sandbox has none.
    pub(super) async fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        if config.is_some() {
            return Err(Failure::new(
                "SANDBOX-014",
                "the sandbox reads no configuration: what an installation is made of must not serve people who do not \
                 exist. Leave --config away; `sceau sandbox --help` lists the options",
            ));
        }
        let filter = if self.verbose { "info" } else { "warn" };
        logs::start(&Log { format: LogFormat::Human, filter: filter.into() })
            .map_err(|error| Failure::plain(error.to_string()))?;
        let stop = CancellationToken::new();
        tokio::spawn(cancel_on_signal(stop.clone()));
        let sandbox = Process::start(self.options(filter)?).await?;
        println!("discovery  {}\ncontrol    {}", sandbox.discovery(), sandbox.control());
        eprintln!("Nobody here is real. Ctrl-C ends it.");
        sandbox.run(stop).await;
        Ok(())
    }

    fn options(self, filter: &str) -> Result<Options, Failure> {
        let mut clients = self.clients.as_deref().map(read_clients).transpose()?.unwrap_or_default();
        if let (Some(client_id), Some(client_secret)) = (self.client_id, self.client_secret) {
            clients.push(Registered {
                client_id,
                client_secret,
                name: None,
                redirect_uris: self.redirect_uri,
                post_logout_redirect_uris: self.post_logout_redirect_uri,
                backchannel_logout_uri: self.backchannel_logout_uri,
                may_introspect: false,
                profile: None,
                metadata: Metadata::default(),
            });
        }
        let switches = Switches::default().with(Change {
            acr: Some(self.acr),
            exercices: Some(self.exercices),
            empty_fields: Some(self.empty_fields),
            ciba: Some(self.ciba),
            slow: Some(self.slow.into_iter().collect::<BTreeMap<_, _>>()),
            unavailable: Some(self.unavailable.into_iter().collect::<BTreeSet<_>>()),
        });
        let script = self.sign_in.as_deref().map(always).transpose()?;
        Ok(Options {
            listen: self.listen,
            issuer: self.issuer,
            control: self.control,
            state_dir: self.state_dir,
            clients,
            switches,
            script: script.into_iter().collect(),
            log_filter: filter.to_owned(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        })
    }
}

fn always(person: &str) -> Result<Scripted, Failure> {
    let scripted = serde_json::json!({ "person": person, "always": true });
    serde_json::from_value(scripted)
        .map_err(|error| Failure::new("SANDBOX-015", format!("--sign-in: {error}")))
}

fn slow(text: &str) -> Result<(Endpoint, u64), String> {
    let (endpoint, seconds) = text.split_once('=').ok_or("write ENDPOINT=SECONDS, such as token=3")?;
    let endpoint = <Endpoint as clap::ValueEnum>::from_str(endpoint, false)?;
    Ok((endpoint, seconds.parse().map_err(|_| format!("{seconds:?} is no number of seconds"))?))
}

fn read_clients(path: &Path) -> Result<Vec<Registered>, Failure> {
    let wrong = |error: String| Failure::new("SANDBOX-015", format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}
