//! Answers that only their client can read (OpenID Connect Core §10.2, §5.3.2, RFC 9701 §5, JARM §2.2): signed first, then
//! encrypted to a key of the client's. Nothing is sent in the clear to a client that asked for this.

use super::Provider;
use crate::crypto::jose::{self, ContentEncryption, KeyManagement};
use crate::store::client::Client;

/// Why an answer cannot be encrypted: the client's keys cannot be had, or none fits.
#[derive(Debug, thiserror::Error)]
#[error("the answer cannot be encrypted to the client: {0}")]
pub(super) struct EncryptionError(String);

/// What a client registered for one kind of answer: `…_encrypted_response_alg` and `…_encrypted_response_enc`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registered<'a> {
    management: Option<&'a str>,
    content: Option<&'a str>,
}

impl<'a> Registered<'a> {
    /// Of ID tokens.
    pub(super) fn of_id_tokens(client: &'a Client) -> Self {
        let metadata = &client.metadata;
        Self::new(&metadata.id_token_encrypted_response_alg, &metadata.id_token_encrypted_response_enc)
    }

    /// Of userinfo.
    pub(super) fn of_userinfo(client: &'a Client) -> Self {
        let metadata = &client.metadata;
        Self::new(&metadata.userinfo_encrypted_response_alg, &metadata.userinfo_encrypted_response_enc)
    }

    /// Of introspection.
    pub(super) fn of_introspection(client: &'a Client) -> Self {
        let metadata = &client.metadata;
        Self::new(
            &metadata.introspection_encrypted_response_alg,
            &metadata.introspection_encrypted_response_enc,
        )
    }

    /// Of the authorization endpoint.
    pub(super) fn of_authorization(client: &'a Client) -> Self {
        let metadata = &client.metadata;
        Self::new(
            &metadata.authorization_encrypted_response_alg,
            &metadata.authorization_encrypted_response_enc,
        )
    }

    fn new(management: &'a Option<String>, content: &'a Option<String>) -> Self {
        Self { management: management.as_deref(), content: content.as_deref() }
    }

    /// Whether anything is encrypted.
    pub(super) fn is_asked_for(&self) -> bool {
        self.management.is_some()
    }
}

/// The signed answer, encrypted where the client registered that.
///
/// # Errors
/// [`EncryptionError`].
pub(super) async fn encrypted(
    provider: &Provider,
    client: &Client,
    registered: Registered<'_>,
    signed: String,
) -> Result<String, EncryptionError> {
    let Some(management) = registered.management else { return Ok(signed) };
    let failed = |reason: &dyn std::fmt::Display| EncryptionError(reason.to_string());
    // OpenID Connect Registration §2: the default where none is named.
    let content =
        registered.content.map_or(Some(ContentEncryption::A128CbcHs256), ContentEncryption::from_name);
    let (Some(management), Some(content)) = (KeyManagement::from_name(management), content) else {
        return Err(failed(&"the registered algorithm does not exist here"));
    };
    let keys = provider.client_keys.of(client).await.map_err(|error| failed(&error))?;
    let key = keys.encrypting(management).map_err(|error| failed(&error))?;
    jose::encrypt(key, management, content, Some("JWT"), signed.as_bytes()).map_err(|error| failed(&error))
}
