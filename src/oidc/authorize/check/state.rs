//! `state`: kept to be given back, also with every error. Where it is there twice, none is given back.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.state = draft.parameters.one("state").ok().flatten().map(str::to_owned);
    Ok(())
}
