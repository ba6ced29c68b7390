//! RFC 7009: a relying party gives tokens back, its own and no others.

use http::StatusCode;

use super::stand::{REALM, Stand, basic};

async fn revoke(stand: &Stand, client: &str, form: &str) -> super::stand::Answer {
    let path = format!("{REALM}/protocol/openid-connect/revoke");
    stand.post(&path, form, &[("authorization", &basic(client))]).await
}

#[tokio::test]
async fn a_refresh_token_goes_with_everything_that_came_of_it() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let tokens = stand.tokens(&browser).await;
        let (access, refresh) =
            (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        for hint in [
            "",
            "&token_type_hint=refresh_token",
            "&token_type_hint=access_token",
            "&token_type_hint=nothing",
        ] {
            // Also a second time, and with a wrong hint (§2.1, §2.2).
            let answer = revoke(&stand, "rp", &format!("token={refresh}{hint}")).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""), "{hint}");
        }
        assert_eq!(stand.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(stand.refresh("rp", refresh).await.error(), "invalid_grant");
        let revoked = stand.events().await.iter().filter(|event| *event == "token.revoked").count();
        assert_eq!(revoked, 1, "recorded once");
        assert!(
            stand.authorize(&[], &browser.cookie).await.parameter("code").is_some(),
            "the session goes on"
        );
    })
    .await;
}

#[tokio::test]
async fn an_access_token_goes_alone() {
    Stand::on_both(async |stand| {
        let tokens = stand.tokens(&stand.sign_in().await).await;
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(revoke(&stand, "rp", &format!("token={access}")).await.status, StatusCode::OK);
        assert_eq!(stand.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(stand.introspect("rp", access).await["active"], false);
        let refreshed = stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(refreshed.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn nobody_revokes_the_tokens_of_others() {
    Stand::on_both(async |stand| {
        let tokens = stand.tokens(&stand.sign_in().await).await;
        let (access, refresh) =
            (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        for token in [access, refresh] {
            let answer = revoke(&stand, "other", &format!("token={token}")).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (StatusCode::BAD_REQUEST, "invalid_request")
            );
        }
        let path = format!("{REALM}/protocol/openid-connect/revoke");
        let anonymous = stand.post(&path, &format!("token={refresh}"), &[]).await;
        assert_eq!(
            (anonymous.status, anonymous.error().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_client")
        );
        assert_eq!(stand.userinfo(access).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_token_is_revoked_already() {
    Stand::on_both(async |stand| {
        for token in ["x", "a.b.c", "%00"] {
            assert_eq!(
                revoke(&stand, "rp", &format!("token={token}")).await.status,
                StatusCode::OK,
                "{token}"
            );
        }
        for form in ["", "token=", "token=a&token=b"] {
            let answer = revoke(&stand, "rp", form).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (StatusCode::BAD_REQUEST, "invalid_request"),
                "{form}"
            );
        }
    })
    .await;
}
