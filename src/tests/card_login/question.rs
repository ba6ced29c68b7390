//! Questions of other programs to whoever holds a card, through the real router on both databases: section 15 of the agent
//! protocol, attacks first.

use std::time::Duration;

use serde_json::{Value, json};

use super::presence::{Post, fingerprint, post, verified};
use super::*;
use crate::card::protocol::{
    Accepts, CHANNEL_PATH, CardRequest, Challenge, ChannelAnswer, ChannelReport, NoticeCode, QUESTION_PATH,
    QUESTION_REPLY_PATH, QuestionReply, Said, TYP_CHANNEL_REPORT, TYP_QUESTION_REPLY,
};
use crate::card::question::CardAsks;
use crate::ids::ApprovalId;
use crate::session::asking::{Asks as _, Channel, Context, Workstations};
use crate::session::{Acr, Amr, AuthMode, Evidence, Level};
use crate::store::approval::{self, Approval, LIFETIME, State, Way};
use crate::store::card_question;
use crate::store::means::{self, Halt, Halting};

async fn on_both(test: impl AsyncFn(Scene)) {
    test(Scene::new(None).await).await;
    let postgres = Db::open(&testing::fresh_postgres().await).await.unwrap();
    test(Scene::new(Some(postgres)).await).await;
}

/// A doctor and a nurse of this hospital, a service that may ask in the zone of the workstations, and one workstation.
struct Scene {
    hospital: Hospital,
    asks: CardAsks,
    post: Post,
    doctor: PersonId,
    nurse: PersonId,
}

impl Scene {
    async fn new(db: Option<Db>) -> Self {
        let hospital = Hospital::on(db, |_| {}).await;
        let id = &card("good").profile.id_nat;
        let doctor = store::person::by_identifier(&hospital.db, id).await.unwrap().unwrap().id;
        let nurse = hospital.admit("nurse").await;
        let asks = CardAsks::new(Arc::clone(&hospital.login));
        let mut post = Post::silent(&hospital).await;
        post.accepts = Accepts::ALL;
        post.connect(&hospital).await;
        let scene = Self { hospital, asks, post, doctor, nurse };
        scene.link(&["bureaux"]).await;
        for (name, person) in [("good", doctor), ("nurse", nurse)] {
            scene.known(name, person).await;
        }
        scene
    }

    async fn link(&self, places: &[&str]) {
        let event = NewRow::from(&self.hospital.trail.event(Kind::ClientChanged));
        let places: Vec<_> = places.iter().map(|place| (*place).to_owned()).collect();
        let (db, now) = (&self.hospital.db, self.hospital.clock.now());
        let workstations = Workstations::named(&places);
        assert!(card_question::set_workstations(db, CLIENT, &workstations, now, &event).await.unwrap());
        self.hear().await;
    }

    /// The card called `name` was seen here before.
    async fn known(&self, name: &str, person: PersonId) {
        let certificate = hex::encode(fingerprint(name));
        card_question::note(&self.hospital.db, &certificate, person, self.hospital.clock.now())
            .await
            .unwrap();
    }

    /// What this node believes of questions is read anew.
    async fn hear(&self) {
        let id = ApprovalId::new(self.hospital.clock.now(), &SystemRandom);
        self.asks.wake(id, self.doctor).await;
    }

    /// A program asks for somebody, and shows 07.
    async fn ask(&self, person: PersonId) -> ApprovalId {
        let now = self.hospital.clock.now();
        let id = ApprovalId::new(now, &SystemRandom);
        let context = Context {
            application: "Logiciel de cabinet".into(),
            is_inside: true,
            is_program: true,
            browser: String::new(),
            is_new_browser: false,
            digits: 2,
        };
        let new = Approval {
            id,
            way: Way::Ciba,
            channel: Channel::Card,
            person_id: Some(person),
            client_id: CLIENT.into(),
            transaction_id: None,
            browser: None,
            source: None,
            is_known: false,
            context,
            digits: Some("07".into()),
            state: State::Waiting,
            authentication: None,
            created_at: now,
            expires_at: now + LIFETIME,
        };
        approval::ask(&self.hospital.db, &new).await.unwrap();
        self.asks.wake(id, person).await;
        id
    }

