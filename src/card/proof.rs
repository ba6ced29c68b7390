//! The card proof: the only thing the authentication key of a card ever signs for us.
//!
//! A hospital gets from it that a signature made at one post cannot be used for anything else: it is bound to the
//! server that asked, to the one request that was answered and to the one certificate that answered, and its layout is
//! none that another protocol signs (agent protocol, section 5):
//!
//! ```text
//! proof = 0xFF | "Sceau card proof v1" | 0x00 | purpose (1 byte)
//!       | SHA-256(enrolled origin) | SHA-256(request JWS as received) | SHA-256(card certificate DER)
//! ```
//!
//! The length is fixed. The first byte keeps a proof apart from TLS 1.2 hashes and TLS 1.3 handshakes (64 spaces), from
//! CMS, PKINIT and XML (which begin with an ASN.1 tag or `<`), from SSH (a length) and from JWS (base64url).
//!
//! The agent builds it before signing and the server builds it again before verifying, both with [`Proof::new`]. There
//! is no way to make a [`Proof`] from ready bytes: whoever calls the driver cannot have it sign a hash of their choice.

use crate::crypto::digest::sha256;

const LEAD: u8 = 0xFF;
const LABEL: &[u8; 19] = b"Sceau card proof v1";

/// Length of a proof in bytes.
pub const PROOF_LEN: usize = 1 + LABEL.len() + 1 + 1 + 3 * 32;

/// DER of `DigestInfo { sha256, NULL }` up to the digest itself (RFC 8017 §9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// What a card signature is asked for. The byte is part of the proof, so that one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A sign-in in the browser of the same workstation.
    Browser,
    /// A command of the same workstation, over a connection of its own.
    Terminal,
    /// An approval asked over the agent's outbound channel.
    Ciba,
    /// Renewal of a session with the contactless side of the card.
    Badge,
}

impl Purpose {
    /// All purposes, in the order of their bytes.
    pub const ALL: [Self; 4] = [Self::Browser, Self::Terminal, Self::Ciba, Self::Badge];

    /// The byte of the proof.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Browser => 1,
            Self::Terminal => 2,
            Self::Ciba => 3,
            Self::Badge => 4,
        }
    }

    /// The value of the claim `purpose` of a card request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Terminal => "terminal",
            Self::Ciba => "ciba",
            Self::Badge => "badge",
        }
    }

    /// The purpose that the claim `purpose` names; `None` for anything else, which is refused.
    #[must_use]
    pub fn parse(claim: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == claim)
    }
}

/// The bytes that a card signs, in the only layout there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    bytes: [u8; PROOF_LEN],
    purpose: Purpose,
    certificate: [u8; 32],
}

impl Proof {
    /// The proof of `certificate_der` answering `request_jws` of the server enrolled as `origin`.
    ///
    /// `origin` is the ASCII serialisation that was enrolled (`https://sceau.example.org`, no trailing slash);
    /// `request_jws` the compact JWS byte for byte as received; `certificate_der` the certificate as read from the card.
    #[must_use]
    pub fn new(purpose: Purpose, origin: &str, request_jws: &str, certificate_der: &[u8]) -> Self {
        let certificate = sha256(certificate_der);
        let head = [LEAD].into_iter().chain(*LABEL).chain([0x00, purpose.byte()]);
        let tail =
            sha256(origin.as_bytes()).into_iter().chain(sha256(request_jws.as_bytes())).chain(certificate);
        let mut bytes = [0; PROOF_LEN];
        for (place, byte) in bytes.iter_mut().zip(head.chain(tail)) {
            *place = byte;
        }
        Self { bytes, purpose, certificate }
    }

