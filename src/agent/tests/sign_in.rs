//! An honest person signs in, mistypes, gives up, changes the card.

use std::sync::atomic::Ordering;

use super::*;
use crate::card::protocol::{AgentVersion, CardAnswer, PinEntry, Purpose, TYP_CARD_ANSWER};
use crate::crypto::jose::Expected;

const EXPECTED: Expected<'_> =
    Expected { typ: Some(TYP_CARD_ANSWER), algorithms: &[Algorithm::Es256], max_len: 16 * 1024 };

#[tokio::test]
async fn a_card_request_is_answered_with_the_pin_from_the_window() {
    let desk = Desk::with(PinSetting::Window).await;
    let request = desk.request();

    let ask = desk.send(desk.arrival(&request)).await;
    assert_eq!(ask.status, 200, "{ask:?}");
    for shown in ["CHU d’Essai", "https://sceau.chu.example", "Dossier patient", "dpi.chu.example"] {
        assert!(ask.body.contains(shown), "{shown}");
    }
    assert!(!ask.body.contains("name=\"pin\""), "no PIN in the page");
    assert!(!ask.body.contains("<script"));

    let wait = desk.send(desk.own_form("/sign", &[("token", &ask.token())])).await;
    let next = wait.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    let sent = desk.send(desk.own_link(&next)).await;
    assert_eq!(sent.after("action=\""), "https://sceau.chu.example/card/return");

    let answer = sent.after("name=\"answer\" value=\"");
    let payload = jose::verify_payload(&answer, EXPECTED, |kid| {
        (kid == Some(desk.workstation_key.kid())).then(|| desk.workstation_key.public())
    })
    .unwrap();
    let answer = CardAnswer::from_payload(&payload).unwrap();
    let proof = Proof::new(Purpose::Browser, "https://sceau.chu.example", &request, b"certificate");
    assert_eq!(answer.card_signature, [b"signature of ".as_slice(), proof.as_bytes()].concat());
    assert_eq!(
        (answer.request, answer.workstation, answer.pin, answer.interface, answer.agent_version),
        (request, desk.workstation, PinEntry::Window, Interface::Contact, AgentVersion::this())
    );
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_pin_may_be_typed_in_the_page_where_the_setting_says_so() {
    let desk = Desk::with(PinSetting::Page).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let field = ask.after("<input class=\"pin\"");
    assert!(!field.contains("password") && ask.body.contains("inputmode=\"numeric\""));
    assert!(ask.body.contains("autocomplete=\"off\""));
    let sent = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
    let answer = sent.after("name=\"answer\" value=\"");
    let answer = CardAnswer::from_payload(&jose::unverified_payload(&answer).unwrap()).unwrap();
    assert_eq!(answer.pin, PinEntry::Page);
}

#[tokio::test]
async fn every_response_carries_the_headers_of_section_3() {
    let desk = Desk::with(PinSetting::Page).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let style = ask.after("<link rel=\"stylesheet\" href=\"");
    let refused = desk.send(desk.arrival("x").instead("origin", "https://evil.example")).await;
    let asset = desk.send(desk.own_link(&style)).await;
    let sent = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
    let worker = desk.send(desk.own_link("/sw.js").with("service-worker", "script")).await;
    for answer in [&ask, &refused, &asset, &sent, &worker] {
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("clear-site-data"), "\"cache\", \"storage\"");
        for never in ["set-cookie", "access-control-allow-origin"] {
            assert_eq!(answer.header(never), "", "{never}");
        }
    }
    let base =
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    let csp = |answer: &Answer| answer.header("content-security-policy").to_owned();
    assert_eq!(csp(&ask), format!("{base} https://sceau.chu.example"));
    assert_eq!(csp(&refused), base, "a stranger is no place for a form");
    assert_eq!(csp(&sent), format!("{base} https://sceau.chu.example; script-src 'self'"));
    assert_eq!(asset.header("content-type"), "text/css; charset=utf-8");
    assert!(worker.body.contains("registration.unregister()"));
}

#[tokio::test]
async fn what_others_wrote_is_escaped() {
    let desk = Desk::with(PinSetting::Window).await;
    let mut claims = desk.claims();
    claims["rp_name"] = "<script>alert(1)</script>".into();
    let ask = desk.send(desk.arrival(&desk.sign(&claims))).await;
    assert_eq!(ask.status, 200);
    for markup in ["<script>alert", "<b>DUPONT", "<essai>"] {
        assert!(!ask.body.contains(markup), "{markup}");
    }
}

#[tokio::test]
async fn a_wrong_pin_is_sent_once_and_the_tries_left_are_shown() {
    let desk = Desk::with(PinSetting::Page).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let again = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "0000")])).await;
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 1);
    assert!(again.body.contains('2'), "{}", again.body);
    let sent = desk.send(desk.own_form("/sign", &[("token", &again.token()), ("pin", "1234")])).await;
    assert!(sent.body.contains("name=\"answer\""));
}

