//! Linux: the kernel's table of connections, the user of this process, private directories.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::{PeerError, UserId};

/// Who holds the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The user whose process opened it.
    pub user: UserId,
}

/// The user that this process runs as.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn this_user() -> io::Result<UserId> {
    Ok(UserId(fs::metadata("/proc/self")?.uid()))
}

/// A connection that this process accepted: our address, and whence it came.
pub type Ends = (SocketAddr, SocketAddr);

/// Who opened the connection that this process accepted at `local` from `remote`. Reads a file that may be long.
///
/// # Errors
/// [`PeerError`]; the connection is then refused.
pub fn peer_of(local: SocketAddr, remote: SocketAddr) -> Result<Peer, PeerError> {
    peers_of(&[(local, remote)])?.pop().flatten().ok_or(PeerError::Unknown)
}

/// Who opened each of these connections, where that is known, from one reading of the system's table.
///
/// The table lists both ends of a loopback connection; the peer's end has our addresses exchanged. Only established
/// connections count: a socket that nobody holds any more is listed as the superuser's.
///
/// # Errors
/// [`PeerError::Table`].
pub fn peers_of(connections: &[Ends]) -> Result<Vec<Option<Peer>>, PeerError> {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let mut users: HashMap<Ends, Option<UserId>> =
        connections.iter().map(|(local, remote)| ((canonical(*local), canonical(*remote)), None)).collect();
    let mut read = |table: &str| {
        for row in table.lines().skip(1).filter_map(parse_row).filter(|row| row.state == State::Established) {
            if let Some(user) = users.get_mut(&(canonical(row.remote), canonical(row.local))) {
                user.get_or_insert(row.user);
            }
        }
    };
    read(&fs::read_to_string("/proc/net/tcp")?);
    // A program may reach an IPv4 address through an IPv6 socket; a kernel without IPv6 has no such table.
    match fs::read_to_string("/proc/net/tcp6") {
        Ok(table) => read(&table),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let user =
        |(local, remote): &Ends| users.get(&(canonical(*local), canonical(*remote))).copied().flatten();
    Ok(connections.iter().map(|ends| user(ends).map(|user| Peer { user })).collect())
}

/// The TCP socket at which the system's service manager listens for this process, if it passed one (`sd_listen_fds(3)`).
/// It stays open while the process is away.
///
/// # Errors
/// What is passed first is no such socket.
pub fn passed_socket() -> io::Result<Option<TcpListener>> {
    listenfd::ListenFd::from_env().take_tcp_listener(0)
}

/// Who listens on `address`, to say it where the port is taken.
#[must_use]
pub fn listener_user(address: SocketAddr) -> Option<UserId> {
    find(|row| {
        row.state == State::Listening
            && row.local.port() == address.port()
            && (same(row.local, address) || row.local.ip().is_unspecified())
    })
    .ok()
    .flatten()
}

fn find(wanted: impl Fn(&Row) -> bool) -> Result<Option<UserId>, PeerError> {
    let first =
        |table: &str| table.lines().skip(1).filter_map(parse_row).find(|row| wanted(row)).map(|row| row.user);
    if let Some(user) = first(&fs::read_to_string("/proc/net/tcp")?) {
        return Ok(Some(user));
    }
    // A program may reach an IPv4 address through an IPv6 socket; a kernel without IPv6 has no such table.
    match fs::read_to_string("/proc/net/tcp6") {
        Ok(table) => Ok(first(&table)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Established,
    Listening,
    Other,
}

#[derive(Debug)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    state: State,
    user: UserId,
}

/// One line of `/proc/net/tcp`: `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …` (proc(5)).
fn parse_row(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = parse_address(fields.next()?)?;
    let remote = parse_address(fields.next()?)?;
    let state = match fields.next()? {
        "01" => State::Established,
        "0A" => State::Listening,
        _ => State::Other,
    };
    let user = UserId(fields.nth(3)?.parse().ok()?);
    Some(Row { local, remote, state, user })
}

/// `0100007F:BAC2`: each 32-bit word of the address in the byte order of the machine, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    if ip.len() % 8 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(16);
    for word in ip.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Makes `path` and what leads to it, readable by its owner only.
///
/// # Errors
/// What the system says.
pub fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether nobody but its owner can read or change `path`, and its owner is this user.
///
/// # Errors
/// What the system says.
pub fn is_private(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    Ok(metadata.permissions().mode() & 0o077 == 0 && UserId(metadata.uid()) == this_user()?)
}

/// Whether only an administrator can write `path` and the directory it stands in.
///
/// # Errors
/// What the system says.
pub fn only_administrators_write(path: &Path) -> io::Result<bool> {
    let protected = |path: &Path| -> io::Result<bool> {
        let metadata = fs::metadata(path)?;
        Ok(metadata.permissions().mode() & 0o022 == 0 && metadata.uid() == 0)
    };
    Ok(protected(path)? && path.parent().map_or(Ok(true), protected)?)
}

/// Whether whoever is neither the owner nor in the group of `path` can do nothing with it.
///
/// # Errors
/// What the system says.
pub fn closed_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o007 == 0)
}

/// Lets the group of a private file read it.
///
/// # Errors
/// What the system says.
pub fn let_group_read(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o640))
}

/// A connection between two programs of this computer.
pub type LocalStream = UnixStream;

