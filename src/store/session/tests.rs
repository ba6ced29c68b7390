use super::*;
use crate::audit::Kind;
use crate::clock::{Clock, MockClock};
use crate::ids::{CountingRandom, GrantId, WorkstationId, uuid_v4};
use crate::session::{Acr, Amr, AuthMode, Evidence, SessionPolicy, Standing};
use crate::store::client::tests::{event, new_client};
use crate::store::grant::{Details, NewGrant};
use crate::store::testing::on_both;
use crate::store::{audit, client, grant, read, write};

/// What a tap of the badge does to the level of a session, and nothing else of it.
pub(crate) async fn prove_level(db: &Db, id: SessionId, level: Acr) {
    async fn set(db: &Db, id: SessionId, level: Acr) -> Result<(), StoreError> {
        write!(db, c => {
            sqlx::query("UPDATE session SET acr = $2 WHERE id = $1").bind(id).bind(level).execute(&mut *c).await?;
            Ok(())
        })
    }
    set(db, id, level).await.unwrap();
}

/// A person to hang sessions on.
pub(crate) async fn somebody(db: &Db, now: Time, random: &dyn Random) -> PersonId {
    async fn insert(db: &Db, id: PersonId, now: Time) -> Result<(), StoreError> {
        write!(db, c => {
            sqlx::query("INSERT INTO person (id, family_name, given_name, sought, created_at) VALUES ($1, $2, $3, '', $4)")
                .bind(id).bind("DOC0036624").bind("KIT").bind(now).execute(&mut *c).await?;
            Ok(())
        })
    }
    let id = PersonId::new(now, random);
    insert(db, id, now).await.unwrap();
    id
}

