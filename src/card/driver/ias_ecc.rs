//! Commands of an IAS-ECC 1.0.1 card, in the coding that a CPS3 takes (`docs/cards.md`, section 3).

use super::apdu::{Channel, Command, Response, Status};
use super::error::ReaderError;
use super::iso7816::{self, MASTER_FILE, Path};
use super::tlv;

/// The basic logical channel.
pub(super) const CLA: u8 = 0x00;

/// Name of the root application. Selecting it brings back a card that another program left in its older view.
const ROOT_AID: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00];

/// Selects the application called `aid`; `false` when the card does not have it.
///
/// # Errors
/// Those of the channel.
pub fn select_application(channel: &mut Channel, aid: &[u8]) -> Result<bool, ReaderError> {
    let command = Command::new("SELECT application", [0x00, 0xA4, 0x04, 0x0C]).data(aid).open();
    Ok(send_recovering(channel, &command)?.status == Status::OK)
}

/// Selects the directory at `path`.
///
/// # Errors
/// [`ReaderError::Refused`] when the card does not have it.
pub fn select_directory(channel: &mut Channel, path: &[u8]) -> Result<(), ReaderError> {
    let command = Command::new("SELECT directory", [0x00, 0xA4, 0x09, 0x0C]).data(path).open();
    send_recovering(channel, &command)?.accepted(command.name()).map(drop)
}

/// The whole file at `path`; `None` when the card does not have it. `name` stands in a trace.
///
/// # Errors
/// [`ReaderError::Refused`] when it may not be read.
pub fn read_file(channel: &mut Channel, name: &str, path: &Path) -> Result<Option<Vec<u8>>, ReaderError> {
    let select = Command::new("SELECT file", [0x00, 0xA4, 0x09, 0x04]).data(&path.0).expecting(256).open();
    let selected = send_recovering(channel, &select)?;
    iso7816::content(channel, CLA, name, selected)
}

/// Tries left of the PIN `reference`: from the PIN object (tag `9B`), else by an empty VERIFY, which costs none. `None`
/// when the card answers neither.
///
/// # Errors
/// Those of the channel.
pub fn tries_left(channel: &mut Channel, reference: u8) -> Result<Option<u8>, ReaderError> {
    select_directory(channel, &MASTER_FILE)?;
    let request = [0x4D, 0x08, 0x70, 0x06, 0xBF, 0x81, reference, 0x02, 0xA0, 0x80];
    let command =
        Command::new("GET DATA PIN object", [0x00, 0xCB, 0x3F, 0xFF]).data(&request).expecting(256).open();
    let response = channel.send(&command)?;
    let object = 0xBF_8100 | u32::from(reference);
    let left = tlv::find_path(&response.data, &[0x70, object, 0xA0, 0x9B]);
    if let (Status::OK, Some(&[left])) = (response.status, left) {
        return Ok(Some(left));
    }
    let status = iso7816::verify_without_data(channel, CLA, reference)?;
    Ok(match status {
        Status::BLOCKED | Status::REFERENCE_INVALIDATED => Some(0),
        status => status.tries_left(),
    })
}

/// Chooses `key` for INTERNAL AUTHENTICATE (RSA PKCS#1 v1.5, the card pads).
///
/// # Errors
/// [`ReaderError::Refused`].
pub fn choose_authentication_key(channel: &mut Channel, key: u8) -> Result<(), ReaderError> {
    let command =
        Command::new("MSE SET", [0x00, 0x22, 0x41, 0xA4]).data(&[0x80, 0x01, 0x02, 0x84, 0x01, key]).open();
    channel.send(&command)?.accepted(command.name()).map(drop)
}

/// The signature of `digest_info` by the key chosen.
///
/// # Errors
/// [`ReaderError::Refused`], with `6982` when the PIN was not presented.
pub(super) fn internal_authenticate(
    channel: &mut Channel,
    digest_info: &[u8],
) -> Result<Vec<u8>, ReaderError> {
    let command =
        Command::new("INTERNAL AUTHENTICATE", [0x00, 0x88, 0x00, 0x00]).data(digest_info).expecting(256);
    channel.send(&command)?.accepted(command.name())
}

/// Sends a selection; where the card says that it is in another view (`6E00`) or place (`6A86`), selects the root
/// application and repeats, as the official library does.
fn send_recovering(channel: &mut Channel, command: &Command) -> Result<Response, ReaderError> {
    let response = channel.send(command)?;
    if !matches!(response.status, Status::WRONG_CLASS | Status::WRONG_P1_P2) {
        return Ok(response);
    }
    channel
        .send(&Command::new("SELECT root", [0x00, 0xA4, 0x04, 0x04]).data(&ROOT_AID).expecting(256).open())?;
    channel.send(command)
}
