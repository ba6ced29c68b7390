//! What Pro Santé Connect is not told, whoever asks.

use super::*;
use crate::ids::TransactionId;
use crate::session::LONGEST_DELEGATION;
use crate::store::login_transaction::{self, Completion, Proof};

#[tokio::test]
async fn nobody_is_passed_on_silently_whether_somebody_is_signed_in_or_not() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser = stand.sign_in().await;
        for cookie in [browser.cookie.as_str(), ""] {
            let silent = stand.authorize(&with(&[("prompt", "none")]), cookie).await;
            assert_eq!(
                silent.parameter("error").as_deref(),
                Some("interaction_required"),
                "the same for both"
            );
            assert!(silent.parameter("code").is_none());
        }
        let refused = "authorization.refused OIDC-176".to_owned();
        assert_eq!(stand.events().await.into_iter().filter(|event| *event == refused).count(), 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_goes_on_asking_silently_is_recorded_a_few_times_and_then_counted() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let ask = async || {
            let silent = stand.authorize(&with(&[("prompt", "none")]), "").await;
            assert_eq!(silent.parameter("error").as_deref(), Some("interaction_required"));
        };
        let recorded = async || {
            let filter =
                store::audit::Filter { code: Some("OIDC-176".into()), limit: 100, ..Default::default() };
            store::audit::list(&stand.db, &filter).await.unwrap()
        };
        for _ in 0..20 {
            ask().await;
        }
        assert_eq!(recorded().await.len(), 5);
        stand.advance(60);
        ask().await;
        let now = recorded().await;
        assert_eq!(now.len(), 6);
        assert!(now[0].detail.contains("and 15 more before"), "{}", now[0].detail);
    })
    .await;
}

#[tokio::test]
async fn a_phone_another_provider_and_a_badge_are_not_passed_on_and_the_page_asks_for_more() {
    Stand::on_both(async |stand: Stand| {
        // Whatever is written, these are not to be had.
        let all = ["card", "security-key", "passkey"].map(str::to_owned);
        register(&stand, &Delegation::new(None, &[], &all, None).unwrap()).await;
        for (evidence, mode) in [(phone(), AuthMode::Mobile), (psc_itself(), AuthMode::Card)] {
            let amr = vec![Amr::Mfa, Amr::Hwk];
            let browser = signed_in_by(&stand, evidence, mode, amr).await;
            let asked = Asked::by(&stand, Some(&browser), &[]).await;
            assert!(!asked.asks_by_name(), "{}", asked.page.body);
            assert!(asked.page.body.contains("un moyen que ce service n’accepte pas"), "{}", asked.page.body);
            // Pressing a button that is not there makes no difference.
            let forced = asked.press(&stand, "continue", &browser).await;
            assert_eq!(forced.location(), asked.path);
        }
    })
    .await;
}

/// The sign-in that was begun ends in that session.
async fn completes(stand: &Stand, asked: &Asked, session: &NewSession) {
    let now = crate::clock::Clock::now(&stand.clock);
    let id: TransactionId = asked.path.strip_prefix("/login/").unwrap().parse().unwrap();
    let soon = now + chrono::TimeDelta::minutes(2);
    assert!(login_transaction::issue_card_request(&stand.db, id, "txn", "jws", soon, now).await.unwrap());
    let event = stand.event(crate::audit::Kind::SignIn);
    let completion = Completion {
        proof: Proof::Request("txn"),
        session,
        goes_on: None,
        replaced: None,
        browser: None,
        event: &event,
    };
    let random = &crate::crypto::random::SystemRandom;
    assert!(login_transaction::complete(&stand.db, id, completion, now, random).await.unwrap());
}

