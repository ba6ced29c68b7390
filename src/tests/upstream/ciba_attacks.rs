//! What strangers do not get by the application of a provider: somebody else's phone, somebody else's answer, a name.

use serde_json::{Value, json};

use super::ciba::{BACKCHANNEL, TOKEN, waiting, with_application, with_changed};
use super::*;
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::directory::NationalId;
use crate::session::asking::Channel;
use crate::session::{AuthMode, CardOut, Demands, Names};
use crate::store::approval::Answer as Said;
use crate::store::client::ProfileName;
use crate::tests::spec::stand::{DOCTOR, NewRp, STRANGER, basic};
use crate::web::browser;

const OUTSIDE: &str = "192.0.2.7";

/// What a page sees of a question until it is over, without what is drawn.
async fn seen(psc: &Psc, hospital: &Hospital, identifier: &str, from: &str) -> Vec<String> {
    let begun = hospital.begin(&[]).await;
    let asked = hospital.ask_from(&begun, identifier, "mobile", from).await;
    let mut seen = vec![format!("{} {}", asked["number"].as_str().unwrap().len(), asked["seconds"])];
    for seconds in [0, 2, 58, 59, 1, 1] {
        psc.pass(hospital, seconds);
        seen.push(hospital.wait(&begun, &asked).await.to_string());
    }
    seen
}

