//! Protocol profiles: in what one relying party is served differently from another.
//!
//! A client is registered with one of four, and everything that tells them apart is asked of its [`Profile`]: the rules
//! that its requests are held to ([`Rules`]), and the shapes of what it is given. No handler has an `if` for a profile.

use serde_json::Value;

use super::authorize::OFFLINE;
use super::client::authentication::assertion::AssertionAudience;
use super::delegation;
use super::psc::{self, Choices};
use super::standard;
use super::subject::Subject;
use crate::clock::Time;
use crate::crypto::keys::Algorithm;
use crate::session::Session;
use crate::store::client::{AuthMethod, Client, ProfileName};
use crate::store::grant::Grant;

/// Whether PKCE is asked for (RFC 7636, RFC 9700 §2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkce {
    /// It is checked where it is used.
    Optional,
    /// Of public clients, which have nothing else.
    OfPublicClients,
    /// Of every client.
    Always,
}

impl Pkce {
    /// Whether this client must use it.
    pub fn is_required_of(self, client: &Client) -> bool {
        match self {
            Self::Optional => false,
            Self::OfPublicClients => client.metadata.is_public(),
            Self::Always => true,
        }
    }
}

/// What the level that a request asks for (`acr_values`) counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelRule {
    /// Nothing.
    Ignored,
    /// It is a wish (OpenID Connect Core §3.1.2.1), unless the claim is essential.
    Wished,
    /// Less is refused (RFC 9470 §5).
    Required,
}

/// What requests that reach people by another way than their browser (CIBA) are held to.
#[derive(Debug, Clone, Copy)]
pub struct BackchannelRules {
    /// How many digits the person types, at least and at most: never a bare "yes".
    pub digits: (usize, usize),
    /// Only signed requests are taken (FAPI-CIBA §5.2.2).
    pub signed_only: bool,
    /// The parameter `channel` says where the person is asked.
    pub channel: bool,
}

/// A part of the standards that relying parties of a profile may use. What is not in its list is ignored, as PSC does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// The parameter `claims` (OpenID Connect Core §5.5).
    Claims,
    /// `prompt=select_account` asks who is there.
    AccountChoice,
    /// People are asked for consent.
    Consent,
    /// `offline_access` (OpenID Connect Core §11).
    Offline,
    /// The parameter `resource` (RFC 8707).
    Resources,
    /// The parameter `authorization_details` (RFC 9396).
    Details,
}

/// The rules that the requests of a profile are held to.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Names that a parameter is known by besides its own.
    pub parameter_aliases: &'static [(&'static str, &'static str)],
    /// The scopes that exist.
    pub scopes: &'static [&'static str],
    /// Whether PKCE is asked for.
    pub pkce: Pkce,
    /// Only pushed requests are taken (RFC 9126).
    pub pushed_requests_only: bool,
    /// Only tokens that are bound to a key of the client are issued (RFC 8705, RFC 9449).
    pub bound_tokens_only: bool,
    /// How its clients may authenticate.
    pub auth_methods: &'static [AuthMethod],
    /// Who may be named in `aud` of an assertion by which they do.
    pub assertion_audience: AssertionAudience,
    /// What its clients may sign with.
    pub signing_algorithms: &'static [Algorithm],
    /// `session_state` goes with the code.
    pub session_state: bool,
    /// Native applications may listen on any port of their machine (RFC 8252 §7.3).
    pub loopback_ports: bool,
    /// Request objects say in their header that they are some (RFC 9101 §10.8).
    pub typed_request_objects: bool,
    /// What its tokens are signed by, where the client is registered with nothing else.
    pub signed_by: Algorithm,
    /// What the level that is asked for counts for.
    pub levels: LevelRule,
    /// What requests that reach people by another way than their browser (CIBA) are held to.
    pub backchannel: BackchannelRules,
    /// What else of the standards its clients may use.
    pub extensions: &'static [Extension],
    /// The only grants that its clients may have; none: any.
    pub only_grants: Option<&'static [&'static str]>,
    /// Its clients are providers of others that delegate their sign-in to us: nobody is passed on silently, and the means
    /// counts.
    pub delegation: bool,
}

impl Rules {
    /// Whether its clients may use this part of the standards.
    pub fn honours(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    /// Whether this client may use a grant: it is registered so, and its profile has it.
    pub fn let_use(&self, client: &Client, grant: &str) -> bool {
        client.metadata.may_use(grant) && self.only_grants.is_none_or(|only| only.contains(&grant))
    }
}

/// What tokens and userinfo are made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Who.
    pub subject: &'a Subject,
    /// The session.
    pub session: &'a Session,
    /// The client.
    pub client: &'a Client,
    /// What was granted.
    pub grant: &'a Grant,
    /// The provider's choices.
    pub choices: &'a Choices,
    /// The tenant of the installation, for providers that delegate to it.
    pub tenant: &'a str,
    /// Now.
    pub issued_at: Time,
}

/// What differs from one token to the next.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// Its name.
    pub jti: String,
    /// Until when it is good.
    pub expires_at: Time,
}

/// Tokens that were signed, on their way into the answer.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// Its life in seconds.
    pub expires_in: i64,
    /// `Bearer` or `DPoP`.
    pub token_type: &'static str,
    /// The refresh token, where there is one, and its life in seconds.
    pub refresh: Option<(String, i64)>,
    /// The ID token.
    pub id_token: String,
}

/// In what a relying party is served differently from another. Unless a profile says otherwise, what it is given has the
/// shape of the standards.
pub trait Profile: Sync {
    /// The rules that its requests are held to.
    fn rules(&self) -> &'static Rules;

    /// The claims of an ID token.
    fn id_token(&self, facts: &Facts<'_>, stamp: Stamp, at_hash: String) -> Value {
        standard::id_token(facts, stamp, at_hash)
    }

    /// The header `typ` of an access token.
    fn access_token_type(&self) -> &'static str {
        standard::ACCESS_TOKEN_TYPE
    }

    /// The claims of an access token.
    fn access_token(&self, facts: &Facts<'_>, stamp: Stamp) -> Value {
        standard::access_token(facts, stamp)
    }

    /// The claims of a refresh token.
    fn refresh_token(&self, facts: &Facts<'_>, stamp: Stamp) -> Value {
        standard::refresh_token(facts, stamp)
    }

    /// The answer of the token endpoint.
    fn response(&self, facts: &Facts<'_>, issued: Issued) -> Value {
        standard::response(facts, issued)
    }

    /// The claims of userinfo.
    fn userinfo(&self, facts: &Facts<'_>) -> Value {
        standard::userinfo(facts)
    }
}

/// Every scope of every profile, once.
pub fn scopes() -> Vec<&'static str> {
    let mut all: Vec<&'static str> = psc::SCOPES.to_vec();
    all.extend(standard::SCOPES.iter().filter(|scope| !psc::SCOPES.contains(scope)));
    all.push(OFFLINE);
    all
}

/// The profile that a client is registered with.
pub fn of(client: &Client) -> &'static dyn Profile {
    named(client.profile)
}

/// The profile of that name.
pub fn named(name: ProfileName) -> &'static dyn Profile {
    match name {
        ProfileName::Psc => &psc::Psc,
        ProfileName::Standard => &standard::Standard,
        ProfileName::Fapi2 => &standard::Fapi2,
        ProfileName::PscDelegation => &delegation::PscDelegation,
    }
}
