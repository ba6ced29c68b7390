//! A card that is revoked while its holder is signed in.

use sceau_certs::crl::{CrlTemplate, Revocation};

use super::*;
use crate::card::revocation::Sources;
use crate::config::{self, Destination};
use crate::crypto::egress::Egress;
use crate::crypto::x509::crl::fetch::Fetcher;
use crate::crypto::x509::ocsp::test_responder::{Behaviour, Responder, Said, Template};
use crate::crypto::x509::ocsp::{Answers, OcspSettings};
use crate::ids::{GrantId, SessionId};
use crate::session::{Evidence, Station};
use crate::store::grant::{self, NewGrant};
use crate::store::logout_delivery;

impl Hospital {
    /// Signs the holder of a card in, in a browser of their own.
    async fn sign_in(&self, workstation: &Workstation, name: &str) -> SessionId {
        let mut browser = Browser::default();
        let (_, request) = self.begin(&mut browser).await;
        let done = browser.finish(self, &workstation.forge(&request, name, |_| {})).await;
        assert_eq!(done.status, 200, "{done:?}");
        let cookie = browser.session().unwrap();
        store::session::by_cookie(&self.db, sha256(cookie.as_bytes())).await.unwrap().unwrap().id
    }

    async fn is_running(&self, session: SessionId) -> bool {
        store::session::by_id(&self.db, session).await.unwrap().unwrap().ended_at.is_none()
    }

    /// A list of this time that names these cards, in the directory.
    fn publish(&self, revoked: &[&str]) {
        let at = self.clock.now();
        let mut template = CrlTemplate::new(9, at, at + TimeDelta::days(7));
        for name in revoked {
            let serial = card(name).authentication.certificate.serial_number().to_bn().unwrap().to_vec();
            template = template.revoke(Revocation { serial, at, reason: Some(1) });
        }
        let list = pki().persons.issue_crl(&template).unwrap();
        std::fs::write(self.dir.path().join("crl/newer.crl"), list).unwrap();
    }

    fn verifier(&self) -> &CardVerifier {
        self.login.verifier().unwrap()
    }

    async fn ended_events(&self) -> Vec<String> {
        let filter = Filter { kind: Some(Kind::SessionEnded.name().into()), limit: 100, ..Filter::default() };
        let rows = store::audit::list(&self.db, &filter).await.unwrap();
        rows.into_iter().map(|row| row.detail).collect()
    }
}

pub(super) fn egress() -> Egress {
    let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
    Egress::new(&config::Egress { allow }).unwrap()
}

/// A hospital that asks this responder about cards.
pub(super) async fn asking(responder: &Responder) -> Hospital {
    Hospital::with(asks(responder)).await
}

fn asks(responder: &Responder) -> impl FnOnce(&mut Parts) {
    let ocsp = OcspSettings { address: Some(responder.address.clone()), ..OcspSettings::default() };
    let sources = Sources {
        fetches: false,
        addresses: Vec::new(),
        fetcher: Fetcher::new(TimeDelta::hours(1)),
        answers: Answers::new(ocsp),
    };
    |parts| {
        let verifier = parts.verifier.take().and_then(Arc::into_inner).unwrap();
        parts.verifier = Some(Arc::new(verifier.with_sources(sources)));
    }
}

#[tokio::test]
async fn a_revoked_card_ends_its_sessions_and_no_others() {
    let hospital = Hospital::open().await;
    hospital.admit("nurse").await;
    let workstation = Workstation::of(&hospital, "good").await;
    let doctor = hospital.sign_in(&workstation, "good").await;
    let nurse = hospital.sign_in(&workstation, "nurse").await;

    // A relying party that wants to be told.
    let new = NewClient {
        id: "told".into(),
        backchannel_logout_uri: Some("https://rp.example/logout".into()),
        ..hospital.new_client()
    };
    let event = || NewRow::from(&hospital.trail.event(Kind::ClientAdded));
    assert!(store::client::add(&hospital.db, &new, hospital.clock.now(), &event()).await.unwrap());
    let person = store::session::by_id(&hospital.db, doctor).await.unwrap().unwrap().person_id;
    let granted = NewGrant {
        id: GrantId::new(hospital.clock.now(), &SystemRandom),
        session_id: doctor,
        person_id: person,
        client_id: "told".into(),
        scope: "openid".into(),
        nonce: String::new(),
        code_hash: [1; 32],
        redirect_uri: "https://rp.example/cb".into(),
        code_challenge: None,
        code_expires_at: hospital.clock.now(),
        transaction: None,
        details: grant::Details::default(),
        consent: None,
    };
    assert!(grant::issue(&hospital.db, &granted, hospital.clock.now(), &event()).await.unwrap());

    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 0);
    hospital.clock.advance(TimeDelta::minutes(10));
    hospital.publish(&["good"]);
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 0, "nobody has read it yet");
    hospital.verifier().reload(hospital.clock.now()).unwrap();
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 1);
    assert!(!hospital.is_running(doctor).await);
    assert!(hospital.is_running(nurse).await);
    let [event] = hospital.ended_events().await.try_into().unwrap();
    assert!(event.contains("card-revoked") && event.contains(&doctor.to_string()), "{event}");
    let due = logout_delivery::take_due(&hospital.db, 10, TimeDelta::minutes(1), hospital.clock.now())
        .await
        .unwrap();
    assert_eq!(due.len(), 1, "the relying party is told");
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 0);
}

