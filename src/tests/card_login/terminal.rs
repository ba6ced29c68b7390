//! A command at a terminal asks who is there, and what somebody else can do with what it gets.

use super::*;
use crate::agent::checks::Refusal;
use crate::agent::terminal::{Terminal, TerminalError};
use crate::card::protocol::{
    CardRequest, Challenge, RequestKeys, TERMINAL_BEGIN_PATH, TERMINAL_FINISH_PATH, TYP_CARD_REQUEST,
    TYP_TERMINAL_BEGIN, TerminalBegin,
};
use crate::crypto::keys::Algorithm;
use crate::ids::WorkstationId;
use crate::web::language::Language;

impl Workstation {
    /// A terminal of this workstation, on which somebody types 1234.
    fn terminal(&self, hospital: &Hospital, name: &'static str) -> Terminal {
        let script = self._dir.path().join("pinentry");
        std::fs::write(
            &script,
            "echo OK\nwhile IFS= read -r line; do case \"$line\" in GETPIN) printf 'D 1234\\nOK\\n';; *) echo OK;; esac; \
             done\n",
        )
        .unwrap();
        Terminal {
            cards: Arc::new(PkiCard(name)),
            window: PinWindow {
                program: "/bin/sh".into(),
                arguments: vec![script.display().to_string()],
                tty: None,
                tty_type: None,
                reaction: std::time::Duration::ZERO,
                locale: "C.UTF-8".into(),
            },
            language: Language::English,
            clock: Arc::new(hospital.clock.clone()),
            random: Arc::new(SystemRandom),
        }
    }

    /// A card request for a process with that secret.
    async fn begin(&self, hospital: &Hospital, secret: &[u8]) -> (u16, String) {
        let begin = TerminalBegin {
            audience: hospital.front.clone(),
            workstation: self.enrolment.workstation,
            confirmation: sha256(secret),
            issued_at: hospital.clock.now(),
        };
        let jws = jose::sign(&self.enrolment.key, TYP_TERMINAL_BEGIN, &begin.to_payload()).unwrap();
        hospital.say(TERMINAL_BEGIN_PATH, &serde_json::json!({ "jws": jws })).await
    }
}

impl Hospital {
    /// Status, and what stands in `jws` or `code`.
    async fn say(&self, path: &str, body: &serde_json::Value) -> (u16, String) {
        let mut call = Call::get(path, &self.address.to_string());
        call.method = "POST".into();
        call.body = body.to_string().into_bytes();
        let answer = call.send(self.address).await;
        let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let text = said["jws"].as_str().or(said["code"].as_str()).unwrap();
        (answer.status, text.to_owned())
    }

    async fn finish_terminal(&self, answer: &str, secret: &[u8]) -> String {
        let body = serde_json::json!({ "answer": answer, "secret": jose::base64url::encode(secret) });
        self.say(TERMINAL_FINISH_PATH, &body).await.1
    }

    async fn sessions(&self) -> usize {
        let filter = Filter { kind: Some("sign-in".into()), limit: 100, ..Filter::default() };
        let rows = store::audit::list(&self.db, &filter).await.unwrap();
        rows.into_iter().filter(|row| row.detail.contains("\"session\"")).count()
    }
}

#[tokio::test]
async fn a_terminal_learns_who_is_there_and_no_session_begins() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let terminal = workstation.terminal(&hospital, "good");
    let asked = terminal.ask(&workstation.enrolment).await.unwrap();
    assert_eq!(asked.request().rp_name, "Terminal");
    let shown = terminal.look().await.unwrap();
    let identity = terminal.prove(asked, shown, false).await.unwrap();
    assert_eq!(identity.id_nat, card("good").profile.id_nat);
    assert_eq!((identity.acr.as_str(), identity.auth_time), ("eidas3", now()));
    assert!(identity.family_name.is_some());

    let filter = Filter { kind: Some("sign-in".into()), limit: 10, ..Filter::default() };
    let rows = store::audit::list(&hospital.db, &filter).await.unwrap();
    let [row] = &rows[..] else { panic!("one event: {rows:?}") };
    assert_eq!((row.outcome.as_str(), row.person_id.is_some()), ("success", true));
    assert!(row.detail.contains("\"application\":\"Terminal\""), "{}", row.detail);
    assert!(row.detail.contains(&workstation.enrolment.workstation.to_string()), "{}", row.detail);
    assert_eq!(hospital.sessions().await, 0, "nothing that could sign anybody in elsewhere");
}

