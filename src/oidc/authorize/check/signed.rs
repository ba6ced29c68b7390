//! A client that signs its requests always (RFC 9101 §10.5) is served in no other way, so that nobody takes the signature
//! off.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let must = draft.client.is_some_and(|client| client.metadata.require_signed_request_object);
    if must && !draft.sent.signed { Err(AuthorizationError::NotSigned) } else { Ok(()) }
}
