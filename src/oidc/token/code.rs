//! `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! A code is good once, for the client it was given to, at the address it was sent to, with the verifier of its
//! challenge. One conditional update holds all of that; the checks before it only find the right words. A wrong client,
//! address or verifier does not consume the code: otherwise a stranger could spoil it. A second redemption by its own
//! client revokes everything the first one gave.

use serde_json::Value;

use super::error::TokenError;
use super::issue;
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::oidc::Provider;
use crate::oidc::parameters::Parameters;
use crate::oidc::proof::{binding, pkce};
use crate::store;
use crate::store::client::Client;
use crate::store::grant::{Code, CodeRedemption, Confirmation, Events, Granted, Redeemed};

pub(super) async fn redeem(
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    caller: &Caller,
    proven: Option<&Confirmation>,
) -> Result<Value, TokenError> {
    let code = form.first("code").ok_or(TokenError::Missing("code"))?;
    let code_hash = sha256(code.as_bytes());
    let found = store::grant::code(&provider.db, code_hash).await?;
    let found =
        found.filter(|found| found.granted.grant.client_id == client.id).ok_or(TokenError::UnknownCode)?;
    let redirect_uri = form.first("redirect_uri").unwrap_or_default().to_owned();
    let code_challenge = form.first("code_verifier").map(pkce::challenge_of);
    if found.consumed_at.is_none() {
        check(provider, &found, &redirect_uri, code_challenge.as_ref())?;
        binding::admit(found.granted.grant.details.confirmation.as_ref(), proven)?;
    }

    let Granted { grant, session } = &found.granted;
    let subject = issue::standing(provider, client, &found.granted).await?;
    let prepared = issue::prepare(provider, client, &found.granted, &subject, proven).await?;
    let redemption = CodeRedemption {
        code_hash,
        client_id: client.id.clone(),
        redirect_uri,
        code_challenge: code_challenge.flatten(),
        tokens: prepared.tokens,
    };
    let event = |kind| {
        let event = provider.trail.event(kind).person(grant.person_id).client(&client.id).session(session.id);
        event.id_nat(&subject.id_nat).caller(caller)
    };
    let reuse = event(Kind::TokenReuse).denied(TokenError::ReplayedCode.code());
    let events = Events { done: (&event(Kind::TokenIssued)).into(), replayed: (&reuse).into() };
    match store::grant::redeem_code(&provider.db, &redemption, provider.now(), &events).await? {
        Redeemed::Done => Ok(prepared.response),
        Redeemed::Replayed => Err(TokenError::ReplayedCode),
        Redeemed::Refused => Err(TokenError::Overtaken),
    }
}

/// Finds the right words for a redemption that the conditional update would refuse.
fn check(
    provider: &Provider,
    found: &Code,
    redirect_uri: &str,
    challenge: Option<&Option<String>>,
) -> Result<(), TokenError> {
    if provider.now() >= found.expires_at {
        return Err(TokenError::ExpiredCode);
    }
    if redirect_uri != found.redirect_uri {
        return Err(TokenError::WrongRedirectUri);
    }
    match (&found.code_challenge, challenge) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(TokenError::VerifierMissing),
        (None, Some(_)) => Err(TokenError::VerifierUnexpected),
        (Some(_), Some(None)) => Err(TokenError::VerifierMalformed),
        (Some(asked), Some(Some(given))) if asked == given => Ok(()),
        (Some(_), Some(Some(_))) => Err(TokenError::WrongVerifier),
    }
}
