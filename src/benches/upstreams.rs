//! What a provider of others costs whoever does not use it: sign-ins by a phone of this hospital, while twenty people a second
//! choose the tab of a provider that answers, answers after five seconds, fails half the time, or never answers; beside the
//! same sign-ins in an installation that has no provider, in the same seconds. The program itself, over HTTP on loopback.
//!
//! `cargo bench --bench upstreams -- [SIGN_INS]`: 15 in a round unless said otherwise. Prints figures and asserts nothing.

#[expect(dead_code, reason = "what a server needs of the machine is measured elsewhere")]
mod installation;
#[expect(dead_code, reason = "how soon a page hears is measured elsewhere")]
mod phone_page;
mod software_phone;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use http::StatusCode;
use installation::{Failure, Installation, REALM, REDIRECT, Server};
use serde_json::{Value, json};
use software_phone::SoftwarePhone;
use tokio::task::JoinHandle;

/// Rounds of each kind, with a provider and without one in turn: whatever else the machine does falls on both.
const ROUNDS: usize = 12;
/// How often somebody chooses the tab of the provider.
const ARRIVAL: Duration = Duration::from_millis(50);
/// How long a slow provider takes.
const SLOW: Duration = Duration::from_secs(5);

/// What is wrong with the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mood {
    Well,
    Slow,
    FailsHalfTheTime,
    Silent,
}

impl Mood {
    const ALL: [Self; 4] = [Self::Well, Self::Slow, Self::FailsHalfTheTime, Self::Silent];

    fn words(self) -> &'static str {
        match self {
            Self::Well => "answers",
            Self::Slow => "answers in 5 s",
            Self::FailsHalfTheTime => "fails half the time",
            Self::Silent => "does not answer",
        }
    }
}

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let sign_ins = numbers.next().map_or(Ok(15), |text| text.parse::<usize>())?;
    let dir = std::env::temp_dir().join(format!("sceau-bench-upstreams-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let measured = tokio::runtime::Runtime::new()?.block_on(measure(&dir, sign_ins));
    std::fs::remove_dir_all(&dir)?;
    measured
}

async fn measure(dir: &Path, sign_ins: usize) -> Result<(), Failure> {
    let provider = Provider::start().await?;
    let section = format!(
        "[egress]\nallow = [\"127.0.0.0/8\"]\n[upstream.psc]\nissuer = \"{}\"\nclient_id = \"hopital\"\n\
         client_secret = \"a secret between the two\"\n",
        provider.issuer
    );
    let mut alone = Hospital::open(&dir.join("alone"), "").await?;
    let mut linked = Hospital::open(&dir.join("linked"), &section).await?;
    // Both have read what they read once.
    for hospital in [&mut alone, &mut linked] {
        hospital.sign_ins(sign_ins).await?;
    }
    for mood in Mood::ALL {
        provider.mood.store(mood as u8, Ordering::Relaxed);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (hospital, times) in [(&mut alone, &mut without), (&mut linked, &mut with)] {
                let people = hospital.people_come();
                let measured = hospital.sign_ins(sign_ins).await;
                people.abort();
                times.extend(measured?);
            }
        }
        let (without, with) = (Times::of(without), Times::of(with));
        println!(
            "the provider {}: {} at the median, {} at p95; without one {} and {}; ratio {:.2} (target 1.10) and {:.2}",
            mood.words(),
            ms(with.median),
            ms(with.p95),
            ms(without.median),
            ms(without.p95),
            with.median.as_secs_f64() / without.median.as_secs_f64(),
            with.p95.as_secs_f64() / without.p95.as_secs_f64(),
        );
    }
    Ok(())
}

struct Times {
    median: Duration,
    p95: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        Self { median: at(50), p95: at(95) }
    }
}

/// An installation with a person, their phone, and a service.
struct Hospital {
    here: Arc<Installation>,
    phone: SoftwarePhone,
    credentials: String,
    _server: Server,
}

