//! OAuth 2.0 Multiple Response Types §2.1 and Form Post Response Mode 1.0: how an answer travels.

use super::stand::{REALM, Stand};

/// The parameters behind `#`.
fn fragment(location: &str) -> Vec<(String, String)> {
    let (_, fragment) = location.split_once('#').expect("a fragment");
    form_urlencoded::parse(fragment.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn behind_the_hash_no_server_sees_the_code() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let answer = stand.authorize(&[("response_mode", "fragment")], &browser.cookie).await;
        let location = answer.location();
        assert!(location.starts_with("https://rp.example/cb#code="), "{location}");
        let names: Vec<_> = fragment(&location).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["code", "session_state", "iss", "state"]);
        let refused = stand.authorize(&[("response_mode", "fragment"), ("scope", "x")], "").await;
        assert!(refused.location().starts_with("https://rp.example/cb#error=invalid_scope"));
    })
    .await;
}

#[tokio::test]
async fn a_form_is_posted_to_the_relying_party_and_to_nobody_else() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let hostile = "\"><script>alert(1)</script>";
        let answer =
            stand.authorize(&[("response_mode", "form_post"), ("state", hostile)], &browser.cookie).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("location"));
        assert_eq!(answer.headers["cache-control"], "no-store");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' https://rp.example"), "{policy}");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.headers["referrer-policy"], "origin", "the relying party is told whose form it is");
        let body = &answer.body;
        assert!(
            body.contains(r#"<form method="post" action="https://rp.example/cb" data-submit>"#),
            "{body}"
        );
        assert!(body.contains("<button"), "it works without a script");
        assert!(!body.contains("<script>"), "nothing of a request becomes a script");
        let value = |name: &str| {
            let field = format!("name=\"{name}\" value=\"");
            let (_, rest) = body.split_once(&field).unwrap_or_else(|| panic!("{name}: {body}"));
            rest.split('"').next().unwrap().to_owned()
        };
        assert_eq!(value("iss"), format!("http://localhost:8080{REALM}"));
        assert_eq!(stand.redeem(&value("code")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn an_error_travels_the_way_that_was_asked_for() {
    Stand::on_both(async |stand| {
        let answer = stand.authorize(&[("response_mode", "form_post"), ("prompt", "none")], "").await;
        assert!(answer.status == 200 && answer.body.contains(r#"name="error" value="login_required""#));
        // One that does not exist, or two, cannot be followed: the relying party is told by the default way.
        for changes in [
            &[("response_mode", "web_message")][..],
            &[("response_mode", "fragment"), ("response_mode", "form_post")],
        ] {
            let answer = stand.authorize(changes, "").await;
            assert!(
                answer.location().starts_with("https://rp.example/cb?error=invalid_request"),
                "{changes:?}"
            );
        }
    })
    .await;
}

/// The way that was asked for is kept through a sign-in.
#[tokio::test]
async fn giving_up_is_told_by_a_form_too() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[("response_mode", "form_post")], "").await;
    let cancel = format!("{}/cancel", begun.location());
    let answer = stand.get(&cancel, &[("cookie", &begun.cookie())]).await;
    assert!(answer.status == 200 && answer.body.contains(r#"name="error" value="access_denied""#));
}
