//! The token endpoint (RFC 6749 §3.2, OpenID Connect Core §3.1.3): one file per grant.

mod code;
mod error;
pub(super) mod exchange;
mod issue;
mod refresh;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::parameters::{Parameters, UnreadableForm};
use super::{Provider, client};
use crate::audit::{Caller, Kind};
use crate::store;
use error::TokenError;

/// The parameters that this endpoint reads.
const KNOWN: [&str; 14] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "actor_token",
    "actor_token_type",
    "subject_issuer",
];

/// `POST {iss}/protocol/openid-connect/token`
pub(super) async fn answer(
    State(provider): State<Arc<Provider>>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    match exchange(&provider, &headers, &form, &caller).await {
        Ok(tokens) => {
            let no_store = HeaderValue::from_static("no-store");
            let no_cache = HeaderValue::from_static("no-cache");
            ([(header::CACHE_CONTROL, no_store), (header::PRAGMA, no_cache)], Json(tokens)).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn exchange(
    provider: &Provider,
    headers: &HeaderMap,
    form: &Parameters,
    caller: &Caller,
) -> Result<Value, TokenError> {
    form.each_once(&KNOWN)?;
    let client = client::authenticate(provider, headers, form, caller).await?;
    let exchanged = match form.first("grant_type") {
        Some("authorization_code") => code::redeem(provider, &client, form, caller).await,
        Some("refresh_token") => refresh::redeem(provider, &client, form, caller).await,
        Some(exchange::GRANT_TYPE) => exchange::exchange(provider, &client, form, caller).await,
        Some(_) => Err(TokenError::UnsupportedGrant),
        None => Err(TokenError::Missing("grant_type")),
    };
    if let Err(error) = &exchanged
        && error.is_to_be_recorded()
    {
        let event = provider.trail.event(Kind::TokenRefused).denied(error.code());
        store::audit::append(&provider.db, &event.client(&client.id).caller(caller)).await?;
    }
    exchanged
}
