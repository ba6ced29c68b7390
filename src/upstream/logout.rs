//! The end of a session, there and here (facts of Pro Santé Connect: whoever signs out at one signs out at the other).
//!
//! *From here*: the address at which the provider ends its session (RP-Initiated Logout 1.0). Whoever signs out here is sent
//! there afterwards; nothing else ends a session there.
//!
//! *From there*: the provider calls us (Back-Channel Logout 1.0), or has the person's browser load a page of ours in a frame
//! (Front-Channel Logout 1.0). Either ends what came from that session, and tells the services of here.
//!
//! What it stops. *A made-up logout*: the token is signed by the provider's own keys, for us, of this moment, for nothing else,
//! and good once. *Another provider's session of the same name*: sessions are found under the issuer that signed. *A page
//! that signs people out*: a browser's own session ends only where `iss` and `sid` are those it came from.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::StringRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::provider::{Provider, ProviderError};
use super::sign_in::parameter;
use super::{Refusal, Upstreams};
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::jose::JwsError;
use crate::ids::{PersonId, SessionId};
use crate::session::EndReason;
use crate::store::StoreError;
use crate::store::audit::NewRow;
use crate::store::upstream_session::{LogoutToken, Recording, UpstreamSession, log_out, log_out_one};
use crate::web::cookies::{self, NoCookie};
use crate::web::headers::{Policy, form_target};
use crate::web::new_session::of_browser;
use crate::web::repeats::key_of;

/// Where the provider posts its logout tokens.
pub const BACKCHANNEL_ROUTE: &str = "/login/provider/{name}/backchannel-logout";
/// What it has browsers load in a frame.
pub const FRONTCHANNEL_ROUTE: &str = "/login/provider/{name}/frontchannel-logout";

/// The member of `events` that makes a token a logout token (Back-Channel Logout §2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far the provider's clock may be from ours.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// How old a logout token may be, whatever it says of itself: for so long it is remembered.
const OLDEST: TimeDelta = TimeDelta::minutes(10);
/// How long somebody who signs out waits for its address: their session here has ended, and the page does not say so yet.
const ASKED_WITHIN: Duration = Duration::from_secs(2);
/// The longest `jti`, `sid` and `sub`.
const LONGEST: usize = 255;
/// So many refusals of one kind by one provider are recorded each minute.
const RECORDED: u32 = 3;

/// Where a browser goes to sign out at a provider.
impl Upstreams {
    /// The address at which a provider ends a session, and sends the browser to `back` then; none where it has no such address,
    /// or where another issuer has its name by now, which the ID token is not for.
    ///
    /// # Errors
    /// [`Refusal`], where the provider is not configured any more, or does not answer.
    pub async fn sign_out(
        &self,
        there: &UpstreamSession,
        (back, state): (&str, &str),
        language: &str,
    ) -> Result<Option<Url>, Refusal> {
        let provider = self.provider(&there.provider)?;
        if provider.settings.issuer != there.issuer {
            return Ok(None);
        }
        let asked = tokio::time::timeout(ASKED_WITHIN, provider.end_session_endpoint()).await;
        let slow = || Refusal::from(ProviderError::Unusable("it does not answer in time".into()));
        let Some(mut address) = asked.map_err(|_| slow())?? else { return Ok(None) };
        if !matches!(address.scheme(), "https" | "http") {
            return Ok(None);
        }
        let hint = match &there.id_token {
            Some(sealed) => Some(self.parts.seal.open(&place(there), sealed)?),
            None => None,
        };
        let mut query = address.query_pairs_mut();
        match hint.as_deref().and_then(|hint| std::str::from_utf8(hint).ok()) {
            Some(hint) => query.append_pair("id_token_hint", hint),
            None => query.append_pair("client_id", &provider.settings.client_id),
        };
        query.append_pair("post_logout_redirect_uri", back);
        query.append_pair("state", state).append_pair("ui_locales", language);
        drop(query);
        Ok(Some(address))
    }
}

/// The place that the ID tokens of a person there are sealed for: those of all their sessions, whichever it is.
pub(super) fn place(there: &UpstreamSession) -> String {
    format!("upstream_session/{}/{}", there.issuer, there.subject)
}

