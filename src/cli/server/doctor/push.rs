//! Waking phones: whether the push services that are called by name answer, and how many phones are woken.

use futures_util::future::join_all;

use super::Finding;
use crate::app;
use crate::config::{Config, Push, PushService};
use crate::crypto::egress::Egress;
use crate::store;

const CHECK: &str = "phone-push";

pub(super) async fn examine(config: &Config, offline: bool) -> Vec<Finding> {
    if !config.phone.enabled {
        return Vec::new();
    }
    let Some(push) = &config.phone.push else {
        return vec![Finding::ok(CHECK, "off: nothing wakes a phone, whose person opens the application")];
    };
    let mut findings = vec![woken(config, push).await];
    // What keeps the client for calls from being made is said with the cards.
    if !offline && let Ok(egress) = Egress::new(&config.egress) {
        let named = push.services.iter().filter_map(|service| Some((service, service.address()?)));
        findings.extend(join_all(named.map(|(service, address)| reach(&egress, service, address))).await);
    }
    findings
}

/// A database that cannot be opened is told elsewhere.
async fn woken(config: &Config, push: &Push) -> Finding {
    let services = push.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let count = match app::open_as_it_is(config).await {
        Ok(db) => {
            let count = store::push_subscription::count(&db).await.ok();
            db.close().await;
            count
        }
        Err(_) => None,
    };
    let phones = count.map(|count| format!("{count} phones are woken, ")).unwrap_or_default();
    Finding::ok(CHECK, format!("{phones}by {services}"))
}

/// Whether it answers at all: to what is no message of ours it says no.
async fn reach(egress: &Egress, service: &PushService, address: String) -> Finding {
    match egress.fetch(&address).await {
        Ok(_) => Finding::ok(CHECK, format!("{service} answers")),
        // People sign in all the same.
        Err(error) => Finding::warn(
            CHECK,
            format!("{service} is not reached ({})", error.code()),
            "open the way there, or take it out of phone.push.hosts; meanwhile people open the application",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[tokio::test]
    async fn a_push_service_that_is_not_reached_is_a_warning_for_people_sign_in_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let found = async |more: &str, offline| {
            let text = format!("[server]\nissuer = \"https://id.example/realm\"\n{more}");
            let config = Config::parse(&text, &dir.path().join("sceau.toml")).unwrap();
            let findings = examine(&config, offline).await;
            findings.into_iter().map(|finding| (finding.state, finding.found)).collect::<Vec<_>>()
        };
        assert!(found("", false).await.is_empty());
        let phones = "[phone]\nenabled = true\n";
        let off = found(phones, false).await;
        assert!(off.len() == 1 && off[0].0 == State::Ok && off[0].1.contains("off"), "{off:?}");
        let push = "[phone.push]\nenabled = true\nhosts = [\"localhost:8443\", \"*.push.example\"]\n";
        let on = found(&format!("{phones}{push}"), false).await;
        let [(State::Ok, all), (State::Warn, one)] = on.as_slice() else { panic!("{on:?}") };
        assert_eq!(all, "by localhost:8443, *.push.example");
        assert_eq!(one, "localhost:8443 is not reached (OIDC-035)", "this machine is no push service");
        assert_eq!(found(&format!("{phones}{push}"), true).await.len(), 1);
    }
}