#[tokio::test]
async fn somebody_who_is_not_admitted_is_not_proved() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "nurse").await;
    let terminal = workstation.terminal(&hospital, "nurse");
    let asked = terminal.ask(&workstation.enrolment).await.unwrap();
    let shown = terminal.look().await.unwrap();
    let error = terminal.prove(asked, shown, false).await.unwrap_err();
    let TerminalError::Agent(AgentError::Refused { code, .. }) = error else { panic!("{error}") };
    assert_eq!(code, "PERSON-001");
    assert_eq!(hospital.refusals().await, ["PERSON-001"]);
}

#[tokio::test]
async fn an_answer_counts_only_with_the_secret_and_once() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let (_, request) = workstation.begin(&hospital, &[7; 32]).await;
    let answer = workstation.forge_for(Purpose::Terminal, &request, "good", |_| {});
    // Who merely sees the answer, or fetched a request of their own, holds another secret.
    assert_eq!(hospital.finish_terminal(&answer, &[8; 32]).await, "CARD-031");
    assert_eq!(hospital.finish_terminal(&answer, &[]).await, "CARD-031");
    let identity = hospital.finish_terminal(&answer, &[7; 32]).await;
    assert!(identity.starts_with("ey"), "{identity}");
    assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, "CARD-005", "once");
}

#[tokio::test]
async fn a_workstation_asks_for_so_many_requests_and_for_one_with_a_secret() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    assert_eq!(workstation.begin(&hospital, &[0; 32]).await.0, 200);
    assert_eq!(workstation.begin(&hospital, &[0; 32]).await.1, "CARD-035");
    for number in 1..8 {
        assert_eq!(workstation.begin(&hospital, &[number; 32]).await.0, 200);
    }
    assert_eq!(workstation.begin(&hospital, &[8; 32]).await, (429, "CARD-034".into()));
    hospital.clock.advance(TimeDelta::minutes(2));
    assert_eq!(workstation.begin(&hospital, &[9; 32]).await.0, 200);
}

#[tokio::test]
async fn of_two_answers_at_once_one_wins() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let (_, request) = workstation.begin(&hospital, &[7; 32]).await;
    let answer = workstation.forge_for(Purpose::Terminal, &request, "good", |_| {});
    let (one, other) = tokio::join!(
        hospital.finish_terminal(&answer, &[7; 32]),
        hospital.finish_terminal(&answer, &[7; 32])
    );
    let won = [&one, &other].into_iter().filter(|said| said.starts_with("ey")).count();
    assert_eq!(won, 1, "{one} {other}");
}

#[tokio::test]
async fn an_answer_for_a_browser_is_none_for_a_terminal_and_the_other_way_round() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.forge(&request, "good", |_| {});
    assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, "CARD-004");

    let (_, request) = workstation.begin(&hospital, &[7; 32]).await;
    let answer = workstation.forge_for(Purpose::Terminal, &request, "good", |_| {});
    assert_eq!(browser.finish(&hospital, &answer).await.code(), Some("CARD-004"));
    // The card was made to sign for a browser.
    let answer = workstation.forge_for(Purpose::Browser, &request, "good", |_| {});
    assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, "CERT-017");
}

