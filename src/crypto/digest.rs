//! Digests, so that no other module needs to name OpenSSL for one.

/// SHA-256 (FIPS 180-4) of `data`.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    openssl::sha::sha256(data)
}

/// SHA-512 (FIPS 180-4) of `data`.
#[must_use]
pub fn sha512(data: &[u8]) -> [u8; 64] {
    openssl::sha::sha512(data)
}

/// HMAC-SHA-256 (RFC 2104) of `message` under `key`. Compare the result in constant time.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let hashed;
    let key = if key.len() > BLOCK {
        hashed = sha256(key);
        hashed.as_slice()
    } else {
        key
    };
    let padded = |pad: u8| -> Vec<u8> {
        key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK).map(|byte| byte ^ pad).collect()
    };
    let inner = sha256(&[padded(0x36).as_slice(), message].concat());
    sha256(&[padded(0x5C).as_slice(), &inner].concat())
}

#[cfg(test)]
mod tests {
    use super::{hmac_sha256, sha256};

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn hmac_gives_the_values_of_rfc_4231() {
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex::encode(hmac_sha256(&[0xAA; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn gives_the_value_of_the_standard_for_abc() {
        assert_eq!(
            hex::encode(sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
