//! A real `pcscd` with virtual readers in it, for the namespace it is started in.
//!
//! A device has two slots, so the names of its readers end in `00 00` and `00 01`. The driver keeps its sockets in one place a library, so every further device gets a copy of it. A device can
//! have keys ([`Pcscd::start_with_keys`]), which the driver itself lacks. Start all of it only where
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
/// Slots of a device.
const SLOTS: u16 = 2;
/// Between the ports of two devices.
const APART: u16 = 16;
/// The driver of a reader with keys, as source.
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ifd/keys.c");
/// The variable by which that driver learns what somebody types.
const KEYS_VARIABLE: &str = "SCEAU_KEYS";
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
    /// The driver of the reader with keys cannot be compiled.
    #[error("the driver of a reader with keys cannot be compiled: {0}")]
    NoKeys(String),
    /// It ended, or says nothing for 20 s.
    #[error("{0} within 20 s")]
    Late(&'static str),
}

/// A running `pcscd`. Dropping it ends it.
#[derive(Debug)]
pub struct Pcscd {
    process: Child,
    names: Vec<String>,
    configuration: tempfile::TempDir,
}

impl Pcscd {
    /// Starts `pcscd` with readers called `name 00 00` and `name 00 01`.
    ///
    /// # Errors
    /// When a part is missing, or it does not come up.
    pub fn start(name: &str) -> Result<Self, Error> {
        Self::start_devices(&[name])
    }

    /// Starts `pcscd` with a device of two slots for each of `names`.
    ///
    /// # Errors
    /// When a part is missing, or it does not come up.
    pub fn start_devices(names: &[&str]) -> Result<Self, Error> {
        let configuration = tempfile::tempdir()?;
        let mut drivers = Vec::new();
        for number in 0..names.len() {
            let driver = driver()?;
            drivers.push(if number == 0 { driver } else { copied(&driver, configuration.path(), number)? });
        }
        Self::run(names, &drivers, configuration)
    }

    /// Starts `pcscd` with one device that has keys. [`Self::will_be_typed`] says what somebody types on them.
    ///
    /// # Errors
    /// When a part is missing, or it does not come up.
    pub fn start_with_keys(name: &str) -> Result<Self, Error> {
        let configuration = tempfile::tempdir()?;
        let driver = compiled(&driver()?, configuration.path())?;
        Self::run(&[name], &[driver], configuration)
    }

    /// What somebody types on the keys from now on: digits, `timeout` or `cancel`.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn will_be_typed(&self, keys: &str) -> Result<(), Error> {
        Ok(std::fs::write(keys_of(self.configuration.path()), keys)?)
    }

    fn run(names: &[&str], drivers: &[PathBuf], configuration: tempfile::TempDir) -> Result<Self, Error> {
        let mut blocks = String::new();
        for (number, (name, driver)) in names.iter().zip(drivers).enumerate() {
            let port = port_of(number as u16);
            blocks += &format!(
                "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:{port:#06X}\nLIBPATH {}\nCHANNELID {port:#06X}\n\n",
                driver.display()
            );
        }
        std::fs::create_dir(configuration.path().join("readers"))?;
        std::fs::write(configuration.path().join("readers/all"), blocks)?;
        let process = Command::new("pcscd")
            .args(["--foreground", "--config"])
            .arg(configuration.path().join("readers"))
            .env(KEYS_VARIABLE, keys_of(configuration.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::NoPcscd)?;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let started = Self { process, names, configuration };
        started.wait_until_ready()?;
        Ok(started)
    }

    /// The reader of `slot` (0 and 1 are those of the first device, 2 and 3 those of the second), by the name PC/SC gives
    /// it.
    #[must_use]
    pub fn reader(&self, slot: u16) -> String {
        let name = self.names.get(usize::from(slot / SLOTS)).map_or("", String::as_str);
        format!("{name} 00 {:02}", slot % SLOTS)
    }

    /// The port on which the reader of `slot` takes cards.
    #[must_use]
    pub fn port(&self, slot: u16) -> u16 {
        port_of(slot / SLOTS) + slot % SLOTS
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
        let last = self.names.len() as u16 * SLOTS - 1;
        let expected = CString::new(self.reader(last)).map_err(io::Error::from)?;
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

fn port_of(device: u16) -> u16 {
    PORT + device * APART
}

fn keys_of(directory: &Path) -> PathBuf {
    directory.join("keys")
}

/// Where `setup-vpcd.sh` unpacks the driver; `SCEAU_VPCD` names another place.
fn driver() -> Result<PathBuf, Error> {
    let driver = std::env::var_os("SCEAU_VPCD")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/vpcd"), PathBuf::from)
        .join("usr/lib/pcsc/drivers/serial/libifdvpcd.so");
    if driver.exists() { Ok(driver) } else { Err(Error::NoDriver(driver)) }
}

/// The driver under another path, which makes another library of it.
fn copied(driver: &Path, directory: &Path, number: usize) -> Result<PathBuf, Error> {
    let copy = directory.join(format!("libifdvpcd-{number}.so"));
    std::fs::copy(driver, &copy)?;
    Ok(copy)
}

/// The driver of a reader with keys, around the one without.
fn compiled(driver: &Path, directory: &Path) -> Result<PathBuf, Error> {
    let library = directory.join("libifdkeys.so");
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-I/usr/include/PCSC"])
        .arg(format!("-DVPCD=\"{}\"", driver.canonicalize()?.display()))
        .arg("-o")
        .arg(&library)
        .args([KEYS, "-ldl"])
        .output()
        .map_err(|error| Error::NoKeys(format!("{error}: run `make setup`")))?;
    match output.status.success() {
        true => Ok(library),
        false => Err(Error::NoKeys(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}
