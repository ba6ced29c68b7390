//! Reading a card, and signing in the one order that is safe (agent protocol, section 5).
//!
//! Everything here happens inside one exclusive transaction that [`reader`](super::reader) holds; nothing here knows
//! PC/SC.

use super::apdu::{Channel, Status};
use super::contents::Contents;
use super::cps::{self, Generation, HealthCard, Interface};
use super::error::ReaderError;
use super::free_data;
use super::iso7816;
use super::pad::Pad;
use super::pin::{Pin, PinPolicy};
use crate::card::proof::{Proof, Purpose};
use crate::crypto::x509::profile::CardCertificate;
use crate::crypto::x509::signature;

/// A card as it was shown to its holder. A signature is made only by the same card, not moved since.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedCard {
    /// Name of the reader.
    pub reader: String,
    pub generation: Generation,
    pub interface: Interface,
    /// DER of the authentication certificate, as read.
    pub certificate_der: Vec<u8>,
    /// What that certificate says: claims, until a server has verified its path.
    pub certificate: CardCertificate,
    /// Tries left of the PIN; `None` when the card does not say.
    pub tries_left: Option<u8>,
    /// Digits of the PIN, to ask for the right number; `None` behind the antenna, where there is no PIN.
    pub pin: Option<PinPolicy>,
    /// Whether the PIN can be typed on the reader's own keys.
    pub has_pad: bool,
    /// When the card was last updated from afar, as `yyyy-mm-dd hh:mm:ss`; `None` where it never was.
    pub updated: Option<String>,
    pub(super) serial: Vec<u8>,
    /// Insertions and removals of the reader when it was read.
    pub(super) event_count: u32,
}

impl std::fmt::Debug for PresentedCard {
    /// Without holder, number and certificate.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresentedCard")
            .field("reader", &self.reader)
            .field("generation", &self.generation)
            .field("tries_left", &self.tries_left)
            .finish_non_exhaustive()
    }
}

impl PresentedCard {
    /// Content of the chip's serial number file: tells two cards of one person apart. A number: never logged.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The chip's own number: the eight digits that ANS's library gives; `None` where the file has another form. A
    /// number: never logged.
    #[must_use]
    pub fn chip_number(&self) -> Option<String> {
        free_data::chip_number(&self.serial)
    }

    /// Whether a signature needs [`LastTry::Confirmed`].
    #[must_use]
    pub fn is_on_last_try(&self) -> bool {
        self.pin.is_some() && is_last(self.tries_left)
    }
}

/// How the holder of a card consents to one signature.
#[derive(Debug, Clone)]
pub enum Consent {
    /// The PIN, typed at the computer.
    Pin(Pin),
    /// The PIN, to be typed on the reader's own keys while the signature is asked for.
    Pad,
    /// Laying the card on an antenna: one factor, for [`Purpose::Badge`] alone.
    Tap,
}

/// Whether the holder has said that the last try may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastTry {
    /// Nobody asked: a card with one try left is not touched.
    NotConfirmed,
    /// The holder was warned and went on.
    Confirmed,
}

/// A signature of a [`Proof`], verified with the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSignature {
    /// RSASSA-PKCS1-v1_5 with SHA-256 over the bytes of the proof.
    pub signature: Vec<u8>,
    pub interface: Interface,
}

/// Whether VERIFY has left for the card. From then on nothing is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PinState {
    #[default]
    NotSent,
    Sent,
}

/// Reads the card behind `channel`.
///
/// # Errors
/// See [`ReaderError`].
pub fn read(
    channel: &mut Channel,
    atr: &[u8],
    reader: &str,
    event_count: u32,
) -> Result<PresentedCard, ReaderError> {
    let card = cps::identify(channel, atr)?;
    let contents = card.contents(channel)?;
    let (tries_left, has_pad) = match &contents.pin {
        Some(pin) => (card.tries_left(channel, pin)?, Pad::of(channel).is_some()),
        None => (None, false),
    };
    let updated = card.last_update(channel)?.and_then(|file| free_data::last_update(&file));
    let certificate = CardCertificate::from_der(&contents.certificate)
        .map_err(|error| ReaderError::CertificateUnreadable(error.to_string()))?;
    Ok(PresentedCard {
        reader: reader.to_owned(),
        generation: card.generation(),
        interface: card.interface(),
        certificate_der: contents.certificate,
        certificate,
        tries_left,
        pin: contents.pin,
        has_pad,
        updated,
        serial: contents.serial,
        event_count,
    })
}

