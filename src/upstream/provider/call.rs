//! Calls to a provider that the crates do not make for us: a form, posted as the client that we are there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, Response, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Provider, ProviderError};
use crate::config::UpstreamCredential;
use crate::crypto::egress::chain;

/// A refusal (RFC 6749 §5.2).
#[derive(Deserialize)]
pub(super) struct Refused {
    pub(super) error: String,
    #[serde(default)]
    pub(super) error_description: Option<String>,
}

impl Refused {
    /// The same in our words, short and printable.
    pub(super) fn into_error(self) -> ProviderError {
        let Self { error, error_description } = self;
        let text = format!("{error} {}", error_description.unwrap_or_default());
        ProviderError::Refused(text.chars().filter(|c| !c.is_control()).take(200).collect())
    }
}

impl Provider {
    /// Posts a form as the client that we are there. Where no answer comes, that is a failure of the provider.
    pub(super) async fn post(
        &self,
        address: &str,
        form: &[(&str, &str)],
        within: Duration,
    ) -> Result<Response<Vec<u8>>, ProviderError> {
        let request = self.form(address, form)?;
        self.http.0.call(request, within).await.map_err(|error| self.failed(&error))
    }

    /// The same where sign-ins need not suffer for it: of an address that they do not need.
    pub(super) async fn post_beside(
        &self,
        address: &str,
        form: &[(&str, &str)],
        within: Duration,
    ) -> Result<Response<Vec<u8>>, ProviderError> {
        let request = self.form(address, form)?;
        self.http.0.call(request, within).await.map_err(|error| ProviderError::Unusable(chain(&error)))
    }

    fn form(&self, address: &str, form: &[(&str, &str)]) -> Result<Request<Vec<u8>>, ProviderError> {
        let unusable = |error: &dyn std::error::Error| ProviderError::Unusable(chain(error));
        let mut form = form.to_vec();
        let mut request = http::Request::post(address)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        match &self.settings.credential {
            UpstreamCredential::Secret(secret) => {
                let basic = basic(&self.settings.client_id, secret);
                let mut basic = HeaderValue::try_from(basic).map_err(|error| unusable(&error))?;
                basic.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, basic);
            }
            // RFC 8705 §2: the certificate of the handshake is looked at for this client.
            UpstreamCredential::Certificate { .. } => {
                form.push(("client_id", &self.settings.client_id));
            }
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        request.body(body.into_bytes()).map_err(|error| unusable(&error))
    }

    /// An answer of a server that fails; for everybody, or in this one question.
    pub(super) fn fails(&self, answer: &Response<Vec<u8>>, for_all: bool) -> ProviderError {
        if for_all {
            self.note_failure();
        }
        ProviderError::Unusable(format!("it answers {}", answer.status()))
    }

    /// What an answer says, where it is JSON and so the provider's. A refusal that is not is a firewall's, which looks at one
    /// request: this one fails, and nobody else's.
    pub(super) fn json<T: DeserializeOwned>(&self, answer: &Response<Vec<u8>>) -> Result<T, ProviderError> {
        let read = serde_json::from_slice(answer.body()).map_err(|error| {
            if !answer.status().is_client_error() {
                self.note_failure();
            }
            ProviderError::Unusable(format!("it answers {} with something else: {error}", answer.status()))
        })?;
        self.breaker.succeeded(self.clock.now());
        Ok(read)
    }
}

/// `client_secret_basic` (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &SecretString) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose_secret()))))
}
