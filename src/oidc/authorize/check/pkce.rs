//! PKCE: `S256` where it is used, and asked for by the profile. Without a method RFC 7636 means `plain`, which is refused by name.

use super::{AuthorizationError, Draft};
use crate::oidc::proof::pkce;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let parameters = draft.parameters;
    let challenge = match (parameters.first("code_challenge"), parameters.first("code_challenge_method")) {
        (None, None) => {
            let is_required = draft
                .client
                .zip(draft.rules())
                .is_some_and(|(client, rules)| rules.pkce.is_required_of(client));
            return if is_required { Err(AuthorizationError::ChallengeMissing) } else { Ok(()) };
        }
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
