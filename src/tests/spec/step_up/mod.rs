//! Levels: `acr_values`, the claim `acr` (OpenID Connect Core §5.5.1.1), `max_age` and their registered defaults, Unmet
//! Authentication Requirements 1.0, RFC 9470 §5 at the provider.

use serde_json::json;

use super::browser::of;
use super::stand::{Answer, DOCTOR, NewRp, SignedIn, Stand, claims};
use crate::session::Acr;
use crate::store::client::{Metadata, ProfileName};
use crate::store::session::tests::prove_level;

const CB: &str = "https://std.example/cb";

async fn register(stand: &Stand, metadata: Metadata) {
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
}

/// The `acr` that the answer leads to.
async fn told(stand: &Stand, answer: &Answer) -> serde_json::Value {
    let code = answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
    claims(&stand.redeem_as("std", &code).await.json()["id_token"])["acr"].clone()
}

/// The end of a sign-in that `begun` led to.
async fn resumed(stand: &Stand, begun: &Answer, browser: &SignedIn) -> Answer {
    let cookies = format!("{}; {}", begun.cookie(), browser.cookie);
    stand.get(&begun.location(), &[("cookie", &cookies)]).await
}

#[tokio::test]
async fn a_level_that_the_session_has_not_reached_leads_to_a_sign_in() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let low = stand.sign_in_at_level(DOCTOR, Acr::Eidas2).await;
        let request = of("std", CB, &[("acr_values", "eidas3")]);
        let silent: Vec<_> = request.iter().copied().chain([("prompt", "none")]).collect();
        let unasked = stand.authorize(&silent, &low.cookie).await;
        assert_eq!(unasked.parameter("error").as_deref(), Some("login_required"));
        let begun = stand.authorize(&request, &low.cookie).await;
        assert!(begun.location().starts_with("/login/"), "{}", begun.location());
        let high = stand.complete(&begun, DOCTOR, Acr::Eidas3).await;
        assert_eq!(told(&stand, &resumed(&stand, &begun, &high).await).await, "eidas3");
    })
    .await;
}

#[tokio::test]
async fn the_level_that_is_told_is_one_that_was_asked_for_and_never_more_than_was_reached() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let high = stand.sign_in().await;
        for (asked, acr) in [
            ("eidas2 eidas3", "eidas2"),
            ("eidas3 eidas2", "eidas3"),
            ("", "eidas3"),
            ("urn:nothing:of:ours", "eidas3"),
        ] {
            let answer = stand.authorize(&of("std", CB, &[("acr_values", asked)]), &high.cookie).await;
            assert_eq!(told(&stand, &answer).await, acr, "{asked}");
        }
        let low = stand.sign_in_at_level(DOCTOR, Acr::Eidas2).await;
        let answer = stand.authorize(&of("std", CB, &[("acr_values", "eidas3 eidas2")]), &low.cookie).await;
        assert_eq!(told(&stand, &answer).await, "eidas2", "the second choice is there");
    })
    .await;
}

/// Unmet Authentication Requirements 1.0 §2.
#[tokio::test]
async fn what_cannot_be_reached_is_refused_where_it_is_essential_and_forgotten_where_it_is_a_wish() {
    Stand::on_both_with(
        |settings| settings.highest_level = Acr::Eidas2,
        async |stand| {
            register(&stand, Metadata::default()).await;
            let low = stand.sign_in_at_level(DOCTOR, Acr::Eidas2).await;
            for value in ["eidas3", "urn:nothing:of:ours"] {
                let essential =
                    json!({ "id_token": { "acr": { "essential": true, "value": value } } }).to_string();
                for prompt in ["", "none"] {
                    let request = of("std", CB, &[("claims", &essential), ("prompt", prompt)]);
                    let answer = stand.authorize(&request, &low.cookie).await;
                    let error = answer.parameter("error");
                    assert_eq!(error.as_deref(), Some("unmet_authentication_requirements"), "{value}");
                }
                let wish = of("std", CB, &[("acr_values", value)]);
                assert_eq!(told(&stand, &stand.authorize(&wish, &low.cookie).await).await, "eidas2");
            }
        },
    )
    .await;
}

