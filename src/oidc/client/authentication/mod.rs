//! Who calls? One way of proving it at a time, the registered one, and one file for each (RFC 6749 §2.3, OpenID Connect
//! Core §9, RFC 8705 §2).
//!
//! What is wrong is told to the log and the audit; the caller learns `invalid_client`, in the same words whether the
//! client exists or not.

pub mod assertion;
pub mod certificate;
pub mod credentials;
pub mod refusals;
mod secret;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::audit::{Caller, Kind};
use crate::ids::Secret;
use crate::oidc::parameters::{Duplicate, Parameters};
use crate::oidc::{Provider, error, profile};
use crate::store::client::{AuthMethod, Client};
use crate::store::{self, StoreError};
use crate::web::limits::TooMany;
use assertion::AssertionError;
use certificate::CertificateError;
use credentials::Credentials;

/// How clients can authenticate here where tokens are given out: by certificate only where a host asks for one.
pub(in crate::oidc) fn methods(provider: &Provider) -> impl Iterator<Item = AuthMethod> {
    let mtls = provider.mtls.as_ref();
    enabled(mtls.is_some(), mtls.is_some_and(|mtls| mtls.authorities.is_some()))
}

/// The methods of an installation: whether a host asks for certificates, and whether authorities of clients are installed.
pub fn enabled(asks_for_certificates: bool, has_authorities: bool) -> impl Iterator<Item = AuthMethod> {
    AuthMethod::ALL.into_iter().filter(move |method| match method {
        AuthMethod::TlsClientAuth => asks_for_certificates && has_authorities,
        AuthMethod::SelfSignedTlsClientAuth => asks_for_certificates,
        _ => true,
    })
}

/// The parameters of the form that say who calls.
pub(in crate::oidc) const PARAMETERS: [&str; 4] =
    ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// The longest client id that is read.
const LONGEST_ID: usize = 256;

/// Why a relying party is not let in.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A parameter is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// It authenticates in two ways at once.
    #[error("the client authenticates in two ways at once")]
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
    /// Its assertion.
    #[error("the assertion of the client {0:?} is refused: {1}")]
    Assertion(String, #[source] AssertionError),
    /// Its certificate.
    #[error("the certificate of the client {0:?} is refused: {1}")]
    Certificate(String, #[source] CertificateError),
    /// It has nothing to authenticate with, and here it must.
    #[error("the client {0:?} is public, and may not ask this")]
    Public(String),
    /// Refused again and again from one address.
    #[error("the client {0:?} was refused too often from this address")]
    TooMany(String, TooMany),
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
            Self::Assertion(_, error) => error.code(),
            Self::Certificate(_, error) => error.code(),
            Self::Public(_) => "OIDC-124",
            Self::TooMany(..) => "OIDC-139",
            Self::Store(error) => error.code(),
        }
    }

    fn client(&self) -> Option<&str> {
        match self {
            Self::Unknown(id)
            | Self::Disabled(id)
            | Self::WrongSecret(id)
            | Self::Method(id, _)
            | Self::Assertion(id, _)
            | Self::Certificate(id, _)
            | Self::Public(id) => Some(id),
            _ => None,
        }
    }
}

