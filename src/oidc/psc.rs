//! The profile of Pro Santé Connect: everything in which a relying party that was written for it can tell one provider
//! from another, in one place. Handlers ask this file and hold no rule of PSC themselves; a second profile will be a
//! second file.
//!
//! What is here was observed on PSC's platforms (`docs/psc.md` says where and when). Where PSC differs between years or
//! platforms, the value that the strictest relying parties accept is the default and the other is a [`Choices`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::subject::Subject;
use crate::clock::Time;
use crate::ids::SessionId;
use crate::session::{Acr, AuthMode, Session};
use crate::store::grant::Grant;

// 1. Addresses: the layout of PSC's realm, below the issuer. The authorization endpoint has two: the one of PSC's front
//    host stands in `wallet-openid-configuration`, the native one in `openid-configuration`. `/auth/` is called too.

/// Below the issuer: the discovery document that relying parties of PSC read.
pub const WALLET_DISCOVERY: &str = "/.well-known/wallet-openid-configuration";
/// Below the issuer: the discovery document of the standard.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Below the issuer: authorization.
pub const AUTHORIZATION: &str = "/protocol/openid-connect/auth";
/// Below the issuer: tokens.
pub const TOKEN: &str = "/protocol/openid-connect/token";
/// Below the issuer: introspection.
pub const INTROSPECTION: &str = "/protocol/openid-connect/token/introspect";
/// Below the issuer: userinfo.
pub const USERINFO: &str = "/protocol/openid-connect/userinfo";
/// Below the issuer: logout started by a relying party.
pub const LOGOUT: &str = "/protocol/openid-connect/logout";
/// Below the issuer: public keys.
pub const JWKS: &str = "/protocol/openid-connect/certs";
/// On the front host: authorization, with and without a slash at its end.
pub const FRONT_AUTHORIZATION: [&str; 2] = ["/auth", "/auth/"];

// 2. Levels. Relying parties refuse everything but `eidas1`, although PSC announced more for cards in 2026. What was
//    asked (`acr_values`, or `acr` as ANS's own guide writes it) changes nothing, and nothing is refused for it.

/// Names that a parameter of the authorization request is known by besides its own.
pub const PARAMETER_ALIASES: [(&str, &str); 1] = [("acr", "acr_values")];
/// What `acr_values_supported` lists.
pub const ACR_VALUES: [&str; 1] = ["eidas1"];

/// Where PSC's own answers differ between years and means; what stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// The `acr` told after a card.
    pub card_acr: Acr,
    /// The `acr` told after a phone.
    pub mobile_acr: Acr,
    /// `auth_level` and `scope` in the ID token, as PSC added them in 2026; absent where none.
    pub auth_level: Option<String>,
}

impl Default for Choices {
    fn default() -> Self {
        Self { card_acr: Acr::Eidas1, mobile_acr: Acr::Eidas1, auth_level: None }
    }
}

impl Choices {
    /// The `acr` that relying parties are told: what is configured for the means, and never more than was reached.
    pub fn acr(&self, session: &Session) -> &'static str {
        let told = match session.auth_mode {
            AuthMode::Card => self.card_acr,
            AuthMode::Mobile => self.mobile_acr,
        };
        told.min(session.acr).as_str()
    }
}

// 3. Scopes. `openid` is required; the others are echoed, unknown ones dropped; professional data comes with
//    `scope_all` only.

/// What `scopes_supported` lists and a grant may hold.
pub const SCOPES: [&str; 4] = ["openid", "profile", "scope_all", "identity"];
/// The scope that professional data comes with.
pub const SCOPE_OF_EVERYTHING: &str = "scope_all";

/// Whether a grant's scope gives professional data.
pub fn gives_professional_data(scope: &str) -> bool {
    scope.split(' ').any(|scope| scope == SCOPE_OF_EVERYTHING)
}

// 4. Client authentication.

