//! The requests that are being answered, and what was answered before. In memory only.
//!
//! Every form of the agent's pages carries a token of 256 bits that is good for one submission. So a page that somebody
//! else frames, guesses or replays cannot spend a PIN try (agent protocol, sections 2 and 4).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use super::card::ShownCard;
use super::enrolments::Enrolment;
use crate::card::protocol::{CardRequest, Challenge};
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::ids::{Random, Secret};

/// How long a page of the agent may be left open.
const PAGE_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How many requests may be open at once; the oldest goes. A person answers one at a time.
const MAX_OPEN: usize = 16;
/// How long an answered request is remembered: longer than its `iat` would be accepted, on either side of the clock.
const MEMORY: TimeDelta = TimeDelta::minutes(25);

/// One request on its way to an answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request byte for byte as received.
    pub request_jws: String,
    /// What it says.
    pub request: CardRequest,
    /// The server that sent it, as enrolled.
    pub server: Enrolment,
    /// The card that the last page showed.
    pub shown: Option<ShownCard>,
    /// The person has agreed to spend the last try.
    pub last_try_agreed: bool,
}

/// The open exchanges by token, and the challenges that are done with.
#[derive(Debug, Default)]
pub struct Exchanges(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<[u8; 32], (Time, Exchange)>,
    done: HashMap<Challenge, Time>,
}

impl Exchanges {
    /// Whether the request was answered or cancelled here.
    pub fn is_done(&self, challenge: Challenge, now: Time) -> bool {
        self.with(now, |inner| inner.done.contains_key(&challenge))
    }

    /// Remembers that the request was answered or cancelled; its open pages are void. `false` where it was done before.
    pub fn finish(&self, challenge: Challenge, now: Time) -> bool {
        self.with(now, |inner| {
            inner.open.retain(|_, (_, exchange)| exchange.request.challenge != challenge);
            inner.done.insert(challenge, now).is_none()
        })
    }

    /// Opens an exchange, or the next page of one: a token that is good once. Earlier tokens of the same request are void.
    pub fn open(&self, exchange: Exchange, now: Time, random: &dyn Random) -> Secret {
        let token = Secret::of_256_bits(random);
        self.with(now, |inner| {
            inner.open.retain(|_, (_, other)| other.request.challenge != exchange.request.challenge);
            if inner.open.len() >= MAX_OPEN
                && let Some(oldest) = inner.open.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| *key)
            {
                inner.open.remove(&oldest);
            }
            inner.open.insert(sha256(token.expose().as_bytes()), (now, exchange));
        });
        token
    }

    /// Takes the exchange of a token, which is void from then on.
    pub fn take(&self, token: &str, now: Time) -> Option<Exchange> {
        self.with(now, |inner| inner.open.remove(&sha256(token.as_bytes())).map(|(_, exchange)| exchange))
    }

    fn with<T>(&self, now: Time, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.open.retain(|_, (at, _)| now - *at <= PAGE_LIFETIME);
        inner.done.retain(|_, at| now - *at <= MEMORY);
        act(&mut inner)
    }
}
