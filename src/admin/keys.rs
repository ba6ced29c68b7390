//! A security key is issued at the desk: its person stands there, was recognised by a document, and touches the key at the
//! browser of the desk.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;

use super::Desk;
use super::desk::Visit;
use super::refusal::Refusal;
use crate::audit::{Caller, Kind};
use crate::ids::{MeansId, PersonId};
use crate::store::means::Evidence;
use crate::web::browser;
use crate::web::language::Language;
use crate::web::pages::means::KeyChallenge;
use crate::web::pages::sign_in::Status;
use crate::webauthn::SecurityKeys;
use crate::webauthn::issue::{self, Vouched};

/// `POST /desk/people/{person}/key/options`
pub(super) async fn options(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansIssued);
    match visit.ask(person, &body).await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /desk/people/{person}/key`
pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansIssued);
    match visit.issue(person, &body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /desk/people/{person}/means/{means}/renew/options`
pub(super) async fn renewal_options(
    State(desk): State<Arc<Desk>>,
    Path((person, means)): Path<(PersonId, MeansId)>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansRenewed);
    match visit.ask_renewal(person, means).await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /desk/people/{person}/means/{means}/renew`
pub(super) async fn renewal_answer(
    State(desk): State<Arc<Desk>>,
    Path((person, means)): Path<(PersonId, MeansId)>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansRenewed);
    match visit.renew(person, means, &body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

impl Visit<'_> {
    async fn ask_renewal(&mut self, person: PersonId, means: MeansId) -> Result<KeyChallenge, Refusal> {
        let vouched = self.vouched(person).await?;
        Ok(keys(self.desk)?.begin_renewal(&vouched, means).await?)
    }

    async fn renew(&mut self, person: PersonId, means: MeansId, body: &[u8]) -> Result<(), Refusal> {
        let vouched = self.vouched(person).await?;
        let keys = keys(self.desk)?;
        Ok(keys.renew(&vouched, (means, body), self.caller, &mut self.event).await?)
    }

    async fn ask(&mut self, person: PersonId, body: &[u8]) -> Result<KeyChallenge, Refusal> {
        let vouched = self.vouched(person).await?;
        Ok(keys(self.desk)?.begin_issue(&vouched, body).await?)
    }

    async fn issue(&mut self, person: PersonId, body: &[u8]) -> Result<(), Refusal> {
        let vouched = self.vouched(person).await?;
        let keys = keys(self.desk)?;
        Ok(keys.issue(&vouched, body, &mut self.event).await?)
    }

    /// That the desk vouches for the person who stands there, if it may and has looked at their document.
    async fn vouched(&mut self, person: PersonId) -> Result<Vouched, Refusal> {
        let session = self.scripted().await?;
        self.receiver(person, &session).await?;
        self.gets_something(person).await?;
        let check = self.good_check(person, &session).await?;
        Ok(Vouched {
            person,
            session: session.id,
            by: None,
            desk: Some(issue::Desk { person: session.person_id, check: check.id }),
            evidence: Evidence::IdentityCheck {
                document: check.document.as_str().to_owned(),
                at: check.checked_at,
            },
            highest: check.document.highest_level(),
            place: browser::place(self.caller),
        })
    }

    pub(super) async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        self.record(refusal).await;
        let texts = self.desk.parts.site.frame(language).texts;
        (refusal.status(), Json(Status::failed(refusal.code(), texts))).into_response()
    }
}

fn keys(desk: &Desk) -> Result<&SecurityKeys, Refusal> {
    desk.parts.keys.as_deref().ok_or(Refusal::NoKeys)
}
