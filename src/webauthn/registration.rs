//! Registering a security key, by its signed-in person: `POST` for a challenge, and `POST` of what the key made of it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;

use super::SecurityKeys;
use super::authentication::{MEANS, RECORDED};
use super::issue::Vouched;
use super::refusal::Refusal;
use crate::audit::{Caller, Event, Kind};
use crate::ids::{MeansId, SessionId};
use crate::means::{may_change, used};
use crate::store;
use crate::store::means::Evidence;
use crate::web::browser;
use crate::web::language::Language;
use crate::web::new_session;
use crate::web::pages::means::KeyChallenge;
use crate::web::pages::sign_in::Status;

/// `POST /means/key/options`
pub(super) async fn options(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers);
    match visit.ask(&body).await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /means/key`
pub(super) async fn answer(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers);
    match visit.register(&body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /means/{means}/renew/options`
pub(super) async fn renewal_options(
    State(keys): State<Arc<SecurityKeys>>,
    Path(means): Path<MeansId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::of(&keys, &caller, &headers, Kind::MeansRenewed);
    match visit.ask_renewal(means).await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /means/{means}/renew`
pub(super) async fn renewal_answer(
    State(keys): State<Arc<SecurityKeys>>,
    Path(means): Path<MeansId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::of(&keys, &caller, &headers, Kind::MeansRenewed);
    match visit.renew(means, &body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// One request of a browser on its way through the checks. The event learns what is known.
struct Visit<'a> {
    keys: &'a SecurityKeys,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    event: Event,
    /// The session, once it is certain who is there.
    session: Option<SessionId>,
}

impl<'a> Visit<'a> {
    fn new(keys: &'a SecurityKeys, caller: &'a Caller, headers: &'a HeaderMap) -> Self {
        Self::of(keys, caller, headers, Kind::MeansIssued)
    }

    fn of(keys: &'a SecurityKeys, caller: &'a Caller, headers: &'a HeaderMap, kind: Kind) -> Self {
        let event = keys.parts.trail.event(kind).caller(caller).means(MEANS, None);
        Self { keys, caller, headers, event, session: None }
    }

    /// That the session of this browser vouches for its person, if they may add a means now.
    async fn vouched(&mut self) -> Result<Vouched, Refusal> {
        let keys = &self.keys.parts;
        keys.own.check_origin(self.headers)?;
        let now = self.keys.now();
        let alive = new_session::alive(&keys.db, self.headers, &keys.policies, now).await?;
        let (session, _) = alive.ok_or(Refusal::NoSession)?;
        self.session = Some(session.id);
        self.event = self.event.clone().person(session.person_id).session(session.id);
        let own = store::means::of_person(&keys.db, session.person_id).await?;
        may_change(&own, &session, &keys.policies, now)?;
        Ok(Vouched {
            person: session.person_id,
            session: session.id,
            by: used(&own, &session).map(|means| means.id),
            desk: None,
            evidence: Evidence::SignIn { session: session.id, at: session.auth_time, acr: session.acr },
            highest: session.acr,
            place: browser::place(self.caller),
        })
    }

    async fn ask(&mut self, body: &[u8]) -> Result<KeyChallenge, Refusal> {
        let vouched = self.vouched().await?;
        self.keys.begin_issue(&vouched, body).await
    }

    async fn register(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let vouched = self.vouched().await?;
        self.keys.issue(&vouched, body, &mut self.event).await
    }

    async fn ask_renewal(&mut self, means: MeansId) -> Result<KeyChallenge, Refusal> {
        let vouched = self.vouched().await?;
        self.keys.begin_renewal(&vouched, means).await
    }

    async fn renew(&mut self, means: MeansId, body: &[u8]) -> Result<(), Refusal> {
        let vouched = self.vouched().await?;
        self.keys.renew(&vouched, (means, body), self.caller, &mut self.event).await
    }

    async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "the registration of a security key was refused: {refusal}");
        if let Some(session) = self.session {
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            let SecurityKeys { parts, repeats } = self.keys;
            repeats.record(&parts.db, session.0, code, RECORDED, event, self.keys.now()).await;
        }
        let texts = self.keys.parts.site.frame(language).texts;
        (refusal.status(), Json(Status::failed(code, texts))).into_response()
    }
}
