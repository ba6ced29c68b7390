//! Questions of other programs: which of them ask a person anything, in what order, and what ends them.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::agent::presence::{Present, PresentCard};
use crate::agent::question::{Questions, Surroundings};
use crate::card::protocol::{NOTICE_PATH, Purpose, QUESTION_PATH, QUESTION_REPLY_PATH};
use crate::crypto::digest::sha256;

/// A window that answers each question with the next of these commands of a shell; `sleep` is somebody who does nothing.
fn window(dir: &tempfile::TempDir, answers: &[&str]) -> PinWindow {
    let turns: String =
        answers.iter().enumerate().map(|(turn, answer)| format!("{turn}) {answer};; ")).collect();
    let count = dir.path().join("count");
    let script = format!(
        "echo OK\nwhile IFS= read -r line; do echo \"$line\" >> '{log}'; case \"$line\" in GETPIN|CONFIRM) \
         n=$(cat '{count}' 2>/dev/null || echo 0); echo $((n + 1)) > '{count}'; case $n in {turns} esac;; *) echo OK;; \
         esac; done",
        log = dir.path().join("log").display(),
        count = count.display(),
    );
    let path = dir.path().join("window");
    std::fs::write(&path, script).unwrap();
    PinWindow {
        program: "/bin/sh".into(),
        arguments: vec![path.display().to_string()],
        tty: None,
        tty_type: None,
        reaction: Duration::ZERO,
        locale: "fr_FR.UTF-8".into(),
    }
}

const NUMBER: &str = "printf 'D 07\\nOK\\n'";
const PIN: &str = "printf 'D 1234\\nOK\\n'";
const OTHER_PIN: &str = "printf 'D 0000\\nOK\\n'";
const NO: &str = "echo 'ERR 83886179 cancelled'";
const YES: &str = "echo OK";
const NOTHING: &str = "sleep 600";

