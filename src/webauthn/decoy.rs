//! Keys that do not exist, for people who have none or do not exist either: whoever types an identifier learns from the
//! challenge neither whether there is such a person nor whether they have a key.
//!
//! A decoy is derived from the identifier and a secret of this installation, so that it is the same each time it is asked
//! for. What it does not hide: how many keys a person has, beyond the first, and lengths that no decoy has.

use std::fmt::{self, Debug};

use zeroize::Zeroizing;

use crate::crypto::digest::hmac_sha256;

/// What decoys are derived from: 32 random bytes of this installation. Whoever has it tells a decoy from a key.
pub struct DecoyKey(Zeroizing<[u8; 32]>);

impl From<Zeroizing<[u8; 32]>> for DecoyKey {
    fn from(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }
}

impl Debug for DecoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecoyKey")
    }
}

/// Lengths of the credential ids of common authenticators, in bytes.
const LENGTHS: [usize; 4] = [16, 32, 48, 64];

/// The credential id of a key that does not exist, for an identifier.
pub(super) fn of(identifier: &str, key: &DecoyKey) -> Vec<u8> {
    let block = |counter: u8| hmac_sha256(&*key.0, &[identifier.as_bytes(), &[0, counter]].concat());
    let lengths = block(0);
    let length = LENGTHS.get(usize::from(lengths.first().copied().unwrap_or_default()) % LENGTHS.len());
    let mut id = [block(1), block(2)].concat();
    id.truncate(length.copied().unwrap_or(32));
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_decoys_is_printed_nowhere() {
        let key = DecoyKey::from(Zeroizing::new([0xAB; 32]));
        assert_eq!(format!("{key:?}"), "DecoyKey");
        assert_eq!(of("1", &key), of("1", &key));
        assert_ne!(of("1", &key), of("2", &key));
    }
}