/// Somebody asks for a high level, and signs in with a means that proves less.
#[tokio::test]
async fn a_sign_in_that_reached_less_does_not_pass_for_more() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let essential =
            json!({ "id_token": { "acr": { "essential": true, "values": ["eidas3"] } } }).to_string();
        let begun = stand.authorize(&of("std", CB, &[("claims", &essential)]), "").await;
        let low = stand.complete(&begun, DOCTOR, Acr::Eidas2).await;
        let answer = resumed(&stand, &begun, &low).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
        assert!(stand.events().await.contains(&"authorization.refused OIDC-027".to_owned()));

        let begun = stand.authorize(&of("std", CB, &[("acr_values", "eidas3")]), "").await;
        let low = stand.complete(&begun, DOCTOR, Acr::Eidas2).await;
        assert_eq!(told(&stand, &resumed(&stand, &begun, &low).await).await, "eidas2");
    })
    .await;
}

/// RFC 9470 §3, with our own userinfo as the resource: a tap of the badge renews a session at a lower level than was
/// required for a grant. Where it was a wish, everything is told as before.
#[tokio::test]
async fn userinfo_asks_for_the_level_that_was_required_where_the_session_proves_less_since() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let browser = stand.sign_in().await;
        let levels = json!({ "essential": true, "values": ["eidas3", "eidas2"] });
        let essential = json!({ "id_token": { "acr": levels } }).to_string();
        let token = async |more: &[(&str, &str)]| {
            let answer = stand.authorize(&of("std", CB, more), &browser.cookie).await;
            let tokens = stand.redeem_as("std", &answer.parameter("code").unwrap()).await.json();
            tokens["access_token"].as_str().unwrap().to_owned()
        };
        let required = token(&[("claims", &essential)]).await;
        let wished = token(&[("acr_values", "eidas3")]).await;
        for token in [&required, &wished] {
            assert_eq!(stand.userinfo(token).await.status, 200);
        }

        prove_level(&stand.db, browser.session, Acr::Eidas1).await;
        assert_eq!(stand.userinfo(&wished).await.status, 200);
        let answer = stand.userinfo(&required).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.error(), "insufficient_user_authentication");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer realm=\"sceau\", error=\"insufficient_user_authentication\""));
        assert!(challenge.ends_with("acr_values=\"eidas3 eidas2\""), "{challenge}");
        assert!(!answer.body.contains("SubjectNameID"), "{}", answer.body);

        // One of the levels is enough.
        prove_level(&stand.db, browser.session, Acr::Eidas2).await;
        assert_eq!(stand.userinfo(&required).await.status, 200);
    })
    .await;
}

/// OpenID Connect Registration §2.
#[tokio::test]
async fn registered_defaults_count_where_the_request_says_nothing() {
    Stand::on_both(async |stand| {
        let metadata = Metadata {
            default_max_age: Some(100),
            default_acr_values: vec!["eidas3".into()],
            ..Metadata::default()
        };
        register(&stand, metadata).await;
        let low = stand.sign_in_at_level(DOCTOR, Acr::Eidas2).await;
        let signs_in = async |more: &[(&str, &str)], cookie: &str| {
            stand.authorize(&of("std", CB, more), cookie).await.location().starts_with("/login/")
        };
        assert!(signs_in(&[], &low.cookie).await);
        assert!(!signs_in(&[("acr_values", "eidas2")], &low.cookie).await);
        let high = stand.sign_in().await;
        assert!(!signs_in(&[], &high.cookie).await);
        stand.advance(101);
        assert!(signs_in(&[], &high.cookie).await);
        assert!(!signs_in(&[("max_age", "200")], &high.cookie).await);
    })
    .await;
}

/// The OpenID Connect Extended Authentication Profile: the card resists phishing, in hardware; a badge alone does not.
#[tokio::test]
async fn resistance_to_phishing_is_a_level_that_is_asked_for_by_name() {
    Stand::on_both(async |stand| {
        register(&stand, Metadata::default()).await;
        let card = stand.sign_in().await;
        for asked in ["phr", "phrh", "phrh eidas3"] {
            let answer = stand.authorize(&of("std", CB, &[("acr_values", asked)]), &card.cookie).await;
            assert_eq!(told(&stand, &answer).await, asked.split(' ').next().unwrap());
        }
    })
    .await;
}
