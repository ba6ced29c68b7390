//! A client reads, replaces and removes its registration (RFC 7592 §2), with the token that it was given for it.
//!
//! Whoever has not the token learns nothing, not even whether there is such a client (§5).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::register::stranger;
use super::{Information, RegistrationRefused, bearer, body, check, refuse};
use crate::audit::{Caller, Kind};
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::Secret;
use crate::oidc::Provider;
use crate::oidc::client::metadata::{Document, MetadataFault, Registrar};
use crate::oidc::client::registration::has_secret;
use crate::store;
use crate::store::client::{Client, NewClient, registration};

/// `GET {registration_client_uri}`
pub async fn show(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    match owner(&provider, &id, &headers).await {
        Ok((client, token)) => Information::of(&provider, &client, &token, None).answer(StatusCode::OK),
        Err(refused) => refuse(&provider, refused, Some(&id), &caller).await,
    }
}

/// `PUT {registration_client_uri}`
pub async fn replace(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    request: Request,
) -> Response {
    match replaced(&provider, &id, &caller, request).await {
        Ok(response) => response,
        Err(refused) => refuse(&provider, refused, Some(&id), &caller).await,
    }
}

/// `DELETE {registration_client_uri}`
pub async fn remove(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    match removed(&provider, &id, &caller, &headers).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refuse(&provider, refused, Some(&id), &caller).await,
    }
}

/// The client, if this request has its token.
async fn owner(
    provider: &Provider,
    id: &str,
    headers: &HeaderMap,
) -> Result<(Client, Secret), RegistrationRefused> {
    let token = bearer(headers)?;
    let hash = sha256(token.expose().as_bytes());
    let client = store::client::by_id(&provider.db, id).await?;
    let is_its = |client: &Client| {
        let known = client.registration_token_hash.as_deref();
        client.self_registered && known.is_some_and(|known| constant_time_eq(known, &hash))
    };
    let client = client.filter(is_its).ok_or(RegistrationRefused::Token)?;
    // §2.1, of a client that may not read its registration: 403. Only its own token learns that it is so.
    if client.disabled_at.is_some() { Err(RegistrationRefused::Disabled) } else { Ok((client, token)) }
}

/// What a replacement says of what is ours to say (RFC 7592 §2.2).
#[derive(Deserialize)]
struct Repeated {
    client_id: Option<String>,
    client_secret: Option<String>,
    registration_access_token: Option<serde_json::Value>,
    registration_client_uri: Option<serde_json::Value>,
    client_secret_expires_at: Option<serde_json::Value>,
    client_id_issued_at: Option<serde_json::Value>,
}

impl Repeated {
    fn check(&self, provider: &Provider, client: &Client) -> Result<(), RegistrationRefused> {
        use RegistrationRefused::NotItsOwn;
        if self.client_id.as_ref() != Some(&client.id) {
            return Err(NotItsOwn("client_id"));
        }
        if let Some(secret) = &self.client_secret {
            let hash = sha256(secret.as_bytes());
            let is_its = client.secret_hashes(provider.now()).any(|known| constant_time_eq(known, &hash));
            is_its.then_some(()).ok_or(NotItsOwn("client_secret"))?;
        }
        for (name, value) in [
            ("registration_access_token", &self.registration_access_token),
            ("registration_client_uri", &self.registration_client_uri),
            ("client_secret_expires_at", &self.client_secret_expires_at),
            ("client_id_issued_at", &self.client_id_issued_at),
        ] {
            value.is_none().then_some(()).ok_or(NotItsOwn(name))?;
        }
        Ok(())
    }
}

async fn replaced(
    provider: &Provider,
    id: &str,
    caller: &Caller,
    request: Request,
) -> Result<Response, RegistrationRefused> {
    let (client, token) = owner(provider, id, request.headers()).await?;
    let text = body(request).await?;
    let document = Document::read(&text, Registrar::Itself)?;
    let repeated: Repeated =
        serde_json::from_slice(&text).map_err(|error| MetadataFault::Unreadable(error.to_string()))?;
    repeated.check(provider, &client)?;
    check(provider, &document)?;
    let known = client.secret_hash.as_deref().and_then(|hash| <[u8; 32]>::try_from(hash).ok());
    // A secret is kept while there is a use for it; whoever comes to use one gets a new one.
    let (secret, secret_hash) = match (has_secret(&document.metadata), known) {
        (true, Some(hash)) => (None, Some(hash)),
        (true, None) => {
            let secret = Secret::of_256_bits(&*provider.random);
            let hash = sha256(secret.expose().as_bytes());
            (Some(secret), Some(hash))
        }
        (false, _) => (None, None),
    };
    let new = NewClient { id: client.id.clone(), secret_hash, ..stranger(document)? };
    let event = provider.trail.event(Kind::ClientChanged).client(&client.id).actor("itself").caller(caller);
    let hash = sha256(token.expose().as_bytes());
    if !registration::replace(&provider.db, hash, &new, provider.now(), &(&event).into()).await? {
        return Err(RegistrationRefused::Token);
    }
    let client = store::client::by_id(&provider.db, id).await?.ok_or(RegistrationRefused::Token)?;
    Ok(Information::of(provider, &client, &token, secret.as_ref()).answer(StatusCode::OK))
}

async fn removed(
    provider: &Provider,
    id: &str,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(), RegistrationRefused> {
    let (client, token) = owner(provider, id, headers).await?;
    let event = provider.trail.event(Kind::ClientRemoved).client(&client.id).actor("itself").caller(caller);
    let hash = sha256(token.expose().as_bytes());
    match registration::remove_itself(&provider.db, &client.id, hash, &(&event).into()).await? {
        true => Ok(()),
        false => Err(RegistrationRefused::Token),
    }
}
