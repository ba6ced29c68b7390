//! Programs without a browser that ask people on their phone (CIBA), at a whole `sceau serve`: npm's `openid-client` by polling
//! and by ping, and a client of Pro Santé Connect as its authors wrote it, byte for byte. The phone is a real Chromium.

use std::process::Command;

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{Hospital, ISSUER};
use crate::harness::{node, run};
use crate::phones::{DOCTOR, Phone, hospital, pair};
use crate::security_keys::to_means;

/// Where a program listens that is told of answers.
const TOLD_AT: u16 = 8085;

/// A program that may ask.
#[derive(Clone)]
struct Asking {
    id: &'static str,
    secret: String,
    is_told: bool,
}

impl Asking {
    /// Registers it, as an administrator does.
    fn register(hospital: &Hospital, id: &'static str, name: &str, is_told: bool) -> Self {
        let (mode, address) = ("ping", format!("http://127.0.0.1:{TOLD_AT}/answered"));
        let arguments = ["client", "add", id, "--json", "--name", name, "--ciba"];
        let how = if is_told { vec![mode, "--ciba-endpoint", &address] } else { vec!["poll"] };
        let said: Value = serde_json::from_str(&hospital.sceau(&[&arguments[..], &how].concat())).unwrap();
        Self { id, secret: said["client_secret"].as_str().unwrap().to_owned(), is_told }
    }

    /// Asks for the doctor, who is to type `digits`, and waits for what comes of it, while the test goes on.
    fn asks(&self, digits: &str, more: &Value) -> JoinHandle<Value> {
        let mut question = json!({
            "scope": "openid scope_all", "acr_values": "eidas1", "login_hint": DOCTOR, "binding_message": digits,
        });
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (own, question) = (self.clone(), question.to_string());
        spawn_blocking(move || {
            let port = TOLD_AT.to_string();
            let mut environment = vec![
                ("ISSUER", ISSUER),
                ("CLIENT_ID", own.id),
                ("CLIENT_SECRET", &own.secret),
                ("QUESTION", &question),
            ];
            if own.is_told {
                environment.push(("PORT", &port));
            }
            node::scenario("asks", &environment)
        })
    }
}

/// What `openid-client` reports of a question to which the person said no.
fn refused(error: &str) -> Value {
    json!({ "error": error, "status": 400 })
}

/// Signs in with the card and pairs a phone.
async fn paired(desk: &Browser) -> Phone {
    let phone = Phone::start(FRENCH).await;
    to_means(desk).await;
    pair(desk, &phone, "").await;
    phone
}

impl Phone {
    /// Opens what `application` asks and types the digits of another screen.
    async fn types(&self, application: &str, digits: &str) {
        self.open_waiting_of(application).await;
        self.browser.says("phone-program").await;
        self.browser.write("#phone-digits", digits).await;
        self.browser.press("phone-approve").await;
    }
}

#[test]
fn openid_client_polls_and_is_told_while_a_person_answers_on_their_phone() {
    isolated(|| {
        run(async {
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            let phone = paired(&desk).await;
            let practice = Asking::register(&hospital, "cabinet", "Logiciel du cabinet", false);
            let pharmacy = Asking::register(&hospital, "officine", "Logiciel d’officine", true);
            let tokens = json!({
                "SubjectNameID": DOCTOR, "authMode": "MOBILE", "acr": "eidas1", "userinfo": DOCTOR,
            });

            // By polling: the digits of the program are typed on the phone.
            let asked = practice.asks("42", &json!({}));
            phone.open_waiting_of("Logiciel du cabinet").await;
            phone.browser.says("phone-program").await;
            phone.browser.says("phone-type").await;
            phone.browser.picture("program-1-question-fr").await;
            phone.browser.write("#phone-digits", "42").await;
            phone.browser.press("phone-approve").await;
            phone.browser.says("phone-approved").await;
            let said = asked.await.unwrap();
            assert_eq!((&said["tokens"], &said["refused"]), (&tokens, &Value::Null), "{said:#}");
            assert_eq!(said["expires_in"], 120);

            // By being told: it fetches its tokens once.
            let asked = pharmacy.asks("07", &json!({}));
            phone.types("Logiciel d’officine", "07").await;
            phone.browser.says("phone-approved").await;
            let said = asked.await.unwrap();
            let told = json!({
                "method": "POST", "bearer": true, "type": "application/json", "body": ["auth_req_id"], "same": true,
            });
            assert_eq!((&said["told"], &said["tokens"], &said["looks"]), (&told, &tokens, &json!(1)));
            hospital.assert_audited("backchannel.notified");

            // Other digits: there is one try. And "no".
            let asked = practice.asks("42", &json!({}));
            phone.types("Logiciel du cabinet", "24").await;
            phone.browser.shows_error("PHONE-014").await;
            assert_eq!(asked.await.unwrap()["refused"], refused("access_denied"));
            let asked = pharmacy.asks("42", &json!({}));
            phone.open_waiting_of("Logiciel d’officine").await;
            phone.browser.press("phone-refuse").await;
            phone.browser.says("phone-refused").await;
            let said = asked.await.unwrap();
            assert_eq!((&said["told"], &said["refused"]), (&told, &refused("access_denied")), "{said:#}");
        });
    });
}

