//! What a provider says of itself: its discovery document and its keys (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! They are read at the start, every hour, and once a minute at most because of a key that is unknown; one at a time; what was
//! read goes on being used for a day while the provider does not answer.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    ProviderMetadata, RedirectUrl, TokenUrl, UserInfoUrl,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{Http, Provider, ProviderError};
use crate::clock::Time;
use crate::config::UpstreamCredential;
use crate::crypto::egress::chain;
use crate::crypto::jose::KeySet;

/// The longest that reading a document may last.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// How long after an answer a provider counts as there.
const IS_THERE: TimeDelta = TimeDelta::seconds(2);
/// How long a document is as good as new.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How often keys are fetched again because of one that is unknown.
const KEYS_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// Why no access token of it is exchanged.
pub(super) const NO_INTROSPECTION: &str =
    "its document has no introspection_endpoint: its access tokens are not exchanged";
/// How long it is used where there is no newer one.
const USABLE: TimeDelta = TimeDelta::hours(24);

/// The members of its document that `openidconnect` does not know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct More {
    /// RFC 9207 §3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// CIBA Core §4.
    #[serde(default)]
    backchannel_authentication_endpoint: Option<Url>,
    /// RP-Initiated Logout 1.0 §2.1.
    #[serde(default)]
    end_session_endpoint: Option<Url>,
    /// RFC 8414 §2.
    #[serde(default)]
    introspection_endpoint: Option<Url>,
    /// RFC 8705 §5.
    #[serde(default)]
    mtls_endpoint_aliases: Aliases,
}
impl AdditionalProviderMetadata for More {}

/// Where whoever shows a certificate is answered, if not where everybody else is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Aliases {
    token_endpoint: Option<TokenUrl>,
    userinfo_endpoint: Option<UserInfoUrl>,
    backchannel_authentication_endpoint: Option<Url>,
    introspection_endpoint: Option<Url>,
}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What was read of a provider.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) client: Client,
    /// Whether every answer names the issuer.
    pub(super) names_issuer: bool,
    /// Where people are asked who are at no browser of its.
    pub(super) backchannel: Option<Url>,
    /// Where its session is ended.
    pub(super) end_session: Option<Url>,
    /// Where it says whether a token of its own is good.
    pub(super) introspection: Option<Url>,
    /// What its logout tokens, and those that it says something of, are signed with.
    pub(super) keys: KeySet,
    pub(super) read_at: Time,
}

