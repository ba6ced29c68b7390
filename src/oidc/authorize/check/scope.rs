//! `scope`: `openid` is required; others are granted in their order where they exist and ignored where not (OpenID
//! Connect Core §3.1.2.1).

use super::{AuthorizationError, Draft};
use crate::oidc::psc;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let asked = draft.parameters.first("scope").unwrap_or_default();
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split_ascii_whitespace() {
        if psc::SCOPES.contains(&scope) && !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    if !granted.contains(&"openid") {
        return Err(AuthorizationError::Scope);
    }
    draft.request.scope = granted.join(" ");
    Ok(())
}
