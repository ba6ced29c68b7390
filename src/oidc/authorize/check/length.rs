//! No value is longer than a relying party needs: they end in redirects, tokens, pages and the database.

use super::{AuthorizationError, Draft};

/// Bytes of a plain value.
const LONGEST: usize = 2048;
/// Bytes of a value that is JSON.
const LONGEST_JSON: usize = 8 * 1024;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let too_long = |name: &&str| draft.parameters.all(name).any(|value| value.len() > longest(name));
    let found = draft.names().find(too_long);
    match found {
        Some(name) => {
            if name == "state" {
                draft.request.state = None;
            }
            Err(AuthorizationError::TooLong(name))
        }
        None => Ok(()),
    }
}

fn longest(name: &str) -> usize {
    match name {
        "claims" | "authorization_details" => LONGEST_JSON,
        _ => LONGEST,
    }
}
