//! The cards of health professionals, one generation each.
//!
//! A card is recognised by the historical bytes of its answer to reset, never by the whole of it, then by the
//! application it has. A CPS3 is an IAS-ECC card with a PKCS#15 application; a CPS4 is another card altogether (its own
//! applet on a logical channel, raw RSA) and will be a second [`HealthCard`].

use std::fmt;

use super::apdu::{Channel, Status};
use super::error::ReaderError;
use super::ias_ecc::{self, Path};
use super::pin::{Pin, PinPolicy};
use super::pkcs15::{self, Directory};
use crate::card::proof::Proof;
pub use crate::card::protocol::Interface;
use crate::crypto::x509::profile::CardCertificate;

/// Application of a CPS3 behind its contacts.
const CONTACT_AID: [u8; 13] = [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10];
/// Directory of that application.
const CONTACT_DIRECTORY: [u8; 4] = [0x3F, 0x00, 0x00, 0x01];
/// Application of a CPS3 behind its antenna.
const CONTACTLESS_AID: [u8; 13] =
    [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x20];
/// Reference of the authentication key, for a card whose key directory does not say.
const AUTHENTICATION_KEY: u8 = 0x82;

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

/// What a card holds for authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Content of the chip's serial number file.
    pub serial: Vec<u8>,
    /// DER of the authentication certificate.
    pub certificate: Vec<u8>,
    /// Reference of its key.
    pub key: u8,
    pub pin: PinPolicy,
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

    /// Tries left of the PIN; `None` when the card does not say.
    ///
    /// # Errors
    /// Those of the channel.
    fn tries_left(&self, channel: &mut Channel, pin: &PinPolicy) -> Result<Option<u8>, ReaderError>;

    /// Presents the PIN, once.
    ///
    /// # Errors
    /// [`ReaderError::WrongPin`], [`ReaderError::Blocked`]; [`ReaderError::PinFormat`] before anything is sent.
    fn verify(&self, channel: &mut Channel, policy: &PinPolicy, pin: &Pin) -> Result<(), ReaderError>;

    /// Signs `proof` with the authentication key, RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`ReaderError::Refused`].
    fn sign(&self, channel: &mut Channel, key: u8, proof: &Proof) -> Result<Vec<u8>, ReaderError>;
}

/// Finds out which card this is.
///
/// # Errors
/// [`ReaderError::ForeignCard`], [`ReaderError::UnsupportedGeneration`], and those of the channel.
pub fn identify(channel: &mut Channel, atr: &[u8]) -> Result<Box<dyn HealthCard>, ReaderError> {
    let recognised = Recognised::from_atr(atr);
    match recognised {
        Recognised::As(generation @ (Generation::Cps4 | Generation::Cps2ter), _) => {
            return Err(ReaderError::UnsupportedGeneration(generation));
        }
        Recognised::As(Generation::Cps3, Interface::Contactless) => {
            return match ias_ecc::select_application(channel, &CONTACTLESS_AID)? {
                // Its technical key is not known yet; the purpose `badge` waits for it.
                true => {
                    Err(ReaderError::CertificateUnreadable("the card lies on a contactless reader".into()))
                }
                false => Err(ReaderError::ForeignCard),
            };
        }
        Recognised::As(Generation::Cps3, Interface::Contact) | Recognised::Unknown => {}
    }
    match ias_ecc::select_application(channel, &CONTACT_AID)? {
        true => Ok(Box::new(Cps3)),
        false => Err(ReaderError::ForeignCard),
    }
}

/// A CPS3 behind its contacts.
#[derive(Debug, Clone, Copy)]
struct Cps3;

impl HealthCard for Cps3 {
    fn generation(&self) -> Generation {
        Generation::Cps3
    }

    fn interface(&self) -> Interface {
        Interface::Contact
    }

    fn contents(&self, channel: &mut Channel) -> Result<Contents, ReaderError> {
        let serial =
            ias_ecc::read_file(channel, "EF.SN", &Path(vec![0x3F, 0x00, 0xD0, 0x03]))?.unwrap_or_default();
        let odf = read_in_application(channel, "EF.ODF", [0x50, 0x31])?.unwrap_or_default();
        let directory = Directory::parse(&odf);
        let pins = read_all(channel, "EF.AODF", &directory.pins, [0x70, 0x01])?;
        let keys = read_all(channel, "EF.PrKDF", &directory.private_keys, [0x70, 0x02])?;
        let certificates = read_all(channel, "EF.CDF", &directory.certificates, [0x70, 0x05])?;

        let (id, certificate) = authentication_certificate(channel, &certificates)?;
        let key = keys.iter().flat_map(|file| pkcs15::private_keys(file)).find(|key| key.id == id);
        let wanted = key.as_ref().and_then(|key| key.pin.clone());
        let pins = pins.iter().flat_map(|file| pkcs15::pins(file)).filter(|pin| !pin.is_unblocking);
        let pin = pins.reduce(|first, other| if wanted.as_ref() == Some(&other.id) { other } else { first });
        Ok(Contents {
            serial,
            certificate,
            key: key.map_or(AUTHENTICATION_KEY, |key| key.reference),
            pin: pin.map_or(PinPolicy::CPS3, |pin| pin.policy),
        })
    }

