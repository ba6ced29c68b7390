//! A turn: a question is put to its provider, or somebody looks whether there is an answer, once for all who wait.

use std::time::Duration;

use chrono::TimeDelta;

use super::LIFETIME;
use crate::audit::Event;
use crate::clock::Time;
use crate::store::audit::NewRow;
use crate::store::upstream_question::{self as questions, Channel, Question, State as Stage, Turned};
use crate::upstream::provider::{Answer, Ask, Look, Provider, ProviderError, Said};
use crate::upstream::{Refusal, Upstreams};

/// When it ends whatever its calls do: before another node may take it.
const TURN_WITHIN: Duration = Duration::from_secs(55);
/// Looks in a row that may fail.
const TOLERATED: i64 = 3;
/// By how many seconds the interval grows when the provider says so (CIBA Core §11).
const SLOW_DOWN: i64 = 5;
/// Seconds between a look that failed and the next, where the provider has not said any.
const INTERVAL: i64 = 5;

/// What a turn leaves in the audit.
pub(super) struct Events {
    /// Where somebody is asked.
    pub(super) asked: Event,
    /// Where the question comes to nothing.
    pub(super) ended: Event,
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
    /// Puts a question to its provider, or looks whether there is an answer, and keeps what came of it, if the turn that was
    /// taken until `until` is still ours.
    pub(super) async fn take_turn(&self, question: Question, until: Time, events: Events) {
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
        Ok(Answer::Asks { auth_req_id, interval }) => Turn::Asks { auth_req_id, interval },
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
