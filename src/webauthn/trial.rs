//! What a policy would do to the keys that are registered, before anybody stands in front of a closed door.
//!
//! A hospital gets from it the list of keys that a stricter configuration takes no more, and of people who would have no
//! means left: `sceau policy try`, and a count in the log at each start. Nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::models::Models;
use super::policy::{Seen, Unfit};
use super::populations::KeyPolicies;
use crate::clock::Time;
use crate::directory;
use crate::ids::{MeansId, PersonId};
use crate::session::Acr;
use crate::store::means::Standing;
use crate::store::webauthn_credential::{self, SecurityKey};
use crate::store::{self, Db, StoreError};

/// What a policy does to the keys of an installation.
#[derive(Debug, Default)]
pub struct Trial {
    /// How many keys may sign in today, as far as the registry knows.
    pub tried: usize,
    /// Those that would not any more, and why.
    pub excluded: Vec<(SecurityKey, Unfit)>,
    /// Those that would sign in at a lower level than they were issued for.
    pub lowered: Vec<(SecurityKey, Acr)>,
    /// People whose last means is among the excluded ones.
    pub locked_out: BTreeSet<PersonId>,
}

/// Tries `policies` on every key that is active at `now`.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db, policies: &KeyPolicies, models: &Models, now: Time) -> Result<Trial, StoreError> {
    let mut trial = Trial::default();
    let stale = models.refuses(now);
    for key in webauthn_credential::active(db, now).await? {
        trial.tried += 1;
        let aaguid = key.aaguid.parse().unwrap_or(Uuid::nil());
        let seen = Seen {
            aaguid,
            attested: key.attested,
            synced: key.backup_eligible,
            user_verified: key.verifies_user,
            listed: models.listed(aaguid, now),
        };
        // Who it is decides only where populations have rules of their own.
        let person = match policies.populations.is_empty() {
            true => None,
            false => directory::subject(db, key.means.person_id, now).await?,
        };
        let person = person.map(|subject| subject.professional).unwrap_or_default();
        let rules = policies.of(&person);
        let judged = if stale { Err(Unfit::Stale) } else { rules.judge(seen) };
        let level = rules.level(seen);
        match judged {
            Err(unfit) => trial.excluded.push((key, unfit)),
            Ok(()) if level < key.means.level => trial.lowered.push((key, level)),
            Ok(()) => {}
        }
    }
    let mut lost: BTreeMap<PersonId, BTreeSet<MeansId>> = BTreeMap::new();
    for (key, _) in &trial.excluded {
        lost.entry(key.means.person_id).or_default().insert(key.means.id);
    }
    for (person, lost) in lost {
        let own = store::means::of_person(db, person).await?;
        let is_left = |means: &store::means::Means| {
            means.standing(now) == Standing::Active && !lost.contains(&means.id)
        };
        if !own.iter().any(is_left) {
            trial.locked_out.insert(person);
        }
    }
    Ok(trial)
}
