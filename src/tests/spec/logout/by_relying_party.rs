//! All the forms that relying parties of PSC use.

use crate::tests::spec::stand::{LOGOUT, REALM, SignedIn, Stand};

const BYE: &str = "https://rp.example/bye";

fn with(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

async fn id_token(stand: &Stand, browser: &SignedIn) -> String {
    stand.tokens(browser).await["id_token"].as_str().unwrap().to_owned()
}

async fn is_signed_in(stand: &Stand, browser: &SignedIn) -> bool {
    stand.authorize(&[("prompt", "none")], &browser.cookie).await.parameter("code").is_some()
}

#[tokio::test]
async fn with_a_hint_the_session_ends_and_the_person_goes_back_with_state() {
    let stand = Stand::new().await;
    for method in ["GET", "POST"] {
        let browser = stand.sign_in().await;
        let hint = id_token(&stand, &browser).await;
        // ID tokens live two minutes: by then every hint is expired.
        stand.advance(15 * 60);
        let form = with(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE), ("state", "s 1&")]);
        let cookie = [("cookie", browser.cookie.as_str())];
        let answer = match method {
            "GET" => stand.get(&format!("{LOGOUT}?{form}"), &cookie).await,
            _ => stand.post(LOGOUT, &form, &cookie).await,
        };
        assert_eq!(answer.status, if method == "GET" { 302 } else { 303 }, "{}", answer.body);
        assert_eq!(answer.location(), format!("{BYE}?state=s+1%26"));
        assert!(answer.headers["set-cookie"].to_str().unwrap().starts_with("__Host-session=; Max-Age=0"));
        assert!(!is_signed_in(&stand, &browser).await);
        assert_eq!(
            stand.events().await.iter().filter(|event| *event == "session.ended").count(),
            if method == "GET" { 1 } else { 2 }
        );
        let again = stand.get(&format!("{LOGOUT}?{form}"), &[]).await;
        assert_eq!(again.status, 302, "a second time is no error");
    }
}

/// The back channel of a native application's server: no browser, no cookie, no address.
#[tokio::test]
async fn a_post_with_nothing_but_a_hint_is_a_success() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let hint = id_token(&stand, &browser).await;
    let answer = stand.post(LOGOUT, &with(&[("id_token_hint", &hint)]), &[]).await;
    assert_eq!(answer.status, 200);
    assert!(!is_signed_in(&stand, &browser).await);
}

#[tokio::test]
async fn without_an_address_the_closing_page_is_shown() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let hint = id_token(&stand, &browser).await;
    let answer = stand.get(&format!("{LOGOUT}?id_token_hint={hint}"), &[("cookie", &browser.cookie)]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("Vous êtes déconnecté"), "{}", answer.body);
}

/// Without a hint any page could sign people out: they are asked.
#[tokio::test]
async fn without_a_hint_the_person_is_asked() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let form = with(&[("client_id", "rp"), ("post_logout_redirect_uri", BYE), ("state", "s1")]);
    let asked = stand.get(&format!("{LOGOUT}?{form}"), &[("cookie", &browser.cookie)]).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert!(asked.body.contains("Service rp"));
    assert!(asked.headers["content-security-policy"].to_str().unwrap().contains("https://rp.example"));
    assert!(is_signed_in(&stand, &browser).await, "asking ends nothing");

    let token =
        asked.body.split("name=\"csrf\" value=\"").nth(1).expect("a token").split('"').next().unwrap();
    let confirm = async |token: &str, origin: &str| {
        let form = format!("{form}&csrf={token}");
        stand.post("/logout/confirmed", &form, &[("cookie", &browser.cookie), ("origin", origin)]).await
    };
    assert_eq!(confirm(token, "https://evil.example").await.status, 403, "a form of another site");
    assert_eq!(confirm("", "http://localhost:8080").await.status, 403, "without the token");
    assert_eq!(confirm("guess", "http://localhost:8080").await.status, 403);
    assert!(is_signed_in(&stand, &browser).await);
    let confirmed = confirm(token, "http://localhost:8080").await;
    assert_eq!(confirmed.location(), format!("{BYE}?state=s1"));
    assert!(!is_signed_in(&stand, &browser).await);
}

#[tokio::test]
async fn whoever_is_not_signed_in_goes_straight_back() {
    let stand = Stand::new().await;
    let form = with(&[("client_id", "rp"), ("post_logout_redirect_uri", BYE)]);
    assert_eq!(stand.get(&format!("{LOGOUT}?{form}"), &[]).await.location(), BYE);
    assert_eq!(stand.get(LOGOUT, &[]).await.status, 200);
}

