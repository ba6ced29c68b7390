//! The desk's side: a sign-in page that waits for a phone. It shows a code that changes every second, or, once the person has
//! typed who they are, a number; and goes on by itself when the phone has answered (`watch`).
//!
//! Whoever types an identifier learns nothing: somebody without a phone, and nobody at all, get a number too. What the page is
//! told is how its own sign-in stands; the session comes with the cookie of the answer to the page's own last request, in the
//! browser that began it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

use super::pairing::{MEANS, read};
use super::{Phones, RECORDED, Refusal};
use crate::audit::{Caller, Event, Kind};
use crate::directory::{self, NationalId};
use crate::ids::{ApprovalId, PersonId, TransactionId, digits};
use crate::session::asking::{Channel, Context};
use crate::store;
use crate::store::approval::{self, Approval, LIFETIME, State as Answered, Way};
use crate::store::login_transaction::{LoginTransaction, Proof, State as Stage};
use crate::web::asker::Asker;
use crate::web::browser;
use crate::web::language::Language;
use crate::web::limits::network_of;
use crate::web::new_session::{Beginning, NotBegun, admitted_station, relying_party, transaction_of};
use crate::web::pages::phone::Number;
use crate::web::pages::sign_in::Status;

/// Whom somebody named, in whichever way people know their identifier.
fn identified(typed: &str) -> Option<NationalId> {
    NationalId::typed(typed).or_else(|| NationalId::of_source(typed))
}

/// What the page asks a number with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    txn: String,
    identifier: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finished {
    txn: String,
}

