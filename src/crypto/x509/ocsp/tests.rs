//! The client against responders on loopback: one of OpenSSL's command line, and hostile ones.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use http::StatusCode;
use sceau_certs::{Options, Pki};

use super::test_responder::{Behaviour, Responder as TestResponder, Said, Template, refusal};
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Destination};
use crate::crypto::x509::anchors::Anchors;
use crate::crypto::x509::chain;
use crate::crypto::x509::crl::CrlSet;
use crate::crypto::x509::revocation::{Fallback, RevocationEvidence, judge, revokes};
use crate::crypto::x509::test_pki::{anchors, authentication, now, pki};

fn egress() -> Egress {
    let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
    Egress::new(&config::Egress { allow }).unwrap()
}

fn answers(address: &str) -> Answers {
    Answers::new(OcspSettings { address: Some(address.to_owned()), ..OcspSettings::default() })
}

fn path(name: &str) -> VerifiedPath {
    chain::verify(&anchors(), &authentication(name), now()).unwrap()
}

fn nothing_is_revoked(_: &IssuerId, _: &[u8]) -> bool {
    false
}

/// Asks about what is due; the codes of what failed.
async fn run(answers: &Answers, at: DateTime<Utc>) -> Vec<Result<Status, &'static str>> {
    let asked = answers.run(&egress(), &nothing_is_revoked, at).await;
    asked
        .into_iter()
        .map(|asked| asked.outcome.map(|(answer, _)| answer.status).map_err(|error| error.code()))
        .collect()
}

#[tokio::test]
async fn a_card_that_was_shown_is_asked_about_and_the_answer_kept() {
    let responder = TestResponder::open(Behaviour::Answer(Template::about("good").to_der())).await;
    let answers = answers(&responder.address);
    assert_eq!(answers.of(&path("good")).unwrap(), None);
    assert!(run(&answers, now()).await.is_empty(), "nobody was shown");
    assert!(answers.want(&path("good"), now()).unwrap());
    assert_eq!(responder.asked(), 0, "a note alone calls nobody");
    assert_eq!(run(&answers, now()).await, [Ok(Status::Good)]);
    assert_eq!(answers.of(&path("good")).unwrap().unwrap().this_update, now());
    answers.want(&path("good"), now()).unwrap();
    assert!(run(&answers, now()).await.is_empty(), "what was answered is not asked again at once");
    assert_eq!(
        run(&answers, now() + LONGEST_PAUSE).await,
        [Ok(Status::Good)],
        "but while it may have a session"
    );
    assert!(run(&answers, now() + WANTED).await.is_empty(), "and not for ever");
    assert_eq!(responder.asked(), 2);
    // The next morning its holder inserts it again: the workstation says which card it is, and the answer is there
    // before the PIN.
    let morning = now() + TimeDelta::hours(20);
    let fingerprint = sha256(&authentication("good"));
    assert!(answers.want_known(&fingerprint, morning));
    assert_eq!(run(&answers, morning).await, [Err("CERT-021")], "the answer of yesterday is past its time");
    assert!(!answers.want_known(&sha256(&authentication("nurse")), morning), "never shown here");
}

#[tokio::test]
async fn the_responder_is_the_cards_own_unless_another_is_configured() {
    let own = Answers::new(OcspSettings::default());
    own.want(&path("good"), now()).unwrap();
    let address = own.due(now()).pop().unwrap().2;
    assert_eq!(address, "http://ocsp.esante.gouv.fr");
    let off = Answers::new(OcspSettings { enabled: false, ..OcspSettings::default() });
    assert!(!off.want(&path("good"), now()).unwrap());
    // A machine behind the server is not called, whoever names it.
    let closed = Egress::new(&config::Egress::default()).unwrap();
    let inside = answers("http://127.0.0.1:9/ocsp");
    inside.want(&path("good"), now()).unwrap();
    let asked = inside.run(&closed, &nothing_is_revoked, now()).await;
    assert_eq!(asked[0].outcome.as_ref().unwrap_err().code(), "OIDC-035");
}

