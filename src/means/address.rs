//! The mail address that notices to a person go to: asked for on the page of their means, and verified by a code.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use serde::Deserialize;

use super::page::{Refusal, Visit, back, sign_in};
use super::{OwnMeans, RECORDED};
use crate::audit::{Caller, Event, Kind};
use crate::ids::{ContactCodeId, PersonId};
use crate::notify::{address, code};
use crate::session::Session;
use crate::store::notice::{NewNotice, Told};
use crate::store::person_contact::{self, NewCode, Typed, Verdict};
use crate::web::language::Language;
use crate::web::pages::means::{
    ADDRESS_ANCHOR, CODE_ANCHOR, CONTACT_ANCHOR, ContactPanel, MEANS_PATH, WRONG_ADDRESS, WRONG_CODE,
};

/// What the page says of a form that was not taken, beside what is wrong with a field: codes of `docs/errors.md`, in its query.
const NO_CODE: &str = "MAIL-012";
const TOO_MANY: &str = "MAIL-013";
const SAID: [&str; 4] = [WRONG_ADDRESS, WRONG_CODE, NO_CODE, TOO_MANY];

/// The form that asks for a code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    csrf: String,
    address: String,
}

/// The form that brings it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Brought {
    csrf: String,
    code: String,
}

/// `POST /means/address`
pub(super) async fn ask(
    State(means): State<Arc<OwnMeans>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> Response {
    let visit = Visit { means: &means, caller: &caller, headers: &headers };
    visit.ask(&asked, language).await.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

/// `POST /means/address/code`
pub(super) async fn verify(
    State(means): State<Arc<OwnMeans>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(brought): Form<Brought>,
) -> Response {
    let visit = Visit { means: &means, caller: &caller, headers: &headers };
    visit.verify(&brought).await.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

impl Visit<'_> {
    /// What the page shows of the address; nothing where no mail server is configured.
    pub(super) async fn contact(
        &self,
        session: &Session,
        query: Option<&str>,
    ) -> Result<Option<ContactPanel>, Refusal> {
        let parts = &self.means.parts;
        if parts.codes.is_none() {
            return Ok(None);
        }
        let (person, now) = (session.person_id, parts.clock.now());
        let contact = person_contact::of_person(&parts.db, person).await?;
        let open = person_contact::open_code(&parts.db, person, code::TRIES, now).await?;
        Ok(Some(ContactPanel {
            address: contact.map(|contact| contact.address),
            sent_to: open.map(|open| open.address),
            notice: query.and_then(said),
        }))
    }

    async fn ask(&self, asked: &Asked, language: Language) -> Result<Response, Refusal> {
        let Some(session) = self.posting(&asked.csrf).await? else { return Ok(sign_in("")) };
        let parts = &self.means.parts;
        if parts.codes.is_none() {
            return Ok(back());
        }
        let (person, now) = (session.person_id, parts.clock.now());
        if let Some(elsewhere) = self.check_change(&session, &self.of_contact(&session)).await? {
            return Ok(elsewhere);
        }
        let Ok(address) = address::parse(&asked.address) else { return Ok(back_with(WRONG_ADDRESS)) };
        let id = ContactCodeId::new(now, &*parts.random);
        let new = NewCode {
            id,
            person,
            address: &address,
            language: language.tag(),
            expires_at: now + code::LIFETIME,
            notice: &self.notice(person, Told::AddressCode { code: id }),
            since: now - code::WINDOW,
            most_of_person: code::PER_PERSON,
            most_of_address: code::PER_ADDRESS,
        };
        if person_contact::send_code(&parts.db, &new, now).await? {
            return Ok(back_at(CODE_ANCHOR));
        }
        let (repeats, event) = (&self.means.repeats, self.of_contact(&session).denied(TOO_MANY));
        repeats.record(&parts.db, session.id.0, TOO_MANY, RECORDED, event, now).await;
        Ok(back_with(TOO_MANY))
    }

    async fn verify(&self, brought: &Brought) -> Result<Response, Refusal> {
        let Some(session) = self.posting(&brought.csrf).await? else { return Ok(sign_in("")) };
        let parts = &self.means.parts;
        let Some(codes) = &parts.codes else { return Ok(back()) };
        let (person, now) = (session.person_id, parts.clock.now());
        let open = person_contact::open_code(&parts.db, person, code::TRIES, now).await?;
        let Some(open) = open else { return Ok(back_with(NO_CODE)) };
        let is_right = codes.is_right(open.id, &open.address, &brought.code);
        let event = self.of_contact(&session);
        let event = if is_right { event.note("verified by a code") } else { event.failure(WRONG_CODE) };
        let typed = Typed {
            code: &open,
            person,
            is_right,
            most_tries: code::TRIES,
            notice: &self.notice(person, Told::AddressChanged),
            event: &(&event).into(),
        };
        Ok(match person_contact::try_code(&parts.db, &typed, now).await? {
            Verdict::Verified => back_at(CONTACT_ANCHOR),
            Verdict::Wrong => back_with(WRONG_CODE),
            Verdict::Over => back_with(NO_CODE),
        })
    }

    fn notice(&self, person: PersonId, told: Told) -> NewNotice {
        let parts = &self.means.parts;
        NewNotice::new(person, told, parts.clock.now(), &*parts.random)
    }

    fn of_contact(&self, session: &Session) -> Event {
        let event = self.means.parts.trail.event(Kind::ContactChanged).caller(self.caller);
        event.person(session.person_id).session(session.id)
    }
}

/// The code in the query, if it is one of this page's: nobody writes another message there.
fn said(query: &str) -> Option<&'static str> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("notice="))?;
    SAID.into_iter().find(|code| *code == value)
}

/// Back to where the page goes on: whoever works by keyboard is there at once.
fn back_at(anchor: &str) -> Response {
    Redirect::to(&format!("{MEANS_PATH}#{anchor}")).into_response()
}

fn back_with(code: &'static str) -> Response {
    let anchor = match code {
        WRONG_ADDRESS => ADDRESS_ANCHOR,
        WRONG_CODE => CODE_ANCHOR,
        _ => CONTACT_ANCHOR,
    };
    Redirect::to(&format!("{MEANS_PATH}?notice={code}#{anchor}")).into_response()
}
