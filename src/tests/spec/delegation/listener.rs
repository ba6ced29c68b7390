//! The address that faces the Internet: what delegation needs, for such clients, and nothing else.

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
use crate::tests::http::Call;

const BELOW: &str = "/auth/realms/esante-wallet";

async fn installation() -> (tempfile::TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "config_version = 1\n[server]\nlisten = \"127.0.0.1:0\"\nissuer = \"http://localhost:8080{BELOW}\"\nstate_dir = {:?}\n\
         [delegation]\nlisten = \"127.0.0.2:0\"\n[oidc]\nregistration = true\n\
         [upstream.psc]\nissuer = \"https://psc.example\"\nclient_id = \"h\"\nclient_secret = \"s\"\n",
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

/// Every address of an installation, by the module that it belongs to; `true`: it is there outside too.
const ROUTES: &[(&str, &str, bool)] = &[
    // Discovery, keys, tokens.
    ("GET", "{iss}/.well-known/openid-configuration", true),
    ("GET", "{iss}/.well-known/wallet-openid-configuration", false),
    ("GET", "{iss}/protocol/openid-connect/certs", true),
    ("POST", "{iss}/protocol/openid-connect/token", true),
    ("GET", "{iss}/protocol/openid-connect/userinfo", true),
    ("POST", "{iss}/protocol/openid-connect/ext/par/request", false),
    ("POST", "{iss}/protocol/openid-connect/ext/ciba/auth", false),
    ("POST", "{iss}/protocol/openid-connect/token/introspect", false),
    ("POST", "{iss}/protocol/openid-connect/revoke", false),
    ("POST", "{iss}/clients-registrations/openid-connect", false),
    ("GET", "{iss}/protocol/openid-connect/logout", false),
    ("GET", "/logout", false),
    // The sign-in.
    ("GET", "/auth", true),
    ("GET", "/auth/", true),
    ("GET", "{iss}/protocol/openid-connect/auth", true),
    ("GET", "/login/0190", true),
    ("GET", "/login/0190/cancel", true),
    ("POST", "/login/0190/continue", true),
    ("POST", "/login/0190/not-me", true),
    ("POST", "/login/0190/allow", false),
    ("POST", "/login/0190/refuse", false),
    ("GET", "/sign-in/home", false),
    // Its means.
    ("POST", "/card/finish", true),
    ("GET", "/card/request", true),
    ("GET", "/card/status", true),
    ("POST", "/card/noticed", true),
    ("POST", "/card/badge", false),
    ("POST", "/card/badge/wait", false),
    ("POST", "/login/key/options", true),
    ("POST", "/login/key", true),
    ("POST", "/login/second-factor/options", false),
    ("POST", "/login/second-factor", false),
    ("POST", "/login/phone/ask", false),
    ("POST", "/login/phone/wait", false),
    ("POST", "/login/phone/finish", false),
    ("GET", "/login/provider/psc", false),
    ("GET", "/login/provider/psc/callback", false),
    ("GET", "/login/provider/psc/pair", false),
    // What Pro Santé Connect calls by itself, and what it leads browsers to.
    ("POST", "/login/provider/psc/backchannel-logout", true),
    ("GET", "/login/provider/psc/frontchannel-logout", false),
    ("GET", "/login/provider/psc/logged-out", false),
    // Pages of people and of the desk.
    ("GET", "/", false),
    ("GET", "/means", false),
    ("GET", "/desk", false),
    // Workstations, and whoever watches the server.
    ("POST", "/agent/enrol", false),
    ("GET", "/health/live", false),
    ("GET", "/health/ready", false),
];

#[tokio::test]
async fn everything_else_is_not_there() {
    let (_dir, app) = installation().await;
    let (inside, outside) = (app.router(), app.delegation_router());
    for (method, path, is_outside) in ROUTES {
        let (method, path) = (Method::from_bytes(method.as_bytes()).unwrap(), path.replace("{iss}", BELOW));
        let (status, body) = send(&outside, method.clone(), &path, "", &[]).await;
        let is_there = status != StatusCode::NOT_FOUND && status != StatusCode::METHOD_NOT_ALLOWED;
        assert_eq!(is_there, *is_outside, "{method} {path} outside: {status} {body}");
        let (status, body) = send(&inside, method.clone(), &path, "", &[]).await;
        let is_known = status != StatusCode::METHOD_NOT_ALLOWED
            && (status != StatusCode::NOT_FOUND || body.contains("WEB-0") || body.contains("PERSON"));
        assert!(is_known, "{method} {path} is no address of ours any more: {status} {body}");
    }
    // A form of another site begins nothing there.
    assert_eq!(send(&outside, Method::POST, "/auth", "", &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);
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
