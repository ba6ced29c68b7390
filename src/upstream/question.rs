//! The application of a provider (CIBA): whoever sits at the sign-in page types who they are, the page shows two digits, and
//! goes on by itself when they approved on their phone, or at the card reader of their workstation.
//!
//! The question is a row; whoever waits for it takes turns to look at the provider, on whichever node, and nobody looks where
//! nobody waits. What the provider said stays in the row, sealed, until the page fetches its session.
//!
//! What it stops. *Whoever floods a phone*: a person is asked twice at once by one source and five times by all, a sign-in
//! asks five times, and who goes on waits longer each time. *Whoever looks for names*: somebody unknown here or there, and
//! somebody who may not be asked, get two digits and a wait that look like any other. *Somebody else who answers*: the
//! identifier that the provider tells is the one that was typed.

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

use super::identity::national_id;
use super::provider::{Answer, Ask, Look, Provider, ProviderError, Said};
use super::sign_in::{MEANS, RECORDED, Visit};
use super::{Refusal, Upstreams};
use crate::audit::{Caller, Event, Kind};
use crate::clock::Time;
use crate::crypto::digest::{hmac_sha256, sha256};
use crate::directory::{self, Admission, NationalId};
use crate::ids::{PersonId, Random, UpstreamQuestionId};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::client::Client;
use crate::store::upstream::Brought;
use crate::store::upstream_question::{
    self as questions, Channel, NewQuestion, Question, State as Stage, Turned,
};
use crate::web::browser;
use crate::web::inside::is_inside;
use crate::web::language::Language;
use crate::web::limits::network_of;
use crate::web::pages::application::{self as pages, Asked, Asking, Stand, Waited};
use crate::web::pages::sign_in::Status;

/// How long a question waits for its answer, whatever the provider says: what it tells of somebody would tell that they exist.
const LIFETIME: TimeDelta = TimeDelta::seconds(120);
/// For how long a turn is taken.
const TURN: TimeDelta = TimeDelta::seconds(60);
/// When it ends whatever its calls do: before another node may take it.
const TURN_WITHIN: Duration = Duration::from_secs(55);
/// How long a page is held for a turn that has begun.
const PATIENCE: Duration = Duration::from_secs(25);
/// How soon it is looked again whether another node's turn is over.
const LONGEST_NAP: Duration = Duration::from_secs(2);
/// Looks in a row that may fail.
const TOLERATED: i64 = 3;
/// By how many seconds the interval grows when the provider says so (CIBA Core §11).
const SLOW_DOWN: i64 = 5;
/// Seconds between a look that failed and the next, where the provider has not said any.
const INTERVAL: i64 = 5;
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

/// The national identifier that somebody typed. An RPPS number alone is one: that is what people know.
fn typed(text: &str) -> Option<NationalId> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let is_rpps = text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let text = if is_rpps { format!("8{text}") } else { text };
    text.parse().ok()
}

