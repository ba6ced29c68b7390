//! A client that was written for Pro Santé Connect, sending what ANS's own code sends (`facts` of 2024: EDC) and reading what
//! it reads.

use serde_json::json;

use super::stand::{approve, asked, poll, register, with_phone};
use crate::store::client::ProfileName;
use crate::tests::spec::stand::{DOCTOR, TOKEN, basic, claims, stable};

/// The very bytes: no parameter more, none less, for the phone.
#[tokio::test]
async fn what_ans_code_sends_is_served_and_answered_as_it_reads() {
    with_phone(async |stand, _| {
        let sent = format!(
            "scope=openid+scope_all&acr_values=eidas1&login_hint={DOCTOR}&binding_message=07&channel=MOBILE"
        );
        let headers = [("authorization", basic("ask"))];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = stand.post(super::BACKCHANNEL, &sent, &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/json");
        let members: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["auth_req_id", "expires_in", "interval"]);
        assert_eq!(answer.json()["expires_in"], 120);
        let id = answer.json()["auth_req_id"].as_str().unwrap().to_owned();

        let poll_form = format!("grant_type=urn%3Aopenid%3Aparams%3Agrant-type%3Aciba&auth_req_id={id}");
        let pending = stand.post(TOKEN, &poll_form, &headers).await;
        assert_eq!(pending.status, 400);
        let text =
            "The authorization request is still pending as the end-user hasn't yet been authenticated.";
        assert_eq!(pending.json(), json!({ "error": "authorization_pending", "error_description": text }));
        approve(&stand, "ask", &id).await;
        stand.advance(2);
        let tokens = stand.post(TOKEN, &poll_form, &headers).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let tokens = tokens.json();
        let expected = json!({
            "access_token": "<access_token>", "expires_in": 120, "refresh_expires_in": 1800,
            "refresh_token": "<refresh_token>", "token_type": "Bearer", "id_token": "<id_token>",
            "not-before-policy": 0, "session_state": "<session_state>", "scope": "openid scope_all",
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&stable(&tokens)).unwrap(), expected);
        let id_token = claims(&tokens["id_token"]);
        assert_eq!(id_token["session_state"], tokens["session_state"]);
        assert_eq!((&id_token["acr"], &id_token["authMode"]), (&json!("eidas1"), &json!("MOBILE")));
        assert_eq!((&id_token["SubjectNameID"], &id_token["typ"]), (&json!(DOCTOR), &json!("ID")));
        assert_eq!(id_token.get("nonce"), None, "nothing asked for one");
        let userinfo = stand.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(userinfo["SubjectRefPro"]["exercices"][0]["codeProfession"], "10");
    })
    .await;
}

/// With professionals of a structure, whose identifier has a slash, and levels that mean nothing there.
#[tokio::test]
async fn an_identifier_of_a_structure_and_every_level_are_taken() {
    with_phone(async |stand, _| {
        register(&stand, "hint", ProfileName::Psc, |_| {}).await;
        for changes in [
            &[("login_hint", "500000001815646/CPAT00045")][..],
            &[("acr_values", "eidas3")],
            &[("acr_values", "")],
            &[("acr", "eidas1"), ("acr_values", "")],
        ] {
            let id = asked(&stand, "hint", changes).await;
            assert_eq!(poll(&stand, "hint", &id).await.error(), "authorization_pending", "{changes:?}");
        }
    })
    .await;
}
