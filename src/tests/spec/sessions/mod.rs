//! A person sees where they are signed in, and closes what they left open elsewhere.

use http::StatusCode;

use super::stand::{Answer, STRANGER, SignedIn, Stand};
use crate::crypto::digest::sha256;
use crate::ids::Secret;
use crate::store;
use crate::web::csrf;

const OURS: (&str, &str) = ("origin", "http://localhost:8080");

fn token(browser: &SignedIn) -> String {
    let (_, cookie) = browser.cookie.split_once('=').unwrap();
    csrf::token(&Secret::from(cookie.to_owned()))
}

async fn post(stand: &Stand, path: &str, browser: &SignedIn) -> Answer {
    let form = format!("csrf={}", token(browser));
    stand.post(path, &form, &[OURS, ("cookie", &browser.cookie)]).await
}

async fn is_running(stand: &Stand, browser: &SignedIn) -> bool {
    let (_, cookie) = browser.cookie.split_once('=').unwrap();
    let found = store::session::by_cookie(&stand.db, sha256(cookie.as_bytes())).await.unwrap();
    found.unwrap().ended_at.is_none()
}

#[tokio::test]
async fn the_page_lists_the_persons_own_sessions_and_their_services() {
    Stand::on_both(async |stand| {
        let (here, elsewhere, other) =
            (stand.sign_in().await, stand.sign_in().await, stand.sign_in_as(STRANGER).await);
        stand.tokens(&here).await;
        let page = stand.get("/", &[("cookie", &here.cookie), ("accept-language", "fr")]).await;
        assert_eq!(page.status, StatusCode::OK);
        for shown in
            ["KIT DOC0042788", "Service rp", "Ce navigateur", &format!("/sessions/{}/end", elsewhere.session)]
        {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        assert!(!page.body.contains(&other.session.to_string()), "nobody else's");
        let nobody = stand.get("/", &[("accept-language", "fr")]).await;
        assert!(nobody.body.contains("Vous n’êtes pas connecté(e)") && !nobody.body.contains("/sessions/"));
    })
    .await;
}

#[tokio::test]
async fn a_session_that_was_left_open_elsewhere_is_closed_from_here() {
    Stand::on_both(async |stand| {
        let (here, elsewhere) = (stand.sign_in().await, stand.sign_in().await);
        let answer = post(&stand, &format!("/sessions/{}/end", elsewhere.session), &here).await;
        assert_eq!((answer.status, answer.location().as_str()), (StatusCode::SEE_OTHER, "/"));
        assert!(is_running(&stand, &here).await && !is_running(&stand, &elsewhere).await);
        let again = stand.sign_in().await;
        let answer = post(&stand, "/sessions/end", &here).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"), "{:?}", answer.headers);
        assert!(!is_running(&stand, &here).await && !is_running(&stand, &again).await);
        let ended = stand.events().await.iter().filter(|event| *event == "session.ended").count();
        assert_eq!(ended, 3, "each is recorded");
    })
    .await;
}

#[tokio::test]
async fn nobody_closes_the_sessions_of_others() {
    Stand::on_both(async |stand| {
        let (doctor, stranger) = (stand.sign_in().await, stand.sign_in_as(STRANGER).await);
        let path = format!("/sessions/{}/end", doctor.session);
        // Another person's session is not among one's own.
        assert_eq!(post(&stand, &path, &stranger).await.status, StatusCode::SEE_OTHER);
        // Another site's form, one without its token, one with another session's.
        let cookie = ("cookie", doctor.cookie.as_str());
        let form = format!("csrf={}", token(&doctor));
        let foreign = stand.post(&path, &form, &[("origin", "https://evil.example"), cookie]).await;
        let without = stand.post(&path, "", &[OURS, cookie]).await;
        let swapped = stand.post(&path, &format!("csrf={}", token(&stranger)), &[OURS, cookie]).await;
        for answer in [foreign, without, swapped] {
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
        assert!(is_running(&stand, &doctor).await);
        let nobody = stand.post(&path, &form, &[OURS]).await;
        assert_eq!(nobody.status, StatusCode::SEE_OTHER);
        assert!(is_running(&stand, &doctor).await);
    })
    .await;
}
