//! A demonstration service: it sends people to the provider, shows what came back, and ends its session when the
//! provider says so.
//!
//! It does what a careful service does: `state` bound to the browser by a cookie, `nonce`, PKCE, a new session at each
//! sign-in, sign-out at the provider too, and back-channel logout. It keeps everything in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use url::Url;

use super::provider::{Provider, ProviderError, Received, Started};
use super::{SERVICES, Service, professional};
use crate::clock::SharedClock;
use crate::ids::{Secret, SharedRandom};
use crate::web::assets;
use crate::web::language::Language;
use crate::web::page::Site;
use crate::web::pages::demonstration::{self, Demonstration};

/// More sign-ins under way than this, and the service forgets them all.
const MANY: usize = 1_000;

/// One running service.
#[derive(Debug)]
pub struct RelyingParty {
    service: Service,
    issuer: Url,
    secret: Secret,
    clock: SharedClock,
    random: SharedRandom,
    site: Site,
    /// Asked for at the first sign-in, so that the service may start before the provider.
    provider: OnceCell<Provider>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// By the browser's cookie.
    started: HashMap<String, Started>,
    sessions: HashMap<String, Received>,
}

impl RelyingParty {
    /// A service that signs people in at `issuer`, where it is known with `secret`.
    pub fn new(
        service: Service,
        issuer: Url,
        secret: Secret,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        let site = Site { establishment: service.name.into(), https: false, sandbox: false };
        Self {
            service,
            issuer,
            secret,
            clock,
            random,
            site,
            provider: OnceCell::new(),
            memory: Mutex::default(),
        }
    }

    /// What answers where.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/sign-in", get(sign_in))
            .route("/callback", get(callback))
            .route("/sign-out", get(sign_out))
            .route("/signed-out", get(async || Redirect::to("/")))
            .route("/backchannel-logout", post(backchannel_logout))
            .route("/assets/{name}", get(async |Path(name): Path<String>| assets::serve(&name)))
            .with_state(Arc::new(self))
    }

    async fn provider(&self) -> Result<&Provider, ProviderError> {
        let discover = || Provider::discover(&self.issuer, self.service, &self.secret, self.clock.clone());
        self.provider.get_or_try_init(discover).await
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cookies are shared between the ports of a host, so each service has names of its own.
    fn cookie(&self, what: &str, value: &str) -> Cookie<'static> {
        Cookie::build((self.cookie_name(what), value.to_owned()))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .build()
    }

    fn cookie_name(&self, what: &str) -> String {
        format!("{}-{what}", self.service.client_id)
    }

    fn read_cookie(&self, jar: &CookieJar, what: &str) -> Option<String> {
        jar.get(&self.cookie_name(what)).map(|cookie| cookie.value().to_owned())
    }

    fn page(
        &self,
        language: Language,
        received: Option<&Received>,
        error: Option<(String, String)>,
    ) -> Response {
        let other = SERVICES.iter().find(|other| other.client_id != self.service.client_id);
        let page = Demonstration {
            service: self.service.name.to_owned(),
            person: received.map(|received| professional::person(&received.userinfo, &received.id_claims)),
            received: received.map(shown).unwrap_or_default(),
            sign_in: "/sign-in".into(),
            sign_out: "/sign-out".into(),
            other: other.map(|other| (other.name.to_owned(), format!("{}/sign-in", other.origin()))),
            error,
        };
        page.render(&self.site.frame(language))
    }
}

type Service_ = State<Arc<RelyingParty>>;

async fn home(State(service): Service_, language: Language, jar: CookieJar) -> Response {
    let session = service.read_cookie(&jar, "session");
    let received = session.and_then(|cookie| service.memory().sessions.get(&cookie).cloned());
    service.page(language, received.as_ref(), None)
}

async fn sign_in(State(service): Service_, language: Language, jar: CookieJar) -> Response {
    let provider = match service.provider().await {
        Ok(provider) => provider,
        Err(error) => return service.page(language, None, Some((error.to_string(), String::new()))),
    };
    let started = provider.start(language.tag());
    let address = started.address.to_string();
    let browser = Secret::of_256_bits(&*service.random);
    let mut memory = service.memory();
    if memory.started.len() >= MANY {
        memory.started.clear();
    }
    memory.started.insert(browser.expose().to_owned(), started);
    drop(memory);
    (jar.add(service.cookie("sign-in", browser.expose())), Redirect::to(&address)).into_response()
}

#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn callback(
    State(service): Service_,
    language: Language,
    jar: CookieJar,
    Query(answer): Query<Answer>,
) -> Response {
    let refused = |what: &str, detail: Option<String>| {
        let error = Some((what.to_owned(), detail.unwrap_or_default()));
        service.page(language, None, error)
    };
    let browser = service.read_cookie(&jar, "sign-in");
    let started = browser.and_then(|cookie| service.memory().started.remove(&cookie));
    // An answer that this browser did not ask for is not read any further: it would sign the person in as another.
    let Some(started) = started.filter(|started| answer.state.as_ref() == Some(started.state.secret()))
    else {
        return refused("state", None);
    };
    if let Some(error) = answer.error {
        return refused(&error, answer.error_description);
    }
    let Some(code) = answer.code else { return refused("code", None) };
    let received = match service.provider().await {
        Ok(provider) => provider.finish(started, code).await,
        Err(error) => Err(error),
    };
    match received {
        Ok(received) => {
            let session = Secret::of_256_bits(&*service.random);
            service.memory().sessions.insert(session.expose().to_owned(), received);
            let jar =
                jar.remove(service.cookie("sign-in", "")).add(service.cookie("session", session.expose()));
            (jar, Redirect::to("/")).into_response()
        }
        Err(error) => refused(&error.to_string(), None),
    }
}

async fn sign_out(State(service): Service_, jar: CookieJar) -> Response {
    let session = service.read_cookie(&jar, "session");
    let received = session.and_then(|cookie| service.memory().sessions.remove(&cookie));
    let jar = jar.remove(service.cookie("session", ""));
    let (Some(received), Ok(provider)) = (received, service.provider().await) else {
        return (jar, Redirect::to("/")).into_response();
    };
    let state = Secret::of_128_bits(&*service.random);
    let address = provider.sign_out_address(&received.id_token, state.expose());
    (jar, Redirect::to(address.as_str())).into_response()
}

#[derive(Deserialize)]
struct LogoutNotice {
    logout_token: String,
}

/// Back-Channel Logout 1.0 §2.7: 200 where the session is gone, 400 where the token is not acceptable.
async fn backchannel_logout(State(service): Service_, Form(notice): Form<LogoutNotice>) -> StatusCode {
    let ended = match service.provider().await {
        Ok(provider) => provider.ended_session(&notice.logout_token).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(sid) => {
            service.memory().sessions.retain(|_, received| received.sid != sid);
            StatusCode::OK
        }
        Err(error) => {
            tracing::warn!(service = service.service.name, %error, "logout notice refused");
            StatusCode::BAD_REQUEST
        }
    }
}

fn shown(received: &Received) -> Vec<demonstration::Received> {
    let item = |title: &str, members: &Map<String, Value>| demonstration::Received {
        title: title.to_owned(),
        json: serde_json::to_string_pretty(members).unwrap_or_default(),
    };
    vec![
        item("ID token", &received.id_claims),
        item("UserInfo", &received.userinfo),
        item("Access token", &received.access_claims),
        item("Token response", &received.response),
    ]
}
