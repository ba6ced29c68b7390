//! The port of the agent: taken once, on the literal loopback address, from the start of the session.
//!
//! A hospital gets from it an alert where another program has taken the port, since that program could pose as the agent
//! (it would still not get a PIN: people type it into the agent's own window).

use std::convert::Infallible;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handlers::Agent;
use super::name::OwnName;
use super::pin::PinSetting;
use super::platform::{self, UserId};
use super::{AgentError, AgentOptions, switch};

/// How many connections are served at once; one browser needs a handful.
const MAX_CONNECTIONS: usize = 32;
/// How long a request in progress may take to end after the agent is told to stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// An agent that has its port, or waits at the switch that has it, and answers from now on.
pub struct Bound {
    source: Source,
    address: SocketAddr,
    pub(super) agent: Arc<Agent>,
    /// Held while the agent runs: one per user and state directory.
    _lock: File,
}

/// Where the connections of browsers come from.
enum Source {
    /// The port is this agent's.
    Port(TcpListener),
    /// The switch of a computer that several people use hands them over.
    Switch(PathBuf),
}

impl Bound {
    /// Takes the port, unless a switch has it.
    ///
    /// # Errors
    /// [`AgentError::AlreadyRuns`], [`AgentError::PortHeld`], [`AgentError::Port`], or what is wrong with the state.
    pub async fn bind(options: AgentOptions) -> Result<Self, AgentError> {
        let pin_entry = options.managed.pin_entry(options.pin_entry)?;
        if options.switch.is_some() && pin_entry == PinSetting::Page {
            // A switch is there because several people use the computer.
            return Err(AgentError::PageWithSeveralUsers);
        }
        let store = super::enrolments::Enrolments::open(&options.state_dir, &options.system_dir)?;
        let lock = lock(&options.state_dir.join("agent.lock"))?;
        // Held by one agent at a time, so that nobody else makes one.
        let name = OwnName::open(&options.state_dir, options.random.as_ref())?;
        let port_failed = |source| AgentError::Port { port: options.port, source };
        let (source, address) = match &options.switch {
            Some(socket) => (Source::Switch(socket.clone()), options.address()),
            None => {
                let listener = TcpListener::bind(options.address()).await;
                let listener = listener.map_err(|source| AgentError::no_port(options.address(), source))?;
                let address = listener.local_addr().map_err(port_failed)?;
                (Source::Port(listener), address)
            }
        };
        let user = platform::this_user().map_err(port_failed)?;
        // Read once now, so that a damaged file is told at start and not to the first person.
        let servers = store.read()?;
        let switch = options.switch.is_some();
        tracing::info!(%address, switch, servers = servers.len(), ?pin_entry, "the agent answers");
        if servers.is_empty() {
            tracing::warn!("this workstation is not enrolled with any server yet: sceau-agent enrol SERVER");
        }
        let agent = Arc::new(Agent::new(options, store, name, pin_entry, user, address));
        Ok(Self { source, address, agent, _lock: lock })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is cancelled.
    pub async fn serve(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        tasks.spawn(Arc::clone(&self.agent).keep_keys_fresh(shutdown.clone()));
        tasks.spawn(Arc::clone(&self.agent).deliver_reports(shutdown.clone()));
        tasks.spawn(Arc::clone(&self.agent).keep_channels(shutdown.clone()));
        match self.source {
            Source::Port(listener) => accept(&self.agent, listener, &tasks, &shutdown).await,
            Source::Switch(socket) => {
                for place in 0..switch::WAITING {
                    let waiting = AtSwitch {
                        agent: Arc::clone(&self.agent),
                        socket: socket.clone(),
                        address: self.address,
                        // One of them tells what is wrong.
                        quiet: place > 0,
                    };
                    tasks.spawn(waiting.wait(tasks.clone(), shutdown.clone()));
                }
                shutdown.cancelled().await;
            }
        }
        tasks.close();
        if tokio::time::timeout(FAREWELL, tasks.wait()).await.is_err() {
            tracing::warn!("a request was still open when the agent stopped");
        }
    }
}

/// Takes connections at the agent's own port until `shutdown` is cancelled.
async fn accept(
    agent: &Arc<Agent>,
    listener: TcpListener,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, typically: the next attempt must not spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("too many connections; one was closed");
            continue;
        };
        let (agent, shutdown) = (Arc::clone(agent), shutdown.clone());
        tasks.spawn(async move {
            let peer = peer(&stream, remote).await;
            connection(agent, stream, peer, shutdown).await;
            drop(place);
        });
    }
}

/// One connection that waits at the switch.
struct AtSwitch {
    agent: Arc<Agent>,
    socket: PathBuf,
    address: SocketAddr,
    quiet: bool,
}

impl AtSwitch {
    /// Takes connections that the switch hands over, one after the other, until `shutdown` is cancelled. The switch has
    /// asked the kernel whose they are, and the kernel has told it whose agent this is.
    async fn wait(self, tasks: TaskTracker, shutdown: CancellationToken) {
        let alert = || self.agent.tell_port_held(self.address);
        let missed = || self.agent.tell_switch_missed();
        let next = || switch::next(&self.socket, self.address, self.quiet, missed, alert);
        while let Some(stream) = shutdown.run_until_cancelled(next()).await {
            let user = self.agent.user();
            tasks.spawn(connection(Arc::clone(&self.agent), stream, Some(user), shutdown.clone()));
        }
    }
}

/// Who opened the connection, as the kernel says.
async fn peer(stream: &TcpStream, remote: SocketAddr) -> Option<UserId> {
    // Now, while the connection is surely open: its row leaves the system's table when it closes. The table may be long.
    let local = stream.local_addr().ok()?;
    let peer = tokio::task::spawn_blocking(move || platform::peer_of(local, remote)).await.ok()?;
    peer.map(|peer| peer.user)
        .inspect_err(|error| tracing::warn!(%error, "it is not known who opened a connection"))
        .ok()
}

async fn connection(
    agent: Arc<Agent>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<UserId>,
    shutdown: CancellationToken,
) {
    let patience = agent.patience();
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let agent = Arc::clone(&agent);
        async move { Ok::<_, Infallible>(agent.answer(peer, request.map(axum::body::Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// One agent per state directory; the lock goes with the process, however it ends.
fn lock(path: &std::path::Path) -> Result<File, AgentError> {
    let failed = |source| AgentError::State { path: path.to_path_buf(), source };
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AgentError::AlreadyRuns { path: path.to_path_buf() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
