//! A browser with its cookies, and the relying party behind its redirects.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use serde_json::Value;

use super::installation::{CLIENT, FRONT, HOST, Installation, PORT, REALM, REDIRECT};
use super::workstation::Workstation;
use crate::http::{Answer, Call};

/// A browser: its cookies.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

/// What a relying party holds for one person.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Browser {
    /// A link that is followed.
    pub async fn open(&mut self, path: &str) -> Answer {
        self.try_open(path).await.expect("an answer")
    }

    /// The same, with a server that may go away.
    pub async fn try_open(&mut self, path: &str) -> Option<Answer> {
        self.send(Call::get(path, HOST)).await
    }

    /// The relying party sends it here: to the sign-in page, or back with a code where somebody is signed in.
    pub async fn authorize(&mut self, prompt: &str) -> Answer {
        self.open(&authorization(prompt)).await
    }

    /// The same for somebody who is not signed in, with a server that may go away.
    pub async fn try_authorize(&mut self) -> Option<Answer> {
        self.try_open(&authorization("")).await
    }

    /// What the agent's page posts, once our own page has taken it over.
    pub async fn finish(&mut self, answer: &str) -> Answer {
        self.try_finish(answer).await.expect("an answer")
    }

    /// The same, with a server that may go away.
    pub async fn try_finish(&mut self, answer: &str) -> Option<Answer> {
        self.send(Call::post("/card/finish", HOST, FRONT, &[("answer", answer)])).await
    }

    /// From the relying party to the code, with the card of `workstation`.
    pub async fn sign_in(&mut self, workstation: &Workstation) -> String {
        let page = path_of(&self.authorize("").await);
        let request = request_of(&self.open(&page).await);
        let answer = workstation.answer(&request).await;
        let finished = self.finish(&answer).await;
        assert_eq!(finished.status, 200, "{finished:?}");
        code_of(&self.open(&page).await)
    }

    async fn send(&mut self, call: Call) -> Option<Answer> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = if cookies.is_empty() { call } else { call.with("cookie", &cookies.join("; ")) };
        let answer = call.try_send(server()).await?;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Some(answer)
    }
}

/// The address that the relying party sends a browser to.
fn authorization(prompt: &str) -> String {
    let parameters = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid scope_all"),
        ("acr_values", "eidas1"),
        ("state", "xyz"),
        ("nonce", "n-0S6_WzA2Mj"),
        ("prompt", prompt),
    ];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{REALM}/protocol/openid-connect/auth?{query}")
}

impl Installation {
    /// The relying party redeems a code.
    pub async fn redeem(&self, code: &str) -> Answer {
        self.try_redeem(code).await.expect("an answer")
    }

    /// The same, with a server that may go away.
    pub async fn try_redeem(&self, code: &str) -> Option<Answer> {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.token(&form).await
    }

    /// The relying party uses a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(&form).await.expect("an answer")
    }

    async fn token(&self, form: &[(&str, &str)]) -> Option<Answer> {
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{}", self.secret()));
        let path = format!("{REALM}/protocol/openid-connect/token");
        let call = Call::post(&path, HOST, FRONT, form).without("origin");
        call.with("authorization", &format!("Basic {credentials}")).try_send(server()).await
    }
}

/// Whether the access token opens userinfo.
pub async fn opens_userinfo(tokens: &Tokens) -> bool {
    let path = format!("{REALM}/protocol/openid-connect/userinfo");
    let call = Call::get(&path, HOST).with("authorization", &format!("Bearer {}", tokens.access));
    call.send(server()).await.status == 200
}

fn server() -> SocketAddr {
    ([127, 0, 0, 1], PORT).into()
}

/// The path of our own that an answer leads to.
pub fn path_of(answer: &Answer) -> String {
    let location = answer.header("location");
    assert!(location.contains("/login/"), "{answer:?}");
    location.strip_prefix(FRONT).unwrap_or(location).to_owned()
}

/// The card request in a sign-in page.
pub fn request_of(page: &Answer) -> String {
    page.after("name=\"request\" value=\"")
}

/// The code of the redirect.
pub fn code_of(answer: &Answer) -> String {
    parameter(answer, "code").unwrap_or_else(|| panic!("no code: {answer:?}"))
}

/// A parameter of the redirect to the relying party.
pub fn parameter(answer: &Answer, name: &str) -> Option<String> {
    let query = answer.header("location").strip_prefix(REDIRECT)?.strip_prefix('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// The tokens of an answer that has them.
pub fn tokens_of(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token") }
}
