//! Revocation (RFC 7009): a relying party that no longer needs a token says so.
//!
//! A refresh token goes with its grant and everything that came of it; an access token goes with what it was exchanged for. A token that is not
//! good any more, or never was, is answered like one that was revoked just now (§2.2).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::access;
use super::parameters::{Duplicate, Parameters, UnreadableForm};
use super::{Provider, client, error};
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::store::client::Client;
use crate::store::{self, StoreError};
use client::{ClientError, Credentials};

/// Why nothing is revoked.
#[derive(Debug, thiserror::Error)]
enum RevocationError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    #[error("Token not provided")]
    NoToken,
    /// §2.1: the client is told.
    #[error("The token was issued to another client")]
    OfAnotherClient,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RevocationError {
    /// The stable code of `docs/errors.md`.
    fn code(&self) -> &'static str {
        match self {
            Self::Client(error) => error.code(),
            Self::Duplicate(_) => "OIDC-003",
            Self::NoToken => "OIDC-050",
            Self::OfAnotherClient => "OIDC-140",
            Self::Store(error) => error.code(),
        }
    }
}

/// `POST {iss}/protocol/openid-connect/revoke`
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
    match revoke(&provider, &credentials, &form, &caller).await {
        Ok(()) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::OK, no_store).into_response()
        }
        Err(RevocationError::Client(error)) => error.into_response(),
        Err(RevocationError::Store(error)) => error::fault(&error, error.code()),
        Err(refusal) => {
            tracing::warn!(code = refusal.code(), error = %refusal, "a revocation was refused");
            error::json(StatusCode::BAD_REQUEST, "invalid_request", &refusal.to_string())
        }
    }
}

async fn revoke(
    provider: &Provider,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<(), RevocationError> {
    form.each_once(&["token", "token_type_hint"])?;
    let client = client::authenticate(provider, credentials, form, caller).await?;
    // The hint could only save a look-up; both kinds are looked for (§2.1).
    let token = form.first("token").ok_or(RevocationError::NoToken)?;
    if let Some(found) = store::grant::refresh_token(&provider.db, sha256(token.as_bytes())).await? {
        let grant = found.granted.grant;
        is_of(&client, &grant.client_id)?;
        let event = provider.trail.event(Kind::TokenRevoked).person(grant.person_id).client(&client.id);
        let event = (&event.session(grant.session_id).note("grant").caller(caller)).into();
        let (hash, now) = (sha256(token.as_bytes()), provider.now());
        store::token::revoke_refresh_token(&provider.db, hash, &client.id, now, &event).await?;
        return Ok(());
    }
    let Some(jti) = access::jti(provider, token).await else { return Ok(()) };
    let Some(granted) = store::grant::of_access_token(&provider.db, jti, provider.now()).await? else {
        return Ok(());
    };
    let grant = granted.grant;
    is_of(&client, &grant.client_id)?;
    let event = provider.trail.event(Kind::TokenRevoked).person(grant.person_id).client(&client.id);
    let event = (&event.session(grant.session_id).note("access token").caller(caller)).into();
    store::token::revoke_access_token(&provider.db, jti, &client.id, provider.now(), &event).await?;
    Ok(())
}

fn is_of(client: &Client, owner: &str) -> Result<(), RevocationError> {
    if client.id == owner { Ok(()) } else { Err(RevocationError::OfAnotherClient) }
}
