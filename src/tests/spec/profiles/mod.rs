//! One provider, three profiles: what a client is held to and given depends on its registration alone.

use serde_json::json;

use super::stand::{NewRp, Stand, claims, header};
use crate::crypto::jose::base64url;
use crate::store::client::{AuthMethod, Metadata, ProfileName};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const WITH_PKCE: [(&str, &str); 2] = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];

#[tokio::test]
async fn tokens_of_the_standard_profile_have_the_shapes_of_the_standards() {
    Stand::on_both(async |stand| {
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        let browser = stand.sign_in().await;
        let request = [
            ("client_id", "std"),
            ("redirect_uri", "https://std.example/cb"),
            ("scope", "openid profile"),
            ("acr_values", ""),
        ];
        let answer = stand.authorize(&request, &browser.cookie).await;
        assert_eq!(answer.parameter("session_state"), None, "that is PSC's own");
        let tokens = stand.redeem_as("std", &answer.parameter("code").unwrap()).await.json();
        assert!(tokens.get("not-before-policy").is_none() && tokens.get("session_state").is_none());
        let id = claims(&tokens["id_token"]);
        assert_eq!((&id["aud"], &id["acr"]), (&json!("std"), &json!("eidas3")));
        assert_eq!(id["amr"], json!(["sc", "pin", "hwk", "mfa"]));
        assert!(id.get("SubjectNameID").is_none() && id.get("authMode").is_none());
        let access = claims(&tokens["access_token"]);
        assert_eq!((&access["client_id"], &access["scope"]), (&json!("std"), &json!("openid profile")));
        assert_eq!(header(&tokens["access_token"])["typ"], "at+jwt");
        let userinfo = stand.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(userinfo["sub"], id["sub"]);
        assert_eq!(userinfo["name"], "KIT DOC0042788");
        assert!(userinfo.get("SubjectRefPro").is_none(), "professional data was not asked for");
        let introspected = stand.introspect("std", tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(introspected["active"], true);
        let refreshed = stand.refresh("std", tokens["refresh_token"].as_str().unwrap()).await.json();
        assert_eq!(claims(&refreshed["id_token"])["sub"], id["sub"]);
    })
    .await;
}

#[tokio::test]
async fn scopes_are_those_of_the_profile_and_of_the_registration() {
    Stand::on_both(async |stand| {
        let metadata = Metadata { scope: Some("openid profile".into()), ..Metadata::default() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("few") }).await;
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("all") }).await;
        let browser = stand.sign_in().await;
        for (client, asked, granted) in [
            ("few", "openid scope_all profile", "openid profile"),
            ("all", "openid scope_all offline_access identity", "openid scope_all"),
        ] {
            let redirect = format!("https://{client}.example/cb");
            let request = [("client_id", client), ("redirect_uri", &redirect), ("scope", asked)];
            let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
            assert_eq!(stand.redeem_as(client, &code).await.json()["scope"], granted, "{client}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_authenticates_as_it_is_registered_and_in_no_other_way() {
    Stand::on_both(async |stand| {
        let by = |method| Metadata { token_endpoint_auth_method: Some(method), ..Metadata::default() };
        let post = by(AuthMethod::ClientSecretPost);
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata: post, ..NewRp::named("post") }).await;
        let key = by(AuthMethod::PrivateKeyJwt);
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata: key, ..NewRp::named("key") }).await;
        stand.add_rp(NewRp { profile: ProfileName::Fapi2, ..NewRp::named("fapi") }).await;
        for client in ["post", "key", "fapi"] {
            // The secret is right; the way is not.
            let answer =
                stand.token(client, &[("grant_type", "refresh_token"), ("refresh_token", "x")]).await;
            assert_eq!(
                (answer.status.as_u16(), answer.error().as_str()),
                (401, "invalid_client"),
                "{client}"
            );
        }
        let refused = stand.events().await;
        assert_eq!(refused.iter().filter(|event| event.ends_with("OIDC-046")).count(), 3, "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn fapi_takes_no_request_through_the_browser() {
    Stand::on_both(async |stand| {
        stand.add_rp(NewRp { profile: ProfileName::Fapi2, ..NewRp::named("fapi") }).await;
        let browser = stand.sign_in().await;
        let mut request = vec![("client_id", "fapi"), ("redirect_uri", "https://fapi.example/cb")];
        request.extend(WITH_PKCE);
        let answer = stand.authorize(&request, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
        assert!(stand.events().await.iter().any(|event| event.ends_with("OIDC-022")));
    })
    .await;
}

#[tokio::test]
async fn a_public_client_of_the_standard_profile_uses_pkce() {
    Stand::on_both(async |stand| {
        let metadata = Metadata { token_endpoint_auth_method: Some(AuthMethod::None), ..Metadata::default() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("app") }).await;
        let browser = stand.sign_in().await;
        let without = [("client_id", "app"), ("redirect_uri", "https://app.example/cb")];
        let answer = stand.authorize(&without, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
        let with: Vec<_> = without.into_iter().chain(WITH_PKCE).collect();
        assert!(stand.authorize(&with, &browser.cookie).await.parameter("code").is_some());
        let digest = crate::crypto::digest::sha256(VERIFIER.as_bytes());
        assert_eq!(base64url::encode(digest), CHALLENGE);
    })
    .await;
}
