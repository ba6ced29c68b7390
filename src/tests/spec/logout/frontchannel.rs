//! Front-Channel Logout 1.0.

use crate::store::client::{Metadata, ProfileName};
use crate::tests::spec::stand::{ISSUER, LOGOUT, NewRp, SignedIn, Stand};

fn with_page(uri: &str) -> Metadata {
    Metadata {
        frontchannel_logout_uri: Some(uri.into()),
        frontchannel_logout_session_required: true,
        ..Metadata::default()
    }
}

/// Signs the browser on to a client; yields the ID token.
async fn sign_on(stand: &Stand, client: &str, browser: &SignedIn) -> String {
    let redirect = format!("https://{client}.example/cb");
    let request = [("client_id", client), ("redirect_uri", &redirect)];
    let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
    stand.redeem_as(client, &code).await.json()["id_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_pages_of_every_relying_party_are_loaded_and_then_the_person_goes_back() {
    Stand::on_both(async |stand| {
        let standard = |id, metadata| NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named(id) };
        stand.add_rp(standard("one", with_page("https://one.example/out?x=1"))).await;
        let quiet =
            Metadata { frontchannel_logout_session_required: false, ..with_page("https://two.example/out") };
        stand.add_rp(standard("two", quiet)).await;
        // A page of somebody else, which no registration may put into other people's browsers.
        stand.add_rp(standard("evil", with_page("https://bank.example/transfer"))).await;
        stand.add_rp(standard("absent", with_page("https://absent.example/out"))).await;
        let browser = stand.sign_in().await;
        for client in ["two", "evil"] {
            sign_on(&stand, client, &browser).await;
        }
        let hint = sign_on(&stand, "one", &browser).await;
        let back = "https://one.example/bye";
        let address = format!("{LOGOUT}?id_token_hint={hint}&post_logout_redirect_uri={back}&state=s");
        let page = stand.get(&address, &[("cookie", &browser.cookie)]).await;
        assert_eq!(page.status, 200);
        let sid = browser.session.to_string();
        let told = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("iss", ISSUER), ("sid", &sid)])
            .finish();
        let told = told.replace('&', "&#38;");
        assert!(page.body.contains(&format!("https://one.example/out?x=1&#38;{told}")), "{}", page.body);
        assert!(page.body.contains("\"https://two.example/out\""), "{}", page.body);
        assert!(page.body.contains("https://one.example/bye?state=s"));
        assert!(!page.body.contains("bank.example") && !page.body.contains("absent.example"));
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-src https://one.example https://two.example;"), "{policy}");
        assert!(page.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    })
    .await;
}
