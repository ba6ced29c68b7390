//! People who answer in the application of Pro Santé Connect what the sign-in page asks (CIBA).

use serde_json::{Value, json};

use super::*;
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::config::UpstreamApplication;
use crate::ids::{ApprovalId, PersonId};
use crate::session::asking::{Asks, Channel, Later};
use crate::session::{AuthMode, Authentication, Evidence};
use crate::store::approval::{self, Answer as Said, Approval};
use crate::tests::spec::stand::{DOCTOR, claims};

/// Runs `test` on a hospital of each engine, whose people can be asked by a provider of its own.
pub(super) async fn with_application(test: impl AsyncFn(Psc, Hospital)) {
    with_changed(|settings| settings, test).await;
}

/// The same, configured otherwise.
pub(super) async fn with_changed(change: impl Fn(Upstream) -> Upstream, test: impl AsyncFn(Psc, Hospital)) {
    Stand::on_both(async |stand| {
        let psc = Psc::start().await;
        let hospital = Hospital::of(stand, &change(psc.with_application())).await;
        test(psc, hospital).await;
    })
    .await;
}

/// The end of the backchannel endpoint's address, and of the token endpoint's.
pub(super) const BACKCHANNEL: &str = "auth";
pub(super) const TOKEN: &str = "token";

/// A phone that nobody hears: tests answer in its place.
#[derive(Debug)]
pub(super) struct Quiet;

impl Asks for Quiet {
    fn wake(&self, _: ApprovalId, _: PersonId) -> Later<'_, ()> {
        Box::pin(async {})
    }

    fn answered(&self, _: ApprovalId) -> Later<'_, ()> {
        Box::pin(std::future::pending())
    }
}

impl Psc {
    /// As the hospital has it in its configuration, to ask people in the e-CPS, and at their card.
    pub(super) fn with_application(&self) -> Upstream {
        let application = UpstreamApplication { name: "e-CPS".into(), mobile: true, card: true };
        Upstream { application: Some(application), ..self.settings() }
    }

    /// What waits there for the doctor.
    pub(super) async fn waiting(&self, channel: Channel) -> Vec<Approval> {
        let doctor = self.stand.person(DOCTOR).await;
        approval::waiting_for(&self.stand.db, doctor, channel, self.stand.clock.now()).await.unwrap()
    }

    /// The doctor answers the last question, on that channel.
    pub(super) async fn says(&self, channel: Channel, said: Said) {
        let question = self.waiting(channel).await.pop().expect("a question");
        self.answers_question(question.id, said).await;
    }

    pub(super) async fn answers_question(&self, id: ApprovalId, said: Said) {
        let (event, now) = (self.stand.event(Kind::SignIn), self.stand.clock.now());
        let doctor = self.stand.person(DOCTOR).await;
        assert!(approval::answer(&self.stand.db, id, doctor, &said, None, &event, now).await.unwrap());
    }

    /// What the e-CPS proves, or the card.
    pub(super) async fn yes(&self, auth_mode: AuthMode) -> Said {
        let (_, session) = self.stand.new_session(DOCTOR).await;
        Said::Approve(Authentication { acr: Acr::Eidas2, auth_mode, ..session.authentication })
    }

    pub(super) async fn approves(&self) {
        self.says(Channel::Phone, self.yes(AuthMode::Mobile).await).await;
    }

    /// How often it was asked at addresses with that end.
    pub(super) fn asked(&self, end: &str) -> usize {
        self.posted.lock().unwrap().iter().filter(|(posted, _)| posted == end).count()
    }

    /// It answers so from now on, at addresses with that end.
    pub(super) fn answers_instead(&self, end: &'static str, status: StatusCode, body: &str) {
        self.answers_instead_so_often(end, status, body, usize::MAX);
    }

    /// So many times, and then as ever.
    pub(super) fn answers_instead_so_often(
        &self,
        end: &'static str,
        status: StatusCode,
        body: &str,
        left: usize,
    ) {
        *self.instead.lock().unwrap() = Some(Instead { end, status, body: body.to_owned(), left });
    }

    pub(super) fn answers_again(&self) {
        *self.instead.lock().unwrap() = None;
    }

    /// Time passes here and there.
    pub(super) fn pass(&self, hospital: &Hospital, seconds: i64) {
        self.stand.advance(seconds);
        hospital.stand.advance(seconds);
    }
}

impl Hospital {
    /// What the page of a sign-in posts, from there.
    pub(super) async fn call(&self, step: &str, begun: &Begun, words: Value, from: &str) -> Answer {
        let words = match words {
            Value::Object(mut words) => {
                words.insert("txn".into(), begun.page.strip_prefix("/login/").unwrap().into());
                Value::Object(words)
            }
            words => words,
        };
        let headers = [
            ("cookie", begun.cookie.as_str()),
            ("accept-language", "fr"),
            ("origin", FRONT),
            ("x-from", from),
        ];
        self.stand.post(&format!("/login/application/{step}"), &words.to_string(), &headers).await
    }

