//! What a stricter policy would do to the keys that are registered, said before it does.

use std::sync::Arc;

use uuid::Uuid;

use super::Hospital;
use super::authenticator::SoftKey;
use crate::clock::Clock as _;
use crate::session::Acr;
use crate::store;
use crate::store::means::{Halt, Halting};
use crate::store::role::Role;
use crate::tests::desk::{by_card, grant, revoke};
use crate::tests::spec::stand::{DOCTOR, STRANGER};
use crate::webauthn::attestation::Makers;
use crate::webauthn::metadata::tests::{MODEL, Service, payload};
use crate::webauthn::models::{Models, Place, Source};
use crate::webauthn::policy::{KeyPolicy, Unfit};
use crate::webauthn::populations::KeyPolicies;
use crate::webauthn::trial::{self, Excluded, Taken, Trial};

const OTHER: Uuid = Uuid::from_u128(8);

impl Hospital {
    async fn try_policy(&self, policy: &KeyPolicy, models: &Models) -> Trial {
        let policies = policy.clone().into();
        self.try_taken(Taken { keys: Some(&policies), ..no_keys(models) }).await
    }

    async fn try_taken(&self, taken: Taken<'_>) -> Trial {
        trial::of(&self.stand.db, taken, self.stand.clock.now()).await.unwrap()
    }

    /// How many administrators have no means left with these rules; none: no key is taken.
    async fn without(&self, policy: Option<&KeyPolicy>, cards: bool) -> usize {
        let policies: Option<KeyPolicies> = policy.cloned().map(Into::into);
        let models = Models::default();
        let taken = Taken { keys: policies.as_ref(), cards, ..no_keys(&models) };
        let now = self.stand.clock.now();
        trial::administrators_without_means(&self.stand.db, taken, now).await.unwrap().len()
    }
}

/// What takes cards alone.
fn no_keys(models: &Models) -> Taken<'_> {
    Taken { keys: None, models, cards: true, phones: true, role_level: Acr::Eidas2 }
}

fn why(trial: &Trial) -> Vec<Excluded> {
    trial.excluded.iter().map(|(_, why)| *why).collect()
}

#[tokio::test]
async fn a_stricter_policy_names_the_keys_and_the_people_whom_it_excludes() {
    Hospital::on_both(async |hospital| {
        let (doctor, stranger) = (hospital.stand.sign_in().await, hospital.stand.sign_in_as(STRANGER).await);
        let models = Models::default();
        hospital.register(&doctor, &mut SoftKey::new()).await;
        hospital.register(&doctor, &mut SoftKey { aaguid: OTHER, ..SoftKey::new() }).await;
        let mut synced = SoftKey { backup_eligible: true, backed_up: true, aaguid: OTHER, ..SoftKey::new() };
        hospital.register(&stranger, &mut synced).await;
        let today = hospital.try_policy(&KeyPolicy::default(), &models).await;
        assert_eq!((today.tried, today.excluded.len(), today.locked_out.len()), (3, 0, 0));

        let deny = KeyPolicy { deny: vec![MODEL], ..KeyPolicy::default() };
        let denied = hospital.try_policy(&deny, &models).await;
        assert_eq!(why(&denied), [Unfit::Model(MODEL).into()]);
        assert!(denied.locked_out.is_empty(), "the doctor has another key");

        let bound = KeyPolicy { synced: false, ..KeyPolicy::default() };
        let bound = hospital.try_policy(&bound, &models).await;
        assert_eq!(why(&bound), [Unfit::Synced.into()]);
        assert!(
            bound.locked_out.is_empty(),
            "it was the last one of somebody who may not sign in here anyway"
        );

        let none = KeyPolicy { deny: vec![MODEL, OTHER], ..KeyPolicy::default() };
        let none = hospital.try_policy(&none, &models).await;
        let person = hospital.stand.person(DOCTOR).await;
        assert_eq!(none.locked_out.into_iter().collect::<Vec<_>>(), [person]);
    })
    .await;
}

#[tokio::test]
async fn a_configuration_without_keys_or_cards_takes_them_from_everybody() {
    Hospital::on_both(async |hospital| {
        let person = hospital.stand.person(DOCTOR).await;
        hospital.register(&hospital.stand.sign_in().await, &mut SoftKey::new()).await;
        let (models, policies) = (Models::default(), KeyPolicy::default().into());
        let off = no_keys(&models);
        let trial = hospital.try_taken(off).await;
        assert_eq!((why(&trial), trial.locked_out.contains(&person)), (vec![Excluded::Off], true));

        by_card(&hospital.stand, DOCTOR).await;
        let trial = hospital.try_taken(off).await;
        assert_eq!((why(&trial).len(), trial.cards, trial.locked_out.len()), (1, 0, 0), "a card is left");
        let no_cards = Taken { keys: Some(&policies), cards: false, ..off };
        let trial = hospital.try_taken(no_cards).await;
        assert_eq!((trial.excluded.len(), trial.cards, trial.locked_out.len()), (0, 1, 0), "a key is left");
        let trial = hospital.try_taken(Taken { cards: false, ..off }).await;
        assert_eq!((trial.cards, trial.locked_out.contains(&person)), (1, true));
    })
    .await;
}

