//! What the agent refused or could not do, told to the servers that it concerns, so that it stands in their audit trail
//! (agent protocol, section 9).
//!
//! A hospital gets from it that a wrong PIN, a card pulled out or a page that tries to use the agent leaves a trace where
//! a security officer looks. A page can call the agent as often as it likes, so what no request of a server stands behind
//! is told once a minute, with a count. What does not reach a server stands in the agent's log alone.
//!
//! Never told: who wrote the page, what a form held, a name, a number or a PIN.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::enrol;
use super::enrolments::Enrolment;
use crate::card::protocol::{Challenge, NoticeCode, WebOrigin};
use crate::clock::{Clock, Time};

/// How often the same refusal is told where no server's request stands behind it.
const REPEATED_AT_MOST_EVERY: TimeDelta = TimeDelta::minutes(1);
/// How long a server that did not answer is left alone.
const AFTER_A_FAILURE: TimeDelta = TimeDelta::seconds(30);
/// How long the agent tries to tell something: afterwards it is older than the server would accept.
const KEPT: TimeDelta = TimeDelta::minutes(5);
/// How many different things are kept; a person brings about a handful.
const MOST: usize = 64;
/// How often the agent looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What waits to be told.
#[derive(Debug, Default)]
pub(super) struct Reports {
    known: Mutex<BTreeMap<Subject, Known>>,
    wake: Notify,
}

/// Same server, same code, same request: one notice with a count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    server: WebOrigin,
    code: NoticeCode,
    request: Option<Challenge>,
}

#[derive(Debug)]
struct Known {
    /// How often it happened and was not told yet.
    count: u32,
    /// When it first happened of those.
    since: Time,
    /// When it may be told at the earliest.
    due: Time,
}

impl Reports {
    /// Notes what happened; [`Self::deliver`] tells it.
    pub(super) fn note(&self, server: &WebOrigin, code: &str, request: Option<Challenge>, now: Time) {
        let Ok(code) = NoticeCode::parse(code) else { return };
        let subject = Subject { server: server.clone(), code, request };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&subject) {
            tracing::warn!(code = subject.code.as_str(), "too much happens here: this is not reported");
            return;
        }
        let entry = known.entry(subject).or_insert(Known { count: 0, since: now, due: now });
        if entry.count == 0 {
            entry.since = now;
        }
        entry.count = entry.count.saturating_add(1);
        self.wake.notify_one();
    }

    /// Tells what is due, until `shutdown`. `enrolments` yields the servers as enrolled now.
    pub(super) async fn deliver(
        &self,
        enrolments: impl Fn() -> Vec<Enrolment>,
        clock: &dyn Clock,
        shutdown: CancellationToken,
    ) {
        loop {
            let waiting = self.any_waits();
            let turn = async {
                if waiting {
                    tokio::time::sleep(LOOK_EVERY).await;
                } else {
                    self.wake.notified().await;
                }
            };
            if shutdown.run_until_cancelled(turn).await.is_none() {
                return;
            }
            let due = self.due(clock.now());
            if due.is_empty() {
                continue;
            }
            let enrolments = enrolments();
            for (subject, count) in due {
                let Some(server) = enrolments.iter().find(|known| known.origin == subject.server) else {
                    continue;
                };
                let told = enrol::report(server, &subject.code, subject.request, count, clock);
                match shutdown.run_until_cancelled(told).await {
                    None => return,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        tracing::warn!(
                            code = error.code(),
                            server = subject.server.as_str(),
                            "not reported: {error}"
                        );
                        self.postpone(&subject, count, clock.now());
                    }
                }
            }
        }
    }

    fn any_waits(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).values().any(|known| known.count > 0)
    }

    /// Takes what is due. What may be repeated too often is remembered, so that it is not.
    fn due(&self, now: Time) -> Vec<(Subject, u32)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| now - known.since <= KEPT && (known.count > 0 || known.due > now));
        let mut due = Vec::new();
        for (subject, known) in known.iter_mut().filter(|(_, known)| known.count > 0 && known.due <= now) {
            due.push((subject.clone(), std::mem::take(&mut known.count)));
            if subject.request.is_none() {
                known.due = now + REPEATED_AT_MOST_EVERY;
            }
        }
        due
    }

    fn postpone(&self, subject: &Subject, count: u32, now: Time) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(subject) {
            known.count = known.count.saturating_add(count);
            known.due = now + AFTER_A_FAILURE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MockClock;
    use crate::ids::CountingRandom;

    fn server() -> WebOrigin {
        WebOrigin::parse("https://sceau.chu.example").unwrap()
    }

    fn told(reports: &Reports, now: Time) -> Vec<(String, bool, u32)> {
        let due = reports.due(now).into_iter();
        due.map(|(subject, count)| (subject.code.to_string(), subject.request.is_some(), count)).collect()
    }

    #[test]
    fn what_a_page_can_bring_about_is_told_once_a_minute_with_a_count() {
        let (reports, clock) = (Reports::default(), MockClock::default());
        for _ in 0..3 {
            reports.note(&server(), "AGENT-009", None, clock.now());
        }
        assert_eq!(told(&reports, clock.now()), [("AGENT-009".to_owned(), false, 3)]);
        for _ in 0..1_000 {
            reports.note(&server(), "AGENT-009", None, clock.now());
        }
        assert!(told(&reports, clock.now()).is_empty());
        clock.advance(REPEATED_AT_MOST_EVERY);
        assert_eq!(told(&reports, clock.now()), [("AGENT-009".to_owned(), false, 1_000)]);
    }

    #[test]
    fn what_happens_to_a_request_is_told_each_time() {
        let (reports, clock) = (Reports::default(), MockClock::default());
        let request = Some(Challenge::new(&CountingRandom::default()));
        for _ in 0..2 {
            reports.note(&server(), "READER-009", request, clock.now());
            assert_eq!(told(&reports, clock.now()), [("READER-009".to_owned(), true, 1)]);
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_told_later_but_not_for_ever() {
        let (reports, clock) = (Reports::default(), MockClock::default());
        reports.note(&server(), "READER-003", None, clock.now());
        let [(subject, count)] = &reports.due(clock.now())[..] else { panic!("one") };
        reports.postpone(subject, *count, clock.now());
        assert!(told(&reports, clock.now()).is_empty());
        clock.advance(AFTER_A_FAILURE);
        assert_eq!(told(&reports, clock.now()).len(), 1);
        reports.postpone(subject, 1, clock.now());
        clock.advance(KEPT);
        assert!(told(&reports, clock.now()).is_empty());
        assert!(!reports.any_waits());
    }

    #[test]
    fn memory_is_bounded_and_what_is_no_code_of_a_workstation_is_not_told() {
        let (reports, clock) = (Reports::default(), MockClock::default());
        reports.note(&server(), "CARD-003", None, clock.now());
        let random = CountingRandom::default();
        for _ in 0..200 {
            reports.note(&server(), "READER-003", Some(Challenge::new(&random)), clock.now());
        }
        assert_eq!(told(&reports, clock.now()).len(), MOST);
    }
}
