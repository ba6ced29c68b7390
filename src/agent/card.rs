//! The card as the agent sees it: who is in the reader, and one signature.
//!
//! A trait, so that the tests of the agent's rules run with a card of their own; `driver` makes it of the real one.

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;

use super::pin::TypedPin;
use super::presence::{self, CardWatch};
use crate::card::driver::{self, Consent, LastTry, Pin, PresentedCard, ReaderError, Readers};
use crate::card::proof::Proof;
use crate::card::protocol::Interface;

/// A card in a reader, as it was shown to the person.
#[derive(Clone)]
pub struct ShownCard {
    /// What the implementation of [`Cards`] knows this very card by: the signature is made by it or not at all.
    pub handle: Arc<dyn Any + Send + Sync>,
    /// The reader's name.
    pub reader: String,
    /// The authentication certificate, DER.
    pub certificate: Vec<u8>,
    /// The holder's name as the certificate gives it.
    pub holder: String,
    /// How many wrong PINs the card will still bear; `None` where it does not tell.
    pub tries_left: Option<u8>,
    /// How many digits its PIN has, at least and at most.
    pub pin_digits: (u8, u8),
    /// Whether the PIN is typed on the reader's own keys.
    pub has_pad: bool,
    /// Which side of the card it is.
    pub interface: Interface,
}

impl ShownCard {
    /// Whether this is the card that was shown as `other`, read anew.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        self.reader == other.reader && self.certificate == other.certificate
    }
}

impl Debug for ShownCard {
    /// Without holder, number and certificate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownCard")
            .field("reader", &self.reader)
            .field("tries_left", &self.tries_left)
            .finish_non_exhaustive()
    }
}

/// Why a card cannot be shown or does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct CardFault {
    /// The stable code of `docs/errors.md`.
    pub code: &'static str,
    /// What the agent does about it.
    pub remedy: Remedy,
    /// For the log: never a PIN, a name or a number.
    pub detail: String,
}

impl CardFault {
    /// What was at work with the card ended before it had an answer.
    pub(super) fn interrupted(error: &tokio::task::JoinError) -> Self {
        Self { detail: error.to_string(), ..ReaderError::ConnectionLost.into() }
    }
}

/// What the agent does about a fault of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The person puts something right (puts the card in, plugs the reader) and tries again.
    LookAgain,
    /// The PIN was wrong: show the tries left and ask again, if the person wants.
    AskAgain,
    /// The PIN is blocked, or the card can never do this: there is nothing to try again.
    GiveUp,
}

/// What the agent asks of a card. Both functions block, for seconds at worst.
pub trait Cards: Send + Sync {
    /// The card in the reader. Reads only; never sends a PIN.
    ///
    /// # Errors
    /// [`CardFault`].
    fn look(&self) -> Result<ShownCard, CardFault>;

    /// All cards that may answer, where there are several: at least one.
    ///
    /// # Errors
    /// [`CardFault`].
    fn look_all(&self) -> Result<Vec<ShownCard>, CardFault> {
        self.look().map(|card| vec![card])
    }

    /// Lets the card sign `proof`: in one exclusive transaction, after finding the card that was shown, with one VERIFY
    /// that is never repeated, the signature checked with the certificate, and the card reset afterwards. Where one try is
    /// left, or their number is not known, only if `last_try_agreed`.
    ///
    /// # Errors
    /// [`CardFault`].
    fn sign(
        &self,
        shown: &ShownCard,
        pin: &TypedPin,
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault>;

    /// The same, with the PIN typed on the reader's own keys: returns when the card has answered, or nobody typed.
    ///
    /// # Errors
    /// [`CardFault`].
    fn sign_on_pad(
        &self,
        _shown: &ShownCard,
        _proof: &Proof,
        _last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        Err(ReaderError::NoPad.into())
    }

    /// The card that lies on a contactless reader.
    ///
    /// # Errors
    /// [`CardFault`].
    fn look_on_antenna(&self) -> Result<ShownCard, CardFault> {
        Err(ReaderError::TapNeeded.into())
    }

    /// Lets the key behind the antenna sign `proof`, which is for a badge request; no PIN is involved.
    ///
    /// # Errors
    /// [`CardFault`].
    fn sign_by_tap(&self, _shown: &ShownCard, _proof: &Proof) -> Result<Vec<u8>, CardFault> {
        Err(ReaderError::TapNeeded.into())
    }

    /// Watches the cards come and go, for the servers that want to know; `None` where nobody can.
    fn watch(&self) -> Option<CardWatch> {
        None
    }
}

/// The cards of this workstation's readers, through the driver.
#[derive(Debug)]
pub struct DriverCards {
    readers: Readers,
    use_pads: bool,
}

impl Default for DriverCards {
    fn default() -> Self {
        Self { readers: Readers::default(), use_pads: true }
    }
}

impl DriverCards {
    /// With or without the keys of readers that have some.
    #[must_use]
    pub fn with_pads(use_pads: bool) -> Self {
        Self { use_pads, ..Self::default() }
    }

