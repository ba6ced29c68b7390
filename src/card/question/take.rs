//! One message of an agent about a question on its way through the checks, in their order, and what is written of it.

use axum::response::Response;

use super::{MEANS, QuestionRefusal, done, refused};
use crate::audit::{Caller, Event, Kind};
use crate::card::login::CardLogin;
use crate::card::refusal::Refusal;
use crate::store;
use crate::store::approval::{self, Answer, Approval};
use crate::store::audit::NewRow;
use crate::store::card_question::CardQuestion;
use crate::store::client::Client;
use crate::store::workstation::Workstation;

/// How often refusals of one workstation with one code are recorded each minute.
const RECORDED: u32 = 5;

/// A message on its way through the checks. The event learns what is known.
pub(super) struct Taken<'a> {
    pub(super) login: &'a CardLogin,
    pub(super) caller: &'a Caller,
    pub(super) event: Event,
    /// The workstation, once its key was seen to have signed.
    pub(super) workstation: Option<Workstation>,
    /// The question, once it is certain that the workstation that was asked speaks of it.
    pub(super) question: Option<(CardQuestion, Approval)>,
}

impl<'a> Taken<'a> {
    pub(super) fn new(login: &'a CardLogin, caller: &'a Caller) -> Self {
        let event = login.parts.trail.event(Kind::Approval).caller(caller).means(MEANS, None);
        Self { login, caller, event, workstation: None, question: None }
    }

    pub(super) fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// The question of that `txn`, if it was sent to the workstation that speaks, waits, and may be answered there.
    pub(super) async fn of(
        &mut self,
        txn: &str,
        workstation: &Workstation,
    ) -> Result<(CardQuestion, Approval, Client), Refusal> {
        let (login, now) = (self.login, self.login.now());
        let db = &login.parts.db;
        self.learn(|event| event.workstation(workstation.id).zone(&workstation.zone));
        self.workstation = Some(workstation.clone());
        let question = store::card_question::by_txn(db, txn).await?.ok_or(Refusal::UnknownRequest)?;
        if question.workstation_id != workstation.id {
            return Err(QuestionRefusal::OtherWorkstation.into());
        }
        let approval = approval::by_id(db, question.approval_id).await?.ok_or(QuestionRefusal::NotWaiting)?;
        self.learn(|event| {
            let event = event.client(&approval.client_id).application(&approval.context.application);
            approval.person_id.map_or_else(|| event.clone(), |person| event.clone().person(person))
        });
        if !approval.is_waiting(now) {
            return Err(QuestionRefusal::NotWaiting.into());
        }
        self.question = Some((question.clone(), approval.clone()));
        let client = store::client::by_id(db, &approval.client_id).await?;
        let client = client.filter(|client| client.disabled_at.is_none()).ok_or(Refusal::Client)?;
        // An administrator may have changed it, or moved the workstation, since.
        if !client.card_workstations.hold(&workstation.zone, self.caller.address) {
            return Err(QuestionRefusal::NotLinked.into());
        }
        if !client.demands().admit(&workstation.zone) {
            return Err(Refusal::Zone);
        }
        Ok((question, approval, client))
    }

    /// Keeps the person's answer with its event, if the question still waits, and tells whoever waits for it.
    pub(super) async fn settle(
        &self,
        approval: &Approval,
        answer: &Answer,
        row: &NewRow,
    ) -> Result<(), Refusal> {
        let (login, now) = (self.login, self.login.now());
        let person = approval.person_id.ok_or(QuestionRefusal::NotWaiting)?;
        let kept = approval::answer(&login.parts.db, approval.id, person, answer, None, row, now).await?;
        login.questions.forget();
        login.parts.answers.moved(approval);
        if kept { Ok(()) } else { Err(QuestionRefusal::NotWaiting.into()) }
    }

    pub(super) async fn respond(&self, outcome: Result<(), Refusal>) -> Response {
        match outcome {
            Ok(()) => done(),
            Err(refusal) => {
                self.refuse(&refusal).await;
                refused(&refusal)
            }
        }
    }

    /// Writes a refusal to log and audit. Of the workstation that was asked it is the end of the question: there is one try.
    async fn refuse(&self, refusal: &Refusal) {
        let code = refusal.code();
        tracing::warn!(code, "a question was not answered: {refusal}");
        // What no workstation of ours has signed is a stranger's: it stands in the log alone.
        let Some(workstation) = &self.workstation else { return };
        let event = self.event.clone();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let db = &self.login.parts.db;
        // A fault of ours is no answer: the agent may say it again.
        let is_end = !matches!(refusal, Refusal::Store(_) | Refusal::Sign(_) | Refusal::NoAuthorities);
        if is_end && let Some((_, approval)) = &self.question {
            let answer = match refusal {
                Refusal::Question(QuestionRefusal::WrongNumber) => Answer::Mistype,
                _ => Answer::Refuse,
            };
            match self.settle(approval, &answer, &NewRow::from(&event)).await {
                Ok(()) => return,
                Err(Refusal::Question(QuestionRefusal::NotWaiting)) => {}
                Err(error) => {
                    tracing::error!(code = error.code(), %error, "a question that was refused goes on");
                }
            }
        }
        let now = self.login.now();
        self.login.repeats.record(db, workstation.id.0, code, RECORDED, event, now).await;
    }
}
