//! The demonstration services against the real provider, and the attacks that a careful service withstands.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use http::StatusCode;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::http::{Answer, Call};
use super::spec::stand::{self, DOCTOR, SignedIn, Stand};
use crate::clock::{Clock as _, SystemClock};
use crate::config;
use crate::crypto::digest::sha256;
use crate::crypto::random::SystemRandom;
use crate::ids::Secret;
use crate::oidc::Issuer;
use crate::oidc::logout::backchannel;
use crate::oidc::outbound::Outbound;
use crate::sandbox::Service;
use crate::sandbox::relying_party::RelyingParty;
use crate::session::EndReason;
use crate::store;
use crate::store::client::NewClient;
use crate::web::serve::{Listener, Patience, Transport};

/// The provider and one service, each on a port of its own.
struct Scene {
    stand: Stand,
    service: Service,
    provider: std::net::SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

/// What a browser keeps for the service.
#[derive(Default)]
struct Browser(BTreeMap<String, String>);

impl Scene {
    async fn new() -> Self {
        let stop = CancellationToken::new();
        let (provider, for_service) = (listen().await, listen().await);
        let address = provider.address();
        let stand = Stand::with(|settings| {
            let origin = format!("http://{address}");
            settings.issuer = Issuer::new(Url::parse(&format!("{origin}{}", stand::REALM)).unwrap());
            settings.front_url = Url::parse(&origin).unwrap();
        })
        .await;
        // The service lives in the real time.
        stand.clock.advance(SystemClock.now() - stand.clock.now());
        let service = Service { name: "Essai", client_id: "demo", port: for_service.address().port() };
        let secret = Secret::of_256_bits(&SystemRandom);
        let client = NewClient {
            secret_hash: Some(sha256(secret.expose().as_bytes())),
            redirect_uris: vec![service.redirect_uri()],
            post_logout_redirect_uris: vec![service.post_logout_redirect_uri()],
            backchannel_logout_uri: Some(service.backchannel_logout_uri()),
            ..stand::new_client(service.client_id)
        };
        stand.add_client(&client).await;
        let issuer = Url::parse(stand.provider.settings().issuer.as_str()).unwrap();
        let party = RelyingParty::new(service, issuer, secret, Arc::new(SystemClock), Arc::new(SystemRandom));
        serve(provider, stand.router.clone(), &stop);
        serve(for_service, party.router(), &stop);
        Self { stand, service, provider: address, _stop: stop.drop_guard() }
    }