#[tokio::test]
async fn a_responder_that_fails_or_lies_gives_no_answer_and_is_left_alone_for_a_while() {
    let wrong_key = crate::crypto::x509::test_pki::card("nurse").authentication.key.clone();
    let old =
        Template { this_update: now() - TimeDelta::days(9), next_update: None, ..Template::about("good") };
    for (what, behaviour, code) in [
        (
            "wrong key",
            Behaviour::Answer(Template { key: wrong_key, ..Template::about("good") }.to_der()),
            "CERT-021",
        ),
        ("stale", Behaviour::Answer(old.to_der()), "CERT-021"),
        ("another card", Behaviour::Answer(Template::about("nurse").to_der()), "CERT-021"),
        ("try later", Behaviour::Answer(refusal(3)), "CERT-021"),
        ("a page", Behaviour::Answer(b"<html></html>".to_vec()), "CERT-021"),
        ("nothing", Behaviour::Answer(Vec::new()), "CERT-021"),
        ("oversized", Behaviour::Answer(vec![0x30; 1024 * 1024]), "OIDC-037"),
        ("out of order", Behaviour::Status(StatusCode::BAD_GATEWAY), "CERT-021"),
        ("elsewhere", Behaviour::Status(StatusCode::FOUND), "CERT-021"),
    ] {
        let responder = TestResponder::open(behaviour).await;
        let answers = answers(&responder.address);
        answers.want(&path("good"), now()).unwrap();
        assert_eq!(run(&answers, now()).await, [Err(code)], "{what}");
        assert_eq!(answers.of(&path("good")).unwrap(), None, "{what}");
        answers.want(&path("nurse"), now()).unwrap();
        assert!(run(&answers, now()).await.is_empty(), "{what}: it rests, for other cards too");
        let [status] = answers.status().1.try_into().unwrap();
        assert_eq!((status.failures, status.last_success), (1, None), "{what}");

        responder.now_does(Behaviour::Answer(Template::about("good").to_der()));
        let at = now() + FIRST_REST;
        assert!(run(&answers, at).await.contains(&Ok(Status::Good)), "{what}: it is well again");
    }
    assert_eq!(
        (rest(1), rest(2), rest(3), rest(40)),
        (FIRST_REST, FIRST_REST * 2, FIRST_REST * 4, LONGEST_REST)
    );
}

#[tokio::test(start_paused = true)]
async fn a_responder_that_never_answers_is_given_up() {
    let responder = TestResponder::open(Behaviour::Slow).await;
    let answers = answers(&responder.address);
    answers.want(&path("good"), now()).unwrap();
    assert_eq!(run(&answers, now()).await, [Err("OIDC-036")]);
}

/// Somebody on the way kept the answer from before the card was reported.
#[tokio::test]
async fn an_older_answer_does_not_replace_a_newer_one() {
    let revoked = Template { said: Said::Revoked(Some(1)), ..Template::about("good") };
    let responder = TestResponder::open(Behaviour::Answer(revoked.to_der())).await;
    let answers = answers(&responder.address);
    answers.want(&path("good"), now()).unwrap();
    assert_eq!(run(&answers, now()).await, [Ok(Status::Revoked { on_hold: false })]);
    let before = Template { this_update: now() - TimeDelta::hours(1), ..Template::about("good") };
    responder.now_does(Behaviour::Answer(before.to_der()));
    assert_eq!(run(&answers, now() + LONGEST_PAUSE).await, [Err("CERT-021")]);
    let is_kept = || answers.of(&path("good")).unwrap().unwrap().status == Status::Revoked { on_hold: false };
    assert!(is_kept());
    // Nor does a responder that has lost its memory.
    let later = now() + LONGEST_PAUSE + FIRST_REST;
    let lost = Template { said: Said::Unknown, this_update: later, ..Template::about("good") };
    responder.now_does(Behaviour::Answer(lost.to_der()));
    assert_eq!(run(&answers, later).await, [Ok(Status::Unknown)]);
    assert!(is_kept());
}