    fn tries_left(&self, channel: &mut Channel, pin: &PinPolicy) -> Result<Option<u8>, ReaderError> {
        ias_ecc::tries_left(channel, pin.reference)
    }

    fn verify(&self, channel: &mut Channel, policy: &PinPolicy, pin: &Pin) -> Result<(), ReaderError> {
        let field = policy.present(pin)?;
        let status = ias_ecc::verify(channel, policy.reference, &field)?;
        match (status, status.tries_left()) {
            (Status::OK, _) => Ok(()),
            (Status::BLOCKED | Status::REFERENCE_INVALIDATED, _) | (_, Some(0)) => Err(ReaderError::Blocked),
            (_, Some(tries_left)) => Err(ReaderError::WrongPin { tries_left }),
            (Status(status), None) => Err(ReaderError::Refused { command: "VERIFY", status }),
        }
    }

    fn sign(&self, channel: &mut Channel, key: u8, proof: &Proof) -> Result<Vec<u8>, ReaderError> {
        ias_ecc::select_directory(channel, &CONTACT_DIRECTORY)?;
        ias_ecc::choose_authentication_key(channel, key)?;
        ias_ecc::internal_authenticate(channel, &proof.digest_info())
    }
}

fn read_in_application(
    channel: &mut Channel,
    name: &str,
    file: [u8; 2],
) -> Result<Option<Vec<u8>>, ReaderError> {
    ias_ecc::read_file(channel, name, &Path([&CONTACT_DIRECTORY[..], &file].concat()))
}

/// The files at `paths`; where the directory names none, the one that real cards are known to have.
fn read_all(
    channel: &mut Channel,
    name: &str,
    paths: &[Path],
    usual: [u8; 2],
) -> Result<Vec<Vec<u8>>, ReaderError> {
    if paths.is_empty() {
        return Ok(read_in_application(channel, name, usual)?.into_iter().collect());
    }
    paths.iter().filter_map(|path| ias_ecc::read_file(channel, name, path).transpose()).collect()
}

/// The certificate whose extended key usage is that of authentication, with the identifier of its key. File numbers and
/// labels are not trusted to tell.
fn authentication_certificate(
    channel: &mut Channel,
    directory: &[Vec<u8>],
) -> Result<(Vec<u8>, Vec<u8>), ReaderError> {
    let mut reason = "the card names no certificate".to_owned();
    for object in directory.iter().flat_map(|file| pkcs15::certificates(file)) {
        let Some(content) = ias_ecc::read_file(channel, "EF certificate", &object.path)? else {
            reason = "the file of a certificate is missing".to_owned();
            continue;
        };
        let der = without_fill(&content);
        match CardCertificate::from_der(der) {
            Ok(certificate) if certificate.is_for_authentication() => return Ok((object.id, der.to_vec())),
            Ok(_) => reason = "none of the card's certificates is for authentication".to_owned(),
            Err(error) => reason = format!("{} {error}", error.code()),
        }
    }
    Err(ReaderError::CertificateUnreadable(reason))
}

/// The certificate without what follows it in a file that is larger.
fn without_fill(content: &[u8]) -> &[u8] {
    match *content {
        [0x30, 0x82, high, low, ..] => {
            let length = 4 + usize::from(u16::from_be_bytes([high, low]));
            content.get(..length).unwrap_or(content)
        }
        _ => content,
    }
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

    #[test]
    fn cuts_what_follows_a_certificate() {
        assert_eq!(without_fill(&[0x30, 0x82, 0x00, 0x01, 0xAA, 0x00, 0xFF]), [0x30, 0x82, 0x00, 0x01, 0xAA]);
        assert_eq!(without_fill(&[0x30, 0x82, 0x00, 0x09, 0xAA]), [0x30, 0x82, 0x00, 0x09, 0xAA]);
    }
}
