//! Claims that every JWT from outside shares (RFC 7519 §4.1), read in one way.

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer};

use crate::clock::Time;

/// How far another clock may be ahead of ours (FAPI 2.0 Security Profile §5.3.2.1, point 13: ten seconds at least, sixty at
/// most).
pub const SKEW: TimeDelta = TimeDelta::seconds(30);

/// Seconds since 1970, which may have a fraction (RFC 7519 §2, `NumericDate`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumericDate(pub Time);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Whole(i64),
            Fraction(f64),
        }
        let seconds = match Number::deserialize(deserializer)? {
            Number::Whole(seconds) => Some(seconds),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a fraction of a second, and far within i64 by the check"
            )]
            Number::Fraction(seconds) => (seconds.abs() < 1e11).then(|| seconds.floor() as i64),
        };
        let time = seconds.and_then(|seconds| Time::from_timestamp(seconds, 0));
        time.map(Self).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

/// The audience: one, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// A list.
    Several(Vec<String>),
}

impl Audience {
    /// Whether everybody it names is one of us. A token that is for somebody else as well could be one that this somebody
    /// hands on to us.
    pub fn is_only(&self, us: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(one) => us(one),
            Self::Several(several) => !several.is_empty() && several.iter().all(|one| us(one)),
        }
    }

    /// The audience where it is one text, no list.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::One(one) => Some(one),
            Self::Several(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_one_way() {
        let read = |text: &str| serde_json::from_str::<NumericDate>(text).ok().map(|date| date.0.timestamp());
        assert_eq!(read("1700000000"), Some(1_700_000_000));
        assert_eq!(read("1700000000.9"), Some(1_700_000_000));
        for odd in ["1e300", "9223372036854775807", "\"1700000000\"", "null", "-1e12", "[]"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_audience_with_a_stranger_is_not_ours() {
        let ours = |text: &str| serde_json::from_str::<Audience>(text).unwrap().is_only(|one| one == "us");
        assert!(ours(r#""us""#) && ours(r#"["us"]"#));
        assert!(!ours(r#"["us","them"]"#) && !ours("[]") && !ours(r#""them""#));
    }
}
