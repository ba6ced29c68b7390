//! The files of the card, as far as they are known (facts in `docs/cps-card.md`), and filled with test data where not.

use super::der::{integer, nest, sequence, tlv};
use super::{Identity, Profile};

/// DF name of the root application.
pub(super) const ROOT_AID: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00];
/// AID of the application behind the contacts.
pub(super) const CONTACT_AID: [u8; 13] =
    [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10];
/// AID of the application behind the antenna.
pub(super) const CONTACTLESS_AID: [u8; 13] =
    [0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x20];

/// Reference of the signature key.
pub(super) const SIGNATURE_KEY: u8 = 0x81;
/// Reference of the authentication key.
pub(super) const AUTHENTICATION_KEY: u8 = 0x82;

/// A file: its path from `3F00`, its control parameters, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: Vec<u16>,
    pub(super) content: Content,
    pub(super) sfi: Option<u8>,
    fcp: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A directory and its name.
    Directory(Vec<u8>),
    /// A transparent file.
    Transparent(Vec<u8>),
}

impl File {
    fn directory(path: &[u16], name: &[u8]) -> Self {
        let id = path.last().copied().unwrap_or_default();
        let fcp = nest(
            0x62,
            &[
                tlv(0x82, &[0x38]),
                tlv(0x83, &id.to_be_bytes()),
                tlv(0x84, name),
                nest(0xA1, &[tlv(0x8C, &[0x7A, 0xFF, 0xFF, 0xFF, 0xFF, 0x45])]),
                tlv(0x8A, &[0x05]),
            ],
        );
        Self { path: path.to_vec(), content: Content::Directory(name.to_vec()), sfi: None, fcp }
    }

    fn transparent(path: &[u16], sfi: Option<u8>, data: Vec<u8>) -> Self {
        let id = path.last().copied().unwrap_or_default();
        let mut parts = vec![
            tlv(0x80, &(data.len() as u16).to_be_bytes()),
            tlv(0x82, &[0x01]),
            tlv(0x83, &id.to_be_bytes()),
        ];
        if let Some(sfi) = sfi {
            parts.push(tlv(0x88, &[sfi << 3]));
        }
        let read_only = [0x7B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00];
        parts.push(nest(0xA1, &[tlv(0x8C, &read_only), tlv(0x9C, &read_only)]));
        parts.push(tlv(0x8A, &[0x05]));
        Self { path: path.to_vec(), content: Content::Transparent(data), sfi, fcp: nest(0x62, &parts) }
    }

    pub(super) fn fcp(&self) -> &[u8] {
        &self.fcp
    }
}

/// All files of a card with contacts.
pub(super) fn contact_card(identity: &Identity, profile: &Profile) -> Vec<File> {
    const MF: u16 = 0x3F00;
    const DF: u16 = 0x0001;
    vec![
        File::directory(&[MF], &ROOT_AID),
        File::transparent(&[MF, 0x2F00], Some(0x1E), ef_dir()),
        File::transparent(&[MF, 0x2F01], Some(0x1D), ef_atr()),
        File::transparent(&[MF, 0xD003], Some(0x1C), ef_serial(identity)),
        File::directory(&[MF, DF], &CONTACT_AID),
        File::transparent(&[MF, DF, 0x5031], None, odf()),
        File::transparent(&[MF, DF, 0x5032], None, card_info(identity)),
        File::transparent(&[MF, DF, 0x7001], None, aodf(profile)),
        File::transparent(&[MF, DF, 0x7002], None, private_keys(profile)),
        File::transparent(&[MF, DF, 0x7005], None, certificates(identity)),
        File::transparent(&[MF, DF, 0xA001], None, identity.signature.certificate.clone()),
        File::transparent(&[MF, DF, 0xA002], None, identity.authentication.certificate.clone()),
    ]
}

/// The record of the contactless application stands first: OpenSC moves the last known one to the head.
fn ef_dir() -> Vec<u8> {
    let record = |aid: &[u8], label: &str, path: [u8; 4]| {
        nest(
            0x61,
            &[
                tlv(0x4F, aid),
                tlv(0x50, label.as_bytes()),
                tlv(0x51, &path),
                nest(0x73, &[tlv(0x4F, &CONTACT_AID)]),
            ],
        )
    };
    [
        record(&CONTACTLESS_AID, "CPX IAS CL", [0x3F, 0x00, 0x00, 0x02]),
        record(&CONTACT_AID, "CPX IAS", [0x3F, 0x00, 0x00, 0x01]),
    ]
    .concat()
}

