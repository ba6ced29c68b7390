//! Tokens that are bound to the certificate of a TLS connection (RFC 8705 §3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose::base64url;

/// `x5t#S256` of a certificate in DER.
pub fn thumbprint(der: &[u8]) -> String {
    base64url::encode(sha256(der))
}

/// Whether `x5t#S256` of a token is that of this certificate.
///
/// What ANS's servers issue is taken as well: the digest in hexadecimal, and that text in padded base64. It is as long a
/// digest of the same bytes, in another spelling; nothing is issued so.
pub fn is_of(confirmed: &str, der: &[u8]) -> bool {
    let digest = sha256(der);
    let standard = base64url::encode(digest);
    let of_ans = STANDARD.encode(hex::encode(digest));
    constant_time_eq(confirmed.as_bytes(), standard.as_bytes())
        || constant_time_eq(confirmed.as_bytes(), of_ans.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_one_is_written() {
        let der = b"certificate";
        let digest = sha256(der);
        assert_eq!(base64url::decode(&thumbprint(der)).unwrap(), digest);
        assert!(is_of(&thumbprint(der), der));
        assert!(is_of(&STANDARD.encode(hex::encode(digest)), der), "ANS");
        for other in [
            String::new(),
            hex::encode(digest),
            STANDARD.encode(digest),
            STANDARD.encode(hex::encode_upper(digest)),
            base64url::encode(hex::encode(digest)),
            thumbprint(b"another"),
        ] {
            assert!(!is_of(&other, der), "{other}");
        }
    }
}
