//! The files of the card, as far as they are known (facts in `docs/cards.md`), and filled with test data where not.

use super::der::{integer, nest, sequence, tlv};
use super::keys::KeyPair;
use super::{Identity, Kind, Profile, chipdoc};

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

const MF: u16 = 0x3F00;

/// A PKCS#15 application: its name, its directory, and its keys.
struct Application<'a> {
    name: [u8; 13],
    directory: u16,
    objects: Vec<Object<'a>>,
}

/// A key with its certificate.
struct Object<'a> {
    key_label: &'static str,
    certificate_label: &'static str,
    reference: u8,
    /// Last byte of the identifier that key and certificate share.
    id: u8,
    /// BIT STRING.
    usage: &'static [u8],
    file: u16,
    pair: &'a KeyPair,
}

const NON_REPUDIATION: &[u8] = &[0x06, 0x00, 0x40];
const SIGN_AND_DECIPHER: &[u8] = &[0x05, 0x60];
const SIGN: &[u8] = &[0x05, 0x20];

/// All files of the card.
pub(super) fn of(identity: &Identity, profile: &Profile) -> Vec<File> {
    let (sign, authenticate) = match profile.kind {
        Kind::Cps3 | Kind::Cps3Contactless => (SIGNATURE_KEY, AUTHENTICATION_KEY),
        Kind::Cps4 => (chipdoc::SIGNATURE_KEY, chipdoc::AUTHENTICATION_KEY),
    };
    let application = match profile.kind {
        Kind::Cps3 | Kind::Cps4 => Application {
            name: CONTACT_AID,
            directory: 0x0001,
            objects: vec![
                Object {
                    key_label: "CPS_PRIV_SIG",
                    certificate_label: "Certificat de Signature CPS",
                    reference: sign,
                    id: sign & 0x7F,
                    usage: NON_REPUDIATION,
                    file: 0xA001,
                    pair: &identity.signature,
                },
                Object {
                    key_label: "CPS_PRIV_AUT",
                    certificate_label: "Certificat d'Authentification CPS",
                    reference: authenticate,
                    id: authenticate & 0x7F,
                    usage: SIGN_AND_DECIPHER,
                    file: 0xA002,
                    pair: &identity.authentication,
                },
            ],
        },
        Kind::Cps3Contactless => Application {
            name: CONTACTLESS_AID,
            directory: profile.contactless_directory,
            objects: identity
                .technical
                .iter()
                .map(|pair| Object {
                    key_label: "CPS_PRIV_TECH_AUT",
                    certificate_label: "Certificat Technique CPS",
                    reference: profile.technical_key,
                    id: profile.technical_key & 0x7F,
                    usage: SIGN,
                    file: 0xA003,
                    pair,
                })
                .collect(),
        },
    };
    let mut files = vec![
        File::directory(&[MF], &ROOT_AID),
        File::transparent(&[MF, 0x2F01], Some(0x1D), ef_atr()),
        File::transparent(&[MF, 0xD003], Some(0x1C), ef_serial(identity)),
    ];
    if let Some(moment) = profile.updated {
        let dates = [tlv(0x81, moment.as_bytes()), tlv(0x82, moment.as_bytes())];
        files.push(File::transparent(&[MF, 0xD010], None, nest(0xEC, &dates)));
    }
    if profile.application_list {
        files.push(File::transparent(&[MF, 0x2F00], Some(0x1E), ef_dir(profile)));
    }
    files.extend(application.files(identity, profile));
    files
}

