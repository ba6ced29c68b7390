//! `prompt`: `none` alone, or a list. Choosing another account means signing in anew; there is no consent to ask for,
//! and values that we do not know are ignored (OpenID Connect Core §3.1.2.1).

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::request::Prompt;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let values: Vec<&str> =
        draft.parameters.first("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    draft.request.prompt = match values.as_slice() {
        ["none"] => Prompt::None,
        several if several.contains(&"none") => return Err(AuthorizationError::Prompt),
        several if several.contains(&"login") || several.contains(&"select_account") => Prompt::Login,
        _ => Prompt::Auto,
    };
    Ok(())
}
