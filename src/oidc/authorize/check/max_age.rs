//! `max_age`, or what is registered as `default_max_age`: the oldest sign-in that is good, in seconds. What is no number is
//! refused: ignoring it would let an older sign-in pass.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.max_age = match draft.parameters.first("max_age") {
        Some(text) => Some(text.parse().map_err(|_| AuthorizationError::MaxAge)?),
        None => draft.client.and_then(|client| client.metadata.default_max_age),
    };
    Ok(())
}
