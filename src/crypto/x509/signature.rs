//! One signature of one certificate's key, checked strictly; and which keys and algorithms are strong enough.
//!
//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2.2), which is what CPS3 cards make. OpenSSL rebuilds the padded block
//! and compares it whole, so that nothing can hide in the padding or behind the digest (Bleichenbacher 2006 and its
//! children). Keys that would make that check worthless (too small, exponent 1 or 3) or endless (huge) are refused.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
#[cfg(feature = "server")]
use openssl::md::Md;
use openssl::nid::Nid;
#[cfg(feature = "server")]
use openssl::pkey::Public;
use openssl::pkey::{HasPublic, Id, PKeyRef};
#[cfg(feature = "server")]
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sign::Verifier;
use openssl::x509::X509;

/// RSA keys of cards and authorities; the real ones have 2048 and 4096 bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;
/// Public exponents of up to 32 bits; all that are in use have 17.
const MIN_EXPONENT: u64 = 65_537;
const MAX_EXPONENT_BITS: i32 = 32;

/// Why a signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("the certificate cannot be read: {0}")]
    Certificate(#[source] ErrorStack),
    #[error("{0}")]
    Weak(WeakKey),
    #[error("the signature was not made by this certificate's key over this message")]
    Wrong,
}

impl SignatureError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "CERT-001",
            Self::Weak(_) => "CERT-009",
            Self::Wrong => "CERT-017",
        }
    }
}

/// A key or an algorithm that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    #[error("RSA key of {0} bits")]
    RsaBits(u32),
    #[error("RSA public exponent that is too small or too large")]
    RsaExponent,
    #[error("key that is neither RSA nor on an accepted curve")]
    Kind,
    #[error("signature algorithm {0}")]
    Algorithm(String),
}

/// Checks that the key of `certificate_der` signed `message` (hashed here with SHA-256).
///
/// Says nothing about the certificate itself.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_rsa_sha256(
    certificate_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let key = X509::from_der(certificate_der)
        .and_then(|certificate| certificate.public_key())
        .map_err(SignatureError::Certificate)?;
    if key.id() != Id::RSA {
        return Err(SignatureError::Weak(WeakKey::Kind));
    }
    check_key(&key).map_err(SignatureError::Weak)?;
    if signature.len() != key.size() {
        return Err(SignatureError::Wrong);
    }
    let verdict = || -> Result<bool, ErrorStack> {
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key)?;
        verifier.set_rsa_padding(Padding::PKCS1)?;
        verifier.verify_oneshot(signature, message)
    };
    // OpenSSL reports a wrong padding as an error and a wrong digest as `false`: to us both are the same.
    match verdict() {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(SignatureError::Wrong),
    }
}

/// Length in bytes of the RSA modulus of a certificate's key; `None` for any other key, and one that is too weak.
#[must_use]
pub fn rsa_modulus_len(certificate_der: &[u8]) -> Option<usize> {
    let key = X509::from_der(certificate_der).and_then(|certificate| certificate.public_key()).ok()?;
    (key.id() == Id::RSA && check_key(&key).is_ok()).then(|| key.size())
}

/// Whether a public key is one that certificates of cards and their authorities may have.
pub(super) fn check_key<T: HasPublic>(key: &PKeyRef<T>) -> Result<(), WeakKey> {
    match key.id() {
        Id::RSA => {
            let rsa = key.rsa().map_err(|_| WeakKey::Kind)?;
            if !RSA_BITS.contains(&key.bits()) {
                return Err(WeakKey::RsaBits(key.bits()));
            }
            let exponent = rsa.e();
            let value = exponent.to_vec().iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
            if exponent.num_bits() > MAX_EXPONENT_BITS || value < MIN_EXPONENT || value.is_multiple_of(2) {
                return Err(WeakKey::RsaExponent);
            }
            Ok(())
        }
        Id::EC => match key.ec_key().map(|key| key.group().curve_name()) {
            Ok(Some(Nid::X9_62_PRIME256V1 | Nid::SECP384R1 | Nid::SECP521R1)) => Ok(()),
            _ => Err(WeakKey::Kind),
        },
        _ => Err(WeakKey::Kind),
    }
}