/// What `token_endpoint_auth_methods_supported` lists.
pub const CLIENT_AUTHENTICATION: [&str; 2] = ["client_secret_basic", "client_secret_post"];

// 5. Tokens: names and order of members as PSC issues them. The audience of an ID token is a text, an access token has
//    none, and `nonce` is there even where it is empty.

/// What a token is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Who.
    pub subject: &'a Subject,
    /// The session.
    pub session: &'a Session,
    /// What was granted.
    pub grant: &'a Grant,
    /// The provider's choices.
    pub choices: &'a Choices,
    /// Now.
    pub issued_at: Time,
}

/// An ID token.
pub fn id_token(facts: &Facts<'_>, jti: String, at_hash: String, expires_at: Time) -> impl Serialize {
    #[derive(Serialize)]
    struct IdToken {
        exp: i64,
        iat: i64,
        auth_time: i64,
        jti: String,
        iss: String,
        aud: String,
        sub: String,
        typ: &'static str,
        azp: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        nonce: String,
        session_state: SessionId,
        at_hash: String,
        sid: SessionId,
        #[serde(rename = "authMode")]
        auth_mode: &'static str,
        acr: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        auth_level: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        #[serde(rename = "SubjectNameID")]
        subject_name_id: String,
        preferred_username: String,
        given_name: String,
        family_name: String,
    }
    let Facts { subject, session, grant, choices, .. } = facts;
    IdToken {
        exp: expires_at.timestamp(),
        iat: facts.issued_at.timestamp(),
        auth_time: session.auth_time.timestamp(),
        jti,
        iss: facts.issuer.to_owned(),
        aud: grant.client_id.clone(),
        sub: subject.sub.clone(),
        typ: ID_TOKEN_TYPE,
        azp: grant.client_id.clone(),
        nonce: grant.nonce.clone(),
        session_state: session.id,
        at_hash,
        sid: session.id,
        auth_mode: session.auth_mode.as_str(),
        acr: choices.acr(session),
        auth_level: choices.auth_level.clone(),
        scope: choices.auth_level.as_ref().map(|_| grant.scope.clone()),
        subject_name_id: subject.id_nat.clone(),
        preferred_username: subject.id_nat.clone(),
        given_name: subject.given_name.clone(),
        family_name: subject.family_name.clone(),
    }
}

/// The claim `typ` of an ID token.
pub const ID_TOKEN_TYPE: &str = "ID";
/// The claim `typ` of an access token.
pub const ACCESS_TOKEN_TYPE: &str = "Bearer";
/// The claim `typ` of a refresh token.
pub const REFRESH_TOKEN_TYPE: &str = "Refresh";

/// An access token. Introspection repeats it.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessToken {
    /// Until when it is good.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// When the person signed in.
    pub auth_time: i64,
    /// Its name, which finds its grant.
    pub jti: String,
    /// The issuer.
    pub iss: String,
    /// The person.
    pub sub: String,
    /// [`ACCESS_TOKEN_TYPE`].
    pub typ: String,
    /// The relying party.
    pub azp: String,
    /// Of the request; empty where there was none.
    pub nonce: String,
    /// The session.
    pub session_state: String,
    /// The level told.
    pub acr: String,
    /// What was granted.
    pub scope: String,
    /// The session again.
    pub sid: String,
    /// The means.
    #[serde(rename = "authMode")]
    pub auth_mode: String,
    /// National identifiers.
    #[serde(rename = "otherIds")]
    pub other_ids: Vec<OtherId>,
    /// The national identifier.
    #[serde(rename = "SubjectNameID")]
    pub subject_name_id: String,
    /// The national identifier again.
    pub preferred_username: String,
}

/// One national identifier, as it stands in `otherIds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherId {
    /// The identifier.
    pub identifiant: String,
    /// Where it comes from.
    pub origine: String,
    /// How well it is established.
    pub qualite: i64,
}

