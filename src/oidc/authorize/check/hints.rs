//! `ui_locales` and `login_hint`: kept for the pages. `display` is understood and changes nothing, since one page fits all
//! windows; `kc_idp_hint` and everything unknown is ignored.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.ui_locales = draft.parameters.first("ui_locales").map(str::to_owned);
    draft.request.login_hint = draft.parameters.first("login_hint").map(str::to_owned);
    Ok(())
}
