//! The little DER (X.690) that is written and taken apart by hand: requests to OCSP responders, names of distribution
//! points.
//!
//! Reading goes member by member over `asn1-rs`, which checks every length; nothing here indexes into input.

use x509_parser::asn1_rs::{Any, FromDer, Tag};

/// Tag, definite length in its shortest form, content.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// The elements that these bytes are, one after the other; `None` if they are anything else.
pub(super) fn elements(mut bytes: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (behind, element) = Any::from_der(bytes).ok()?;
        found.push(element);
        bytes = behind;
    }
    Some(found)
}

/// The members of the one SEQUENCE that these bytes are.
pub(super) fn members(bytes: &[u8]) -> Option<Vec<Any<'_>>> {
    let ([], sequence) = Any::from_der(bytes).ok()? else { return None };
    (sequence.tag() == Tag::Sequence).then(|| elements(sequence.data))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(content in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let written = tlv(0x04, &content);
            let read = elements(&written).unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].data, content.as_slice());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = elements(&bytes);
            let _ = members(&bytes);
        }
    }
}
