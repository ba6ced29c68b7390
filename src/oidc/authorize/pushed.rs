//! Pushed authorization requests (RFC 9126): a relying party sends its request itself, authenticated, and the browser brings
//! nothing but a handle.
//!
//! What a hospital gets: nothing of a request can be read or changed on its way through the browser, and a wrong request is
//! refused before anybody sees a page. A pushed request goes through the same table of [`checks`] twice: when it is pushed,
//! so that the relying party learns what is wrong, and when it is used, because client and settings may have changed.
//!
//! A handle is of 256 random bits, kept as a hash, good for 90 seconds, for the client that pushed, and once (RFC 9126 §4,
//! §7.1, §7.3). What stands beside it in the browser's request, other than `client_id`, is not read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::check::duplicates::{KNOWN, REPEATED};
use super::checks::{self, Endpoint, Sent};
use super::error::AuthorizationError;
use super::request_object::{self, Purpose};
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::ids::Secret;
use crate::oidc::client::{ClientError, Credentials};
use crate::oidc::parameters::{Parameters, UnreadableForm};
use crate::oidc::proof::binding::{self, BindingError};
use crate::oidc::proof::dpop;
use crate::oidc::{Provider, client, error, psc};
use crate::store;
use crate::store::StoreError;
use crate::store::client::Client;
use crate::store::pushed_request::NewRequest;

/// What handles begin with (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// A request as it reaches the table: what it asks, and how it came.
#[derive(Debug)]
pub(in crate::oidc) struct Incoming {
    /// What was sent.
    pub parameters: Parameters,
    /// How.
    pub sent: Sent,
}

/// What is kept of a pushed request.
#[derive(Serialize, Deserialize)]
struct Kept {
    parameters: Vec<(String, String)>,
    #[serde(flatten)]
    sent: Sent,
}

/// The answer to a push (RFC 9126 §2.2).
#[derive(Serialize)]
struct Handle {
    request_uri: String,
    expires_in: i64,
}

/// Why a request cannot be pushed.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{error}")]
    Request { error: AuthorizationError, client_id: String },
    #[error("{error}")]
    Binding { error: BindingError, client_id: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `POST {iss}/protocol/openid-connect/ext/par/request`
pub(in crate::oidc) async fn answer(
    State(provider): State<Arc<Provider>>,
    caller: Caller,
    credentials: Credentials,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    let mut response = match push(&provider, &credentials, &form, &caller).await {
        Ok(handle) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::CREATED, no_store, Json(handle)).into_response()
        }
        Err(refused) => refuse(&provider, refused, &caller).await,
    };
    if credentials.headers.contains_key(dpop::HEADER)
        && let Some((name, nonce)) = provider.nonces.header(provider.now())
    {
        response.headers_mut().insert(name, nonce);
    }
    response
}

async fn refuse(provider: &Provider, refused: PushError, caller: &Caller) -> Response {
    let text = refused.to_string();
    let (code, name, client_id) = match refused {
        PushError::Client(refused) => return refused.into_response(),
        PushError::Store(fault) => return error::fault(&fault, fault.code()),
        PushError::Request { error, .. } if error.is_ours() => return error::fault(&error, error.code()),
        // What the browser's page would say is a plain mistake here (RFC 9126 §2.3).
        PushError::Request { error, client_id } => {
            (error.code(), error.for_client().unwrap_or("invalid_request"), client_id)
        }
        PushError::Binding { error, client_id } => match error.fault() {
            Some(fault) => return error::fault(fault, fault.code()),
            None if error.is_routine() => return error::json(StatusCode::BAD_REQUEST, error.name(), &text),
            None => (error.code(), error.name(), client_id),
        },
    };
    tracing::warn!(code, error = text, "a pushed request was refused");
    let event = provider.trail.event(Kind::AuthorizationRefused).denied(code);
    if let Err(error) = store::audit::append(&provider.db, &event.client(&client_id).caller(caller)).await {
        return error::fault(&error, error.code());
    }
    error::json(StatusCode::BAD_REQUEST, name, &text)
}

async fn push(
    provider: &Provider,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<Handle, PushError> {
    let client = client::authenticate(provider, credentials, form, caller).await?;
    let refused = |error| PushError::Request { error, client_id: client.id.clone() };
    if form.has("request_uri") {
        return Err(refused(AuthorizationError::PushedUri));
    }
    let known = [KNOWN.as_slice(), REPEATED.as_slice()].concat();
    // A client that names itself in the header alone pushes for itself all the same.
    let pushed = form.with("client_id", &client.id).only(&known);
    // A proof says the same as `dpop_jkt`, and proves it (RFC 9449 §10.1).
    let proven = binding::of_pushed_request(provider, &client, credentials, psc::PUSHED).await;
    let proven = proven.map_err(|error| PushError::Binding { error, client_id: client.id.clone() })?;
    let incoming = Incoming { parameters: pushed, sent: Sent { pushed: true, signed: false } };
    let Incoming { parameters, sent } =
        request_object::open(provider, &client, incoming, Purpose::Authorization).await.map_err(refused)?;
    let mut parameters = parameters.only(&known);
    if let Some(key) = proven {
        if parameters.first("dpop_jkt").is_some_and(|named| named != key) {
            let error = BindingError::OtherKey;
            return Err(PushError::Binding { error, client_id: client.id });
        }
        parameters = parameters.with("dpop_jkt", &key);
    }
    checks::run(Endpoint::Pushed, &parameters, sent, Some(&client), &provider.settings)
        .map_err(|failed| refused(failed.error))?;
    let handle = Secret::of_256_bits(&*provider.random);
    let lifetime = provider.settings.lifetimes.pushed_request;
    let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let new = NewRequest {
        handle_hash: sha256(handle.expose().as_bytes()),
        client_id: client.id.clone(),
        // A struct of texts has no way to fail.
        request: serde_json::to_value(Kept { parameters, sent }).unwrap_or_default(),
        expires_at: provider.now() + lifetime,
    };
    store::pushed_request::push(&provider.db, &new).await?;
    Ok(Handle { request_uri: format!("{PREFIX}{}", handle.expose()), expires_in: lifetime.num_seconds() })
}

/// What the client pushed, where the browser brings a handle.
///
/// # Errors
/// [`AuthorizationError::PushedUnknown`] where the handle is not good for this client, now.
pub(super) async fn open(
    provider: &Provider,
    client: &Client,
    brought: &Parameters,
) -> Result<Option<Incoming>, AuthorizationError> {
    let Some(handle) = handle(brought) else { return Ok(None) };
    brought.each_once(&["client_id", "request_uri"])?;
    let hash = sha256(handle.as_bytes());
    let taken = store::pushed_request::take(&provider.db, hash, &client.id, provider.now()).await?;
    let Kept { parameters, sent } = Kept::deserialize(taken.ok_or(AuthorizationError::PushedUnknown)?)?;
    let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Ok(Some(Incoming { parameters, sent }))
}

fn handle(parameters: &Parameters) -> Option<&str> {
    parameters.first("request_uri")?.strip_prefix(PREFIX)
}
