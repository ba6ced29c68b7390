//! `urn:openid:params:grant-type:ciba` (CIBA Core §10.1, §11): what a program gets for the answer of whom it asked.
//!
//! While nobody has answered, a request is held for some seconds and answered as soon as somebody has: whoever looks every
//! two seconds learns of it at once, and asks a fraction as often. At most so many are held on one node; the interval is
//! counted from the beginning of one request to that of the next. Whoever looks sooner is told to slow down, and looks for
//! nothing.
//!
//! An answer is good once, for the client that asked, in its time. Redeeming it begins a session of no browser, which ends
//! like every other. Person, client and means are looked at again at that moment.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::error::TokenError;
use super::issue;
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{GrantId, Secret, SessionId};
use crate::oidc::Provider;
use crate::oidc::ciba::Kept;
use crate::oidc::parameters::Parameters;
use crate::session::asking::Channel;
use crate::session::{Amr, Authentication, Station};
use crate::store;
use crate::store::approval::State;
use crate::store::ciba::{Asked, Poll, Redemption};
use crate::store::client::Client;
use crate::store::grant::{Confirmation, Grant, Granted};
use crate::store::session::NewSession;

pub(super) async fn redeem(
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    caller: &Caller,
    proven: Option<&Confirmation>,
) -> Result<Value, TokenError> {
    if !client.metadata.may_ask() {
        return Err(TokenError::GrantOfOthers);
    }
    let auth_req_id = form.first("auth_req_id").ok_or(TokenError::Missing("auth_req_id"))?;
    let hash = sha256(auth_req_id.as_bytes());
    let poll = store::ciba::poll(&provider.db, hash, &client.id, provider.now()).await?;
    let Poll { asked, too_soon } = poll.ok_or(TokenError::UnknownAuthReqId)?;
    if too_soon {
        return Err(TokenError::SlowDown);
    }
    let asked =
        if asked.is_waiting(provider.now()) { wait(provider, client, hash, &asked).await? } else { asked };
    let proof = match approved(provider, &asked) {
        // Its client is told the same; the audit tells whoever has to find out why.
        Err(TokenError::ExpiredAuthReqId)
            if asked.channel == Channel::Card
                && !store::card_question::was_sent(&provider.db, asked.approval_id).await? =>
        {
            return Err(TokenError::NobodyAsked);
        }
        approved => approved?,
    };
    give(provider, client, &asked, proof, caller, proven).await
}

/// The question once it may be answered, or once it was held for long enough.
async fn wait(
    provider: &Provider,
    client: &Client,
    hash: [u8; 32],
    asked: &Asked,
) -> Result<Asked, TokenError> {
    let look = async || {
        let found = store::ciba::by_hash(&provider.db, hash, &client.id).await?;
        Ok::<_, store::StoreError>(found)
    };
    let is_answered = async { Ok(look().await?.is_none_or(|found| !found.is_waiting(provider.now()))) };
    let left = (asked.expires_at - provider.now()).to_std().unwrap_or(Duration::ZERO);
    let patience = provider.settings.lifetimes.backchannel_hold.to_std().unwrap_or_default().min(left);
    let question = (asked.channel, asked.approval_id);
    provider.backchannel.hold(&client.id, question, patience, is_answered).await?;
    look().await?.ok_or(TokenError::UnknownAuthReqId)
}

/// What the answer proved, if there is one and it was yes.
fn approved<'a>(provider: &Provider, asked: &'a Asked) -> Result<&'a Authentication, TokenError> {
    let is_over = asked.expires_at <= provider.now();
    match (asked.state, &asked.authentication) {
        (State::Used, _) => Err(TokenError::UsedAuthReqId),
        (State::Refused | State::Mistyped | State::Withdrawn, _) => Err(TokenError::Denied),
        (State::Waiting | State::Approved, _) if is_over => Err(TokenError::ExpiredAuthReqId),
        (State::Approved, Some(proof)) => Ok(proof),
        (State::Waiting | State::Approved, _) => Err(TokenError::Pending),
    }
}

/// Begins the session of an approved question and makes its tokens.
async fn give(
    provider: &Provider,
    client: &Client,
    asked: &Asked,
    proof: &Authentication,
    caller: &Caller,
    proven: Option<&Confirmation>,
) -> Result<Value, TokenError> {
    let now = provider.now();
    let kept = Kept::deserialize(&asked.request).map_err(|_| TokenError::UnknownAuthReqId)?;
    let station = Station { zone: asked.zone.clone(), shared: false };
    let new = NewSession {
        id: SessionId::new(now, &*provider.random),
        // Nobody is given the cookie of which this is the hash.
        cookie_hash: sha256(Secret::of_256_bits(&*provider.random).expose().as_bytes()),
        authentication: proof.clone(),
        expires_at: now + provider.settings.policies.at(&station).lifetime,
        station,
        watched: None,
    };
    let session = new.begun(now);
    if !kept.request.is_enough(proof) {
        return Err(TokenError::LevelNotReached);
    }
    let grant = Grant {
        id: GrantId::new(now, &*provider.random),
        session_id: session.id,
        person_id: session.person_id,
        client_id: client.id.clone(),
        scope: kept.request.scope.clone(),
        nonce: String::new(),
        created_at: now,
        revoked_at: None,
        details: kept.request.details(&session),
    };
    let granted = Granted { grant, session };
    let subject = issue::standing(provider, client, &granted).await?;
    let prepared = issue::prepare(provider, client, &granted, &subject, proven).await?;

    let factors: Vec<String> = proof.amr.iter().copied().map(Amr::as_str).map(str::to_owned).collect();
    let event = |kind| {
        let event = provider.trail.event(kind).person(proof.person).client(&client.id).session(new.id);
        event.id_nat(&subject.id_nat).caller(caller)
    };
    let begun = event(Kind::SignIn).level(proof.acr.as_str(), &factors).note("ciba");
    let events = [(&begun).into(), (&event(Kind::TokenIssued)).into()];
    let redemption = Redemption {
        approval_id: asked.approval_id,
        session: new,
        grant: granted.grant,
        tokens: prepared.tokens,
    };
    if !store::ciba::redeem(&provider.db, &redemption, &events, now, &*provider.random).await? {
        return Err(TokenError::UsedAuthReqId);
    }
    provider.backchannel.forgive(&client.id, &kept);
    Ok(prepared.response)
}
