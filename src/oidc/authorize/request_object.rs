//! Request objects (RFC 9101, OpenID Connect Core §6): the request as one JWT that the client signed.
//!
//! What a hospital gets: nobody changes a request on its way through the browser, and who made it is proved. What stands
//! beside the object, other than `client_id`, is not read (§6.3).
//!
//! It comes by value, or from an address that is registered for the client (`request_uris`) and from no other, so that nobody
//! makes the provider call what they like (§10.4.1); the address is called as every address that somebody else chose.
//!
//! An object is taken from the client whose keys it is signed by, for this issuer, in its time, and where it has a `jti`, once.
//! It may be encrypted to a key of ours besides ([`sealed_object`]): signed first, always.
//!
//! A question to somebody who is at no browser is signed in the same way (CIBA Core §7.1.1), with all its dates and a `jti`;
//! it comes by value only.
//!
//! `none` is no algorithm here. One of these in another, or an assertion of the client in its place, is refused (§10.8).

use chrono::TimeDelta;
use http::StatusCode;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::checks::Sent;
use super::error::AuthorizationError;
use super::pushed::Incoming;
use super::sealed_object;
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::egress::EgressError;
use crate::crypto::jose::{Expected, JwsError, base64url, strict_json};
use crate::crypto::keys::Algorithm;
use crate::oidc::Provider;
use crate::oidc::client::keys::ClientKeysError;
use crate::oidc::parameters::Parameters;
use crate::oidc::profile;
use crate::oidc::proof::jwt::{NumericDate, SKEW};
use crate::store::client::Client;
use crate::store::used_proof::{self, ProofKind};

/// The type that tells a request object from every other JWT (RFC 9101 §10.8).
const TYPE: &str = "oauth-authz-req+jwt";
/// The longest object read, in bytes.
const LONGEST: usize = 16 * 1024;
/// An object is for now: made for longer, it could be kept for another occasion (FAPI 2.0 Message Signing §5.3.1).
const LONGEST_LIFE: TimeDelta = TimeDelta::hours(1);
/// The longest `jti`.
const LONGEST_JTI: usize = 256;
/// Members of a JWT that are no parameters of a request.
const OF_THE_JWT: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];

/// Why a request object is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestObjectFault {
    /// The client has no keys, or signature, algorithm, size or shape are not good.
    #[error("the request object is refused: {}", .0.told())]
    Token(#[from] ClientKeysError),
    /// It is encrypted, and cannot be read: whatever the cause, one answer.
    #[error("the encrypted request object cannot be read")]
    Sealed,
    /// It is encrypted in another way than the client registered, or than is offered.
    #[error("alg or enc of the encrypted request object is not offered, or not what is registered")]
    SealedOtherwise,
    /// It is encrypted, and no signed token is within, or `cty` does not say so.
    #[error("what is within the encrypted request object is no signed JWT, or its cty is not JWT")]
    NotSignedWithin,
    /// It says to be something else.
    #[error("the request object is another kind of JWT")]
    Type,
    /// `iss` or `client_id` is not the client, or `sub` is, as in an assertion.
    #[error("iss and client_id of the request object are not those of the client, or it is an assertion")]
    Client,
    /// `aud` is not this provider.
    #[error("aud of the request object is not this issuer")]
    Audience,
    /// Its time is missing, over, too far ahead or too long.
    #[error("the request object is expired, not good yet, or made for more than an hour")]
    Time,
    /// `jti` is no text, or a very long one.
    #[error("jti of the request object is no text, a very long one, or missing where it must not be")]
    Name,
    /// It was used before.
    #[error("the request object was used before")]
    Replayed,
    /// A member that no parameter can be.
    #[error("a member of the request object is no value of a parameter")]
    Member,
}

impl RequestObjectFault {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sealed => "OIDC-167",
            Self::SealedOtherwise => "OIDC-163",
            Self::NotSignedWithin => "OIDC-164",
            _ => "OIDC-102",
        }
    }
}

