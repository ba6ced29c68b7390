//! What the person of a phone says: that the sign-in is theirs, by both keys; that it is not; or that they did not ask for it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::message::TYP_ANSWER;
use super::pairing::{MEANS, read};
use super::question::{Asked, text_of};
use super::{GUARDED, Phones, RECORDED, Refusal};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::PersonId;
use crate::means::suspend_cloned;
use crate::session::{Amr, AuthMode, Authentication, Evidence};
use crate::store::approval::{self, Answer, Approval, Disowned, Way};
use crate::store::audit::NewRow;
use crate::store::notice::{NewNotice, Place, Told};
use crate::store::phone::Phone;
use crate::store::webauthn_ceremony::{self, Purpose};
use crate::store::webauthn_credential::Used;
use crate::web::browser;
use crate::web::language::Language;
use crate::web::new_session::relying_party;
use crate::web::pages::sign_in::Status;
use crate::webauthn::ceremony::{Assertion, CeremonyError};

/// What the audit says of a question that its person had nothing to do with. Whoever asked reads [`Refusal::Refused`].
const NOT_ME: &str = "PHONE-026";

/// What a phone posts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    /// Signed by the key of the installation.
    message: String,
    /// Of whoever approves: the handle of the challenge, and what the passkey signed.
    #[serde(default)]
    handle: Option<String>,
    #[serde(default)]
    credential: Option<Value>,
}

/// What the key of the installation signs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[expect(dead_code, reason = "checked before, by `message`")]
    aud: String,
    question: String,
    decision: Decision,
    /// SHA-256 of what was shown, base64url.
    context: String,
    /// The challenge of the passkey, of whoever approves.
    #[serde(default)]
    challenge: Option<String>,
    /// What was typed.
    #[serde(default)]
    digits: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Decision {
    Approve,
    Refuse,
    /// They asked for nothing: somebody else did.
    NotMe,
}

