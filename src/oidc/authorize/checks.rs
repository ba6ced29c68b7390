//! The table of checks: what a request goes through, in this order, and at which endpoints.
//!
//! The order matters: until `redirect_uri` has passed, the answer is a page, because there is no address to trust.
//! Each check reads the parameters, refuses or fills its part of the request, and stands in a file of its own.

use serde::{Deserialize, Serialize};

use super::answer::Address;
use super::check;
use super::check::duplicates::{KNOWN, REPEATED};
use super::error::AuthorizationError;
use super::request::AuthorizationRequest;
use crate::oidc::Settings;
use crate::oidc::ciba::check as backchannel;
use crate::oidc::ciba::check::Question;
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
    /// By the relying party itself, for somebody who is at none of its pages (CIBA).
    Backchannel,
}

use Endpoint::{Authorization, Backchannel, Pushed};

impl Endpoint {
    /// The parameters that some check reads, each at most once. Others are ignored, however often they come.
    pub fn known(self) -> &'static [&'static str] {
        match self {
            Authorization | Pushed => &KNOWN,
            Backchannel => &backchannel::KNOWN,
        }
    }
}

/// All of them.
const EVERYWHERE: &[Endpoint] = &[Authorization, Pushed, Backchannel];
/// Where the answer travels through a browser.
const BROWSER: &[Endpoint] = &[Authorization, Pushed];
/// Where no browser is.
const NO_BROWSER: &[Endpoint] = &[Backchannel];

/// A check: its name, what it does, and the endpoints whose requests go through it.
type Check = (&'static str, fn(&mut Draft<'_>) -> Result<(), AuthorizationError>, &'static [Endpoint]);

/// The table.
const CHECKS: [Check; 31] = [
    ("client_id", check::client::check, EVERYWHERE),
    ("redirect_uri", check::redirect_uri::check, BROWSER),
    // From here on an error is told to the relying party.
    ("state", check::state::check, BROWSER),
    ("response_mode", check::response_mode::check, BROWSER),
    ("duplicates", check::duplicates::check, EVERYWHERE),
    ("length", check::length::check, EVERYWHERE),
    ("characters", check::characters::check, EVERYWHERE),
    ("grant_types", check::grant_types::check, BROWSER),
    ("ciba", backchannel::client, NO_BROWSER),
    ("pushed", check::pushed::check, &[Authorization]),
    ("signed", check::signed::check, EVERYWHERE),
    ("unsupported", check::unsupported::check, EVERYWHERE),
    ("response_type", check::response_type::check, BROWSER),
    ("scope", check::scope::check, EVERYWHERE),
    ("prompt", check::prompt::check, BROWSER),
    ("delegation", check::delegation::check, BROWSER),
    ("max_age", check::max_age::check, BROWSER),
    // Before the levels: the claim acr is one way to ask for them.
    ("claims", check::claims::check, BROWSER),
    ("acr_values", check::acr_values::check, EVERYWHERE),
    ("nonce", check::nonce::check, BROWSER),
    ("pkce", check::pkce::check, BROWSER),
    ("dpop_jkt", check::dpop::check, BROWSER),
    ("resource", check::resource::check, EVERYWHERE),
    ("authorization_details", check::details::check, BROWSER),
    ("hints", check::hints::check, BROWSER),
    ("hint", backchannel::hint, NO_BROWSER),
    ("binding_message", backchannel::binding_message, NO_BROWSER),
    ("user_code", backchannel::user_code, NO_BROWSER),
    ("requested_expiry", backchannel::requested_expiry, NO_BROWSER),
    ("channel", backchannel::channel, NO_BROWSER),
    ("client_notification_token", backchannel::notification_token, NO_BROWSER),
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
    /// Where it goes.
    pub endpoint: Endpoint,
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
    /// What passed so far of what is asked where no browser is.
    pub question: Question,
}

impl<'a> Draft<'a> {
    fn new(
        endpoint: Endpoint,
        parameters: &'a Parameters,
        sent: Sent,
        client: Option<&'a Client>,
        settings: &'a Settings,
    ) -> Self {
        let (request, question) = (AuthorizationRequest::default(), Question::default());
        Self { endpoint, parameters, sent, client, settings, request, question }
    }

    /// Every parameter that some check reads.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.endpoint.known().iter().chain(&REPEATED).copied()
    }

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
    let mut draft = Draft::new(Authorization, parameters, Sent::default(), Some(client), settings);
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
    pass(Draft::new(endpoint, parameters, sent, client, settings)).map(|draft| draft.request)
}

