//! A real `pcscd` with two virtual readers in it, for the namespace it is started in.
//!
//! The readers are one device of two slots, so their names end in `00 00` and `00 01`. Start it only where
//! [`crate::isolation`] has put the process: it takes `/run/pcscd` and listens on all addresses.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::softcard::SoftCard;
use crate::softcard::vpcd::Inserted;

/// First port of the readers: the second slot listens on the next one.
const PORT: u16 = 35963;
const PATIENCE: Duration = Duration::from_secs(20);
const SOCKET: &str = "/run/pcscd/pcscd.comm";

/// What can go wrong on the way to a reader with a card.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `hw-tests/setup-vpcd.sh` has not run.
    #[error("the virtual reader is not at {0}: run `make setup`")]
    NoDriver(PathBuf),
    /// Package `pcscd` is missing, or could not be started.
    #[error("pcscd cannot be started ({0}): run `make setup`")]
    NoPcscd(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("PC/SC: {0}")]
    Pcsc(#[from] pcsc::Error),
    /// It ended, or says nothing for 20 s.
    #[error("{0} within 20 s")]
    Late(&'static str),
}

/// A running `pcscd`. Dropping it ends it.
#[derive(Debug)]
pub struct Pcscd {
    process: Child,
    name: String,
    _configuration: tempfile::TempDir,
}

impl Pcscd {
    /// Starts `pcscd` with readers called `name 00 00` and `name 00 01`.
    ///
    /// # Errors
    /// When a part is missing, or it does not come up.
    pub fn start(name: &str) -> Result<Self, Error> {
        let configuration = tempfile::tempdir()?;
        let driver = driver();
        if !driver.exists() {
            return Err(Error::NoDriver(driver));
        }
        let block = format!(
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:{PORT:#06X}\nLIBPATH {}\nCHANNELID {PORT:#06X}\n",
            driver.display()
        );
        std::fs::write(configuration.path().join("reader"), block)?;
        let process = Command::new("pcscd")
            .args(["--foreground", "--config"])
            .arg(configuration.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::NoPcscd)?;
        let started = Self { process, name: name.to_owned(), _configuration: configuration };
        started.wait_until_ready()?;
        Ok(started)
    }

    /// The reader of `slot` (0 or 1), by the name PC/SC gives it.
    #[must_use]
    pub fn reader(&self, slot: u16) -> String {
        format!("{} 00 {slot:02}", self.name)
    }

    /// The port on which the reader of `slot` takes cards.
    #[must_use]
    pub fn port(&self, slot: u16) -> u16 {
        PORT + slot
    }

    /// Puts `card` into the reader of `slot` and waits until pcscd has seen it.
    ///
    /// # Errors
    /// When pcscd does not see it.
    pub fn insert(&self, slot: u16, card: SoftCard) -> Result<Inserted, Error> {
        self.insert_again(slot, Arc::new(Mutex::new(card)))
    }

    /// As [`Self::insert`], for a card that was out before.
    ///
    /// # Errors
    /// When pcscd does not see it.
    pub fn insert_again(&self, slot: u16, card: Arc<Mutex<SoftCard>>) -> Result<Inserted, Error> {
        let inserted = Inserted::insert(card, self.port(slot))?;
        self.wait_for(slot, pcsc::State::PRESENT)?;
        Ok(inserted)
    }

    /// Pulls `card` out of the reader of `slot` and waits until pcscd has seen it.
    ///
    /// # Errors
    /// When pcscd does not see it.
    pub fn remove(&self, slot: u16, card: Inserted) -> Result<Arc<Mutex<SoftCard>>, Error> {
        let card = card.remove();
        self.wait_for_empty(slot)?;
        Ok(card)
    }

    /// Waits until the reader of `slot` has no card.
    ///
    /// # Errors
    /// When it still has one after 20 s.
    pub fn wait_for_empty(&self, slot: u16) -> Result<(), Error> {
        self.wait_for(slot, pcsc::State::EMPTY)
    }

    fn wait_for(&self, slot: u16, wanted: pcsc::State) -> Result<(), Error> {
        let context = pcsc::Context::establish(pcsc::Scope::User)?;
        let name = CString::new(self.reader(slot)).map_err(io::Error::from)?;
        let mut states = [pcsc::ReaderState::new(name, pcsc::State::UNAWARE)];
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match context.get_status_change(Duration::from_secs(1), &mut states) {
                Ok(()) | Err(pcsc::Error::Timeout) => {}
                Err(other) => return Err(other.into()),
            }
            for state in &mut states {
                let mute = state.event_state().contains(pcsc::State::MUTE);
                if state.event_state().contains(wanted) && !mute {
                    return Ok(());
                }
                state.sync_current_state();
            }
        }
        Err(Error::Late("pcscd did not see the card"))
    }

    /// The socket is there before the readers are; a context is the only way to ask.
    fn wait_until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        let expected = CString::new(self.reader(1)).map_err(io::Error::from)?;
        while Instant::now() < deadline {
            if Path::new(SOCKET).exists()
                && let Ok(context) = pcsc::Context::establish(pcsc::Scope::User)
                && context.list_readers_owned().is_ok_and(|readers| readers.contains(&expected))
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Error::Late("pcscd did not show the virtual readers"))
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Where `setup-vpcd.sh` unpacks the driver; `SCEAU_VPCD` names another place.
fn driver() -> PathBuf {
    std::env::var_os("SCEAU_VPCD")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/vpcd"), PathBuf::from)
        .join("usr/lib/pcsc/drivers/serial/libifdvpcd.so")
}
