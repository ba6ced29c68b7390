//! What the card's keys can do, and nothing more.

use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;

use super::files::{AUTHENTICATION_KEY, SIGNATURE_KEY};
use super::{Identity, der};

/// `DigestInfo` up to the digest itself (RFC 8017 §9.2, note 1).
const SHA1_DIGEST_INFO: &[u8] =
    &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];
const SHA256_DIGEST_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// A private key and the certificate of it.
#[derive(Clone)]
pub struct KeyPair {
    /// RSA, 2048 bits in current cards.
    pub key: PKey<Private>,
    /// DER.
    pub certificate: Vec<u8>,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("bits", &self.key.bits()).finish_non_exhaustive()
    }
}

/// The key and algorithm that MSE SET chose for one use.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Choice {
    algorithm: u8,
    key: u8,
}

/// The choices of MSE SET, one per control reference template.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) authentication: Option<Choice>,
    pub(super) signature: Option<Choice>,
    pub(super) confidentiality: Option<Choice>,
    pub(super) hash: Option<Choice>,
}

impl Choice {
    pub(super) fn of(algorithm: u8, key: u8) -> Self {
        Self { algorithm, key }
    }

    pub(super) fn key(self) -> u8 {
        self.key
    }

    /// A signature of a ready hash, in the algorithms of a CPS4: `0A` and `28` by PKCS#1 v1.5, `15` and `2C` by PSS, with
    /// SHA-1 and SHA-256.
    pub(super) fn sign_hash(self, key: &PKey<Private>, hash: &[u8]) -> Option<Vec<u8>> {
        let (digest, padding) = match (self.algorithm, hash.len()) {
            (0x0A, 20) => (MessageDigest::sha1(), Padding::PKCS1),
            (0x15, 20) => (MessageDigest::sha1(), Padding::PKCS1_PSS),
            (0x28, 32) => (MessageDigest::sha256(), Padding::PKCS1),
            (0x2C, 32) => (MessageDigest::sha256(), Padding::PKCS1_PSS),
            _ => return None,
        };
        let mut context = PkeyCtx::new(key).ok()?;
        context.sign_init().ok()?;
        context.set_rsa_padding(padding).ok()?;
        context.set_signature_md(openssl::md::Md::from_nid(digest.type_())?).ok()?;
        let mut signature = Vec::new();
        context.sign_to_vec(hash, &mut signature).ok()?;
        Some(signature)
    }

    /// Reads the two data objects in either order: OpenSC and the official library differ.
    pub(super) fn parse(data: &[u8]) -> Self {
        let byte = |tag| der::find(data, tag).and_then(|value| value.first().copied()).unwrap_or_default();
        Self { algorithm: byte(0x80), key: byte(0x84) }
    }

    /// Algorithm `10` or `40` of the hash template: the digest of `message`.
    pub(super) fn digest(self, message: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            0x10 => Some(openssl::sha::sha1(message).to_vec()),
            0x40 => Some(openssl::sha::sha256(message).to_vec()),
            _ => None,
        }
    }
}

impl Identity {
    /// INTERNAL AUTHENTICATE: PKCS#1 v1.5 type 1 over whatever the host gives, up to 40 % of the modulus; a `strict` card
    /// takes only what it knows for a `DigestInfo`.
    pub(super) fn authenticate(&self, choice: Choice, input: &[u8], strict: bool) -> Option<Vec<u8>> {
        let key = self.key(choice, &[0x02], AUTHENTICATION_KEY)?;
        if strict && !is_digest_info(input) {
            return None;
        }
        sign_anything(key, input)
    }

    /// The same with the technical key behind the antenna, which is called `reference`.
    pub(super) fn authenticate_by_tap(&self, choice: Choice, reference: u8, input: &[u8]) -> Option<Vec<u8>> {
        let technical = self.technical.as_ref()?;
        if choice.key != reference || choice.algorithm != 0x02 {
            return None;
        }
        sign_anything(&technical.key, input)
    }

    /// PSO COMPUTE DIGITAL SIGNATURE: the card adds the `DigestInfo` of the chosen algorithm itself.
    pub(super) fn sign(&self, choice: Choice, hash: &[u8]) -> Option<Vec<u8>> {
        let key = self.key(choice, &[0x12, 0x42], SIGNATURE_KEY)?;
        let prefix: &[u8] = match (choice.algorithm, hash.len()) {
            (0x12, 20) => SHA1_DIGEST_INFO,
            (0x42, 32) => SHA256_DIGEST_INFO,
            _ => return None,
        };
        let rsa = key.rsa().ok()?;
        let mut signature = vec![0; key.size()];
        let len = rsa.private_encrypt(&[prefix, hash].concat(), &mut signature, Padding::PKCS1).ok()?;
        signature.truncate(len);
        Some(signature)
    }

    /// PSO DECIPHER: PKCS#1 v1.5 type 2, after the padding indicator `81`.
    pub(super) fn decipher(&self, choice: Choice, input: &[u8]) -> Option<Vec<u8>> {
        let key = self.key(choice, &[0x1A], AUTHENTICATION_KEY)?;
        let cryptogram = input.strip_prefix(&[0x81])?;
        let rsa = key.rsa().ok()?;
        let mut plain = vec![0; key.size()];
        let len = rsa.private_decrypt(cryptogram, &mut plain, Padding::PKCS1).ok()?;
        plain.truncate(len);
        Some(plain)
    }

    fn key(&self, choice: Choice, algorithms: &[u8], reference: u8) -> Option<&PKey<Private>> {
        if choice.key != reference || !algorithms.contains(&choice.algorithm) {
            return None;
        }
        match reference {
            AUTHENTICATION_KEY => Some(&self.authentication.key),
            SIGNATURE_KEY => Some(&self.signature.key),
            _ => None,
        }
    }
}

fn sign_anything(key: &PKey<Private>, input: &[u8]) -> Option<Vec<u8>> {
    if input.is_empty() || input.len() > key.size() * 2 / 5 {
        return None;
    }
    let rsa = key.rsa().ok()?;
    let mut signature = vec![0; key.size()];
    let len = rsa.private_encrypt(input, &mut signature, Padding::PKCS1).ok()?;
    signature.truncate(len);
    Some(signature)
}

/// `SEQUENCE { SEQUENCE { hash, NULL }, OCTET STRING }` of SHA-1 or SHA-256.
fn is_digest_info(input: &[u8]) -> bool {
    [(SHA1_DIGEST_INFO, 20), (SHA256_DIGEST_INFO, 32)]
        .iter()
        .any(|(prefix, digest)| input.starts_with(prefix) && input.len() == prefix.len() + digest)
}
