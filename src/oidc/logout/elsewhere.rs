//! Signing out, besides, at the provider of others that a session came from.
//!
//! Whoever says here that they leave has left there too: at Pro Santé Connect the next one at this workstation would else be
//! signed in under their name by one click. The session here ends first, whatever becomes of the other; then its browser, and
//! no other, goes to the provider with the ID token of the sign-in, and comes back to go on to the service that it left.
//!
//! An end that nobody asked for (idle, too old, revoked, an administrator's, another service's by itself) ends nothing there:
//! the person may be at work elsewhere by that session. Whoever clicks afterwards, in the browser that had it, goes there all the
//! same, without an ID token. Where the provider does not answer, page and audit say what is left open.
//!
//! What it stops. *An open redirect*: where the browser goes on was checked when it left, and stays here; the address that it
//! comes back to takes none. *Somebody else's return*: it is known by a cookie, and `state`, where it comes back, has to be
//! its own; Pro Santé Connect may leave it out.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use super::{FRONT, backchannel, running};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{Secret, SessionId};
use crate::oidc::Provider;
use crate::oidc::authorize::answer::see_other;
use crate::oidc::authorize::means::Leaving;
use crate::oidc::parameters::{Parameters, UnreadableForm};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::upstream_session::{self, NewSignOut, Onward, Returned, Returning, UpstreamSession};
use crate::web::cookies;
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::page::Frame;
use crate::web::pages::session::{LogoutFrame, OtherSession, SignedOut};

/// Where a provider sends the browser back. It has to be registered there.
pub const RETURN_ROUTE: &str = "/login/provider/{name}/logged-out";
/// How long a browser is waited for: the provider may ask its person something.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// The provider does not answer, or ends no sessions.
const AWAY: &str = "UPSTREAM-031";
/// What came back belongs to another browser, or to another provider.
const OTHER: &str = "UPSTREAM-032";
/// In the audit: the browser went to the provider with its sign-out, which ends the session there.
const SENT_THERE: &str = "browser sent there";
/// So many of those are recorded each minute.
const RECORDED: u32 = 3;

/// Whether a person has just asked for what this request does. A relying party's own logout is a navigation like any other,
/// and only the browser knows whether a click or a timer began it (Fetch Metadata §2.4); one that says nothing of either is
/// believed: RP-Initiated Logout §2 is there for people who sign out.
pub(in crate::oidc) fn is_asked_by_person(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match says("sec-fetch-mode") {
        Some(mode) => {
            mode == "navigate"
                && says("sec-fetch-dest").is_none_or(|dest| dest == "document")
                && says("sec-fetch-user") == Some("?1")
        }
        None => true,
    }
}

/// Whether the browser says that a click began this.
pub(in crate::oidc) fn is_click(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-mode") && is_asked_by_person(headers)
}

