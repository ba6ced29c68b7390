//! State directory, seal key, database, signing keys, audit, directory of professionals.

use std::path::Path;

use chrono::TimeDelta;

use super::{Finding, span};
use crate::app;
use crate::clock::Time;
use crate::config::{Config, Database};
use crate::crypto::sealed::SealKey;
use crate::store::audit::Filter;
use crate::store::signing_key::{Purpose, State};
use crate::store::{self, Db};

/// A running server gives every event its place within a second.
const UNSEALED: TimeDelta = TimeDelta::minutes(5);
/// The national directory appears every day; a month is late for people who have left.
const OLD_DIRECTORY: TimeDelta = TimeDelta::days(35);
/// The rotation is looked at every hour.
const LATE_ROTATION: TimeDelta = TimeDelta::days(1);

pub(super) async fn examine(config: &Config, now: Time) -> Vec<Finding> {
    let mut findings = vec![state_dir(&config.server.state_dir)];
    if let Database::Sqlite(path) = &config.database
        && !path.exists()
    {
        let key = config.server.seal_key_path();
        findings.push(if key.exists() { seal_key(config) } else { not_made("seal-key", &key) });
        findings.push(not_made("database", path));
        return findings;
    }
    findings.push(seal_key(config));
    match app::open_as_it_is(config).await {
        Ok(db) => {
            findings.extend(database(config, &db, now).await);
            db.close().await;
        }
        Err(error) => {
            let found = format!("{error} ({})", error.code());
            findings.push(Finding::fail("database", found, "docs/errors.md says what the code means"));
        }
    }
    findings
}

/// A file that `sceau init` makes.
fn not_made(check: &'static str, path: &Path) -> Finding {
    let advice = "run `sceau init`; if there was an installation here, restore database and seal key from their backup";
    Finding::fail(check, format!("{} is not there", path.display()), advice)
}

fn state_dir(dir: &Path) -> Finding {
    const CHECK: &str = "state-directory";
    let shown = dir.display().to_string();
    let metadata = match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return Finding::fail(CHECK, format!("{shown} is no directory"), "name another"),
        Err(error) => return Finding::fail(CHECK, format!("{shown}: {error}"), "run `sceau init`"),
    };
    if is_open_to_others(&metadata) {
        let advice = format!("chmod 700 {shown}");
        return Finding::warn(CHECK, format!("{shown} can be read by others on this machine"), advice);
    }
    Finding::ok(CHECK, shown)
}

#[cfg(unix)]
fn is_open_to_others(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &std::fs::Metadata) -> bool {
    false
}

fn seal_key(config: &Config) -> Finding {
    let path = config.server.seal_key_path();
    match SealKey::read(&path) {
        Ok(_) => Finding::ok("seal-key", path.display().to_string()),
        Err(error) => Finding::fail(
            "seal-key",
            format!("{error} ({})", error.code()),
            "restore it from its backup; a new one cannot open what is sealed",
        ),
    }
}

async fn database(config: &Config, db: &Db, now: Time) -> Vec<Finding> {
    let kind = match &config.database {
        Database::Sqlite(path) => format!("SQLite, {}", path.display()),
        Database::Postgres(_) => "PostgreSQL".to_owned(),
    };
    let mut findings = Vec::new();
    match db.ping().await {
        Ok(()) => findings.push(Finding::ok("database", kind)),
        Err(error) => {
            let found = format!("{kind}: {error} ({})", error.code());
            findings.push(Finding::fail("database", found, "docs/errors.md says what the code means"));
            return findings;
        }
    }
    findings.push(keys(config, db, now).await);
    findings.push(audit(config, db, now).await);
    findings.push(directory(db, now).await);
    findings
}

async fn keys(config: &Config, db: &Db, now: Time) -> Finding {
    const CHECK: &str = "signing-keys";
    let mut oldest = None;
    for purpose in Purpose::ALL {
        let stored = match store::signing_key::of(db, purpose).await {
            Ok(stored) => stored,
            Err(error) => return Finding::fail(CHECK, error.to_string(), "look at the database first"),
        };
        // It is made by the first server that wakes phones.
        if purpose == Purpose::WebPush && stored.is_empty() {
            continue;
        }
        for (state, word) in [(State::Current, "signs"), (State::Next, "is to sign next")] {
            if !stored.iter().any(|key| key.state == state) {
                let found = format!("no key for {} {word}", purpose.as_str());
                return Finding::fail(CHECK, found, "run `sceau init` with the same configuration");
            }
        }
        let current = stored.iter().filter(|key| key.state == State::Current);
        oldest =
            oldest.into_iter().chain(current.map(|key| key.current_since.unwrap_or(key.created_at))).min();
    }
    let age = oldest.map(|since| now - since).unwrap_or_default();
    let found = format!("the oldest has signed for {}", span(age));
    if config.keys.rotation.is_some_and(|rotation| age > rotation + LATE_ROTATION) {
        let advice = "the server rotates them by itself: does it run? Or `sceau keys rotate`";
        return Finding::warn(CHECK, found, advice);
    }
    Finding::ok(CHECK, found)
}

async fn audit(config: &Config, db: &Db, now: Time) -> Finding {
    const CHECK: &str = "audit";
    let tail = store::audit::tail(db, &config.server.node).await;
    let newest = store::audit::list(db, &Filter { limit: 1, ..Filter::default() }).await;
    let (tail, newest) = match (tail, newest) {
        (Ok(tail), Ok(newest)) => (tail, newest),
        (Err(error), _) | (_, Err(error)) => {
            return Finding::fail(CHECK, error.to_string(), "look at the database first");
        }
    };
    if let Some(event) = newest.first().filter(|event| event.at > now + UNSEALED) {
        let found = format!("the newest event is of {}, which is still to come", event.at);
        return Finding::fail(CHECK, found, "the clock was set back, or is another node's: compare them");
    }
    match tail {
        (count, Some(since)) if now - since > UNSEALED => Finding::warn(
            CHECK,
            format!("{count} events have waited for their place in the chain since {since}"),
            format!("a server named {:?} gives it to them: does it run?", config.server.node),
        ),
        _ => Finding::ok(CHECK, "every event has its place in the chain"),
    }
}

async fn directory(db: &Db, now: Time) -> Finding {
    const CHECK: &str = "directory";
    match store::directory::current(db).await {
        Ok(None) => Finding::warn(
            CHECK,
            "the national directory was never imported",
            "`sceau directory import`, unless all of your staff is entered by hand",
        ),
        Ok(Some(generation)) => {
            let age = now - generation.started_at;
            let found = format!("{} professionals, imported {} ago", generation.person_count, span(age));
            if age > OLD_DIRECTORY {
                return Finding::warn(CHECK, found, "import it again: people have left since");
            }
            Finding::ok(CHECK, found)
        }
        Err(error) => Finding::fail(CHECK, error.to_string(), "look at the database first"),
    }
}
