//! A client that the establishment has switched off gets nothing from any endpoint, at once; and what it held before does not
//! come back with it.

use http::{Method, StatusCode};
use serde_json::Value;

use super::browser::Page;
use super::par::{bring, push, pushed};
use super::registration;
use super::stand::{INTROSPECT, LOGOUT, NewRp, REALM, SignedIn, Stand, basic, new_client};
use crate::store::client::{Metadata, NewClient, ProfileName};

async fn code_of(stand: &Stand, client: &str, browser: &SignedIn) -> String {
    let redirect = format!("https://{client}.example/cb");
    let request = [("client_id", client), ("redirect_uri", redirect.as_str())];
    stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap()
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_gets_nothing_from_any_endpoint() {
    Stand::on_both(async |stand| {
        stand.add_client(&NewClient { may_introspect: true, ..new_client("api") }).await;
        let browser = stand.sign_in().await;
        let tokens = stand.tokens(&browser).await;
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let unused = stand.code(&[], &browser).await;
        let handle = pushed(&stand, "rp", &[]).await;
        let begun = stand.authorize(&[], "").await;
        assert_eq!(stand.introspect("api", &access).await["active"], true);

        stand.disable_client("rp").await;
        // Its users read a page, wherever they are on the way; nobody is sent to it, not even with an error.
        for answer in [
            stand.authorize(&[], &browser.cookie).await,
            stand.authorize(&[("prompt", "none")], &browser.cookie).await,
            stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await,
            bring(&stand, "rp", &handle, &[], &browser.cookie).await,
        ] {
            assert!(!answer.headers.contains_key("location"), "{}", answer.location());
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert!(answer.body.contains("OIDC-002"), "{}", answer.body);
        }
        // It authenticates nowhere.
        assert_eq!(stand.redeem(&unused).await.error(), "invalid_client");
        assert_eq!(stand.refresh("rp", &refresh).await.error(), "invalid_client");
        assert_eq!(push(&stand, "rp", &[]).await.error(), "invalid_client");
        let own = [("authorization", basic("rp"))].map(|(name, value)| (name, value.clone()));
        let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for path in [INTROSPECT.to_owned(), format!("{REALM}/protocol/openid-connect/revoke")] {
            let answer = stand.post(&path, &format!("token={access}"), &own).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (StatusCode::UNAUTHORIZED, "invalid_client")
            );
        }
        // Its tokens are good for nobody.
        assert_eq!(stand.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
        for token in [&access, &refresh] {
            assert_eq!(stand.introspect("api", token).await["active"], false);
        }
        // The others are served, in the same session.
        let code = code_of(&stand, "other", &browser).await;
        assert_eq!(stand.redeem_as("other", &code).await.status, StatusCode::OK);
        let events = stand.events().await;
        for event in ["client.disabled", "client.refused OIDC-044", "authorization.refused OIDC-002"] {
            assert!(events.contains(&event.to_owned()), "{event}: {events:?}");
        }
    })
    .await;
}

/// A wrong secret is told the same before and after: whether a client is disabled is nobody's business.
#[tokio::test]
async fn a_stranger_does_not_learn_that_it_is_disabled() {
    Stand::on_both(async |stand| {
        stand.disable_client("rp").await;
        let form = "grant_type=refresh_token&refresh_token=x";
        let path = format!("{REALM}/protocol/openid-connect/token");
        let wrong = stand.post(&path, &format!("{form}&client_id=rp&client_secret=guess"), &[]).await;
        let unknown = stand.post(&path, &format!("{form}&client_id=nobody&client_secret=guess"), &[]).await;
        assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body));
        let events = stand.events().await;
        assert!(events.contains(&"client.refused OIDC-045".to_owned()), "{events:?}");
    })
    .await;
}

