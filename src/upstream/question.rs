//! The application of a provider (CIBA): whoever sits at the sign-in page types who they are, the page shows two digits, and
//! goes on by itself when they approved on their phone, or at the card reader of their workstation.
//!
//! The question is a row; whoever waits for it takes turns to look at the provider, on whichever node, and nobody looks where
//! nobody waits. What the provider said stays in the row, sealed, until the page fetches its session.
//!
//! What it stops. *Whoever floods a phone*: a person is asked twice at once by one source and five times by all, a sign-in
//! asks five times, and who goes on waits longer each time. *Whoever looks for names*: somebody unknown here or there, and
//! somebody who may not be asked, get two digits and a wait that look like any other. *Somebody else who answers*: an
//! identifier that the provider tells is the one that was typed, or another of the same person here.

mod turn;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::turn::Events;
use super::identity::told;
use super::provider::Said;
use super::sign_in::{MEANS, Visit};
use super::{Refusal, Upstreams};
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::digest::hmac_sha256;
use crate::directory::{self, Admission, NationalId};
use crate::ids::{PersonId, UpstreamQuestionId, digits};
use crate::store;
use crate::store::client::Client;
use crate::store::upstream::Brought;
use crate::store::upstream_question::{self as questions, Channel, NewQuestion, Question, State as Stage};
use crate::web::asker::Asker;
use crate::web::language::Language;
use crate::web::limits::network_of;
use crate::web::pages::application::{self as pages, Asked, Asking, Stand, Waited};
use crate::web::pages::sign_in::Status;

/// How long a question waits for its answer, whatever the provider says: what it tells of somebody would tell that they exist.
const LIFETIME: TimeDelta = TimeDelta::seconds(120);
/// For how long a turn is taken.
const TURN: TimeDelta = TimeDelta::seconds(60);
/// How long a page is held, at the least, for a turn that has begun: with the time that it was held before, less than the half
/// minute that proxies are patient for.
const PATIENCE: Duration = Duration::from_secs(8);
/// How soon it is looked again whether another node's turn is over.
const LONGEST_NAP: Duration = Duration::from_secs(2);
/// After how many seconds a page that found no place may come back.
const ROOM_AFTER: u64 = 15;
/// The longest message of a page.
const LONGEST_MESSAGE: usize = 4096;

/// What stays here of a question.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Who is asked.
    login_hint: String,
    /// The same, where they have a row of ours.
    person: Option<PersonId>,
    /// What the page shows.
    digits: String,
    /// The provider's handle, once it asks.
    auth_req_id: Option<String>,
    /// What it said, once somebody approved.
    said: Option<Said>,
}

/// `POST /login/application/ask`
pub(super) async fn ask(
    State(upstreams): State<Arc<Upstreams>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    match visit.ask(&body).await {
        Ok(asked) => Json(asked).into_response(),
        Err(refusal) => visit.refuse_call(&refusal, language).await,
    }
}

/// `POST /login/application/wait`
pub(super) async fn wait(
    State(upstreams): State<Arc<Upstreams>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    match visit.wait(&upstreams, &body, language).await {
        Ok(stand) => ([(header::CACHE_CONTROL, "no-store")], Json(stand)).into_response(),
        Err(refusal) => visit.refuse_call(&refusal, language).await,
    }
}

/// `POST /login/application/finish`
pub(super) async fn finish(
    State(upstreams): State<Arc<Upstreams>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    match visit.fetch(&body).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Json(Status::Done)).into_response(),
        Err(refusal) => visit.refuse_call(&refusal, language).await,
    }
}

/// The place that what stays here is sealed for.
fn place(id: UpstreamQuestionId) -> String {
    format!("upstream_question/{id}")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    match body.len() {
        0..=LONGEST_MESSAGE => serde_json::from_slice(body).map_err(|_| Refusal::Malformed),
        _ => Err(Refusal::Malformed),
    }
}

