//! `nonce`: for the tokens. PSC asks for it, yet some of its relying parties send none.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.nonce = draft.parameters.first("nonce").map(str::to_owned);
    Ok(())
}