impl Hospital {
    async fn open(dir: &Path, more: &str) -> Result<Self, Failure> {
        std::fs::create_dir(dir)?;
        let phones = "[phone]\nenabled = true\nnetworks = [\"127.0.0.0/8\"]\n";
        let here = Arc::new(Installation::new(dir, &format!("{phones}{more}"))?);
        here.sceau(&["init"])?;
        let added = ["client", "add", "dpi", "--json", "--name", "DPI", "--redirect-uri", REDIRECT];
        let added: Value = serde_json::from_str(&here.sceau(&added)?)?;
        let secret = added.get("client_secret").and_then(Value::as_str).ok_or("no secret")?;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("dpi:{secret}"));
        here.add_doctor()?;
        let cookie = here.begin_sessions(1).await?.pop().unwrap_or_default();
        let server = here.serve()?;
        let phone = here.pair(&cookie).await?;
        Ok(Self { here, phone, credentials, _server: server })
    }

    /// So many whole sign-ins, one after the other, each from the service to its tokens.
    async fn sign_ins(&mut self, count: usize) -> Result<Vec<Duration>, Failure> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            self.sign_in().await?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    async fn sign_in(&mut self) -> Result<(), Failure> {
        let page = self.here.open_one(0, true).await?;
        let mut desk = self.here.connect(0).await?;
        let path = format!("/login/{}", page.txn);
        // The page itself, with its tabs: it is where a provider could hold people up.
        let shown = desk.send("GET", &path, &page.cookie, "").await?;
        if !shown.head.starts_with("HTTP/1.1 200") {
            return Err(shown.head.into());
        }
        self.here.approve(&mut self.phone, &page).await?;
        let words = json!({ "txn": page.txn }).to_string();
        let finished = desk.send("POST", "/login/phone/finish", &page.cookie, &words).await?;
        let session = finished.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookies = format!("{}; {}", page.cookie, session.ok_or_else(|| finished.head.clone())?);
        let back = desk.send("GET", &path, &cookies, "").await?;
        let to = back.header("location").ok_or_else(|| format!("not back: {}", back.head))?;
        let code = to.split_once("code=").and_then(|(_, rest)| rest.split('&').next()).ok_or("no code")?;
        let form = format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}");
        let given = desk.redeem(&format!("{REALM}/token"), &self.credentials, &form).await?;
        if given.body.contains("\"id_token\"") { Ok(()) } else { Err(given.body.into()) }
    }

    /// People who choose the tab of the provider, as long as the handle is kept; where there is none, they are told so.
    fn people_come(&self) -> JoinHandle<()> {
        let here = Arc::clone(&self.here);
        tokio::spawn(async move {
            let mut arrivals = tokio::time::interval(ARRIVAL);
            let mut people = tokio::task::JoinSet::new();
            loop {
                arrivals.tick().await;
                while people.try_join_next().is_some() {}
                let here = Arc::clone(&here);
                people.spawn(async move {
                    // Whatever becomes of them: the others are measured.
                    let Ok(page) = here.open_one(1, false).await else { return };
                    let Ok(mut browser) = here.connect(1).await else { return };
                    let path = format!("/login/provider/psc?txn={}", page.txn);
                    let _ = browser.send("GET", &path, &page.cookie, "").await;
                });
            }
        })
    }
}

/// A provider that is as well as it is told to be.
struct Provider {
    issuer: String,
    mood: Arc<AtomicU8>,
    server: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Place {
    issuer: Arc<str>,
    mood: Arc<AtomicU8>,
    asked: Arc<AtomicU32>,
}

impl Provider {
    async fn start() -> Result<Self, Failure> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let issuer = format!("http://{}/realm", listener.local_addr()?);
        let mood = Arc::new(AtomicU8::new(Mood::Well as u8));
        let place = Place {
            issuer: issuer.as_str().into(),
            mood: Arc::clone(&mood),
            asked: Arc::new(AtomicU32::new(0)),
        };
        let router = Router::new()
            .route("/realm/.well-known/wallet-openid-configuration", get(document))
            .route("/realm/certs", get(keys))
            .with_state(place);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the provider: {error}");
            }
        });
        Ok(Self { issuer, mood, server })
    }
}

async fn document(State(place): State<Place>) -> Response {
    let issuer = &place.issuer;
    let document = json!({
        "issuer": **issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/certs"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    place.says(document).await
}

async fn keys(State(place): State<Place>) -> Response {
    place.says(json!({ "keys": [] })).await
}

impl Place {
    async fn says(&self, document: Value) -> Response {
        let mood = Mood::ALL.into_iter().find(|mood| *mood as u8 == self.mood.load(Ordering::Relaxed));
        match mood.unwrap_or(Mood::Well) {
            Mood::Well => {}
            Mood::Slow => tokio::time::sleep(SLOW).await,
            Mood::FailsHalfTheTime if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => {
                return StatusCode::BAD_GATEWAY.into_response();
            }
            Mood::FailsHalfTheTime => {}
            Mood::Silent => std::future::pending().await,
        }
        Json(document).into_response()
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