#[tokio::test]
async fn somebody_who_may_not_be_asked_looks_like_somebody_who_does_not_answer() {
    with_application(async |psc, hospital| {
        let like_all = seen(&psc, &hospital, DOCTOR, "10.1.2.3").await;
        assert!(like_all.last().unwrap().contains("UPSTREAM-016"), "{like_all:?}");
        let (asked, events) = (psc.asked(BACKCHANNEL), hospital.stand.events().await);
        for (identifier, from) in [
            // Not admitted here; nobody; and the doctor from outside, by a browser that they never used.
            (STRANGER, "10.1.2.3"),
            ("810000000001", "10.1.2.3"),
            (DOCTOR, OUTSIDE),
        ] {
            assert_eq!(seen(&psc, &hospital, identifier, from).await, like_all, "{identifier} {from}");
        }
        assert_eq!(psc.asked(BACKCHANNEL), asked, "and nobody was asked");
        let since = hospital.stand.events().await.split_off(events.len());
        assert!(!since.contains(&"backchannel.asked".to_owned()), "{since:?}");
        // Whom the provider does not know, or the time of whose question it made shorter, looks so too.
        for (end, status, body) in [
            (BACKCHANNEL, 400, r#"{"error":"unknown_user_id"}"#),
            (BACKCHANNEL, 400, r#"{"error":"invalid_request","error_description":"invalid_user"}"#),
            (BACKCHANNEL, 429, r#"{"error":"access_denied"}"#),
            (TOKEN, 400, r#"{"error":"expired_token"}"#),
        ] {
            psc.answers_instead(end, StatusCode::from_u16(status).unwrap(), body);
            assert_eq!(seen(&psc, &hospital, DOCTOR, "10.1.2.3").await, like_all, "{body}");
            psc.answers_again();
        }
        let events = hospital.stand.events().await;
        let told = |code: &str| events.iter().filter(|event| **event == format!("sign-in {code}")).count();
        assert_eq!((told("UPSTREAM-018"), told("UPSTREAM-020")), (2, 1), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_asked_more_often_than_they_can_look() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        // One source, with ever new sign-ins: twice at once.
        for _ in 0..4 {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        }
        assert_eq!(psc.asked(BACKCHANNEL), 2);
        // All sources together: five times.
        for source in 1..9 {
            let begun = hospital.begin(&[]).await;
            let from = format!("10.{source}.0.1");
            let asked = hospital.ask_from(&begun, DOCTOR, "mobile", &from).await;
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        }
        assert_eq!(psc.asked(BACKCHANNEL), 5);
    })
    .await;
}

/// The phone that rings is the same.
#[tokio::test]
async fn whoever_has_several_identifiers_is_not_asked_the_oftener() {
    with_application(async |psc, hospital| {
        const ADELI: &str = "0759970048";
        let (doctor, event) =
            (hospital.stand.person(DOCTOR).await, hospital.stand.some_event(Kind::PersonIdentified));
        let adeli = NationalId::of_source(ADELI).unwrap();
        store::person::identify(&hospital.stand.db, doctor, &adeli, hospital.stand.clock.now(), &event)
            .await
            .unwrap();
        psc.posted.lock().unwrap().clear();
        for identifier in [DOCTOR, ADELI, ADELI, DOCTOR] {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, identifier).await;
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        }
        assert_eq!(psc.asked(BACKCHANNEL), 2);
    })
    .await;
}

#[tokio::test]
async fn one_sign_in_asks_five_times_of_which_two_ring_at_once() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let begun = hospital.begin(&[]).await;
        for _ in 0..5 {
            let asked = hospital.ask(&begun, DOCTOR).await;
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        }
        assert_eq!(psc.asked(BACKCHANNEL), 2, "what rings goes on ringing");
        assert_eq!(hospital.ask(&begun, DOCTOR).await["code"], "UPSTREAM-020");
        assert!(hospital.stand.events().await.contains(&"sign-in UPSTREAM-020".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn neither_another_name_of_a_sign_in_nor_a_known_browser_frees_a_place() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        // The doctor, then nobody by the same sign-in, time and again.
        for _ in 0..4 {
            let begun = hospital.begin(&[]).await;
            for identifier in [DOCTOR, "810000000001"] {
                let asked = hospital.ask(&begun, identifier).await;
                assert_eq!(hospital.wait(&begun, &asked).await, waiting());
            }
        }
        assert_eq!(psc.asked(BACKCHANNEL), 2);
        psc.pass(&hospital, 121);
        // A workstation of the ward, where the doctor has used a card.
        let mut begun = hospital.begin(&[]).await;
        begun.cookie = format!("{}; {}", begun.cookie, known(&hospital).await);
        for _ in 0..5 {
            let asked = hospital.ask(&begun, DOCTOR).await;
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        }
        assert_eq!(psc.asked(BACKCHANNEL), 2 + 2);
    })
    .await;
}

/// What the audit has besides, of the events of that code.
async fn recorded(hospital: &Hospital, kind: &str, code: Option<&str>) -> Vec<Value> {
    let filter = store::audit::Filter {
        kind: Some(kind.to_owned()),
        code: code.map(str::to_owned),
        limit: 100,
        ..Default::default()
    };
    let rows = store::audit::list(&hospital.stand.db, &filter).await.unwrap();
    rows.into_iter().map(|row| serde_json::from_str(&row.detail).unwrap()).collect()
}

#[tokio::test]
async fn the_audit_says_who_was_asked() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        assert!(recorded(&hospital, "backchannel.asked", None).await.is_empty(), "nobody is yet");
        hospital.wait(&begun, &asked).await;
        psc.says(Channel::Phone, Said::Refuse).await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-015");
        psc.answers_instead(BACKCHANNEL, StatusCode::BAD_REQUEST, r#"{"error":"unknown_user_id"}"#);
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.answers_again();
        psc.pass(&hospital, 120);
        assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-016");
        for (kind, code) in [
            ("backchannel.asked", None),
            ("sign-in", Some("UPSTREAM-015")),
            ("sign-in", Some("UPSTREAM-016")),
            ("sign-in", Some("UPSTREAM-018")),
        ] {
            let events = recorded(&hospital, kind, code).await;
            assert_eq!(events.len(), 1, "{kind} {code:?}");
            assert_eq!(events[0]["id_nat"], DOCTOR, "{kind} {code:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_that_is_carried_outside_rings_nowhere_and_fetches_nothing() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        let words = json!({ "question": asked["question"] });
        assert_eq!(hospital.call("wait", &begun, words.clone(), OUTSIDE).await.json(), waiting());
        assert_eq!(psc.asked(BACKCHANNEL), 0);
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        assert_eq!(psc.asked(BACKCHANNEL), 1);
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await["state"], "approved");
        let outside = hospital.call("finish", &begun, words, OUTSIDE).await;
        assert_eq!(outside.json()["code"], "UPSTREAM-016");
        assert!(outside.headers.get(http::header::SET_COOKIE).is_none());
        assert_eq!(hospital.finish(&begun, &asked).await.json(), json!({ "state": "done" }));
    })
    .await;
}

#[tokio::test]
async fn whoever_goes_on_asking_waits_longer_each_time_and_names_are_counted_alike() {
    with_application(async |_psc, hospital| {
        for (identifier, from) in [(DOCTOR, "10.9.9.9"), ("810000000001", "10.9.9.8"), (STRANGER, OUTSIDE)] {
            let mut told = Vec::new();
            for _ in 0..12 {
                let begun = hospital.begin(&[]).await;
                let words = json!({ "provider": "psc", "identifier": identifier, "channel": "mobile" });
                told.push(hospital.call("ask", &begun, words, from).await);
            }
            let refused = told.iter().position(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(refused, Some(10), "{identifier}");
            assert_eq!(told[10].json()["code"], "WEB-002");
            assert!(told[10].headers.contains_key("retry-after"));
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_person_who_was_named_is_signed_in() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.approves().await;
        psc.pass(&hospital, 2);
        // As if somebody else had answered.
        psc.calls(STRANGER, &[STRANGER]);
        hospital.wait(&begun, &asked).await;
        psc.answers_again();
        let finished = hospital.finish(&begun, &asked).await;
        assert_eq!(finished.json()["code"], "UPSTREAM-017");
        assert!(finished.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.links().await.is_empty());
        let events = recorded(&hospital, "sign-in", Some("UPSTREAM-017")).await;
        assert_eq!(events[0]["id_nat"], DOCTOR);
        assert_eq!(events[0]["note"], format!("answered by {STRANGER}"));
    })
    .await;
}

/// What the provider gives a client that asks the doctor.
async fn tokens_of(psc: &Psc, client: &str) -> Value {
    let form = format!("scope=openid+scope_all&login_hint={DOCTOR}&binding_message=42");
    let endpoint = "/auth/realms/esante-wallet/protocol/openid-connect/ext/ciba/auth";
    let taken = psc.stand.post(endpoint, &form, &[("authorization", &basic(client))]).await.json();
    psc.approves().await;
    let id = taken["auth_req_id"].as_str().unwrap();
    let tokens = psc.stand.token(client, &[("grant_type", CIBA), ("auth_req_id", id)]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    tokens.json()
}

/// The same token, with another signature.
fn forged(token: &Value) -> Value {
    let (signed, signature) = token.as_str().unwrap().rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..]).into()
}

#[tokio::test]
async fn tokens_of_another_client_or_of_nobody_sign_nobody_in() {
    with_application(async |psc, hospital| {
        let metadata = Metadata {
            grant_types: vec![CIBA.into()],
            backchannel_token_delivery_mode: Some(DeliveryMode::Poll),
            ..Metadata::default()
        };
        psc.stand.add_client(&NewClient { metadata, ..new_client("autre") }).await;
        for bad in ["of another", "without ID token", "forged", "swapped", "<html>", "{}", "none of these"] {
            // Made now: what is refused is not refused for its age.
            let mut tokens = tokens_of(&psc, "hopital").await;
            let body = match bad {
                "of another" => tokens_of(&psc, "autre").await.to_string(),
                "without ID token" => {
                    tokens.as_object_mut().unwrap().remove("id_token");
                    tokens.to_string()
                }
                "forged" => {
                    tokens["id_token"] = forged(&tokens["id_token"]);
                    tokens.to_string()
                }
                "swapped" => {
                    // Ours, with the access token of another client: `at_hash` binds ours.
                    tokens["access_token"] = tokens_of(&psc, "autre").await["access_token"].clone();
                    tokens.to_string()
                }
                "none of these" => tokens.to_string(),
                text => text.to_owned(),
            };
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            hospital.wait(&begun, &asked).await;
            psc.answers_instead(TOKEN, StatusCode::OK, &body);
            psc.pass(&hospital, 2);
            let told = hospital.wait(&begun, &asked).await;
            psc.answers_again();
            let finished = hospital.finish(&begun, &asked).await;
            if bad == "none of these" {
                assert_eq!(finished.json(), json!({ "state": "done" }));
                continue;
            }
            assert_eq!(told["code"], "UPSTREAM-008", "{bad}: {body}");
            assert_ne!(finished.status, 200, "{bad}");
            psc.pass(&hospital, 121);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_identifier_reaches_nobody() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let begun = hospital.begin(&[]).await;
        for identifier in ["", "8997", "kit.doc@hopital.example", "899700427885\u{0}", &"8".repeat(300)] {
            assert_eq!(hospital.ask(&begun, identifier).await["code"], "UPSTREAM-019", "{identifier}");
        }
        assert!(psc.posted.lock().unwrap().is_empty());
        assert!(hospital.stand.events().await.contains(&"sign-in UPSTREAM-019".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_question_is_that_of_one_browser_and_of_our_page() {
    with_application(async |psc, hospital| {
        let (begun, other) = (hospital.begin(&[]).await, hospital.begin(&[]).await);
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.says(Channel::Phone, psc.yes(AuthMode::Mobile).await).await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await["state"], "approved");
        // Another browser: neither with its own sign-in, nor with this one's handle.
        assert_eq!(hospital.finish(&other, &asked).await.json()["code"], "UPSTREAM-022");
        let stolen = Begun { page: begun.page.clone(), cookie: other.cookie.clone() };
        for step in ["wait", "finish"] {
            let words = json!({ "question": asked["question"] });
            assert_eq!(hospital.call(step, &stolen, words, OUTSIDE).await.json()["code"], "UPSTREAM-003");
        }
        // Another site's page, and what no page of ours sends.
        let txn = begun.page.strip_prefix("/login/").unwrap();
        let words = json!({ "txn": txn, "question": asked["question"] }).to_string();
        for step in ["ask", "wait", "finish"] {
            let headers = [("cookie", begun.cookie.as_str()), ("origin", "https://evil.example")];
            let path = format!("/login/application/{step}");
            assert_eq!(
                hospital.stand.post(&path, &words, &headers).await.json()["code"],
                "WEB-001",
                "{step}"
            );
            for words in [json!([]), json!({ "question": "1", "more": 1 }), json!("x".repeat(9000))] {
                let answer = hospital.call(step, &begun, words, OUTSIDE).await;
                assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("UPSTREAM-022")));
            }
        }
        assert_eq!(hospital.finish(&begun, &asked).await.json(), json!({ "state": "done" }));
    })
    .await;
}

#[tokio::test]
async fn nobody_is_asked_for_a_service_that_their_answer_does_not_open() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let begun = hospital.begin(&[]).await;
        hospital.stand.disable_client("rp").await;
        assert_eq!(hospital.ask(&begun, DOCTOR).await["code"], "OIDC-002");
        hospital.stand.enable_client("rp").await;
        // One that wants a card that is watched, or is used in some zones alone.
        for (demands, code) in [
            (Demands { card_out: Some(CardOut::Lock), ..Demands::default() }, "CARD-022"),
            (Demands { zones: vec!["bloc".into()], ..Demands::default() }, "CARD-021"),
        ] {
            let (event, now) = (hospital.stand.event(Kind::ClientChanged), hospital.stand.clock.now());
            let db = &hospital.stand.db;
            assert!(
                store::client::set_policy(db, "rp", &demands, &Names::default(), now, &event).await.unwrap()
            );
            assert_eq!(hospital.ask(&begun, DOCTOR).await["code"], code);
        }
        // One by which another provider delegates its sign-in to us.
        hospital.stand.add_rp(NewRp { profile: ProfileName::PscDelegation, ..NewRp::named("delegue") }).await;
        let of_it =
            [("client_id", "delegue"), ("redirect_uri", "https://delegue.example/cb"), ("scope", "openid")];
        let begun = hospital.begin(&of_it).await;
        let page = hospital.get(&begun.page, &begun.cookie).await.body;
        assert!(!page.contains("Application e-CPS"), "{page}");
        assert_eq!(hospital.ask(&begun, DOCTOR).await["code"], "UPSTREAM-035");
        assert_eq!(psc.asked(BACKCHANNEL), 0);
    })
    .await;
}

/// A browser that the doctor has used with a card.
async fn known(hospital: &Hospital) -> &'static str {
    const COOKIE: &str = "__Host-browser=desk";
    let headers = http::HeaderMap::from_iter([(http::header::COOKIE, COOKIE.parse().unwrap())]);
    let (own, doctor) = (browser::hash(&headers).unwrap(), hospital.stand.person(DOCTOR).await);
    let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
    let hash = browser::of_person(doctor, &own);
    store::known_browser::note_for_test(db, doctor, hash, now).await.unwrap();
    COOKIE
}

#[tokio::test]
async fn outside_a_browser_that_its_person_has_used_with_a_card_asks_and_always_has_a_place() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        // Strangers inside have taken all the places.
        for source in 1..6 {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask_from(&begun, DOCTOR, "mobile", &format!("10.{source}.0.1")).await;
            hospital.wait(&begun, &asked).await;
        }
        assert_eq!(psc.asked(BACKCHANNEL), 5);
        psc.stand.advance(3700);
        let mut begun = hospital.begin(&[]).await;
        begun.cookie = format!("{}; {}", begun.cookie, known(&hospital).await);
        let asked = hospital.ask_from(&begun, DOCTOR, "mobile", OUTSIDE).await;
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        assert_eq!(psc.asked(BACKCHANNEL), 6);
    })
    .await;
}