/// Sends a request for somebody who is at no browser through the table.
///
/// # Errors
/// The first refusal.
pub(in crate::oidc) fn run_backchannel(
    parameters: &Parameters,
    sent: Sent,
    client: &Client,
    settings: &Settings,
) -> Result<(AuthorizationRequest, Question), AuthorizationError> {
    let passed = pass(Draft::new(Backchannel, parameters, sent, Some(client), settings));
    passed.map(|draft| (draft.request, draft.question)).map_err(|refused| refused.error)
}

fn pass(mut draft: Draft<'_>) -> Result<Draft<'_>, Box<Refused>> {
    for (name, check, endpoints) in CHECKS {
        if !endpoints.contains(&draft.endpoint) {
            continue;
        }
        if let Err(error) = check(&mut draft) {
            tracing::debug!(check = name, %error, "refused");
            let known = draft.client.filter(|_| !draft.request.redirect_uri.is_empty());
            let address = known.map(|client| Address::of(&draft.request, client));
            return Err(Box::new(Refused { error, address }));
        }
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::try_request;
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::oidc::{Issuer, Lifetimes, psc};
    use crate::session::{Acr, Names, Policies};
    use crate::store::client::{Audience, Metadata, ProfileName};

    const REDIRECT: &str = "https://rp.example/cb";
    const RESOURCE: &str = "https://api.example/";

    /// A client that may use everything.
    fn client() -> Client {
        let now = MockClock::default().now();
        Client {
            id: "rp".into(),
            name: "Service".into(),
            profile: ProfileName::Standard,
            secret_hash: None,
            previous_secret_hash: None,
            previous_secret_until: None,
            redirect_uris: vec![REDIRECT.into()],
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            audience: Audience::Affiliated,
            may_introspect: false,
            created_at: now,
            updated_at: now,
            disabled_at: None,
            card_out: None,
            session_idle: None,
            session_lifetime: None,
            zones: Vec::new(),
            metadata: Metadata {
                scope: Some("openid profile scope_all offline_access".into()),
                resources: vec![RESOURCE.into()],
                authorization_details_types: vec!["t".into()],
                ..Metadata::default()
            },
            accepts_badge: false,
            card_workstations: Default::default(),
            delegation: Default::default(),
            names: Names::default(),
            self_registered: false,
            registration_token_hash: None,
        }
    }

    fn settings() -> Settings {
        let address = url::Url::parse("https://op.example/").unwrap();
        Settings {
            issuer: Issuer::new(address.clone()),
            front_url: address,
            namespace: uuid::Uuid::nil(),
            sandbox: false,
            policies: Policies::default(),
            lifetimes: Lifetimes::default(),
            highest_level: Acr::Eidas3,
            choices: psc::Choices::default(),
            registration: false,
            delegation: Default::default(),
        }
    }

    /// A good request with parameters more, made up of what stands in requests and of anything.
    fn requests() -> impl Strategy<Value = String> {
        let names: Vec<&str> = KNOWN.iter().chain(&REPEATED).copied().collect();
        let values = prop_oneof![
            Just(REDIRECT.to_owned()),
            Just(RESOURCE.to_owned()),
            Just("openid offline_access".to_owned()),
            Just("none login consent".to_owned()),
            Just(r#"{"id_token":{"acr":{"essential":true,"values":["eidas3"]}}}"#.to_owned()),
            Just(r#"[{"type":"t","actions":["x"]}]"#.to_owned()),
            Just("form_post.jwt".to_owned()),
            "[ -~]{0,40}",
            any::<String>(),
        ];
        let more = proptest::collection::vec((proptest::sample::select(names), values), 0..8);
        more.prop_map(|more| {
            let good = [
                ("response_type", "code"),
                ("client_id", "rp"),
                ("redirect_uri", REDIRECT),
                ("scope", "openid"),
            ];
            let left = good.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(left).extend_pairs(&more).finish()
        })
    }

    proptest! {
        /// What passes is the client's, whatever stood around it; kept and read again it is the same.
        #[test]
        fn what_passes_is_the_clients_whatever_stood_around_it(encoded in requests()) {
            if let Some(kept) = try_request(encoded.as_bytes(), &client(), &settings()) {
                let request: AuthorizationRequest = serde_json::from_value(kept.clone()).unwrap();
                prop_assert_eq!(request.to_json(), kept);
                prop_assert_eq!(&request.client_id, "rp");
                prop_assert_eq!(&request.redirect_uri, REDIRECT);
                prop_assert!(request.scope.split(' ').any(|scope| scope == "openid"));
                prop_assert!(request.resources.iter().all(|resource| resource == RESOURCE));
                let of_type = |detail: &serde_json::Value| detail["type"] == "t";
                prop_assert!(request.authorization_details.iter().all(of_type));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(encoded in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _request = try_request(&encoded, &client(), &settings());
        }
    }
}
