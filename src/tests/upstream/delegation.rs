//! A hospital to which another provider delegates: here the served Sceau is the hospital, and the one on both databases plays
//! Pro Santé Connect, with its own people, pairing and national services.

use super::*;
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::ids::{MeansId, Secret, TransactionId};
use crate::session::{AuthMode, Evidence};
use crate::store::client::ProfileName;
use crate::store::login_transaction::{self, Completion, Proof};
use crate::store::person::{NewAffiliation, Source};
use crate::tests::spec::stand::{DOCTOR, NewRp, STRANGER};
use crate::web::csrf;

/// A hospital that Pro Santé Connect delegates to.
async fn hospital() -> Psc {
    let hospital = Psc::start().await;
    let callback = callback_address(&Url::parse(FRONT).unwrap(), "psc");
    let new = NewClient {
        redirect_uris: vec![callback],
        profile: ProfileName::PscDelegation,
        ..new_client("hopital")
    };
    let (event, now) = (hospital.stand.event(Kind::ClientChanged), hospital.stand.clock.now());
    assert!(store::client::update(&hospital.stand.db, &new, now, &event).await.unwrap());
    affiliate(&hospital.stand, STRANGER).await;
    hospital
}

async fn affiliate(stand: &Stand, id_nat: &str) {
    let person = stand.person(id_nat).await;
    let started_at = stand.clock.now();
    let link = NewAffiliation { source: Source::List, structure: String::new(), started_at, ended_at: None };
    let event = stand.some_event(Kind::AffiliationStarted);
    store::person::affiliate(&stand.db, person, &link, started_at, &SystemRandom, &event).await.unwrap();
}

/// As Pro Santé Connect has it in its configuration.
fn settings(hospital: &Psc) -> Upstream {
    let issuer = hospital.settings().issuer;
    Upstream {
        label: "Hôpital délégué".into(),
        profile: UpstreamProfile::Standard,
        discovery: Url::parse(&format!("{issuer}/.well-known/openid-configuration")).unwrap(),
        scope: "profile".into(),
        acr_values: String::new(),
        identifier_claim: None,
        link: UpstreamLink::Confirmed,
        subject_claim: "oid".into(),
        tenant: Some("tenant".into()),
        ..hospital.settings()
    }
}

/// The one click at the hospital, by somebody who is signed in there; yields the way back.
async fn clicks(hospital: &Psc, address: &str, browser: &SignedIn) -> String {
    let path = address.strip_prefix(&hospital.origin).expect("its own address");
    let begun = hospital.stand.get(path, &[("cookie", &browser.cookie)]).await;
    let page = begun.location();
    let page = page.strip_prefix(&hospital.origin).unwrap_or(&page);
    assert!(page.starts_with("/login/"), "nobody is passed on silently: {page}");
    let cookies = format!("{}; {}", browser.cookie, begun.cookie());
    let form = format!("csrf={}", token(&browser.cookie));
    let headers = [("cookie", cookies.as_str()), ("origin", hospital.origin.as_str())];
    let answer = hospital.stand.post(&format!("{page}/continue"), &form, &headers).await;
    assert!(answer.status.is_redirection(), "{} {}", answer.status, answer.body);
    let back = answer.location();
    back.strip_prefix(FRONT).unwrap_or_else(|| panic!("the way back: {back}")).to_owned()
}

fn token(session: &str) -> String {
    let (_, cookie) = session.split_once('=').unwrap();
    csrf::token(&Secret::from(cookie.to_owned()))
}

/// From the tab at Pro Santé Connect through the hospital and back.
async fn delegates(psc: &Hospital, hospital: &Psc, begun: &Begun, browser: &SignedIn) -> Answer {
    let sent = psc.sent(begun).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let back = clicks(hospital, &sent.location(), browser).await;
    psc.get(&back, &begun.cookie).await
}

