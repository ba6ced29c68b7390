//! Encrypted JSON: JWE in compact form (RFC 7516).
//!
//! What it gives: ID tokens and userinfo that only the relying party reads, and request objects that only we read. Keys are
//! agreed or wrapped by josekit. Everything before that is done here, because josekit inflates without a limit, knows
//! algorithms that are broken, and panics on a short key: the header is read strictly, `zip` and every algorithm that is
//! not listed below are refused, each part must have its length, and the ephemeral key must lie on the curve. The content is
//! decrypted here as well: the tag is compared first and in constant time (RFC 7518 §5.2.2.2), and a key that does not
//! unwrap is replaced by a random one (RFC 7516 §11.5), so that nobody can tell the two apart.
//!
//! Never done: compression, passwords (PBES2), shared keys (`dir`, A128KW, …), RSAES-PKCS1-v1_5.

use std::fmt::{self, Debug};

use josekit::jwe::{self, JweContentEncryption, JweDecrypter, JweEncrypter, JweHeader, enc};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::symm::{self, Cipher};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::strict_json::{self, JsonFault};
use super::{base64url, shown};
use crate::crypto::constant_time_eq;
use crate::crypto::keys::{Family, KeyError, PublicKey, operation_allowed};
use crate::crypto::random::SystemRandom;
use crate::ids::Random as _;

/// How the key of a content reaches its reader (RFC 7518 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyManagement {
    /// RSAES-OAEP with SHA-256 (§4.3).
    RsaOaep256,
    /// RSAES-OAEP with SHA-1 (§4.3), which older readers know.
    RsaOaep,
    /// Agreed upon directly, over P-256 (§4.6).
    EcdhEs,
    /// Wrapped by AES-128 with a key agreed upon (§4.6).
    EcdhEsA128Kw,
    /// Wrapped by AES-256 with a key agreed upon (§4.6).
    EcdhEsA256Kw,
}

impl KeyManagement {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::RsaOaep256, Self::RsaOaep, Self::EcdhEs, Self::EcdhEsA128Kw, Self::EcdhEsA256Kw];

    /// The name in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::RsaOaep => "RSA-OAEP",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }

    /// The one of that name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|management| management.name() == name)
    }

    fn family(self) -> Family {
        match self {
            Self::RsaOaep256 | Self::RsaOaep => Family::Rsa,
            Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA256Kw => Family::P256,
        }
    }

    fn encrypter(self, spki: &[u8]) -> Result<Box<dyn JweEncrypter>, josekit::JoseError> {
        Ok(match self {
            Self::RsaOaep256 => Box::new(jwe::RSA_OAEP_256.encrypter_from_der(spki)?),
            Self::RsaOaep => Box::new(jwe::RSA_OAEP.encrypter_from_der(spki)?),
            Self::EcdhEs => Box::new(jwe::ECDH_ES.encrypter_from_der(spki)?),
            Self::EcdhEsA128Kw => Box::new(jwe::ECDH_ES_A128KW.encrypter_from_der(spki)?),
            Self::EcdhEsA256Kw => Box::new(jwe::ECDH_ES_A256KW.encrypter_from_der(spki)?),
        })
    }

    fn decrypter(self, pkcs8: &[u8]) -> Result<Box<dyn JweDecrypter>, josekit::JoseError> {
        Ok(match self {
            Self::RsaOaep256 => Box::new(jwe::RSA_OAEP_256.decrypter_from_der(pkcs8)?),
            Self::RsaOaep => Box::new(jwe::RSA_OAEP.decrypter_from_der(pkcs8)?),
            Self::EcdhEs => Box::new(jwe::ECDH_ES.decrypter_from_der(pkcs8)?),
            Self::EcdhEsA128Kw => Box::new(jwe::ECDH_ES_A128KW.decrypter_from_der(pkcs8)?),
            Self::EcdhEsA256Kw => Box::new(jwe::ECDH_ES_A256KW.decrypter_from_der(pkcs8)?),
        })
    }
}

