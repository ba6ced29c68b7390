//! "Mes moyens d'identification": what its person sees and may change.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::authenticator::SoftKey;
use super::{FRONT, Hospital, code};
use crate::ids::Secret;
use crate::tests::spec::stand::STRANGER;
use crate::web::csrf;

pub(super) fn token(cookie: &str) -> String {
    let (_, value) = cookie.split_once('=').unwrap();
    csrf::token(&Secret::from(value.to_owned()))
}

/// The paths of the forms of a page that end so.
pub(super) fn forms(page: &str, end: &str) -> Vec<String> {
    let actions = page.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    actions.filter(|path| path.ends_with(end)).map(str::to_owned).collect()
}

impl Hospital {
    pub(super) async fn page(&self, cookie: &str) -> String {
        let page = self.stand.get("/means", &[("cookie", cookie), ("accept-language", "fr")]).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        page.body
    }

    pub(super) async fn press(
        &self,
        path: &str,
        cookie: &str,
        rest: &str,
    ) -> crate::tests::spec::stand::Answer {
        let form = format!("csrf={}{rest}", token(cookie));
        self.stand
            .post(path, &form, &[("cookie", cookie), ("origin", FRONT), ("accept-language", "fr")])
            .await
    }
}

#[tokio::test]
async fn its_person_names_a_key_sees_its_use_and_removes_it_with_its_sessions() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let mut key = SoftKey::new();
        hospital.register(&browser, &mut key).await;
        let page = hospital.page(&browser.cookie).await;
        assert!(page.contains("Clé du bureau") && page.contains("Aucune utilisation"), "{page}");
        let rename = &forms(&page, "/rename")[0];
        hospital.press(rename, &browser.cookie, "&label=Cl%C3%A9+%3Cb%3Erouge").await;
        let (_, signed_in) = hospital.sign_in(&mut key).await;
        let by_key = signed_in.cookie();
        let page = hospital.page(&by_key).await;
        assert!(page.contains("Clé &#60;b&#62;rouge") && page.contains(", Firefox"), "{page}");
        let revoke = &forms(&hospital.page(&browser.cookie).await, "/revoke")[0];
        assert_eq!(hospital.press(revoke, &browser.cookie, "").await.location(), "/means");
        assert!(!hospital.page(&browser.cookie).await.contains("rouge"));
        let ended = hospital.stand.get("/means", &[("cookie", &by_key)]).await;
        assert_eq!(ended.location(), "/sign-in/means");
        assert_eq!(code(&hospital.sign_in(&mut key).await.1), "KEY-011");
    })
    .await;
}

#[tokio::test]
async fn whoever_sits_down_at_an_open_screen_changes_nothing() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        hospital.register(&browser, &mut SoftKey::new()).await;
        let revoke = forms(&hospital.page(&browser.cookie).await, "/revoke").remove(0);
        hospital.stand.clock.advance(TimeDelta::minutes(6));
        let page = hospital.page(&browser.cookie).await;
        assert!(page.contains("MEANS-002") && page.contains("/sign-in/means?fresh=1"), "{page}");
        assert!(forms(&page, "/revoke").is_empty() && forms(&page, "/rename").is_empty());
        let asked = hospital.say("/means/key/options", &json!({}), &browser.cookie).await;
        assert_eq!(code(&asked), "MEANS-002");
        let pressed = hospital.press(&revoke, &browser.cookie, "").await;
        assert_eq!(pressed.location(), "/sign-in/means?fresh=1");
        // That address asks for a sign-in although there is a session.
        let begun = hospital.stand.get("/sign-in/means?fresh=1", &[("cookie", &browser.cookie)]).await;
        assert!(begun.location().starts_with("/login/"));
        let begun = hospital.stand.get("/sign-in/means", &[("cookie", &browser.cookie)]).await;
        assert_eq!(begun.location(), "/means");
        // No picture on another site begins one.
        let picture = [("cookie", browser.cookie.as_str()), ("sec-fetch-dest", "image")];
        assert_eq!(
            hospital.stand.get("/sign-in/means?fresh=1", &picture).await.status,
            StatusCode::NOT_FOUND
        );
    })
    .await;
}