#[tokio::test]
async fn what_a_terminal_answers_is_checked_like_any_other_answer() {
    let hospital =
        Hospital::with(|parts| parts.minimum_agent = Some(AgentVersion::parse("0.1.0").unwrap())).await;
    let workstation = Workstation::of(&hospital, "good").await;
    let other = Workstation::of(&hospital, "good").await;
    let (_, request) = workstation.begin(&hospital, &[7; 32]).await;
    let answer = other.forge_for(Purpose::Terminal, &request, "good", |_| {});
    assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, "CARD-032", "another workstation");
    type Change = fn(&mut CardAnswer);
    let changes: [(Change, &str); 4] = [
        (|answer| answer.pin = PinEntry::None, "CARD-015"),
        (|answer| answer.interface = Interface::Contactless, "CARD-015"),
        (|answer| answer.agent_version = AgentVersion::parse("0.0.9").unwrap(), "CARD-014"),
        (|answer| answer.audience = WebOrigin::parse("https://evil.example").unwrap(), "CARD-016"),
    ];
    for (change, code) in changes {
        let answer = workstation.forge_for(Purpose::Terminal, &request, "good", change);
        assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, code);
    }
    let answer = workstation.forge_for(Purpose::Terminal, &request, "revoked", |_| {});
    assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, "CERT-005");
    let answer = workstation.forge_for(Purpose::Terminal, &request, "good", |_| {});
    hospital.clock.advance(TimeDelta::seconds(120));
    assert_eq!(hospital.finish_terminal(&answer, &[7; 32]).await, "CARD-006");
}

#[tokio::test]
async fn only_an_active_workstation_gets_a_request_and_only_now() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let pending =
        Workstation::enrolled_by(&hospital, &hospital.invite(true).await, Arc::new(PkiCard("good"))).await;
    assert_eq!(pending.begin(&hospital, &[7; 32]).await, (403, "CARD-012".to_owned()));
    let begin = |workstation: WorkstationId, at| TerminalBegin {
        audience: hospital.front.clone(),
        workstation,
        confirmation: [7; 32],
        issued_at: at,
    };
    let send = async |begin: TerminalBegin, key: &SigningKey| {
        let jws = jose::sign(key, TYP_TERMINAL_BEGIN, &begin.to_payload()).unwrap();
        hospital.say(TERMINAL_BEGIN_PATH, &serde_json::json!({ "jws": jws })).await.1
    };
    let (id, key, time) = (workstation.enrolment.workstation, &workstation.enrolment.key, now());
    assert_eq!(send(begin(id, time), &pending.enrolment.key).await, "CARD-013");
    assert_eq!(send(begin(id, time - TimeDelta::minutes(11)), key).await, "CARD-033");
    let nobody = WorkstationId::new(time, &SystemRandom);
    assert_eq!(send(begin(nobody, time), key).await, "CARD-010");
    let elsewhere = WebOrigin::parse("https://evil.example").unwrap();
    assert_eq!(send(TerminalBegin { audience: elsewhere, ..begin(id, time) }, key).await, "CARD-016");
}

/// A box between the two hands out a request that the server really issued, to another process.
#[tokio::test]
async fn a_request_of_another_process_is_not_signed() {
    let hospital = Hospital::open().await;
    let workstation = Workstation::of(&hospital, "good").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = WebOrigin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let theirs = |issuer: &WebOrigin| CardRequest {
        issuer: issuer.clone(),
        purpose: Purpose::Terminal,
        challenge: Challenge::new(&SystemRandom),
        nonce: [1; 32],
        issued_at: now(),
        expires_at: now() + TimeDelta::seconds(120),
        rp_name: "Terminal".into(),
        rp_host: "poste-12".into(),
        confirmation: Some(sha256(b"the secret of another process")),
        workstation: None,
        question: None,
    };
    let sign = |request: &CardRequest| jose::sign(&key, TYP_CARD_REQUEST, &request.to_payload()).unwrap();
    let of_another_process = sign(&theirs(&origin));
    let of_another_server = sign(&theirs(&hospital.front));
    let handed_out = Arc::new(std::sync::Mutex::new(vec![of_another_server, of_another_process]));
    let router = axum::Router::new().route(
        TERMINAL_BEGIN_PATH,
        axum::routing::post(move || async move {
            let jws = handed_out.lock().unwrap().pop();
            axum::Json(serde_json::json!({ "jws": jws }))
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let keys = RequestKeys {
        issuer: origin.clone(),
        current: key.public().clone(),
        next: key.public().clone(),
        issued_at: now(),
    };
    let enrolment = Enrolment { origin, keys, ..workstation.enrolment.clone() };
    let terminal = workstation.terminal(&hospital, "good");
    for expected in [Refusal::Confirmation, Refusal::Issuer] {
        let Err(TerminalError::Request(refusal)) = terminal.ask(&enrolment).await else { panic!("asked") };
        assert_eq!(refusal, expected);
    }
}
