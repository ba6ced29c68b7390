//! No value is longer than a relying party needs: they end in redirects, tokens and the database.

use super::duplicates::KNOWN;
use super::{AuthorizationError, Draft};

const LONGEST: usize = 2048;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let too_long = |name: &&&str| draft.parameters.first(name).is_some_and(|value| value.len() > LONGEST);
    match KNOWN.iter().find(|name| too_long(name)) {
        Some(name) => {
            if *name == "state" {
                draft.request.state = None;
            }
            Err(AuthorizationError::TooLong(name))
        }
        None => Ok(()),
    }
}
