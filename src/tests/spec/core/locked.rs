//! A session whose card left: what relying parties get of it.

use crate::ids::ChannelId;
use crate::session::{CardOut, Demands, Policies, SessionPolicy, Station};
use crate::store::channel::{self, Offer, Report};
use crate::store::session::Watched;
use crate::store::workstation;
use crate::tests::spec::stand::{SignedIn, Stand};
use crate::{audit::Kind, clock::Clock as _, ids::WorkstationId, store};

const NONE: [(&str, &str); 1] = [("prompt", "none")];

/// A workstation with an open channel, and the doctor signed in there by card.
struct Desk {
    stand: Stand,
    browser: SignedIn,
    workstation: WorkstationId,
    channel: ChannelId,
    number: i64,
}

impl Desk {
    async fn new() -> Self {
        Self::at("").await
    }

    async fn at(zone: &str) -> Self {
        let stand = Stand::new().await;
        let random = crate::crypto::random::SystemRandom;
        let workstation = workstation::tests::enrolled(&stand.db, &stand.clock, &random).await;
        // Its events are of a moment before, so that those of the test are the last ones.
        stand.advance(1);
        let (channel, now) = (ChannelId::new(stand.clock.now(), &random), stand.clock.now());
        let offer = Offer {
            id: channel,
            workstation,
            agent: "agent".into(),
            takes_badge: false,
            takes_questions: false,
        };
        channel::offer(&stand.db, &offer, now, now).await.unwrap();
        let leased_until = Some(now + SessionPolicy::default().lease);
        let watched = Watched { workstation, card: "card".into(), agent: None, leased_until };
        let station = Station { zone: zone.into(), shared: false };
        let browser = stand.sign_in_at(station, Some(watched)).await;
        let mut desk = Self { stand, browser, workstation, channel, number: 0 };
        desk.report(&["card"]).await;
        desk
    }

    async fn report(&mut self, cards: &[&str]) {
        self.number += 1;
        let now = self.stand.clock.now();
        let cards = cards.iter().map(|card| (*card).to_owned()).collect();
        let stale = now - chrono::TimeDelta::minutes(1);
        let report = Report {
            channel: self.channel,
            workstation: self.workstation,
            number: self.number,
            cards,
            stale,
        };
        let event = |_, _, _| self.stand.event(Kind::SessionLocked);
        let random = crate::crypto::random::SystemRandom;
        channel::report(&self.stand.db, &report, &Policies::default(), &event, now, &random).await.unwrap();
    }
}

