//! `response_mode`: read before anything that can be refused, since a refusal travels the way that was asked for too.
//! One that does not exist is refused, never replaced: the relying party listens elsewhere.

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::response_mode::ResponseMode;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    // Where it is there twice, a later check refuses it by the default way.
    let Ok(Some(asked)) = draft.parameters.one("response_mode") else { return Ok(()) };
    draft.request.response_mode = ResponseMode::from_name(asked).ok_or(AuthorizationError::ResponseMode)?;
    Ok(())
}
