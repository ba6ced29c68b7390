//! OpenID Connect Core §8.1: a `sub` for each sector.

use http::StatusCode;

use super::stand::{NewRp, Stand, claims};
use crate::store::client::{Metadata, ProfileName, SubjectType};

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
            let request = [("client_id", client), ("redirect_uri", &redirect), ("scope", "openid")];
            let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
            let tokens = stand.redeem_as(client, &code).await.json();
            let sub = claims(&tokens["id_token"])["sub"].clone();
            let access = tokens["access_token"].as_str().unwrap();
            assert_eq!(claims(&tokens["access_token"])["sub"], sub);
            let userinfo = stand.userinfo(access).await;
            assert_eq!((userinfo.status, &userinfo.json()["sub"]), (StatusCode::OK, &sub));
            subs.push(sub.as_str().unwrap().to_owned());
        }
        let [one, two, three, four, public, again] = subs.try_into().unwrap();
        assert_eq!(one, again, "it stays");
        assert_eq!(three, four, "one sector");
        assert!(one != two && one != three && one != public);
        assert!(public.starts_with("f:") && !one.contains("899700427885"));
    })
    .await;
}
