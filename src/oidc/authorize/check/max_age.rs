//! `max_age`: the oldest sign-in that is good, in seconds. What is no number is refused: ignoring it would let an older
//! sign-in pass.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let Some(text) = draft.parameters.first("max_age") else { return Ok(()) };
    draft.request.max_age = Some(text.parse().map_err(|_| AuthorizationError::MaxAge)?);
    Ok(())
}
