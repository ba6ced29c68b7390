//! The address that faces the Internet: what delegation needs, for such clients, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use tower::ServiceExt as _;

use super::super::stand::new_client;
use super::*;
use crate::app::{self, App};
use crate::clock::{Clock as _, MockClock};
use crate::config::Config;
use crate::crypto::random::SystemRandom;
use crate::oidc::Means;
use crate::oidc::authorize::means::{CardMeans, Later};
use crate::store::login_transaction::LoginTransaction;
use crate::tests::http::Call;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::CardPanel;

const BELOW: &str = "/auth/realms/esante-wallet";

async fn installation() -> (tempfile::TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "config_version = 1\n[server]\nlisten = \"127.0.0.1:0\"\nissuer = \"http://localhost:8080{BELOW}\"\nstate_dir = {:?}\n\
         [delegation]\nlisten = \"127.0.0.2:0\"\n[oidc]\nregistration = true\n\
         [upstream.psc]\nissuer = \"https://psc.example\"\nclient_id = \"h\"\nclient_secret = \"s\"\nciba = true\n\
         [phone]\nenabled = true\n[security_keys]\nsecond_factor = true\n\
         [card.tls]\nurl = \"https://carte.example:8443\"\nlisten = \"127.0.0.1:0\"\nproxies = [\"127.0.0.1\"]\n",
        dir.path().join("state").display().to_string()
    );
    let config = Arc::new(Config::parse(&text, &dir.path().join("sceau.toml")).unwrap());
    let (time, random) = (Arc::new(MockClock::default()), Arc::new(SystemRandom));
    app::init(&config, time.clone(), random.clone()).await.unwrap();
    let app = App::start(config, time, random).await.unwrap();
    (dir, app)
}

