//! What a stricter policy would do to the keys that are registered, said before it does.

use std::sync::Arc;

use uuid::Uuid;

use super::Hospital;
use super::authenticator::SoftKey;
use crate::clock::Clock as _;
use crate::session::Acr;
use crate::store;
use crate::store::means::{Halt, Halting};
use crate::tests::spec::stand::{DOCTOR, STRANGER};
use crate::webauthn::attestation::Makers;
use crate::webauthn::metadata::tests::{MODEL, Service, payload};
use crate::webauthn::models::{Models, Place, Source};
use crate::webauthn::policy::{KeyPolicy, Unfit};
use crate::webauthn::trial::{self, Trial};

const OTHER: Uuid = Uuid::from_u128(8);

impl Hospital {
    async fn try_policy(&self, policy: &KeyPolicy, models: &Models) -> Trial {
        let policies = policy.clone().into();
        trial::of(&self.stand.db, &policies, models, self.stand.clock.now()).await.unwrap()
    }
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
        assert_eq!(denied.excluded.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [Unfit::Model(MODEL)]);
        assert!(denied.locked_out.is_empty(), "the doctor has another key");

        let bound = KeyPolicy { synced: false, ..KeyPolicy::default() };
        let bound = hospital.try_policy(&bound, &models).await;
        assert_eq!(bound.excluded.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [Unfit::Synced]);
        let person = hospital.stand.person(STRANGER).await;
        assert_eq!(bound.locked_out.into_iter().collect::<Vec<_>>(), [person], "it was the last one");
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
        assert_eq!(stale.excluded[0].1, Unfit::Stale);
        let broken = service.publish(&payload(1, "2026-12-01", &[], &["USER_VERIFICATION_BYPASS"]));
        models.learn(&hospital.stand.db, broken, hospital.stand.clock.now()).await.unwrap();
        let trial = hospital.try_policy(&low, &Arc::clone(&models)).await;
        assert_eq!(trial.excluded[0].1, Unfit::Broken(MODEL, "USER_VERIFICATION_BYPASS"));
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
