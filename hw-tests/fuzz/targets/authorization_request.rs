//! What a browser or a relying party may send to the authorization endpoint, for a client that may use everything. What
//! passes is the client's, whatever stood around it; kept and read again it is the same.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sceau::oidc::authorize::request::AuthorizationRequest;
use sceau::oidc::{Issuer, Lifetimes, Settings, authorize, psc};
use sceau::session::{Acr, Names, Policies};
use sceau::store::client::{Audience, Client, Metadata, ProfileName};

const REDIRECT: &str = "https://rp.example/cb";
const RESOURCE: &str = "https://api.example/";

static CLIENT: LazyLock<Client> = LazyLock::new(|| Client {
    id: "rp".into(),
    name: "Service".into(),
    profile: ProfileName::Standard,
    secret_hash: None,
    previous_secret_hash: None,
    previous_secret_until: None,
    redirect_uris: vec![REDIRECT.into(), "http://127.0.0.1/cb".into()],
    post_logout_redirect_uris: Vec::new(),
    backchannel_logout_uri: None,
    audience: Audience::Affiliated,
    may_introspect: false,
    created_at: chrono::DateTime::UNIX_EPOCH,
    updated_at: chrono::DateTime::UNIX_EPOCH,
    disabled_at: None,
    card_out: None,
    session_idle: None,
    session_lifetime: None,
    zones: Vec::new(),
    metadata: Metadata {
        application_type: Some("native".into()),
        scope: Some("openid profile scope_all offline_access".into()),
        resources: vec![RESOURCE.into()],
        authorization_details_types: vec!["t".into()],
        ..Metadata::default()
    },
    accepts_badge: false,
    self_registered: false,
    registration_token_hash: None,
    card_workstations: Default::default(),
    delegation: Default::default(),
    names: Names::default(),
});

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let address = url::Url::parse("https://op.example/");
    let Ok(address) = address else { unreachable!("a constant") };
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
});

fuzz_target!(|input: &[u8]| {
    let Some(kept) = authorize::try_request(input, &CLIENT, &SETTINGS) else { return };
    let Ok(request) = serde_json::from_value::<AuthorizationRequest>(kept.clone()) else {
        panic!("what was kept cannot be read")
    };
    assert_eq!(request.to_json(), kept);
    let on_this_machine = request.redirect_uri.strip_prefix("http://127.0.0.1").is_some_and(|rest| {
        let port = rest.strip_suffix("/cb").map(|port| port.trim_start_matches(':'));
        port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    });
    assert!(request.redirect_uri == REDIRECT || on_this_machine, "{}", request.redirect_uri);
    assert_eq!(request.client_id, "rp");
    assert!(request.scope.split(' ').any(|scope| scope == "openid"));
    assert!(request.resources.iter().all(|resource| resource == RESOURCE));
    assert!(request.authorization_details.iter().all(|detail| detail.get("type") == Some(&"t".into())));
});
