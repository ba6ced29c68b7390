//! The table of checks: what a request goes through, in this order, and at which endpoints.
//!
//! The order matters: until `redirect_uri` has passed, the answer is a page, because there is no address to trust.
//! Each check reads the parameters, refuses or fills its part of the request, and stands in a file of its own.

use serde::{Deserialize, Serialize};

use super::answer::Address;
use super::check;
use super::error::AuthorizationError;
use super::request::AuthorizationRequest;
use crate::oidc::Settings;
use crate::oidc::parameters::Parameters;
use crate::oidc::profile::{self, Extension, Rules};
use crate::store::client::Client;

/// An endpoint whose requests go through the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// By the browser.
    Authorization,
    /// By the relying party itself, beforehand (RFC 9126).
    Pushed,
}

use Endpoint::{Authorization, Pushed};

/// Both.
const EVERYWHERE: &[Endpoint] = &[Authorization, Pushed];

/// A check: its name, what it does, and the endpoints whose requests go through it.
type Check = (&'static str, fn(&mut Draft<'_>) -> Result<(), AuthorizationError>, &'static [Endpoint]);

/// The table.
const CHECKS: [Check; 22] = [
    ("client_id", check::client::check, EVERYWHERE),
    ("redirect_uri", check::redirect_uri::check, EVERYWHERE),
    // From here on an error is told to the relying party.
    ("state", check::state::check, EVERYWHERE),
    ("response_mode", check::response_mode::check, EVERYWHERE),
    ("duplicates", check::duplicates::check, EVERYWHERE),
    ("length", check::length::check, EVERYWHERE),
    ("characters", check::characters::check, EVERYWHERE),
    ("pushed", check::pushed::check, &[Authorization]),
    ("signed", check::signed::check, EVERYWHERE),
    ("unsupported", check::unsupported::check, EVERYWHERE),
    ("response_type", check::response_type::check, EVERYWHERE),
    ("scope", check::scope::check, EVERYWHERE),
    ("prompt", check::prompt::check, EVERYWHERE),
    ("max_age", check::max_age::check, EVERYWHERE),
    // Before the levels: the claim acr is one way to ask for them.
    ("claims", check::claims::check, EVERYWHERE),
    ("acr_values", check::acr_values::check, EVERYWHERE),
    ("nonce", check::nonce::check, EVERYWHERE),
    ("pkce", check::pkce::check, EVERYWHERE),
    ("dpop_jkt", check::dpop::check, EVERYWHERE),
    ("resource", check::resource::check, EVERYWHERE),
    ("authorization_details", check::details::check, EVERYWHERE),
    ("hints", check::hints::check, EVERYWHERE),
];

/// How a request came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its relying party pushed it (RFC 9126), and was authenticated then.
    pub pushed: bool,
    /// Its relying party signed it (RFC 9101).
    #[serde(default)]
    pub signed: bool,
}

/// A request on its way through the table.
pub struct Draft<'a> {
    /// What was sent.
    pub parameters: &'a Parameters,
    /// How it came.
    pub sent: Sent,
    /// The client of that `client_id`, if there is one.
    pub client: Option<&'a Client>,
    /// What the installation decides.
    pub settings: &'a Settings,
    /// What passed so far.
    pub request: AuthorizationRequest,
}

impl Draft<'_> {
    /// The rules of the client's profile, once the client is known.
    pub fn rules(&self) -> Option<&'static Rules> {
        self.client.map(|client| profile::of(client).rules())
    }

    /// Whether the client may use this part of the standards.
    pub fn honours(&self, extension: Extension) -> bool {
        self.rules().is_some_and(|rules| rules.honours(extension))
    }

    /// The value of a parameter by its name, or by another that the profile knows it by.
    pub fn value(&self, name: &str) -> Option<&str> {
        let aliases = self.rules().map_or(&[][..], |rules| rules.parameter_aliases);
        let alias = aliases.iter().find(|(_, own)| *own == name).map(|(alias, _)| *alias);
        self.parameters.first(name).or_else(|| alias.and_then(|alias| self.parameters.first(alias)))
    }
}

/// A refusal, and where it may be told.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: AuthorizationError,
    /// The client's address, once it is known to be the client's.
    pub address: Option<Address>,
}

/// Where a refusal may be told of a request that did not get as far as the table: by what stands beside a request object
/// that is refused, if it is an address of the client's.
pub fn address(parameters: &Parameters, client: &Client, settings: &Settings) -> Option<Address> {
    let request = AuthorizationRequest::default();
    let mut draft = Draft { parameters, sent: Sent::default(), client: Some(client), settings, request };
    let of_the_address = [check::client::check, check::redirect_uri::check, check::state::check];
    of_the_address.iter().try_for_each(|check| check(&mut draft)).ok()?;
    // One that does not exist is not followed.
    let _by_the_default_way = check::response_mode::check(&mut draft);
    Some(Address::of(&draft.request, client))
}

/// Sends a request of an endpoint through the table.
///
/// # Errors
/// The first refusal.
pub fn run(
    endpoint: Endpoint,
    parameters: &Parameters,
    sent: Sent,
    client: Option<&Client>,
    settings: &Settings,
) -> Result<AuthorizationRequest, Box<Refused>> {
    let request = AuthorizationRequest::default();
    let mut draft = Draft { parameters, sent, client, settings, request };
    for (name, check, endpoints) in CHECKS {
        if !endpoints.contains(&endpoint) {
            continue;
        }
        if let Err(error) = check(&mut draft) {
            tracing::debug!(check = name, %error, "refused");
            let known = client.filter(|_| !draft.request.redirect_uri.is_empty());
            let address = known.map(|client| Address::of(&draft.request, client));
            return Err(Box::new(Refused { error, address }));
        }
    }
    Ok(draft.request)
}