/// A session to begin for `person`, by card, with the cookie hash `[cookie; 32]`.
pub(crate) fn card_session(person: PersonId, cookie: u8, now: Time, random: &dyn Random) -> NewSession {
    NewSession {
        id: SessionId::new(now, random),
        cookie_hash: [cookie; 32],
        authentication: Authentication {
            person,
            acr: Acr::Eidas3,
            amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
            auth_mode: AuthMode::Card,
            at: now,
            evidence: Evidence::Card {
                card_number: "8025000001/2800000009".into(),
                certificate_sha256: "00".repeat(32),
                serial: "01".into(),
                issuer: None,
                workstation: WorkstationId(uuid_v4(random)),
                pin: "window".into(),
                interface: "contact".into(),
            },
        },
        expires_at: now + SessionPolicy::default().lifetime,
        station: Station::default(),
        watched: None,
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_cookie_as_it_was_begun() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let new = card_session(person, 1, clock.now(), &random);
        begin(&db, &new, clock.now()).await.unwrap();
        let found = by_cookie(&db, [1; 32]).await.unwrap().unwrap();
        assert_eq!(found.id, new.id);
        assert_eq!(found.amr, new.authentication.amr);
        assert_eq!(found.evidence, new.authentication.evidence);
        assert_eq!(found.auth_time, clock.now());
        assert!(by_cookie(&db, [2; 32]).await.unwrap().is_none());
        assert_eq!(running_of(&db, person).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_after_thirty_minutes_without_use_and_after_four_hours_at_the_latest() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let policy = SessionPolicy::default();
        let person = somebody(&db, clock.now(), &random).await;
        let new = card_session(person, 1, clock.now(), &random);
        begin(&db, &new, clock.now()).await.unwrap();
        for _ in 0..11 {
            clock.advance(TimeDelta::minutes(20));
            let session = by_id(&db, new.id).await.unwrap().unwrap();
            assert_eq!(session.standing(policy, clock.now()), Standing::Alive);
            touch(&db, &session, clock.now()).await.unwrap();
        }
        let over = |_, _| event(Kind::SessionEnded, &clock);
        let everywhere = IdleGroup { zone: None, shared: false, idle: policy.idle };
        assert_eq!(end_expired(&db, &everywhere, 100, &over, clock.now(), &random).await.unwrap(), 0);
        clock.advance(TimeDelta::minutes(20));
        let session = by_id(&db, new.id).await.unwrap().unwrap();
        assert_eq!(session.standing(policy, clock.now()), Standing::Expired);

        let idle = card_session(person, 2, clock.now(), &random);
        begin(&db, &idle, clock.now()).await.unwrap();
        clock.advance(TimeDelta::minutes(30));
        let session = by_id(&db, idle.id).await.unwrap().unwrap();
        assert_eq!(session.standing(policy, clock.now()), Standing::Expired);
        assert_eq!(end_expired(&db, &everywhere, 100, &over, clock.now(), &random).await.unwrap(), 2);
        let session = by_id(&db, idle.id).await.unwrap().unwrap();
        assert_eq!(session.standing(policy, clock.now()), Standing::Ended);
        assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 2, "each end is recorded");

        assert_eq!(delete_old(&db, clock.now(), 100).await.unwrap(), 1, "the other's four hours run");
        assert!(by_id(&db, new.id).await.unwrap().is_none());
        clock.advance(policy.lifetime);
        assert_eq!(delete_old(&db, clock.now(), 100).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn running_sessions_are_read_page_by_page_and_ended_one_by_one() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let mut begun = Vec::new();
        for cookie in 1..=5 {
            let new = card_session(person, cookie, clock.now(), &random);
            begin(&db, &new, clock.now()).await.unwrap();
            begun.push(new.id);
            clock.advance(TimeDelta::seconds(1));
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = relied_on(&db, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            found.extend(page);
        }
        let ids: Vec<_> = found.iter().map(|session| session.id).collect();
        assert_eq!(ids, begun);

        let (ending, staying) = found.split_at(2);
        let event = || event(Kind::SessionEnded, &clock);
        let ending: Vec<_> = ending.iter().map(|session| (session.id, event())).collect();
        let end = async || end_of_revoked_cards(&db, &ending, clock.now(), &random).await.unwrap();
        assert_eq!(end().await, 2);
        assert_eq!(end().await, 0, "they have ended");
        assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 2, "each end is recorded, once");
        let left: Vec<_> = relied_on(&db, None, 10).await.unwrap().iter().map(|session| session.id).collect();
        assert_eq!(left, staying.iter().map(|session| session.id).collect::<Vec<_>>());
    })
    .await;
}

/// Whoever stole a card and signed out again before it was revoked has nothing left of it either.
#[tokio::test]
async fn what_outlives_a_session_ends_with_its_card() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let event = || event(Kind::SessionEnded, &clock);
        client::add(&db, &new_client("rp"), clock.now(), &event()).await.unwrap();
        for (code, offline) in [(1, false), (2, true)] {
            let new = card_session(person, code, clock.now(), &random);
            begin(&db, &new, clock.now()).await.unwrap();
            let granted = NewGrant {
                id: GrantId::new(clock.now(), &random),
                session_id: new.id,
                person_id: person,
                client_id: "rp".into(),
                scope: "openid".into(),
                nonce: String::new(),
                code_hash: [code; 32],
                redirect_uri: "https://rp.example/cb".into(),
                code_challenge: None,
                code_expires_at: clock.now() + TimeDelta::minutes(1),
                transaction: None,
                details: Details { offline, ..Details::default() },
                consent: None,
            };
            assert!(grant::issue(&db, &granted, clock.now(), &event()).await.unwrap());
            end(&db, new.id, EndReason::SignedOut, &event(), clock.now(), &random).await.unwrap();
        }
        let left = relied_on(&db, None, 10).await.unwrap();
        let [only] = left.as_slice() else { panic!("{left:?}") };
        assert!(!only.runs);
        let ending = [(only.id, event())];
        let end = async || end_of_revoked_cards(&db, &ending, clock.now(), &random).await.unwrap();
        assert_eq!((end().await, end().await), (1, 0));
        assert!(relied_on(&db, None, 10).await.unwrap().is_empty());
        let code = grant::code(&db, [2; 32]).await.unwrap().unwrap();
        assert!(code.granted.grant.revoked_at.is_some());
    })
    .await;
}

