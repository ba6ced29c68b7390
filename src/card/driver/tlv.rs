//! Data objects (BER-TLV, ISO/IEC 7816-4 §5.2.2 and X.690), read leniently: a card's file ends in fill bytes, and some
//! of what stands in it is illegal DER. Reading never fails, it ends at the first byte that makes no sense.

/// One data object: the tag as it stands on the wire (`0x61`, `0x7F41`), and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    pub tag: u32,
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Whether the value is itself made of data objects.
    #[must_use]
    pub fn is_constructed(&self) -> bool {
        let first = self.tag.to_be_bytes().into_iter().find(|byte| *byte != 0).unwrap_or_default();
        first & 0x20 != 0
    }

    /// The data objects inside.
    #[must_use]
    pub fn children(&self) -> Objects<'a> {
        objects(self.value)
    }
}

/// The data objects that follow each other in `data`, fill bytes (`00`, `FF`) between them skipped.
#[must_use]
pub fn objects(data: &[u8]) -> Objects<'_> {
    Objects { rest: data }
}

/// The value of the first object with `tag` on the top level of `data`.
#[must_use]
pub fn find(data: &[u8], tag: u32) -> Option<&[u8]> {
    objects(data).find(|object| object.tag == tag).map(|object| object.value)
}

/// The value found by following `tags` from the top level down.
#[must_use]
pub fn find_path<'a>(data: &'a [u8], tags: &[u32]) -> Option<&'a [u8]> {
    tags.iter().try_fold(data, |inner, tag| find(inner, *tag))
}

/// See [`objects`].
#[derive(Debug, Clone)]
pub struct Objects<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Objects<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        while let [0x00 | 0xFF, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let Some((object, rest)) = split(self.rest) else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some(object)
    }
}

/// Tags of up to three bytes, lengths of up to two: no file of a card is larger.
fn split(data: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (&first, mut rest) = data.split_first()?;
    let mut tag = u32::from(first);
    if first & 0x1F == 0x1F {
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            tag = tag << 8 | u32::from(byte);
            if byte & 0x80 == 0 {
                break;
            }
            if tag > 0xFFFF {
                return None;
            }
        }
    }
    let (length, rest) = match *rest {
        [length @ ..=0x7F, ref rest @ ..] => (usize::from(length), rest),
        [0x81, length, ref rest @ ..] => (usize::from(length), rest),
        [0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Tlv { tag, value }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_tags_and_lengths_of_all_sizes() {
        let long = [&[0x82, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        let data = [&[0x5A, 0x01, 0xAA, 0x7F, 0x41, 0x81, 0x01, 0xBB][..], &long, &[0xBF, 0x81, 0x01, 0x00]]
            .concat();
        let tags: Vec<_> = objects(&data).map(|object| (object.tag, object.value.len())).collect();
        assert_eq!(tags, [(0x5A, 1), (0x7F41, 1), (0x82, 256), (0xBF_8101, 0)]);
    }

    #[test]
    fn skips_fill_bytes_and_stops_at_nonsense() {
        let data = [0xFF, 0x00, 0x5A, 0x01, 0xAA, 0xFF, 0xFF, 0x5B, 0x01, 0xBB, 0x5C, 0x09, 0x00];
        let values: Vec<_> = objects(&data).map(|object| object.value).collect();
        assert_eq!(values, [&[0xAA], &[0xBB]]);
    }

    #[test]
    fn follows_a_path() {
        let data = [0x62, 0x06, 0xA1, 0x04, 0x8C, 0x02, 0x7B, 0x00];
        assert_eq!(find_path(&data, &[0x62, 0xA1, 0x8C]), Some(&[0x7B, 0x00][..]));
        assert_eq!(find_path(&data, &[0x62, 0x8C]), None);
    }

    fn encode(tag: u8, value: &[u8]) -> Vec<u8> {
        let length = value.len() as u16;
        [&[tag, 0x82][..], &length.to_be_bytes(), value].concat()
    }

    proptest! {
        #[test]
        fn never_panics_and_never_reads_beyond(data: Vec<u8>) {
            for object in objects(&data) {
                prop_assert!(object.value.len() <= data.len());
                for inner in object.children() {
                    prop_assert!(inner.value.len() <= object.value.len());
                }
            }
        }

        #[test]
        fn reads_back_what_was_written(values in prop::collection::vec((1u8..0x1F, prop::collection::vec(any::<u8>(), 0..300)), 0..8)) {
            let data: Vec<u8> = values.iter().flat_map(|(tag, value)| encode(*tag, value)).collect();
            let read: Vec<_> = objects(&data).map(|object| (object.tag as u8, object.value.to_vec())).collect();
            prop_assert_eq!(read, values);
        }
    }
}
