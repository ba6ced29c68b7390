//! Which security keys are good enough, and what signing in with one proves: the one file of these rules.
//!
//! A hospital says which models it takes, whether they have to prove that they are those models, whether a passkey may be
//! synchronised between devices, and which level each reaches. The model of a key that proves nothing is called unproved:
//! it may be denied for what it says it is, and is never trusted for it.

use chrono::TimeDelta;
use uuid::Uuid;

use super::metadata::{Certification, Listed};
use crate::session::{Acr, Amr, Level};
use crate::store::means;

/// The rules for security keys.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPolicy {
    /// Whether a key has to prove its model.
    pub attestation: Attestation,
    /// Models that are taken, by AAGUID; empty: all that are not denied.
    pub allow: Vec<Uuid>,
    /// Models that are not.
    pub deny: Vec<Uuid>,
    /// Whether a passkey that may leave its device is taken.
    pub synced: bool,
    /// The level of a key that proves a model which keeps the key in hardware.
    pub attested_level: Acr,
    /// The certification that a model needs for that level, by the metadata; none: any.
    pub attested_certification: Option<Certification>,
    /// The level of a key that says that it does not leave its device, and proves nothing.
    pub device_bound_level: Acr,
    /// The level of a synchronised passkey.
    pub synced_level: Acr,
    /// Whether a key is taken that need not verify its person, and counts after a badge only.
    pub second_factor: bool,
    /// The level of a badge and such a key.
    pub second_factor_level: Acr,
    /// How many keys one person may have.
    pub per_person: usize,
    /// For how long a key is good.
    pub life: TimeDelta,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            attestation: Attestation::None,
            allow: Vec::new(),
            deny: Vec::new(),
            synced: true,
            attested_level: Acr::Eidas2,
            attested_certification: None,
            device_bound_level: Acr::Eidas1,
            synced_level: Acr::Eidas1,
            second_factor: false,
            second_factor_level: Acr::Eidas1,
            per_person: 10,
            life: means::LONGEST_LIFE,
        }
    }
}

/// Whether a key has to prove its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attestation {
    /// No: none is asked for.
    None,
    /// One is asked for; a key that proves nothing is taken, for what it is worth.
    Preferred,
    /// Yes: to one of the authorities that are configured.
    Required,
}

/// A key as the policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The model that it says it is.
    pub aaguid: Uuid,
    /// Whether an attestation proves that.
    pub attested: bool,
    /// Whether it may leave its device.
    pub synced: bool,
    /// Whether it verified its person.
    pub user_verified: bool,
    /// Whether it counts after a badge only: then it need not have.
    pub second_factor: bool,
    /// What the metadata says of that model.
    pub listed: Listed,
}

/// Why a key is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It does not prove its model.
    #[error("the key does not prove which model it is")]
    Unattested,
    /// Its model is not taken.
    #[error("the model {0} is not taken here")]
    Model(Uuid),
    /// Its model was withdrawn, or is broken.
    #[error("the model {0} is {1} in the metadata")]
    Broken(Uuid, &'static str),
    /// The metadata is missing or too old, and keys are not taken without it.
    #[error("the metadata of models is missing or too old")]
    Stale,
    /// It may leave its device.
    #[error("the passkey may leave its device")]
    Synced,
    /// It does not verify its person.
    #[error("the key does not verify its person")]
    Unverified,
    /// Keys that count after a badge only are not taken.
    #[error("keys that count after a badge only are not taken here")]
    SecondFactor,
}

impl KeyPolicy {
    /// Whether the key is good enough: to sign in with alone, or, where it is a second factor, after a badge.
    ///
    /// # Errors
    /// [`Unfit`], the first that applies.
    pub fn judge(&self, key: Seen) -> Result<(), Unfit> {
        if self.attestation == Attestation::Required && !key.attested {
            return Err(Unfit::Unattested);
        }
        let is_taken = self.allow.is_empty() || self.allow.contains(&key.aaguid);
        if !is_taken || self.deny.contains(&key.aaguid) {
            return Err(Unfit::Model(key.aaguid));
        }
        // What a key says of itself is enough to keep it out.
        if let Some(word) = key.listed.broken {
            return Err(Unfit::Broken(key.aaguid, word));
        }
        // What counts because somebody holds it is held by nobody else.
        if key.synced && (!self.synced || key.second_factor) {
            return Err(Unfit::Synced);
        }
        if key.second_factor {
            return if self.second_factor { Ok(()) } else { Err(Unfit::SecondFactor) };
        }
        if !key.user_verified {
            return Err(Unfit::Unverified);
        }
        Ok(())
    }

    /// Whether the best key that is taken reaches a level.
    #[must_use]
    pub fn reaches(&self, level: Level) -> bool {
        let proves = self.attestation != Attestation::None;
        let of_proven = proves.then_some(self.attested_level);
        let of_others = [Some(self.device_bound_level), self.synced.then_some(self.synced_level)];
        let of_others = of_others.into_iter().flatten().filter(|_| self.attestation != Attestation::Required);
        let highest = of_others.chain(of_proven).max();
        match level.assurance() {
            Some(asked) => highest.is_some_and(|highest| asked <= highest),
            None => level == Level::Phr || proves,
        }
    }

    /// The level that a sign-in with the key reaches; of a second factor, together with the badge.
    #[must_use]
    pub fn level(&self, key: Seen) -> Acr {
        if key.second_factor {
            return self.second_factor_level;
        }
        let is_certified =
            self.attested_certification.is_none_or(|needed| key.listed.certification >= Some(needed));
        match (key.synced, key.attested && is_certified) {
            (true, _) => self.synced_level,
            (false, true) => self.attested_level,
            (false, false) => self.device_bound_level,
        }
    }
}

