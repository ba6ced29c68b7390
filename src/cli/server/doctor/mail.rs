//! Notices by mail: whether the server is reached, protects the connection and takes our password; and what waits.

use chrono::TimeDelta;

use super::Finding;
use crate::app;
use crate::clock::Time;
use crate::config::{Config, Mail, MailTls};
use crate::notify::SendError;
use crate::store;

const SERVER: &str = "mail-server";
const QUEUE: &str = "mail-queue";
/// How long a notice may wait before somebody should look.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

pub(super) async fn examine(config: &Config, offline: bool, now: Time) -> Vec<Finding> {
    let Some(mail) = &config.mail else {
        return vec![Finding::ok(SERVER, "none is configured: nobody is told what happens to their means")];
    };
    let mut findings = vec![server(config, mail, offline).await];
    findings.extend(queue(config, now).await);
    findings
}

async fn server(config: &Config, mail: &Mail, offline: bool) -> Finding {
    let named = format!("{}:{}", mail.server, mail.port);
    let opened = app::mail::letterhead(config, mail).and_then(|_| app::mail::server(config, mail));
    let smtp = match opened {
        Ok(smtp) => smtp,
        Err(error) => {
            let found = format!("{error} ({})", error.code());
            return Finding::fail(SERVER, found, "mend it; the server does not start");
        }
    };
    if offline {
        return Finding::ok(SERVER, format!("{named}, not asked"));
    }
    let protection = match mail.tls {
        MailTls::StartTls => "STARTTLS",
        MailTls::Implicit => "TLS",
        MailTls::Plain => "no TLS, on this machine",
    };
    let user = if mail.user.is_some() { "user and password taken" } else { "no user" };
    match smtp.try_connection().await {
        Ok(()) => Finding::ok(SERVER, format!("{named} answers: {protection}, {user}")),
        Err(error) => {
            let advice = match error {
                SendError::Tls => {
                    "compare its certificate with mail.server and mail.ca_file; tls = \"implicit\" for port 465"
                }
                SendError::Authentication => "compare mail.user and mail.password_file with its accounts",
                _ => "compare mail.server and mail.port; is the way there open?",
            };
            // People sign in all the same.
            Finding::warn(SERVER, format!("{named}: {error} ({})", error.code()), advice)
        }
    }
}

/// A database that cannot be opened is told elsewhere.
async fn queue(config: &Config, now: Time) -> Option<Finding> {
    let db = app::open_as_it_is(config).await.ok()?;
    let waiting = store::notice::waiting(&db).await;
    db.close().await;
    let waiting = waiting.ok()?;
    Some(match waiting.since {
        None => Finding::ok(QUEUE, "nothing waits"),
        Some(since) if now - since < PATIENCE => Finding::ok(QUEUE, format!("{} waiting", waiting.count)),
        Some(since) => Finding::warn(
            QUEUE,
            format!("{} waiting, the oldest since {}", waiting.count, since.format("%Y-%m-%d %H:%M UTC")),
            "each is given up after a day (MAIL-007): look at mail-server above, then `sceau mail retry`",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    #[tokio::test]
    async fn a_mail_server_that_is_not_there_is_a_warning_and_a_wrong_authority_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let now = MockClock::default().now();
        let found = async |more: &str, offline| {
            let text = format!("[server]\nissuer = \"https://id.example/realm\"\n{more}");
            let config = Config::parse(&text, &dir.path().join("sceau.toml")).unwrap();
            let findings = examine(&config, offline, now).await;
            (findings[0].state, findings[0].found.clone())
        };
        assert_eq!(found("", false).await.0, State::Ok);
        let mail = format!(
            "[mail]\nserver = \"127.0.0.1\"\nport = {port}\nfrom = \"a@chu.example\"\ncontact = \"b@chu.example\"\n"
        );
        let (state, text) = found(&mail, false).await;
        assert!(state == State::Warn && text.contains("MAIL-001"), "{text}");
        assert_eq!(found(&mail, true).await.0, State::Ok);
        let (state, text) = found(&format!("{mail}ca_file = \"none.pem\"\n"), false).await;
        assert!(state == State::Fail && text.contains("MAIL-008"), "{text}");
        let (state, text) = found(&mail.replace("a@chu", "a@@chu"), false).await;
        assert!(state == State::Fail && text.contains("MAIL-009"), "{text}");
    }
}