#[tokio::test]
async fn each_group_has_its_own_idle_time() {
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let mut ids = Vec::new();
        for (cookie, (zone, shared)) in [("", false), ("", true), ("garde", false)].into_iter().enumerate() {
            let mut new = card_session(person, cookie as u8, clock.now(), &random);
            new.station = Station { zone: zone.into(), shared };
            begin(&db, &new, clock.now()).await.unwrap();
            ids.push(new.id);
        }
        clock.advance(TimeDelta::minutes(5));
        let over = |_, _| event(Kind::SessionEnded, &clock);
        for (zone, shared, ended) in [(Some("garde"), false, 2), (None, true, 1)] {
            let group = IdleGroup { zone: zone.map(str::to_owned), shared, idle: TimeDelta::minutes(5) };
            assert_eq!(end_expired(&db, &group, 10, &over, clock.now(), &random).await.unwrap(), 1);
            assert!(by_id(&db, ids[ended]).await.unwrap().unwrap().ended_at.is_some(), "{group:?}");
        }
        assert!(by_id(&db, ids[0]).await.unwrap().unwrap().ended_at.is_none(), "of neither group");
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_session_queues_a_logout_for_each_relying_party_that_wants_one() {
    async fn grant(
        db: &Db,
        client: &str,
        uri: Option<&str>,
        new: &NewSession,
        now: Time,
        random: &dyn Random,
    ) {
        let id = uuid_v4(random);
        let (client, uri) = (client.to_owned(), uri.map(str::to_owned));
        let result: Result<(), StoreError> = async {
            write!(db, c => {
                sqlx::query("INSERT INTO client (id, name, profile, redirect_uris, post_logout_redirect_uris,
                    backchannel_logout_uri, audience, may_introspect, created_at, updated_at)
                    VALUES ($1, $1, 'psc', '[]', '[]', $2, 'affiliated', FALSE, $3, $3)")
                    .bind(client.clone()).bind(uri).bind(now).execute(&mut *c).await?;
                sqlx::query("INSERT INTO authorization_grant (id, session_id, person_id, client_id, scope, nonce,
                    created_at) VALUES ($1, $2, $3, $4, 'openid', '', $5)")
                    .bind(id).bind(new.id).bind(new.authentication.person).bind(client).bind(now)
                    .execute(&mut *c).await?;
                Ok(())
            })
        }
        .await;
        result.unwrap();
    }
    on_both(async |db| {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let person = somebody(&db, clock.now(), &random).await;
        let new = card_session(person, 1, clock.now(), &random);
        begin(&db, &new, clock.now()).await.unwrap();
        grant(&db, "one", Some("https://one.example/logout"), &new, clock.now(), &random).await;
        grant(&db, "two", None, &new, clock.now(), &random).await;
        let over = event(Kind::SessionEnded, &clock);
        assert!(end(&db, new.id, EndReason::SignedOut, &over, clock.now(), &random).await.unwrap());
        let again = end(&db, new.id, EndReason::SignedOut, &over, clock.now(), &random).await.unwrap();
        assert!(!again, "ends once");
        assert_eq!(audit::unsealed(&db, "main", 10).await.unwrap().len(), 1, "and is recorded once");
        let later = clock.now() + TimeDelta::days(1);
        assert_eq!(delete_old(&db, later, 10).await.unwrap(), 0, "a grant still names it");
        let queued: Result<Vec<(String, String)>, StoreError> = async {
            read!(&db, c => Ok(sqlx::query_as("SELECT client_id, uri FROM logout_delivery").fetch_all(c).await?))
        }
        .await;
        assert_eq!(queued.unwrap(), [("one".to_owned(), "https://one.example/logout".to_owned())]);
    })
    .await;
}
