//! What waits for the person of a phone, and what they are shown of it.
//!
//! A question is opened from the list, by its key, or by the code that the phone scanned. It comes with a challenge for the
//! passkey, good for that question alone.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message::Ask;
use super::pairing::read;
use super::scan_code::Scanned;
use super::{Phones, Refusal};
use crate::crypto::digest::sha256;
use crate::ids::{ApprovalId, PersonId, Secret};
use crate::session::asking::{Channel, Context};
use crate::store::approval::{self, Approval};
use crate::store::phone::Phone;
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::web::browser;
use crate::web::language::Language;
use crate::web::pages::phone::{Listed, Opened, Waiting};
use crate::webauthn::ceremony::Challenge;

/// What is kept of the challenge of a question.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) question: ApprovalId,
    pub(super) ceremony: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    pub(super) message: String,
}

/// `POST /phone/list`: what waits.
pub(super) async fn list(
    State(phones): State<Arc<Phones>>,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match phones.list(&headers, &body).await {
        Ok(listed) => Json(listed).into_response(),
        Err(refusal) => phones.refuse_phone(&refusal, language),
    }
}

/// `POST /phone/question`: one question, with its challenge.
pub(super) async fn open(
    State(phones): State<Arc<Phones>>,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match phones.open(&headers, &body).await {
        Ok(opened) => Json(opened).into_response(),
        Err(refusal) => phones.refuse_phone(&refusal, language),
    }
}

impl Phones {
    async fn list(&self, headers: &HeaderMap, body: &[u8]) -> Result<Listed, Refusal> {
        self.parts.own.check_origin(headers)?;
        let Signed { message } = read(body)?;
        let (phone, _): (Phone, Ask) = self.asked_by(&message).await?;
        let (db, now) = (&self.parts.db, self.now());
        let person = phone.passkey.means.person_id;
        let subject = crate::directory::subject(db, person, now).await?.ok_or(Refusal::UnknownPhone)?;
        let waiting = approval::waiting_for(db, person, Channel::Phone, now).await?;
        let waiting = waiting.into_iter().map(|question| Waiting {
            question: question.id.to_string(),
            application: question.context.application,
            seconds: (question.expires_at - now).num_seconds(),
        });
        Ok(Listed {
            person: format!("{} {}", subject.given_name, subject.family_name),
            label: phone.passkey.means.label,
            expires_at: phone.passkey.means.expires_at,
            waiting: waiting.collect(),
        })
    }

    async fn open(&self, headers: &HeaderMap, body: &[u8]) -> Result<Opened, Refusal> {
        self.parts.own.check_origin(headers)?;
        let Signed { message } = read(body)?;
        let (phone, ask): (Phone, Ask) = self.asked_by(&message).await?;
        let person = phone.passkey.means.person_id;
        let question = match (&ask.code, &ask.question) {
            (Some(code), None) => self.scanned(code, person).await?,
            (None, Some(id)) => self.waiting(id, person).await?,
            _ => return Err(Refusal::Malformed),
        };
        // Who waits and who answers are two devices, or the passkey does better.
        let own = browser::hash(headers);
        if own.is_some() && question.browser.as_deref() == own.as_ref().map(<[u8; 32]>::as_slice) {
            approval::withdraw(&self.parts.db, question.id).await?;
            self.answers.moved(&question);
            return Err(Refusal::SameBrowser);
        }
        self.with_challenge(&phone, question).await
    }

    /// The question of a code that the phone has scanned: it is this person's from now on.
    async fn scanned(&self, code: &str, person: PersonId) -> Result<Approval, Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let code = Scanned::read(code).ok_or(Refusal::BadCode)?;
        let found = approval::by_id(&parts.db, code.approval).await?.ok_or(Refusal::BadCode)?;
        if !code.is_good(&parts.code_key, &found, now) {
            return Err(Refusal::BadCode);
        }
        let is_known = browser::is_known(&parts.db, person, found.browser.as_deref()).await?;
        if !found.context.is_inside && !is_known && !parts.rules.reach.anywhere {
            return Err(Refusal::UnknownBrowser);
        }
        let context = Context { is_new_browser: !is_known, ..found.context.clone() };
        if !approval::scan(&parts.db, found.id, person, &context, now).await? {
            return Err(Refusal::NotWaiting);
        }
        self.answers.moved(&found);
        Ok(Approval { person_id: Some(person), context, ..found })
    }

    /// The question of that key, if it waits for this person on their phone.
    pub(super) async fn waiting(&self, id: &str, person: PersonId) -> Result<Approval, Refusal> {
        let id: ApprovalId = id.parse().map_err(|_| Refusal::Malformed)?;
        let found = approval::by_id(&self.parts.db, id).await?;
        let is_theirs = |question: &Approval| {
            question.person_id == Some(person)
                && question.channel == Channel::Phone
                && question.is_waiting(self.now())
        };
        found.filter(is_theirs).ok_or(Refusal::NotWaiting)
    }

    async fn with_challenge(&self, phone: &Phone, question: Approval) -> Result<Opened, Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let id = URL_SAFE_NO_PAD.decode(&phone.passkey.means.reference).map_err(|_| Refusal::UnknownPhone)?;
        let Challenge { options, state } = parts.ceremonies.begin_named(&[id])?;
        let handle = Secret::of_256_bits(&*parts.random);
        let kept = Asked { question: question.id, ceremony: state };
        let new = Ceremony {
            handle_hash: sha256(handle.expose().as_bytes()).to_vec(),
            purpose: Purpose::Approve,
            transaction_id: None,
            session_id: None,
            person_id: question.person_id,
            state: serde_json::to_value(&kept).map_err(|_| Refusal::Malformed)?,
            expires_at: question.expires_at,
        };
        webauthn_ceremony::begin(&parts.db, &new, now).await?;
        Ok(Opened {
            question: question.id.to_string(),
            context: text_of(&question.context)?,
            seconds: (question.expires_at - now).num_seconds(),
            handle: handle.expose().to_owned(),
            options,
        })
    }
}

/// What is shown, byte for byte as it is answered for.
pub(super) fn text_of(context: &Context) -> Result<String, Refusal> {
    serde_json::to_string(context).map_err(|_| Refusal::Malformed)
}