#[tokio::test]
async fn whoever_signs_in_for_it_by_a_means_that_is_not_passed_on_is_stopped_at_the_last_gate() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let asked = Asked::by(&stand, None, &[]).await;
        let (cookie, mut new) = stand.new_session(DOCTOR).await;
        (new.authentication.evidence, new.authentication.auth_mode) = (phone(), AuthMode::Mobile);
        completes(&stand, &asked, &new).await;
        let cookies = format!("{}; __Host-session={}", asked.cookies, cookie.expose());
        let refused = stand.get(&asked.path, &[("cookie", &cookies)]).await;
        let told = refused.parameter("error");
        assert_eq!(told.as_deref(), Some("unmet_authentication_requirements"), "{}", refused.location());
        assert!(refused.parameter("code").is_none());
        assert!(stand.events().await.contains(&"authorization.refused OIDC-177".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn the_terms_of_the_client_say_which_means_and_a_change_counts_at_once() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser =
            signed_in_by(&stand, key(true), AuthMode::Fido, vec![Amr::Swk, Amr::User, Amr::Mfa]).await;
        assert!(!Asked::by(&stand, Some(&browser), &[]).await.asks_by_name(), "it may leave its device");
        change(&stand, &Delegation::new(None, &[], &["passkey".into()], None).unwrap()).await;
        let asked = Asked::by(&stand, Some(&browser), &[]).await;
        assert!(asked.asks_by_name(), "{}", asked.page.body);
        let card = stand.sign_in().await;
        assert!(!Asked::by(&stand, Some(&card), &[]).await.asks_by_name());
    })
    .await;
}