/// Why nothing is fetched, or what was fetched is not read.
#[derive(Debug, thiserror::Error)]
pub enum RequestUriFault {
    /// Beside an object by value.
    #[error("request and request_uri cannot stand together")]
    Both,
    /// Not one of `request_uris`.
    #[error("request_uri is not registered for the client")]
    Unregistered,
    /// It was not answered, or may not be called.
    #[error("request_uri cannot be fetched")]
    Fetch(#[from] EgressError),
    /// Another status than 200.
    #[error("request_uri answers with status {0}")]
    Status(u16),
    /// Something else than was announced.
    #[error("the content of request_uri is not that of its digest")]
    Digest,
    /// No text.
    #[error("the content of request_uri is no text")]
    Text,
}

/// What an object is a request for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oidc) enum Purpose {
    /// RFC 9101.
    Authorization,
    /// CIBA Core §7.1.1.
    Backchannel,
}

/// Takes the request out of the object that `parameters` hold, where they hold one.
///
/// # Errors
/// [`AuthorizationError::RequestObjectRefused`], [`AuthorizationError::RequestUriRefused`], or the database.
pub(in crate::oidc) async fn open(
    provider: &Provider,
    client: &Client,
    incoming: Incoming,
    purpose: Purpose,
) -> Result<Incoming, AuthorizationError> {
    let (by_value, by_reference) =
        (incoming.parameters.first("request"), incoming.parameters.first("request_uri"));
    if by_value.is_some() || by_reference.is_some() {
        incoming.parameters.each_once(&["client_id", "request", "request_uri"])?;
    }
    let fetched;
    let object = match (by_value, by_reference) {
        (None, None) => return Ok(incoming),
        (Some(_), Some(_)) => return Err(RequestUriFault::Both.into()),
        (Some(object), None) => object,
        (None, Some(_)) if purpose == Purpose::Backchannel => return Err(AuthorizationError::RequestUri),
        (None, Some(address)) => {
            fetched = fetch(provider, client, address).await?;
            fetched.trim()
        }
    };
    let opened;
    let object = if sealed_object::is_sealed(object) {
        opened = sealed_object::open(provider, client, object).await?;
        opened.as_str()
    } else {
        object
    };
    let claims = verify(provider, client, object, purpose).await?;
    once(provider, client, &claims, purpose).await?;
    let parameters = parameters_of(&claims)?;
    Ok(Incoming { parameters, sent: Sent { signed: true, ..incoming.sent } })
}

/// The object at an address of the client's (RFC 9101 §5.2.3). What stands behind `#` is the digest of its content (OpenID
/// Connect Core §6.2).
async fn fetch(provider: &Provider, client: &Client, address: &str) -> Result<String, RequestUriFault> {
    if !client.metadata.request_uris.iter().any(|registered| registered == address) {
        return Err(RequestUriFault::Unregistered);
    }
    let (address, digest) = match address.split_once('#') {
        Some((address, digest)) => (address, Some(digest)),
        None => (address, None),
    };
    let answer = provider.outbound.to(client).fetch(address).await?;
    if answer.status != StatusCode::OK {
        return Err(RequestUriFault::Status(answer.status.as_u16()));
    }
    if digest.is_some_and(|digest| base64url::encode(sha256(&answer.body)) != digest) {
        return Err(RequestUriFault::Digest);
    }
    String::from_utf8(answer.body).map_err(|_| RequestUriFault::Text)
}

