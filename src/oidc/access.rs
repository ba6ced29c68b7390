//! Access tokens that come back: is it ours, and is everything it stands on still there?
//!
//! The signature alone is not enough: session, grant, client and person are looked at each time, so that the end of
//! any of them is felt at once.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::subject::{Subject, SubjectError};
use super::{Provider, psc, standard};
use crate::clock::Time;
use crate::crypto::jose::{self, Expected, JwsError};
use crate::directory::Refusal;
use crate::session::{Session, Standing};
use crate::store::client::Client;
use crate::store::grant::{Grant, Granted};
use crate::store::{self, StoreError};

/// The header `typ` of an access token by its profile, and the claim `typ` that tells it from an ID token there.
const KINDS: [(&str, Option<&str>); 2] =
    [("JWT", Some(psc::ACCESS_TOKEN_TYPE)), (standard::ACCESS_TOKEN_TYPE, None)];

/// An access token that is good now, and what it stands on.
pub(super) struct Access {
    pub jti: Uuid,
    pub expires_at: Time,
    pub claims: Map<String, Value>,
    pub grant: Grant,
    pub session: Session,
    pub client: Client,
    pub subject: Subject,
}

/// Why an access token is not good. The bearer learns that it is not.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[error("the access token is refused: {0}")]
    Token(#[from] JwsError),
    /// An ID token, or that of another provider with our keys.
    #[error("the token is no access token of ours")]
    NotAnAccessToken,
    #[error("the access token is expired")]
    Expired,
    /// Of an API (RFC 8707), not of ours.
    #[error("the access token is for another audience")]
    Audience,
    #[error("the access token is unknown or revoked")]
    Revoked,
    #[error("the session is over")]
    SessionOver,
    #[error("the session is locked: its card is out")]
    SessionLocked,
    #[error("the session moved to a zone that the relying party may not be used from")]
    Zone,
    #[error("the relying party is gone or disabled")]
    ClientGone,
    #[error(transparent)]
    Person(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccessError {
    /// The stable code of `docs/errors.md`.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Token(_) => "OIDC-070",
            Self::NotAnAccessToken => "OIDC-071",
            Self::Expired => "OIDC-072",
            Self::Audience => "OIDC-078",
            Self::Revoked => "OIDC-073",
            Self::SessionOver => "OIDC-074",
            Self::SessionLocked => "OIDC-076",
            Self::Zone => "OIDC-077",
            Self::ClientGone => "OIDC-075",
            Self::Person(refusal) => refusal.code(),
            Self::Store(error) => error.code(),
        }
    }
}

/// The name of an access token of ours, whether it is good or not.
pub(super) async fn jti(provider: &Provider, token: &str) -> Option<Uuid> {
    let claims = verify(provider, token).await.ok()?;
    claims.get("jti")?.as_str()?.parse().ok()
}

/// What an access token stands on.
///
/// # Errors
/// [`AccessError`], where any of it is gone.
pub(super) async fn check(provider: &Provider, token: &str) -> Result<Access, AccessError> {
    let claims = verify(provider, token).await?;
    let named =
        Named::deserialize(&Value::Object(claims.clone())).map_err(|_| AccessError::NotAnAccessToken)?;
    if named.iss != provider.settings.issuer.as_str() {
        return Err(AccessError::NotAnAccessToken);
    }
    let now = provider.now();
    let expires_at = Time::from_timestamp(named.exp, 0).ok_or(AccessError::NotAnAccessToken)?;
    if expires_at <= now {
        return Err(AccessError::Expired);
    }
    let jti = named.jti.parse().map_err(|_| AccessError::NotAnAccessToken)?;
    let granted = store::grant::of_access_token(&provider.db, jti, now).await?.ok_or(AccessError::Revoked)?;
    let (client, subject) = foundation(provider, &granted).await?;
    let Granted { grant, session } = granted;
    Ok(Access { jti, expires_at, claims, grant, session, client, subject })
}

/// What every access token says of itself.
#[derive(Deserialize)]
struct Named {
    iss: String,
    exp: i64,
    jti: String,
}

/// The claims of an access token of either kind.
async fn verify(provider: &Provider, token: &str) -> Result<Map<String, Value>, AccessError> {
    let keys = provider.token_keys.keys().await;
    let algorithms = keys.algorithms();
    let mut refusal = AccessError::NotAnAccessToken;
    for (typ, claim) in KINDS {
        let expected = Expected { typ: Some(typ), algorithms: &algorithms, max_len: 8 * 1024 };
        match jose::verify::<Map<String, Value>>(token, expected, |kid| keys.verifying(kid)) {
            Ok(claims)
                if claim.is_none_or(|claim| claims.get("typ").and_then(Value::as_str) == Some(claim)) =>
            {
                return Ok(claims);
            }
            Ok(_) => return Err(AccessError::NotAnAccessToken),
            Err(error) => refusal = error.into(),
        }
    }
    Err(refusal)
}

/// What a grant stands on: a running session, a client that is not disabled, a person who is admitted.
///
/// # Errors
/// [`AccessError`], where any of it is gone.
pub(super) async fn foundation(
    provider: &Provider,
    granted: &Granted,
) -> Result<(Client, Subject), AccessError> {
    let Granted { grant, session } = granted;
    let client = store::client::by_id(&provider.db, &grant.client_id).await?;
    let client = client.filter(|client| client.disabled_at.is_none()).ok_or(AccessError::ClientGone)?;
    match session.standing(provider.settings.policy(session, &client), provider.now()) {
        _ if grant.details.offline => {}
        Standing::Alive => {}
        Standing::Locked | Standing::Unwatched => return Err(AccessError::SessionLocked),
        Standing::Expired | Standing::Ended => return Err(AccessError::SessionOver),
    }
    if !client.demands().admit(&session.zone) {
        return Err(AccessError::Zone);
    }
    let subject = match provider.subject(grant.person_id, &client).await {
        Ok(subject) => subject,
        Err(SubjectError::Refused(refusal)) => return Err(refusal.into()),
        Err(SubjectError::Store(error)) => return Err(error.into()),
    };
    Ok((client, subject))
}
