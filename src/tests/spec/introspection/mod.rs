//! RFC 7662, as PSC answers it.

use super::stand::{INTROSPECT, Stand, basic, new_client};
use crate::store::client::NewClient;

#[tokio::test]
async fn a_client_sees_its_own_tokens_and_an_authorised_one_sees_all() {
    let stand = Stand::new().await;
    let api = NewClient { may_introspect: true, ..new_client("api") };
    stand.add_client(&api).await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    for token in ["access_token", "refresh_token"] {
        let token = tokens[token].as_str().unwrap();
        assert_eq!(stand.introspect("rp", token).await["active"], true);
        assert_eq!(stand.introspect("api", token).await["active"], true);
        assert_eq!(stand.introspect("other", token).await.to_string(), r#"{"active":false}"#);
    }
}

#[tokio::test]
async fn what_is_not_active_says_nothing_else() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    for token in ["nonsense", "a.b.c", tokens["id_token"].as_str().unwrap()] {
        assert_eq!(stand.introspect("rp", token).await.to_string(), r#"{"active":false}"#);
    }
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    stand.advance(120);
    assert_eq!(stand.introspect("rp", access).await["active"], false, "expired");
    stand.refresh("rp", refresh).await;
    assert_eq!(stand.introspect("rp", refresh).await["active"], false, "used");
}

#[tokio::test]
async fn nobody_introspects_without_authentication() {
    let stand = Stand::new().await;
    let answer = stand.post(INTROSPECT, "token=x", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    let answer = stand.post(INTROSPECT, "", &[("authorization", &basic("rp"))]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_request"));
}
