//! What several commands read from the command line or print.

use std::io::{self, Write as _};
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::Failure;
use crate::clock::Time;

/// A moment as people type it: a date, a time with its zone, or so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Exactly then.
    At(Time),
    /// So long before now.
    Ago(TimeDelta),
}

impl Moment {
    /// The moment, seen from `now`.
    pub(super) fn at(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::Ago(delta) => now - delta,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(time.with_timezone(&Utc)));
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::At(date.and_time(NaiveTime::MIN).and_utc()));
        }
        let ago = text.strip_suffix(['m', 'h', 'd']).and_then(|number| {
            let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
            match text.as_bytes().last()? {
                b'm' => TimeDelta::try_minutes(number),
                b'h' => TimeDelta::try_hours(number),
                _ => TimeDelta::try_days(number),
            }
        });
        ago.filter(|ago| *ago < TimeDelta::days(36_500)).map(Self::Ago).ok_or_else(|| {
            "write a date (2026-11-21, midnight UTC), a time with its zone (2026-11-21T08:00:00+01:00), or how long \
             ago: 30m, 24h, 7d"
                .to_owned()
        })
    }
}

/// Text from the database for a terminal: without control characters, which could rewrite the screen.
pub(super) fn cell(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// Prints rows under a line of headings, each column as wide as its widest cell. The cells are [`cell`]s.
pub(super) fn table(headings: &[&str], rows: impl Iterator<Item = Vec<String>>) -> io::Result<()> {
    let mut lines = vec![headings.iter().map(|heading| (*heading).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows);
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let width = |line: &Vec<String>| line.get(column).map_or(0, |cell| cell.chars().count());
            lines.iter().map(width).max().unwrap_or_default()
        })
        .collect();
    let mut out = io::stdout().lock();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Who runs the command, for the audit.
pub(super) fn actor() -> String {
    actor_in(|name| std::env::var(name).ok())
}

/// The same, by what the environment says: whoever called `sudo` goes before the user that it became.
fn actor_in(variable: impl Fn(&str) -> Option<String>) -> String {
    let named = |name| variable(name).filter(|user| !user.is_empty());
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(named);
    format!("command line: {}", user.as_deref().unwrap_or("unknown user"))
}

/// The end of printing: whoever closes the pipe (`| head`) has seen enough.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::plain(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    #[test]
    fn whoever_runs_a_command_is_named_even_where_the_environment_says_nothing() {
        let actor = |variables: &[(&str, &str)]| {
            actor_in(|name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, user)| (*user).to_owned())
            })
        };
        assert_eq!(actor(&[("USER", "root"), ("SUDO_USER", "camille")]), "command line: camille");
        assert_eq!(actor(&[("USER", ""), ("LOGNAME", "camille")]), "command line: camille");
        assert_eq!(actor(&[]), "command line: unknown user");
    }

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let now = MockClock::default().now();
        let at = |text: &str| text.parse::<Moment>().map(|moment| moment.at(now).to_rfc3339());
        assert_eq!(at("2026-11-20").unwrap(), "2026-11-20T00:00:00+00:00");
        assert_eq!(at("2026-11-20T08:00:00+01:00").unwrap(), "2026-11-20T07:00:00+00:00");
        assert_eq!(at("36h").unwrap(), "2026-11-20T00:00:00+00:00");
        for wrong in ["", "yesterday", "7", "d", "-1h", "99999999999999999d", "7é"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_cannot_rewrite_the_terminal() {
        assert_eq!(cell("a\u{1b}[2Jb\n"), "a\u{FFFD}[2Jb\u{FFFD}");
    }
}
