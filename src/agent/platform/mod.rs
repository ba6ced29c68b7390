//! What differs between operating systems: who is at the other end of a loopback connection, private files, one instance.
//!
//! A hospital gets from it that no other user of the same computer can reach the agent. Everything that only Unix has
//! stands in `unix.rs`, the only file of `agent` and `card` that may name it (a test reads the sources); Windows joins
//! beside it.

use std::io;

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::{
    Ends, LocalListener, LocalStream, Peer, closed_to_others, connect_service, host_name, is_private,
    let_group_read, listener_user, only_administrators_write, passed_socket, peer_of, peers_of, private_dir,
    service_user, stop_signal, terminal, this_user,
};

/// A user of this computer, as the operating system numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(pub u32);

impl UserId {
    /// Whether it is the superuser, whom nobody of this computer has to be protected from.
    #[must_use]
    pub fn is_administrator(self) -> bool {
        self.0 == 0
    }
}

/// Why it is not known who is at the other end.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The connection is closed, or does not come from this computer's own user space.
    #[error("no open connection of this computer has these addresses")]
    Unknown,
    /// The system's table of connections cannot be read.
    #[error("the table of connections cannot be read: {0}")]
    Table(#[from] io::Error),
}
