//! The makers of security keys, and the metadata of their models.

use chrono::TimeDelta;

use super::Finding;
use crate::app;
use crate::clock::Time;
use crate::config::Config;
use crate::webauthn::models::Models;

/// Authorities of makers last for decades.
const EARLY: TimeDelta = TimeDelta::days(180);
/// The FIDO Alliance publishes about every month, and an older document is one that nobody fetches.
const SOON: TimeDelta = TimeDelta::days(3);

pub(super) async fn examine(config: &Config, now: Time) -> Vec<Finding> {
    if !config.security_keys.enabled {
        return Vec::new();
    }
    let models = match app::security_keys::models(config) {
        Ok(models) => models,
        Err(error) => {
            let found = format!("{error} ({})", error.code());
            return vec![Finding::fail(
                "key-makers",
                found,
                "docs/webauthn.md: the server does not start so",
            )];
        }
    };
    let mut findings = makers(&models, now);
    if models.source().is_some() {
        findings.push(metadata(config, &models, now).await);
    }
    findings
}

fn makers(models: &Models, now: Time) -> Vec<Finding> {
    const CHECK: &str = "key-makers";
    let makers = models.makers();
    let installed = makers.installed().into_iter();
    let mut findings: Vec<_> = installed
        .map(|(name, until)| Finding::ending(CHECK, &name, until, EARLY, now, "install its successor"))
        .collect();
    let faults = makers.faults().iter();
    findings.extend(
        faults.map(|fault| Finding::warn(CHECK, format!("{fault} (CONF-028)"), "replace or remove the file")),
    );
    findings
}

/// What the database keeps; a file, where there is one, is read as the server would.
async fn metadata(config: &Config, models: &Models, now: Time) -> Finding {
    const CHECK: &str = "key-metadata";
    let advice = "replace metadata_file, or look whether metadata_url answers: docs/webauthn.md";
    let db = match app::open_as_it_is(config).await {
        Ok(db) => db,
        Err(error) => return Finding::fail(CHECK, error.to_string(), "look at the database first"),
    };
    let read = models.preview(&db, now).await;
    db.close().await;
    if let Err(error) = read {
        return Finding::warn(CHECK, format!("{error} ({})", error.code()), advice);
    }
    let Some(metadata) = models.metadata() else {
        let found = "there was never any (KEY-026)";
        return match models.refuses(now) {
            true => Finding::fail(CHECK, format!("{found}: keys are refused"), advice),
            false => Finding::warn(CHECK, found, advice),
        };
    };
    let what = format!("number {}, of {} models,", metadata.number, metadata.len());
    let finding = Finding::ending(CHECK, &what, metadata.until(), SOON, now, advice);
    match metadata.until() <= now && !models.refuses(now) {
        true => Finding::warn(CHECK, finding.found, advice),
        false => finding,
    }
}
