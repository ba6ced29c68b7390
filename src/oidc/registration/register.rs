//! A client registers itself (RFC 7591 §3).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use super::{Information, RegistrationRefused, bearer, body, check, refuse};
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{Secret, uuid_v4};
use crate::oidc::Provider;
use crate::oidc::client::metadata::{Document, MetadataFault, Registrar};
use crate::oidc::client::registration::has_secret;
use crate::store;
use crate::store::client::{Audience, NewClient, ProfileName, registration};
use crate::store::initial_access_token;

/// `POST {iss}/clients-registrations/openid-connect`
pub async fn answer(State(provider): State<Arc<Provider>>, caller: Caller, request: Request) -> Response {
    match register(&provider, &caller, request).await {
        Ok(response) => response,
        Err(refused) => refuse(&provider, refused, None, &caller).await,
    }
}

async fn register(
    provider: &Provider,
    caller: &Caller,
    request: Request,
) -> Result<Response, RegistrationRefused> {
    let initial = sha256(bearer(request.headers())?.expose().as_bytes());
    let now = provider.now();
    if !initial_access_token::is_good(&provider.db, initial, now).await? {
        return Err(RegistrationRefused::Token);
    }
    let document = Document::read(&body(request).await?, Registrar::Itself)?;
    check(provider, &document)?;
    let random = &*provider.random;
    let token = Secret::of_256_bits(random);
    let secret = has_secret(&document.metadata).then(|| Secret::of_256_bits(random));
    let new = NewClient {
        id: uuid_v4(random).to_string(),
        secret_hash: secret.as_ref().map(|secret| sha256(secret.expose().as_bytes())),
        registration_token_hash: Some(sha256(token.expose().as_bytes())),
        ..stranger(document)?
    };
    let event = provider.trail.event(Kind::ClientAdded).client(&new.id).actor("itself").caller(caller);
    // Of two that use the last place at once, one has it.
    if !registration::register_itself(&provider.db, initial, &new, now, &(&event).into()).await? {
        return Err(RegistrationRefused::Token);
    }
    let client = store::client::by_id(&provider.db, &new.id).await?.ok_or(RegistrationRefused::Token)?;
    Ok(Information::of(provider, &client, &token, secret.as_ref()).answer(StatusCode::CREATED))
}

/// What a stranger is: of the standard profile, for the people of the establishment, who are asked.
pub(super) fn stranger(mut document: Document) -> Result<NewClient, MetadataFault> {
    document.metadata.consent_required = true;
    let name = document.client_name.unwrap_or_default();
    let is_readable =
        !name.trim().is_empty() && name.chars().count() <= 100 && !name.chars().any(char::is_control);
    if !is_readable {
        return Err(MetadataFault::Member {
            member: "client_name",
            why: "1 to 100 readable characters".into(),
        });
    }
    Ok(NewClient {
        id: String::new(),
        name,
        profile: ProfileName::Standard,
        secret_hash: None,
        redirect_uris: document.redirect_uris,
        post_logout_redirect_uris: document.post_logout_redirect_uris,
        backchannel_logout_uri: document.backchannel_logout_uri,
        audience: Audience::Affiliated,
        may_introspect: false,
        metadata: document.metadata,
        self_registered: true,
        registration_token_hash: None,
    })
}
