//! Parameters that change the meaning of a request and are not supported: refused, never ignored (OpenID Connect Core
//! §3.1.2.6). Request objects were taken apart before; one that still stands here came inside another (RFC 9101 §4).

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let parameters = draft.parameters;
    if parameters.has("request") {
        return Err(AuthorizationError::RequestObject);
    }
    if parameters.has("request_uri") {
        return Err(AuthorizationError::RequestUri);
    }
    if parameters.has("registration") {
        return Err(AuthorizationError::Registration);
    }
    Ok(())
}