/// How the content is encrypted (RFC 7518 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentEncryption {
    /// AES-128 in GCM (§5.3).
    A128Gcm,
    /// AES-256 in GCM (§5.3).
    A256Gcm,
    /// AES-128 in CBC with HMAC-SHA-256 (§5.2.3).
    A128CbcHs256,
    /// AES-256 in CBC with HMAC-SHA-512 (§5.2.5).
    A256CbcHs512,
}

impl ContentEncryption {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::A128Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A256CbcHs512];

    /// The name in `enc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// The one of that name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.name() == name)
    }

    fn of_josekit(self) -> &'static dyn JweContentEncryption {
        match self {
            Self::A128Gcm => &enc::A128GCM,
            Self::A256Gcm => &enc::A256GCM,
            Self::A128CbcHs256 => &enc::A128CBC_HS256,
            Self::A256CbcHs512 => &enc::A256CBC_HS512,
        }
    }

    /// Lengths in bytes: key, initialisation vector, tag.
    fn lengths(self) -> (usize, usize, usize) {
        match self {
            Self::A128Gcm => (16, 12, 16),
            Self::A256Gcm => (32, 12, 16),
            Self::A128CbcHs256 => (32, 16, 16),
            Self::A256CbcHs512 => (64, 16, 32),
        }
    }

    /// The content, where key and tag are right.
    fn open(self, key: &[u8], sealed: &Sealed<'_>) -> Option<Vec<u8>> {
        let (aad, iv, text) = (sealed.aad.as_bytes(), sealed.iv.as_slice(), sealed.ciphertext.as_slice());
        let gcm = |cipher| symm::decrypt_aead(cipher, key, Some(iv), aad, text, &sealed.tag).ok();
        let cbc_hmac = |cipher, digest| {
            let (mac_key, content_key) = key.split_at_checked(key.len() / 2)?;
            let mac_key = PKey::hmac(mac_key).ok()?;
            let mut mac = Signer::new(digest, &mac_key).ok()?;
            let aad_bits = u64::try_from(aad.len()).ok()?.checked_mul(8)?;
            for part in [aad, iv, text, &aad_bits.to_be_bytes()] {
                mac.update(part).ok()?;
            }
            let mac = mac.sign_to_vec().ok()?;
            if !constant_time_eq(mac.get(..sealed.tag.len())?, &sealed.tag) {
                return None;
            }
            symm::decrypt(cipher, content_key, Some(iv), text).ok()
        };
        match self {
            Self::A128Gcm => gcm(Cipher::aes_128_gcm()),
            Self::A256Gcm => gcm(Cipher::aes_256_gcm()),
            Self::A128CbcHs256 => cbc_hmac(Cipher::aes_128_cbc(), MessageDigest::sha256()),
            Self::A256CbcHs512 => cbc_hmac(Cipher::aes_256_cbc(), MessageDigest::sha512()),
        }
    }
}

/// Why something is not encrypted or decrypted. The cases are for logs; a caller answers one error of its protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// Longer than this use allows.
    #[error("the encrypted token is too long")]
    TooLong,
    /// Not five parts, or a header member of the wrong kind.
    #[error("the encrypted token is malformed")]
    Malformed,
    /// A part that is not base64url without padding, in its one spelling.
    #[error("a part of the encrypted token is not base64url without padding")]
    NotBase64url,
    /// The header is not JSON that says one thing.
    #[error("the header is refused: {0}")]
    Header(JsonFault),
    /// The header holds a member that is refused, `zip` above all.
    #[error("the header holds {0}, which is refused")]
    HeaderRefused(String),
    /// `alg` is missing, is not ours, or is not allowed here.
    #[error("the key management of the encrypted token is not allowed")]
    AlgorithmNotAllowed,
    /// `enc` is missing, is not ours, or is not allowed here.
    #[error("the content encryption of the encrypted token is not allowed")]
    EncryptionNotAllowed,
    /// No key of that name, or none that fits.
    #[error("there is no key for the encrypted token")]
    UnknownKey,
    /// Several keys fit, and none says that it is for encryption.
    #[error("several keys fit, and none says that it is for encryption")]
    AmbiguousKey,
    /// The key is for another algorithm.
    #[error("the key is not for the algorithm of the encrypted token")]
    KeyMismatch,
    /// The sender's ephemeral key (`epk`) is refused.
    #[error("the ephemeral key is refused: {0}")]
    EphemeralKey(KeyError),
    /// A part has not the length that its algorithm gives it.
    #[error("a part of the encrypted token has the wrong length")]
    WrongLength,
    /// It was encrypted to another key, or changed.
    #[error("the token does not decrypt")]
    DoesNotDecrypt,
    /// It could not be encrypted.
    #[error("encryption failed: {0}")]
    Failed(String),
}

