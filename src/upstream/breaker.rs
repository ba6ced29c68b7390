//! Whether a provider answers: learned by use, and asked in the background while it does not.
//!
//! After three failures in a row nobody is sent there any more, for ten seconds and then for longer each time, two minutes at
//! most. Once that time is over the background asks first, and one answer opens the way. No page waits for a provider to find out.

use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use crate::clock::Time;

/// So many failures in a row keep everybody away.
const TOLERATED: u32 = 3;
/// For how long after the last of them, at first.
const FIRST: TimeDelta = TimeDelta::seconds(10);
/// And at most.
const LONGEST: TimeDelta = TimeDelta::minutes(2);

/// What is known of a provider.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    failures: u32,
    closed_until: Option<Time>,
    answered_at: Option<Time>,
}

impl Breaker {
    /// Whether somebody may be sent there.
    #[must_use]
    pub fn lets_through(&self, now: Time) -> bool {
        self.state().closed_until.is_none_or(|until| until <= now)
    }

    /// Whether it did not answer the last time, so that the background should ask.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.state().failures > 0
    }

    /// Whether it has answered since then.
    #[must_use]
    pub fn has_answered_since(&self, since: Time) -> bool {
        self.state().answered_at.is_some_and(|at| at >= since)
    }

    /// It answered.
    pub fn succeeded(&self, now: Time) {
        let answered = State { answered_at: Some(now), ..State::default() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answered;
    }

    /// It did not. Yields whether that keeps everybody away from now on.
    pub fn failed(&self, now: Time) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < TOLERATED {
            return false;
        }
        let doubled = (state.failures - TOLERATED).min(10);
        state.closed_until = Some(now + (FIRST * (1 << doubled)).min(LONGEST));
        state.failures == TOLERATED
    }

    fn state(&self) -> State {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    #[test]
    fn three_failures_in_a_row_keep_everybody_away_for_longer_each_time() {
        let (clock, breaker) = (MockClock::default(), Breaker::default());
        assert!(!breaker.failed(clock.now()) && !breaker.failed(clock.now()));
        assert!(breaker.lets_through(clock.now()), "two are an accident");
        assert!(breaker.failed(clock.now()), "told once");
        for seconds in [10, 20, 40, 80, 120, 120] {
            clock.advance(TimeDelta::seconds(seconds - 1));
            assert!(!breaker.lets_through(clock.now()), "{seconds}");
            clock.advance(TimeDelta::seconds(1));
            assert!(breaker.lets_through(clock.now()), "{seconds}");
            assert!(!breaker.failed(clock.now()), "not told again");
        }
    }

    #[test]
    fn one_answer_makes_up_for_all() {
        let (clock, breaker) = (MockClock::default(), Breaker::default());
        for _ in 0..9 {
            breaker.failed(clock.now());
        }
        breaker.succeeded(clock.now());
        assert!(breaker.has_answered_since(clock.now()));
        assert!(breaker.lets_through(clock.now()) && !breaker.is_in_doubt());
        assert!(!breaker.failed(clock.now()) && breaker.lets_through(clock.now()));
    }
}
