//! A desk that several people use, and a session that the one before left open at the provider.

use super::*;
use crate::clock::Clock as _;
use crate::ids::Secret;
use crate::session::ZonePolicy;
use crate::web::csrf;

/// A hospital of each engine with desks that several people use, after somebody has signed in at Pro Santé Connect ten minutes
/// ago.
async fn at_a_shared_desk(settings: &Upstream, psc: &Psc, test: impl AsyncFn(Hospital, &SignedIn)) {
    let before = psc.stand.sign_in().await;
    psc.stand.advance(600);
    let shared = |settings: &mut crate::oidc::Settings| {
        let zone = ZonePolicy { shared: true, ..ZonePolicy::default() };
        settings.policies.zones.insert("urgences".into(), zone);
    };
    Stand::on_both_with(shared, async |stand: Stand| {
        let hospital = Hospital::of(stand, settings).await;
        hospital.stand.clock.advance(psc.stand.clock.now() - hospital.stand.clock.now());
        test(hospital, &before).await;
    })
    .await;
}

/// As if the provider took no notice of what it is asked for beyond a sign-in.
fn without_wishes(address: &str) -> String {
    address.replace("&prompt=login", "").replace("&max_age=0", "")
}

fn wants_a_fresh_one(address: &str) -> bool {
    address.contains("&prompt=login") && address.contains("&max_age=0")
}

/// The mark of a browser in which somebody said "not me", as an answer sets it; empty where it takes it away.
fn mark(answer: &Answer) -> Option<String> {
    let lines = answer.headers.get_all(http::header::SET_COOKIE).iter().map(|line| line.to_str().unwrap());
    let mut lines = lines.filter_map(|line| line.strip_prefix("__Host-not-me-psc="));
    lines.next().map(|line| line.split(';').next().unwrap().to_owned())
}

impl Hospital {
    /// What a form of the page of a sign-in answers.
    async fn press(&self, begun: &Begun, session: &str, button: &str) -> Answer {
        let token = csrf::token(&Secret::from(session.split_once('=').unwrap().1.to_owned()));
        let cookies = format!("{}; {session}", begun.cookie);
        let headers = [("cookie", cookies.as_str()), ("origin", FRONT)];
        self.stand.post(&format!("{}/{button}", begun.page), &format!("csrf={token}"), &headers).await
    }

    /// The page of a sign-in, in a browser that has this session.
    async fn page(&self, begun: &Begun, session: &str) -> Answer {
        self.get(&begun.page, &format!("{}; {session}", begun.cookie)).await
    }
}

fn is_asked_who_they_are(page: &Answer) -> bool {
    page.status == StatusCode::OK && page.body.contains("/not-me\"")
}

#[tokio::test]
async fn no_service_sends_anybody_from_a_shared_desk_into_the_session_that_was_left_open_there() {
    let psc = Psc::start().await;
    let direct = Upstream { direct: true, ..psc.settings() };
    at_a_shared_desk(&direct, &psc, async |hospital, before| {
        let goes = async || {
            let begun = hospital.begin(&[("kc_idp_hint", "psc")]).await;
            let start = hospital.get(&begun.page, &begun.cookie).await.location();
            let headers = [("cookie", begun.cookie.as_str()), ("sec-fetch-site", "cross-site")];
            let sent = hospital.stand.get(&start, &headers).await.location();
            (begun, sent)
        };
        let (begun, sent) = goes().await;
        assert!(wants_a_fresh_one(&sent), "{sent}");
        // Whoever takes that out of the address, or a provider that does not heed it, gets nowhere.
        let back = psc.answers(&without_wishes(&sent), before).await;
        let answer = hospital.get(&back, &begun.cookie).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-010"));
        // Whoever signs in there comes in, without a question more.
        let now = psc.stand.sign_in().await;
        let (begun, sent) = goes().await;
        let back = psc.answers(&without_wishes(&sent), &now).await;
        let answer = hospital.get(&back, &begun.cookie).await;
        assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        hospital.tokens(&begun, &answer.cookie()).await;
    })
    .await;
    // Where each has a desk of their own, whoever is signed in there comes in at once.
    Hospital::on_both(&direct, async |hospital| {
        let begun = hospital.begin(&[("kc_idp_hint", "psc")]).await;
        let start = hospital.get(&begun.page, &begun.cookie).await.location();
        let headers = [("cookie", begun.cookie.as_str()), ("sec-fetch-site", "cross-site")];
        let sent = hospital.stand.get(&start, &headers).await.location();
        assert!(!sent.contains("prompt="), "{sent}");
    })
    .await;
}

#[tokio::test]
async fn at_a_shared_desk_whom_the_provider_names_by_itself_is_asked_whether_it_is_them() {
    let psc = Psc::start().await;
    at_a_shared_desk(&psc.settings(), &psc, async |hospital, before| {
        let begun = hospital.begin(&[]).await;
        let answer = hospital.by(&psc, &begun, before).await;
        let session = answer.cookie();
        let page = hospital.page(&begun, &session).await;
        assert!(is_asked_who_they_are(&page), "{} {}", page.status, page.body);
        let served = hospital.press(&begun, &session, "continue").await;
        assert!(served.parameter("code").is_some(), "{}", served.location());
        // Whoever has just signed in there has said so.
        let now = psc.stand.sign_in().await;
        let begun = hospital.begin(&[]).await;
        let answer = hospital.by(&psc, &begun, &now).await;
        hospital.tokens(&begun, &answer.cookie()).await;
    })
    .await;
}

#[tokio::test]
async fn after_somebody_said_not_me_the_provider_is_asked_for_a_fresh_sign_in_until_there_was_one() {
    let psc = Psc::start().await;
    at_a_shared_desk(&psc.settings(), &psc, async |hospital, before| {
        let begun = hospital.begin(&[]).await;
        let session = hospital.by(&psc, &begun, before).await.cookie();
        let said = hospital.press(&begun, &session, "not-me").await;
        let marked = format!("__Host-not-me-psc={}", mark(&said).expect("the browser remembers"));
        // In the same sign-in, and in another.
        for begun in [begun, hospital.begin(&[]).await] {
            let begun = Begun { cookie: format!("{}; {marked}", begun.cookie), ..begun };
            let sent = hospital.sent(&begun).await.location();
            assert!(wants_a_fresh_one(&sent), "{sent}");
            let back = psc.answers(&without_wishes(&sent), before).await;
            let answer = hospital.get(&back, &begun.cookie).await;
            assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
            assert!(hospital.notice(&begun).await.contains("UPSTREAM-010"));
        }
        let now = psc.stand.sign_in().await;
        let begun = hospital.begin(&[]).await;
        let begun = Begun { cookie: format!("{}; {marked}", begun.cookie), ..begun };
        let back = psc.answers(&without_wishes(&hospital.sent(&begun).await.location()), &now).await;
        let answer = hospital.get(&back, &begun.cookie).await;
        assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        assert_eq!(mark(&answer).as_deref(), Some(""), "it is over");
        // Whose session came from nowhere else leaves no mark.
        let own = hospital.stand.sign_in().await;
        let begun = hospital.begin(&[]).await;
        let said = hospital.press(&begun, &own.cookie, "not-me").await;
        assert!(mark(&said).is_none() && said.status.is_redirection(), "{} {}", said.status, said.body);
    })
    .await;
}
