//! The thumbprint of the DPoP key that the code is bound to (RFC 9449 §10): whoever steals the code on its way through the
//! browser has not the key.

use super::{AuthorizationError, Draft};
use crate::oidc::proof::dpop;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    if let Some(thumbprint) = draft.parameters.first("dpop_jkt") {
        if !dpop::is_thumbprint(thumbprint) {
            return Err(AuthorizationError::Thumbprint);
        }
        draft.request.dpop_jkt = Some(thumbprint.to_owned());
    }
    Ok(())
}
