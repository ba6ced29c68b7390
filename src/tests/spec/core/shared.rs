//! Workstations that several people share: nobody is signed on without being asked who they are.

use crate::session::Station;
use crate::store;
use crate::tests::spec::stand::{Answer, SignedIn, Stand, new_client};
use crate::web::csrf;

const ORIGIN: (&str, &str) = ("origin", "http://localhost:8080");

/// The doctor, signed in at a workstation that is marked as shared.
async fn shared() -> (Stand, SignedIn) {
    let stand = Stand::new().await;
    let station = Station { zone: String::new(), shared: true };
    let browser = stand.sign_in_at(station, None).await;
    (stand, browser)
}

/// A request that is answered by the question.
struct Question {
    path: String,
    cookies: String,
    page: Answer,
}

impl Question {
    async fn asked(stand: &Stand, browser: &SignedIn) -> Self {
        let begun = stand.authorize(&[], &browser.cookie).await;
        let path = begun.location();
        assert!(path.starts_with("/login/"), "{path}");
        let cookies = format!("{}; {}", browser.cookie, begun.cookie());
        let page = stand.get(&path, &[("cookie", &cookies)]).await;
        assert_eq!(page.status, 200, "{}", page.body);
        Self { path, cookies, page }
    }

    async fn answer(&self, stand: &Stand, what: &str, token: &str, origin: (&str, &str)) -> Answer {
        let path = format!("{}/{what}", self.path);
        stand.post(&path, &format!("csrf={token}"), &[("cookie", &self.cookies), origin]).await
    }
}

/// The token of a session's forms.
fn token(browser: &SignedIn) -> String {
    let (_, cookie) = browser.cookie.split_once('=').unwrap();
    csrf::token(&crate::ids::Secret::from(cookie.to_owned()))
}

#[tokio::test]
async fn the_name_is_confirmed_before_another_service_is_reached() {
    let (stand, browser) = shared().await;
    let question = Question::asked(&stand, &browser).await;
    assert!(question.page.body.contains("KIT DOC0042788"), "{}", question.page.body);
    let policy = question.page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://rp.example"), "{policy}");
    let answer = question.answer(&stand, "continue", &token(&browser), ORIGIN).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let code = answer.parameter("code").unwrap();
    assert_eq!(stand.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn without_a_page_nobody_is_signed_on() {
    let (stand, browser) = shared().await;
    let silent = stand.authorize(&[("prompt", "none")], &browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("interaction_required"));
    let nobody = stand.authorize(&[("prompt", "none")], "").await;
    assert_eq!(nobody.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn this_is_not_me_ends_the_session_and_asks_for_a_sign_in() {
    let (stand, browser) = shared().await;
    let mut told = new_client("told");
    told.backchannel_logout_uri = Some("https://told.example/logout".into());
    stand.add_client(&told).await;
    let question = Question::asked(&stand, &browser).await;
    let answer = question.answer(&stand, "not-me", &token(&browser), ORIGIN).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, question.path.clone()));
    assert!(answer.cookie().starts_with("__Host-session="), "{}", answer.cookie());
    let session = store::session::by_id(&stand.db, browser.session).await.unwrap().unwrap();
    assert!(session.ended_at.is_some());
    assert_eq!(stand.events().await.last().unwrap(), "session.ended");
    let page = stand.get(&question.path, &[("cookie", &question.cookies)]).await;
    assert!(!page.body.contains("DOC0042788"), "{}", page.body);
    // Going back and pressing "Continue" now reaches nobody's session.
    let late = question.answer(&stand, "continue", &token(&browser), ORIGIN).await;
    assert_eq!(late.location(), question.path);
}

#[tokio::test]
async fn no_other_site_and_no_other_browser_answers_for_the_person() {
    let (stand, browser) = shared().await;
    let question = Question::asked(&stand, &browser).await;
    for what in ["continue", "not-me"] {
        let foreign =
            question.answer(&stand, what, &token(&browser), ("origin", "https://evil.example")).await;
        assert_eq!(
            (foreign.status.as_u16(), foreign.body.contains("WEB-001")),
            (403, true),
            "{}",
            foreign.body
        );
        let guessed = question.answer(&stand, what, "guess", ORIGIN).await;
        assert_eq!(guessed.status, 403);
        let other = Question { cookies: browser.cookie.clone(), path: question.path.clone(), page: guessed };
        let elsewhere = other.answer(&stand, what, &token(&browser), ORIGIN).await;
        assert!(elsewhere.body.contains("WEB-013"), "{}", elsewhere.body);
    }
    let session = store::session::by_id(&stand.db, browser.session).await.unwrap().unwrap();
    assert!(session.ended_at.is_none());
}

#[tokio::test]
async fn the_idle_time_is_short_and_a_zone_can_be_shared_as_a_whole() {
    let (stand, browser) = shared().await;
    stand.advance(600);
    let silent = stand.authorize(&[("prompt", "none")], &browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));

    let stand = Stand::with(|settings| {
        let zone = crate::session::ZonePolicy { shared: true, ..Default::default() };
        settings.policies.zones.insert("urgences".into(), zone);
    })
    .await;
    let browser = stand.sign_in_at(Station { zone: "urgences".into(), shared: false }, None).await;
    let silent = stand.authorize(&[("prompt", "none")], &browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("interaction_required"));
}