/// `POST /phone/answer`
pub(super) async fn answer(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let event = phones.parts.trail.event(Kind::Approval).caller(&caller).means(MEANS, None);
    let mut visit = Visit { phones: &phones, caller: &caller, headers: &headers, event, phone: None };
    match visit.answer(&body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// One answer on its way through the checks. The event learns what is known.
struct Visit<'a> {
    phones: &'a Phones,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    event: Event,
    phone: Option<Phone>,
}

impl Visit<'_> {
    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    async fn answer(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let parts = &self.phones.parts;
        parts.own.check_origin(self.headers)?;
        let Posted { message, handle, credential } = read(body)?;
        let (phone, said): (Phone, Said) = self.phones.signed_by(&message, TYP_ANSWER).await?;
        let means = phone.passkey.means.clone();
        self.phone = Some(phone.clone());
        self.learn(|event| {
            let event = event.person(means.person_id).means(MEANS, Some(&means.reference));
            event.enrolment(&means.id.to_string())
        });
        let question = self.phones.waiting(&said.question, means.person_id).await?;
        self.learn(|event| {
            let event = event.client(&question.client_id).application(&question.context.application);
            match question.transaction_id {
                Some(transaction) => event.transaction(transaction),
                None => event,
            }
        });
        let shown = URL_SAFE_NO_PAD.encode(sha256(text_of(&question.context)?.as_bytes()));
        if !constant_time_eq(said.context.as_bytes(), shown.as_bytes()) {
            return Err(Refusal::OtherContext);
        }
        match said.decision {
            Decision::Approve => self.approve(&phone, &question, &said, handle, credential).await?,
            Decision::Refuse | Decision::NotMe => self.deny(&question, said.decision).await?,
        }
        self.phones.answers.moved(&question);
        Ok(())
    }

    async fn deny(&mut self, question: &Approval, decision: Decision) -> Result<(), Refusal> {
        let (parts, now) = (&self.phones.parts, self.phones.now());
        let person = question.person_id.ok_or(Refusal::NotWaiting)?;
        let event = self.event.clone();
        let (answer, row) = match decision {
            Decision::NotMe => {
                let row = NewRow::from(&event.denied(NOT_ME).note("not me"));
                (Answer::Disown(self.disowned(question, person, &row)), row)
            }
            Decision::Approve | Decision::Refuse => {
                (Answer::Refuse, NewRow::from(&event.denied(Refusal::Refused.code())))
            }
        };
        if !approval::answer(&parts.db, question.id, person, &answer, None, &row, now).await? {
            return Err(Refusal::NotWaiting);
        }
        if decision == Decision::NotMe {
            tracing::warn!(code = NOT_ME, "somebody was asked for a sign-in that was none of theirs");
        }
        Ok(())
    }

    /// What follows when the person says that the question was none of theirs: they hear of it where whoever holds their
    /// phone may not look, and so does the security contact, by the event `row`.
    fn disowned(&self, question: &Approval, person: PersonId, row: &NewRow) -> Disowned {
        let (parts, now) = (&self.phones.parts, self.phones.now());
        let place = Place { browser: question.context.browser.clone(), ..Place::default() };
        let notice = |told| NewNotice::new(person, told, now, &*parts.random);
        Disowned {
            until: now + GUARDED,
            told: notice(Told::Disowned { place: place.clone() }),
            alarm: parts
                .security
                .clone()
                .map(|address| (notice(Told::Alarm { event: row.id, place }), address)),
        }
    }

    async fn approve(
        &mut self,
        phone: &Phone,
        question: &Approval,
        said: &Said,
        handle: Option<String>,
        credential: Option<Value>,
    ) -> Result<(), Refusal> {
        let (parts, now) = (&self.phones.parts, self.phones.now());
        let (Some(handle), Some(credential)) = (handle, credential) else { return Err(Refusal::Malformed) };
        let handle_hash = sha256(handle.as_bytes());
        let kept = webauthn_ceremony::by_handle(&parts.db, handle_hash, Purpose::Approve, now).await?;
        let kept = kept.filter(|kept| kept.person_id == question.person_id).ok_or(Refusal::NotWaiting)?;
        let asked: Asked = serde_json::from_value(kept.state).map_err(|_| Refusal::NotWaiting)?;
        if asked.question != question.id {
            return Err(Refusal::NotWaiting);
        }
        let verified = self.verified(phone, &asked, said, handle_hash, &credential);
        let used = match verified {
            Ok(used) => used,
            Err(refusal) => {
                // Its challenge was answered wrongly: it is no use any more.
                let is_first = webauthn_ceremony::forget(&parts.db, handle_hash).await?;
                if is_first && matches!(refusal, Refusal::Ceremony(CeremonyError::Cloned)) {
                    let of = (self.caller, &phone.passkey.means);
                    suspend_cloned(&parts.db, &parts.trail, &*parts.random, of, now).await?;
                }
                return Err(refusal);
            }
        };
        let person = phone.passkey.means.person_id;
        let is_typed = match &question.digits {
            None => true,
            Some(digits) => {
                let typed = said.digits.as_deref().unwrap_or_default();
                constant_time_eq(typed.as_bytes(), digits.as_bytes())
            }
        };
        if !is_typed {
            // There is one try: the attempt is over, whoever it was.
            let row = NewRow::from(&self.event.clone().denied(Refusal::Mistyped.code()));
            let answered =
                approval::answer(&parts.db, question.id, person, &Answer::Mistype, Some(&used), &row, now);
            let kept = answered.await?;
            self.phones.answers.moved(question);
            // It stands in the trail by that.
            self.phone = None;
            return Err(if kept { Refusal::Mistyped } else { Refusal::NotWaiting });
        }
        let client = relying_party(&parts.db, &question.client_id).await?;
        crate::directory::admitted(&parts.db, person, client.audience, now).await??;
        let authentication = self.authentication(phone, question);
        let factors: Vec<String> = authentication.amr.iter().map(|amr| amr.as_str().to_owned()).collect();
        let event = self.event.clone().level(authentication.acr.as_str(), &factors);
        let row = NewRow::from(&event);
        let answer = Answer::Approve(authentication);
        match approval::answer(&parts.db, question.id, person, &answer, Some(&used), &row, now).await? {
            true => Ok(()),
            false => Err(Refusal::NotWaiting),
        }
    }

    /// That the passkey verified its person and signed the challenge that the key of the installation signed too.
    fn verified(
        &self,
        phone: &Phone,
        asked: &Asked,
        said: &Said,
        handle_hash: [u8; 32],
        credential: &Value,
    ) -> Result<Used, Refusal> {
        let assertion = Assertion::read(credential)?;
        let kept = Some(&phone.passkey.credential);
        let signed = self.phones.parts.ceremonies.finish_sign_in(&assertion, &asked.ceremony, kept)?;
        if !signed.user_verified {
            return Err(Refusal::Unverified);
        }
        if said.challenge.is_none() || said.challenge != assertion.challenge() {
            return Err(Refusal::OtherContext);
        }
        Ok(Used {
            handle_hash,
            key: phone.passkey.clone(),
            credential: signed.credential,
            counter: i64::from(signed.counter),
            backed_up: signed.backed_up,
            place: browser::place(self.caller).browser,
        })
    }

    /// What the answer proves: never more than the phone was paired for.
    fn authentication(&self, phone: &Phone, question: &Approval) -> Authentication {
        let way = match question.way {
            Way::Number => "number",
            Way::Scan => "scan",
            Way::Ciba => "ciba",
        };
        let key = &phone.passkey;
        Authentication {
            person: key.means.person_id,
            acr: self.phones.parts.rules.level.min(key.means.level),
            // Nothing proves that its keys stay in hardware.
            amr: vec![Amr::Swk, Amr::User, Amr::Mfa],
            auth_mode: AuthMode::Mobile,
            at: self.phones.now(),
            evidence: Evidence::Phone {
                phone: key.means.id,
                way: way.to_owned(),
                synced: key.backup_eligible,
            },
        }
    }

    async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        // What no phone of ours has signed is a stranger's: it stands in the log alone.
        if let Some(phone) = &self.phone {
            let code = refusal.code();
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            let Phones { parts, repeats, .. } = self.phones;
            repeats
                .record(&parts.db, phone.passkey.means.id.0, code, RECORDED, event, self.phones.now())
                .await;
        }
        self.phones.refuse_phone(refusal, language)
    }
}