#[tokio::test]
async fn a_role_is_lost_with_the_last_means_that_opens_it() {
    let high = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
    Hospital::on_both_with(high.clone(), async |hospital| {
        hospital.register(&hospital.stand.sign_in().await, &mut SoftKey::new()).await;
        grant(&hospital.stand, DOCTOR, Role::Desk).await;
        let person = hospital.stand.person(DOCTOR).await;
        let (models, low) = (Models::default(), KeyPolicy::default());
        assert!(hospital.try_policy(&high, &models).await.lost_roles.is_empty());
        let trial = hospital.try_policy(&low, &models).await;
        let lost = trial.lost_roles.iter().copied().collect::<Vec<_>>();
        assert_eq!((lost, trial.locked_out.len()), (vec![(person, Role::Desk)], 0), "it signs in, too low");
        by_card(&hospital.stand, DOCTOR).await;
        assert!(hospital.try_policy(&low, &models).await.lost_roles.is_empty(), "the card opens it");
    })
    .await;
}

#[tokio::test]
async fn the_last_means_of_an_administrator_is_not_taken_by_a_configuration() {
    Hospital::on_both(async |hospital| {
        let stand = &hospital.stand;
        let deny = KeyPolicy { deny: vec![MODEL], ..KeyPolicy::default() };
        grant(stand, DOCTOR, Role::Admin).await;
        assert_eq!(hospital.without(None, false).await, 0, "an administrator who never had one");
        hospital.register(&stand.sign_in().await, &mut SoftKey::new()).await;
        assert_eq!(hospital.without(Some(&KeyPolicy::default()), false).await, 0);
        assert_eq!(hospital.without(Some(&deny), true).await, 1);
        assert_eq!(hospital.without(None, true).await, 1);
        by_card(stand, DOCTOR).await;
        assert_eq!(hospital.without(None, true).await, 0, "a card is a means");
        assert_eq!(hospital.without(None, false).await, 1);
        assert_eq!(hospital.without(Some(&KeyPolicy::default()), false).await, 0);
        // The way out: whoever is to have no means is no administrator.
        revoke(stand, DOCTOR, Role::Admin).await;
        assert_eq!(hospital.without(None, false).await, 0);
        grant(stand, DOCTOR, Role::Desk).await;
        assert_eq!(hospital.without(None, false).await, 0, "other roles can be granted anew");
    })
    .await;
}

#[tokio::test]
async fn what_was_halted_is_no_means_that_is_left() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        hospital.register(&browser, &mut SoftKey::new()).await;
        hospital.register(&browser, &mut SoftKey { aaguid: OTHER, ..SoftKey::new() }).await;
        let person = hospital.stand.person(DOCTOR).await;
        let own = store::webauthn_credential::of_person(&hospital.stand.db, person).await.unwrap();
        let other = own.iter().find(|key| key.aaguid == OTHER.to_string()).unwrap();
        let event = hospital.stand.event(crate::audit::Kind::MeansSuspended);
        let ended = |_| hospital.stand.event(crate::audit::Kind::SessionEnded);
        let random = &crate::crypto::random::SystemRandom;
        let id = other.means.id;
        let halting = Halting { id, halt: Halt::Suspend, reason: "lost", event: &event, ended: &ended };
        let now = hospital.stand.clock.now();
        assert!(store::means::halt(&hospital.stand.db, &halting, now, random).await.unwrap());
        let deny = KeyPolicy { deny: vec![MODEL], ..KeyPolicy::default() };
        let trial = hospital.try_policy(&deny, &Models::default()).await;
        assert_eq!((trial.tried, trial.locked_out.contains(&person)), (1, true));
    })
    .await;
}

#[tokio::test]
async fn metadata_and_levels_are_tried_too() {
    let service = Service::new();
    let place = Place::Address("https://metadata.invalid/".into());
    let source = Source { place, publisher: service.publisher(), refuses_stale: true };
    let models = Models::of(Makers::default(), Some(source));
    Hospital::on_both(async |hospital| {
        hospital.register(&hospital.stand.sign_in().await, &mut SoftKey::new()).await;
        let low = KeyPolicy { device_bound_level: Acr::Eidas1, ..KeyPolicy::default() };
        let unknown = Models::of(Makers::default(), models.source().cloned());
        let stale = hospital.try_policy(&low, &unknown).await;
        assert_eq!(stale.excluded[0].1, Unfit::Stale.into());
        let broken = service.publish(&payload(1, "2026-12-01", &[], &["USER_VERIFICATION_BYPASS"]));
        models.learn(&hospital.stand.db, broken, hospital.stand.clock.now()).await.unwrap();
        let trial = hospital.try_policy(&low, &Arc::clone(&models)).await;
        assert_eq!(trial.excluded[0].1, Unfit::Broken(MODEL, "USER_VERIFICATION_BYPASS").into());
        grant(&hospital.stand, DOCTOR, Role::Admin).await;
        let policies = low.clone().into();
        let taken = Taken { keys: Some(&policies), ..no_keys(&models) };
        let now = hospital.stand.clock.now();
        let without = trial::administrators_without_means(&hospital.stand.db, taken, now).await.unwrap();
        assert!(without.is_empty(), "no doing of the configuration");
    })
    .await;
    let high = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
    Hospital::on_both_with(high, async |hospital| {
        hospital.register(&hospital.stand.sign_in().await, &mut SoftKey::new()).await;
        let trial = hospital.try_policy(&KeyPolicy::default(), &Models::default()).await;
        assert_eq!((trial.excluded.len(), trial.lowered[0].1), (0, Acr::Eidas1));
    })
    .await;
}
