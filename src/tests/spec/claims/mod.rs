//! OpenID Connect Core §5.5: the parameter `claims`.

use serde_json::json;

use super::browser::of;
use super::stand::{DOCTOR, NAMESPACE, NewRp, STRANGER, Stand, claims};
use crate::session::Acr;
use crate::store::client::{Metadata, ProfileName};

const CB: &str = "https://std.example/cb";

async fn register(stand: &Stand, scope: &str) {
    let metadata = Metadata { scope: Some(scope.into()), ..Metadata::default() };
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
}

#[tokio::test]
async fn claims_come_where_they_were_asked_for() {
    Stand::on_both(async |stand| {
        register(&stand, "openid profile scope_all").await;
        let browser = stand.sign_in().await;
        let asked = json!({
            "id_token": { "family_name": { "essential": true }, "SubjectNameID": null, "nickname": null },
            "userinfo": { "given_name": null },
        })
        .to_string();
        let request = of("std", CB, &[("scope", "openid"), ("claims", &asked)]);
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let tokens = stand.redeem_as("std", &code).await.json();
        let id = claims(&tokens["id_token"]);
        assert_eq!((&id["family_name"], &id["SubjectNameID"]), (&json!("DOC0042788"), &json!(DOCTOR)));
        assert!(id.get("given_name").is_none() && id.get("nickname").is_none());
        let userinfo = stand.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(userinfo, json!({ "sub": id["sub"], "given_name": "KIT" }));
    })
    .await;
}

/// What a client may not have by a scope, it does not get by a name; and no claim that the provider answers for is replaced.
#[tokio::test]
async fn nothing_is_gained_by_asking_for_it_by_name() {
    Stand::on_both(async |stand| {
        register(&stand, "openid").await;
        let browser = stand.sign_in().await;
        let names = ["family_name", "SubjectRefPro", "SubjectRole", "iss", "aud", "exp", "sub", "acr"];
        let all: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!(null))).collect();
        let asked = json!({ "id_token": all, "userinfo": all }).to_string();
        let request = of("std", CB, &[("scope", "openid"), ("claims", &asked)]);
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let tokens = stand.redeem_as("std", &code).await.json();
        let id = claims(&tokens["id_token"]);
        assert!(id.get("family_name").is_none() && id.get("SubjectRefPro").is_none(), "{id}");
        assert_eq!(id["aud"], "std");
        let userinfo = stand.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(userinfo, json!({ "sub": id["sub"] }));
    })
    .await;
}

/// §5.5.1, §3.1.2.2: the answer is about that person or there is none.
#[tokio::test]
async fn a_sub_that_is_asked_for_is_the_one_that_is_answered_about() {
    Stand::on_both(async |stand| {
        let open = crate::store::client::NewClient {
            audience: crate::store::client::Audience::AnyProfessional,
            profile: ProfileName::Standard,
            ..super::stand::new_client("std")
        };
        stand.add_client(&open).await;
        let (doctor, stranger) = (stand.sign_in().await, stand.sign_in_as(STRANGER).await);
        let sub = |id_nat: &str| {
            let sub = format!("f:{NAMESPACE}:{id_nat}");
            json!({ "id_token": { "sub": { "value": sub } } }).to_string()
        };
        let (of_doctor, of_nobody) = (sub(DOCTOR), sub("899700000000"));
        let silent = |claims| of("std", CB, &[("claims", claims), ("prompt", "none")]);
        assert!(stand.authorize(&silent(&of_doctor), &doctor.cookie).await.parameter("code").is_some());
        for (claims, cookie) in [(&of_doctor, &stranger.cookie), (&of_nobody, &doctor.cookie)] {
            let answer = stand.authorize(&silent(claims), cookie).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("login_required"));
        }
        // Whoever then signs in as somebody else is not passed off as the one who was expected.
        let of_stranger = sub(STRANGER);
        let begun = stand.authorize(&of("std", CB, &[("claims", &of_stranger)]), "").await;
        let other = stand.complete(&begun, DOCTOR, Acr::Eidas3).await;
        let cookies = format!("{}; {}", begun.cookie(), other.cookie);
        let answer = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "{}", answer.body);
        assert!(stand.events().await.contains(&"authorization.refused OIDC-028".to_owned()));
    })
    .await;
}

/// Duplicate members, depth, size: two readers of the same text never see two requests.
#[tokio::test]
async fn json_that_says_two_things_is_refused() {
    Stand::on_both(async |stand| {
        register(&stand, "openid").await;
        let browser = stand.sign_in().await;
        let deep = format!("{{\"id_token\":{}1{}}}", "{\"a\":".repeat(500), "}".repeat(500));
        let long = format!("{{\"id_token\":{{\"{}\":null}}}}", "x".repeat(9000));
        for asked in [
            "{",
            "[]",
            r#"{"id_token":{},"id_token":{"sub":null}}"#,
            r#"{"id_token":{"acr":{"value":"eidas1"},"acr":{"value":"eidas3"}}}"#,
            r#"{"id_token":{"acr":"eidas3"}}"#,
            deep.as_str(),
            long.as_str(),
        ] {
            let answer = stand.authorize(&of("std", CB, &[("claims", asked)]), &browser.cookie).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{asked:.60}");
        }
        // A client of PSC that sends it is served as PSC serves it.
        stand.code(&[("claims", "{")], &browser).await;
    })
    .await;
}
