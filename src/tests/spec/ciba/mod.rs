//! CIBA Core 1.0: a program asks for somebody, who answers on their phone.

mod attacks;
mod card;
mod errors;
mod fapi;
mod held;
mod hints;
mod ping;
mod psc;
mod signed;
mod stand;

use serde_json::{Value, json};

use crate::store::approval::{Answer, State};
use crate::store::client::{CIBA, ProfileName};
use crate::tests::spec::stand::{DOCTOR, LOGOUT, Stand, claims};
use stand::{
    BACKCHANNEL, answer, approve, ask, asked, discovery, poll, refusal, register, row, told, with_phone,
};

/// §7.3, §10.1: the acknowledgement, the wait, the tokens, once.
#[tokio::test]
async fn a_person_is_asked_and_their_answer_is_worth_tokens_once() {
    with_phone(async |stand, phone| {
        let answer = ask(&stand, "ask", &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.json()["expires_in"], 120);
        assert_eq!(answer.json()["interval"], 2);
        let id = answer.json()["auth_req_id"].as_str().unwrap().to_owned();
        assert_eq!(id.len(), 43, "256 bits");
        assert_eq!(
            phone.rung().await,
            [(row(&stand, "ask", &id).await.approval_id, stand.person(DOCTOR).await)]
        );

        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "authorization_pending"));
        stand.advance(2);
        approve(&stand, "ask", &id).await;
        let tokens = poll(&stand, "ask", &id).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        assert_eq!(tokens.headers["cache-control"], "no-store");
        assert_eq!(tokens.json()["scope"], "openid scope_all");
        let again = poll(&stand, "ask", &id).await;
        assert_eq!(told(&again), refusal(400, "invalid_grant"));
        let events = stand.events().await;
        let of_it = events.iter().filter(|event| !event.starts_with("client."));
        let of_it: Vec<_> = of_it.skip_while(|event| *event != "backchannel.asked").collect();
        let expected = ["backchannel.asked", "sign-in", "sign-in", "token.issued", "token.refused CIBA-021"];
        assert_eq!(of_it, expected, "looking is nothing to record");
    })
    .await;
}

/// The session of such a sign-in is one like every other: shown, renewed, seen by others, ended.
#[tokio::test]
async fn what_it_gives_is_used_renewed_and_ended_like_every_session() {
    with_phone(async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        let tokens = poll(&stand, "ask", &id).await.json();
        let id_token = claims(&tokens["id_token"]);
        assert_eq!((&id_token["aud"], &id_token["authMode"]), (&json!("ask"), &json!("MOBILE")));
        assert!(id_token.get("urn:openid:params:jwt:claim:auth_req_id").is_none(), "of push alone (§10.3.1)");
        let access = tokens["access_token"].as_str().unwrap();
        let userinfo = stand.userinfo(access).await;
        assert_eq!(userinfo.json()["SubjectNameID"], DOCTOR);
        let seen = stand.introspect("ask", access).await;
        assert_eq!((&seen["active"], &seen["sid"]), (&json!(true), &id_token["sid"]));
        let renewed = stand.refresh("ask", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(renewed.status, 200, "{}", renewed.body);
        let refresh = renewed.json()["refresh_token"].as_str().unwrap().to_owned();

        // As a server of an editor does it: a hint, no browser.
        let hint = tokens["id_token"].as_str().unwrap();
        assert_eq!(stand.post(LOGOUT, &format!("id_token_hint={hint}"), &[]).await.status, 200);
        assert_eq!(told(&stand.refresh("ask", &refresh).await), refusal(400, "invalid_grant"));
        assert_eq!(stand.userinfo(access).await.status, 401);
        assert_eq!(stand.introspect("ask", access).await, json!({ "active": false }));
    })
    .await;
}

/// Two questions are two sessions: the end of one is not that of the other.
#[tokio::test]
async fn each_answer_begins_a_session_of_its_own() {
    with_phone(async |stand, _| {
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let id = asked(&stand, "ask", &[]).await;
            approve(&stand, "ask", &id).await;
            sessions.push(poll(&stand, "ask", &id).await.json()["session_state"].clone());
        }
        assert!(sessions[0].is_string() && sessions[0] != sessions[1], "{sessions:?}");
    })
    .await;
}

/// §11: five seconds more for whoever looks too often, and for good.
#[tokio::test]
async fn whoever_looks_too_often_has_to_slow_down() {
    with_phone(async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        let look = async |after| {
            stand.advance(after);
            poll(&stand, "ask", &id).await.error()
        };
        assert_eq!(look(0).await, "authorization_pending", "the first one need not wait");
        assert_eq!(look(1).await, "slow_down");
        assert_eq!(look(2).await, "slow_down", "the interval is 7 seconds now");
        assert_eq!(look(11).await, "slow_down", "and 12 now");
        assert_eq!(look(17).await, "authorization_pending");
        assert_eq!(look(17).await, "authorization_pending");
        assert_eq!(row(&stand, "ask", &id).await.interval, 17);
        // Whoever has an answer is given it, however soon.
        approve(&stand, "ask", &id).await;
        assert_eq!(look(0).await, "");
    })
    .await;
}