/// What comes of a sign-in by a means of Pro Santé Connect itself, in the sign-in that has begun: its cookies.
pub(super) async fn signs_in(
    psc: &Hospital,
    begun: &Begun,
    id_nat: &str,
    evidence: Option<Evidence>,
) -> SignedIn {
    let (db, now) = (&psc.stand.db, psc.stand.clock.now());
    let id: TransactionId = txn(begun).parse().unwrap();
    shows_the_card(psc, begun).await;
    let (cookie, mut new) = psc.stand.new_session(id_nat).await;
    if let Some(evidence) = evidence {
        new.authentication.evidence = evidence;
        new.authentication.auth_mode = AuthMode::Mobile;
    }
    let (txn, event) = (id.to_string(), psc.stand.event(Kind::SignIn));
    let completion = Completion {
        proof: Proof::Request(&txn),
        session: &new,
        goes_on: None,
        replaced: None,
        browser: None,
        event: &event,
    };
    assert!(login_transaction::complete(db, id, completion, now, &SystemRandom).await.unwrap());
    SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
}

/// As the panel of the card does where it is shown.
async fn shows_the_card(ours: &Hospital, begun: &Begun) {
    let (db, now) = (&ours.stand.db, ours.stand.clock.now());
    let id: TransactionId = txn(begun).parse().unwrap();
    let soon = now + chrono::TimeDelta::minutes(2);
    assert!(login_transaction::issue_card_request(db, id, &id.to_string(), "jws", soon, now).await.unwrap());
}

pub(super) fn both(begun: &Begun, browser: &SignedIn) -> String {
    format!("{}; {}", begun.cookie, browser.cookie)
}

fn txn(begun: &Begun) -> &str {
    begun.page.strip_prefix("/login/").unwrap()
}

