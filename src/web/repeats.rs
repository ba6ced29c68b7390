//! What somebody can repeat at will is recorded once a minute, with its count.
//!
//! A hospital gets from it an audit trail that whoever holds the key of one workstation, or the cookie of one sign-in,
//! cannot fill. Each node counts for itself, in memory: what is lost with a restart is a count, never an event. The log has
//! every single one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use uuid::Uuid;

use crate::audit::Event;
use crate::clock::Time;
use crate::store::audit::NewRow;
use crate::store::{self, Db};

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// Whose repetitions are remembered; each takes some 60 bytes. Beyond it nothing new is recorded until a minute is over.
const MOST: usize = 20_000;

/// What was recorded within the last minute.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: Mutex<HashMap<(Uuid, String), Seen>>,
}

#[derive(Debug)]
struct Seen {
    since: Time,
    recorded: u32,
    /// Not recorded since.
    untold: u32,
}

impl Repeats {
    /// Whether something with this code is to be recorded of `whose` now: so many a minute are. Yields how many stand for
    /// it that were not.
    pub fn tell(&self, whose: Uuid, code: &str, most: u32, now: Time) -> Option<u32> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (whose, code.to_owned());
        let is_over = |since: Time| (now - since).abs() >= MINUTE;
        if seen.len() >= MOST {
            seen.retain(|_, entry| !is_over(entry.since));
            if seen.len() >= MOST && !seen.contains_key(&key) {
                return None;
            }
        }
        let entry = seen.entry(key).or_insert(Seen { since: now, recorded: 0, untold: 0 });
        if is_over(entry.since) {
            *entry = Seen { since: now, recorded: 0, untold: entry.untold };
        }
        if entry.recorded >= most {
            entry.untold = entry.untold.saturating_add(1);
            return None;
        }
        entry.recorded = entry.recorded.saturating_add(1);
        Some(std::mem::take(&mut entry.untold))
    }
}

impl Repeats {
    /// Records what was refused of `whose`, unless `most` of `what` were within the last minute. Where it cannot be, the log says
    /// so: nobody is answered otherwise for it.
    pub async fn record(&self, db: &Db, whose: Uuid, what: &str, most: u32, event: Event, now: Time) {
        let Some(untold) = self.tell(whose, what, most, now) else { return };
        if let Err(error) = store::audit::append(db, NewRow::from(&with_untold(event, untold))).await {
            tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
        }
    }
}

/// Says in the event how many stand for it that were not recorded.
pub fn with_untold(event: Event, untold: u32) -> Event {
    if untold == 0 { event } else { event.note(&format!("and {untold} more before")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    #[test]
    fn one_a_minute_is_told_with_the_count_of_the_others() {
        let (repeats, clock) = (Repeats::default(), MockClock::default());
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let tell = |whose, code, most| repeats.tell(whose, code, most, clock.now());
        assert_eq!(tell(one, "WS-037", 1), Some(0));
        for _ in 0..50 {
            assert_eq!(tell(one, "WS-037", 1), None);
        }
        assert_eq!((tell(one, "WS-034", 1), tell(other, "WS-037", 1)), (Some(0), Some(0)), "each for itself");
        clock.advance(MINUTE);
        assert_eq!((tell(one, "WS-037", 1), tell(one, "WS-037", 1)), (Some(50), None));
        clock.advance(MINUTE * 60);
        assert_eq!(
            (tell(one, "WS-037", 2), tell(one, "WS-037", 2), tell(one, "WS-037", 2)),
            (Some(1), Some(0), None)
        );
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (repeats, clock) = (Repeats::default(), MockClock::default());
        for number in 0..MOST as u128 {
            assert!(repeats.tell(Uuid::from_u128(number), "WS-037", 1, clock.now()).is_some());
        }
        let next = Uuid::from_u128(MOST as u128);
        assert_eq!(repeats.tell(next, "WS-037", 1, clock.now()), None);
        clock.advance(MINUTE);
        assert_eq!(repeats.tell(next, "WS-037", 1, clock.now()), Some(0));
    }
}