async fn send(
    router: &Router,
    method: Method,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String) {
    let request =
        headers.iter().fold(Request::builder().method(method).uri(path), |r, (n, v)| r.header(*n, *v));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// What is there outside. Whatever else an installation has is not, without a line anywhere.
const OUTSIDE: &[&str] = &[
    // Discovery, keys, tokens.
    "GET {iss}/.well-known/openid-configuration",
    "GET {iss}/protocol/openid-connect/certs",
    "POST {iss}/protocol/openid-connect/token",
    "GET {iss}/protocol/openid-connect/userinfo",
    "POST {iss}/protocol/openid-connect/userinfo",
    // The sign-in. A form of another site begins nothing.
    "GET /auth",
    "GET /auth/",
    "GET {iss}/protocol/openid-connect/auth",
    "GET /login/{transaction}",
    "GET /login/{transaction}/cancel",
    "POST /login/{transaction}/continue",
    "POST /login/{transaction}/not-me",
    // Its means: the card by the agent, and keys.
    "POST /card/return",
    "POST /card/finish",
    "GET /card/cancel",
    "GET /card/request",
    "GET /card/status",
    "GET /card/events",
    "POST /card/noticed",
    "POST /login/key/options",
    "POST /login/key",
    // What Pro Santé Connect calls by itself.
    "POST /login/provider/{name}/backchannel-logout",
    // Styles and scripts.
    "GET /assets/{name}",
];

/// Every path of a router, as routes are written: what it says of itself where it is printed.
fn paths(router: &Router) -> BTreeSet<String> {
    let printed = format!("{router:?}");
    let printed = printed.split("fallback_router:").next().unwrap();
    let mut paths = BTreeSet::new();
    for rest in printed.split("RouteId(").skip(1) {
        if let Some(path) = rest.split_once("): \"").map(|(_, rest)| rest.split('"').next().unwrap())
            && rest.split(')').next().unwrap().bytes().all(|byte| byte.is_ascii_digit())
            && path.starts_with('/')
        {
            paths.insert(path.to_owned());
        }
    }
    paths
}

/// Something in the place of each parameter of a path.
fn filled(path: &str) -> String {
    let part = |part: &str| match part.strip_prefix('{') {
        Some("name}") => "psc".to_owned(),
        Some(_) => "0190".to_owned(),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Every address of a router, method and path: what each path takes is in its answer to what none takes (RFC 9110 §15.5.6).
async fn addresses(router: &Router) -> BTreeSet<String> {
    let mut addresses = BTreeSet::new();
    for path in paths(router) {
        let request =
            Request::builder().method(Method::TRACE).uri(filled(&path)).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let takes = answer.headers()["allow"].to_str().unwrap().to_owned();
        let takes = takes.split(',').filter(|method| *method != "HEAD");
        addresses.extend(takes.map(|method| format!("{method} {}", path.replace(BELOW, "{iss}"))));
    }
    addresses
}

#[tokio::test]
async fn everything_else_is_not_there() {
    let (_dir, app) = installation().await;
    let (inside, outside) = (app.router(), app.delegation_router());
    let (all, there) = (addresses(&inside).await, addresses(&outside).await);
    assert_eq!(there, OUTSIDE.iter().map(|address| (*address).to_owned()).collect());
    assert!(there.is_subset(&all), "{:?}", there.difference(&all));
    // The list is that of an installation that has everything.
    for address in [
        "POST {iss}/protocol/openid-connect/ext/ciba/auth",
        "POST {iss}/clients-registrations/openid-connect",
        "POST /login/{transaction}/allow",
        "POST /agent/enrol",
        "GET /card/certificate/holder",
        "POST /login/phone/ask",
        "POST /login/second-factor",
        "GET /login/provider/{name}",
        "GET /login/provider/{name}/pair",
        "POST /login/application/ask",
        "GET /means",
        "GET /desk",
        "GET /health/live",
    ] {
        assert!(all.contains(address), "{address} is no address of ours any more: {all:#?}");
    }
    assert!(all.len() > 80, "{}", all.len());
    for address in all.difference(&there) {
        let (method, path) = address.split_once(' ').unwrap();
        let (method, path) =
            (Method::from_bytes(method.as_bytes()).unwrap(), filled(&path.replace("{iss}", BELOW)));
        let (status, body) = send(&outside, method, &path, "", &[]).await;
        let is_gone = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        assert!(is_gone, "{address} outside: {status} {body}");
    }
}

/// A card that offers a sign-in by its certificate.
#[derive(Debug)]
struct WithCertificate;

impl CardMeans for WithCertificate {
    fn panel<'a>(
        &'a self,
        transaction: &'a LoginTransaction,
        _: &'a RelyingParty,
        next: String,
        _: Option<&'a crate::session::Session>,
    ) -> Later<'a, CardPanel> {
        Box::pin(async move {
            Ok(CardPanel {
                agent: "http://127.0.0.1:9000/".into(),
                request: "request".into(),
                transaction: transaction.id.to_string(),
                next,
                certificate: Some("https://carte.example/card/certificate?txn=1".into()),
                badge: false,
            })
        })
    }
}

#[tokio::test]
async fn the_page_of_a_sign_in_leads_to_nothing_that_is_not_there() {
    Stand::on_both(async |mut stand: Stand| {
        let means = Means { card: Some(Arc::new(WithCertificate)), ..Means::default() };
        stand.offer(means, crate::oidc::Asking::default()).await;
        register(&stand, &Delegation::default()).await;
        let inside = Asked::by(&stand, None, &[]).await.page.body;
        assert!(inside.contains("https://carte.example/card/certificate"), "{inside}");
        stand.router = stand.router.clone().layer(axum::Extension(crate::web::caller::Outside));
        let outside = Asked::by(&stand, None, &[]).await.page.body;
        assert!(outside.contains("data-card"), "{outside}");
        assert!(!outside.contains("carte.example"), "{outside}");
    })
    .await;
}

#[tokio::test]
async fn it_listens_at_an_address_of_its_own_and_ends_with_the_server() {
    let (_dir, app) = installation().await;
    let listeners = app.bind().await.unwrap();
    let (inside, outside) = (listeners.address(), listeners.delegation_address().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(app.serve(listeners, stop.clone()));
    let status = async |address, path: &str| Call::get(path, "localhost:8080").send(address).await.status;
    let discovery = format!("{BELOW}/.well-known/openid-configuration");
    assert_eq!(status(outside, &discovery).await, 200);
    assert_eq!((status(inside, "/means").await, status(outside, "/means").await), (303, 404));
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_client_of_another_kind_is_not_served_there_nor_is_its_sign_in() {
    let (_dir, app) = installation().await;
    let (inside, outside) = (app.router(), app.delegation_router());
    let clock = MockClock::default();
    let add = async |id: &str, profile: ProfileName| {
        let event = (&super::super::stand::trail(&clock).event(crate::audit::Kind::ClientAdded)).into();
        let new = crate::store::client::NewClient { profile, ..new_client(id) };
        assert!(store::client::add(app.db(), &new, clock.now(), &event).await.unwrap());
    };
    add("rp", ProfileName::Psc).await;
    add(PSC, ProfileName::PscDelegation).await;
    let address = |id: &str| {
        format!(
            "/auth?response_type=code&client_id={id}&redirect_uri=https%3A%2F%2F{id}.example%2Fcb&scope=openid"
        )
    };
    let (status, body) = send(&outside, Method::GET, &address("rp"), "", &[]).await;
    assert!(status == StatusCode::FORBIDDEN && body.contains("OIDC-179"), "{status} {body}");
    assert_eq!(send(&outside, Method::GET, &address(PSC), "", &[]).await.0, StatusCode::SEE_OTHER);
    // Begun inside, it does not go on outside.
    let request = Request::get(address("rp")).body(Body::empty()).unwrap();
    let begun = inside.clone().oneshot(request).await.unwrap();
    let page = begun.headers()["location"].to_str().unwrap().to_owned();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (_, body) = send(&outside, Method::GET, &page, "", &[("cookie", &cookie)]).await;
    assert!(body.contains("OIDC-179"), "{body}");
    assert_eq!(send(&inside, Method::GET, &page, "", &[("cookie", &cookie)]).await.0, StatusCode::OK);
    // Its secret is good, and redeems nothing there.
    let form = "grant_type=authorization_code&code=x&redirect_uri=https%3A%2F%2Frp.example%2Fcb";
    let token = format!("{BELOW}/protocol/openid-connect/token");
    let authorization = basic("rp");
    let headers = [("authorization", authorization.as_str())];
    let (status, body) = send(&outside, Method::POST, &token, form, &headers).await;
    assert!(status == StatusCode::BAD_REQUEST && body.contains("unauthorized_client"), "{status} {body}");
    assert!(send(&inside, Method::POST, &token, form, &headers).await.1.contains("invalid_grant"));
}

#[tokio::test]
async fn whoever_asks_there_for_other_clients_fills_no_audit_trail() {
    let (_dir, app) = installation().await;
    let outside = app.delegation_router();
    let clock = MockClock::default();
    for id in ["rp", "other"] {
        let event = (&super::super::stand::trail(&clock).event(crate::audit::Kind::ClientAdded)).into();
        assert!(store::client::add(app.db(), &new_client(id), clock.now(), &event).await.unwrap());
    }
    for _ in 0..20 {
        for id in ["rp", "other", "nobody"] {
            let address =
                format!("/auth?response_type=code&client_id={id}&redirect_uri=https%3A%2F%2Fx&scope=openid");
            assert!(send(&outside, Method::GET, &address, "", &[]).await.0.is_client_error());
        }
    }
    for (code, most) in [("OIDC-179", 5), ("OIDC-001", 5)] {
        let filter = store::audit::Filter { code: Some(code.into()), limit: 100, ..Default::default() };
        let recorded = store::audit::list(app.db(), &filter).await.unwrap();
        assert_eq!(recorded.len(), most, "{code}");
    }
}