/// Which list was in force when somebody was let in or turned away is asked years later.
#[tokio::test]
async fn the_audit_says_which_list_came_when_and_which_file_was_not_used() {
    let hospital = Hospital::open().await;
    let recorded = async || {
        hospital.login.record_lists().await.unwrap();
        let filter =
            Filter { kind: Some(Kind::RevocationListRead.name().into()), limit: 100, ..Filter::default() };
        let mut rows = store::audit::list(&hospital.db, &filter).await.unwrap();
        rows.sort_by_key(|row| row.id);
        rows.into_iter().map(|row| (row.outcome, row.code, row.detail)).collect::<Vec<_>>()
    };
    assert_eq!(recorded().await.len(), 1);
    assert_eq!(recorded().await.len(), 1, "once");
    hospital.clock.advance(TimeDelta::minutes(10));
    hospital.publish(&["good"]);
    hospital.verifier().reload(hospital.clock.now()).unwrap();
    let rows = recorded().await;
    let [_, (outcome, None, detail)] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(outcome == "success" && detail.contains("newer.crl"), "{detail}");
    hospital.clock.advance(TimeDelta::minutes(1));
    std::fs::write(hospital.dir.path().join("crl/newer.crl"), "<html>").unwrap();
    hospital.verifier().reload(hospital.clock.now()).unwrap();
    let rows = recorded().await;
    let [_, _, (outcome, code, _)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((outcome.as_str(), code.as_deref()), ("failure", Some("CERT-012")));
}

/// The list came between the check of the card and the beginning of its session.
#[tokio::test]
async fn a_sign_in_that_was_under_way_is_found_at_the_next_turn() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let doctor = hospital.sign_in(&workstation, "good").await;
    hospital.clock.advance(TimeDelta::minutes(10));
    hospital.publish(&["good"]);
    hospital.verifier().reload(hospital.clock.now()).unwrap();
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 1);
    // As the database has it while the list comes: a session of the same card that begins after the first look.
    let before = store::session::by_id(&hospital.db, doctor).await.unwrap().unwrap();
    let again = store::session::NewSession {
        id: SessionId::new(hospital.clock.now(), &SystemRandom),
        cookie_hash: [7; 32],
        authentication: crate::session::Authentication {
            person: before.person_id,
            acr: before.acr,
            amr: before.amr,
            auth_mode: before.auth_mode,
            at: before.auth_time,
            evidence: before.evidence,
        },
        expires_at: hospital.clock.now() + TimeDelta::hours(4),
        station: Station::default(),
        watched: None,
    };
    store::session::begin(&hospital.db, &again, hospital.clock.now()).await.unwrap();
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 1);
}

/// A session from before the issuer was noted is not spared.
#[tokio::test]
async fn a_session_without_a_noted_issuer_ends_by_its_serial_number() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let doctor = hospital.sign_in(&workstation, "good").await;
    let session = store::session::by_id(&hospital.db, doctor).await.unwrap().unwrap();
    let Evidence::Card { issuer, serial, .. } = &session.evidence else { panic!("{session:?}") };
    let serial = hex::decode(serial).unwrap();
    let issuer: [u8; 32] = hex::decode(issuer.as_ref().unwrap()).unwrap().try_into().unwrap();
    assert!(!hospital.verifier().revokes(None, &serial));
    hospital.clock.advance(TimeDelta::minutes(10));
    hospital.publish(&["good"]);
    hospital.verifier().reload(hospital.clock.now()).unwrap();
    assert!(hospital.verifier().revokes(None, &serial));
    assert!(hospital.verifier().revokes(Some(&issuer), &serial));
    assert!(!hospital.verifier().revokes(Some(&[0; 32]), &serial), "another authority's number");
}

/// The responder knows before the list does: asked when the card was shown, and again while its session runs.
#[tokio::test]
async fn an_answer_that_revokes_a_card_ends_its_session_and_refuses_the_next_sign_in() {
    let responder = Responder::open(Behaviour::Answer(Template::about("good").to_der())).await;
    let hospital = asking(&responder).await;
    let workstation = Workstation::of(&hospital, "good").await;

    // What the card's insertion does; nobody is called on behalf of a card that could not sign in here.
    let verifier = hospital.verifier();
    verifier.prefetch(&authentication("good"), now()).unwrap();
    assert!(verifier.prefetch(&authentication("wrong-issuer"), now()).is_err());
    assert_eq!(responder.asked(), 0);
    assert_eq!(verifier.ask_responders(&egress(), now()).await.len(), 1);
    let doctor = hospital.sign_in(&workstation, "good").await;
    assert_eq!(responder.asked(), 1, "a sign-in asks nobody");
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 0);

    hospital.clock.advance(TimeDelta::hours(1));
    let at = hospital.clock.now();
    let revoked = Template { said: Said::Revoked(Some(1)), this_update: at, ..Template::about("good") };
    responder.now_does(Behaviour::Answer(revoked.to_der()));
    verifier.ask_responders(&egress(), at).await;
    assert_eq!(hospital.login.end_revoked_sessions().await.unwrap(), 1);
    assert!(!hospital.is_running(doctor).await);

    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |answer| answer.issued_at = at);
    let refused = browser.finish(&hospital, &answer).await;
    assert_eq!(refused.status, 403);
    assert_eq!(hospital.refusals().await, ["CERT-005"]);
}

