//! The little BER that the card's files are written in.

/// One data object: `tag` as it stands on the wire (`0x61`, `0x7F41`, `0xBF8101`), definite length, `value`.
pub(super) fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    match value.len() {
        len @ 0..0x80 => out.push(len as u8),
        len @ 0x80..0x100 => out.extend([0x81, len as u8]),
        len => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend_from_slice(value);
    out
}

/// A constructed data object.
pub(super) fn nest(tag: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// A DER `SEQUENCE`.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    nest(0x30, parts)
}

/// A DER `INTEGER` of a small positive number.
pub(super) fn integer(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    match (high, low) {
        (0, 0..0x80) => tlv(0x02, &[low]),
        (0, _) => tlv(0x02, &[0, low]),
        (0x80.., _) => tlv(0x02, &[0, high, low]),
        _ => tlv(0x02, &[high, low]),
    }
}

/// The first data object of `data`: its tag, its value and what follows. Lengths of one or two bytes only, as on the
/// command side of this card; a length `80` on its own means "whatever is there" in a request for a data object.
pub(super) fn split(data: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (&first, mut rest) = data.split_first()?;
    let mut tag = u32::from(first);
    if first & 0x1F == 0x1F {
        loop {
            let (&byte, after) = rest.split_first()?;
            tag = (tag << 8) | u32::from(byte);
            rest = after;
            if byte & 0x80 == 0 || tag > 0xFF_FFFF {
                break;
            }
        }
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// The value of the first data object with `tag` on the top level of `data`.
pub(super) fn find(data: &[u8], tag: u32) -> Option<&[u8]> {
    let mut rest = data;
    while let Some((found, value, after)) = split(rest) {
        if found == tag {
            return Some(value);
        }
        rest = after;
    }
    None
}
