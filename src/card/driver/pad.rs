//! The PIN on the reader's own keys (PC/SC part 10, "IFDs with Secure PIN Entry Capabilities").
//!
//! A hospital gets from it that a PIN typed on such a reader never passes through the computer: the reader is given a
//! VERIFY with a blank where the PIN belongs, fills it in itself and gives back the card's status word. The template
//! holds fill bytes only, and nothing here ever sees a digit.

use super::apdu::{Channel, Status};
use super::error::ReaderError;
use super::pin::PinPolicy;
use super::tlv;
use super::transport::Control;

/// FEATURE_VERIFY_PIN_DIRECT (PC/SC part 10, section 2.3).
const VERIFY_PIN_DIRECT: u32 = 0x06;

/// Seconds for the first key and between two.
const SECONDS: u8 = 30;
/// French (France), the language of the reader's own messages.
const LANGUAGE: u16 = 0x040C;

/// A reader that takes PINs on its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pad {
    /// What the reader calls VERIFY_PIN_DIRECT.
    verify: u32,
}

impl Pad {
    /// The keys of the reader behind `channel`; `None` where it has none.
    pub(super) fn of(channel: &mut Channel) -> Option<Self> {
        let features = channel.control("reader features", Control::Features, &[]).ok()?;
        // Tag, length 4, and the code: big-endian, whatever the machine (section 2.2).
        let code = tlv::find(&features, VERIFY_PIN_DIRECT)?;
        Some(Self { verify: u32::from_be_bytes(code.try_into().ok()?) })
    }

    /// Has the PIN typed and presented, once. Returns when the card has answered, or nobody typed.
    ///
    /// # Errors
    /// [`ReaderError::PadTimeout`], [`ReaderError::PadCancelled`], [`ReaderError::PinFormat`]: the card saw nothing.
    pub(super) fn verify(
        self,
        channel: &mut Channel,
        header: [u8; 4],
        policy: &PinPolicy,
    ) -> Result<Status, ReaderError> {
        let answer = channel.control(
            "VERIFY on the reader",
            Control::Feature(self.verify),
            &request(header, policy),
        )?;
        // Section 2.5.2: the status words of the reader itself.
        match answer.as_slice() {
            [0x64, 0x00] => Err(ReaderError::PadTimeout),
            [0x64, 0x01] => Err(ReaderError::PadCancelled),
            [0x64, 0x03] => Err(ReaderError::PinFormat { min: policy.min, max: policy.max }),
            [high, low] => Ok(Status(u16::from_be_bytes([*high, *low]))),
            _ => Err(ReaderError::ConnectionLost),
        }
    }
}

/// PIN_VERIFY_STRUCTURE (section 2.5.2), numbers little-endian as on every machine that PC/SC runs on here.
fn request(header: [u8; 4], policy: &PinPolicy) -> Vec<u8> {
    /// Positions count in bytes; the PIN begins right after the header, left-justified, in ASCII.
    const FORMAT: u8 = 0x82;
    /// The PIN is complete when the holder presses the validation key.
    const VALIDATION_KEY: u8 = 0x02;
    const ONE_MESSAGE: u8 = 0x01;
    let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    // Filled up by the reader to the length on the card, with the byte that stands in the template; else as typed.
    let block = policy.pad.map_or(0, |_| small(policy.stored) & 0x0F);
    let template: Vec<u8> = match policy.pad {
        Some(fill) => header.into_iter().chain([block]).chain((0..block).map(|_| fill)).collect(),
        None => header.into_iter().chain([0x00]).collect(),
    };
    let [language, country] = LANGUAGE.to_le_bytes();
    let length = u32::from(small(template.len())).to_le_bytes();
    [SECONDS, SECONDS, FORMAT, block, 0x00, small(policy.max), small(policy.min), VALIDATION_KEY]
        .into_iter()
        .chain([ONE_MESSAGE, language, country, 0x00])
        // bTeoPrologue: the reader's own affair.
        .chain([0x00; 3])
        .chain(length)
        .chain(template)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::transport::{Protocol, Transport};
    use super::*;

    /// A reader with keys, on which somebody types; the card behind it sees what the reader sends.
    struct Keys {
        features: Vec<u8>,
        answer: Vec<u8>,
        asked: Vec<(Control, Vec<u8>)>,
    }

    impl Keys {
        fn answering(answer: &[u8]) -> Self {
            // MODIFY_PIN_DIRECT stands before, PIN_PROPERTIES behind, as on many readers.
            let features = hex::decode("07044233000706044233000a0a0442330010").unwrap();
            Self { features, answer: answer.to_vec(), asked: Vec::new() }
        }
    }

    impl Transport for Keys {
        fn protocol(&self) -> Protocol {
            Protocol::T0
        }

        fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, ReaderError> {
            panic!("the computer sends nothing to the card: the reader does");
        }

        fn control(&mut self, request: Control, data: &[u8]) -> Result<Vec<u8>, ReaderError> {
            self.asked.push((request, data.to_vec()));
            Ok(match request {
                Control::Features => self.features.clone(),
                Control::Feature(_) => self.answer.clone(),
            })
        }
    }

    const HEADER: [u8; 4] = [0x00, 0x20, 0x00, 0x01];

    fn verify(keys: &mut Keys) -> Result<Status, ReaderError> {
        let mut channel = Channel::new(keys);
        let pad = Pad::of(&mut channel).unwrap();
        pad.verify(&mut channel, HEADER, &PinPolicy::CPS3)
    }

    #[test]
    fn the_reader_is_given_a_template_without_a_pin() {
        let mut keys = Keys::answering(&[0x90, 0x00]);
        assert_eq!(verify(&mut keys), Ok(Status::OK));
        let expected = "1e1e82080004040201\
                        0c0400000000\
                        0d000000\
                        0020000108ffffffffffffffff";
        assert_eq!(
            keys.asked[1],
            (Control::Feature(0x4233_000A), hex::decode(expected.replace(' ', "")).unwrap())
        );
    }

    #[test]
    fn a_pin_that_is_not_padded_leaves_the_length_to_the_reader() {
        let bare = PinPolicy { pad: None, stored: 8, max: 8, ..PinPolicy::CPS3 };
        let request = request(HEADER, &bare);
        assert_eq!(request[3], 0x00, "no block");
        assert_eq!(request[5..7], [8, 4]);
        assert_eq!(request[15..], [5, 0, 0, 0, 0x00, 0x20, 0x00, 0x01, 0x00]);
    }

    #[test]
    fn what_the_reader_itself_says_is_told_apart_from_the_card() {
        for (answer, expected) in [
            (&[0x64, 0x00][..], Err(ReaderError::PadTimeout)),
            (&[0x64, 0x01], Err(ReaderError::PadCancelled)),
            (&[0x64, 0x03], Err(ReaderError::PinFormat { min: 4, max: 4 })),
            (&[0x63, 0xC2], Ok(Status(0x63C2))),
            (&[0x69, 0x83], Ok(Status::BLOCKED)),
            (&[], Err(ReaderError::ConnectionLost)),
            (&[0x90, 0x00, 0x00], Err(ReaderError::ConnectionLost)),
        ] {
            assert_eq!(verify(&mut Keys::answering(answer)), expected, "{answer:02X?}");
        }
    }

    #[test]
    fn a_reader_without_keys_or_with_nonsense_has_none() {
        for features in ["", "12044233000a", "0603aabbcc", "06", "ffff"] {
            let mut keys = Keys { features: hex::decode(features).unwrap(), ..Keys::answering(&[]) };
            assert_eq!(Pad::of(&mut Channel::new(&mut keys)), None, "{features}");
        }
    }
}
