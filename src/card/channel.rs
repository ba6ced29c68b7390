//! `/agent/channel`: what the workstations say of their readers (agent protocol, section 13).
//!
//! A hospital gets from it that a card which leaves its reader is known here within a second, and that a workstation
//! which falls silent is noticed. An agent sends numbered, signed reports, one after the other; each is answered when
//! there is something to say, or after the seconds that the agent wished for. What a report does to sessions is one
//! command of the store.
//!
//! Nobody is ever signed in by a report, nor is a locked session opened by one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DurationRound as _, TimeDelta};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::login::CardLogin;
use super::protocol::{
    CLOCK_TOLERANCE, ChannelAnswer, ChannelOpening, ChannelReport, ProtocolError, TYP_CHANNEL_ANSWER,
    TYP_CHANNEL_OPENING, TYP_CHANNEL_REPORT, WebOrigin,
};
use super::question::{ChannelFault, Word};
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::jose::{self, Expected, JwsError, SignError};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::{ChannelId, PersonId, SessionId, WorkstationId};
use crate::session::{CardOut, EndReason};
use crate::store;
use crate::store::StoreError;
use crate::store::audit::NewRow;
use crate::store::channel::{Offer, Report, Reported};
use crate::store::workstation::{State as WorkstationState, Workstation};

/// The longest message that is read.
const MAX_LEN: usize = 16 * 1024;
/// How often an answer that is held back is looked at for a card request that another node has made.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an offered channel waits for its first report.
const OFFER_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub enum ChannelRefusal {
    /// Not a message of the channel.
    #[error("the message is malformed: {0}")]
    Malformed(ProtocolError),
    /// No such workstation.
    #[error("the workstation is not known")]
    WorkstationUnknown,
    /// It was revoked, waits for approval, or its time is over.
    #[error("the workstation is revoked, waits for an administrator's approval, or has to enrol anew")]
    WorkstationRefused,
    /// Not signed by the workstation that it names.
    #[error("the message is not signed by the workstation that it names: {0}")]
    Signature(JwsError),
    /// Meant for another server.
    #[error("the message is meant for {0}")]
    Audience(String),
    /// Made at another time than now, by more than clocks may differ.
    #[error("the message was made at {0}")]
    Clock(Time),
    /// The channel is not open: the agent asks for another.
    #[error("the channel is not open")]
    Unknown,
    /// The number is not higher than that of the message before.
    #[error("a message with this number or a higher one has come before")]
    Replayed,
    /// The answer could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ChannelFault> for ChannelRefusal {
    fn from(fault: ChannelFault) -> Self {
        match fault {
            ChannelFault::Store(error) => Self::Store(error),
            ChannelFault::Sign(error) => Self::Sign(error),
        }
    }
}