    async fn state(&self, id: ApprovalId) -> State {
        approval::by_id(&self.hospital.db, id).await.unwrap().unwrap().state
    }

    /// What the workstation is told when it reports these cards.
    async fn report(&mut self, cards: &[&str]) -> ChannelAnswer {
        self.report_with(cards, |_| {}).await
    }

    async fn report_with(
        &mut self,
        cards: &[&str],
        change: impl FnOnce(&mut ChannelReport),
    ) -> ChannelAnswer {
        self.hospital.reported(&mut self.post, cards, change).await
    }

    /// The question as it reaches the workstation.
    async fn sent(&mut self) -> String {
        self.report(&["good"]).await.request.expect("a question")
    }

    async fn number(&self, request: &str, digits: &str) -> Result<(), String> {
        self.hospital.replied(&self.post, request, Said::Number(digits.into())).await
    }

    fn forged(&self, request: &str, name: &str, change: impl FnOnce(&mut CardAnswer)) -> String {
        self.post.workstation.forge_for(Purpose::Ciba, request, name, change)
    }

    async fn answer(&self, answer: &str) -> Result<(), String> {
        self.hospital.say_to(QUESTION_PATH, json!({ "answer": answer })).await
    }

    /// What the audit says of answers: outcome and code.
    async fn recorded(&self) -> Vec<(String, String)> {
        let filter = Filter { kind: Some(Kind::Approval.name().into()), limit: 100, ..Filter::default() };
        let rows = store::audit::list(&self.hospital.db, &filter).await.unwrap();
        rows.into_iter().map(|row| (row.outcome, row.code.unwrap_or_default())).collect()
    }
}

impl Hospital {
    async fn reported(
        &self,
        of: &mut Post,
        cards: &[&str],
        change: impl FnOnce(&mut ChannelReport),
    ) -> ChannelAnswer {
        let mut report = of.next(self, cards);
        change(&mut report);
        of.number = report.number;
        let answer = post(self, CHANNEL_PATH, &of.signed(TYP_CHANNEL_REPORT, &report.to_payload())).await;
        verified(self, &answer).await
    }

    async fn replied(&self, of: &Post, request: &str, said: Said) -> Result<(), String> {
        let jws = of.signed(TYP_QUESTION_REPLY, &self.reply(of, request, said).to_payload());
        self.say_to(QUESTION_REPLY_PATH, json!({ "jws": jws })).await
    }

    fn reply(&self, of: &Post, request: &str, said: Said) -> QuestionReply {
        QuestionReply {
            audience: self.front.clone(),
            workstation: of.id(),
            challenge: claims(request).challenge,
            said,
            agent_version: AgentVersion::this(),
            issued_at: self.clock.now(),
        }
    }

    async fn say_to(&self, path: &str, body: Value) -> Result<(), String> {
        let mut call = Call::post(path, &self.address.to_string(), "", &[]).without("origin");
        call = call.instead("content-type", "application/json");
        call.body = body.to_string().into_bytes();
        let said = call.send(self.address).await;
        if said.status == 204 {
            return Ok(());
        }
        let body: Value = serde_json::from_str(&said.body).unwrap_or_else(|_| panic!("{said:?}"));
        Err(body["code"].as_str().unwrap().to_owned())
    }
}

fn claims(request: &str) -> CardRequest {
    CardRequest::from_payload(&jose::unverified_payload(request).unwrap()).unwrap()
}

fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
}

