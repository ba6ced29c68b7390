//! What a stolen secret, a curious client or a fast hand would try.

use super::stand::{answer, approve, ask, asked, poll, proof, refusal, register, row, told, with_phone};
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::session::asking::Channel;
use crate::session::{CardOut, Demands, Names};
use crate::store;
use crate::store::approval::{Answer, MOST_OF_SOURCE, MOST_WAITING};
use crate::store::client::ProfileName;
use crate::store::means::{self, Halt, Halting};
use crate::tests::spec::stand::{DOCTOR, STRANGER, Stand};

/// Who exists, who is disabled, who is not of this house, who is asked too much: one answer for all, and nobody is woken.
#[tokio::test]
async fn a_client_learns_of_nobody_whether_they_exist() {
    with_phone(async |stand, phone| {
        let known = ask(&stand, "ask", &[]).await.json();
        let members = |answer: &serde_json::Value| {
            let mut members = answer.as_object().unwrap().clone();
            let id = members.remove("auth_req_id").unwrap();
            (members, id.as_str().unwrap().len())
        };
        for hint in ["899700000000", STRANGER, "nobody", "../..", "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:1"]
        {
            let unknown = ask(&stand, "ask", &[("login_hint", hint)]).await;
            assert_eq!(unknown.status, 200, "{hint}");
            assert_eq!(members(&unknown.json()), members(&known), "{hint}");
            let id = unknown.json()["auth_req_id"].as_str().unwrap().to_owned();
            assert_eq!(
                told(&poll(&stand, "ask", &id).await),
                refusal(400, "authorization_pending"),
                "{hint}"
            );
        }
        assert_eq!(phone.rung().await.len(), 1, "the doctor alone");
        stand.disable(DOCTOR).await;
        let disabled = ask(&stand, "ask", &[]).await;
        assert_eq!(members(&disabled.json()), members(&known));
        let id = disabled.json()["auth_req_id"].as_str().unwrap().to_owned();
        let yes = Answer::Approve(proof(&stand).await);
        assert!(!answer(&stand, "ask", &id, yes).await, "it is a question to nobody");
        stand.advance(120);
        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "expired_token"));
        assert_eq!(phone.rung().await.len(), 1);
    })
    .await;
}

/// Nobody is asked more often than they can look; and the client that asks too much waits, longer each time.
#[tokio::test]
async fn a_client_that_floods_waits_and_its_victim_is_left_alone() {
    with_phone(async |stand, phone| {
        register(&stand, "too", ProfileName::Psc, |_| {}).await;
        let mut first = Vec::new();
        for _ in 0..MOST_WAITING {
            first.push(asked(&stand, "ask", &[]).await);
        }
        let sixth = ask(&stand, "ask", &[]).await;
        assert_eq!(told(&sixth), refusal(429, "access_denied"));
        assert_eq!(sixth.headers["retry-after"], "2");
        // Two of them wait: what is older has become nobody's, and looks like every question. Another client is heard.
        asked(&stand, "too", &[]).await;
        assert_eq!(phone.rung().await.len() as i64, MOST_WAITING + 1);
        let (doctor, now) = (stand.person(DOCTOR).await, stand.clock.now());
        let waiting = store::approval::waiting_for(&stand.db, doctor, Channel::Phone, now).await.unwrap();
        let clients: Vec<_> = waiting.iter().map(|one| one.client_id.as_str()).collect();
        assert_eq!(clients.iter().filter(|id| **id == "ask").count() as i64, MOST_OF_SOURCE);
        assert!(clients.contains(&"too"));
        assert_eq!(told(&poll(&stand, "ask", &first[0]).await), refusal(400, "authorization_pending"));
        let mut waits = Vec::new();
        for _ in 0..4 {
            let refused = ask(&stand, "ask", &[]).await;
            let wait: i64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
            waits.push(wait);
            stand.advance(wait);
            first.push(asked(&stand, "ask", &[]).await);
        }
        assert_eq!(waits, [2, 3, 5, 9], "one more than 1, 2, 4 and 8, to be sure");
        // Whoever does not exist makes it wait as well: nothing is told by it.
        for _ in 0..5 {
            asked(&stand, "ask", &[("login_hint", "899700000000")]).await;
        }
        let invented = ask(&stand, "ask", &[("login_hint", "899700000000")]).await;
        assert_eq!(told(&invented), refusal(429, "access_denied"));
        // An answer forgives it.
        let last = first.last().unwrap();
        approve(&stand, "ask", last).await;
        assert_eq!(poll(&stand, "ask", last).await.status, 200);
        assert_eq!(ask(&stand, "ask", &[]).await.status, 200);
    })
    .await;
}

