//! The server killed in the middle of sign-ins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sceau_hw_tests::isolation::isolated;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::harness::browser::{
    Browser, Tokens, code_of, opens_userinfo, parameter, path_of, request_of, tokens_of,
};
use crate::harness::installation::Installation;
use crate::harness::program::Program;
use crate::harness::run;
use crate::harness::workstation::Workstation;
use crate::http::Answer;

/// Kills the server, and starts it on what it left.
async fn again(server: Program, installation: &Installation) -> Program {
    // Dropping sends SIGKILL.
    drop(server);
    installation.serve().await
}

#[test]
fn every_answer_of_a_sign_in_outlives_the_server_that_gave_it() {
    isolated(|| run(async { killed_after_each_answer(Installation::on_sqlite()).await }));
}

#[test]
fn every_answer_of_a_sign_in_outlives_the_server_on_postgresql_too() {
    isolated(|| run(async { killed_after_each_answer(Installation::on_postgres().await).await }));
}

async fn killed_after_each_answer(installation: Installation) {
    let mut server = installation.serve().await;
    let workstation = installation.workstation().await;
    let mut browser = Browser::default();
    server = again(server, &installation).await;
    let page = path_of(&browser.authorize("").await);
    server = again(server, &installation).await;
    let request = request_of(&browser.open(&page).await);
    server = again(server, &installation).await;
    let answer = workstation.answer(&request).await;
    assert_eq!(browser.finish(&answer).await.status, 200);
    server = again(server, &installation).await;
    let mut as_it_was = browser.clone();
    let code = code_of(&browser.open(&page).await);
    server = again(server, &installation).await;
    let first = tokens_of(&installation.redeem(&code).await);
    server = again(server, &installation).await;
    assert!(opens_userinfo(&first).await);
    let second = tokens_of(&installation.refresh(&first.refresh).await);
    server = again(server, &installation).await;
    assert!(opens_userinfo(&second).await);
    code_of(&browser.authorize("none").await);

    // What was used up is used up.
    assert_eq!(as_it_was.finish(&answer).await.code(), Some("CARD-005"));
    assert_eq!(parameter(&as_it_was.open(&page).await, "code"), None);
    assert!(refused(&installation.refresh(&first.refresh).await), "a refresh token that was used");
    server = again(server, &installation).await;
    assert!(!opens_userinfo(&second).await, "its reuse ended the grant");
    assert!(refused(&installation.redeem(&code).await), "a code that was redeemed");

    for (kind, times) in [("sign-in", 1), ("code.issued", 1), ("token.issued", 1), ("token.refreshed", 1)] {
        assert_eq!(installation.events(kind).len(), times, "{kind}");
    }
    assert!(server.stop().await.success());
    installation.assert_audit_verifies();
}

/// Where somebody stands: what they were answered last.
#[derive(Debug, Clone)]
enum Held {
    Nothing,
    /// The address of the sign-in page.
    Page(String),
    /// The card request of the page, answered by the agent; the server has not said yes to it.
    Answer(String, String),
    /// A session.
    Session(String),
    Code(String),
    Tokens(Tokens),
}

/// How often each answer was given that the audit has to know.
#[derive(Debug, Default)]
struct Answered {
    all: AtomicUsize,
    sign_ins: AtomicUsize,
    codes: AtomicUsize,
    tokens: AtomicUsize,
}

/// Somebody who signs in.
struct Visitor {
    browser: Browser,
    workstation: Workstation,
    held: Held,
}

