//! Rules for some of the people: doctors, nurses, employees who have no profession of the national directory.
//!
//! A population is named by codes of professions, as the directory has them, or is everybody without one. Its rules are
//! the general ones with what it states in their place. Whoever belongs to several obeys all of them: a key has to be good
//! enough for each, and reaches the lowest of their levels. Whoever belongs to none obeys the general rules.

use super::policy::{Attestation, KeyPolicy, Seen, Unfit};
use crate::directory::Professional;
use crate::session::{Acr, Level};

/// The rules of an installation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyPolicies {
    /// For whoever belongs to no population; and, for all, how many keys and for how long.
    pub general: KeyPolicy,
    /// For some.
    pub populations: Vec<Population>,
}

/// Some of the people, and their rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Codes of professions (TRE_G15), such as `60`.
    pub professions: Vec<String>,
    /// Whether it holds everybody without a profession.
    pub employees: bool,
    /// The rules.
    pub policy: KeyPolicy,
}

impl Population {
    fn holds(&self, person: &Professional) -> bool {
        let mut professions = person.practices.iter().map(|practice| practice.profession.as_str());
        let has_any = professions.clone().any(|profession| !profession.is_empty());
        (self.employees && !has_any)
            || professions.any(|profession| self.professions.iter().any(|own| own == profession))
    }
}

impl From<KeyPolicy> for KeyPolicies {
    fn from(general: KeyPolicy) -> Self {
        Self { general, populations: Vec::new() }
    }
}

impl KeyPolicies {
    /// Whether any key that is taken, of whomever, reaches one of these levels by itself.
    #[must_use]
    pub fn reach_any(&self, levels: &[Level]) -> bool {
        let own = self.populations.iter().map(|population| &population.policy);
        let mut all = std::iter::once(&self.general).chain(own);
        all.any(|policy| levels.iter().any(|level| policy.reaches(*level)))
    }

    /// Whether anybody may have a key that counts after a badge only.
    #[must_use]
    pub fn take_second_factors(&self) -> bool {
        let mut own = self.populations.iter().map(|population| &population.policy);
        self.general.second_factor || own.any(|policy| policy.second_factor)
    }

    /// The rules that apply to a person.
    #[must_use]
    pub fn of(&self, person: &Professional) -> KeyRules<'_> {
        let own = self.populations.iter().filter(|population| population.holds(person));
        let own: Vec<_> = own.map(|population| &population.policy).collect();
        if own.is_empty() { KeyRules(vec![&self.general]) } else { KeyRules(own) }
    }
}

/// The rules that apply to a person; at least one set.
#[derive(Debug, Clone)]
pub struct KeyRules<'a>(Vec<&'a KeyPolicy>);

impl KeyRules<'_> {
    /// Whether a key has to prove its model: the strictest answer.
    #[must_use]
    pub fn attestation(&self) -> Attestation {
        self.0.iter().map(|policy| policy.attestation).max().unwrap_or(Attestation::Required)
    }

    /// Whether a key may be one that counts after a badge only: where each says so.
    #[must_use]
    pub fn take_second_factors(&self) -> bool {
        self.0.iter().all(|policy| policy.second_factor)
    }

    /// Whether the key is good enough for each.
    ///
    /// # Errors
    /// [`Unfit`], the first that applies.
    pub fn judge(&self, key: Seen) -> Result<(), Unfit> {
        self.0.iter().try_for_each(|policy| policy.judge(key))
    }

    /// The lowest level.
    #[must_use]
    pub fn level(&self, key: Seen) -> Acr {
        self.0.iter().map(|policy| policy.level(key)).min().unwrap_or(Acr::Eidas1)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::directory::Practice;
    use crate::webauthn::metadata::Listed;

    const KEY: Seen = Seen {
        aaguid: Uuid::from_u128(1),
        attested: false,
        synced: true,
        user_verified: true,
        second_factor: false,
        listed: Listed { broken: None, certification: None },
    };

    fn person(professions: &[&str]) -> Professional {
        let practice =
            |profession: &&str| Practice { profession: (*profession).into(), ..Practice::default() };
        Professional { practices: professions.iter().map(practice).collect(), ..Professional::default() }
    }

    #[test]
    fn whoever_belongs_to_several_populations_obeys_them_all() {
        let bound = KeyPolicy { synced: false, ..KeyPolicy::default() };
        let proven = KeyPolicy { attestation: Attestation::Required, ..KeyPolicy::default() };
        let low = KeyPolicy { device_bound_level: Acr::Eidas1, ..KeyPolicy::default() };
        let high = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
        let population =
            |code: &str, policy| Population { professions: vec![code.into()], employees: false, policy };
        let policies = KeyPolicies {
            general: high,
            populations: vec![
                population("10", bound),
                population("60", proven),
                Population { professions: Vec::new(), employees: true, policy: low },
            ],
        };
        let judge = |professions: &[&str], key| policies.of(&person(professions)).judge(key);
        assert_eq!(judge(&["10"], KEY), Err(Unfit::Synced));
        assert_eq!(judge(&["60"], KEY), Err(Unfit::Unattested));
        assert_eq!(judge(&["60", "10"], Seen { attested: true, ..KEY }), Err(Unfit::Synced));
        assert_eq!(judge(&["60", "10"], Seen { synced: false, ..KEY }), Err(Unfit::Unattested));
        assert_eq!(judge(&["70"], KEY), Ok(()), "the general rules");
        assert_eq!(policies.of(&person(&["60", "10"])).attestation(), Attestation::Required);
        assert_eq!(policies.of(&person(&["10"])).attestation(), Attestation::None);
        let level =
            |professions: &[&str]| policies.of(&person(professions)).level(Seen { synced: false, ..KEY });
        assert_eq!((level(&["70"]), level(&[]), level(&[""])), (Acr::Eidas2, Acr::Eidas1, Acr::Eidas1));
    }
}
