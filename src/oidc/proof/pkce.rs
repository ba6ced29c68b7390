//! Proof Key for Code Exchange (RFC 7636): `S256` only. `plain` protects nobody who can read the request, and RFC 9700
//! §2.1.1 asks to refuse it.

use crate::crypto::digest::sha256;
use crate::crypto::jose::base64url;

/// The one method.
pub const METHOD: &str = "S256";

/// The challenge of a verifier; `None` where it is no verifier (RFC 7636 §4.1: 43 to 128 unreserved characters).
pub fn challenge_of(verifier: &str) -> Option<String> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let is_verifier = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    is_verifier.then(|| base64url::encode(sha256(verifier.as_bytes())))
}

/// Whether the text can be an `S256` challenge: 256 bits in base64url.
pub fn is_challenge(text: &str) -> bool {
    base64url::decode(text).is_some_and(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(&challenge));
    }

    #[test]
    fn what_is_no_verifier_or_challenge_is_refused() {
        assert!(challenge_of(&"a".repeat(42)).is_none());
        assert!(challenge_of(&"a".repeat(129)).is_none());
        assert!(challenge_of(&"é".repeat(43)).is_none());
        assert!(!is_challenge("dBjftJeZ4CVP"));
        assert!(!is_challenge(&"=".repeat(43)));
    }
}
