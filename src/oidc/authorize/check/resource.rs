//! `resource` (RFC 8707), as often as the client likes: absolute addresses without `#`, each registered for it. The access
//! token names them as its audience, so an address that is not registered would make tokens for strangers.

use url::Url;

use super::{AuthorizationError, Draft};
use crate::oidc::profile::Extension;

/// More than any relying party needs.
const MOST: usize = 8;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    if !draft.honours(Extension::Resources) {
        return Ok(());
    }
    let registered = draft.client.map(|client| client.metadata.resources.as_slice()).unwrap_or_default();
    let is_address = |text: &str| Url::parse(text).is_ok_and(|url| url.fragment().is_none());
    let mut resources: Vec<String> = Vec::new();
    for asked in draft.parameters.all("resource") {
        if !is_address(asked) || !registered.iter().any(|known| known == asked) {
            return Err(AuthorizationError::Target);
        }
        if !resources.iter().any(|known| known == asked) {
            resources.push(asked.to_owned());
        }
    }
    if resources.len() > MOST {
        return Err(AuthorizationError::Target);
    }
    draft.request.resources = resources;
    Ok(())
}
