//! The token endpoint (RFC 6749 §3.2, OpenID Connect Core §3.1.3): one file per grant.

mod ciba;
mod code;
mod error;
pub(super) mod exchange;
mod foreign;
mod issue;
mod refresh;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::Value;

use super::client::Credentials;
use super::parameters::{Parameters, UnreadableForm};
use super::proof::{binding, dpop};
use super::{Provider, client, delegation, profile, psc};
use crate::audit::{Caller, Kind};
use crate::store;
use crate::store::client::{CIBA, Client};
use error::TokenError;

/// The parameters that this endpoint reads.
const KNOWN: [&str; 13] = [
    "grant_type",
    "auth_req_id",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
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
    credentials: Credentials,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    let mut response = match exchange(&provider, &credentials, &form, &caller).await {
        Ok(tokens) => {
            let no_store = HeaderValue::from_static("no-store");
            let no_cache = HeaderValue::from_static("no-cache");
            ([(header::CACHE_CONTROL, no_store), (header::PRAGMA, no_cache)], Json(tokens)).into_response()
        }
        Err(error) => error.into_response(),
    };
    // Whoever uses DPoP has the next nonce before the last one is no longer good (RFC 9449 §8.2).
    if credentials.headers.contains_key(dpop::HEADER)
        && let Some((name, nonce)) = provider.nonces.header(provider.now())
    {
        response.headers_mut().insert(name, nonce);
    }
    response
}

async fn exchange(
    provider: &Provider,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<Value, TokenError> {
    form.each_once(&KNOWN)?;
    form.each_once(&client::PARAMETERS)?;
    let client = client::authenticate(provider, credentials, form, caller).await?;
    let exchanged = grant(provider, &client, credentials, form, caller).await;
    if let Err(error) = &exchanged
        && error.is_to_be_recorded()
    {
        let event = provider.trail.event(Kind::TokenRefused).denied(error.code());
        store::audit::append(&provider.db, &event.client(&client.id).caller(caller)).await?;
    }
    exchanged
}

async fn grant(
    provider: &Provider,
    client: &Client,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<Value, TokenError> {
    if !delegation::serves(client, caller) {
        return Err(TokenError::NotServedHere);
    }
    let proven = binding::of_token_request(provider, client, credentials, psc::TOKEN).await?;
    let proven = proven.as_ref();
    let asked = form.first("grant_type");
    if asked.is_some_and(|one| {
        matches!(one, "authorization_code" | "refresh_token")
            && !profile::of(client).rules().let_use(client, one)
    }) {
        return Err(TokenError::GrantOfOthers);
    }
    match asked {
        Some("authorization_code") => code::redeem(provider, client, form, caller, proven).await,
        Some("refresh_token") => refresh::redeem(provider, client, form, caller, proven).await,
        Some(CIBA) => ciba::redeem(provider, client, form, caller, proven).await,
        Some(exchange::GRANT_TYPE) => exchange::exchange(provider, client, form, caller, proven).await,
        Some(_) => Err(TokenError::UnsupportedGrant),
        None => Err(TokenError::Missing("grant_type")),
    }
}