/// Attack: tokens, codes and handles that somebody kept while the client was off are brought once it is on again.
#[tokio::test]
async fn what_it_held_does_not_come_back_with_it() {
    Stand::on_both(async |stand| {
        stand.add_client(&NewClient { may_introspect: true, ..new_client("api") }).await;
        let browser = stand.sign_in().await;
        let tokens = stand.tokens(&browser).await;
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let unused = stand.code(&[], &browser).await;
        let handle = pushed(&stand, "rp", &[]).await;
        stand.disable_client("rp").await;
        stand.enable_client("rp").await;
        assert_eq!(stand.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(stand.introspect("api", &access).await["active"], false);
        assert_eq!(stand.introspect("api", &refresh).await["active"], false);
        assert_eq!(stand.refresh("rp", &refresh).await.error(), "invalid_grant");
        assert_eq!(stand.redeem(&unused).await.error(), "invalid_grant");
        let brought = bring(&stand, "rp", &handle, &[], &browser.cookie).await;
        assert!(!brought.headers.contains_key("location"), "{}", brought.location());
        // It begins anew, in the session that went on.
        let tokens = stand.tokens(&browser).await;
        assert_eq!(stand.userinfo(&text(&tokens, "access_token")).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn access_without_the_person_ends_with_it_too() {
    Stand::on_both(async |stand| {
        let metadata =
            Metadata { scope: Some("openid profile offline_access".into()), ..Metadata::default() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
        let browser = stand.sign_in().await;
        let request = [
            ("client_id", "std"),
            ("redirect_uri", "https://std.example/cb"),
            ("scope", "openid profile offline_access"),
        ];
        let page = Page::of(&stand, &request, &browser).await;
        let code = page.press(&stand, "allow").await.parameter("code").unwrap();
        let refresh = text(&stand.redeem_as("std", &code).await.json(), "refresh_token");
        stand.disable_client("std").await;
        assert_eq!(stand.refresh("std", &refresh).await.error(), "invalid_client");
        stand.enable_client("std").await;
        assert_eq!(stand.refresh("std", &refresh).await.error(), "invalid_grant");
    })
    .await;
}

/// Somebody who signs out from it is signed out, and is not sent back to it.
#[tokio::test]
async fn a_logout_from_it_ends_the_session_and_leads_nowhere() {
    Stand::on_both(async |stand| {
        let metadata = Metadata {
            frontchannel_logout_uri: Some("https://std.example/out".into()),
            ..Metadata::default()
        };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
        let browser = stand.sign_in().await;
        let code = code_of(&stand, "std", &browser).await;
        let hint = text(&stand.redeem_as("std", &code).await.json(), "id_token");
        stand.disable_client("std").await;
        let address =
            format!("{LOGOUT}?id_token_hint={hint}&post_logout_redirect_uri=https://std.example/bye");
        let page = stand.get(&address, &[("cookie", &browser.cookie)]).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert!(!page.body.contains("std.example"), "neither sent there nor loaded: {}", page.body);
        let after = stand.authorize(&[("prompt", "none")], &browser.cookie).await;
        assert_eq!(after.parameter("error").as_deref(), Some("login_required"), "the session is over");
    })
    .await;
}

/// RFC 7592 §2.1: its own token learns that it is disabled, may change nothing and cannot remove it to begin anew.
#[tokio::test]
async fn a_client_that_registered_itself_cannot_get_out_of_it() {
    registration::on_both(async |stand| {
        let client = registration::registered(&stand).await;
        let (id, token) = (text(&client, "client_id"), text(&client, "registration_access_token"));
        let path = registration::own_path(&client);
        stand.disable_client(&id).await;
        let mut document = registration::document();
        document["client_id"] = id.clone().into();
        for (method, document) in
            [(Method::GET, None), (Method::PUT, Some(&document)), (Method::DELETE, None)]
        {
            let answer = registration::send(&stand, method.clone(), &path, &token, document).await;
            assert_eq!((answer.status, answer.error().as_str()), (StatusCode::FORBIDDEN, "access_denied"));
            let stranger = registration::send(&stand, method, &path, "guess", document).await;
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "who has not its token learns nothing");
        }
        assert!(stand.events().await.contains(&"client.refused OIDC-161".to_owned()));
        stand.enable_client(&id).await;
        let answer = registration::send(&stand, Method::GET, &path, &token, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    })
    .await;
}
