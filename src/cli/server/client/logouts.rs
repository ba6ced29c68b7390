//! `sceau client logouts`: which services were told that sessions ended, and which were not, and why.
//!
//! A service that is not told keeps people signed in who have left. What waits is tried again over two days, then given up.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::{Context, Failure, print_json, unknown};
use crate::clock::Time;
use crate::store;
use crate::store::logout_delivery::{self, DeliveryStanding, Reported};

#[derive(Debug, Args)]
pub(in crate::cli::server) struct Logouts {
    /// The client id of one service; without it, all.
    id: Option<String>,
    /// One JSON array instead of lines.
    #[arg(long)]
    json: bool,
}

impl Logouts {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let reported = logout_delivery::report(&context.db, self.id.as_deref()).await?;
        // Of a service that was removed the deliveries stay for their time.
        if let Some(id) = &self.id
            && reported.is_empty()
        {
            store::client::by_id(&context.db, id).await?.ok_or_else(|| unknown(id))?;
        }
        if self.json {
            let shown: Vec<_> = reported.iter().map(Shown::from).collect();
            return print_json(&shown);
        }
        if reported.is_empty() {
            println!("No service was told of the end of a session in the last thirty days, nor had to be.");
        }
        print!("{}", in_lines(&reported));
        Ok(())
    }
}

/// A line per service, and one below it for each reason.
fn in_lines(reported: &[Reported]) -> String {
    let mut out = String::new();
    for of_one in reported.chunk_by(|one, next| one.client_id == next.client_id) {
        let Some(first) = of_one.first() else { continue };
        let count = |standing| -> i64 {
            of_one.iter().filter(|one| one.standing == standing).map(|one| one.count).sum()
        };
        let [delivered, waiting, given_up] =
            [DeliveryStanding::Delivered, DeliveryStanding::Waiting, DeliveryStanding::GivenUp].map(count);
        let _ = writeln!(
            out,
            "{:<24}  delivered {delivered}  waiting {waiting}  given up {given_up}",
            first.client_id
        );
        for one in of_one.iter().filter(|one| !one.reason.is_empty()) {
            let word = if one.standing == DeliveryStanding::GivenUp { "given up" } else { "waiting" };
            let last = one.last.format("%Y-%m-%d %H:%M UTC");
            let _ = writeln!(out, "    {word:<8}  {:>4}  last {last}  {}", one.count, one.reason);
        }
    }
    out
}

/// What `--json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    standing: &'static str,
    reason: &'a str,
    count: i64,
    last_session_ended_at: Time,
}

impl<'a> From<&'a Reported> for Shown<'a> {
    fn from(reported: &'a Reported) -> Self {
        Self {
            client_id: &reported.client_id,
            standing: reported.standing.as_str(),
            reason: &reported.reason,
            count: reported.count,
            last_session_ended_at: reported.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    #[test]
    fn a_line_per_service_and_one_per_reason() {
        let last = MockClock::default().now();
        let one = |client: &str, standing, reason: &str, count| Reported {
            client_id: client.into(),
            standing,
            reason: reason.into(),
            count,
            last,
        };
        let text = in_lines(&[
            one("dpi", DeliveryStanding::Delivered, "", 12),
            one("dpi", DeliveryStanding::GivenUp, "the relying party answered 503 (OIDC-032)", 2),
            one("dpi", DeliveryStanding::Waiting, "not answered (OIDC-036)", 1),
            one("imagerie", DeliveryStanding::Waiting, "", 3),
        ]);
        let lines: Vec<_> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], "dpi delivered 12 waiting 1 given up 2");
        assert!(lines[1].starts_with("given up 2 last ") && lines[1].ends_with("answered 503 (OIDC-032)"));
        assert!(lines[2].starts_with("waiting 1 last ") && lines[2].ends_with("(OIDC-036)"));
        assert_eq!(lines[3], "imagerie delivered 0 waiting 3 given up 0");
    }
}
