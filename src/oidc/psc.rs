//! The profile of Pro Santé Connect: everything in which a relying party that was written for it can tell one provider
//! from another, in one place. Handlers ask the [`Profile`] and hold no rule of PSC themselves.
//!
//! What is here was observed on PSC's platforms (`docs/psc.md` says where and when). Where PSC differs between years or
//! platforms, the value that the strictest relying parties accept is the default and the other is a [`Choices`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::authentication::assertion::AssertionAudience;
use super::profile::{BackchannelRules, Facts, Issued, LevelRule, Pkce, Profile, Rules, Stamp};
use crate::crypto::keys::Algorithm;
use crate::ids::SessionId;
use crate::session::{Acr, AuthMode, Evidence, Names, Session};
use crate::store::client::AuthMethod;

// 1. Addresses: the layout of PSC's realm, below the issuer. The authorization endpoint has two: the one of PSC's front
//    host stands in `wallet-openid-configuration`, the native one in `openid-configuration`. `/auth/` is called too.

/// Below the issuer: the discovery document that relying parties of PSC read.
pub const WALLET_DISCOVERY: &str = "/.well-known/wallet-openid-configuration";
/// Below the issuer: the discovery document of the standard.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Below the issuer: authorization.
pub const AUTHORIZATION: &str = "/protocol/openid-connect/auth";
/// Below the issuer: pushed authorization requests.
pub const PUSHED: &str = "/protocol/openid-connect/ext/par/request";
/// Below the issuer: questions to people on their phone or at their card (CIBA).
pub const BACKCHANNEL: &str = "/protocol/openid-connect/ext/ciba/auth";
/// Below the issuer: tokens.
pub const TOKEN: &str = "/protocol/openid-connect/token";
/// Below the issuer: introspection.
pub const INTROSPECTION: &str = "/protocol/openid-connect/token/introspect";
/// Below the issuer: revocation.
pub const REVOCATION: &str = "/protocol/openid-connect/revoke";
/// Below the issuer: userinfo.
pub const USERINFO: &str = "/protocol/openid-connect/userinfo";
/// Below the issuer: logout started by a relying party.
pub const LOGOUT: &str = "/protocol/openid-connect/logout";
/// Below the issuer: public keys.
pub const JWKS: &str = "/protocol/openid-connect/certs";
/// Below the issuer: registration of clients by themselves, where it is on.
pub const REGISTRATION: &str = "/clients-registrations/openid-connect";
/// Where relying parties authenticate.
pub const AUTHENTICATED: [&str; 5] = [TOKEN, INTROSPECTION, PUSHED, BACKCHANNEL, REVOCATION];
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
    /// The `acr` told after a security key.
    pub key_acr: Acr,
    /// `auth_level` and `scope` in the ID token, as PSC added them in 2026; absent where none.
    pub auth_level: Option<String>,
}

impl Default for Choices {
    fn default() -> Self {
        Self { card_acr: Acr::Eidas1, mobile_acr: Acr::Eidas1, key_acr: Acr::Eidas1, auth_level: None }
    }
}

impl Choices {
    /// The `acr` that a relying party is told: what is configured for the means, and never more than was reached, by its name
    /// for it. Empty where a sandbox plays the time in which PSC told none.
    pub fn acr<'a>(&self, session: &Session, names: &'a Names) -> &'a str {
        if matches!(session.evidence, Evidence::Sandbox { acr_untold: true, .. }) {
            return "";
        }
        let told = match session.auth_mode {
            AuthMode::Card => self.card_acr,
            AuthMode::Mobile => self.mobile_acr,
            AuthMode::Fido => self.key_acr,
        };
        names.of_acr(told.min(session.acr))
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

// 4. The rules. PKCE is checked where it is used; PSC's own documents offer secrets and certificates.

/// The rules of PSC.
pub const RULES: Rules = Rules {
    parameter_aliases: &PARAMETER_ALIASES,
    scopes: &SCOPES,
    pkce: Pkce::Optional,
    pushed_requests_only: false,
    bound_tokens_only: false,
    auth_methods: &[
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::PrivateKeyJwt,
        AuthMethod::TlsClientAuth,
    ],
    assertion_audience: AssertionAudience::IssuerOrEndpoint,
    signing_algorithms: &Algorithm::ALL,
    session_state: true,
    loopback_ports: false,
    typed_request_objects: false,
    signed_by: Algorithm::Rs256,
    levels: LevelRule::Ignored,
    // Two digits, and a parameter of its own that says where the person is asked.
    backchannel: BackchannelRules { digits: (2, 2), signed_only: false, channel: true },
    extensions: &[],
    only_grants: None,
    delegation: false,
};

/// The profile of Pro Santé Connect.
#[derive(Debug)]
pub struct Psc;

