//! A person sees what they allowed, and takes it back.

use http::StatusCode;

use super::{CB, OFFLINE, register};
use crate::tests::spec::browser::{ORIGIN, Page, of};
use crate::tests::spec::stand::{Answer, STRANGER, SignedIn, Stand};
use crate::web::csrf;

const WITHDRAW: &str = "/consents/withdraw";

/// Lets `std` act for the person of this browser; yields its refresh token and access token.
async fn allow(stand: &Stand, browser: &SignedIn) -> (String, String) {
    let page = Page::of(stand, &of("std", CB, &[OFFLINE]), browser).await;
    let code = page.press(stand, "allow").await.parameter("code").unwrap();
    let tokens = stand.redeem_as("std", &code).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (text("refresh_token"), text("access_token"))
}

fn token(browser: &SignedIn) -> String {
    let (_, cookie) = browser.cookie.split_once('=').unwrap();
    csrf::token(&cookie.to_owned().into())
}

async fn withdraw(stand: &Stand, browser: &SignedIn, client: &str) -> Answer {
    let form = format!("csrf={}&client_id={client}", token(browser));
    stand.post(WITHDRAW, &form, &[("cookie", &browser.cookie), ORIGIN]).await
}

async fn home(stand: &Stand, browser: &SignedIn) -> String {
    stand.get("/", &[("cookie", &browser.cookie), ("accept-language", "fr")]).await.body
}

#[tokio::test]
async fn what_was_allowed_is_shown_in_words_and_taken_back_at_once() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let browser = stand.sign_in().await;
        assert!(!home(&stand, &browser).await.contains("Ce que vous avez autorisé"), "nothing yet");
        let (refresh, access) = allow(&stand, &browser).await;
        let shown = home(&stand, &browser).await;
        let today = crate::clock::Clock::now(&stand.clock).format("depuis le %d/%m/%Y").to_string();
        for text in [
            "Ce que vous avez autorisé",
            "Service std",
            "connaître votre nom",
            "agir en votre nom alors que",
            "Ce service peut agir en votre nom en ce moment",
            &today,
        ] {
            assert!(shown.contains(text), "{text}: {shown}");
        }
        let answer = withdraw(&stand, &browser, "std").await;
        assert_eq!((answer.status, answer.location().as_str()), (StatusCode::SEE_OTHER, "/"));
        assert!(!home(&stand, &browser).await.contains("Ce que vous avez autorisé"));
        assert_eq!(stand.refresh("std", &refresh).await.error(), "invalid_grant");
        assert_eq!(stand.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
        let silent = of("std", CB, &[OFFLINE, ("prompt", "none")]);
        let again = stand.authorize(&silent, &browser.cookie).await;
        assert_eq!(again.parameter("error").as_deref(), Some("consent_required"), "forgotten");
        // A second click changes and records nothing.
        withdraw(&stand, &browser, "std").await;
        let events = stand.events().await;
        assert_eq!(events.iter().filter(|event| *event == "consent.withdrawn").count(), 1, "{events:?}");
    })
    .await;
}

/// What was allowed for the time after this session, from another one.
#[tokio::test]
async fn it_is_taken_back_from_another_session_too() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let (refresh, _) = allow(&stand, &stand.sign_in().await).await;
        let later = stand.sign_in().await;
        assert!(home(&stand, &later).await.contains("Service std"));
        withdraw(&stand, &later, "std").await;
        assert_eq!(stand.refresh("std", &refresh).await.error(), "invalid_grant");
    })
    .await;
}

/// A consent without access for later, and one whose time is over, say so.
#[tokio::test]
async fn the_page_tells_what_can_be_done_without_the_person() {
    Stand::on_both(async |stand| {
        register(&stand, |metadata| metadata.consent_required = true).await;
        let browser = stand.sign_in().await;
        let page = Page::of(&stand, &of("std", CB, &[]), &browser).await;
        page.press(&stand, "allow").await;
        let shown = home(&stand, &browser).await;
        assert!(shown.contains("Ce service ne peut pas agir en votre nom quand"), "{shown}");
        let _tokens = allow(&stand, &browser).await;
        assert!(home(&stand, &browser).await.contains("Ce service peut agir en votre nom en ce moment"));
        stand.advance(31 * 24 * 3600);
        let browser = stand.sign_in().await;
        assert!(home(&stand, &browser).await.contains("Ce service ne peut pas agir en votre nom quand"));
    })
    .await;
}

/// Attack: another person's consent, by their client's name; a form of another site; one without a token, or with that of
/// another session; nobody at all.
#[tokio::test]
async fn nobody_takes_back_what_others_allowed() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let (doctor, stranger) = (stand.sign_in().await, stand.sign_in_as(STRANGER).await);
        let (refresh, _) = allow(&stand, &doctor).await;
        assert_eq!(withdraw(&stand, &stranger, "std").await.status, StatusCode::SEE_OTHER);
        assert!(!home(&stand, &stranger).await.contains("Ce que vous avez autorisé"), "nor sees it");
        let cookie = ("cookie", doctor.cookie.as_str());
        let form = |token: &str| format!("csrf={token}&client_id=std");
        let foreign = [cookie, ("origin", "https://evil.example")];
        for answer in [
            stand.post(WITHDRAW, &form(&token(&doctor)), &foreign).await,
            stand.post(WITHDRAW, "client_id=std", &[cookie, ORIGIN]).await,
            stand.post(WITHDRAW, &form(&token(&stranger)), &[cookie, ORIGIN]).await,
        ] {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
        }
        let nobody = stand.post(WITHDRAW, &form(&token(&doctor)), &[ORIGIN]).await;
        assert_eq!(nobody.status, StatusCode::SEE_OTHER);
        assert_eq!(stand.get(WITHDRAW, &[cookie]).await.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(stand.refresh("std", &refresh).await.status, StatusCode::OK, "nothing changed");
        assert!(home(&stand, &doctor).await.contains("Service std"));
        assert!(!stand.events().await.contains(&"consent.withdrawn".to_owned()));
    })
    .await;
}
