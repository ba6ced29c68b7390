//! The login transaction: bound to its browser, resumed once, given up.

use chrono::TimeDelta;

use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::ids::TransactionId;
use crate::store::login_transaction::{self, Proof};
use crate::tests::spec::stand::{Answer, DOCTOR, SignedIn, Stand, query};

fn transaction_of(answer: &Answer) -> TransactionId {
    answer.location().strip_prefix("/login/").expect("the sign-in page").parse().unwrap()
}

/// Completes the sign-in as a card would, and yields the browser with its new session.
async fn complete(stand: &Stand, id: TransactionId) -> SignedIn {
    let (cookie, new) = stand.new_session(DOCTOR).await;
    let now = stand.clock.now();
    let soon = now + TimeDelta::seconds(120);
    assert!(login_transaction::issue_card_request(&stand.db, id, "txn", "jws", soon, now).await.unwrap());
    let event = stand.event(crate::audit::Kind::SignIn);
    let completion = login_transaction::Completion {
        proof: Proof::Request("txn"),
        session: &new,
        goes_on: None,
        replaced: None,
        browser: None,
        event: &event,
    };
    let done = login_transaction::complete(&stand.db, id, completion, now, &SystemRandom).await.unwrap();
    assert!(done);
    SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
}

#[tokio::test]
async fn the_person_may_choose_the_other_language() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[("ui_locales", "en")], "").await;
    let (page, browser) = (begun.location(), begun.cookie());
    let cookies = [("cookie", browser.as_str())];
    let english = stand.get(&page, &cookies).await;
    assert!(english.body.contains("<html lang=\"en\""));
    assert!(english.body.contains(&format!("href=\"{page}?ui_locales=fr\"")), "{}", english.body);
    let french = stand.get(&format!("{page}?ui_locales=fr"), &cookies).await;
    assert!(french.body.contains("<html lang=\"fr\""), "{}", french.body);
    assert!(french.body.contains(&format!("href=\"{page}?ui_locales=en\"")));
    let neither = stand.get(&format!("{page}?ui_locales=%3Cscript%3E"), &cookies).await;
    assert!(neither.body.contains("<html lang=\"en\"") && !neither.body.contains("%3Cscript"));
}

/// What anybody can put into a link must not become a message of the hospital's.
#[tokio::test]
async fn a_login_hint_is_shown_where_it_is_a_name_and_nothing_else() {
    let stand = Stand::new().await;
    let shown = async |hint: &str| {
        let begun = stand.authorize(&[("login_hint", hint)], "").await;
        let page = stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await;
        page.body.contains("Le service attend")
    };
    for name in [DOCTOR, "dr.kit@hopital.example", "899700/1234"] {
        assert!(shown(name).await, "{name}");
    }
    let long = "a".repeat(81);
    for other in
        ["Appelez le 06 00 00 00 00", "<b>moi</b>", "évidemment", "javascript:alert(1)", long.as_str()]
    {
        assert!(!shown(other).await, "{other}");
    }
}

#[tokio::test]
async fn without_a_session_the_person_signs_in_and_comes_back_with_a_code() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[("ui_locales", "en"), ("max_age", "0")], "").await;
    assert_eq!(begun.status, 303);
    let line = begun.headers["set-cookie"].to_str().unwrap();
    assert!(
        line.starts_with("__Host-txn-")
            && line.contains("Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
    let (page, browser) = (begun.location(), begun.cookie());

    let shown = stand.get(&page, &[("cookie", &browser)]).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.contains("Service rp") && shown.body.contains("<html lang=\"en\""), "{}", shown.body);
    let policy = shown.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self'") && policy.contains("https://rp.example"), "{policy}");

    let id = transaction_of(&begun);
    let signed_in = complete(&stand, id).await;
    let cookies = format!("{browser}; {}", signed_in.cookie);
    let answer = stand.get(&page, &[("cookie", &cookies)]).await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    assert_eq!(answer.parameter("state").unwrap(), "xyz");
    assert_eq!(answer.parameter("session_state").unwrap(), signed_in.session.to_string());
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"), "the cookie has served");
    let tokens = stand.redeem(&answer.parameter("code").unwrap()).await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);

    let again = stand.get(&page, &[("cookie", &cookies)]).await;
    assert_eq!(again.status, 400, "answered once");
    assert!(again.body.contains("OIDC-018"));
}

