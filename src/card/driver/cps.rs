//! The cards of health professionals: what the generations have in common, and which of them a card is.
//!
//! A card is recognised by the historical bytes of its answer to reset, never by the whole of it, then by the
//! application it has. A CPS3 is an IAS-ECC card ([`cps3`](super::cps3)); a CPS4 is another card altogether, with an
//! applet of its own on a logical channel and raw RSA ([`cps4`](super::cps4)).

use std::fmt;

use super::apdu::Channel;
use super::contents::Contents;
use super::cps3::Cps3;
use super::cps4::Cps4;
use super::error::ReaderError;
use super::pin::PinPolicy;
use crate::card::proof::Proof;
pub use crate::card::protocol::Interface;

/// A generation of cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// Before 2011; expired.
    Cps2ter,
    /// 2011 to 2025.
    Cps3,
    /// From the end of 2024.
    Cps4,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cps2ter => "CPS2ter",
            Self::Cps3 => "CPS3",
            Self::Cps4 => "CPS4",
        })
    }
}

/// What an answer to reset says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// A health professional's card; only the application it has makes it certain.
    As(Generation, Interface),
    /// Any other card.
    Unknown,
}

impl Recognised {
    /// Judges an answer to reset by its historical bytes: `00 12 25 00 64 80` begins those of the family, what follows
    /// tells the generations apart. The antenna's side of a CPS3 has a value of its own, with bytes that vary.
    #[must_use]
    pub fn from_atr(atr: &[u8]) -> Self {
        let historical = historical_bytes(atr);
        if let [0x00, 0x31, 0xB8, 0x64, _, _, 0xEC, compact, 0x73, 0x94, 0x01, 0x80, ..] = historical
            && compact & 0xF0 == 0xC0
        {
            return Self::As(Generation::Cps3, Interface::Contactless);
        }
        match historical {
            [0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x03, ..] => {
                Self::As(Generation::Cps3, Interface::Contact)
            }
            [0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x04, ..]
            | [0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x04, ..] => {
                Self::As(Generation::Cps4, Interface::Contact)
            }
            [0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x82, 0x02, ..] => {
                Self::As(Generation::Cps2ter, Interface::Contact)
            }
            _ => Self::Unknown,
        }
    }
}

/// The historical bytes of an answer to reset (ISO/IEC 7816-3 §8.2); empty when it is malformed.
fn historical_bytes(atr: &[u8]) -> &[u8] {
    let [_, format, rest @ ..] = atr else { return &[] };
    let (length, mut indicator, mut rest) = (usize::from(format & 0x0F), format >> 4, rest);
    // Each group of interface bytes may announce a next one by its TD.
    loop {
        let (present, more) = (indicator.count_ones() as usize, indicator & 0x08 != 0);
        let Some((group, after)) = rest.split_at_checked(present) else { return &[] };
        rest = after;
        match group.last() {
            Some(next) if more => indicator = next >> 4,
            _ => return rest.get(..length).unwrap_or_default(),
        }
    }
}

/// One generation of cards: how it does what the driver needs.
pub trait HealthCard {
    fn generation(&self) -> Generation;

    fn interface(&self) -> Interface;

    /// Reads the card.
    ///
    /// # Errors
    /// [`ReaderError::CertificateUnreadable`] where the authentication certificate is not found.
    fn contents(&self, channel: &mut Channel) -> Result<Contents, ReaderError>;

    /// The file that says when the card was last updated from afar; `None` where there is none.
    ///
    /// # Errors
    /// Those of the channel.
    fn last_update(&self, channel: &mut Channel) -> Result<Option<Vec<u8>>, ReaderError>;

    /// Tries left of the PIN; `None` when the card does not say.
    ///
    /// # Errors
    /// Those of the channel.
    fn tries_left(&self, channel: &mut Channel, pin: &PinPolicy) -> Result<Option<u8>, ReaderError>;

    /// Header of VERIFY for the PIN: what presents it, typed at the computer or on the reader's keys, is the same for all
    /// generations.
    fn verify_header(&self, pin: &PinPolicy) -> [u8; 4];

    /// Signs `proof` with the authentication key, RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`ReaderError::Refused`].
    fn sign(&self, channel: &mut Channel, contents: &Contents, proof: &Proof)
    -> Result<Vec<u8>, ReaderError>;
}

/// Finds out which card this is.
///
/// # Errors
/// [`ReaderError::ForeignCard`], [`ReaderError::UnsupportedGeneration`], and those of the channel.
pub fn identify(channel: &mut Channel, atr: &[u8]) -> Result<Box<dyn HealthCard>, ReaderError> {
    let found: Option<Box<dyn HealthCard>> = match Recognised::from_atr(atr) {
        Recognised::As(generation @ Generation::Cps2ter, _) => {
            return Err(ReaderError::UnsupportedGeneration(generation));
        }
        Recognised::As(Generation::Cps3, interface) => boxed(Cps3::enter(channel, interface)?),
        Recognised::As(Generation::Cps4, _) => boxed(Cps4::enter(channel)?),
        // A batch with another answer to reset: the application tells.
        Recognised::Unknown => match boxed(Cps3::enter(channel, Interface::Contact)?) {
            None => boxed(Cps4::find(channel)?),
            found => found,
        },
    };
    found.ok_or(ReaderError::ForeignCard)
}

fn boxed<C: HealthCard + 'static>(card: Option<C>) -> Option<Box<dyn HealthCard>> {
    card.map(|card| Box::new(card) as Box<dyn HealthCard>)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognise(atr: &str) -> Recognised {
        Recognised::from_atr(&hex::decode(atr.replace(' ', "")).unwrap())
    }

    #[test]
    fn recognises_generations_by_historical_bytes() {
        use Generation::{Cps2ter, Cps3, Cps4};
        use Interface::{Contact, Contactless};
        for (atr, generation, interface) in [
            ("3B AC 00 40 2A 00 12 25 00 64 80 00 03 10 00 90 00", Cps3, Contact),
            ("3B 8F 80 01 00 31 B8 64 04 B0 EC C1 73 94 01 80 82 90 00 0E", Cps3, Contactless),
            ("3B AC 00 40 2A 00 12 25 00 64 80 82 02 12 00 90 00", Cps2ter, Contact),
            ("3B DC 18 FF 00 00 12 25 00 64 80 00 04 01 00 90 00", Cps4, Contact),
            ("3B 9B 18 80 01 00 12 25 00 64 80 04 01 00 00 90 44", Cps4, Contact),
            ("3B 9B 18 80 01 00 12 25 00 64 80 00 04 01 00 90 44", Cps4, Contact),
        ] {
            assert_eq!(recognise(atr), Recognised::As(generation, interface), "{atr}");
        }
    }

    #[test]
    fn does_not_take_other_cards_for_one() {
        for atr in ["", "3B", "3B 75 13 00 00 43 09 EA 90 00", "3B FF FF FF FF FF", "3B AC 00 40"] {
            assert_eq!(recognise(atr), Recognised::Unknown, "{atr}");
        }
    }
}
