//! Userinfo (OpenID Connect Core §5.3), with PSC's members; the token comes as RFC 6750 says, by header or form.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::access::{self, AccessError};
use super::parameters::{Parameters, UnreadableForm};
use super::profile::{self, Facts};
use super::{Provider, error};
use crate::crypto::jose::{self, SignError};
use crate::ids::Secret;
use crate::store::client::Client;

/// Why nothing is told (RFC 6750 §3.1).
#[derive(Debug, thiserror::Error)]
enum UserinfoError {
    #[error("Missing token")]
    NoToken,
    #[error("The access token is given more than once")]
    TwoTokens,
    #[error("Token verification failed")]
    Access(#[from] AccessError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// `GET` and `POST {iss}/protocol/openid-connect/userinfo`
pub(super) async fn answer(
    State(provider): State<Arc<Provider>>,
    method: Method,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    // A GET's query is never looked at: tokens do not belong into addresses (RFC 9700 §4.3.2).
    let form = match form {
        Ok(form) if method == Method::POST => form,
        Ok(_) => Parameters::default(),
        // A POST whose token stands in the header may have a body of any kind.
        Err(_) => Parameters::default(),
    };
    let mut response = match tell(&provider, &headers, &form).await {
        Ok(response) => response,
        Err(error) => refuse(&error),
    };
    for (name, value) in cors() {
        response.headers_mut().insert(name, value);
    }
    response
}

/// `OPTIONS`: a page of a relying party may ask with its token.
pub(super) async fn preflight() -> Response {
    (StatusCode::NO_CONTENT, cors()).into_response()
}

fn cors() -> [(header::HeaderName, HeaderValue); 3] {
    [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type")),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    ]
}

async fn tell(
    provider: &Provider,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Response, UserinfoError> {
    let token = bearer(headers, form)?;
    let access = access::check(provider, token.expose()).await?;
    let facts = Facts {
        issuer: provider.settings.issuer.as_str(),
        subject: &access.subject,
        session: &access.session,
        client: &access.client,
        grant: &access.grant,
        choices: &provider.settings.choices,
        issued_at: provider.now(),
    };
    let told = profile::of(&access.client).userinfo(&facts);
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if access.client.metadata.userinfo_signed_response_alg.is_none() {
        return Ok(([no_store], Json(told)).into_response());
    }
    let token = signed(provider, &access.client, told).await?;
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
    Ok(([no_store, media_type], token).into_response())
}

/// OpenID Connect Core §5.3.2: issuer and audience go with a signed answer.
async fn signed(provider: &Provider, client: &Client, mut told: Value) -> Result<String, UserinfoError> {
    if let Value::Object(members) = &mut told {
        members.insert("iss".into(), provider.settings.issuer.as_str().into());
        members.insert("aud".into(), client.id.clone().into());
    }
    let keys = provider.token_keys.keys().await;
    Ok(jose::sign(keys.current(), "JWT", &told)?)
}

fn bearer(headers: &HeaderMap, form: &Parameters) -> Result<Secret, UserinfoError> {
    let in_form = form.one("access_token").map_err(|_| UserinfoError::TwoTokens)?;
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (line, more) = (lines.next(), lines.next());
    let in_header = line.and_then(|line| line.to_str().ok()).and_then(|line| {
        let (scheme, token) = line.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match (in_header, in_form) {
        (Some(_), Some(_)) => Err(UserinfoError::TwoTokens),
        (Some(_), None) if more.is_some() => Err(UserinfoError::TwoTokens),
        (Some(token), None) | (None, Some(token)) => Ok(Secret::from(token.to_owned())),
        (None, None) => Err(UserinfoError::NoToken),
    }
}

fn refuse(refusal: &UserinfoError) -> Response {
    let (status, name) = match refusal {
        UserinfoError::Access(AccessError::Store(error)) => return error::fault(error, error.code()),
        UserinfoError::Sign(error) => return error::fault(error, "OIDC-094"),
        UserinfoError::Access(error) => {
            tracing::info!(code = error.code(), %error, "userinfo was refused");
            (StatusCode::UNAUTHORIZED, "invalid_token")
        }
        UserinfoError::NoToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
        UserinfoError::TwoTokens => (StatusCode::BAD_REQUEST, "invalid_request"),
    };
    let mut response = error::json(status, name, &refusal.to_string());
    // A request without a token is told no error in the header (RFC 6750 §3.1).
    let challenge = match refusal {
        UserinfoError::NoToken => "Bearer realm=\"sceau\"".to_owned(),
        _ => format!("Bearer realm=\"sceau\", error=\"{name}\", error_description=\"{refusal}\""),
    };
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
