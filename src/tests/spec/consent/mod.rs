//! OpenID Connect Core §3.1.2.4 and §11: consent, what is remembered of it, and access that outlives the session.

mod withdraw;

use super::browser::{ORIGIN, Page, of};
use super::stand::{NewRp, Stand};
use crate::store;
use crate::store::client::{Metadata, ProfileName};

const CB: &str = "https://std.example/cb";
const OFFLINE: (&str, &str) = ("scope", "openid profile offline_access");

async fn register(stand: &Stand, change: impl FnOnce(&mut Metadata)) {
    let mut metadata =
        Metadata { scope: Some("openid profile scope_all offline_access".into()), ..Metadata::default() };
    change(&mut metadata);
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
}

#[tokio::test]
async fn offline_access_is_given_with_consent_which_is_asked_for_once() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let browser = stand.sign_in().await;
        let request = of("std", CB, &[OFFLINE]);
        let silent: Vec<_> = request.iter().copied().chain([("prompt", "none")]).collect();
        let unasked = stand.authorize(&silent, &browser.cookie).await;
        assert_eq!(unasked.parameter("error").as_deref(), Some("consent_required"));

        let page = Page::of(&stand, &request, &browser).await;
        assert!(page.shown.body.contains("KIT DOC0042788") && page.shown.body.contains("Service std"));
        assert!(page.shown.body.contains("agir en votre nom"), "{}", page.shown.body);
        let policy = page.shown.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' https://std.example"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "nobody clicks through a frame");
        let answer = page.press(&stand, "allow").await;
        let code = answer.parameter("code").unwrap_or_else(|| panic!("{} {}", answer.status, answer.body));
        assert!(stand.details_of(&code).await.offline);

        let again = stand.authorize(&silent, &browser.cookie).await;
        assert!(again.parameter("code").is_some(), "remembered: {}", again.location());
        let wider = of("std", CB, &[("scope", "openid scope_all offline_access")]);
        let page = Page::of(&stand, &wider, &browser).await;
        assert!(page.shown.body.contains("connaître votre exercice"), "{}", page.shown.body);
    })
    .await;
}

#[tokio::test]
async fn offline_access_is_for_clients_that_are_registered_for_it() {
    Stand::on_both(async |stand| {
        register(&stand, |metadata| metadata.scope = Some("openid profile".into())).await;
        let metadata = Metadata {
            scope: Some("openid offline_access".into()),
            grant_types: vec!["authorization_code".into()],
            ..Metadata::default()
        };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("once") }).await;
        let browser = stand.sign_in().await;
        for (client, redirect) in [("std", CB), ("once", "https://once.example/cb")] {
            let answer = stand.authorize(&of(client, redirect, &[OFFLINE]), &browser.cookie).await;
            let code = answer.parameter("code").expect(client);
            assert!(!stand.details_of(&code).await.offline, "{client}");
        }
        // For a client of PSC the word means nothing.
        let code = stand.code(&[("scope", "openid scope_all offline_access")], &browser).await;
        assert!(!stand.details_of(&code).await.offline);
        assert_eq!(stand.redeem(&code).await.json()["scope"], "openid scope_all");
    })
    .await;
}

#[tokio::test]
async fn who_does_not_allow_is_not_asked_again_and_the_service_gets_nothing() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let browser = stand.sign_in().await;
        let page = Page::of(&stand, &of("std", CB, &[OFFLINE]), &browser).await;
        let answer = page.press(&stand, "refuse").await;
        assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
        assert_eq!(answer.parameter("state").as_deref(), Some("xyz"));
        assert!(answer.cookie().starts_with("__Host-txn-"), "forgotten");
        let late = page.press(&stand, "allow").await;
        assert!(!late.headers.contains_key("location"), "going back allows nothing: {}", late.location());
        assert!(stand.events().await.contains(&"authorization.refused OIDC-029".to_owned()));
        let page = Page::of(&stand, &of("std", CB, &[OFFLINE]), &browser).await;
        assert!(page.shown.body.contains("Autoriser"), "nothing was remembered");
    })
    .await;
}

#[tokio::test]
async fn prompt_consent_asks_although_it_was_allowed_and_registered_clients_always_ask_once() {
    Stand::on_both(async |stand| {
        register(&stand, |metadata| metadata.consent_required = true).await;
        let browser = stand.sign_in().await;
        let page = Page::of(&stand, &of("std", CB, &[]), &browser).await;
        assert!(page.press(&stand, "allow").await.parameter("code").is_some());
        let plain = stand.authorize(&of("std", CB, &[]), &browser.cookie).await;
        assert!(plain.parameter("code").is_some(), "{}", plain.location());
        let asked = Page::of(&stand, &of("std", CB, &[("prompt", "consent")]), &browser).await;
        assert!(asked.press(&stand, "allow").await.parameter("code").is_some());
        let other = stand.code(&[("prompt", "consent")], &browser).await;
        assert!(!other.is_empty(), "services of PSC ask for no consent");
    })
    .await;
}

