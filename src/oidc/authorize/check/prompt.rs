//! `prompt`: `none` alone, or a list; values that we do not know are ignored (OpenID Connect Core §3.1.2.1).
//!
//! Where the profile has a page for it, `select_account` asks who is there, `consent` asks whether the service may have
//! what it asks for. PSC has neither: there choosing another account means signing in anew, and there is nothing to consent
//! to.

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::request::Prompt;
use crate::oidc::profile::Extension;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let values: Vec<&str> =
        draft.parameters.first("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    let asks = |value| values.contains(&value);
    let (chooses, consents) = (draft.honours(Extension::AccountChoice), draft.honours(Extension::Consent));
    draft.request.prompt = match values.as_slice() {
        ["none"] => Prompt::None,
        _ if asks("none") => return Err(AuthorizationError::Prompt),
        _ if asks("login") || (asks("select_account") && !chooses) => Prompt::Login,
        _ => Prompt::Auto,
    };
    draft.request.select_account = chooses && asks("select_account");
    draft.request.consent = consents && asks("consent");
    Ok(())
}
