//! "Where am I signed in?": the open sessions of the person in front of this browser, and the way to close one of them or
//! all. Who left a session open at another desk closes it from here, with its logouts. And [what they allowed](consents).

pub(super) mod consents;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};

use super::Provider;
use super::authorize::answer::see_other;
use super::logout::{backchannel, elsewhere, frontchannel};
use super::parameters::{Parameters, UnreadableForm};
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::directory;
use crate::ids::{Secret, SessionId, WorkstationId};
use crate::session::{EndReason, Evidence, Session, Standing};
use crate::store::audit::NewRow;
use crate::store::role::Role;
use crate::store::upstream_session::{self, Onward};
use crate::store::{self, StoreError};
use crate::web::cookies::{self, NoCookie};
use crate::web::csrf::{self, OwnOrigin};
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::pages::session::{Home, Nobody, SessionRow, SignedOut};

/// On the front host: the page.
pub(super) const ROUTE: &str = "/";
/// One session is closed.
pub(super) const END_ROUTE: &str = "/sessions/{session}/end";
/// All sessions are closed, that of this browser too.
pub(super) const END_ALL_ROUTE: &str = "/sessions/end";

/// Why the page cannot be shown, or nothing is closed.
#[derive(Debug, thiserror::Error)]
enum SessionsError {
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

impl SessionsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Forgery(refused) => refused.code(),
            Self::Cookie(_) => "WEB-005",
            Self::Store(error) => error.code(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Forgery(_) => StatusCode::FORBIDDEN,
            Self::Cookie(_) | Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// What a person wants to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// One, if the address names a session at all.
    One(Option<SessionId>),
    All,
}

/// One request of a browser.
struct Visit<'a> {
    provider: &'a Provider,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    language: Language,
}

/// `GET /`
pub(super) async fn show(
    State(provider): State<Arc<Provider>>,
    caller: Caller,
    headers: HeaderMap,
    parameters: Result<Parameters, UnreadableForm>,
) -> Response {
    let chosen = parameters.ok().and_then(|parameters| parameters.first("ui_locales").map(str::to_owned));
    let visit = Visit::new(&provider, &caller, &headers, chosen.as_deref());
    visit.show().await.unwrap_or_else(|error| visit.fail(&error))
}

/// `POST /sessions/{session}/end`
pub(super) async fn end(
    State(provider): State<Arc<Provider>>,
    Path(session): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    let visit = Visit::new(&provider, &caller, &headers, None);
    visit.end(&form, Wanted::One(session.parse().ok())).await.unwrap_or_else(|error| visit.fail(&error))
}

/// `POST /sessions/end`
pub(super) async fn end_all(
    State(provider): State<Arc<Provider>>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    let visit = Visit::new(&provider, &caller, &headers, None);
    visit.end(&form, Wanted::All).await.unwrap_or_else(|error| visit.fail(&error))
}

impl<'a> Visit<'a> {
    fn new(provider: &'a Provider, caller: &'a Caller, headers: &'a HeaderMap, chosen: Option<&str>) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self { provider, caller, headers, language: Language::choose(chosen, accepted) }
    }

    async fn show(&self) -> Result<Response, SessionsError> {
        let provider = self.provider;
        let mut frame = provider.site.frame(self.language);
        frame.switch = Some(format!("{ROUTE}?ui_locales={}", frame.other().tag()));
        let Some((here, cookie)) = self.session().await? else { return Ok(Nobody.render(&frame)) };
        let known = directory::subject(&provider.db, here.person_id, provider.now()).await?;
        let name =
            known.map(|known| format!("{} {}", known.given_name, known.family_name)).unwrap_or_default();
        let open = self.open(&here).await?;
        let mut services: HashMap<SessionId, Vec<String>> = HashMap::new();
        for (session, service) in store::session::services_of(&provider.db, here.person_id).await? {
            services.entry(session).or_default().push(service);
        }
        let mut sessions = Vec::with_capacity(open.len());
        for session in &open {
            sessions.push(SessionRow {
                place: self.place(session).await?,
                since: session.created_at,
                current: session.id == here.id,
                services: services.remove(&session.id).unwrap_or_default(),
                end: format!("/sessions/{}/end", session.id),
            });
        }
        let page = Home {
            name,
            sessions,
            consents: self.consents(here.person_id).await?,
            withdraw: consents::WITHDRAW_ROUTE.to_owned(),
            now: provider.now(),
            end_all: END_ALL_ROUTE.to_owned(),
            desk: store::role::holds(&provider.db, here.person_id, Role::Desk, provider.now()).await?,
            csrf: csrf::token(&cookie),
        };
        Ok(page.render(&frame))
    }

