//! A token that was exchanged ends with what it came of (RFC 8693 leaves it to the provider; RFC 7009 §2.1 in spirit).

use http::StatusCode;
use serde_json::Value;

use super::{API, EXCHANGE, access_token, add_api, exchange};
use crate::store::client::{Metadata, NewClient, ProfileName};
use crate::tests::spec::stand::{Answer, REALM, SignedIn, Stand, basic, new_client};

/// Another server of an API behind the first one.
async fn add_next(stand: &Stand, id: &str) {
    let metadata = Metadata { grant_types: vec![EXCHANGE.into()], ..Metadata::default() };
    let new = NewClient { may_introspect: true, profile: ProfileName::Standard, metadata, ..new_client(id) };
    stand.add_client(&new).await;
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn revoke(stand: &Stand, client: &str, token: &str) {
    let path = format!("{REALM}/protocol/openid-connect/revoke");
    let answer = stand.post(&path, &format!("token={token}"), &[("authorization", &basic(client))]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

/// The service's tokens, what its API got for the access token, and what the API got again for that.
struct Chain {
    browser: SignedIn,
    tokens: Value,
    first: String,
    second: String,
}

impl Chain {
    async fn of(stand: &Stand) -> Self {
        add_api(stand).await;
        let browser = stand.sign_in().await;
        let tokens = stand.tokens(&browser).await;
        let first = token(&exchange(stand, "api", tokens["access_token"].as_str().unwrap(), &[]).await);
        let second = token(&exchange(stand, "api", &first, &[("audience", API)]).await);
        let chain = Self { browser, tokens, first, second };
        assert_eq!(chain.active(stand).await, [true, true, true]);
        chain
    }

    fn source(&self, name: &str) -> &str {
        self.tokens[name].as_str().unwrap()
    }

    async fn active(&self, stand: &Stand) -> [bool; 3] {
        let source = self.source("access_token");
        let mut active = [false; 3];
        for (found, token) in active.iter_mut().zip([source, &self.first, &self.second]) {
            *found = stand.introspect("api", token).await["active"] == true;
        }
        active
    }
}

#[tokio::test]
async fn what_is_revoked_takes_everything_with_it_that_came_of_it() {
    for (revoked, left) in [
        ("refresh_token", [false, false, false]),
        ("access_token", [false, false, false]),
        ("first", [true, false, false]),
    ] {
        Stand::on_both(async |stand| {
            let chain = Chain::of(&stand).await;
            match revoked {
                "first" => revoke(&stand, "api", &chain.first).await,
                name => revoke(&stand, "rp", chain.source(name)).await,
            }
            assert_eq!(chain.active(&stand).await, left, "{revoked}");
            for token in [&chain.first, &chain.second] {
                assert_eq!(stand.userinfo(token).await.status, StatusCode::UNAUTHORIZED);
                assert_eq!(exchange(&stand, "api", token, &[]).await.error(), "invalid_request");
            }
        })
        .await;
    }
}

/// A stolen refresh token that comes twice ends the grant, and with it what was exchanged.
#[tokio::test]
async fn a_grant_that_ends_for_a_replay_ends_what_was_exchanged() {
    Stand::on_both(async |stand| {
        let chain = Chain::of(&stand).await;
        let refresh = chain.source("refresh_token");
        assert_eq!(stand.refresh("rp", refresh).await.status, StatusCode::OK);
        assert_eq!(chain.active(&stand).await, [true, true, true], "a refresh ends nothing");
        stand.advance(60);
        assert_eq!(stand.refresh("rp", refresh).await.error(), "invalid_grant");
        assert_eq!(chain.active(&stand).await, [false, false, false]);
    })
    .await;
}

#[tokio::test]
async fn the_service_that_it_came_of_is_disabled_or_removed() {
    Stand::on_both(async |stand| {
        let chain = Chain::of(&stand).await;
        stand.disable_client("rp").await;
        assert_eq!(chain.active(&stand).await, [false, false, false]);
        assert_eq!(exchange(&stand, "api", &chain.first, &[]).await.error(), "invalid_request");
        stand.enable_client("rp").await;
        assert_eq!(chain.active(&stand).await, [false, false, false], "nor comes back");
        let subject = access_token(&stand, &chain.browser).await;
        let again = token(&exchange(&stand, "api", &subject, &[]).await);
        stand.remove_client("rp").await;
        assert_eq!(stand.introspect("api", &again).await["active"], false);
    })
    .await;
}

/// In the middle of a chain too.
#[tokio::test]
async fn a_server_in_between_is_disabled() {
    Stand::on_both(async |stand| {
        let chain = Chain::of(&stand).await;
        add_next(&stand, "watch").await;
        stand.disable_client("api").await;
        for token in [&chain.first, &chain.second] {
            assert_eq!(stand.introspect("watch", token).await["active"], false);
            assert_eq!(stand.userinfo(token).await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(stand.introspect("watch", chain.source("access_token")).await["active"], true);
    })
    .await;
}

/// A token lives on where the one it came of has merely expired and was cleaned away.
#[tokio::test]
async fn the_end_of_its_time_is_no_revocation() {
    Stand::on_both(async |stand| {
        add_api(&stand).await;
        let browser = stand.sign_in().await;
        let subject = access_token(&stand, &browser).await;
        stand.advance(60);
        let first = token(&exchange(&stand, "api", &subject, &[]).await);
        stand.advance(61);
        let now = crate::clock::Clock::now(&stand.clock);
        assert!(crate::store::grant::delete_expired(&stand.db, now, 100).await.unwrap() > 0);
        assert_eq!(stand.introspect("api", &subject).await["active"], false);
        assert_eq!(stand.introspect("api", &first).await["active"], true);
    })
    .await;
}

#[tokio::test]
async fn a_chain_has_an_end() {
    Stand::on_both(async |stand| {
        let chain = Chain::of(&stand).await;
        let third = token(&exchange(&stand, "api", &chain.second, &[]).await);
        let refused = exchange(&stand, "api", &third, &[]).await;
        assert_eq!(refused.error(), "invalid_request");
        assert!(stand.events().await.contains(&"token.refused OIDC-162".to_owned()));
    })
    .await;
}
