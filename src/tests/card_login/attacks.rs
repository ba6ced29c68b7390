//! Each check of `/card/finish` as the attack it stops.

use super::*;
use crate::card::protocol::{CardQuestion, CardRequest, TYP_CARD_REQUEST};
use crate::crypto::keys::Algorithm;

/// Finishes with `answer`; the code it is refused with. Nobody is signed in.
async fn refused(hospital: &Hospital, browser: &mut Browser, answer: &str) -> String {
    let page = browser.finish(hospital, answer).await;
    assert!(page.status >= 400, "{page:?}");
    assert!(browser.session().is_none());
    page.code().unwrap_or_else(|| panic!("no code in {page:?}")).to_owned()
}

#[tokio::test]
async fn relay_the_attackers_request_answered_by_the_victims_agent() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    // The attacker opens the sign-in, lures the victim to post its request; the answer comes back in the victim's
    // browser.
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let (id, request) = hospital.begin(&mut attacker).await;
    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    assert_eq!(refused(&hospital, &mut victim, &answer).await, "CARD-003");
    // Also where the victim has a sign-in of their own under way.
    hospital.begin(&mut victim).await;
    assert_eq!(refused(&hospital, &mut victim, &answer).await, "CARD-003");
    // And where the attacker's page plants a cookie of that name with a value of its own.
    victim.take(&format!("__Host-txn-{}=guess", id.0.simple()));
    assert_eq!(refused(&hospital, &mut victim, &answer).await, "CARD-003");

    let told = attacker.status(&hospital, id).await;
    assert_eq!(told["state"], "open", "the attacker's page learns nothing");
    assert_eq!(hospital.refusals().await, ["CARD-003"; 3]);
}

/// A workstation that was tampered with takes a card that lies near for one in a slot, with a PIN.
#[tokio::test]
async fn the_contactless_key_passed_off_as_a_card_with_its_pin() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let pair = card("good").technical.as_ref().unwrap();
    let certificate = pair.certificate.to_der().unwrap();
    let proof = Proof::new(Purpose::Browser, hospital.front.as_str(), &request, &certificate);
    let mut signer = Signer::new(MessageDigest::sha256(), &pair.key).unwrap();
    let signature = signer.sign_oneshot_to_vec(proof.as_bytes()).unwrap();
    let tapped = |interface, pin| {
        workstation.forge(&request, "good", |answer| {
            answer.card_certificate = certificate.clone();
            answer.card_signature = signature.clone();
            (answer.interface, answer.pin) = (interface, pin);
        })
    };
    let honest = tapped(Interface::Contactless, PinEntry::None);
    assert_eq!(refused(&hospital, &mut browser, &honest).await, "CARD-015");
    let lie = tapped(Interface::Contact, PinEntry::Window);
    assert_eq!(refused(&hospital, &mut browser, &lie).await, "CERT-031");
}

#[tokio::test]
async fn a_return_path_that_kept_the_answer_would_sign_in_the_attacker() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut attacker = Browser::default();
    let (id, request) = hospital.begin(&mut attacker).await;
    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    let returned = Call::post("/card/return", &hospital.address.to_string(), "null", &[("answer", &answer)]);
    assert_eq!(returned.send(hospital.address).await.status, 200);
    assert_eq!(attacker.status(&hospital, id).await["state"], "open");
    let transaction = hospital.transaction(id).await;
    assert_eq!((transaction.session_id, transaction.error_code), (None, None));
}

#[tokio::test]
async fn the_return_path_takes_nothing_but_an_answer() {
    let hospital = Hospital::open().await;
    let host = hospital.address.to_string();
    for fields in
        [&[("answer", "<script>")][..], &[("request", "a.b.c")], &[], &[("answer", "a"), ("answer", "b")]]
    {
        let page = Call::post("/card/return", &host, "null", fields).send(hospital.address).await;
        assert_eq!(page.code(), Some("CARD-002"), "{fields:?}");
    }
}

#[tokio::test]
async fn an_answer_posted_by_another_site() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    let agent = format!("http://{}", workstation.address);
    for origin in ["https://evil.example", "null", &agent] {
        let call = browser.finish_call(&hospital, &answer).instead("origin", origin);
        assert_eq!(browser.send(&hospital, call).await.code(), Some("CARD-001"), "{origin}");
    }
    assert!(browser.session().is_none());
}

#[tokio::test]
async fn an_answer_replayed() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200);
    browser.cookies.remove("__Host-session");
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-005");
    assert_eq!(browser.status(&hospital, id).await["state"], "done");
}

#[tokio::test]
async fn two_answers_at_once_make_one_session() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    let call = browser.finish_call(&hospital, &answer).with("cookie", &browser.cookie_line());
    let answers = futures_util::future::join_all((0..8).map(|_| call.clone().send(hospital.address))).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{answers:?}");
}

