//! Relying parties at the token and introspection endpoints: who calls?
//!
//! `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1), one of them at a time. Secrets are ours and of 256
//! bits, so their hashes are compared, in constant time. What is wrong is told to the log and the audit; the caller
//! learns `invalid_client`.

pub mod redirect_uri;
pub mod registration;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::error;
use super::parameters::{Duplicate, Parameters};
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::Secret;
use crate::store::client::{AuthMethod, Client};
use crate::store::{self, StoreError};

use super::{Provider, profile};

/// How clients can authenticate here.
pub(super) const METHODS: &[AuthMethod] = &[AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];

/// Why a relying party is not let in.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A parameter is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// It authenticates in two ways at once.
    #[error("the client authenticates by header and by form at once")]
    TwoMethods,
    /// The header is not that of Basic authentication.
    #[error("the Authorization header is not that of a client")]
    Header,
    /// It does not authenticate.
    #[error("the client does not authenticate")]
    Anonymous,
    /// No such client.
    #[error("there is no client {0:?}")]
    Unknown(String),
    /// It is disabled.
    #[error("the client {0:?} is disabled")]
    Disabled(String),
    /// The secret is another.
    #[error("the secret of the client {0:?} is wrong")]
    WrongSecret(String),
    /// It is registered with another method, or its profile knows this one not.
    #[error("the client {0:?} may not authenticate by {1}")]
    Method(String, &'static str),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ClientError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Duplicate(_) => "OIDC-003",
            Self::TwoMethods => "OIDC-040",
            Self::Header => "OIDC-041",
            Self::Anonymous => "OIDC-042",
            Self::Unknown(_) => "OIDC-043",
            Self::Disabled(_) => "OIDC-044",
            Self::WrongSecret(_) => "OIDC-045",
            Self::Method(..) => "OIDC-046",
            Self::Store(error) => error.code(),
        }
    }

    fn client(&self) -> Option<&str> {
        match self {
            Self::Unknown(id) | Self::Disabled(id) | Self::WrongSecret(id) | Self::Method(id, _) => Some(id),
            _ => None,
        }
    }
}

