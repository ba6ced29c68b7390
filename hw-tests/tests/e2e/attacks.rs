//! The attacks of section 10 of the agent protocol in which a browser matters, tried in Chromium.
//!
//! Each says what really happens there, so that a change of the browser is noticed as well as one of ours.

use sceau::card::protocol::Purpose;
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::json;

use crate::harness::browser::{Browser, FRENCH, NOTICED, Settings};
use crate::harness::hospital::{AGENT, AGENT_PORT, Hospital, Setup};
use crate::harness::other_server::OtherServer;
use crate::harness::site::Site;
use crate::harness::{run, until};

/// A page that posts `request` to the agent as soon as it is open, with attributes of the form.
fn posting_page(request: &str, attributes: &str) -> String {
    format!(
        "<!doctype html><form method=post action='{AGENT}/' {attributes}><input name=request value='{request}'></form>\
         <iframe name=frame></iframe><script>document.forms[0].submit()</script>"
    )
}

/// Types the PIN into the agent's page.
async fn type_pin(browser: &Browser, pin: &str) {
    browser.write("#pin", pin).await;
    browser.press("agent-sign").await;
}

/// VERIFY: a PIN is presented.
const VERIFY: u8 = 0x20;

/// How many commands the card has seen: none of the attacks on the agent may reach it.
fn commands(hospital: &Hospital) -> usize {
    hospital.card().card().headers().len()
}

/// The commands with which the agent learns which card is there, before any attack.
async fn commands_of_the_agent(hospital: &Hospital) -> usize {
    // The same for half a second: reading takes a few milliseconds a command.
    let (mut last, mut looks) = (0, 0);
    until("the agent to have read the card", async || {
        let before = std::mem::replace(&mut last, commands(hospital));
        looks = if last > 0 && last == before { looks + 1 } else { 0 };
        (looks == 25).then_some(last)
    })
    .await
}

/// What a stranger's page can make a browser send to the agent, with a request that is good in itself.
#[test]
fn a_foreign_page_cannot_bring_up_the_agent() {
    isolated(|| {
        run(async {
            let (hospital, server) = Hospital::workstation(&Setup::default()).await;
            let of_the_agent = commands_of_the_agent(&hospital).await;
            let browser = Browser::start(FRENCH).await;
            let request = server.request(Purpose::Browser);

            // By navigation: the agent sees the stranger's origin.
            let site = Site::open(0, posting_page(&request, ""), "").await;
            browser.open(site.address()).await;
            browser.is_at(AGENT).await;
            browser.shows_error("AGENT-009").await;
            drop(site);

            // Hiding the origin does not help.
            let hidden = format!("<meta name=referrer content=no-referrer>{}", posting_page(&request, ""));
            let site = Site::open(0, hidden, "").await;
            browser.open(site.address()).await;
            browser.is_at(AGENT).await;
            browser.shows_error("AGENT-008").await;
            drop(site);

            // In a frame: refused as such, and what the agent answers may not be framed.
            let site = Site::open(0, posting_page(&request, "target=frame"), "").await;
            browser.open(site.address()).await;
            hospital.agent_logs("AGENT-007").await;
            browser.is_at(site.address()).await;
            browser.client().enter_frame(0).await.unwrap();
            assert!(
                !browser.text().await.contains("Sceau"),
                "the agent was framed: {}",
                browser.text().await
            );
            browser.client().enter_parent_frame().await.unwrap();

            // By script, which no permission of the user's covers: Chromium lets nothing through.
            let fetched = "return fetch(arguments[0], { method: 'POST', mode: 'no-cors',
                headers: { 'content-type': 'application/x-www-form-urlencoded' },
                body: `request=${arguments[1]}` }).then((answer) => answer.type, (error) => String(error))";
            let pending = browser.client().execute(fetched, vec![json!(AGENT), json!(request)]);
            let outcome = tokio::time::timeout(NOTICED, pending).await;
            println!("fetch from a stranger's page: {outcome:?}");
            assert_eq!(commands(&hospital), of_the_agent, "the card was touched");

            // The request was good: from its server's page it is taken.
            server.page_posts(request);
            browser.new_tab().await;
            browser.open(server.origin()).await;
            browser.element("#pin").await;
        });
    });
}

