//! `sceau sandbox` as those meet it who write applications: whole, over its two ports, with a clock moved by hand.

mod attacks;
mod ciba;
mod sign_in;
mod switches;
mod walls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::http::{Answer, Call};
use crate::clock::MockClock;
use crate::crypto::random::SystemRandom;
use crate::sandbox::control::Registered;
use crate::sandbox::play::Switches;
use crate::sandbox::process::{Options, Sandbox, SandboxError};
use crate::store::client::Metadata;

const CLIENT: &str = "app";
const SECRET: &str = "a secret that a CI knows";
const REDIRECT: &str = "http://127.0.0.1:3000/callback";

fn options(clock: &MockClock) -> Options {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Options {
        listen: any,
        issuer: None,
        control: any,
        state_dir: None,
        clients: vec![Registered {
            client_id: CLIENT.into(),
            client_secret: SECRET.into(),
            name: Some("Logiciel d’essai".into()),
            redirect_uris: vec!["http://127.0.0.1:3000/*".into()],
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            may_introspect: false,
            profile: None,
            metadata: Metadata::default(),
        }],
        switches: Switches::default(),
        script: Vec::new(),
        log_filter: "warn".into(),
        clock: Arc::new(clock.clone()),
        random: Arc::new(SystemRandom),
    }
}

/// A running sandbox. It ends with the test.
struct Bench {
    clock: MockClock,
    issuer: Url,
    control: SocketAddr,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Bench {
    async fn start() -> Self {
        let clock = MockClock::default();
        let options = options(&clock);
        Self::of(options, clock).await.unwrap()
    }

    async fn of(options: Options, clock: MockClock) -> Result<Self, SandboxError> {
        let sandbox = Sandbox::start(options).await?;
        let issuer = sandbox.discovery().replace("/.well-known/wallet-openid-configuration", "");
        let control = Url::parse(&sandbox.control()).unwrap();
        let control = control.socket_addrs(|| None).unwrap()[0];
        let stop = CancellationToken::new();
        let serving = Some(tokio::spawn(sandbox.run(stop.clone())));
        Ok(Self { clock, issuer: Url::parse(&issuer).unwrap(), control, stop, serving })
    }

    /// Ends it, its database closed.
    async fn end(mut self) {
        self.stop.cancel();
        self.serving.take().unwrap().await.unwrap();
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.issuer.port().unwrap()))
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.issuer.port().unwrap())
    }

    fn below(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.path())
    }

    /// What a program asks of the control interface.
    async fn control(&self, method: &str, path: &str, body: &str) -> Answer {
        self.program(method, path, body).send(self.control).await
    }

    fn program(&self, method: &str, path: &str, body: &str) -> Call {
        Call {
            method: method.into(),
            target: path.into(),
            headers: vec![("host".into(), self.control.to_string())],
            body: body.into(),
        }
    }

    /// Done as asked; the state afterwards.
    async fn told(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.control(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path} {body}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What a relying party's server asks.
    async fn ask(&self, path: &str) -> Answer {
        Call::get(&self.below(path), &self.host()).send(self.address()).await
    }

    /// A sign-in that was scripted, to its end: the tokens.
    async fn scripted(&self, script: &str) -> Tokens {
        self.told("POST", "/sign-ins", script).await;
        let mut browser = Browser::new(self);
        let answer = browser.begin().await;
        self.tokens(&parameter(answer.header("location"), "code")).await
    }

    async fn tokens(&self, code: &str) -> Tokens {
        let basic = STANDARD.encode(format!(
            "{CLIENT}:{}",
            url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>()
        ));
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        let path = self.below("/protocol/openid-connect/token");
        let call = Call::post(&path, &self.host(), "", &fields).without("origin");
        let answer = call.with("authorization", &format!("Basic {basic}")).send(self.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Tokens(serde_json::from_str(&answer.body).unwrap())
    }

    async fn userinfo(&self, tokens: &Tokens) -> Value {
        let path = self.below("/protocol/openid-connect/userinfo");
        let bearer = format!("Bearer {}", tokens.0["access_token"].as_str().unwrap());
        let call = Call::get(&path, &self.host()).with("authorization", &bearer);
        let answer = call.send(self.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer of the token endpoint.
struct Tokens(Value);

impl Tokens {
    /// A part of a token: 0 its header, 1 its claims.
    fn part(&self, token: &str, part: usize) -> Value {
        let encoded = self.0[token].as_str().unwrap().split('.').nth(part).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
    }
}

/// A browser: it keeps cookies and follows redirects on the provider's host.
struct Browser<'a> {
    bench: &'a Bench,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(bench: &'a Bench) -> Self {
        Self { bench, cookies: BTreeMap::new() }
    }

    /// From the application to the sign-in page, or to the application's address where nobody is asked.
    async fn begin(&mut self) -> Answer {
        let parameters = [
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid scope_all"),
            ("acr_values", "eidas1"),
            ("state", "a state"),
            ("nonce", "a nonce"),
        ];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let call = Call::get(&format!("/auth?{query}"), &self.bench.host());
        self.follow(call).await
    }

    /// What the form of the page sends.
    fn choice(&self, page: &Answer, person: &str, decision: &str) -> Call {
        let txn = page.after("name=\"txn\" value=\"");
        let fields = [("txn", txn.as_str()), ("person", person), ("means", "mobile"), ("decision", decision)];
        let own = format!("http://{}", self.bench.host());
        Call::post("/sandbox/answer", &self.bench.host(), &own, &fields)
    }

    async fn once(&mut self, call: Call) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = if cookies.is_empty() { call } else { call.with("cookie", &cookies.join("; ")) };
        let answer = call.send(self.bench.address()).await;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    async fn follow(&mut self, call: Call) -> Answer {
        let mut answer = self.once(call).await;
        while (300..400).contains(&answer.status) && answer.header("location").starts_with('/') {
            answer = self.once(Call::get(answer.header("location"), &self.bench.host())).await;
        }
        answer
    }
}

/// A parameter of the address that a browser is sent to; empty where it is not there.
fn parameter(address: &str, name: &str) -> String {
    let address = Url::parse(address).unwrap_or_else(|_| panic!("no redirect: {address:?}"));
    let found = address.query_pairs().find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
