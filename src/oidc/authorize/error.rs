//! Why an authorization request gets no code: one variant per cause.

use http::StatusCode;

use super::request_object::{RequestObjectFault, RequestUriFault};
use crate::crypto::jose::SignError;
use crate::directory::Refusal;
use crate::oidc::ciba::check::BackchannelFault;
use crate::oidc::claims_request::ClaimsFault;
use crate::oidc::parameters::Duplicate;
use crate::oidc::subject::SubjectError;
use crate::store::StoreError;
use crate::web::csrf;

/// Why an authorization request gets no code. The texts are for the relying party's developers.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// No `client_id`, or two.
    #[error("client_id is missing or given twice")]
    ClientMissing,
    /// No such client.
    #[error("the client is unknown")]
    ClientUnknown,
    /// The client is disabled.
    #[error("the client is disabled")]
    ClientDisabled,
    /// No `redirect_uri`, or two.
    #[error("redirect_uri is missing or given twice")]
    RedirectUriMissing,
    /// Not one of the client's.
    #[error("redirect_uri is not registered for the client")]
    RedirectUriUnknown,
    /// A parameter is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// A value that no relying party needs.
    #[error("the parameter {0} is too long")]
    TooLong(&'static str),
    /// A value with a NUL.
    #[error("the parameter {0} holds a character that is not allowed")]
    Characters(&'static str),
    /// What a question to somebody who is at no browser lacks (CIBA Core §7.2).
    #[error(transparent)]
    Backchannel(#[from] BackchannelFault),
    /// The parameter `claims`.
    #[error(transparent)]
    Claims(#[from] ClaimsFault),
    /// A `resource` that is no address, or not registered (RFC 8707 §2).
    #[error("resource is no absolute address without #, or is not registered for the client")]
    Target,
    /// `authorization_details` (RFC 9396 §5).
    #[error("authorization_details: {0}")]
    AuthorizationDetails(&'static str),
    /// A level that no means of identification reaches here.
    #[error("the level that is asked for cannot be reached here")]
    LevelUnreachable,
    /// The person signed in, and proved less than was asked for.
    #[error("the user did not reach the level that is asked for")]
    LevelNotReached,
    /// Somebody else than the relying party expects signed in.
    #[error("another user than the one expected is signed in")]
    OtherPerson,
    /// The person has to be asked for consent, and must not be (`prompt=none`).
    #[error("the user has to consent")]
    ConsentRequired,
    /// The person does not want the service to have what it asks for.
    #[error("the user does not consent")]
    ConsentRefused,
    /// A request object that is refused (RFC 9101 §6).
    #[error(transparent)]
    RequestObjectRefused(RequestObjectFault),
    /// A `request_uri` that is not followed, or leads to nothing (RFC 9101 §6.1).
    #[error(transparent)]
    RequestUriRefused(RequestUriFault),
    /// A request that is not signed, of a client that signs always (RFC 9101 §10.5).
    #[error("the client must sign its requests")]
    NotSigned,
    /// `request` in a request object (RFC 9101 §4).
    #[error("a request object cannot hold another")]
    RequestObject,
    /// `request_uri` in a request object (RFC 9101 §4).
    #[error("a request object cannot hold request_uri")]
    RequestUri,
    /// `registration`.
    #[error("registration is not supported")]
    Registration,
    /// A request through the browser, where only pushed ones are taken (RFC 9126 §6).
    #[error("the client must push its requests")]
    NotPushed,
    /// The client is registered for other grants.
    #[error("the client is not registered for authorization_code")]
    GrantType,
    /// The handle of a pushed request is unknown, expired, used or another client's (RFC 9126 §4): which, is nobody's
    /// business.
    #[error("request_uri is unknown, expired, used, or of another client")]
    PushedUnknown,
    /// `request_uri` in a request that is pushed (RFC 9126 §2.1).
    #[error("a pushed request cannot hold request_uri")]
    PushedUri,
    /// No `response_type`.
    #[error("Missing parameter: response_type")]
    ResponseTypeMissing,
    /// Another than `code`.
    #[error("the only response_type is code")]
    ResponseType,
    /// One that does not exist.
    #[error("there is no such response_mode")]
    ResponseMode,
    /// Without `openid`.
    #[error("scope must contain openid")]
    Scope,
    /// `none` with something else.
    #[error("prompt=none cannot be combined with another value")]
    Prompt,
    /// No number of seconds.
    #[error("max_age must be a number of seconds")]
    MaxAge,
    /// A challenge without a method, or with another than `S256`.
    #[error("code_challenge_method must be S256")]
    ChallengeMethod,
    /// A method without a challenge.
    #[error("Missing parameter: code_challenge")]
    ChallengeMissing,
    /// No SHA-256 in base64url.
    #[error("code_challenge is not a SHA-256 in base64url")]
    ChallengeMalformed,
    /// No thumbprint of a key.
    #[error("dpop_jkt is not the thumbprint of a key")]
    Thumbprint,
    /// Neither `true` nor `false`, or without a provider.
    #[error("idp_only must be true or false, and true needs the name of a provider in kc_idp_hint")]
    IdpOnly,
    /// The one provider that is taken is none of ours, or is the relying party itself.
    #[error("kc_idp_hint names no provider by which people can sign in here")]
    NoSuchProvider,
    /// The one provider that is taken does not answer.
    #[error("the provider that kc_idp_hint names does not answer")]
    ProviderAway,
    /// `prompt=none`, and nobody is signed in, or not as asked.
    #[error("the user must sign in")]
    LoginRequired,
    /// The person gave up.
    #[error("the user gave up")]
    GivenUp,
    /// The person may not use this service.
    #[error("the user may not use this service")]
    Person(Refusal),
    /// The session ended while we looked at it.
    #[error("the session ended")]
    SessionEnded,
    /// The login transaction is over, unknown, or of another browser.
    #[error("the sign-in is over, or was begun in another browser")]
    TransactionOver,
    /// The login transaction was answered already.
    #[error("the sign-in was completed already")]
    TransactionAnswered,
    /// The login transaction was written by another version of the program.
    #[error("the sign-in was begun by another version of the program: {0}")]
    TransactionUnreadable(#[from] serde_json::Error),
    /// `prompt=none` at a workstation that several people share: whose session it is has to be confirmed.
    #[error("the person has to confirm who they are")]
    ConfirmationRequired,
    /// `prompt=none` by a provider that delegates to us: nobody is passed on without knowing.
    #[error("nobody is passed on without their knowledge: the user has to confirm")]
    SilentDelegation,
    /// The sign-in is by a means, or of a time, that a provider that delegates to us is not told of.
    #[error("the sign-in is by another means than those that are passed on, or too old")]
    NotPassedOn,
    /// The client is not served where it came: the address on the Internet is for providers that delegate to us.
    #[error("the client is not served at this address")]
    NotServedHere,
    /// The client is not meant to be used from the zone that the session was opened in.
    #[error("the client is not meant for this zone")]
    Zone,
    /// A form of another site, or of another session.
    #[error(transparent)]
    Forgery(#[from] csrf::Refused),
    /// An answer cannot be encrypted to the client, who asked for it (JARM §2.2).
    #[error("the answer cannot be encrypted to the client: {0}")]
    AnswerKeys(String),
    /// An answer could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A cookie cannot be written.
    #[error("a cookie cannot be written")]
    Cookie,
    /// A means of identification is out of order.
    #[error("a means of identification failed: {0}")]
    Means(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthorizationError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClientMissing | Self::ClientUnknown => "OIDC-001",
            Self::ClientDisabled => "OIDC-002",
            Self::Duplicate(_) => "OIDC-003",
            Self::RedirectUriMissing => "OIDC-004",
            Self::RedirectUriUnknown => "OIDC-005",
            Self::TooLong(_) => "OIDC-006",
            Self::RequestObject | Self::RequestUri | Self::Registration => "OIDC-007",
            Self::NotPushed => "OIDC-022",
            Self::GrantType => "OIDC-141",
            Self::PushedUnknown => "OIDC-023",
            Self::PushedUri => "OIDC-024",
            Self::Characters(_) => "OIDC-025",
            Self::Claims(_) => "OIDC-026",
            Self::Backchannel(fault) => fault.code(),
            Self::LevelUnreachable | Self::LevelNotReached => "OIDC-027",
            Self::OtherPerson => "OIDC-028",
            Self::ConsentRequired | Self::ConsentRefused => "OIDC-029",
            Self::Target => "OIDC-100",
            Self::AuthorizationDetails(_) => "OIDC-101",
            Self::RequestObjectRefused(fault) => fault.code(),
            Self::NotSigned => "OIDC-103",
            Self::RequestUriRefused(_) => "OIDC-104",
            Self::AnswerKeys(_) => "OIDC-105",
            Self::Sign(_) => "OIDC-094",
            Self::ResponseTypeMissing | Self::ResponseType => "OIDC-008",
            Self::ResponseMode => "OIDC-009",
            Self::Scope => "OIDC-010",
            Self::Prompt => "OIDC-011",
            Self::MaxAge => "OIDC-012",
            Self::ChallengeMethod => "OIDC-013",
            Self::ChallengeMissing | Self::ChallengeMalformed => "OIDC-014",
            Self::Thumbprint => "OIDC-138",
            Self::LoginRequired => "OIDC-015",
            Self::GivenUp => "OIDC-016",
            Self::Person(refusal) => refusal.code(),
            Self::SessionEnded => "OIDC-017",
            Self::TransactionOver => "WEB-013",
            Self::TransactionAnswered => "OIDC-018",
            Self::TransactionUnreadable(_) => "OIDC-019",
            Self::ConfirmationRequired => "OIDC-020",
            Self::Zone => "OIDC-021",
            Self::SilentDelegation => "OIDC-176",
            Self::NotPassedOn => "OIDC-177",
            Self::NotServedHere => "OIDC-179",
            Self::IdpOnly | Self::NoSuchProvider => "OIDC-185",
            Self::ProviderAway => "OIDC-186",
            Self::Forgery(refused) => refused.code(),
            Self::Cookie | Self::Means(_) => "WEB-005",
            Self::Store(error) => error.code(),
        }
    }

    /// The protocol's name of the error, where the relying party is told by a redirect; `None` where the person is
    /// told by a page (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    pub fn for_client(&self) -> Option<&'static str> {
        Some(match self {
            Self::RequestObjectRefused(_) | Self::RequestObject => "invalid_request_object",
            Self::RequestUriRefused(_) | Self::RequestUri => "invalid_request_uri",
            Self::Registration => "registration_not_supported",
            Self::Backchannel(fault) => fault.name(),
            Self::ResponseType => "unsupported_response_type",
            Self::GrantType => "unauthorized_client",
            Self::Scope => "invalid_scope",
            Self::Duplicate(_)
            | Self::TooLong(_)
            | Self::Characters(_)
            | Self::Claims(_)
            | Self::NotPushed
            | Self::PushedUri
            | Self::NotSigned
            | Self::ResponseTypeMissing
            | Self::ResponseMode
            | Self::Prompt
            | Self::MaxAge
            | Self::ChallengeMethod
            | Self::ChallengeMissing
            | Self::ChallengeMalformed
            | Self::IdpOnly
            | Self::NoSuchProvider
            | Self::Thumbprint => "invalid_request",
            Self::ProviderAway => "temporarily_unavailable",
            Self::Target => "invalid_target",
            Self::AuthorizationDetails(_) => "invalid_authorization_details",
            Self::LevelUnreachable | Self::LevelNotReached | Self::NotPassedOn => {
                "unmet_authentication_requirements"
            }
            Self::LoginRequired | Self::OtherPerson => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::ConfirmationRequired | Self::SilentDelegation => "interaction_required",
            Self::GivenUp | Self::ConsentRefused => "access_denied",
            Self::PushedUnknown
            | Self::AnswerKeys(_)
            | Self::ClientMissing
            | Self::ClientUnknown
            | Self::ClientDisabled
            | Self::RedirectUriMissing
            | Self::RedirectUriUnknown
            | Self::Person(_)
            | Self::SessionEnded
            | Self::TransactionOver
            | Self::TransactionAnswered
            | Self::TransactionUnreadable(_)
            | Self::Zone
            | Self::NotServedHere
            | Self::Forgery(_)
            | Self::Sign(_)
            | Self::Cookie
            | Self::Means(_)
            | Self::Store(_) => return None,
        })
    }

    /// The protocol's name of an error that a person would be told by a page, for a request that must show none
    /// (`prompt=none`, OpenID Connect Core §3.1.2.1).
    pub fn for_silent_client(&self) -> Option<&'static str> {
        match self {
            Self::Person(_) | Self::Zone => Some("access_denied"),
            Self::SessionEnded => Some("login_required"),
            _ => self.for_client(),
        }
    }

    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Person(_) | Self::Zone | Self::NotServedHere | Self::Forgery(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether it takes somebody who is signed in here; everything else anybody can bring about as often as they like.
    pub fn is_of_somebody(&self) -> bool {
        matches!(
            self,
            Self::Person(_)
                | Self::OtherPerson
                | Self::LevelNotReached
                | Self::NotPassedOn
                | Self::Zone
                | Self::SessionEnded
                | Self::ConsentRefused
        )
    }

    /// Whether the fault is ours, not the caller's.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Sign(_) | Self::Cookie | Self::Means(_))
    }
}

impl From<SubjectError> for AuthorizationError {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Refused(refusal) => Self::Person(refusal),
            SubjectError::Store(error) => Self::Store(error),
        }
    }
}
