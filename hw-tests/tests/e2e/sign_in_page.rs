//! The sign-in page's script in a real browser, against a stand-in for the agent and one for the server's card paths:
//! what a person sees when no agent answers, when popups are blocked, when they cancel, and that nobody has to wait.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sceau::web::language::Language;
use sceau::web::page::{Frame, Site};
use sceau::web::pages::agent::{PostAnswer, Server};
use sceau::web::pages::card::{Bounce, Finish, Outcome};
use sceau::web::pages::sign_in::{
    CardPanel, EVENTS_PATH, Means, MeansKind, REQUEST_PATH, RelyingParty, Renewed, STATUS_PATH, SignIn,
    Status,
};
use sceau_hw_tests::isolation::isolated;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::harness::browser::{Browser, ENGLISH, FRENCH, NOTICED, Settings};
use crate::harness::{run, until};

const TXN: &str = "txn-1";

/// What the stand-ins share.
#[derive(Clone)]
struct Stage {
    server: String,
    agent: String,
    seen: Arc<Mutex<Seen>>,
    /// The sign-in is over; and whoever waits has been told.
    over: Arc<Notify>,
    told: Arc<Notify>,
}

#[derive(Default)]
struct Seen {
    /// Requests given out, so that each one is new.
    requests: usize,
    /// What the agent was sent, and from where.
    posted: Vec<(String, String)>,
    status: Option<Status>,
    /// The agent shows a page and waits, instead of answering.
    agent_waits: bool,
    /// The server tells the end by an event, before the popup has its last page.
    tells_at_once: bool,
}

impl Stage {
    /// Starts the server; the agent's port is taken but nobody answers there yet.
    async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let stage = Self {
            // Another host name than the agent's, as in life.
            server: format!("http://localhost:{}", listener.local_addr().unwrap().port()),
            agent: format!("http://127.0.0.1:{}", free.port()),
            seen: Arc::default(),
            over: Arc::default(),
            told: Arc::default(),
        };
        let router = Router::new()
            .route("/", get(sign_in))
            .route("/next", get(async || Html("<h1>Arrived</h1>")))
            .route("/rp", get(async || Html("<h1>Relying party</h1>")))
            .route(REQUEST_PATH, get(renew))
            .route(STATUS_PATH, get(async |State(stage): State<Stage>| Json(stage.status())))
            .route(EVENTS_PATH, get(events))
            .route("/card/return", post(bounce))
            .route("/card/finish", post(finish))
            .route("/card/cancel", get(cancel))
            .merge(sceau::web::assets::router())
            .with_state(stage.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        stage
    }

    async fn start_agent(&self) {
        let listener = TcpListener::bind(self.agent.trim_start_matches("http://")).await.unwrap();
        let router = Router::new()
            .route("/", post(agent))
            .merge(sceau::web::assets::router())
            .with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap())
    }

    fn status(&self) -> Status {
        self.seen(|seen| seen.status.clone()).unwrap_or(Status::Open)
    }

    fn request(&self) -> String {
        self.seen(|seen| {
            seen.requests += 1;
            format!("request-{}", seen.requests)
        })
    }
}

fn frame(headers: &HeaderMap) -> Frame {
    let language = headers.get("accept-language").and_then(|value| value.to_str().ok());
    let site =
        Site { establishment: "Centre hospitalier de Saint-Aubin".into(), https: false, sandbox: false };
    site.frame(Language::choose(None, language))
}

async fn sign_in(State(stage): State<Stage>, headers: HeaderMap) -> Response {
    let page = SignIn {
        relying_party: Some(RelyingParty { name: "Dossier patient".into(), host: "dossier.example".into() }),
        means: vec![Means { kind: MeansKind::Card, label: None, href: "/".into(), selected: true }],
        card: Some(CardPanel {
            badge: false,
            agent: format!("{}/", stage.agent),
            request: stage.request(),
            transaction: TXN.into(),
            next: "/next".into(),
            certificate: None,
        }),
        key: None,
        touch: None,
        again: None,
        phone: None,
        provider: None,
        application: None,
        persons: None,
        pairing: None,
        notice: None,
        expected: None,
        give_up: Some("/rp".into()),
        form_targets: Vec::new(),
    };
    page.render(&frame(&headers))
}

async fn renew(State(stage): State<Stage>, Query(query): Query<Vec<(String, String)>>) -> Json<Renewed> {
    assert_eq!(query, [("txn".to_owned(), TXN.to_owned())]);
    Json(Renewed { request: stage.request() })
}

async fn events(State(stage): State<Stage>) -> Response {
    if !stage.seen(|seen| seen.tells_at_once) {
        return StatusCode::NO_CONTENT.into_response();
    }
    stage.over.notified().await;
    stage.told.notify_one();
    ([("content-type", "text/event-stream")], "data: {\"state\":\"done\"}\n\n").into_response()
}