#[tokio::test]
async fn a_transaction_belongs_to_the_browser_that_began_it() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[], "").await;
    let (page, signed_in) = (begun.location(), complete(&stand, transaction_of(&begun)).await);
    let name = begun.cookie().split('=').next().unwrap().to_owned();
    let forged = format!("{name}=forged; {}", signed_in.cookie);
    let foreign = format!("{}; {}", stand.authorize(&[], "").await.cookie(), signed_in.cookie);
    for cookies in ["", signed_in.cookie.as_str(), forged.as_str(), foreign.as_str()] {
        let answer = stand.get(&page, &[("cookie", cookies)]).await;
        assert_eq!(answer.status, 400, "{cookies}");
        assert!(answer.body.contains("WEB-013"));
        let answer = stand.get(&format!("{page}/cancel"), &[("cookie", cookies)]).await;
        assert_eq!(answer.status, 400, "nobody else gives it up");
    }
    for path in ["/login/nonsense", "/login/00000000-0000-0000-0000-000000000000"] {
        assert_eq!(stand.get(path, &[]).await.status, 400);
    }
}

#[tokio::test]
async fn a_sign_in_as_asked_is_not_replaced_by_an_older_session() {
    let stand = Stand::new().await;
    let before = stand.sign_in().await;
    stand.advance(60);
    let begun = stand.authorize(&[("prompt", "login")], &before.cookie).await;
    let cookies = format!("{}; {}", begun.cookie(), before.cookie);
    let shown = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
    assert_eq!(shown.status, 200, "the old session does not do");
    let after = complete(&stand, transaction_of(&begun)).await;
    let shown = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
    assert_eq!(shown.status, 200, "still not, though the transaction is done");
    let cookies = format!("{}; {}", begun.cookie(), after.cookie);
    let answer = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
    assert!(answer.parameter("code").is_some());
}

#[tokio::test]
async fn signing_in_in_another_tab_is_enough() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[], "").await;
    let elsewhere = stand.sign_in().await;
    let cookies = format!("{}; {}", begun.cookie(), elsewhere.cookie);
    let answer = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
    assert!(answer.parameter("code").is_some(), "{}", answer.body);
}

#[tokio::test]
async fn giving_up_is_told_to_the_relying_party_once() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[], "").await;
    let cancel = format!("{}/cancel", begun.location());
    let answer = stand.get(&cancel, &[("cookie", &begun.cookie())]).await;
    assert_eq!(answer.parameter("error").unwrap(), "access_denied");
    assert_eq!(answer.parameter("state").unwrap(), "xyz");
    let again = stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await;
    assert_eq!(again.status, 400);
}

#[tokio::test]
async fn a_transaction_ends_after_ten_minutes() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[], "").await;
    stand.advance(600);
    let answer = stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("WEB-013"));
}

#[tokio::test]
async fn a_client_that_lost_its_address_in_the_meantime_gets_no_code() {
    let stand = Stand::new().await;
    let begun = stand.authorize(&[], "").await;
    let event = stand.event(crate::audit::Kind::ClientRemoved);
    crate::store::client::remove(&stand.db, "rp", &event).await.unwrap();
    let mut new = crate::tests::spec::stand::new_client("rp");
    new.redirect_uris = vec!["https://rp.example/elsewhere".into()];
    stand.add_client(&new).await;
    let answer = stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("OIDC-005"));
}

/// A POST from another site comes without the session's cookie: the page that follows finds it.
#[tokio::test]
async fn a_request_by_post_ends_like_one_by_get() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let begun = stand.post("/auth", &query(&[]), &[]).await;
    assert_eq!(begun.status, 303, "{}", begun.body);
    let cookies = format!("{}; {}", begun.cookie(), browser.cookie);
    let answer = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
    assert!(answer.parameter("code").is_some());
    let none = stand.post("/auth", &query(&[("prompt", "none")]), &[]).await;
    let answer = stand.get(&none.location(), &[("cookie", &none.cookie())]).await;
    assert_eq!(answer.parameter("error").unwrap(), "login_required");
    let refused = stand.post("/auth", &query(&[("scope", "")]), &[]).await;
    assert_eq!(
        (refused.status.as_u16(), refused.parameter("error").unwrap().as_str()),
        (303, "invalid_scope")
    );
}

#[tokio::test]
async fn where_the_issuer_stands_apart_its_pages_are_on_the_front_host() {
    let stand = Stand::with(|settings| settings.front_url = "https://front.example/".parse().unwrap()).await;
    let native = format!("{}/protocol/openid-connect/auth?{}", crate::tests::spec::stand::REALM, query(&[]));
    let answer = stand.get(&native, &[("host", "localhost:8080")]).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.location(), format!("https://front.example/auth?{}", query(&[])));
    let answer = stand.get(&format!("/auth?{}", query(&[])), &[("host", "front.example")]).await;
    assert!(answer.location().starts_with("/login/"));
}