/// Cards that get no answer, however many, keep no other card from its own.
#[tokio::test]
async fn whoever_has_waited_longest_is_asked_about_first() {
    let responder = TestResponder::open(Behaviour::Answer(Template::about("good").to_der())).await;
    let answers = answers(&responder.address);
    answers.want(&path("good"), now()).unwrap();
    {
        let mut known = answers.known();
        let issuer = known.cards.first_key_value().unwrap().0.0;
        for number in 1..=20_u64 {
            let card = Card {
                address: responder.address.clone(),
                answer: None,
                not_after: now() + TimeDelta::days(365),
                wanted_until: now() + WANTED,
                next_attempt: now() - TimeDelta::seconds(1),
            };
            known.cards.insert((issuer, number.to_be_bytes().to_vec()), card);
        }
    }
    let first = run(&answers, now()).await;
    assert!(first.len() == AT_ONCE && first.iter().all(Result::is_err), "{first:?}");
    let mut later = run(&answers, now() + LONGEST_REST).await;
    later.extend(run(&answers, now() + LONGEST_REST * 2).await);
    assert!(later.contains(&Ok(Status::Good)), "{later:?}");
}

#[test]
fn only_so_many_cards_are_remembered() {
    let answers = answers("http://x/");
    answers.want(&path("good"), now()).unwrap();
    {
        let mut known = answers.known();
        let issuer = known.cards.first_key_value().unwrap().0.0;
        for number in 1..MOST_CARDS {
            let card = Card {
                address: String::new(),
                answer: None,
                not_after: now() + TimeDelta::days(365),
                wanted_until: now() + WANTED,
                next_attempt: now(),
            };
            known.cards.insert((issuer, number.to_be_bytes().to_vec()), card);
        }
    }
    assert!(!answers.want(&path("nurse"), now()).unwrap());
    assert!(answers.want(&path("good"), now()).unwrap(), "what is known stays so");
    let later = now() + WANTED;
    answers.want(&path("good"), later).unwrap();
    assert!(answers.want(&path("nurse"), later).unwrap(), "who was not shown for long makes room");
    assert_eq!(answers.status().0, 2);
}

/// Lists and answers together, in every combination that the manual names.
#[tokio::test]
async fn list_and_answer_decide_together() {
    let said = async |template: Template| {
        let responder = TestResponder::open(Behaviour::Answer(template.to_der())).await;
        let answers = answers(&responder.address);
        answers.want(&path("good"), now()).unwrap();
        run(&answers, now()).await;
        answers
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("persons.crl"), &pki().crls.persons).unwrap();
    let lists = CrlSet::load(dir.path(), &anchors(), now());
    let silent = answers("http://x/");
    let good = said(Template::about("good")).await;
    let unknown = said(Template { said: Said::Unknown, ..Template::about("good") }).await;
    let revoked = said(Template { said: Said::Revoked(None), ..Template::about("good") }).await;
    let hold = Template { said: Said::Revoked(Some(6)), ..Template::about("good") };
    let before = now() - TimeDelta::hours(1);
    let held = said(hold.clone()).await;
    let held_before = said(Template { this_update: before, ..hold }).await;

    let verdict = |lists: &CrlSet, answers: &Answers, fallback, at| {
        judge(lists, answers, &path("good"), fallback, at).map_err(|error| error.code())
    };
    let fresh = Ok(RevocationEvidence::Good { as_of: now() });
    let none = CrlSet::none();
    for (what, lists, answers, expected) in [
        ("list alone", &lists, &silent, fresh),
        ("answer alone", &none, &good, fresh),
        ("both", &lists, &good, fresh),
        ("nobody", &none, &silent, Err("CERT-010")),
        ("a responder that does not know is no answer", &none, &unknown, Err("CERT-010")),
        ("the list answers for it", &lists, &unknown, fresh),
        ("whoever says revoked is believed", &lists, &revoked, Err("CERT-005")),
        ("on hold is revoked", &lists, &held, Err("CERT-005")),
        ("a later list ends a hold", &lists, &held_before, fresh),
        ("nothing ends it but a list", &none, &held_before, Err("CERT-005")),
    ] {
        assert_eq!(verdict(lists, answers, Fallback::Refuse, now()), expected, "{what}");
    }
    // A session that was begun before is judged alike.
    let issuer = issuer_id(&pki().persons.certificate).unwrap();
    let serial = path("good").leaf.serial_number().to_bn().unwrap().to_vec();
    for (what, lists, answers, expected) in [
        ("nobody says so", &lists, &good, false),
        ("revoked", &lists, &revoked, true),
        ("on hold", &lists, &held, true),
        ("a later list ends a hold", &lists, &held_before, false),
        ("nothing ends it but a list", &none, &held_before, true),
    ] {
        assert_eq!(revokes(lists, answers, &issuer, &serial), expected, "{what}");
    }
    // Past the list's week and the answer's twelve hours.
    let (day, late) = (now() + TimeDelta::days(1), now() + TimeDelta::days(8));
    assert_eq!(verdict(&none, &good, Fallback::Refuse, day), Err("CERT-011"));
    let two_days = Fallback::Younger(TimeDelta::days(2));
    assert_eq!(verdict(&none, &good, two_days, day), Ok(RevocationEvidence::Stale { as_of: now() }));
    assert_eq!(verdict(&none, &good, two_days, day + TimeDelta::days(1)), Err("CERT-011"));
    assert_eq!(verdict(&lists, &good, Fallback::Refuse, day), fresh, "the list is in its time");
    assert_eq!(verdict(&lists, &silent, two_days, late), Err("CERT-011"));
    assert_eq!(verdict(&lists, &revoked, Fallback::Accept, late), Err("CERT-005"), "for ever");
}

