//! Linux: the kernel's table of connections, the user of this process, private directories.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

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

/// Who opened the connection that this process accepted at `local` from `remote`.
///
/// The table lists both ends of a loopback connection; the peer's end has our addresses exchanged. Only established
/// connections count: a socket that nobody holds any more is listed as the superuser's.
///
/// # Errors
/// [`PeerError`]; the connection is then refused.
pub fn peer_of(local: SocketAddr, remote: SocketAddr) -> Result<Peer, PeerError> {
    let user =
        find(|row| row.state == State::Established && same(row.local, remote) && same(row.remote, local))?;
    user.map(|user| Peer { user }).ok_or(PeerError::Unknown)
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
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_peer_of_a_connection_is_the_user_who_opened_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let peer = peer_of(server.local_addr().unwrap(), remote).unwrap();
        assert_eq!(peer.user, this_user().unwrap());
        drop(client);
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
