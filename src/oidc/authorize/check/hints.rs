//! `ui_locales`, `login_hint` and `kc_idp_hint`: kept for the pages. `display` changes nothing, since one page fits a window and
//! a popup (OpenID Connect Core §3.1.2.1 leaves other values to us); everything unknown is ignored.
//!
//! `kc_idp_hint` (Keycloak's, and Pro Santé Connect's) names the provider by which somebody should sign in. It goes on to
//! other providers, so that nothing is kept of one that is no plain name; for a hint nobody is refused. With `idp_only=true`,
//! which is ours, it is no hint: the person comes by that provider, or not at all.

use super::{AuthorizationError, Draft};

/// The parameter.
pub const IDP_HINT: &str = "kc_idp_hint";
/// The parameter that makes it more than a hint.
pub const IDP_ONLY: &str = "idp_only";
/// The longest hint.
const LONGEST: usize = 64;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    draft.request.ui_locales = draft.parameters.first("ui_locales").map(str::to_owned);
    draft.request.login_hint = draft.parameters.first("login_hint").map(str::to_owned);
    // Twice is a request that two readers could each read otherwise: neither is taken.
    let hint = draft.parameters.one(IDP_HINT).ok().flatten();
    draft.request.idp_hint = hint.filter(|hint| is_a_hint(hint)).map(str::to_owned);
    if draft.parameters.has(IDP_HINT) && draft.request.idp_hint.is_none() {
        tracing::info!(
            client = draft.request.client_id,
            code = "OIDC-178",
            "a hint of a provider is no name"
        );
    }
    draft.request.only_by = match draft.parameters.one(IDP_ONLY).map_err(|_| AuthorizationError::IdpOnly)? {
        None | Some("false") => None,
        Some("true") => Some(draft.request.idp_hint.clone().ok_or(AuthorizationError::IdpOnly)?),
        Some(_) => return Err(AuthorizationError::IdpOnly),
    };
    Ok(())
}

fn is_a_hint(hint: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !hint.is_empty() && hint.len() <= LONGEST && hint.chars().all(of_name)
}

#[cfg(test)]
mod tests {
    use super::is_a_hint;

    #[test]
    fn a_hint_is_a_plain_name_and_nothing_that_could_be_more() {
        for good in ["psc", "DPI_ch-saint-aubin", "a.b", &"x".repeat(64)] {
            assert!(is_a_hint(good), "{good}");
        }
        for garbage in ["", "a b", "a&prompt=none", "é", "../x", "a\r\nb", "<b>", &"x".repeat(65)] {
            assert!(!is_a_hint(garbage), "{garbage}");
        }
    }
}
