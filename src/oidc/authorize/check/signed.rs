//! A client that signs its requests always (RFC 9101 §10.5) is served in no other way, so that nobody takes the signature
//! off. Where no browser is, FAPI-CIBA asks it of everybody (§5.2.2).

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::checks::Endpoint;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let Some((client, rules)) = draft.client.zip(draft.rules()) else { return Ok(()) };
    // Whoever registered how its questions are signed sends no others (CIBA Core §4).
    let must_here = draft.endpoint == Endpoint::Backchannel
        && (rules.backchannel.signed_only
            || client.metadata.backchannel_authentication_request_signing_alg.is_some());
    let must = must_here || client.metadata.require_signed_request_object;
    if must && !draft.sent.signed { Err(AuthorizationError::NotSigned) } else { Ok(()) }
}
