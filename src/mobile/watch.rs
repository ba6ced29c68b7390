//! What a sign-in page is told while it waits for a phone: the code of each second, and how its question stands. By a stream
//! of events; where something on the way holds those back, by requests that are held until there is something to tell.
//!
//! Twenty thousand pages may wait on one node, so one of them is little: what it knows of its question is a few words, its
//! codes are computed, and it looks in the database when it is woken (`web::answers`), and before it is told an end. One
//! address takes its share of the places and no more; whoever finds none is told so, and nobody loses theirs.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::pairing::read;
use super::sign_in::Visit;
use super::{Phones, Refusal, scan_code};
use crate::audit::Caller;
use crate::clock::Time;
use crate::ids::{ApprovalId, TransactionId};
use crate::store::approval::{self, Approval, State as Answered, Way};
use crate::web::answers::Awaited;
use crate::web::i18n::Texts;
use crate::web::language::Language;
use crate::web::limits::network_of;
use crate::web::moves::Moves;
use crate::web::pages::phone::{QrCode, Stand};
use crate::web::places::Place;

/// How often a stream says that it is alive. A page that hears nothing for longer asks by requests.
const BEAT: Duration = Duration::from_secs(10);
/// The name of that event.
const BEAT_EVENT: &str = "beat";
/// For how long a request is held: proxies are patient for half a minute at least.
const HOLD: Duration = Duration::from_secs(20);
/// How soon the clock is looked at again, whatever it said: somebody may have set it.
const LONGEST_NAP: Duration = Duration::from_secs(10);
/// How soon a database that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// After how many seconds a page that found no place may come back.
pub(super) const ROOM_AFTER: u64 = 15;

#[derive(Deserialize)]
pub(super) struct Watched {
    txn: String,
    /// The page shows a code.
    #[serde(default)]
    scan: bool,
}

/// What a page asks with whose stream is held back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    txn: String,
    /// The page shows a code.
    scan: bool,
    /// What it was told last; none before the first.
    told: Option<Known>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Known {
    Waiting,
    Code,
}