/// A flood about ever other names is one client's.
#[tokio::test]
async fn a_client_that_asks_for_everybody_waits_too() {
    with_phone(async |stand, _| {
        for number in 0..300 {
            asked(&stand, "ask", &[("login_hint", &format!("89970{number:07}"))]).await;
        }
        assert_eq!(told(&ask(&stand, "ask", &[]).await), refusal(429, "access_denied"));
    })
    .await;
}

#[tokio::test]
async fn of_two_redemptions_at_once_one_wins() {
    with_phone(async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        let (a, b, c) =
            tokio::join!(poll(&stand, "ask", &id), poll(&stand, "ask", &id), poll(&stand, "ask", &id));
        let won = [a, b, c].into_iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1);
        let running = store::session::running_of(&stand.db, stand.person(DOCTOR).await).await.unwrap();
        assert_eq!(running.len(), 1, "and no session is left over");
    })
    .await;
}

/// The account is looked at when it is asked, and again when the answer is redeemed.
#[tokio::test]
async fn whoever_is_disabled_or_leaves_in_between_signs_in_nowhere() {
    with_phone(async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        stand.disable(DOCTOR).await;
        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "invalid_grant"));
        let events = stand.events().await;
        assert!(events.last().unwrap().starts_with("token.refused PERSON-"), "{events:?}");
    })
    .await;
    with_phone(async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        end_links(&stand).await;
        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "invalid_grant"));
    })
    .await;
}

async fn end_links(stand: &Stand) {
    let (doctor, now) = (stand.person(DOCTOR).await, stand.clock.now());
    for link in store::person::affiliations(&stand.db, doctor).await.unwrap() {
        let event = stand.some_event(crate::audit::Kind::AffiliationEnded);
        let ended =
            store::person::end_affiliation(&stand.db, doctor, link.id, "gone", now, &SystemRandom, &event)
                .await;
        ended.unwrap();
    }
}

/// A card that is revoked between the answer and its use, and one that is revoked afterwards.
#[tokio::test]
async fn a_means_that_is_revoked_gives_nothing_and_ends_what_it_gave() {
    with_phone(async |stand, _| {
        let first = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &first).await;
        let tokens = poll(&stand, "ask", &first).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(stand.userinfo(access).await.status, 200);

        let second = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &second).await;
        let of_doctor = means::of_person(&stand.db, stand.person(DOCTOR).await).await.unwrap();
        assert_eq!(of_doctor.len(), 1, "the card was noted when it signed in");
        let (event, now) = (stand.event(crate::audit::Kind::MeansRevoked), stand.clock.now());
        let ended = |_| stand.event(crate::audit::Kind::SessionEnded);
        let halting =
            Halting { id: of_doctor[0].id, halt: Halt::Revoke, reason: "lost", event: &event, ended: &ended };
        assert!(means::halt(&stand.db, &halting, now, &SystemRandom).await.unwrap());

        assert_eq!(stand.userinfo(access).await.status, 401, "what it gave has ended");
        assert_eq!(told(&poll(&stand, "ask", &second).await), refusal(400, "invalid_grant"));
        let kept = row(&stand, "ask", &second).await;
        assert_eq!(kept.state, crate::store::approval::State::Approved, "and nothing was used up");
    })
    .await;
}

/// A client that may be used in some zones only asks from nowhere else.
#[tokio::test]
async fn a_client_asks_from_its_own_zones_only() {
    with_phone(async |stand, phone| {
        let demand = async |demands: Demands| {
            let (event, now) = (stand.event(crate::audit::Kind::ClientChanged), stand.clock.now());
            assert!(
                store::client::set_policy(&stand.db, "ask", &demands, &Names::default(), now, &event)
                    .await
                    .unwrap()
            );
        };
        demand(Demands { zones: vec!["pharmacie".into()], ..Demands::default() }).await;
        assert_eq!(told(&ask(&stand, "ask", &[]).await), refusal(403, "access_denied"));
        demand(Demands { card_out: Some(CardOut::Lock), ..Demands::default() }).await;
        let answer = ask(&stand, "ask", &[]).await;
        assert_eq!(told(&answer), refusal(400, "unauthorized_client"), "nobody watches a card here");
        assert!(phone.rung().await.is_empty());
    })
    .await;
}