/// What the page that asks says of the account that it shows; empty where it asks nothing.
async fn shown(psc: &Hospital, begun: &Begun, browser: &SignedIn) -> String {
    let path = format!("/login/provider/psc/pair?txn={}", txn(begun));
    let page = psc.get(&path, &both(begun, browser)).await.body;
    let value = page.split("name=\"shown\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    value.unwrap_or_default().to_owned()
}

pub(super) async fn answers_pairing(
    psc: &Hospital,
    begun: &Begun,
    browser: &SignedIn,
    decision: &str,
) -> Answer {
    let shown = shown(psc, begun, browser).await;
    answers_shown(psc, begun, browser, decision, &shown).await
}

async fn answers_shown(
    psc: &Hospital,
    begun: &Begun,
    browser: &SignedIn,
    decision: &str,
    shown: &str,
) -> Answer {
    let form =
        format!("csrf={}&txn={}&shown={shown}&decision={decision}", token(&browser.cookie), txn(begun));
    let cookies = both(begun, browser);
    let headers = [("cookie", cookies.as_str()), ("origin", FRONT), ("accept-language", "fr")];
    psc.stand.post("/login/provider/psc/pair", &form, &headers).await
}

/// Whether the browser goes on with what it came for, by a page: no form of ours leads on to a service.
pub(super) fn goes_on(begun: &Begun, answer: &Answer) -> bool {
    answer.status == StatusCode::OK && answer.body.contains(&format!("data-next=\"{}\"", begun.page))
}

/// Pairs the identity of `browser` at the hospital with a person of Pro Santé Connect.
async fn pairs(
    psc: &Hospital,
    hospital: &Psc,
    browser: &SignedIn,
    id_nat: &str,
) -> (Begun, SignedIn, Answer) {
    let begun = psc.begin(&[]).await;
    let answer = delegates(psc, hospital, &begun, browser).await;
    assert_eq!(answer.location(), begun.page, "the same sign-in asks who it is: {}", answer.body);
    assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
    let own = signs_in(psc, &begun, id_nat, None).await;
    let answer = answers_pairing(psc, &begun, &own, "pair").await;
    (begun, own, answer)
}

#[tokio::test]
async fn the_first_time_the_account_is_paired_with_a_card_and_then_one_click_at_the_hospital_is_enough() {
    let hospital = hospital().await;
    let there = hospital.stand.sign_in().await;
    Hospital::on_both(&settings(&hospital), async |psc| {
        let begun = psc.begin(&[]).await;
        let answer = delegates(&psc, &hospital, &begun, &there).await;
        assert_eq!(answer.location(), begun.page);
        let page = psc.get(&begun.page, &begun.cookie).await.body;
        assert!(page.contains("KIT DOC0042788"), "{page}");
        assert!(page.contains("n’est encore rattaché à personne ici"), "{page}");
        assert!(!page.contains("Continuer avec Hôpital délégué"), "it is not sent there again: {page}");
        assert!(psc.links().await.is_empty());

        let own = signs_in(&psc, &begun, DOCTOR, None).await;
        let asked = psc.get(&begun.page, &both(&begun, &own)).await.location();
        assert_eq!(asked, format!("/login/provider/psc/pair?txn={}", txn(&begun)));
        let page = psc.get(&asked, &both(&begun, &own)).await.body;
        assert!(page.contains("Hôpital délégué") && page.contains("KIT DOC0042788"), "{page}");
        assert!(psc.links().await.is_empty(), "nothing without the click");
        let answer = answers_pairing(&psc, &begun, &own, "pair").await;
        assert!(goes_on(&begun, &answer), "{}", answer.body);
        let served = psc.get(&begun.page, &both(&begun, &own)).await;
        assert!(served.parameter("code").is_some(), "the service opens: {}", served.location());
        assert!(psc.stand.events().await.contains(&"identity.linked".to_owned()));

        // From now on: the tab, the click at the hospital, the service.
        psc.stand.advance(60);
        let begun = psc.begin(&[]).await;
        let answer = delegates(&psc, &hospital, &begun, &there).await;
        assert!(psc.is_in(&begun, &answer), "{}", answer.body);
        let session = format!("{}; {}", begun.cookie, answer.cookie());
        assert!(psc.get(&begun.page, &session).await.parameter("code").is_some());
    })
    .await;
}

#[tokio::test]
async fn two_persons_who_pair_one_account_at_once_are_told_apart_by_who_came_first() {
    let hospital = hospital().await;
    let there = hospital.stand.sign_in().await;
    Hospital::on_both(&settings(&hospital), async |psc| {
        affiliate(&psc.stand, STRANGER).await;
        // Both are asked before either has answered.
        let (one, other) = (psc.begin(&[]).await, psc.begin(&[]).await);
        for begun in [&one, &other] {
            assert_eq!(delegates(&psc, &hospital, begun, &there).await.location(), begun.page);
        }
        let first = signs_in(&psc, &one, DOCTOR, None).await;
        let second = signs_in(&psc, &other, STRANGER, None).await;
        assert!(goes_on(&one, &answers_pairing(&psc, &one, &first, "pair").await));
        let late = answers_pairing(&psc, &other, &second, "pair").await;
        assert!(late.body.contains("UPSTREAM-013"), "{}", late.body);
        let subjects = psc.links().await.into_iter().filter(|(column, _)| column == "subject").count();
        assert_eq!(subjects, 1);
        assert!(psc.stand.events().await.iter().any(|event| event.ends_with("UPSTREAM-013")));
        // They are signed in by their card all the same, and nothing is left to pair.
        let served = psc.get(&other.page, &both(&other, &second)).await;
        assert!(served.parameter("code").is_some(), "{}", served.location());
    })
    .await;
}

#[tokio::test]
async fn a_person_who_is_paired_pairs_no_second_account() {
    let hospital = hospital().await;
    let (doctor, colleague) = (hospital.stand.sign_in().await, hospital.stand.sign_in_as(STRANGER).await);
    Hospital::on_both(&settings(&hospital), async |psc| {
        let (begun, _, answer) = pairs(&psc, &hospital, &doctor, DOCTOR).await;
        assert!(goes_on(&begun, &answer), "{}", answer.body);
        // A colleague's account, left open at a desk.
        let (_, _, answer) = pairs(&psc, &hospital, &colleague, DOCTOR).await;
        assert!(answer.body.contains("UPSTREAM-013"), "{}", answer.body);
    })
    .await;
}

#[tokio::test]
async fn a_pairing_is_good_once_for_whoever_signed_in_for_it_in_its_browser() {
    let hospital = hospital().await;
    let there = hospital.stand.sign_in().await;
    Hospital::on_both(&settings(&hospital), async |psc| {
        let begun = psc.begin(&[]).await;
        delegates(&psc, &hospital, &begun, &there).await;
        // A session that lay open is not the word of whoever is there, and answers nothing meanwhile.
        let open = psc.stand.sign_in().await;
        assert!(answers_pairing(&psc, &begun, &open, "pair").await.body.contains("UPSTREAM-040"));
        assert_eq!(
            psc.get(&begun.page, &both(&begun, &open)).await.status,
            StatusCode::OK,
            "the sign-in page"
        );
        let own = signs_in(&psc, &begun, DOCTOR, None).await;
        // Another browser, another site, another form.
        let elsewhere = Begun { page: begun.page.clone(), cookie: "a=b".into() };
        assert!(answers_pairing(&psc, &elsewhere, &own, "pair").await.body.contains("UPSTREAM-039"));
        let form = format!("csrf={}&txn={}&shown=x&decision=pair", token(&own.cookie), txn(&begun));
        let cookies = both(&begun, &own);
        for (form, origin) in
            [(form.as_str(), "https://evil.example"), (&form.replace("csrf=", "csrf=x"), FRONT)]
        {
            let headers = [("cookie", cookies.as_str()), ("origin", origin)];
            let refused = psc.stand.post("/login/provider/psc/pair", form, &headers).await;
            assert!(refused.body.contains("WEB-001"), "{}", refused.body);
        }
        assert!(psc.links().await.is_empty());
        assert!(goes_on(&begun, &answers_pairing(&psc, &begun, &own, "pair").await));
        assert!(answers_pairing(&psc, &begun, &own, "pair").await.body.contains("UPSTREAM-039"), "once");
    })
    .await;
}

#[tokio::test]
async fn a_phone_pairs_nothing_and_whoever_declines_goes_on_without() {
    let hospital = hospital().await;
    let there = hospital.stand.sign_in().await;
    Hospital::on_both(&settings(&hospital), async |psc| {
        let begun = psc.begin(&[]).await;
        delegates(&psc, &hospital, &begun, &there).await;
        let phone = Evidence::Phone { phone: MeansId(uuid::Uuid::nil()), way: "scan".into(), synced: false };
        let own = signs_in(&psc, &begun, DOCTOR, Some(phone)).await;
        assert!(answers_pairing(&psc, &begun, &own, "pair").await.body.contains("UPSTREAM-040"));

        let begun = psc.begin(&[]).await;
        delegates(&psc, &hospital, &begun, &there).await;
        let own = signs_in(&psc, &begun, DOCTOR, None).await;
        let left = answers_pairing(&psc, &begun, &own, "leave").await;
        assert!(goes_on(&begun, &left) && marks(&left), "{}", left.body);
        assert!(psc.get(&begun.page, &both(&begun, &own)).await.parameter("code").is_some());
        assert!(psc.links().await.is_empty());
        let event = left_event(&psc, "UPSTREAM-047").await;
        assert_eq!(event.person_id, Some(psc.stand.person(DOCTOR).await));
        assert!(event.detail.contains("\"means_id\":\""), "which identity: {}", event.detail);
    })
    .await;
}

/// Whether the browser remembers that the account there was not its person's.
fn marks(answer: &Answer) -> bool {
    let lines = answer.headers.get_all(http::header::SET_COOKIE).iter();
    lines.map(|line| line.to_str().unwrap()).any(|line| line.starts_with("__Host-not-me-psc=1;"))
}

/// The one event of an account that was not linked, with that code.
async fn left_event(psc: &Hospital, code: &str) -> store::audit::Row {
    let (kind, code) = (Some("identity.linked".to_owned()), Some(code.to_owned()));
    let filter = store::audit::Filter { kind, code, limit: 10, ..Default::default() };
    let mut rows = store::audit::list(&psc.stand.db, &filter).await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

#[tokio::test]
async fn whoever_reads_that_the_account_is_not_theirs_leaves_it_before_they_sign_in() {
    let hospital = hospital().await;
    let there = hospital.stand.sign_in().await;
    let direct = Upstream { direct: true, ..settings(&hospital) };
    Hospital::on_both(&direct, async |psc| {
        let begun = psc.begin(&[("kc_idp_hint", "psc")]).await;
        assert_eq!(delegates(&psc, &hospital, &begun, &there).await.location(), begun.page);
        let page = psc.get(&begun.page, &begun.cookie).await.body;
        assert!(page.contains("action=\"/login/provider/psc/leave\""), "{page}");
        let form = format!("txn={}", txn(&begun));
        // Neither another site nor another browser leaves it for them.
        for (cookie, origin, code) in
            [(begun.cookie.as_str(), "https://evil.example", "WEB-001"), ("a=b", FRONT, "UPSTREAM-003")]
        {
            let headers = [("cookie", cookie), ("origin", origin)];
            let refused = psc.stand.post("/login/provider/psc/leave", &form, &headers).await;
            assert!(refused.body.contains(code), "{code}: {}", refused.body);
        }
        let headers = [("cookie", begun.cookie.as_str()), ("origin", FRONT)];
        let left = psc.stand.post("/login/provider/psc/leave", &form, &headers).await;
        assert!(goes_on(&begun, &left) && marks(&left), "{} {}", left.status, left.body);
        assert!(left_event(&psc, "UPSTREAM-047").await.detail.contains("\"means_id\":\""));
        // The page says so, has every tab again, and sends nobody there by itself.
        let page = psc.get(&begun.page, &begun.cookie).await;
        assert!(page.status == StatusCode::OK && page.body.contains("UPSTREAM-047"), "{}", page.body);
        assert!(page.body.contains("Continuer avec Hôpital délégué"), "{}", page.body);
        assert!(!page.body.contains("data-pairing"), "{}", page.body);
        // Whoever goes there again is asked who they are.
        let marked =
            Begun { page: begun.page.clone(), cookie: format!("{}; __Host-not-me-psc=1", begun.cookie) };
        let sent = psc.sent(&marked).await.location();
        assert!(sent.contains("&prompt=login") && sent.contains("&max_age=0"), "{sent}");
        // Once.
        let again = psc.stand.post("/login/provider/psc/leave", &form, &headers).await;
        assert!(again.body.contains("UPSTREAM-039"), "{}", again.body);
        // Nothing is left to pair for whoever signs in now.
        let own = signs_in(&psc, &begun, DOCTOR, None).await;
        assert!(psc.get(&begun.page, &both(&begun, &own)).await.parameter("code").is_some());
    })
    .await;
}

#[tokio::test]
async fn an_account_with_the_national_identifier_of_somebody_else_is_not_paired() {
    let elsewhere = Psc::start().await;
    let there = elsewhere.stand.sign_in().await;
    let confirmed = Upstream { link: UpstreamLink::Confirmed, ..elsewhere.settings() };
    Hospital::on_both(&confirmed, async |ours| {
        affiliate(&ours.stand, STRANGER).await;
        // The account is the doctor's, by what the provider tells; a colleague signs in.
        let begun = ours.begin(&[]).await;
        assert_eq!(ours.by(&elsewhere, &begun, &there).await.location(), begun.page);
        let own = signs_in(&ours, &begun, STRANGER, None).await;
        let asked = ours.get(&begun.page, &both(&begun, &own)).await.location();
        let refused = ours.get(&asked, &both(&begun, &own)).await;
        assert!(refused.body.contains("UPSTREAM-046"), "{}", refused.body);
        assert!(ours.links().await.is_empty());
        let event = left_event(&ours, "UPSTREAM-046").await;
        assert_eq!(
            (event.outcome.as_str(), event.person_id),
            ("denied", Some(ours.stand.person(STRANGER).await))
        );
        assert!(event.detail.contains(&format!("told {DOCTOR}")), "{}", event.detail);
        let refusals = ours.stand.events().await;
        assert_eq!(
            refusals.iter().filter(|event| event.ends_with("UPSTREAM-046")).count(),
            1,
            "{refusals:?}"
        );
        // They are signed in all the same.
        let served = ours.get(&begun.page, &both(&begun, &own)).await;
        assert!(served.parameter("code").is_some(), "{}", served.location());
        // Nor by an answer to a page that was not shown.
        let begun = ours.begin(&[]).await;
        ours.by(&elsewhere, &begun, &there).await;
        let id: TransactionId = txn(&begun).parse().unwrap();
        let waits = store::upstream::pairing(&ours.stand.db, id, ours.stand.clock.now()).await.unwrap();
        let shown = crate::upstream::mark_for_test(&waits.unwrap());
        let own = signs_in(&ours, &begun, STRANGER, None).await;
        let refused = answers_shown(&ours, &begun, &own, "pair", &shown).await;
        assert!(refused.body.contains("UPSTREAM-046"), "{}", refused.body);
        assert!(ours.links().await.is_empty());
        // Whose it is pairs it.
        let begun = ours.begin(&[]).await;
        ours.by(&elsewhere, &begun, &there).await;
        let own = signs_in(&ours, &begun, DOCTOR, None).await;
        assert!(goes_on(&begun, &answers_pairing(&ours, &begun, &own, "pair").await));
        assert!(!ours.links().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn no_other_account_is_linked_than_the_one_that_the_page_showed() {
    let hospital = hospital().await;
    let (doctor, colleague) = (hospital.stand.sign_in().await, hospital.stand.sign_in_as(STRANGER).await);
    Hospital::on_both(&settings(&hospital), async |psc| {
        // What the page of another sign-in showed, of a colleague's account.
        let other = psc.begin(&[]).await;
        delegates(&psc, &hospital, &other, &colleague).await;
        let other_own = signs_in(&psc, &other, DOCTOR, None).await;
        let shown_there = shown(&psc, &other, &other_own).await;

        let begun = psc.begin(&[]).await;
        delegates(&psc, &hospital, &begun, &doctor).await;
        let own = signs_in(&psc, &begun, DOCTOR, None).await;
        let shown_here = shown(&psc, &begun, &own).await;
        assert!(shown_here != shown_there && !shown_here.is_empty());
        for shown in ["", "x", shown_there.as_str()] {
            let refused = answers_shown(&psc, &begun, &own, "pair", shown).await;
            assert!(refused.body.contains("UPSTREAM-048"), "{shown}: {}", refused.body);
        }
        assert!(psc.links().await.is_empty());
        assert!(goes_on(&begun, &answers_shown(&psc, &begun, &own, "pair", &shown_here).await));
        let linked =
            store::audit::Filter { kind: Some("identity.linked".into()), limit: 1, ..Default::default() };
        let linked = store::audit::list(&psc.stand.db, &linked).await.unwrap().remove(0);
        let issuer = settings(&hospital).issuer;
        let person = psc.stand.person(DOCTOR).await;
        let subject = store::upstream::subject_of(&psc.stand.db, &issuer, person).await.unwrap().unwrap();
        assert!(linked.outcome == "success" && linked.detail.contains(&subject), "{}", linked.detail);
    })
    .await;
}

#[tokio::test]
async fn an_account_that_comes_back_late_takes_no_place_of_the_one_that_is_shown() {
    let hospital = hospital().await;
    let doctor = hospital.stand.sign_in().await;
    Hospital::on_both(&settings(&hospital), async |psc| {
        let begun = psc.begin(&[]).await;
        delegates(&psc, &hospital, &begun, &doctor).await;
        // A second way back that was taken before the card answered, and is slower: what it found is kept no more.
        let (db, now) = (&psc.stand.db, psc.stand.clock.now());
        let id: TransactionId = txn(&begun).parse().unwrap();
        let expires_at = now + chrono::TimeDelta::minutes(5);
        let late = store::upstream::NewUpstreamSignIn {
            state_hash: [7; 32],
            transaction_id: id,
            provider: "psc".into(),
            sealed: vec![1],
            expires_at,
        };
        store::upstream::begin(db, &late).await.unwrap();
        store::upstream::take(db, [7; 32], now).await.unwrap().unwrap();
        let own = signs_in(&psc, &begun, DOCTOR, None).await;
        let shown = shown(&psc, &begun, &own).await;
        let another = store::upstream::NewPairing {
            transaction_id: id,
            provider: "psc".into(),
            issuer: settings(&hospital).issuer,
            subject: "of-a-colleague".into(),
            name: "A colleague".into(),
            told: String::new(),
            expires_at,
        };
        assert!(!store::upstream::keep_for_pairing(db, [7; 32], &another, now).await.unwrap());
        // Nor does the store link another than it is told.
        let waits = store::upstream::pairing(db, id, now).await.unwrap().unwrap();
        let swapped = store::upstream::Pairing { subject: "of-a-colleague".into(), ..waits };
        let (person, event) = (psc.stand.person(DOCTOR).await, psc.stand.event(Kind::IdentityLinked));
        let made = ("Hôpital délégué", &event);
        let paired =
            store::upstream::pair(db, (id, &swapped), person, made, now, &SystemRandom).await.unwrap();
        assert_eq!(paired, store::upstream::Paired::Gone);
        assert!(goes_on(&begun, &answers_shown(&psc, &begun, &own, "pair", &shown).await));
    })
    .await;
}

#[tokio::test]
async fn another_tenant_and_a_token_that_does_not_say_who_are_refused() {
    let hospital = hospital().await;
    let there = hospital.stand.sign_in().await;
    let other = Upstream { tenant: Some("autre-etablissement".into()), ..settings(&hospital) };
    let silent = Upstream { subject_claim: "absent".into(), ..settings(&hospital) };
    for (settings, code) in [(other, "UPSTREAM-037"), (silent, "UPSTREAM-038")] {
        Hospital::on_both(&settings, async |psc| {
            let begun = psc.begin(&[]).await;
            assert_eq!(delegates(&psc, &hospital, &begun, &there).await.location(), begun.page);
            let notice = psc.notice(&begun).await;
            assert!(notice.contains(code), "{code}: {notice}");
            assert!(psc.stand.events().await.contains(&format!("sign-in {code}")));
            let own = signs_in(&psc, &begun, DOCTOR, None).await;
            assert!(answers_pairing(&psc, &begun, &own, "pair").await.body.contains("UPSTREAM-039"));
        })
        .await;
    }
}

#[tokio::test]
async fn a_sign_in_that_is_delegated_to_us_goes_to_no_other_provider() {
    let elsewhere = Psc::start().await;
    Hospital::on_both(&elsewhere.settings(), async |ours| {
        ours.stand.add_rp(NewRp { profile: ProfileName::PscDelegation, ..NewRp::named("delegue") }).await;
        let of_it =
            [("client_id", "delegue"), ("redirect_uri", "https://delegue.example/cb"), ("scope", "openid")];
        let begun = ours.begin(&of_it).await;
        let page = ours.get(&begun.page, &begun.cookie).await.body;
        assert!(!page.contains("Pro Santé Connect"), "{page}");
        let sent = ours.sent(&begun).await;
        assert_eq!(sent.location(), begun.page);
        assert!(ours.notice(&begun).await.contains("UPSTREAM-035"));
        assert!(ours.stand.events().await.contains(&"sign-in UPSTREAM-035".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_provider_is_not_offered_to_itself_and_a_circle_of_two_ends_with_a_sentence() {
    let elsewhere = Psc::start().await;
    let direct = Upstream { direct: true, ..elsewhere.settings() };
    Hospital::on_both(&direct, async |ours| {
        // Pro Santé Connect, as a client of any kind: its own tab is not there, and the way to it is closed.
        let back = format!("{}/broker/hopital/endpoint", elsewhere.origin);
        ours.stand
            .add_client(&NewClient { redirect_uris: vec![back.clone()], ..new_client("psc-itself") })
            .await;
        let of_it = [("client_id", "psc-itself"), ("redirect_uri", back.as_str()), ("kc_idp_hint", "psc")];
        let begun = ours.begin(&of_it).await;
        let page = ours.get(&begun.page, &begun.cookie).await;
        assert!(page.status == StatusCode::OK && !page.body.contains("Pro Santé Connect"), "{}", page.body);
        assert_eq!(ours.sent(&begun).await.location(), begun.page);
        assert!(ours.notice(&begun).await.contains("UPSTREAM-036"));

        // Two that do not know each other by their hosts: the browser comes round and round by itself.
        let mut cookies = Vec::new();
        for round in 0..6 {
            let begun = ours.begin(&[("kc_idp_hint", "psc")]).await;
            cookies.push(begun.cookie.clone());
            let all = cookies.join("; ");
            let there =
                ours.stand.get(&begun.page, &[("cookie", &all), ("sec-fetch-site", "cross-site")]).await;
            let start = there.location();
            let sent = ours.stand.get(&start, &[("cookie", &all), ("sec-fetch-site", "cross-site")]).await;
            if round < 3 {
                assert!(sent.location().starts_with(&elsewhere.origin), "{round}: {}", sent.location());
            } else {
                assert_eq!(sent.location(), begun.page, "{round}");
                let page = ours.get(&begun.page, &all).await;
                assert!(page.status == StatusCode::OK && page.body.contains("UPSTREAM-036"), "{}", page.body);
            }
        }
        // A person who begins again a minute later is nobody's circle.
        ours.stand.advance(61);
        let begun = ours.begin(&[]).await;
        assert!(ours.sent(&begun).await.location().starts_with(&elsewhere.origin));
    })
    .await;
}

#[tokio::test]
async fn a_hint_opens_the_tab_of_ours_and_goes_on_where_it_is_none_of_ours() {
    let elsewhere = Psc::start().await;
    Hospital::on_both(&elsewhere.settings(), async |ours| {
        let begun = ours.begin(&[("kc_idp_hint", "psc")]).await;
        let page = ours.get(&begun.page, &begun.cookie).await.body;
        assert!(page.contains("Continuer avec Pro Santé Connect"), "{page}");
        let sent = ours.sent(&begun).await.location();
        assert!(!sent.contains("kc_idp_hint"), "our own name means nothing there: {sent}");
        // Without the policy, no other site sends people past the page.
        let path = format!("/login/provider/psc?txn={}", txn(&begun));
        let headers = [("cookie", begun.cookie.as_str()), ("sec-fetch-site", "cross-site")];
        assert!(ours.stand.get(&path, &headers).await.body.contains("UPSTREAM-001"));

        let begun = ours.begin(&[("kc_idp_hint", "DPI_ch-saint-aubin")]).await;
        let sent = ours.sent(&begun).await.location();
        assert!(sent.contains("&kc_idp_hint=DPI_ch-saint-aubin&"), "{sent}");
        // Nothing rides on a hint.
        let begun = ours.begin(&[("kc_idp_hint", "x&prompt=none")]).await;
        let sent = ours.sent(&begun).await.location();
        assert!(!sent.contains("prompt") && !sent.contains("kc_idp_hint"), "{sent}");
    })
    .await;
}

#[tokio::test]
async fn where_the_policy_says_so_a_hint_goes_straight_there_once() {
    let elsewhere = Psc::start().await;
    let there = elsewhere.stand.sign_in().await;
    let direct = Upstream { direct: true, ..elsewhere.settings() };
    Hospital::on_both(&direct, async |ours| {
        let begun = ours.begin(&[("kc_idp_hint", "psc")]).await;
        let start = ours.get(&begun.page, &begun.cookie).await.location();
        let headers = [("cookie", begun.cookie.as_str()), ("sec-fetch-site", "cross-site")];
        let sent = ours.stand.get(&start, &headers).await.location();
        let back = elsewhere.answers(&sent, &there).await;
        // Refused there: the page says so, and does not send people back again.
        let refused = back.replace("code=", "error=access_denied&was=");
        assert_eq!(ours.get(&refused, &begun.cookie).await.location(), begun.page);
        let page = ours.get(&begun.page, &begun.cookie).await;
        assert!(page.status == StatusCode::OK && page.body.contains("UPSTREAM-009"), "{}", page.body);
        assert!(ours.stand.get(&start, &headers).await.body.contains("UPSTREAM-001"));
        // Nor once the panel of the card, which takes the notice away, was shown.
        shows_the_card(&ours, &begun).await;
        assert_eq!(ours.get(&begun.page, &begun.cookie).await.status, StatusCode::OK);
        // Nor where somebody has said in this browser that whoever is signed in there is not them.
        let begun = ours.begin(&[("kc_idp_hint", "psc")]).await;
        let marked = format!("{}; __Host-not-me-psc=1", begun.cookie);
        assert_eq!(ours.get(&begun.page, &marked).await.status, StatusCode::OK);
        assert!(ours.get(&begun.page, &begun.cookie).await.status.is_redirection());
        // Of a sign-in that named nobody, another site sends nobody.
        let begun = ours.begin(&[]).await;
        let path = format!("/login/provider/psc?txn={}", txn(&begun));
        let headers = [("cookie", begun.cookie.as_str()), ("sec-fetch-site", "cross-site")];
        assert!(ours.stand.get(&path, &headers).await.body.contains("UPSTREAM-001"));
    })
    .await;
}