/// What one use of an encrypted token allows.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedJwe<'a> {
    /// The values of `alg` allowed.
    pub management: &'a [KeyManagement],
    /// The values of `enc` allowed.
    pub content: &'a [ContentEncryption],
    /// The longest token read, in bytes.
    pub max_len: usize,
}

/// The public key of a reader.
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    public: PublicKey,
    kid: Option<String>,
    /// Where its JWK says so.
    only: Option<KeyManagement>,
}

impl EncryptionKey {
    /// From a public JWK (RFC 7517). Its `alg`, `use` and `key_ops` restrict what it may be used for.
    ///
    /// # Errors
    /// [`KeyError`], where it is no public key that one encrypts to, weak, or for another use.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let public = PublicKey::from_jwk(jwk)?;
        // RFC 7517 §4.3. Nobody derives with a public key alone, so that its `key_ops` may be empty.
        let operations: &[&str] = match public.family() {
            Family::Rsa => &["encrypt", "wrapKey"],
            Family::P256 => &["deriveKey", "deriveBits"],
            Family::Ed25519 => return Err(KeyError::OtherUse),
        };
        let says_enc = jwk.get("use").is_none_or(|usage| usage == "enc");
        let derives_nothing =
            public.family() == Family::P256 && jwk.get("key_ops") == Some(&Value::Array(vec![]));
        if !says_enc || !(operation_allowed(jwk, operations)? || derives_nothing) {
            return Err(KeyError::OtherUse);
        }
        let named = |alg: &Value| alg.as_str().and_then(KeyManagement::from_name).ok_or(KeyError::OtherUse);
        let only = jwk.get("alg").map(named).transpose()?;
        if only.is_some_and(|only| only.family() != public.family()) {
            return Err(KeyError::OtherUse);
        }
        Ok(Self { public, kid: jwk.get("kid").and_then(Value::as_str).map(str::to_owned), only })
    }

    /// Its owner's name for it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it may be used so.
    pub fn allows(&self, management: KeyManagement) -> bool {
        self.only.map_or(management.family() == self.public.family(), |only| only == management)
    }
}

/// A private key of ours that others encrypt to, by one algorithm.
pub struct DecryptionKey {
    private: PKey<Private>,
    public: PublicKey,
    management: KeyManagement,
    decrypter: Box<dyn JweDecrypter>,
}

impl DecryptionKey {
    /// Makes a new key. An RSA key takes some 50 to 300 ms: not on an async thread.
    ///
    /// # Errors
    /// [`KeyError::OpenSsl`].
    pub fn generate(management: KeyManagement) -> Result<Self, KeyError> {
        let private = match management.family() {
            Family::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
            Family::P256 | Family::Ed25519 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)?
            }
        };
        Self::from_private(private, management)
    }

    /// Reads what [`to_pkcs8`](Self::to_pkcs8) wrote, for use with `management`.
    ///
    /// # Errors
    /// [`KeyError`], where it is no such key.
    pub fn from_pkcs8(management: KeyManagement, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_private(PKey::private_key_from_pkcs8(der)?, management)
    }

    fn from_private(private: PKey<Private>, management: KeyManagement) -> Result<Self, KeyError> {
        let public = PublicKey::from_spki(&private.public_key_to_der()?)?;
        if public.family() != management.family() {
            return Err(KeyError::OtherUse);
        }
        let decrypter = management.decrypter(&Zeroizing::new(private.private_key_to_pkcs8()?))?;
        Ok(Self { private, public, management, decrypter })
    }

    /// The key in PKCS#8 DER, to be sealed.
    ///
    /// # Errors
    /// [`KeyError::OpenSsl`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Ok(Zeroizing::new(self.private.private_key_to_pkcs8()?))
    }

    /// The key's name: the RFC 7638 thumbprint of its public half.
    pub fn kid(&self) -> &str {
        self.public.thumbprint()
    }

    /// What it is used with.
    pub fn management(&self) -> KeyManagement {
        self.management
    }

    /// The public JWK with `kid`, `use` and `alg`, for a JWK Set.
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.public.members().clone();
        jwk.insert("kid".into(), self.kid().into());
        jwk.insert("use".into(), "enc".into());
        jwk.insert("alg".into(), self.management.name().into());
        Value::Object(jwk)
    }

    /// How long a key of `content` is once it is wrapped for this one; `None` where it is not wrapped.
    fn wrapped_len(&self, content: ContentEncryption) -> Option<usize> {
        match self.management {
            KeyManagement::RsaOaep256 | KeyManagement::RsaOaep => Some(self.public.size()),
            KeyManagement::EcdhEs => None,
            // RFC 3394 §2.2.1: one block more.
            KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => Some(content.lengths().0 + 8),
        }
    }
}

