//! RFC 6749 §3.2, §4.1.3, §5 and OpenID Connect Core §3.1.3: the token endpoint.

mod brute_force;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::stand::{DOCTOR, REDIRECT, Stand, TOKEN, basic, claims, secret_of};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::session::EndReason;
use crate::store;

#[tokio::test]
async fn a_client_authenticates_by_header_or_by_form() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let form = |code: &str| format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}");
    let code = stand.code(&[], &browser).await;
    let answer = stand.post(TOKEN, &form(&code), &[("authorization", &basic("rp"))]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["pragma"], "no-cache");
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "clients have secrets: no browser");
    let code = stand.code(&[], &browser).await;
    let body = format!("{}&client_id=rp&client_secret={}", form(&code), secret_of("rp"));
    assert_eq!(stand.post(TOKEN, &body, &[]).await.status, 200);
}

#[tokio::test]
async fn whoever_does_not_authenticate_learns_nothing() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}");
    let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let mut bodies = Vec::new();
    for authorization in [
        header("rp:wrong"),
        header("nobody:wrong"),
        header("rp:"),
        header(&format!("rp:{}", secret_of("other"))),
        header("rp"),
        "Basic not-base64!".to_owned(),
        format!("Bearer {}", secret_of("rp")),
    ] {
        let answer = stand.post(TOKEN, &form, &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, 401, "{authorization}");
        assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"sceau\"");
        bodies.push(answer.body);
    }
    let answer = stand.post(TOKEN, &form, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    assert!(bodies.iter().all(|body| *body == answer.body), "an unknown client looks like a wrong secret");
    let refused = stand.events().await.iter().filter(|event| event.starts_with("client.refused")).count();
    assert_eq!(refused, 8);
    assert_eq!(stand.redeem(&code).await.status, 200, "the code was not spent");
}

#[tokio::test]
async fn two_ways_of_authentication_at_once_are_refused() {
    let stand = Stand::new().await;
    let both = format!("grant_type=authorization_code&code=x&client_id=rp&client_secret={}", secret_of("rp"));
    let answer = stand.post(TOKEN, &both, &[("authorization", &basic("rp"))]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn a_rotated_secret_is_good_until_its_time() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let tokens = stand.tokens(&browser).await;
    let event = stand.event(Kind::ClientSecretRotated);
    let now = stand.clock.now();
    let hash = crate::crypto::digest::sha256(b"new");
    let until = now + chrono::TimeDelta::seconds(60);
    store::client::rotate_secret(&stand.db, "rp", hash, until, now, &event).await.unwrap();
    let answer = stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200);
    stand.advance(60);
    let answer = stand.refresh("rp", answer.json()["refresh_token"].as_str().unwrap()).await;
    assert_eq!(answer.error(), "invalid_client");
}

#[tokio::test]
async fn malformed_requests_are_named() {
    let stand = Stand::new().await;
    for (form, error) in [
        (&[("code", "x")][..], "invalid_request"),
        (&[("grant_type", "authorization_code")], "invalid_request"),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (&[("grant_type", "password"), ("username", "a"), ("password", "b")], "unsupported_grant_type"),
        (&[("grant_type", "client_credentials")], "unsupported_grant_type"),
        (&[("grant_type", "authorization_code"), ("code", "a"), ("code", "b")], "invalid_request"),
        (&[("grant_type", "authorization_code"), ("code", "unheard-of")], "invalid_grant"),
        (&[("grant_type", "refresh_token"), ("refresh_token", "unheard-of")], "invalid_grant"),
    ] {
        let answer = stand.token("rp", form).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, error), "{form:?}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let json = http::Request::post(TOKEN)
        .header("content-type", "application/json")
        .header("authorization", basic("rp"))
        .body(axum::body::Body::from("{}"))
        .unwrap();
    assert_eq!(stand.send(json).await.status, 415);
    assert_eq!(stand.get(TOKEN, &[]).await.status, 405);
    let huge = format!("grant_type=authorization_code&code={}", "x".repeat(100_000));
    assert_eq!(stand.post(TOKEN, &huge, &[("authorization", &basic("rp"))]).await.status, 413);
}

#[tokio::test]
async fn a_code_is_good_once_and_its_replay_revokes_what_it_gave() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    let tokens = stand.redeem(&code).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(stand.userinfo(access).await.status, 200);
    assert_eq!(stand.redeem(&code).await.error(), "invalid_grant");
    assert_eq!(stand.events().await.last().unwrap(), "token.reuse OIDC-054");
    assert_eq!(stand.userinfo(access).await.status, 401);
    let refreshed = stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.error(), "invalid_grant");
    assert_eq!(stand.introspect("rp", access).await["active"], false);
}

