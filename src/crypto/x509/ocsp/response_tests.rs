use proptest::prelude::*;
use sceau_certs::der;
use sceau_certs::extension::{CLIENT_AUTH, EXTENDED_KEY_USAGE, Extension, KEY_USAGE, Usage};

use super::super::test_responder::{Said, Template, refusal};
use super::*;
use crate::crypto::x509::test_pki::{card, now, pki};

const DAY: TimeDelta = TimeDelta::days(1);

fn question(name: &str) -> Question {
    let serial = card(name).authentication.certificate.serial_number().to_bn().unwrap().to_vec();
    Question::new(&pki().persons.certificate, &serial).unwrap()
}

fn judge(der: &[u8]) -> Result<Answer, ResponseFault> {
    read(der, &question("good"), DAY, &|_| false, now())
}

fn good() -> Template {
    Template::about("good")
}

#[test]
fn answers_of_the_responder_and_of_the_authority_itself_are_believed() {
    let expected = Answer { status: Status::Good, this_update: now(), until: now() + TimeDelta::hours(12) };
    for template in [
        good(),
        good().by_authority(),
        Template { by_name: true, ..good() },
        Template { by_name: true, ..good().by_authority() },
        Template { hash_with_sha256: true, ..good() },
        good().by(&pki().persons, |template| template.without(KEY_USAGE)),
    ] {
        assert_eq!(judge(&template.to_der()), Ok(expected));
    }
}

#[test]
fn each_status_is_understood() {
    let status = |said| judge(&Template { said, ..good() }.to_der()).unwrap().status;
    assert_eq!(status(Said::Good), Status::Good);
    assert_eq!(status(Said::Revoked(None)), Status::Revoked { on_hold: false });
    assert_eq!(status(Said::Revoked(Some(1))), Status::Revoked { on_hold: false });
    assert_eq!(status(Said::Revoked(Some(6))), Status::Revoked { on_hold: true });
    assert_eq!(status(Said::Unknown), Status::Unknown);
}

#[test]
fn an_answer_counts_to_its_end_and_for_the_longest_age_at_most() {
    let until = |next_update| judge(&Template { next_update, ..good() }.to_der()).unwrap().until;
    assert_eq!(until(Some(now() + TimeDelta::hours(1))), now() + TimeDelta::hours(1));
    assert_eq!(until(Some(now() + TimeDelta::days(300))), now() + DAY);
    assert_eq!(until(None), now() + DAY);
}

/// Who could say "good" for a stolen card.
#[test]
fn nobody_but_the_authority_and_whom_it_charged_is_believed() {
    let nurse = &card("nurse").authentication;
    let as_authority =
        sceau_certs::Authority { certificate: nurse.certificate.clone(), key: nurse.key.clone() };
    for (what, template, expected) in [
        ("another key", Template { key: nurse.key.clone(), ..good() }, ResponseFault::Signature),
        (
            "another key, in the authority's name",
            Template { key: nurse.key.clone(), ..good().by_authority() },
            ResponseFault::Signature,
        ),
        (
            "a card",
            Template {
                signer: nurse.certificate.clone(),
                key: nurse.key.clone(),
                certificates: vec![nurse.certificate.clone()],
                ..good()
            },
            ResponseFault::Responder("its certificate is not for OCSP"),
        ),
        (
            "a responder of another authority",
            good().by(&pki().root, |template| template),
            ResponseFault::Responder("its certificate is another authority's"),
        ),
        (
            "a responder charged by a card",
            good().by(&as_authority, |template| template),
            ResponseFault::Responder("its certificate is another authority's"),
        ),
        (
            "the root",
            Template {
                signer: pki().root.certificate.clone(),
                key: pki().root.key.clone(),
                certificates: vec![pki().root.certificate.clone()],
                ..good()
            },
            ResponseFault::Responder("its certificate is another authority's"),
        ),
        (
            "a certificate for something else",
            good().by(&pki().persons, |template| {
                template.without(EXTENDED_KEY_USAGE).with(Extension::extended_key_usage(&[CLIENT_AUTH]))
            }),
            ResponseFault::Responder("its certificate is not for OCSP"),
        ),
        (
            "a certificate for nothing in particular",
            good().by(&pki().persons, |template| template.without(EXTENDED_KEY_USAGE)),
            ResponseFault::Responder("its certificate is not for OCSP"),
        ),
        (
            "a key that may not sign",
            good().by(&pki().persons, |template| {
                template.without(KEY_USAGE).with(Extension::key_usage(&[Usage::KeyEncipherment]))
            }),
            ResponseFault::Responder("its key may not sign"),
        ),
        (
            "a responder whose time is over",
            good()
                .by(&pki().persons, |template| sceau_certs::Template { not_after: now() - DAY, ..template }),
            ResponseFault::Responder("its certificate is not in its time"),
        ),
        (
            "a responder that is not there",
            Template { certificates: Vec::new(), ..good() },
            ResponseFault::Responder("nobody of that name or key is at hand"),
        ),
    ] {
        assert_eq!(judge(&template.to_der()).unwrap_err(), expected, "{what}");
    }
    let weak = judge(&Template { sha1: true, ..good() }.to_der()).unwrap_err();
    assert!(matches!(weak, ResponseFault::Weak(_)), "{weak}");
}