/// The leading `80` is a category byte, not a data object.
fn ef_atr() -> Vec<u8> {
    [
        vec![0x80],
        tlv(0x43, &[0xB8]),
        tlv(0x46, &[0x04, 0xB0, 0xEC, 0xC1]),
        tlv(0x47, &[0x94, 0x01, 0x80]),
        tlv(0x4F, &ROOT_AID),
        tlv(
            0xE0,
            &[0x02, 0x02, 0x01, 0x04, 0x02, 0x02, 0x01, 0x04, 0x02, 0x02, 0x01, 0x00, 0x02, 0x02, 0x01, 0x00],
        ),
        tlv(0x78, &[0x06, 0x06, 0x2B, 0x81, 0x22, 0xF8, 0x78, 0x02]),
        tlv(0x82, &[0x90, 0x00]),
    ]
    .concat()
}

/// The issuer's ten digits, the card's eight, the Luhn digit over the eighteen, and a filler.
fn ef_serial(identity: &Identity) -> Vec<u8> {
    tlv(0x5A, &serial_bytes(&identity.serial))
}

fn serial_bytes(serial: &str) -> Vec<u8> {
    let mut digits: Vec<u8> = "8025000001".bytes().chain(serial.bytes()).map(|digit| digit - b'0').collect();
    digits.push(luhn(&digits));
    digits.push(0x0F);
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect()
}

fn luhn(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit @ 5..) => 2 * digit - 9,
            (0, digit) => 2 * digit,
            (_, digit) => digit,
        })
        .sum();
    ((10 - sum % 10) % 10) as u8
}

fn path_of(file: u16) -> Vec<u8> {
    let [high, low] = file.to_be_bytes();
    sequence(&[tlv(0x04, &[0x3F, 0x00, 0x00, 0x01, high, low])])
}

fn odf() -> Vec<u8> {
    [
        nest(0xA8, &[path_of(0x7001)]),
        nest(0xA0, &[path_of(0x7002)]),
        nest(0xA4, &[path_of(0x7005)]),
        // The real file is followed by fill bytes.
        vec![0x00; 8],
    ]
    .concat()
}

fn card_info(identity: &Identity) -> Vec<u8> {
    const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
    const SHA1_RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x05];
    const SHA256_RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
    const COMPUTE_SIGNATURE: &[u8] = &[0x06, 0x40];
    const DECIPHER: &[u8] = &[0x02, 0x04];
    let algorithm = |reference: u16, mechanism: u16, operation: &[u8], oid: &[u8], on_card: u16| {
        sequence(&[
            integer(reference),
            integer(mechanism),
            tlv(0x05, &[]),
            tlv(0x03, operation),
            tlv(0x06, oid),
            integer(on_card),
        ])
    };
    sequence(&[
        integer(0),
        tlv(0x04, &serial_bytes(&identity.serial)),
        tlv(0x0C, b"ASIP Sante"),
        tlv(0x80, b"CPS3"),
        tlv(0x03, &[0x04, 0x10]),
        nest(
            0xA2,
            &[
                algorithm(1, 0x0001, COMPUTE_SIGNATURE, RSA, 0x02),
                algorithm(2, 0x0001, DECIPHER, RSA, 0x1A),
                algorithm(3, 0x0006, COMPUTE_SIGNATURE, SHA1_RSA, 0x12),
                algorithm(4, 0x0040, COMPUTE_SIGNATURE, SHA256_RSA, 0x42),
            ],
        ),
    ])
}

