//! What an installation decides of its OpenID Provider.

use chrono::TimeDelta;
use url::Url;
use uuid::Uuid;

use super::psc;
use crate::session::{Acr, LONGEST_DELEGATION, Policies, Session, SessionPolicy};
use crate::store::client::Client;

/// What an installation decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who issues the tokens.
    pub issuer: Issuer,
    /// The origin of the pages; its path is `/`.
    pub front_url: Url,
    /// The middle of every `sub`.
    pub namespace: Uuid,
    /// Whether redirect addresses may end with `*`, as in PSC's sandbox. Never in production.
    pub sandbox: bool,
    /// How long sessions are good for, and what the card's leaving does.
    pub policies: Policies,
    /// How long codes and tokens are good for.
    pub lifetimes: Lifetimes,
    /// The highest level that a means of identification can prove here.
    pub highest_level: Acr,
    /// Where PSC's own answers differ.
    pub choices: psc::Choices,
    /// Whether clients may register themselves, with an initial access token (RFC 7591).
    pub registration: bool,
    /// What providers that delegate to us are told.
    pub delegation: DelegationSettings,
}

/// What providers that delegate to us are told, where a client's own terms say nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationSettings {
    /// The tenant: this establishment.
    pub tenant: String,
    /// How old the sign-in may be.
    pub max_age: TimeDelta,
}

/// For installations that are made up: a real one has a tenant of its own.
impl Default for DelegationSettings {
    fn default() -> Self {
        Self { tenant: "tenant".to_owned(), max_age: LONGEST_DELEGATION }
    }
}

/// How long codes and tokens are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Authorization code. At most a minute: it stands in addresses.
    pub code: TimeDelta,
    /// Access and ID token.
    pub access_token: TimeDelta,
    /// Refresh token.
    pub refresh_token: TimeDelta,
    /// From the consent to the end of what a client may do without the person (`offline_access`).
    pub offline_access: TimeDelta,
    /// For how long a refresh token that was used is answered again.
    pub refresh_grace: TimeDelta,
    /// An access token that is given for another one (RFC 8693).
    pub exchanged_token: TimeDelta,
    /// From the sign-in page to its end.
    pub login_transaction: TimeDelta,
    /// From a pushed request to the browser that brings its handle.
    pub pushed_request: TimeDelta,
    /// How long a client leaves between two looks for the answer of whom it asked (CIBA), at first.
    pub backchannel_interval: TimeDelta,
    /// For how long such a look is held until there is an answer. Short enough for every client's patience.
    pub backchannel_hold: TimeDelta,
}

impl Default for Lifetimes {
    /// Those of PSC.
    fn default() -> Self {
        Self {
            code: TimeDelta::seconds(60),
            access_token: TimeDelta::seconds(120),
            refresh_token: TimeDelta::minutes(30),
            offline_access: TimeDelta::days(30),
            refresh_grace: TimeDelta::seconds(10),
            exchanged_token: TimeDelta::seconds(120),
            login_transaction: TimeDelta::minutes(10),
            pushed_request: TimeDelta::seconds(90),
            backchannel_interval: TimeDelta::seconds(2),
            backchannel_hold: TimeDelta::seconds(5),
        }
    }
}

/// The issuer, byte for byte as relying parties compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// From its address; a slash at the end is dropped.
    pub fn new(url: Url) -> Self {
        Self { text: url.as_str().trim_end_matches('/').to_owned(), url }
    }

    /// The value of `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path that its endpoints stand below; empty where it has none.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The address of something below it.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Host and port, as a request names them.
    pub fn authority(&self) -> &str {
        let rest = self.text.split_once("://").map_or(self.text.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> url::Origin {
        self.url.origin()
    }
}

impl Settings {
    /// The rules for a session, as one relying party sees it.
    pub fn policy(&self, session: &Session, client: &Client) -> SessionPolicy {
        self.policies.at(&session.station()).tightened(&client.demands())
    }

    /// The address of something on the front host.
    pub fn front_address(&self, path: &str) -> String {
        format!("{}{path}", self.front_url.origin().ascii_serialization())
    }

    /// Whether the issuer has a host of its own, which shows no page.
    pub fn issuer_stands_apart(&self) -> bool {
        self.issuer.origin() != self.front_url.origin()
    }
}
