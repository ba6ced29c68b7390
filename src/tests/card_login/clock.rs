//! A server whose clock is moved by ten minutes, either way, accepts nothing twice.

use super::*;

#[tokio::test]
async fn a_card_answer() {
    for minutes in [10, -10] {
        let hospital = Hospital::open().await;
        let workstation = Workstation::of(&hospital, "good").await;
        let mut browser = Browser::default();
        let (_, request) = hospital.begin(&mut browser).await;
        let answer = workstation.answer(hospital.front.as_str(), &request).await;
        let mut again = Browser { cookies: browser.cookies.clone() };
        assert_eq!(browser.finish(&hospital, &answer).await.status, 200);
        for step in [minutes, -minutes] {
            hospital.clock.advance(TimeDelta::minutes(step));
            assert_eq!(again.finish(&hospital, &answer).await.code(), Some("CARD-005"));
            assert!(again.session().is_none());
        }
    }
}

/// Forward, it has expired; back again, it is answered, once.
#[tokio::test]
async fn a_card_answer_that_had_expired() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    hospital.clock.advance(TimeDelta::minutes(9));
    assert_eq!(browser.finish(&hospital, &answer).await.code(), Some("CARD-006"));
    hospital.clock.advance(TimeDelta::minutes(-9));
    let mut other = Browser { cookies: browser.cookies.clone() };
    let both = tokio::join!(browser.finish(&hospital, &answer), other.finish(&hospital, &answer));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn an_enrolment_code() {
    for minutes in [10, -10] {
        let hospital = Hospital::open().await;
        let code = hospital.invite(false).await;
        enrol::enrol(&hospital.front, &code, &hospital.clock).await.unwrap();
        for step in [minutes, -minutes] {
            hospital.clock.advance(TimeDelta::minutes(step));
            let again = enrol::enrol(&hospital.front, &code, &hospital.clock).await;
            assert_eq!(again.unwrap_err().code(), "AGENT-043");
        }
    }
}

/// The notice of a workstation, kept and sent again by somebody who can read along.
#[tokio::test]
async fn a_notice() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let notice = AgentNotice {
        audience: workstation.enrolment.origin.clone(),
        workstation: workstation.enrolment.workstation,
        code: NoticeCode::port_held(),
        request: None,
        count: 1,
        agent_version: AgentVersion::this(),
        issued_at: hospital.clock.now(),
    };
    let jws = || jose::sign(&workstation.enrolment.key, TYP_AGENT_NOTICE, &notice.to_payload()).unwrap();
    let send = async |jws: String| {
        let call = Call {
            body: serde_json::json!({ "jws": jws }).to_string().into_bytes(),
            ..Call::post(NOTICE_PATH, &hospital.address.to_string(), "", &[])
        };
        call.instead("content-type", "application/json").send(hospital.address).await.status
    };
    let kept = jws();
    assert_eq!(send(kept.clone()).await, 204);
    for minutes in [0, 9, -9, -9, 9] {
        hospital.clock.advance(TimeDelta::minutes(minutes));
        assert_eq!(send(kept.clone()).await, 204, "a workstation that heard no answer may try again");
        // Signed once more, it has other bytes, and says the same.
        assert_eq!(send(jws()).await, 204);
    }
    let filter = Filter { kind: Some(Kind::WorkstationAlert.name().into()), limit: 10, ..Filter::default() };
    assert_eq!(store::audit::list(&hospital.db, &filter).await.unwrap().len(), 1, "one alert");
}