impl Visitor {
    /// Asks for the next thing. False where the server went away before it answered.
    async fn go_on(&mut self, installation: &Installation, answered: &Answered) -> bool {
        let next = match &self.held {
            Held::Nothing => self.browser.try_authorize().await.map(|answer| Held::Page(path_of(&answer))),
            Held::Page(page) => match self.browser.try_open(page).await {
                Some(shown) => {
                    let answer = self.workstation.answer(&request_of(&shown)).await;
                    Some(Held::Answer(page.clone(), answer))
                }
                None => None,
            },
            Held::Answer(page, answer) => match self.browser.try_finish(answer).await {
                Some(finished) => {
                    assert_eq!(finished.status, 200, "{finished:?}");
                    answered.sign_ins.fetch_add(1, Ordering::Relaxed);
                    Some(Held::Session(page.clone()))
                }
                None => None,
            },
            Held::Session(page) => match self.browser.try_open(page).await {
                Some(answer) => {
                    answered.codes.fetch_add(1, Ordering::Relaxed);
                    Some(Held::Code(code_of(&answer)))
                }
                None => None,
            },
            Held::Code(code) => match installation.try_redeem(code).await {
                Some(answer) => {
                    answered.tokens.fetch_add(1, Ordering::Relaxed);
                    Some(Held::Tokens(tokens_of(&answer)))
                }
                None => None,
            },
            Held::Tokens(_) => Some(Held::Nothing),
        };
        let Some(next) = next else { return false };
        if matches!(next, Held::Nothing) {
            self.browser = Browser::default();
        } else {
            answered.all.fetch_add(1, Ordering::Relaxed);
        }
        self.held = next;
        true
    }

    /// Looks for what it holds. What it had asked for when the server went away may have happened or not.
    async fn look_back(&mut self, installation: &Installation) {
        match self.held.clone() {
            Held::Nothing => {}
            Held::Page(page) => {
                request_of(&self.browser.open(&page).await);
            }
            Held::Answer(_, answer) => {
                let finished = self.browser.finish(&answer).await;
                assert!(finished.status == 200 || finished.code() == Some("CARD-005"), "{finished:?}");
            }
            Held::Session(page) => {
                let answer = self.browser.open(&page).await;
                assert!(parameter(&answer, "code").is_some() || answer.status == 400, "{answer:?}");
                code_of(&self.browser.authorize("none").await);
            }
            Held::Code(code) => {
                let answer = installation.redeem(&code).await;
                assert!(answer.status == 200 || refused(&answer), "{answer:?}");
                code_of(&self.browser.authorize("none").await);
            }
            Held::Tokens(tokens) => {
                assert!(opens_userinfo(&tokens).await);
                code_of(&self.browser.authorize("none").await);
            }
        }
        self.held = Held::Nothing;
        self.browser = Browser::default();
    }
}

#[test]
fn a_server_killed_among_many_sign_ins_keeps_what_it_answered() {
    const VISITORS: usize = 8;
    isolated(|| {
        run(async {
            let installation = Arc::new(Installation::on_sqlite());
            let mut server = installation.serve().await;
            let mut visitors = Vec::new();
            for _ in 0..VISITORS {
                let workstation = installation.workstation().await;
                visitors.push(Visitor { browser: Browser::default(), workstation, held: Held::Nothing });
            }
            let answered = Arc::new(Answered::default());
            // Other moments each time: there are five steps, and eight visitors.
            for answers in [13, 37, 58, 91] {
                let until = answered.all.load(Ordering::Relaxed) + answers;
                let enough = Arc::new(Notify::new());
                let mut going = JoinSet::new();
                for mut visitor in visitors.drain(..) {
                    let (installation, answered) = (Arc::clone(&installation), Arc::clone(&answered));
                    let enough = Arc::clone(&enough);
                    going.spawn(async move {
                        while visitor.go_on(&installation, &answered).await {
                            if answered.all.load(Ordering::Relaxed) >= until {
                                enough.notify_one();
                            }
                        }
                        visitor
                    });
                }
                enough.notified().await;
                drop(server);
                visitors = going.join_all().await;
                server = installation.serve().await;
                for visitor in &mut visitors {
                    visitor.look_back(&installation).await;
                }
            }
            for (kind, number) in [
                ("sign-in", &answered.sign_ins),
                ("code.issued", &answered.codes),
                ("token.issued", &answered.tokens),
            ] {
                let recorded = installation.events(kind).len();
                assert!(recorded >= number.load(Ordering::Relaxed), "{kind}: {recorded}, {answered:?}");
            }
            assert!(server.stop().await.success());
            installation.assert_audit_verifies();
        });
    });
}

/// The token endpoint refused what was sent.
fn refused(answer: &Answer) -> bool {
    answer.status == 400 && answer.body.contains("invalid_grant")
}
