//! OpenID Connect Core §8.1: a `sub` for each sector.

mod sector;

use http::StatusCode;

use serde_json::json;

use super::stand::{DOCTOR, NewRp, Stand, claims, new_client};
use crate::store::client::{Metadata, NewClient, ProfileName, SubjectType};

#[tokio::test]
async fn services_of_two_sectors_cannot_compare_their_users() {
    Stand::on_both(async |stand| {
        let pairwise = |sector: Option<&str>| Metadata {
            subject_type: Some(SubjectType::Pairwise),
            sector_identifier_uri: sector.map(str::to_owned),
            ..Metadata::default()
        };
        let sector = Some("https://editeur.example/clients.json");
        for (id, metadata) in [
            ("one", pairwise(None)),
            ("two", pairwise(None)),
            ("three", pairwise(sector)),
            ("four", pairwise(sector)),
            ("public", Metadata::default()),
        ] {
            stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named(id) }).await;
        }
        let browser = stand.sign_in().await;
        let mut subs = Vec::new();
        for client in ["one", "two", "three", "four", "public", "one"] {
            let redirect = format!("https://{client}.example/cb");
            let request = [("client_id", client), ("redirect_uri", &redirect), ("scope", "openid profile")];
            let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
            let tokens = stand.redeem_as(client, &code).await.json();
            let sub = claims(&tokens["id_token"])["sub"].clone();
            let access = tokens["access_token"].as_str().unwrap();
            assert_eq!(claims(&tokens["access_token"])["sub"], sub);
            let userinfo = stand.userinfo(access).await;
            assert_eq!((userinfo.status, &userinfo.json()["sub"]), (StatusCode::OK, &sub));
            // Their name, and nothing by which somebody else knows them.
            let told = userinfo.json();
            assert!(told["family_name"].is_string(), "{told}");
            let names = [told.get("preferred_username").is_some(), told.to_string().contains(DOCTOR)];
            assert_eq!(names, [client == "public"; 2], "{client}: {told}");
            // Nor does introspection tell what the tokens do not.
            let known_as = if client == "public" { json!(DOCTOR) } else { sub.clone() };
            assert_eq!(stand.introspect(client, access).await["username"], known_as, "{client}");
            subs.push(sub.as_str().unwrap().to_owned());
        }
        let [one, two, three, four, public, again] = subs.try_into().unwrap();
        assert_eq!(one, again, "it stays");
        assert_eq!(three, four, "one sector");
        assert!(one != two && one != three && one != public);
        // Who registered itself with the address of a sector gets no value of that sector.
        let stranger = NewClient {
            profile: ProfileName::Standard,
            redirect_uris: vec!["https://stranger.example/cb".into(), "https://one.example/cb".into()],
            metadata: pairwise(sector),
            ..new_client("stranger")
        };
        stand.add_stranger(&stranger).await;
        let request =
            [("client_id", "stranger"), ("redirect_uri", "https://stranger.example/cb"), ("scope", "openid")];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let sub = claims(&stand.redeem_as("stranger", &code).await.json()["id_token"])["sub"].clone();
        assert!(sub != three.as_str() && sub != one.as_str());
        assert!(public.starts_with("f:") && !one.contains("899700427885"));
    })
    .await;
}