impl Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({} {})", self.management.name(), self.kid())
    }
}

/// What was in an encrypted token.
#[derive(Clone)]
pub struct Decrypted {
    /// The content: a JWS where `content_type` is `JWT` (RFC 7519 §5.2).
    pub content: Zeroizing<Vec<u8>>,
    /// `cty` of the header.
    pub content_type: Option<String>,
}

impl Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted({} bytes, {:?})", self.content.len(), self.content_type)
    }
}

/// Encrypts `content` to `key`. A signed token within is announced by the `content_type` `JWT` (RFC 7519 §5.2).
///
/// # Errors
/// [`JweError::KeyMismatch`] or [`JweError::Failed`].
pub fn encrypt(
    key: &EncryptionKey,
    management: KeyManagement,
    content_encryption: ContentEncryption,
    content_type: Option<&str>,
    content: &[u8],
) -> Result<String, JweError> {
    if !key.allows(management) {
        return Err(JweError::KeyMismatch);
    }
    let failed = |error: &dyn fmt::Display| JweError::Failed(error.to_string());
    let spki = key.public.to_spki().map_err(|error| failed(&error))?;
    let encrypter = management.encrypter(&spki).map_err(|error| failed(&error))?;
    let mut header = JweHeader::new();
    header.set_content_encryption(content_encryption.name());
    if let Some(content_type) = content_type {
        header.set_content_type(content_type);
    }
    if let Some(kid) = &key.kid {
        header.set_key_id(kid);
    }
    jwe::serialize_compact(content, &header, &*encrypter).map_err(|error| failed(&error))
}

/// Decrypts a compact JWE: the header against `expected`, the key found by `key_of` for its `kid`.
///
/// # Errors
/// [`JweError`], one case per cause; whatever is wrong with key, tag and content is [`JweError::DoesNotDecrypt`].
pub fn decrypt<'k>(
    token: &str,
    expected: ExpectedJwe<'_>,
    key_of: impl FnOnce(Option<&str>) -> Option<&'k DecryptionKey>,
) -> Result<Decrypted, JweError> {
    if token.len() > expected.max_len {
        return Err(JweError::TooLong);
    }
    let sealed = Sealed::read(token)?;
    let (management, content) = sealed.admit(expected)?;
    let key = key_of(sealed.member("kid")?).ok_or(JweError::UnknownKey)?;
    if key.management != management {
        return Err(JweError::KeyMismatch);
    }
    let (key_len, iv_len, tag_len) = content.lengths();
    let wrapped_len = key.wrapped_len(content).unwrap_or(0);
    if (sealed.wrapped_key.len(), sealed.iv.len(), sealed.tag.len()) != (wrapped_len, iv_len, tag_len) {
        return Err(JweError::WrongLength);
    }
    let content_type = sealed.member("cty")?.map(str::to_owned);
    let header = JweHeader::from_map(sealed.header.clone()).map_err(|_| JweError::Malformed)?;
    let wrapped_key = Some(sealed.wrapped_key.as_slice()).filter(|key| !key.is_empty());
    let unwrapped = key.decrypter.decrypt(wrapped_key, content.of_josekit(), &header);
    let mut content_key = Zeroizing::new(vec![0; key_len]);
    SystemRandom.fill(&mut content_key);
    if let Ok(unwrapped) = unwrapped.map(|key| Zeroizing::new(key.into_owned()))
        && unwrapped.len() == key_len
    {
        content_key = unwrapped;
    }
    let content = content.open(&content_key, &sealed).ok_or(JweError::DoesNotDecrypt)?;
    Ok(Decrypted { content: Zeroizing::new(content), content_type })
}