/// The page of a session that has ended, which goes on to the provider that it came from; or says, where that does not answer,
/// what is left open there.
pub(in crate::oidc) async fn go_on(
    provider: &Provider,
    there: &UpstreamSession,
    onward: Onward,
    frames: Vec<LogoutFrame>,
    (caller, language): (&Caller, Language),
) -> Response {
    let Onward { sessions, back } = onward.clone();
    let event = event_of(provider, there, &sessions, caller).await;
    let (other, cookie) = match sent_there(provider, there, onward, event.clone(), language).await {
        Ok((other, cookie)) => (other, Some(cookie)),
        Err(open) => {
            open.record(provider, there, event).await;
            (OtherSession { label: open.label, address: None }, None)
        }
    };
    let page = match &cookie {
        // The way back, and whom a logout did not reach, is said once the browser comes back.
        Some(_) => SignedOut { frames, other: Some(other), ..SignedOut::default() },
        None => {
            let untold = backchannel::tell_now(provider, &sessions).await;
            SignedOut { back, frames, untold, other: Some(other), moves: false }
        }
    };
    let mut response = page.render(&provider.site.frame(language));
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A session at a provider that may stay open: the one here has ended all the same.
struct LeftOpen {
    /// What people call the provider.
    label: String,
    code: &'static str,
    why: String,
}

impl LeftOpen {
    /// Logs it, and records it.
    async fn record(&self, provider: &Provider, there: &UpstreamSession, event: Event) {
        let Self { code, why, .. } = self;
        tracing::warn!(code, provider = there.provider, "a session there may stay open: {why}");
        let event = NewRow::from(&event.failure(*code));
        if let Err(error) = store::audit::append(&provider.db, event).await {
            tracing::error!(code = error.code(), %error, "that is missing in the audit trail");
        }
    }
}

/// That a browser signs out at the provider too: whose session it is, and which one here came from it.
async fn event_of(
    provider: &Provider,
    there: &UpstreamSession,
    sessions: &[SessionId],
    caller: &Caller,
) -> Event {
    let event = provider.trail.event(Kind::UpstreamLogout).upstream(&there.provider).caller(caller);
    let Some(session) = sessions.first() else { return event };
    let event = event.session(*session);
    match store::session::by_id(&provider.db, *session).await {
        Ok(Some(found)) => event.person(found.person_id),
        Ok(None) | Err(_) => event,
    }
}

/// What makes a browser that goes to the provider known when it comes back; else why it does not go there.
async fn sent_there(
    provider: &Provider,
    there: &UpstreamSession,
    onward: Onward,
    event: Event,
    language: Language,
) -> Result<(OtherSession, HeaderValue), LeftOpen> {
    let none =
        || LeftOpen { label: there.provider.clone(), code: AWAY, why: "no provider is configured".into() };
    let providers = provider.means.providers.as_ref().ok_or_else(none)?;
    let (cookie, state) = (Secret::of_256_bits(&*provider.random), Secret::of_256_bits(&*provider.random));
    let back = provider.settings.front_address(&RETURN_ROUTE.replace("{name}", &there.provider));
    let leaving = Leaving { back: &back, state: state.expose(), language: language.tag() };
    let (label, address) = providers.sign_out(there, leaving).await;
    let left_open = |code, why: &str| LeftOpen { label: label.clone(), code, why: why.to_owned() };
    let address = match address {
        Ok(Some(address)) => address,
        Ok(None) => {
            return Err(left_open(AWAY, "it has no address at which it ends, or is another one by now"));
        }
        Err(why) => return Err(left_open(AWAY, &why)),
    };
    let new = NewSignOut {
        browser_hash: sha256(cookie.expose().as_bytes()),
        state_hash: sha256(state.expose().as_bytes()),
        provider: there.provider.clone(),
        onward,
        expires_at: provider.now() + PATIENCE,
    };
    let event = NewRow::from(&event.note(SENT_THERE));
    let departed = upstream_session::depart(&provider.db, &new, &event).await;
    departed.map_err(|error| left_open(error.code(), &error.to_string()))?;
    let cookie = cookies::sign_out().set(&cookie, None);
    let cookie = cookie.map_err(|error| left_open("WEB-005", &error.to_string()))?;
    Ok((OtherSession { label, address: Some(address) }, cookie))
}

/// `GET RETURN_ROUTE?state=…`
pub(in crate::oidc) async fn returned(
    State(provider): State<Arc<Provider>>,
    Path(name): Path<String>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    parameters: Result<Parameters, UnreadableForm>,
) -> Response {
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(unreadable) => return unreadable.into_response(),
    };
    let cookie = cookies::sign_out();
    let returning = Returning {
        browser_hash: cookie.read(&headers).map(|cookie| sha256(cookie.expose().as_bytes())),
        state_hash: parameters.first("state").map(|state| sha256(state.as_bytes())),
        provider: name.clone(),
    };
    let frame = provider.site.frame(language);
    let mut response = match upstream_session::come_back(&provider.db, &returning, provider.now()).await {
        Ok(Returned::Onward(Onward { sessions, back })) => {
            let untold = backchannel::tell_now(&provider, &sessions).await;
            SignedOut { back, untold, moves: true, ..SignedOut::default() }.render(&frame)
        }
        Ok(Returned::Unknown) => signed_out_or_asked(&provider, &headers, &frame).await,
        Ok(Returned::Other) => return refuse(&provider, &name, &caller, language).await,
        Err(error) => {
            tracing::error!(code = error.code(), %error, "where a browser goes on after a sign-out is not known");
            signed_out_or_asked(&provider, &headers, &frame).await
        }
    };
    if let Ok(cleared) = cookie.clear() {
        response.headers_mut().append(header::SET_COOKIE, cleared);
    }
    response
}

/// Whoever comes without having left: nobody reads that they are signed out while the session of their browser runs, or while
/// nobody knows.
async fn signed_out_or_asked(provider: &Provider, headers: &HeaderMap, frame: &Frame) -> Response {
    match running(provider, headers).await {
        Ok(None) => SignedOut::default().render(frame),
        Ok(Some(_)) | Err(_) => see_other(&provider.settings.front_address(FRONT), Method::GET),
    }
}

async fn refuse(provider: &Provider, name: &str, caller: &Caller, language: Language) -> Response {
    tracing::warn!(code = OTHER, provider = name, "a sign-out comes back in another browser than it left");
    let event = provider.trail.event(Kind::UpstreamLogout).upstream(name).caller(caller).denied(OTHER);
    provider.repeats.record(&provider.db, Uuid::nil(), OTHER, RECORDED, event, provider.now()).await;
    let operation = caller.operation.map(|id| id.to_string()).unwrap_or_default();
    ErrorPage::new(StatusCode::FORBIDDEN, OTHER, operation).render(&provider.site.frame(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_click_is_a_persons_and_a_timer_is_not() {
        let click =
            [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-user", "?1")];
        assert!(is_asked_by_person(&headers(&click)));
        assert!(!is_asked_by_person(&headers(&click[..2])), "a timer of the service");
        let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("sec-fetch-user", "?1")];
        assert!(!is_asked_by_person(&headers(&frame)));
        assert!(!is_asked_by_person(&headers(&[("sec-fetch-mode", "cors"), ("sec-fetch-user", "?1")])));
        assert!(is_asked_by_person(&headers(&[])), "a browser that does not say");
        assert!(!is_click(&headers(&[])) && is_click(&headers(&click)));
    }
}