/// Where other programs of this computer reach this one, whoever runs them. Its socket goes with it.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
}

impl LocalListener {
    /// Listens at `path`. A socket that a run before left there is removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(Self { listener, path: path.to_path_buf() })
    }

    /// The next connection, and the user whose process opened it: the kernel says it (`SO_PEERCRED`).
    ///
    /// # Errors
    /// What the system says.
    pub async fn accept(&self) -> io::Result<(LocalStream, UserId)> {
        let (stream, _) = self.listener.accept().await?;
        let user = UserId(stream.peer_cred()?.uid());
        Ok((stream, user))
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Reaches a service of this computer at `path`, if nobody but an administrator can have put it there: the folder above
/// its own is the administrator's, its own is written by its owner alone, and that owner, or the superuser, answers.
///
/// # Errors
/// What the system says, or that somebody else could be at the other end.
pub async fn connect_service(path: &Path) -> io::Result<LocalStream> {
    let not_protected = |what: &str| io::Error::new(io::ErrorKind::PermissionDenied, what.to_owned());
    let folder = path.parent().ok_or_else(|| not_protected("the socket stands in no folder"))?;
    let above = folder.parent().ok_or_else(|| not_protected("its folder stands in no folder"))?;
    let (own, above) = (fs::symlink_metadata(folder)?, fs::symlink_metadata(above)?);
    let closed = |metadata: &fs::Metadata| metadata.is_dir() && metadata.permissions().mode() & 0o022 == 0;
    if !(closed(&own) && closed(&above) && above.uid() == 0) {
        return Err(not_protected("others than an administrator can put a socket there"));
    }
    let stream = UnixStream::connect(path).await?;
    let service = UserId(stream.peer_cred()?.uid());
    if service.0 != own.uid() && !service.is_administrator() {
        return Err(not_protected("another user answers there"));
    }
    Ok(stream)
}

/// The user of the service whose socket stands, or should stand, at `path`: the owner of its folder.
#[must_use]
pub fn service_user(path: &Path) -> Option<UserId> {
    fs::symlink_metadata(path.parent()?).ok().map(|folder| UserId(folder.uid()))
}

/// Waits until the system (SIGTERM) or the person at the terminal (SIGINT) wants the program to end.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// The terminal that this process was started on, if its standard input is one.
#[must_use]
pub fn terminal() -> Option<String> {
    use std::io::IsTerminal as _;
    if !io::stdin().is_terminal() {
        return None;
    }
    fs::read_link("/proc/self/fd/0").ok()?.into_os_string().into_string().ok()
}

/// What this computer calls itself.
#[must_use]
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn the_peer_of_a_connection_is_the_user_who_opened_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let peer = peer_of(server.local_addr().unwrap(), remote).unwrap();
        assert_eq!(peer.user, this_user().unwrap());
        drop(client);
    }

    #[tokio::test]
    async fn a_service_is_reached_where_only_an_administrator_can_have_put_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("switch");
        fs::create_dir(&folder).unwrap();
        let socket = folder.join("switch.sock");
        let listener = LocalListener::bind(&socket).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        // Whoever can write the folder, or the one above, can put a socket of theirs in its place.
        mode(&folder, 0o777);
        let refused = connect_service(&socket).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        mode(&folder, 0o755);
        mode(dir.path(), 0o777);
        assert!(connect_service(&socket).await.is_err());
        mode(dir.path(), 0o755);
        let connected = connect_service(&socket).await;
        // The folder above has to be the superuser's.
        assert_eq!(connected.is_ok(), this_user().unwrap() == UserId(0));
        if connected.is_ok() {
            assert_eq!(listener.accept().await.unwrap().1, UserId(0));
        }
        drop(listener);
        assert!(!socket.exists(), "its socket goes with it");
    }

    #[test]
    fn a_connection_that_was_closed_belongs_to_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let local = server.local_addr().unwrap();
        // Closed by our side first: the other end is then no longer established.
        drop(server);
        drop(client);
        assert!(matches!(peer_of(local, remote), Err(PeerError::Unknown)));
    }

    #[test]
    fn an_ipv6_socket_that_reaches_ipv4_is_found_too() {
        let row = parse_row("   1: 0000000000000000FFFF00000100007F:D431 0000000000000000FFFF00000100007F:BAC2 01 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000000000000000 20 4 30 10 -1").unwrap();
        assert!(same(row.local, "127.0.0.1:54321".parse().unwrap()));
        assert!(same(row.remote, "127.0.0.1:47810".parse().unwrap()));
        assert_eq!(row.user, UserId(1000));
    }

    #[test]
    fn lines_that_make_no_sense_are_passed_over() {
        for line in [
            "",
            "sl local rem st",
            " 0: 0100007F:BAC2",
            " 0: XX:1 YY:2 01 a b c 0",
            " 0: 0100007F:BAC2 00:0 0A a b c 0",
        ] {
            assert!(parse_row(line).is_none(), "{line}");
        }
    }

    #[test]
    fn the_listener_of_a_port_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(listener_user(listener.local_addr().unwrap()), Some(this_user().unwrap()));
    }

    #[test]
    fn a_private_directory_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_dir(&path).unwrap();
        assert!(is_private(&path).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(!is_private(&path).unwrap());
    }
}
