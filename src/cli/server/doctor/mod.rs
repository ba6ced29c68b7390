//! `sceau doctor`: what is wrong with the installation, or soon will be, and what to do about it.
//!
//! What an administrator gets: one line for each thing that a sign-in hangs on, from the configuration to the disk, each
//! `ok`, `warn` or `FAIL`; the ends of certificates and lists with their dates; and whether what is called outside
//! answers. It may run beside a server, and changes nothing: no database is made or brought up to date. Status 1 where
//! something fails, so that monitoring can run it; `--json` for programs.

mod cards;
mod delegation;
mod installation;
mod mail;
mod push;
mod security_keys;
mod services;
mod surroundings;
mod upstreams;

use std::path::Path;

use chrono::TimeDelta;
use serde::Serialize;

use super::Failure;
use crate::clock::{Clock as _, SystemClock, Time};
use crate::config::Config;

/// Arguments of `sceau doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Call nobody: neither servers of revocation lists nor OCSP responders.
    #[arg(long)]
    offline: bool,
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, and will not for long, or not as it should.
    Warn,
    /// People cannot sign in, or must not.
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Fail, found: found.into(), advice: Some(advice.into()) }
    }

    /// Of what ends at `until`: fails from then on, warns for `early` before.
    fn ending(
        check: &'static str,
        what: &str,
        until: Time,
        early: TimeDelta,
        now: Time,
        advice: &str,
    ) -> Self {
        let day = until.format("%Y-%m-%d %H:%M");
        if until <= now {
            Self::fail(check, format!("{what} ended on {day} UTC"), advice)
        } else if until - early <= now {
            Self::warn(check, format!("{what} ends on {day} UTC, in {}", span(until - now)), advice)
        } else {
            Self::ok(check, format!("{what} is good until {day} UTC"))
        }
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    version: &'static str,
    at: Time,
    state: State,
    checks: &'a [Finding],
}

impl Doctor {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let now = SystemClock.now();
        let findings = match Config::read(path) {
            Ok(config) => self.examine(path, &config, now).await,
            Err(error) => {
                let advice = "mend the lines that are named; nothing else can be looked at before";
                vec![Finding::fail("configuration", error.to_string(), advice)]
            }
        };
        let state = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
        if self.json {
            let report = Report { version: env!("CARGO_PKG_VERSION"), at: now, state, checks: &findings };
            let json = serde_json::to_string_pretty(&report);
            println!("{}", json.map_err(|error| Failure::plain(error.to_string()))?);
        } else {
            print!("{}", text(&findings));
        }
        let failed = findings.iter().filter(|finding| finding.state == State::Fail).count();
        match failed {
            0 => Ok(()),
            _ => Err(Failure::plain(format!("{failed} of {} checks failed", findings.len()))),
        }
    }

    async fn examine(&self, path: &Path, config: &Config, now: Time) -> Vec<Finding> {
        let mut findings = vec![Finding::ok("configuration", path.display().to_string())];
        findings.extend(installation::examine(config, now).await);
        findings.extend(security_keys::examine(config, now).await);
        let outside = cards::examine(config, self.offline, now).await;
        let services = services::examine(config, self.offline, now).await;
        let dates: Vec<_> = outside.dates.into_iter().chain(services.dates).collect();
        findings.extend(outside.findings);
        findings.extend(services.findings);
        findings.extend(mail::examine(config, self.offline, now).await);
        findings.extend(push::examine(config, self.offline).await);
        findings.extend(delegation::examine(config).await);
        findings.extend(upstreams::examine(config, self.offline, now).await);
        findings.extend(surroundings::examine(config, &dates, now));
        findings
    }
}

fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { check, state, found, advice } in findings {
        let word = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        text.push_str(&format!("{word}  {check:width$}  {found}\n"));
        if let Some(advice) = advice {
            text.push_str(&format!("      {:width$}  -> {advice}\n", ""));
        }
    }
    text
}

/// A span as people say it, in its largest unit.
fn span(span: TimeDelta) -> String {
    let minutes = span.num_minutes().max(0);
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MockClock;

    #[test]
    fn each_line_says_how_it_stands_and_what_to_do() {
        let findings =
            [Finding::ok("database", "SQLite"), Finding::fail("revocation-lists", "too old", "mend it")];
        assert_eq!(
            text(&findings),
            "ok    database          SQLite\nFAIL  revocation-lists  too old\n                        -> mend it\n"
        );
    }

    #[test]
    fn what_ends_warns_before_it_fails() {
        let now = MockClock::default().now();
        let state = |days| {
            let until = now + TimeDelta::days(days);
            Finding::ending("tls", "it", until, TimeDelta::days(30), now, "renew it").state
        };
        assert_eq!(
            [state(31), state(30), state(1), state(0), state(-1)],
            [State::Ok, State::Warn, State::Warn, State::Fail, State::Fail]
        );
        assert!(State::Fail > State::Warn && State::Warn > State::Ok);
    }

    #[test]
    fn spans_are_said_in_their_largest_unit() {
        let said = [5, 119, 120, 2_879, 2_880, 100_000].map(|minutes| span(TimeDelta::minutes(minutes)));
        assert_eq!(said, ["5 min", "119 min", "2 h", "47 h", "2 d", "69 d"]);
    }
}
