//! RFC 8707: for which resources a token is.

use super::browser::of;
use super::par::push;
use super::stand::{NewRp, Stand, claims};
use crate::store::client::{Metadata, ProfileName};
use serde_json::json;

const CB: &str = "https://std.example/cb";
const LAB: &str = "https://lab.example/api";
const IMAGES: &str = "https://images.example/";

async fn register(stand: &Stand) {
    let metadata = Metadata { resources: vec![LAB.into(), IMAGES.into()], ..Metadata::default() };
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
}

#[tokio::test]
async fn the_access_token_is_for_the_resources_that_were_asked_for() {
    Stand::on_both(async |stand| {
        register(&stand).await;
        let browser = stand.sign_in().await;
        for (asked, audience) in [
            (&[("resource", LAB)][..], json!(LAB)),
            (&[("resource", LAB), ("resource", IMAGES), ("resource", LAB)], json!([LAB, IMAGES])),
        ] {
            let answer = stand.authorize(&of("std", CB, asked), &browser.cookie).await;
            let code = answer.parameter("code").unwrap_or_else(|| panic!("{}", answer.location()));
            let tokens = stand.redeem_as("std", &code).await.json();
            assert_eq!(claims(&tokens["access_token"])["aud"], audience);
            // The API that receives it cannot read the person's userinfo with it.
            let userinfo = stand.userinfo(tokens["access_token"].as_str().unwrap()).await;
            assert_eq!(userinfo.error(), "invalid_token");
            assert_eq!(
                claims(&tokens["id_token"])["aud"],
                "std",
                "the ID token is the client's all the same"
            );
        }
    })
    .await;
}

/// A client that has a token made for somebody else's resource.
#[tokio::test]
async fn a_resource_that_is_not_registered_gets_no_token() {
    Stand::on_both(async |stand| {
        register(&stand).await;
        let browser = stand.sign_in().await;
        for asked in [
            &[("resource", "https://payroll.example/")][..],
            &[("resource", "https://lab.example/api/")],
            &[("resource", "https://lab.example/api#x")],
            &[("resource", "/api")],
            &[("resource", "lab")],
            &[("resource", LAB), ("resource", "https://payroll.example/")],
        ] {
            let answer = stand.authorize(&of("std", CB, asked), &browser.cookie).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_target"), "{asked:?}");
            let pushed = push(&stand, "std", asked).await;
            assert_eq!(
                (pushed.status.as_u16(), pushed.error().as_str()),
                (400, "invalid_target"),
                "{asked:?}"
            );
        }
        // PSC knows no such parameter, and does not refuse it.
        stand.code(&[("resource", "https://payroll.example/")], &browser).await;
    })
    .await;
}
