//! A sandbox runs on the machine of somebody who also reads their mail there.

use super::{Bench, Browser, parameter};
use crate::tests::http::Call;

#[tokio::test]
async fn a_choice_comes_from_our_page_in_the_browser_that_began_and_is_good_once() {
    let bench = Bench::start().await;
    let mut browser = Browser::new(&bench);
    let page = browser.begin().await;
    let choice = browser.choice(&page, "doctor", "approve");

    // Another site's form, with the browser's cookies.
    for foreign in ["http://127.0.0.1:3000", "https://evil.example", "null"] {
        let answer = browser.once(choice.clone().instead("origin", foreign)).await;
        assert_eq!((answer.status, answer.code()), (403, Some("WEB-001")), "{foreign}");
    }
    // Somebody else's browser that knows the handle.
    let answer = Browser::new(&bench).once(choice.clone()).await;
    assert_eq!((answer.status, answer.code()), (403, Some("SANDBOX-002")));
    // What no form of ours sends.
    let person = browser.choice(&page, "president", "approve");
    let answer = browser.once(person).await;
    assert_eq!((answer.status, answer.code()), (400, Some("SANDBOX-001")));

    let done = browser.follow(choice.clone()).await;
    assert!(!parameter(done.header("location"), "code").is_empty(), "nothing of that used it up");
    let replayed = browser.once(choice).await;
    assert_eq!((replayed.status, replayed.code()), (403, Some("SANDBOX-002")));
}

#[tokio::test]
async fn what_a_script_decided_is_fetched_by_its_own_browser_alone() {
    let bench = Bench::start().await;
    bench.told("POST", "/sign-ins", r#"{"person":"doctor"}"#).await;
    let mut browser = Browser::new(&bench);
    let mut to =
        "/auth?client_id=app&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback&response_type=code&\
                  scope=openid&state=s&nonce=n"
            .to_owned();
    while !to.starts_with("/sandbox/scripted") {
        to = browser.once(Call::get(&to, &bench.host())).await.header("location").to_owned();
    }
    let stolen = Browser::new(&bench).once(Call::get(&to, &bench.host())).await;
    assert_eq!((stolen.status, stolen.code()), (403, Some("SANDBOX-002")));
    assert_eq!(stolen.header("set-cookie"), "");
    let own = browser.follow(Call::get(&to, &bench.host())).await;
    assert!(!parameter(own.header("location"), "code").is_empty());
    let again = browser.once(Call::get(&to, &bench.host())).await;
    assert_eq!(again.code(), Some("SANDBOX-002"));
}

#[tokio::test]
async fn a_page_cannot_control_the_sandbox_nor_can_a_name_that_was_made_to_lead_here() {
    let bench = Bench::start().await;
    let script = r#"{"person":"doctor","always":true}"#;
    let call = bench.program("POST", "/sign-ins", script);
    for (call, why) in [
        (call.clone().with("origin", "https://evil.example"), "a page"),
        (call.clone().with("origin", "null"), "a page in a frame"),
        (call.clone().with("sec-fetch-site", "cross-site"), "a link"),
        (call.clone().instead("host", "evil.example:8089"), "DNS rebinding"),
        (call.clone().without("host"), "nobody's name"),
    ] {
        let answer = call.send(bench.control).await;
        assert!(answer.status == 403 || answer.status == 400, "{why}: {}", answer.status);
    }
    assert_eq!(bench.told("GET", "/", "").await["sign_ins"], serde_json::json!([]));
    let local = call.instead("host", &format!("localhost:{}", bench.control.port()));
    assert_eq!(local.send(bench.control).await.status, 200);
    // The provider's own port has no such interface.
    let answer = Call::get("/sign-ins", &bench.host()).send(bench.address()).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn what_is_misspelt_is_refused_with_its_name() {
    let bench = Bench::start().await;
    for (method, path, body, code, word) in [
        ("POST", "/sign-ins", r#"{"person":"dentist"}"#, "SANDBOX-021", "dentist"),
        ("POST", "/sign-ins", "person=doctor", "SANDBOX-021", "expected"),
        ("PATCH", "/switches", r#"{"acr":"eidas9"}"#, "SANDBOX-021", "eidas9"),
        ("PATCH", "/switches", r#"{"exercise":"several"}"#, "SANDBOX-021", "exercise"),
        ("PATCH", "/switches", r#"{"ciba":"refused"}"#, "SANDBOX-021", "refused"),
        (
            "POST",
            "/clients",
            r#"{"client_id":"x","client_secret":"y","redirect_uris":["http://evil.example/cb"]}"#,
            "OIDC-080",
            "https",
        ),
    ] {
        let answer = bench.control(method, path, body).await;
        assert!(answer.status >= 400, "{body}");
        assert!(answer.body.contains(code) && answer.body.contains(word), "{body}: {}", answer.body);
    }
    let state = bench.told("GET", "/switches", "").await;
    assert_eq!(state["switches"]["acr"], "eidas1");
}
