//! The code of six digits that verifies a mail address.
//!
//! It is derived from the row that it belongs to and a secret of the installation: whoever reads the database finds neither
//! the code nor a hash of it, of which a million guesses would be a second's work.

use chrono::TimeDelta;
use zeroize::Zeroizing;

use crate::crypto::constant_time_eq;
use crate::crypto::digest::hmac_sha256;
use crate::crypto::sealed::SealKey;
use crate::ids::ContactCodeId;

/// How long a code is good.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How often one may type a wrong one.
pub const TRIES: i64 = 5;
/// How many codes a person may ask for in [`WINDOW`].
pub const PER_PERSON: i64 = 5;
/// How many may be asked for to one address in [`WINDOW`], by whomever.
pub const PER_ADDRESS: i64 = 3;
/// The time in which codes are counted.
pub const WINDOW: TimeDelta = TimeDelta::hours(1);

/// What derives codes.
pub struct Codes(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codes(…)")
    }
}

impl Codes {
    /// Of the installation with this key.
    #[must_use]
    pub fn new(seal: &SealKey) -> Self {
        Self(seal.derive("codes of mail addresses"))
    }

    /// The code of that row, for that address: six digits.
    #[must_use]
    pub fn code(&self, id: ContactCodeId, address: &str) -> Zeroizing<String> {
        let mac = hmac_sha256(&*self.0, &[id.0.as_bytes(), address.as_bytes()].concat());
        let number = mac.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Zeroizing::new(format!("{:06}", number % 1_000_000))
    }

    /// Whether that is what was typed; spaces do not count.
    #[must_use]
    pub fn is_right(&self, id: ContactCodeId, address: &str, typed: &str) -> bool {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        constant_time_eq(digits.as_bytes(), self.code(id, address).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::crypto::random::SystemRandom;

    #[test]
    fn a_code_is_of_its_row_its_address_and_its_installation() {
        let codes = Codes::new(&SealKey::generate(&SystemRandom));
        let id = ContactCodeId::new(MockClock::default().now(), &SystemRandom);
        let code = codes.code(id, "a@example.fr");
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{}", *code);
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        assert!(codes.is_right(id, "a@example.fr", &spaced));
        assert!(!codes.is_right(id, "a@example.fr", &code[..5]) && !codes.is_right(id, "a@example.fr", ""));
        // Of a hundred others hardly one is the same by chance.
        let others = (0..100).filter(|n| codes.is_right(id, &format!("a{n}@example.fr"), &code)).count();
        assert!(others < 3, "{others}");
        let elsewhere = (0..100)
            .filter(|_| Codes::new(&SealKey::generate(&SystemRandom)).is_right(id, "a@example.fr", &code));
        assert!(elsewhere.count() < 3);
    }
}
