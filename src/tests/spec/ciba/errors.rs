//! CIBA Core §13: what is wrong with a question, by the letter.

use super::stand::{BACKCHANNEL, ask, form, poll, refusal, register, told, with_phone};
use crate::store::client::{CIBA, DeliveryMode, Metadata, ProfileName};
use crate::tests::spec::stand::{NewRp, TOKEN, basic};

#[tokio::test]
async fn every_mistake_has_its_name() {
    with_phone(async |stand, phone| {
        register(&stand, "std", ProfileName::Standard, |_| {}).await;
        for (client, changes, error, code) in [
            ("ask", &[("login_hint", "")][..], "invalid_request", "CIBA-004"),
            ("ask", &[("id_token_hint", "x")], "invalid_request", "CIBA-004"),
            ("ask", &[("login_hint_token", "x")], "invalid_request", "CIBA-004"),
            ("ask", &[("login_hint", ""), ("id_token_hint", "x")], "invalid_request", "CIBA-005"),
            ("ask", &[("login_hint", ""), ("login_hint_token", "x")], "invalid_request", "CIBA-006"),
            ("ask", &[("scope", "")], "invalid_scope", "OIDC-010"),
            ("ask", &[("scope", "scope_all")], "invalid_scope", "OIDC-010"),
            ("ask", &[("binding_message", "")], "invalid_binding_message", "CIBA-008"),
            ("ask", &[("binding_message", "4")], "invalid_binding_message", "CIBA-008"),
            ("ask", &[("binding_message", "042")], "invalid_binding_message", "CIBA-008"),
            ("ask", &[("binding_message", "4a")], "invalid_binding_message", "CIBA-008"),
            ("ask", &[("binding_message", "٤٢")], "invalid_binding_message", "CIBA-008"),
            ("ask", &[("binding_message", " 4")], "invalid_binding_message", "CIBA-008"),
            ("std", &[("binding_message", "1234567")], "invalid_binding_message", "CIBA-008"),
            ("std", &[("binding_message", "Dupont ?")], "invalid_binding_message", "CIBA-008"),
            ("ask", &[("user_code", "1234")], "invalid_user_code", "CIBA-009"),
            ("ask", &[("requested_expiry", "0")], "invalid_request", "CIBA-010"),
            ("ask", &[("requested_expiry", "-1")], "invalid_request", "CIBA-010"),
            ("ask", &[("requested_expiry", "+1")], "invalid_request", "CIBA-010"),
            ("ask", &[("requested_expiry", "1.5")], "invalid_request", "CIBA-010"),
            ("ask", &[("channel", "CARD")], "invalid_request", "CIBA-011"),
            ("ask", &[("channel", "mobile")], "invalid_request", "CIBA-011"),
            ("ask", &[("request", "x.y.z")], "invalid_request", "CIBA-013"),
            ("ask", &[("request_uri", "https://ask.example/r")], "invalid_request", "OIDC-007"),
            ("ask", &[("login_hint", "a"), ("login_hint", "b")], "invalid_request", "OIDC-003"),
            ("ask", &[("login_hint", "a\0b")], "invalid_request", "OIDC-025"),
            ("std", &[("resource", "https://elsewhere.example/")], "invalid_target", "OIDC-100"),
        ] {
            let answer = ask(&stand, client, changes).await;
            assert_eq!(told(&answer), refusal(400, error), "{changes:?} {}", answer.body);
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(
                *stand.events().await.last().unwrap(),
                format!("authorization.refused {code}"),
                "{changes:?}"
            );
        }
        let long = "1".repeat(2049);
        assert_eq!(ask(&stand, "ask", &[("login_hint", &long)]).await.status, 400);
        assert!(phone.rung().await.is_empty(), "nobody was asked");
        // What only Pro Santé Connect has means nothing elsewhere.
        let elsewhere = ask(&stand, "std", &[("channel", "CARD"), ("binding_message", "123456")]).await;
        assert_eq!(elsewhere.status, 200, "{}", elsewhere.body);
        let absent = ask(&stand, "ask", &[("channel", "")]).await;
        assert_eq!(absent.status, 200, "absent, it is the phone");
    })
    .await;
}

