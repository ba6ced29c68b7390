//! OpenID Connect Core §11: what a client may do after the person has left, with their consent, and until when.

use http::StatusCode;

use super::browser::{ORIGIN, Page};
use super::stand::{DOCTOR, NewRp, SignedIn, Stand};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::session::EndReason;
use crate::store;
use crate::store::client::{Metadata, ProfileName};

const REQUEST: [(&str, &str); 3] = [
    ("client_id", "std"),
    ("redirect_uri", "https://std.example/cb"),
    ("scope", "openid profile offline_access"),
];

/// A client with an offline refresh token, of a person who has signed out since.
async fn left(stand: &Stand) -> (SignedIn, String) {
    let metadata = Metadata { scope: Some("openid profile offline_access".into()), ..Metadata::default() };
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
    let browser = stand.sign_in().await;
    let code =
        Page::of(stand, &REQUEST, &browser).await.press(stand, "allow").await.parameter("code").unwrap();
    let tokens = stand.redeem_as("std", &code).await.json();
    let (now, event) = (stand.clock.now(), stand.event(Kind::SessionEnded));
    let reason = EndReason::SignedOut;
    store::session::end(&stand.db, browser.session, reason, &event, now, &SystemRandom).await.unwrap();
    (browser, tokens["refresh_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_client_goes_on_after_the_person_has_left_and_not_for_ever() {
    Stand::on_both(async |stand| {
        let (_, mut token) = left(&stand).await;
        for day in 0..29 {
            stand.advance(24 * 3600);
            let answer = stand.refresh("std", &token).await;
            assert_eq!(answer.status, StatusCode::OK, "day {day}: {}", answer.body);
            let tokens = answer.json();
            let userinfo = stand.userinfo(tokens["access_token"].as_str().unwrap()).await;
            assert_eq!(userinfo.status, StatusCode::OK, "{}", userinfo.body);
            token = tokens["refresh_token"].as_str().unwrap().to_owned();
            let ages = stand.clock.now() - chrono::TimeDelta::hours(1);
            store::grant::delete_expired(&stand.db, ages, 100).await.unwrap();
        }
        stand.advance(24 * 3600);
        assert_eq!(
            stand.refresh("std", &token).await.error(),
            "invalid_grant",
            "thirty days after the consent"
        );
        stand.advance(2 * 24 * 3600);
        store::grant::delete_expired(&stand.db, stand.clock.now(), 100).await.unwrap();
        let gone = store::grant::refresh_token(&stand.db, crate::crypto::digest::sha256(token.as_bytes()));
        assert!(gone.await.unwrap().is_none(), "nothing stays");
    })
    .await;
}

#[tokio::test]
async fn who_may_no_longer_be_here_is_nobody_any_client_acts_for() {
    Stand::on_both(async |stand| {
        let (_, token) = left(&stand).await;
        stand.disable(DOCTOR).await;
        assert_eq!(stand.refresh("std", &token).await.error(), "invalid_grant");
        // Who comes back does not find an old consent alive.
        let (person, event) = (stand.person(DOCTOR).await, stand.some_event(Kind::PersonEnabled));
        store::person::enable(&stand.db, person, &event).await.unwrap();
        assert_eq!(stand.refresh("std", &token).await.error(), "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere_takes_it_back() {
    Stand::on_both(async |stand| {
        let (_, token) = left(&stand).await;
        let browser = stand.sign_in().await;
        let (_, cookie) = browser.cookie.split_once('=').unwrap();
        let form = format!("csrf={}", crate::web::csrf::token(&cookie.to_owned().into()));
        let headers = [("cookie", browser.cookie.as_str()), ORIGIN];
        // A form of another site takes nothing back.
        let foreign = [headers[0], ("origin", "https://evil.example")];
        assert_eq!(stand.post("/sessions/end", &form, &foreign).await.status, StatusCode::FORBIDDEN);
        let answer = stand.refresh("std", &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(stand.post("/sessions/end", &form, &headers).await.status, StatusCode::OK);
        let next = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(stand.refresh("std", &next).await.error(), "invalid_grant");
        assert!(stand.events().await.contains(&"token.revoked".to_owned()));
    })
    .await;
}
