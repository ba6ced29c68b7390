//! Client-Initiated Backchannel Authentication (CIBA Core 1.0): a program without a browser asks for somebody, who answers on
//! their phone or at their card.
//!
//! What a hospital gets: software of a practice, a pharmacy or a ward that was written for Pro Santé Connect signs its users
//! in unchanged, by the same address and parameters; and what is weak there is not here. Nobody is asked for a bare "yes": the
//! digits that the program shows are typed where the person is asked. A client asks nobody unless an administrator said so.
//! Clients learn of nobody whether they exist: a question to a stranger looks like every other and expires. Who is asked too
//! often makes the client wait, and nobody else.
//!
//! The question and its answer are a row of `store::approval`; here is the client's side: the endpoint (§7), with the same
//! table of checks as every request, the paths by which answers reach clients ([`ping`], and long polling in
//! `oidc::token::ciba`), and [`pace`]. Tokens are never pushed (§5): they would travel without any proof of a key.

pub(super) mod check;
mod pace;
mod person;
pub mod ping;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::authorize::checks::{self, Sent};
use super::authorize::error::AuthorizationError;
use super::authorize::pushed::Incoming;
use super::authorize::request::AuthorizationRequest;
use super::authorize::request_object::{self, Purpose};
use super::authorize::{OFFLINE, REPEATED};
use super::client::{self, ClientError, Credentials};
use super::parameters::{Parameters, UnreadableForm};
use super::{Provider, error};
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::sealed::{SealError, SealKey};
use crate::ids::{ApprovalId, Secret};
use crate::session::Acr;
use crate::session::asking::{Asks, Channel, Context};
use crate::store::approval::{Approval, LIFETIME, State as Stage, Way};
use crate::store::ciba::NewRequest;
use crate::store::client::Client;
use crate::store::{self, StoreError};
use crate::web::delays::Waits;
use crate::web::limits::TooMany;
use crate::web::places::Places;
use check::{BackchannelFault, Question};
use pace::Pace;

/// How many requests to the token endpoint are held at once on one node until their answer is there. Beyond it a client is
/// answered at once and asks again.
const MOST_HELD: usize = 4096;
/// Of these, the share of one client.
const MOST_OF_ONE: usize = MOST_HELD / 2;

/// Where people can be asked: what an installation has of it.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// On a phone that was paired.
    pub phone: Option<Arc<dyn Asks>>,
    /// At the workstation whose reader holds their card.
    pub card: Option<Arc<dyn Asks>>,
}

impl Asking {
    /// What asks people there.
    pub fn at(&self, channel: Channel) -> Option<&Arc<dyn Asks>> {
        match channel {
            Channel::Phone => self.phone.as_ref(),
            Channel::Card => self.card.as_ref(),
        }
    }

    /// Whether anybody can be asked anywhere.
    pub fn anywhere(&self) -> bool {
        self.phone.is_some() || self.card.is_some()
    }
}

/// What the questions of all clients share.
#[derive(Debug)]
pub(super) struct Backchannel {
    asking: Asking,
    pace: Pace,
    held: Arc<Places<String>>,
    seal: SealKey,
}

impl Backchannel {
    pub(super) fn new(asking: Asking, waits: Waits, seal: SealKey) -> Self {
        Self { asking, pace: Pace::new(waits), held: Places::new(MOST_HELD, MOST_OF_ONE), seal }
    }

    /// Whether clients can ask anybody here.
    pub(super) fn is_offered(&self) -> bool {
        self.asking.anywhere()
    }

    /// Drops what is counted of whoever asked nothing for a while.
    pub(super) fn forget_idle(&self, now: Time) {
        self.pace.forget_idle(now);
    }

    /// Until a question may be answered, `patience` is over or too many wait already; `look` is asked once in between, for an
    /// answer that came before anybody listened, and ends the wait where it says so.
    pub(super) async fn hold(
        &self,
        client: &str,
        (channel, approval): (Channel, ApprovalId),
        patience: Duration,
        look: impl Future<Output = Result<bool, StoreError>>,
    ) -> Result<(), StoreError> {
        let (Some(asks), Some(_place)) = (self.asking.at(channel), self.held.take(client.to_owned())) else {
            return Ok(());
        };
        if patience.is_zero() {
            return Ok(());
        }
        let mut answered = asks.answered(approval);
        tokio::select! {
            // In this order: it listens before it looks.
            biased;
            () = &mut answered => return Ok(()),
            is_answered = look => if is_answered? {
                return Ok(());
            },
        }
        tokio::select! {
            () = answered => {}
            () = tokio::time::sleep(patience) => {}
        }
        Ok(())
    }

