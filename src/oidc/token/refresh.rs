//! `refresh_token` (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! Each token is good once and replaced by the answer. If it comes again, somebody has a copy: the grant is revoked
//! with all its tokens. Within a few seconds it is more likely that two requests of the client crossed, or that an answer
//! was lost on its way: then it is answered once more. A refresh counts as a use of the session.

use serde_json::Value;

use super::error::TokenError;
use super::issue;
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::oidc::parameters::Parameters;
use crate::oidc::proof::binding;
use crate::oidc::{Provider, profile};
use crate::store;
use crate::store::client::Client;
use crate::store::grant::{Confirmation, Events, Granted, Redeemed, RefreshRedemption};

pub(super) async fn redeem(
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    caller: &Caller,
    proven: Option<&Confirmation>,
) -> Result<Value, TokenError> {
    let token = form.first("refresh_token").ok_or(TokenError::Missing("refresh_token"))?;
    let token_hash = sha256(token.as_bytes());
    let found = store::grant::refresh_token(&provider.db, token_hash).await?;
    let found = found.filter(|found| found.granted.grant.client_id == client.id);
    let found = found.ok_or(TokenError::UnknownRefreshToken)?;
    let Granted { grant, session } = &found.granted;
    let now = provider.now();
    let grace_since = now - provider.settings.lifetimes.refresh_grace;
    if found.consumed_at.is_none_or(|at| at > grace_since && at <= now) {
        if provider.now() >= found.expires_at {
            return Err(TokenError::ExpiredRefreshToken);
        }
        check_scope(client, form.first("scope"), &grant.scope)?;
        binding::admit(issue::bound_to(token).as_ref(), proven)?;
    }

    let subject = issue::standing(provider, client, &found.granted).await?;
    let prepared = issue::prepare(provider, client, &found.granted, &subject, proven).await?;
    let redemption =
        RefreshRedemption { token_hash, client_id: client.id.clone(), grace_since, tokens: prepared.tokens };
    let event = |kind| {
        let event = provider.trail.event(kind).person(grant.person_id).client(&client.id).session(session.id);
        event.id_nat(&subject.id_nat).caller(caller)
    };
    let reuse = event(Kind::TokenReuse).denied(TokenError::ReusedRefreshToken.code());
    let events = Events { done: (&event(Kind::TokenRefreshed)).into(), replayed: (&reuse).into() };
    match store::grant::redeem_refresh_token(&provider.db, &redemption, provider.now(), &events).await? {
        Redeemed::Done => Ok(prepared.response),
        Redeemed::Replayed => Err(TokenError::ReusedRefreshToken),
        Redeemed::Refused => Err(TokenError::Overtaken),
    }
}

/// Asking for less is answered with what was granted: PSC's relying parties repeat `openid scope_all` here, and the
/// answer says what the tokens hold. Asking for more is refused (RFC 6749 §6).
fn check_scope(client: &Client, asked: Option<&str>, granted: &str) -> Result<(), TokenError> {
    let is_granted = |scope: &str| granted.split(' ').any(|granted| granted == scope);
    let is_known = |scope: &str| profile::of(client).rules().scopes.contains(&scope);
    let exceeds = asked.unwrap_or_default().split_ascii_whitespace().any(|s| is_known(s) && !is_granted(s));
    if exceeds { Err(TokenError::ScopeExceeded) } else { Ok(()) }
}