#[tokio::test]
async fn a_key_of_today_changes_no_other_until_tomorrow() {
    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        hospital.register(&hospital.stand.sign_in().await, &mut key).await;
        let (_, signed_in) = hospital.sign_in(&mut key).await;
        let asked = hospital.say("/means/key/options", &json!({}), &signed_in.cookie()).await;
        assert_eq!(code(&asked), "MEANS-004");
        // An older means does, in the same minute: the page leads to a sign-in, though this one is young.
        let again = hospital.stand.get("/sign-in/means?fresh=1", &[("cookie", &signed_in.cookie())]).await;
        assert!(again.location().starts_with("/login/"));
        hospital.stand.clock.advance(TimeDelta::hours(24));
        let (_, signed_in) = hospital.sign_in(&mut key).await;
        let asked = hospital.say("/means/key/options", &json!({}), &signed_in.cookie()).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    })
    .await;
}

#[tokio::test]
async fn nobody_touches_the_means_of_another() {
    Hospital::on_both(async |hospital| {
        let (mine, other) = (hospital.stand.sign_in().await, hospital.stand.sign_in_as(STRANGER).await);
        hospital.register(&mine, &mut SoftKey::new()).await;
        let page = hospital.page(&mine.cookie).await;
        for path in [forms(&page, "/rename"), forms(&page, "/revoke")].concat() {
            let pressed = hospital.press(&path, &other.cookie, "&label=x").await;
            assert_eq!(pressed.status, StatusCode::NOT_FOUND);
            assert!(pressed.body.contains("MEANS-006"));
            let stolen = format!("csrf={}&label=x", token(&other.cookie));
            let headers = [("cookie", mine.cookie.as_str()), ("origin", FRONT)];
            assert_eq!(hospital.stand.post(&path, &stolen, &headers).await.status, StatusCode::FORBIDDEN);
            let foreign = format!("csrf={}&label=x", token(&mine.cookie));
            let headers = [("cookie", mine.cookie.as_str()), ("origin", "https://evil.example")];
            assert_eq!(hospital.stand.post(&path, &foreign, &headers).await.status, StatusCode::FORBIDDEN);
        }
    })
    .await;
}

#[tokio::test]
async fn our_own_pages_are_no_service_that_anybody_can_name() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let own = crate::store::client::OWN_PAGES.replace(' ', "%20");
        let address = format!(
            "/auth/realms/esante-wallet/protocol/openid-connect/auth?client_id={own}&response_type=code\
             &redirect_uri=http%3A%2F%2Flocalhost%3A8080%2Fmeans&scope=openid&nonce=n&state=s"
        );
        let refused = hospital.stand.get(&address, &[("cookie", &browser.cookie)]).await;
        assert!(refused.status.is_client_error() && refused.body.contains("OIDC-001"), "{}", refused.body);
        // Giving up a sign-in to them leads home, and never out.
        let begun = hospital.stand.get("/sign-in/means", &[]).await;
        let cancel = format!("{}/cancel", begun.location());
        let cookie = begun.cookie();
        assert_eq!(hospital.stand.get(&cancel, &[("cookie", &cookie)]).await.location(), "/");
    })
    .await;
}

#[tokio::test]
async fn means_are_not_changed_where_the_next_person_may_be_another() {
    use crate::session::Station;

    Hospital::on_both(async |hospital| {
        let station = Station { zone: String::new(), shared: true };
        let browser = hospital.stand.sign_in_at(station, None).await;
        let asked = hospital.say("/means/key/options", &json!({}), &browser.cookie).await;
        assert_eq!(code(&asked), "MEANS-007");
        assert!(hospital.page(&browser.cookie).await.contains("MEANS-007"));
    })
    .await;
}
