//! Keys that prove their model, and those that only say so: authorities that are made here, on both databases.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use uuid::Uuid;

use super::authenticator::SoftKey;
use super::{Hospital, code};
use crate::clock::{Clock as _, SystemClock};
use crate::session::Acr;
use crate::store;
use crate::store::webauthn_credential::SecurityKey;
use crate::tests::spec::stand::DOCTOR;
use crate::webauthn::attestation::Makers;
use crate::webauthn::attestation::tests::{maker, makers, p256, template};
use crate::webauthn::models::Models;
use crate::webauthn::policy::{Attestation, KeyPolicy};

/// A key whose model `maker` attests with a certificate made of `template`.
fn attested(maker: &sceau_certs::Authority, template: &sceau_certs::Template) -> SoftKey {
    let key = p256();
    let chain = vec![maker.issue_unchecked(template, &key).unwrap()];
    SoftKey { attestation: Some((key, chain)), ..SoftKey::new() }
}

fn policy(attestation: Attestation) -> KeyPolicy {
    KeyPolicy { attestation, ..KeyPolicy::default() }
}

async fn keys(hospital: &Hospital) -> Vec<SecurityKey> {
    let person = hospital.stand.person(DOCTOR).await;
    store::webauthn_credential::of_person(&hospital.stand.db, person).await.unwrap()
}

#[tokio::test]
async fn a_key_that_proves_its_model_reaches_more_than_one_that_does_not() {
    let ours = maker("A");
    let model = SoftKey::new().aaguid;
    let models = Models::of(makers(&[&ours], &[]), None);
    Hospital::on_both_knowing(policy(Attestation::Preferred), models, async |hospital| {
        let browser = hospital.stand.sign_in().await;
        for (mut key, expected) in [
            (attested(&ours, &template(Some(model))), (true, Acr::Eidas2)),
            (attested(&maker("B"), &template(Some(model))), (false, Acr::Eidas1)),
            (SoftKey::new(), (false, Acr::Eidas1)),
        ] {
            hospital.register(&browser, &mut key).await;
            let reference = URL_SAFE_NO_PAD.encode(&key.id);
            let kept =
                keys(&hospital).await.into_iter().find(|key| key.means.reference == reference).unwrap();
            assert_eq!((kept.attested, kept.means.level), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn where_a_key_has_to_prove_its_model_each_way_of_not_doing_so_is_refused() {
    let (ours, other) = (maker("A"), maker("B"));
    let model = SoftKey::new().aaguid;
    let models = Models::of(makers(&[&ours], &[]), None);
    Hospital::on_both_knowing(policy(Attestation::Required), models, async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let asked = hospital.registration(&browser).await;
        assert_eq!(asked["options"]["attestation"], "direct");
        let now = hospital.stand.clock.now();
        let good = || template(Some(model));
        let past = sceau_certs::Template { not_after: now - chrono::TimeDelta::days(1), ..good() };
        let authority = good()
            .without(sceau_certs::extension::BASIC_CONSTRAINTS)
            .with(sceau_certs::extension::Extension::authority(None));
        let own = SoftKey::new();
        let vouches_for_itself = SoftKey { attestation: Some((own.private.clone(), Vec::new())), ..own };
        let mut forged = attested(&ours, &good());
        forged.attestation = forged.attestation.map(|(_, chain)| (p256(), chain));
        for (mut key, expected, what) in [
            (SoftKey::new(), "KEY-015", "none"),
            (vouches_for_itself, "KEY-015", "itself"),
            (forged, "KEY-015", "another key signed"),
            (attested(&ours, &authority), "KEY-015", "an authority"),
            (attested(&other, &good()), "KEY-021", "another root"),
            (attested(&ours, &past), "KEY-022", "expired"),
            (attested(&ours, &template(Some(Uuid::from_u128(8)))), "KEY-023", "another model"),
            (attested(&ours, &template(None)), "KEY-024", "no model"),
        ] {
            let refused = hospital.try_register(&browser, &mut key).await;
            assert_eq!(code(&refused), expected, "{what}");
            let event = hospital.last_event().await;
            assert_eq!((event.0.as_str(), event.2.as_deref()), ("means.issued", Some(expected)), "{what}");
        }
        assert!(keys(&hospital).await.is_empty());
        let mut key = attested(&ours, &good());
        hospital.register(&browser, &mut key).await;
        assert_eq!(hospital.sign_in(&mut key).await.1.json(), json!({"state": "done"}));
    })
    .await;
}

/// A second program's idea of an attestation, by an authority of its own, whose certificates name no model.
#[tokio::test]
async fn the_crates_own_token_proves_its_model() {
    use webauthn_authenticator_rs::WebauthnAuthenticator as _;
    use webauthn_authenticator_rs::softtoken::{AAGUID, SoftToken};

    let token = SoftToken::new(true).unwrap().0.to_cbor().unwrap();
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join(AAGUID.to_string());
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("root.der"), authority_of(&token)).unwrap();
    let models = Models::of(Makers::load(place.path()).unwrap(), None);
    Hospital::on_both_knowing(policy(Attestation::Required), Arc::clone(&models), async |hospital| {
        // It dates its certificates by the clock of the machine.
        let clock = &hospital.stand.clock;
        clock.advance(SystemClock.now() - clock.now());
        let mut key = SoftToken::from_cbor(&token).unwrap();
        let browser = hospital.stand.sign_in().await;
        let front = url::Url::parse(super::FRONT).unwrap();
        let asked = hospital.registration(&browser).await;
        let mut options = asked["options"].clone();
        options["authenticatorSelection"]["requireResidentKey"] = json!(false);
        let options = serde_json::from_value(json!({"publicKey": options})).unwrap();
        let made = key.do_registration(front.clone(), options).unwrap();
        let words = json!({"handle": asked["handle"], "label": "", "credential": made});
        let answer = hospital.say("/means/key", &words, &browser.cookie).await;
        assert_eq!(answer.json(), json!({"state": "done"}), "{}", answer.body);
        let kept = keys(&hospital).await.remove(0);
        assert_eq!((kept.aaguid, kept.attested), (AAGUID.to_string(), true));

        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, Some(DOCTOR)).await;
        let options = serde_json::from_value(json!({"publicKey": asked["options"]})).unwrap();
        let signed = key.do_authentication(front, options).unwrap();
        let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": signed});
        let answer = hospital.say("/login/key", &words, &begun.cookie).await;
        assert_eq!(answer.json(), json!({"state": "done"}), "{}", answer.body);
    })
    .await;
}

/// The authority of a token that was written down, in DER.
fn authority_of(token: &[u8]) -> Vec<u8> {
    let serde_cbor_2::Value::Map(members) = serde_cbor_2::from_slice(token).unwrap() else {
        panic!("no map")
    };
    match &members[&serde_cbor_2::Value::Text("ca_cert".into())] {
        serde_cbor_2::Value::Text(der) => URL_SAFE_NO_PAD.decode(der).unwrap(),
        other => panic!("no certificate: {other:?}"),
    }
}