#[tokio::test]
async fn a_locked_session_serves_nobody_and_loses_nothing() {
    let mut desk = Desk::new().await;
    let tokens = desk.stand.tokens(&desk.browser).await;
    let code = desk.stand.code(&[], &desk.browser).await;
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    desk.report(&[]).await;

    let stand = &desk.stand;
    let silent = stand.authorize(&NONE, &desk.browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    let page = stand.authorize(&[], &desk.browser.cookie).await;
    assert!(page.location().starts_with("/login/"));
    let cookies = format!("{}; {}", desk.browser.cookie, page.cookie());
    let page = stand.get(&page.location(), &[("cookie", &cookies)]).await;
    assert_eq!((page.status.as_u16(), page.body.contains("SESSION-001")), (200, true), "{}", page.body);

    assert_eq!(stand.redeem(&code).await.error(), "invalid_grant", "a code that was on its way");
    assert_eq!(stand.refresh("rp", refresh).await.error(), "invalid_grant");
    assert_eq!(stand.events().await.last().unwrap(), "token.refused OIDC-067");
    assert_eq!(stand.userinfo(access).await.status, 401);
    assert_eq!(stand.introspect("rp", access).await["active"], false);

    // Nothing of it was consumed or revoked: what opens it again gives it all back.
    desk.unlock().await;
    let stand = &desk.stand;
    assert_eq!(stand.userinfo(access).await.status, 200);
    assert_eq!(stand.refresh("rp", refresh).await.status, 200);
    assert_eq!(stand.redeem(&code).await.status, 200);
}

impl Desk {
    /// What `/card/finish` does where the same person shows the same card: a sign-in that opens the session again.
    async fn unlock(&mut self) {
        self.stand.unlock(&self.browser).await;
        self.report(&["card"]).await;
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_locks_without_anybody_writing_it_down() {
    let desk = Desk::new().await;
    desk.stand.code(&NONE, &desk.browser).await;
    desk.stand.advance(90);
    let silent = desk.stand.authorize(&NONE, &desk.browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_locked_session_can_be_signed_out_of() {
    let mut desk = Desk::new().await;
    desk.report(&[]).await;
    let question = desk.stand.get("/logout", &[("cookie", &desk.browser.cookie)]).await;
    assert!(question.body.contains("/logout/confirmed"), "{}", question.body);
}

/// Signed in by the card's certificate, or by an agent of the version before: nothing would ever tell that the card left.
#[tokio::test]
async fn a_session_that_nobody_watches_serves_no_service_that_wants_to_know_when_the_card_leaves() {
    let stand = Stand::new().await;
    let browser = stand.sign_in_at(Station::default(), None).await;
    let tokens = stand.tokens(&browser).await;
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let demands = Demands { card_out: Some(CardOut::End), ..Demands::default() };
    let event = stand.event(Kind::ClientChanged);
    assert!(
        store::client::set_policy(&stand.db, "rp", &demands, &Default::default(), stand.clock.now(), &event)
            .await
            .unwrap()
    );
    let silent = stand.authorize(&NONE, &browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    let page = stand.authorize(&[], &browser.cookie).await;
    let cookies = format!("{}; {}", browser.cookie, page.cookie());
    let page = stand.get(&page.location(), &[("cookie", &cookies)]).await;
    assert_eq!((page.status.as_u16(), page.body.contains("SESSION-002")), (200, true), "{}", page.body);
    assert_eq!(stand.refresh("rp", refresh).await.error(), "invalid_grant");
    assert_eq!(stand.userinfo(access).await.status, 401);
    assert_eq!(stand.introspect("rp", access).await["active"], false);
    // The other services go on.
    let other = [("client_id", "other"), ("redirect_uri", "https://other.example/cb"), NONE[0]];
    stand.code(&other, &browser).await;
}

#[tokio::test]
async fn a_service_asks_for_more_than_the_place_and_has_it_alone() {
    let desk = Desk::new().await;
    let stand = &desk.stand;
    let demand = async |demands: Demands| {
        let event = stand.event(Kind::ClientChanged);
        assert!(
            store::client::set_policy(
                &stand.db,
                "rp",
                &demands,
                &Default::default(),
                stand.clock.now(),
                &event
            )
            .await
            .unwrap()
        );
    };
    let other = [("client_id", "other"), ("redirect_uri", "https://other.example/cb"), NONE[0]];
    let refused = async || stand.authorize(&NONE, &desk.browser.cookie).await.parameter("error");
    demand(Demands { idle: Some(chrono::TimeDelta::minutes(1)), ..Demands::default() }).await;
    let tokens = stand.tokens(&desk.browser).await;
    stand.advance(60);
    assert_eq!(refused().await.as_deref(), Some("login_required"), "its own idle time");
    assert_eq!(stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
    stand.code(&other, &desk.browser).await;
    demand(Demands { lifetime: Some(chrono::TimeDelta::minutes(1)), ..Demands::default() }).await;
    assert_eq!(refused().await.as_deref(), Some("login_required"), "its own age of a sign-in");
    stand.code(&other, &desk.browser).await;
    demand(Demands { card_out: Some(CardOut::End), ..Demands::default() }).await;
    stand.code(&NONE, &desk.browser).await;
}

#[tokio::test]
async fn a_service_is_used_from_its_zones_only() {
    let desk = Desk::at("bureaux").await;
    let stand = &desk.stand;
    let tokens = stand.tokens(&desk.browser).await;
    let demands = Demands { zones: vec!["bloc".into()], ..Demands::default() };
    let event = stand.event(Kind::ClientChanged);
    store::client::set_policy(&stand.db, "rp", &demands, &Default::default(), stand.clock.now(), &event)
        .await
        .unwrap();
    // Also what it was given before.
    assert_eq!(stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await.error(), "invalid_grant");
    assert_eq!(stand.events().await.last().unwrap(), "token.refused OIDC-068");
    assert_eq!(stand.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    let page = stand.authorize(&[], &desk.browser.cookie).await;
    assert_eq!((page.status.as_u16(), page.body.contains("OIDC-021")), (403, true), "{}", page.body);
    assert_eq!(stand.events().await.last().unwrap(), "authorization.refused OIDC-021");
    let silent = stand.authorize(&NONE, &desk.browser.cookie).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("access_denied"));
    let other = [("client_id", "other"), ("redirect_uri", "https://other.example/cb"), NONE[0]];
    stand.code(&other, &desk.browser).await;
}
