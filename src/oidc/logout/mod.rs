//! Logout started by a relying party (RP-Initiated Logout 1.0), in all the forms that PSC's relying parties use: GET and
//! POST, with an `id_token_hint` that may be expired (ID tokens live two minutes), with `client_id` alone, with or
//! without an address to go back to. `state` is always given back.
//!
//! A valid hint names the session to end, so it needs neither cookie nor question. Without one the person is asked, or
//! any page could sign people out. [`backchannel`] tells the other relying parties, and [`elsewhere`] goes on to the provider
//! that the session came from.

pub mod backchannel;
pub mod elsewhere;
pub mod frontchannel;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::Provider;
use super::authorize::answer::{see_other, with_parameters};
use super::host::AskedHost;
use super::id_token_hint::Hint;
use super::parameters::{Duplicate, Parameters, UnreadableForm};
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{Secret, SessionId};
use crate::session::{EndReason, Session, Standing};
use crate::store::client::Client;
use crate::store::upstream_session::{self, Onward, UpstreamSession};
use crate::store::{self, StoreError};
use crate::web::cookies::{self, NoCookie};
use crate::web::csrf::{self, OwnOrigin};
use crate::web::error_page::ErrorPage;
use crate::web::headers::form_target;
use crate::web::language::Language;
use crate::web::pages::RelyingParty;
use crate::web::pages::session::{LogoutFrame, SignOut, SignedOut};

/// On the front host: the same endpoint, where the issuer's own host has no pages.
pub const FRONT: &str = "/logout";
/// On the front host: the answer to "do you want to sign out?".
pub const CONFIRMED: &str = "/logout/confirmed";
/// For the discovery documents.
pub const BACKCHANNEL_IS_SUPPORTED: bool = true;

const KNOWN: [&str; 6] =
    ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", csrf::FIELD];

