//! How long a session is good for.

use chrono::TimeDelta;

use super::Session;
use crate::clock::Time;

/// The two limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// From sign-in to the end, at most. PSC and RIE v2: 4 h.
    pub lifetime: TimeDelta,
    /// Between two uses, at most. PSC and RIE v2: 30 min.
    pub idle: TimeDelta,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self { lifetime: TimeDelta::hours(4), idle: TimeDelta::minutes(30) }
    }
}

/// Whether a session may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Alive,
    /// It ran its time, or was not used for too long.
    Expired,
    /// Somebody or something ended it.
    Ended,
}

impl Session {
    /// Whether the session may be used at `now`.
    pub fn standing(&self, policy: SessionPolicy, now: Time) -> Standing {
        if self.ended_at.is_some() {
            Standing::Ended
        } else if now >= self.expires_at || now - self.last_seen_at >= policy.idle {
            Standing::Expired
        } else {
            Standing::Alive
        }
    }

    /// Whether the sign-in is recent enough for `max_age` (OpenID Connect Core §3.1.2.1).
    pub fn is_fresh(&self, max_age: TimeDelta, now: Time) -> bool {
        now - self.auth_time <= max_age
    }
}
