//! RFC 9700 §2.6, §4.2, §4.16, §4.17 and cross-site requests: what another site can read of the pages, or make them do.

use http::Method;

use crate::store::client::ProfileName;
use crate::tests::sources::{files, root};
use crate::tests::spec::browser::{Page, of};
use crate::tests::spec::stand::{Answer, INTROSPECT, LOGOUT, NewRp, STRANGER, Stand, TOKEN, query};

/// Every kind of page of the provider.
async fn pages(stand: &Stand) -> Vec<(&'static str, Answer)> {
    stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
    let browser = stand.sign_in().await;
    let cb = "https://std.example/cb";
    let begun = stand.authorize(&[("prompt", "login")], "").await;
    let asking = async |prompt| Page::of(stand, &of("std", cb, &[("prompt", prompt)]), &browser).await.shown;
    let cookie = [("cookie", browser.cookie.as_str())];
    vec![
        ("sign-in", stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await),
        ("consent", asking("consent").await),
        ("name", asking("select_account").await),
        ("answer by form", stand.authorize(&[("response_mode", "form_post")], &browser.cookie).await),
        ("unknown service", stand.authorize(&[("client_id", "nobody")], "").await),
        ("unknown sign-in", stand.get("/login/nonsense", &[]).await),
        ("question of a logout", stand.get(LOGOUT, &cookie).await),
        ("sessions", stand.get("/", &cookie).await),
    ]
}

/// §4.2.4: a page loads nothing of others and links to nobody, so that no address of ours is told to anybody.
#[tokio::test]
async fn no_page_loads_from_another_site_or_tells_it_an_address() {
    let stand = Stand::new().await;
    for (name, page) in pages(&stand).await {
        for attribute in ["src=\"", "href=\""] {
            for address in page.body.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
                let is_ours = address.starts_with('/') && !address.starts_with("//");
                assert!(is_ours, "{name}: {address}");
            }
        }
        let policy = page.headers["referrer-policy"].to_str().unwrap();
        assert!(["same-origin", "origin", "no-referrer"].contains(&policy), "{name}: {policy}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        let sources = policy.split(';').filter(|part| !part.trim().starts_with("form-action"));
        assert!(sources.into_iter().all(|part| !part.contains("http")), "{name}: {policy}");
    }
    let browser = stand.sign_in().await;
    let redirect = stand.authorize(&[], &browser.cookie).await;
    assert_eq!(redirect.headers["referrer-policy"], "no-referrer");
}

/// §2.6: the authorization endpoint and the pages are for browsers that go there, not for scripts of others; where
/// scripts may call, no cookie comes with them.
#[tokio::test]
async fn no_script_of_another_site_reads_a_page() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let begun = stand.authorize(&[("prompt", "login")], "").await;
        let cookies = format!("{}; {}", browser.cookie, begun.cookie());
        let auth = format!("/auth?{}", query(&[]));
        for path in [auth.as_str(), &begun.location(), LOGOUT, "/", TOKEN, INTROSPECT] {
            for origin in ["https://evil.example", "https://rp.example", "null"] {
                let headers = [("origin", origin), ("cookie", cookies.as_str())];
                let read = stand.get(path, &headers).await;
                let request = headers
                    .iter()
                    .fold(http::Request::builder().method(Method::OPTIONS).uri(path), |r, (n, v)| {
                        r.header(*n, *v)
                    });
                let request = request.header("access-control-request-method", "GET");
                let preflight = stand.send(request.body(axum::body::Body::empty()).unwrap()).await;
                for answer in [read, preflight] {
                    assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path} {origin}");
                    assert!(
                        !answer.headers.contains_key("access-control-allow-credentials"),
                        "{path} {origin}"
                    );
                }
            }
        }
    })
    .await;
}

/// §4.17: no answer is passed from window to window. Our own pages tell one another how a sign-in ended, on a channel
/// that browsers keep within an origin.
#[test]
fn no_window_passes_an_answer_to_another() {
    let mut messages = 0;
    for file in files(&root().join("src/web"), &["html", "js"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for name in ["opener", "parent.", "window.postMessage", "document.domain", "onmessage"] {
            assert!(!text.contains(name), "{}: {name}", file.display());
        }
        for (before, said) in text.match_indices("postMessage").map(|(at, _)| text.split_at(at)) {
            assert!(before.ends_with("channel."), "{}", file.display());
            let said = said.split(';').next().unwrap();
            let only = ["postMessage({ txn, state })", "postMessage({ txn, state: \"heard\" })"];
            assert!(only.contains(&said), "{}: {said}", file.display());
            messages += 1;
        }
        assert!(
            !text.contains("BroadcastChannel") || text.contains("channel = new BroadcastChannel("),
            "{}",
            file.display()
        );
    }
    assert_eq!(messages, 2, "pages and scripts were not found");
}

/// CSRF on the sign-in: a site posts the attacker's own session, or an answer of its own, into the victim's browser.
#[tokio::test]
async fn no_other_site_signs_a_person_in_or_out() {
    Stand::on_both(async |stand| {
        let victim = stand.sign_in().await;
        let attacker = stand.sign_in_as(STRANGER).await;
        // The attacker's sign-in, with the answer that waits in it, opened in the victim's browser.
        let begun = stand.authorize(&[("prompt", "login")], &attacker.cookie).await;
        let opened = stand.get(&begun.location(), &[("cookie", &victim.cookie)]).await;
        assert!(opened.status == 400 && opened.body.contains("WEB-013"), "{}", opened.body);
        // A page posts whatever it likes to what signs in, goes on, allows or signs out.
        let evil = ("origin", "https://evil.example");
        let none = ("sec-fetch-site", "cross-site");
        for button in ["continue", "allow", "refuse", "not-me"] {
            let page = Page::of(&stand, &[("prompt", "login")], &victim).await;
            for origin in [evil, none, ("origin", "null"), ("x-nothing", "1")] {
                let answer = page.press_with(&stand, button, &page.token(), origin).await;
                assert!(
                    answer.status == 403 && !answer.headers.contains_key("location"),
                    "{button} {origin:?} {}",
                    answer.status
                );
            }
        }
        for path in ["/logout/confirmed", "/sessions/end"] {
            let answer = stand.post(path, "csrf=x", &[("cookie", &victim.cookie), evil]).await;
            assert_eq!(answer.status, 403, "{path}");
        }
        // Following a link to the logout ends nothing: the person is asked.
        let asked = stand.get(LOGOUT, &[("cookie", &victim.cookie), none]).await;
        assert_eq!(asked.status, 200);
        assert!(stand.authorize(&[("prompt", "none")], &victim.cookie).await.parameter("code").is_some());
    })
    .await;
}