async fn bounce(headers: HeaderMap, Form(form): Form<Vec<(String, String)>>) -> Response {
    Bounce { action: "/card/finish".into(), answer: form[0].1.clone() }.render(&frame(&headers))
}

async fn finish(State(stage): State<Stage>, headers: HeaderMap) -> Response {
    assert_eq!(headers["origin"], stage.server.as_str(), "the second post is our own");
    if stage.seen(|seen| seen.tells_at_once) {
        stage.over.notify_one();
        stage.told.notified().await;
    }
    finish_page(Outcome::Done, "/next").render(&frame(&headers))
}

async fn cancel(headers: HeaderMap) -> Response {
    finish_page(Outcome::Cancelled, "/").render(&frame(&headers))
}

fn finish_page(outcome: Outcome, next: &str) -> Finish {
    Finish { transaction: TXN.into(), outcome, next: next.into(), same_tab: false }
}

/// Stands in for the agent: answers the request at once, or shows a page that can be cancelled.
async fn agent(
    State(stage): State<Stage>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    let origin = headers["origin"].to_str().unwrap().to_owned();
    let waits = stage.seen(|seen| {
        seen.posted.push((origin, form[0].1.clone()));
        seen.agent_waits
    });
    if waits {
        let page = Html(format!("<h1>Agent</h1><a href=\"{}/card/cancel\">Cancel</a>", stage.server));
        return ([("cross-origin-opener-policy", "same-origin")], page).into_response();
    }
    let server = Server {
        name: "Centre hospitalier".into(),
        origin: stage.server.clone(),
        cancel: format!("{}/card/cancel", stage.server),
    };
    let action = format!("{}/card/return", stage.server);
    PostAnswer { server, action, answer: "answer".into() }.render(&frame(&headers))
}

#[test]
fn by_popup_it_goes_through_and_the_popup_closes_itself() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&stage.server).await;
            let first = browser.window().await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
            browser.popup_closed(&first).await;
            assert_eq!(
                stage.seen(|seen| seen.posted.clone()),
                [(stage.server.clone(), "request-1".to_owned())]
            );
        });
    });
}

/// The server says `done` before the popup has the session's cookie. Whoever goes on at once goes on without it, and
/// leaves a popup to which nobody listens.
#[test]
fn a_server_faster_than_the_popup_does_not_part_the_two() {
    isolated(|| {
        run(async {
            for settings in [FRENCH, FRENCH.in_firefox()] {
                let stage = Stage::new().await;
                stage.seen(|seen| seen.tells_at_once = true);
                stage.start_agent().await;
                let browser = Browser::start(settings).await;
                browser.open(&stage.server).await;
                let first = browser.window().await;
                browser.press("card-start").await;
                browser.popup_closed(&first).await;
                browser.is_at(&format!("{}/next", stage.server)).await;
            }
        });
    });
}

#[test]
fn without_an_agent_the_page_says_so_within_three_seconds_and_works_later() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&stage.server).await;
            let first = browser.window().await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.shows("Ce poste n’a pas répondu.").await;
            let took = browser.took_to_show("no-agent").await;
            assert!(took < NOTICED, "after {took:?}");
            browser.popup_closed(&first).await;
            let faults = browser.accessibility_faults().await;
            assert!(faults.is_empty(), "{faults:#?}");
            browser.pictures("sign-in-no-agent-fr").await;

            // Nothing is lost: the agent is started, and the same page goes through with a new request.
            stage.start_agent().await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
            assert_eq!(
                stage.seen(|seen| seen.posted.clone()),
                [(stage.server.clone(), "request-2".to_owned())]
            );
        });
    });
}

#[test]
fn an_agent_that_is_slow_to_answer_is_still_heard() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            // Somebody listens, but answers only once the page has given its warning.
            let listener = TcpListener::bind(stage.agent.trim_start_matches("http://")).await.unwrap();
            let browser = Browser::start(FRENCH).await;
            browser.open(&stage.server).await;
            let first = browser.window().await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.shows("Ce poste n’a pas répondu.").await;
            let took = browser.took_to_show("no-agent").await;
            assert!(took < NOTICED, "after {took:?}");
            let router = Router::new()
                .route("/", post(agent))
                .merge(sceau::web::assets::router())
                .with_state(stage.clone());
            tokio::spawn(async { axum::serve(listener, router).await });
            browser.is_at(&format!("{}/next", stage.server)).await;
            browser.popup_closed(&first).await;
        });
    });
}