async fn verify(
    provider: &Provider,
    client: &Client,
    object: &str,
    purpose: Purpose,
) -> Result<Map<String, Value>, RequestObjectFault> {
    let rules = profile::of(client).rules();
    let is_question = purpose == Purpose::Backchannel;
    // CIBA Core names no type. Neither kind passes for the other: a question holds a hint and a binding message, a request of
    // a browser its client_id and an address.
    let strict = rules.typed_request_objects && !is_question;
    match type_of(object)? {
        Some(typ) if typ.eq_ignore_ascii_case(TYPE) => {}
        // Libraries older than RFC 9101 write JWT, or nothing.
        Some(typ) if typ.eq_ignore_ascii_case("JWT") && !strict => {}
        None if !strict => {}
        _ => return Err(RequestObjectFault::Type),
    }
    let registered = match purpose {
        Purpose::Authorization => client.metadata.request_object_signing_alg.as_deref(),
        Purpose::Backchannel => client.metadata.backchannel_authentication_request_signing_alg.as_deref(),
    };
    let fits = |algorithm: &Algorithm| registered.is_none_or(|registered| algorithm.name() == registered);
    let algorithms: Vec<_> = rules.signing_algorithms.iter().copied().filter(fits).collect();
    let expected = Expected { typ: None, algorithms: &algorithms, max_len: LONGEST };
    let claims: Map<String, Value> = provider.client_keys.verify(client, object, expected).await?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // RFC 9101 §5.2, §10.8: an assertion of the client has its name as sub, a request object has not.
    let is_named =
        text("client_id") == Some(&client.id) || (is_question && !claims.contains_key("client_id"));
    if text("iss") != Some(&client.id) || !is_named || text("sub") == Some(&client.id) {
        return Err(RequestObjectFault::Client);
    }
    if !is_for(&claims, provider.settings.issuer.as_str()) {
        return Err(RequestObjectFault::Audience);
    }
    check_time(&claims, provider.now())?;
    if is_question && !["iat", "nbf"].iter().all(|date| claims.contains_key(*date)) {
        return Err(RequestObjectFault::Time);
    }
    Ok(claims)
}

/// `typ`, before the signature is looked at: the signature is over this very header.
fn type_of(object: &str) -> Result<Option<String>, ClientKeysError> {
    if object.len() > LONGEST {
        return Err(JwsError::TooLong.into());
    }
    let (header, _) = object.split_once('.').ok_or(JwsError::Malformed)?;
    let header = base64url::decode(header).ok_or(JwsError::Malformed)?;
    let header = strict_json::object(&header).map_err(JwsError::Header)?;
    match header.get("typ") {
        None => Ok(None),
        Some(Value::String(typ)) => Ok(Some(typ.clone())),
        Some(_) => Err(JwsError::Malformed.into()),
    }
}

fn is_for(claims: &Map<String, Value>, issuer: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == issuer,
        Some(Value::Array(several)) => several.iter().any(|one| one == issuer),
        _ => false,
    }
}

/// `exp` is there, not over and not far; `nbf` and `iat` are not ahead.
fn check_time(claims: &Map<String, Value>, now: Time) -> Result<(), RequestObjectFault> {
    let time = |name: &str| {
        let date = claims.get(name).map(NumericDate::deserialize).transpose();
        date.map(|date| date.map(|date| date.0)).map_err(|_| RequestObjectFault::Time)
    };
    let end = time("exp")?.ok_or(RequestObjectFault::Time)?;
    let is_ahead = |date: Option<Time>| date.is_some_and(|date| date > now + SKEW);
    if end <= now || end > now + LONGEST_LIFE + SKEW || is_ahead(time("nbf")?) || is_ahead(time("iat")?) {
        return Err(RequestObjectFault::Time);
    }
    Ok(())
}

/// Marks an object with a name as used, after everything else about it was found good.
async fn once(
    provider: &Provider,
    client: &Client,
    claims: &Map<String, Value>,
    purpose: Purpose,
) -> Result<(), AuthorizationError> {
    let jti = match claims.get("jti") {
        None if purpose == Purpose::Authorization => return Ok(()),
        jti => jti.and_then(Value::as_str).filter(|jti| (1..=LONGEST_JTI).contains(&jti.len())),
    };
    let jti = jti.ok_or(RequestObjectFault::Name)?;
    // No object is good for longer than this, whatever it says.
    let until = provider.now() + LONGEST_LIFE + SKEW;
    let is_first =
        used_proof::use_once(&provider.db, ProofKind::RequestObject, &client.id, jti, until).await?;
    if is_first { Ok(()) } else { Err(RequestObjectFault::Replayed.into()) }
}