/// The hash of an accepted signature algorithm of certificates and revocation lists.
#[cfg(feature = "server")]
pub(super) fn accepted_hash(algorithm: Nid) -> Result<MessageDigest, WeakKey> {
    match algorithm {
        Nid::SHA256WITHRSAENCRYPTION | Nid::ECDSA_WITH_SHA256 => Ok(MessageDigest::sha256()),
        Nid::SHA384WITHRSAENCRYPTION | Nid::ECDSA_WITH_SHA384 => Ok(MessageDigest::sha384()),
        Nid::SHA512WITHRSAENCRYPTION | Nid::ECDSA_WITH_SHA512 => Ok(MessageDigest::sha512()),
        other => Err(WeakKey::Algorithm(other.long_name().unwrap_or("unknown").to_owned())),
    }
}

/// The kind of key that a signature algorithm (dotted) asks for, and its hash, if it is an accepted one.
#[cfg(feature = "server")]
pub(super) fn accepted_algorithm(dotted: &str) -> Result<(Id, MessageDigest), WeakKey> {
    let known = openssl::asn1::Asn1Object::from_str(dotted).map_or(Nid::UNDEF, |object| object.nid());
    if known == Nid::UNDEF {
        return Err(WeakKey::Algorithm(dotted.to_owned()));
    }
    let hash = accepted_hash(known)?;
    let is_ecdsa = matches!(known, Nid::ECDSA_WITH_SHA256 | Nid::ECDSA_WITH_SHA384 | Nid::ECDSA_WITH_SHA512);
    Ok((if is_ecdsa { Id::EC } else { Id::RSA }, hash))
}

