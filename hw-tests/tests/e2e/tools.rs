//! The tools that the other tests rely on do what they are taken for. When one of these fails, look here first.

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, ENGLISH, FRENCH, Settings};
use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::terminal::Terminal;

async fn page(html: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(move |headers: axum::http::HeaderMap| async move {
        let language = headers["accept-language"].to_str().unwrap().to_owned();
        axum::response::Html(html.replace("LANGUAGE", &language))
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

#[test]
fn the_browser_has_a_language_and_may_be_without_scripts_and_popups() {
    isolated(|| {
        run(async {
            let address = page("<p>LANGUAGE</p><script>document.write('<b>script</b>')</script>").await;
            let french = Browser::start(FRENCH).await;
            french.open(&address).await;
            let text = french.text().await;
            assert!(text.starts_with("fr") && text.contains("script"), "{text}");
            drop(french);

            let plain = Browser::start(Settings { scripts: false, popups: false, ..ENGLISH }).await;
            plain.open(&address).await;
            let text = plain.text().await;
            assert!(text.starts_with("en") && !text.contains("script"), "{text}");
        });
    });
}

#[test]
fn the_browser_follows_a_popup() {
    isolated(|| {
        run(async {
            let address = page("<button onclick=\"open('/other', 'other', 'popup,width=400,height=400')\">Open</button><a href='javascript:close()'>Close</a>").await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&address).await;
            let first = browser.window().await;
            browser.click("button").await;
            browser.follow_popup(&first).await;
            browser.is_at(&format!("{address}other")).await;
            browser.click("a").await;
            browser.popup_closed(&first).await;
            browser.is_at(&address).await;
        });
    });
}

/// `pinentry-tty` on a terminal of ours, spoken to by hand: it shows, it reads, it does not echo.
#[test]
fn the_terminal_answers_a_real_pinentry() {
    isolated(|| {
        run(async {
            use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
            let mut terminal = Terminal::open();
            let mut pinentry = tokio::process::Command::new("pinentry-tty")
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("pinentry-tty is missing: run `make setup`");
            let mut answers = BufReader::new(pinentry.stdout.take().unwrap()).lines();
            assert!(answers.next_line().await.unwrap().unwrap().starts_with("OK"));
            let mut to = pinentry.stdin.take().unwrap();
            let option = format!("OPTION ttyname={}", terminal.path().display());
            for line in [option.as_str(), "SETDESC The card of somebody", "SETPROMPT Code"] {
                to.write_all(format!("{line}\n").as_bytes()).await.unwrap();
                assert_eq!(answers.next_line().await.unwrap().unwrap(), "OK");
            }
            to.write_all(b"GETPIN\n").await.unwrap();
            terminal.shows("The card of somebody").await;
            terminal.shows("Code").await;
            terminal.types("1234");
            assert_eq!(answers.next_line().await.unwrap().unwrap(), "D 1234");
            assert!(!terminal.text().contains("1234"));
        });
    });
}

#[test]
fn postgresql_starts_inside() {
    isolated(|| {
        run(async {
            let postgres = Postgres::start().await;
            assert!(postgres.address().starts_with("postgres://"));
        });
    });
}
