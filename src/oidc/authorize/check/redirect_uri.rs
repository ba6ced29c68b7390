//! `redirect_uri`: there once, and character by character one of the client's. Always required, although RFC 6749 lets
//! it away where only one is registered: what is repeated at the token endpoint is then never in doubt.

use super::{AuthorizationError, Draft};
use crate::oidc::client::redirect_uri::is_of;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let Ok(Some(asked)) = draft.parameters.one("redirect_uri") else {
        return Err(AuthorizationError::RedirectUriMissing);
    };
    if !draft.client.is_some_and(|client| is_of(client, asked, draft.settings.sandbox)) {
        return Err(AuthorizationError::RedirectUriUnknown);
    }
    draft.request.redirect_uri = asked.to_owned();
    Ok(())
}
