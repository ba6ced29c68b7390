//! A service that takes people by one provider, and by nothing else.

use super::*;

const ONLY: [(&str, &str); 2] = [("kc_idp_hint", "psc"), ("idp_only", "true")];

#[tokio::test]
async fn a_service_takes_people_by_psc_and_by_nothing_else() {
    let psc = Psc::start().await;
    let egress = Egress::new(&this_machine()).unwrap();
    Stand::on_both(async |stand: Stand| {
        let phones = Means { phones: Some(Acr::Eidas2), ..Means::default() };
        let hospital = Hospital::beside(stand, &psc.settings(), &egress, phones).await;
        // Somebody who has signed in by a means of the hospital has not come by Pro Santé Connect.
        let own = hospital.stand.sign_in().await;
        let silently = [&ONLY[..], &[("prompt", "none")]].concat();
        let silent = hospital.stand.authorize(&silently, &own.cookie).await;
        assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
        let begun = hospital.begin(&ONLY).await;
        let page = hospital.get(&begun.page, &format!("{}; {}", begun.cookie, own.cookie)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert!(page.body.contains("Continuer avec Pro Santé Connect"), "{}", page.body);
        assert!(!page.body.contains("means=phone"), "its tab alone: {}", page.body);
        let hinted = hospital.begin(&ONLY[..1]).await;
        assert!(hospital.notice(&hinted).await.contains("means=phone"), "others have the other one too");

        // By Pro Santé Connect they come in, and the next service of the kind opens without a question.
        let answer = hospital.by(&psc, &begun, &psc.stand.sign_in().await).await;
        assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        hospital.tokens(&begun, &answer.cookie()).await;
        let silent = hospital.stand.authorize(&silently, &answer.cookie()).await;
        assert!(silent.parameter("code").is_some(), "{}", silent.location());
    })
    .await;
}

/// As if another means had been told the sign-in of a page that offers none.
#[tokio::test]
async fn a_sign_in_by_another_means_is_not_told() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let begun = hospital.begin(&ONLY).await;
        let own = delegation::signs_in(&hospital, &begun, crate::tests::spec::stand::DOCTOR, None).await;
        let answer = hospital.get(&begun.page, &format!("{}; {}", begun.cookie, own.cookie)).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("unmet_authentication_requirements"));
        assert!(answer.parameter("code").is_none());
    })
    .await;
}

#[tokio::test]
async fn while_psc_does_not_answer_the_service_is_told_and_others_sign_in() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        psc.gone.store(true, Ordering::Relaxed);
        let begun = hospital.begin(&ONLY).await;
        // Nobody has asked it yet: the click finds out, and the service is told instead of a page without a way on.
        let sent = hospital.sent(&begun).await;
        assert_eq!(sent.location(), begun.page);
        let answer = hospital.get(&begun.page, &begun.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("temporarily_unavailable"), "{}", answer.body);
        assert_eq!(answer.parameter("state").as_deref(), Some("xyz"));
        // Once it is known to be gone, at once.
        for _ in 0..3 {
            hospital.upstreams.look().await;
            let begun = hospital.begin(&[]).await;
            hospital.sent(&begun).await;
        }
        assert!(!hospital.upstreams.providers()[0].answers());
        let begun = hospital.begin(&ONLY).await;
        let answer = hospital.get(&begun.page, &begun.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("temporarily_unavailable"));
        // Who takes others has its page.
        let begun = hospital.begin(&ONLY[..1]).await;
        assert_eq!(hospital.get(&begun.page, &begun.cookie).await.status, StatusCode::OK);
        psc.gone.store(false, Ordering::Relaxed);
    })
    .await;
}

#[tokio::test]
async fn one_that_is_none_of_ours_or_is_not_named_is_a_mistake_of_the_service() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        for wrong in [
            &[("idp_only", "true")][..],
            &[("idp_only", "yes"), ("kc_idp_hint", "psc")],
            &[("idp_only", "true"), ("idp_only", "true"), ("kc_idp_hint", "psc")],
            &[("idp_only", "true"), ("kc_idp_hint", "a b")],
        ] {
            let answer = hospital.stand.authorize(wrong, "").await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{wrong:?}");
        }
        let begun = hospital.begin(&[("idp_only", "true"), ("kc_idp_hint", "elsewhere")]).await;
        let answer = hospital.get(&begun.page, &begun.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
        // `false` is what it is without.
        let begun = hospital.begin(&[("idp_only", "false"), ("kc_idp_hint", "psc")]).await;
        assert_eq!(hospital.get(&begun.page, &begun.cookie).await.status, StatusCode::OK);
    })
    .await;
}
