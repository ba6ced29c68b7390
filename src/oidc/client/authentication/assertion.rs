//! `private_key_jwt`: an assertion that the client signed (RFC 7523 §3, OpenID Connect Core §9).
//!
//! What a hospital gets: a service whose secret never leaves it. An assertion is for this provider alone, short-lived, and
//! good once, on every node. Whoever is told the assertion that a client makes for *another* provider cannot use it here:
//! `aud` names us, or us and nobody else. FAPI 2.0 (Security Profile §5.3.2.1, point 8) has it name the issuer, as a text.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::clock::Time;
use crate::crypto::jose::{self, Expected, JwsError, base64url};
use crate::crypto::keys::Algorithm;
use crate::oidc::client::keys::ClientKeysError;
use crate::oidc::proof::jwt::{Audience, NumericDate, SKEW};
use crate::oidc::{Provider, profile, psc};
use crate::store::StoreError;
use crate::store::client::Client;
use crate::store::used_proof::{self, ProofKind};

/// The one type of assertion (RFC 7523 §2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest assertion read, in bytes.
const LONGEST: usize = 8 * 1024;
/// How far its end may lie ahead. Libraries make them for one to five minutes.
const LONGEST_LIFE: TimeDelta = TimeDelta::minutes(10);
/// The longest `jti` read, in bytes.
const LONGEST_JTI: usize = 256;
/// What an assertion may call itself. A token of a type of its own (a DPoP proof, a request object) is none, whatever it
/// claims.
const TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// Who may be named in `aud`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer, as a text (FAPI 2.0).
    Issuer,
    /// The issuer or one of its endpoints (OpenID Connect Core §9, RFC 9126 §2).
    IssuerOrEndpoint,
}

/// Why an assertion is refused.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// `client_assertion_type` is missing or another.
    #[error("client_assertion_type is missing, or is not that of a JWT")]
    Type,
    /// Nobody can be read from it, or another than the request says.
    #[error("the assertion names no client, or another than the request")]
    Client,
    /// Its header says that it is something else.
    #[error("the header says that the assertion is something else: {0:?}")]
    Kind(String),
    /// Signature, algorithm or key.
    #[error(transparent)]
    Keys(#[from] ClientKeysError),
    /// `iss` or `sub` is not the client.
    #[error("iss and sub of the assertion are not the client")]
    Subject,
    /// `aud` is not us, or not us alone.
    #[error("aud of the assertion is not this provider, or not this provider alone")]
    Audience,
    /// Its end has passed, is too far ahead, or it is not good yet.
    #[error("the assertion is expired, not good yet, or made for more than ten minutes")]
    Time,
    /// Without a name, or with a very long one.
    #[error("the assertion has no jti, or a very long one")]
    Name,
    /// It was used before.
    #[error("the assertion was used before")]
    Replayed,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AssertionError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Type | Self::Client | Self::Kind(_) => "OIDC-047",
            Self::Keys(ClientKeysError::Token(_)) => "OIDC-048",
            Self::Keys(_) => "OIDC-049",
            Self::Subject | Self::Audience => "OIDC-120",
            Self::Time => "OIDC-121",
            Self::Name => "OIDC-122",
            Self::Replayed => "OIDC-123",
            Self::Store(error) => error.code(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    iat: Option<NumericDate>,
    nbf: Option<NumericDate>,
    jti: Option<String>,
}

/// The client that an assertion says it is of. Nothing is believed yet.
pub(super) fn claimed_client(assertion: &str) -> Option<String> {
    if assertion.len() > LONGEST {
        return None;
    }
    let claims = jose::unverified_claims(assertion)?;
    claims.get("sub").and_then(|sub| sub.as_str()).map(str::to_owned)
}

/// Whether the client made this assertion, for us, just now, and for the first time.
///
/// # Errors
/// [`AssertionError`].
pub(super) async fn check(
    provider: &Provider,
    client: &Client,
    assertion: &str,
) -> Result<(), AssertionError> {
    if let Some(typ) = typ(assertion)?
        && !TYPES.iter().any(|known| known.eq_ignore_ascii_case(&typ))
    {
        return Err(AssertionError::Kind(typ.chars().filter(|c| !c.is_control()).take(32).collect()));
    }
    let algorithms = algorithms(client);
    let expected = Expected { typ: None, algorithms: &algorithms, max_len: LONGEST };
    let claims: Claims = provider.client_keys.verify(client, assertion, expected).await?;
    if claims.iss != client.id || claims.sub != client.id {
        return Err(AssertionError::Subject);
    }
    if !is_for_us(provider, client, &claims.aud) {
        return Err(AssertionError::Audience);
    }
    let now = provider.now();
    check_time(&claims, now)?;
    let jti = claims.jti.filter(|jti| (1..=LONGEST_JTI).contains(&jti.len())).ok_or(AssertionError::Name)?;
    // Last: what is refused for another reason uses nothing up.
    let kind = ProofKind::ClientAssertion;
    if !used_proof::use_once(&provider.db, kind, &client.id, &jti, claims.exp.0).await? {
        return Err(AssertionError::Replayed);
    }
    Ok(())
}

/// The algorithms that an assertion of this client may be signed by: the one that is registered, among those of its
/// profile.
pub(super) fn algorithms(client: &Client) -> Vec<Algorithm> {
    let registered = client.metadata.token_endpoint_auth_signing_alg.as_deref();
    let of_profile = profile::of(client).rules().signing_algorithms;
    let fits = |algorithm: &Algorithm| registered.is_none_or(|registered| algorithm.name() == registered);
    of_profile.iter().copied().filter(fits).collect()
}

fn is_for_us(provider: &Provider, client: &Client, audience: &Audience) -> bool {
    let issuer = &provider.settings.issuer;
    match profile::of(client).rules().assertion_audience {
        AssertionAudience::Issuer => audience.as_text() == Some(issuer.as_str()),
        AssertionAudience::IssuerOrEndpoint => audience.is_only(|one| {
            one == issuer.as_str() || psc::AUTHENTICATED.iter().any(|path| one == issuer.address(path))
        }),
    }
}

fn check_time(claims: &Claims, now: Time) -> Result<(), AssertionError> {
    let begins_ahead = |date: Option<NumericDate>| date.is_some_and(|date| date.0 > now + SKEW);
    let end = claims.exp.0;
    if end <= now || end > now + LONGEST_LIFE || begins_ahead(claims.nbf) || begins_ahead(claims.iat) {
        return Err(AssertionError::Time);
    }
    Ok(())
}

/// `typ`, before the signature is looked at: the signature is over this very header.
fn typ(assertion: &str) -> Result<Option<String>, AssertionError> {
    let malformed = || ClientKeysError::Token(JwsError::Malformed);
    let (header, _) = assertion.split_once('.').ok_or_else(malformed)?;
    let header = base64url::decode(header).ok_or_else(malformed)?;
    let header: serde_json::Map<_, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|_| malformed())?;
    match header.get("typ") {
        None => Ok(None),
        Some(serde_json::Value::String(typ)) => Ok(Some(typ.clone())),
        Some(_) => Err(malformed().into()),
    }
}
