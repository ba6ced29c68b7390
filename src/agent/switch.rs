//! One port for all who work on one computer (agent protocol, section 9).
//!
//! A hospital gets from it card sign-in on its terminal servers. Loopback is shared by everybody there, so whoever came
//! first would have the agent's port, and with it the sign-ins of all others. Instead one small service holds the port
//! from boot, asks the kernel which user's process opened a connection, and joins it to that user's agent.
//!
//! The agents come to the service, not the other way round: each keeps a few connections waiting at its socket, and the
//! kernel says whose they are. So the service needs no right over anybody's files, reads nothing of what passes, knows no
//! key and no server, and nobody can put a socket of theirs where another's agent is looked for.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AgentError;
use super::platform::{self, LocalListener, LocalStream, UserId};

/// Where the service answers agents. Its directory is made by the system for the service alone.
pub const SOCKET: &str = "/run/sceau-agent/switch.sock";

/// What the service says on a waiting connection when a browser's is joined to it.
const JOINED: &[u8; 16] = b"sceau-switch/1\r\n";
/// How many connections an agent keeps waiting.
pub(super) const WAITING: usize = 4;
/// How many waiting connections of one user are kept; the oldest goes.
const MAX_WAITING: usize = 2 * WAITING;
/// How many browsers' connections of one user are open at once; one browser needs a handful.
const MAX_OPEN: usize = 32;
/// How long a browser waits for an agent that is about to come; the sign-in page gives up after three seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often an agent looks for a service that is not there.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The service, with its port and its socket.
pub struct Switch {
    port: TcpListener,
    agents: LocalListener,
    desk: Arc<Desk>,
}

/// Who waits for whom.
#[derive(Default)]
struct Desk {
    waiting: Mutex<HashMap<UserId, VecDeque<LocalStream>>>,
    open: Mutex<HashMap<UserId, Arc<Semaphore>>>,
    came: Notify,
}

impl Switch {
    /// Takes the port on 127.0.0.1, then the socket: an agent that reaches the socket knows that the port is held.
    ///
    /// # Errors
    /// [`AgentError::PortHeld`], [`AgentError::Port`] or [`AgentError::State`] for the socket.
    pub async fn bind(port: u16, socket: &Path) -> Result<Self, AgentError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let port = TcpListener::bind(address).await.map_err(|source| AgentError::no_port(address, source))?;
        let agents = LocalListener::bind(socket)
            .map_err(|source| AgentError::State { path: socket.to_path_buf(), source })?;
        Ok(Self { port, agents, desk: Arc::default() })
    }

    /// Where browsers reach it.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.port.local_addr()
    }

    /// Joins browsers and agents until `shutdown` is cancelled.
    pub async fn serve(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        loop {
            let joined = tokio::select! {
                () = shutdown.cancelled() => break,
                agent = self.agents.accept() => agent.map(|(stream, user)| self.desk.wait(user, stream)),
                browser = self.port.accept() => browser.map(|(stream, remote)| {
                    let joined = join(Arc::clone(&self.desk), stream, remote);
                    let shutdown = shutdown.clone();
                    tasks.spawn(async move { shutdown.run_until_cancelled(joined).await });
                }),
            };
            if let Err(error) = joined {
                // Out of descriptors, typically: the next attempt must not spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// Joins a browser's connection to the agent of the user whose process opened it.
async fn join(desk: Arc<Desk>, mut browser: TcpStream, remote: SocketAddr) {
    // Now, while the connection is surely open: its row leaves the system's table when it closes.
    let peer = browser
        .local_addr()
        .map_err(platform::PeerError::from)
        .and_then(|local| platform::peer_of(local, remote));
    let user = match peer {
        Ok(peer) => peer.user,
        Err(error) => {
            tracing::warn!(code = "AGENT-001", %error, "it is not known who opened a connection; it was closed");
            return;
        }
    };
    let Ok(_place) = desk.places(user).try_acquire_owned() else {
        tracing::warn!(user = user.0, "too many connections of one user; one was closed");
        return;
    };
    let agent = tokio::time::timeout(PATIENCE, desk.take(user)).await;
    let Ok(mut agent) = agent else {
        tracing::warn!(
            code = "AGENT-054",
            user = user.0,
            "no agent runs for this user; a connection was closed"
        );
        return;
    };
    if let Err(error) = copy_bidirectional(&mut browser, &mut agent).await {
        tracing::debug!(%error, user = user.0, "a connection ended early");
    }
}

impl Desk {
    /// Keeps a connection on which an agent of `user` waits.
    fn wait(&self, user: UserId, agent: LocalStream) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = waiting.entry(user).or_default();
        of_user.push_back(agent);
        if of_user.len() > MAX_WAITING {
            of_user.pop_front();
        }
        drop(waiting);
        self.came.notify_waiters();
    }

    /// A connection to the agent of `user` that is told to begin. Waits until there is one.
    async fn take(&self, user: UserId) -> LocalStream {
        loop {
            let came = self.came.notified();
            let mut came = std::pin::pin!(came);
            // Before looking, so that one that comes in between is not missed.
            came.as_mut().enable();
            while let Some(mut agent) = self.next(user) {
                // An agent that has ended, or one that says something unasked, is passed over.
                let quiet = agent.try_read(&mut [0]);
                let alive = matches!(quiet, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
                if alive && agent.write_all(JOINED).await.is_ok() {
                    return agent;
                }
            }
            came.await;
        }
    }

    fn next(&self, user: UserId) -> Option<LocalStream> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = waiting.get_mut(&user)?;
        let next = of_user.pop_front();
        if of_user.is_empty() {
            waiting.remove(&user);
        }
        next
    }

    /// So that one user's connections never keep another's out.
    fn places(&self, user: UserId) -> Arc<Semaphore> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(user).or_insert_with(|| Arc::new(Semaphore::new(MAX_OPEN))))
    }
}

/// The agent's end: the next connection of a browser of this user that the service at `socket` hands over. Where it does
/// not answer, that is said once, unless `quiet`, and `alert` runs once if another program has the port meanwhile: it gets
/// what browsers send to everybody's agents.
pub(super) async fn next<F: Future<Output = ()>>(
    socket: &Path,
    port: SocketAddr,
    quiet: bool,
    alert: impl Fn() -> F,
) -> LocalStream {
    let (mut told, mut alerted) = (quiet, quiet);
    loop {
        let error = match handed_over(socket).await {
            Ok(stream) => return stream,
            Err(error) => error,
        };
        let holder = platform::listener_user(port);
        if !std::mem::replace(&mut told, true) {
            // Said once, not every two seconds.
            let (socket, holder) = (socket.display(), holder.map(|user| user.0));
            tracing::warn!(
                code = "AGENT-055",
                %socket,
                ?holder,
                "the switch of this computer does not answer: {error}"
            );
        }
        if holder.is_some()
            && holder != platform::service_user(socket)
            && !std::mem::replace(&mut alerted, true)
        {
            alert().await;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn handed_over(socket: &Path) -> io::Result<LocalStream> {
    let mut stream = platform::connect_service(socket).await?;
    let mut said = [0; JOINED.len()];
    stream.read_exact(&mut said).await?;
    if said == *JOINED { Ok(stream) } else { Err(io::Error::other("it speaks another protocol")) }
}

/// The socket as a setting: the usual one where several people use the computer.
#[must_use]
pub fn socket_of(several_users: bool) -> Option<PathBuf> {
    several_users.then(|| PathBuf::from(SOCKET))
}
