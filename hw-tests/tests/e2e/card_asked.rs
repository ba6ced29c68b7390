//! A program asks for its user's card (`channel=CARD` of CIBA), on real parts: it sends what ANS's own code sends, the agent
//! asks for the number and the PIN in its windows, the card in the reader signs, and the program reads its tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::card_out::{OPEN, event};
use crate::harness::hospital::{Hospital, PORT, PinEntry, Setup};
use crate::harness::{run, until};

/// The doctor of the card `good`.
const DOCTOR: &str = "899700366240";
const REALM: &str = "/auth/realms/esante-wallet/protocol/openid-connect";
const WRONG_PIN: &str = "9999";

/// A program of a practice, which shows a number.
struct Software {
    credentials: String,
}

impl Software {
    /// Registered, and linked to the zone of the workstation.
    fn of(hospital: &Hospital) -> Self {
        let said = hospital.sceau(&[
            "client",
            "add",
            "logiciel",
            "--json",
            "--name",
            "Logiciel de cabinet",
            "--ciba",
            "poll",
            "--ciba-card",
            "bureaux",
        ]);
        let registered: Value = serde_json::from_str(&said).unwrap();
        let secret = registered["client_secret"].as_str().unwrap();
        Self { credentials: STANDARD.encode(format!("logiciel:{secret}")) }
    }

    async fn post(&self, path: &str, form: &str) -> (u16, Value) {
        let mut server = TcpStream::connect(("localhost", PORT)).await.unwrap();
        let request = format!(
            "POST {REALM}{path} HTTP/1.1\r\nHost: localhost:{PORT}\r\nAuthorization: Basic {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
            self.credentials,
            form.len()
        );
        server.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
    }

    /// Asks for the doctor and shows 42: the `auth_req_id`. The parameters are those of ANS's own code, no more and no less.
    async fn ask(&self) -> String {
        let form = format!(
            "scope=openid+scope_all&acr_values=eidas1&login_hint={DOCTOR}&binding_message=42&channel=CARD"
        );
        let (status, answer) = self.post("/ext/ciba/auth", &form).await;
        assert_eq!((status, &answer["expires_in"]), (200, &120.into()), "{answer}");
        answer["auth_req_id"].as_str().unwrap().to_owned()
    }

    async fn look(&self, id: &str) -> (u16, Value) {
        let form = format!("grant_type=urn%3Aopenid%3Aparams%3Agrant-type%3Aciba&auth_req_id={id}");
        self.post("/token", &form).await
    }

    /// Looks until somebody has answered, at the pace that it was told.
    async fn answer(&self, id: &str) -> (u16, Value) {
        until("an answer", async || {
            let (status, answer) = self.look(id).await;
            let waits = matches!(answer["error"].as_str(), Some("authorization_pending" | "slow_down"));
            (!waits).then_some((status, answer))
        })
        .await
    }
}

async fn open(cards: &'static [&'static str]) -> (Hospital, Software) {
    let setup = Setup { cards, pin: PinEntry::Terminal, ..Setup::default() };
    let hospital = Hospital::open(setup).await;
    hospital.agent_logs(OPEN).await;
    let software = Software::of(&hospital);
    (hospital, software)
}

/// What is asked for in the window, once it says `text`; windows before it have said `before` so often.
async fn types(hospital: &mut Hospital, text: &str, times: usize, typed: &str) {
    let terminal = hospital.terminal.as_mut().unwrap();
    until(&format!("“{text}” on the terminal"), async || {
        (terminal.text().matches(text).count() >= times).then_some(())
    })
    .await;
    terminal.types(typed);
}

const NUMBER: &str = "Numéro affiché";
const CODE: &str = "Code de la carte";