#[tokio::test]
async fn what_does_not_agree_is_refused_and_ends_nothing() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let changed = format!("{}AAAA", &hint[..hint.len() - 4]);
    for (form, code) in [
        (with(&[("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/")]), "OIDC-031"),
        (
            with(&[("id_token_hint", hint), ("post_logout_redirect_uri", "https://rp.example/bye/")]),
            "OIDC-031",
        ),
        (
            with(&[("id_token_hint", hint), ("post_logout_redirect_uri", "https://other.example/bye")]),
            "OIDC-031",
        ),
        (with(&[("id_token_hint", hint), ("client_id", "other")]), "OIDC-030"),
        (with(&[("id_token_hint", &changed)]), "OIDC-030"),
        (with(&[("id_token_hint", tokens["access_token"].as_str().unwrap())]), "OIDC-030"),
        (with(&[("id_token_hint", tokens["refresh_token"].as_str().unwrap())]), "OIDC-030"),
        (with(&[("id_token_hint", "nonsense")]), "OIDC-030"),
        (with(&[("post_logout_redirect_uri", BYE)]), "OIDC-031"),
        (with(&[("client_id", "nobody")]), "OIDC-001"),
        (with(&[("client_id", "rp"), ("client_id", "other")]), "OIDC-003"),
    ] {
        let answer = stand.get(&format!("{LOGOUT}?{form}"), &[("cookie", &browser.cookie)]).await;
        assert_eq!(answer.status, 400, "{form}");
        assert!(answer.body.contains(code), "{form}: {}", answer.body);
        assert!(!answer.headers.contains_key("location"));
    }
    assert!(is_signed_in(&stand, &browser).await);
}

#[tokio::test]
async fn a_hint_ends_its_own_session_and_no_other() {
    let stand = Stand::new().await;
    let (first, second) = (stand.sign_in().await, stand.sign_in().await);
    let hint = id_token(&stand, &first).await;
    let answer = stand.get(&format!("{LOGOUT}?id_token_hint={hint}"), &[("cookie", &second.cookie)]).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("set-cookie"), "the other session's cookie stays");
    assert!(!is_signed_in(&stand, &first).await && is_signed_in(&stand, &second).await);
}

/// A new sign-in took the place of the session that the relying party knows: going back without a word would leave the
/// person signed in who has just asked for the opposite.
#[tokio::test]
async fn where_the_hinted_session_was_replaced_the_person_is_asked() {
    let stand = Stand::new().await;
    let before = stand.sign_in().await;
    let hint = id_token(&stand, &before).await;
    let path = format!("{LOGOUT}?{}", with(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]));
    assert_eq!(stand.get(&path, &[]).await.location(), BYE);
    let after = stand.sign_in().await;
    let asked = stand.get(&path, &[("cookie", &after.cookie)]).await;
    assert_eq!(asked.status, 200);
    assert!(asked.body.contains("name=\"client_id\" value=\"rp\""), "{}", asked.body);
    assert!(is_signed_in(&stand, &after).await);
    let posted = stand.post(LOGOUT, &with(&[("id_token_hint", &hint)]), &[]).await;
    assert_eq!(posted.status, 200, "a server gets its 2xx a second time too");
}

/// The browser keeps the session's cookie back from a form of another site.
#[tokio::test]
async fn a_post_without_a_hint_goes_on_as_a_get_that_brings_the_cookie() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let form = with(&[("client_id", "rp"), ("post_logout_redirect_uri", BYE), ("state", "s1")]);
    let posted = stand.post(LOGOUT, &form, &[]).await;
    assert_eq!(
        (posted.status.as_u16(), posted.location()),
        (303, format!("http://localhost:8080/logout?{form}"))
    );
    let path = posted.location().replace("http://localhost:8080", "");
    let asked = stand.get(&path, &[("cookie", &browser.cookie)]).await;
    assert!(asked.status == 200 && asked.body.contains("Service rp"));
}

#[tokio::test]
async fn where_the_issuer_stands_apart_a_hint_works_in_place_and_the_question_on_the_front_host() {
    let stand = Stand::with(|settings| settings.front_url = "https://front.example/".parse().unwrap()).await;
    let browser = stand.sign_in().await;
    let hint = {
        let query = crate::tests::spec::stand::query(&[]);
        let headers = [("cookie", browser.cookie.as_str()), ("host", "front.example")];
        let code = stand.get(&format!("/auth?{query}"), &headers).await.parameter("code").unwrap();
        stand.redeem(&code).await.json()["id_token"].as_str().unwrap().to_owned()
    };
    let host = [("host", "localhost:8080")];
    let answer = stand.get(&format!("{LOGOUT}?client_id=rp"), &host).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location().as_str()),
        (303, "https://front.example/logout?client_id=rp")
    );
    let answer = stand.post(LOGOUT, &with(&[("id_token_hint", &hint)]), &host).await;
    assert_eq!(answer.status, 200);
    assert!(LOGOUT.starts_with(REALM));
}
