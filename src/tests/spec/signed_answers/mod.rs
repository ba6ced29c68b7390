//! Answers as signed documents: userinfo (OpenID Connect Core §5.3.2), introspection (RFC 9701).

use serde_json::json;

use super::stand::{INTROSPECT, ISSUER, NewRp, Stand, basic, claims, header};
use crate::store::client::{Metadata, ProfileName};

#[tokio::test]
async fn userinfo_is_signed_for_a_client_that_registered_it() {
    Stand::on_both(async |stand| {
        let metadata = Metadata { userinfo_signed_response_alg: Some("RS256".into()), ..Metadata::default() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("signed") }).await;
        let browser = stand.sign_in().await;
        let request = [("client_id", "signed"), ("redirect_uri", "https://signed.example/cb")];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let tokens = stand.redeem_as("signed", &code).await.json();
        let answer = stand.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(answer.headers["content-type"], "application/jwt");
        let token = json!(answer.body);
        assert_eq!(header(&token)["alg"], "RS256");
        let told = claims(&token);
        assert_eq!((&told["iss"], &told["aud"]), (&json!(ISSUER), &json!("signed")));
        assert_eq!(told["sub"], claims(&tokens["id_token"])["sub"]);
        // It is no token of another kind.
        assert_eq!(stand.userinfo(&answer.body).await.error(), "invalid_token");
    })
    .await;
}

#[tokio::test]
async fn introspection_is_signed_for_who_asks() {
    Stand::on_both(async |stand| {
        let tokens = stand.tokens(&stand.sign_in().await).await;
        let access = tokens["access_token"].as_str().unwrap();
        let authorization = basic("rp");
        let media_type = "application/token-introspection+jwt";
        let headers = [("authorization", authorization.as_str()), ("accept", media_type)];
        for (token, active) in [(access, true), ("x", false)] {
            let answer = stand.post(INTROSPECT, &format!("token={token}"), &headers).await;
            assert_eq!(answer.headers["content-type"], media_type);
            let signed = json!(answer.body);
            assert_eq!(header(&signed)["typ"], "token-introspection+jwt");
            let told = claims(&signed);
            assert_eq!((&told["iss"], &told["aud"]), (&json!(ISSUER), &json!("rp")));
            assert_eq!(told["token_introspection"]["active"], active);
            assert!(
                told.get("sub").is_none() && told.get("exp").is_none(),
                "RFC 9701 §5: it must pass for no token"
            );
            assert_eq!(stand.userinfo(&answer.body).await.error(), "invalid_token");
        }
        assert_eq!(stand.introspect("rp", access).await["active"], true, "plain for who does not ask");
    })
    .await;
}
