//! Why no tokens are issued: one variant per cause, few words for the relying party (RFC 6749 §5.2).

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::crypto::jose::SignError;
use crate::oidc::access::AccessError;
use crate::oidc::client::ClientError;
use crate::oidc::encryption::EncryptionError;
use crate::oidc::error;
use crate::oidc::foreign::ForeignError;
use crate::oidc::parameters::Duplicate;
use crate::oidc::proof::binding::BindingError;
use crate::oidc::subject::SubjectError;
use crate::store::StoreError;

/// Why no tokens are issued.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It registered encrypted ID tokens, and no key of its own fits.
    #[error("The ID token cannot be encrypted to a key of the client")]
    Encryption(#[from] EncryptionError),
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    #[error("Missing parameter: {0}")]
    Missing(&'static str),
    #[error("Unsupported grant_type")]
    UnsupportedGrant,
    /// No such code, or of another client.
    #[error("Code not valid")]
    UnknownCode,
    #[error("Code is expired")]
    ExpiredCode,
    /// What it gave is revoked.
    #[error("Code already used")]
    ReplayedCode,
    #[error("Incorrect redirect_uri")]
    WrongRedirectUri,
    #[error("PKCE code verifier not specified")]
    VerifierMissing,
    /// A verifier where the request had no challenge: somebody took the challenge out of it (RFC 9700 §4.8.2).
    #[error("PKCE code verifier given for a request without a code challenge")]
    VerifierUnexpected,
    #[error("PKCE verification failed: Invalid code verifier")]
    VerifierMalformed,
    #[error("PKCE verification failed: Code mismatch")]
    WrongVerifier,
    /// No such token, or of another client.
    #[error("Invalid refresh token")]
    UnknownRefreshToken,
    #[error("Token is not active")]
    ExpiredRefreshToken,
    /// The grant is revoked.
    #[error("Maximum allowed refresh token reuse exceeded")]
    ReusedRefreshToken,
    #[error("The scope asked for exceeds what was granted")]
    ScopeExceeded,
    #[error("Grant was revoked")]
    Revoked,
    #[error("Session not active")]
    SessionOver,
    /// Its card is out: the person opens it again by a new authorization request.
    #[error("Session locked, sign in again")]
    SessionLocked,
    /// It was opened again in a zone that the client may not be used from.
    #[error("Session moved to another zone")]
    Zone,
    /// The person was disabled, or is no longer admitted.
    #[error("User disabled")]
    Person(#[source] SubjectError),
    /// The address on the Internet is for providers that delegate to us.
    #[error("The client is not served at this address")]
    NotServedHere,
    /// The client is not registered for it.
    #[error("The client may not use this grant_type")]
    GrantOfOthers,
    /// RFC 8693 §3: only access tokens are taken and given.
    #[error("Only access tokens can be exchanged, for access tokens")]
    TokenType,
    /// RFC 8693 §2.1: the client itself acts.
    #[error("actor_token is not supported")]
    ActorToken,
    /// The token to be exchanged is not good.
    #[error("The subject token is not good")]
    SubjectToken(#[source] AccessError),
    /// The token to be exchanged is for somebody else.
    #[error("The subject token is not meant for this client")]
    SubjectTokenOfOthers,
    /// The same, of a token of another provider.
    #[error("The subject token is not good, or not meant for this client")]
    ForeignToken(#[source] ForeignError),
    /// The other provider cannot be asked whether the token is good.
    #[error("The provider of the subject token does not answer, try again later")]
    ForeignAway(#[source] ForeignError),
    /// It was exchanged as often as a token can be.
    #[error("The subject token was exchanged too often")]
    ChainTooLong,
    /// RFC 8707 §2, RFC 8693 §2.2.2.
    #[error("The client may not ask for tokens for this audience")]
    Target,
    /// What it has to prove for bound tokens, or is bound to.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The client's profile takes no token that everybody can use (FAPI 2.0 §5.3.2.1).
    #[error("Access tokens of this client must be bound to a key")]
    Unbound,
    /// No such question, or of another client.
    #[error("Invalid Auth Req ID")]
    UnknownAuthReqId,
    /// What it is worth was given already, or taken back at this moment.
    #[error("Auth Req ID already used, or no longer good")]
    UsedAuthReqId,
    /// CIBA Core §11, in the words of Pro Santé Connect.
    #[error("The authorization request is still pending as the end-user hasn't yet been authenticated.")]
    Pending,
    #[error("The client asks sooner than the interval allows; it has grown by 5 seconds")]
    SlowDown,
    #[error("The auth_req_id has expired, make a new authentication request")]
    ExpiredAuthReqId,
    /// The same, of a question that reached no workstation with the person's card.
    #[error("The auth_req_id has expired, make a new authentication request")]
    NobodyAsked,
    /// The person said no, typed other digits, or the question was taken back.
    #[error("The end-user denied the authorization request")]
    Denied,
    /// The person said yes, and proved less than was required.
    #[error("The end-user did not reach the level that was asked for")]
    LevelNotReached,
    /// Somebody else changed what we looked at in the meantime.
    #[error("Code not valid")]
    Overtaken,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl TokenError {
    /// The stable code of `docs/errors.md`.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Client(error) => error.code(),
            Self::Encryption(_) => "OIDC-146",
            Self::Duplicate(_) => "OIDC-003",
            Self::Missing(_) => "OIDC-050",
            Self::UnsupportedGrant => "OIDC-051",
            Self::UnknownCode => "OIDC-052",
            Self::ExpiredCode => "OIDC-053",
            Self::ReplayedCode => "OIDC-054",
            Self::WrongRedirectUri => "OIDC-055",
            Self::VerifierMissing => "OIDC-056",
            Self::VerifierUnexpected => "OIDC-057",
            Self::VerifierMalformed => "OIDC-058",
            Self::WrongVerifier => "OIDC-059",
            Self::UnknownRefreshToken => "OIDC-060",
            Self::ExpiredRefreshToken => "OIDC-061",
            Self::ReusedRefreshToken => "OIDC-062",
            Self::ScopeExceeded => "OIDC-063",
            Self::Revoked => "OIDC-064",
            Self::SessionOver => "OIDC-065",
            Self::SessionLocked => "OIDC-067",
            Self::Zone => "OIDC-068",
            Self::Person(SubjectError::Refused(refusal)) => refusal.code(),
            Self::Person(SubjectError::Store(error)) | Self::Store(error) => error.code(),
            Self::Unbound => "OIDC-069",
            Self::NotServedHere => "OIDC-179",
            Self::GrantOfOthers => "OIDC-141",
            Self::TokenType => "OIDC-142",
            Self::ActorToken => "OIDC-143",
            Self::SubjectToken(error) => error.code(),
            Self::SubjectTokenOfOthers => "OIDC-144",
            Self::ForeignToken(error) | Self::ForeignAway(error) => error.code(),
            Self::ChainTooLong => "OIDC-162",
            Self::Target => "OIDC-145",
            Self::UnknownAuthReqId => "CIBA-020",
            Self::UsedAuthReqId => "CIBA-021",
            Self::Pending => "CIBA-022",
            Self::SlowDown => "CIBA-023",
            Self::ExpiredAuthReqId => "CIBA-024",
            Self::Denied => "CIBA-025",
            Self::NobodyAsked => "CIBA-033",
            Self::LevelNotReached => "OIDC-027",
            Self::Binding(error) => error.code(),
            Self::Overtaken => "OIDC-066",
            Self::Sign(_) => "OIDC-094",
        }
    }

    /// Whether it is an answer that clients get all the time, and no refusal: nobody has said anything yet.
    fn is_routine(&self) -> bool {
        matches!(self, Self::Pending | Self::SlowDown)
    }

    /// Whether the audit learns of it here: not what is a fault of ours, nor what was recorded where it was found.
    pub(super) fn is_to_be_recorded(&self) -> bool {
        if let Self::Binding(error) = self {
            return error.fault().is_none() && !error.is_routine();
        }
        !self.is_routine()
            && !matches!(
                self,
                Self::Store(_)
                    | Self::Sign(_)
                    | Self::Client(_)
                    | Self::SubjectToken(AccessError::Store(_))
                    | Self::ForeignAway(_)
                    | Self::Person(SubjectError::Store(_))
                    | Self::ReplayedCode
                    | Self::ReusedRefreshToken
            )
    }
}

impl From<SubjectError> for TokenError {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Store(error) => Self::Store(error),
            refused @ SubjectError::Refused(_) => Self::Person(refused),
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let name = match self {
            Self::Client(error) => return error.into_response(),
            Self::Store(ref error) | Self::SubjectToken(AccessError::Store(ref error)) => {
                return error::fault(error, error.code());
            }
            Self::Sign(ref error) => return error::fault(error, self.code()),
            Self::Binding(ref error) => match error.fault() {
                Some(fault) => return error::fault(fault, fault.code()),
                None => error.name(),
            },
            Self::Duplicate(_)
            | Self::Missing(_)
            | Self::Unbound
            | Self::Encryption(_)
            | Self::TokenType
            | Self::ActorToken
            | Self::SubjectToken(_)
            | Self::SubjectTokenOfOthers
            | Self::ForeignToken(_)
            | Self::ChainTooLong => "invalid_request",
            Self::ForeignAway(_) => "temporarily_unavailable",
            Self::GrantOfOthers | Self::NotServedHere => "unauthorized_client",
            Self::Target => "invalid_target",
            Self::Pending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredAuthReqId | Self::NobodyAsked => "expired_token",
            Self::Denied | Self::LevelNotReached => "access_denied",
            Self::UnsupportedGrant => "unsupported_grant_type",
            Self::ScopeExceeded => "invalid_scope",
            Self::UnknownCode
            | Self::ExpiredCode
            | Self::ReplayedCode
            | Self::WrongRedirectUri
            | Self::VerifierMissing
            | Self::VerifierUnexpected
            | Self::VerifierMalformed
            | Self::WrongVerifier
            | Self::UnknownRefreshToken
            | Self::ExpiredRefreshToken
            | Self::ReusedRefreshToken
            | Self::Revoked
            | Self::SessionOver
            | Self::SessionLocked
            | Self::Zone
            | Self::Person(_)
            | Self::UnknownAuthReqId
            | Self::UsedAuthReqId
            | Self::Overtaken => "invalid_grant",
        };
        if self.is_routine() {
            tracing::debug!(code = self.code(), "nobody has answered yet");
        } else {
            tracing::warn!(code = self.code(), error = %self, "no tokens were issued");
        }
        let status = match self {
            Self::ForeignAway(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        error::json(status, name, &self.to_string())
    }
}

impl From<ForeignError> for TokenError {
    fn from(error: ForeignError) -> Self {
        match error {
            ForeignError::Store(error) => Self::Store(error),
            refused @ ForeignError::Refused(_) => Self::ForeignToken(refused),
            away @ ForeignError::Away(_) => Self::ForeignAway(away),
        }
    }
}
