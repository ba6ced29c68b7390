//! A phone is paired at the desk: its person stands there, was recognised by a document, and holds it in their hand. The page of
//! the desk shows the code, the phone six digits, which are typed at the desk.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;

use super::Desk;
use super::desk::Visit;
use super::refusal::Refusal;
use crate::audit::{Caller, Kind};
use crate::ids::PersonId;
use crate::mobile::{Phones, Said, Vouched};
use crate::store::means::Evidence;
use crate::store::pairing::Vouching;
use crate::web::browser;
use crate::web::language::Language;
use crate::web::pages::phone::{Begun, PairingStep};
use crate::web::pages::sign_in::Status;

/// `POST /desk/people/{person}/phone`: a code for the page.
pub(super) async fn begin(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansIssued);
    match visit.begin_phone(person).await {
        Ok(begun) => Json(begun).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /desk/people/{person}/phone/status`: how far it is.
pub(super) async fn status(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Json(said): Json<Said>,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansIssued);
    match visit.phone_step(person, &said).await {
        Ok(step) => Json(step).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /desk/people/{person}/phone/confirm`: the digits, which the phone shows.
pub(super) async fn confirm(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Json(said): Json<Said>,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::MeansIssued);
    match visit.confirm_phone(person, &said).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

impl Visit<'_> {
    async fn begin_phone(&mut self, person: PersonId) -> Result<Begun, Refusal> {
        let vouched = self.vouched_phone(person).await?;
        Ok(phones(self.desk)?.begin_pairing(&vouched).await?)
    }

    async fn phone_step(&mut self, person: PersonId, said: &Said) -> Result<PairingStep, Refusal> {
        let vouched = self.vouched_phone(person).await?;
        Ok(phones(self.desk)?.pairing_step(&vouched, said).await?)
    }

    async fn confirm_phone(&mut self, person: PersonId, said: &Said) -> Result<(), Refusal> {
        let vouched = self.vouched_phone(person).await?;
        let phones = phones(self.desk)?;
        Ok(phones.confirm_pairing(&vouched, said, &mut self.event).await?)
    }

    /// That the desk vouches for the person who stands there, if it may and has looked at their document.
    async fn vouched_phone(&mut self, person: PersonId) -> Result<Vouched, Refusal> {
        let session = self.scripted().await?;
        self.receiver(person, &session).await?;
        self.gets_something(person).await?;
        let check = self.good_check(person, &session).await?;
        Ok(Vouched {
            by: Vouching { person, session: session.id, desk: Some((session.person_id, check.id)) },
            evidence: Evidence::IdentityCheck {
                document: check.document.as_str().to_owned(),
                at: check.checked_at,
            },
            highest: check.document.highest_level(),
            place: browser::place(self.caller),
        })
    }
}

fn phones(desk: &Desk) -> Result<&Phones, Refusal> {
    desk.parts.phones.as_deref().ok_or(Refusal::NoPhones)
}
