//! RFC 6749 §6 and RFC 9700 §4.14: refresh with rotation and reuse detection.

use super::stand::{NewRp, Stand, claims};
use crate::store::client::Metadata;

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_shape_in_the_same_session() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let first = stand.tokens(&browser).await;
    stand.advance(121);
    let answer = stand.refresh("rp", first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let second = answer.json();
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&first), names(&second));
    for token in ["access_token", "id_token", "refresh_token"] {
        assert_ne!(first[token], second[token]);
        let (before, after) = (claims(&first[token]), claims(&second[token]));
        assert_eq!(names(&before), names(&after));
        for same in ["sid", "sub", "nonce", "azp", "typ", "iss"] {
            assert_eq!(before[same], after[same], "{token} {same}");
        }
        assert_ne!(before["jti"], after["jti"]);
        assert_eq!(before["auth_time"], after["auth_time"]);
    }
    assert_eq!(stand.userinfo(second["access_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_grant_for_both() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let first = stand.tokens(&browser).await;
    let stolen = first["refresh_token"].as_str().unwrap();
    let second = stand.refresh("rp", stolen).await.json();
    stand.advance(10);
    assert_eq!(stand.refresh("rp", stolen).await.error(), "invalid_grant");
    assert_eq!(stand.events().await.last().unwrap(), "token.reuse OIDC-062");
    let next = second["refresh_token"].as_str().unwrap();
    assert_eq!(stand.refresh("rp", next).await.error(), "invalid_grant", "the thief's too");
    assert_eq!(stand.userinfo(second["access_token"].as_str().unwrap()).await.status, 401);
    stand.code(&[("prompt", "none")], &browser).await;
}

/// Two requests of one client cross, or the answer is lost and the client asks again.
#[tokio::test]
async fn crossing_refreshes_are_both_answered_for_a_few_seconds() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let first = stand.tokens(&browser).await["refresh_token"].clone();
        let first = first.as_str().unwrap();
        let both = tokio::join!(stand.refresh("rp", first), stand.refresh("rp", first));
        let [one, other] = [both.0, both.1].map(|answer| {
            assert_eq!(answer.status, 200, "{}", answer.body);
            answer.json()["refresh_token"].as_str().unwrap().to_owned()
        });
        assert_ne!(one, other);
        stand.advance(9);
        assert_eq!(stand.refresh("rp", first).await.status, 200);
        assert_eq!(stand.refresh("other", first).await.error(), "invalid_grant", "never for somebody else");
        stand.advance(1);
        assert_eq!(stand.refresh("rp", first).await.error(), "invalid_grant");
        assert_eq!(stand.refresh("rp", &one).await.error(), "invalid_grant", "the replay ended the grant");
    })
    .await;
}

#[tokio::test]
async fn without_grace_the_second_of_two_refreshes_ends_the_grant() {
    Stand::on_both_with(
        |settings| settings.lifetimes.refresh_grace = chrono::TimeDelta::zero(),
        async |stand| {
            let browser = stand.sign_in().await;
            let first = stand.tokens(&browser).await["refresh_token"].clone();
            let both = tokio::join!(
                stand.refresh("rp", first.as_str().unwrap()),
                stand.refresh("rp", first.as_str().unwrap())
            );
            let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 400]);
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_is_not_registered_to_refresh_is_given_nothing_to_refresh_with() {
    Stand::on_both(async |stand| {
        let metadata = Metadata { grant_types: vec!["authorization_code".into()], ..Metadata::default() };
        stand.add_rp(NewRp { metadata, ..NewRp::named("once") }).await;
        let browser = stand.sign_in().await;
        let request = [("client_id", "once"), ("redirect_uri", "https://once.example/cb")];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let tokens = stand.redeem_as("once", &code).await.json();
        assert!(tokens["access_token"].is_string() && tokens.get("refresh_token").is_none(), "{tokens}");
        let foreign = stand.tokens(&browser).await["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(stand.refresh("once", &foreign).await.error(), "unauthorized_client");
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_good_for_its_client_and_its_time_only() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(stand.refresh("other", token).await.error(), "invalid_grant");
    for not_a_refresh_token in ["access_token", "id_token"] {
        let answer = stand.refresh("rp", tokens[not_a_refresh_token].as_str().unwrap()).await;
        assert_eq!(answer.error(), "invalid_grant");
    }
    let changed = format!("{}x", &token[..token.len() - 1]);
    assert_eq!(stand.refresh("rp", &changed).await.error(), "invalid_grant");
    stand.advance(1800);
    assert_eq!(stand.refresh("rp", token).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_refresh_counts_as_activity_but_not_beyond_four_hours() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let mut token = stand.tokens(&browser).await["refresh_token"].clone();
    for _ in 0..9 {
        stand.advance(25 * 60);
        let answer = stand.refresh("rp", token.as_str().unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        token = answer.json()["refresh_token"].clone();
    }
    stand.advance(16 * 60);
    assert_eq!(stand.refresh("rp", token.as_str().unwrap()).await.error(), "invalid_grant");
}

#[tokio::test]
async fn no_scope_is_gained_by_refreshing() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[("scope", "openid")], &browser).await;
    let tokens = stand.redeem(&code).await.json();
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = |scope: &'static str| {
        vec![("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)]
    };
    assert_eq!(stand.token("rp", &form("openid scope_all")).await.error(), "invalid_scope");
    assert_eq!(stand.token("rp", &form("openid")).await.status, 200);
}
