//! What the program stands on: certificate of the listener, disk, clock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};

use super::cards::Heard;
use super::{Finding, span};
use crate::app;
use crate::clock::Time;
use crate::config::{Config, Handshake};
use crate::crypto::x509::anchors;

/// Certificates are renewed some weeks before their end.
const EARLY: TimeDelta = TimeDelta::days(21);
/// A list, a directory import and the log of SQLite take a few hundred megabytes for a moment.
const LITTLE: u64 = 2 * 1024 * 1024 * 1024;
const TOO_LITTLE: u64 = 256 * 1024 * 1024;
/// Tokens live two minutes, and workstations accept ten.
const CLOCK_WARN: TimeDelta = TimeDelta::seconds(30);
const CLOCK_FAIL: TimeDelta = TimeDelta::minutes(3);

/// `dates`: what other machines' clocks said.
pub(super) fn examine(config: &Config, dates: &[Heard], now: Time) -> Vec<Finding> {
    let mut findings = tls(config, now);
    let mut places = vec![config.server.state_dir.clone()];
    places.extend(config.card.crl_dir.clone());
    findings.extend(disks(&places));
    findings.push(clock(dates, now));
    findings
}

/// The certificates of our own listeners: that of the pages, and those of the hosts which ask for the card's and for those of
/// services.
fn tls(config: &Config, now: Time) -> Vec<Finding> {
    const CHECK: &str = "tls";
    let server = &config.server;
    let mut findings = Vec::new();
    if config.tls.is_none() {
        let in_the_open = server.trusted_proxies.is_empty() && !server.listen.ip().is_loopback();
        findings.push(if in_the_open {
            Finding::fail(
                CHECK,
                format!("{} can be reached by others, without TLS (WEB-021)", server.listen),
                "add a [tls] section, or listen on 127.0.0.1 behind a proxy",
            )
        } else {
            Finding::ok(CHECK, "a proxy's business, or this machine's alone")
        });
    }
    if let Err(error) = app::Certificates::read(config) {
        let found = format!("{error} ({})", error.code());
        findings.push(Finding::fail(CHECK, found, "replace the file"));
        return findings;
    }
    let asking = [
        config.card.tls.as_ref().map(|card| &card.handshake),
        config.oidc.mtls.as_ref().map(|services| &services.handshake),
    ];
    let asking = asking.into_iter().flatten().filter_map(|handshake| match handshake {
        Handshake::Ours(tls) => Some(tls),
        Handshake::Proxies(_) => None,
    });
    let files: BTreeSet<_> = config.tls.iter().chain(asking).map(|tls| &tls.certificate_file).collect();
    findings.extend(files.into_iter().map(|file| match anchors::end_of(file) {
        Ok(until) => {
            let advice = "renew it; the file is read again within a minute";
            Finding::ending(CHECK, &file.display().to_string(), until, EARLY, now, advice)
        }
        Err(reason) => Finding::fail(CHECK, format!("{}: {reason}", file.display()), "replace the file"),
    }));
    findings
}

fn disks(places: &[PathBuf]) -> Vec<Finding> {
    places.iter().filter(|place| place.is_dir()).map(|place| disk(place)).collect()
}

fn disk(place: &Path) -> Finding {
    const CHECK: &str = "disk";
    let advice = "make room: without it nothing can be recorded, and nobody signs in";
    match rustix::fs::statvfs(place) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} MiB free in {}", free / (1024 * 1024), place.display());
            if free < TOO_LITTLE {
                Finding::fail(CHECK, found, advice)
            } else if free < LITTLE {
                Finding::warn(CHECK, found, advice)
            } else {
                Finding::ok(CHECK, found)
            }
        }
        Err(error) => Finding::warn(CHECK, format!("{}: {error}", place.display()), "look at it by hand"),
    }
}

/// The clock beside those of others, by the `Date` of their answers.
fn clock(dates: &[Heard], now: Time) -> Finding {
    const CHECK: &str = "clock";
    let differences = dates.iter().filter_map(|Heard { who, date, at }| {
        let date = DateTime::parse_from_rfc2822(date).ok()?;
        Some(((*at - date.to_utc()).abs(), who))
    });
    // One machine alone may be the one that is wrong: the nearest counts.
    let Some((difference, who)) = differences.min() else {
        return Finding::ok(CHECK, format!("{now}; compared with no other"));
    };
    let found = format!("{} s beside the clock of {who}", difference.num_seconds());
    let advice = "keep it by NTP (systemctl status systemd-timesyncd)";
    if difference > CLOCK_FAIL {
        Finding::fail(CHECK, format!("{found} ({})", span(difference)), advice)
    } else if difference > CLOCK_WARN {
        Finding::warn(CHECK, found, advice)
    } else {
        Finding::ok(CHECK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::clock::{Clock as _, MockClock};

    #[test]
    fn the_clock_is_compared_with_the_nearest_other() {
        let now = MockClock::default().now();
        let date = |seconds| (now - TimeDelta::seconds(seconds)).to_rfc2822().replace("+0000", "GMT");
        let state = |dates: &[i64]| {
            let dates: Vec<_> = dates
                .iter()
                .map(|seconds| Heard { who: "x".into(), date: date(*seconds), at: now })
                .collect();
            clock(&dates, now).state
        };
        assert_eq!(state(&[]), State::Ok);
        assert_eq!(state(&[2]), State::Ok);
        assert_eq!(state(&[60]), State::Warn);
        assert_eq!(state(&[-60]), State::Warn);
        assert_eq!(state(&[600]), State::Fail);
        assert_eq!(state(&[600, 1]), State::Ok, "the other one is wrong");
    }

    #[test]
    fn the_space_left_is_read() {
        let finding = disk(&std::env::temp_dir());
        assert!(finding.found.contains("MiB free in"), "{finding:?}");
        assert_eq!(disk(Path::new("/nonexistent")).state, State::Warn);
    }
}
