//! The requests that are being answered, and what was answered before. In memory only.
//!
//! Every form of the agent's pages carries a token of 256 bits that is good for one submission. So a page that somebody
//! else frames, guesses or replays cannot spend a PIN try (agent protocol, sections 2 and 4).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::card::ShownCard;
use super::enrolments::Enrolment;
use crate::card::protocol::{CardRequest, Challenge};
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::ids::{Random, Secret};

/// How long a page of the agent may be left open.
const PAGE_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How many pages may be open at once; the oldest goes. A person answers one at a time.
const MAX_OPEN: usize = 32;
/// How many answered requests are remembered: by their number and not by the time, which somebody may set back to have
/// one accepted again. Each one took a click at least, so that nobody can push the others out.
const REMEMBERED: usize = 4_096;

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
    /// The cards among which the last page let the person choose.
    pub offered: Vec<ShownCard>,
    /// The person has clicked; the next page opens the PIN window.
    pub started: bool,
    /// The person has agreed to spend the last try.
    pub last_try_agreed: bool,
}

/// The open exchanges by token, and the challenges that are done with.
#[derive(Debug, Default)]
pub struct Exchanges(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<[u8; 32], Open>,
    done: HashSet<Challenge>,
    /// The same, oldest first.
    order: VecDeque<Challenge>,
}

#[derive(Debug)]
struct Open {
    at: Time,
    /// The token was spent. What it stood for can still be given up, while a PIN window is open for it.
    spent: bool,
    exchange: Exchange,
}

impl Exchanges {
    /// Whether the request was answered or cancelled here.
    pub fn is_done(&self, challenge: Challenge) -> bool {
        self.lock().done.contains(&challenge)
    }

    /// Remembers that the request was answered or cancelled; its pages are void. `false` where it was done before.
    pub fn finish(&self, challenge: Challenge) -> bool {
        self.lock().finish(challenge)
    }

    /// Opens an exchange, or the next page of one: a token that is good once. Earlier tokens of the same request are
    /// spent.
    pub fn open(&self, exchange: Exchange, now: Time, random: &dyn Random) -> Secret {
        let token = Secret::of_256_bits(random);
        self.with(now, |inner| {
            for open in inner.open.values_mut() {
                open.spent |= open.exchange.request.challenge == exchange.request.challenge;
            }
            if inner.open.len() >= MAX_OPEN
                && let Some(oldest) = inner.open.iter().min_by_key(|(_, open)| open.at).map(|(key, _)| *key)
            {
                inner.open.remove(&oldest);
            }
            inner.open.insert(sha256(token.expose().as_bytes()), Open { at: now, spent: false, exchange });
        });
        token
    }

    /// Spends a token: the exchange it stands for, once.
    pub fn take(&self, token: &str, now: Time) -> Option<Exchange> {
        self.with(now, |inner| {
            let open = inner.open.get_mut(&sha256(token.as_bytes()))?;
            (!std::mem::replace(&mut open.spent, true)).then(|| open.exchange.clone())
        })
    }

    /// Gives up the request of a token, spent or not; `None` where it is unknown, or the request was done before.
    pub fn give_up(&self, token: &str, now: Time) -> Option<Exchange> {
        self.with(now, |inner| {
            let exchange = inner.open.get(&sha256(token.as_bytes()))?.exchange.clone();
            inner.finish(exchange.request.challenge).then_some(exchange)
        })
    }

    fn with<T>(&self, now: Time, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.open.retain(|_, open| now - open.at <= PAGE_LIFETIME);
        act(&mut inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn finish(&mut self, challenge: Challenge) -> bool {
        self.open.retain(|_, open| open.exchange.request.challenge != challenge);
        if !self.done.insert(challenge) {
            return false;
        }
        self.order.push_back(challenge);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.done.remove(&oldest);
        }
        true
    }
}
