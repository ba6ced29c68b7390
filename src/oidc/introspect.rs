//! Introspection (RFC 7662, RFC 9701) as PSC answers it: access and refresh tokens, for the client they were issued to and for
//! those that may introspect everything, such as the authorization servers of "API Pro Santé Connectées".

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::access::{self, AccessError};
use super::client::Credentials;
use super::encryption::{self, Registered};
use super::parameters::{Parameters, UnreadableForm};
use super::subject::{self, Subject};
use super::{Provider, client, error, psc, signing};
use crate::audit::Caller;
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::store;
use crate::store::StoreError;
use crate::store::client::Client;

/// `POST {iss}/protocol/openid-connect/token/introspect`
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
    let asking = match client::authenticate_confidential(&provider, &credentials, &form, &caller).await {
        Ok(client) => client,
        Err(error) => return error.into_response(),
    };
    let token = match form.one("token") {
        Ok(Some(token)) => token,
        Ok(None) => return error::json(StatusCode::BAD_REQUEST, "invalid_request", "Token not provided"),
        Err(twice) => return error::json(StatusCode::BAD_REQUEST, "invalid_request", &twice.to_string()),
    };
    match introspect(&provider, &asking, token).await {
        Ok(found) => {
            let document = found.unwrap_or_else(|| json!({ "active": false }));
            if wants_jwt(&asking, &credentials.headers) {
                as_jwt(&provider, &asking, &document).await
            } else {
                as_json(document)
            }
        }
        Err(error) => error::fault(&error, error.code()),
    }
}

const JWT_MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// RFC 9701 §4: who asks says so, in the request or once for all at registration.
fn wants_jwt(asking: &Client, headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut media_types = accepted.flat_map(|line| line.split(','));
    asking.metadata.introspection_signed_response_alg.is_some()
        || Registered::of_introspection(asking).is_asked_for()
        || media_types.any(|one| one.split(';').next().unwrap_or_default().trim() == JWT_MEDIA_TYPE)
}

fn as_json(document: Value) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(document)).into_response()
}

/// RFC 9701 §5: for whom it is and from whom it comes stands in the signed document, so that it can be kept as a proof and
/// passed off as nothing else.
async fn as_jwt(provider: &Provider, asking: &Client, document: &Value) -> Response {
    let claims = json!({
        "iss": provider.settings.issuer.as_str(),
        "aud": asking.id,
        "iat": provider.now().timestamp(),
        "token_introspection": document,
    });
    let algorithm = signing::of_introspection(asking);
    let token = match provider.token_keys.sign(algorithm, "token-introspection+jwt", &claims).await {
        Ok(token) => token,
        Err(error) => return error::fault(&error, "OIDC-094"),
    };
    match encryption::encrypted(provider, asking, Registered::of_introspection(asking), token).await {
        Ok(token) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static(JWT_MEDIA_TYPE)),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (headers, token).into_response()
        }
        Err(error) => error::fault(&error, "OIDC-146"),
    }
}

/// The answer for a token that is good; nothing for any other, whatever the reason (RFC 7662 §2.2).
async fn introspect(provider: &Provider, asking: &Client, token: &str) -> Result<Option<Value>, StoreError> {
    let may_see = |owner: &str| asking.may_introspect || asking.id == owner;
    match access::check(provider, token).await {
        Ok(access) if may_see(&access.client.id) => {
            let username = username(asking, &access.client, &access.subject);
            return Ok(Some(document(access.claims, &access.client.id, username)));
        }
        Ok(_) => return Ok(None),
        Err(AccessError::Store(error)) => return Err(error),
        Err(_) => {}
    }
    let found = store::grant::refresh_token(&provider.db, sha256(token.as_bytes())).await?;
    let good = |token: &store::grant::RefreshToken| {
        token.consumed_at.is_none()
            && token.expires_at > provider.now()
            && token.granted.grant.revoked_at.is_none()
    };
    let Some(found) = found.filter(good).filter(|found| may_see(&found.granted.grant.client_id)) else {
        return Ok(None);
    };
    match access::foundation(provider, &found.granted).await {
        Ok((client, subject)) => {
            // Its hash is in our database, so its members are what we signed.
            let members = jose::unverified_claims(token).unwrap_or_default();
            let username = username(asking, &client, &subject);
            Ok(Some(document(members, &client.id, username)))
        }
        Err(AccessError::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The national identifier; for a client that must not know it, what it knows the person by.
fn username(asking: &Client, owner: &Client, subject: &Subject) -> String {
    let knows_them = subject::is_told_identifiers(owner) || asking.may_introspect;
    if knows_them { subject.id_nat.clone() } else { subject.sub.clone() }
}

fn document(token: Map<String, Value>, client_id: &str, username: String) -> Value {
    // RFC 9449 §6.2; a bearer token says nothing of it, as PSC's.
    let is_dpop = token.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
    let document = psc::Introspection { token, client_id: client_id.to_owned(), username, active: true };
    let mut document = serde_json::to_value(document).unwrap_or_else(|_| json!({ "active": false }));
    if let Value::Object(members) = &mut document
        && is_dpop
    {
        members.insert("token_type".into(), json!("DPoP"));
    }
    document
}