    pub(super) async fn ask_from(&self, begun: &Begun, identifier: &str, channel: &str, from: &str) -> Value {
        let words = json!({ "provider": "psc", "identifier": identifier, "channel": channel });
        self.call("ask", begun, words, from).await.json()
    }

    /// Asks in the e-CPS, from inside.
    pub(super) async fn ask(&self, begun: &Begun, identifier: &str) -> Value {
        self.ask_from(begun, identifier, "mobile", "10.1.2.3").await
    }

    pub(super) async fn wait(&self, begun: &Begun, asked: &Value) -> Value {
        self.call("wait", begun, json!({ "question": asked["question"] }), "10.1.2.3").await.json()
    }

    pub(super) async fn finish(&self, begun: &Begun, asked: &Value) -> Answer {
        self.call("finish", begun, json!({ "question": asked["question"] }), "10.1.2.3").await
    }
}

pub(super) fn waiting() -> Value {
    json!({ "state": "waiting" })
}

fn approved() -> Value {
    json!({ "state": "approved" })
}

#[tokio::test]
async fn whoever_approves_in_their_e_cps_is_signed_in_with_the_level_that_psc_gave() {
    with_application(async |psc, hospital| {
        psc.posted.lock().unwrap().clear();
        let begun = hospital.begin(&[]).await;
        let tab = format!("{}?means=application-psc", begun.page);
        let page = hospital.get(&tab, &begun.cookie).await.body;
        assert!(page.contains("Application e-CPS") && page.contains("CPS‑Gestion"), "{page}");
        assert!(page.contains("Répondre avec e\u{2011}CPS"), "no button breaks at a hyphen: {page}");

        // The number that people know is enough.
        let asked = hospital.ask(&begun, &DOCTOR[1..]).await;
        let number = asked["number"].as_str().unwrap();
        assert!(number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit()), "{asked}");
        assert_eq!(asked["seconds"], 120);
        assert_eq!(psc.asked(BACKCHANNEL), 0, "nobody is asked before the page waits");

        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        let sent = psc.posted.lock().unwrap().last().unwrap().1.clone();
        let expected = format!(
            "scope=openid+scope_all&acr_values=eidas1&login_hint={DOCTOR}&binding_message={number}&channel=MOBILE"
        );
        assert_eq!(sent, expected, "what ANS's own code sends");
        let question = psc.waiting(Channel::Phone).await.pop().unwrap();
        assert_eq!(question.digits.as_deref(), Some(number), "typed there, and shown here");

        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        assert_eq!(psc.asked(TOKEN), 1);
        assert_eq!(hospital.finish(&begun, &asked).await.status, StatusCode::FORBIDDEN, "not yet");
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, approved());
        assert_eq!(hospital.wait(&begun, &asked).await, approved(), "a lost answer is told again");
        let finished = hospital.finish(&begun, &asked).await;
        assert_eq!(finished.json(), json!({ "state": "done" }));
        assert_eq!(hospital.finish(&begun, &asked).await.status, StatusCode::FORBIDDEN, "once");

        let got = hospital.tokens(&begun, &finished.cookie()).await;
        let claims = claims(&got["access_token"]);
        assert_eq!((&claims["preferred_username"], &claims["authMode"]), (&json!(DOCTOR), &json!("MOBILE")));
        let sid = claims["sid"].as_str().unwrap().parse().unwrap();
        let session = store::session::by_id(&hospital.stand.db, sid).await.unwrap().unwrap();
        let Evidence::Upstream { provider, subject, acr, .. } = &session.evidence else {
            panic!("{:?}", session.evidence)
        };
        assert!(provider == "psc" && subject.ends_with(DOCTOR), "{subject}");
        assert_eq!((acr.as_deref(), session.acr), (Some("eidas1"), Acr::Eidas1));
        assert_eq!(session.auth_mode, AuthMode::Mobile);
        assert!(!session.evidence.is_phishing_resistant());
        let links = hospital.links().await;
        assert!(links.iter().any(|(_, value)| value.contains(&hex::encode(subject))), "{links:?}");
        let events = hospital.stand.events().await;
        let of_it: Vec<_> = events.iter().filter(|event| !event.starts_with("client")).collect();
        let begins = of_it.iter().position(|event| *event == "backchannel.asked").unwrap();
        assert!(of_it[begins..].contains(&&"sign-in".to_owned()), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn the_card_reader_of_the_workstation_is_woken_where_the_hospital_says_so() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask_from(&begun, DOCTOR, "card", "10.1.2.3").await;
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        let (_, sent) = psc.posted.lock().unwrap().last().unwrap().clone();
        assert!(sent.ends_with("&channel=CARD"), "{sent}");
        psc.says(Channel::Card, psc.yes(AuthMode::Card).await).await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, approved());
        let finished = hospital.finish(&begun, &asked).await;
        let got = hospital.tokens(&begun, &finished.cookie()).await;
        assert_eq!(claims(&got["access_token"])["authMode"], "CARD");
    })
    .await;
    let mobile = UpstreamApplication { name: "e-CPS".into(), mobile: true, card: false };
    let only_mobile = |settings| Upstream { application: Some(mobile.clone()), ..settings };
    with_changed(only_mobile, async |_psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let page = hospital.get(&format!("{}?means=application-psc", begun.page), &begun.cookie).await.body;
        assert!(!page.contains("Gestion"), "{page}");
        assert_eq!(hospital.ask_from(&begun, DOCTOR, "card", "10.1.2.3").await["code"], "UPSTREAM-023");
    })
    .await;
    let off = |settings| Upstream { application: None, ..settings };
    with_changed(off, async |_psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let page = hospital.get(&begun.page, &begun.cookie).await.body;
        assert!(!page.contains("Application e-CPS"), "off unless it is said: {page}");
        assert_eq!(hospital.ask(&begun, DOCTOR).await["code"], "UPSTREAM-023");
    })
    .await;
}

