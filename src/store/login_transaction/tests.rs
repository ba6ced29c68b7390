use std::sync::Arc;

use super::*;
use crate::audit::{Kind, Trail};
use crate::clock::{Clock, MockClock};
use crate::ids::{CountingRandom, PersonId};
use crate::session::{Acr, Session};
use crate::store::session::Watched;
use crate::store::session::tests::{card_session, somebody};
use crate::store::testing::on_both;
use crate::store::{audit, session, workstation, write};
use chrono::TimeDelta;

#[tokio::test]
async fn a_sign_in_is_completed_once_and_only_with_its_last_request() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let now = clock.now();
        let person = somebody(&db, now, &random).await;
        let before = card_session(person, 9, now, &random);
        session::begin(&db, &before, now).await.unwrap();
        let id = TransactionId::new(now, &random);
        let new = NewTransaction {
            id,
            browser_hash: [7; 32],
            client_id: "rp".into(),
            request: serde_json::json!({ "state": "s" }),
            expires_at: now + TimeDelta::minutes(10),
        };
        begin(&db, &new, now).await.unwrap();
        let soon = now + TimeDelta::seconds(120);
        assert!(issue_card_request(&db, id, "t1", "jws1", soon, now).await.unwrap());
        assert!(issue_card_request(&db, id, "t2", "jws2", soon, now).await.unwrap());
        assert!(by_card_txn(&db, "t1").await.unwrap().is_none());
        assert_eq!(by_card_txn(&db, "t2").await.unwrap().unwrap().id, id);

        let event = Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(CountingRandom::default()))
            .event(Kind::SignIn);
        let event = NewRow::from(&event);
        let first = card_session(person, 1, now, &random);
        let before_ends = Replaced {
            session: before.id,
            event: crate::store::client::tests::event(Kind::SessionEnded, &clock),
        };
        let replaced = Some(&before_ends);
        let with = |txn, session, replaced| Completion {
            proof: Proof::Request(txn),
            session,
            goes_on: None,
            replaced,
            browser: None,
            event: &event,
        };
        assert!(
            !complete(&db, id, with("t1", &first, replaced), now, &random).await.unwrap(),
            "an older request"
        );
        assert!(!complete(&db, id, with("t2", &first, replaced), soon, &random).await.unwrap(), "too late");
        assert!(session::by_id(&db, first.id).await.unwrap().is_none());
        assert!(session::by_id(&db, before.id).await.unwrap().unwrap().ended_at.is_none());
        assert!(complete(&db, id, with("t2", &first, replaced), now, &random).await.unwrap());
        assert!(session::by_id(&db, before.id).await.unwrap().unwrap().ended_at.is_some());
        let second = card_session(person, 2, now, &random);
        assert!(!complete(&db, id, with("t2", &second, None), now, &random).await.unwrap(), "replayed");
        assert!(session::by_id(&db, second.id).await.unwrap().is_none());
        let done = by_id(&db, id).await.unwrap().unwrap();
        assert_eq!((done.state, done.session_id), (State::Done, Some(first.id)));
        let recorded = audit::unsealed(&db, "main", 10).await.unwrap();
        assert_eq!(recorded.len(), 2, "recorded with the session and the end of the other, and only then");
        assert!(!issue_card_request(&db, id, "t3", "jws3", soon, now).await.unwrap());
        assert!(!cancel(&db, id, now).await.unwrap());
        assert_eq!(delete_expired(&db, now + TimeDelta::minutes(10), 10).await.unwrap(), 1);
    })
    .await;
}

/// A browser with a session, and sign-ins that would go on with it.
struct Desk {
    db: Db,
    clock: MockClock,
    random: CountingRandom,
    person: PersonId,
    session: NewSession,
}

impl Desk {
    /// The session that `card` opened, with the cookie `[1; 32]`.
    async fn new(db: Db, card: &str) -> Self {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let workstation = workstation::tests::enrolled(&db, &clock, &random).await;
        let mut session = card_session(person, 1, clock.now(), &random);
        let leased_until = Some(clock.now() + TimeDelta::seconds(90));
        session.watched = Some(Watched { workstation, card: card.into(), agent: None, leased_until });
        session::begin(&db, &session, clock.now()).await.unwrap();
        Self { db, clock, random, person, session }
    }