/// A stranger's program asks for somebody whose own program asks at the same time.
#[test]
fn what_another_program_asks_is_shown_as_its_own_and_gets_nothing() {
    isolated(|| {
        run(async {
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            let phone = paired(&desk).await;
            let own = Asking::register(&hospital, "cabinet", "Logiciel du cabinet", false);
            let stranger = Asking::register(&hospital, "intrus", "Logiciel d’un inconnu", false);
            let (mine, theirs) = (own.asks("42", &json!({})), stranger.asks("17", &json!({})));
            phone.browser.shows("Logiciel du cabinet").await;
            phone.browser.shows("Logiciel d’un inconnu").await;
            phone.browser.picture("program-2-two-wait-fr").await;
            // Whoever takes the one for the other types the digits of their own screen: that is worth nothing to the stranger.
            phone.types("Logiciel d’un inconnu", "42").await;
            phone.browser.shows_error("PHONE-014").await;
            assert_eq!(theirs.await.unwrap()["refused"], refused("access_denied"));
            phone.types("Logiciel du cabinet", "42").await;
            phone.browser.says("phone-approved").await;
            assert_eq!(mine.await.unwrap()["tokens"]["SubjectNameID"], DOCTOR);

            // "It was not me": the question dies, and nobody's reaches the phone for a day. It looks like every other.
            let asked = stranger.asks("17", &json!({}));
            phone.open_waiting_of("Logiciel d’un inconnu").await;
            phone.browser.press("phone-not-me").await;
            phone.browser.says("phone-guarded").await;
            assert_eq!(asked.await.unwrap()["refused"], refused("access_denied"));
            let asked = stranger.asks("17", &json!({ "requested_expiry": "3" }));
            assert_eq!(asked.await.unwrap()["refused"], refused("expired_token"));
            phone.browser.press("phone-home").await;
            phone.browser.says("phone-nothing").await;

            // A flood makes the program wait that floods, and writes no book of it.
            let wire = Wire { secret: stranger.secret.clone(), id: stranger.id };
            let sent = format!("scope=openid&login_hint={DOCTOR}&binding_message=17");
            let answers: Vec<_> = (0..12).map(|_| wire.post("ext/ciba/auth", &sent)).collect();
            let last = answers.last().unwrap();
            assert_eq!((last.status, last.body["error"].as_str()), (429, Some("access_denied")));
            assert!(last.head.to_lowercase().contains("retry-after: "), "{}", last.head);
            let asked = hospital
                .audit()
                .into_iter()
                .filter(|event| event["kind"] == "backchannel.asked" && event["client_id"] == stranger.id);
            assert!(asked.count() < 8, "{:#?}", hospital.audit());
        });
    });
}

