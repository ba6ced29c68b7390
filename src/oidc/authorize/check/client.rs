//! `client_id`: there once, known, not disabled.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    match draft.parameters.one("client_id") {
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => return Err(AuthorizationError::ClientMissing),
    }
    let client = draft.client.ok_or(AuthorizationError::ClientUnknown)?;
    if client.disabled_at.is_some() {
        return Err(AuthorizationError::ClientDisabled);
    }
    draft.request.client_id = client.id.clone();
    Ok(())
}