    /// A new sign-in with the same card at the same place, whose cookie will be `[cookie; 32]`.
    fn sign_in(&self, cookie: u8) -> NewSession {
        let now = self.clock.now();
        let mut new = NewSession {
            id: self.session.id,
            watched: self.session.watched.clone(),
            ..card_session(self.person, cookie, now, &self.random)
        };
        if let Some(watched) = &mut new.watched {
            watched.leased_until = Some(now + TimeDelta::seconds(90));
        }
        new
    }

    async fn begun(&self, txn: &str) -> TransactionId {
        let now = self.clock.now();
        let (id, expires_at) = (TransactionId::new(now, &self.random), now + TimeDelta::minutes(10));
        let (client_id, request) = ("rp".to_owned(), serde_json::Value::Null);
        let new = NewTransaction { id, browser_hash: [7; 32], client_id, request, expires_at };
        begin(&self.db, &new, now).await.unwrap();
        assert!(issue_card_request(&self.db, id, txn, "jws", expires_at, now).await.unwrap());
        id
    }

    /// Whether a browser with the cookie `[cookie; 32]` goes on by this sign-in. Where not, the sign-in has to be open still.
    async fn goes_on(&self, cookie: u8, new: &NewSession) -> bool {
        let txn = TransactionId::new(self.clock.now(), &self.random).to_string();
        let id = self.begun(&txn).await;
        let done = self.complete(id, &txn, cookie, new).await;
        let state = by_id(&self.db, id).await.unwrap().unwrap().state;
        assert_eq!(state, if done { State::Done } else { State::Open });
        done
    }

    async fn complete(&self, id: TransactionId, txn: &str, cookie: u8, new: &NewSession) -> bool {
        let event = crate::store::client::tests::event(Kind::SignIn, &self.clock);
        let completion = Completion {
            proof: Proof::Request(txn),
            session: new,
            goes_on: Some(&[cookie; 32]),
            replaced: None,
            browser: None,
            event: &event,
        };
        complete(&self.db, id, completion, self.clock.now(), &self.random).await.unwrap()
    }

