//! A service calls levels and factors by names of its own: it is told those, understood when it asks by them, and told no
//! more than was proved.

use serde_json::{Value, json};

use super::browser::of;
use super::stand::{Answer, DOCTOR, NewRp, SignedIn, Stand, claims};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::session::{Acr, Demands, Names};
use crate::store::client::{self, Metadata, ProfileName};
use crate::store::session::tests::prove_level;

const CB: &str = "https://std.example/cb";

/// A service of the standard profile that calls the substantial level and two factors its own way.
async fn partner(stand: &Stand, without_phr: bool) {
    stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
    call(
        stand,
        "std",
        &[("eidas2", "possessionorinherence")],
        &[("hwk", "pop"), ("mfa", "urn:two")],
        without_phr,
    )
    .await;
}

async fn call(stand: &Stand, id: &str, acr: &[(&str, &str)], amr: &[(&str, &str)], without_phr: bool) {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(own, name)| ((*own).to_owned(), (*name).to_owned())).collect()
    };
    let names = Names::new(&pairs(acr), &pairs(amr), without_phr).unwrap();
    let (event, now) = (stand.event(Kind::ClientChanged), stand.clock.now());
    assert!(client::set_policy(&stand.db, id, &Demands::default(), &names, now, &event).await.unwrap());
}

async fn ask(stand: &Stand, more: &[(&str, &str)], cookie: &str) -> Answer {
    stand.authorize(&of("std", CB, more), cookie).await
}

async fn tokens(stand: &Stand, more: &[(&str, &str)], browser: &SignedIn) -> Value {
    let answer = ask(stand, more, &browser.cookie).await;
    let code = answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
    stand.redeem_as("std", &code).await.json()
}

fn essential(value: &str) -> String {
    json!({ "id_token": { "acr": { "essential": true, "values": [value] } } }).to_string()
}

#[tokio::test]
async fn every_token_and_introspection_tell_the_names_of_the_service() {
    Stand::on_both(async |stand| {
        partner(&stand, false).await;
        let card = stand.sign_in().await;
        let tokens = tokens(&stand, &[("acr_values", "possessionorinherence")], &card).await;
        let access = tokens["access_token"].as_str().unwrap();
        for told in [
            claims(&tokens["id_token"]),
            claims(&tokens["access_token"]),
            stand.introspect("std", access).await,
        ] {
            assert_eq!(told["acr"], "possessionorinherence", "{told}");
            assert_eq!(told["amr"], json!(["sc", "pin", "pop", "urn:two"]), "{told}");
        }
        // Nobody else is told them.
        let rp = stand.tokens(&card).await;
        assert_eq!(claims(&rp["id_token"])["acr"], "eidas1");
        // What was not named has our name; a service of Pro Santé Connect can have its own as well.
        let unasked = self::tokens(&stand, &[], &card).await;
        assert_eq!(claims(&unasked["id_token"])["acr"], "eidas3");
        call(&stand, "rp", &[("eidas1", "https://partner.example/loa/1")], &[], false).await;
        let rp = stand.tokens(&card).await;
        assert_eq!(claims(&rp["id_token"])["acr"], "https://partner.example/loa/1");
        assert_eq!(claims(&rp["access_token"])["acr"], "https://partner.example/loa/1");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_asked_for_leads_to_the_level_that_it_stands_for() {
    Stand::on_both(async |stand| {
        partner(&stand, false).await;
        let low = stand.sign_in_at_level(DOCTOR, Acr::Eidas1).await;
        for more in [
            &[("acr_values", "possessionorinherence")][..],
            &[("claims", &essential("possessionorinherence"))],
            &[("acr_values", "eidas2")],
        ] {
            let begun = ask(&stand, more, &low.cookie).await;
            assert!(begun.location().starts_with("/login/"), "{more:?}: {}", begun.location());
        }
        // A sign-in that reaches less is told as what it reached, or refused.
        let begun = ask(&stand, &[("claims", &essential("possessionorinherence"))], "").await;
        let low = stand.complete(&begun, DOCTOR, Acr::Eidas1).await;
        let cookies = format!("{}; {}", begun.cookie(), low.cookie);
        let answer = stand.get(&begun.location(), &[("cookie", &cookies)]).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
        // The name of one service is nobody else's.
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("plain") }).await;
        let claims = essential("possessionorinherence");
        let request = of("plain", "https://plain.example/cb", &[("claims", &claims)]);
        let answer = stand.authorize(&request, &low.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
    })
    .await;
}

/// A session that was renewed at a lower level since is not told by the name of the higher one.
#[tokio::test]
async fn no_name_outlives_what_it_stood_for() {
    Stand::on_both(async |stand| {
        partner(&stand, false).await;
        let card = stand.sign_in().await;
        let first = tokens(&stand, &[("claims", &essential("possessionorinherence"))], &card).await;
        let access = first["access_token"].as_str().unwrap();
        assert_eq!(stand.userinfo(access).await.status, 200);
        prove_level(&stand.db, card.session, Acr::Eidas1).await;
        let refused = stand.userinfo(access).await;
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.ends_with("acr_values=\"possessionorinherence\""), "in its own words: {challenge}");
        let wished = tokens(&stand, &[("scope", "openid")], &card).await;
        assert_eq!(claims(&wished["id_token"])["acr"], "eidas1");
    })
    .await;
}

#[tokio::test]
async fn resistance_to_phishing_is_switched_off_for_one_service() {
    Stand::on_both(async |stand| {
        let default = Metadata { default_acr_values: vec!["phr".into()], ..Metadata::default() };
        stand
            .add_rp(NewRp { profile: ProfileName::Standard, metadata: default, ..NewRp::named("std") })
            .await;
        let card = stand.sign_in().await;
        let told = async |more: &[(&str, &str)]| {
            claims(&tokens(&stand, more, &card).await["id_token"])["acr"].clone()
        };
        assert_eq!((told(&[]).await, told(&[("acr_values", "phrh")]).await), (json!("phr"), json!("phrh")));
        call(&stand, "std", &[], &[], true).await;
        for more in [&[][..], &[("acr_values", "phrh")], &[("acr_values", "phr phrh")]] {
            assert_eq!(told(more).await, "eidas3", "{more:?}");
        }
        let refused = ask(&stand, &[("claims", &essential("phr"))], &card.cookie).await;
        assert_eq!(refused.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
        // A service may call it something else instead.
        call(&stand, "std", &[("phr", "phishing-resistant")], &[], false).await;
        assert_eq!(told(&[("acr_values", "phishing-resistant")]).await, "phishing-resistant");
        assert_eq!(told(&[("acr_values", "phrh")]).await, "phrh");
    })
    .await;
}
