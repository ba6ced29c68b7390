//! Back-Channel Logout 1.0: telling every relying party of a session that it ended.
//!
//! The rows to deliver are written with the end of the session; here they are taken, signed and posted. What fails is
//! tried again later, over two days. The logout token names the session by `sid`; its `jti` is that of the row, so that
//! a relying party recognises a repetition.

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::Kind;
use crate::clock::Time;
use crate::crypto::egress::{Egress, EgressError};
use crate::crypto::jose;
use crate::crypto::keys::Algorithm;
use crate::ids::SessionId;
use crate::oidc::{Provider, signing};
use crate::store::logout_delivery::{self, LogoutDelivery};
use crate::store::{self, StoreError};

/// How long a taken delivery is ours: longer than a call may last.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How many are taken at once.
const BATCH: i64 = 50;
/// How long after each attempt the next one follows; after the last the delivery is given up.
const PAUSES: [TimeDelta; 8] = [
    TimeDelta::seconds(5),
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(10),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(8),
    TimeDelta::hours(36),
];
/// The life of a logout token (Back-Channel Logout §2.4 recommends at most two minutes).
const LIFETIME: TimeDelta = TimeDelta::seconds(120);

#[derive(Serialize)]
struct LogoutToken {
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
    typ: &'static str,
    sid: SessionId,
    events: Value,
}

/// Delivers what is due. Yields how many attempts were made; call again at once while that is not zero.
///
/// # Errors
/// Where the database does not answer; a relying party that does not is no error.
pub async fn deliver_due(provider: &Provider, egress: &Egress) -> Result<usize, StoreError> {
    let due = logout_delivery::take_due(&provider.db, BATCH, LEASE, provider.now()).await?;
    let attempts = due.iter().map(|delivery| attempt(provider, egress, delivery));
    let made = futures_util::future::join_all(attempts).await;
    made.into_iter().collect::<Result<Vec<()>, _>>().map(|made| made.len())
}

async fn attempt(provider: &Provider, egress: &Egress, delivery: &LogoutDelivery) -> Result<(), StoreError> {
    let event = provider.trail.event(Kind::LogoutDelivered).person(delivery.person_id);
    let event = event.client(&delivery.client_id).session(delivery.session_id);
    match post(provider, egress, delivery).await {
        Ok(()) => {
            logout_delivery::delivered(&provider.db, delivery.id, provider.now()).await?;
            store::audit::append(&provider.db, &event).await
        }
        Err(error) => {
            let next = next_attempt(delivery.attempts, provider.now());
            tracing::warn!(client = delivery.client_id, code = error.code(), %error, ?next, "a logout was not delivered");
            logout_delivery::failed(&provider.db, delivery.id, &error.to_string(), next).await?;
            // Each attempt stands in the log; the audit has the end of it.
            if next.is_none() {
                store::audit::append(&provider.db, &event.failure(error.code())).await?;
            }
            Ok(())
        }
    }
}

/// Why one attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the relying party answered {0}")]
    Status(u16),
    #[error(transparent)]
    Sign(#[from] jose::SignError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AttemptError {
    fn code(&self) -> &'static str {
        match self {
            Self::Egress(error) => error.code(),
            Self::Status(_) => "OIDC-032",
            Self::Sign(_) => "OIDC-094",
            Self::Store(error) => error.code(),
        }
    }
}

async fn post(provider: &Provider, egress: &Egress, delivery: &LogoutDelivery) -> Result<(), AttemptError> {
    // What a client registered by itself is called as a stranger's address, also after it removed itself.
    let strangers = provider.outbound.to_strangers();
    let (sub, algorithm, egress) = match store::client::by_id(&provider.db, &delivery.client_id).await? {
        Some(client) => {
            let egress = if client.self_registered { strangers } else { egress };
            (provider.sub(delivery.person_id, &client).await?, signing::of_tokens(&client), egress)
        }
        None => (None, Algorithm::Rs256, strangers),
    };
    let now = provider.now();
    let token = LogoutToken {
        iss: provider.settings.issuer.as_str().to_owned(),
        sub,
        aud: delivery.client_id.clone(),
        iat: now.timestamp(),
        exp: (now + LIFETIME).timestamp(),
        jti: delivery.id.to_string(),
        typ: "Logout",
        sid: delivery.session_id,
        events: json!({ "http://schemas.openid.net/event/backchannel-logout": {} }),
    };
    let token = provider.token_keys.sign(algorithm, "logout+jwt", &token).await?;
    let answer = egress.post_form(&delivery.uri, &[("logout_token", &token)]).await?;
    // 200 by the standard; 204 is what several frameworks answer.
    if answer.status.is_success() { Ok(()) } else { Err(AttemptError::Status(answer.status.as_u16())) }
}

fn next_attempt(attempts: i64, now: Time) -> Option<Time> {
    let made = usize::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    PAUSES.get(made).map(|pause| now + *pause)
}
