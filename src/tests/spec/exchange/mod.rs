//! RFC 8693 as the "API Pro Santé Connectées" use it: the server of an API exchanges a person's access token for its own.

mod chain;

use http::StatusCode;
use serde_json::{Value, json};

use super::stand::{Answer, NewRp, SignedIn, Stand, claims, header, new_client};
use crate::clock::Clock as _;
use crate::store::client::{Metadata, NewClient, ProfileName};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const API: &str = "https://api.hopital.example";

/// The server of an API, which may introspect every token and exchange them for its API.
async fn add_api(stand: &Stand) {
    let metadata = Metadata {
        grant_types: vec![EXCHANGE.into()],
        resources: vec![API.into()],
        scope: Some("dossier.lire dossier.ecrire scope_all".into()),
        ..Metadata::default()
    };
    let new =
        NewClient { may_introspect: true, profile: ProfileName::Standard, metadata, ..new_client("api") };
    stand.add_client(&new).await;
}

async fn exchange(stand: &Stand, client: &str, subject: &str, more: &[(&str, &str)]) -> Answer {
    let mut form =
        vec![("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
    form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    stand.token(client, &form).await
}

async fn access_token(stand: &Stand, browser: &SignedIn) -> String {
    stand.tokens(browser).await["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_server_of_an_api_gets_a_token_for_its_api() {
    Stand::on_both(async |stand| {
        add_api(&stand).await;
        let browser = stand.sign_in().await;
        let subject = access_token(&stand, &browser).await;
        let more = [("scope", "dossier.lire"), ("audience", API), ("subject_issuer", "psc")];
        let answer = exchange(&stand, "api", &subject, &more).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let answer = answer.json();
        assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(120)));
        assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
        assert_eq!(header(&answer["access_token"])["typ"], "at+jwt");
        let token = claims(&answer["access_token"]);
        assert_eq!(token["sub"], claims(&json!(subject))["sub"]);
        assert_eq!((&token["aud"], &token["scope"]), (&json!(API), &json!("dossier.lire")));
        assert_eq!((&token["client_id"], &token["act"]), (&json!("api"), &json!({ "sub": "api" })));
        let seen = stand.introspect("api", answer["access_token"].as_str().unwrap()).await;
        assert_eq!((&seen["active"], &seen["act"]["sub"]), (&Value::Bool(true), &json!("api")));
        assert!(stand.events().await.contains(&"token.exchanged".to_owned()));

        // Its own token it may exchange again; who acted before stays told.
        let again = exchange(&stand, "api", answer["access_token"].as_str().unwrap(), &[]).await.json();
        assert_eq!(claims(&again["access_token"])["act"], json!({ "sub": "api", "act": { "sub": "api" } }));
        // And it does not prolong itself.
        stand.advance(100);
        let late = exchange(&stand, "api", again["access_token"].as_str().unwrap(), &[]).await.json();
        assert_eq!(late["expires_in"], 20);
        // Without an audience it is for the server itself.
        assert_eq!(claims(&again["access_token"])["aud"], "api");
    })
    .await;
}

/// A server that is registered to exchange and for nothing else sends nobody to the sign-in page.
#[tokio::test]
async fn who_is_registered_to_exchange_gets_no_codes() {
    Stand::on_both(async |stand| {
        add_api(&stand).await;
        let browser = stand.sign_in().await;
        let request = [("client_id", "api"), ("redirect_uri", "https://api.example/cb")];
        let answer = stand.authorize(&request, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("unauthorized_client"));
    })
    .await;
}

#[tokio::test]
async fn a_token_ends_with_its_session_and_dies_with_it() {
    Stand::on_both(async |stand| {
        add_api(&stand).await;
        let browser = stand.sign_in().await;
        // Two hundred seconds before the end of the four hours.
        for _ in 0..12 {
            stand.advance(20 * 60 - 15);
            stand.authorize(&[], &browser.cookie).await;
        }
        stand.advance(100);
        let subject = access_token(&stand, &browser).await;
        let answer = exchange(&stand, "api", &subject, &[]).await.json();
        assert_eq!(answer["expires_in"], 80, "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(stand.introspect("api", token).await["active"], true);
        let (now, event) = (stand.clock.now(), stand.event(crate::audit::Kind::SessionEnded));
        let reason = crate::session::EndReason::SignedOut;
        let random = crate::crypto::random::SystemRandom;
        crate::store::session::end(&stand.db, browser.session, reason, &event, now, &random).await.unwrap();
        assert_eq!(stand.introspect("api", token).await["active"], false);
        assert_eq!(exchange(&stand, "api", &subject, &[]).await.error(), "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn nobody_exchanges_what_is_not_for_them_or_for_what_is_not_theirs() {
    Stand::on_both(async |stand| {
        add_api(&stand).await;
        let allowed = || Metadata { grant_types: vec![EXCHANGE.into()], ..Metadata::default() };
        stand.add_rp(NewRp { metadata: allowed(), ..NewRp::named("curious") }).await;
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        let browser = stand.sign_in().await;
        let subject = access_token(&stand, &browser).await;
        let of_standard = {
            let request = [("client_id", "std"), ("redirect_uri", "https://std.example/cb")];
            let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
            stand.redeem_as("std", &code).await.json()["access_token"].as_str().unwrap().to_owned()
        };
        let only_openid = {
            let code = stand.code(&[("scope", "openid")], &browser).await;
            stand.redeem(&code).await.json()["access_token"].as_str().unwrap().to_owned()
        };
        let id_token = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        for (client, token, more, error) in [
            // Not registered for the grant; not the audience of a token; an audience that is not its own.
            ("rp", &subject, ("audience", ""), "unauthorized_client"),
            ("curious", &subject, ("audience", ""), "invalid_request"),
            ("api", &of_standard, ("audience", ""), "invalid_request"),
            ("api", &subject, ("audience", "https://other.example"), "invalid_target"),
            ("api", &subject, ("resource", "https://other.example"), "invalid_target"),
            ("api", &subject, ("scope", "openid everything"), "invalid_scope"),
            // Registered with it or not: what is told of a person is not the API's to add.
            ("api", &only_openid, ("scope", "scope_all"), "invalid_scope"),
            ("api", &subject, ("actor_token", "x"), "invalid_request"),
            ("api", &subject, ("subject_token_type", ""), "invalid_request"),
            (
                "api",
                &subject,
                ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
                "invalid_request",
            ),
            (
                "api",
                &subject,
                ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
                "invalid_request",
            ),
            ("api", &id_token, ("audience", ""), "invalid_request"),
            ("api", &"x".to_owned(), ("audience", ""), "invalid_request"),
        ] {
            assert_eq!(exchange(&stand, client, token, &[more]).await.error(), error, "{client} {more:?}");
        }
        stand.advance(121);
        assert_eq!(exchange(&stand, "api", &subject, &[]).await.error(), "invalid_request", "expired");
    })
    .await;
}
