//! The CPS4: NXP's ChipDoc applet on logical channel 1, with the PKCS#15 files of its predecessor.
//!
//! It has no INTERNAL AUTHENTICATE. Its authentication key deciphers raw blocks, so the padding of a signature is ours
//! (RFC 8017 §9.2), and the one function that reaches the key takes a [`Proof`] and nothing else.
//!
//! No CPS4 took part in the development. Where each piece of knowledge comes from stands at its constant; what is merely
//! inferred stands in [`inferred`], so that one look at a real card corrects one place. `docs/cards.md` says the same to
//! administrators.

use super::apdu::Channel;
use super::chipdoc::{self, Tree};
use super::contents::{Application, Contents, PinObjects, directory_of};
use super::cps::{Generation, HealthCard, Interface};
use super::error::ReaderError;
use super::pin::PinPolicy;
use crate::card::proof::Proof;
use crate::crypto::x509::signature::rsa_modulus_len;

/// Name of the PKCS#15 application in the card's list of applications: that of the CPS3 (official library).
const AID: [u8; 13] = [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10];
/// Reference of the authentication key (official library, which sends no other).
const AUTHENTICATION_KEY: u8 = 0x20;
/// Tries of a PIN that was presented rightly (official library).
const ALL_TRIES: u8 = 3;

/// What no source says. Each is used only where the card itself does not say better.
mod inferred {
    use super::super::iso7816::Path;

    /// Directory of the PKCS#15 application, where the card's list of applications does not name it: that of the CPS3.
    pub(super) fn directory() -> Path {
        Path(vec![0x3F, 0x00, 0x00, 0x01])
    }
}

/// A CPS4 behind its contacts. Its antenna belongs to another application (DESFire), which is none of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cps4;

impl Cps4 {
    /// Enters the card, out of whatever state another program left it in; `None` where it does not have the applet.
    ///
    /// # Errors
    /// Those of the channel.
    pub(super) fn enter(channel: &mut Channel) -> Result<Option<Self>, ReaderError> {
        Ok(chipdoc::enter(channel)?.then_some(Self))
    }

    /// As [`Self::enter`], for a card that may be of any kind: one selection, and nothing is insisted on.
    ///
    /// # Errors
    /// Those of the channel.
    pub(super) fn find(channel: &mut Channel) -> Result<Option<Self>, ReaderError> {
        Ok(chipdoc::select_applet(channel)?.then_some(Self))
    }
}

impl HealthCard for Cps4 {
    fn generation(&self) -> Generation {
        Generation::Cps4
    }

    fn interface(&self) -> Interface {
        Interface::Contact
    }

    fn contents(&self, channel: &mut Channel) -> Result<Contents, ReaderError> {
        let mut files = Tree::default();
        let directory = directory_of(&mut files, channel, &AID, inferred::directory())?;
        let application =
            Application { directory, usual_key: Some(AUTHENTICATION_KEY), pin: PinObjects::Usual(None) };
        application.read(&mut files, channel)
    }

    /// The official library does not look for it yet.
    fn last_update(&self, _channel: &mut Channel) -> Result<Option<Vec<u8>>, ReaderError> {
        Ok(None)
    }

    fn tries_left(&self, channel: &mut Channel, pin: &PinPolicy) -> Result<Option<u8>, ReaderError> {
        chipdoc::tries_left(channel, pin.reference, ALL_TRIES)
    }

    fn verify_header(&self, pin: &PinPolicy) -> [u8; 4] {
        [chipdoc::CLA, 0x20, 0x00, pin.reference]
    }

    fn sign(
        &self,
        channel: &mut Channel,
        contents: &Contents,
        proof: &Proof,
    ) -> Result<Vec<u8>, ReaderError> {
        let unreadable = || ReaderError::CertificateUnreadable("its key is no RSA key of a card".to_owned());
        let length = rsa_modulus_len(&contents.certificate).ok_or_else(unreadable)?;
        let block = proof.padded_for_rsa(length).ok_or_else(unreadable)?;
        chipdoc::choose_authentication_key(channel, contents.key)?;
        chipdoc::decipher(channel, &block)
    }
}