impl Upstreams {
    fn sealed(&self, id: UpstreamQuestionId, kept: &Kept) -> Result<Vec<u8>, Refusal> {
        // A struct of texts and maps has no way to fail.
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(kept).unwrap_or_default());
        Ok(self.parts.seal.seal(&place(id), &plain, &*self.parts.random)?)
    }

    fn kept(&self, question: &Question) -> Result<Kept, Refusal> {
        let plain = self.parts.seal.open(&place(question.id), &question.sealed)?;
        serde_json::from_slice(&plain).map_err(|_| Refusal::NoQuestion)
    }
}

/// Who may be asked.
struct Reached {
    /// Whoever has a row of ours.
    person: Option<PersonId>,
    /// Whether the provider is asked at all.
    is_put: bool,
    /// Whether they have used this browser with a card or a key.
    is_known: bool,
}

impl Visit<'_> {
    async fn ask(&mut self, body: &[u8]) -> Result<Asked, Refusal> {
        let (upstreams, now) = (self.upstreams, self.upstreams.now());
        let parts = &upstreams.parts;
        parts.own.check_origin(self.headers)?;
        let Asking { txn, provider, identifier, channel } = read(body)?;
        let transaction = self.open(txn.parse().map_err(|_| Refusal::NoSignIn)?).await?;
        let provider = upstreams.provider(&provider)?;
        self.learn(|event| event.upstream(&provider.name));
        let channel = match channel {
            pages::Channel::Mobile => Channel::Mobile,
            pages::Channel::Card => Channel::Card,
        };
        let is_offered = provider.settings.application.as_ref().is_some_and(|application| match channel {
            Channel::Mobile => application.mobile,
            Channel::Card => application.card,
        });
        if !is_offered {
            return Err(Refusal::NotOffered);
        }
        let id_nat = NationalId::typed(&identifier).ok_or(Refusal::BadIdentifier)?;
        self.learn(|event| event.id_nat(id_nat.as_str()));
        // Nobody is asked for what their answer does not open.
        let (client, _) = self.towards(&transaction).await?;
        self.is_for_others(provider, &transaction, &client)?;
        // Whoever asks from outside waits the longer the oftener; inside, a whole site may stand behind one address.
        let address = self.caller.address.filter(|_| !parts.reach.is_inside(self.caller.address));
        if let Some(address) = address {
            upstreams.asked.refuse(network_of(address), now)?;
        }
        let reached = self.reached(&id_nat, &client, now).await?;
        if !reached.is_known {
            upstreams.named.refuse(self.asker().source_for(id_nat.as_str()), now)?;
        }
        provider.can_ask().await?;

        let id = UpstreamQuestionId::new(now, &*parts.random);
        let number = digits(&*parts.random, 2);
        let login_hint = id_nat.as_str().to_owned();
        let person = reached.person;
        let kept = Kept { login_hint, person, digits: number.clone(), auth_req_id: None, said: None };
        let expires_at = (now + LIFETIME).min(transaction.expires_at);
        let new = NewQuestion {
            id,
            transaction_id: transaction.id,
            provider: provider.name.clone(),
            channel,
            person,
            is_put: reached.is_put,
            name_hash: self.hash_of_named(person, &id_nat),
            source: self.asker().source(reached.is_known),
            is_known: reached.is_known,
            sealed: upstreams.sealed(id, &kept)?,
            expires_at,
        };
        if !questions::ask(&parts.db, &new, now).await? {
            return Err(Refusal::AskedTooOften);
        }
        Ok(Asked { question: id.to_string(), number, seconds: (expires_at - now).num_seconds() })
    }

    /// By what a person is counted: by themselves, since the phone that rings is the same whichever of their identifiers was
    /// typed; who has no row here, by what was typed.
    fn hash_of_named(&self, person: Option<PersonId>, id_nat: &NationalId) -> [u8; 32] {
        let key = self.upstreams.parts.seal.derive("upstream question names");
        match person {
            Some(person) => hmac_sha256(&*key, person.0.as_bytes()),
            None => hmac_sha256(&*key, id_nat.as_str().as_bytes()),
        }
    }

    /// Who may be asked of whoever has this identifier: those whom the establishment would admit, from where it says, unless
    /// they said that a question was none of theirs.
    async fn reached(&self, id_nat: &NationalId, client: &Client, now: Time) -> Result<Reached, Refusal> {
        let parts = &self.upstreams.parts;
        let admission = directory::admission(&parts.db, id_nat, client.audience, now).await?;
        let person = match admission {
            Admission::Admitted(person) => Some(person),
            Admission::Newcomer(_) | Admission::Refused(_) => None,
        };
        let is_known = self.is_known_to(person).await?;
        let is_guarded = match person {
            Some(person) => !is_known && store::phone::is_guarded(&parts.db, person, now).await?,
            None => false,
        };
        let is_welcome = !matches!(admission, Admission::Refused(_));
        let may = parts.reach.admits(self.caller.address, is_known);
        Ok(Reached { person, is_put: may && is_welcome && !is_guarded, is_known })
    }

    fn asker(&self) -> Asker<'_> {
        Asker { caller: self.caller, headers: self.headers }
    }

    /// Whether somebody who has a row of ours has used this browser with a card or a key.
    async fn is_known_to(&self, person: Option<PersonId>) -> Result<bool, Refusal> {
        match person {
            Some(person) => Ok(self.asker().is_known_to(&self.upstreams.parts.db, person).await?),
            None => Ok(false),
        }
    }

    /// Whether somebody may be asked, and answer, from where this browser is now.
    async fn is_within_reach(&self, person: Option<PersonId>) -> Result<bool, Refusal> {
        let is_known = self.is_known_to(person).await?;
        Ok(self.upstreams.parts.reach.admits(self.caller.address, is_known))
    }

    async fn wait(
        &mut self,
        upstreams: &Arc<Upstreams>,
        body: &[u8],
        language: Language,
    ) -> Result<Stand, Refusal> {
        let parts = &upstreams.parts;
        parts.own.check_origin(self.headers)?;
        let Waited { txn, question } = read(body)?;
        let id: UpstreamQuestionId = question.parse().map_err(|_| Refusal::Malformed)?;
        let transaction = self.open(txn.parse().map_err(|_| Refusal::NoSignIn)?).await?;
        let _tab = upstreams.tabs.take(transaction.id).ok_or(Refusal::Full)?;
        let _place = upstreams.places.take(self.caller.address.map(network_of)).ok_or(Refusal::Full)?;
        let until = Instant::now() + parts.hold;
        loop {
            let now = upstreams.now();
            if transaction.expires_at <= now {
                return Err(Refusal::NoSignIn);
            }
            let found = questions::of_transaction(&parts.db, transaction.id).await?;
            let found = found.ok_or(Refusal::NoQuestion)?;
            if found.id != id {
                return Err(Refusal::Replaced);
            }
            let failed = |code: &str| Stand::failed(code, parts.site.frame(language).texts);
            let is_over = found.expires_at <= now;
            match found.state {
                Stage::Failed => return Ok(failed(found.code.as_deref().unwrap_or_default())),
                Stage::Approved if is_over => return Ok(failed(Refusal::Unanswered.code())),
                Stage::Approved => return Ok(Stand::Approved),
                Stage::New | Stage::Asked | Stage::Nobody if is_over => {
                    let code = Refusal::Unanswered.code();
                    let kept = upstreams.kept(&found)?;
                    let event = self.event.clone().upstream(&found.provider).id_nat(&kept.login_hint);
                    let event = event.failure(code);
                    questions::give_up(&parts.db, id, code, &(&event).into(), now).await?;
                    return Ok(failed(code));
                }
                Stage::New | Stage::Asked | Stage::Nobody => {}
            }
            let due_at = found.due_at;
            let is_due = due_at <= now
                && match found.state {
                    // It rings nowhere for a page that has been carried outside since it asked.
                    Stage::New => self.is_within_reach(upstreams.kept(&found)?.person).await?,
                    state => state == Stage::Asked,
                };
            if is_due && questions::take_turn(&parts.db, id, now + TURN, now).await? {
                let patience = until.saturating_duration_since(Instant::now()).max(PATIENCE);
                let upstreams = Arc::clone(upstreams);
                let asked = parts.trail.event(Kind::BackchannelAsked).caller(self.caller).means(MEANS, None);
                let asked = asked.transaction(transaction.id).client(&transaction.client_id);
                let events = Events { ended: self.event.clone(), asked };
                // It ends also where the page goes away in the middle: an answer is given once.
                let turn = tokio::spawn(async move {
                    upstreams.take_turn(found, now + TURN, events).await;
                });
                let _goes_on_beside = tokio::time::timeout(patience, turn).await;
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Stand::Waiting);
            }
            let nap = (due_at - now).to_std().unwrap_or(LONGEST_NAP);
            tokio::time::sleep(nap.clamp(Duration::from_millis(50), LONGEST_NAP).min(left)).await;
        }
    }

    async fn fetch(&mut self, body: &[u8]) -> Result<HeaderValue, Refusal> {
        let (upstreams, now) = (self.upstreams, self.upstreams.now());
        let parts = &upstreams.parts;
        parts.own.check_origin(self.headers)?;
        let Waited { txn, question } = read(body)?;
        let id: UpstreamQuestionId = question.parse().map_err(|_| Refusal::Malformed)?;
        let transaction = self.open(txn.parse().map_err(|_| Refusal::NoSignIn)?).await?;
        let found = questions::of_transaction(&parts.db, transaction.id).await?.ok_or(Refusal::NoQuestion)?;
        if found.id != id {
            return Err(Refusal::Replaced);
        }
        self.learn(|event| event.upstream(&found.provider));
        if found.state != Stage::Approved || found.expires_at <= now {
            return Err(Refusal::NoQuestion);
        }
        let provider = upstreams.provider(&found.provider)?;
        let kept = upstreams.kept(&found)?;
        self.learn(|event| {
            let event = event.id_nat(&kept.login_hint);
            event.note(if found.channel == Channel::Card { "asked, card" } else { "asked, mobile" })
        });
        // Once more, by the address and the cookie that this browser has now.
        if !self.is_within_reach(kept.person).await? {
            return Err(Refusal::OutOfReach);
        }
        let said = kept.said.ok_or(Refusal::NoQuestion)?;
        let towards = self.towards(&transaction).await?;
        let told = told(provider, &said);
        let first = told.first().ok_or(Refusal::NoIdentifier)?;
        if !upstreams.was_named(&told, &kept.login_hint, kept.person).await? {
            self.learn(|event| event.note(&format!("answered by {}", first.as_str())));
            return Err(Refusal::OtherPerson);
        }
        let begun = self.begin(provider, &transaction, towards, said, Brought::Answer(id)).await?;
        let cookie = begun.ok_or(Refusal::NotLinked)?;
        // Whoever gets in has not asked in vain.
        if let Some(address) = self.caller.address {
            upstreams.asked.clear(&network_of(address));
        }
        upstreams.named.clear(&self.asker().source_for(&kept.login_hint));
        Ok(cookie)
    }

    /// Says to the page why it does not go on.
    async fn refuse_call(&self, refusal: &Refusal, language: Language) -> Response {
        let (parts, code) = (&self.upstreams.parts, refusal.code());
        tracing::info!(code, "a question at another provider does not go on: {refusal}");
        // Anybody has a sign-in of their own to ask in vain with: that fills no audit trail.
        let is_vain = matches!(
            refusal,
            Refusal::NoQuestion
                | Refusal::NoSignIn
                | Refusal::Malformed
                | Refusal::TooMany(_)
                | Refusal::Full
        );
        if let Some(transaction) = self.transaction.filter(|_| !is_vain) {
            let (event, from) = (self.event.clone(), self.caller.address);
            self.upstreams.note_refusal(refusal, transaction, event, from).await;
        }
        let status = Status::failed(code, parts.site.frame(language).texts);
        let mut response = (refusal.status(), Json(status)).into_response();
        let again = match refusal {
            Refusal::TooMany(too_many) => Some(too_many.retry_after()),
            Refusal::Full => Some(ROOM_AFTER),
            _ => None,
        };
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
