//! An application whose provider is slow, out of order or says something else; and a hospital that restarts in the middle.

use serde_json::json;

use super::ciba::{BACKCHANNEL, TOKEN, waiting, with_application};
use super::*;
use crate::clock::Clock as _;
use crate::tests::spec::stand::{DOCTOR, REALM};

#[tokio::test]
async fn the_provider_is_looked_at_no_more_often_than_it_says() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        let before = psc.asked(TOKEN);
        let looks = async |seconds| {
            psc.pass(&hospital, seconds);
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
            psc.asked(TOKEN) - before
        };
        assert_eq!(looks(1).await, 0, "its interval is two seconds");
        assert_eq!(looks(1).await, 1);
        // Two pages of one sign-in look once.
        psc.pass(&hospital, 2);
        let both = tokio::join!(hospital.wait(&begun, &asked), hospital.wait(&begun, &asked));
        assert_eq!(both, (waiting(), waiting()));
        assert_eq!(looks(0).await, 2);
        psc.answers_instead(TOKEN, StatusCode::BAD_REQUEST, r#"{"error":"slow_down"}"#);
        assert_eq!(looks(2).await, 3);
        psc.answers_again();
        assert_eq!(looks(6).await, 3, "five seconds more, for good");
        assert_eq!(looks(1).await, 4);
        assert_eq!(looks(6).await, 4);
        assert_eq!(looks(1).await, 5);
        psc.answers_instead(TOKEN, StatusCode::TOO_MANY_REQUESTS, "<html>Too many requests</html>");
        assert_eq!(looks(7).await, 6, "what stands before it may say so too");
        psc.answers_again();
        assert_eq!(looks(11).await, 6);
        assert_eq!(looks(1).await, 7);
    })
    .await;
}

#[tokio::test]
async fn a_few_looks_may_fail_and_then_the_page_goes_on_with_the_other_means() {
    for (status, body) in [
        (StatusCode::BAD_GATEWAY, ""),
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"temporarily_unavailable"}"#),
        (StatusCode::FORBIDDEN, "<html>Maintenance</html>"),
    ] {
        with_application(async |psc, hospital| {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            hospital.wait(&begun, &asked).await;
            psc.answers_instead(TOKEN, status, body);
            for _ in 0..2 {
                psc.pass(&hospital, 5);
                assert_eq!(hospital.wait(&begun, &asked).await, waiting());
            }
            // It was nothing.
            psc.answers_again();
            psc.pass(&hospital, 5);
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
            psc.answers_instead(TOKEN, status, body);
            for _ in 0..3 {
                psc.pass(&hospital, 5);
                assert_eq!(hospital.wait(&begun, &asked).await, waiting());
            }
            psc.pass(&hospital, 5);
            let told = hospital.wait(&begun, &asked).await;
            psc.answers_again();
            assert_eq!(told["code"], "UPSTREAM-007", "{status}");
            assert!(hospital.stand.events().await.contains(&"sign-in UPSTREAM-007".to_owned()));
            let is_fine = hospital.upstreams.providers()[0].answers();
            assert_eq!(is_fine, status == StatusCode::FORBIDDEN, "{status}: nobody else is sent there");
        })
        .await;
    }
}

#[tokio::test]
async fn a_question_that_goes_wrong_keeps_nobody_else_away() {
    for (status, body) in [
        (StatusCode::FORBIDDEN, "<html>Request blocked</html>"),
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"server_error","error_description":"Failed to send"}"#),
    ] {
        with_application(async |psc, hospital| {
            psc.answers_instead(BACKCHANNEL, status, body);
            for _ in 0..4 {
                let begun = hospital.begin(&[]).await;
                let asked = hospital.ask(&begun, DOCTOR).await;
                assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-007", "{status}");
            }
            psc.answers_again();
            assert!(hospital.upstreams.providers()[0].answers(), "{status}");
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        })
        .await;
    }
}

#[tokio::test]
async fn while_nobody_is_sent_there_a_question_that_went_well_waits_on() {
    with_application(async |psc, hospital| {
        let (other, begun) = (hospital.begin(&[]).await, hospital.begin(&[]).await);
        let failing = hospital.ask(&other, DOCTOR).await;
        hospital.wait(&other, &failing).await;
        psc.pass(&hospital, 1);
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        // The look of another fails, and then what the background asks: nobody is sent there for longer each time.
        psc.gone.store(true, Ordering::Relaxed);
        psc.pass(&hospital, 2);
        hospital.wait(&other, &failing).await;
        for seconds in [0, 0, 10, 20] {
            psc.pass(&hospital, seconds);
            hospital.upstreams.look().await;
        }
        assert!(!hospital.upstreams.providers()[0].answers());
        for _ in 0..6 {
            assert_eq!(hospital.wait(&begun, &asked).await, waiting());
            psc.pass(&hospital, 5);
        }
        psc.gone.store(false, Ordering::Relaxed);
        psc.pass(&hospital, 10);
        psc.approves().await;
        assert_eq!(hospital.wait(&begun, &asked).await, json!({ "state": "approved" }));
    })
    .await;
}