#[tokio::test]
async fn whoever_said_that_a_question_was_none_of_theirs_is_asked_by_no_stranger() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let (now, doctor) = (hospital.stand.clock.now(), hospital.stand.person(DOCTOR).await);
        let until = now + TimeDelta::hours(24);
        assert!(store::phone::guard_for_test(&hospital.stand.db, doctor, until, now).await.unwrap());
        let mut begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        assert_eq!(psc.asked(BACKCHANNEL), 0);
        begun.cookie = format!("{}; {}", begun.cookie, known(&hospital).await);
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        assert_eq!(psc.asked(BACKCHANNEL), 1);
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_is_linked_to_nobody_and_a_level_that_is_too_low_sign_nobody_in() {
    let answered = async |psc: &Psc, hospital: &Hospital, begun: &Begun| {
        let asked = hospital.ask(begun, DOCTOR).await;
        hospital.wait(begun, &asked).await;
        psc.approves().await;
        psc.pass(hospital, 2);
        hospital.wait(begun, &asked).await;
        hospital.finish(begun, &asked).await
    };
    for link in [UpstreamLink::Desk, UpstreamLink::Confirmed] {
        with_changed(
            |settings| Upstream { link, ..settings },
            async |psc, hospital| {
                let begun = hospital.begin(&[]).await;
                let finished = answered(&psc, &hospital, &begun).await;
                assert_eq!(finished.json()["code"], "UPSTREAM-012", "{link:?}");
                assert!(finished.headers.get(http::header::SET_COOKIE).is_none());
            },
        )
        .await;
    }
    with_application(async |psc, hospital| {
        let claims = r#"{"id_token":{"acr":{"essential":true,"value":"eidas2"}}}"#;
        hospital.stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        let of_std = [("client_id", "std"), ("redirect_uri", "https://std.example/cb"), ("scope", "openid")];
        let begun = hospital.begin(&[&of_std[..], &[("claims", claims)]].concat()).await;
        let finished = answered(&psc, &hospital, &begun).await;
        assert_eq!(finished.json()["code"], "UPSTREAM-014", "PSC tells eidas1");
        assert!(hospital.links().await.is_empty());
        // What only resists phishing reaches is not asked of an application, whatever its provider may tell.
        let claims = r#"{"id_token":{"acr":{"essential":true,"value":"eidas3"}}}"#;
        let begun = hospital.begin(&[&of_std[..], &[("claims", claims)]].concat()).await;
        let page = hospital.get(&begun.page, &begun.cookie).await.body;
        assert!(page.contains("Pro Santé Connect") && !page.contains("Application e-CPS"), "{page}");
        let provider = &hospital.upstreams.providers()[0];
        assert_eq!((provider.level, provider.answer_level()), (Acr::Eidas3, Acr::Eidas2));
    })
    .await;
}

#[tokio::test]
async fn so_many_pages_of_one_sign_in_wait_and_no_more() {
    with_application(async |_psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        let txn = begun.page.strip_prefix("/login/").unwrap().parse().unwrap();
        let taken = hospital.upstreams.fill(txn);
        assert_eq!(taken.len(), 4);
        let words = json!({ "question": asked["question"] });
        let full = hospital.call("wait", &begun, words, OUTSIDE).await;
        assert_eq!((full.status.as_u16(), &full.json()["code"]), (503, &json!("UPSTREAM-024")));
        assert_eq!(full.headers["retry-after"], "15");
        drop(taken);
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
    })
    .await;
}