/// Why nobody is signed out.
#[derive(Debug, thiserror::Error)]
enum LogoutRefusal {
    #[error("no such provider is configured")]
    UnknownProvider,
    #[error("the request is no form with one logout_token")]
    NoToken,
    #[error("the logout token is not signed by the provider: {0}")]
    Unsigned(#[from] JwsError),
    #[error("the logout token is of another issuer, or for another client")]
    NotForUs,
    #[error("the logout token is too old, or of the future")]
    NotNow,
    #[error("it is no logout token: {0}")]
    NoLogout(&'static str),
    #[error("the logout token has been here before")]
    Replayed,
    #[error("the keys of the provider cannot be read: {0}")]
    Away(#[from] ProviderError),
    #[error("the frame names no session of this browser: {0}")]
    OtherSession(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

impl LogoutRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "UPSTREAM-002",
            Self::NoToken => "UPSTREAM-025",
            Self::Unsigned(_) => "UPSTREAM-026",
            Self::NotForUs => "UPSTREAM-027",
            Self::NotNow => "UPSTREAM-028",
            Self::NoLogout(_) => "UPSTREAM-029",
            Self::Replayed => "UPSTREAM-030",
            Self::Away(_) => "UPSTREAM-031",
            Self::OtherSession(_) => "UPSTREAM-034",
            Self::Store(error) => error.code(),
            Self::Cookie(_) => "WEB-005",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::Cookie(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownProvider => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn is_denial(&self) -> bool {
        !matches!(self, Self::Away(_) | Self::Store(_) | Self::Cookie(_))
    }
}

/// The claims of a logout token (Back-Channel Logout §2.4), as far as they are of the right kind.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    iat: i64,
    /// Providers of before 2024 send none, and `iat` bounds it already.
    exp: Option<i64>,
    jti: Option<String>,
    sub: Option<String>,
    sid: Option<String>,
    events: Option<Map<String, Value>>,
    nonce: Option<Value>,
}

/// `POST BACKCHANNEL_ROUTE` with `logout_token`.
pub(super) async fn backchannel(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<String, StringRejection>,
) -> Response {
    let form = form.ok().filter(|_| is_form(&headers));
    match upstreams.logged_out_there(&name, form.as_deref(), &caller).await {
        // §2.8: 200, and never stored.
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(refusal) => {
            upstreams.record(&name, &refusal, &caller).await;
            answer(&refusal)
        }
    }
}

/// `GET FRONTCHANNEL_ROUTE?iss=…&sid=…`, in a frame of a page of the provider.
pub(super) async fn frontchannel(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    match upstreams.framed(&name, &query.unwrap_or_default(), &caller, &headers).await {
        Ok(response) => response,
        Err(refusal) => {
            upstreams.record(&name, &refusal, &caller).await;
            answer(&refusal)
        }
    }
}

impl Upstreams {
    /// Carries a logout token out.
    async fn logged_out_there(
        &self,
        name: &str,
        form: Option<&str>,
        caller: &Caller,
    ) -> Result<(), LogoutRefusal> {
        let provider = self.provider(name).map_err(|_| LogoutRefusal::UnknownProvider)?;
        let raw = form.and_then(|form| parameter(form, "logout_token")).ok_or(LogoutRefusal::NoToken)?;
        // `events`, and `nonce` which it must not have, tell it from every other token.
        let claims: Claims = match provider.signed(&raw).await? {
            Err(JwsError::Claims(_)) => {
                return Err(LogoutRefusal::NoLogout("its claims are of another kind"));
            }
            read => read?,
        };
        let token = acceptable(provider, claims, self.now())?;
        let of_token = |ended: usize| {
            let event = self.parts.trail.event(Kind::UpstreamLogout).upstream(name).caller(caller);
            NewRow::from(&event.note(&format!("{ended} sessions ended")))
        };
        let of_session = |session, person| self.ended_there(name, session, person, caller);
        let recording = Recording { token: &of_token, session: &of_session };
        let (db, now, random) = (&self.parts.db, self.now(), &*self.parts.random);
        log_out(db, &token, recording, now, random).await?.map(|_| ()).ok_or(LogoutRefusal::Replayed)
    }

    /// Ends the session of the browser whose frame this is, where it came from the one that is named.
    async fn framed(
        &self,
        name: &str,
        query: &str,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Response, LogoutRefusal> {
        let provider = self.provider(name).map_err(|_| LogoutRefusal::UnknownProvider)?;
        let issuer = provider.settings.issuer.as_str();
        let named = (parameter(query, "iss"), parameter(query, "sid"));
        let (Some(iss), Some(sid)) = named else {
            return Err(LogoutRefusal::OtherSession("iss and sid are not both there, once"));
        };
        if iss != issuer {
            return Err(LogoutRefusal::OtherSession("it is another issuer"));
        }
        let mut response = framed_page(issuer);
        // Browsers that keep the cookies of other sites from frames bring none: then there is nothing to end.
        let Some((session, _)) = of_browser(&self.parts.db, headers).await? else { return Ok(response) };
        let event = self.ended_there(name, session.id, session.person_id, caller);
        let (db, now, random) = (&self.parts.db, self.now(), &*self.parts.random);
        if !log_out_one(db, session.id, (issuer, &sid), &event, now, random).await? {
            return Err(LogoutRefusal::OtherSession("it is another session"));
        }
        response.headers_mut().append(header::SET_COOKIE, cookies::session().clear()?);
        Ok(response)
    }

    /// What is recorded of a session that ends because it ended there.
    fn ended_there(&self, name: &str, session: SessionId, person: PersonId, caller: &Caller) -> NewRow {
        let event = self.parts.trail.event(Kind::SessionEnded).person(person).session(session).upstream(name);
        NewRow::from(&event.note(EndReason::UpstreamLogout.as_str()).caller(caller))
    }

    /// Logs a refusal and records it, so many a minute for each provider: anybody can post here.
    async fn record(&self, name: &str, refusal: &LogoutRefusal, caller: &Caller) {
        let code = refusal.code();
        tracing::warn!(code, "a logout by another provider was refused: {refusal}");
        let Ok(provider) = self.provider(name) else { return };
        let event = self.parts.trail.event(Kind::UpstreamLogout).upstream(&provider.name).caller(caller);
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        self.repeats.record(&self.parts.db, key_of(&provider.name), code, RECORDED, event, self.now()).await;
    }
}

/// What a logout token asks for, if it may (Back-Channel Logout §2.6).
fn acceptable(provider: &Provider, claims: Claims, now: Time) -> Result<LogoutToken, LogoutRefusal> {
    let Claims { iss, aud, iat, exp, jti, sub, sid, events, nonce } = claims;
    let us = provider.settings.client_id.as_str();
    let for_us = match &aud {
        Value::String(one) => one == us,
        Value::Array(several) => !several.is_empty() && several.iter().all(|one| one == us),
        _ => false,
    };
    if iss != provider.settings.issuer || !for_us {
        return Err(LogoutRefusal::NotForUs);
    }
    let at = |seconds| Time::from_timestamp(seconds, 0).ok_or(LogoutRefusal::NotNow);
    let (issued_at, expires_at) = (at(iat)?, exp.map(at).transpose()?);
    let has_run_out = expires_at.is_some_and(|expires_at| expires_at + SKEW <= now);
    if issued_at > now + SKEW || has_run_out || issued_at + OLDEST <= now {
        return Err(LogoutRefusal::NotNow);
    }
    let is_event = events.is_some_and(|events| events.get(EVENT).is_some_and(Value::is_object));
    if !is_event {
        return Err(LogoutRefusal::NoLogout("it has no such event"));
    }
    if nonce.is_some() {
        return Err(LogoutRefusal::NoLogout("it has a nonce, as ID tokens have"));
    }
    if sid.is_none() && sub.is_none() {
        return Err(LogoutRefusal::NoLogout("it names neither a session nor anybody"));
    }
    let named = [sub.as_deref(), sid.as_deref(), Some(jti.as_deref().unwrap_or_default())];
    if named.into_iter().flatten().any(|name| name.is_empty() || name.len() > LONGEST) {
        return Err(LogoutRefusal::NoLogout("jti, sid or sub is absent or too long"));
    }
    Ok(LogoutToken {
        issuer: iss,
        jti_hash: sha256(jti.unwrap_or_default().as_bytes()),
        sid,
        subject: sub,
        issued_at,
        expires_at: issued_at + OLDEST + SKEW,
    })
}

/// §2.8: a JSON document that says what is wrong, and is never stored.
fn answer(refusal: &LogoutRefusal) -> Response {
    let error = match refusal.status() {
        StatusCode::INTERNAL_SERVER_ERROR => "server_error",
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        _ => "invalid_request",
    };
    let body = json!({ "error": error, "error_description": refusal.code() }).to_string();
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    (refusal.status(), headers, body).into_response()
}

/// An empty page that the provider, and nobody else, may show in a frame.
fn framed_page(issuer: &str) -> Response {
    let mut response = StatusCode::OK.into_response();
    *response.headers_mut() = Policy::default().headers();
    let origin =
        Url::parse(issuer).ok().as_ref().and_then(form_target).unwrap_or_else(|| "'none'".to_owned());
    let policy = format!("default-src 'none'; frame-ancestors {origin}");
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
