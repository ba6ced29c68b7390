//! What the metadata of models changes, at a registration and at a sign-in, on both databases.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use chrono::TimeDelta;
use serde_json::json;

use super::authenticator::SoftKey;
use super::{Hospital, code};
use crate::clock::Clock as _;
use crate::config;
use crate::crypto::egress::Egress;
use crate::session::Acr;
use crate::store;
use crate::store::fido_metadata::Kept;
use crate::tests::spec::stand::DOCTOR;
use crate::webauthn::attestation::Makers;
use crate::webauthn::attestation::tests::{maker, p256, template};
use crate::webauthn::metadata::Certification;
use crate::webauthn::metadata::tests::{MODEL, Service, payload};
use crate::webauthn::models::{Models, Place, RefreshError, Source};
use crate::webauthn::policy::{Attestation, KeyPolicy};

const SOON: &str = "2026-12-01";
const NOWHERE: &str = "https://metadata.invalid/";

fn source(service: &Service, place: Place, refuses_stale: bool) -> Option<Source> {
    Some(Source { place, publisher: service.publisher(), refuses_stale })
}

fn models(service: &Service, refuses_stale: bool) -> Arc<Models> {
    Models::of(Makers::default(), source(service, Place::Address(NOWHERE.into()), refuses_stale))
}

/// A key of the model that the metadata names, attested by `maker` with a certificate that names no model.
fn attested(maker: &sceau_certs::Authority) -> SoftKey {
    let key = p256();
    let chain = vec![maker.issue_unchecked(&template(None), &key).unwrap()];
    SoftKey { aaguid: MODEL, attestation: Some((key, chain)), ..SoftKey::new() }
}

impl Hospital {
    async fn learn(&self, models: &Models, document: &str) -> &'static str {
        let learnt = models.learn(&self.stand.db, document.to_owned(), self.stand.clock.now()).await;
        said(learnt)
    }
}

fn said(done: Result<(), RefreshError>) -> &'static str {
    match done {
        Ok(()) => "good",
        Err(error) => error.code(),
    }
}

/// How often it was asked, and what it answers.
type Published = Arc<std::sync::Mutex<(u32, Option<String>)>>;

fn egress() -> Egress {
    let allow = vec![config::Destination::Network("127.0.0.0/8".parse().unwrap())];
    Egress::new(&config::Egress { allow }).unwrap()
}

#[tokio::test]
async fn a_model_that_is_withdrawn_registers_and_signs_in_no_more() {
    let (service, ours) = (Service::new(), maker("A"));
    let known = models(&service, false);
    let policy = KeyPolicy {
        attestation: Attestation::Required,
        attested_certification: Some(Certification::L2),
        ..KeyPolicy::default()
    };
    Hospital::on_both_knowing(policy, Arc::clone(&known), async |hospital| {
        let publish = |number, statuses: &[&str]| service.publish(&payload(number, SOON, &[&ours], statuses));
        assert_eq!(hospital.learn(&known, &publish(1, &["FIDO_CERTIFIED_L1"])).await, "good");
        let browser = hospital.stand.sign_in().await;
        let (mut key, mut low) = (attested(&ours), attested(&ours));
        hospital.register(&browser, &mut low).await;
        assert_eq!(hospital.learn(&known, &publish(2, &["FIDO_CERTIFIED_L2"])).await, "good");
        hospital.register(&browser, &mut key).await;
        let person = hospital.stand.person(DOCTOR).await;
        let kept = store::webauthn_credential::of_person(&hospital.stand.db, person).await.unwrap();
        let mut levels: Vec<_> = kept.iter().map(|key| (key.attested, key.means.level)).collect();
        levels.sort_unstable();
        assert_eq!(levels, [(true, Acr::Eidas1), (true, Acr::Eidas2)], "the certification decides");
        assert_eq!(hospital.sign_in(&mut key).await.1.json(), json!({"state": "done"}));
        assert_eq!(code(&hospital.try_register(&browser, &mut attested(&maker("B"))).await), "KEY-021");

        let revoked = publish(3, &["FIDO_CERTIFIED_L2", "REVOKED"]);
        assert_eq!(hospital.learn(&known, &revoked).await, "good");
        assert_eq!(code(&hospital.sign_in(&mut key).await.1), "KEY-025");
        let event = hospital.last_event().await;
        assert_eq!(event, ("sign-in".into(), "denied".into(), Some("KEY-025".into())));
        assert_eq!(code(&hospital.try_register(&browser, &mut attested(&ours)).await), "KEY-025");
    })
    .await;
}

#[tokio::test]
async fn metadata_is_kept_for_every_node_and_never_goes_back() {
    let service = Service::new();
    let known = models(&service, false);
    Hospital::on_both_knowing(KeyPolicy::default(), Arc::clone(&known), async |hospital| {
        let publish = |number| service.publish(&payload(number, SOON, &[], &[]));
        assert_eq!(hospital.learn(&known, &publish(7)).await, "good");
        assert_eq!(hospital.learn(&known, &publish(6)).await, "KEY-037");
        assert_eq!(hospital.learn(&known, &publish(7)).await, "good", "the same again is no fault");
        assert_eq!(
            hospital.learn(&known, &Service::new().publish(&payload(8, SOON, &[], &[]))).await,
            "KEY-034"
        );
        let tampered = publish(8).replacen('.', ".e", 1);
        assert_eq!(hospital.learn(&known, &tampered).await, "KEY-033");
        assert_eq!(known.metadata().unwrap().number, 7);
        // Another node, or this one after a restart, without any network.
        let other = models(&service, false);
        other.recall(&hospital.stand.db).await.unwrap();
        assert_eq!(other.metadata().unwrap().number, 7);
        assert_eq!(hospital.learn(&other, &publish(8)).await, "good");
        known.recall(&hospital.stand.db).await.unwrap();
        assert_eq!(known.metadata().unwrap().number, 8);
    })
    .await;
}