    /// Closes one of the person's own sessions, or all of them and, with them, what services were allowed for afterwards.
    async fn end(&self, form: &Parameters, wanted: Wanted) -> Result<Response, SessionsError> {
        let provider = self.provider;
        OwnOrigin::of(&provider.settings.front_url).check(&Method::POST, self.headers)?;
        let Some((here, cookie)) = self.session().await? else { return Ok(see_other(ROUTE, Method::POST)) };
        csrf::check_token(&cookie, form.first(csrf::FIELD).unwrap_or_default())?;
        let own = store::session::running_of(&provider.db, here.person_id).await?;
        let event = |kind| {
            let event = provider.trail.event(kind).person(here.person_id).note(EndReason::SignedOut.as_str());
            event.caller(self.caller)
        };
        let ending: Vec<(SessionId, NewRow)> = own
            .iter()
            .filter(|session| wanted == Wanted::All || wanted == Wanted::One(Some(session.id)))
            .map(|session| (session.id, NewRow::from(&event(Kind::SessionEnded).session(session.id))))
            .collect();
        let (db, now, random) = (&provider.db, provider.now(), &*provider.random);
        let everywhere =
            (wanted == Wanted::All).then(|| (here.person_id, NewRow::from(&event(Kind::TokenRevoked))));
        // Of the sessions of other browsers nothing is ended elsewhere: only theirs can show themselves there.
        let there = upstream_session::of(db, here.id).await?;
        store::session::sign_out(db, &ending, everywhere.as_ref(), now, random).await?;
        if !ending.iter().any(|(session, _)| *session == here.id) {
            return Ok(see_other(ROUTE, Method::POST));
        }
        let frames = frontchannel::frames(provider, here.id).await?;
        let ended: Vec<SessionId> = ending.iter().map(|(session, _)| *session).collect();
        let mut response = match there {
            Some(there) => {
                let onward = Onward { sessions: ended, back: None };
                elsewhere::go_on(provider, &there, onward, frames, (self.caller, self.language)).await
            }
            None => {
                let untold = backchannel::tell_now(provider, &ended).await;
                SignedOut { frames, untold, ..SignedOut::default() }
                    .render(&provider.site.frame(self.language))
            }
        };
        response.headers_mut().append(header::SET_COOKIE, cookies::session().clear()?);
        Ok(response)
    }

    /// The person's open sessions, that of this browser first.
    async fn open(&self, here: &Session) -> Result<Vec<Session>, StoreError> {
        let (policies, now) = (&self.provider.settings.policies, self.provider.now());
        let mut open = store::session::running_of(&self.provider.db, here.person_id).await?;
        open.retain(|session| {
            let standing = session.standing(policies.at(&session.station()), now);
            matches!(standing, Standing::Alive | Standing::Locked)
        });
        open.sort_by_key(|session| session.id != here.id);
        Ok(open)
    }

    /// The workstation's name; none where the session was opened without one that is known.
    async fn place(&self, session: &Session) -> Result<Option<String>, StoreError> {
        let Some(workstation) = session.workstation_id.or_else(|| read_at(&session.evidence)) else {
            return Ok(None);
        };
        Ok(store::workstation::by_id(&self.provider.db, workstation).await?.map(|found| found.name))
    }

    /// The browser's session, where whoever is there may use it: a locked one shows nothing.
    async fn session(&self) -> Result<Option<(Session, Secret)>, StoreError> {
        let Some(cookie) = cookies::session().read(self.headers) else { return Ok(None) };
        let session =
            store::session::by_cookie(&self.provider.db, sha256(cookie.expose().as_bytes())).await?;
        let (policies, now) = (&self.provider.settings.policies, self.provider.now());
        let alive =
            |session: &Session| session.standing(policies.at(&session.station()), now) == Standing::Alive;
        Ok(session.filter(alive).map(|session| (session, cookie)))
    }

    fn fail(&self, error: &SessionsError) -> Response {
        let status = error.status();
        if status.is_server_error() {
            tracing::error!(code = error.code(), %error, "the person's sessions could not be served");
        } else {
            tracing::warn!(code = error.code(), %error, "the end of a session was refused");
        }
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        ErrorPage::new(status, error.code(), operation).render(&self.provider.site.frame(self.language))
    }
}

/// Where the card of a sign-in was read.
fn read_at(evidence: &Evidence) -> Option<WorkstationId> {
    match evidence {
        Evidence::Card { workstation, .. } => Some(*workstation),
        _ => None,
    }
}