/// Two digits, each pair as likely as any other.
fn digits(random: &dyn Random) -> String {
    loop {
        let mut byte = [0];
        random.fill(&mut byte);
        let [value] = byte;
        // Of 256 values, the last that would favour some are thrown away.
        if value < 200 {
            return format!("{:02}", value % 100);
        }
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
        let offers = |wanted| match wanted {
            Channel::Mobile => {
                provider.settings.application.as_ref().is_some_and(|application| application.mobile)
            }
            Channel::Card => {
                provider.settings.application.as_ref().is_some_and(|application| application.card)
            }
        };
        if !offers(channel) {
            return Err(Refusal::NotOffered);
        }
        let id_nat = typed(&identifier).ok_or(Refusal::BadIdentifier)?;
        self.learn(|event| event.id_nat(id_nat.as_str()));
        // Nobody is asked for what their answer does not open.
        let (client, _) = self.towards(&transaction).await?;
        self.is_for_others(provider, &transaction, &client)?;
        // Whoever asks from outside waits the longer the oftener; inside, a whole site may stand behind one address.
        let is_inside = is_inside(&parts.reach.networks, self.caller.address);
        if let Some(address) = self.caller.address.filter(|_| !is_inside) {
            upstreams.asked.refuse(network_of(address), now)?;
        }
        let reached = self.reached(&id_nat, &client, is_inside, now).await?;
        if !reached.is_known {
            upstreams.named.refuse(self.asks_for(&id_nat), now)?;
        }
        provider.can_ask().await?;

        let id = UpstreamQuestionId::new(now, &*parts.random);
        let number = digits(&*parts.random);
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
            name_hash: hmac_sha256(
                &*parts.seal.derive("upstream question names"),
                id_nat.as_str().as_bytes(),
            ),
            source: self.source(reached.is_known),
            is_known: reached.is_known,
            sealed: upstreams.sealed(id, &kept)?,
            expires_at,
        };
        if !questions::ask(&parts.db, &new, now).await? {
            return Err(Refusal::AskedTooOften);
        }
        Ok(Asked { question: id.to_string(), number, seconds: (expires_at - now).num_seconds() })
    }

    /// Who may be asked of whoever has this identifier: those whom the establishment would admit, from where it says, unless
    /// they said that a question was none of theirs.
    async fn reached(
        &self,
        id_nat: &NationalId,
        client: &Client,
        is_inside: bool,
        now: Time,
    ) -> Result<Reached, Refusal> {
        let parts = &self.upstreams.parts;
        let admission = directory::admission(&parts.db, id_nat, client.audience, now).await?;
        let person = match admission {
            Admission::Admitted(person) => Some(person),
            Admission::Newcomer(_) | Admission::Refused(_) => None,
        };
        let (mut is_known, mut is_guarded) = (false, false);
        if let Some(person) = person {
            if let Some(own) = browser::hash(self.headers) {
                is_known =
                    store::known_browser::is_known(&parts.db, person, browser::of_person(person, &own))
                        .await?;
            }
            is_guarded = !is_known && store::phone::is_guarded(&parts.db, person, now).await?;
        }
        let may = is_inside || is_known || parts.reach.anywhere;
        let is_welcome = !matches!(admission, Admission::Refused(_));
        Ok(Reached { person, is_put: may && is_welcome && !is_guarded, is_known })
    }

    /// Whether somebody may be asked, and answer, from where this browser is now.
    async fn is_within_reach(&self, person: Option<PersonId>) -> Result<bool, Refusal> {
        let parts = &self.upstreams.parts;
        if parts.reach.anywhere || is_inside(&parts.reach.networks, self.caller.address) {
            return Ok(true);
        }
        let (Some(person), Some(own)) = (person, browser::hash(self.headers)) else { return Ok(false) };
        Ok(store::known_browser::is_known(&parts.db, person, browser::of_person(person, &own)).await?)
    }

    /// What stands for whoever asks. A browser that the person has used is itself, whoever else is behind its address; all
    /// others of an address are one, for a cookie is thrown away at will.
    fn source(&self, is_known: bool) -> [u8; 32] {
        let address = self.caller.address.map(|address| network_of(address).to_string()).unwrap_or_default();
        let own = browser::hash(self.headers).filter(|_| is_known);
        own.unwrap_or_else(|| sha256(format!("address:{address}").as_bytes()))
    }

    /// What stands for whoever asks for that name from this address.
    fn asks_for(&self, id_nat: &NationalId) -> [u8; 32] {
        sha256(&[&self.source(false)[..], id_nat.as_str().as_bytes()].concat())
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
        let told = national_id(provider, &said).ok_or(Refusal::NoIdentifier)?;
        if told.as_str() != kept.login_hint {
            self.learn(|event| event.note(&format!("answered by {}", told.as_str())));
            return Err(Refusal::OtherPerson);
        }
        let begun = self.begin(provider, &transaction, towards, said, Brought::Answer(id)).await?;
        let cookie = begun.ok_or(Refusal::NotLinked)?;
        // Whoever gets in has not asked in vain.
        if let Some(address) = self.caller.address {
            upstreams.asked.clear(&network_of(address));
        }
        upstreams.named.clear(&self.asks_for(&told));
        Ok(cookie)
    }

    /// Says to the page why it does not go on.
    async fn refuse_call(&self, refusal: &Refusal, language: Language) -> Response {
        let Upstreams { parts, repeats, .. } = self.upstreams;
        let code = refusal.code();
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
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            repeats.record(&parts.db, transaction.0, code, RECORDED, event, self.upstreams.now()).await;
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

/// What a turn leaves in the audit.
struct Events {
    /// Where somebody is asked.
    asked: Event,
    /// Where the question comes to nothing.
    ended: Event,
}

/// What a turn brought.
enum Turn {
    /// The provider asks, with this handle.
    Asks { auth_req_id: String, interval: i64 },
    /// Nobody is asked, which is nothing to tell; the log and the audit say why, where that is of use.
    Nobody(Option<Refusal>),
    /// Nobody has answered.
    Pending { slower: bool },
    /// Nobody looked: the provider failed others, which says nothing of this question.
    Skipped,
    /// The look failed; another may not.
    Failed(ProviderError),
    /// The person said yes.
    Approved(Box<Said>),
    /// It is over.
    Over(Refusal),
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

    /// Puts a question to its provider, or looks whether there is an answer, and keeps what came of it, if the turn that was
    /// taken until `until` is still ours.
    async fn take_turn(&self, question: Question, until: Time, events: Events) {
        let turn = tokio::time::timeout(TURN_WITHIN, self.turned(&question, until, events)).await;
        // The turn ends by itself, and the next one goes on.
        match turn {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => {
                tracing::warn!(code = refusal.code(), "a turn of a question was lost: {refusal}");
            }
            Err(_) => tracing::warn!(provider = question.provider, "a turn of a question took too long"),
        }
    }

    async fn turned(&self, question: &Question, until: Time, events: Events) -> Result<(), Refusal> {
        let provider = self.provider(&question.provider)?;
        let mut kept = self.kept(question)?;
        let turn = match &kept.auth_req_id {
            // A node was lost while it asked: a phone may have rung, and what is answered to that cannot be had.
            None if question.due_at > question.created_at => Turn::Over(Refusal::Unanswered),
            None => {
                let ask =
                    Ask { login_hint: &kept.login_hint, digits: &kept.digits, channel: question.channel };
                put(provider, ask).await
            }
            Some(auth_req_id) => look(provider, auth_req_id, question.failures).await,
        };
        let Events { asked, ended } = events;
        let about = |event: Event| event.upstream(&question.provider).id_nat(&kept.login_hint);
        let (asked, ended) = (about(asked), about(ended));
        let now = self.now();
        let mut turned = Turned {
            state: Stage::Asked,
            code: None,
            sealed: question.sealed.clone(),
            interval: question.interval.max(1),
            failures: 0,
            due_at: now,
            expires_at: question.expires_at,
        };
        let mut event = None;
        let refusal = match turn {
            Turn::Asks { auth_req_id, interval } => {
                kept.auth_req_id = Some(auth_req_id);
                turned.sealed = self.sealed(question.id, &kept)?;
                turned.interval = interval;
                let asked = asked.note(if question.channel == Channel::Card { "card" } else { "mobile" });
                event = Some(match kept.person {
                    Some(person) => asked.person(person),
                    None => asked,
                });
                None
            }
            Turn::Nobody(why) => {
                turned.state = Stage::Nobody;
                why
            }
            Turn::Skipped => {
                turned.interval = turned.interval.max(INTERVAL);
                None
            }
            Turn::Pending { slower } => {
                turned.interval += if slower { SLOW_DOWN } else { 0 };
                None
            }
            Turn::Failed(error) => {
                tracing::warn!(provider = question.provider, "a look for an answer failed: {error}");
                turned.failures = question.failures + 1;
                turned.interval = turned.interval.max(INTERVAL);
                None
            }
            Turn::Approved(said) => {
                kept.said = Some(*said);
                turned.sealed = self.sealed(question.id, &kept)?;
                turned.state = Stage::Approved;
                turned.expires_at = now + LIFETIME;
                None
            }
            Turn::Over(refusal) => {
                turned.state = Stage::Failed;
                turned.code = Some(refusal.code());
                Some(refusal)
            }
        };
        turned.due_at = now + TimeDelta::seconds(turned.interval);
        if let Some(refusal) = refusal {
            let code = refusal.code();
            tracing::warn!(code, provider = question.provider, "a question came to nothing: {refusal}");
            event = Some(if refusal.is_denial() { ended.denied(code) } else { ended.failure(code) });
        }
        let event = event.as_ref().map(NewRow::from);
        questions::turn(&self.parts.db, question.id, until, &turned, event.as_ref()).await?;
        Ok(())
    }
}

/// Puts a question to a provider.
async fn put(provider: &Provider, ask: Ask<'_>) -> Turn {
    match provider.ask(ask).await {
        Ok(Answer::Asks(taken)) => Turn::Asks { auth_req_id: taken.auth_req_id, interval: taken.interval },
        Ok(Answer::Unknown(why)) => Turn::Nobody(Some(Refusal::UnknownThere(why))),
        // To say so would tell whoever asks that there is somebody to ask for.
        Ok(Answer::TooOften) => Turn::Nobody(Some(Refusal::AskedTooOften)),
        Err(error) => Turn::Over(error.into()),
    }
}

/// Looks whether there is an answer; `failures` looks in a row have failed.
async fn look(provider: &Provider, auth_req_id: &str, failures: i64) -> Turn {
    match provider.look_for_answer(auth_req_id).await {
        Ok(Look::Pending) => Turn::Pending { slower: false },
        Ok(Look::SlowDown) => Turn::Pending { slower: true },
        Ok(Look::Approved(said)) => Turn::Approved(said),
        Ok(Look::Denied) => Turn::Over(Refusal::Denied),
        // The page waits on until its own time is over, as it does for nobody.
        Ok(Look::Expired) => Turn::Nobody(None),
        Ok(Look::Gone) => Turn::Over(Refusal::Unanswered),
        Err(ProviderError::Away) if failures == 0 => Turn::Skipped,
        Err(error) if error.is_failure() && failures < TOLERATED => Turn::Failed(error),
        Err(error) => Turn::Over(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn what_people_know_of_their_identifier_is_enough_and_what_is_none_is_refused() {
        for (text, read) in [
            ("899700366240", Some("899700366240")),
            ("99700366240", Some("899700366240")),
            (" 8 99700 366 240 ", Some("899700366240")),
            ("500000001815646/CPAT00045", Some("500000001815646/CPAT00045")),
            ("", None),
            ("8997003662", None),
            ("kit.doc@hopital.example", None),
            ("899700366240; drop", None),
        ] {
            assert_eq!(typed(text).as_ref().map(NationalId::as_str), read, "{text}");
        }
    }

    #[test]
    fn all_hundred_pairs_of_digits_are_drawn() {
        let drawn: BTreeSet<String> = (0..5_000).map(|_| digits(&SystemRandom)).collect();
        assert_eq!(drawn.len(), 100);
        assert!(drawn.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_digit())));
    }
}