#[tokio::test]
async fn old_requests_and_sign_ins() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    hospital.clock.advance(TimeDelta::seconds(120));
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-006");
    let newer = hospital.panel(id).await;
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-004", "another has taken its place");
    hospital.clock.advance(TimeDelta::minutes(8));
    let late = workstation.forge(&newer, "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &late).await, "CARD-007");
    assert_eq!(browser.status(&hospital, id).await["state"], "expired");
    assert_eq!(browser.get(&hospital, &format!("/card/request?txn={id}")).await.status, 410);
}

#[tokio::test]
async fn a_request_that_was_not_issued() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let own_key = SigningKey::generate(Algorithm::Es256).unwrap();
    let payload = jose::unverified_payload(&request).unwrap();
    let genuine = CardRequest::from_payload(&payload).unwrap();
    // The same txn, but signed by the attacker, who chose the nonce.
    let forged = jose::sign(
        &own_key,
        TYP_CARD_REQUEST,
        &CardRequest { nonce: [0; 32], ..genuine.clone() }.to_payload(),
    );
    let answer = workstation.forge(&forged.unwrap(), "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-009");
    // The same bytes but for the signature: ECDSA signatures differ each time.
    let resigned = jose::sign(&own_key, TYP_CARD_REQUEST, &genuine.to_payload()).unwrap();
    let answer = workstation.forge(&resigned, "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-009");
    let mut elsewhere = genuine.clone();
    elsewhere.purpose = Purpose::Ciba;
    elsewhere.workstation = Some(workstation.enrolment.workstation);
    elsewhere.question = Some(CardQuestion { card: [0; 32], digits: 2 });
    let another = jose::sign(&own_key, TYP_CARD_REQUEST, &elsewhere.to_payload()).unwrap();
    let answer = workstation.forge(&another, "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-008");
}

#[tokio::test]
async fn another_signer_on_the_workstation() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    // A program that may use the card, but does not hold the workstation's key.
    let own_key = SigningKey::generate(Algorithm::Es256).unwrap();
    let answer = workstation.forge_signed_by(&own_key, &request, "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "CARD-013");
    let unknown = workstation.forge(&request, "good", |answer| {
        answer.workstation = "019aa000-0000-7000-8000-000000000009".parse().unwrap();
    });
    assert_eq!(refused(&hospital, &mut browser, &unknown).await, "CARD-010");
    // Another type of JWS by the right key.
    let genuine = workstation.forge(&request, "good", |_| {});
    let payload: serde_json::Value =
        serde_json::from_slice(&jose::unverified_payload(&genuine).unwrap()).unwrap();
    let other_type = jose::sign(&workstation.enrolment.key, "sceau-enrolment+jwt", &payload).unwrap();
    assert_eq!(refused(&hospital, &mut browser, &other_type).await, "CARD-013");
    let told = browser.status(&hospital, id).await;
    assert_eq!(told["code"], "CARD-013");
}

#[tokio::test]
async fn a_workstation_that_is_revoked_waits_or_is_too_old() {
    let hospital =
        Hospital::with(|parts| parts.minimum_agent = Some(AgentVersion::parse("0.0.2").unwrap())).await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let old = workstation
        .forge(&request, "good", |answer| answer.agent_version = AgentVersion::parse("0.0.1").unwrap());
    assert_eq!(refused(&hospital, &mut browser, &old).await, "CARD-014");

    let code = hospital.invite(true).await;
    let enrolled = enrol::enrol(&hospital.front, &code, &hospital.clock).await.unwrap();
    let id = enrolled.enrolment.workstation;
    let by_pending = workstation
        .forge_signed_by(&enrolled.enrolment.key, &request, "good", |answer| answer.workstation = id);
    assert_eq!(refused(&hospital, &mut browser, &by_pending).await, "CARD-012");
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationApproved));
    let key = store::workstation::by_id(&hospital.db, id).await.unwrap().unwrap().kid;
    let approved =
        store::workstation::approve(&hospital.db, id, &key, &event, hospital.clock.now()).await.unwrap();
    assert_eq!(approved, store::workstation::Approval::Done);
    assert_eq!(browser.finish(&hospital, &by_pending).await.status, 200);

    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    let id = workstation.enrolment.workstation;
    assert!(store::workstation::revoke(&hospital.db, id, &event, hospital.clock.now()).await.unwrap());
    let by_revoked = workstation.forge(&request, "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &by_revoked).await, "CARD-011");
}

#[tokio::test]
async fn an_answer_for_another_server_or_without_pin() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let other = WebOrigin::parse("https://sceau.clinique.example").unwrap();
    let elsewhere = workstation.forge(&request, "good", |answer| answer.audience = other);
    assert_eq!(refused(&hospital, &mut browser, &elsewhere).await, "CARD-016");
    let badge = workstation.forge(&request, "good", |answer| answer.interface = Interface::Contactless);
    assert_eq!(refused(&hospital, &mut browser, &badge).await, "CARD-015");
    let without = workstation.forge(&request, "good", |answer| answer.pin = PinEntry::None);
    assert_eq!(refused(&hospital, &mut browser, &without).await, "CARD-015");
    for junk in ["", "a.b.c", "e30.e30.e30"] {
        assert_eq!(refused(&hospital, &mut browser, junk).await, "CARD-002", "{junk:?}");
    }
}

