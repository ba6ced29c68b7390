//! The way of an honest person.

use super::*;

#[tokio::test]
async fn card_pin_workstation_and_browser_together_make_a_session() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    assert_eq!(browser.status(&hospital, id).await["state"], "open");

    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    // The agent's page posts it across origins, so without cookies; our page then posts it again.
    let agent = format!("http://{}", workstation.address);
    let returned = Call::post("/card/return", &hospital.address.to_string(), &agent, &[("answer", &answer)]);
    let bounce = returned.send(hospital.address).await;
    assert_eq!((bounce.status, bounce.header("set-cookie")), (200, ""));
    assert_eq!(bounce.after("action=\""), "/card/finish");
    let answer = bounce.after("name=\"answer\" value=\"");

    let done = browser.finish(&hospital, &answer).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(done.body.contains("data-state=\"done\""));
    let cookie = browser.session().expect("a session cookie");
    let session = store::session::by_cookie(&hospital.db, sha256(cookie.as_bytes())).await.unwrap().unwrap();
    assert_eq!(session.acr.as_str(), "eidas3");
    let transaction = hospital.transaction(id).await;
    assert_eq!(transaction.session_id, Some(session.id));

    // The waiting page learns that it is done, and nothing that signs anybody in.
    let told = browser.get(&hospital, &format!("/card/status?txn={id}")).await;
    assert_eq!(told.body, "{\"state\":\"done\"}");
    assert_eq!(told.header("set-cookie"), "");

    let filter = Filter { kind: Some("sign-in".into()), limit: 10, ..Filter::default() };
    let events = store::audit::list(&hospital.db, &filter).await.unwrap();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.outcome.as_str(), event.person_id), ("success", Some(session.person_id)));
    for part in [CLIENT, "Dossier patient"] {
        assert!(event.detail.contains(part) || event.client_id.as_deref() == Some(part), "{part}");
    }
    for member in
        ["id_nat", "means_id", "workstation", "zone", "acr", "session", "transaction", "policy_version"]
    {
        assert!(event.detail.contains(&format!("\"{member}\"")), "{member} in {}", event.detail);
    }
    let known =
        store::workstation::by_id(&hospital.db, workstation.enrolment.workstation).await.unwrap().unwrap();
    assert_eq!(known.last_seen_at, Some(hospital.clock.now()));
}

#[tokio::test]
async fn the_waiting_page_hears_of_the_end_by_an_event() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    let events = Call::get(&format!("/card/events?txn={id}"), &hospital.address.to_string())
        .with("cookie", &browser.cookie_line());
    let waiting = tokio::spawn(events.send(hospital.address));
    let answer = workstation.forge(&request, "good", |_| {});
    browser.finish(&hospital, &answer).await;
    let heard = waiting.await.unwrap();
    assert_eq!(heard.header("content-type"), "text/event-stream");
    assert!(heard.body.contains("data: {\"state\":\"done\"}"), "{heard:?}");
}

#[tokio::test]
async fn another_persons_session_in_this_browser_ends_first() {
    let hospital = Hospital::open().await;
    hospital.admit("nurse").await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    browser.finish(&hospital, &workstation.forge(&request, "good", |_| {})).await;
    let first = browser.session().unwrap().clone();
    let (_, request) = hospital.begin(&mut browser).await;
    browser.finish(&hospital, &workstation.forge(&request, "nurse", |_| {})).await;
    let second = browser.session().unwrap().clone();
    assert_ne!(first, second);
    let of = async |cookie: &str| {
        store::session::by_cookie(&hospital.db, sha256(cookie.as_bytes())).await.unwrap().unwrap()
    };
    let (first, second) = (of(&first).await, of(&second).await);
    assert!(first.ended_at.is_some() && second.ended_at.is_none());
    assert_ne!(first.person_id, second.person_id);
}

#[tokio::test]
async fn giving_up_at_the_agent_leaves_the_sign_in_good() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    let host = workstation.address.to_string();
    let asked = Call::post("/", &host, hospital.front.as_str(), &[("request", &request)]);
    let asked = asked.send(workstation.address).await;
    let cancel = format!("/cancel{}", asked.after("href=\"/cancel"));
    let gone = Call::get(&cancel, &host).send(workstation.address).await;
    let back = gone.header("location").strip_prefix(hospital.front.as_str()).unwrap().to_owned();

    let mut stranger = Browser::default();
    assert_eq!(stranger.get(&hospital, &back).await.code(), Some("CARD-003"));
    let page = browser.get(&hospital, &back).await;
    assert!(page.body.contains("data-state=\"cancelled\""), "{page:?}");
    assert_eq!(browser.status(&hospital, id).await["state"], "cancelled");

    let request = hospital.panel(id).await;
    assert_eq!(browser.status(&hospital, id).await["state"], "open");
    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    assert_eq!(browser.finish(&hospital, &answer).await.status, 200);
}

