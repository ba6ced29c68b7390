//! Authorities, revocation lists with their age, where they come from, OCSP, and the rule for when nothing is known.

use chrono::TimeDelta;

use super::{Finding, span};
use crate::app;
use crate::card::verify::CardVerifier;
use crate::clock::{Clock as _, SystemClock, Time};
use crate::config::{Card, Config, Fallback};
use crate::crypto::egress::Egress;
use crate::crypto::x509::anchors::{AnchorFault, Installed};
use crate::crypto::x509::crl::fetch::Source;
use crate::crypto::x509::crl::{CrlStatus, ListStatus};
use crate::crypto::x509::ocsp::AskError;
use crate::crypto::x509::ocsp::response::{Refusal, ResponseFault};

/// Authorities last for decades, and their successors are announced long before.
const EARLY: TimeDelta = TimeDelta::days(180);

/// What was found, and what the clocks of others said.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    pub(super) dates: Vec<Heard>,
}

/// The `Date` of an answer.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) who: String,
    pub(super) date: String,
    pub(super) at: Time,
}

pub(super) async fn examine(config: &Config, offline: bool, now: Time) -> Examined {
    let mut examined = Examined::default();
    let card = &config.card;
    let Some(anchors) = &card.anchors_dir else {
        let advice = "set card.anchors_dir: certs/README.md";
        let found = "none is installed: nobody signs in with a card";
        examined.findings.push(Finding::warn("authorities", found, advice));
        return examined;
    };
    let verifier = match app::card::verifier(card, anchors, now) {
        Ok(verifier) => verifier,
        Err(error) => {
            let found = format!("{error} ({})", error.code());
            examined.findings.push(Finding::fail("authorities", found, "certs/README.md"));
            return examined;
        }
    };
    let (installed, faults) = verifier.authorities();
    examined.findings.extend(authorities("authorities", &installed, &faults, now));
    examined.findings.extend(lists(card, &verifier, now));
    examined.findings.push(rule(card));
    match Egress::new(&config.egress) {
        _ if offline => {}
        Ok(egress) => {
            sources("list-sources", verifier.named_sources(), &egress, &mut examined).await;
            examined.findings.extend(responder(card, &verifier, &egress).await);
        }
        Err(error) => {
            let found = format!("{error} ({})", error.code());
            examined.findings.push(Finding::fail("egress", found, "install ca-certificates"));
        }
    }
    examined
}

/// The authorities of one use, and the files beside them that are none.
pub(super) fn authorities(
    check: &'static str,
    installed: &[Installed],
    faults: &[AnchorFault],
    now: Time,
) -> Vec<Finding> {
    let advice = "install its successor (certs/README.md)";
    let mut findings: Vec<_> = installed
        .iter()
        .map(|authority| Finding::ending(check, &authority.name, authority.until, EARLY, now, advice))
        .collect();
    let fault = |fault: &AnchorFault| {
        Finding::warn(check, format!("{fault} (CERT-013)"), "replace or remove the file")
    };
    findings.extend(faults.iter().map(fault));
    findings
}

fn lists(card: &Card, verifier: &CardVerifier, now: Time) -> Vec<Finding> {
    const CHECK: &str = "revocation-lists";
    let refuses = card.fallback.all == Fallback::Refuse;
    let Some(dir) = card.crl_dir.as_ref().filter(|dir| dir.is_dir()) else {
        let found = "card.crl_dir is not set, or names no directory";
        let advice = "name a directory that the service can write to";
        return vec![if refuses {
            Finding::fail(CHECK, format!("{found}: cards are refused (CERT-010)"), advice)
        } else {
            Finding::warn(CHECK, found, advice)
        }];
    };
    let files = verifier.revocation_lists();
    let mut findings = file_faults(CHECK, &files);
    let deciding = verifier.deciding_lists();
    findings.extend(deciding.iter().map(|list| list_finding(CHECK, list, now)));
    for issuer in verifier.authorities().0.iter().filter(|authority| !authority.is_root) {
        if deciding.iter().any(|list| list.issuer == issuer.name && !list.is_delta) {
            continue;
        }
        let found = format!("no list of {} in {}", issuer.name, dir.display());
        let advice = "set card.crl_urls, or put the list there: docs/revocation.md";
        findings.push(if refuses {
            Finding::fail(CHECK, format!("{found}: its cards are refused (CERT-010)"), advice)
        } else {
            Finding::warn(CHECK, found, advice)
        });
    }
    findings
}