/// A client that was allowed to know who somebody is asks, without a page, for more by its name.
#[tokio::test]
async fn what_is_asked_for_by_name_was_allowed_by_name() {
    Stand::on_both(async |stand| {
        register(&stand, |metadata| metadata.consent_required = true).await;
        let browser = stand.sign_in().await;
        let narrow = [("scope", "openid")];
        let page = Page::of(&stand, &of("std", CB, &narrow), &browser).await;
        assert!(page.press(&stand, "allow").await.parameter("code").is_some());
        let claims = r#"{"userinfo":{"name":null,"SubjectRefPro":null}}"#;
        let wider = [narrow[0], ("claims", claims)];
        let silent: Vec<_> = wider.iter().copied().chain([("prompt", "none")]).collect();
        let answer = stand.authorize(&of("std", CB, &silent), &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("consent_required"));
        let page = Page::of(&stand, &of("std", CB, &wider), &browser).await;
        assert!(page.press(&stand, "allow").await.parameter("code").is_some());
        let filter = store::audit::Filter { limit: 1, ..Default::default() };
        let last = store::audit::list(&stand.db, &filter).await.unwrap().remove(0);
        assert!(last.detail.contains("openid claim:SubjectRefPro claim:name"), "{}", last.detail);
        assert!(stand.authorize(&of("std", CB, &silent), &browser.cookie).await.parameter("code").is_some());
    })
    .await;
}

/// Consent forged by a page of another site, by a script without the page, from another browser, and slipped past by the
/// button of another question.
#[tokio::test]
async fn nobody_allows_for_the_person() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let browser = stand.sign_in().await;
        let page = Page::of(&stand, &of("std", CB, &[OFFLINE]), &browser).await;
        for button in ["allow", "refuse"] {
            let foreign =
                page.press_with(&stand, button, &page.token(), ("origin", "https://evil.example")).await;
            assert!(foreign.status == 403 && foreign.body.contains("WEB-001"), "{}", foreign.body);
            let guessed = page.press_with(&stand, button, "guess", ORIGIN).await;
            assert_eq!(guessed.status, 403);
            let path = format!("{}/{button}", page.path);
            let token = format!("csrf={}", page.token());
            let elsewhere = stand.post(&path, &token, &[("cookie", &browser.cookie), ORIGIN]).await;
            assert!(elsewhere.body.contains("WEB-013"), "{}", elsewhere.body);
            let by_get = stand.get(&path, &[("cookie", &page.cookies)]).await;
            assert_eq!(by_get.status, 405);
        }
        let past = page.press(&stand, "continue").await;
        assert_eq!(past.location(), page.path, "back to the question that is asked");
        let nothing = Page::of(&stand, &of("std", CB, &[("prompt", "select_account")]), &browser).await;
        assert_eq!(nothing.press(&stand, "allow").await.location(), nothing.path);
    })
    .await;
}

#[tokio::test]
async fn what_was_allowed_is_in_the_audit() {
    let stand = Stand::new().await;
    register(&stand, |_| {}).await;
    let browser = stand.sign_in().await;
    let page = Page::of(&stand, &of("std", CB, &[OFFLINE]), &browser).await;
    page.press(&stand, "allow").await;
    let filter = crate::store::audit::Filter { limit: 1, ..Default::default() };
    let last = crate::store::audit::list(&stand.db, &filter).await.unwrap().remove(0);
    assert!(last.detail.contains(r#""confirmed":"openid profile offline_access""#), "{}", last.detail);
}

/// §3.1.2.1: the person is asked whose session it is.
#[tokio::test]
async fn select_account_asks_who_is_there() {
    Stand::on_both(async |stand| {
        register(&stand, |_| {}).await;
        let browser = stand.sign_in().await;
        let request = of("std", CB, &[("prompt", "select_account")]);
        let page = Page::of(&stand, &request, &browser).await;
        assert!(page.shown.body.contains("KIT DOC0042788"), "{}", page.shown.body);
        assert!(page.press(&stand, "continue").await.parameter("code").is_some());
        let page = Page::of(&stand, &request, &browser).await;
        assert_eq!(page.press(&stand, "not-me").await.location(), page.path);
        let after = stand.authorize(&of("std", CB, &[("prompt", "none")]), &browser.cookie).await;
        assert_eq!(after.parameter("error").as_deref(), Some("login_required"), "that session is over");
    })
    .await;
}
