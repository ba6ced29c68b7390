//! How a phone comes to be woken: the application brings the subscription of its browser, signed by the key of its
//! installation, or takes it back; and the worker of the application, which shows that something waits.
//!
//! The address in a subscription is chosen by whoever sends it. It is believed only where it is one of a push service
//! that the configuration names, by https and on its port; what is connected to is judged once more when it is called
//! (`crypto::egress`).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::Url;

use super::message::made_now;
use super::pairing::{MEANS, read};
use super::question::Signed;
use super::{Phones, Refusal};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::web_push::Recipient;
use crate::store::phone::Phone;
use crate::store::push_subscription::{self, Kept, PushSubscription};
use crate::store::used_proof::{self, ProofKind};
use crate::web::language::Language;
use crate::web::pages::phone as pages;
use crate::web::pages::sign_in::Status;

/// The type of the message.
const TYP_PUSH: &str = "sceau-phone-push+jwt";
/// The longest address that is kept: those of Windows have some 600 characters.
const LONGEST_ENDPOINT: usize = 2048;
/// How long a message is remembered, so that it is taken once: beyond the time in which it would be.
const REMEMBERED: TimeDelta = TimeDelta::minutes(3);

/// What a phone says of the subscription of its browser.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[expect(dead_code, reason = "checked before, by `message`")]
    aud: String,
    /// When it was made, in seconds since 1970.
    iat: i64,
    /// Another for each message.
    jti: String,
    /// What the browser subscribed with, and what came of it; none of a phone that is to be woken no more.
    subscription: Option<Subscription>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    endpoint: String,
    keys: Keys,
    /// The key of ours that the browser subscribed with (`applicationServerKey`), base64url.
    key: String,
}

/// What messages are encrypted to, as the browser says it (Push API).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// `POST /phone/push`: the phone is woken by this from now on, or no more.
pub(super) async fn say(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match phones.hear(&caller, &headers, &body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => phones.refuse_phone(&refusal, language),
    }
}

/// `GET /phone/worker.js`: what shows, in the language of its address, that something waits.
pub(super) async fn worker(State(phones): State<Arc<Phones>>, language: Language) -> Response {
    match phones.parts.push {
        Some(_) => pages::worker(&phones.parts.site.frame(language)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Phones {
    async fn hear(&self, caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let (parts, now) = (&self.parts, self.now());
        parts.own.check_origin(headers)?;
        let Signed { message } = read(body)?;
        let (phone, said): (Phone, Said) = self.signed_by(&message, TYP_PUSH).await?;
        made_now(said.iat, now)?;
        let means = &phone.passkey.means;
        let event = parts.trail.event(Kind::PhonePush).caller(caller).person(means.person_id);
        let event = event.means(MEANS, Some(&means.reference)).enrolment(&means.id.to_string());
        let new = match said.subscription {
            Some(subscription) => Some(self.believed(&phone, subscription).await?),
            None => None,
        };
        let owner = means.id.to_string();
        if !used_proof::use_once(&parts.db, ProofKind::PhonePush, &owner, &said.jti, now + REMEMBERED).await?
        {
            return Err(Refusal::Clock);
        }
        match new {
            Some(new) => self.keep(&phone, &new, &event).await,
            None => {
                let row = (&event.note("off")).into();
                push_subscription::forget(&parts.db, means.id, None, &row).await?;
                Ok(())
            }
        }
    }

    async fn keep(&self, phone: &Phone, new: &PushSubscription, event: &Event) -> Result<(), Refusal> {
        let now = self.now();
        let row = (&event.clone().note("on")).into();
        match push_subscription::keep(&self.parts.db, new, &row, now).await? {
            Kept::New | Kept::Known => Ok(()),
            // Since it was looked at.
            Kept::Halted => Err(Refusal::Halted(phone.passkey.means.standing(now))),
        }
    }

    /// What a browser says of itself, once it is believed.
    async fn believed(&self, phone: &Phone, said: Subscription) -> Result<PushSubscription, Refusal> {
        let push = self.parts.push.as_ref().ok_or(Refusal::NoPush)?;
        let Subscription { endpoint, keys: Keys { p256dh, auth }, key } = said;
        let address = Url::parse(&endpoint).ok().filter(|address| {
            let has_user = !address.username().is_empty() || address.password().is_some();
            endpoint.len() <= LONGEST_ENDPOINT && !has_user && address.fragment().is_none()
        });
        let address = address.ok_or(Refusal::BadSubscription)?;
        Recipient::read(&p256dh, &auth).map_err(|_| Refusal::BadSubscription)?;
        push.service_of(&address).ok_or(Refusal::OtherPushService)?;
        let kid = push.kid_of(&key, self.now()).await.ok_or(Refusal::BadSubscription)?;
        Ok(PushSubscription { means_id: phone.passkey.means.id, endpoint: address.into(), p256dh, auth, kid })
    }
}