/// The files that are no list of an authority that is installed.
pub(super) fn file_faults(check: &'static str, files: &[CrlStatus]) -> Vec<Finding> {
    let faulty = files.iter().filter_map(|file| Some((file, file.fault.as_ref()?)));
    faulty
        .map(|(file, fault)| {
            let found = format!("{}: {fault} (CERT-012)", file.path.display());
            Finding::warn(check, found, "remove the file, or mend what fetches it")
        })
        .collect()
}

/// Fails when its time is over, warns in the last fifth of it.
pub(super) fn list_finding(check: &'static str, list: &ListStatus, now: Time) -> Finding {
    let kind = if list.is_delta { "changes to the list" } else { "list" };
    let age = now - list.this_update;
    let what = format!("{kind} of {}, {} old, with {} entries,", list.issuer, span(age), list.entries);
    let early = (list.until - list.this_update) / 5;
    let advice = "look at where it comes from: docs/revocation.md";
    Finding::ending(check, &what, list.until, early, now, advice)
}

/// The rule for when neither list nor responder answers, as it stands in the configuration.
fn rule(card: &Card) -> Finding {
    let fallback = &card.fallback;
    let said = |fallback| match fallback {
        Fallback::Refuse => "refused".to_owned(),
        Fallback::Younger(age) => format!("accepted while the last list is younger than {}", span(age)),
        Fallback::Overdue(grace) => format!("accepted for {} after the end of the list", span(grace)),
        Fallback::Accept => "accepted".to_owned(),
    };
    let kinds = [("CPS", fallback.cps), ("CPF", fallback.cpf), ("CPE", fallback.cpe), ("CPA", fallback.cpa)];
    let mut text = format!("without an answer in its time, cards are {}", said(fallback.all));
    for (name, fallback) in kinds.into_iter().filter_map(|(name, own)| Some((name, own?))) {
        text.push_str(&format!("; {name} are {}", said(fallback)));
    }
    if fallback.all == Fallback::Accept {
        return Finding::warn("revocation-rule", text, "revocation_fallback names an age you can answer for");
    }
    Finding::ok("revocation-rule", text)
}

/// Whether each address of a list answers; nothing is kept.
pub(super) async fn sources(
    check: &'static str,
    sources: Vec<Source>,
    egress: &Egress,
    examined: &mut Examined,
) {
    if sources.is_empty() {
        let found = "no list is fetched: something else has to put them into crl_dir";
        examined.findings.push(Finding::ok(check, found));
    }
    for source in sources {
        match source.probe(egress).await {
            Ok(date) => {
                let at = SystemClock.now();
                let who = source.address.clone();
                examined.dates.extend(date.map(|date| Heard { who, date, at }));
                examined.findings.push(Finding::ok(check, source.address));
            }
            Err(error) => {
                let found = format!("{}: {error} ({})", source.address, error.code());
                let advice = "is it reachable from here? Without the Internet: docs/revocation.md";
                examined.findings.push(Finding::warn(check, found, advice));
            }
        }
    }
}

/// Whether the configured responder answers, asked about a certificate that nobody has.
async fn responder(card: &Card, verifier: &CardVerifier, egress: &Egress) -> Vec<Finding> {
    const CHECK: &str = "ocsp";
    let Some(address) = card.ocsp_url.as_ref().filter(|_| card.ocsp) else {
        let found = if card.ocsp {
            "asked where each card says; name card.ocsp_url to have it tried here"
        } else {
            "not used: lists alone decide"
        };
        return vec![Finding::ok(CHECK, found)];
    };
    let mut findings = Vec::new();
    for (issuer, outcome) in verifier.try_responder(egress, address, SystemClock.now()).await {
        findings.push(match outcome {
            Ok(_) | Err(AskError::Response(ResponseFault::NoAnswer(Refusal::Unauthorized))) => {
                Finding::ok(CHECK, format!("{address} answers for {issuer}"))
            }
            Err(error) => Finding::warn(
                CHECK,
                format!("{address} for {issuer}: {error} ({})", error.code()),
                "is it reachable from here? The list decides meanwhile",
            ),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::clock::MockClock;

    #[test]
    fn a_list_warns_in_the_last_fifth_of_its_time() {
        let now = MockClock::default().now();
        let state = |age| {
            let this_update = now - TimeDelta::hours(age);
            let list = ListStatus {
                issuer: "AC".into(),
                this_update,
                until: this_update + TimeDelta::hours(100),
                entries: 3,
                is_delta: false,
            };
            list_finding("revocation-lists", &list, now).state
        };
        assert_eq!(
            [state(1), state(79), state(80), state(99), state(100)],
            [State::Ok, State::Ok, State::Warn, State::Warn, State::Fail]
        );
    }
}
