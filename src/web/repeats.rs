//! What somebody can repeat at will is recorded once a minute, with its count.
//!
//! A hospital gets from it an audit trail that whoever holds the key of one workstation, or the cookie of one sign-in,
//! cannot fill. Each node counts for itself, in memory: with a restart counts are lost, and what comes new while very much is
//! remembered is in the log alone, which has every single one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use uuid::Uuid;

use super::limits::network_of;
use crate::audit::Event;
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::store::audit::NewRow;
use crate::store::{self, Db};

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// Of what anybody can bring about, so many a minute are recorded of one network; and of all networks together, for whoever
/// has many of them.
const OF_ONE_NETWORK: u32 = 5;
const OF_ALL: u32 = 100;
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
    /// The same for what anybody can bring about without being signed in, by which no key but the network is worth anything:
    /// sign-ins are had for nothing. `about` is what it concerns, a client or a provider.
    pub fn tell_of_anybody(&self, about: &str, from: Option<IpAddr>, code: &str, now: Time) -> Option<u32> {
        let (whose, network) = (key_of(about), from.map(network_of));
        // First of all, so that ever new networks are not remembered either.
        let of_all = self.tell(whose, code, OF_ALL, now)?;
        let of_network = self.tell(whose, &format!("{code} {network:?}"), OF_ONE_NETWORK, now);
        if of_network.is_none() {
            self.give_back(whose, code, of_all);
        }
        of_network.map(|of_network| of_network.saturating_add(of_all))
    }

    /// As if it had not been taken: it is not recorded after all.
    fn give_back(&self, whose: Uuid, code: &str, untold: u32) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = seen.get_mut(&(whose, code.to_owned())) {
            entry.recorded = entry.recorded.saturating_sub(1);
            entry.untold = entry.untold.saturating_add(untold);
        }
    }

    /// Records what anybody can bring about: a few a minute of one network, and not many of all.
    pub async fn record_of_anybody(
        &self,
        db: &Db,
        (about, from): (&str, Option<IpAddr>),
        code: &str,
        event: Event,
        now: Time,
    ) {
        let Some(untold) = self.tell_of_anybody(about, from, code, now) else { return };
        append(db, event, untold).await;
    }

    /// Records what was refused of `whose`, unless `most` of `what` were within the last minute. Where it cannot be, the log says
    /// so: nobody is answered otherwise for it.
    pub async fn record(&self, db: &Db, whose: Uuid, what: &str, most: u32, event: Event, now: Time) {
        let Some(untold) = self.tell(whose, what, most, now) else { return };
        append(db, event, untold).await;
    }
}

async fn append(db: &Db, event: Event, untold: u32) {
    if let Err(error) = store::audit::append(db, NewRow::from(&with_untold(event, untold))).await {
        tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
    }
}

/// By what something that has a name is counted.
pub fn key_of(name: &str) -> Uuid {
    sha256(name.as_bytes()).first_chunk().map_or_else(Uuid::nil, |key| Uuid::from_bytes(*key))
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

    #[test]
    fn what_anybody_does_is_told_a_few_times_of_a_network_and_not_without_end_of_all() {
        let (repeats, clock) = (Repeats::default(), MockClock::default());
        let tell = |from: &str, code: &str| {
            repeats.tell_of_anybody("psc", Some(from.parse().unwrap()), code, clock.now())
        };
        let told = (0..1000).filter(|_| tell("192.0.2.1", "OIDC-179").is_some()).count();
        assert_eq!(told, OF_ONE_NETWORK as usize);
        // Whatever the one does, what another does is seen; addresses of one IPv6 network are one.
        assert_eq!(tell("192.0.2.2", "OIDC-179"), Some(0));
        assert_eq!(tell("192.0.2.1", "OIDC-176"), Some(0));
        let told = (0..1000).filter(|n| tell(&format!("2001:db8::{n:x}"), "OIDC-179").is_some()).count();
        assert_eq!(told, OF_ONE_NETWORK as usize);
        // Whoever has many networks gets no further than all of them.
        let told = (0..1000).filter(|n| tell(&format!("2001:db8:{n:x}::1"), "OIDC-179").is_some()).count();
        assert_eq!(told, (OF_ALL - 2 * OF_ONE_NETWORK - 1) as usize);
        clock.advance(MINUTE);
        // 995 of its network; and those of all that the limit of all kept away.
        assert_eq!(tell("192.0.2.1", "OIDC-179"), Some(995 + 999 - (OF_ALL - 2 * OF_ONE_NETWORK - 1)));
        assert_eq!(tell("192.0.2.1", "OIDC-179"), Some(0));
    }

    #[test]
    fn nobody_fills_what_is_remembered_with_ever_new_networks() {
        let (repeats, clock) = (Repeats::default(), MockClock::default());
        for n in 0..2 * MOST {
            let from = format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff).parse().unwrap();
            repeats.tell_of_anybody("psc", Some(from), "OIDC-179", clock.now());
        }
        let somebody = Uuid::from_u128(1);
        assert_eq!(repeats.tell(somebody, "UPSTREAM-013", 3, clock.now()), Some(0), "that is still recorded");
    }
}