    /// Forgives the questions about a name that was answered.
    pub(super) fn forgive(&self, client: &str, kept: &Kept) {
        self.pace.forgive(client, kept.name);
    }
}

/// What is kept of a question, for its tokens.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// What is asked for.
    pub request: AuthorizationRequest,
    /// What stands for the person's name in [`pace`].
    name: [u8; 32],
}

/// The answer to a question that was put (§7.3).
#[derive(Serialize)]
struct Acknowledged {
    auth_req_id: String,
    expires_in: i64,
    interval: i64,
}

/// Why a question is not put.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{error}")]
    Request { error: AuthorizationError, client_id: String },
    #[error("the client asks too often")]
    TooOften(TooMany),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// `POST {iss}/protocol/openid-connect/ext/ciba/auth`
pub(super) async fn answer(
    State(provider): State<Arc<Provider>>,
    caller: Caller,
    credentials: Credentials,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    match ask(&provider, &credentials, &form, &caller).await {
        Ok(acknowledged) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (no_store, Json(acknowledged)).into_response()
        }
        Err(refused) => refuse(&provider, refused, &caller).await,
    }
}

async fn refuse(provider: &Provider, refused: AskError, caller: &Caller) -> Response {
    let (error, client_id) = match refused {
        AskError::Client(refused) => return refused.into_response(),
        AskError::Store(fault) => return error::fault(&fault, fault.code()),
        AskError::Seal(fault) => return error::fault(&fault, fault.code()),
        // Not in the audit, which a flood must not fill.
        AskError::TooOften(wait) => {
            tracing::warn!(code = "CIBA-014", "a client asks too often");
            return error::too_many("access_denied", wait);
        }
        AskError::Request { error, .. } if error.is_ours() => return error::fault(&error, error.code()),
        AskError::Request { error, client_id } => (error, client_id),
    };
    let code = error.code();
    tracing::warn!(code, %error, client = client_id, "nobody was asked");
    let event = provider.trail.event(Kind::AuthorizationRefused).denied(code);
    if let Err(error) = store::audit::append(&provider.db, &event.client(&client_id).caller(caller)).await {
        return error::fault(&error, error.code());
    }
    let (status, name) = told(&error);
    error::json(status, name, &error.to_string())
}

/// The names of §13: what the table calls by others is a plain mistake here, or denied.
fn told(error: &AuthorizationError) -> (StatusCode, &'static str) {
    match error {
        AuthorizationError::Backchannel(fault) => (StatusCode::BAD_REQUEST, fault.name()),
        AuthorizationError::Scope => (StatusCode::BAD_REQUEST, "invalid_scope"),
        AuthorizationError::Target => (StatusCode::BAD_REQUEST, "invalid_target"),
        AuthorizationError::LevelUnreachable | AuthorizationError::Zone => {
            (StatusCode::FORBIDDEN, "access_denied")
        }
        _ => (StatusCode::BAD_REQUEST, "invalid_request"),
    }
}