/// A program that speaks by `curl`: what goes over the wire is what stands here.
struct Wire {
    id: &'static str,
    secret: String,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Wire {
    fn post(&self, path: &str, form: &str) -> Answer {
        let address = format!("{ISSUER}/protocol/openid-connect/{path}");
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--include",
                "--user",
                &format!("{}:{}", self.id, self.secret),
            ])
            .args(["--data-raw", form, &address])
            .output()
            .expect("curl is missing: run `make setup`");
        let said = String::from_utf8(output.stdout).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {said}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}"));
        Answer { status, head: head.to_owned(), body }
    }
}

/// Parameter by parameter what the code of the agency sends (EDC), `channel` and two digits among them, and the answers that
/// it reads.
#[test]
fn a_client_of_pro_sante_connect_asks_unchanged() {
    isolated(|| {
        run(async {
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;
            let phone = paired(&desk).await;
            let Asking { id, secret, .. } = Asking::register(&hospital, "edc", "Logiciel métier", false);
            let wire = Wire { id, secret };
            let sent = |digits: &str| {
                format!(
                    "scope=openid%20scope_all&acr_values=eidas1&login_hint={DOCTOR}&binding_message={digits}\
                     &channel=MOBILE"
                )
            };
            let asked = wire.post("ext/ciba/auth", &sent("07"));
            assert_eq!(asked.status, 200, "{}", asked.body);
            assert_eq!((&asked.body["expires_in"], asked.body["interval"].is_number()), (&json!(120), true));
            let auth_req_id = asked.body["auth_req_id"].as_str().unwrap();
            let poll = format!("grant_type=urn:openid:params:grant-type:ciba&auth_req_id={auth_req_id}");
            let look = || wire.post("token", &poll);
            let pending = look();
            let words =
                "The authorization request is still pending as the end-user hasn't yet been authenticated.";
            let expected = json!({ "error": "authorization_pending", "error_description": words });
            assert_eq!((pending.status, pending.body), (400, expected));

            phone.open_waiting_of("Logiciel métier").await;
            phone.browser.write("#phone-digits", "07").await;
            phone.browser.picture("program-3-two-digits-fr").await;
            phone.browser.press("phone-approve").await;
            phone.browser.says("phone-approved").await;
            let tokens =
                crate::harness::until("tokens", async || Some(look()).filter(|said| said.status == 200));
            let tokens = tokens.await.body;
            let members: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
            for member in [
                "access_token",
                "expires_in",
                "refresh_expires_in",
                "refresh_token",
                "token_type",
                "id_token",
                "not-before-policy",
                "session_state",
                "scope",
            ] {
                assert!(members.contains(&member), "{member} is not among {members:?}");
            }
            assert_eq!(tokens["scope"], "openid scope_all");
            let again = look();
            assert_eq!((again.status, again.body["error"].as_str()), (400, Some("invalid_grant")));

            // What it is told where it asks wrongly.
            for (form, status, error, words) in [
                (
                    sent("07").replace("login_hint", "other"),
                    400,
                    "invalid_request",
                    "missing parameter : login_hint",
                ),
                (
                    sent("7"),
                    400,
                    "invalid_binding_message",
                    "binding_message must be 2 digits, which the person types",
                ),
                (sent("07").replace("MOBILE", "SMS"), 400, "invalid_request", ""),
            ] {
                let said = wire.post("ext/ciba/auth", &form);
                assert_eq!(
                    (said.status, said.body["error"].as_str()),
                    (status, Some(error)),
                    "{form}: {}",
                    said.body
                );
                assert!(said.body["error_description"].as_str().unwrap().starts_with(words), "{}", said.body);
            }
            // An administrator takes the right away, and gives it back.
            let administrator = |more: &str| hospital.sceau(&["client", "ciba", "edc", more]);
            administrator("--off");
            let refused = wire.post("ext/ciba/auth", &sent("07"));
            assert_eq!((refused.status, refused.body["error"].as_str()), (400, Some("unauthorized_client")));
            administrator("poll");
            assert_eq!(wire.post("ext/ciba/auth", &sent("07")).status, 200);

            let unknown =
                wire.post("token", "grant_type=urn:openid:params:grant-type:ciba&auth_req_id=nothing");
            assert_eq!((unknown.status, unknown.body["error"].as_str()), (400, Some("invalid_grant")));
        });
    });
}
