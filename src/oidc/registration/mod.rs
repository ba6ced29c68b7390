//! Clients that register themselves (RFC 7591), and manage what they registered (RFC 7592). Off unless the configuration
//! says otherwise.
//!
//! What a hospital gets: a software house connects a test application by itself, with a token that an administrator gave it
//! for so many applications and so many days. What registers so is a stranger: profile `standard`, for people of the
//! establishment alone, no word about other clients' tokens, and each sign-in asks the person. Its addresses are called
//! like anybody's ([`crate::oidc::outbound`]). There is no open registration, and no software statement is believed.

pub mod manage;
pub mod register;

use axum::Json;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::audit::{Caller, Kind};
use crate::ids::Secret;
use crate::oidc::client::metadata::{Document, MetadataFault, Registrar};
use crate::oidc::{Provider, client, error, psc, standard};
use crate::store::client::{AuthMethod, Client};
use crate::store::{self, StoreError};

/// The longest document that is read.
const LONGEST: usize = 64 * 1024;

/// Why nothing is registered, or told.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationRefused {
    /// No token, or one that is not good here.
    #[error("the token is missing, unknown, expired or used up")]
    Token,
    /// The client is disabled, and does not change that itself (RFC 7592 §2.1).
    #[error("the client is disabled")]
    Disabled,
    /// The document.
    #[error(transparent)]
    Metadata(#[from] MetadataFault),
    /// Not JSON, or too long.
    #[error("the request must be application/json, of 64 KiB at most")]
    Body,
    /// The document is for another client, or holds what is not the client's to say.
    #[error("{0} is not for the client to say, or is another's")]
    NotItsOwn(&'static str),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RegistrationRefused {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token => "OIDC-153",
            Self::Disabled => "OIDC-161",
            Self::Metadata(fault) => fault.code(),
            Self::Body => "OIDC-154",
            Self::NotItsOwn(_) => "OIDC-155",
            Self::Store(error) => error.code(),
        }
    }
}

impl IntoResponse for RegistrationRefused {
    fn into_response(self) -> Response {
        tracing::warn!(code = self.code(), error = %self, "a registration was refused");
        let text = self.to_string();
        match self {
            Self::Store(error) => error::fault(&error, error.code()),
            Self::Metadata(fault) => error::json(StatusCode::BAD_REQUEST, fault.name(), &text),
            Self::Body | Self::NotItsOwn(_) => {
                error::json(StatusCode::BAD_REQUEST, "invalid_client_metadata", &text)
            }
            Self::Disabled => error::json(StatusCode::FORBIDDEN, "access_denied", &text),
            Self::Token => {
                let mut response = error::json(StatusCode::UNAUTHORIZED, "invalid_token", &text);
                let challenge = HeaderValue::from_static("Bearer realm=\"sceau\", error=\"invalid_token\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
        }
    }
}

/// What a client is told of its registration (RFC 7591 §3.2.1, RFC 7592 §3).
#[derive(Debug, Serialize)]
struct Information {
    client_id: String,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Zero: it does not expire. There only where a secret is.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u8>,
    registration_access_token: String,
    registration_client_uri: String,
    #[serde(flatten)]
    document: Document,
}

impl Information {
    fn of(provider: &Provider, client: &Client, token: &Secret, secret: Option<&Secret>) -> Self {
        let mut document = Document {
            client_name: Some(client.name.clone()),
            redirect_uris: client.redirect_uris.clone(),
            post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
            backchannel_logout_uri: client.backchannel_logout_uri.clone(),
            response_types: vec!["code".into()],
            metadata: client.metadata.clone(),
        };
        // What holds where nothing was said (RFC 7591 §2).
        let metadata = &mut document.metadata;
        metadata.token_endpoint_auth_method.get_or_insert(AuthMethod::ClientSecretBasic);
        if metadata.grant_types.is_empty() {
            metadata.grant_types = vec!["authorization_code".into(), "refresh_token".into()];
        }
        let address = format!("{}/{}", psc::REGISTRATION, client.id);
        Self {
            client_id: client.id.clone(),
            client_id_issued_at: client.created_at.timestamp(),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            client_secret_expires_at: secret.map(|_| 0),
            registration_access_token: token.expose().to_owned(),
            registration_client_uri: provider.settings.issuer.address(&address),
            document,
        }
    }

    fn answer(self, status: StatusCode) -> Response {
        (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(self)).into_response()
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Result<Secret, RegistrationRefused> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(RegistrationRefused::Token) };
    let (scheme, token) =
        line.to_str().ok().and_then(|line| line.split_once(' ')).ok_or(RegistrationRefused::Token)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(RegistrationRefused::Token);
    }
    Ok(Secret::from(token.trim().to_owned()))
}

/// The body of a request, JSON.
async fn body(request: Request) -> Result<Vec<u8>, RegistrationRefused> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(RegistrationRefused::Body);
    }
    let bytes = axum::body::Bytes::from_request(request, &()).await.map_err(|_| RegistrationRefused::Body)?;
    if bytes.len() > LONGEST { Err(RegistrationRefused::Body) } else { Ok(bytes.to_vec()) }
}

/// Checks what a client wants to register of itself.
fn check(provider: &Provider, document: &Document) -> Result<(), MetadataFault> {
    let methods: Vec<AuthMethod> = client::methods(provider).collect();
    client::metadata::check(document, Registrar::Itself, &standard::RULES, &methods, false)
}

/// Records a refusal, and answers it.
async fn refuse(
    provider: &Provider,
    refused: RegistrationRefused,
    client: Option<&str>,
    caller: &Caller,
) -> Response {
    // Whoever guesses tokens waits, and fills no audit; a good one is taken whatever was counted.
    if let RegistrationRefused::Token = refused
        && let Err(too_many) = provider.refusals.count_stranger(caller, provider.now())
    {
        return error::too_many("invalid_token", too_many);
    }
    if !matches!(refused, RegistrationRefused::Store(_)) {
        let event = provider.trail.event(Kind::ClientRefused).denied(refused.code()).note("registration");
        let event = client.map_or_else(|| event.clone(), |id| event.clone().client(id));
        if let Err(error) = store::audit::append(&provider.db, &event.caller(caller)).await {
            return error::fault(&error, error.code());
        }
    }
    refused.into_response()
}