async fn ask(
    provider: &Provider,
    credentials: &Credentials,
    form: &Parameters,
    caller: &Caller,
) -> Result<Acknowledged, AskError> {
    let client = client::authenticate_confidential(provider, credentials, form, caller).await?;
    let refused = |error| AskError::Request { error, client_id: client.id.clone() };
    let (request, question) = read(provider, &client, form).await.map_err(refused)?;
    let channel = question.channel.unwrap_or(Channel::Phone);
    let asks = provider.backchannel.asking.at(channel);
    let asks = asks.ok_or_else(|| refused(BackchannelFault::Channel.into()))?;
    if !asks.asks_for(&client.card_workstations) {
        return Err(refused(BackchannelFault::CardChannel.into()));
    }
    // Nobody is asked for what their answer cannot reach.
    let is_too_low = |highest: Acr| !request.levels.leave_room_for(highest);
    let highest = if channel == Channel::Phone { provider.means.phones } else { asks.level() };
    if highest.is_some_and(is_too_low) {
        return Err(refused(AuthorizationError::LevelUnreachable));
    }
    let zone = caller.zone.clone().unwrap_or_default();
    if !client.demands().admit(&zone) {
        return Err(refused(AuthorizationError::Zone));
    }
    let named = person::named(provider, &client, &question.hint).await.map_err(refused)?;
    let now = provider.now();
    let name = provider.backchannel.pace.ask(&client.id, &named.words, now).map_err(AskError::TooOften)?;

    let auth_req_id = Secret::of_256_bits(&*provider.random);
    let lifetime =
        question.requested_expiry.map_or(LIFETIME, |asked| TimeDelta::seconds(asked.into()).min(LIFETIME));
    let interval = provider.settings.lifetimes.backchannel_interval.num_seconds();
    let id = ApprovalId::new(now, &*provider.random);
    let notification = notification(provider, &question, id, &auth_req_id)?;
    let new = NewRequest {
        approval: Approval {
            id,
            way: Way::Ciba,
            channel,
            person_id: named.person,
            client_id: client.id.clone(),
            transaction_id: None,
            browser: None,
            // The client is the source, wherever its servers are.
            source: Some(sha256(format!("client:{}", client.id).as_bytes()).to_vec()),
            is_known: false,
            context: Context {
                application: client.name.clone(),
                // The address is that of the program's server; where the person is nobody knows.
                is_inside: false,
                is_program: true,
                browser: String::new(),
                is_new_browser: false,
                digits: u8::try_from(question.digits.len()).unwrap_or(u8::MAX),
            },
            digits: Some(question.digits),
            state: Stage::Waiting,
            authentication: None,
            created_at: now,
            expires_at: now + lifetime,
        },
        auth_req_hash: sha256(auth_req_id.expose().as_bytes()),
        // A struct of texts and numbers has no way to fail.
        request: serde_json::to_value(Kept { request, name }).unwrap_or_default(),
        zone,
        interval,
        notification,
    };
    let event = provider.trail.event(Kind::BackchannelAsked).client(&client.id).caller(caller);
    let event = named.person.map_or_else(|| event.clone(), |person| event.clone().person(person));
    let is_asked = store::ciba::ask(&provider.db, &new, &(&event).into()).await?;
    if let Some(person) = named.person.filter(|_| is_asked) {
        // Beside the answer: how long it takes to reach somebody says that there is somebody.
        let asks = Arc::clone(asks);
        tokio::spawn(async move { asks.wake(id, person).await });
    }
    Ok(Acknowledged {
        auth_req_id: auth_req_id.expose().to_owned(),
        expires_in: lifetime.num_seconds(),
        interval,
    })
}

/// The request, taken out of its object where it is signed, and sent through the table.
async fn read(
    provider: &Provider,
    client: &Client,
    form: &Parameters,
) -> Result<(AuthorizationRequest, Question), AuthorizationError> {
    if !provider.backchannel.is_offered() {
        return Err(BackchannelFault::NotOffered.into());
    }
    let known = [&check::KNOWN[..], &REPEATED[..]].concat();
    let sent = form.only(&known);
    let is_beside = |name: &str| !matches!(name, "request" | "client_id");
    if sent.first("request").is_some() && sent.iter().any(|(name, _)| is_beside(name)) {
        return Err(BackchannelFault::BesideRequest.into());
    }
    let incoming = Incoming { parameters: sent, sent: Sent::default() };
    let Incoming { parameters, sent } =
        request_object::open(provider, client, incoming, Purpose::Backchannel).await?;
    // A client that names itself in the header alone asks for itself all the same.
    let parameters = parameters.only(&known).with("client_id", &client.id);
    let (mut request, question) = checks::run_backchannel(&parameters, sent, client, &provider.settings)?;
    // What outlives a session is consented to on a page, and there is none (OpenID Connect Core §11).
    request.scope = request.scope.split(' ').filter(|scope| *scope != OFFLINE).collect::<Vec<_>>().join(" ");
    Ok((request, question))
}

/// What is told once there is an answer, sealed for its row: whoever reads the database redeems nothing.
fn notification(
    provider: &Provider,
    question: &Question,
    id: ApprovalId,
    auth_req_id: &Secret,
) -> Result<Option<Vec<u8>>, SealError> {
    let Some(token) = &question.notification_token else { return Ok(None) };
    let told = ping::Told { token: token.clone(), auth_req_id: auth_req_id.expose().to_owned() };
    // A struct of texts has no way to fail.
    let plain = Zeroizing::new(serde_json::to_vec(&told).unwrap_or_default());
    provider.backchannel.seal.seal(&ping::place(id), &plain, &*provider.random).map(Some)
}
