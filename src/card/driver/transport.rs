//! One exchange of bytes with a card: the seam between PC/SC and everything above it.

use super::error::ReaderError;

/// How a reader talks to the card (ISO/IEC 7816-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes: a command carries data or expects some, never both.
    T0,
    /// Blocks: cards behind an antenna, and some with contacts.
    T1,
}

/// What is asked of the reader itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Which features it has: CM_IOCTL_GET_FEATURE_REQUEST (PC/SC part 10, section 2.2).
    Features,
    /// One of them, by the code that it gave.
    Feature(u32),
}

/// A connection to a card for the length of a transaction.
pub trait Transport {
    /// The protocol in use, which decides how a command is written.
    fn protocol(&self) -> Protocol;

    /// Sends `command` and gives the answer, status word included.
    ///
    /// # Errors
    /// [`ReaderError::ConnectionLost`] where reconnecting may help, [`ReaderError::Removed`] where the card is gone.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError>;

    /// Asks the reader itself. A reader with nothing to offer is the usual one.
    ///
    /// # Errors
    /// [`ReaderError::NoPad`] where the reader does not answer such requests; else as [`Self::transmit`].
    fn control(&mut self, _request: Control, _data: &[u8]) -> Result<Vec<u8>, ReaderError> {
        Err(ReaderError::NoPad)
    }
}