#[tokio::test]
async fn the_holder_of_the_card_types_the_number_and_the_pin_and_the_program_has_its_answer() {
    on_both(async |mut scene| {
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        let read = claims(&request);
        assert_eq!((read.purpose, read.workstation), (Purpose::Ciba, Some(scene.post.id())));
        let question = read.question.unwrap();
        assert_eq!((question.card, question.digits), (fingerprint("good"), 2));
        assert_eq!(read.rp_name, "Logiciel de cabinet");
        assert_eq!(scene.number(&request, "07").await, Ok(()));
        assert_eq!(scene.state(id).await, State::Waiting, "a number is no answer");
        let answered = scene.asks.answered(id);
        assert_eq!(scene.answer(&scene.forged(&request, "good", |_| {})).await, Ok(()));
        answered.await;
        let row = approval::by_id(&scene.hospital.db, id).await.unwrap().unwrap();
        let proved = row.authentication.unwrap();
        assert_eq!((row.state, proved.person, proved.acr), (State::Approved, scene.doctor, Acr::Eidas1));
        assert_eq!(proved.auth_mode, AuthMode::Card);
        assert_eq!(proved.amr, [Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa]);
        assert!(!Level::Phr.is_proved_by(&proved) && !Level::Phrh.is_proved_by(&proved));
        assert!(!Level::Eidas2.is_proved_by(&proved));
        let Evidence::CardAsked { card } = &proved.evidence else { panic!("{proved:?}") };
        assert!(matches!(&**card, Evidence::Card { pin, .. } if pin == "window"));
        assert_eq!(scene.recorded().await, [("success".to_owned(), String::new())]);
        assert_eq!(scene.report(&["good"]).await.request, None, "there is nothing more to ask");
        assert_eq!(
            scene.answer(&scene.forged(&request, "good", |_| {})).await,
            refused("CARD-062"),
            "replayed"
        );
    })
    .await;
}

#[tokio::test]
async fn a_question_is_sent_once_heard_and_one_after_the_other() {
    on_both(async |mut scene| {
        let first = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        assert_eq!(scene.sent().await, request, "until the agent says that it has it");
        let heard = Some(claims(&request).challenge);
        scene.hospital.clock.advance(TimeDelta::seconds(1));
        scene.ask(scene.doctor).await;
        assert_eq!(scene.report_with(&["good"], |report| report.question = heard).await.request, None);
        scene.hospital.replied(&scene.post, &request, Said::No(no("AGENT-026"))).await.unwrap();
        assert_eq!(scene.state(first).await, State::Refused);
        let next = scene.report_with(&["good"], |report| report.question = heard).await.request;
        assert!(next.is_some_and(|next| next != request));
    })
    .await;
}

fn no(code: &str) -> NoticeCode {
    NoticeCode::parse(code).unwrap()
}

#[tokio::test]
async fn a_question_that_comes_while_an_answer_is_held_back_goes_out_at_once() {
    on_both(async |mut scene| {
        scene.report(&["good"]).await;
        let mut report = scene.post.next(&scene.hospital, &["good"]);
        report.wait = Duration::from_secs(20);
        let jws = scene.post.signed(TYP_CHANNEL_REPORT, &report.to_payload());
        let begun = std::time::Instant::now();
        let held = post(&scene.hospital, CHANNEL_PATH, &jws);
        let asked = async {
            // The report has arrived by then, or finds the question waiting.
            while number_of(&scene).await < i64::from(report.number) {
                tokio::task::yield_now().await;
            }
            scene.ask(scene.doctor).await
        };
        let (answer, _) = tokio::join!(held, asked);
        assert!(verified(&scene.hospital, &answer).await.request.is_some());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    })
    .await;
}

async fn number_of(scene: &Scene) -> i64 {
    store::channel::of(&scene.hospital.db, scene.post.id()).await.unwrap()[0].number
}