/// `GET /login/phone/events?txn=…`: the code of each second where the page shows one, and how the question stands.
pub(super) async fn events(
    State(phones): State<Arc<Phones>>,
    Query(watched): Query<Watched>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    // It may withdraw what was asked before: no other site may bring that about.
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut visit = Visit::new(&phones, &caller, &headers);
    // A browser whose connection was lost asks again by itself: what waits goes on waiting.
    let is_first = !headers.contains_key("last-event-id");
    let begun = visit.watch(&watched.txn, watched.scan && is_first, language.texts()).await;
    let watch = match begun {
        Ok(watch) => watch,
        Err(refusal) => return visit.refuse(&refusal, language).await,
    };
    let events = stands(Arc::clone(&phones), watch)
        .filter_map(async |stand| Event::default().id("1").json_data(stand).ok().map(Ok::<_, Infallible>));
    let beat = KeepAlive::new().interval(BEAT).event(Event::default().event(BEAT_EVENT).data("1"));
    let mut response = Sse::new(events).keep_alive(beat).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What nginx and those who follow it take as a wish not to be held back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// `POST /login/phone/wait`: how the question stands, once it is not as the page was told, or after a while.
pub(super) async fn wait(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&phones, &caller, &headers);
    match visit.held(&body, language.texts()).await {
        Ok(stand) => ([(header::CACHE_CONTROL, "no-store")], Json(stand)).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

impl Visit<'_> {
    /// A place to wait in, once it is certain that this browser began the sign-in.
    async fn watch(&mut self, txn: &str, show_code: bool, texts: &'static Texts) -> Result<Watch, Refusal> {
        let transaction = self.transaction(txn).await?;
        let source = self.caller.address.map(network_of);
        let tab = self.phones.tabs.take(transaction.id).ok_or(Refusal::Full)?;
        let place = self.phones.places.take(source).ok_or(Refusal::Full)?;
        if show_code {
            self.show_code(&transaction).await?;
        }
        Ok(Watch {
            id: transaction.id,
            ends: transaction.expires_at,
            // Before the first look, so that nothing happens in between.
            moves: self.phones.answers.listen(Awaited::SignIn(transaction.id)),
            _places: (place, tab),
            texts,
            seen: None,
            told: None,
        })
    }

    async fn held(&mut self, body: &[u8], texts: &'static Texts) -> Result<Stand, Refusal> {
        let asked_at = self.phones.now();
        self.phones.parts.own.check_origin(self.headers)?;
        let Held { txn, scan, told } = read(body)?;
        let mut watch = self.watch(&txn, scan && told.is_none(), texts).await?;
        if let Some(known) = told {
            watch.knows(self.phones, known, asked_at).await;
        }
        match tokio::time::timeout(HOLD, watch.next(self.phones)).await {
            Ok(stand) => Ok(stand),
            // As it was told; it asks again.
            Err(_) => Ok(watch.words(self.phones, watch.standing(self.phones.now()))),
        }
    }
}

/// Each standing, as often as that changes or the code does; ends after the last.
fn stands(phones: Arc<Phones>, watch: Watch) -> impl Stream<Item = Stand> {
    stream::unfold(Some((phones, watch)), async |state| {
        let (phones, mut watch) = state?;
        let stand = watch.next(&phones).await;
        let rest = (!stand.is_last()).then_some((phones, watch));
        Some((stand, rest))
    })
}

/// One page that waits. There may be twenty thousand: see what it costs before it grows (`cargo bench --bench phones`).
struct Watch {
    id: TransactionId,
    /// When the sign-in is over.
    ends: Time,
    moves: Moves<Awaited>,
    _places: (Place<Option<IpAddr>>, Place<TransactionId>),
    texts: &'static Texts,
    /// What the last look saw.
    seen: Option<Seen>,
    /// What the page knows; none before the first word.
    told: Option<Told>,
}

/// What is kept of a question.
#[derive(Debug, Clone, Copy)]
struct Seen {
    id: ApprovalId,
    state: Answered,
    /// It is on the page as a code that nobody has scanned.
    is_code: bool,
    created_at: Time,
    expires_at: Time,
}

impl From<&Approval> for Seen {
    fn from(question: &Approval) -> Self {
        Self {
            id: question.id,
            state: question.state,
            is_code: question.way == Way::Scan && question.person_id.is_none(),
            created_at: question.created_at,
            expires_at: question.expires_at,
        }
    }
}

/// What a page was told, without the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Waiting,
    /// Of which question, and of which of its seconds.
    Code(ApprovalId, i64),
    Approved,
    Failed(&'static str),
}

impl Watch {
    /// What a page had been told when it asked, by a request that has ended.
    async fn knows(&mut self, phones: &Phones, known: Known, asked_at: Time) {
        self.look(phones).await;
        self.told = match (known, self.standing(asked_at)) {
            (Known::Code, code @ Told::Code(..)) => Some(code),
            (Known::Waiting, Told::Waiting) => Some(Told::Waiting),
            // Something else is to be told at once.
            _ => None,
        };
    }

    /// The next standing that the page does not know.
    async fn next(&mut self, phones: &Phones) -> Stand {
        let mut is_fresh = self.told.is_none();
        if is_fresh {
            self.look(phones).await;
        }
        loop {
            let now = phones.now();
            let standing = self.standing(now);
            if matches!(standing, Told::Approved | Told::Failed(_)) && !is_fresh {
                // Nothing is over before somebody has looked: what another node did may be on its way here.
                self.look(phones).await;
                is_fresh = true;
                continue;
            }
            if self.told != Some(standing) {
                self.told = Some(standing);
                return self.words(phones, standing);
            }
            is_fresh = tokio::time::timeout(self.nap(standing, now), self.moves.moved()).await.is_ok();
            if is_fresh {
                self.look(phones).await;
            }
        }
    }

    /// Looks in the database, until it answers.
    async fn look(&mut self, phones: &Phones) {
        loop {
            // On the heap for as long as it lasts: a page that waits has no room for it.
            match Box::pin(approval::of_transaction(&phones.parts.db, self.id)).await {
                Ok(found) => {
                    self.seen = found.as_ref().map(Seen::from);
                    return;
                }
                Err(error) => {
                    tracing::warn!(code = error.code(), "a waiting page got no answer: {error}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn standing(&self, now: Time) -> Told {
        if now >= self.ends {
            return Told::Failed(Refusal::NoSignIn.code());
        }
        let Some(seen) = &self.seen else { return Told::Waiting };
        match seen.state {
            Answered::Waiting if seen.expires_at <= now => Told::Failed(Refusal::Unanswered.code()),
            Answered::Waiting if seen.is_code => Told::Code(seen.id, scan_code::epoch(seen.created_at, now)),
            Answered::Waiting => Told::Waiting,
            Answered::Approved if seen.expires_at > now => Told::Approved,
            Answered::Refused => Told::Failed(Refusal::Refused.code()),
            Answered::Mistyped => Told::Failed(Refusal::Mistyped.code()),
            Answered::Approved | Answered::Withdrawn | Answered::Used => {
                Told::Failed(Refusal::NotWaiting.code())
            }
        }
    }

    fn words(&self, phones: &Phones, standing: Told) -> Stand {
        match standing {
            Told::Waiting => Stand::Waiting,
            Told::Code(id, epoch) => {
                Stand::Code { qr: QrCode::of(&scan_code::at(&phones.parts.code_key, id, epoch)) }
            }
            Told::Approved => Stand::Approved,
            Told::Failed(code) => Stand::failed(code, self.texts),
        }
    }

    /// Until this standing may be another by the passing of time.
    fn nap(&self, standing: Told, now: Time) -> Duration {
        let until = match (standing, &self.seen) {
            (Told::Code(_, epoch), Some(seen)) => seen.created_at + TimeDelta::seconds(epoch + 1),
            (_, Some(seen)) => seen.expires_at.min(self.ends),
            (_, None) => self.ends,
        };
        // Never at once: a clock may stand still.
        (until - now).to_std().unwrap_or_default().clamp(Duration::from_millis(10), LONGEST_NAP)
    }
}
