//! The directory of a card's PIN, keys and certificates (PKCS#15 v1.1, ISO/IEC 7816-15), read leniently: real cards
//! hold illegal BIT STRINGs, empty paths, negative references and fill bytes.

use super::iso7816::Path;
use super::pin::PinPolicy;
use super::tlv::{Tlv, find, objects};

const SEQUENCE: u32 = 0x30;
const OCTET_STRING: u32 = 0x04;
const INTEGER: u32 = 0x02;
const BIT_STRING: u32 = 0x03;
const ENUMERATED: u32 = 0x0A;
const TYPE_ATTRIBUTES: u32 = 0xA1;

/// Where the directory files are (the object directory file, EF 5031).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    pub pins: Vec<Path>,
    pub private_keys: Vec<Path>,
    pub certificates: Vec<Path>,
}

impl Directory {
    /// Reads the object directory file.
    #[must_use]
    pub fn parse(odf: &[u8]) -> Self {
        let paths = |tag: u32| {
            objects(odf)
                .filter(|object| object.tag == tag)
                .flat_map(|object| object.children().collect::<Vec<_>>())
                .filter_map(|reference| path(&reference))
                .collect()
        };
        Self {
            private_keys: paths(0xA0),
            certificates: [paths(0xA4), paths(0xA5)].concat(),
            pins: paths(0xA8),
        }
    }
}

/// Where the application called `aid` is, as the list of applications (EF.DIR) says.
#[must_use]
pub fn application_path(ef_dir: &[u8], aid: &[u8]) -> Option<Path> {
    const RECORD: u32 = 0x61;
    const NAME: u32 = 0x4F;
    const PATH: u32 = 0x51;
    objects(ef_dir)
        .filter(|object| object.tag == RECORD && find(object.value, NAME) == Some(aid))
        .find_map(|record| plausible(find(record.value, PATH)?))
}

/// A PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinObject {
    /// What keys name it by.
    pub id: Vec<u8>,
    pub policy: PinPolicy,
    /// Whether it is one of the administrator: a PUK.
    pub is_unblocking: bool,
}

/// Reads an authentication object directory file. PINs that are no ASCII digits are left out.
#[must_use]
pub fn pins(aodf: &[u8]) -> Vec<PinObject> {
    objects(aodf).filter(|object| object.tag == SEQUENCE).filter_map(|object| pin(&object)).collect()
}

fn pin(object: &Tlv) -> Option<PinObject> {
    const NEEDS_PADDING: usize = 5;
    const UNBLOCKING: usize = 6;
    const SO_PIN: usize = 7;
    let (_, class, attributes) = parts(object)?;
    let mut flags = &[][..];
    let mut kind = 1;
    let mut lengths = Vec::new();
    let (mut reference, mut pad) = (0, None);
    for field in objects(attributes) {
        match field.tag {
            BIT_STRING => flags = field.value,
            ENUMERATED => kind = number(field.value)?,
            INTEGER => lengths.push(number(field.value)?),
            0x80 => reference = *field.value.last()?,
            OCTET_STRING => pad = field.value.first().copied(),
            _ => {}
        }
    }
    // ASCII digits or UTF-8, which for digits is the same.
    if !matches!(kind, 1 | 2) {
        return None;
    }
    let [min, stored, rest @ ..] = lengths.as_slice() else { return None };
    let policy = PinPolicy {
        reference,
        min: *min,
        stored: *stored,
        max: rest.first().copied().unwrap_or(*stored),
        pad: is_set(flags, NEEDS_PADDING).then_some(pad.unwrap_or(0xFF)),
    };
    let plausible =
        policy.min >= 1 && policy.min <= policy.max && policy.stored <= 16 && policy.min <= policy.stored;
    plausible.then(|| PinObject {
        id: find(class, OCTET_STRING).unwrap_or_default().to_vec(),
        policy,
        is_unblocking: is_set(flags, UNBLOCKING) || is_set(flags, SO_PIN),
    })
}

/// A private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyObject {
    /// What its certificate has too.
    pub id: Vec<u8>,
    /// The PIN that it needs.
    pub pin: Option<Vec<u8>>,
    /// Reference on the card.
    pub reference: u8,
}

/// Reads a private key directory file. Keys without a reference are left out.
#[must_use]
pub fn private_keys(prkdf: &[u8]) -> Vec<KeyObject> {
    objects(prkdf)
        .filter(|object| object.tag == SEQUENCE)
        .filter_map(|object| {
            let (common, class, _) = parts(&object)?;
            Some(KeyObject {
                id: find(class, OCTET_STRING)?.to_vec(),
                pin: find(common, OCTET_STRING).map(<[u8]>::to_vec),
                // 130 may be written 00 82, or, carelessly, as the negative 82.
                reference: *find(class, INTEGER)?.last()?,
            })
        })
        .collect()
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateObject {
    /// What its private key has too.
    pub id: Vec<u8>,
    pub path: Path,
}

/// Reads a certificate directory file. Certificates without a file are left out.
#[must_use]
pub fn certificates(cdf: &[u8]) -> Vec<CertificateObject> {
    objects(cdf)
        .filter(|object| object.tag == SEQUENCE)
        .filter_map(|object| {
            let (_, class, attributes) = parts(&object)?;
            let path = objects(attributes).find_map(|value| path(&value))?;
            Some(CertificateObject { id: find(class, OCTET_STRING)?.to_vec(), path })
        })
        .collect()
}

/// Common attributes, those of the class, and those of the type.
fn parts<'a>(object: &Tlv<'a>) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let mut sequences = object.children().filter(|part| part.tag == SEQUENCE);
    let (common, class) = (sequences.next()?, sequences.next()?);
    let attributes =
        find(object.value, TYPE_ATTRIBUTES).and_then(|inner| find(inner, SEQUENCE)).unwrap_or_default();
    Some((common.value, class.value, attributes))
}

