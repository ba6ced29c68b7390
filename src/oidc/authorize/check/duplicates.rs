//! No parameter of ours is there twice (RFC 6749 §3.1): two readers could each take another one.

use super::{AuthorizationError, Draft};

/// The parameters of a browser's request that some check reads, each at most once. Others are ignored, however often they come.
pub const KNOWN: [&str; 23] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "acr_values",
    "acr",
    "ui_locales",
    "login_hint",
    "id_token_hint",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "request",
    "request_uri",
    "registration",
    "claims",
    "display",
    "authorization_details",
];

/// The parameters that may come several times (RFC 8707 §2).
pub const REPEATED: [&str; 1] = ["resource"];

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    Ok(draft.parameters.each_once(draft.endpoint.known())?)
}