impl Profile for Psc {
    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn id_token(&self, facts: &Facts<'_>, stamp: Stamp, at_hash: String) -> Value {
        as_value(id_token(facts, stamp, at_hash))
    }

    fn access_token_type(&self) -> &'static str {
        "JWT"
    }

    fn access_token(&self, facts: &Facts<'_>, stamp: Stamp) -> Value {
        as_value(access_token(facts, stamp))
    }

    fn refresh_token(&self, facts: &Facts<'_>, stamp: Stamp) -> Value {
        as_value(refresh_token(facts, stamp))
    }

    fn response(&self, facts: &Facts<'_>, issued: Issued) -> Value {
        as_value(response(facts, issued))
    }

    fn userinfo(&self, facts: &Facts<'_>) -> Value {
        userinfo(as_value(facts.subject.userinfo(facts.session)), &facts.grant.scope)
    }
}

/// Structs of texts and numbers have no way to fail.
fn as_value(members: impl Serialize) -> Value {
    serde_json::to_value(members).unwrap_or_default()
}

// 5. Tokens: names and order of members as PSC issues them. The audience of an ID token is a text, an access token has
//    none, and `nonce` is there even where it is empty.

/// An ID token.
fn id_token(facts: &Facts<'_>, stamp: Stamp, at_hash: String) -> impl Serialize {
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
        #[serde(skip_serializing_if = "String::is_empty")]
        acr: String,
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
    let Facts { subject, session, grant, choices, client, .. } = facts;
    IdToken {
        exp: stamp.expires_at.timestamp(),
        iat: facts.issued_at.timestamp(),
        auth_time: session.auth_time.timestamp(),
        jti: stamp.jti,
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
        acr: choices.acr(session, &client.names).to_owned(),
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
#[derive(Debug, Serialize)]
struct AccessToken {
    exp: i64,
    iat: i64,
    auth_time: i64,
    jti: String,
    iss: String,
    sub: String,
    typ: String,
    azp: String,
    nonce: String,
    session_state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    acr: String,
    scope: String,
    sid: String,
    #[serde(rename = "authMode")]
    auth_mode: String,
    #[serde(rename = "otherIds")]
    other_ids: Vec<OtherId>,
    #[serde(rename = "SubjectNameID")]
    subject_name_id: String,
    preferred_username: String,
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
fn access_token(facts: &Facts<'_>, stamp: Stamp) -> AccessToken {
    let Facts { subject, session, grant, choices, client, .. } = facts;
    AccessToken {
        exp: stamp.expires_at.timestamp(),
        iat: facts.issued_at.timestamp(),
        auth_time: session.auth_time.timestamp(),
        jti: stamp.jti,
        iss: facts.issuer.to_owned(),
        sub: subject.sub.clone(),
        typ: ACCESS_TOKEN_TYPE.into(),
        azp: grant.client_id.clone(),
        nonce: grant.nonce.clone(),
        session_state: session.id.to_string(),
        acr: choices.acr(session, &client.names).into(),
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
struct RefreshToken {
    exp: i64,
    iat: i64,
    jti: String,
    iss: String,
    aud: String,
    sub: String,
    typ: &'static str,
    azp: String,
    nonce: String,
    session_state: SessionId,
    scope: String,
    sid: SessionId,
}

/// A refresh token.
fn refresh_token(facts: &Facts<'_>, stamp: Stamp) -> RefreshToken {
    let Facts { subject, session, grant, .. } = facts;
    RefreshToken {
        exp: stamp.expires_at.timestamp(),
        iat: facts.issued_at.timestamp(),
        jti: stamp.jti,
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
struct TokenResponse {
    access_token: String,
    expires_in: i64,
    refresh_expires_in: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    refresh_token: String,
    token_type: &'static str,
    id_token: String,
    /// Always 0: tokens are not revoked by their date.
    #[serde(rename = "not-before-policy")]
    not_before_policy: i64,
    session_state: SessionId,
    scope: String,
}

fn response(facts: &Facts<'_>, issued: Issued) -> TokenResponse {
    let (refresh_token, refresh_expires_in) = issued.refresh.unwrap_or_default();
    TokenResponse {
        access_token: issued.access_token,
        expires_in: issued.expires_in,
        refresh_expires_in,
        refresh_token,
        token_type: issued.token_type,
        id_token: issued.id_token,
        not_before_policy: 0,
        session_state: facts.session.id,
        scope: facts.grant.scope.clone(),
    }
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
fn userinfo(everything: Value, scope: &str) -> Value {
    const ALWAYS: [&str; 5] = ["sub", "preferred_username", "given_name", "SubjectNameID", "family_name"];
    match everything {
        Value::Object(members) if !gives_professional_data(scope) => {
            Value::Object(members.into_iter().filter(|(name, _)| ALWAYS.contains(&name.as_str())).collect())
        }
        everything => everything,
    }
}