/// The members of an object as parameters: texts as they are, numbers and flags as they are written, JSON as JSON. A list
/// of `resource` is the parameter several times (RFC 8707 §2.1).
fn parameters_of(claims: &Map<String, Value>) -> Result<Parameters, RequestObjectFault> {
    let mut all: Vec<(&str, String)> = Vec::new();
    for (name, value) in claims.iter().filter(|(name, _)| !OF_THE_JWT.contains(&name.as_str())) {
        match value {
            Value::String(text) => all.push((name, text.clone())),
            Value::Number(number) => all.push((name, number.to_string())),
            Value::Bool(flag) => all.push((name, flag.to_string())),
            Value::Array(several) if name == "resource" => {
                for one in several {
                    all.push((name, one.as_str().ok_or(RequestObjectFault::Member)?.to_owned()));
                }
            }
            Value::Array(_) | Value::Object(_) => all.push((name, value.to_string())),
            Value::Null => return Err(RequestObjectFault::Member),
        }
    }
    Ok(all.iter().map(|(name, value)| (*name, value.as_str())).collect())
}

impl From<RequestUriFault> for AuthorizationError {
    fn from(fault: RequestUriFault) -> Self {
        Self::RequestUriRefused(fault)
    }
}

impl From<RequestObjectFault> for AuthorizationError {
    fn from(fault: RequestObjectFault) -> Self {
        Self::RequestObjectRefused(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_become_parameters_and_what_is_of_the_jwt_does_not() {
        let claims = json!({
            "iss": "rp", "aud": "op", "exp": 1, "jti": "x", "sub": "y",
            "client_id": "rp", "max_age": 86400, "claims": { "id_token": { "acr": null } },
            "authorization_details": [{ "type": "t" }], "resource": ["https://a.example/", "https://b.example/"],
        });
        let parameters = parameters_of(claims.as_object().unwrap()).unwrap();
        assert_eq!(parameters.first("max_age"), Some("86400"));
        assert_eq!(parameters.first("claims"), Some(r#"{"id_token":{"acr":null}}"#));
        assert_eq!(parameters.first("authorization_details"), Some(r#"[{"type":"t"}]"#));
        assert_eq!(parameters.all("resource").count(), 2);
        assert!(OF_THE_JWT.iter().all(|name| !parameters.has(name)));
        let odd = json!({ "state": null });
        assert!(matches!(parameters_of(odd.as_object().unwrap()), Err(RequestObjectFault::Member)));
    }

    #[test]
    fn times_that_are_missing_over_odd_or_far_are_refused() {
        let now = Time::from_timestamp(1_800_000_000, 0).unwrap();
        let good = |claims: Value| check_time(claims.as_object().unwrap(), now).is_ok();
        let at = |seconds: i64| json!(1_800_000_000 + seconds);
        assert!(good(json!({ "exp": at(60), "nbf": at(20), "iat": at(-10) })));
        assert!(good(json!({ "exp": 1_800_000_060.5 })));
        for odd in [
            json!({}),
            json!({ "exp": at(0) }),
            json!({ "exp": at(-1) }),
            json!({ "exp": at(4000) }),
            json!({ "exp": at(60), "nbf": at(40) }),
            json!({ "exp": at(60), "iat": at(40) }),
            json!({ "exp": "1800000060" }),
            json!({ "exp": 1e300 }),
            json!({ "exp": null }),
        ] {
            assert!(!good(odd.clone()), "{odd}");
        }
    }
}
