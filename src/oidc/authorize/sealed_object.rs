//! Encrypted request objects (RFC 9101 §6.1, OpenID Connect Core §6.1): signed by the client, then encrypted to a key
//! of ours.
//!
//! What a hospital gets: what a relying party asks, and about whom, is read by nobody on its way through the browser.
//!
//! Encryption proves nobody, since everybody has our public key: what is within must be signed, and is then judged as
//! if it had come in the clear. A key that does not unwrap, a tag, a padding, a length and the name of a key that is not
//! ours have one answer between them, which says nothing of the cause; the log has it. Nothing is inflated, and nothing
//! is decrypted twice.

use super::request_object::RequestObjectFault;
use crate::crypto::jose::{self, ContentEncryption, ExpectedJwe, JweError, KeyManagement};
use crate::oidc::Provider;
use crate::store::client::{Client, Metadata};

/// How the key of a request object may be wrapped: by the keys that we publish for this.
pub const MANAGEMENT: [KeyManagement; 1] = [KeyManagement::RsaOaep256];
/// The longest encrypted object read, in bytes: the longest signed one in base64url, with header, key and tag.
const LONGEST: usize = 24 * 1024;
/// What stands in `cty` where a JWT is within (RFC 7519 §5.2), and what libraries write that name its type.
const CONTENT_TYPES: [&str; 2] = ["JWT", "oauth-authz-req+jwt"];

/// Whether this is an encrypted object: five parts, where a signed one has three (RFC 7516 §9).
pub(super) fn is_sealed(object: &str) -> bool {
    object.bytes().filter(|byte| *byte == b'.').count() == 4
}

/// The signed object within an encrypted one.
///
/// # Errors
/// [`RequestObjectFault::Sealed`] or [`RequestObjectFault::NotSignedWithin`].
pub(super) async fn open(
    provider: &Provider,
    client: &Client,
    object: &str,
) -> Result<String, RequestObjectFault> {
    let registered = Registered::of(&client.metadata);
    let expected =
        ExpectedJwe { management: &registered.management, content: &registered.content, max_len: LONGEST };
    let keys = provider.request_object_keys.keys().await;
    let opened = jose::decrypt(object, expected, |kid| keys.decrypting(kid)).map_err(|error| {
        tracing::warn!(client = client.id, %error, "an encrypted request object cannot be read");
        match error {
            // What the header says openly, the answer may say as well.
            JweError::AlgorithmNotAllowed | JweError::EncryptionNotAllowed => {
                RequestObjectFault::SealedOtherwise
            }
            _ => RequestObjectFault::Sealed,
        }
    })?;
    let is_token = opened
        .content_type
        .is_some_and(|found| CONTENT_TYPES.iter().any(|known| found.eq_ignore_ascii_case(known)));
    let within = String::from_utf8(opened.content.to_vec()).ok().filter(|text| is_signed(text));
    within.filter(|_| is_token).ok_or(RequestObjectFault::NotSignedWithin)
}

/// Whether the text has the three parts of a signed token; whose it is, is judged later.
fn is_signed(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// What a client may encrypt with: all of ours, or what it registered (OpenID Connect Registration §2).
struct Registered {
    management: Vec<KeyManagement>,
    content: Vec<ContentEncryption>,
}

impl Registered {
    fn of(metadata: &Metadata) -> Self {
        let Some(alg) = &metadata.request_object_encryption_alg else {
            return Self { management: MANAGEMENT.to_vec(), content: ContentEncryption::ALL.to_vec() };
        };
        let enc = metadata.request_object_encryption_enc.as_deref();
        let content = enc.map_or(Some(ContentEncryption::A128CbcHs256), ContentEncryption::from_name);
        Self {
            management: MANAGEMENT.into_iter().filter(|ours| ours.name() == alg).collect(),
            content: content.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_the_only_way() {
        let with = |alg: Option<&str>, enc: Option<&str>| {
            let registered = Registered::of(&Metadata {
                request_object_encryption_alg: alg.map(str::to_owned),
                request_object_encryption_enc: enc.map(str::to_owned),
                ..Metadata::default()
            });
            (registered.management.len(), registered.content)
        };
        assert_eq!(with(None, None), (1, ContentEncryption::ALL.to_vec()));
        let (wraps, default) = (Some("RSA-OAEP-256"), vec![ContentEncryption::A128CbcHs256]);
        assert_eq!(with(wraps, None), (1, default.clone()), "OpenID Connect Registration §2");
        assert_eq!(with(wraps, Some("A256GCM")), (1, vec![ContentEncryption::A256Gcm]));
        assert_eq!(with(Some("ECDH-ES"), None), (0, default), "registered by another version");
    }
}
