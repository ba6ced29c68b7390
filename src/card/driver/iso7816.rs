//! Commands that the cards of all generations share (ISO/IEC 7816-4), on the logical channel that the caller names.

use zeroize::Zeroizing;

use super::apdu::{Channel, Command, Response, Status};
use super::error::ReaderError;
use super::tlv;

/// What the official library reads at a time.
const PIECE: usize = 0xE7;

/// No file of a card is larger; a card that claims otherwise is not read further.
const MAX_FILE: usize = 16 * 1024;

/// Identifier of the root.
pub const MASTER_FILE: [u8; 2] = [0x3F, 0x00];

/// A path from the root, as the card's own files write it.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(pub Vec<u8>);

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode_upper(&self.0))
    }
}

/// The content of the file whose control parameters `selected` answers; `None` where there is no such file. `name` stands
/// in a trace.
///
/// # Errors
/// [`ReaderError::Refused`] when it may not be read.
pub(super) fn content(
    channel: &mut Channel,
    cla: u8,
    name: &str,
    selected: Response,
) -> Result<Option<Vec<u8>>, ReaderError> {
    if selected.status == Status::NO_FILE {
        return Ok(None);
    }
    let parameters = selected.accepted("SELECT file")?;
    let content = read_selected(channel, cla, size(&parameters))?;
    channel.trace().file(name, &content);
    Ok(Some(content))
}

/// Presents a PIN. Sent once, whatever happens.
///
/// # Errors
/// Those of the channel.
pub(super) fn verify(
    channel: &mut Channel,
    header: [u8; 4],
    field: &Zeroizing<Vec<u8>>,
) -> Result<Status, ReaderError> {
    Ok(channel.send(&Command::new("VERIFY", header).data(field).once())?.status)
}

/// What the card answers to a VERIFY without data, which costs no try.
///
/// # Errors
/// Those of the channel.
pub(super) fn verify_without_data(
    channel: &mut Channel,
    cla: u8,
    reference: u8,
) -> Result<Status, ReaderError> {
    Ok(channel.send(&Command::new("VERIFY (empty)", [cla, 0x20, 0x00, reference]))?.status)
}

/// Tag `80` (or `81`) of the file's control parameters.
fn size(parameters: &[u8]) -> Option<usize> {
    let inner = tlv::find(parameters, 0x62).or_else(|| tlv::find(parameters, 0x6F)).unwrap_or(parameters);
    let bytes = tlv::find(inner, 0x80).or_else(|| tlv::find(inner, 0x81))?;
    (bytes.len() <= 3).then(|| bytes.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)))
}

/// Reads to the end; a file without a known size until the card has no more.
fn read_selected(channel: &mut Channel, cla: u8, size: Option<usize>) -> Result<Vec<u8>, ReaderError> {
    let end = size.unwrap_or(MAX_FILE).min(MAX_FILE);
    let mut content = Vec::new();
    while content.len() < end {
        let wanted = PIECE.min(end - content.len());
        let [high, low] = (content.len() as u16).to_be_bytes();
        let command = Command::new("READ BINARY", [cla, 0xB0, high, low]).expecting(wanted);
        let response = channel.send(&command)?;
        if response.status == Status::WRONG_OFFSET && !content.is_empty() {
            break;
        }
        // 6282: the file ended before the length asked for.
        if response.status != Status(0x6282) {
            let short = response.data.is_empty();
            content.extend(response.accepted(command.name())?);
            if !short {
                continue;
            }
        } else {
            content.extend(response.data);
        }
        break;
    }
    content.truncate(end);
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn reads_the_size_of_the_real_cards_parameters() {
        let parameters = [0x62, 0x09, 0x80, 0x02, 0x01, 0x65, 0x82, 0x01, 0x01, 0x8A, 0x00];
        assert_eq!(size(&parameters), Some(0x165));
        assert_eq!(size(&[0x62, 0x03, 0x82, 0x01, 0x38]), None);
        assert_eq!(size(&[]), None);
    }
}
