//! Commands of the ChipDoc applet of a CPS4, in the coding of the official library (`docs/cards.md`, section 4).

use super::apdu::{Channel, Command, Response, Status};
use super::contents::Files;
use super::error::ReaderError;
use super::iso7816::{self, MASTER_FILE, Path};

/// Logical channel 1: all commands of the official library go there (ISO/IEC 7816-4 §5.4.1).
pub(super) const CLA: u8 = 0x01;
/// The basic channel, where the card shows its oldest view.
const BASIC: u8 = 0x00;

/// Name of the applet.
const APPLET: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00];
/// Name of the view of a CPS2ter, on the basic channel.
const OLDER_VIEW: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x02];
/// Name of the issuer's security domain (GlobalPlatform).
const SECURITY_DOMAIN: [u8; 7] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00];

/// Enters the applet; `false` when the card does not have it.
///
/// The official library opens no channel: the selection does. A card that wants it opened first says so (`6881`), and
/// gets a MANAGE CHANNEL: inferred from ISO/IEC 7816-4 §7.1.2. A card in a state that allows no selection (`6985`) is
/// brought back by way of the issuer's security domain, as the official library does.
///
/// # Errors
/// Those of the channel.
pub(super) fn enter(channel: &mut Channel) -> Result<bool, ReaderError> {
    let answered = select_by_name(channel, CLA, "SELECT applet", &APPLET)?;
    match answered {
        Status::OK => return Ok(true),
        Status::NO_CHANNEL => open_channel(channel)?,
        _ => recover(channel)?,
    }
    select_applet(channel)
}

/// Selects the applet once, and does nothing else where that fails.
///
/// # Errors
/// Those of the channel.
pub(super) fn select_applet(channel: &mut Channel) -> Result<bool, ReaderError> {
    Ok(select_by_name(channel, CLA, "SELECT applet", &APPLET)? == Status::OK)
}

fn select_by_name(
    channel: &mut Channel,
    cla: u8,
    name: &'static str,
    aid: &[u8],
) -> Result<Status, ReaderError> {
    Ok(channel.send(&Command::new(name, [cla, 0xA4, 0x04, 0x0C]).data(aid).open())?.status)
}

/// Opens channel 1. Inferred: P1 `00` opens, P2 is the number.
fn open_channel(channel: &mut Channel) -> Result<(), ReaderError> {
    channel.send(&Command::new("MANAGE CHANNEL", [BASIC, 0x70, 0x00, 0x01]).open()).map(drop)
}

/// The first two of the three selections of the official library; the third is the applet's, by whoever calls.
fn recover(channel: &mut Channel) -> Result<(), ReaderError> {
    select_by_name(channel, CLA, "SELECT security domain", &SECURITY_DOMAIN)?;
    select_by_name(channel, BASIC, "SELECT older view", &OLDER_VIEW)?;
    Ok(())
}

/// Sends a selection within the applet; where the card is not in it any more (another program chose another view),
/// enters it once and repeats.
fn send_recovering(channel: &mut Channel, command: &Command) -> Result<Response, ReaderError> {
    let response = channel.send(command)?;
    match response.status {
        Status::WRONG_CLASS | Status::WRONG_P1_P2 | Status::CONDITIONS_NOT_SATISFIED | Status::NO_CHANNEL => {
            enter(channel)?;
            channel.send(command)
        }
        _ => Ok(response),
    }
}

/// The files of the applet. A directory is entered from the root by its identifier, a file from its directory: the two
/// selections of the official library that do not depend on what was selected before.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The directory that our own selections lead to.
    entered: Option<Vec<u8>>,
}

impl Files for Tree {
    fn read(
        &mut self,
        channel: &mut Channel,
        name: &str,
        path: &Path,
    ) -> Result<Option<Vec<u8>>, ReaderError> {
        let Some((directory, file)) = path.0.split_last_chunk::<2>() else { return Ok(None) };
        if !self.enter(channel, directory)? {
            return Ok(None);
        }
        let from_here = if directory == MASTER_FILE { 0x00 } else { 0x09 };
        let select =
            Command::new("SELECT file", [CLA, 0xA4, from_here, 0x04]).data(file).expecting(256).open();
        let selected = channel.send(&select)?;
        iso7816::content(channel, CLA, name, selected)
    }
}

impl Tree {
    /// `false` when there is no such directory.
    fn enter(&mut self, channel: &mut Channel, directory: &[u8]) -> Result<bool, ReaderError> {
        if self.entered.as_deref() == Some(directory) {
            return Ok(true);
        }
        self.entered = None;
        let (steps, _) = directory.as_chunks::<2>();
        for step in steps {
            let select = Command::new("SELECT directory", [CLA, 0xA4, 0x00, 0x0C]).data(step).open();
            match send_recovering(channel, &select)?.status {
                Status::OK => {}
                Status::NO_FILE => return Ok(false),
                Status(status) => return Err(ReaderError::Refused { command: select.name(), status }),
            }
        }
        self.entered = Some(directory.to_vec());
        Ok(true)
    }
}

/// Tries left of the PIN `reference`, by an empty VERIFY. A PIN that another program left presented has `all` its tries:
/// they came back when it was right.
///
/// # Errors
/// Those of the channel.
pub(super) fn tries_left(channel: &mut Channel, reference: u8, all: u8) -> Result<Option<u8>, ReaderError> {
    let status = iso7816::verify_without_data(channel, CLA, reference)?;
    Ok(match status {
        Status::OK => Some(all),
        Status::BLOCKED | Status::REFERENCE_INVALIDATED => Some(0),
        status => status.tries_left(),
    })
}

/// Chooses `key` for [`decipher`].
///
/// # Errors
/// [`ReaderError::Refused`].
pub(super) fn choose_authentication_key(channel: &mut Channel, key: u8) -> Result<(), ReaderError> {
    let command = Command::new("MSE SET", [CLA, 0x22, 0x41, 0xB8]).data(&[0x83, 0x01, key]).open();
    channel.send(&command)?.accepted(command.name()).map(drop)
}

/// The block, raised to the chosen key's exponent: PSO DECIPHER, without a padding indicator, in a chain of commands.
/// Reached by [`super::cps4`] alone, with the padded block of a proof.
///
/// # Errors
/// [`ReaderError::Refused`], with `6982` when the PIN was not presented.
pub(super) fn decipher(channel: &mut Channel, block: &[u8]) -> Result<Vec<u8>, ReaderError> {
    const NAME: &str = "PSO DECIPHER";
    channel.send_chain(NAME, [CLA, 0x2A, 0x80, 0x86], block)?.accepted(NAME)
}