    fn read(&self, reader: &str) -> Result<ShownCard, ReaderError> {
        let card = ShownCard::from(self.readers.read(reader)?);
        Ok(ShownCard { has_pad: card.has_pad && self.use_pads, ..card })
    }

    fn sign_with(
        &self,
        shown: &ShownCard,
        consent: Consent,
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        let shown = shown.handle.downcast_ref::<PresentedCard>().ok_or(ReaderError::Exchanged)?;
        let last_try = if last_try_agreed { LastTry::Confirmed } else { LastTry::NotConfirmed };
        Ok(self.readers.sign_with(shown, consent, proof, last_try)?.signature)
    }
}

impl Cards for DriverCards {
    fn look(&self) -> Result<ShownCard, CardFault> {
        let reader = self.readers.only_card()?;
        Ok(self.read(&reader)?)
    }

    /// A card that cannot be read (broken, of another kind, just pulled out) does not stand in the way of one that can.
    fn look_all(&self) -> Result<Vec<ShownCard>, CardFault> {
        let (mut cards, mut fault) = (Vec::new(), None);
        for reader in self.readers.candidates()? {
            match self.read(&reader) {
                Ok(card) => cards.push(card),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        match fault {
            Some(error) if cards.is_empty() => Err(error.into()),
            _ => Ok(cards),
        }
    }

    fn sign(
        &self,
        shown: &ShownCard,
        pin: &TypedPin,
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        // Anything but text is no PIN; the empty text is refused with the digits that the card wants.
        let pin = Pin::parse(std::str::from_utf8(pin.expose()).unwrap_or_default())?;
        self.sign_with(shown, Consent::Pin(pin), proof, last_try_agreed)
    }

    fn sign_on_pad(
        &self,
        shown: &ShownCard,
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        self.sign_with(shown, Consent::Pad, proof, last_try_agreed)
    }

    fn look_on_antenna(&self) -> Result<ShownCard, CardFault> {
        let reader = self.readers.only_tapped()?;
        let card = self.read(&reader)?;
        if card.interface == Interface::Contactless { Ok(card) } else { Err(ReaderError::TapNeeded.into()) }
    }

    fn sign_by_tap(&self, shown: &ShownCard, proof: &Proof) -> Result<Vec<u8>, CardFault> {
        self.sign_with(shown, Consent::Tap, proof, false)
    }

    fn watch(&self) -> Option<CardWatch> {
        match presence::watch_readers() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::error!(code = "AGENT-048", %error, "the readers are not watched");
                None
            }
        }
    }
}

impl From<PresentedCard> for ShownCard {
    fn from(card: PresentedCard) -> Self {
        let digits = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        Self {
            reader: card.reader.clone(),
            certificate: card.certificate_der.clone(),
            holder: card.certificate.holder(),
            tries_left: card.tries_left,
            pin_digits: card.pin.map_or((0, 0), |pin| (digits(pin.min), digits(pin.max))),
            has_pad: card.has_pad,
            interface: match card.interface {
                driver::Interface::Contact => Interface::Contact,
                driver::Interface::Contactless => Interface::Contactless,
            },
            handle: Arc::new(card),
        }
    }
}

impl From<ReaderError> for CardFault {
    fn from(error: ReaderError) -> Self {
        let remedy = match error {
            ReaderError::WrongPin { .. }
            | ReaderError::PinFormat { .. }
            | ReaderError::LastTry
            | ReaderError::PadTimeout
            | ReaderError::PadCancelled => Remedy::AskAgain,
            ReaderError::Blocked => Remedy::GiveUp,
            _ => Remedy::LookAgain,
        };
        Self { code: error.code(), remedy, detail: error.to_string() }
    }
}
