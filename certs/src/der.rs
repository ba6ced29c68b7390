//! Writing DER (X.690): just the types that certificates and revocation lists need.
//!
//! Certificates are assembled here rather than with OpenSSL's builder because the cards' subject has one relative
//! distinguished name with three attributes, which that builder cannot express, and because tests need certificates
//! that are wrong in ways no builder allows. Nothing here reads DER.

use chrono::{DateTime, Datelike, Utc};

/// An object identifier as its arcs.
pub type Oid = &'static [u64];

/// Tag, definite length, content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if let (true, Ok(short)) = (length < 0x80, u8::try_from(length)) {
        out.push(short);
    } else {
        let length = length.to_be_bytes();
        let bytes = significant(&length);
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// SET OF in the order given. DER asks for sorted elements ([`sorted_set`]); cards were seen with other orders.
pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub fn sorted_set(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = parts.to_vec();
    parts.sort();
    set(&parts)
}

pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xFF } else { 0x00 }])
}

pub fn null() -> Vec<u8> {
    tlv(0x05, &[])
}

pub fn integer(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// A non-negative INTEGER from its big-endian bytes.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let bytes = significant(bytes);
    let mut content = Vec::with_capacity(bytes.len() + 1);
    if bytes.first().is_none_or(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(bytes);
    tlv(0x02, &content)
}

pub fn oid(arcs: Oid) -> Vec<u8> {
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = arcs {
        base128(first * 40 + second, &mut content);
        for arc in rest {
            base128(*arc, &mut content);
        }
    }
    tlv(0x06, &content)
}

pub fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

/// BIT STRING of whole bytes.
pub fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// BIT STRING of named bits (RFC 5280 key usages), bit 0 first, without trailing zero bits.
pub fn named_bits(set: &[u8]) -> Vec<u8> {
    let mask = set.iter().fold(0_u16, |mask, bit| mask | (0x8000_u16 >> u16::from(*bit & 15)));
    if mask == 0 {
        return tlv(0x03, &[0]);
    }
    let [high, low] = mask.to_be_bytes();
    if low == 0 {
        tlv(0x03, &[u8::try_from(high.trailing_zeros()).unwrap_or(0), high])
    } else {
        tlv(0x03, &[u8::try_from(low.trailing_zeros()).unwrap_or(0), high, low])
    }
}

pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0C, text.as_bytes())
}

pub fn printable(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

/// T61String (TeletexString) holding Latin-1 bytes, as the cards of the years before IGC-Santé have them.
pub fn t61(latin1: &[u8]) -> Vec<u8> {
    tlv(0x14, latin1)
}

pub fn ia5(text: &str) -> Vec<u8> {
    tlv(0x16, text.as_bytes())
}

/// UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5).
pub fn time(at: DateTime<Utc>) -> Vec<u8> {
    if (1950..2050).contains(&at.year()) {
        tlv(0x17, at.format("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        generalized_time(at)
    }
}

pub fn generalized_time(at: DateTime<Utc>) -> Vec<u8> {
    tlv(0x18, at.format("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

/// `[number] EXPLICIT`, or the constructed form of an implicit tag.
pub fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xA0 | number, content)
}

/// `[number] IMPLICIT` of a primitive type.
pub fn context_primitive(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn base128(mut value: u64, out: &mut Vec<u8>) {
    let mut groups = vec![(value & 0x7F) as u8];
    value >>= 7;
    while value > 0 {
        groups.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.extend(groups.iter().rev());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_short_and_the_long_form() {
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tlv(4, &[0; 65_536])[..5], [4, 0x83, 1, 0, 0]);
    }

    #[test]
    fn integers_stay_positive_and_minimal() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(unsigned(&[0, 0, 1]), [2, 1, 1]);
    }

    #[test]
    fn object_identifiers_and_named_bits_match_the_standard_examples() {
        assert_eq!(oid(&[1, 2, 840, 113549]), [6, 6, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D]);
        assert_eq!(oid(&[2, 5, 4, 3]), [6, 3, 0x55, 4, 3]);
        assert_eq!(named_bits(&[0]), [3, 2, 7, 0x80]);
        assert_eq!(named_bits(&[5, 6]), [3, 2, 1, 0x06]);
        assert_eq!(named_bits(&[]), [3, 1, 0]);
        assert_eq!(named_bits(&[8]), [3, 3, 7, 0, 0x80]);
    }
}
