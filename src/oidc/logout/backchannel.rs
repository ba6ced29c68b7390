//! Back-Channel Logout 1.0: telling every relying party of a session that it ended.
//!
//! The rows to deliver are written with the end of the session; here they are taken, signed and posted. What fails is
//! tried again later, over two days. The logout token names the session by `sid`; its `jti` is that of the row, so that
//! a relying party recognises a repetition. Whoever looks at the page after a sign-out reads there which services could not be
//! told at once; an administrator sees the rest by `sceau client logouts`, in the audit and in the figures.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::Kind;
use crate::clock::Time;
use crate::crypto::egress::EgressError;
use crate::crypto::jose;
use crate::crypto::keys::Algorithm;
use crate::ids::SessionId;
use crate::oidc::outbound::Outbound;
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
/// How long the page after a sign-out waits for the services, so that it can say which could not be told.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it then looks whether another node has told those that it took, and how long it waits between.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
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
pub async fn deliver_due(provider: &Provider, outbound: &Outbound) -> Result<usize, StoreError> {
    let due = logout_delivery::take_due(&provider.db, BATCH, LEASE, provider.now()).await?;
    let attempts = due.iter().map(|delivery| attempt(provider, delivery, post(provider, outbound, delivery)));
    let made = futures_util::future::join_all(attempts).await;
    made.into_iter().collect::<Result<Vec<()>, _>>().map(|made| made.len())
}

/// Makes the first attempts for sessions that a person has just ended, while they wait for the page that says so. Yields the
/// names of the services that could not be told yet, sorted; each is tried again.
///
/// A node whose job came first has taken some of them: those are waited for as well, or the page would say too soon that
/// everybody was told.
pub(in crate::oidc) async fn tell_now(provider: &Provider, sessions: &[SessionId]) -> Vec<String> {
    if let Err(error) = first_attempts(provider, sessions).await {
        tracing::error!(code = error.code(), %error, "logouts could not be delivered while the person waited");
    }
    let mut untold = Untold::of(provider, sessions).await;
    for _ in 0..LOOKS {
        if !untold.may_be_told_yet {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        untold = Untold::of(provider, sessions).await;
    }
    untold.names()
}

/// The names of the services that were not told yet of the end of a session, sorted, where nobody waits for it.
pub(in crate::oidc) async fn untold(provider: &Provider, session: SessionId) -> Vec<String> {
    Untold::of(provider, &[session]).await.names()
}

async fn first_attempts(provider: &Provider, sessions: &[SessionId]) -> Result<(), StoreError> {
    let mut due = Vec::new();
    for session in sessions {
        due.extend(logout_delivery::take_due_of(&provider.db, *session, LEASE, provider.now()).await?);
    }
    let attempts = due.iter().map(|delivery| {
        let posted = async {
            let posting = post(provider, &provider.outbound, delivery);
            tokio::time::timeout(PATIENCE, posting).await.unwrap_or(Err(AttemptError::Slow))
        };
        attempt(provider, delivery, posted)
    });
    futures_util::future::join_all(attempts).await.into_iter().collect()
}

/// Services that were not told of the end of a session.
#[derive(Default)]
struct Untold {
    names: BTreeSet<String>,
    /// A first attempt is on its way, of this node or of another.
    may_be_told_yet: bool,
}

impl Untold {
    /// The session has ended, whatever the database says now: without its answer nobody is named.
    async fn of(provider: &Provider, sessions: &[SessionId]) -> Self {
        let mut all = Self::default();
        for session in sessions {
            match logout_delivery::untold(&provider.db, *session).await {
                Ok(found) => {
                    all.may_be_told_yet |= found.iter().any(|(_, failed)| failed.is_none());
                    all.names.extend(found.into_iter().map(|(name, _)| name));
                }
                Err(error) => {
                    let code = error.code();
                    tracing::error!(code, %error, "whom a logout did not reach cannot be said");
                }
            }
        }
        all
    }

    fn names(self) -> Vec<String> {
        self.names.into_iter().collect()
    }
}

/// Notes how an attempt ended.
async fn attempt(
    provider: &Provider,
    delivery: &LogoutDelivery,
    posted: impl Future<Output = Result<(), AttemptError>>,
) -> Result<(), StoreError> {
    let event = provider.trail.event(Kind::LogoutDelivered).person(delivery.person_id);
    let event = event.client(&delivery.client_id).session(delivery.session_id);
    let Err(error) = posted.await else {
        return logout_delivery::delivered(&provider.db, delivery.id, provider.now(), &(&event).into()).await;
    };
    let next = next_attempt(delivery.attempts, provider.now());
    let code = error.code();
    tracing::warn!(client = delivery.client_id, code, %error, ?next, "a logout was not delivered");
    let reason = format!("{error} ({code})");
    match next {
        Some(next) => logout_delivery::put_off(&provider.db, delivery.id, &reason, next).await,
        // Each attempt stands in the log; the audit has the end of it.
        None => {
            let event = (&event.failure(code)).into();
            logout_delivery::given_up(&provider.db, delivery.id, &reason, &event).await
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
    /// It may have been told all the same; it recognises the repetition.
    #[error("the relying party did not answer while the person waited")]
    Slow,
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
            Self::Slow => "OIDC-036",
            Self::Sign(_) => "OIDC-094",
            Self::Store(error) => error.code(),
        }
    }
}

async fn post(
    provider: &Provider,
    outbound: &Outbound,
    delivery: &LogoutDelivery,
) -> Result<(), AttemptError> {
    // What a client registered by itself is called as a stranger's address, also after it removed itself.
    let (sub, algorithm, egress) = match store::client::by_id(&provider.db, &delivery.client_id).await? {
        Some(client) => {
            let sub = provider.sub(delivery.person_id, &client).await?;
            (sub, signing::of_tokens(&client), outbound.to(&client))
        }
        None => (None, Algorithm::Rs256, outbound.to_strangers()),
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