#[tokio::test]
async fn after_four_hours_or_what_is_less_the_person_signs_in_again() {
    let longer = |settings: &mut crate::oidc::Settings| {
        // As if sessions lasted the whole day.
        settings.policies.general.lifetime = chrono::TimeDelta::hours(24);
        settings.policies.general.idle = chrono::TimeDelta::hours(24);
    };
    Stand::on_both_with(longer, async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let (cookie, new) = stand.new_session(DOCTOR).await;
        let expires_at = new.expires_at + chrono::TimeDelta::hours(24);
        let new = NewSession { expires_at, ..new };
        store::session::begin(&stand.db, &new, crate::clock::Clock::now(&stand.clock)).await.unwrap();
        let browser = SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id };
        stand.advance(LONGEST_DELEGATION.num_seconds() - 1);
        let asked = Asked::by(&stand, Some(&browser), &[]).await;
        assert!(asked.asks_by_name(), "{}", asked.page.body);
        stand.advance(1);
        // The page was open when the time was over: the click comes too late.
        let late = asked.press(&stand, "continue", &browser).await;
        assert_eq!(late.location(), asked.path);
        let page = stand.get(&asked.path, &[("cookie", &asked.cookies), ("accept-language", "fr")]).await;
        assert!(page.body.contains("confirmiez votre identité"), "{}", page.body);
        // Less, by the client's terms.
        let fresh = stand.sign_in().await;
        change(&stand, &Delegation::new(None, &[], &[], Some(chrono::TimeDelta::minutes(10))).unwrap()).await;
        stand.advance(599);
        assert!(Asked::by(&stand, Some(&fresh), &[]).await.asks_by_name());
        stand.advance(1);
        assert!(!Asked::by(&stand, Some(&fresh), &[]).await.asks_by_name());
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_is_good_once_in_its_browser_by_a_click_on_our_page() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser = stand.sign_in().await;
        let asked = Asked::by(&stand, Some(&browser), &[]).await;
        let path = format!("{}/continue", asked.path);
        let form = format!("csrf={}", token(&browser));
        let cookie = ("cookie", asked.cookies.as_str());
        let evil = stand.post(&path, &form, &[cookie, ("origin", "https://evil.example")]).await;
        assert_eq!((evil.status.as_u16(), evil.body.contains("WEB-001")), (403, true), "{}", evil.body);
        assert_eq!(stand.post(&path, "csrf=guess", &[cookie, ORIGIN]).await.status, 403);
        // A browser with the same session that did not begin it, and one that began it without the session.
        let elsewhere = stand.post(&path, &form, &[("cookie", &browser.cookie), ORIGIN]).await;
        assert!(elsewhere.body.contains("WEB-013"), "{}", elsewhere.body);
        let (_, transaction) = asked.cookies.split_once("; ").unwrap();
        let nobody = stand.post(&path, &form, &[("cookie", transaction), ORIGIN]).await;
        assert_eq!(nobody.location(), asked.path);
        // By a link, nothing happens.
        assert_eq!(stand.get(&path, &[cookie]).await.status, 405);
        assert!(asked.press(&stand, "continue", &browser).await.parameter("code").is_some());
        let again = asked.press(&stand, "continue", &browser).await;
        assert!(again.body.contains("OIDC-018"), "{}", again.body);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_had_beyond_the_moment_or_without_a_browser() {
    use crate::oidc::client::metadata::{Document, Registrar};
    use crate::oidc::client::registration::{Allowed, Registration, check};
    use crate::store::client::{Audience, AuthMethod, Metadata};
    let allowed = Allowed { wildcards: false, methods: AuthMethod::ALL.to_vec() };
    let registration = |document: Value| {
        let text = serde_json::to_vec(&document).unwrap();
        let metadata: Metadata = Document::read(&text, Registrar::Administrator).unwrap().metadata;
        let redirect_uris = vec!["https://psc.example/cb".to_owned()];
        let registration = Registration {
            id: PSC.into(),
            name: "Pro Santé Connect".into(),
            redirect_uris,
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            audience: Audience::Affiliated,
            may_introspect: false,
            profile: ProfileName::PscDelegation,
            metadata,
        };
        check(&registration, &allowed)
    };
    assert!(registration(json!({})).is_ok());
    for refused in [
        json!({ "token_endpoint_auth_method": "none" }),
        json!({ "grant_types": ["authorization_code", "refresh_token"] }),
        json!({ "grant_types": ["authorization_code", "urn:openid:params:grant-type:ciba"],
                "backchannel_token_delivery_mode": "poll" }),
        json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"] }),
        json!({ "subject_type": "pairwise" }),
        json!({ "scope": "openid scope_all" }),
    ] {
        assert_eq!(registration(refused.clone()).unwrap_err().code(), "OIDC-152", "{refused}");
    }
    // Terms are for such clients alone.
    let stand = Stand::new().await;
    let event = stand.event(crate::audit::Kind::ClientChanged);
    let now = crate::clock::Clock::now(&stand.clock);
    assert!(
        !store::client::set_delegation(&stand.db, "rp", &Delegation::default(), now, &event).await.unwrap()
    );
}

/// The terms are those of the moment at which somebody is told of, whatever the client was when the sign-in began.
#[tokio::test]
async fn a_client_that_begins_to_delegate_while_a_sign_in_is_open_is_held_to_its_terms() {
    Stand::on_both(async |stand: Stand| {
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named(PSC) }).await;
        let begun = stand.authorize(&with(&[]), "").await;
        let (path, browser) = (begun.location(), stand.sign_in().await);
        stand.change_rp(PSC, ProfileName::PscDelegation, crate::store::client::Metadata::default()).await;
        let cookies = format!("{}; {}", browser.cookie, begun.cookie());
        let page = stand.get(&path, &[("cookie", &cookies), ("accept-language", "fr")]).await;
        let asked = Asked { path, cookies, page };
        assert!(
            asked.asks_by_name(),
            "nobody is passed on silently: {} {}",
            asked.page.status,
            asked.page.body
        );
        let change = Delegation::new(None, &[], &["security-key".to_owned()], None).unwrap();
        super::change(&stand, &change).await;
        let again = asked.press(&stand, "continue", &browser).await;
        assert!(again.parameter("code").is_none(), "a card does no more: {}", again.location());
    })
    .await;
}

#[tokio::test]
async fn a_click_in_another_session_than_the_one_that_the_sign_in_began_is_recorded_as_one() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let asked = Asked::by(&stand, None, &[]).await;
        completes(&stand, &asked, &stand.new_session(DOCTOR).await.1).await;
        // Another tab of the browser has begun another session meanwhile.
        let browser = stand.sign_in().await;
        let cookies = format!("{}; {}", asked.cookies, browser.cookie);
        let asked = Asked { cookies, ..asked };
        let served = asked.press(&stand, "continue", &browser).await;
        assert!(served.parameter("code").is_some(), "{}", served.location());
        let filter = store::audit::Filter { limit: 1, ..Default::default() };
        let last = store::audit::list(&stand.db, &filter).await.unwrap().remove(0);
        assert_eq!(last.kind, "session.used");
        assert!(last.detail.contains(r#""confirmed":"person""#), "{}", last.detail);
    })
    .await;
}
