//! Waking a phone: a message by way of the push service of its browser that says that something waits, and not what.
//!
//! A hospital gets from it that nobody has to open the application before they are asked. The maker of the browser
//! carries the message and learns when, and for which of its own addresses; it reads nothing (RFC 8291), and there is
//! nothing to read. What waits is fetched by the application, with its key. RFC 8030 (TTL, Urgency, Topic), RFC 8292
//! (VAPID).
//!
//! Never: an address that is no configured push service's, a redirect, a word about who or what; nor anything that
//! whoever asks waits for, or learns of. A message that is lost costs time: opening the application shows what waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;
use url::Url;

use super::Phones;
use super::pairing::MEANS;
use crate::audit::Kind;
use crate::clock::Time;
use crate::config::PushService;
use crate::crypto::egress::{Egress, EgressError};
use crate::crypto::web_push::{Recipient, Vapid, application_server_key, authorization};
use crate::ids::ApprovalId;
use crate::keyring::Keyring;
use crate::session::asking::Channel;
use crate::store;
use crate::store::approval;
use crate::store::push_subscription::PushSubscription;

/// All that is ever said.
const MESSAGE: &[u8] = b"waiting";
/// How long a push service may take to take a message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the word of who sends is good. RFC 8292 §2 allows a day.
const WORD: TimeDelta = TimeDelta::hours(1);
/// People who are woken at a time on one node: where no push service can be reached, more would only wait in vain.
const MOST_UNDER_WAY: usize = 64;
/// The code under which it stands in the log that somebody was not woken.
pub(super) const NOT_WOKEN: &str = "PHONE-025";

/// What wakes phones.
#[derive(Debug)]
pub struct Push {
    keys: Keyring,
    egress: Egress,
    services: Vec<PushService>,
    contact: String,
    under_way: Semaphore,
    counted: [AtomicU64; Outcome::ALL.len()],
}