/// Why nobody is signed out.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// A parameter is there twice.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// No ID token of ours.
    #[error("id_token_hint is no ID token of this provider")]
    Hint,
    /// The hint is for another client than `client_id`.
    #[error("id_token_hint was issued to another client than client_id")]
    HintOfAnotherClient,
    /// No such client.
    #[error("the client is unknown")]
    ClientUnknown,
    /// An address to go back to, and no client it could belong to.
    #[error("post_logout_redirect_uri needs id_token_hint or client_id")]
    NobodysAddress,
    /// Not one of the client's.
    #[error("post_logout_redirect_uri is not registered for the client")]
    AddressUnknown,
    /// A form of another site, or of another session.
    #[error(transparent)]
    Forgery(#[from] csrf::Refused),
    /// A cookie cannot be written.
    #[error("a cookie cannot be written")]
    Cookie(#[from] NoCookie),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LogoutError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Duplicate(_) => "OIDC-003",
            Self::Hint | Self::HintOfAnotherClient => "OIDC-030",
            Self::ClientUnknown => "OIDC-001",
            Self::NobodysAddress | Self::AddressUnknown => "OIDC-031",
            Self::Forgery(refused) => refused.code(),
            Self::Cookie(_) => "WEB-005",
            Self::Store(error) => error.code(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::Cookie(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Forgery(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A logout that was checked.
struct Asked {
    hint: Option<Hint>,
    client: Option<Client>,
    /// Where to go back, with `state`.
    back: Option<String>,
}

/// One request of a browser or relying party.
struct Visit<'a> {
    provider: &'a Provider,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    language: Language,
    method: Method,
    /// The request came to the issuer's own host, which has no pages and no cookies.
    is_apart: bool,
}

/// `GET` and `POST {iss}/protocol/openid-connect/logout`, and the same on the front host.
pub(super) async fn answer(
    State(provider): State<Arc<Provider>>,
    method: Method,
    caller: Caller,
    host: AskedHost,
    headers: HeaderMap,
    parameters: Result<Parameters, UnreadableForm>,
) -> Response {
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(unreadable) => return unreadable.into_response(),
    };
    let is_apart = host.is_issuer_apart(&provider);
    let visit = Visit::new(&provider, &caller, &headers, &parameters, method, is_apart);
    visit.answer(&parameters).await.unwrap_or_else(|error| visit.fail(&error))
}

/// `POST /logout/confirmed`
pub(super) async fn confirmed(
    State(provider): State<Arc<Provider>>,
    method: Method,
    caller: Caller,
    host: AskedHost,
    headers: HeaderMap,
    parameters: Result<Parameters, UnreadableForm>,
) -> Response {
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(unreadable) => return unreadable.into_response(),
    };
    let is_apart = host.is_issuer_apart(&provider);
    let visit = Visit::new(&provider, &caller, &headers, &parameters, method, is_apart);
    visit.confirmed(&parameters).await.unwrap_or_else(|error| visit.fail(&error))
}

impl<'a> Visit<'a> {
    fn new(
        provider: &'a Provider,
        caller: &'a Caller,
        headers: &'a HeaderMap,
        parameters: &Parameters,
        method: Method,
        is_apart: bool,
    ) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let language = Language::choose(parameters.first("ui_locales"), accepted);
        Self { provider, caller, headers, language, method, is_apart }
    }

    async fn answer(&self, parameters: &Parameters) -> Result<Response, LogoutError> {
        let asked = self.check(parameters).await?;
        if let Some(hint) = &asked.hint {
            let there = upstream_session::of(&self.provider.db, hint.session).await?;
            let is_away = self.is_apart
                || (self.method == Method::POST && cookies::session().read(self.headers).is_none());
            if there.is_some() && is_away && elsewhere::is_click(self.headers) {
                // Whoever has clicked leaves the provider of their session too, in their own browser, which shows its cookie on
                // the front host, and to a GET.
                return Ok(self.to_front(parameters));
            }
            let leaves = elsewhere::is_asked_by_person(self.headers) && self.has(hint.session).await?;
            // Also where the session here had ended by itself (idle, too old): that of the provider has not.
            let there = there.filter(|_| leaves);
            let ended = self.end(hint.session, EndReason::RelyingParty, asked.client.as_ref()).await?;
            // A server that posts a hint is done, and so is a browser whose session this was. Where the session had
            // ended before (a new sign-in took its place, say), the browser may have another.
            if ended || self.method == Method::POST || there.is_some() {
                return self.signed_out(&asked, hint.session, there).await;
            }
        }
        // The cookie and the question live on the front host; and a POST of another site comes without the cookie
        // (SameSite), while the GET that follows a redirect brings it.
        let cookie = cookies::session().read(self.headers);
        if self.is_apart || (self.method == Method::POST && cookie.is_none()) {
            return Ok(self.to_front(parameters));
        }
        match self.session().await? {
            Some((_, cookie)) => Ok(self.ask(&asked, parameters, &cookie)),
            None => Ok(self.closed(&asked)),
        }
    }

    async fn confirmed(&self, parameters: &Parameters) -> Result<Response, LogoutError> {
        OwnOrigin::of(&self.provider.settings.front_url).check(&self.method, self.headers)?;
        let asked = self.check(parameters).await?;
        let Some((session, cookie)) = self.session().await? else { return Ok(self.closed(&asked)) };
        csrf::check_token(&cookie, parameters.first(csrf::FIELD).unwrap_or_default())?;
        let there = upstream_session::of(&self.provider.db, session.id).await?;
        let ended = self.end(session.id, EndReason::SignedOut, asked.client.as_ref()).await?;
        self.signed_out(&asked, session.id, there.filter(|_| ended)).await
    }

    /// The same request, on the host that has the pages and the cookies.
    fn to_front(&self, parameters: &Parameters) -> Response {
        let front = self.provider.settings.front_address(FRONT);
        see_other(&format!("{front}?{}", parameters.encode()), Method::POST)
    }

    /// What the parameters say, if they agree with one another and with the client's registration.
    async fn check(&self, parameters: &Parameters) -> Result<Asked, LogoutError> {
        parameters.each_once(&KNOWN)?;
        let provider = self.provider;
        let hint = match parameters.first("id_token_hint") {
            Some(token) => {
                let keys = provider.token_keys.keys().await;
                let issuer = provider.settings.issuer.as_str();
                Some(Hint::read(token, issuer, |kid| keys.verifying(kid)).ok_or(LogoutError::Hint)?)
            }
            None => None,
        };
        let client_id = parameters.first("client_id");
        if let (Some(hint), Some(client_id)) = (&hint, client_id)
            && hint.client_id != client_id
        {
            return Err(LogoutError::HintOfAnotherClient);
        }
        let client_id = hint.as_ref().map(|hint| hint.client_id.as_str()).or(client_id);
        let client = match client_id {
            Some(id) => store::client::by_id(&provider.db, id).await?,
            None => None,
        };
        // A hint ends its session even where its client was removed since; a name alone must be known.
        if hint.is_none() && client_id.is_some() && client.is_none() {
            return Err(LogoutError::ClientUnknown);
        }
        let back = match (parameters.first("post_logout_redirect_uri"), &client) {
            (None, _) => None,
            (Some(_), None) => return Err(LogoutError::NobodysAddress),
            (Some(asked), Some(client)) => {
                let registered = &client.post_logout_redirect_uris;
                let sandbox = provider.settings.sandbox;
                if !super::client::redirect_uri::is_registered(registered, asked, sandbox) {
                    return Err(LogoutError::AddressUnknown);
                }
                let state = parameters.first("state").map(|state| ("state", state));
                // Who signs out is signed out, but sent to no service that the establishment has switched off.
                let is_served = client.disabled_at.is_none();
                is_served.then(|| with_parameters(asked, state.into_iter()))
            }
        };
        Ok(Asked { hint, client, back })
    }

    /// Ends the session and queues the logouts of its relying parties. Yields whether it was running.
    async fn end(
        &self,
        session: SessionId,
        reason: EndReason,
        client: Option<&Client>,
    ) -> Result<bool, LogoutError> {
        let provider = self.provider;
        let now = provider.now();
        let Some(found) = store::session::by_id(&provider.db, session).await? else { return Ok(false) };
        let event = provider.trail.event(Kind::SessionEnded).person(found.person_id).session(session);
        let event = event.note(reason.as_str()).caller(self.caller);
        let event = client.map_or_else(|| event.clone(), |client| event.clone().client(&client.id));
        let event = (&event).into();
        Ok(store::session::end(&provider.db, session, reason, &event, now, &*provider.random).await?)
    }

    /// Whether this is the browser's session, whatever its standing.
    async fn has(&self, session: SessionId) -> Result<bool, StoreError> {
        let Some(cookie) = cookies::session().read(self.headers) else { return Ok(false) };
        let hash = sha256(cookie.expose().as_bytes());
        Ok(store::session::by_cookie(&self.provider.db, hash).await?.is_some_and(|had| had.id == session))
    }

    /// The browser's session, if it runs, with its cookie. A locked one runs, and whoever is there may end it.
    async fn session(&self) -> Result<Option<(Session, Secret)>, StoreError> {
        running(self.provider, self.headers).await
    }

    fn ask(&self, asked: &Asked, parameters: &Parameters, cookie: &Secret) -> Response {
        let target = asked.back.as_deref().and_then(|back| Url::parse(back).ok());
        let host = target.as_ref().and_then(Url::host_str).unwrap_or_default();
        let client = asked.client.as_ref().map(|client| ("client_id".to_owned(), client.id.clone()));
        let carried = ["post_logout_redirect_uri", "state", "ui_locales"];
        let field = |name: &str| parameters.first(name).map(|value| (name.to_owned(), value.to_owned()));
        let page = SignOut {
            relying_party: asked
                .client
                .as_ref()
                .map(|client| RelyingParty { name: client.name.clone(), host: host.to_owned() }),
            action: CONFIRMED.to_owned(),
            fields: client.into_iter().chain(carried.iter().filter_map(|name| field(name))).collect(),
            csrf: csrf::token(cookie),
            stay: asked.back.clone(),
            form_targets: target.as_ref().and_then(form_target).into_iter().collect(),
        };
        page.render(&self.provider.site.frame(self.language))
    }

    /// After the end of a session: on to the provider that it came from, where its person leaves that too; or back to the
    /// relying party, or the closing page. The cookie goes if it was this session's.
    async fn signed_out(
        &self,
        asked: &Asked,
        ended: SessionId,
        there: Option<UpstreamSession>,
    ) -> Result<Response, LogoutError> {
        let frames = frontchannel::frames(self.provider, ended).await?;
        let mut response = if let Some(there) = there {
            let onward = Onward { sessions: vec![ended], back: way_back(asked) };
            elsewhere::go_on(self.provider, &there, onward, frames, (self.caller, self.language)).await
        } else if frames.is_empty() && asked.back.is_some() {
            self.closed(asked)
        } else {
            // There is a page to read, so it says whom it could not tell. Nobody waits where a server posts the hint.
            // A form that another site's page posts comes without the cookie too (SameSite); browsers say that they are some.
            let is_browser = self.headers.contains_key("sec-fetch-mode")
                || cookies::session().read(self.headers).is_some();
            let is_server = self.method == Method::POST && !is_browser;
            let untold = match is_server {
                true => backchannel::untold(self.provider, ended).await,
                false => backchannel::tell_now(self.provider, &[ended]).await,
            };
            self.closing(asked, frames, untold)
        };
        if self.has(ended).await? {
            response.headers_mut().append(header::SET_COOKIE, cookies::session().clear()?);
        }
        Ok(response)
    }

    fn closed(&self, asked: &Asked) -> Response {
        match &asked.back {
            Some(back) => see_other(back, self.method.clone()),
            None => SignedOut::default().render(&self.provider.site.frame(self.language)),
        }
    }

    /// The closing page, which goes on to the relying party once the others were told.
    fn closing(&self, asked: &Asked, frames: Vec<LogoutFrame>, untold: Vec<String>) -> Response {
        let back = way_back(asked);
        SignedOut { back, frames, untold, ..SignedOut::default() }
            .render(&self.provider.site.frame(self.language))
    }

    fn fail(&self, error: &LogoutError) -> Response {
        let status = error.status();
        if status.is_server_error() {
            tracing::error!(code = error.code(), %error, "a logout could not be served");
        } else {
            tracing::warn!(code = error.code(), %error, "a logout was refused");
        }
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        ErrorPage::new(status, error.code(), operation).render(&self.provider.site.frame(self.language))
    }
}

/// The session of a browser, if it runs, with its cookie.
async fn running(provider: &Provider, headers: &HeaderMap) -> Result<Option<(Session, Secret)>, StoreError> {
    let Some(cookie) = cookies::session().read(headers) else { return Ok(None) };
    let hash = sha256(cookie.expose().as_bytes());
    let session = store::session::by_cookie(&provider.db, hash).await?;
    let (policies, now) = (&provider.settings.policies, provider.now());
    let session = session.filter(|session| {
        let standing = session.standing(policies.at(&session.station()), now);
        matches!(standing, Standing::Alive | Standing::Locked)
    });
    Ok(session.map(|session| (session, cookie)))
}

/// The relying party that the person goes back to: its name and its address.
fn way_back(asked: &Asked) -> Option<(String, String)> {
    let name = asked.client.as_ref().map(|client| client.name.clone()).unwrap_or_default();
    asked.back.clone().map(|address| (name, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_that_is_read_is_refused_twice() {
        for name in ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"] {
            assert!(KNOWN.contains(&name));
        }
    }
}