/// `openssl ocsp` answering over HTTP. It can only listen on all addresses; it answers a few questions and ends.
struct OpenSsl {
    child: Child,
    port: u16,
    /// It goes on writing there.
    _said: BufReader<ChildStdout>,
}

impl OpenSsl {
    fn open(pki: &Pki, dir: &std::path::Path, questions: u32) -> Self {
        let place = dir.join("pki");
        pki.write_to(&place).unwrap();
        let mut child = Command::new("openssl")
            .args(["ocsp", "-port", "0", "-nmin", "30", "-nrequest", &questions.to_string(), "-index"])
            .arg(place.join("ocsp/index.txt"))
            .arg("-CA")
            .arg(place.join("authorities/persons.crt"))
            .arg("-rsigner")
            .arg(place.join("ocsp/responder.crt"))
            .arg("-rkey")
            .arg(place.join("ocsp/responder.key"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is missing: run `make setup`");
        let (mut said, mut output) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        output.read_line(&mut said).unwrap();
        let port = said.split_whitespace().nth(1).and_then(|address| address.rsplit(':').next());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("openssl said {said:?}"));
        Self { child, port, _said: output }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test]
async fn openssls_own_responder_is_understood() {
    // Its clock is the computer's.
    let now = SystemClock.now();
    let pki = Pki::generate(now, &Options::only(&["good", "revoked"])).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let openssl = OpenSsl::open(&pki, dir.path(), 3);
    let anchors = Anchors::load(&dir.path().join("pki/anchors")).unwrap();
    let answers = answers(&format!("http://127.0.0.1:{}", openssl.port));
    let path = |name: &str| {
        let der = pki.card(name).unwrap().authentication.certificate.to_der().unwrap();
        chain::verify(&anchors, &der, now).unwrap()
    };
    for name in ["good", "revoked"] {
        answers.want(&path(name), now).unwrap();
        // One after the other: it serves one connection at a time.
        let asked = answers.run(&egress(), &nothing_is_revoked, SystemClock.now()).await;
        assert!(asked.iter().all(|asked| asked.outcome.is_ok()), "{asked:?}");
    }
    let status = |name: &str| answers.of(&path(name)).unwrap().unwrap().status;
    assert_eq!(status("good"), Status::Good);
    assert_eq!(status("revoked"), Status::Revoked { on_hold: false });
    // A certificate that is not in its register.
    let question = Question::new(&pki.persons.certificate, &[0x42; 16]).unwrap();
    let address = format!("http://127.0.0.1:{}", openssl.port);
    let answer = answers.ask(&egress(), &question, &address, &nothing_is_revoked, SystemClock.now()).await;
    assert_eq!(answer.unwrap().status, Status::Unknown);
}
