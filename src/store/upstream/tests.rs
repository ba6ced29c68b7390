use super::*;
use std::sync::Arc;

use crate::audit::{Kind, Trail};
use crate::clock::{Clock as _, MockClock};
use crate::directory::NationalId;
use crate::ids::{CountingRandom, SessionId};
use crate::store::client::tests::event;
use crate::store::login_transaction::{self, Completion, NewTransaction, Proof};
use crate::store::person;
use crate::store::session::tests::{card_session, somebody};
use crate::store::session::{self, NewSession};
use crate::store::testing::on_both;
use crate::store::upstream_link::{self, Linked, NewLink, Unlinking};
use crate::store::upstream_session::{LogoutToken, Recording, log_out};
use chrono::TimeDelta;

const ISSUER: &str = "https://psc.example/realm";

/// Somebody comes back from a provider.
struct Coming {
    db: Db,
    clock: MockClock,
    random: CountingRandom,
    person: PersonId,
}

impl Coming {
    async fn new(db: Db) -> Self {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        Self { db, clock, random, person }
    }

    fn there() -> UpstreamSession {
        UpstreamSession {
            provider: "psc".into(),
            issuer: ISSUER.into(),
            subject: "f:1:2".into(),
            sid: Some("there".into()),
            id_token: Some(vec![1]),
        }
    }

    /// The sign-in number `n` has come back, and everything has been looked at.
    async fn back(&self, n: u8, may_link: bool) -> (TransactionId, Identified, NewSession) {
        let (now, db, random) = (self.clock.now(), &self.db, &self.random);
        let (id, expires_at) = (TransactionId::new(now, random), now + TimeDelta::minutes(10));
        let (client_id, request) = ("rp".to_owned(), serde_json::Value::Null);
        let begun = NewTransaction { id, browser_hash: [n; 32], client_id, request, expires_at };
        login_transaction::begin(db, &begun, now).await.unwrap();
        let sent = NewUpstreamSignIn {
            state_hash: [n; 32],
            transaction_id: id,
            provider: "psc".into(),
            sealed: vec![1],
            expires_at,
        };
        begin(db, &sent).await.unwrap();
        take(db, [n; 32], now).await.unwrap().unwrap();
        let there = Self::there();
        let identified = Identified {
            by: Brought::State([n; 32]),
            issuer: there.issuer.clone(),
            subject: there.subject.clone(),
            there,
            issued_at: now,
            label: "Pro Santé Connect".into(),
            linked: event(Kind::IdentityLinked, &self.clock),
            may_link,
            identifiers: Vec::new(),
            professional: ToldProfessional::Silent,
            refreshed: event(Kind::PersonRefreshed, &self.clock),
        };
        (id, identified, card_session(self.person, n, now, random))
    }

    /// It is completed: the session that began, if one did.
    async fn completed(
        &self,
        (id, identified, new): &(TransactionId, Identified, NewSession),
    ) -> Option<SessionId> {
        let (now, db, random) = (self.clock.now(), &self.db, &self.random);
        let completion = Completion {
            proof: Proof::Upstream(identified),
            session: new,
            goes_on: None,
            replaced: None,
            browser: None,
            event: &event(Kind::SignIn, &self.clock),
        };
        let begins = login_transaction::complete(db, *id, completion, now, random).await.unwrap();
        assert_eq!(session::by_id(db, new.id).await.unwrap().is_some(), begins);
        begins.then_some(new.id)
    }

    async fn comes(&self, n: u8, may_link: bool) -> Option<SessionId> {
        self.completed(&self.back(n, may_link).await).await
    }

    /// The provider ends the session there now, with its logout token number `n`: how many end here.
    async fn is_ended_there(&self, n: u8) -> usize {
        let now = self.clock.now();
        let token = LogoutToken {
            issuer: ISSUER.into(),
            jti_hash: [n; 32],
            sid: Some("there".into()),
            subject: None,
            issued_at: now,
            expires_at: now + TimeDelta::minutes(10),
        };
        let of_token = |_: usize| event(Kind::UpstreamLogout, &self.clock);
        let of_session = |_: SessionId, _: PersonId| event(Kind::SessionEnded, &self.clock);
        let recording = Recording { token: &of_token, session: &of_session };
        log_out(&self.db, &token, recording, now, &self.random).await.unwrap().unwrap()
    }

