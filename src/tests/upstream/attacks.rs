//! What strangers, and other providers, do not get.

use super::*;

#[tokio::test]
async fn an_answer_is_good_once_in_the_browser_that_left_and_in_its_time() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        // Brought into another browser, it is void, also for the one that left.
        let (begun, other) = (hospital.begin(&[]).await, hospital.begin(&[]).await);
        let sent = hospital.sent(&begun).await.location();
        let back = psc.answers(&sent, &there).await;
        for (cookie, code) in [(&other.cookie, "UPSTREAM-006"), (&begun.cookie, "UPSTREAM-004")] {
            let answer = hospital.get(&back, cookie).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert!(answer.body.contains(code), "{}", answer.body);
            assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        }
        assert!(hospital.stand.events().await.contains(&"sign-in UPSTREAM-006".to_owned()));
        // Twice in the right one.
        let begun = hospital.begin(&[]).await;
        let back = psc.answers(&hospital.sent(&begun).await.location(), &there).await;
        assert!(hospital.is_in(&begun, &hospital.get(&back, &begun.cookie).await));
        assert!(hospital.get(&back, &begun.cookie).await.body.contains("UPSTREAM-004"));
        // Of a sign-in that was sent once more, the first answer counts no more.
        let begun = hospital.begin(&[]).await;
        let first = psc.answers(&hospital.sent(&begun).await.location(), &there).await;
        hospital.sent(&begun).await;
        assert!(hospital.get(&first, &begun.cookie).await.body.contains("UPSTREAM-004"));
        // Too late: the sign-in here is over.
        let begun = hospital.begin(&[]).await;
        let back = psc.answers(&hospital.sent(&begun).await.location(), &there).await;
        hospital.stand.advance(601);
        let answer = hospital.get(&back, &begun.cookie).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none(), "{}", answer.body);
        assert!(answer.body.contains("UPSTREAM-005"), "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_changed_on_the_way_signs_nobody_in() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        type Change = fn(&str) -> String;
        let changes: [(&str, Change); 4] = [
            ("UPSTREAM-008", |back| back.replace("&iss=http", "&iss=https")),
            ("UPSTREAM-008", |back| format!("{back}&iss=https%3A%2F%2Fother.example")),
            ("UPSTREAM-008", |back| back.replace("code=", "code=x")),
            ("UPSTREAM-009", |back| back.replace("code=", "error=access_denied&was=")),
        ];
        for (code, change) in changes {
            let begun = hospital.begin(&[]).await;
            let back = psc.answers(&hospital.sent(&begun).await.location(), &there).await;
            let changed = change(&back);
            assert_ne!(back, changed);
            let answer = hospital.get(&changed, &begun.cookie).await;
            assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
            assert_eq!(answer.location(), begun.page);
            let notice = hospital.notice(&begun).await;
            assert!(notice.contains(code), "{changed}: {notice}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_that_somebody_else_got_is_not_redeemed_in_its_place() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let (mine, theirs) = (hospital.begin(&[]).await, hospital.begin(&[]).await);
        let my_back = psc.answers(&hospital.sent(&mine).await.location(), &there).await;
        let their_back = psc.answers(&hospital.sent(&theirs).await.location(), &there).await;
        let part = |back: &str, name: &str| {
            let query = back.split_once('?').unwrap().1.to_owned();
            form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).unwrap().1.into_owned()
        };
        // Their code under my state: another verifier, another nonce.
        let injected = my_back.replace(&part(&my_back, "code"), &part(&their_back, "code"));
        let answer = hospital.get(&injected, &mine.cookie).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.notice(&mine).await.contains("UPSTREAM-008"));
    })
    .await;
}

#[tokio::test]
async fn no_other_site_sends_people_to_the_provider() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let begun = hospital.begin(&[]).await;
        let txn = begun.page.strip_prefix("/login/").unwrap();
        let path = format!("/login/provider/psc?txn={txn}");
        for headers in [
            [("cookie", begun.cookie.as_str()), ("sec-fetch-site", "cross-site")],
            [("cookie", begun.cookie.as_str()), ("sec-purpose", "prefetch")],
        ] {
            let answer = hospital.stand.get(&path, &headers).await;
            assert!(answer.body.contains("UPSTREAM-001"), "{}", answer.body);
        }
        // Without the cookie of the sign-in, and to a provider that is not configured.
        assert!(hospital.get(&path, "").await.body.contains("UPSTREAM-003"));
        let unknown = hospital.get(&format!("/login/provider/autre?txn={txn}"), &begun.cookie).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        assert!(unknown.body.contains("UPSTREAM-002"));
    })
    .await;
}

#[tokio::test]
async fn a_second_identity_that_claims_a_person_gets_nowhere() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        // Somebody of the same provider has been this person before.
        let begun = hospital.begin(&[]).await;
        assert!(hospital.is_in(&begun, &hospital.by(&psc, &begun, &there).await));
        let person = hospital.stand.person(crate::tests::spec::stand::DOCTOR).await;
        let issuer = psc.settings().issuer;
        let subject = store::upstream::subject_of(&hospital.stand.db, &issuer, person).await.unwrap();
        assert!(subject.is_some());
        rename(&hospital.stand, "somebody-else").await;
        let begun = hospital.begin(&[]).await;
        let answer = hospital.by(&psc, &begun, &there).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-013"));
    })
    .await;
}

/// As if the provider had called the person so the first time.
async fn rename(stand: &Stand, subject: &'static str) {
    store::upstream::rename_for_test(&stand.db, subject).await.unwrap();
}