impl ChannelRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => super::protocol::CHANNEL_MALFORMED,
            Self::WorkstationUnknown => "WS-031",
            Self::WorkstationRefused => "WS-032",
            Self::Signature(_) => "WS-033",
            Self::Audience(_) => "WS-034",
            Self::Clock(_) => "WS-035",
            Self::Unknown => super::protocol::CHANNEL_NOT_OPEN,
            Self::Replayed => "WS-037",
            Self::Sign(_) => "WS-008",
            Self::Store(error) => error.code(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Signature(_) | Self::Audience(_) | Self::Clock(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::WorkstationUnknown | Self::WorkstationRefused => StatusCode::FORBIDDEN,
            Self::Unknown => StatusCode::GONE,
            Self::Replayed => StatusCode::CONFLICT,
            Self::Sign(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether it is worth an event: a known workstation's key signed it, and yet it does not count. What any stranger can
    /// send fills no audit trail, and a channel that is to be opened anew is no incident.
    fn is_to_be_recorded(&self) -> bool {
        matches!(self, Self::WorkstationRefused | Self::Audience(_) | Self::Clock(_) | Self::Replayed)
    }
}

/// The answers of this node that are held back.
#[derive(Debug)]
pub(super) struct Held {
    /// By workstation, so that a report wakes nobody else's.
    woken: Mutex<HashMap<WorkstationId, broadcast::Sender<Wake>>>,
    stop: CancellationToken,
}

/// Whose answers are held back no longer.
#[derive(Debug, Clone, Copy)]
struct Wake {
    /// Only those to reports over this channel, before this one; none: all.
    before: Option<(ChannelId, u32)>,
}

impl Default for Held {
    fn default() -> Self {
        Self { woken: Mutex::default(), stop: CancellationToken::new() }
    }
}

impl Held {
    /// Answers the workstation now, so that its next report comes at once.
    pub(super) fn wake(&self, workstation: WorkstationId) {
        self.tell(workstation, Wake { before: None });
    }

    fn tell(&self, workstation: WorkstationId, wake: Wake) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens where nothing is held here; another node's answer comes within seconds by itself.
        if woken.get(&workstation).is_some_and(|sender| sender.send(wake).is_err()) {
            woken.remove(&workstation);
        }
    }

    /// What is told of a workstation from now on. There are at most as many as workstations that are enrolled.
    fn listen(&self, workstation: WorkstationId) -> broadcast::Receiver<Wake> {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.entry(workstation).or_insert_with(|| broadcast::Sender::new(16)).subscribe()
    }

    /// Answers everybody from now on without waiting.
    pub(super) fn let_go(&self) {
        self.stop.cancel();
    }

    /// Until there is something to say to the workstation beyond `report`, but no longer than `at_most`. Yields whether
    /// there is.
    async fn wait(
        &self,
        report: &ChannelReport,
        woken: &mut broadcast::Receiver<Wake>,
        at_most: Duration,
    ) -> bool {
        let concerns = |wake: Wake| {
            let superseded = |(channel, number)| channel == report.channel && report.number < number;
            wake.before.is_none_or(superseded)
        };
        let woken = async {
            loop {
                match woken.recv().await {
                    Ok(wake) if !concerns(wake) => {}
                    // Ours, or we missed some.
                    _ => return,
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => true,
            () = tokio::time::sleep(at_most) => false,
            () = woken => true,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    jws: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    code: &'static str,
    message: String,
}

/// `POST /agent/channel/open`
pub(super) async fn open(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    let opened = login.open_channel(&body).await;
    login.respond(opened, &caller).await
}

/// `POST /agent/channel`
pub(super) async fn report(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    let answered = login.take_report(&body, &caller).await;
    login.respond(answered, &caller).await
}

/// A refusal, and the workstation that it concerns where its signature was found good.
struct Failed(ChannelRefusal, Option<Workstation>);

impl<E: Into<ChannelRefusal>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into(), None)
    }
}

impl CardLogin {
    async fn open_channel(&self, body: &[u8]) -> Result<String, Failed> {
        let (jws, payload) = read(body)?;
        let opening = ChannelOpening::from_payload(&payload).map_err(ChannelRefusal::Malformed)?;
        let workstation = self.sender(&jws, TYP_CHANNEL_OPENING, opening.workstation).await?;
        self.check_sender(&workstation, &opening.audience, opening.issued_at)
            .map_err(|refusal| Failed(refusal, Some(workstation.clone())))?;
        let now = self.now();
        let channel = ChannelId::new(now, &*self.parts.random);
        let offer = Offer {
            id: channel,
            workstation: workstation.id,
            agent: hex::encode(opening.agent.hash()),
            takes_badge: opening.accepts.badge,
            takes_questions: opening.accepts.question,
        };
        store::channel::offer(&self.parts.db, &offer, now - OFFER_LIFETIME, now).await?;
        let version = opening.agent_version.to_string();
        store::workstation::seen(&self.parts.db, &workstation, &version, now).await?;
        Ok(self.channel_answer(workstation.id, channel, 0, Word::default()).await?)
    }

    async fn take_report(&self, body: &[u8], caller: &Caller) -> Result<String, Failed> {
        let (jws, payload) = read(body)?;
        let report = ChannelReport::from_payload(&payload).map_err(ChannelRefusal::Malformed)?;
        let workstation = self.sender(&jws, TYP_CHANNEL_REPORT, report.workstation).await?;
        let refused = |refusal| Failed(refusal, Some(workstation.clone()));
        self.check_sender(&workstation, &report.audience, report.issued_at).map_err(refused)?;
        // Before its effect, so that nothing happens in between unheard.
        let woken = self.held.listen(workstation.id);
        let now = self.now();
        let taken = store::channel::report(
            &self.parts.db,
            &Report {
                channel: report.channel,
                workstation: workstation.id,
                number: report.number.into(),
                cards: report.cards.iter().map(hex::encode).collect(),
                stale: now - OFFER_LIFETIME,
            },
            &self.parts.policies,
            &|session, person, reaction| self.card_left(&workstation, session, person, reaction, caller),
            now,
            &*self.parts.random,
        )
        .await?;
        match taken {
            Reported::Taken(sessions) => {
                self.have_asked_about(&report.cards, now);
                for (session, reaction) in sessions {
                    let reaction = reaction.as_str();
                    tracing::info!(%session, workstation = %workstation.id, reaction, "a card left its reader");
                }
            }
            Reported::Unknown => return Err(refused(ChannelRefusal::Unknown)),
            Reported::Replayed => return Err(refused(ChannelRefusal::Replayed)),
            Reported::Refused => return Err(refused(ChannelRefusal::WorkstationRefused)),
        }
        // An answer to an earlier report that is held back has nothing more to wait for.
        self.held.tell(workstation.id, Wake { before: Some((report.channel, report.number)) });
        self.learn_holder(&report).await?;
        let word = self.hold(&workstation, &report, caller, woken).await?;
        Ok(self.channel_answer(workstation.id, report.channel, report.number, word).await?)
    }

    /// Holds the answer back while there is nothing to say. Yields what is to be said with it, if there is something.
    async fn hold(
        &self,
        workstation: &Workstation,
        report: &ChannelReport,
        caller: &Caller,
        mut woken: broadcast::Receiver<Wake>,
    ) -> Result<Word, ChannelRefusal> {
        // Before the first look, so that nothing is asked in between unheard.
        let mut asked = self.questions.listen();
        let mut left = report.wait;
        let has_card = !report.cards.is_empty();
        // Another node may have had the click, or the question.
        let turn = if has_card || self.has_badge_window(workstation) { LOOK_EVERY } else { left };
        loop {
            let mut word = Word { request: self.badge_to_send(workstation, report).await?, whose: None };
            if word.is_empty() {
                word = self.question_to_send(workstation, report, caller.address).await?;
            }
            if !word.is_empty() || left.is_zero() {
                return Ok(word);
            }
            let (now, since) = (turn.min(left), tokio::time::Instant::now());
            left = tokio::select! {
                is_to_answer = self.held.wait(report, &mut woken, now) => {
                    if is_to_answer { Duration::ZERO } else { left - now }
                }
                () = asked.moved(), if has_card => left.saturating_sub(since.elapsed()),
            };
        }
    }

    /// The workstation that a message names, if its key signed it.
    async fn sender(
        &self,
        jws: &str,
        typ: &'static str,
        workstation: WorkstationId,
    ) -> Result<Workstation, ChannelRefusal> {
        let known = store::workstation::by_id(&self.parts.db, workstation).await?;
        let known = known.ok_or(ChannelRefusal::WorkstationUnknown)?;
        let key = VerifyingKey::from_jwk(&known.public_jwk).ok();
        let expected = Expected { typ: Some(typ), algorithms: &[Algorithm::Es256], max_len: MAX_LEN };
        jose::verify_payload(jws, expected, |kid| key.as_ref().filter(|key| Some(key.kid()) == kid))
            .map_err(ChannelRefusal::Signature)?;
        Ok(known)
    }

    fn check_sender(
        &self,
        workstation: &Workstation,
        audience: &WebOrigin,
        issued_at: Time,
    ) -> Result<(), ChannelRefusal> {
        if workstation.state(self.now()) != WorkstationState::Active {
            return Err(ChannelRefusal::WorkstationRefused);
        }
        if *audience != self.parts.front {
            return Err(ChannelRefusal::Audience(audience.to_string()));
        }
        if (self.now() - issued_at).abs() > CLOCK_TOLERANCE {
            return Err(ChannelRefusal::Clock(issued_at));
        }
        Ok(())
    }

    /// What is recorded of a session whose card left.
    fn card_left(
        &self,
        workstation: &Workstation,
        session: SessionId,
        person: PersonId,
        reaction: CardOut,
        caller: &Caller,
    ) -> NewRow {
        let kind = if reaction == CardOut::End { Kind::SessionEnded } else { Kind::SessionLocked };
        let event = self.parts.trail.event(kind).person(person).session(session).caller(caller);
        let event = event.workstation(workstation.id).zone(&workstation.zone);
        NewRow::from(&event.note(EndReason::CardRemoved.as_str()))
    }

    async fn channel_answer(
        &self,
        workstation: WorkstationId,
        channel: ChannelId,
        number: u32,
        word: Word,
    ) -> Result<String, SignError> {
        let now = self.now();
        let answer = ChannelAnswer {
            issuer: self.parts.front.clone(),
            workstation,
            channel,
            number,
            request: word.request,
            whose: word.whose,
            issued_at: now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now),
        };
        let keys = self.parts.keys.keys().await;
        jose::sign(keys.current(), TYP_CHANNEL_ANSWER, &answer.to_payload())
    }

    async fn respond(&self, answer: Result<String, Failed>, caller: &Caller) -> Response {
        let mut response = match answer {
            Ok(jws) => Json(Envelope { jws }).into_response(),
            Err(Failed(refusal, workstation)) => {
                let code = refusal.code();
                let named = workstation.as_ref().map(|workstation| workstation.id.to_string());
                tracing::warn!(code, workstation = named, "a message of a channel was refused: {refusal}");
                let of_whom = workstation.filter(|_| refusal.is_to_be_recorded());
                if let Some(workstation) = of_whom {
                    let event = self.parts.trail.event(Kind::WorkstationRefused).caller(caller).denied(code);
                    let event =
                        event.workstation(workstation.id).zone(&workstation.zone).note(&workstation.name);
                    let (db, whose) = (&self.parts.db, workstation.id.0);
                    self.repeats.record(db, whose, code, 1, event, self.now()).await;
                }
                let refused = Refused { code, message: refusal.to_string() };
                (refusal.status(), Json(refused)).into_response()
            }
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Locks the sessions that no channel vouches for any more. Yields how many were looked at, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_lapsed(&self, limit: i64) -> Result<usize, StoreError> {
        let event = |session, person, _| {
            let event = self.parts.trail.event(Kind::SessionLocked).person(person).session(session);
            NewRow::from(&event.note("channel-silent"))
        };
        store::channel::lock_lapsed(&self.parts.db, &self.parts.policies, limit, &event, self.now()).await
    }

    /// Answers the channels at once from now on: the server stops.
    pub fn let_channels_go(&self) {
        self.held.let_go();
    }
}

/// The JWS in a body and its payload, before anything of it is verified.
fn read(body: &[u8]) -> Result<(String, Vec<u8>), ChannelRefusal> {
    let malformed = |what: &str| ChannelRefusal::Malformed(ProtocolError::Malformed(what.to_owned()));
    if body.len() > MAX_LEN {
        return Err(malformed("too long"));
    }
    let Envelope { jws } = serde_json::from_slice(body).map_err(|_| malformed("not JSON with a JWS"))?;
    let payload = jose::unverified_payload(&jws).ok_or_else(|| malformed("not a JWS"))?;
    Ok((jws, payload))
}