impl IntoResponse for ClientError {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(error) | Self::Assertion(_, AssertionError::Store(error)) => {
                return error::fault(error, error.code());
            }
            Self::TooMany(_, refused) => return error::too_many("invalid_client", *refused),
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

/// The relying party that calls; a public one has only said who it is.
///
/// # Errors
/// [`ClientError`]; the refusal is in the audit.
pub(in crate::oidc) async fn authenticate(
    provider: &Provider,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<Client, ClientError> {
    let presented = match presented(&credentials.headers, form) {
        Ok(presented) => presented,
        Err(error) => return recorded(provider, Err(error), caller).await,
    };
    if let Err(refused) = provider.refusals.hear(&presented.id, caller, provider.now()) {
        let error = ClientError::TooMany(presented.id, refused);
        tracing::warn!(code = error.code(), %error, "a relying party was not heard");
        return Err(error);
    }
    let authenticated = check(provider, presented, credentials.certificate()).await;
    if let Ok(client) = &authenticated
        && !client.metadata.is_public()
    {
        provider.refusals.accept(&client.id, caller);
    }
    recorded(provider, authenticated, caller).await
}

/// The relying party that calls, where it must prove who it is (RFC 7662 §2.1).
///
/// # Errors
/// [`ClientError`]; the refusal is in the audit.
pub(in crate::oidc) async fn authenticate_confidential(
    provider: &Provider,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<Client, ClientError> {
    let client = authenticate(provider, credentials, form, caller).await?;
    if client.metadata.is_public() {
        return recorded(provider, Err(ClientError::Public(client.id)), caller).await;
    }
    Ok(client)
}

async fn recorded(
    provider: &Provider,
    authenticated: Result<Client, ClientError>,
    caller: &Caller,
) -> Result<Client, ClientError> {
    if let Err(error) = &authenticated
        && !matches!(error, ClientError::Store(_) | ClientError::Assertion(_, AssertionError::Store(_)))
    {
        tracing::warn!(code = error.code(), %error, "a relying party was refused");
        if let Err(refused) = provider.refusals.count(error, caller, provider.now()) {
            return Err(ClientError::TooMany(error.client().unwrap_or_default().to_owned(), refused));
        }
        let event = provider.trail.event(Kind::ClientRefused).denied(error.code()).caller(caller);
        let event = error.client().map_or_else(|| event.clone(), |id| event.clone().client(id));
        store::audit::append(&provider.db, &event).await?;
    }
    authenticated
}

async fn check(
    provider: &Provider,
    presented: Presented,
    certificate: Option<&[u8]>,
) -> Result<Client, ClientError> {
    let Presented { id, proof } = presented;
    let found = store::client::by_id(&provider.db, &id).await?;
    if let Proof::Secret(secret, _) = &proof
        && !secret::is_of(found.as_ref(), secret, provider.now())
    {
        return Err(if found.is_some() { ClientError::WrongSecret(id) } else { ClientError::Unknown(id) });
    }
    let client = found.ok_or_else(|| ClientError::Unknown(id.clone()))?;
    let method = proof.method(&client);
    if !may_use(&client, method) {
        // Whoever names a client and proves nothing does not authenticate.
        return Err(match method {
            AuthMethod::None => ClientError::Anonymous,
            method => ClientError::Method(id, method.as_str()),
        });
    }
    if client.disabled_at.is_some() {
        return Err(ClientError::Disabled(id));
    }
    match (&proof, method) {
        (Proof::Assertion(assertion), _) => {
            let checked = assertion::check(provider, &client, assertion.expose()).await;
            checked.map_err(|error| ClientError::Assertion(id, error))?;
        }
        (Proof::Unsaid, AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth) => {
            let checked = certificate::check(provider, &client, method, certificate).await;
            checked.map_err(|error| ClientError::Certificate(id, error))?;
        }
        (Proof::Secret(..) | Proof::Unsaid, _) => {}
    }
    Ok(client)
}

/// Whether the client is registered with this method. One that names none, with a secret, uses it either way.
fn may_use(client: &Client, method: AuthMethod) -> bool {
    let by_profile = profile::of(client).rules().auth_methods.contains(&method);
    let by_registration = match client.metadata.token_endpoint_auth_method {
        Some(registered) => registered == method,
        None => matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost),
    };
    by_profile && by_registration
}

/// What a request presents: who it says it is, and how it proves that.
struct Presented {
    id: String,
    proof: Proof,
}

enum Proof {
    Secret(Secret, AuthMethod),
    Assertion(Secret),
    /// Nothing in headers and form: the certificate of the connection may say it (RFC 8705 §2), where the client is
    /// registered so.
    Unsaid,
}

impl Proof {
    fn method(&self, client: &Client) -> AuthMethod {
        match self {
            Self::Secret(_, method) => *method,
            Self::Assertion(_) => AuthMethod::PrivateKeyJwt,
            Self::Unsaid => match client.metadata.token_endpoint_auth_method {
                Some(method @ (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth)) => method,
                _ => AuthMethod::None,
            },
        }
    }
}

/// Who calls, and the one proof of it (RFC 6749 §2.3: never more than one).
fn presented(headers: &HeaderMap, form: &Parameters) -> Result<Presented, ClientError> {
    form.each_once(&PARAMETERS)?;
    let id = form.first("client_id");
    let secret = form.first("client_secret");
    let assertion = form.first("client_assertion");
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (line, more) = (lines.next(), lines.next());
    if [line.is_some(), secret.is_some(), assertion.is_some()].into_iter().filter(|given| *given).count() > 1
    {
        return Err(ClientError::TwoMethods);
    }
    if more.is_some() {
        return Err(ClientError::Header);
    }
    let (name, proof) = if let Some(line) = line {
        let (name, secret) = secret::basic(line).ok_or(ClientError::Header)?;
        // Repeating the client_id in the form is common, and harmless where it is the same.
        if id.is_some_and(|id| id != name) {
            return Err(ClientError::TwoMethods);
        }
        (name, Proof::Secret(secret, AuthMethod::ClientSecretBasic))
    } else if let Some(assertion) = assertion {
        let refused = |error| ClientError::Assertion(id.unwrap_or_default().to_owned(), error);
        if form.first("client_assertion_type") != Some(assertion::TYPE) {
            return Err(refused(AssertionError::Type));
        }
        let name = assertion::claimed_client(assertion).filter(|name| id.is_none_or(|id| id == name));
        let name = name.ok_or_else(|| refused(AssertionError::Client))?;
        (name, Proof::Assertion(Secret::from(assertion.to_owned())))
    } else {
        let name = id.ok_or(ClientError::Anonymous)?.to_owned();
        let by_secret =
            |secret: &str| Proof::Secret(Secret::from(secret.to_owned()), AuthMethod::ClientSecretPost);
        (name, secret.map_or(Proof::Unsaid, by_secret))
    };
    if name.len() > LONGEST_ID {
        return Err(ClientError::Anonymous);
    }
    Ok(Presented { id: name, proof })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn header(text: &str) -> HeaderMap {
        [(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap())].into_iter().collect()
    }

    fn found(headers: &HeaderMap, form: &str) -> Result<(String, String), &'static str> {
        presented(headers, &Parameters::parse(form.as_bytes()))
            .map(|presented| {
                let secret = match presented.proof {
                    Proof::Secret(secret, _) | Proof::Assertion(secret) => secret.expose().to_owned(),
                    Proof::Unsaid => String::new(),
                };
                (presented.id, secret)
            })
            .map_err(|error| error.code())
    }

    #[test]
    fn in_one_way_and_never_in_two() {
        let rp = Ok(("rp".to_owned(), "s".to_owned()));
        let basic = header(&format!("Basic {}", STANDARD.encode("rp:s")));
        assert_eq!(found(&basic, ""), rp);
        assert_eq!(found(&basic, "client_id=rp"), rp);
        assert_eq!(found(&basic, "client_id=other"), Err("OIDC-040"));
        assert_eq!(found(&basic, "client_id=rp&client_secret=s"), Err("OIDC-040"));
        assert_eq!(found(&basic, "client_assertion=a.b.c"), Err("OIDC-040"));
        let none = HeaderMap::new();
        assert_eq!(found(&none, "client_id=rp&client_secret=s"), rp);
        assert_eq!(found(&none, "client_id=rp&client_secret=s&client_assertion=a.b.c"), Err("OIDC-040"));
        assert_eq!(found(&none, "client_id=rp&client_id=rp&client_secret=s"), Err("OIDC-003"));
        assert_eq!(found(&none, "client_assertion=a&client_assertion=b"), Err("OIDC-003"));
        assert_eq!(found(&none, "client_id=rp"), Ok(("rp".to_owned(), String::new())));
        assert_eq!(found(&none, ""), Err("OIDC-042"));
        assert_eq!(found(&none, &format!("client_id={}", "a".repeat(257))), Err("OIDC-042"));
        assert_eq!(found(&header("Bearer x"), ""), Err("OIDC-041"));
        assert_eq!(found(&header("Basic %%"), ""), Err("OIDC-041"));
        let encoded = header(&format!("basic {}", STANDARD.encode("r%C3%A9+p:a%3Ab")));
        assert_eq!(found(&encoded, ""), Ok(("ré p".into(), "a:b".into())));
    }
}
