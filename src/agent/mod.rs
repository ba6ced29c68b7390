//! The workstation program: it stands between the browser, the card reader and the person.
//!
//! A hospital gets from it a sign-in by card without extension, certificate or browser setting: the sign-in page posts a
//! request by navigation to this program on 127.0.0.1, which shows who asks, takes the PIN in its own window, and lets
//! the card sign a proof that is good for this one request. It implements sections 2 to 6 and 9 of the agent protocol
//! for the purpose `browser`.
//!
//! It never answers a site that it was not enrolled with, never signs anything but a [`Proof`](crate::card::proof::Proof),
//! never sends a PIN twice, and writes neither PIN nor name nor card number to its log.

mod badge;
pub mod card;
mod channel;
pub mod checks;
pub mod enrol;
pub mod enrolments;
pub mod exchange;
pub mod fleet;
mod handlers;
pub mod listener;
pub mod machine;
mod name;
mod pages;
pub mod pin;
pub mod platform;
pub mod presence;
mod question;
mod reports;
pub mod settings;
pub mod switch;
pub mod terminal;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::card::protocol::{AGENT_PORT, NoticeCode, WebOrigin};
use crate::clock::{SharedClock, SystemClock};
use crate::crypto::random::SystemRandom;
use crate::ids::SharedRandom;

pub use listener::Bound;

/// How an agent is to run.
#[derive(Clone)]
pub struct AgentOptions {
    /// The port on 127.0.0.1; [`AGENT_PORT`] but in tests, where 0 takes a free one.
    pub port: u16,
    /// Where this person's enrolments and workstation keys stand.
    pub state_dir: PathBuf,
    /// Where those of the computer as a whole stand, if there are any.
    pub system_dir: PathBuf,
    /// Where the service stands that holds the port for all who use this computer; none where this agent holds it.
    pub switch: Option<PathBuf>,
    /// The administrator's word.
    pub managed: settings::ManagedSettings,
    /// Where the PIN is typed, if the administrator does not say.
    pub pin_entry: Option<pin::PinSetting>,
    /// The window the PIN is typed in.
    pub window: pin::PinWindow,
    /// How long a request may take to arrive; [`checks::PATIENCE`] but in tests.
    pub patience: Duration,
    /// The card reader.
    pub cards: Arc<dyn card::Cards>,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
}

impl AgentOptions {
    /// The options of this computer: the usual port, place and window.
    #[must_use]
    pub fn of_environment(cards: Arc<dyn card::Cards>, managed: settings::ManagedSettings) -> Self {
        Self {
            port: AGENT_PORT,
            state_dir: default_state_dir(),
            system_dir: PathBuf::from(enrolments::SYSTEM_DIR),
            window: pin::PinWindow::of_environment(managed.pinentry.clone()),
            switch: switch::socket_of(managed.several_users),
            managed,
            pin_entry: None,
            patience: checks::PATIENCE,
            cards,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Debug for AgentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentOptions")
            .field("port", &self.port)
            .field("state_dir", &self.state_dir)
            .field("managed", &self.managed)
            .field("pin_entry", &self.pin_entry)
            .finish_non_exhaustive()
    }
}

/// `~/.local/state/sceau-agent`, or below `XDG_STATE_HOME`.
#[must_use]
pub fn default_state_dir() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir)
        .join("sceau-agent")
}

/// Takes the port and answers until `shutdown` is cancelled.
///
/// # Errors
/// [`AgentError`], where it cannot begin; once it answers, it goes on.
pub async fn serve(options: AgentOptions, shutdown: CancellationToken) -> Result<(), AgentError> {
    Bound::bind(options).await?.serve(shutdown).await;
    Ok(())
}

/// Tells every server of this workstation that another program holds the agent's port: it could pose as the agent. What
/// does not reach a server stands in the log.
pub async fn report_port_held(options: &AgentOptions) {
    let known = enrolments::Enrolments::open(&options.state_dir, &options.system_dir);
    let known = known.and_then(|store| store.read());
    for enrolment in known.unwrap_or_default().iter().filter(|known| options.managed.allows(&known.origin)) {
        let (code, clock) = (NoticeCode::port_held(), options.clock.as_ref());
        if let Err(error) = enrol::report(enrolment, &code, None, 1, clock).await {
            tracing::warn!(code = error.code(), server = enrolment.origin.as_str(), "not reported: {error}");
        }
    }
}

