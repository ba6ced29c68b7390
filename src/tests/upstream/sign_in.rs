//! People who come by Pro Santé Connect, or not.

use super::*;
use crate::session::{AuthMode, Evidence};
use crate::store::client::ProfileName;
use crate::tests::spec::stand::{DOCTOR, NewRp, STRANGER, claims};

#[tokio::test]
async fn whoever_comes_by_psc_is_signed_in_here_with_the_level_that_psc_gave() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let begun = hospital.begin(&[]).await;
        let page = hospital.get(&begun.page, &begun.cookie).await;
        assert!(page.body.contains("Continuer avec Pro Santé Connect"), "{}", page.body);

        let sent = hospital.sent(&begun).await;
        let asked = Url::parse(&sent.location()).unwrap();
        let asked = |name: &str| asked.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
        assert_eq!(asked("scope").unwrap(), "openid scope_all");
        assert_eq!(asked("acr_values").unwrap(), "eidas1");
        assert_eq!(asked("code_challenge_method").unwrap(), "S256");
        assert!(asked("prompt").is_none());

        let answer = hospital.by(&psc, &begun, &there).await;
        assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        let got = hospital.tokens(&begun, &answer.cookie()).await;
        let claims = claims(&got["access_token"]);
        assert_eq!(claims["preferred_username"], DOCTOR);
        assert_eq!(claims["authMode"], "CARD");

        let told = hospital.stand.userinfo(got["access_token"].as_str().unwrap()).await.json();
        assert!(told.get("Palier_Authentification").is_none(), "the card was not read here: {told}");

        let session = store::session::by_id(
            &hospital.stand.db,
            claims["sid"].as_str().unwrap().parse::<uuid::Uuid>().map(crate::ids::SessionId).unwrap(),
        )
        .await
        .unwrap()
        .unwrap();
        let Evidence::Upstream { provider, issuer, subject, sid, acr, .. } = &session.evidence else {
            panic!("{:?}", session.evidence)
        };
        assert_eq!((provider.as_str(), issuer.as_str()), ("psc", psc.settings().issuer.as_str()));
        assert!(subject.ends_with(DOCTOR), "{subject}");
        assert_eq!(sid.as_deref(), Some(there.session.to_string().as_str()));
        assert_eq!((acr.as_deref(), session.acr), (Some("eidas1"), Acr::Eidas1));
        assert_eq!(session.auth_mode, AuthMode::Card);
        assert!(!session.evidence.is_phishing_resistant(), "it is PSC's word");
        let events = hospital.stand.events().await;
        assert!(events.iter().any(|event| event == "sign-in"), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn the_link_is_made_once_and_the_person_stays_the_same() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        for _ in 0..2 {
            let begun = hospital.begin(&[]).await;
            let answer = hospital.by(&psc, &begun, &there).await;
            assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
            hospital.stand.advance(1);
        }
        let subjects = hospital.links().await.into_iter().filter(|(column, _)| column == "subject").count();
        assert_eq!(subjects, 1);
    })
    .await;
}

#[tokio::test]
async fn a_professional_whom_the_hospital_does_not_admit_is_not_signed_in() {
    let psc = Psc::start().await;
    let event = psc.stand.some_event(crate::audit::Kind::AffiliationStarted);
    let person = psc.stand.person(STRANGER).await;
    let link = crate::store::person::NewAffiliation {
        source: crate::store::person::Source::List,
        structure: String::new(),
        started_at: crate::clock::Clock::now(&psc.stand.clock),
        ended_at: None,
    };
    store::person::affiliate(&psc.stand.db, person, &link, link.started_at, &SystemRandom, &event)
        .await
        .unwrap();
    let there = psc.stand.sign_in_as(STRANGER).await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let begun = hospital.begin(&[]).await;
        let answer = hospital.by(&psc, &begun, &there).await;
        assert_eq!(answer.location(), begun.page, "back to the page, which says why");
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        let notice = hospital.notice(&begun).await;
        assert!(notice.contains("PERSON-002"), "{notice}");
        assert!(hospital.links().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn where_the_desk_makes_the_links_nobody_comes_in_by_an_identifier_alone() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let settings = Upstream { link: UpstreamLink::Desk, ..psc.settings() };
    Hospital::on_both(&settings, async |hospital| {
        let begun = hospital.begin(&[]).await;
        let answer = hospital.by(&psc, &begun, &there).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-012"));
    })
    .await;
}

#[tokio::test]
async fn whoever_has_to_sign_in_anew_is_asked_so_there_and_an_older_sign_in_does_not_do() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    psc.stand.advance(600);
    Hospital::on_both(&psc.settings(), async |hospital| {
        // A service that wants a fresh proof: the provider is asked for it.
        hospital.stand.advance(600);
        let begun = hospital.begin(&[("prompt", "login")]).await;
        let sent = hospital.sent(&begun).await.location();
        assert!(sent.contains("prompt=login") && sent.contains("max_age=0"), "{sent}");
        // A provider that does not honour it: here its answer to the same request without that word.
        let silent = sent.replace("&prompt=login", "").replace("&max_age=0", "");
        let back = psc.answers(&silent, &there).await;
        let answer = hospital.get(&back, &begun.cookie).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        let notice = hospital.notice(&begun).await;
        assert!(notice.contains("UPSTREAM-010"), "{notice}");
    })
    .await;
}

#[tokio::test]
async fn a_provider_reaches_no_more_than_the_hospital_says_and_tells_who_somebody_is_or_nobody_comes_in() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let silent = Upstream { identifier_claim: Some("absent".into()), ..psc.settings() };
    Hospital::on_both(&silent, async |hospital| {
        let begun = hospital.begin(&[]).await;
        hospital.by(&psc, &begun, &there).await;
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-011"));
    })
    .await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        // The service insists on more than the provider told.
        let claims = r#"{"id_token":{"acr":{"essential":true,"value":"eidas2"}}}"#;
        hospital.stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        let of_std = [("client_id", "std"), ("redirect_uri", "https://std.example/cb"), ("scope", "openid")];
        let begun = hospital.begin(&[&of_std[..], &[("claims", claims)]].concat()).await;
        let answer = hospital.by(&psc, &begun, &there).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-014"));
        assert!(hospital.links().await.is_empty(), "who did not come in is linked to nobody");
    })
    .await;
}