#[tokio::test]
async fn the_last_try_needs_a_consent_of_its_own() {
    let desk = Desk::with(PinSetting::Page).await;
    desk.card.state.lock().unwrap().tries = Some(1);
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let again = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 0, "nothing was sent without consent");
    let fields = [("token", again.token()), ("pin", "1234".to_owned()), ("last_try", "yes".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = desk.send(desk.own_form("/sign", &fields)).await;
    assert!(sent.body.contains("name=\"answer\""));
}

#[tokio::test]
async fn consent_to_the_last_try_is_given_for_one_try() {
    let desk = Desk::with(PinSetting::Page).await;
    desk.card.state.lock().unwrap().tries = None;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let wrong = [("token", ask.token()), ("pin", "0000".to_owned()), ("last_try", "yes".to_owned())];
    let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let again = desk.send(desk.own_form("/sign", &wrong)).await;
    desk.send(desk.own_form("/sign", &[("token", &again.token()), ("pin", "0000")])).await;
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_blocked_pin_and_an_absent_card_are_told_with_a_way_on() {
    let desk = Desk::with(PinSetting::Window).await;
    desk.card.state.lock().unwrap().tries = Some(0);
    let blocked = desk.send(desk.arrival(&desk.request())).await;
    assert_eq!(blocked.code(), Some("AGENT-024"), "{blocked:?}");
    assert!(!blocked.body.contains("/look?"), "there is nothing to try again");

    desk.card.state.lock().unwrap().fault = Some("READER-003");
    let absent = desk.send(desk.arrival(&desk.request())).await;
    assert_eq!(absent.code(), Some("READER-003"), "{absent:?}");
    let retry = absent.after("href=\"/look");
    *desk.card.state.lock().unwrap() = TestState::default();
    let ask = desk.send(desk.own_link(&format!("/look{retry}"))).await;
    assert!(ask.body.contains("name=\"token\""), "{ask:?}");
}

#[tokio::test]
async fn a_card_exchanged_after_it_was_shown_does_not_see_the_pin() {
    let desk = Desk::with(PinSetting::Page).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    desk.card.state.lock().unwrap().serial = 2;
    let told = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
    assert_eq!(told.code(), Some("READER-007"));
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn giving_up_leads_to_the_enrolled_cancel_path_and_ends_the_request() {
    let desk = Desk::with(PinSetting::Window).await;
    let claims = desk.claims();
    let request = desk.sign(&claims);
    let ask = desk.send(desk.arrival(&request)).await;
    let cancel = format!("/cancel{}", ask.after("href=\"/cancel"));
    let gone = desk.send(desk.own_link(&cancel)).await;
    assert_eq!(gone.status, 303);
    let txn = claims["txn"].as_str().unwrap();
    assert_eq!(gone.header("location"), format!("https://sceau.chu.example/card/cancel?txn={txn}"));
    assert_eq!(desk.send(desk.arrival(&request)).await.code(), Some("AGENT-016"));
    let late = desk.send(desk.own_form("/sign", &[("token", &ask.token())])).await;
    assert_eq!(late.code(), Some("AGENT-017"));
}

#[tokio::test]
async fn the_windows_cancel_button_gives_up_too() {
    let desk =
        Desk::built(PinSetting::Window, ManagedSettings::default(), "echo 'ERR 83886179 cancelled'").await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let wait = desk.send(desk.own_form("/sign", &[("token", &ask.token())])).await;
    let next = wait.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    let gone = desk.send(desk.own_link(&next)).await;
    assert!(gone.header("location").starts_with("https://sceau.chu.example/card/cancel?txn="), "{gone:?}");
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_window_that_cannot_open_is_told() {
    let desk = Desk::built(PinSetting::Window, ManagedSettings::default(), "exit 1").await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let wait = desk.send(desk.own_form("/sign", &[("token", &ask.token())])).await;
    let next = wait.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    assert_eq!(desk.send(desk.own_link(&next)).await.code(), Some("AGENT-021"));
}

#[tokio::test]
async fn a_request_signed_by_the_next_key_is_accepted() {
    let desk = Desk::with(PinSetting::Window).await;
    let request = jose::sign(&desk.next_key, TYP_CARD_REQUEST, &desk.claims()).unwrap();
    assert_eq!(desk.send(desk.arrival(&request)).await.status, 200);
}

#[tokio::test]
async fn an_enrolment_made_while_the_agent_runs_counts_at_once() {
    let desk = Desk::with(PinSetting::Window).await;
    let (server, key) = (
        WebOrigin::parse("https://sceau.clinique.example").unwrap(),
        SigningKey::generate(Algorithm::Es256).unwrap(),
    );
    let mut claims = desk.claims();
    claims["iss"] = server.as_str().into();
    let request = jose::sign(&key, TYP_CARD_REQUEST, &claims).unwrap();
    let arrival = || desk.arrival(&request).instead("origin", server.as_str());
    assert_eq!(desk.send(arrival()).await.code(), Some("AGENT-009"));
    let store = EnrolmentStore::open(&desk.state_dir()).unwrap();
    let first = store.read().unwrap().remove(0);
    let keys = RequestKeys { issuer: server.clone(), current: key.public().clone(), ..first.keys.clone() };
    let workstation = "019aa000-0000-7000-8000-000000000009".parse().unwrap();
    store.add(&Enrolment { origin: server.clone(), keys, workstation, ..first }).unwrap();
    assert_eq!(desk.send(arrival()).await.status, 200);
    assert_eq!(desk.send(desk.arrival(&desk.request())).await.status, 200, "the first one still counts");
}
