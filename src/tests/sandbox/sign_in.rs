//! Signing in: by a script, and by a click.

use super::{Bench, Browser, parameter};
use crate::sandbox::persons::TestPerson;

#[tokio::test]
async fn every_test_person_signs_in_by_a_script_and_userinfo_has_what_the_kind_is_known_for() {
    let bench = Bench::start().await;
    let mut described = std::collections::BTreeMap::new();
    for person in TestPerson::ALL {
        let tokens = bench.scripted(&format!("{{\"person\":\"{}\"}}", person.key())).await;
        let claims = tokens.part("id_token", 1);
        assert_eq!(claims["SubjectNameID"], person.id_nat(), "{}", person.key());
        assert_eq!(claims["acr"], "eidas1");
        let userinfo = bench.userinfo(&tokens).await;
        assert_eq!(userinfo["SubjectNameID"], person.id_nat());
        assert_eq!(userinfo["family_name"], person.family_name());
        described.insert(person.key(), userinfo);
    }
    let exercices = |key: &str| described[key]["SubjectRefPro"]["exercices"].as_array().unwrap().clone();
    let [doctor] = &exercices("doctor")[..] else { panic!("{:#}", described["doctor"]) };
    assert_eq!((&doctor["codeProfession"], &doctor["codeSavoirFaire"]), (&"10".into(), &"SM26".into()));
    let modes: Vec<_> =
        doctor["activities"].as_array().unwrap().iter().map(|it| it["codeModeExercice"].clone()).collect();
    assert_eq!(modes, ["S", "L"], "hospital and practice");
    assert_eq!(exercices("pharmacist")[0]["activities"][0]["codeSectionPharmacien"], "H");
    assert_eq!(exercices("student")[0]["codeCategorieProfessionnelle"], "E");
    assert_eq!(exercices("nurse")[0]["codeProfession"], "60");
    assert_eq!(exercices("employee")[0]["codeProfession"], "");
    assert_eq!(described["employee"]["otherIds"][0]["origine"], "FINESS");
    assert_eq!(exercices("psi").len(), 0);
    assert_eq!(
        described["psi"]["otherIds"][0],
        serde_json::json!({ "identifiant": TestPerson::Psi.id_nat(), "origine": "PSI", "qualite": 2 })
    );
}

#[tokio::test]
async fn a_person_chooses_approves_and_refuses_on_a_page_that_says_what_it_is() {
    let bench = Bench::start().await;
    let mut browser = Browser::new(&bench);
    let page = browser.begin().await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Bac à sable\u{a0}: aucune identité n’est vraie"), "{}", page.body);
    assert!(page.body.contains("Logiciel d’essai") && page.body.contains("KIT INF0030001"));

    let refused = browser.choice(&page, "nurse", "refuse");
    let refused = browser.follow(refused).await;
    assert_eq!(parameter(refused.header("location"), "error"), "access_denied");
    assert_eq!(parameter(refused.header("location"), "state"), "a state");

    let page = browser.begin().await;
    let approved = browser.choice(&page, "nurse", "approve");
    let approved = browser.follow(approved).await;
    let tokens = bench.tokens(&parameter(approved.header("location"), "code")).await;
    assert_eq!(tokens.part("id_token", 1)["authMode"], "MOBILE");
    assert_eq!(bench.userinfo(&tokens).await["family_name"], "INF0030001");

    // The second application opens without asking, as everywhere.
    let again = browser.begin().await;
    assert!(!parameter(again.header("location"), "code").is_empty());
    let error = bench.ask("/nowhere").await;
    assert!(error.body.contains("Bac à sable"), "the banner stands on every page: {}", error.body);
}

#[tokio::test]
async fn a_script_refuses_takes_its_time_and_answers_its_own_client_only() {
    let bench = Bench::start().await;
    bench.told("POST", "/sign-ins", r#"{"person":"doctor","client_id":"another"}"#).await;
    let page = Browser::new(&bench).begin().await;
    assert!(page.body.contains("/sandbox/answer"), "a person is asked");
    bench.told("DELETE", "/sign-ins", "").await;

    let begun = std::time::Instant::now();
    let state = bench.told("POST", "/sign-ins", r#"{"person":"doctor","decision":"refuse","after":1}"#).await;
    assert_eq!(state["sign_ins"][0]["decision"], "refuse");
    let answer = Browser::new(&bench).begin().await;
    assert_eq!(parameter(answer.header("location"), "error"), "access_denied");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(bench.told("GET", "/", "").await["sign_ins"], serde_json::json!([]));

    bench.told("POST", "/sign-ins", r#"{"person":"doctor","always":true}"#).await;
    for _ in 0..2 {
        let answer = Browser::new(&bench).begin().await;
        assert!(!parameter(answer.header("location"), "code").is_empty());
    }
}
