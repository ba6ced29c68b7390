//! The level that is asked for: the claim `acr` where it is essential (OpenID Connect Core §5.5.1.1), else `acr_values`, or
//! `acr` as ANS's own guide writes it, else what is registered as `default_acr_values`.
//!
//! Relying parties of PSC ask for all kinds of levels and some for none: for them all are kept and none counts. Elsewhere a
//! level that this provider can reach leads to a sign-in where the session has less. One that it cannot reach is refused
//! where it is essential, or where the profile takes every level for one; a wish that cannot be fulfilled is forgotten.

use super::{AuthorizationError, Draft};
use crate::oidc::authorize::request::Levels;
use crate::oidc::profile::LevelRule;
use crate::session::Level;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    let Some((client, rules)) = draft.client.zip(draft.rules()) else { return Ok(()) };
    let asked = match draft.value("acr_values") {
        Some(asked) => asked.split_ascii_whitespace().map(str::to_owned).collect(),
        None => client.metadata.default_acr_values.clone(),
    };
    let (asked, essential) = match draft.request.claims.as_ref().and_then(|claims| claims.level()) {
        Some(level) if level.essential => (level.values, true),
        // What two parameters wish for, the more detailed one says (OpenID Connect Core §5.5.1.1).
        Some(level) if !level.values.is_empty() => (level.values, false),
        _ => (asked, false),
    };
    // What is kept is in our words, whatever the client calls it.
    let ours = |word: String| client.names.level(&word).map_or(word, |level| level.as_str().to_owned());
    draft.request.acr_values = asked.into_iter().map(ours).collect();
    let asked = &draft.request.acr_values;
    if rules.levels == LevelRule::Ignored || asked.is_empty() {
        return Ok(());
    }
    let highest = draft.settings.highest_level;
    let can_be_reached = |level: &Level| level.assurance().is_none_or(|asked| asked <= highest);
    let reachable: Vec<Level> =
        asked.iter().filter_map(|word| client.names.level(word)).filter(can_be_reached).collect();
    let required = essential || rules.levels == LevelRule::Required;
    if required && reachable.is_empty() {
        return Err(AuthorizationError::LevelUnreachable);
    }
    draft.request.levels = Levels { any_of: reachable, required };
    Ok(())
}
