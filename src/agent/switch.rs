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
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AgentError;
use super::platform::{self, Ends, LocalListener, LocalStream, Peer, PeerError, UserId};

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
/// How many connections wait at once to learn whose they are. One reading of the kernel's table answers for all of them, so
/// that they are few; what comes beyond is closed before anything is read.
const MAX_UNKNOWN: usize = 256;
/// How long a browser waits for an agent that is about to come; the sign-in page gives up after three seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often an agent looks for a service that is not there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    /// Takes the port on 127.0.0.1, then the socket: an agent that reaches the socket knows that the port is held. Where the
    /// service manager holds the port and passes it on, it is never free, not even while the service starts anew.
    ///
    /// # Errors
    /// [`AgentError::PortHeld`], [`AgentError::Port`] or [`AgentError::State`] for the socket.
    pub async fn bind(port: u16, socket: &Path) -> Result<Self, AgentError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |source| AgentError::Port { port, source };
        let port = match platform::passed_socket().map_err(failed)? {
            Some(passed) => passed_on(passed, address).map_err(failed)?,
            None => {
                TcpListener::bind(address).await.map_err(|source| AgentError::no_port(address, source))?
            }
        };
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
        let (registry, questions) = mpsc::channel(MAX_UNKNOWN);
        let asked = async |ends: Vec<Ends>| {
            let read = tokio::task::spawn_blocking(move || platform::peers_of(&ends)).await;
            read.unwrap_or_else(|error| Err(PeerError::Table(io::Error::other(error))))
        };
        let mut clerk = std::pin::pin!(tell_apart(questions, asked));
        loop {
            let joined = tokio::select! {
                () = shutdown.cancelled() => break,
                agent = self.agents.accept() => agent.map(|(stream, user)| self.desk.wait(user, stream)),
                () = clerk.as_mut() => break,
                browser = self.port.accept() => browser.map(|(stream, remote)| {
                    let Some(peer) = ask(&registry, &stream, remote) else { return };
                    let joined = join(Arc::clone(&self.desk), stream, peer);
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

/// The port that the service manager holds, if it is the one that browsers use and no other computer reaches.
fn passed_on(passed: std::net::TcpListener, wanted: SocketAddr) -> io::Result<TcpListener> {
    let address = passed.local_addr()?;
    if address != wanted {
        let what = format!("the service manager passed {address}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    passed.set_nonblocking(true)?;
    TcpListener::from_std(passed)
}

/// A connection whose user is to be found, and who wants to know.
struct Question {
    ends: Ends,
    answer: oneshot::Sender<Option<UserId>>,
}

/// Asks whose a connection is. `None` where too many ask at once: it is closed.
fn ask(
    registry: &mpsc::Sender<Question>,
    browser: &TcpStream,
    remote: SocketAddr,
) -> Option<oneshot::Receiver<Option<UserId>>> {
    let (answer, peer) = oneshot::channel();
    let asked = browser
        .local_addr()
        .is_ok_and(|local| registry.try_send(Question { ends: (local, remote), answer }).is_ok());
    if !asked {
        tracing::warn!("too many connections come at once; one was closed");
    }
    asked.then_some(peer)
}

/// Answers the questions, as many as wait by one reading of the system's table: however many connections somebody opens, it
/// is read by one thread at a time and for all of them.
async fn tell_apart(
    mut questions: mpsc::Receiver<Question>,
    peers_of: impl AsyncFn(Vec<Ends>) -> Result<Vec<Option<Peer>>, PeerError>,
) {
    let mut waiting = Vec::new();
    while questions.recv_many(&mut waiting, MAX_UNKNOWN).await > 0 {
        let peers = peers_of(waiting.iter().map(|question| question.ends).collect()).await;
        let peers = peers.unwrap_or_else(|error| {
            tracing::warn!(code = "AGENT-001", %error, "it is not known who opens connections");
            Vec::new()
        });
        let mut peers = peers.into_iter();
        for question in waiting.drain(..) {
            // Who asked may have gone away.
            let _ = question.answer.send(peers.next().flatten().map(|peer| peer.user));
        }
    }
}

/// Joins a browser's connection to the agent of the user whose process opened it.
async fn join(desk: Arc<Desk>, mut browser: TcpStream, peer: oneshot::Receiver<Option<UserId>>) {
    let Ok(Some(user)) = peer.await else {
        tracing::warn!(code = "AGENT-001", "it is not known who opened a connection; it was closed");
        return;
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
/// not answer, that is said once, unless `quiet`, and told to the servers by `missed`; and `alert` runs once if another
/// program has the port meanwhile: it gets what browsers send to everybody's agents. The service manager, which holds the
/// port while the service starts anew, is the administrator's.
pub(super) async fn next<F: Future<Output = ()>>(
    socket: &Path,
    port: SocketAddr,
    quiet: bool,
    missed: impl Fn(),
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
            missed();
        }
        let is_foreign =
            |holder: UserId| !holder.is_administrator() && Some(holder) != platform::service_user(socket);
        if holder.is_some_and(is_foreign) && !std::mem::replace(&mut alerted, true) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn ends(port: u16) -> Ends {
        ((Ipv4Addr::LOCALHOST, 47_810).into(), (Ipv4Addr::LOCALHOST, port).into())
    }

    #[tokio::test]
    async fn one_reading_answers_for_all_who_wait_and_more_than_can_wait_are_turned_away_first() {
        let (registry, questions) = mpsc::channel(MAX_UNKNOWN);
        let mut waiting = Vec::new();
        for port in 1..=MAX_UNKNOWN as u16 {
            let (answer, peer) = oneshot::channel();
            assert!(registry.try_send(Question { ends: ends(port), answer }).is_ok());
            waiting.push((port, peer));
        }
        let (answer, _peer) = oneshot::channel();
        assert!(
            registry.try_send(Question { ends: ends(9_999), answer }).is_err(),
            "before anything is read"
        );
        drop(registry);
        let readings = AtomicUsize::new(0);
        let peers_of = async |ends: Vec<Ends>| {
            readings.fetch_add(1, Ordering::SeqCst);
            // Odd ones have gone away.
            let peer = |(_, remote): &Ends| {
                let port = u32::from(remote.port());
                port.is_multiple_of(2).then_some(Peer { user: UserId(port) })
            };
            Ok(ends.iter().map(peer).collect())
        };
        tell_apart(questions, peers_of).await;
        assert_eq!(readings.load(Ordering::SeqCst), 1);
        for (port, peer) in waiting {
            let user = peer.await.unwrap().map(|user| user.0);
            assert_eq!(user, port.is_multiple_of(2).then_some(u32::from(port)), "each its own");
        }
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_read_lets_nobody_through() {
        let (registry, questions) = mpsc::channel(1);
        let (answer, peer) = oneshot::channel();
        assert!(registry.try_send(Question { ends: ends(1), answer }).is_ok());
        drop(registry);
        tell_apart(questions, async |_| Err(PeerError::Table(io::Error::other("no /proc")))).await;
        assert_eq!(peer.await.unwrap(), None);
    }

    /// A program that opens connections without end takes its own user's places, and the agent is still reached afterwards.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flood_of_real_connections_is_bounded_and_passes() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("switch.sock");
        let switch = Switch::bind(0, &socket).await.unwrap();
        let (address, desk, stop) =
            (switch.address().unwrap(), Arc::clone(&switch.desk), CancellationToken::new());
        let serving = tokio::spawn(switch.serve(stop.clone()));
        let mut flood = Vec::new();
        for _ in 0..300 {
            flood.push(TcpStream::connect(address).await.unwrap());
        }
        // Beyond this user's places they are closed at once; the others wait for an agent, none comes, and they are closed.
        for mut browser in flood {
            assert!(browser.read_u8().await.is_err());
        }
        let places = desk.places(platform::this_user().unwrap());
        drop(places.acquire_many(MAX_OPEN as u32).await.unwrap());

        let mut agent = LocalStream::connect(&socket).await.unwrap();
        let mut browser = TcpStream::connect(address).await.unwrap();
        let mut said = [0; JOINED.len()];
        agent.read_exact(&mut said).await.unwrap();
        assert_eq!(said, *JOINED);
        browser.write_all(b"GET").await.unwrap();
        let mut passed = [0; 3];
        agent.read_exact(&mut passed).await.unwrap();
        assert_eq!(&passed, b"GET");
        stop.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_port_that_is_not_the_one_browsers_use_is_not_taken_over() {
        let passed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = passed.local_addr().unwrap();
        let elsewhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        assert!(passed_on(passed.try_clone().unwrap(), elsewhere).is_err());
        assert_eq!(passed_on(passed, address).unwrap().local_addr().unwrap(), address);
    }
}