/// An access token.
pub fn access_token(facts: &Facts<'_>, jti: String, expires_at: Time) -> AccessToken {
    let Facts { subject, session, grant, choices, .. } = facts;
    AccessToken {
        exp: expires_at.timestamp(),
        iat: facts.issued_at.timestamp(),
        auth_time: session.auth_time.timestamp(),
        jti,
        iss: facts.issuer.to_owned(),
        sub: subject.sub.clone(),
        typ: ACCESS_TOKEN_TYPE.into(),
        azp: grant.client_id.clone(),
        nonce: grant.nonce.clone(),
        session_state: session.id.to_string(),
        acr: choices.acr(session).into(),
        scope: grant.scope.clone(),
        sid: session.id.to_string(),
        auth_mode: session.auth_mode.as_str().into(),
        other_ids: subject.other_ids.clone(),
        subject_name_id: subject.id_nat.clone(),
        preferred_username: subject.id_nat.clone(),
    }
}

/// A refresh token: opaque to relying parties in principle, but some read `nonce`, `session_state`, `sid`, `azp`,
/// `jti` and `typ` out of it.
#[derive(Debug, Serialize)]
pub struct RefreshToken {
    /// Until when it is good.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its name.
    pub jti: String,
    /// The issuer.
    pub iss: String,
    /// Whom it is for: ourselves.
    pub aud: String,
    /// The person.
    pub sub: String,
    /// [`REFRESH_TOKEN_TYPE`].
    pub typ: &'static str,
    /// The relying party.
    pub azp: String,
    /// Of the request; empty where there was none.
    pub nonce: String,
    /// The session.
    pub session_state: SessionId,
    /// What was granted.
    pub scope: String,
    /// The session again.
    pub sid: SessionId,
}

/// A refresh token.
pub fn refresh_token(facts: &Facts<'_>, jti: String, expires_at: Time) -> RefreshToken {
    let Facts { subject, session, grant, .. } = facts;
    RefreshToken {
        exp: expires_at.timestamp(),
        iat: facts.issued_at.timestamp(),
        jti,
        iss: facts.issuer.to_owned(),
        aud: facts.issuer.to_owned(),
        sub: subject.sub.clone(),
        typ: REFRESH_TOKEN_TYPE,
        azp: grant.client_id.clone(),
        nonce: grant.nonce.clone(),
        session_state: session.id,
        scope: grant.scope.clone(),
        sid: session.id,
    }
}

// 6. The token response. `refresh_expires_in`, `session_state` and `not-before-policy` are read as mandatory.

/// The answer of the token endpoint.
#[derive(Serialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// Its life in seconds.
    pub expires_in: i64,
    /// The life of the refresh token in seconds.
    pub refresh_expires_in: i64,
    /// The refresh token.
    pub refresh_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// The ID token.
    pub id_token: String,
    /// Always 0: tokens are not revoked by their date.
    #[serde(rename = "not-before-policy")]
    pub not_before_policy: i64,
    /// The session.
    pub session_state: SessionId,
    /// What was granted.
    pub scope: String,
}

// 7. Introspection: the access token with three members more.

/// An active access token, introspected.
#[derive(Debug, Serialize)]
pub struct Introspection<T> {
    /// The token's own members.
    #[serde(flatten)]
    pub token: T,
    /// The relying party.
    pub client_id: String,
    /// The national identifier.
    pub username: String,
    /// It is.
    pub active: bool,
}

// 8. Userinfo. Without `scope_all` a relying party gets who it is and nothing of the profession.

/// The userinfo of a grant: everything, or what PSC gives without `scope_all`.
pub fn userinfo(everything: Value, scope: &str) -> Value {
    const ALWAYS: [&str; 5] = ["sub", "preferred_username", "given_name", "SubjectNameID", "family_name"];
    match everything {
        Value::Object(members) if !gives_professional_data(scope) => {
            Value::Object(members.into_iter().filter(|(name, _)| ALWAYS.contains(&name.as_str())).collect())
        }
        everything => everything,
    }
}