#[tokio::test]
async fn a_refused_card_is_told_to_both_pages_and_another_may_be_tried() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    let refused = browser.finish(&hospital, &workstation.forge(&request, "revoked", |_| {})).await;
    assert_eq!(refused.code(), Some("CERT-005"), "{refused:?}");
    let told = browser.status(&hospital, id).await;
    assert_eq!((told["state"].as_str(), told["code"].as_str()), (Some("failed"), Some("CERT-005")));
    assert!(told["message"].as_str().is_some_and(|text| !text.is_empty()));

    let renewed = browser.get(&hospital, &format!("/card/request?txn={id}")).await;
    let request = serde_json::from_str::<serde_json::Value>(&renewed.body).unwrap();
    let request = request["request"].as_str().unwrap();
    let done = browser.finish(&hospital, &workstation.forge(request, "good", |_| {})).await;
    assert!(browser.session().is_some(), "{done:?}");
    assert_eq!(hospital.refusals().await, ["CERT-005"]);
}

#[tokio::test]
async fn reloading_the_sign_in_page_does_not_void_the_popup() {
    let hospital = Hospital::open().await;
    let mut browser = Browser::default();
    let (id, request) = hospital.begin(&mut browser).await;
    assert_eq!(hospital.panel(id).await, request);
    hospital.clock.advance(TimeDelta::seconds(70));
    assert_ne!(hospital.panel(id).await, request, "one that soon expires is renewed");
}

#[tokio::test]
async fn a_card_that_was_halted_here_signs_in_no_more() {
    use crate::store::means::{self, Halt, Halting, Kind as MeansKind};

    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let sign_in = async |browser: &mut Browser| {
        let (_, request) = hospital.begin(browser).await;
        let answer = workstation.forge(&request, "good", |_| {});
        browser.finish(&hospital, &answer).await
    };
    assert_eq!(sign_in(&mut browser).await.status, 200);
    let cookie = browser.session().unwrap();
    let session = store::session::by_cookie(&hospital.db, sha256(cookie.as_bytes())).await.unwrap().unwrap();
    let registry = means::of_person(&hospital.db, session.person_id).await.unwrap();
    let [card] = registry.as_slice() else { panic!("{registry:?}") };
    assert_eq!((card.kind, card.last_used_at), (MeansKind::Card, Some(hospital.clock.now())));
    assert_eq!(card.last_used_where, "bureaux", "the zone of its workstation");

    let event = |kind| NewRow::from(&hospital.trail.event(kind));
    let (now, ended) = (hospital.clock.now(), |_| event(Kind::SessionEnded));
    let suspended = event(Kind::MeansSuspended);
    let halting =
        Halting { id: card.id, halt: Halt::Suspend, reason: "lost", event: &suspended, ended: &ended };
    assert!(means::halt(&hospital.db, &halting, now, &SystemRandom).await.unwrap());
    let after = store::session::by_id(&hospital.db, session.id).await.unwrap().unwrap();
    assert!(after.ended_at.is_some(), "the session that it opened has ended");
    let refused = sign_in(&mut browser).await;
    assert!(refused.status == 403 && refused.body.contains("CARD-061"), "{refused:?}");

    // However long it lay there: the national authority answers for how long a card is good.
    let (resumed, late) = (event(Kind::MeansResumed), card.expires_at);
    assert!(means::resume(&hospital.db, card.id, &resumed, late, &SystemRandom).await.unwrap());
    assert_eq!(sign_in(&mut browser).await.status, 200);
}

#[tokio::test]
async fn a_card_that_is_used_here_for_the_first_time_is_told_to_its_person() {
    use crate::store::means::Kind as MeansKind;
    use crate::store::notice::{self, NewNotice, Told};
    use crate::store::person_contact::{self, Contact, Setting, Verifier};

    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let (db, now) = (&hospital.db, hospital.clock.now());
    let person = store::person::by_identifier(db, &card("good").profile.id_nat).await.unwrap().unwrap().id;
    let contact = Contact {
        address: "kit@chu.example".into(),
        language: "fr".into(),
        verified_by: Verifier::Administrator,
        verified_at: now,
    };
    let told = |told| NewNotice::new(person, told, now, &SystemRandom);
    let setting = Setting {
        person,
        contact: &contact,
        told_before: &told(Told::AddressChanged),
        told_now: &told(Told::AddressSet),
        event: &NewRow::from(&hospital.trail.event(Kind::ContactChanged)),
    };
    person_contact::set(db, &setting, now).await.unwrap();
    let mut browser = Browser::default();
    for _ in 0..2 {
        let (_, request) = hospital.begin(&mut browser).await;
        let done = browser.finish(&hospital, &workstation.forge(&request, "good", |_| {})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    let all = notice::older_than(db, now, 10).await.unwrap();
    let told = |wanted: fn(&Told) -> bool| all.iter().filter(|notice| wanted(&notice.told)).count();
    assert_eq!(told(|told| matches!(told, Told::MeansIssued { means: MeansKind::Card, .. })), 1, "{all:?}");
    assert_eq!(
        told(|told| matches!(told, Told::NewBrowser { .. })),
        2,
        "this browser keeps no cookie of ours"
    );
    assert_eq!(all.len(), 4, "and of the address itself: {all:?}");
}
