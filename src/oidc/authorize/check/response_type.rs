//! `response_type`: `code` and nothing else (RFC 9700 §2.1.2).

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    match draft.parameters.first("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(AuthorizationError::ResponseType),
        None => Err(AuthorizationError::ResponseTypeMissing),
    }
}