/// A stranger's page that posts the form of the agent's own page while a person looks at it.
#[test]
fn a_foreign_page_cannot_spend_tries() {
    isolated(|| {
        run(async {
            let (hospital, server) = Hospital::workstation(&Setup::default()).await;
            let browser = Browser::start(FRENCH).await;
            server.page_posts(server.request(Purpose::Browser));
            browser.open(server.origin()).await;
            browser.element("#pin").await;
            let person = browser.window().await;
            let token = browser.script("return document.querySelector('[name=token]').value").await;

            // Even with the page's token, which it could not read.
            for (token, code) in [(token.as_str().unwrap(), "AGENT-018"), ("guessed", "AGENT-018")] {
                let page = format!(
                    "<form method=post action='{AGENT}/sign'><input name=token value='{token}'>\
                     <input name=pin value=9999></form><script>document.forms[0].submit()</script>"
                );
                let site = Site::open(0, page, "").await;
                browser.new_tab().await;
                browser.open(site.address()).await;
                browser.shows_error(code).await;
            }
            assert_eq!(hospital.card().card().count(VERIFY), 0);
            assert_eq!(hospital.card().card().tries_left(), 3);

            // The person goes on as if nothing had been.
            browser.switch_to(&person).await;
            type_pin(&browser, PIN).await;
            browser.shows("Answered").await;
        });
    });
}

/// A name of the attacker that suddenly means 127.0.0.1, so that their page is of the same origin as the agent's.
#[test]
fn a_name_that_points_to_the_agent_is_refused() {
    isolated(|| {
        run(async {
            let (hospital, _server) = Hospital::workstation(&Setup::default()).await;
            let of_the_agent = commands_of_the_agent(&hospital).await;
            let rebinding: &[&str] = &["--host-resolver-rules=MAP evil.example 127.0.0.1"];
            let browser = Browser::start(Settings { arguments: rebinding, ..FRENCH }).await;
            browser.open(&format!("http://evil.example:{AGENT_PORT}/")).await;
            browser.shows_error("AGENT-002").await;
            assert_eq!(commands(&hospital), of_the_agent);
        });
    });
}

/// A program that held the port once left a service worker behind that answers in the agent's place.
///
/// The first navigation may still meet it: it cannot be stopped from there, and gets no PIN where PINs are typed into a
/// window. But that navigation makes the browser ask for the worker's script again, and the agent answers with its end.
#[test]
fn a_planted_service_worker_ends_itself() {
    isolated(|| {
        run(async {
            let (mut hospital, server) = Hospital::workstation(&Setup::default()).await;
            hospital.stop_agent().await;
            let worker = "self.addEventListener('install', () => self.skipWaiting());
                self.addEventListener('activate', (event) => event.waitUntil(clients.claim()));
                self.addEventListener('fetch', (event) => event.respondWith(
                    new Response('<h1>Impostor</h1>', { headers: { 'content-type': 'text/html' } })));";
            let page = "<script>navigator.serviceWorker.register('/worker.js')
                .then(() => navigator.serviceWorker.ready).then(() => document.title = 'planted')</script>";
            let impostor = Site::open(AGENT_PORT, page, worker).await;
            let browser = Browser::start(FRENCH).await;
            browser.open(AGENT).await;
            until("the worker to be planted", async || {
                (browser.client().title().await.ok()? == "planted").then_some(())
            })
            .await;
            impostor.close().await;
            hospital.start_agent().await;

            server.page_posts(server.request(Purpose::Browser));
            browser.open(server.origin()).await;
            browser.is_at(AGENT).await;
            if browser.text().await.contains("Impostor") {
                println!("the impostor was met once");
                let planted = "return navigator.serviceWorker.getRegistrations().then((all) => all.length)";
                until("the planted worker to be gone", async || {
                    (browser.script(planted).await == 0).then_some(())
                })
                .await;
                browser.open(server.origin()).await;
            }
            type_pin(&browser, PIN).await;
            browser.shows("Answered").await;
        });
    });
}

/// What one server signed, shown by another one that the workstation also knows; and what was signed for something else.
#[test]
fn a_request_counts_only_from_its_own_server_and_for_its_purpose() {
    isolated(|| {
        run(async {
            let (hospital, server) = Hospital::workstation(&Setup::default()).await;
            let of_the_agent = commands_of_the_agent(&hospital).await;
            let (other, code) = OtherServer::open().await;
            hospital.enrol_with(other.origin(), &code);
            let browser = Browser::start(FRENCH).await;
            let genuine = other.request(Purpose::Browser);
            let altered = format!("{}A", &genuine[..genuine.len() - 1]);
            for (request, code) in [
                (genuine.clone(), "AGENT-010"),
                (server.request_in_the_name_of(&other), "AGENT-013"),
                (server.request(Purpose::Ciba), "AGENT-014"),
                (server.id_token(), "AGENT-011"),
                (altered, "AGENT-010"),
                ("a.b.c".to_owned(), "AGENT-010"),
            ] {
                server.page_posts(request);
                browser.open(server.origin()).await;
                browser.is_at(AGENT).await;
                browser.shows_error(code).await;
            }
            assert_eq!(commands(&hospital), of_the_agent);

            // From its own server the same request is taken, once.
            other.page_posts(genuine);
            browser.open(other.origin()).await;
            type_pin(&browser, PIN).await;
            browser.shows("Answered").await;
            browser.open(other.origin()).await;
            browser.shows_error("AGENT-016").await;
            assert_eq!((server.answers().len(), other.answers().len()), (0, 1));
        });
    });
}
