//! Codes and refresh tokens are good once, for their client and in their time, on both engines.

use super::*;
use crate::audit::Kind;
use crate::clock::{Clock, MockClock};
use crate::ids::{CountingRandom, uuid_v4};
use crate::session::EndReason;
use crate::store::client::{
    self,
    tests::{event, new_client},
};
use crate::store::login_transaction::{self, NewTransaction, State};
use crate::store::session;
use crate::store::session::tests::{card_session, somebody};
use crate::store::testing::on_both;
use crate::store::write;
use chrono::TimeDelta;

struct Scene {
    db: Db,
    clock: MockClock,
    random: CountingRandom,
    session: SessionId,
    person: PersonId,
}

impl Scene {
    async fn new(db: Db) -> Self {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let new = card_session(person, 1, clock.now(), &random);
        session::begin(&db, &new, clock.now()).await.unwrap();
        for id in ["rp", "other"] {
            client::add(&db, &new_client(id), clock.now(), &event(Kind::ClientAdded, &clock)).await.unwrap();
        }
        Self { db, clock, random, session: new.id, person }
    }

    async fn issue(&self, code: u8, challenge: Option<&str>) -> bool {
        self.issue_for(code, challenge, None).await
    }

    async fn issue_for(&self, code: u8, challenge: Option<&str>, transaction: Option<TransactionId>) -> bool {
        let new = NewGrant {
            id: GrantId::new(self.clock.now(), &self.random),
            session_id: self.session,
            person_id: self.person,
            client_id: "rp".into(),
            scope: "openid scope_all".into(),
            nonce: "n".into(),
            code_hash: [code; 32],
            redirect_uri: "https://rp.example/cb".into(),
            code_challenge: challenge.map(str::to_owned),
            code_expires_at: self.clock.now() + TimeDelta::seconds(60),
            transaction,
            details: Details { resources: vec!["https://api.example".into()], ..Details::default() },
            consent: None,
        };
        issue(&self.db, &new, self.clock.now(), &self.event(Kind::CodeIssued)).await.unwrap()
    }

    fn event(&self, kind: Kind) -> NewRow {
        event(kind, &self.clock)
    }

    fn events(&self) -> Events {
        Events { done: self.event(Kind::TokenIssued), replayed: self.event(Kind::TokenReuse) }
    }

    fn tokens(&self, refresh: u8) -> NewTokens {
        NewTokens {
            access_jti: uuid_v4(&self.random),
            access_expires_at: self.clock.now() + TimeDelta::seconds(120),
            refresh: Some(([refresh; 32], self.clock.now() + TimeDelta::seconds(1800))),
        }
    }

    fn redemption(&self, code: u8, refresh: u8) -> CodeRedemption {
        CodeRedemption {
            code_hash: [code; 32],
            client_id: "rp".into(),
            redirect_uri: "https://rp.example/cb".into(),
            code_challenge: Some("c".into()),
            tokens: self.tokens(refresh),
        }
    }

    async fn redeem(&self, redemption: &CodeRedemption) -> Redeemed {
        redeem_code(&self.db, redemption, self.clock.now(), &self.events()).await.unwrap()
    }

    async fn refresh(&self, token: u8, client: &str, next: u8) -> Redeemed {
        let tokens = self.tokens(next);
        let redemption = RefreshRedemption {
            token_hash: [token; 32],
            client_id: client.into(),
            grace_since: self.clock.now(),
            tokens,
        };
        redeem_refresh_token(&self.db, &redemption, self.clock.now(), &self.events()).await.unwrap()
    }
}

/// However long ago a request looked at the client: the row decides.
#[tokio::test]
async fn a_client_that_is_disabled_gets_neither_code_nor_tokens() {
    async fn disable(db: &Db, now: Time) -> Result<(), StoreError> {
        write!(db, c => {
            sqlx::query("UPDATE client SET disabled_at = $1").bind(now).execute(&mut *c).await?;
            Ok(())
        })
    }
    on_both(async |db| {
        let scene = Scene::new(db).await;
        assert!(scene.issue(1, Some("c")).await && scene.issue(2, Some("c")).await);
        assert_eq!(scene.redeem(&scene.redemption(1, 10)).await, Redeemed::Done);
        disable(&scene.db, scene.clock.now()).await.unwrap();
        assert!(!scene.issue(3, Some("c")).await);
        assert_eq!(scene.redeem(&scene.redemption(2, 11)).await, Redeemed::Refused);
        assert_eq!(scene.refresh(10, "rp", 12).await, Redeemed::Refused);
    })
    .await;
}