    async fn is_linked(&self) -> bool {
        person_of(&self.db, ISSUER, "f:1:2").await.unwrap() == Some(self.person)
    }
}

#[tokio::test]
async fn a_sign_in_that_the_provider_ended_after_it_was_looked_at_begins_nothing() {
    on_both(async |db| {
        let coming = Coming::new(db).await;
        assert_eq!(coming.is_ended_there(1).await, 0, "the session is not there yet");
        assert!(coming.comes(1, true).await.is_none());
        assert!(!coming.is_linked().await);
        // Whoever signs in there anew comes in.
        coming.clock.advance(TimeDelta::seconds(1));
        assert!(coming.comes(2, true).await.is_some());
        assert!(coming.is_linked().await);
    })
    .await;
}

#[tokio::test]
async fn of_a_sign_in_and_its_logout_token_at_one_moment_no_session_stays() {
    on_both(async |db| {
        let coming = Coming::new(db).await;
        for n in 1..=20 {
            coming.clock.advance(TimeDelta::seconds(1));
            let back = coming.back(n, true).await;
            let (begun, ended) = tokio::join!(coming.completed(&back), coming.is_ended_there(n));
            assert_eq!(ended, usize::from(begun.is_some()), "the one that came second has seen the other");
            if let Some(begun) = begun {
                let session = session::by_id(&coming.db, begun).await.unwrap().unwrap();
                assert!(session.ended_at.is_some());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_was_unlinked_while_its_person_signed_in_is_not_linked_by_that_sign_in() {
    on_both(async |db| {
        let coming = Coming::new(db).await;
        let (now, clock) = (coming.clock.now(), &coming.clock);
        let link = NewLink {
            person: coming.person,
            issuer: ISSUER.into(),
            subject: "f:1:2".into(),
            label: "Pro Santé Connect".into(),
            by: "desk",
            check: None,
        };
        let linked = event(Kind::IdentityLinked, clock);
        let done = upstream_link::link(&coming.db, &link, &linked, now, &coming.random).await.unwrap();
        assert_eq!(done, Linked::Done);
        assert!(coming.comes(1, false).await.is_some(), "as long as it is linked");

        let of_link = |subject: &str| {
            assert_eq!(subject, "f:1:2");
            event(Kind::IdentityUnlinked, clock)
        };
        let of_session = |_: SessionId| event(Kind::SessionEnded, clock);
        let unlinking =
            Unlinking { person: coming.person, issuer: ISSUER, event: &of_link, ended: &of_session };
        assert!(upstream_link::unlink(&coming.db, &unlinking, now, &coming.random).await.unwrap());
        assert!(coming.comes(2, false).await.is_none());
        assert!(!coming.is_linked().await, "whoever took it away has taken it away");
        assert!(
            coming.comes(3, true).await.is_some(),
            "the provider's word for an identifier makes a new link"
        );
    })
    .await;
}

#[tokio::test]
async fn an_identifier_that_became_somebody_elses_a_moment_ago_takes_the_whole_sign_in_with_it() {
    on_both(async |db| {
        let coming = Coming::new(db).await;
        let (now, clock, random) = (coming.clock.now(), &coming.clock, &coming.random);
        let id = NationalId::of_source("f81d4fae-7dec-11d0-a765-00a0c91e6bf6").unwrap();
        let told = || ToldIdentifier { id: id.clone(), event: event(Kind::PersonIdentified, clock) };
        let (transaction, mut identified, new) = coming.back(1, true).await;
        identified.identifiers = vec![told()];
        let other = somebody(&coming.db, now, random).await;
        let trail = Trail::new("node", "1", Arc::new(clock.clone()), Arc::new(CountingRandom::default()));
        let given = trail.event(Kind::PersonIdentified);
        person::identify(&coming.db, other, &id, now, &given).await.unwrap();
        let completion = Completion {
            proof: Proof::Upstream(&identified),
            session: &new,
            goes_on: None,
            replaced: None,
            browser: None,
            event: &event(Kind::SignIn, clock),
        };
        let raced = login_transaction::complete(&coming.db, transaction, completion, now, random).await;
        assert!(raced.unwrap_err().is_duplicate());
        assert!(session::by_id(&coming.db, new.id).await.unwrap().is_none());
        assert!(!coming.is_linked().await);
        assert_eq!(person::holders(&coming.db, &[id]).await.unwrap().remove(0).1, other);
    })
    .await;
}
