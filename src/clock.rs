//! Time as a parameter: every rule about a lifetime can be tested without waiting, and a wrong system clock has one
//! place to be seen.
//!
//! A clock yields whole microseconds, because PostgreSQL keeps no more: a time that went through either database is
//! equal to the one that was written.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// An instant in UTC, in whole microseconds.
pub type Time = DateTime<Utc>;

/// What tells the time.
pub trait Clock: Send + Sync + Debug {
    /// Now, in UTC and whole microseconds.
    fn now(&self) -> Time;
}

/// The clock that the whole process shares.
pub type SharedClock = Arc<dyn Clock>;

/// The computer's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the computer's clock")]
    fn now(&self) -> Time {
        whole_microseconds(Utc::now())
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug, Clone)]
pub struct MockClock(Arc<Mutex<Time>>);

impl MockClock {
    /// A clock that shows `start`.
    pub fn at(start: Time) -> Self {
        Self(Arc::new(Mutex::new(whole_microseconds(start))))
    }

    /// Moves the clock by `step`, which may be negative.
    pub fn advance(&self, step: TimeDelta) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = whole_microseconds(*now + step);
    }
}

impl Default for MockClock {
    /// Shows noon, 21 November 2026, UTC.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(1_795_262_400, 0).unwrap_or_default())
    }
}

impl Clock for MockClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole_microseconds(time: Time) -> Time {
    time.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_yields_whole_microseconds() {
        assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
    }

    #[test]
    fn a_mock_clock_moves_only_when_told() {
        let clock = MockClock::default();
        let start = clock.now();
        assert_eq!(start.to_rfc3339(), "2026-11-21T12:00:00+00:00");
        assert_eq!(clock.now(), start);
        clock.advance(TimeDelta::seconds(90));
        assert_eq!(clock.now() - start, TimeDelta::seconds(90));
    }
}