/// §7: whoever may not redeem may not ask either; and nobody asks by default.
#[tokio::test]
async fn only_clients_that_were_allowed_to_and_prove_who_they_are_ask() {
    with_phone(async |stand, phone| {
        for (headers, form) in [
            (&[][..], form(&[])),
            (&[("authorization", "Basic YXNrOndyb25n")], form(&[])),
            (&[], form(&[("client_id", "ask")])),
        ] {
            let answer = stand.post(BACKCHANNEL, &form, headers).await;
            assert_eq!(told(&answer), refusal(401, "invalid_client"));
        }
        let other =
            stand.post(BACKCHANNEL, &form(&[("client_id", "rp")]), &[("authorization", &basic("ask"))]).await;
        assert_eq!(told(&other), refusal(400, "invalid_request"), "in the name of another");
        // The text that relying parties of Pro Santé Connect know.
        let plain = ask(&stand, "rp", &[]).await;
        assert_eq!(told(&plain), refusal(400, "unauthorized_client"));
        assert_eq!(plain.json()["error_description"], "Client not allowed OIDC CIBA Grant");
        assert_eq!(told(&poll(&stand, "rp", "x").await), refusal(400, "unauthorized_client"));

        let public = Metadata {
            token_endpoint_auth_method: Some(crate::store::client::AuthMethod::None),
            ..super::stand::polls()
        };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata: public, ..NewRp::named("pub") }).await;
        let answer = stand.post(BACKCHANNEL, &form(&[("client_id", "pub")]), &[]).await;
        assert_eq!(told(&answer), refusal(401, "invalid_client"));
        let grant = format!("grant_type={}&auth_req_id=x&client_id=pub", CIBA.replace(':', "%3A"));
        assert_eq!(told(&stand.post(TOKEN, &grant, &[]).await), refusal(400, "unauthorized_client"));

        // A page to consent on, or a card to watch, there is none.
        register(&stand, "consent", ProfileName::Standard, |metadata| metadata.consent_required = true).await;
        let answer = ask(&stand, "consent", &[]).await;
        assert_eq!(told(&answer), refusal(400, "unauthorized_client"));
        let metadata = super::stand::polls();
        let stranger = crate::tests::spec::stand::new_client("stranger");
        stand.add_stranger(&crate::store::client::NewClient { metadata, ..stranger }).await;
        assert_eq!(told(&ask(&stand, "stranger", &[]).await), refusal(400, "unauthorized_client"));
        assert!(phone.rung().await.is_empty());
        assert_eq!(stand.get(&format!("{BACKCHANNEL}?{}", form(&[])), &[]).await.status, 405);
    })
    .await;
}

/// §11: another client's question, one that never was, and one that is missing.
#[tokio::test]
async fn what_is_no_question_of_the_client_is_worth_nothing() {
    with_phone(async |stand, _| {
        register(&stand, "too", ProfileName::Psc, |_| {}).await;
        let id = super::stand::asked(&stand, "ask", &[]).await;
        super::stand::approve(&stand, "ask", &id).await;
        let other = poll(&stand, "too", &id).await;
        assert_eq!(told(&other), refusal(400, "invalid_grant"));
        assert_eq!(other.json()["error_description"], "Invalid Auth Req ID");
        let guess = poll(&stand, "ask", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
        assert_eq!(told(&guess), refusal(400, "invalid_grant"));
        let missing = stand.token("ask", &[("grant_type", CIBA)]).await;
        assert_eq!(told(&missing), refusal(400, "invalid_request"));
        assert_eq!(missing.json()["error_description"], "Missing parameter: auth_req_id");
        let twice = [("grant_type", CIBA), ("auth_req_id", &*id), ("auth_req_id", &*id)];
        assert_eq!(told(&stand.token("ask", &twice).await), refusal(400, "invalid_request"));
        // None of that spent it.
        assert_eq!(poll(&stand, "ask", &id).await.status, 200);
    })
    .await;
}

/// §4, and what it asks of registrations: by an administrator only, complete, and nothing that means nothing.
#[tokio::test]
async fn a_registration_says_how_the_client_learns_of_answers() {
    use crate::oidc::client::metadata::{Document, Registrar, check};
    use crate::oidc::psc;
    use crate::store::client::AuthMethod;
    let judged = |members: serde_json::Value, registrar| {
        let read = Document::read(members.to_string().as_bytes(), registrar)?;
        check(&read, registrar, &psc::RULES, &AuthMethod::ALL, false)
    };
    let good = serde_json::json!({ "grant_types": [CIBA], "backchannel_token_delivery_mode": "poll" });
    assert!(judged(good.clone(), Registrar::Administrator).is_ok(), "it needs no address for answers");
    assert!(judged(good.clone(), Registrar::Itself).is_err(), "nobody allows themselves to ask people");
    for (name, value) in [
        ("backchannel_token_delivery_mode", serde_json::json!(null)),
        ("backchannel_token_delivery_mode", "push".into()),
        ("backchannel_token_delivery_mode", "ping".into()),
        ("grant_types", serde_json::json!(["authorization_code"])),
        ("backchannel_client_notification_endpoint", "https://ask.example/cb".into()),
        ("backchannel_user_code_parameter", true.into()),
        ("backchannel_authentication_request_signing_alg", "HS256".into()),
        ("token_endpoint_auth_method", "none".into()),
        ("consent_required", true.into()),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(judged(bad.clone(), Registrar::Administrator).is_err(), "{bad}");
    }
    let mut told = good;
    told["backchannel_token_delivery_mode"] = "ping".into();
    told["backchannel_client_notification_endpoint"] = "https://ask.example/cb".into();
    assert!(judged(told.clone(), Registrar::Administrator).is_ok());
    told["backchannel_client_notification_endpoint"] = "ftp://ask.example/cb".into();
    assert!(judged(told, Registrar::Administrator).is_err());
    assert_eq!(psc::RULES.backchannel.digits, (2, 2));
    assert_eq!(serde_json::to_value(DeliveryMode::Ping).unwrap(), "ping");
}