/// The factors of a sign-in with the key, in the words of RFC 8176. Which of code and finger verified the person is not
/// known, so neither is said; and hardware is said of what proves it alone.
#[must_use]
pub fn factors(key: Seen) -> Vec<Amr> {
    let mut factors = after_badge(key);
    factors.extend(key.user_verified.then_some(Amr::Mfa));
    factors
}

/// What a key adds to a badge. Two things that somebody has are not two kinds of factors: `mfa` is not said, also where the
/// key verified its person this time, for it need not have.
#[must_use]
pub fn after_badge(key: Seen) -> Vec<Amr> {
    let held = if key.attested && !key.synced { Amr::Hwk } else { Amr::Swk };
    vec![held, Amr::User]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Seen = Seen {
        aaguid: Uuid::from_u128(1),
        attested: true,
        synced: false,
        user_verified: true,
        second_factor: false,
        listed: Listed { broken: None, certification: None },
    };

    #[test]
    fn the_strictest_hospital_takes_what_proves_its_model_alone() {
        let strict = KeyPolicy {
            attestation: Attestation::Required,
            allow: vec![KEY.aaguid],
            synced: false,
            ..KeyPolicy::default()
        };
        assert_eq!(strict.judge(KEY), Ok(()));
        assert_eq!(strict.judge(Seen { attested: false, ..KEY }), Err(Unfit::Unattested));
        let other = Uuid::from_u128(2);
        assert_eq!(strict.judge(Seen { aaguid: other, ..KEY }), Err(Unfit::Model(other)));
        assert_eq!(strict.judge(Seen { synced: true, ..KEY }), Err(Unfit::Synced));
        assert_eq!(strict.judge(Seen { user_verified: false, ..KEY }), Err(Unfit::Unverified));
    }

    #[test]
    fn a_second_factor_need_not_verify_its_person_and_is_taken_only_where_it_is_wanted() {
        let key = Seen { user_verified: false, second_factor: true, ..KEY };
        let wanted = KeyPolicy { second_factor: true, ..KeyPolicy::default() };
        assert_eq!(KeyPolicy::default().judge(key), Err(Unfit::SecondFactor));
        assert_eq!((wanted.judge(key), wanted.level(key)), (Ok(()), Acr::Eidas1));
        assert_eq!(wanted.judge(Seen { synced: true, ..key }), Err(Unfit::Synced), "held by nobody else");
        assert_eq!(wanted.judge(Seen { second_factor: false, ..key }), Err(Unfit::Unverified));
        let proven = KeyPolicy { attestation: Attestation::Required, ..wanted };
        assert_eq!(proven.judge(Seen { attested: false, ..key }), Err(Unfit::Unattested));
        assert_eq!(after_badge(Seen { user_verified: true, ..key }), [Amr::Hwk, Amr::User], "never mfa");
    }

    #[test]
    fn a_denied_model_is_denied_though_it_is_allowed_too() {
        let policy = KeyPolicy { allow: vec![KEY.aaguid], deny: vec![KEY.aaguid], ..KeyPolicy::default() };
        assert_eq!(policy.judge(KEY), Err(Unfit::Model(KEY.aaguid)));
    }

    #[test]
    fn what_the_best_key_reaches_decides_whether_keys_are_offered() {
        let levels = [Level::Eidas1, Level::Eidas2, Level::Eidas3, Level::Phr, Level::Phrh];
        let reached = |policy: KeyPolicy| levels.map(|level| policy.reaches(level));
        assert_eq!(reached(KeyPolicy::default()), [true, false, false, true, false], "none proves its model");
        let proven = KeyPolicy { attestation: Attestation::Preferred, ..KeyPolicy::default() };
        assert_eq!(reached(proven), [true, true, false, true, true]);
        let high = KeyPolicy { device_bound_level: Acr::Eidas3, ..KeyPolicy::default() };
        assert_eq!(reached(high), [true, true, true, true, false]);
    }

    #[test]
    fn a_level_is_never_higher_for_proving_less() {
        let policy = KeyPolicy::default();
        let levels = [(true, false), (false, false), (true, true)]
            .map(|(attested, synced)| policy.level(Seen { attested, synced, ..KEY }));
        assert_eq!(levels, [Acr::Eidas2, Acr::Eidas1, Acr::Eidas1]);
    }

    #[test]
    fn a_level_may_ask_for_a_certification_and_a_broken_model_reaches_none() {
        let policy = KeyPolicy { attested_certification: Some(Certification::L2), ..KeyPolicy::default() };
        let level = |certification| {
            let listed = Listed { broken: None, certification };
            policy.level(Seen { listed, ..KEY })
        };
        assert_eq!(level(None), Acr::Eidas1);
        assert_eq!(level(Some(Certification::L1Plus)), Acr::Eidas1);
        assert_eq!(level(Some(Certification::L2)), Acr::Eidas2);
        assert_eq!(level(Some(Certification::L3)), Acr::Eidas2);
        let broken = Listed { broken: Some("REVOKED"), certification: Some(Certification::L3) };
        let unproved = Seen { listed: broken, attested: false, ..KEY };
        assert_eq!(policy.judge(unproved), Err(Unfit::Broken(KEY.aaguid, "REVOKED")));
    }

    #[test]
    fn hardware_is_said_of_what_proves_it_alone() {
        assert_eq!(factors(KEY), [Amr::Hwk, Amr::User, Amr::Mfa]);
        assert_eq!(factors(Seen { attested: false, ..KEY }), [Amr::Swk, Amr::User, Amr::Mfa]);
        assert_eq!(factors(Seen { synced: true, ..KEY }), [Amr::Swk, Amr::User, Amr::Mfa]);
        assert_eq!(factors(Seen { user_verified: false, ..KEY }), [Amr::Hwk, Amr::User]);
    }
}
