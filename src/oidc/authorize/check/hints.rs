//! `ui_locales` and `login_hint`: kept for the pages. `display` changes nothing, since one page fits a window and a popup
//! (OpenID Connect Core §3.1.2.1 leaves other values to us); `kc_idp_hint` and everything unknown is ignored.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.ui_locales = draft.parameters.first("ui_locales").map(str::to_owned);
    draft.request.login_hint = draft.parameters.first("login_hint").map(str::to_owned);
    Ok(())
}