/// `id-pkix-ocsp-nocheck` spares a look-up over the network; ours costs nothing.
#[test]
fn a_responder_that_was_revoked_is_not_believed() {
    let responder = &pki().responder.as_ref().unwrap().certificate;
    let serial = responder.serial_number().to_bn().unwrap().to_vec();
    let revoked = |asked: &[u8]| asked == serial;
    let verdict = read(&good().to_der(), &question("good"), DAY, &revoked, now());
    assert_eq!(verdict, Err(ResponseFault::Responder("its certificate has been revoked")));
}

#[test]
fn answers_about_others_from_other_times_or_twice_are_refused() {
    let about_another = Template::about("nurse").to_der();
    assert_eq!(judge(&about_another), Err(ResponseFault::OtherCertificate));
    assert_eq!(judge(&Template { times: 0, ..good() }.to_der()), Err(ResponseFault::OtherCertificate));
    assert_eq!(judge(&Template { times: 2, ..good() }.to_der()), Err(ResponseFault::Twice));
    let (old, end) = (now() - TimeDelta::days(2), now() - TimeDelta::hours(1));
    let stale = Template { this_update: end - TimeDelta::hours(8), next_update: Some(end), ..good() };
    assert_eq!(judge(&stale.to_der()), Err(ResponseFault::Stale(end)));
    let stale = Template { this_update: old, next_update: None, ..good() };
    assert_eq!(judge(&stale.to_der()), Err(ResponseFault::Stale(old + DAY)));
    let later = now() + TimeDelta::hours(1);
    let future = Template { this_update: later, ..good() };
    assert_eq!(judge(&future.to_der()), Err(ResponseFault::FromTheFuture(later)));
    let backwards = Template { next_update: Some(now() - DAY), ..good() };
    assert!(matches!(judge(&backwards.to_der()), Err(ResponseFault::Malformed(_))));
    let critical = Extension::critical(&[1, 3, 6, 1, 4, 1, 99999, 1], der::null()).to_der();
    let critical = Template { extensions: vec![critical], ..good() };
    assert!(matches!(judge(&critical.to_der()), Err(ResponseFault::Critical(_))));
    let plain = Extension::new(&[1, 3, 6, 1, 4, 1, 99999, 1], der::null()).to_der();
    assert!(judge(&Template { extensions: vec![plain], ..good() }.to_der()).is_ok());
}

#[test]
fn refusals_are_told_apart() {
    for (status, expected) in [
        (1, Refusal::MalformedRequest),
        (2, Refusal::InternalError),
        (3, Refusal::TryLater),
        (5, Refusal::SignatureRequired),
        (6, Refusal::Unauthorized),
        (9, Refusal::Other(9)),
    ] {
        assert_eq!(judge(&refusal(status)), Err(ResponseFault::NoAnswer(expected)));
    }
    assert!(matches!(judge(&refusal(0)), Err(ResponseFault::Malformed(_))), "successful, and no answer");
}

/// A response with more than a few certificates is no answer but an attempt to make us work.
#[test]
fn certificates_beyond_measure_are_not_read() {
    let one = pki().responder.as_ref().unwrap().certificate.clone();
    let eight = Template { certificates: vec![one.clone(); MOST_CERTIFICATES], ..good() };
    assert!(judge(&eight.to_der()).is_ok());
    let nine = Template { certificates: vec![one; MOST_CERTIFICATES + 1], ..good() };
    assert_eq!(judge(&nine.to_der()), Err(ResponseFault::Malformed("certificates")));
}

/// OpenSSL reads our answers as we do, so that they are a fair test.
#[test]
fn openssl_believes_what_we_believe() {
    use openssl::hash::MessageDigest;
    use openssl::ocsp::{OcspCertId, OcspCertStatus, OcspFlag, OcspResponse};
    use openssl::stack::Stack;
    use openssl::x509::store::X509StoreBuilder;
    use openssl::x509::verify::X509VerifyParam;
    let response = OcspResponse::from_der(&good().to_der()).unwrap();
    let basic = response.basic().unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(pki().root.certificate.clone()).unwrap();
    let mut param = X509VerifyParam::new().unwrap();
    param.set_time(now().timestamp());
    store.set_param(&param).unwrap();
    let mut chain = Stack::new().unwrap();
    chain.push(pki().persons.certificate.clone()).unwrap();
    basic.verify(&chain, &store.build(), OcspFlag::empty()).unwrap();
    let (certificate, issuer) = (&card("good").authentication.certificate, &pki().persons.certificate);
    let id = OcspCertId::from_cert(MessageDigest::sha1(), certificate, issuer).unwrap();
    assert_eq!(basic.find_status(&id).unwrap().status, OcspCertStatus::GOOD);
}

proptest! {
    /// No change of a signed answer is believed to say anything else.
    #[test]
    fn mutated_answers_never_say_anything_else(place in any::<prop::sample::Index>(), change in 1_u8..) {
        let template = Template { said: Said::Revoked(Some(1)), ..good() };
        let mut der = template.to_der();
        let expected = judge(&der).unwrap();
        let place = place.index(der.len());
        der[place] ^= change;
        // What is not signed (the order of certificates, a version that is the default) may change without harm.
        if let Ok(answer) = judge(&der) {
            prop_assert_eq!(answer, expected);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(judge(&bytes).is_err());
    }

    /// Lengths that lie, and answers that were cut off.
    #[test]
    fn lying_lengths_never_panic(place in 0_usize..120, value in any::<u8>(), length in any::<prop::sample::Index>()) {
        let mut der = good().to_der();
        der[place] = value;
        let length = length.index(der.len());
        let _ = judge(&der);
        prop_assert!(judge(&der[..length]).is_err());
    }
}
