//! Each refusal of section 2 as the attack it stops, and what section 10 lists for the agent. After every one of them the
//! card has seen nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::agent::AgentError;
use crate::agent::checks::MAX_FORM_LEN;
use crate::agent::platform;

/// Sends the call; the agent refuses it with `code`, and no card was touched.
async fn refused(desk: &Desk, call: Call, code: &str) {
    // A card that would tell on whoever looks at it.
    desk.card.state.lock().unwrap().fault = Some("READER-001");
    let answer = desk.send(call).await;
    assert_eq!(answer.code(), Some(code), "{answer:?}");
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 0);
    desk.card.state.lock().unwrap().fault = None;
}

#[tokio::test]
async fn other_local_users() {
    let desk = Desk::with(PinSetting::Window).await;
    let dir = tempfile::tempdir().unwrap();
    let managed = ManagedSettings::default();
    let mut options = AgentOptions::of_environment(desk.card.clone(), managed);
    (options.port, options.state_dir) = (0, dir.path().join("state"));
    let bound = Bound::bind(options).await.unwrap();
    let this = platform::this_user().unwrap();
    for peer in [None, Some(platform::UserId(this.0 + 1))] {
        let request = http::Request::get("/").header("host", bound.address().to_string());
        let answer = bound.agent.answer(peer, request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), 403);
        let page = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        assert!(String::from_utf8(page.to_vec()).unwrap().contains("AGENT-001"));
    }
}

#[tokio::test]
async fn dns_rebinding() {
    let desk = Desk::with(PinSetting::Window).await;
    let port = desk.address.port();
    for host in [
        "evil.example".to_owned(),
        format!("localhost:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{port}."),
    ] {
        refused(&desk, desk.arrival(&desk.request()).instead("host", &host), "AGENT-002").await;
    }
    let twice = desk.arrival(&desk.request()).with("host", &desk.own_host());
    let answer = desk.send(twice).await;
    assert!(answer.status >= 400, "{answer:?}");
    let absolute = Call { target: "http://evil.example/".into(), ..desk.arrival(&desk.request()) };
    refused(&desk, absolute, "AGENT-002").await;
}

#[tokio::test]
async fn an_image_or_link_that_only_gets() {
    let desk = Desk::with(PinSetting::Window).await;
    refused(&desk, desk.own_link("/"), "AGENT-003").await;
    refused(&desk, desk.own_link("/sign"), "AGENT-003").await;
    let put = Call { method: "PUT".into(), ..desk.arrival(&desk.request()) };
    refused(&desk, put, "AGENT-003").await;
}

#[tokio::test]
async fn other_bodies_than_the_form_of_the_sign_in_page() {
    let desk = Desk::with(PinSetting::Window).await;
    let request = desk.request();
    let arrival = || desk.arrival(&request);
    refused(&desk, arrival().instead("content-type", "text/plain"), "AGENT-004").await;
    refused(&desk, arrival().instead("content-type", "multipart/form-data; boundary=x"), "AGENT-004").await;
    refused(&desk, arrival().without("content-type"), "AGENT-004").await;
    for body in ["", "request=a&request=b", "request=a&pin=1234", "answer=a"] {
        refused(&desk, Call { body: body.into(), ..arrival() }, "AGENT-004").await;
    }
    let large = Call { body: format!("request={}", "a".repeat(MAX_FORM_LEN)).into(), ..arrival() };
    refused(&desk, large, "AGENT-005").await;
}