/// A JWE taken apart, of which nothing is believed yet.
struct Sealed<'t> {
    header: Map<String, Value>,
    /// The header as it stands in the token: what the tag covers besides (RFC 7516 §5.2, step 15).
    aad: &'t str,
    wrapped_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl<'t> Sealed<'t> {
    fn read(token: &'t str) -> Result<Self, JweError> {
        let mut parts = token.split('.');
        let mut part = || parts.next().ok_or(JweError::Malformed);
        let (aad, wrapped_key, iv, ciphertext, tag) = (part()?, part()?, part()?, part()?, part()?);
        if parts.next().is_some() {
            return Err(JweError::Malformed);
        }
        let decode = |part| base64url::decode(part).ok_or(JweError::NotBase64url);
        Ok(Self {
            header: strict_json::object(&decode(aad)?).map_err(JweError::Header)?,
            aad,
            wrapped_key: decode(wrapped_key)?,
            iv: decode(iv)?,
            ciphertext: decode(ciphertext)?,
            tag: decode(tag)?,
        })
    }

    /// Applies what this use allows to the header.
    fn admit(&self, expected: ExpectedJwe<'_>) -> Result<(KeyManagement, ContentEncryption), JweError> {
        const KNOWN: [&str; 5] = ["alg", "enc", "kid", "typ", "cty"];
        const OF_AGREEMENT: [&str; 3] = ["epk", "apu", "apv"];
        let management = self.member("alg")?.and_then(KeyManagement::from_name);
        let agreed = management.is_some_and(|management| management.family() == Family::P256);
        let known = |name: &str| KNOWN.contains(&name) || agreed && OF_AGREEMENT.contains(&name);
        if let Some(name) = self.header.keys().find(|name| !known(name))
            && (management.is_some() || name == "zip")
        {
            return Err(JweError::HeaderRefused(shown(name)));
        }
        let management = management
            .filter(|management| expected.management.contains(management))
            .ok_or(JweError::AlgorithmNotAllowed)?;
        let content = self.member("enc")?.and_then(ContentEncryption::from_name);
        let content = content
            .filter(|content| expected.content.contains(content))
            .ok_or(JweError::EncryptionNotAllowed)?;
        if agreed {
            self.check_agreement()?;
        }
        Ok((management, content))
    }

    /// The sender's half of an agreement: a point beside the curve would make our answers tell our key, bit by bit.
    fn check_agreement(&self) -> Result<(), JweError> {
        let epk = self.header.get("epk").ok_or(JweError::Malformed)?;
        let epk = PublicKey::from_jwk(epk).map_err(JweError::EphemeralKey)?;
        if epk.family() != Family::P256 {
            return Err(JweError::EphemeralKey(KeyError::Unsupported));
        }
        for name in ["apu", "apv"] {
            if let Some(text) = self.member(name)? {
                base64url::decode(text).ok_or(JweError::NotBase64url)?;
            }
        }
        Ok(())
    }

    /// A member that is a text wherever it stands.
    fn member(&self, name: &str) -> Result<Option<&str>, JweError> {
        match self.header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(JweError::Malformed),
        }
    }
}

/// Opens a content by itself, as the examples of RFC 7518, Appendix B have it.
#[cfg(test)]
pub(super) fn open_content(
    content: ContentEncryption,
    key: &[u8],
    aad: &str,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
) -> Option<Vec<u8>> {
    content.open(key, &Sealed { header: Map::new(), aad, wrapped_key: vec![], iv, ciphertext, tag })
}

#[cfg(test)]
mod tests;