impl Provider {
    /// Reads its documents, to say whether it answers with its own, and with all that is configured.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn check(&self) -> Result<(), ProviderError> {
        let known = self.read().await?;
        match known.introspection.is_none() && !self.settings.exchange.is_empty() {
            true => Err(ProviderError::Unusable(NO_INTROSPECTION.to_owned())),
            false => Ok(()),
        }
    }

    /// Asks whether a provider that did not answer does again, or keeps what is known of it new. A job calls it.
    pub async fn look(&self) {
        let now = self.clock.now();
        let is_old = self.last_read().is_none_or(|known| known.read_at + FRESH <= now);
        if !is_old && !self.breaker.is_in_doubt() {
            return;
        }
        match self.read().await {
            Ok(_) | Err(ProviderError::Away) => {}
            Err(error) => tracing::warn!(provider = self.name, "{error}"),
        }
    }

    /// What is known, read where that is too old.
    pub(super) async fn known(&self) -> Result<Arc<Documents>, ProviderError> {
        let now = self.clock.now();
        if !self.breaker.lets_through(now) {
            return Err(ProviderError::Away);
        }
        let old = match self.usable() {
            Some(known) if known.read_at + FRESH > now => return Ok(known),
            old => old,
        };
        match (self.read().await, old) {
            (Ok(known), _) => Ok(known),
            (Err(_), Some(old)) => Ok(old),
            (Err(error), None) => Err(error),
        }
    }

    /// The same of a provider that answered a moment ago; any other is asked first.
    pub(super) async fn known_to_be_there(&self) -> Result<Arc<Documents>, ProviderError> {
        match self.breaker.has_answered_since(self.clock.now() - IS_THERE) {
            true => self.known().await,
            false => self.read().await,
        }
    }

    pub(super) async fn known_with_new_keys(
        &self,
        old: &Arc<Documents>,
    ) -> Result<Arc<Documents>, ProviderError> {
        match old.read_at + KEYS_AGAIN > self.clock.now() {
            // Whoever makes up key identifiers makes us fetch nothing.
            true => Ok(Arc::clone(old)),
            false => self.read().await,
        }
    }

    /// What was read last, where it may still be used.
    pub(super) fn usable(&self) -> Option<Arc<Documents>> {
        self.last_read().filter(|known| known.read_at + USABLE > self.clock.now())
    }

    /// What was read last, of whatever age.
    pub(super) fn last_read(&self) -> Option<Arc<Documents>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads document and keys. One at a time: whoever comes meanwhile waits, and has what the first has read.
    pub(super) async fn read(&self) -> Result<Arc<Documents>, ProviderError> {
        let came = self.clock.now();
        let _alone = self.reading.lock().await;
        let fresh = self.last_read().filter(|known| known.read_at >= came && !self.breaker.is_in_doubt());
        if let Some(known) = fresh {
            return Ok(known);
        }
        if !self.breaker.lets_through(self.clock.now()) {
            return Err(ProviderError::Away);
        }
        match self.fetched().await {
            Ok(new) => {
                self.breaker.succeeded(new.read_at);
                let new = Arc::new(new);
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&new));
                Ok(new)
            }
            Err(error) => {
                self.note_failure();
                Err(error)
            }
        }
    }

    async fn fetched(&self) -> Result<Documents, ProviderError> {
        let document: Value = self.http.json(self.settings.discovery.as_str()).await?;
        let metadata = serde_json::from_value::<Metadata>(document);
        let metadata = metadata.map_err(|error| ProviderError::Unusable(format!("its document: {error}")))?;
        if metadata.issuer().as_str() != self.settings.issuer {
            return Err(ProviderError::Unusable(format!(
                "its document is that of {}, and [upstream.{}] issuer is {}",
                metadata.issuer().as_str(),
                self.name,
                self.settings.issuer
            )));
        }
        let keys: Value = self.http.json(metadata.jwks_uri().url().as_str()).await?;
        // A set that ours refuses as a whole verifies no logout token, and signs people in all the same.
        let own_keys = KeySet::parse(keys.to_string().as_bytes()).unwrap_or_else(|error| {
            tracing::warn!(provider = self.name, "its keys verify no logout token: {error}");
            KeySet::default()
        });
        let keys = serde_json::from_value::<CoreJsonWebKeySet>(keys);
        let keys = keys.map_err(|error| ProviderError::Unusable(format!("its keys: {error}")))?;
        let More {
            authorization_response_iss_parameter_supported,
            backchannel_authentication_endpoint,
            end_session_endpoint,
            introspection_endpoint,
            mtls_endpoint_aliases,
        } = metadata.additional_metadata().clone();
        let redirect = RedirectUrl::new(self.redirect_uri.clone());
        let redirect = redirect.map_err(|error| ProviderError::Unusable(chain(&error)))?;
        let (metadata, secret, backchannel, introspection) = match &self.settings.credential {
            UpstreamCredential::Secret(secret) => {
                let secret = ClientSecret::new(secret.expose_secret().to_owned());
                (metadata, Some(secret), backchannel_authentication_endpoint, introspection_endpoint)
            }
            UpstreamCredential::Certificate { .. } => {
                let aliased = mtls_endpoint_aliases.backchannel_authentication_endpoint.clone();
                let backchannel = aliased.or(backchannel_authentication_endpoint);
                let introspection =
                    mtls_endpoint_aliases.introspection_endpoint.clone().or(introspection_endpoint);
                (for_certificates(metadata, mtls_endpoint_aliases), None, backchannel, introspection)
            }
        };
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.set_jwks(keys), id, secret)
            .set_redirect_uri(redirect);
        Ok(Documents {
            client,
            names_issuer: authorization_response_iss_parameter_supported,
            backchannel,
            end_session: end_session_endpoint,
            introspection,
            keys: own_keys,
            read_at: self.clock.now(),
        })
    }
}

/// The document as it is for whoever shows a certificate (RFC 8705 §5).
fn for_certificates(metadata: Metadata, aliases: Aliases) -> Metadata {
    let token = aliases.token_endpoint.or_else(|| metadata.token_endpoint().cloned());
    let userinfo = aliases.userinfo_endpoint.or_else(|| metadata.userinfo_endpoint().cloned());
    metadata.set_token_endpoint(token).set_userinfo_endpoint(userinfo)
}

impl Http {
    async fn json(&self, address: &str) -> Result<Value, ProviderError> {
        let unusable = |why: &dyn std::fmt::Display| ProviderError::Unusable(format!("{address}: {why}"));
        let request = http::Request::get(address).header(http::header::ACCEPT, "application/json");
        let request = request.body(Vec::new()).map_err(|error| unusable(&error))?;
        let answer = self.0.call(request, READ_WITHIN).await.map_err(|error| unusable(&error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(unusable(&answer.status()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| unusable(&error))
    }
}