/// Why the agent cannot begin, or cannot enrol.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Another program has the port.
    #[error(
        "port {port} of this computer is held by another program{}. Nobody can sign in with a card here while it runs, \
         and that program may be posing as this one: find out which it is (ss -ltnp 'sport = :{port}')",
        .user.map(|user| format!(" of user {user}")).unwrap_or_default()
    )]
    PortHeld {
        /// The port.
        port: u16,
        /// The user it runs as, where the system tells.
        user: Option<u32>,
    },
    /// The agent of this user already runs.
    #[error("the agent already runs for this user (it holds {})", path.display())]
    AlreadyRuns {
        /// The lock.
        path: PathBuf,
    },
    /// The port cannot be had for another reason.
    #[error("port {port} cannot be opened: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the agent's state cannot be read or written.
    #[error("{}: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the agent's state is not what was written.
    #[error("{} is damaged ({detail}); enrol this workstation again", path.display())]
    StateDamaged {
        /// The file.
        path: PathBuf,
        /// How.
        detail: String,
    },
    /// Others can read the agent's state.
    #[error("{} can be read by others; only its owner may (chmod 700 for the folder, 600 for the files)", path.display())]
    StateNotPrivate {
        /// The file or folder.
        path: PathBuf,
    },
    /// The enrolment of the computer as a whole could have been written by somebody else than its administrator, or can be
    /// read by everybody.
    #[error(
        "{} has to belong to root, be written by nobody else, and be closed to those outside its group (chown root, \
         chmod 2750 for the folder, 640 for its files)",
        path.display()
    )]
    SystemStateNotProtected {
        /// The file or folder.
        path: PathBuf,
    },
    /// The file of the machine certificate, or of its key, cannot be used.
    #[error("the machine certificate of this computer cannot be used: {path}: {detail}")]
    MachineFile {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The site token can be read by everybody, or cannot be read.
    #[error("the site token {}: {detail}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The administrator's file is faulty.
    #[error("{}: {detail}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Where and how.
        detail: String,
    },
    /// The administrator's file can be written by others.
    #[error("{} can be written by others than an administrator, so it does not count", path.display())]
    SettingsNotProtected {
        /// The file.
        path: PathBuf,
    },
    /// The PIN was to be typed into a page where several people use the computer.
    #[error("pin_entry = \"page\" is refused where several people use the computer")]
    PageWithSeveralUsers,
    /// The code is none.
    #[error("this is not an enrolment code; ask for one with: sceau workstation invite")]
    Code,
    /// The workstation's key cannot be made or used.
    #[error("the workstation key: {0}")]
    Key(String),
    /// The server does not answer.
    #[error("{server} does not answer: {detail}")]
    Unreachable {
        /// The server.
        server: WebOrigin,
        /// The last cause.
        detail: String,
    },
    /// The server refuses.
    #[error("the server refuses ({code}): {message}")]
    Refused {
        /// The server's own code.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// The server's answer is not understood.
    #[error("the server's answer is not understood: {0}")]
    ServerAnswer(String),
    /// The answer is not signed by the key that the code names.
    #[error(
        "the answer is not signed by the server that the code was made for: the code belongs to another server, or \
         something between the two changes messages"
    )]
    ServerKey,
    /// The server answers for another address.
    #[error("{answered} answered where {asked} was asked; enrol with the address that people sign in at")]
    OtherServer {
        /// What was asked.
        asked: WebOrigin,
        /// Who answered.
        answered: WebOrigin,
    },
    /// This workstation is not enrolled with the server.
    #[error("this workstation is not enrolled with {0}: sceau-agent enrol {0}")]
    NotEnrolled(WebOrigin),
    /// The administrator's list does not name the server.
    #[error("{0} is not in the list of servers of this computer's administrator")]
    NotListed(WebOrigin),
}

impl AgentError {
    /// Why a port on loopback could not be had, and who has it.
    fn no_port(address: SocketAddr, source: io::Error) -> Self {
        let port = address.port();
        if source.kind() == io::ErrorKind::AddrInUse {
            let user = platform::listener_user(address).map(|user| user.0);
            Self::PortHeld { port, user }
        } else {
            Self::Port { port, source }
        }
    }

    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PortHeld { .. } => "AGENT-030",
            Self::AlreadyRuns { .. } => "AGENT-031",
            Self::Port { .. } => "AGENT-032",
            Self::State { .. } => "AGENT-033",
            Self::StateDamaged { .. } => "AGENT-034",
            Self::StateNotPrivate { .. } => "AGENT-035",
            Self::SystemStateNotProtected { .. } => "AGENT-052",
            Self::TokenFile { .. } => "AGENT-053",
            Self::MachineFile { .. } => "AGENT-058",
            Self::Settings { .. } => "AGENT-036",
            Self::SettingsNotProtected { .. } => "AGENT-037",
            Self::PageWithSeveralUsers => "AGENT-038",
            Self::Code => "AGENT-040",
            Self::Key(_) => "AGENT-041",
            Self::Unreachable { .. } => "AGENT-042",
            Self::Refused { .. } => "AGENT-043",
            Self::ServerAnswer(_) => "AGENT-044",
            Self::ServerKey => "AGENT-045",
            Self::OtherServer { .. } => "AGENT-046",
            Self::NotListed(_) => "AGENT-047",
            Self::NotEnrolled(_) => "AGENT-057",
        }
    }
}