/// `POST /login/phone/ask`: a number to show, which the person types on their phone.
pub(super) async fn ask(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&phones, &caller, &headers);
    match visit.ask(&body).await {
        Ok((number, question)) => {
            // Nobody's question goes the same way: how long this takes tells nothing.
            phones.wake_beside(question);
            Json(number).into_response()
        }
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /login/phone/finish`: the phone has approved; the session begins.
pub(super) async fn finish(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&phones, &caller, &headers);
    match visit.finish(&body).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Json(Status::Done)).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// One request of a waiting browser.
pub(super) struct Visit<'a> {
    pub(super) phones: &'a Phones,
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
    event: Event,
    /// The sign-in, once it is certain that this browser began it.
    transaction: Option<TransactionId>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(phones: &'a Phones, caller: &'a Caller, headers: &'a HeaderMap) -> Self {
        let event = phones.parts.trail.event(Kind::SignIn).caller(caller).means(MEANS, None);
        Self { phones, caller, headers, event, transaction: None }
    }

    fn asker(&self) -> Asker<'_> {
        Asker { caller: self.caller, headers: self.headers }
    }

    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// The open sign-in of a handle, if this browser began it.
    pub(super) async fn transaction(&mut self, txn: &str) -> Result<LoginTransaction, Refusal> {
        let id: TransactionId = txn.parse().map_err(|_| Refusal::NoSignIn)?;
        let found =
            transaction_of(&self.phones.parts.db, id, self.headers).await?.ok_or(Refusal::NoSignIn)?;
        self.transaction = Some(id);
        self.learn(|event| event.transaction(id).client(&found.client_id));
        match found.state == Stage::Open && found.expires_at > self.phones.now() {
            true => Ok(found),
            false => Err(Refusal::NoSignIn),
        }
    }

    /// What is kept of a question that is asked for this browser.
    async fn question(
        &self,
        transaction: &LoginTransaction,
        way: Way,
        person_id: Option<PersonId>,
        is_new_browser: bool,
    ) -> Result<Approval, Refusal> {
        let is_known = !is_new_browser;
        let (parts, now) = (&self.phones.parts, self.phones.now());
        let client = relying_party(&parts.db, &transaction.client_id).await?;
        let digits = (way != Way::Scan).then(|| digits(&*parts.random, 6));
        Ok(Approval {
            id: ApprovalId::new(now, &*parts.random),
            way,
            channel: Channel::Phone,
            person_id,
            client_id: transaction.client_id.clone(),
            transaction_id: Some(transaction.id),
            browser: browser::hash(self.headers).map(|hash| hash.to_vec()),
            source: (way != Way::Scan).then(|| self.asker().source(is_known).to_vec()),
            is_known,
            context: Context {
                application: client.name,
                is_inside: parts.rules.reach.is_inside(self.caller.address),
                is_program: false,
                browser: browser::place(self.caller).browser,
                is_new_browser,
                digits: digits.as_ref().map_or(0, |digits| u8::try_from(digits.len()).unwrap_or_default()),
            },
            digits,
            state: Answered::Waiting,
            authentication: None,
            created_at: now,
            expires_at: (now + LIFETIME).min(transaction.expires_at),
        })
    }

    /// Puts a code on the page, unless one is there that nobody has scanned, or the phone has approved already.
    pub(super) async fn show_code(&self, transaction: &LoginTransaction) -> Result<(), Refusal> {
        let db = &self.phones.parts.db;
        let last = approval::of_transaction(db, transaction.id).await?;
        let is_there = last.is_some_and(|last| {
            let now = self.phones.now();
            let is_approved = last.state == Answered::Approved && last.expires_at > now;
            is_approved || (last.way == Way::Scan && last.person_id.is_none() && last.is_waiting(now))
        });
        if !is_there {
            approval::ask(db, &self.question(transaction, Way::Scan, None, true).await?).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, body: &[u8]) -> Result<(Number, ApprovalId), Refusal> {
        let (parts, now) = (&self.phones.parts, self.phones.now());
        parts.own.check_origin(self.headers)?;
        let Asked { txn, identifier } = read(body)?;
        let transaction = self.transaction(&txn).await?;
        // Whoever asks from outside waits the longer the oftener; inside, a whole site may stand behind one address.
        let address = self.caller.address.filter(|_| !parts.rules.reach.is_inside(self.caller.address));
        if let Some(address) = address {
            self.phones.asked.refuse(network_of(address), now)?;
        }
        let (person, is_new) = self.asked_person(&identifier).await?;
        // One address asks for one name: wherever it is, the longer it goes on the longer it waits, whether there is anybody of
        // that name or not. The browser of the person does not.
        if is_new {
            let name = identified(&identifier).map(|id| id.as_str().to_owned());
            let name = name.unwrap_or_else(|| identifier.trim().to_lowercase());
            self.phones.named.refuse(self.asker().source_for(&name), now)?;
        }
        let question = self.question(&transaction, Way::Number, person, is_new).await?;
        // With too many that wait, and for nobody, the number is as good as any: none of them gets anywhere.
        approval::ask(&parts.db, &question).await?;
        // Another page of this sign-in may show what is gone.
        self.phones.answers.moved(&question);
        let number = Number {
            number: question.digits.unwrap_or_default(),
            seconds: (question.expires_at - now).num_seconds(),
        };
        Ok((number, question.id))
    }

    /// Who may be asked of whoever has this identifier, and whether this browser is new to them.
    async fn asked_person(&self, typed: &str) -> Result<(Option<PersonId>, bool), Refusal> {
        let (parts, now) = (&self.phones.parts, self.phones.now());
        let Some(id_nat) = identified(typed) else { return Ok((None, true)) };
        let Some(person) = store::person::by_identifier(&parts.db, id_nat.as_str()).await? else {
            return Ok((None, true));
        };
        let is_known = self.asker().is_known_to(&parts.db, person.id).await?;
        let may = parts.rules.reach.admits(self.caller.address, is_known);
        let is_guarded = store::phone::is_guarded(&parts.db, person.id, now).await?;
        let has_phone = !store::phone::active_of(&parts.db, person.id, now).await?.is_empty();
        Ok(((may && !is_guarded && has_phone).then_some(person.id), !is_known))
    }

    async fn finish(&mut self, body: &[u8]) -> Result<HeaderValue, Refusal> {
        let (parts, now) = (&self.phones.parts, self.phones.now());
        parts.own.check_origin(self.headers)?;
        let Finished { txn } = read(body)?;
        let transaction = self.transaction(&txn).await?;
        let question =
            approval::of_transaction(&parts.db, transaction.id).await?.ok_or(Refusal::NotWaiting)?;
        let proved = question.authentication.clone().filter(|_| question.state == Answered::Approved);
        let authentication = proved.ok_or(Refusal::NotWaiting)?;
        let person = authentication.person;
        self.learn(|event| event.person(person).application(&question.context.application));
        // Once more, by the cookie that this browser has now.
        let is_known = self.asker().is_known_to(&parts.db, person).await?;
        if !parts.rules.reach.admits(self.caller.address, is_known) {
            return Err(Refusal::UnknownBrowser);
        }
        let client = relying_party(&parts.db, &transaction.client_id).await?;
        let station = admitted_station(&parts.db, &parts.policies, &client).await?;
        let subject = directory::admitted(&parts.db, person, client.audience, now).await??;
        if !(parts.is_enough)(&transaction, &authentication) {
            return Err(Refusal::TooLow);
        }
        if let Some(phone) = authentication.evidence.means() {
            self.learn(|event| event.enrolment(&phone.to_string()));
        }
        let beginning = Beginning {
            db: &parts.db,
            trail: &parts.trail,
            policies: &parts.policies,
            random: &*parts.random,
            caller: self.caller,
            headers: self.headers,
            transaction: transaction.id,
            station,
        };
        let proof = Proof::Approval(question.id);
        let begun = beginning.begin(proof, authentication, self.event.clone(), now).await;
        let cookie = begun.map_err(|error| match error {
            NotBegun::Raced => Refusal::NotWaiting,
            NotBegun::Store(error) => error.into(),
            NotBegun::Cookie(error) => error.into(),
        })?;
        // Whoever gets in has not asked in vain.
        if let Some(address) = self.caller.address {
            self.phones.asked.clear(&network_of(address));
        }
        for name in &subject.identifiers {
            self.phones.named.clear(&self.asker().source_for(name.as_str()));
        }
        Ok(cookie)
    }

    pub(super) async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        // Anybody has a sign-in of their own to ask in vain with: that fills no audit trail.
        let is_vain =
            matches!(refusal, Refusal::NotWaiting | Refusal::NoSignIn | Refusal::TooMany(_) | Refusal::Full);
        if let Some(named) = self.transaction.filter(|_| !is_vain) {
            let code = refusal.code();
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            let Phones { parts, repeats, .. } = self.phones;
            repeats.record(&parts.db, named.0, code, RECORDED, event, self.phones.now()).await;
        }
        self.phones.refuse_phone(refusal, language)
    }
}
