//! `scope`: `openid` is required; others are granted in their order where they exist and ignored where not (OpenID
//! Connect Core §3.1.2.1).

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let asked = draft.parameters.first("scope").unwrap_or_default();
    let exist = draft.rules().map_or(&[][..], |rules| rules.scopes);
    let registered = draft.client.and_then(|client| client.metadata.scope.as_deref());
    let is_registered = |scope: &str| {
        registered.is_none_or(|registered| registered.split_ascii_whitespace().any(|one| one == scope))
    };
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split_ascii_whitespace() {
        if exist.contains(&scope) && is_registered(scope) && !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    if !granted.contains(&"openid") {
        return Err(AuthorizationError::Scope);
    }
    draft.request.scope = granted.join(" ");
    Ok(())
}
