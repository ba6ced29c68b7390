//! What PSC changed, or may change, and what fails some day.

use chrono::TimeDelta;
use serde_json::json;

use super::{Bench, Browser, parameter};

#[tokio::test]
async fn the_level_is_what_the_switch_says_and_may_be_told_not_at_all() {
    let bench = Bench::start().await;
    for acr in ["eidas2", "eidas3", "eidas1"] {
        bench.told("PATCH", "/switches", &format!("{{\"acr\":\"{acr}\"}}")).await;
        let tokens = bench.scripted(r#"{"person":"doctor"}"#).await;
        for token in ["id_token", "access_token"] {
            assert_eq!(tokens.part(token, 1)["acr"], acr, "{token}");
        }
    }
    bench.told("PATCH", "/switches", r#"{"acr":"absent"}"#).await;
    let tokens = bench.scripted(r#"{"person":"doctor"}"#).await;
    for token in ["id_token", "access_token"] {
        assert_eq!(tokens.part(token, 1).get("acr"), None, "{token}");
    }
    let userinfo = bench.userinfo(&tokens).await;
    assert_eq!(userinfo["SubjectNameID"], "899700366240", "the token is good all the same");
}

#[tokio::test]
async fn professionals_have_several_exercices_or_empty_fields_and_go_back() {
    let bench = Bench::start().await;
    let tokens = bench.scripted(r#"{"person":"doctor"}"#).await;
    let exercices = |userinfo: &serde_json::Value| {
        let exercices = userinfo["SubjectRefPro"]["exercices"].as_array().unwrap();
        exercices.iter().map(|it| it["codeProfession"].clone()).collect::<Vec<_>>()
    };
    let before = bench.userinfo(&tokens).await;
    assert_eq!(exercices(&before), ["10"]);

    bench.told("PATCH", "/switches", r#"{"exercices":"several"}"#).await;
    let several = bench.userinfo(&tokens).await;
    assert_eq!(exercices(&several), ["10", "60"]);
    assert_eq!(several["SubjectRole"].as_array().unwrap().len(), 2);

    bench.told("PATCH", "/switches", r#"{"exercices":"one","empty_fields":true}"#).await;
    let empty = bench.userinfo(&tokens).await;
    assert_eq!(empty["SubjectOrganizationID"], "");
    assert_eq!(empty["SubjectRefPro"]["codeCivilite"], "");
    assert_eq!(empty["SubjectRefPro"]["exercices"][0]["codeSavoirFaire"], "");
    assert_eq!((&empty["SubjectNameID"], exercices(&empty)), (&before["SubjectNameID"], vec![json!("10")]));

    bench.told("DELETE", "/switches", "").await;
    assert_eq!(bench.userinfo(&tokens).await, before);
}

#[tokio::test]
async fn endpoints_fail_and_dawdle_and_come_back() {
    let bench = Bench::start().await;
    let discovery = "/.well-known/wallet-openid-configuration";
    bench.told("PATCH", "/switches", r#"{"unavailable":["keys","discovery"],"slow":{"keys":1}}"#).await;
    let begun = std::time::Instant::now();
    let keys = bench.ask("/protocol/openid-connect/certs").await;
    assert_eq!((keys.status, keys.header("retry-after")), (503, "1"));
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(bench.ask(discovery).await.status, 503);
    // What was not named goes on.
    let tokens = bench.scripted(r#"{"person":"doctor"}"#).await;
    bench.userinfo(&tokens).await;
    bench.told("PATCH", "/switches", r#"{"unavailable":[]}"#).await;
    assert_eq!(bench.ask(discovery).await.status, 200);
    let state = bench.told("GET", "/switches", "").await;
    assert_eq!(state["switches"]["slow"], json!({ "keys": 1 }), "switches that are not named stay");
}

#[tokio::test]
async fn a_rotated_key_signs_within_five_seconds_and_the_one_before_stays_published() {
    let bench = Bench::start().await;
    let published = async || {
        let keys: serde_json::Value =
            serde_json::from_str(&bench.ask("/protocol/openid-connect/certs").await.body).unwrap();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let before = bench.scripted(r#"{"person":"doctor"}"#).await.part("id_token", 0)["kid"].clone();
    let next = bench.told("POST", "/keys/rotate", "").await["kid"].clone();
    assert_ne!(next, before);
    bench.clock.advance(TimeDelta::seconds(6));
    let after = bench.scripted(r#"{"person":"doctor"}"#).await.part("id_token", 0)["kid"].clone();
    assert_eq!(after, next);
    let published = published().await;
    assert!(published.contains(&before) && published.contains(&after), "{published:?}");
}

#[tokio::test]
async fn a_relying_party_can_be_registered_while_it_runs_and_again_with_another_secret() {
    let bench = Bench::start().await;
    for secret in ["one", "two"] {
        let client = json!({
            "client_id": "late", "client_secret": secret, "redirect_uris": ["http://127.0.0.1:3001/cb"],
        });
        bench.told("POST", "/clients", &client.to_string()).await;
    }
    bench.told("POST", "/sign-ins", r#"{"person":"nurse","client_id":"late"}"#).await;
    let call = crate::tests::http::Call::get(
        "/auth?client_id=late&redirect_uri=http%3A%2F%2F127.0.0.1%3A3001%2Fcb&response_type=code&scope=openid&\
         state=s&nonce=n",
        &bench.host(),
    );
    let answer = Browser::new(&bench).follow(call).await;
    let code = parameter(answer.header("location"), "code");
    let redeem = async |secret: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", "http://127.0.0.1:3001/cb"),
            ("client_id", "late"),
            ("client_secret", secret),
        ];
        let path = bench.below("/protocol/openid-connect/token");
        crate::tests::http::Call::post(&path, &bench.host(), "", &fields)
            .without("origin")
            .send(bench.address())
            .await
            .status
    };
    assert_eq!(redeem("one").await, 401, "the secret of before is gone");
    assert_eq!(redeem("two").await, 200);
}
