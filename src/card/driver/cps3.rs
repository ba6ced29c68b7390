//! The CPS3: an IAS-ECC card, with one application behind its contacts and another behind its antenna.
//!
//! Behind the contacts, a PIN stands before the authentication key: two factors. Behind the antenna there is a technical
//! key that signs for whoever holds the card near: one factor, good for the badge window and nothing else. What is known
//! of both: `docs/cards.md`.

use super::apdu::Channel;
use super::contents::{Application, Contents, Files, PinObjects, directory_of};
use super::cps::{Generation, HealthCard, Interface};
use super::error::ReaderError;
use super::ias_ecc;
use super::iso7816::Path;
use super::pin::PinPolicy;
use crate::card::proof::Proof;

/// Application behind the contacts.
const CONTACT_AID: [u8; 13] = [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10];
/// Application behind the antenna.
const CONTACTLESS_AID: [u8; 13] =
    [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x20];

/// Directory of the application behind the contacts.
const CONTACT_DIRECTORY: [u8; 4] = [0x3F, 0x00, 0x00, 0x01];
/// Reference of the authentication key behind the contacts, for a card whose key directory does not say.
const CONTACT_KEY: u8 = 0x82;

/// Inferred, no card has shown it: the directory of the application behind the antenna, where EF.DIR does not say. The
/// reference of its key is not even inferred; the card has to name it.
const INFERRED_CONTACTLESS_DIRECTORY: [u8; 4] = [0x3F, 0x00, 0x00, 0x02];

/// A CPS3, on one of its sides.
#[derive(Debug, Clone)]
pub(super) struct Cps3 {
    interface: Interface,
    directory: Path,
}

impl Cps3 {
    /// Enters the card on this side; `None` where it does not have the application.
    ///
    /// # Errors
    /// Those of the channel.
    pub(super) fn enter(channel: &mut Channel, interface: Interface) -> Result<Option<Self>, ReaderError> {
        let (aid, directory) = match interface {
            Interface::Contact => (CONTACT_AID, CONTACT_DIRECTORY),
            Interface::Contactless => (CONTACTLESS_AID, INFERRED_CONTACTLESS_DIRECTORY),
        };
        if !ias_ecc::select_application(channel, &aid)? {
            return Ok(None);
        }
        let directory = Path(directory.to_vec());
        let directory = match interface {
            Interface::Contact => directory,
            Interface::Contactless => directory_of(&mut WholePaths, channel, &aid, directory)?,
        };
        Ok(Some(Self { interface, directory }))
    }
}

impl HealthCard for Cps3 {
    fn generation(&self) -> Generation {
        Generation::Cps3
    }

    fn interface(&self) -> Interface {
        self.interface
    }

    fn contents(&self, channel: &mut Channel) -> Result<Contents, ReaderError> {
        let (usual_key, pin) = match self.interface {
            Interface::Contact => (Some(CONTACT_KEY), PinObjects::Usual(Some(PinPolicy::CPS3))),
            Interface::Contactless => (None, PinObjects::None),
        };
        let directory = self.directory.clone();
        Application { directory, usual_key, pin }.read(&mut WholePaths, channel)
    }

    /// Behind the contacts; behind the antenna the official library does not look for it.
    fn last_update(&self, channel: &mut Channel) -> Result<Option<Vec<u8>>, ReaderError> {
        match self.interface {
            Interface::Contact => {
                ias_ecc::read_file(channel, "EF.ACTUA", &Path(vec![0x3F, 0x00, 0xD0, 0x10]))
            }
            Interface::Contactless => Ok(None),
        }
    }

    fn tries_left(&self, channel: &mut Channel, pin: &PinPolicy) -> Result<Option<u8>, ReaderError> {
        ias_ecc::tries_left(channel, pin.reference)
    }

    fn verify_header(&self, pin: &PinPolicy) -> [u8; 4] {
        [ias_ecc::CLA, 0x20, 0x00, pin.reference]
    }

    fn sign(
        &self,
        channel: &mut Channel,
        contents: &Contents,
        proof: &Proof,
    ) -> Result<Vec<u8>, ReaderError> {
        ias_ecc::select_directory(channel, &self.directory.0)?;
        ias_ecc::choose_authentication_key(channel, contents.key)?;
        ias_ecc::internal_authenticate(channel, &proof.digest_info())
    }
}

/// A CPS3 takes whole paths from the root.
struct WholePaths;

impl Files for WholePaths {
    fn read(
        &mut self,
        channel: &mut Channel,
        name: &str,
        path: &Path,
    ) -> Result<Option<Vec<u8>>, ReaderError> {
        ias_ecc::read_file(channel, name, path)
    }
}