#[tokio::test]
async fn a_code_is_bound_to_client_address_and_verifier_and_good_once() {
    on_both(async |db| {
        let scene = Scene::new(db).await;
        assert!(scene.issue(1, Some("c")).await);
        let good = scene.redemption(1, 10);
        for wrong in [
            CodeRedemption { client_id: "other".into(), ..good.clone() },
            CodeRedemption { redirect_uri: "https://rp.example/cb/".into(), ..good.clone() },
            CodeRedemption { code_challenge: Some("x".into()), ..good.clone() },
            CodeRedemption { code_challenge: None, ..good.clone() },
            CodeRedemption { code_hash: [9; 32], ..good.clone() },
        ] {
            assert_eq!(scene.redeem(&wrong).await, Redeemed::Refused);
        }
        assert_eq!(scene.redeem(&good).await, Redeemed::Done);
        let jti = good.tokens.access_jti;
        let granted = of_access_token(&scene.db, jti, scene.clock.now()).await.unwrap().unwrap();
        assert_eq!((granted.grant.client_id.as_str(), granted.grant.nonce.as_str()), ("rp", "n"));
        assert_eq!((granted.session.id, granted.session.person_id), (scene.session, scene.person));
        assert_eq!(scene.redeem(&scene.redemption(1, 11)).await, Redeemed::Replayed);
        assert!(of_access_token(&scene.db, jti, scene.clock.now()).await.unwrap().is_none());
        assert_eq!(scene.refresh(10, "rp", 12).await, Redeemed::Refused, "revoked with the rest");
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_is_answered_once_and_stays_as_it_was_where_nothing_is_granted() {
    on_both(async |db| {
        let scene = Scene::new(db).await;
        let now = scene.clock.now();
        let begun = async || {
            let id = TransactionId::new(now, &scene.random);
            let new = NewTransaction {
                id,
                browser_hash: [7; 32],
                client_id: "rp".into(),
                request: serde_json::json!({}),
                expires_at: now + TimeDelta::minutes(10),
            };
            login_transaction::begin(&scene.db, &new, now).await.unwrap();
            id
        };
        let state = async |id| login_transaction::by_id(&scene.db, id).await.unwrap().unwrap().state;
        let (first, second) = (begun().await, begun().await);
        assert!(scene.issue_for(1, None, Some(first)).await);
        assert_eq!(state(first).await, State::Answered);
        assert!(!scene.issue_for(2, None, Some(first)).await, "answered before");
        assert!(code(&scene.db, [2; 32]).await.unwrap().is_none());
        let (over, reason) = (scene.event(Kind::SessionEnded), EndReason::SignedOut);
        session::end(&scene.db, scene.session, reason, &over, now, &scene.random).await.unwrap();
        assert!(!scene.issue_for(3, None, Some(second)).await, "the session ended");
        assert_eq!(state(second).await, State::Open, "the person can sign in again");
    })
    .await;
}

#[tokio::test]
async fn a_code_expires_and_ends_with_its_session() {
    on_both(async |db| {
        let scene = Scene::new(db).await;
        let none = |redemption| CodeRedemption { code_challenge: None, ..redemption };
        assert!(scene.issue(1, None).await);
        scene.clock.advance(TimeDelta::seconds(60));
        assert_eq!(scene.redeem(&none(scene.redemption(1, 10))).await, Redeemed::Refused);
        assert!(scene.issue(2, None).await);
        assert_eq!(scene.redeem(&scene.redemption(2, 11)).await, Redeemed::Refused, "PKCE downgrade");
        let now = scene.clock.now();
        let ended = scene.event(Kind::SessionEnded);
        session::end(&scene.db, scene.session, EndReason::SignedOut, &ended, now, &scene.random)
            .await
            .unwrap();
        assert_eq!(scene.redeem(&none(scene.redemption(2, 12))).await, Redeemed::Refused);
        assert!(!scene.issue(3, None).await, "no grant in a session that ended");
        assert!(code(&scene.db, [3; 32]).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_once_and_its_reuse_revokes_all() {
    on_both(async |db| {
        let scene = Scene::new(db).await;
        scene.issue(1, Some("c")).await;
        assert_eq!(scene.redeem(&scene.redemption(1, 10)).await, Redeemed::Done);
        scene.clock.advance(TimeDelta::minutes(5));
        assert_eq!(scene.refresh(10, "other", 11).await, Redeemed::Refused);
        assert_eq!(scene.refresh(10, "rp", 11).await, Redeemed::Done);
        let seen = session::by_id(&scene.db, scene.session).await.unwrap().unwrap().last_seen_at;
        assert_eq!(seen, scene.clock.now(), "a refresh counts as a use of the session");
        assert_eq!(scene.refresh(10, "other", 12).await, Redeemed::Refused, "strangers revoke nothing");
        assert_eq!(scene.refresh(10, "rp", 12).await, Redeemed::Replayed);
        assert_eq!(scene.refresh(11, "rp", 13).await, Redeemed::Refused, "the whole grant is revoked");
        let kept = refresh_token(&scene.db, [11; 32]).await.unwrap().unwrap();
        assert!(kept.granted.grant.revoked_at.is_some() && kept.consumed_at.is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_deleted_and_a_removed_client_takes_its_grants_along() {
    on_both(async |db| {
        let scene = Scene::new(db).await;
        scene.issue(1, Some("c")).await;
        scene.redeem(&scene.redemption(1, 10)).await;
        let soon = scene.clock.now() + TimeDelta::minutes(31);
        assert_eq!(delete_expired(&scene.db, soon, 100).await.unwrap(), 2, "two tokens");
        assert!(code(&scene.db, [1; 32]).await.unwrap().is_some());
        let late = scene.clock.now() + TimeDelta::hours(5);
        assert_eq!(delete_expired(&scene.db, late, 100).await.unwrap(), 1);
        assert!(code(&scene.db, [1; 32]).await.unwrap().is_none());
        scene.issue(2, None).await;
        client::remove(&scene.db, "rp", &scene.event(Kind::ClientRemoved)).await.unwrap();
        assert!(code(&scene.db, [2; 32]).await.unwrap().is_none());
    })
    .await;
}
