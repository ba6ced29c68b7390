//! No value holds a NUL: no text of a relying party needs one, and PostgreSQL keeps none.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let has_nul = |name: &&str| draft.parameters.all(name).any(|value| value.contains('\0'));
    let found = draft.names().find(has_nul);
    match found {
        Some(name) => {
            if name == "state" {
                draft.request.state = None;
            }
            Err(AuthorizationError::Characters(name))
        }
        None => Ok(()),
    }
}
