//! The PIN: how it is held, and how a card wants it presented.

use zeroize::Zeroizing;

use super::error::ReaderError;

/// No card has a longer one, and no keyboard mistake is worth sending.
const MAX_DIGITS: usize = 16;

/// A PIN as typed: digits only. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct Pin(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(…)")
    }
}

impl Pin {
    /// The PIN in `typed`, which the caller wipes.
    ///
    /// # Errors
    /// [`ReaderError::PinFormat`] for anything but one to sixteen ASCII digits; no card has seen it.
    pub fn parse(typed: impl AsRef<[u8]>) -> Result<Self, ReaderError> {
        let typed = typed.as_ref();
        let digits = typed.iter().all(u8::is_ascii_digit);
        match typed.len() {
            1..=MAX_DIGITS if digits => Ok(Self(Zeroizing::new(typed.to_vec()))),
            _ => Err(ReaderError::PinFormat { min: PinPolicy::CPS3.min, max: PinPolicy::CPS3.max }),
        }
    }
}

/// How the card's PIN is presented: what its authentication object says (ISO/IEC 7816-15 §8.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinPolicy {
    /// Reference, P2 of VERIFY.
    pub reference: u8,
    pub min: usize,
    pub max: usize,
    /// Length on the card. Where padding is needed, what is sent is filled up to it.
    pub stored: usize,
    /// Fill byte; `None` sends the digits alone.
    pub pad: Option<u8>,
}

impl PinPolicy {
    /// What the real CPS3 says, for a card whose object cannot be read.
    pub const CPS3: Self = Self { reference: 0x01, min: 4, max: 4, stored: 8, pad: Some(0xFF) };

    /// The data field of VERIFY.
    ///
    /// # Errors
    /// [`ReaderError::PinFormat`] where the PIN has another number of digits than the card's can have: such a PIN is
    /// wrong for certain, and no try is lost on it.
    pub fn present(&self, pin: &Pin) -> Result<Zeroizing<Vec<u8>>, ReaderError> {
        let digits = &pin.0;
        if digits.len() < self.min || digits.len() > self.max.min(self.stored) {
            return Err(ReaderError::PinFormat { min: self.min, max: self.max });
        }
        // Room for all of it from the start: growing would leave a copy behind.
        let mut field = Zeroizing::new(Vec::with_capacity(self.stored.max(digits.len())));
        field.extend_from_slice(digits);
        if let Some(pad) = self.pad {
            field.resize(self.stored, pad);
        }
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_as_the_card_says() {
        let pin = Pin::parse("1234").unwrap();
        let padded = PinPolicy::CPS3.present(&pin).unwrap();
        assert_eq!(**padded, [0x31, 0x32, 0x33, 0x34, 0xFF, 0xFF, 0xFF, 0xFF]);
        let bare = PinPolicy { stored: 4, pad: None, ..PinPolicy::CPS3 }.present(&pin).unwrap();
        assert_eq!(**bare, [0x31, 0x32, 0x33, 0x34]);
    }

    #[test]
    fn refuses_what_cannot_be_the_pin_before_the_card_sees_it() {
        for typed in ["", "12a4", "１２３４", "12345678901234567", "12 4"] {
            assert!(matches!(Pin::parse(typed), Err(ReaderError::PinFormat { .. })), "{typed}");
        }
        for typed in ["123", "12345"] {
            let pin = Pin::parse(typed).unwrap();
            assert_eq!(PinPolicy::CPS3.present(&pin), Err(ReaderError::PinFormat { min: 4, max: 4 }));
        }
    }

    #[test]
    fn is_not_shown() {
        assert_eq!(format!("{:?}", Pin::parse("1234").unwrap()), "Pin(…)");
    }
}