/// Lets the card that was `shown` sign `proof`. `state` says afterwards whether the PIN was sent.
///
/// The order is the safety: the card is still the one shown, the proof is for its certificate and for the side it lies on,
/// a try may be used, the PIN can be right; only then is the PIN sent, once.
///
/// # Errors
/// See [`ReaderError`].
pub fn sign(
    channel: &mut Channel,
    atr: &[u8],
    shown: &PresentedCard,
    consent: &Consent,
    proof: &Proof,
    last_try: LastTry,
    state: &mut PinState,
) -> Result<CardSignature, ReaderError> {
    let card = cps::identify(channel, atr)?;
    right_side(card.interface(), consent, proof.purpose())?;
    let contents = card.contents(channel)?;
    still_shown(&contents, shown)?;
    if !proof.is_for(&contents.certificate) {
        return Err(ReaderError::Exchanged);
    }
    if let Some(policy) = &contents.pin {
        match card.tries_left(channel, policy)? {
            Some(0) => return Err(ReaderError::Blocked),
            left if is_last(left) && last_try == LastTry::NotConfirmed => return Err(ReaderError::LastTry),
            _ => {}
        }
        present(card.as_ref(), channel, policy, consent, state)?;
    }
    sign_verified(card.as_ref(), channel, &contents, proof)
}

/// The antenna's key signs for whoever holds the card near: it renews, after a tap, and does nothing else. Whatever else
/// is asked takes the slot and a PIN.
fn right_side(interface: Interface, consent: &Consent, purpose: Purpose) -> Result<(), ReaderError> {
    match (interface, consent, purpose) {
        (Interface::Contactless, Consent::Tap, Purpose::Badge) => Ok(()),
        (Interface::Contactless, ..) => Err(ReaderError::ContactNeeded),
        (Interface::Contact, Consent::Tap, _) | (Interface::Contact, _, Purpose::Badge) => {
            Err(ReaderError::TapNeeded)
        }
        (Interface::Contact, Consent::Pin(_) | Consent::Pad, _) => Ok(()),
    }
}

/// Presents the PIN, once. `state` changes before it leaves.
fn present(
    card: &dyn HealthCard,
    channel: &mut Channel,
    policy: &PinPolicy,
    consent: &Consent,
    state: &mut PinState,
) -> Result<(), ReaderError> {
    let header = card.verify_header(policy);
    let status = match consent {
        Consent::Pin(pin) => {
            // A PIN of the wrong length is refused here, before it is sent.
            let field = policy.present(pin)?;
            *state = PinState::Sent;
            iso7816::verify(channel, header, &field)?
        }
        Consent::Pad => {
            let pad = Pad::of(channel).ok_or(ReaderError::NoPad)?;
            *state = PinState::Sent;
            pad.verify(channel, header, policy)?
        }
        // Refused before, by the side of the card.
        Consent::Tap => return Err(ReaderError::TapNeeded),
    };
    match (status, status.tries_left()) {
        (Status::OK, _) => Ok(()),
        (Status::BLOCKED | Status::REFERENCE_INVALIDATED, _) | (_, Some(0)) => Err(ReaderError::Blocked),
        (_, Some(tries_left)) => Err(ReaderError::WrongPin { tries_left }),
        (Status(status), None) => Err(ReaderError::Refused { command: "VERIFY", status }),
    }
}

fn sign_verified(
    card: &dyn HealthCard,
    channel: &mut Channel,
    contents: &Contents,
    proof: &Proof,
) -> Result<CardSignature, ReaderError> {
    const PIN_NOT_PRESENTED: u16 = 0x6982;
    const NO_KEY_CHOSEN: u16 = 0x6985;
    let signature = card.sign(channel, contents, proof).map_err(|error| match error {
        // The card took the PIN and has forgotten it: another program has reset it since.
        ReaderError::Refused { status: PIN_NOT_PRESENTED | NO_KEY_CHOSEN, .. } => ReaderError::Interrupted,
        other => other,
    })?;
    signature::verify_rsa_sha256(&contents.certificate, proof.as_bytes(), &signature)
        .map_err(|_| ReaderError::SignatureInvalid)?;
    Ok(CardSignature { signature, interface: card.interface() })
}

fn still_shown(contents: &Contents, shown: &PresentedCard) -> Result<(), ReaderError> {
    let same = contents.serial == shown.serial && contents.certificate == shown.certificate_der;
    if same { Ok(()) } else { Err(ReaderError::Exchanged) }
}

/// A number that cannot be read might be one.
fn is_last(tries_left: Option<u8>) -> bool {
    tries_left.is_none_or(|left| left == 1)
}
