//! A client that is not registered for codes gets none (RFC 7591 §2, RFC 6749 §4.1.2.1).

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let may = draft.client.is_some_and(|client| client.metadata.may_use("authorization_code"));
    if may { Ok(()) } else { Err(AuthorizationError::GrantType) }
}
