//! The virtual reader's side of the card: the protocol of vsmartcard's `vpcd`.
//!
//! `vpcd` is a driver inside `pcscd` that listens for a card: a TCP connection is the card's presence, closing it is
//! its removal. Messages have two bytes of length (big endian). One byte of payload is a signal of the reader, more is
//! a command of the card.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::SoftCard;

const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const ANSWER_TO_RESET: u8 = 4;

/// A card that is in a reader now. Dropping it pulls the card out.
#[derive(Debug)]
pub struct Inserted {
    connection: TcpStream,
    card: Arc<Mutex<SoftCard>>,
    thread: Option<JoinHandle<()>>,
}

impl Inserted {
    /// Puts `card` into the reader that listens on `port` of this machine.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn insert(card: Arc<Mutex<SoftCard>>, port: u16) -> io::Result<Self> {
        let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let served = connection.try_clone()?;
        let in_reader = Arc::clone(&card);
        let thread = thread::Builder::new().name("softcard".into()).spawn(move || {
            // The end of the connection is the removal of the card; there is nobody to tell.
            let _ended = serve(served, &in_reader);
        })?;
        Ok(Self { connection, card, thread: Some(thread) })
    }

    /// The card, for a test that looks at its counters or intervenes. The reader waits while it is held.
    pub fn card(&self) -> MutexGuard<'_, SoftCard> {
        locked(&self.card)
    }

    /// Pulls the card out and gives it back.
    #[must_use]
    pub fn remove(self) -> Arc<Mutex<SoftCard>> {
        Arc::clone(&self.card)
    }

    /// Waits until the reader goes away or the card is pulled out by an intervention, and gives the card back.
    pub fn wait(mut self) -> Arc<Mutex<SoftCard>> {
        if let Some(thread) = self.thread.take() {
            let _joined = thread.join();
        }
        Arc::clone(&self.card)
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        let _closed = self.connection.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _joined = thread.join();
        }
    }
}

fn locked(card: &Mutex<SoftCard>) -> MutexGuard<'_, SoftCard> {
    card.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut connection: TcpStream, card: &Mutex<SoftCard>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    while let Some(message) = receive(&mut connection)? {
        let answer = match *message {
            [POWER_OFF | POWER_ON | RESET] => {
                locked(card).reset();
                continue;
            }
            [ANSWER_TO_RESET] => Some(locked(card).atr().to_vec()),
            _ => {
                let (answer, latency) = {
                    let mut card = locked(card);
                    (card.transmit(&message), card.latency())
                };
                thread::sleep(latency);
                answer
            }
        };
        match answer {
            Some(answer) => send(&mut connection, &answer)?,
            None => return connection.shutdown(Shutdown::Both),
        }
    }
    Ok(())
}

/// `vpcd` 3.3 writes length and body separately: without a quick acknowledgement each command would wait 40 ms for
/// Nagle's algorithm. The option does not last, so it is set before every read.
fn receive(connection: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    rustix::net::sockopt::set_tcp_quickack(&*connection, true)?;
    match connection.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    rustix::net::sockopt::set_tcp_quickack(&*connection, true)?;
    connection.read_exact(&mut message)?;
    Ok(Some(message))
}

fn send(connection: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    connection.write_all(&[&length.to_be_bytes()[..], message].concat())
}
