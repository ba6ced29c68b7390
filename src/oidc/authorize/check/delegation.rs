//! What a provider that delegates to us asks of the sign-in. Nobody is passed on to it without knowing: `prompt=none` is
//! refused whether somebody is signed in or not, so that it does not tell either.

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::request::Prompt;
use crate::oidc::{Settings, profile};
use crate::session::DelegationDemand;
use crate::store::client::Client;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.delegation = draft.client.and_then(|client| demand(client, draft.settings));
    match draft.request.delegation.is_some() && draft.request.prompt == Prompt::None {
        true => Err(AuthorizationError::SilentDelegation),
        false => Ok(()),
    }
}

/// What a client asks of a sign-in, where it delegates its own to us, by its terms of this moment.
pub fn demand(client: &Client, settings: &Settings) -> Option<DelegationDemand> {
    let delegates = profile::of(client).rules().delegation;
    delegates.then(|| client.delegation.demand(settings.delegation.max_age))
}
