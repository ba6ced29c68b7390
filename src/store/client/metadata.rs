//! Client metadata by the names of RFC 7591 §2 and of the specifications that added to its registry. Kept as one JSON
//! document: no query asks for any of it, and a registration shows it as it came.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is registered of a client beyond its addresses. Absent members stand for the defaults of the specifications.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    // --- who it is to people (RFC 7591 §2) -------------------------------------------------------------------------
    /// Its home page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its logo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// What it does with data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Whom to write to about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// The software, for all its installations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// The version of the software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// `web` or `native`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_type: Option<String>,

    // --- what it may ask for ---------------------------------------------------------------------------------------
    /// The grants it may use; empty: `authorization_code` and `refresh_token`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<String>,
    /// The scopes it may ask for, separated by spaces; absent: all of its profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The types of `authorization_details` it may ask for (RFC 9396 §10).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types: Vec<String>,
    /// The resources (RFC 8707) and audiences (RFC 8693) its tokens may be for; empty: none but itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,

    // --- how it authenticates (RFC 7591 §2, OpenID Connect Registration §2, RFC 8705 §2) ----------------------------
    /// How it authenticates; absent: by its secret, in the header or in the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// The one algorithm of its assertions; absent: any that is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<String>,
    /// Its public keys, by value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where its public keys are fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The subject of its TLS certificate (RFC 4514).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    /// A DNS name in its TLS certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    /// An address in its TLS certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    /// An IP address in its TLS certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    /// A mail address in its TLS certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,

    // --- its requests (RFC 9101 §10.5, RFC 9126 §6, OpenID Connect Registration §2) ---------------------------------
    /// The one algorithm of its request objects; absent: any that is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<String>,
    /// How the key of its encrypted request objects is wrapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<String>,
    /// How its encrypted request objects are encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<String>,
    /// Where its request objects may be fetched, each with the digest of its content behind `#` or without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// Only signed requests are taken.
    #[serde(skip_serializing_if = "is_false")]
    pub require_signed_request_object: bool,
    /// Only pushed requests are taken.
    #[serde(skip_serializing_if = "is_false")]
    pub require_pushed_authorization_requests: bool,
    /// `max_age` where a request has none, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// Levels where a request asks for none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// It wants to be told `auth_time`; it always is.
    #[serde(skip_serializing_if = "is_false")]
    pub require_auth_time: bool,
    /// People are asked before it is served, once for each scope.
    #[serde(skip_serializing_if = "is_false")]
    pub consent_required: bool,
    /// Where a sign-in may be begun for it by somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,

    // --- what it is answered ---------------------------------------------------------------------------------------
    /// Whether its users have a `sub` of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<SubjectType>,
    /// Whose list of addresses shares one pairwise `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// Signs its ID tokens; absent: RS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<String>,
    /// Wraps the key of its ID tokens; absent: they are not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<String>,
    /// Encrypts its ID tokens; absent: A128CBC-HS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<String>,
    /// Signs its userinfo; absent: plain JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<String>,
    /// Wraps the key of its userinfo; absent: not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<String>,
    /// Encrypts its userinfo; absent: A128CBC-HS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<String>,
    /// Signs what it introspects (RFC 9701 §6); absent: plain JSON unless it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<String>,
    /// Wraps the key of what it introspects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_alg: Option<String>,
    /// Encrypts what it introspects; absent: A128CBC-HS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_enc: Option<String>,
    /// Signs its authorization responses (JARM §3); absent: RS256 where it asks for a JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_signed_response_alg: Option<String>,
    /// Wraps the key of its authorization responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_encrypted_response_alg: Option<String>,
    /// Encrypts its authorization responses; absent: A128CBC-HS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_encrypted_response_enc: Option<String>,

    // --- tokens that are bound to it (RFC 8705 §3.4, RFC 9449 §5.2) -------------------------------------------------
    /// Its access tokens are bound to its TLS certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Its access tokens are bound to its DPoP key.
    #[serde(skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens: bool,

    // --- asking people away from it (CIBA Core §4) -----------------------------------------------------------------
    /// How it learns of the answer; absent: it asks nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_token_delivery_mode: Option<DeliveryMode>,
    /// Where it is told that an answer is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_client_notification_endpoint: Option<String>,
    /// The one algorithm of its signed requests, which are the only ones taken then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_authentication_request_signing_alg: Option<String>,
    /// It sends codes that people know; none are checked here.
    #[serde(skip_serializing_if = "is_false")]
    pub backchannel_user_code_parameter: bool,

    // --- the end of a session (Front- and Back-Channel Logout §2) ---------------------------------------------------
    /// It is told `sid` in logout tokens; it always is.
    #[serde(skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    /// A page of its own that the browser loads when a session ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// That page is told `iss` and `sid`.
    #[serde(skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// How a client authenticates, by the names of the registry of RFC 7591 and RFC 8705 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Not at all: a public client, which proves with PKCE that it began the flow.
    None,
    /// Its secret in the header.
    ClientSecretBasic,
    /// Its secret in the form.
    ClientSecretPost,
    /// An assertion signed by its key (RFC 7523).
    PrivateKeyJwt,
    /// A TLS certificate of a known authority (RFC 8705 §2.1).
    TlsClientAuth,
    /// A TLS certificate that it registered itself (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
}

impl AuthMethod {
    /// Every method, in the order of the discovery document.
    pub const ALL: [Self; 6] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
        Self::None,
    ];

    /// The name in metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }
}

/// How a client learns of the answer of whom it asked (CIBA Core §5). `push` is not offered: tokens would travel to whoever
/// has an address, and no key could be proved for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// It asks again and again.
    Poll,
    /// It is told when asking is worth while.
    Ping,
}

/// The grant by which a client redeems the answer of whom it asked (CIBA Core §4).
pub const CIBA: &str = "urn:openid:params:grant-type:ciba";

/// Whether the `sub` of a person is the same for every client (OpenID Connect Core §8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// The same for all.
    #[default]
    Public,
    /// Another for each sector, so that two services cannot compare their users.
    Pairwise,
}

impl Metadata {
    /// Whether the client may use this grant.
    pub fn may_use(&self, grant_type: &str) -> bool {
        match self.grant_types.as_slice() {
            [] => matches!(grant_type, "authorization_code" | "refresh_token"),
            some => some.iter().any(|one| one == grant_type),
        }
    }

    /// Whether the client may ask people on their phone or at their card.
    pub fn may_ask(&self) -> bool {
        self.may_use(CIBA) && self.backchannel_token_delivery_mode.is_some() && !self.is_public()
    }

    /// Whether the client has nothing to authenticate with.
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == Some(AuthMethod::None)
    }
}
