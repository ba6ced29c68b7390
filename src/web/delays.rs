//! How long whoever was refused has to wait, and the longer the oftener.
//!
//! What a hospital gets: guessing is slow, and fills neither the audit nor the log, wherever it comes from. A key names
//! both whom and from where, so that a stranger makes nobody else wait. It never says that somebody may not come in:
//! that is for the caller to decide, who lets in whoever proves who they are.
//!
//! Each node counts for itself, in memory, for so many keys and no more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use super::limits::TooMany;
use crate::clock::Time;

/// Keys that are remembered; each takes some 80 bytes. Beyond it whoever does not wait is forgotten, and where all of them
/// wait, a refusal of a new one is one too many.
const MOST: usize = 20_000;
/// After so long without a refusal all is forgotten.
const FORGOTTEN: TimeDelta = TimeDelta::hours(1);
/// The first wait; each further refusal doubles it.
const FIRST: TimeDelta = TimeDelta::seconds(1);

/// When waiting begins, and when it grows no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Refusals of one key before it waits.
    pub free: u32,
    /// The longest wait.
    pub longest: TimeDelta,
}

/// Refusals of late, by key.
#[derive(Debug)]
pub struct Delays<K> {
    waits: Waits,
    seen: Mutex<HashMap<K, Refused>>,
}

#[derive(Debug)]
struct Refused {
    times: u32,
    last: Time,
    until: Time,
}

impl<K: Hash + Eq> Delays<K> {
    /// None yet.
    pub fn new(waits: Waits) -> Self {
        Self { waits, seen: Mutex::default() }
    }

    /// Whether this key has to wait.
    ///
    /// # Errors
    /// It has, and so long.
    pub fn check(&self, key: &K, now: Time) -> Result<(), TooMany> {
        match self.seen().get(key) {
            Some(refused) => refused.check(now, self.waits.longest),
            None => Ok(()),
        }
    }

    /// Counts a refusal. Whoever has to wait already is not made to wait longer.
    ///
    /// # Errors
    /// It is one too many.
    pub fn refuse(&self, key: K, now: Time) -> Result<(), TooMany> {
        let mut seen = self.seen();
        if seen.len() >= MOST && !seen.contains_key(&key) {
            seen.retain(|_, refused| refused.check(now, self.waits.longest).is_err());
            if seen.len() >= MOST {
                return Err(too_many(self.waits.longest));
            }
        }
        let refused = seen.entry(key).or_insert(Refused { times: 0, last: now, until: now });
        if refused.is_over(now) {
            *refused = Refused { times: 0, last: now, until: now };
        }
        refused.check(now, self.waits.longest)?;
        refused.times = refused.times.saturating_add(1);
        refused.last = now;
        if let Some(beyond) = refused.times.checked_sub(self.waits.free) {
            let wait = FIRST.checked_mul(1_i32.checked_shl(beyond.min(30)).unwrap_or(i32::MAX));
            refused.until = now + wait.unwrap_or(self.waits.longest).min(self.waits.longest);
        }
        Ok(())
    }

    /// Forgets the refusals of a key that has proved itself.
    pub fn clear(&self, key: &K) {
        self.seen().remove(key);
    }

    /// Forgets who was not refused for a while. A job calls it.
    pub fn forget_idle(&self, now: Time) {
        let mut seen = self.seen();
        seen.retain(|_, refused| !refused.is_over(now));
        seen.shrink_to_fit();
    }

    /// Keys that are being counted.
    pub fn len(&self) -> usize {
        self.seen().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<K, Refused>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    /// Nobody is made to wait longer than the longest wait: where so much is left, the clock was set back.
    fn check(&self, now: Time, longest: TimeDelta) -> Result<(), TooMany> {
        let left = self.until - now;
        if left <= TimeDelta::zero() || left > longest { Ok(()) } else { Err(too_many(left)) }
    }

    fn is_over(&self, now: Time) -> bool {
        (now - self.last).abs() >= FORGOTTEN
    }
}

fn too_many(wait: TimeDelta) -> TooMany {
    TooMany { wait: wait.to_std().unwrap_or(Duration::ZERO) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    fn delays() -> (Delays<u32>, MockClock) {
        (Delays::new(Waits { free: 3, longest: TimeDelta::seconds(60) }), MockClock::default())
    }

    #[test]
    fn each_refusal_beyond_the_free_ones_doubles_the_wait() {
        let (delays, clock) = delays();
        for _ in 0..3 {
            assert_eq!(delays.refuse(1, clock.now()), Ok(()));
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = delays.check(&1, clock.now()).unwrap_err();
            assert_eq!(wait.wait.as_secs(), seconds);
            assert!(delays.refuse(1, clock.now()).is_err(), "and is not made longer meanwhile");
            assert_eq!(delays.check(&2, clock.now()), Ok(()), "nobody else waits");
            clock.advance(TimeDelta::seconds(seconds as i64));
            assert_eq!(delays.check(&1, clock.now()), Ok(()));
            assert_eq!(delays.refuse(1, clock.now()), Ok(()), "one is told as ever");
        }
        delays.clear(&1);
        assert_eq!(delays.check(&1, clock.now()), Ok(()));
        assert!(delays.is_empty());
    }

    #[test]
    fn an_hour_without_a_refusal_is_forgiven_and_a_clock_set_back_locks_nobody_up() {
        let (delays, clock) = delays();
        while delays.refuse(1, clock.now()).is_ok() {}
        assert!(delays.check(&1, clock.now()).is_err());
        clock.advance(TimeDelta::minutes(-30));
        assert_eq!(delays.check(&1, clock.now()), Ok(()), "and not half an hour");
        assert_eq!(delays.refuse(1, clock.now()), Ok(()), "what they did is still known");
        assert_eq!(delays.check(&1, clock.now()).unwrap_err().wait.as_secs(), 2);
        clock.advance(TimeDelta::seconds(60));
        assert_eq!(delays.check(&1, clock.now()), Ok(()), "after the longest wait at the latest");
        clock.advance(TimeDelta::minutes(90));
        for _ in 0..3 {
            assert_eq!(delays.refuse(1, clock.now()), Ok(()));
        }
        clock.advance(FORGOTTEN);
        delays.forget_idle(clock.now());
        assert_eq!(delays.len(), 0);
    }

    #[test]
    fn only_so_many_are_remembered_and_those_who_do_not_wait_make_room() {
        let (delays, clock) = delays();
        while delays.refuse(0, clock.now()).is_ok() {}
        for number in 1..MOST as u32 {
            assert_eq!(delays.refuse(number, clock.now()), Ok(()));
        }
        let next = MOST as u32;
        assert_eq!(delays.refuse(next, clock.now()), Ok(()), "a full table hides no refusal");
        assert_eq!(delays.len(), 2);
        assert!(delays.check(&0, clock.now()).is_err(), "whoever waits goes on waiting");
    }

    #[test]
    fn where_everybody_waits_a_new_one_is_one_too_many() {
        let clock = MockClock::default();
        let delays = Delays::new(Waits { free: 1, longest: TimeDelta::seconds(60) });
        for number in 0..MOST as u32 {
            assert_eq!(delays.refuse(number, clock.now()), Ok(()));
        }
        let next = MOST as u32;
        assert!(delays.refuse(next, clock.now()).is_err());
        assert_eq!(
            (delays.len(), delays.check(&next, clock.now())),
            (MOST, Ok(())),
            "and it may still prove itself"
        );
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(delays.refuse(next, clock.now()), Ok(()));
        assert_eq!(delays.len(), 1);
    }
}
