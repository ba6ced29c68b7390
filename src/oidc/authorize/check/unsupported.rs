//! Parameters that change the meaning of a request and are not supported: refused, never ignored (OpenID Connect Core
//! §3.1.2.6). `response_mode` other than `query` would send the answer by another way than the relying party listens.

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
    match parameters.first("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(AuthorizationError::ResponseMode),
    }
}