#[test]
fn while_the_agent_asks_the_page_waits_and_a_cancel_is_heard() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            stage.seen(|seen| seen.agent_waits = true);
            let browser = Browser::start(ENGLISH).await;
            browser.open(&stage.server).await;
            let first = browser.window().await;
            browser.click_text("Sign in with the CPS card").await;
            browser.shows("Continue in the card window.").await;
            let faults = browser.accessibility_faults().await;
            assert!(faults.is_empty(), "{faults:#?}");
            browser.pictures("sign-in-waiting-en").await;
            browser.follow_popup(&first).await;
            browser.click_text("Cancel").await;
            browser.popup_closed(&first).await;
            browser.shows("You cancelled.").await;
            browser.pictures("sign-in-cancelled-en").await;

            // Cancelled is not over: the next click brings a new request.
            stage.seen(|seen| seen.agent_waits = false);
            browser.click_text("Sign in with the CPS card").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
            let posted = stage.seen(|seen| seen.posted.clone());
            assert_ne!(posted[0].1, posted[1].1);
        });
    });
}

#[test]
fn what_the_server_refuses_is_shown_with_what_to_do() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            stage.seen(|seen| seen.agent_waits = true);
            let browser = Browser::start(FRENCH).await;
            browser.open(&stage.server).await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.shows("Continuez dans la fenêtre de la carte.").await;
            // Neither events nor a message from the popup: the poll brings it.
            stage.seen(|seen| seen.status = Some(Status::failed("WEB-013", Language::French.texts())));
            browser.shows("Cette page a été ouverte il y a trop longtemps.").await;
            let faults = browser.accessibility_faults().await;
            assert!(faults.is_empty(), "{faults:#?}");
        });
    });
}

#[test]
fn with_popups_blocked_it_goes_through_in_the_same_tab() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            let browser = Browser::start(Settings { popups: false, ..FRENCH }).await;
            browser.open(&stage.server).await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
            assert_eq!(browser.windows().await.len(), 1);
            assert_eq!(
                stage.seen(|seen| seen.posted.clone()),
                [(stage.server.clone(), "request-1".to_owned())]
            );
        });
    });
}

#[test]
fn without_scripts_it_goes_through_in_the_same_tab() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            let browser = Browser::start(Settings { scripts: false, ..FRENCH }).await;
            browser.open(&stage.server).await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.is_at(&stage.agent).await;
            browser.click_text("Continuer").await;
            browser.is_at(&format!("{}/card/return", stage.server)).await;
            browser.click_text("Continuer").await;
            browser.is_at(&format!("{}/card/finish", stage.server)).await;
            browser.click_text("Continuer").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
        });
    });
}

#[test]
fn coming_back_from_the_same_tab_without_an_agent_is_explained() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            let browser = Browser::start(Settings { popups: false, ..FRENCH }).await;
            browser.open(&stage.server).await;
            browser.click_text("Se connecter avec la carte CPS").await;
            until("the browser's own error page", async || {
                (browser.script("return document.querySelector('[data-card]') === null").await == json!(true))
                    .then_some(())
            })
            .await;
            browser.back().await;
            browser.shows("La carte n’a pas encore été lue.").await;
            browser.pictures("sign-in-came-back-fr").await;
            stage.start_agent().await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
        });
    });
}

#[test]
fn a_cancel_in_the_same_tab_leads_back_to_the_page() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            stage.seen(|seen| seen.agent_waits = true);
            let browser = Browser::start(Settings { popups: false, ..FRENCH }).await;
            browser.open(&stage.server).await;
            browser.click_text("Se connecter avec la carte CPS").await;
            browser.is_at(&stage.agent).await;
            browser.click_text("Cancel").await;
            browser.shows("Se connecter avec la carte CPS").await;
        });
    });
}

#[test]
fn the_keyboard_is_enough() {
    isolated(|| {
        run(async {
            let stage = Stage::new().await;
            stage.start_agent().await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&stage.server).await;
            // The button has the focus already: Enter is all it takes.
            until("the focus", async || {
                let focused =
                    browser.script("return document.activeElement.classList.contains('primary')").await;
                (focused == json!(true)).then_some(())
            })
            .await;
            browser.write("button.primary", "\u{e007}").await;
            browser.is_at(&format!("{}/next", stage.server)).await;
        });
    });
}

#[test]
fn every_page_in_the_dark_and_on_the_narrowest_screen() {
    isolated(|| {
        run(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async { axum::serve(listener, sceau::web::samples::router()).await });
            let browser = Browser::start(FRENCH).await;
            let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
            browser.devtools("Emulation.setEmulatedMedia", dark).await;
            browser.size((320, 640)).await;
            for (page, _) in sceau::web::samples::ALL {
                browser.open(&format!("{address}/fr/{page}")).await;
                browser.picture(&format!("page-{page}-fr-dark")).await;
                let wide = browser.script("return document.documentElement.scrollWidth").await;
                assert!(wide.as_u64() <= Some(320), "{page} scrolls sideways: {wide}");
                let faults = browser.accessibility_faults().await;
                assert!(faults.is_empty(), "{page}: {faults:#?}");
            }
        });
    });
}