/// A workstation learns that somebody is asked only if it is that person's card that it has reported.
#[tokio::test]
async fn workstations_that_are_not_linked_or_hold_another_card_are_told_nothing() {
    on_both(async |mut scene| {
        scene.ask(scene.doctor).await;
        for cards in [&[][..], &["nurse"]] {
            let told = scene.report(cards).await;
            assert_eq!((told.request, told.whose), (None, None), "{cards:?}");
        }
        for (places, is_asked) in [
            (&[][..], false),
            (&["bloc"], false),
            (&["Bureaux"], false),
            (&["192.0.2.0/24"], false),
            (&["127.0.0.0/8"], true),
            (&["bloc", "bureaux"], true),
        ] {
            scene.link(places).await;
            assert_eq!(scene.report(&["good"]).await.request.is_some(), is_asked, "{places:?}");
        }
    })
    .await;
}

/// Whose a card is that never signed in here: the workstation is asked for its certificate, and told nothing of who is asked.
#[tokio::test]
async fn a_card_that_nobody_has_seen_here_is_asked_about_once_and_only_while_somebody_is_asked() {
    on_both(async |mut scene| {
        let later = scene.hospital.clock.now() + TimeDelta::seconds(1);
        assert_eq!(card_question::forget_unseen(&scene.hospital.db, later).await.unwrap(), 2);
        let told = scene.report(&["good"]).await;
        assert_eq!((told.request, told.whose), (None, None), "nobody is asked");
        scene.ask(scene.doctor).await;
        for name in ["nurse", "good"] {
            let whose = scene.report(&["nurse", "good"]).await.whose;
            assert_eq!(whose, Some(fingerprint(name)), "one card hides no other");
        }
        assert_eq!(scene.report(&["nurse", "good"]).await.whose, None, "not without end");
        // A certificate that is not that of a reported card teaches nothing, and what is no card of ours neither.
        let taught = async |scene: &mut Scene, certificate: Vec<u8>| {
            scene.report_with(&["good"], |report| report.certificate = Some(certificate)).await.request
        };
        assert_eq!(taught(&mut scene, authentication("nurse")).await, None);
        assert_eq!(taught(&mut scene, b"no certificate".to_vec()).await, None);
        assert!(taught(&mut scene, authentication("good")).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn attack_another_number_ends_the_question() {
    on_both(async |mut scene| {
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        assert_eq!(scene.number(&request, "70").await, refused("CARD-065"));
        assert_eq!(scene.state(id).await, State::Mistyped);
        assert_eq!(scene.number(&request, "07").await, refused("CARD-062"), "there is one try");
        assert_eq!(scene.answer(&scene.forged(&request, "good", |_| {})).await, refused("CARD-062"));
        assert!(scene.recorded().await.contains(&("denied".to_owned(), "CARD-065".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn attack_the_pin_before_the_number() {
    on_both(async |mut scene| {
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        assert_eq!(scene.answer(&scene.forged(&request, "good", |_| {})).await, refused("CARD-066"));
        assert_eq!(scene.state(id).await, State::Refused);
    })
    .await;
}

#[tokio::test]
async fn attack_another_workstation_speaks_for_the_one_that_was_asked() {
    on_both(async |mut scene| {
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        let elsewhere = Post::silent(&scene.hospital).await;
        let said = scene.hospital.replied(&elsewhere, &request, Said::Number("07".into())).await;
        assert_eq!(said, refused("CARD-063"));
        let said = scene.hospital.replied(&elsewhere, &request, Said::No(no("AGENT-026"))).await;
        assert_eq!(said, refused("CARD-063"));
        scene.number(&request, "07").await.unwrap();
        let answer = elsewhere.workstation.forge_for(Purpose::Ciba, &request, "good", |_| {});
        assert_eq!(scene.answer(&answer).await, refused("CARD-063"));
        // Who merely names it is not believed.
        let named = elsewhere.workstation.forge_for(Purpose::Ciba, &request, "good", |answer| {
            answer.workstation = scene.post.id();
        });
        assert_eq!(scene.answer(&named).await, refused("CARD-013"));
        let reply = scene.hospital.reply(&scene.post, &request, Said::No(no("AGENT-026")));
        let jws = elsewhere.signed(TYP_QUESTION_REPLY, &reply.to_payload());
        let said = scene.hospital.say_to(QUESTION_REPLY_PATH, json!({ "jws": jws })).await;
        assert_eq!(said, refused("CARD-013"));
        assert_eq!(scene.state(id).await, State::Waiting, "no stranger ends it");
        assert_eq!(scene.answer(&scene.forged(&request, "good", |_| {})).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn attack_a_proof_for_another_purpose_or_request_and_a_card_without_its_pin() {
    on_both(async |mut scene| {
        for (answer, code) in [
            (Forged::Browser, "CERT-017"),
            (Forged::WithoutPin, "CARD-015"),
            (Forged::Contactless, "CARD-015"),
            (Forged::Altered, "CARD-009"),
            (Forged::ForAnother, "CARD-016"),
        ] {
            let id = scene.ask(scene.doctor).await;
            let request = scene.sent().await;
            scene.number(&request, "07").await.unwrap();
            let forged = match answer {
                Forged::Browser => scene.post.workstation.forge(&request, "good", |_| {}),
                Forged::WithoutPin => scene.forged(&request, "good", |answer| answer.pin = PinEntry::None),
                Forged::Contactless => {
                    scene.forged(&request, "good", |answer| answer.interface = Interface::Contactless)
                }
                Forged::Altered => {
                    // The same claims, by another key.
                    let key = SigningKey::generate(crate::crypto::keys::Algorithm::Es256).unwrap();
                    let typ = crate::card::protocol::TYP_CARD_REQUEST;
                    let again = jose::sign(&key, typ, &claims(&request).to_payload()).unwrap();
                    scene.forged(&again, "good", |_| {})
                }
                Forged::ForAnother => scene.forged(&request, "good", |answer| {
                    answer.audience = WebOrigin::parse("https://sceau.clinique.example").unwrap();
                }),
            };
            assert_eq!(scene.answer(&forged).await, refused(code));
            assert_eq!(scene.state(id).await, State::Refused, "{code}: there is one try");
        }
    })
    .await;
}

enum Forged {
    Browser,
    WithoutPin,
    Contactless,
    Altered,
    ForAnother,
}

#[tokio::test]
async fn attack_another_card_and_another_persons_card() {
    on_both(async |mut scene| {
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        scene.number(&request, "07").await.unwrap();
        assert_eq!(scene.answer(&scene.forged(&request, "nurse", |_| {})).await, refused("CARD-068"));
        assert_eq!(scene.state(id).await, State::Refused);
        // What is kept of whose a card is does not decide: its certificate does.
        scene.known("nurse", scene.doctor).await;
        let id = scene.ask(scene.doctor).await;
        let request = scene.report(&["nurse"]).await.request.expect("a question");
        scene.number(&request, "07").await.unwrap();
        assert_eq!(scene.answer(&scene.forged(&request, "nurse", |_| {})).await, refused("CARD-067"));
        assert_eq!(scene.state(id).await, State::Refused);
        assert_ne!(scene.nurse, scene.doctor);
    })
    .await;
}

#[tokio::test]
async fn attack_after_two_minutes() {
    on_both(async |mut scene| {
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        scene.number(&request, "07").await.unwrap();
        let answer = scene.forged(&request, "good", |_| {});
        scene.hospital.clock.advance(LIFETIME);
        assert_eq!(scene.answer(&answer).await, refused("CARD-062"));
        assert_eq!(scene.number(&request, "07").await, refused("CARD-062"));
        assert_eq!(scene.state(id).await, State::Waiting, "its client is told that it expired");
        scene.hear().await;
        assert_eq!(scene.report(&["good"]).await.request, None);
    })
    .await;
}

#[tokio::test]
async fn attack_a_reply_that_was_kept_or_is_for_another_server() {
    on_both(async |mut scene| {
        scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        let reply = scene.hospital.reply(&scene.post, &request, Said::Number("07".into()));
        let old =
            QuestionReply { issued_at: scene.hospital.clock.now() - TimeDelta::minutes(11), ..reply.clone() };
        let audience = WebOrigin::parse("https://sceau.clinique.example").unwrap();
        let other = QuestionReply { audience, ..reply.clone() };
        let nobodys = QuestionReply { challenge: Challenge::new(&SystemRandom), ..reply.clone() };
        for (reply, code) in [(old, "CARD-033"), (other, "CARD-016"), (nobodys, "CARD-004")] {
            let jws = scene.post.signed(TYP_QUESTION_REPLY, &reply.to_payload());
            assert_eq!(
                scene.hospital.say_to(QUESTION_REPLY_PATH, json!({ "jws": jws })).await,
                refused(code)
            );
        }
        // Another message of the same key is none.
        let jws = scene.post.signed(TYP_CHANNEL_REPORT, &reply.to_payload());
        assert_eq!(
            scene.hospital.say_to(QUESTION_REPLY_PATH, json!({ "jws": jws })).await,
            refused("CARD-013")
        );
        assert_eq!(scene.hospital.say_to(QUESTION_REPLY_PATH, json!({})).await, refused("CARD-002"));
        assert_eq!(scene.hospital.say_to(QUESTION_PATH, json!({ "answer": "x" })).await, refused("CARD-002"));
        assert_eq!(scene.number(&request, "07").await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn what_changed_since_the_question_counts() {
    on_both(async |mut scene| {
        let now = scene.hospital.clock.now();
        for change in ["link", "card", "client"] {
            let id = scene.ask(scene.doctor).await;
            let request = scene.sent().await;
            scene.number(&request, "07").await.unwrap();
            let code = match change {
                "link" => {
                    scene.link(&["bloc"]).await;
                    "CARD-064"
                }
                "card" => {
                    scene.link(&["bureaux"]).await;
                    scene.suspend_card().await;
                    "CARD-061"
                }
                _ => {
                    let event = NewRow::from(&scene.hospital.trail.event(Kind::ClientDisabled));
                    store::client::standing::disable(&scene.hospital.db, CLIENT, now, &event).await.unwrap();
                    "CARD-062"
                }
            };
            assert_eq!(
                scene.answer(&scene.forged(&request, "good", |_| {})).await,
                refused(code),
                "{change}"
            );
            let ended = if change == "client" { State::Withdrawn } else { State::Refused };
            assert_eq!(scene.state(id).await, ended, "{change}");
            if change == "link" {
                scene.link(&["bureaux"]).await;
            }
        }
        assert_eq!(scene.report(&["good"]).await.request, None, "a service that is disabled asks nobody");
    })
    .await;
}

impl Scene {
    /// Whoever lost the card said so at the desk, after it had signed in once.
    async fn suspend_card(&self) {
        let mut browser = Browser::default();
        let (_, request) = self.hospital.begin(&mut browser).await;
        let signed_in =
            browser.finish(&self.hospital, &self.post.workstation.forge(&request, "good", |_| {})).await;
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
        let cards = means::of_person(&self.hospital.db, self.doctor).await.unwrap();
        let event = NewRow::from(&self.hospital.trail.event(Kind::MeansRevoked));
        let ended = |_| NewRow::from(&self.hospital.trail.event(Kind::SessionEnded));
        let halting =
            Halting { id: cards[0].id, halt: Halt::Suspend, reason: "lost", event: &event, ended: &ended };
        let now = self.hospital.clock.now();
        assert!(means::halt(&self.hospital.db, &halting, now, &SystemRandom).await.unwrap());
    }
}

#[tokio::test]
async fn an_agent_that_knows_no_questions_gets_none_and_the_audit_says_so_once() {
    on_both(async |mut scene| {
        scene.post.accepts = Accepts { badge: true, question: false };
        scene.post.connect(&scene.hospital).await;
        scene.ask(scene.doctor).await;
        for _ in 0..3 {
            let told = scene.report(&["good"]).await;
            assert_eq!((told.request, told.whose), (None, None));
        }
        assert_eq!(scene.recorded().await, [("failure".to_owned(), "CARD-069".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn of_two_workstations_the_first_answer_counts() {
    on_both(async |mut scene| {
        let mut elsewhere = Post::silent(&scene.hospital).await;
        elsewhere.accepts = Accepts::ALL;
        elsewhere.connect(&scene.hospital).await;
        let id = scene.ask(scene.doctor).await;
        let here = scene.sent().await;
        let there = scene.hospital.reported(&mut elsewhere, &["good"], |_| {}).await.request.unwrap();
        assert_ne!(claims(&here).challenge, claims(&there).challenge);
        scene.number(&here, "07").await.unwrap();
        scene.hospital.replied(&elsewhere, &there, Said::Number("07".into())).await.unwrap();
        let first = elsewhere.workstation.forge_for(Purpose::Ciba, &there, "good", |_| {});
        assert_eq!(scene.answer(&first).await, Ok(()));
        assert_eq!(scene.answer(&scene.forged(&here, "good", |_| {})).await, refused("CARD-062"));
        assert_eq!(scene.state(id).await, State::Approved, "and what was said later changes nothing");
    })
    .await;
}

#[tokio::test]
async fn what_ends_at_the_workstation_is_told_with_its_code() {
    on_both(async |mut scene| {
        for (code, outcome) in [("AGENT-026", "denied"), ("READER-006", "failure"), ("AGENT-024", "failure")]
        {
            let id = scene.ask(scene.doctor).await;
            let request = scene.sent().await;
            scene.hospital.replied(&scene.post, &request, Said::No(no(code))).await.unwrap();
            assert_eq!(scene.state(id).await, State::Refused);
            assert!(scene.recorded().await.contains(&(outcome.to_owned(), code.to_owned())), "{code}");
        }
        // What happens while the question goes on is a notice, and belongs to it.
        let id = scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        let notice = AgentNotice {
            audience: scene.hospital.front.clone(),
            workstation: scene.post.id(),
            code: no("READER-009"),
            request: Some(claims(&request).challenge),
            count: 1,
            agent_version: AgentVersion::this(),
            issued_at: scene.hospital.clock.now(),
        };
        let jws = scene.post.signed(TYP_AGENT_NOTICE, &notice.to_payload());
        let said = post(&scene.hospital, NOTICE_PATH, &jws).await;
        assert!(said.status < 300, "{said:?}");
        assert!(scene.recorded().await.contains(&("failure".to_owned(), "READER-009".to_owned())));
        assert_eq!(scene.state(id).await, State::Waiting);
    })
    .await;
}

/// No browser gets a session by it, and no answer of a browser's request is one here.
#[tokio::test]
async fn a_question_and_a_sign_in_are_never_the_same() {
    on_both(async |mut scene| {
        scene.ask(scene.doctor).await;
        let request = scene.sent().await;
        scene.number(&request, "07").await.unwrap();
        let mut browser = Browser::default();
        let (_, of_page) = scene.hospital.begin(&mut browser).await;
        let done = browser.finish(&scene.hospital, &scene.forged(&request, "good", |_| {})).await;
        assert!(browser.session().is_none(), "{done:?}");
        assert!(done.body.contains("CARD-004"), "no sign-in of a page waits for it: {done:?}");
        assert_eq!(
            scene.answer(&scene.post.workstation.forge(&of_page, "good", |_| {})).await,
            refused("CARD-008")
        );
    })
    .await;
}