/// What the agent says to its server, which takes the number 07 alone.
struct Scene {
    desk: Desk,
    enrolment: Enrolment,
    questions: Questions,
    at_the_card: Arc<tokio::sync::Mutex<()>>,
    reader: watch::Sender<Present>,
    /// Path and claims of each message.
    said: mpsc::UnboundedReceiver<(&'static str, Value)>,
    dir: tempfile::TempDir,
}

type Said = mpsc::UnboundedSender<(&'static str, Value)>;

async fn take(said: Said, path: &'static str, body: Value) -> Response {
    let jws = body["jws"].as_str().or(body["answer"].as_str()).unwrap();
    let claims = Value::Object(jose::unverified_claims(jws).unwrap());
    let wrong = claims["digits"].as_str().is_some_and(|digits| digits != "07");
    said.send((path, claims)).unwrap();
    if wrong {
        let refused = json!({ "code": "CARD-065", "message": "another number" });
        return (http::StatusCode::FORBIDDEN, Json(refused)).into_response();
    }
    http::StatusCode::NO_CONTENT.into_response()
}

fn present() -> Present {
    Some(vec![PresentCard { certificate: sha256(b"certificate"), insertion: 1 }])
}

impl Scene {
    async fn with(answers: &[&str]) -> Self {
        let desk = Desk::with(PinSetting::Window).await;
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = WebOrigin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (sender, said) = mpsc::unbounded_channel();
        let mut router = Router::new();
        for path in [QUESTION_REPLY_PATH, QUESTION_PATH, NOTICE_PATH] {
            let answer = move |State(said): State<Said>, Json(body): Json<Value>| take(said, path, body);
            router = router.route(path, post(answer));
        }
        let router = router.with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let enrolled = EnrolmentStore::open(&desk.state_dir()).unwrap().read().unwrap().remove(0);
        let keys = RequestKeys { issuer: origin.clone(), ..enrolled.keys.clone() };
        let enrolment = Enrolment { origin, keys, ..enrolled };
        let dir = tempfile::tempdir().unwrap();
        let (reader, there) = watch::channel(present());
        let at_the_card = Arc::default();
        let questions = Questions::new(Surroundings {
            cards: desk.card.clone(),
            window: window(&dir, answers),
            clock: Arc::new(desk.clock.clone()),
            present: there,
            at_the_card: Arc::clone(&at_the_card),
        });
        Self { desk, enrolment, questions, at_the_card, reader, said, dir }
    }

    fn claims(&self) -> Value {
        let mut claims = self.desk.claims();
        claims["iss"] = json!(self.enrolment.origin);
        claims["purpose"] = "ciba".into();
        claims["workstation"] = json!(self.desk.workstation);
        claims["card"] = jose::base64url::encode(sha256(b"certificate")).into();
        claims["digits"] = 2.into();
        claims
    }

    fn ask(&mut self) {
        let request = self.desk.sign(&self.claims());
        self.questions.take(request, &self.enrolment).unwrap();
    }

    async fn next(&mut self) -> (&'static str, Value) {
        tokio::time::timeout(Duration::from_secs(10), self.said.recv()).await.unwrap().unwrap()
    }

    /// The code of the next reply, which is a no.
    async fn no(&mut self) -> String {
        let (path, claims) = self.next().await;
        assert_eq!(path, QUESTION_REPLY_PATH, "{claims}");
        claims["code"].as_str().unwrap_or_else(|| panic!("{claims}")).to_owned()
    }

    async fn number(&mut self) {
        let (path, claims) = self.next().await;
        assert_eq!((path, &claims["digits"]), (QUESTION_REPLY_PATH, &json!("07")));
    }

    fn shown(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn verified(&self) -> u32 {
        self.desk.card.verified.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_question_counts_only_from_the_server_and_for_this_workstation() {
    let mut scene = Scene::with(&[NOTHING]).await;
    let with = |member: &str, value: Value| {
        let mut claims = scene.claims();
        claims[member] = value;
        scene.desk.sign(&claims)
    };
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let late = (scene.desk.clock.now() - TimeDelta::minutes(11)).timestamp();
    let mut old = scene.claims();
    (old["iat"], old["exp"]) = (late.into(), (late + 60).into());
    let mut badge = scene.claims();
    badge["purpose"] = "badge".into();
    for member in ["card", "digits"] {
        badge.as_object_mut().unwrap().remove(member);
    }
    let refused = [
        (with("workstation", json!(WorkstationId(uuid::Uuid::nil()))), "AGENT-059"),
        (with("iss", json!("https://other.example")), "AGENT-013"),
        (with("digits", json!(9)), "AGENT-012"),
        (scene.desk.sign(&badge), "AGENT-014"),
        (jose::sign(&stranger, TYP_CARD_REQUEST, &scene.claims()).unwrap(), "AGENT-010"),
        (scene.desk.sign(&old), "AGENT-015"),
    ];
    for (request, code) in refused {
        let refused = scene.questions.take(request, &scene.enrolment).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    assert_eq!(scene.questions.heard(), None);
    assert_eq!(scene.shown(), "", "nobody was asked anything");
}

#[tokio::test]
async fn the_number_is_typed_and_taken_before_the_pin() {
    let mut scene = Scene::with(&[NUMBER, PIN]).await;
    scene.ask();
    scene.number().await;
    let (path, answer) = scene.next().await;
    assert_eq!(path, QUESTION_PATH);
    assert_eq!((&answer["pin"], &answer["interface"]), (&json!("window"), &json!("contact")));
    let signature = jose::base64url::decode(answer["card_signature"].as_str().unwrap()).unwrap();
    let request = answer["request"].as_str().unwrap();
    let proof = Proof::new(Purpose::Ciba, scene.enrolment.origin.as_str(), request, b"certificate");
    assert_eq!(signature, [b"signature of ".as_slice(), proof.as_bytes()].concat());
    assert_eq!(scene.verified(), 1);
    let shown = scene.shown();
    for said in ["Dossier patient", "CHU d’Essai", "autre logiciel", "2 chiffres", "Numéro affiché"] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
}

#[tokio::test]
async fn what_is_no_number_is_asked_for_again_and_another_number_is_the_end() {
    let mut scene =
        Scene::with(&["printf 'D 7\\nOK\\n'", "printf 'D 0x\\nOK\\n'", "printf 'D 70\\nOK\\n'", PIN]).await;
    scene.ask();
    let (_, claims) = scene.next().await;
    assert_eq!(claims["digits"], json!("70"), "the first that has the right form");
    assert!(scene.shown().contains("SETERROR Ce n’est pas un numéro"), "{}", scene.shown());
    // It says why, and asks for no PIN.
    until(|| scene.shown().contains("CARD-065")).await;
    assert_eq!(scene.verified(), 0);
    assert_eq!(scene.shown().matches("GETPIN").count(), 3);
}

async fn until(is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}

#[tokio::test]
async fn whoever_refuses_is_asked_for_no_pin() {
    let mut scene = Scene::with(&[NO]).await;
    scene.ask();
    assert_eq!(scene.no().await, "AGENT-026");
    let mut scene = Scene::with(&[NUMBER, NO]).await;
    scene.ask();
    scene.number().await;
    assert_eq!((scene.no().await.as_str(), scene.verified()), ("AGENT-026", 0));
}

#[tokio::test]
async fn a_card_that_is_pulled_ends_it_at_once_and_closes_the_window() {
    for answers in [&[NOTHING][..], &[NUMBER, NOTHING]] {
        let mut scene = Scene::with(answers).await;
        scene.ask();
        if answers.len() > 1 {
            scene.number().await;
        }
        until(|| scene.shown().matches("GETPIN").count() == answers.len()).await;
        scene.reader.send(Some(Vec::new())).unwrap();
        assert_eq!((scene.no().await.as_str(), scene.verified()), ("READER-006", 0));
    }
}

#[tokio::test]
async fn a_question_that_nobody_minds_keeps_nobody_from_signing_in() {
    let mut scene = Scene::with(&[NOTHING]).await;
    scene.ask();
    until(|| scene.shown().contains("GETPIN")).await;
    assert!(scene.at_the_card.try_lock().is_ok(), "the card is free while a number is waited for");
    // Another one takes its place.
    let before = scene.questions.heard();
    scene.ask();
    assert_ne!(scene.questions.heard(), before);
}

#[tokio::test]
async fn each_try_of_the_pin_is_typed_anew_and_the_last_needs_a_yes() {
    let mut scene = Scene::with(&[NUMBER, OTHER_PIN, OTHER_PIN, YES, PIN]).await;
    scene.ask();
    scene.number().await;
    for _ in 0..2 {
        let (path, notice) = scene.next().await;
        assert_eq!((path, &notice["code"]), (NOTICE_PATH, &json!("READER-009")));
    }
    assert_eq!(scene.next().await.0, QUESTION_PATH);
    assert_eq!((scene.verified(), scene.shown().matches("CONFIRM").count()), (3, 1));

    let mut scene = Scene::with(&[NUMBER, NO]).await;
    scene.desk.card.state.lock().unwrap().tries = Some(1);
    scene.ask();
    scene.number().await;
    assert_eq!((scene.no().await.as_str(), scene.verified()), ("READER-010", 0), "the last try is kept");
    let mut scene = Scene::with(&[NUMBER]).await;
    scene.desk.card.state.lock().unwrap().tries = Some(0);
    scene.ask();
    assert_eq!((scene.no().await.as_str(), scene.verified()), ("AGENT-024", 0), "blocked: nothing is asked");
}

#[tokio::test]
async fn the_pin_is_typed_on_the_readers_own_keys_where_it_has_some() {
    let mut scene = Scene::with(&[NUMBER]).await;
    scene.desk.card.state.lock().unwrap().on_pad = Some(b"1234");
    scene.ask();
    scene.number().await;
    let (path, answer) = scene.next().await;
    assert_eq!((path, &answer["pin"]), (QUESTION_PATH, &json!("pad")));
    assert_eq!(scene.shown().matches("GETPIN").count(), 1, "the number alone");
}

/// A card whose certificate is another than the one that was asked for, or that has no PIN where it lies.
#[tokio::test]
async fn only_the_card_that_was_asked_for_and_in_a_slot_is_used() {
    let mut scene = Scene::with(&[NUMBER, PIN]).await;
    let mut claims = scene.claims();
    claims["card"] = jose::base64url::encode(sha256(b"another")).into();
    let request = scene.desk.sign(&claims);
    scene.questions.take(request, &scene.enrolment).unwrap();
    assert_eq!((scene.no().await.as_str(), scene.verified()), ("READER-006", 0));
    let mut scene = Scene::with(&[NUMBER, PIN]).await;
    scene.desk.card.state.lock().unwrap().interface = Interface::Contactless;
    scene.ask();
    assert_eq!((scene.no().await.as_str(), scene.verified()), ("READER-006", 0));
}

#[tokio::test]
async fn a_window_that_cannot_open_is_told() {
    let mut scene = Scene::with(&["echo 'ERR 83886129 No such device'"]).await;
    scene.ask();
    assert_eq!(scene.no().await, "AGENT-021");
}

#[tokio::test]
async fn the_certificate_of_a_reported_card_is_shown_to_the_server_that_asks() {
    let scene = Scene::with(&[]).await;
    assert_eq!(scene.questions.certificate(sha256(b"certificate")).await, Some(b"certificate".to_vec()));
    assert_eq!(scene.questions.certificate(sha256(b"another")).await, None);
    // While a PIN is being typed the channel goes on with its reports, and the server asks again.
    let _typing = scene.at_the_card.lock().await;
    assert_eq!(scene.questions.certificate(sha256(b"certificate")).await, None);
}