#[tokio::test]
async fn a_first_request_whose_node_was_lost_is_not_made_again() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        // A node has the turn, and is gone with what the provider said to it.
        let id = asked["question"].as_str().unwrap().parse().unwrap();
        let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
        let until = now + TimeDelta::seconds(60);
        assert!(store::upstream_question::take_turn(db, id, until, now).await.unwrap());
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        psc.pass(&hospital, 60);
        assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-016");
        assert_eq!(psc.asked(BACKCHANNEL), 0, "a phone may have rung");
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_does_not_ask_is_told_apart_from_one_that_fails() {
    for (status, body, code) in [
        (StatusCode::BAD_GATEWAY, "", "UPSTREAM-007"),
        (StatusCode::OK, "<html>Maintenance</html>", "UPSTREAM-007"),
        (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#, "UPSTREAM-008"),
        (StatusCode::OK, r#"{"auth_req_id":"","expires_in":120}"#, "UPSTREAM-008"),
        (StatusCode::OK, r#"{"auth_req_id":"a","expires_in":0}"#, "UPSTREAM-008"),
    ] {
        with_application(async |psc, hospital| {
            psc.posted.lock().unwrap().clear();
            psc.answers_instead(BACKCHANNEL, status, body);
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            let told = hospital.wait(&begun, &asked).await;
            hospital.wait(&begun, &asked).await;
            psc.answers_again();
            assert_eq!(told["code"], code, "{body}");
            assert_eq!(psc.asked(BACKCHANNEL), 1, "a phone may have rung: it is not asked again");
        })
        .await;
    }
    // Gone altogether: told before anything is kept, and alike for whomever one asks.
    with_application(async |psc, hospital| {
        psc.gone.store(true, Ordering::Relaxed);
        let begun = hospital.begin(&[]).await;
        for identifier in [DOCTOR, "810000000001"] {
            assert_eq!(hospital.ask(&begun, identifier).await["code"], "UPSTREAM-007");
        }
        psc.gone.store(false, Ordering::Relaxed);
    })
    .await;
    // A document without the endpoint.
    with_application(async |psc, hospital| {
        let document = psc.stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await;
        let document = document.body.replace("backchannel_authentication_endpoint", "another");
        psc.answers_instead("wallet-openid-configuration", StatusCode::OK, &document);
        let begun = hospital.begin(&[]).await;
        assert_eq!(hospital.ask(&begun, DOCTOR).await["code"], "UPSTREAM-023");
    })
    .await;
}

#[tokio::test]
async fn another_node_and_one_that_was_restarted_go_on() {
    with_application(async |psc, hospital| {
        let settings = psc.with_application();
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        // Nothing of it is in memory.
        let hospital = Hospital::of(hospital.stand, &settings).await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, json!({ "state": "approved" }));
        let hospital = Hospital::of(hospital.stand, &settings).await;
        assert_eq!(hospital.finish(&begun, &asked).await.json(), json!({ "state": "done" }));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_lost_on_its_way_ends_with_a_clear_sentence() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.approves().await;
        psc.answers_instead(TOKEN, StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#);
        psc.pass(&hospital, 2);
        let told = hospital.wait(&begun, &asked).await;
        psc.answers_again();
        assert_eq!(told["code"], "UPSTREAM-016");
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_not_lost_where_userinfo_fails_for_a_moment_and_nobody_is_kept_away_for_it() {
    for (fails, is_lost) in [(2, false), (3, true)] {
        with_application(async |psc, hospital| {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            hospital.wait(&begun, &asked).await;
            psc.approves().await;
            psc.answers_instead_so_often("userinfo", StatusCode::BAD_GATEWAY, "", fails);
            psc.pass(&hospital, 2);
            let told = hospital.wait(&begun, &asked).await;
            assert!(hospital.upstreams.providers()[0].answers(), "one person's answer closes it for nobody");
            if is_lost {
                // What it was to be asked with was had once.
                assert_eq!(told, waiting());
                psc.pass(&hospital, 5);
                assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-016");
                return;
            }
            assert_eq!(told, json!({ "state": "approved" }));
            assert_eq!(hospital.finish(&begun, &asked).await.json(), json!({ "state": "done" }));
        })
        .await;
    }
}
