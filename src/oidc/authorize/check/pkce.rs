//! PKCE: optional, and `S256` where it is used. Without a method RFC 7636 means `plain`, which is refused by name.

use super::{AuthorizationError, Draft};
use crate::oidc::proof::pkce;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let parameters = draft.parameters;
    let challenge = match (parameters.first("code_challenge"), parameters.first("code_challenge_method")) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(AuthorizationError::ChallengeMissing),
        (Some(challenge), Some(pkce::METHOD)) => challenge,
        (Some(_), _) => return Err(AuthorizationError::ChallengeMethod),
    };
    if !pkce::is_challenge(challenge) {
        return Err(AuthorizationError::ChallengeMalformed);
    }
    draft.request.code_challenge = Some(challenge.to_owned());
    Ok(())
}