    /// A link of the service, in `browser`.
    async fn open(&self, path: &str, browser: &mut Browser) -> Answer {
        let cookies: Vec<_> = browser.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let address = ([127, 0, 0, 1], self.service.port).into();
        let call = Call::get(path, &format!("127.0.0.1:{}", self.service.port));
        let answer = call.with("cookie", &cookies.join("; ")).send(address).await;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                browser.0.remove(name);
            } else {
                browser.0.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Leads `browser` to the provider, where `person` is signed in, and yields the address that it is sent back to.
    async fn answer_for(&self, browser: &mut Browser, person: &SignedIn) -> String {
        let started = self.open("/sign-in", browser).await;
        assert_eq!(started.status, 303, "{}", started.body);
        let target = path_of(&location(&started));
        let call = Call::get(&target, &self.provider.to_string()).with("cookie", &person.cookie);
        path_of(&location(&call.send(self.provider).await))
    }
}

async fn listen() -> Listener {
    Listener::bind(([127, 0, 0, 1], 0).into(), Transport::Plain { behind_proxy: false }).await.unwrap()
}

fn serve(listener: Listener, router: Router, stop: &CancellationToken) {
    let stop = stop.clone();
    tokio::spawn(async move { listener.serve(router, Patience::default(), stop).await });
}

fn location(answer: &Answer) -> String {
    let found = answer.headers.iter().find(|(name, _)| name == "location");
    found.unwrap_or_else(|| panic!("no redirect: {} {}", answer.status, answer.body)).1.clone()
}

fn path_of(address: &str) -> String {
    let url = Url::parse(address).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_shows_who_signed_in_and_forgets_them_when_the_provider_says_so() {
    let scene = Scene::new().await;
    let (mut browser, doctor) = (Browser::default(), scene.stand.sign_in().await);
    assert!(!scene.open("/", &mut browser).await.body.contains("DOC0042788"));
    let back = scene.answer_for(&mut browser, &doctor).await;
    assert_eq!(location(&scene.open(&back, &mut browser).await), "/");
    let page = scene.open("/", &mut browser).await.body;
    for shown in
        ["Dr KIT DOC0042788", "Médecin", "CABINET M DOC0042788", DOCTOR, "eidas1 · CARD", "SubjectRefPro"]
    {
        assert!(page.contains(shown), "{shown} is missing in {page}");
    }
    assert!(!page.contains("eyJ"), "tokens are shown decoded, never as they are used");

    let (db, now) = (&scene.stand.db, scene.stand.clock.now());
    let event = scene.stand.event(crate::audit::Kind::SessionEnded);
    store::session::end(db, doctor.session, EndReason::SignedOut, &event, now, &SystemRandom).await.unwrap();
    let allow = vec![
        config::Destination::Host("127.0.0.1".into()),
        config::Destination::Network("127.0.0.0/8".parse().unwrap()),
    ];
    let outbound = Outbound::new(&config::Egress { allow }).unwrap();
    assert_eq!(backchannel::deliver_due(&scene.stand.provider, &outbound).await.unwrap(), 1);
    assert!(!scene.open("/", &mut browser).await.body.contains("DOC0042788"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_here_and_at_the_provider() {
    let scene = Scene::new().await;
    let (mut browser, doctor) = (Browser::default(), scene.stand.sign_in().await);
    let back = scene.answer_for(&mut browser, &doctor).await;
    scene.open(&back, &mut browser).await;
    let away = path_of(&location(&scene.open("/sign-out", &mut browser).await));
    assert!(!scene.open("/", &mut browser).await.body.contains("DOC0042788"));
    let call = Call::get(&away, &scene.provider.to_string()).with("cookie", &doctor.cookie);
    let home = location(&call.send(scene.provider).await);
    assert!(home.starts_with(&scene.service.post_logout_redirect_uri()), "{home}");
    let ended = store::session::by_id(&scene.stand.db, doctor.session).await.unwrap().unwrap();
    assert!(ended.ended_at.is_some());
}

/// An attacker signs in, keeps the address that leads back, and has somebody else open it: they would work, unaware, in
/// the attacker's session.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_taken_only_in_the_browser_that_asked() {
    let scene = Scene::new().await;
    let (mut attacker, doctor) = (Browser::default(), scene.stand.sign_in().await);
    let back = scene.answer_for(&mut attacker, &doctor).await;
    let mut victim = Browser::default();
    for _ in ["without having asked", "having asked something else"] {
        let refused = scene.open(&back, &mut victim).await;
        assert_eq!(refused.status, StatusCode::OK, "a page that says so");
        assert!(!scene.open("/", &mut victim).await.body.contains("DOC0042788"));
        scene.open("/sign-in", &mut victim).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_logout_notice_ends_nothing() {
    let scene = Scene::new().await;
    let (mut browser, doctor) = (Browser::default(), scene.stand.sign_in().await);
    let back = scene.answer_for(&mut browser, &doctor).await;
    scene.open(&back, &mut browser).await;
    let address = ([127, 0, 0, 1], scene.service.port).into();
    let host = format!("127.0.0.1:{}", scene.service.port);
    // The ID token of the same session is signed by the right key; it is no logout token all the same.
    let hint = location(&scene.open("/sign-out", &mut Browser(browser.0.clone())).await);
    let id_token = Url::parse(&hint)
        .unwrap()
        .query_pairs()
        .find(|(name, _)| name == "id_token_hint")
        .unwrap()
        .1
        .into_owned();
    let back = scene.answer_for(&mut browser, &doctor).await;
    scene.open(&back, &mut browser).await;
    for token in [id_token.as_str(), "", "a.b.c"] {
        let call =
            Call::post("/backchannel-logout", &host, "http://evil.example", &[("logout_token", token)]);
        assert_eq!(call.send(address).await.status, 400, "{token}");
    }
    assert!(scene.open("/", &mut browser).await.body.contains("DOC0042788"));
}
