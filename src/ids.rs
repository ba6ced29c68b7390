//! Identifiers and where their randomness comes from.
//!
//! Rows have time-ordered UUIDs (version 7); everything that a stranger must not guess (codes, cookies, tokens,
//! nonces) is a [`Secret`] of 128 or 256 bits, of which the database keeps the hash only.

use std::fmt::{self, Debug, Display};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::clock::Time;

/// A source of random bytes. The one used in production is `crypto::random::SystemRandom`.
pub trait Random: Send + Sync + Debug {
    /// Fills `bytes` with random bytes fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// The source that the whole process shares.
pub type SharedRandom = Arc<dyn Random>;

/// So many random decimal digits, at most nine, each number as likely as any other.
pub fn digits(random: &dyn Random, count: u32) -> String {
    let numbers = 10_u32.saturating_pow(count.min(9));
    // Of 2^32 values, the last that would favour some numbers are thrown away.
    let even = u32::MAX - u32::MAX % numbers;
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let drawn = u32::from_be_bytes(bytes);
        if drawn < even {
            return format!("{:0width$}", drawn % numbers, width = count.min(9) as usize);
        }
    }
}

/// A random UUID (version 4).
pub fn uuid_v4(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// A UUID whose order is that of time (version 7): keeps indexes compact.
pub fn uuid_v7(now: Time, random: &dyn Random) -> Uuid {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// A random string that authenticates whoever presents it: base64url without padding. Never printed by `Debug`, and
/// without `==`: its hash is compared, by `crypto::constant_time_eq`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// 128 random bits (22 characters).
    pub fn of_128_bits(random: &dyn Random) -> Self {
        Self::of_bytes::<16>(random)
    }

    /// 256 random bits (43 characters).
    pub fn of_256_bits(random: &dyn Random) -> Self {
        Self::of_bytes::<32>(random)
    }

    fn of_bytes<const N: usize>(random: &dyn Random) -> Self {
        let mut bytes = [0; N];
        random.fill(&mut bytes);
        let secret = Self(URL_SAFE_NO_PAD.encode(bytes));
        bytes.zeroize();
        secret
    }

    /// The text, to hand to its one reader.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Declares a UUID newtype, so that a person is never passed where a session is meant.
macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(sqlx::Type))]
        #[cfg_attr(feature = "server", sqlx(transparent))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier, ordered by time.
            pub fn new(now: Time, random: &dyn Random) -> Self {
                Self(uuid_v7(now, random))
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

row_id! {
    /// A person. Ours, never a national identifier: those change and merge (`docs/adr/0002`).
    PersonId;
    /// A browser session; its text is the `sid` and `session_state` of the tokens. Not the cookie.
    SessionId;
    /// A sign-in on its way: from `/auth` until the session exists.
    TransactionId;
    /// What one relying party was granted in one session: the parent of its code and tokens.
    GrantId;
    /// A workstation that holds a key of its own.
    WorkstationId;
    /// What a fleet of workstations enrols with.
    SiteTokenId;
    /// A channel of a workstation: from one start of its agent, or one loss of the network, to the next.
    ChannelId;
    /// A person's link with this establishment.
    AffiliationId;
    /// A means of identification of a person: a card, a security key.
    MeansId;
    /// A notice by mail.
    NoticeId;
    /// A code that was sent to an address to verify it.
    ContactCodeId;
    /// An identity check at the desk.
    IdentityCheckId;
    /// A phone that is being paired.
    PairingId;
    /// A question to a person: whether a sign-in that waits elsewhere is theirs.
    ApprovalId;
    /// A question that a provider of others puts to somebody.
    UpstreamQuestionId;
    /// An audit event.
    EventId;
    /// One request as it is seen in pages, logs and audit events.
    OperationId;
}

/// Reproducible "randomness" for tests: every call yields other bytes, every run the same ones.
#[cfg(any(test, debug_assertions))]
#[derive(Debug, Default)]
pub struct CountingRandom(std::sync::atomic::AtomicU64);

#[cfg(any(test, debug_assertions))]
impl Random for CountingRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let n = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // SplitMix64, so that neighbouring values share no prefix.
            let mut x = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            *byte = ((x ^ (x >> 27)) >> 56) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, MockClock};
    use chrono::TimeDelta;

    #[test]
    fn row_ids_sort_by_time() {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let first = PersonId::new(clock.now(), &random);
        clock.advance(TimeDelta::milliseconds(1));
        assert!(first < PersonId::new(clock.now(), &random));
    }

    #[test]
    fn every_number_of_two_digits_is_drawn_and_numbers_keep_their_zeros() {
        let random = CountingRandom::default();
        let drawn: std::collections::BTreeSet<String> = (0..20_000).map(|_| digits(&random, 2)).collect();
        assert_eq!(drawn.len(), 100);
        assert!(drawn.iter().all(|number| number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit())));
        assert_eq!(digits(&random, 6).len(), 6);
    }

    #[test]
    fn secrets_have_their_length_and_stay_out_of_debug_output() {
        let random = CountingRandom::default();
        let secret = Secret::of_256_bits(&random);
        assert_eq!(secret.expose().len(), 43);
        assert_eq!(Secret::of_128_bits(&random).expose().len(), 22);
        assert_ne!(Secret::of_256_bits(&random).expose(), secret.expose());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
