//! `acr_values`, or `acr` as ANS's own guide writes it: kept, and never refused, since relying parties of PSC ask for
//! all kinds of levels and some for none.

use super::{AuthorizationError, Draft};

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let asked = draft.value("acr_values").unwrap_or_default();
    draft.request.acr_values = asked.split_ascii_whitespace().map(str::to_owned).collect();
    Ok(())
}
