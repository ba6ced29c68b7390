//! §10.1: a look that is held until there is an answer.

use chrono::TimeDelta;

use super::stand::{answer, approve, asked, poll, refusal, told, with_phone_and};
use crate::store::approval::Answer;

/// Nothing here sleeps: who listens says so, and the answer wakes them.
#[tokio::test]
async fn a_look_is_held_and_answered_at_once_when_somebody_answers() {
    let long =
        |settings: &mut crate::oidc::Settings| settings.lifetimes.backchannel_hold = TimeDelta::minutes(2);
    with_phone_and(long, async |stand, phone| {
        for said in [None, Some(Answer::Refuse)] {
            let id = asked(&stand, "ask", &[]).await;
            let mut listening = phone.listening.subscribe();
            let answers = async {
                listening.changed().await.unwrap();
                match &said {
                    None => approve(&stand, "ask", &id).await,
                    Some(no) => assert!(answer(&stand, "ask", &id, no.clone()).await),
                }
                phone.answered.send_modify(|count| *count += 1);
            };
            let (held, ()) = tokio::join!(poll(&stand, "ask", &id), answers);
            match said {
                None => assert_eq!(held.status, 200, "{}", held.body),
                Some(_) => assert_eq!(told(&held), refusal(400, "access_denied")),
            }
        }
    })
    .await;
}

/// Who listens may be woken for nothing: then nobody has answered yet. And a look does not outlast the patience.
#[tokio::test]
async fn a_look_ends_pending_where_nobody_answers() {
    let long =
        |settings: &mut crate::oidc::Settings| settings.lifetimes.backchannel_hold = TimeDelta::minutes(2);
    with_phone_and(long, async |stand, phone| {
        let id = asked(&stand, "ask", &[]).await;
        let mut listening = phone.listening.subscribe();
        let woken_for_nothing = async {
            listening.changed().await.unwrap();
            phone.answered.send_modify(|count| *count += 1);
        };
        let (held, ()) = tokio::join!(poll(&stand, "ask", &id), woken_for_nothing);
        assert_eq!(told(&held), refusal(400, "authorization_pending"));
    })
    .await;
    let short = |settings: &mut crate::oidc::Settings| {
        settings.lifetimes.backchannel_hold = TimeDelta::milliseconds(1);
    };
    with_phone_and(short, async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "authorization_pending"));
    })
    .await;
}

/// An answer that came between the look and the listening, with nobody to tell of it: another node took it.
#[tokio::test]
async fn an_answer_that_nobody_announces_is_seen_all_the_same() {
    let long =
        |settings: &mut crate::oidc::Settings| settings.lifetimes.backchannel_hold = TimeDelta::minutes(2);
    with_phone_and(long, async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        assert_eq!(poll(&stand, "ask", &id).await.status, 200);
    })
    .await;
}

/// A second look beside the first is one too soon, and is not held.
#[tokio::test]
async fn one_look_is_held_at_a_time() {
    let long =
        |settings: &mut crate::oidc::Settings| settings.lifetimes.backchannel_hold = TimeDelta::minutes(2);
    with_phone_and(long, async |stand, phone| {
        let id = asked(&stand, "ask", &[]).await;
        let mut listening = phone.listening.subscribe();
        let second = async {
            listening.changed().await.unwrap();
            let second = poll(&stand, "ask", &id).await;
            approve(&stand, "ask", &id).await;
            phone.answered.send_modify(|count| *count += 1);
            second
        };
        let (first, second) = tokio::join!(poll(&stand, "ask", &id), second);
        assert_eq!(told(&second), refusal(400, "slow_down"));
        assert_eq!(first.status, 200, "{}", first.body);
    })
    .await;
}