/// §7.1, §11: an answer counts in its time, which the client may shorten and not prolong.
#[tokio::test]
async fn a_question_expires_also_one_that_was_answered() {
    with_phone(async |stand, _| {
        let late = asked(&stand, "ask", &[]).await;
        let approved = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &approved).await;
        let short = ask(&stand, "ask", &[("requested_expiry", "30")]).await.json();
        assert_eq!(short["expires_in"], 30);
        let long = ask(&stand, "ask", &[("requested_expiry", "99999999999999999999")]).await.json();
        assert_eq!(long["expires_in"], 120);
        stand.advance(30);
        let short = poll(&stand, "ask", short["auth_req_id"].as_str().unwrap()).await;
        assert_eq!(told(&short), refusal(400, "expired_token"));
        stand.advance(90);
        for id in [&late, &approved] {
            assert_eq!(told(&poll(&stand, "ask", id).await), refusal(400, "expired_token"));
        }
        let yes = Answer::Approve(stand::proof(&stand).await);
        assert!(!answer(&stand, "ask", &late, yes).await, "nor is it answered any more");
    })
    .await;
}

/// §11: no is no, and so are the wrong digits.
#[tokio::test]
async fn whoever_says_no_or_types_other_digits_gives_nothing() {
    with_phone(async |stand, _| {
        for said in [Answer::Refuse, Answer::Mistype] {
            let id = asked(&stand, "ask", &[]).await;
            assert!(answer(&stand, "ask", &id, said).await);
            for _ in 0..2 {
                assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "access_denied"));
            }
        }
    })
    .await;
}

/// The level that a profile requires, and the person did not reach (RFC 9470 in the profile `fapi2`), is no wish.
#[tokio::test]
async fn what_the_standard_profile_gives_says_how_well_it_was_proved() {
    with_phone(async |stand, _| {
        register(&stand, "std", ProfileName::Standard, |_| {}).await;
        let question = [("channel", ""), ("acr_values", "eidas3 eidas2"), ("scope", "openid profile")];
        let id = asked(&stand, "std", &question).await;
        approve(&stand, "std", &id).await;
        let tokens = poll(&stand, "std", &id).await.json();
        let id_token = claims(&tokens["id_token"]);
        assert_eq!(
            (&id_token["acr"], &id_token["amr"]),
            (&json!("eidas2"), &json!(["sc", "pin", "hwk", "mfa"]))
        );
        assert!(id_token["auth_time"].is_i64() && id_token["sid"].is_string());
        assert_eq!(id_token.get("nonce"), None);
        assert_eq!(tokens.get("session_state"), None);
    })
    .await;
}

/// §4: what is offered, and nothing where nobody can be asked.
#[tokio::test]
async fn it_stands_in_the_discovery_document_where_somebody_can_be_asked() {
    with_phone(async |stand, _| {
        let document = discovery(&stand).await;
        assert_eq!(
            document["backchannel_authentication_endpoint"],
            json!(format!("http://localhost:8080{BACKCHANNEL}"))
        );
        assert_eq!(document["backchannel_token_delivery_modes_supported"], json!(["poll", "ping"]));
        assert_eq!(document["backchannel_user_code_parameter_supported"], false);
        let signed = &document["backchannel_authentication_request_signing_alg_values_supported"];
        assert_eq!(signed, &json!(["RS256", "PS256", "ES256", "EdDSA"]));
        assert!(document["grant_types_supported"].as_array().unwrap().contains(&json!(CIBA)));
    })
    .await;
    let stand = Stand::new().await;
    register(&stand, "ask", ProfileName::Psc, |_| {}).await;
    let Value::Object(document) = discovery(&stand).await else { panic!("no document") };
    assert!(document.keys().all(|name| !name.starts_with("backchannel_auth") && !name.contains("delivery")));
    assert!(!document["grant_types_supported"].as_array().unwrap().contains(&json!(CIBA)));
    let nobody = ask(&stand, "ask", &[]).await;
    assert_eq!(told(&nobody), refusal(400, "invalid_request"));
    assert!(stand.events().await.iter().any(|event| event == "authorization.refused CIBA-001"));
}

/// A question that was put before the client was disabled, changed or removed is worth nothing afterwards.
#[tokio::test]
async fn the_client_is_looked_at_again_when_it_redeems() {
    with_phone(async |stand, _| {
        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        stand.disable_client("ask").await;
        assert_eq!(poll(&stand, "ask", &id).await.status, 401);
        stand.enable_client("ask").await;
        assert_eq!(row(&stand, "ask", &id).await.state, State::Withdrawn);
        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "access_denied"));

        let id = asked(&stand, "ask", &[]).await;
        approve(&stand, "ask", &id).await;
        stand.change_rp("ask", ProfileName::Psc, crate::store::client::Metadata::default()).await;
        assert_eq!(told(&poll(&stand, "ask", &id).await), refusal(400, "unauthorized_client"));
        let waiting = row(&stand, "ask", &id).await.approval_id;
        stand.remove_client("ask").await;
        let left = crate::store::approval::by_id(&stand.db, waiting).await.unwrap().unwrap();
        assert_eq!(left.state, State::Withdrawn, "nobody is shown a question of a client that is gone");
    })
    .await;
}
