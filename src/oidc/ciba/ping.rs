//! Ping (CIBA Core §10.2): a client is told that asking for its tokens is worth while, so that it need not ask all the time.
//!
//! It is told where it registered, with the bearer token that it sent, once somebody has answered or nobody can any more. It
//! is called as every address that somebody else chose, no redirect is followed, and what it answers says nothing but whether
//! it heard. What fails is tried again for some two minutes; a client that is not told may ask all the same.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::audit::Kind;
use crate::clock::Time;
use crate::crypto::egress::EgressError;
use crate::crypto::sealed::SealError;
use crate::ids::ApprovalId;
use crate::oidc::Provider;
use crate::store::ciba::Ping;
use crate::store::{self, StoreError};

/// How long a taken one is ours: longer than a call may last.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How many are taken at once.
const BATCH: i64 = 50;
/// How long after each attempt the next one follows; after the last it is given up.
const PAUSES: [TimeDelta; 5] = [
    TimeDelta::seconds(1),
    TimeDelta::seconds(3),
    TimeDelta::seconds(10),
    TimeDelta::seconds(30),
    TimeDelta::seconds(60),
];

/// What is kept, sealed, to tell a client.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    /// What it recognises us by.
    pub token: String,
    /// What it asked.
    pub auth_req_id: String,
}

/// The place that it is sealed for.
pub(super) fn place(id: ApprovalId) -> String {
    format!("ciba_request/{id}")
}

#[derive(Serialize)]
struct Body<'a> {
    auth_req_id: &'a str,
}

/// Tells the clients that are due. Yields how many attempts were made; call again at once while that is not zero.
///
/// # Errors
/// Where the database does not answer; a client that does not is no error.
pub async fn deliver_due(provider: &Provider) -> Result<usize, StoreError> {
    let due = store::ciba::take_due(&provider.db, BATCH, LEASE, provider.now()).await?;
    let made = futures_util::future::join_all(due.iter().map(|ping| attempt(provider, ping))).await;
    made.into_iter().collect::<Result<Vec<()>, _>>().map(|made| made.len())
}

async fn attempt(provider: &Provider, ping: &Ping) -> Result<(), StoreError> {
    let event = provider.trail.event(Kind::BackchannelNotified).client(&ping.client_id);
    let event = ping.person_id.map_or_else(|| event.clone(), |person| event.clone().person(person));
    let Err(error) = post(provider, ping).await else {
        return store::ciba::told(&provider.db, ping.approval_id, None, &(&event).into()).await;
    };
    let (code, next) = (error.code(), next_attempt(ping.attempts, provider.now()));
    tracing::warn!(client = ping.client_id, code, %error, ?next, "a client was not told of an answer");
    let reason = format!("{error} ({code})");
    match next.filter(|_| error.is_passing()) {
        Some(next) => store::ciba::put_off(&provider.db, ping.approval_id, &reason, next).await,
        None => {
            let event = (&event.failure(code)).into();
            store::ciba::told(&provider.db, ping.approval_id, Some(&reason), &event).await
        }
    }
}

/// Why a client was not told.
#[derive(Debug, thiserror::Error)]
enum PingError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the client answered {0}")]
    Status(u16),
    /// It was changed meanwhile.
    #[error("the client is registered with no address to be told at")]
    NoAddress,
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("what was to be told cannot be read")]
    Damaged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PingError {
    fn code(&self) -> &'static str {
        match self {
            Self::Egress(error) => error.code(),
            Self::Status(_) => "CIBA-030",
            Self::NoAddress | Self::Damaged => "CIBA-031",
            Self::Seal(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// Whether another attempt may end better.
    fn is_passing(&self) -> bool {
        !matches!(self, Self::NoAddress | Self::Damaged | Self::Seal(_))
    }
}

async fn post(provider: &Provider, ping: &Ping) -> Result<(), PingError> {
    let client = store::client::by_id(&provider.db, &ping.client_id).await?;
    let client = client.filter(|client| client.disabled_at.is_none()).ok_or(PingError::NoAddress)?;
    let address = client.metadata.backchannel_client_notification_endpoint.as_ref();
    let address = address.ok_or(PingError::NoAddress)?;
    let opened = provider.backchannel.seal.open(&place(ping.approval_id), &ping.notification)?;
    let told: Told = serde_json::from_slice(&opened).map_err(|_| PingError::Damaged)?;
    let body = Body { auth_req_id: &told.auth_req_id };
    let answer = provider.outbound.to(&client).post_json(address, &told.token, &body).await?;
    // 204 by the standard, 200 is to be taken as well.
    if answer.status.is_success() { Ok(()) } else { Err(PingError::Status(answer.status.as_u16())) }
}

fn next_attempt(attempts: i64, now: Time) -> Option<Time> {
    let made = usize::try_from(attempts.saturating_sub(1)).unwrap_or_default();
    PAUSES.get(made).map(|pause| now + *pause)
}