#[test]
fn the_number_and_the_pin_at_the_reader_give_the_program_its_tokens() {
    isolated(|| {
        run(async {
            let (mut hospital, software) = open(&["good"]).await;
            let id = software.ask().await;
            let pending = software.look(&id).await;
            assert_eq!((pending.0, &pending.1["error"]), (400, &"authorization_pending".into()));
            types(&mut hospital, NUMBER, 1, "42").await;
            // The one who asks, the server, and that it was another program.
            let shown = hospital.terminal.as_ref().unwrap().text();
            for said in
                ["Logiciel de cabinet", "Centre hospitalier de Saint-Aubin", "autre logiciel", "DOC0036624"]
            {
                assert!(shown.contains(said), "{said}: {shown}");
            }
            assert!(!shown.contains(CODE), "no PIN before the number");
            types(&mut hospital, CODE, 1, PIN).await;
            let (status, tokens) = software.answer(&id).await;
            assert_eq!(status, 200, "{tokens}");
            let payload = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
            let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
            assert_eq!((&claims["authMode"], &claims["acr"]), (&"CARD".into(), &"eidas1".into()), "{claims}");
            assert_eq!(claims["SubjectNameID"], DOCTOR, "{claims}");
            assert_eq!(hospital.card().card().presentations(), 1);
            let (status, again) = software.look(&id).await;
            assert_eq!((status, &again["error"]), (400, &"invalid_grant".into()), "once");
            let answered = event(&hospital, "approval").await;
            assert_eq!(
                (&answered["outcome"], &answered["detail"]["acr"]),
                (&"success".into(), &"eidas1".into())
            );
            assert!(!hospital.agent_log().contains(DOCTOR) && !hospital.agent_log().contains("DOC0036624"));
            hospital.sceau(&["audit", "verify"]);
        });
    });
}

#[test]
fn another_number_ends_it_before_a_pin_is_asked_for() {
    isolated(|| {
        run(async {
            let (mut hospital, software) = open(&["good"]).await;
            let id = software.ask().await;
            types(&mut hospital, NUMBER, 1, "24").await;
            let (status, answer) = software.answer(&id).await;
            assert_eq!((status, &answer["error"]), (400, &"access_denied".into()));
            hospital.terminal.as_ref().unwrap().shows("CARD-065").await;
            hospital.told("CARD-065").await;
            assert_eq!(hospital.card().card().presentations(), 0);
            // The next question is another one.
            hospital.terminal.as_mut().unwrap().types("");
            let id = software.ask().await;
            types(&mut hospital, NUMBER, 2, "42").await;
            types(&mut hospital, CODE, 1, PIN).await;
            assert_eq!(software.answer(&id).await.0, 200);
        });
    });
}

#[test]
fn a_wrong_pin_is_asked_for_again_and_a_card_that_is_pulled_ends_it() {
    isolated(|| {
        run(async {
            let (mut hospital, software) = open(&["good"]).await;
            let id = software.ask().await;
            types(&mut hospital, NUMBER, 1, "42").await;
            types(&mut hospital, CODE, 1, WRONG_PIN).await;
            hospital.told("READER-009").await;
            types(&mut hospital, CODE, 2, PIN).await;
            assert_eq!(software.answer(&id).await.0, 200);
            assert_eq!(hospital.card().card().presentations(), 2);

            let id = software.ask().await;
            types(&mut hospital, NUMBER, 2, "42").await;
            let terminal = hospital.terminal.as_ref().unwrap();
            until("the PIN window", async || (terminal.text().matches(CODE).count() >= 3).then_some(()))
                .await;
            hospital.remove();
            let (status, answer) = software.answer(&id).await;
            assert_eq!((status, &answer["error"]), (400, &"access_denied".into()));
            hospital.told("READER-006").await;
        });
    });
}

#[test]
fn nobody_is_asked_with_another_card_or_where_the_program_is_not_linked() {
    isolated(|| {
        run(async {
            let (mut hospital, software) = open(&["good", "nurse"]).await;
            hospital.insert("nurse");
            let id = software.ask().await;
            let (status, pending) = software.look(&id).await;
            assert_eq!((status, &pending["error"]), (400, &"authorization_pending".into()));
            // The doctor comes to the reader within the two minutes.
            assert!(!hospital.terminal.as_ref().unwrap().text().contains("Logiciel"));
            hospital.insert("good");
            types(&mut hospital, NUMBER, 1, "42").await;
            types(&mut hospital, CODE, 1, PIN).await;
            assert_eq!(software.answer(&id).await.0, 200);

            hospital.sceau(&["client", "policy", "logiciel", "--ciba-card", "10.0.0.0/8"]);
            let id = software.ask().await;
            let (status, pending) = software.look(&id).await;
            assert_eq!((status, &pending["error"]), (400, &"authorization_pending".into()));
            assert_eq!(hospital.terminal.as_ref().unwrap().text().matches(NUMBER).count(), 1);
            // Turned off, it is told so.
            hospital.sceau(&["client", "policy", "logiciel"]);
            let form = format!("scope=openid&login_hint={DOCTOR}&binding_message=42&channel=CARD");
            let (status, refused) = software.post("/ext/ciba/auth", &form).await;
            assert_eq!((status, &refused["error"]), (400, &"unauthorized_client".into()));
            hospital.assert_audited("CIBA-032");
        });
    });
}