fn aodf(profile: &Profile) -> Vec<u8> {
    // Eight unused bits of nothing: illegal DER, and what the real card holds.
    let flags = tlv(0x03, &[0x08]);
    let rule = |mode: u8, condition: Vec<u8>| {
        sequence(&[tlv(0x03, &[mode.trailing_zeros() as u8, mode]), condition])
    };
    let always = || tlv(0x05, &[]);
    let porteur = sequence(&[
        sequence(&[
            tlv(0x0C, "Code porteur de la carte CPS".as_bytes()),
            flags.clone(),
            tlv(0x04, &[profile.pin_unblocked_by]),
            // The mode of the third rule, unblocking, is not known; that its condition is the PUK is.
            sequence(&[rule(0x20, always()), rule(0x40, always()), rule(0x10, tlv(0x04, &[0x04]))]),
        ]),
        sequence(&[tlv(0x04, &[0x01])]),
        nest(
            0xA1,
            &[sequence(&[
                tlv(0x03, &[0x04, 0x0C, 0x10]),
                tlv(0x0A, &[0x01]),
                integer(4),
                integer(8),
                integer(4),
                tlv(0x80, &[0x01]),
                tlv(0x04, &[0xFF]),
            ])],
        ),
    ]);
    let puk = sequence(&[
        sequence(&[
            tlv(0x0C, "Code de déblocage de la carte CPS".as_bytes()),
            flags,
            sequence(&[rule(0x20, always()), rule(0x40, always())]),
        ]),
        sequence(&[tlv(0x04, &[0x04])]),
        nest(
            0xA1,
            &[sequence(&[
                tlv(0x03, &[0x04, 0x1D, 0x10]),
                tlv(0x0A, &[0x01]),
                integer(8),
                integer(8),
                integer(8),
                tlv(0x80, &[0x02]),
            ])],
        ),
    ]);
    [porteur, puk].concat()
}

fn object_id(reference: u8) -> Vec<u8> {
    let mut id = CONTACT_AID.to_vec();
    id.push(reference & 0x0F);
    tlv(0x04, &id)
}

fn private_keys(profile: &Profile) -> Vec<u8> {
    let key = |label: &str, reference: u8, usage: &[u8]| {
        let reference_integer = match profile.negative_key_references {
            true => tlv(0x02, &[reference]),
            false => integer(u16::from(reference)),
        };
        sequence(&[
            sequence(&[tlv(0x0C, label.as_bytes()), tlv(0x03, &[0x07, 0x80]), tlv(0x04, &[0x01])]),
            sequence(&[object_id(reference), tlv(0x03, usage), reference_integer]),
            nest(0xA1, &[sequence(&[sequence(&[tlv(0x04, &[])]), integer(2048)])]),
        ])
    };
    [
        key("CPS_PRIV_SIG", SIGNATURE_KEY, &[0x06, 0x00, 0x40]),
        key("CPS_PRIV_AUT", AUTHENTICATION_KEY, &[0x05, 0x60]),
        // Fill bytes, as after the records of the real card.
        vec![0xFF; 4],
    ]
    .concat()
}

fn certificates(identity: &Identity) -> Vec<u8> {
    let certificate = |label: &str, reference: u8, file: u16, der: &[u8]| {
        let [high, low] = file.to_be_bytes();
        sequence(&[
            sequence(&[tlv(0x0C, label.as_bytes()), tlv(0x03, &[0x08, 0x00])]),
            sequence(&[object_id(reference)]),
            nest(
                0xA1,
                &[sequence(&[sequence(&[
                    tlv(0x04, &[0x3F, 0x00, 0x00, 0x01, high, low]),
                    integer(0),
                    tlv(0x80, &(der.len() as u16).to_be_bytes()),
                ])])],
            ),
        ])
    };
    [
        certificate("Certificat de Signature CPS", SIGNATURE_KEY, 0xA001, &identity.signature.certificate),
        certificate(
            "Certificat d'Authentification CPS",
            AUTHENTICATION_KEY,
            0xA002,
            &identity.authentication.certificate,
        ),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_is_that_of_the_published_sample() {
        assert_eq!(serial_bytes("99213845"), [0x80, 0x25, 0x00, 0x00, 0x01, 0x99, 0x21, 0x38, 0x45, 0x0F]);
    }

    #[test]
    fn sizes_are_those_of_the_real_card() {
        assert_eq!(ef_dir().len(), 0x65);
        assert_eq!(ef_atr().len(), 0x39);
        assert_eq!(aodf(&Profile::default()).len(), 0xBD);
    }

    #[test]
    fn the_root_answers_the_control_parameters_of_the_real_card() {
        let mf = File::directory(&[0x3F00], &ROOT_AID);
        let real = [
            0x62, 0x1E, 0x82, 0x01, 0x38, 0x83, 0x02, 0x3F, 0x00, 0x84, 0x08, 0x80, 0x25, 0x00, 0x00, 0x01,
            0xFF, 0x01, 0x00, 0xA1, 0x08, 0x8C, 0x06, 0x7A, 0xFF, 0xFF, 0xFF, 0xFF, 0x45, 0x8A, 0x01, 0x05,
        ];
        assert_eq!(mf.fcp(), real);
    }
}