#[tokio::test]
async fn a_signature_made_for_something_else() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let certificate = authentication("good");
    let made_for = |purpose, origin: &str, request: &str| {
        signature("good", &Proof::new(purpose, origin, request, &certificate))
    };
    let front = hospital.front.as_str();
    for (what, signature) in [
        ("another server", made_for(Purpose::Browser, "https://sceau.clinique.example", &request)),
        ("another request", made_for(Purpose::Browser, front, "a.b.c")),
        ("another purpose", made_for(Purpose::Ciba, front, &request)),
        ("nothing", Vec::new()),
    ] {
        let answer = workstation.forge(&request, "good", |answer| answer.card_signature = signature);
        assert_eq!(refused(&hospital, &mut browser, &answer).await, "CERT-017", "{what}");
    }
}

#[tokio::test]
async fn cards_and_people_that_may_not_come_in() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    for (name, code) in [
        ("expired", "CERT-002"),
        ("wrong-issuer", "CERT-004"),
        ("revoked", "CERT-005"),
        ("software", "CERT-007"),
        ("nurse", "PERSON-001"),
    ] {
        let answer = workstation.forge(&request, name, |_| {});
        assert_eq!(refused(&hospital, &mut browser, &answer).await, code, "{name}");
    }
    let person =
        store::person::by_identifier(&hospital.db, &card("good").profile.id_nat).await.unwrap().unwrap();
    let event = hospital.trail.event(Kind::PersonDisabled);
    let now = hospital.clock.now();
    store::person::disable(&hospital.db, person.id, "left", now, &SystemRandom, &event).await.unwrap();
    let answer = workstation.forge(&request, "good", |_| {});
    assert_eq!(refused(&hospital, &mut browser, &answer).await, "PERSON-003");
    assert_eq!(hospital.refusals().await.len(), 6, "each is in the audit trail");
}

#[tokio::test]
async fn another_browser_that_asks_how_it_stands() {
    let hospital = Hospital::open().await;
    let (mut browser, mut stranger) = (Browser::default(), Browser::default());
    let (id, request) = hospital.begin(&mut browser).await;
    hospital.begin(&mut stranger).await;
    for path in ["request", "status", "events"] {
        assert_eq!(stranger.get(&hospital, &format!("/card/{path}?txn={id}")).await.status, 404, "{path}");
    }
    // Another site cannot void the request that a popup is answering.
    let foreign = Call::get(&format!("/card/request?txn={id}"), &hospital.address.to_string())
        .with("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(&hospital, foreign).await.status, 403);
    assert_eq!(hospital.panel(id).await, request);
}

/// Whoever has a colleague's certificate, which is no secret, and a workstation of the establishment: no card of a
/// colleague is locked by failing with it, be it from the ward's own address.
#[tokio::test]
async fn nobody_locks_a_person_out_by_failing_with_their_card() {
    const ELSEWHERE: &str = "203.0.113.9";
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut stranger = Browser::default();
    let (_, request) = hospital.begin(&mut stranger).await;
    let wrong = workstation.forge(&request, "good", |answer| answer.card_signature[7] ^= 1);
    let mut fail = async |address: Option<&str>| {
        let call = stranger.finish_call(&hospital, &wrong);
        let call = address.into_iter().fold(call, |call, from| call.with("x-forwarded-for", from));
        stranger.send(&hospital, call).await
    };
    for _ in 0..30 {
        let page = fail(None).await;
        assert!(page.status == 403 && page.code() != Some("WEB-008"), "{page:?}");
    }
    let written = hospital.refusals().await.len();
    let page = fail(None).await;
    assert_eq!((page.status, page.code()), (429, Some("WEB-008")), "{page:?}");
    let wait = page.headers.iter().find(|(name, _)| name == "retry-after").expect("how long");
    assert!(["1", "2"].contains(&wait.1.as_str()), "{wait:?}");
    hospital.clock.advance(TimeDelta::seconds(1));
    assert_eq!(fail(None).await.status, 403, "one is told");
    hospital.clock.advance(TimeDelta::seconds(1));
    assert_eq!(fail(None).await.status, 429, "and then the wait is longer");
    assert_eq!(fail(Some(ELSEWHERE)).await.status, 403, "elsewhere nobody waits for it");
    assert!(hospital.refusals().await.len() <= written + 2, "what is not told is not written");

    // The person comes, from the same address, with card and PIN.
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200);
    assert!(browser.session().is_some());
    assert_eq!(fail(None).await.status, 403, "and all that was counted is forgiven");
}