#[tokio::test]
async fn another_publisher_counts_from_a_number_of_its_own() {
    let (before, after) = (Service::new(), Service::new());
    Hospital::on_both(async |hospital| {
        let publish = |service: &Service, number| service.publish(&payload(number, SOON, &[], &[]));
        assert_eq!(hospital.learn(&models(&before, false), &publish(&before, 70)).await, "good");
        // The configuration names another root.
        let known = models(&after, false);
        known.recall(&hospital.stand.db).await.unwrap();
        assert!(known.metadata().is_none(), "what the other signed is nothing to this one");
        assert_eq!(hospital.learn(&known, &publish(&after, 2)).await, "good");
        assert_eq!(hospital.learn(&known, &publish(&after, 1)).await, "KEY-037");
        assert_eq!(known.metadata().unwrap().number, 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_and_spoilt_is_read_anew_from_the_same_publication() {
    let service = Service::new();
    Hospital::on_both(async |hospital| {
        let (db, received_at) = (&hospital.stand.db, hospital.stand.clock.now());
        let publisher = service.publisher().id();
        let spoilt = Kept { publisher, number: 7, document: "spoilt".into(), received_at };
        assert_eq!(store::fido_metadata::keep(db, &spoilt).await.unwrap(), None);
        let known = models(&service, false);
        assert_eq!(said(known.recall(db).await), "KEY-033");
        assert_eq!(hospital.learn(&known, &service.publish(&payload(7, SOON, &[], &[]))).await, "good");
        assert_eq!(known.metadata().unwrap().number, 7);
    })
    .await;
}

#[tokio::test]
async fn old_metadata_is_kept_or_keeps_keys_out_as_the_policy_says() {
    for (refuses, expected) in [(false, "done"), (true, "failed")] {
        let service = Service::new();
        let known = models(&service, refuses);
        Hospital::on_both_knowing(KeyPolicy::default(), Arc::clone(&known), async |hospital| {
            let browser = hospital.stand.sign_in().await;
            let due = service.publish(&payload(1, "2026-11-21", &[], &[]));
            assert_eq!(hospital.learn(&known, &due).await, "good");
            let mut key = SoftKey::new();
            hospital.register(&browser, &mut key).await;
            assert_eq!(hospital.sign_in(&mut key).await.1.json(), json!({"state": "done"}), "the day itself");
            hospital.stand.clock.advance(TimeDelta::days(1));
            let late = hospital.sign_in(&mut key).await.1;
            assert_eq!(late.json()["state"], expected);
            if refuses {
                assert_eq!(code(&late), "KEY-026");
                let browser = hospital.stand.sign_in().await;
                assert_eq!(code(&hospital.try_register(&browser, &mut SoftKey::new()).await), "KEY-026");
                let now = hospital.stand.clock.now();
                assert!(models(&service, true).refuses(now), "as little as metadata that never came");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
    let service = Service::new();
    Hospital::on_both(async |hospital| {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("blob.jwt");
        let known = Models::of(Makers::default(), source(&service, Place::File(file.clone()), false));
        let refresh = async || {
            let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
            let refreshed = known.refresh(db, &egress(), now).await;
            (said(refreshed), known.metadata().map(|read| read.number))
        };
        assert_eq!(refresh().await, ("KEY-039", None), "there is no file");
        std::fs::write(&file, service.publish(&payload(1, SOON, &[], &[]))).unwrap();
        assert_eq!(refresh().await, ("good", Some(1)));
        std::fs::write(&file, "<html>404</html>").unwrap();
        assert_eq!(refresh().await, ("KEY-033", Some(1)));
        assert_eq!(refresh().await, ("good", Some(1)), "said once");
        std::fs::write(&file, service.publish(&payload(2, SOON, &[], &["REVOKED"]))).unwrap();
        assert_eq!(refresh().await, ("good", Some(2)));
    })
    .await;
}

#[tokio::test]
async fn an_address_is_asked_once_a_day_and_after_a_failure_once_an_hour() {
    let service = Service::new();
    let published = Published::default();
    let answer = async |State(published): State<Published>| {
        let mut published = published.lock().unwrap();
        published.0 += 1;
        published.1.clone().ok_or(http::StatusCode::SERVICE_UNAVAILABLE)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", get(answer)).with_state(Arc::clone(&published));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    Hospital::on_both(async |hospital| {
        *published.lock().unwrap() = (0, None);
        let known = Models::of(Makers::default(), source(&service, Place::Address(address.clone()), false));
        let refresh = async |hours| {
            hospital.stand.clock.advance(TimeDelta::hours(hours));
            let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
            let refreshed = known.refresh(db, &egress(), now).await;
            (said(refreshed), published.lock().unwrap().0)
        };
        assert_eq!(refresh(0).await, ("KEY-039", 1));
        assert_eq!(refresh(0).await, ("good", 1), "a pause");
        published.lock().unwrap().1 = Some(service.publish(&payload(1, SOON, &[], &[])));
        assert_eq!(refresh(1).await, ("good", 2));
        assert_eq!(known.metadata().unwrap().number, 1);
        assert_eq!(refresh(23).await, ("good", 2));
        assert_eq!(refresh(1).await, ("good", 3));
    })
    .await;
    server.abort();
}
