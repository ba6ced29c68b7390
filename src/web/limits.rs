//! How often someone may ask.
//!
//! What a hospital gets: one workstation, account or client gone wild does not slow the others down, and guessing gets
//! nowhere. Keys are chosen by the caller: a client's network, an account, a client id. One node counts for itself.
//!
//! A limit is a bucket that refills evenly (GCRA): `burst` requests at once, then `per_minute` of them.

use std::{
    fmt::Debug,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock as GovernorClock, middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::clock::{SharedClock, Time};

/// Too many requests (`WEB-002`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests, the next is welcome in {} s", .wait.as_secs().saturating_add(1))]
pub struct TooMany {
    /// How long until the next one passes.
    pub wait: Duration,
}

impl TooMany {
    pub fn code(self) -> &'static str {
        "WEB-002"
    }

    /// For the header `Retry-After`: whole seconds, at least one.
    pub fn retry_after(self) -> u64 {
        self.wait.as_secs().saturating_add(1)
    }
}

/// One limit, counted for each key apart.
pub struct Limit<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, Ticks, NoOpMiddleware<Duration>>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    pub fn new(burst: NonZeroU32, per_minute: NonZeroU32, clock: SharedClock) -> Self {
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        Self { limiter: RateLimiter::new(quota, DashMapStateStore::default(), Ticks::from(clock)) }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// It is one too many.
    pub fn check(&self, key: &K) -> Result<(), TooMany> {
        self.limiter
            .check_key(key)
            .map_err(|until| TooMany { wait: until.wait_time_from(self.limiter.clock().now()) })
    }

    /// Drops the keys whose bucket is full again. A job calls it now and then, or memory would only grow.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// Keys that are being counted.
    pub fn len(&self) -> usize {
        self.limiter.len()
    }

    pub fn is_empty(&self) -> bool {
        self.limiter.is_empty()
    }
}

impl<K: Hash + Eq + Clone> Debug for Limit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit").field("keys", &self.limiter.len()).finish_non_exhaustive()
    }
}

/// The key of an address: itself in IPv4, its /64 in IPv6, where one machine has as many addresses as it likes.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

/// Our clock as `governor` wants it: time since the start, which never runs backwards.
#[derive(Clone, Debug)]
struct Ticks {
    clock: SharedClock,
    start: Time,
    latest: std::sync::Arc<AtomicU64>,
}

impl From<SharedClock> for Ticks {
    fn from(clock: SharedClock) -> Self {
        let start = clock.now();
        Self { clock, start, latest: Default::default() }
    }
}

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let elapsed =
            (self.clock.now() - self.start).num_microseconds().and_then(|us| u64::try_from(us).ok());
        let elapsed = elapsed.unwrap_or_default();
        Duration::from_micros(self.latest.fetch_max(elapsed, Ordering::Relaxed).max(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;

    use super::*;
    use crate::clock::MockClock;

    fn limit(clock: &MockClock) -> Limit<IpAddr> {
        let number = |n| NonZeroU32::new(n).expect("not zero");
        Limit::new(number(3), number(60), Arc::new(clock.clone()))
    }

    #[test]
    fn a_burst_passes_then_one_per_second() {
        let clock = MockClock::default();
        let limit = limit(&clock);
        let key = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..3 {
            assert_eq!(limit.check(&key), Ok(()));
        }
        let refused = limit.check(&key).expect_err("one too many");
        assert_eq!(refused.retry_after(), 2);
        assert_eq!(limit.check(&IpAddr::from([192, 0, 2, 2])), Ok(()), "another is not held up");
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(limit.check(&key), Ok(()));
        assert!(limit.check(&key).is_err());
    }

    #[test]
    fn a_clock_set_back_gives_nothing_away() {
        let clock = MockClock::default();
        let limit = limit(&clock);
        let key = IpAddr::from([192, 0, 2, 1]);
        while limit.check(&key).is_ok() {}
        clock.advance(TimeDelta::hours(-2));
        assert!(limit.check(&key).is_err());
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let clock = MockClock::default();
        let limit = limit(&clock);
        limit.check(&IpAddr::from([192, 0, 2, 1])).expect("the first");
        clock.advance(TimeDelta::minutes(5));
        limit.forget_idle();
        assert!(limit.is_empty(), "{limit:?}");
    }

    #[test]
    fn addresses_of_one_machine_count_together() {
        let network = |text: &str| network_of(text.parse().expect("an address"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
