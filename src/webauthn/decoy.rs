//! Keys that do not exist, for people who have none or do not exist either: whoever types an identifier learns from the
//! challenge neither whether there is such a person nor whether they have a key.
//!
//! A decoy is derived from the identifier and a secret of this installation, so that it is the same each time it is asked
//! for. What it does not hide: how many keys a person has, beyond the first, and lengths that no decoy has.

use crate::crypto::digest::hmac_sha256;

/// Lengths of the credential ids of common authenticators, in bytes.
const LENGTHS: [usize; 4] = [16, 32, 48, 64];

/// The credential id of a key that does not exist, for an identifier.
pub(super) fn of(identifier: &str, key: &[u8; 32]) -> Vec<u8> {
    let block = |counter: u8| hmac_sha256(key, &[identifier.as_bytes(), &[0, counter]].concat());
    let lengths = block(0);
    let length = LENGTHS.get(usize::from(lengths.first().copied().unwrap_or_default()) % LENGTHS.len());
    let mut id = [block(1), block(2)].concat();
    id.truncate(length.copied().unwrap_or(32));
    id
}
