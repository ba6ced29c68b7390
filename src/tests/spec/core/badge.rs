//! A session that a tap of the badge renewed: what relying parties get of it.

use chrono::TimeDelta;

use crate::clock::Clock as _;
use crate::ids::{WorkstationId, uuid_v4};
use crate::oidc::psc::Choices;
use crate::session::{Acr, Amr, Authentication, Demands, Evidence, Policies, Station, ZonePolicy};
use crate::store::session::NewSession;
use crate::tests::spec::stand::{DOCTOR, SignedIn, Stand, claims};
use crate::{audit::Kind, store};

const NONE: [(&str, &str); 1] = [("prompt", "none")];
const OTHER: [(&str, &str); 2] = [("client_id", "other"), ("redirect_uri", "https://other.example/cb")];

/// A provider that tells services the level of a card as it is, with a zone that has a badge window; `rp` takes a badge,
/// `other` does not.
async fn stand() -> Stand {
    let zone = ZonePolicy { badge_window: Some(TimeDelta::hours(2)), ..ZonePolicy::default() };
    let policies = Policies { zones: [("soins".to_owned(), zone)].into(), ..Policies::default() };
    let stand = Stand::with(|settings| {
        settings.policies = policies;
        settings.choices = Choices { card_acr: Acr::Eidas3, ..Choices::default() };
    })
    .await;
    let (event, now) = (stand.event(Kind::ClientChanged), stand.clock.now());
    let demands = Demands { accepts_badge: true, ..Demands::default() };
    assert!(
        store::client::set_policy(&stand.db, "rp", &demands, &Default::default(), now, &event).await.unwrap()
    );
    stand
}

/// The doctor, an hour after their PIN, by badge.
async fn tapped(stand: &Stand) -> SignedIn {
    let (cookie, new) = stand.new_session(DOCTOR).await;
    stand.advance(3600);
    let proof = &new.authentication;
    let evidence = Evidence::Badge {
        card_number: "8025000001/2800000009".into(),
        certificate_sha256: "11".repeat(32),
        serial: "02".into(),
        issuer: "00".repeat(32),
        workstation: WorkstationId(uuid_v4(&crate::crypto::random::SystemRandom)),
        tapped_at: stand.clock.now(),
        renews: Box::new(proof.evidence.clone()),
    };
    let authentication =
        Authentication { acr: Acr::Eidas1, amr: vec![Amr::Sc, Amr::Hwk], evidence, ..proof.clone() };
    let station = Station { zone: "soins".into(), shared: false };
    let new = NewSession { authentication, station, ..new };
    store::session::begin(&stand.db, &new, stand.clock.now()).await.unwrap();
    SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
}

#[tokio::test]
async fn a_service_that_takes_a_badge_is_told_the_lower_level_and_when_the_pin_was_typed() {
    let stand = stand().await;
    let begun = stand.clock.now();
    let by_pin = claims(&stand.tokens(&stand.sign_in().await).await["id_token"]);
    assert_eq!(by_pin["acr"], "eidas3");
    let browser = tapped(&stand).await;
    let token = claims(&stand.tokens(&browser).await["id_token"]);
    assert_eq!(token["acr"], "eidas1");
    assert_eq!(token["auth_time"], begun.timestamp(), "not when the card was tapped");
}

#[tokio::test]
async fn a_badge_answers_nobody_who_asks_for_more() {
    let stand = stand().await;
    let browser = tapped(&stand).await;
    for more in [("max_age", "7200"), ("acr_values", "eidas2 eidas3"), ("acr", "eidas3")] {
        let changes: Vec<_> = match more {
            ("acr", _) => vec![more, ("acr_values", ""), NONE[0]],
            _ => vec![more, NONE[0]],
        };
        let silent = stand.authorize(&changes, &browser.cookie).await;
        assert_eq!(silent.parameter("error").as_deref(), Some("login_required"), "{more:?}");
    }
    let page = stand.authorize(&[("prompt", "login")], &browser.cookie).await;
    assert!(page.location().starts_with("/login/"));
    stand.code(&[("acr_values", "eidas3 eidas1"), NONE[0]], &browser).await;
}

#[tokio::test]
async fn a_service_that_takes_no_badge_finds_the_session_locked_and_keeps_its_grant() {
    let stand = stand().await;
    let browser = tapped(&stand).await;
    let silent = stand.authorize(&[OTHER[0], OTHER[1], NONE[0]], &browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    // One that took a badge, and has been told since that it does not.
    let tokens = stand.tokens(&browser).await;
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let set = async |accepts_badge| {
        let (event, now) = (stand.event(Kind::ClientChanged), stand.clock.now());
        let demands = Demands { accepts_badge, ..Demands::default() };
        assert!(
            store::client::set_policy(&stand.db, "rp", &demands, &Default::default(), now, &event)
                .await
                .unwrap()
        );
    };
    set(false).await;
    assert_eq!(stand.userinfo(access).await.status, 401);
    assert_eq!(stand.introspect("rp", access).await["active"], false);
    assert_eq!(stand.refresh("rp", refresh).await.error(), "invalid_grant");
    set(true).await;
    assert_eq!(stand.refresh("rp", refresh).await.status, 200);
}

#[tokio::test]
async fn the_window_ends_a_session_whatever_is_asked_meanwhile() {
    let stand = stand().await;
    let browser = tapped(&stand).await;
    for _ in 0..4 {
        stand.advance(14 * 60);
        stand.code(&NONE, &browser).await;
    }
    stand.advance(4 * 60);
    let silent = stand.authorize(&NONE, &browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"), "two hours after the PIN");
}
