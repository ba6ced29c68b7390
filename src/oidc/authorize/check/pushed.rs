//! A client whose profile or registration takes pushed requests only (RFC 9126 §6) sends nothing through the browser.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    if draft.sent.pushed {
        return Ok(());
    }
    let by_itself = draft.client.is_some_and(|client| client.metadata.require_pushed_authorization_requests);
    if by_itself || draft.rules().is_some_and(|rules| rules.pushed_requests_only) {
        return Err(AuthorizationError::NotPushed);
    }
    Ok(())
}