/// `SEQUENCE { OCTET STRING path, … }`; an empty path is none.
fn path(object: &Tlv) -> Option<Path> {
    let bytes = (object.tag == SEQUENCE).then(|| find(object.value, OCTET_STRING)).flatten()?;
    plausible(bytes)
}

fn plausible(path: &[u8]) -> Option<Path> {
    (!path.is_empty() && path.len().is_multiple_of(2) && path.len() <= 16).then(|| Path(path.to_vec()))
}

fn number(bytes: &[u8]) -> Option<usize> {
    (bytes.len() <= 2).then(|| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Bit `position` of a BIT STRING, the first byte of which counts unused bits and is not believed.
fn is_set(bits: &[u8], position: usize) -> bool {
    bits.get(1 + position / 8).is_some_and(|byte| byte & (0x80 >> (position % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The PIN as EF 7001 of a real card has it, illegal BIT STRING and all; only the label is cut to two letters.
    fn real_pin() -> Vec<u8> {
        hex::decode(
            "302b300a0c024350030108040102\
             3003040101\
             a1183016\
             0303040c10 0a0101 020104 020108 020104 800101 0401ff"
                .replace(' ', ""),
        )
        .unwrap()
    }

    #[test]
    fn reads_the_pin_of_the_real_card() {
        let read = pins(&real_pin());
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].policy, PinPolicy::CPS3);
        assert_eq!(read[0].id, [0x01]);
        assert!(!read[0].is_unblocking);
    }

    #[test]
    fn knows_a_puk() {
        let mut puk = real_pin();
        let flags = puk.windows(3).position(|window| window == [0x04, 0x0C, 0x10]).unwrap();
        puk[flags + 1] = 0x1D;
        assert!(pins(&puk)[0].is_unblocking);
    }

    #[test]
    fn refuses_a_pin_that_makes_no_sense() {
        let mut odd = real_pin();
        let min = odd.windows(3).position(|window| window == [0x02, 0x01, 0x04]).unwrap();
        odd[min + 2] = 0x00;
        assert_eq!(pins(&odd), []);
    }

    #[test]
    fn reads_key_references_however_they_are_written() {
        for reference in ["02020082", "020182"] {
            let class = format!("0401020302056 0{reference}").replace(' ', "");
            let class = format!("30{:02x}{class}", class.len() / 2);
            let key = format!("3003040101{class}");
            let file = hex::decode(format!("30{:02x}{key}ffff", key.len() / 2)).unwrap();
            let keys = private_keys(&file);
            assert_eq!(keys, [KeyObject { id: vec![2], pin: Some(vec![1]), reference: 0x82 }]);
        }
    }

    #[test]
    fn reads_the_directory() {
        let odf =
            hex::decode("a80a300804063f0000017001a00a300804063f0000017002a40a300804063f00000170050000ffff")
                .unwrap();
        let directory = Directory::parse(&odf);
        assert_eq!(directory.pins, [Path(vec![0x3F, 0x00, 0x00, 0x01, 0x70, 0x01])]);
        assert_eq!(directory.private_keys, [Path(vec![0x3F, 0x00, 0x00, 0x01, 0x70, 0x02])]);
        assert_eq!(directory.certificates, [Path(vec![0x3F, 0x00, 0x00, 0x01, 0x70, 0x05])]);
    }

    #[test]
    fn finds_an_application_by_its_name() {
        let list = hex::decode("610a4f02aabb51043f000001610a4f02aacc51043f000002").unwrap();
        assert_eq!(application_path(&list, &[0xAA, 0xCC]), Some(Path(vec![0x3F, 0x00, 0x00, 0x02])));
        assert_eq!(application_path(&list, &[0xAA]), None);
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_panic(data: Vec<u8>) {
            let _all = (Directory::parse(&data), pins(&data), private_keys(&data), certificates(&data));
            let _path = application_path(&data, &data);
        }

        /// A file that is damaged in one place: what is still read is still plausible.
        #[test]
        fn a_damaged_pin_object_is_plausible_or_left_out(at in 0usize..45, byte: u8) {
            let mut file = real_pin();
            if let Some(place) = file.get_mut(at) { *place = byte; }
            for pin in pins(&file) {
                prop_assert!(pin.policy.stored <= 16 && pin.policy.min >= 1 && pin.policy.min <= pin.policy.max);
            }
        }
    }
}