#[tokio::test]
async fn whoever_says_no_or_types_another_number_is_told_so_and_may_ask_again() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        for said in [Said::Refuse, Said::Mistype] {
            let asked = hospital.ask(&begun, DOCTOR).await;
            hospital.wait(&begun, &asked).await;
            psc.says(Channel::Phone, said).await;
            psc.pass(&hospital, 2);
            let told = hospital.wait(&begun, &asked).await;
            assert_eq!((&told["state"], &told["code"]), (&json!("failed"), &json!("UPSTREAM-015")));
            assert_eq!(told["message"], "La demande a été refusée.");
            assert_eq!(hospital.finish(&begun, &asked).await.status, StatusCode::FORBIDDEN);
        }
        let events = hospital.stand.events().await;
        assert_eq!(events.iter().filter(|event| *event == "sign-in UPSTREAM-015").count(), 2, "{events:?}");
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, approved());
    })
    .await;
}

#[tokio::test]
async fn where_nobody_answers_the_page_says_so_and_where_nobody_waits_nobody_looks() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        let looked = psc.asked(TOKEN);
        // The page is closed; then opened again.
        psc.pass(&hospital, 60);
        assert_eq!(psc.asked(TOKEN), looked);
        assert_eq!(hospital.wait(&begun, &asked).await, waiting());
        psc.pass(&hospital, 60);
        for _ in 0..2 {
            assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-016");
        }
        let events = hospital.stand.events().await;
        assert_eq!(events.iter().filter(|event| *event == "sign-in UPSTREAM-016").count(), 1, "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn of_two_tabs_the_one_that_asked_last_goes_on() {
    with_application(async |psc, hospital| {
        let begun = hospital.begin(&[]).await;
        let first = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &first).await;
        let of_first = psc.waiting(Channel::Phone).await.pop().unwrap().id;
        psc.pass(&hospital, 1);
        let second = hospital.ask(&begun, DOCTOR).await;
        assert_eq!(hospital.wait(&begun, &first).await["code"], "UPSTREAM-021");
        hospital.wait(&begun, &second).await;
        // What is approved for the first is worth nothing.
        psc.answers_question(of_first, psc.yes(AuthMode::Mobile).await).await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &second).await, waiting());
        assert_eq!(hospital.finish(&begun, &first).await.json()["code"], "UPSTREAM-021");
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &second).await, approved());
        assert_eq!(hospital.finish(&begun, &second).await.json(), json!({ "state": "done" }));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_after_the_sign_in_has_ended_signs_nobody_in() {
    with_application(async |psc, hospital| {
        let there = psc.stand.sign_in().await;
        // Signed in by another means in the meantime.
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        assert!(hospital.is_in(&begun, &hospital.by(&psc, &begun, &there).await));
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await["code"], "UPSTREAM-003");
        assert_eq!(hospital.finish(&begun, &asked).await.json()["code"], "UPSTREAM-003");
        // Its ten minutes are over.
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, approved());
        psc.pass(&hospital, 600);
        let late = hospital.finish(&begun, &asked).await;
        assert_eq!(late.json()["code"], "UPSTREAM-003");
        assert!(late.headers.get(http::header::SET_COOKIE).is_none());
        // Approved, and fetched after two minutes.
        let begun = hospital.begin(&[]).await;
        let asked = hospital.ask(&begun, DOCTOR).await;
        hospital.wait(&begun, &asked).await;
        psc.approves().await;
        psc.pass(&hospital, 2);
        assert_eq!(hospital.wait(&begun, &asked).await, approved());
        psc.pass(&hospital, 121);
        assert_eq!(hospital.finish(&begun, &asked).await.json()["code"], "UPSTREAM-022");
    })
    .await;
}