impl IntoResponse for ClientError {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(error) => return error::fault(error, error.code()),
            Self::Duplicate(_) | Self::TwoMethods => {
                return error::json(StatusCode::BAD_REQUEST, "invalid_request", &self.to_string());
            }
            _ => {}
        }
        // One text for all: whether a client exists is nobody's business.
        let description = "Invalid client or Invalid client credentials";
        let mut response = error::json(StatusCode::UNAUTHORIZED, "invalid_client", description);
        let challenge = HeaderValue::from_static("Basic realm=\"sceau\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

/// The relying party that calls.
///
/// # Errors
/// [`ClientError`]; the refusal is in the audit.
pub(super) async fn authenticate(
    provider: &Provider,
    headers: &HeaderMap,
    form: &Parameters,
    caller: &Caller,
) -> Result<Client, ClientError> {
    let authenticated = match credentials(headers, form) {
        Ok(presented) => check(provider, presented).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &authenticated
        && !matches!(error, ClientError::Store(_))
    {
        tracing::warn!(code = error.code(), %error, "a relying party was refused");
        let event = provider.trail.event(Kind::ClientRefused).denied(error.code()).caller(caller);
        let event = error.client().map_or_else(|| event.clone(), |id| event.clone().client(id));
        store::audit::append(&provider.db, &event).await?;
    }
    authenticated
}

async fn check(provider: &Provider, presented: Presented) -> Result<Client, ClientError> {
    let Presented { id, secret, method } = presented;
    let client = store::client::by_id(&provider.db, &id).await?;
    let client = client.ok_or_else(|| ClientError::Unknown(id.clone()))?;
    if !has_secret(&client, &secret, provider.now()) {
        return Err(ClientError::WrongSecret(id));
    }
    if !may_use(&client, method) {
        return Err(ClientError::Method(id, method.as_str()));
    }
    if client.disabled_at.is_some() {
        return Err(ClientError::Disabled(id));
    }
    Ok(client)
}

fn has_secret(client: &Client, secret: &Secret, now: Time) -> bool {
    let hash = sha256(secret.expose().as_bytes());
    client.secret_hashes(now).any(|good| constant_time_eq(good, &hash))
}

/// Whether the client is registered with this method. One that names none, with a secret, uses it either way.
fn may_use(client: &Client, method: AuthMethod) -> bool {
    let by_profile = profile::of(client).rules().auth_methods.contains(&method);
    by_profile && client.metadata.token_endpoint_auth_method.is_none_or(|registered| registered == method)
}

/// What a request presents.
struct Presented {
    id: String,
    secret: Secret,
    method: AuthMethod,
}

/// `client_id` and secret of a request.
fn credentials(headers: &HeaderMap, form: &Parameters) -> Result<Presented, ClientError> {
    let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return match (id, secret) {
            (Some(id), Some(secret)) => Ok(Presented {
                id: id.to_owned(),
                secret: Secret::from(secret.to_owned()),
                method: AuthMethod::ClientSecretPost,
            }),
            _ => Err(ClientError::Anonymous),
        };
    };
    if secret.is_some() {
        return Err(ClientError::TwoMethods);
    }
    if lines.next().is_some() {
        return Err(ClientError::Header);
    }
    let (basic_id, basic_secret) = basic(line).ok_or(ClientError::Header)?;
    // Repeating the client_id in the form is common, and harmless where it is the same.
    if id.is_some_and(|id| id != basic_id) {
        return Err(ClientError::TwoMethods);
    }
    Ok(Presented { id: basic_id, secret: basic_secret, method: AuthMethod::ClientSecretBasic })
}

/// RFC 7617, both halves form-encoded first (RFC 6749 §2.3.1).
fn basic(line: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(token.trim()).ok().map(zeroize::Zeroizing::new)?;
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, Secret::from(form_decoded(secret)?)))
}

fn form_decoded(text: &str) -> Option<String> {
    // A key without `=` is the whole text, decoded.
    if text.contains(['&', '=']) {
        return Some(text.to_owned());
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(decoded, _)| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderMap {
        [(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap())].into_iter().collect()
    }

    fn found(headers: &HeaderMap, form: &str) -> Result<(String, String), &'static str> {
        credentials(headers, &Parameters::parse(form.as_bytes()))
            .map(|presented| (presented.id, presented.secret.expose().to_owned()))
            .map_err(|error| error.code())
    }

    #[test]
    fn by_header_or_by_form_and_never_by_both() {
        let rp = Ok(("rp".to_owned(), "s".to_owned()));
        let basic = header(&format!("Basic {}", STANDARD.encode("rp:s")));
        assert_eq!(found(&basic, ""), rp);
        assert_eq!(found(&basic, "client_id=rp"), rp);
        assert_eq!(found(&basic, "client_id=other"), Err("OIDC-040"));
        assert_eq!(found(&basic, "client_id=rp&client_secret=s"), Err("OIDC-040"));
        assert_eq!(found(&HeaderMap::new(), "client_id=rp&client_secret=s"), rp);
        assert_eq!(found(&HeaderMap::new(), "client_id=rp&client_id=rp&client_secret=s"), Err("OIDC-003"));
        assert_eq!(found(&HeaderMap::new(), "client_id=rp"), Err("OIDC-042"));
        assert_eq!(found(&header("Bearer x"), ""), Err("OIDC-041"));
        assert_eq!(found(&header("Basic %%"), ""), Err("OIDC-041"));
        let encoded = header(&format!("basic {}", STANDARD.encode("r%C3%A9+p:a%3Ab")));
        assert_eq!(found(&encoded, ""), Ok(("ré p".into(), "a:b".into())));
    }
}
