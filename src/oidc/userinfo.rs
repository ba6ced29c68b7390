//! Userinfo (OpenID Connect Core §5.3), with PSC's members; the token comes as RFC 6750 says, by header or form, or with a
//! proof (RFC 9449 §7). Where a level was required and the session proves less since, as after a tap of the badge, nothing is
//! told, and the answer says which level to sign in with (RFC 9470).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

use super::access::{self, AccessError};
use super::client::Credentials;
use super::encryption::{self, EncryptionError, Registered};
use super::parameters::{Parameters, UnreadableForm};
use super::profile::{self, Facts};
use super::proof::binding::{self, BindingError, Scheme};
use super::proof::dpop;
use super::{Provider, delegation, error, psc, signing};
use crate::audit::Caller;
use crate::crypto::jose::SignError;
use crate::crypto::keys::Algorithm;
use crate::ids::Secret;
use crate::session::Level;
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
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    #[error("{error}")]
    Binding { error: BindingError, algorithms: &'static [Algorithm] },
    #[error("The session proves less than was required")]
    Level { required: Vec<String>, scheme: Scheme, algorithms: &'static [Algorithm] },
}

/// `GET` and `POST {iss}/protocol/openid-connect/userinfo`
pub(super) async fn answer(
    State(provider): State<Arc<Provider>>,
    method: Method,
    caller: Caller,
    credentials: Credentials,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    // A GET's query is never looked at: tokens do not belong into addresses (RFC 9700 §4.3.2).
    let form = match form {
        Ok(form) if method == Method::POST => form,
        Ok(_) => Parameters::default(),
        // A POST whose token stands in the header may have a body of any kind.
        Err(_) => Parameters::default(),
    };
    let mut response = match tell(&provider, &credentials, &method, &form, &caller).await {
        Ok(response) => response,
        Err(error) => refuse(&error),
    };
    if credentials.headers.contains_key(dpop::HEADER)
        && let Some((name, nonce)) = provider.nonces.header(provider.now())
    {
        response.headers_mut().insert(name, nonce);
    }
    for (name, value) in cors() {
        response.headers_mut().insert(name, value);
    }
    response
}

/// `OPTIONS`: a page of a relying party may ask with its token.
pub(super) async fn preflight() -> Response {
    (StatusCode::NO_CONTENT, cors()).into_response()
}

fn cors() -> [(header::HeaderName, HeaderValue); 4] {
    [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type, dpop")),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("dpop-nonce, www-authenticate")),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
    ]
}

async fn tell(
    provider: &Provider,
    credentials: &Credentials,
    method: &Method,
    form: &Parameters,
    caller: &Caller,
) -> Result<Response, UserinfoError> {
    let (scheme, token) = brought(&credentials.headers, form)?;
    let access = access::check(provider, token.expose()).await?;
    // Of what is not served here, nothing is told either.
    if !is_for_us(&access.claims, provider.settings.issuer.as_str())
        || !delegation::serves(&access.client, caller)
    {
        return Err(AccessError::Audience.into());
    }
    let request = (method.as_str(), psc::USERINFO);
    let brought = (scheme, token.expose());
    // What a proof may be signed by is the business of the client's profile.
    let algorithms = profile::of(&access.client).rules().signing_algorithms;
    binding::of_resource_request(provider, &access.client, credentials, brought, &access.claims, request)
        .await
        .map_err(|error| UserinfoError::Binding { error, algorithms })?;
    let required = &access.grant.details.required_levels;
    let named = |level: &Level| access.client.names.of_level(*level).to_owned();
    if !required.is_empty() && !required.iter().any(|level| level.is_met_by(&access.session)) {
        return Err(UserinfoError::Level {
            required: required.iter().map(named).collect(),
            scheme,
            algorithms,
        });
    }
    let facts = Facts {
        issuer: provider.settings.issuer.as_str(),
        subject: &access.subject,
        session: &access.session,
        client: &access.client,
        grant: &access.grant,
        choices: &provider.settings.choices,
        tenant: &provider.settings.delegation.tenant,
        issued_at: provider.now(),
    };
    let told = profile::of(&access.client).userinfo(&facts);
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let registered = Registered::of_userinfo(&access.client);
    if access.client.metadata.userinfo_signed_response_alg.is_none() && !registered.is_asked_for() {
        return Ok(([no_store], Json(told)).into_response());
    }
    let token = signed(provider, &access.client, told).await?;
    let token = encryption::encrypted(provider, &access.client, registered, token).await?;
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
    Ok(([no_store, media_type], token).into_response())
}

/// RFC 9068 §4: a token for an API is none for us, or the API could read what is the client's to read. Tokens of the profile
/// of PSC have no audience.
fn is_for_us(claims: &Map<String, Value>, issuer: &str) -> bool {
    match claims.get("aud") {
        None => true,
        Some(Value::Array(several)) => several.iter().any(|one| one == issuer),
        Some(one) => one == issuer,
    }
}

/// OpenID Connect Core §5.3.2: issuer and audience go with a signed answer.
async fn signed(provider: &Provider, client: &Client, mut told: Value) -> Result<String, UserinfoError> {
    if let Value::Object(members) = &mut told {
        members.insert("iss".into(), provider.settings.issuer.as_str().into());
        members.insert("aud".into(), client.id.clone().into());
    }
    Ok(provider.token_keys.sign(signing::of_userinfo(client), "JWT", &told).await?)
}

fn brought(headers: &HeaderMap, form: &Parameters) -> Result<(Scheme, Secret), UserinfoError> {
    let in_form = form.one("access_token").map_err(|_| UserinfoError::TwoTokens)?;
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (line, more) = (lines.next(), lines.next());
    let in_header = line.and_then(|line| line.to_str().ok()).and_then(|line| {
        let (scheme, token) = line.split_once(' ')?;
        let schemes = [("bearer", Scheme::Bearer), ("dpop", Scheme::Dpop)];
        let known = schemes.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
        known.map(|(_, scheme)| (scheme, token.trim()))
    });
    match (in_header, in_form) {
        (Some(_), Some(_)) => Err(UserinfoError::TwoTokens),
        (Some(_), None) if more.is_some() => Err(UserinfoError::TwoTokens),
        (Some((scheme, token)), None) => Ok((scheme, Secret::from(token.to_owned()))),
        (None, Some(token)) => Ok((Scheme::Bearer, Secret::from(token.to_owned()))),
        (None, None) => Err(UserinfoError::NoToken),
    }
}

fn refuse(refusal: &UserinfoError) -> Response {
    let (status, name) = match refusal {
        UserinfoError::Access(AccessError::Store(error)) => return error::fault(error, error.code()),
        UserinfoError::Encryption(error) => return error::fault(error, "OIDC-146"),
        UserinfoError::Sign(error) => return error::fault(error, "OIDC-094"),
        UserinfoError::Access(error) => {
            tracing::info!(code = error.code(), %error, "userinfo was refused");
            (StatusCode::UNAUTHORIZED, "invalid_token")
        }
        UserinfoError::Binding { error, .. } => {
            if let Some(fault) = error.fault() {
                return error::fault(fault, fault.code());
            }
            tracing::info!(code = error.code(), %error, "userinfo was refused");
            let name = if let BindingError::Dpop(error) = error { error.name() } else { "invalid_token" };
            (StatusCode::UNAUTHORIZED, name)
        }
        UserinfoError::Level { .. } => {
            tracing::info!(code = "OIDC-079", "userinfo was refused: {refusal}");
            (StatusCode::UNAUTHORIZED, "insufficient_user_authentication")
        }
        UserinfoError::NoToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
        UserinfoError::TwoTokens => (StatusCode::BAD_REQUEST, "invalid_request"),
    };
    let mut response = error::json(status, name, &refusal.to_string());
    // A request without a token is told no error in the header (RFC 6750 §3.1), but both schemes (RFC 9449 §7.1).
    let said = format!("error=\"{name}\", error_description=\"{refusal}\"");
    let challenges = match refusal {
        UserinfoError::NoToken => {
            let algorithms = names(&dpop::ALGORITHMS);
            vec!["Bearer realm=\"sceau\"".to_owned(), format!("DPoP realm=\"sceau\", algs=\"{algorithms}\"")]
        }
        UserinfoError::Binding {
            error: BindingError::Dpop(_) | BindingError::ProofMissing | BindingError::NotBound,
            algorithms,
        } => {
            vec![format!("DPoP realm=\"sceau\", {said}, algs=\"{}\"", names(algorithms))]
        }
        // RFC 9470 §3: what to ask the authorization server for.
        UserinfoError::Level { required, scheme, algorithms } => {
            let levels = required.join(" ");
            let said = format!("{said}, acr_values=\"{levels}\"");
            vec![match scheme {
                Scheme::Bearer => format!("Bearer realm=\"sceau\", {said}"),
                Scheme::Dpop => format!("DPoP realm=\"sceau\", {said}, algs=\"{}\"", names(algorithms)),
            }]
        }
        _ => vec![format!("Bearer realm=\"sceau\", {said}")],
    };
    for challenge in challenges {
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

fn names(algorithms: &[Algorithm]) -> String {
    algorithms.iter().copied().map(Algorithm::name).collect::<Vec<_>>().join(" ")
}
