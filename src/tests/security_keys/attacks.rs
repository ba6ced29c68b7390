//! What Web Authentication is there to stop, each tried.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;

use super::authenticator::SoftKey;
use super::{FRONT, Hospital, code};
use crate::crypto::digest::sha256;
use crate::session::EndReason;
use crate::store;
use crate::store::client::{Metadata, ProfileName};
use crate::store::means::Kind;
use crate::tests::spec::browser::Page;
use crate::tests::spec::stand::{DOCTOR, NewRp, STRANGER, SignedIn};
use crate::webauthn::policy::KeyPolicy;
use crate::webauthn::populations::{KeyPolicies, Population};

/// A hospital in which the doctor has a key, and the key.
async fn with_key(hospital: &Hospital) -> SoftKey {
    let mut key = SoftKey::new();
    hospital.register(&hospital.stand.sign_in().await, &mut key).await;
    key
}

#[tokio::test]
async fn what_was_signed_elsewhere_signs_nobody_in_here() {
    let pages = [
        ("http://localhost:8081", "localhost", false, "KEY-003"),
        ("https://localhost:8080", "localhost", false, "KEY-003"),
        ("http://id.localhost:8080", "localhost", false, "KEY-003"),
        ("http://badlocalhost:8080", "localhost", false, "KEY-003"),
        ("http://localhost.evil.example:8080", "localhost", false, "KEY-003"),
        ("http://localhost:8080", "evil.example", false, "KEY-005"),
        ("http://localhost:8080", "localhost", true, "KEY-004"),
    ];
    Hospital::on_both(async |hospital| {
        let key = with_key(&hospital).await;
        for (origin, host, cross_origin, expected) in pages {
            let mut phished =
                SoftKey { origin: origin.into(), host: host.into(), cross_origin, ..key.clone() };
            let (_, answer) = hospital.sign_in(&mut phished).await;
            assert_eq!(
                (code(&answer).as_str(), answer.status),
                (expected, StatusCode::FORBIDDEN),
                "{origin}"
            );
            let event = hospital.last_event().await;
            assert_eq!(event, ("sign-in".into(), "failure".into(), Some(expected.into())), "{origin}");
            let mut new =
                SoftKey { origin: origin.into(), host: host.into(), cross_origin, ..SoftKey::new() };
            let browser = hospital.stand.sign_in().await;
            assert_eq!(code(&hospital.try_register(&browser, &mut new).await), expected, "{origin}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_good_once_in_its_own_browser_for_its_own_challenge() {
    Hospital::on_both(async |hospital| {
        let mut key = with_key(&hospital).await;
        let (begun, other) = (hospital.begin().await, hospital.begin().await);
        let asked = hospital.challenge(&begun, None).await;
        let credential = key.get(&asked["options"]);
        let words = |txn: &str| json!({"txn": txn, "handle": asked["handle"], "credential": credential});
        // Carried to another browser, under either sign-in.
        let there = hospital.say("/login/key", &words(&begun.txn), &other.cookie).await;
        assert_eq!(code(&there), "KEY-020");
        let there = hospital.say("/login/key", &words(&other.txn), &other.cookie).await;
        assert_eq!(code(&there), "KEY-002");
        // By the page of another site, in the right browser.
        let foreign = "https://evil.example";
        let forged = hospital.say_from(foreign, "/login/key", &words(&begun.txn), &begun.cookie).await;
        assert_eq!(code(&forged), "WEB-001");
        // Nobody has used it up.
        let good = hospital.say("/login/key", &words(&begun.txn), &begun.cookie).await;
        assert_eq!(good.json(), json!({"state": "done"}));
        // Again, for another sign-in of the same browser.
        let third = hospital.begin().await;
        let again = hospital.say("/login/key", &words(&third.txn), &third.cookie).await;
        assert_eq!(code(&again), "KEY-002");
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_another_challenge_is_refused_and_uses_this_one_up() {
    Hospital::on_both(async |hospital| {
        let mut key = with_key(&hospital).await;
        let begun = hospital.begin().await;
        let (first, second) =
            (hospital.challenge(&begun, None).await, hospital.challenge(&begun, None).await);
        let credential = key.get(&first["options"]);
        let words = json!({"txn": begun.txn, "handle": second["handle"], "credential": credential});
        assert_eq!(code(&hospital.say("/login/key", &words, &begun.cookie).await), "KEY-002");
        assert_eq!(code(&hospital.answer(&begun, &second, &mut key).await), "KEY-002");
        assert_eq!(hospital.answer(&begun, &first, &mut key).await.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn a_challenge_to_register_signs_nobody_in_and_the_other_way_round() {
    Hospital::on_both(async |hospital| {
        let mut key = with_key(&hospital).await;
        let browser = hospital.stand.sign_in().await;
        let begun = hospital.begin().await;
        let registration = hospital.registration(&browser).await;
        assert_eq!(code(&hospital.answer(&begun, &registration, &mut key).await), "KEY-002");
        let asked = hospital.challenge(&begun, None).await;
        let mut new = SoftKey::new();
        let mut options = asked["options"].clone();
        options["user"] = json!({"id": "AAAA"});
        let words = json!({"handle": asked["handle"], "label": "", "credential": new.create(&options)});
        assert_eq!(code(&hospital.say("/means/key", &words, &browser.cookie).await), "KEY-002");
        // The right place, and the wrong ceremony in it.
        let signed = key.get(&registration["options"]);
        let words = json!({"handle": registration["handle"], "label": "", "credential": signed});
        assert_eq!(code(&hospital.say("/means/key", &words, &browser.cookie).await), "KEY-001");
    })
    .await;
}

#[tokio::test]
async fn a_registration_is_for_the_session_that_asked_for_it() {
    Hospital::on_both(async |hospital| {
        let (mine, other) = (hospital.stand.sign_in().await, hospital.stand.sign_in_as(STRANGER).await);
        let asked = hospital.registration(&mine).await;
        let mut key = SoftKey::new();
        let words =
            json!({"handle": asked["handle"], "label": "", "credential": key.create(&asked["options"])});
        assert_eq!(code(&hospital.say("/means/key", &words, &other.cookie).await), "KEY-002");
        assert_eq!(code(&hospital.say("/means/key", &words, "").await), "MEANS-001");
        let forged = hospital.say_from("https://evil.example", "/means/key", &words, &mine.cookie).await;
        assert_eq!(code(&forged), "WEB-001");
        assert_eq!(hospital.say("/means/key", &words, &mine.cookie).await.json(), json!({"state": "done"}));
        assert_eq!(code(&hospital.say("/means/key", &words, &mine.cookie).await), "KEY-002");
    })
    .await;
}

#[tokio::test]
async fn a_key_of_somebody_else_or_of_nobody_is_refused() {
    Hospital::on_both(async |hospital| {
        let key = with_key(&hospital).await;
        let stranger = hospital.stand.person(STRANGER).await;
        for user in [Some(stranger.0.as_bytes().to_vec()), None, Some(Vec::new()), Some(vec![1, 2, 3])] {
            let (_, answer) = hospital.sign_in(&mut SoftKey { user, ..key.clone() }).await;
            assert_eq!(code(&answer), "KEY-010");
        }
        let (_, answer) = hospital.sign_in(&mut SoftKey { user: key.user.clone(), ..SoftKey::new() }).await;
        assert_eq!(code(&answer), "KEY-009", "a key that nobody registered");
        // Whoever types a name gets keys of that name alone.
        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, Some(STRANGER)).await;
        assert_eq!(code(&hospital.answer(&begun, &asked, &mut key.clone()).await), "KEY-009");
        // Its credential id, under a key of one's own.
        let (_, answer) = hospital
            .sign_in(&mut SoftKey { id: key.id.clone(), user: key.user.clone(), ..SoftKey::new() })
            .await;
        assert_eq!(code(&answer), "KEY-009");
        assert_eq!(hospital.last_event().await.2.as_deref(), Some("KEY-007"), "the trail knows more");
    })
    .await;
}

/// Signed out in one tab while the key of another blinks: also where the other answer came in between.
#[tokio::test]
async fn no_key_is_registered_in_a_session_that_has_ended() {
    use crate::audit::Kind as Event;
    use crate::store::notice::{NewNotice, Place, Told};
    use crate::store::webauthn_credential::{self, Registered, Registration};

    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        hospital.register(&browser, &mut SoftKey::new()).await;
        let person = hospital.stand.person(DOCTOR).await;
        let (db, now) = (&hospital.stand.db, crate::clock::Clock::now(&hospital.stand.clock));
        let random = &crate::crypto::random::SystemRandom;
        let asked = hospital.registration(&browser).await;
        let handle = asked["handle"].as_str().unwrap();
        let (event, reason) = (hospital.stand.event(Event::SessionEnded), EndReason::SignedOut);
        store::session::end(db, browser.session, reason, &event, now, random).await.unwrap();

        let made = SoftKey::new().create(&asked["options"]);
        let words = json!({"handle": handle, "label": "", "credential": made});
        assert_eq!(code(&hospital.say("/means/key", &words, &browser.cookie).await), "MEANS-001");
        let mut other = webauthn_credential::of_person(db, person).await.unwrap().remove(0);
        other.means.id = crate::ids::MeansId::new(now, random);
        other.means.reference = "another".into();
        let place = Place { zone: String::new(), browser: String::new() };
        let told = Told::MeansIssued { means: Kind::SecurityKey, place };
        let notice = NewNotice::new(person, told, now, random);
        let (hash, event) = (sha256(handle.as_bytes()), hospital.stand.event(Event::MeansIssued));
        let (key, handle_hash, notice, event) = (&other, &hash, &notice, &event);
        let registration = Registration { key, handle_hash, check: None, most: 10, notice, event };
        let done = webauthn_credential::register(db, &registration, now).await;
        assert_eq!(done.unwrap(), Registered::CeremonyOver);
    })
    .await;
}

/// Two browsers, or a script, that answer at the same moment: each saw that there was room.
#[tokio::test]
async fn many_answers_at_once_register_no_more_keys_than_one_after_the_other() {
    const ANSWERS: usize = 6;
    let two = KeyPolicy { per_person: 2, ..KeyPolicy::default() };
    Hospital::on_both_with(two, async |hospital| {
        let mut waiting = Vec::new();
        for _ in 0..ANSWERS {
            let browser = hospital.stand.sign_in().await;
            let asked = hospital.registration(&browser).await;
            let credential = SoftKey::new().create(&asked["options"]);
            let words = json!({"handle": asked["handle"], "label": "", "credential": credential});
            waiting.push((words, browser.cookie));
        }
        let hospital = &hospital;
        let answers = waiting.iter().map(|(words, cookie)| hospital.say("/means/key", words, cookie));
        let answers = futures_util::future::join_all(answers).await;
        let (taken, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == StatusCode::OK);
        assert_eq!(taken.len(), 2);
        assert!(refused.iter().all(|answer| code(answer) == "KEY-014"));
        let person = hospital.stand.person(DOCTOR).await;
        let own = store::webauthn_credential::of_person(&hospital.stand.db, person).await.unwrap();
        assert_eq!(own.len(), 2);
    })
    .await;
}

/// A thief's key adds another, and both keep one session: what was granted on the strength of the first ends with it.
#[tokio::test]
async fn what_outlives_a_session_ends_with_the_key_that_it_was_granted_on() {
    Hospital::on_both(async |hospital| {
        let metadata = Metadata { scope: Some("openid offline_access".into()), ..Metadata::default() };
        let rp = NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") };
        hospital.stand.add_rp(rp).await;
        let (mut first, mut second) = (SoftKey::new(), SoftKey::new());
        let by_card = hospital.stand.sign_in().await;
        hospital.register(&by_card, &mut first).await;
        hospital.register(&by_card, &mut second).await;
        let signed_in = hospital.sign_in(&mut first).await.1;
        let browser = SignedIn { cookie: signed_in.cookie(), session: by_card.session };
        let request = [
            ("client_id", "std"),
            ("redirect_uri", "https://std.example/cb"),
            ("scope", "openid offline_access"),
        ];
        let page = Page::of(&hospital.stand, &request, &browser).await;
        let granted = page.press(&hospital.stand, "allow").await.parameter("code").unwrap();
        let tokens = hospital.stand.redeem_as("std", &granted).await.json();

        // The same browser, the other key: the session goes on.
        let mut begun = hospital.begin().await;
        begun.cookie = format!("{}; {}", begun.cookie, browser.cookie);
        let asked = hospital.challenge(&begun, None).await;
        let answer = hospital.answer(&begun, &asked, &mut second).await;
        assert_eq!(answer.json(), json!({"state": "done"}));
        assert_eq!(
            hospital.stand.get("/means", &[("cookie", &browser.cookie)]).await.location(),
            "/sign-in/means"
        );

        hospital.revoke(&first).await;
        let still = hospital.stand.get("/means", &[("cookie", &answer.cookie())]).await;
        assert_eq!(still.status, StatusCode::OK, "the session rests on the other key now");
        let refreshed = hospital.stand.refresh("std", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(refreshed.error(), "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn a_credential_id_is_registered_once_whoever_comes_with_it() {
    Hospital::on_both(async |hospital| {
        let key = with_key(&hospital).await;
        let browser = hospital.stand.sign_in_as(STRANGER).await;
        let mut same = SoftKey { id: key.id.clone(), ..SoftKey::new() };
        assert_eq!(code(&hospital.try_register(&browser, &mut same).await), "KEY-013");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_verifies_nobody_is_no_two_factors() {
    Hospital::on_both(async |hospital| {
        let key = with_key(&hospital).await;
        let mut silent = SoftKey { user_verified: false, ..key.clone() };
        assert_eq!(code(&hospital.sign_in(&mut silent).await.1), "KEY-006");
        let mut absent = SoftKey { user_present: false, ..key.clone() };
        assert_eq!(code(&hospital.sign_in(&mut absent).await.1), "KEY-006");
        let mut new = SoftKey { user_verified: false, ..SoftKey::new() };
        let browser = hospital.stand.sign_in().await;
        assert_eq!(code(&hospital.try_register(&browser, &mut new).await), "KEY-006");
    })
    .await;
}

#[tokio::test]
async fn a_counter_that_goes_back_suspends_the_key_and_ends_its_sessions() {
    Hospital::on_both(async |hospital| {
        let mut key = with_key(&hospital).await;
        let mut copy = key.clone();
        let (_, first) = hospital.sign_in(&mut key).await;
        let session = first.cookie();
        let (_, cloned) = hospital.sign_in(&mut copy).await;
        assert_eq!(code(&cloned), "KEY-008");
        assert_eq!(code(&hospital.sign_in(&mut key).await.1), "KEY-011", "which is the copy is not known");
        let home = hospital.stand.get("/means", &[("cookie", &session)]).await;
        assert_eq!(home.location(), "/sign-in/means", "the session that it opened has ended");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_and_a_disabled_person_sign_in_no_more() {
    Hospital::on_both(async |hospital| {
        let mut key = with_key(&hospital).await;
        hospital.revoke(&key).await;
        assert_eq!(code(&hospital.sign_in(&mut key).await.1), "KEY-011");

        let mut second = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut second).await;
        hospital.stand.disable(DOCTOR).await;
        assert_eq!(code(&hospital.sign_in(&mut second).await.1), "PERSON-003");
        assert_eq!(
            hospital.last_event().await,
            ("sign-in".into(), "denied".into(), Some("PERSON-003".into()))
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_that_begins_to_be_copied_is_refused() {
    Hospital::on_both(async |hospital| {
        let key = with_key(&hospital).await;
        let mut moved = SoftKey { backup_eligible: true, backed_up: true, ..key };
        assert_eq!(code(&hospital.sign_in(&mut moved).await.1), "KEY-009");
        assert_eq!(hospital.last_event().await.2.as_deref(), Some("KEY-017"));
        // Nor where its person is named, nor one that says so and has not moved yet.
        moved.backed_up = false;
        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, Some(DOCTOR)).await;
        assert_eq!(code(&hospital.answer(&begun, &asked, &mut moved).await), "KEY-009");
        assert_eq!(hospital.last_event().await.2.as_deref(), Some("KEY-017"));
    })
    .await;
}

#[tokio::test]
async fn what_a_policy_excludes_is_neither_registered_nor_used() {
    let model = SoftKey::new().aaguid;
    let strict = KeyPolicy { deny: vec![model], synced: false, ..KeyPolicy::default() };
    Hospital::on_both_with(strict, async |hospital| {
        let browser = hospital.stand.sign_in().await;
        assert_eq!(code(&hospital.try_register(&browser, &mut SoftKey::new()).await), "KEY-016");
        let other = uuid::Uuid::from_u128(8);
        let mut synced = SoftKey { aaguid: other, backup_eligible: true, backed_up: true, ..SoftKey::new() };
        assert_eq!(code(&hospital.try_register(&browser, &mut synced).await), "KEY-017");
        let mut good = SoftKey { aaguid: other, ..SoftKey::new() };
        hospital.register(&browser, &mut good).await;
        assert_eq!(hospital.sign_in(&mut good).await.1.json(), json!({"state": "done"}));
    })
    .await;
}

#[tokio::test]
async fn nonsense_is_refused_with_a_sentence() {
    Hospital::on_both(async |hospital| {
        let begun = hospital.begin().await;
        let asked = hospital.challenge(&begun, None).await;
        for credential in
            [json!(null), json!({}), json!([]), json!({"id": "x", "rawId": "!", "response": {}})]
        {
            let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": credential});
            let answer = hospital.say("/login/key", &words, &begun.cookie).await;
            assert!(matches!(code(&answer).as_str(), "KEY-001" | "KEY-002"), "{}", answer.body);
        }
        let long = json!({"txn": begun.txn, "handle": "x", "credential": "x".repeat(70_000)});
        assert_eq!(code(&hospital.say("/login/key", &long, &begun.cookie).await), "KEY-001");
        assert_eq!(code(&hospital.say("/login/key", &json!({"txn": "x"}), &begun.cookie).await), "KEY-001");
    })
    .await;
}

#[tokio::test]
async fn a_population_has_rules_of_its_own_at_registration_and_at_sign_in() {
    // The doctors of the stand have the profession 10.
    let policy = KeyPolicy { synced: false, ..KeyPolicy::default() };
    let doctors = Population { professions: vec!["10".into()], employees: false, policy };
    let strict = KeyPolicies { general: KeyPolicy::default(), populations: vec![doctors.clone()] };
    let nurses = Population { professions: vec!["60".into()], ..doctors };
    let others = KeyPolicies { general: KeyPolicy::default(), populations: vec![nurses] };
    let synced = || SoftKey { backup_eligible: true, backed_up: true, ..SoftKey::new() };
    Hospital::on_both_with(strict, async |hospital| {
        let browser = hospital.stand.sign_in().await;
        assert_eq!(code(&hospital.try_register(&browser, &mut synced()).await), "KEY-017");
        hospital.register(&browser, &mut SoftKey::new()).await;
    })
    .await;
    Hospital::on_both_with(others, async |hospital| {
        let mut key = synced();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        assert_eq!(hospital.sign_in(&mut key).await.1.json(), json!({"state": "done"}));
    })
    .await;
}

/// Whoever types a name learns nothing from what becomes of a wrong answer either.
#[tokio::test]
async fn a_wrong_answer_tells_nothing_of_who_has_a_key() {
    Hospital::on_both(async |hospital| {
        with_key(&hospital).await;
        let begun = hospital.begin().await;
        let mut answers = Vec::new();
        for typed in [DOCTOR, STRANGER, "nobody at all"] {
            let asked = hospital.challenge(&begun, Some(typed)).await;
            let id = asked["options"]["allowCredentials"][0]["id"].as_str().unwrap();
            let id = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, id).unwrap();
            let answer = hospital.answer(&begun, &asked, &mut SoftKey { id, ..SoftKey::new() }).await;
            answers.push((answer.status, answer.body));
        }
        assert!(answers[0].1.contains("KEY-009"), "{answers:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    })
    .await;
}

/// A browser that asks for challenge after challenge keeps the last few, and its refusals do not fill the trail.
#[tokio::test]
async fn a_page_fills_neither_the_database_nor_the_trail() {
    Hospital::on_both(async |hospital| {
        let mut key = with_key(&hospital).await;
        let begun = hospital.begin().await;
        let first = hospital.challenge(&begun, None).await;
        for _ in 0..8 {
            hospital.stand.advance(1);
            hospital.challenge(&begun, None).await;
        }
        assert_eq!(code(&hospital.answer(&begun, &first, &mut key).await), "KEY-002");
        for _ in 0..20 {
            let asked = hospital.challenge(&begun, None).await;
            hospital.answer(&begun, &asked, &mut SoftKey::new()).await;
        }
        let recorded =
            hospital.stand.events().await.iter().filter(|event| event.ends_with("KEY-009")).count();
        assert_eq!(recorded, 5);
    })
    .await;
}

/// Anybody begins as many sign-ins as they like: with each of them a key of their own making is refused, and the trail has a
/// few of one address.
#[tokio::test]
async fn ever_new_sign_ins_with_keys_that_nobody_registered_fill_no_audit_trail() {
    use crate::store::audit::Filter;
    use crate::web::proxy::ClientAddress;

    Hospital::on_both(async |hospital| {
        let stranger = ClientAddress("192.0.2.7".parse().unwrap());
        for _ in 0..12 {
            let begun = hospital.begin().await;
            let asked = hospital.challenge(&begun, None).await;
            let mut key = SoftKey::new();
            key.create(&hospital.registration(&hospital.stand.sign_in().await).await["options"]);
            let words = json!({
                "txn": begun.txn, "handle": asked["handle"], "credential": key.get(&asked["options"]),
            });
            let request = Request::builder().method("POST").uri("/login/key");
            let request = request.header("content-type", "application/json").header("origin", FRONT);
            let request = request.header("cookie", &begun.cookie).extension(stranger);
            let answer = hospital.stand.send(request.body(Body::from(words.to_string())).unwrap()).await;
            assert_eq!(code(&answer), "KEY-009");
        }
        let filter = Filter { code: Some("KEY-009".into()), limit: 100, ..Filter::default() };
        let events = crate::store::audit::list(&hospital.stand.db, &filter).await.unwrap();
        assert_eq!(events.len(), 5);
    })
    .await;
}
