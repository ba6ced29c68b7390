//! `claims` (OpenID Connect Core §5.5): one claim at a time, beside what scopes bring. `sub` and `acr` decide who may
//! answer and how well they have to prove it; the rest is kept for the tokens. A client of PSC sends none, and one that
//! does is not refused for it.

use super::{AuthorizationError, Draft};
use crate::oidc::claims_request::ClaimsRequest;
use crate::oidc::profile::Extension;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    if !draft.honours(Extension::Claims) {
        return Ok(());
    }
    let Some(text) = draft.parameters.first("claims") else { return Ok(()) };
    let claims = ClaimsRequest::parse(text)?;
    draft.request.expected_sub = claims.subject()?.map(str::to_owned);
    draft.request.claims = Some(claims);
    Ok(())
}