/// The memory of one node is not where a stolen card is forgotten.
#[tokio::test]
async fn what_a_responder_revoked_stays_revoked_after_a_restart_and_on_every_node() {
    let said = |status, at| Template { said: status, this_update: at, ..Template::about("good") }.to_der();
    let responder = Responder::open(Behaviour::Answer(Template::about("good").to_der())).await;
    let hospital = asking(&responder).await;
    let other = hospital.again(asks(&responder)).await;
    let workstation = Workstation::of(&other, "good").await;
    let doctor = other.sign_in(&workstation, "good").await;

    // One node hears of it; a responder that then falls silent, or has lost its memory, takes nothing back.
    hospital.clock.advance(TimeDelta::hours(1));
    let at = hospital.clock.now();
    responder.now_does(Behaviour::Answer(said(Said::Revoked(Some(1)), at)));
    hospital.verifier().prefetch(&authentication("good"), at).unwrap();
    hospital.login.ask_responders(&egress()).await.unwrap();
    responder.now_does(Behaviour::Status(http::StatusCode::BAD_GATEWAY));

    // The other node ends the session that it began, and refuses the next.
    assert_eq!(other.login.end_revoked_sessions().await.unwrap(), 0, "it has not read it yet");
    other.login.recall_revoked().await.unwrap();
    assert_eq!(other.login.end_revoked_sessions().await.unwrap(), 1);
    assert!(!other.is_running(doctor).await);

    // So does one that starts now, without anybody to ask, or told not to ask.
    let restarted = hospital.again(asks(&responder)).await;
    let silent = hospital.again(|_| {}).await;
    for node in [&other, &restarted, &silent] {
        node.login.recall_revoked().await.unwrap();
        node.login.ask_responders(&egress()).await.unwrap();
        let (mut browser, workstation) = (Browser::default(), Workstation::of(node, "good").await);
        let (_, request) = node.begin(&mut browser).await;
        let answer = workstation.forge(&request, "good", |answer| answer.issued_at = node.clock.now());
        assert_eq!(browser.finish(node, &answer).await.status, 403);
    }
    assert_eq!(hospital.refusals().await, ["CERT-005"; 3]);
    let filter = Filter { kind: Some(Kind::CardRevoked.name().into()), limit: 9, ..Filter::default() };
    assert_eq!(store::audit::list(&hospital.db, &filter).await.unwrap().len(), 1);

    // Later: whoever does not know the card changes nothing, and what is final is not taken back.
    for (hours, status) in [(2, Said::Unknown), (4, Said::Good)] {
        hospital.clock.advance(TimeDelta::hours(hours));
        let at = hospital.clock.now();
        responder.now_does(Behaviour::Answer(said(status, at)));
        restarted.verifier().prefetch_known(&sha256(&authentication("good")), at);
        let asked = restarted.login.ask_responders(&egress()).await.unwrap();
        assert!(asked.iter().all(|asked| asked.outcome.is_ok()) && !asked.is_empty(), "{asked:?}");
        let serial = card("good").authentication.certificate.serial_number().to_bn().unwrap().to_vec();
        assert!(restarted.verifier().revokes(None, &serial), "{status:?}");
    }
}

/// A card on hold that comes back does so everywhere, by a later answer to one node.
#[tokio::test]
async fn a_hold_that_one_node_sees_lifted_is_lifted_on_every_node() {
    let said = |status, at| Template { said: status, this_update: at, ..Template::about("good") }.to_der();
    let responder = Responder::open(Behaviour::Answer(said(Said::Revoked(Some(6)), now()))).await;
    let (first, second) = {
        let first = asking(&responder).await;
        let second = first.again(asks(&responder)).await;
        (first, second)
    };
    let serial = card("good").authentication.certificate.serial_number().to_bn().unwrap().to_vec();
    for node in [&first, &second] {
        node.verifier().prefetch(&authentication("good"), now()).unwrap();
        node.login.ask_responders(&egress()).await.unwrap();
        assert!(node.verifier().revokes(None, &serial));
    }
    first.clock.advance(TimeDelta::hours(1));
    responder.now_does(Behaviour::Answer(said(Said::Good, first.clock.now())));
    first.login.ask_responders(&egress()).await.unwrap();
    assert!(!first.verifier().revokes(None, &serial));
    assert!(second.verifier().revokes(None, &serial));
    for node in [&second, &first] {
        node.login.recall_revoked().await.unwrap();
        assert!(!node.verifier().revokes(None, &serial));
    }
}
