//! What a provider that delegates to us asks of the sign-in. Nobody is passed on to it without knowing: `prompt=none` is
//! refused whether somebody is signed in or not, so that it does not tell either.

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::request::Prompt;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let Some(client) = draft.client.filter(|_| draft.rules().is_some_and(|rules| rules.delegation)) else {
        return Ok(());
    };
    if draft.request.prompt == Prompt::None {
        return Err(AuthorizationError::SilentDelegation);
    }
    draft.request.delegation = Some(client.delegation.demand(draft.settings.delegation.max_age));
    Ok(())
}
