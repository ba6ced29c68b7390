//! What a card holds for authentication, read from its PKCS#15 application (ISO/IEC 7816-15), however the generation
//! reaches its files.

use super::apdu::Channel;
use super::error::ReaderError;
use super::iso7816::{MASTER_FILE, Path};
use super::pin::PinPolicy;
use super::pkcs15::{self, Directory};
use crate::crypto::x509::profile::CardCertificate;

/// What a card holds for authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Content of the chip's serial number file.
    pub serial: Vec<u8>,
    /// DER of the authentication certificate.
    pub certificate: Vec<u8>,
    /// Reference of its key.
    pub key: u8,
    /// How the PIN is presented; `None` behind the antenna, where the key has none.
    pub pin: Option<PinPolicy>,
}

/// The files of a card.
pub(super) trait Files {
    /// The whole file at `path`; `None` when the card does not have it. `name` stands in a trace.
    ///
    /// # Errors
    /// [`ReaderError::Refused`] when it may not be read.
    fn read(
        &mut self,
        channel: &mut Channel,
        name: &str,
        path: &Path,
    ) -> Result<Option<Vec<u8>>, ReaderError>;
}

/// A PKCS#15 application, and what is taken for granted where it does not say.
#[derive(Debug, Clone)]
pub(super) struct Application {
    /// Path of its directory.
    pub(super) directory: Path,
    /// Reference of the authentication key; `None` where the card alone may say.
    pub(super) usual_key: Option<u8>,
    pub(super) pin: PinObjects,
}

/// Whether an application has a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PinObjects {
    /// None, and the file of PINs is not even asked for.
    None,
    /// One; this one where the file of PINs cannot be read. Without it such a card is refused: VERIFY with a guessed
    /// reference could spend the tries of another code.
    Usual(Option<PinPolicy>),
}

impl Application {
    /// Reads what the application holds.
    ///
    /// # Errors
    /// [`ReaderError::CertificateUnreadable`], [`ReaderError::PinUnknown`], and those of the files.
    pub(super) fn read(&self, files: &mut dyn Files, channel: &mut Channel) -> Result<Contents, ReaderError> {
        let serial = files.read(channel, "EF.SN", &Path(vec![0x3F, 0x00, 0xD0, 0x03]))?.unwrap_or_default();
        let odf = files.read(channel, "EF.ODF", &self.file([0x50, 0x31]))?.unwrap_or_default();
        let directory = Directory::parse(&odf);
        let pins = match self.pin {
            PinObjects::None => Vec::new(),
            PinObjects::Usual(_) => {
                self.read_all(files, channel, "EF.AODF", &directory.pins, [0x70, 0x01])?
            }
        };
        let keys = self.read_all(files, channel, "EF.PrKDF", &directory.private_keys, [0x70, 0x02])?;
        let certificates = self.read_all(files, channel, "EF.CDF", &directory.certificates, [0x70, 0x05])?;

        let (id, certificate) = authentication_certificate(files, channel, &certificates)?;
        let key = keys.iter().flat_map(|file| pkcs15::private_keys(file)).find(|key| key.id == id);
        let wanted = key.as_ref().and_then(|key| key.pin.clone());
        let pins = pins.iter().flat_map(|file| pkcs15::pins(file)).filter(|pin| !pin.is_unblocking);
        let pin = pins.reduce(|first, other| if wanted.as_ref() == Some(&other.id) { other } else { first });
        let pin = match self.pin {
            PinObjects::None => None,
            PinObjects::Usual(usual) => {
                Some(pin.map(|pin| pin.policy).or(usual).ok_or(ReaderError::PinUnknown)?)
            }
        };
        let key = key.map(|key| key.reference).or(self.usual_key).ok_or_else(|| {
            ReaderError::CertificateUnreadable(
                "the card does not say which key the certificate has".to_owned(),
            )
        })?;
        Ok(Contents { serial, certificate, key, pin })
    }

    fn file(&self, name: [u8; 2]) -> Path {
        Path([&self.directory.0[..], &name].concat())
    }

    /// The files at `paths`; where the directory names none, the one that real cards are known to have.
    fn read_all(
        &self,
        files: &mut dyn Files,
        channel: &mut Channel,
        name: &str,
        paths: &[Path],
        usual: [u8; 2],
    ) -> Result<Vec<Vec<u8>>, ReaderError> {
        if paths.is_empty() {
            return Ok(files.read(channel, name, &self.file(usual))?.into_iter().collect());
        }
        paths.iter().filter_map(|path| files.read(channel, name, path).transpose()).collect()
    }
}

/// The directory of the application called `aid`, as the card's list of applications says (EF.DIR, ISO/IEC 7816-4
/// §8.2.1.1); `usual` where it does not.
///
/// # Errors
/// Those of the files.
pub(super) fn directory_of(
    files: &mut dyn Files,
    channel: &mut Channel,
    aid: &[u8],
    usual: Path,
) -> Result<Path, ReaderError> {
    let list = files.read(channel, "EF.DIR", &Path(vec![0x3F, 0x00, 0x2F, 0x00]))?.unwrap_or_default();
    Ok(pkcs15::application_path(&list, aid).filter(|path| path.0.starts_with(&MASTER_FILE)).unwrap_or(usual))
}

/// The certificate whose extended key usage is that of authentication, with the identifier of its key. File numbers and
/// labels are not trusted to tell.
fn authentication_certificate(
    files: &mut dyn Files,
    channel: &mut Channel,
    directory: &[Vec<u8>],
) -> Result<(Vec<u8>, Vec<u8>), ReaderError> {
    let mut reason = "the card names no certificate".to_owned();
    for object in directory.iter().flat_map(|file| pkcs15::certificates(file)) {
        let Some(content) = files.read(channel, "EF certificate", &object.path)? else {
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
    use super::without_fill;

    #[test]
    fn cuts_what_follows_a_certificate() {
        assert_eq!(without_fill(&[0x30, 0x82, 0x00, 0x01, 0xAA, 0x00, 0xFF]), [0x30, 0x82, 0x00, 0x01, 0xAA]);
        assert_eq!(without_fill(&[0x30, 0x82, 0x00, 0x09, 0xAA]), [0x30, 0x82, 0x00, 0x09, 0xAA]);
    }
}