    async fn look(&self) -> Session {
        session::by_id(&self.db, self.session.id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_locked_session_is_opened_again_once_by_its_card_and_not_after_its_end() {
    on_both(async |db| {
        let desk = Desk::new(db, "card").await;
        let before = audit::unsealed(&desk.db, "main", 10).await.unwrap().len();
        lock(&desk.db, desk.session.id, desk.clock.now()).await;
        desk.clock.advance(TimeDelta::minutes(1));
        let again = desk.sign_in(2);
        let id = desk.begun("t1").await;
        assert!(!desk.complete(id, "t0", 1, &again).await, "another request");
        assert!(desk.look().await.locked_at.is_some());
        let mut other = again.clone();
        other.watched.as_mut().unwrap().card = "the same person's other card".into();
        let unwatched = NewSession { watched: None, ..again.clone() };
        for new in [&other, &unwatched] {
            assert!(!desk.goes_on(1, new).await, "{new:?}");
        }
        assert!(desk.look().await.locked_at.is_some());

        assert!(desk.complete(id, "t1", 1, &again).await);
        assert!(!desk.complete(id, "t1", 1, &again).await, "replayed");
        let opened = desk.look().await;
        assert_eq!((opened.locked_at, opened.auth_time, opened.ended_at), (None, desk.clock.now(), None));
        assert!(session::by_cookie(&desk.db, [1; 32]).await.unwrap().is_none(), "the cookie is a new one");
        assert_eq!(session::by_cookie(&desk.db, [2; 32]).await.unwrap().unwrap().id, desk.session.id);

        // Its lease runs out, and nobody has written that down yet: the same rule.
        desk.clock.advance(TimeDelta::seconds(90));
        assert!(!desk.goes_on(2, &other).await, "a lease that has run out is a lock");
        assert!(desk.goes_on(2, &desk.sign_in(3)).await);

        let over = crate::store::client::tests::event(Kind::SessionEnded, &desk.clock);
        let now = desk.clock.now();
        session::end(&desk.db, desk.session.id, EndReason::SignedOut, &over, now, &desk.random)
            .await
            .unwrap();
        assert!(!desk.goes_on(3, &desk.sign_in(4)).await, "nobody takes it after its end");
        let recorded = audit::unsealed(&desk.db, "main", 10).await.unwrap();
        assert_eq!(recorded.len() - before, 3, "two sign-ins and one end");
    })
    .await;
}

#[tokio::test]
async fn a_session_goes_on_for_its_person_in_its_browser_and_by_what_proves_as_much() {
    on_both(async |db| {
        let mut desk = Desk::new(db, "card").await;
        desk.clock.advance(TimeDelta::minutes(1));
        let good = desk.sign_in(2);
        let mut stranger = good.clone();
        stranger.authentication.person = somebody(&desk.db, desk.clock.now(), &desk.random).await;
        let mut weaker = good.clone();
        weaker.authentication.acr = Acr::Eidas2;
        let unwatched = NewSession { watched: None, ..good.clone() };
        // A minute without a report has not locked it: the lease is of ninety seconds.
        for (what, cookie, new) in [
            ("another person", 1, &stranger),
            ("a lower level", 1, &weaker),
            ("a card that nobody watches", 1, &unwatched),
            ("a browser without its cookie", 9, &good),
        ] {
            assert!(!desk.goes_on(cookie, new).await, "{what}");
            let session = desk.look().await;
            assert_eq!((session.acr, session.auth_time), (Acr::Eidas3, session.created_at), "{what}");
        }
        let mut moved = good.clone();
        let other = workstation::tests::enrolled(&desk.db, &desk.clock, &desk.random).await;
        let watched = moved.watched.as_mut().unwrap();
        (watched.workstation, watched.card, watched.agent) =
            (other, "other card".into(), Some("agent".into()));
        assert!(desk.goes_on(1, &moved).await);
        let session = desk.look().await;
        assert_eq!((session.workstation_id, session.card.as_deref()), (Some(other), Some("other card")));
        assert_eq!(session.leased_until, Some(desk.clock.now() + TimeDelta::seconds(90)));
        assert!(!desk.goes_on(1, &good).await, "its former cookie is worth nothing");
        // Without a watch before, one without goes on, and so does one that is watched.
        desk.session = card_session(desk.person, 5, desk.clock.now(), &desk.random);
        session::begin(&desk.db, &desk.session, desk.clock.now()).await.unwrap();
        assert!(desk.goes_on(5, &desk.sign_in(6)).await);
        let watched = NewSession { watched: good.watched.clone(), ..desk.sign_in(7) };
        assert!(desk.goes_on(6, &watched).await);
    })
    .await;
}

async fn lock(db: &Db, id: SessionId, now: Time) {
    use crate::store::session::lock_session;
    let locked: Result<bool, StoreError> = async { write!(db, c => { Ok(lock_session!(c, id, now)) }) }.await;
    assert!(locked.unwrap());
}

#[tokio::test]
async fn a_certificate_is_kept_no_longer_than_its_handle_is_good() {
    on_both(async |db| {
        let now = MockClock::default().now();
        let id = TransactionId::new(now, &CountingRandom::default());
        let (expires_at, request) = (now + TimeDelta::minutes(10), serde_json::Value::Null);
        let new = NewTransaction { id, browser_hash: [7; 32], client_id: "rp".into(), request, expires_at };
        begin(&db, &new, now).await.unwrap();
        let soon = now + TimeDelta::seconds(120);
        let offered = OfferedCertificate {
            certificate_handle: vec![1; 32],
            certificate: Some(vec![0x30, 0]),
            certificate_expires_at: soon,
        };
        assert!(offer_certificate(&db, id, &offered, now).await.unwrap());
        assert_eq!(forget_certificates(&db, soon - TimeDelta::seconds(1)).await.unwrap(), 0);
        assert_eq!(offered_certificate(&db, id).await.unwrap().as_ref(), Some(&offered));
        assert_eq!(forget_certificates(&db, soon).await.unwrap(), 1);
        let left = offered_certificate(&db, id).await.unwrap().unwrap();
        assert_eq!(left, OfferedCertificate { certificate: None, ..offered });
        assert_eq!(forget_certificates(&db, soon).await.unwrap(), 0);
    })
    .await;
}
