//! Tokens, token response, introspection.

use serde_json::json;

use crate::session::Acr;
use crate::tests::spec::stand::{Stand, claims, stable};

#[tokio::test]
async fn the_token_response() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    assert_eq!(tokens["session_state"], browser.session.to_string());
    insta::assert_snapshot!(stable(&tokens), @r#"
    {
      "access_token": "<access_token>",
      "expires_in": 120,
      "refresh_expires_in": 1800,
      "refresh_token": "<refresh_token>",
      "token_type": "Bearer",
      "id_token": "<id_token>",
      "not-before-policy": 0,
      "session_state": "<session_state>",
      "scope": "openid scope_all"
    }
    "#);
}

#[tokio::test]
async fn the_id_token() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    stand.advance(5);
    let token = claims(&stand.tokens(&browser).await["id_token"]);
    assert_eq!(token["sid"], token["session_state"]);
    insta::assert_snapshot!(stable(&token), @r#"
    {
      "exp": 1795262525,
      "iat": 1795262405,
      "auth_time": 1795262400,
      "jti": "<jti>",
      "iss": "http://localhost:8080/auth/realms/esante-wallet",
      "aud": "rp",
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "typ": "ID",
      "azp": "rp",
      "nonce": "n-0S6_WzA2Mj",
      "session_state": "<session_state>",
      "at_hash": "<at_hash>",
      "sid": "<sid>",
      "authMode": "CARD",
      "acr": "eidas1",
      "SubjectNameID": "899700427885",
      "preferred_username": "899700427885",
      "given_name": "KIT",
      "family_name": "DOC0042788"
    }
    "#);
}

#[tokio::test]
async fn the_access_token() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let token = claims(&stand.tokens(&browser).await["access_token"]);
    assert!(token.get("aud").is_none());
    insta::assert_snapshot!(stable(&token), @r#"
    {
      "exp": 1795262520,
      "iat": 1795262400,
      "auth_time": 1795262400,
      "jti": "<jti>",
      "iss": "http://localhost:8080/auth/realms/esante-wallet",
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "typ": "Bearer",
      "azp": "rp",
      "nonce": "n-0S6_WzA2Mj",
      "session_state": "<session_state>",
      "acr": "eidas1",
      "scope": "openid scope_all",
      "sid": "<sid>",
      "authMode": "CARD",
      "otherIds": [
        {
          "identifiant": "899700427885",
          "origine": "RPPS",
          "qualite": 1
        }
      ],
      "SubjectNameID": "899700427885",
      "preferred_username": "899700427885"
    }
    "#);
}

/// Some relying parties decode it: it names what the other two name, and no published key verifies it.
#[tokio::test]
async fn the_refresh_token() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let token = claims(&tokens["refresh_token"]);
    insta::assert_snapshot!(stable(&token), @r#"
    {
      "exp": 1795264200,
      "iat": 1795262400,
      "jti": "<jti>",
      "iss": "http://localhost:8080/auth/realms/esante-wallet",
      "aud": "http://localhost:8080/auth/realms/esante-wallet",
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "typ": "Refresh",
      "azp": "rp",
      "nonce": "n-0S6_WzA2Mj",
      "session_state": "<session_state>",
      "scope": "openid scope_all",
      "sid": "<sid>"
    }
    "#);
    let header = tokens["refresh_token"].as_str().unwrap().split('.').next().unwrap();
    let header = String::from_utf8(crate::crypto::jose::base64url::decode(header).unwrap()).unwrap();
    let keys = stand.get(&format!("{}/protocol/openid-connect/certs", super::super::stand::REALM), &[]).await;
    let header: serde_json::Value = serde_json::from_str(&header).unwrap();
    assert!(!keys.body.contains(header["kid"].as_str().unwrap()));
}

/// `nonce` is there and empty where none was sent; in the ID token it is away.
#[tokio::test]
async fn without_a_nonce() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[("nonce", "")], &browser).await;
    let tokens = stand.redeem(&code).await.json();
    assert_eq!(claims(&tokens["access_token"])["nonce"], "");
    assert_eq!(claims(&tokens["refresh_token"])["nonce"], "");
    assert!(claims(&tokens["id_token"]).get("nonce").is_none());
}

#[tokio::test]
async fn the_level_of_a_card_and_the_members_of_2026_are_settings() {
    let stand = Stand::with(|settings| {
        settings.choices.card_acr = Acr::Eidas2;
        settings.choices.auth_level = Some("1".into());
    })
    .await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let token = claims(&tokens["id_token"]);
    assert_eq!(
        json!([token["acr"], token["auth_level"], token["scope"]]),
        json!(["eidas2", "1", "openid scope_all"])
    );
    assert_eq!(claims(&tokens["access_token"])["acr"], "eidas2");
}

#[tokio::test]
async fn the_introspection_of_an_access_token() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let answer = stand.introspect("rp", tokens["access_token"].as_str().unwrap()).await;
    insta::assert_snapshot!(stable(&answer), @r#"
    {
      "exp": 1795262520,
      "iat": 1795262400,
      "auth_time": 1795262400,
      "jti": "<jti>",
      "iss": "http://localhost:8080/auth/realms/esante-wallet",
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "typ": "Bearer",
      "azp": "rp",
      "nonce": "n-0S6_WzA2Mj",
      "session_state": "<session_state>",
      "acr": "eidas1",
      "scope": "openid scope_all",
      "sid": "<sid>",
      "authMode": "CARD",
      "otherIds": [
        {
          "identifiant": "899700427885",
          "origine": "RPPS",
          "qualite": 1
        }
      ],
      "SubjectNameID": "899700427885",
      "preferred_username": "899700427885",
      "client_id": "rp",
      "username": "899700427885",
      "active": true
    }
    "#);
}

/// `SubjectNameID` is for access tokens only (INTRO-DOC).
#[tokio::test]
async fn the_introspection_of_a_refresh_token() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let answer = stand.introspect("rp", tokens["refresh_token"].as_str().unwrap()).await;
    assert!(answer.get("SubjectNameID").is_none());
    insta::assert_snapshot!(stable(&answer), @r#"
    {
      "exp": 1795264200,
      "iat": 1795262400,
      "jti": "<jti>",
      "iss": "http://localhost:8080/auth/realms/esante-wallet",
      "aud": "http://localhost:8080/auth/realms/esante-wallet",
      "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885",
      "typ": "Refresh",
      "azp": "rp",
      "nonce": "n-0S6_WzA2Mj",
      "session_state": "<session_state>",
      "scope": "openid scope_all",
      "sid": "<sid>",
      "client_id": "rp",
      "username": "899700427885",
      "active": true
    }
    "#);
}