/// Whether `key` signed what has this digest: for what is too large to be held.
#[cfg(feature = "server")]
pub(super) fn verifies(key: &PKeyRef<Public>, hash: MessageDigest, digest: &[u8], signature: &[u8]) -> bool {
    let verdict = || -> Result<bool, ErrorStack> {
        let mut context = PkeyCtx::new(key)?;
        context.verify_init()?;
        if key.id() == Id::RSA {
            context.set_rsa_padding(Padding::PKCS1)?;
        }
        let hash = Md::from_nid(hash.type_()).ok_or_else(ErrorStack::get)?;
        context.set_signature_md(hash)?;
        context.verify(digest, signature)
    };
    verdict().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use openssl::bn::BigNum;
    use openssl::pkey::{PKey, Private, Public};
    use openssl::rsa::Rsa;
    use openssl::sign::Signer;

    use super::*;
    use crate::crypto::digest::sha256;
    use crate::crypto::x509::test_pki::{authentication, card, pki};

    fn sign(key: &PKey<Private>, digest: MessageDigest, padding: Padding, message: &[u8]) -> Vec<u8> {
        let mut signer = Signer::new(digest, key).unwrap();
        signer.set_rsa_padding(padding).unwrap();
        signer.sign_oneshot_to_vec(message).unwrap()
    }

    /// What a card does that pads whatever it is given.
    fn sign_block(key: &PKey<Private>, block: &[u8], padding: Padding) -> Vec<u8> {
        let rsa = key.rsa().unwrap();
        let mut signature = vec![0; rsa.size() as usize];
        rsa.private_encrypt(block, &mut signature, padding).unwrap();
        signature
    }

    fn digest_info(message: &[u8]) -> Vec<u8> {
        let mut info = hex::decode("3031300d060960864801650304020105000420").unwrap();
        info.extend(sha256(message));
        info
    }

    #[test]
    fn a_signature_as_the_card_makes_it_is_accepted() {
        let key = &card("good").authentication.key;
        let der = authentication("good");
        verify_rsa_sha256(&der, b"proof", &sign(key, MessageDigest::sha256(), Padding::PKCS1, b"proof"))
            .unwrap();
        verify_rsa_sha256(&der, b"proof", &sign_block(key, &digest_info(b"proof"), Padding::PKCS1)).unwrap();
    }

    #[test]
    fn everything_else_is_wrong() {
        let key = &card("good").authentication.key;
        let der = authentication("good");
        let good = sign(key, MessageDigest::sha256(), Padding::PKCS1, b"proof");
        let flipped = |place: usize| {
            let mut signature = good.clone();
            signature[place] ^= 1;
            signature
        };
        let without_null =
            [&hex::decode("302f300b0609608648016503040201").unwrap()[..], &[0x04, 0x20], &sha256(b"proof")]
                .concat();
        for (what, signature) in [
            (
                "another key's",
                sign(&card("nurse").authentication.key, MessageDigest::sha256(), Padding::PKCS1, b"proof"),
            ),
            ("of another message", sign(key, MessageDigest::sha256(), Padding::PKCS1, b"other")),
            ("SHA-1", sign(key, MessageDigest::sha1(), Padding::PKCS1, b"proof")),
            ("SHA-512", sign(key, MessageDigest::sha512(), Padding::PKCS1, b"proof")),
            ("PSS", sign(key, MessageDigest::sha256(), Padding::PKCS1_PSS, b"proof")),
            ("bare hash without DigestInfo", sign_block(key, &sha256(b"proof"), Padding::PKCS1)),
            ("DigestInfo without NULL", sign_block(key, &without_null, Padding::PKCS1)),
            (
                "a byte behind the digest",
                sign_block(key, &[digest_info(b"proof"), vec![0]].concat(), Padding::PKCS1),
            ),
            ("first bit changed", flipped(0)),
            ("last bit changed", flipped(255)),
            ("cut", good[..255].to_vec()),
            ("with a leading zero", [&[0], good.as_slice()].concat()),
            ("empty", Vec::new()),
            ("zeros", vec![0; 256]),
        ] {
            let result = verify_rsa_sha256(&der, b"proof", &signature);
            assert!(matches!(result, Err(SignatureError::Wrong)), "{what}: {result:?}");
        }
    }

    /// The forgery of 2006: short padding, the digest in front and rubbish behind it.
    #[test]
    fn short_padding_with_rubbish_behind_is_wrong() {
        let key = &card("good").authentication.key;
        let mut block = vec![0x00, 0x01];
        block.extend([0xFF; 8]);
        block.push(0x00);
        block.extend(digest_info(b"proof"));
        block.resize(256, 0x42);
        let signature = sign_block(key, &block, Padding::NONE);
        let result = verify_rsa_sha256(&authentication("good"), b"proof", &signature);
        assert!(matches!(result, Err(SignatureError::Wrong)), "{result:?}");
    }

    fn with_exponent(exponent: u32) -> PKey<Public> {
        let modulus = card("good").authentication.key.rsa().unwrap().n().to_owned().unwrap();
        let rsa = Rsa::from_public_components(modulus, BigNum::from_u32(exponent).unwrap()).unwrap();
        PKey::from_rsa(rsa).unwrap()
    }

    /// With exponent 1 everybody can sign.
    #[test]
    fn exponents_that_make_signatures_forgeable_are_refused() {
        for exponent in [1, 3, 65_536] {
            assert_eq!(check_key(&with_exponent(exponent)), Err(WeakKey::RsaExponent), "{exponent}");
        }
        let key = with_exponent(1);
        let der = pki().persons.issue_unchecked(&card("good").profile.authentication(), &key).unwrap();
        let mut block = vec![0x00, 0x01];
        block.resize(256 - 52, 0xFF);
        block.push(0x00);
        block.extend(digest_info(b"proof"));
        let result = verify_rsa_sha256(&der, b"proof", &block);
        assert!(matches!(result, Err(SignatureError::Weak(WeakKey::RsaExponent))), "{result:?}");
    }

    #[test]
    fn small_keys_are_refused() {
        let key = &sceau_certs::keys::generate(1, 1024).unwrap()[0];
        let der = pki().persons.issue_unchecked(&card("good").profile.authentication(), key).unwrap();
        let signature = sign(key, MessageDigest::sha256(), Padding::PKCS1, b"proof");
        let result = verify_rsa_sha256(&der, b"proof", &signature);
        assert!(matches!(result, Err(SignatureError::Weak(WeakKey::RsaBits(1024)))), "{result:?}");
    }

    #[test]
    fn rubbish_for_a_certificate_is_refused() {
        assert_eq!(verify_rsa_sha256(b"no", b"proof", &[0; 256]).unwrap_err().code(), "CERT-001");
    }
}