#[tokio::test]
async fn of_many_redemptions_at_once_only_one_wins_and_nothing_of_it_stays() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    let answers = futures_util::future::join_all((0..8).map(|_| stand.redeem(&code))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    let access = won[0].json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(stand.userinfo(&access).await.status, 401, "the others revoked it");
}

#[tokio::test]
async fn a_code_of_another_client_or_address_or_time_is_refused() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    let form = |redirect_uri: &'static str| {
        vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", redirect_uri)]
    };
    assert_eq!(stand.token("other", &form(REDIRECT)).await.error(), "invalid_grant");
    assert_eq!(stand.token("other", &form("https://other.example/cb")).await.error(), "invalid_grant");
    assert_eq!(stand.token("rp", &form("https://rp.example/cb?tenant=1")).await.error(), "invalid_grant");
    let without = [("grant_type", "authorization_code"), ("code", code.as_str())];
    assert_eq!(stand.token("rp", &without).await.error(), "invalid_grant");
    stand.advance(60);
    let expired = stand.token("rp", &form(REDIRECT)).await;
    assert_eq!(expired.json()["error_description"], "Code is expired");
    assert_eq!(stand.events().await.last().unwrap(), "token.refused OIDC-053");
}

#[tokio::test]
async fn session_person_and_client_are_looked_at_again() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    let now = stand.clock.now();
    let event = stand.event(Kind::SessionEnded);
    store::session::end(&stand.db, browser.session, EndReason::SignedOut, &event, now, &SystemRandom)
        .await
        .unwrap();
    assert_eq!(stand.redeem(&code).await.json()["error_description"], "Session not active");

    let browser = stand.sign_in().await;
    let (code, tokens) = (stand.code(&[], &browser).await, stand.tokens(&browser).await);
    stand.disable(DOCTOR).await;
    let answer = stand.redeem(&code).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_grant"));
    let refreshed = stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.error(), "invalid_grant");
    assert_eq!(stand.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    assert_eq!(stand.introspect("rp", tokens["access_token"].as_str().unwrap()).await["active"], false);
}

#[tokio::test]
async fn tokens_do_not_outlive_their_session() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    for _ in 0..14 {
        stand.advance(17 * 60);
        stand.code(&[], &browser).await;
    }
    stand.advance(60);
    let tokens = stand.tokens(&browser).await;
    let left = 4 * 3600 - 14 * 17 * 60 - 60;
    assert_eq!((&tokens["expires_in"], &tokens["refresh_expires_in"]), (&60.into(), &left.into()));
    let id = claims(&tokens["id_token"]);
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 60);
}

#[tokio::test]
async fn each_change_has_its_event() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let before = stand.events().await.len();
    let tokens = stand.tokens(&browser).await;
    stand.refresh("rp", tokens["refresh_token"].as_str().unwrap()).await;
    let events = stand.events().await.split_off(before);
    assert_eq!(events, ["session.used", "token.issued", "token.refreshed"]);
}

/// Ten minutes either way: what was expired may be good for longer, but nothing is good twice.
#[tokio::test]
async fn a_clock_that_is_moved_redeems_nothing_twice() {
    for minutes in [10, -10] {
        let stand = Stand::new().await;
        // Long after the person was admitted, which nobody was before that.
        stand.advance(3_600);
        let browser = stand.sign_in().await;
        let code = stand.code(&[], &browser).await;
        let tokens = stand.redeem(&code).await.json();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let used = stand.tokens(&browser).await;
        let used = used["refresh_token"].as_str().unwrap();
        assert_eq!(stand.refresh("rp", used).await.status, 200);
        stand.advance(minutes * 60);
        for (what, answer) in
            [("code", stand.redeem(&code).await), ("refresh token", stand.refresh("rp", used).await)]
        {
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_grant"), "{what}");
        }
        assert_eq!(stand.refresh("rp", refresh).await.error(), "invalid_grant", "the replay ended the grant");
        let reused = stand.events().await.iter().filter(|event| event.starts_with("token.reuse")).count();
        assert_eq!(reused, 2, "{minutes} minutes");
        stand.advance(-minutes * 60);
        assert_eq!(stand.redeem(&code).await.status, 400);
    }
}

/// A code that has expired comes alive where the clock is set back, once.
#[tokio::test]
async fn a_clock_that_is_set_back_gives_an_expired_code_one_life() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    stand.advance(600);
    assert_eq!(stand.redeem(&code).await.error(), "invalid_grant");
    stand.advance(-600);
    let both = tokio::join!(stand.redeem(&code), stand.redeem(&code));
    let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}