impl Application<'_> {
    fn files(&self, identity: &Identity, profile: &Profile) -> Vec<File> {
        let directory = [MF, self.directory];
        let file =
            |name: u16, content: Vec<u8>| File::transparent(&[MF, self.directory, name], None, content);
        let mut files = vec![
            File::directory(&directory, &self.name),
            file(0x5031, self.odf(profile)),
            file(0x5032, card_info(identity, profile)),
            file(0x7002, self.private_keys(profile)),
            file(0x7005, self.certificates()),
        ];
        if profile.kind != Kind::Cps3Contactless {
            files.push(file(0x7001, aodf(profile)));
        }
        files.extend(self.objects.iter().map(|object| file(object.file, object.pair.certificate.clone())));
        files
    }

    fn path(&self, file: u16) -> Vec<u8> {
        let bytes: Vec<u8> = [MF, self.directory, file].into_iter().flat_map(u16::to_be_bytes).collect();
        tlv(0x04, &bytes)
    }

    fn odf(&self, profile: &Profile) -> Vec<u8> {
        let entry = |tag: u32, file: u16| nest(tag, &[sequence(&[self.path(file)])]);
        let pins = match profile.kind {
            Kind::Cps3Contactless => Vec::new(),
            Kind::Cps3 | Kind::Cps4 => entry(0xA8, 0x7001),
        };
        // The real file is followed by fill bytes.
        [pins, entry(0xA0, 0x7002), entry(0xA4, 0x7005), vec![0x00; 8]].concat()
    }

    fn private_keys(&self, profile: &Profile) -> Vec<u8> {
        let needs_pin = profile.kind != Kind::Cps3Contactless;
        let key = |object: &Object| {
            let reference = match profile.negative_key_references {
                true => tlv(0x02, &[object.reference]),
                false => integer(u16::from(object.reference)),
            };
            let mut common = vec![tlv(0x0C, object.key_label.as_bytes()), tlv(0x03, &[0x07, 0x80])];
            common.extend(needs_pin.then(|| tlv(0x04, &[0x01])));
            sequence(&[
                sequence(&common),
                sequence(&[self.id(object), tlv(0x03, object.usage), reference]),
                nest(0xA1, &[sequence(&[sequence(&[tlv(0x04, &[])]), integer(2048)])]),
            ])
        };
        // Fill bytes, as after the records of the real card.
        self.objects.iter().map(key).chain([vec![0xFF; 4]]).collect::<Vec<_>>().concat()
    }

    fn certificates(&self) -> Vec<u8> {
        let certificate = |object: &Object| {
            let length = (object.pair.certificate.len() as u16).to_be_bytes();
            let place = sequence(&[self.path(object.file), integer(0), tlv(0x80, &length)]);
            sequence(&[
                sequence(&[tlv(0x0C, object.certificate_label.as_bytes()), tlv(0x03, &[0x08, 0x00])]),
                sequence(&[self.id(object)]),
                nest(0xA1, &[sequence(&[place])]),
            ])
        };
        self.objects.iter().map(certificate).collect::<Vec<_>>().concat()
    }

    fn id(&self, object: &Object) -> Vec<u8> {
        tlv(0x04, &[&self.name[..], &[object.id]].concat())
    }
}

/// The record of the contactless application stands first: OpenSC moves the last known one to the head.
fn ef_dir(profile: &Profile) -> Vec<u8> {
    let record = |aid: &[u8], label: &str, directory: u16| {
        let [high, low] = directory.to_be_bytes();
        nest(
            0x61,
            &[
                tlv(0x4F, aid),
                tlv(0x50, label.as_bytes()),
                tlv(0x51, &[0x3F, 0x00, high, low]),
                nest(0x73, &[tlv(0x4F, &CONTACT_AID)]),
            ],
        )
    };
    let contactless = match profile.kind {
        // Its antenna belongs to another application.
        Kind::Cps4 => Vec::new(),
        Kind::Cps3 | Kind::Cps3Contactless => {
            record(&CONTACTLESS_AID, "CPX IAS CL", profile.contactless_directory)
        }
    };
    [contactless, record(&CONTACT_AID, "CPX IAS", 0x0001)].concat()
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

fn card_info(identity: &Identity, profile: &Profile) -> Vec<u8> {
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
        tlv(0x80, if profile.kind == Kind::Cps4 { b"CPS4" } else { b"CPS3" }),
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
                tlv(0x80, &[profile.pin_reference]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_is_that_of_the_published_sample() {
        assert_eq!(serial_bytes("99213845"), [0x80, 0x25, 0x00, 0x00, 0x01, 0x99, 0x21, 0x38, 0x45, 0x0F]);
    }

    #[test]
    fn sizes_are_those_of_the_real_card() {
        assert_eq!(ef_dir(&Profile::default()).len(), 0x65);
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