    /// The proof itself: what an RSASSA-PKCS1-v1_5/SHA-256 verifier takes as the message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; PROOF_LEN] {
        &self.bytes
    }

    /// The DER `DigestInfo` of SHA-256 of the proof, 51 bytes: what the card pads and signs.
    #[must_use]
    pub fn digest_info(&self) -> [u8; 51] {
        let mut info = [0; 51];
        for (place, byte) in info.iter_mut().zip(SHA256_DIGEST_INFO.into_iter().chain(sha256(&self.bytes))) {
            *place = byte;
        }
        info
    }

    /// The whole block of `len` bytes that is raised to the key's exponent (EMSA-PKCS1-v1_5, RFC 8017 §9.2), for a card
    /// that pads nothing itself; `None` where the key is too short for it.
    #[must_use]
    pub fn padded_for_rsa(&self, len: usize) -> Option<Vec<u8>> {
        const LEAST_FILL: usize = 8;
        let info = self.digest_info();
        let fill = len.checked_sub(info.len() + 3).filter(|fill| *fill >= LEAST_FILL)?;
        let head = [0x00, 0x01].into_iter().chain(std::iter::repeat_n(0xFF, fill)).chain([0x00]);
        Some(head.chain(info).collect())
    }

    /// What it was made for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether this proof was built for `certificate_der`. The driver refuses to sign for another certificate than the
    /// one it has just read from the card.
    #[must_use]
    pub fn is_for(&self, certificate_der: &[u8]) -> bool {
        self.certificate == sha256(certificate_der)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof::new(Purpose::Browser, "http://localhost:8080", "a.b.c", b"certificate")
    }

    #[test]
    fn has_the_layout_of_the_protocol() {
        let bytes = *proof().as_bytes();
        assert_eq!(bytes.len(), 118);
        assert_eq!(bytes[0], 0xFF);
        assert_eq!(&bytes[1..20], b"Sceau card proof v1");
        assert_eq!(bytes[20], 0x00);
        assert_eq!(bytes[21], 0x01);
        assert_eq!(bytes[22..54], sha256(b"http://localhost:8080"));
        assert_eq!(bytes[54..86], sha256(b"a.b.c"));
        assert_eq!(bytes[86..118], sha256(b"certificate"));
    }

    #[test]
    fn digest_info_is_that_of_rfc_8017() {
        let info = proof().digest_info();
        assert_eq!(hex::encode(&info[..19]), "3031300d060960864801650304020105000420");
        assert_eq!(info[19..], sha256(proof().as_bytes()));
    }

    #[test]
    fn the_padded_block_is_that_of_rfc_8017() {
        let block = proof().padded_for_rsa(256).unwrap();
        assert_eq!(block.len(), 256);
        assert_eq!(block[..2], [0x00, 0x01]);
        assert!(block[2..204].iter().all(|byte| *byte == 0xFF));
        assert_eq!(block[204], 0x00);
        assert_eq!(block[205..], proof().digest_info());
        assert!(proof().padded_for_rsa(62).is_some());
        assert_eq!(proof().padded_for_rsa(61), None, "less than eight bytes of fill");
        assert_eq!(proof().padded_for_rsa(0), None);
    }

    #[test]
    fn every_input_changes_it() {
        let other = [
            Proof::new(Purpose::Badge, "http://localhost:8080", "a.b.c", b"certificate"),
            Proof::new(Purpose::Browser, "http://localhost:8081", "a.b.c", b"certificate"),
            Proof::new(Purpose::Browser, "http://localhost:8080", "a.b.d", b"certificate"),
            Proof::new(Purpose::Browser, "http://localhost:8080", "a.b.c", b"another"),
        ];
        for proof_of_something_else in other {
            assert_ne!(proof_of_something_else.digest_info(), proof().digest_info());
        }
    }

    #[test]
    fn knows_its_certificate() {
        assert!(proof().is_for(b"certificate"));
        assert!(!proof().is_for(b"another"));
    }

    #[test]
    fn purposes_are_distinct_and_parse_back() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse("Browser"), None);
        assert_eq!(Purpose::parse(""), None);
    }
}
