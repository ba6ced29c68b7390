//! What a configuration would do to the means that people have, before anybody stands in front of a closed door.
//!
//! A hospital gets from it the list of keys that a stricter configuration takes no more, of people who would have no means
//! left and of roles that nobody could use any more: `sceau policy try`, and a count in the log at each start. And one
//! guarantee: a server does not start with rules that take the last means of an administrator. Nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};

use super::models::Models;
use super::policy::Unfit;
use super::populations::KeyPolicies;
use crate::clock::Time;
use crate::directory::{self, Audience};
use crate::ids::{MeansId, PersonId};
use crate::session::Acr;
use crate::store::means::{Kind, Means, Standing};
use crate::store::role::Role;
use crate::store::webauthn_credential::{self, SecurityKey};
use crate::store::{self, Db, StoreError};

/// What a configuration takes.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// The rules for security keys; none where it takes none at all.
    pub keys: Option<&'a KeyPolicies>,
    /// What is known of their models.
    pub models: &'a Models,
    /// Whether it takes cards.
    pub cards: bool,
    /// Whether phones answer.
    pub phones: bool,
    /// The level that a role asks for.
    pub role_level: Acr,
}

/// Why a key signs in no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excluded {
    /// Keys are turned off, or the pages are at an address without a name.
    #[error("no security key is taken: they are turned off, or front_url has no domain name")]
    Off,
    /// It is not good enough.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// What a configuration does to the means of an installation.
#[derive(Debug, Default)]
pub struct Trial {
    /// How many keys may sign in today, as far as the registry knows.
    pub tried: usize,
    /// Those that would not any more, and why.
    pub excluded: Vec<(SecurityKey, Excluded)>,
    /// Those that would sign in at a lower level than they were issued for.
    pub lowered: Vec<(SecurityKey, Acr)>,
    /// How many cards would not sign in any more: all, or none.
    pub cards: usize,
    /// People who could sign in here, and whose last means is among the excluded ones.
    pub locked_out: BTreeSet<PersonId>,
    /// Roles that their person has a means for today, and would have none.
    pub lost_roles: BTreeSet<(PersonId, Role)>,
}

impl Taken<'_> {
    /// What becomes of a key: the level that it reaches, or why it signs in no more.
    async fn judge(
        &self,
        db: &Db,
        key: &SecurityKey,
        now: Time,
    ) -> Result<Result<Acr, Excluded>, StoreError> {
        let Some(policies) = self.keys else { return Ok(Err(Excluded::Off)) };
        let seen = self.models.seen(key, key.verifies_user, now);
        // Who it is decides only where populations have rules of their own.
        let person = match policies.populations.is_empty() {
            true => None,
            false => directory::subject(db, key.means.person_id, now).await?,
        };
        let person = person.map(|subject| subject.professional).unwrap_or_default();
        let rules = policies.of(&person);
        Ok(rules.judge(seen).map(|()| rules.level(seen)).map_err(Excluded::Unfit))
    }

    /// Whether `own`, all means of a person, hold one that signs in, or, with `role`, one that opens a role. `levels` are
    /// those that their keys reach.
    fn leaves_any(&self, own: &[Means], levels: &BTreeMap<MeansId, Acr>, role: bool, now: Time) -> bool {
        own.iter().filter(|means| means.standing(now) == Standing::Active).any(|means| match means.kind {
            Kind::Card => self.cards,
            Kind::SecurityKey => {
                levels.get(&means.id).is_some_and(|level| !role || *level >= self.role_level)
            }
            // For a role it does not count: what it answers can be passed on.
            Kind::Phone => self.phones && !role,
            Kind::SecondFactor => false,
        })
    }
}

/// Tries what a configuration takes on every means that is active at `now`.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db, taken: Taken<'_>, now: Time) -> Result<Trial, StoreError> {
    let mut trial = Trial::default();
    let stale = taken.keys.is_some() && taken.models.refuses(now);
    // What the keys that are still taken reach, and what all of them were issued for.
    let (mut levels, mut issued) = (BTreeMap::new(), BTreeMap::new());
    let mut losers = BTreeSet::new();
    for key in webauthn_credential::active(db, now).await? {
        trial.tried += 1;
        issued.insert(key.means.id, key.means.level);
        let judged = match taken.judge(db, &key, now).await? {
            Ok(_) if stale => Err(Unfit::Stale.into()),
            judged => judged,
        };
        match judged {
            Err(why) => {
                if key.means.kind.signs_in_alone() {
                    losers.insert(key.means.person_id);
                }
                trial.excluded.push((key, why));
            }
            Ok(level) => {
                levels.insert(key.means.id, level.min(key.means.level));
                if level < key.means.level {
                    trial.lowered.push((key, level));
                }
            }
        }
    }
    if !taken.cards {
        let holders = store::means::holders_of_cards(db, now).await?;
        trial.cards = holders.len();
        losers.extend(holders);
    }
    for person in losers {
        let own = store::means::of_person(db, person).await?;
        // Whoever has left, or was disabled, signs in with nothing anyway.
        if !taken.leaves_any(&own, &levels, false, now)
            && directory::admitted(db, person, Audience::Affiliated, now).await?.is_ok()
        {
            trial.locked_out.insert(person);
        }
    }
    let before = Taken { cards: true, phones: true, ..taken };
    for (person, role) in roles(db, now).await? {
        let own = store::means::of_person(db, person).await?;
        if before.leaves_any(&own, &issued, true, now) && !taken.leaves_any(&own, &levels, true, now) {
            trial.lost_roles.insert((person, role));
        }
    }
    Ok(trial)
}

/// The administrators whose last means the configuration takes away. What the metadata says of a model, or that there is
/// none, is no doing of the configuration: a server whose administrator has a broken key has to start all the same.
///
/// # Errors
/// [`StoreError`].
pub async fn administrators_without_means(
    db: &Db,
    taken: Taken<'_>,
    now: Time,
) -> Result<BTreeSet<PersonId>, StoreError> {
    let mut without = BTreeSet::new();
    for (person, _) in roles(db, now).await?.into_iter().filter(|(_, role)| *role == Role::Admin) {
        let own = store::means::of_person(db, person).await?;
        let cards =
            own.iter().filter(|means| means.kind == Kind::Card && means.standing(now) == Standing::Active);
        let (mut had, mut has) = (cards.count(), 0);
        if taken.cards {
            has = had;
        }
        for key in webauthn_credential::of_person(db, person).await? {
            if key.means.standing(now) != Standing::Active || key.means.kind != Kind::SecurityKey {
                continue;
            }
            match taken.judge(db, &key, now).await? {
                Err(Excluded::Unfit(Unfit::Broken(..))) => {}
                Err(_) => had += 1,
                Ok(_) => (had, has) = (had + 1, has + 1),
            }
        }
        if had > 0 && has == 0 {
            without.insert(person);
        }
    }
    Ok(without)
}

/// The roles that can be used now, with their person.
async fn roles(db: &Db, now: Time) -> Result<Vec<(PersonId, Role)>, StoreError> {
    let mut usable = Vec::new();
    for granted in store::role::list(db, None).await? {
        if store::role::holds(db, granted.person_id, granted.role, now).await? {
            usable.push((granted.person_id, granted.role));
        }
    }
    Ok(usable)
}