#[tokio::test]
async fn a_request_that_never_ends() {
    let desk = Desk::with(PinSetting::Window).await;
    let mut stream = TcpStream::connect(desk.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\nreq",
        desk.own_host()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut silent = TcpStream::connect(desk.address).await.unwrap();
    silent.write_all(b"POST / HT").await.unwrap();
    let mut text = Vec::new();
    let read = async { (stream.read_to_end(&mut text).await, silent.read_to_end(&mut Vec::new()).await) };
    let waited = tokio::time::timeout(Duration::from_secs(10), read).await;
    assert!(waited.is_ok(), "the agent still waits");
    assert!(String::from_utf8(text).unwrap().contains("AGENT-006"));
}

#[tokio::test]
async fn a_script_or_frame_in_the_background() {
    let desk = Desk::with(PinSetting::Window).await;
    let request = desk.request();
    for mode in ["cors", "no-cors", "same-origin", "websocket"] {
        refused(&desk, desk.arrival(&request).instead("sec-fetch-mode", mode), "AGENT-007").await;
    }
    for dest in ["iframe", "frame", "empty", "image", "embed"] {
        refused(&desk, desk.arrival(&request).instead("sec-fetch-dest", dest), "AGENT-007").await;
    }
    refused(&desk, desk.arrival(&request).with("sec-fetch-dest", "iframe"), "AGENT-007").await;
    let plain = desk.arrival(&request).without("sec-fetch-mode").without("sec-fetch-dest");
    assert_eq!(desk.send(plain).await.status, 200, "a browser that does not send them is served");
}

#[tokio::test]
async fn any_web_page_bringing_up_the_genuine_agent() {
    let desk = Desk::with(PinSetting::Window).await;
    // The request is good: anyone gets one by opening the sign-in page. The site that posts it is not.
    let request = desk.request();
    for origin in [
        "https://evil.example",
        "https://sceau.chu.example.evil.example",
        "https://sceau.chu.example:8443",
        "http://sceau.chu.example",
        "HTTPS://SCEAU.CHU.EXAMPLE",
        "https://sceau.chu.example/",
    ] {
        refused(&desk, desk.arrival(&request).instead("origin", origin), "AGENT-009").await;
    }
    let own = desk.own_origin();
    refused(&desk, desk.arrival(&request).instead("origin", &own), "AGENT-009").await;
}

#[tokio::test]
async fn a_page_that_hides_where_it_comes_from() {
    let desk = Desk::with(PinSetting::Window).await;
    let request = desk.request();
    let hidden = desk.arrival(&request).without("origin");
    refused(&desk, hidden.clone(), "AGENT-008").await;
    refused(&desk, hidden.clone().with("referer", "https://sceau.chu.example/auth"), "AGENT-008").await;
    refused(&desk, hidden.with("origin", "null"), "AGENT-008").await;
    let twice = desk.arrival(&request).with("origin", "https://sceau.chu.example");
    refused(&desk, twice, "AGENT-008").await;
}

#[tokio::test]
async fn requests_that_the_server_did_not_sign() {
    let desk = Desk::with(PinSetting::Window).await;
    let claims = desk.claims();
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
    for request in [
        jose::sign(&stranger, TYP_CARD_REQUEST, &claims).unwrap(),
        jose::sign(&rsa, TYP_CARD_REQUEST, &claims).unwrap(),
        jose::sign(&desk.workstation_key, TYP_CARD_REQUEST, &claims).unwrap(),
        "a.b.c".to_owned(),
        String::new(),
        format!("{}A", desk.sign(&claims)),
    ] {
        refused(&desk, desk.arrival(&request), "AGENT-010").await;
    }
    let (signed, other) = (desk.sign(&claims), desk.sign(&desk.claims()));
    let (head, signature) = (signed.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    refused(&desk, desk.arrival(&format!("{head}.{signature}")), "AGENT-010").await;
}

#[tokio::test]
async fn another_token_of_the_server_used_as_a_request() {
    let desk = Desk::with(PinSetting::Window).await;
    for typ in ["JWT", "logout+jwt", "sceau-request-keys+jwt", "sceau-enrolled+jwt"] {
        let token = jose::sign(&desk.server_key, typ, &desk.claims()).unwrap();
        refused(&desk, desk.arrival(&token), "AGENT-011").await;
    }
}

#[tokio::test]
async fn messages_that_are_not_understood() {
    let desk = Desk::with(PinSetting::Window).await;
    for (member, value) in [
        ("v", json!(2)),
        ("aud", json!("somebody-else")),
        ("purpose", json!("anything")),
        ("extra", json!(true)),
        ("rp_name", json!("Dossier\u{202E}patient")),
        ("exp", json!(desk.clock.now().timestamp() + 121)),
    ] {
        let mut claims = desk.claims();
        claims[member] = value;
        refused(&desk, desk.arrival(&desk.sign(&claims)), "AGENT-012").await;
    }
}

#[tokio::test]
async fn the_request_of_one_server_posted_by_another() {
    // Both servers are enrolled; A's request comes in a page of B.
    let desk = Desk::with(PinSetting::Window).await;
    let other = WebOrigin::parse("https://sceau.clinique.example").unwrap();
    let store = EnrolmentStore::open(&desk.state_dir()).unwrap();
    let first = store.read().unwrap().remove(0);
    let b = Enrolment {
        origin: other.clone(),
        keys: RequestKeys { issuer: other.clone(), ..first.keys.clone() },
        workstation: "019aa000-0000-7000-8000-000000000009".parse().unwrap(),
        ..first
    };
    store.add(&b).unwrap();
    refused(&desk, desk.arrival(&desk.request()).instead("origin", other.as_str()), "AGENT-013").await;
}

#[tokio::test]
async fn a_request_for_another_channel() {
    let desk = Desk::with(PinSetting::Window).await;
    for purpose in ["ciba", "badge", "terminal"] {
        let mut claims = desk.claims();
        claims["purpose"] = purpose.into();
        if purpose == "terminal" {
            claims["cnf"] = json!({ "S256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
        }
        if matches!(purpose, "badge" | "ciba") {
            claims["workstation"] = json!(desk.workstation);
        }
        if purpose == "ciba" {
            claims["card"] = jose::base64url::encode(crate::crypto::digest::sha256(b"certificate")).into();
            claims["digits"] = 2.into();
        }
        refused(&desk, desk.arrival(&desk.sign(&claims)), "AGENT-014").await;
    }
}

#[tokio::test]
async fn a_hoarded_request() {
    let desk = Desk::with(PinSetting::Window).await;
    let request = desk.request();
    desk.clock.advance(TimeDelta::minutes(9));
    assert_eq!(desk.send(desk.arrival(&request)).await.status, 200, "expiry is judged by the server");
    desk.clock.advance(TimeDelta::minutes(2));
    refused(&desk, desk.arrival(&request), "AGENT-015").await;
}

#[tokio::test]
async fn a_request_answered_twice() {
    let desk = Desk::with(PinSetting::Page).await;
    let request = desk.request();
    let ask = desk.send(desk.arrival(&request)).await;
    desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
    desk.card.verified.store(0, Ordering::SeqCst);
    refused(&desk, desk.arrival(&request), "AGENT-016").await;
}

/// The clock is set forward until the request is forgotten, then back: it would be answered once more.
#[tokio::test]
async fn a_request_answered_twice_by_a_clock_that_is_moved() {
    for (there, back) in [(10, -10), (-10, 10), (30, -30), (-30, 30)] {
        let desk = Desk::with(PinSetting::Page).await;
        let request = desk.request();
        let ask = desk.send(desk.arrival(&request)).await;
        desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
        desk.card.verified.store(0, Ordering::SeqCst);
        desk.clock.advance(TimeDelta::minutes(there));
        // Another sign-in, so that what is old is cleared away.
        let other = desk.send(desk.arrival(&desk.request())).await;
        desk.send(desk.own_link(&format!("/cancel{}", other.after("href=\"/cancel")))).await;
        desk.clock.advance(TimeDelta::minutes(back));
        refused(&desk, desk.arrival(&request), "AGENT-016").await;
    }
}

#[tokio::test]
async fn a_web_page_spending_pin_tries() {
    let desk = Desk::with(PinSetting::Page).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let token = ask.token();
    let fields = [("token", token.as_str()), ("pin", "0000")];
    // From another site, even with the token; without one; with one that is guessed.
    for origin in ["https://evil.example", "https://sceau.chu.example", "null"] {
        refused(&desk, desk.own_form("/sign", &fields).instead("origin", origin), "AGENT-018").await;
    }
    refused(&desk, desk.own_form("/sign", &fields).without("origin"), "AGENT-018").await;
    refused(&desk, desk.own_form("/sign", &[("token", "AAAA"), ("pin", "0000")]), "AGENT-017").await;
    refused(&desk, desk.own_form("/sign", &fields).instead("sec-fetch-dest", "iframe"), "AGENT-007").await;
    // A token is good once.
    desk.send(desk.own_form("/sign", &fields)).await;
    desk.card.verified.store(0, Ordering::SeqCst);
    refused(&desk, desk.own_form("/sign", &fields), "AGENT-017").await;
}

#[tokio::test]
async fn the_window_does_not_open_without_the_click() {
    let desk = Desk::with(PinSetting::Window).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    refused(&desk, desk.own_link(&format!("/pin?token={}", ask.token())), "AGENT-017").await;
    refused(&desk, desk.own_link("/pin?token=AAAA"), "AGENT-017").await;
    refused(&desk, desk.own_link("/pin"), "AGENT-017").await;
}

#[tokio::test]
async fn a_page_left_open() {
    let desk = Desk::with(PinSetting::Window).await;
    let ask = desk.send(desk.arrival(&desk.request())).await;
    desk.clock.advance(TimeDelta::minutes(6));
    refused(&desk, desk.own_form("/sign", &[("token", &ask.token())]), "AGENT-017").await;
}

#[tokio::test]
async fn a_server_that_the_administrator_did_not_list() {
    let managed = ManagedSettings {
        servers: vec![WebOrigin::parse("https://sceau.autre.example").unwrap()],
        ..ManagedSettings::default()
    };
    let desk = Desk::built(PinSetting::Window, managed, "exit 1").await;
    refused(&desk, desk.arrival(&desk.request()), "AGENT-009").await;
}

/// Where the enrolments of the computer stand, somebody else could have put a server of their own.
#[tokio::test]
async fn a_shared_place_that_somebody_else_can_write() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("system");
    std::fs::create_dir(&place).unwrap();
    assert!(std::process::Command::new("chmod").arg("777").arg(&place).status().unwrap().success());
    assert_eq!(EnrolmentStore::system(&place).unwrap_err().code(), "AGENT-052");
}

#[tokio::test]
async fn a_port_held_by_another_program_is_an_alert() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let desk = Desk::with(PinSetting::Window).await;
    let dir = tempfile::tempdir().unwrap();
    let options = |state_dir| AgentOptions {
        system_dir: dir.path().join("system"),
        switch: None,
        port,
        state_dir,
        managed: ManagedSettings::default(),
        pin_entry: None,
        window: PinWindow::of_environment(None),
        patience: Duration::from_secs(1),
        cards: desk.card.clone(),
        clock: Arc::new(MockClock::default()),
        random: Arc::new(CountingRandom::default()),
    };
    let Err(error) = Bound::bind(options(dir.path().join("state"))).await else { panic!("bound") };
    assert!(matches!(error, AgentError::PortHeld { user: Some(_), .. }), "{error}");
    assert_eq!(error.code(), "AGENT-030");
    assert!(error.to_string().contains(&port.to_string()));
    let Err(error) = Bound::bind(options(desk.state_dir())).await else { panic!("bound") };
    assert_eq!(error.code(), "AGENT-031");
}