/// How waking a phone ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The push service took the message.
    Sent,
    /// It knows the subscription no more: the browser is gone, or took it back.
    Gone,
    /// It does not take the message: too many of ours, or it does not believe who we are.
    Refused,
    /// It was not reached, or not in time.
    Failed,
    /// Too many others were being woken.
    Dropped,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Gone, Self::Refused, Self::Failed, Self::Dropped];

    /// Its name in a figure.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Push {
    /// With the keys that say who sends. `egress` reaches what the configuration allows; of that, `services` are
    /// called. `contact` is whom a push service writes to: `mailto:` or `https:`.
    #[must_use]
    pub fn new(keys: Keyring, egress: Egress, services: Vec<PushService>, contact: String) -> Self {
        let under_way = Semaphore::new(MOST_UNDER_WAY);
        Self { keys, egress, services, contact, under_way, counted: Default::default() }
    }

    /// How often each has happened since the start of this node.
    pub fn counted(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let count = |(outcome, count): (Outcome, &AtomicU64)| (outcome, count.load(Ordering::Relaxed));
        Outcome::ALL.into_iter().zip(&self.counted).map(count)
    }

    fn count(&self, outcome: Outcome) {
        let counter = Outcome::ALL.into_iter().zip(&self.counted).find(|(known, _)| *known == outcome);
        if let Some((_, count)) = counter {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The key that browsers subscribe with now.
    pub(super) async fn public_key(&self) -> Option<String> {
        application_server_key(self.keys.keys().await.current().public()).ok()
    }

    /// The name of the key that a browser has subscribed with, where it is one of ours that still signs.
    pub(super) async fn kid_of(&self, public: &str, now: Time) -> Option<String> {
        let keys = self.keys.keys().await;
        let mut published = keys.published(now);
        let found = published.find(|key| application_server_key(key).is_ok_and(|own| own == public));
        found.map(|key| key.kid().to_owned())
    }

    /// The push service of an address.
    pub(super) fn service_of(&self, endpoint: &Url) -> Option<&PushService> {
        self.services.iter().find(|service| service.serves(endpoint))
    }

    async fn send(&self, to: &PushSubscription, ttl: i64, now: Time) -> Outcome {
        let outcome = self.try_to_send(to, ttl, now).await;
        self.count(outcome);
        outcome
    }

    async fn try_to_send(&self, to: &PushSubscription, ttl: i64, now: Time) -> Outcome {
        // The configuration may have changed since it was kept.
        let Ok(endpoint) = Url::parse(&to.endpoint) else { return Outcome::Gone };
        let Some(service) = self.service_of(&endpoint) else { return Outcome::Gone };
        let keys = self.keys.keys().await;
        // It was withdrawn: the push service takes messages of no other key for this subscription.
        let Some(key) = keys.signing(&to.kid) else { return Outcome::Gone };
        let aud = endpoint.origin().ascii_serialization();
        let claims = Vapid { aud: &aud, exp: (now + WORD).timestamp(), sub: &self.contact };
        let written = Recipient::read(&to.p256dh, &to.auth).and_then(|browser| browser.encrypt(MESSAGE));
        let word = authorization(key, &claims).ok().and_then(|word| HeaderValue::try_from(word).ok());
        let (Ok(body), Some(word)) = (written, word) else {
            tracing::error!(code = NOT_WOKEN, %service, "a message to a phone cannot be written");
            return Outcome::Failed;
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, word);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert("ttl", HeaderValue::from(ttl));
        headers.insert("urgency", HeaderValue::from_static("high"));
        // What waits for the same phone replaces what waited before (RFC 8030 §5.4).
        headers.insert("topic", HeaderValue::from_static("waiting"));
        match self.egress.post_push(&to.endpoint, headers, body, PATIENCE).await {
            Ok(status) if status.is_success() => Outcome::Sent,
            Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Outcome::Gone,
            Ok(status) => {
                tracing::warn!(code = NOT_WOKEN, %service, %status, "a push service refused a message");
                Outcome::Refused
            }
            Err(error) => {
                report(service, &error);
                Outcome::Failed
            }
        }
    }
}

/// By the name of the service and the code: the address of a subscription stands in no log.
fn report(service: &PushService, error: &EgressError) {
    tracing::warn!(code = NOT_WOKEN, %service, cause = error.code(), "a push service was not reached");
}

impl Phones {
    /// What wakes phones, where they are.
    #[must_use]
    pub fn push(&self) -> Option<&Push> {
        self.parts.push.as_ref()
    }

    /// Wakes the phones of whoever this question is for, beside what is going on: nobody waits for it, and it begins in
    /// the same way where there is nobody.
    pub(super) fn wake_beside(self: &Arc<Self>, question: ApprovalId) {
        if self.parts.push.is_some() {
            let phones = Arc::clone(self);
            tokio::spawn(async move { phones.wake_now(question).await });
        }
    }

    /// Wakes the phones of whoever this question is for, if it waits for them there.
    pub(super) async fn wake_now(&self, question: ApprovalId) {
        let Some(push) = &self.parts.push else { return };
        let Ok(_place) = push.under_way.try_acquire() else {
            tracing::warn!(code = NOT_WOKEN, "too many phones are being woken");
            return push.count(Outcome::Dropped);
        };
        if let Err(error) = self.try_to_wake(push, question).await {
            tracing::warn!(code = NOT_WOKEN, cause = error.code(), "a phone was not woken: {error}");
        }
    }

    async fn try_to_wake(&self, push: &Push, question: ApprovalId) -> Result<(), store::StoreError> {
        let (parts, now) = (&self.parts, self.now());
        let found = approval::by_id(&parts.db, question).await?;
        let waits = found.filter(|found| found.channel == Channel::Phone && found.is_waiting(now));
        let Some((question, person)) = waits.and_then(|found| found.person_id.map(|person| (found, person)))
        else {
            return Ok(());
        };
        let due = store::push_subscription::take_due(&parts.db, person, now).await?;
        // Beyond its time it would wake somebody for nothing.
        let ttl = (question.expires_at - now).num_seconds().max(0);
        let sent = join_all(due.iter().map(|phone| push.send(phone, ttl, now))).await;
        for (phone, _) in due.iter().zip(sent).filter(|(_, outcome)| *outcome == Outcome::Gone) {
            let event = parts.trail.event(Kind::PhonePush).person(person).means(MEANS, None);
            let event = event.enrolment(&phone.means_id.to_string()).note("gone");
            let row = (&event).into();
            store::push_subscription::forget(&parts.db, phone.means_id, Some(&phone.endpoint), &row).await?;
        }
        Ok(())
    }
}
