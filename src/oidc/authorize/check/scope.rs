//! `scope`: `openid` is required; others are granted in their order where they exist and ignored where not (OpenID
//! Connect Core §3.1.2.1).
//!
//! `offline_access` (§11) has to be registered by its name, for a client that may refresh: what outlives a session is
//! nobody's default.

use super::{AuthorizationError, Draft};
use crate::oidc::profile::Extension;

/// The scope of tokens that outlive the session.
pub const OFFLINE: &str = "offline_access";

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let Some((client, rules)) = draft.client.zip(draft.rules()) else { return Ok(()) };
    let asked = draft.parameters.first("scope").unwrap_or_default();
    let registered = client.metadata.scope.as_deref();
    let names =
        |scope: &str| registered.is_some_and(|all| all.split_ascii_whitespace().any(|one| one == scope));
    let may_ask = |scope: &str| match scope {
        OFFLINE => {
            rules.honours(Extension::Offline) && names(scope) && client.metadata.may_use("refresh_token")
        }
        scope => rules.scopes.contains(&scope) && (registered.is_none() || names(scope)),
    };
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split_ascii_whitespace() {
        if may_ask(scope) && !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    if !granted.contains(&"openid") {
        return Err(AuthorizationError::Scope);
    }
    draft.request.scope = granted.join(" ");
    Ok(())
}
