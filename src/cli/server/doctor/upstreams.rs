//! Providers of others (`[upstream.…]`): whether each answers with documents of its own, how long the certificate that it is
//! shown is still good, and whether anybody can be asked in its application.

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::Finding;
use crate::app::upstreams::provider;
use crate::clock::{SystemClock, Time};
use crate::config::{Config, Upstream, UpstreamCredential};
use crate::crypto::egress::Egress;
use crate::crypto::x509::anchors;

const CHECK: &str = "providers";
/// A certificate of IGC-Santé takes some weeks to have.
const SOON: TimeDelta = TimeDelta::days(60);

pub(super) async fn examine(config: &Config, offline: bool, now: Time) -> Vec<Finding> {
    let each = config.upstreams.iter().map(async |(name, settings)| {
        let mut findings = certificate(name, settings, now);
        findings.extend(asked(config, name, settings));
        if !offline {
            findings.push(reach(config, name, settings).await);
        }
        findings
    });
    join_all(each).await.into_iter().flatten().collect()
}

fn certificate(name: &str, settings: &Upstream, now: Time) -> Vec<Finding> {
    let UpstreamCredential::Certificate { certificate, .. } = &settings.credential else { return Vec::new() };
    let Ok(end) = anchors::end_of_pem(certificate.as_bytes()) else {
        let advice = "replace upstream.*.client_certificate_file; the server does not start";
        return vec![Finding::fail(CHECK, format!("{name}: the client certificate is none"), advice)];
    };
    let day = end.format("%Y-%m-%d");
    let advice = "order another one, tell the provider, replace both files and restart";
    vec![match end - now {
        left if left <= TimeDelta::zero() => Finding::fail(
            CHECK,
            format!("{name}: the client certificate ended on {day}: nobody gets in by it"),
            advice,
        ),
        left if left < SOON => {
            Finding::warn(CHECK, format!("{name}: the client certificate ends on {day}"), advice)
        }
        _ => Finding::ok(CHECK, format!("{name}: the client certificate is good until {day}")),
    }]
}

/// Whether anybody can be asked in its application.
fn asked(config: &Config, name: &str, settings: &Upstream) -> Option<Finding> {
    (settings.application.is_some() && !config.phone.has_anywhere_to_ask()).then(|| {
        Finding::warn(
            CHECK,
            format!("{name}: ciba is on, and [phone] networks is empty: people are asked in no browser that is new to them"),
            "write the networks of the establishment into [phone] networks; until then its page waits for nobody",
        )
    })
}

/// People sign in by other means all the same: nothing about it is more than a warning.
async fn reach(config: &Config, name: &str, settings: &Upstream) -> Finding {
    // What keeps the client for calls from being made is said with the cards.
    let made = Egress::new(&config.egress)
        .and_then(|egress| provider(config, name, settings, &egress, std::sync::Arc::new(SystemClock)));
    let read = match made {
        Ok(provider) => provider.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match read {
        Ok(()) => Finding::ok(CHECK, format!("{name}: {} answers", settings.issuer)),
        Err(why) => Finding::warn(
            CHECK,
            format!("{name}: {why}"),
            "compare issuer and discovery with what the provider says; is the way there open, is a private address in \
             [egress] allow? Meanwhile its tab says that it does not answer",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::crypto::x509::test_pki::{now, pki};

    async fn found(more: &str, offline: bool, now: Time) -> Vec<(State, String)> {
        let dir = tempfile::tempdir().unwrap();
        let organisation = &pki().organisation("client").unwrap().pair;
        std::fs::write(dir.path().join("c.pem"), organisation.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(dir.path().join("c.key"), organisation.key.private_key_to_pem_pkcs8().unwrap())
            .unwrap();
        let text = format!("[server]\nissuer = \"https://id.example/realm\"\n{more}");
        let config = Config::parse(&text, &dir.path().join("sceau.toml")).unwrap();
        let findings = examine(&config, offline, now).await;
        findings.into_iter().map(|finding| (finding.state, finding.found)).collect()
    }

    #[tokio::test]
    async fn a_provider_that_is_gone_is_a_warning_and_a_certificate_that_ended_a_failure() {
        assert!(found("", false, now()).await.is_empty());
        let psc = "[upstream.psc]\nissuer = \"https://127.0.0.1:9/realm\"\nclient_id = \"h\"\n";
        let secret = format!("{psc}client_secret = \"s\"\n");
        assert!(found(&secret, true, now()).await.is_empty(), "nobody is asked");
        let gone = found(&secret, false, now()).await;
        assert!(matches!(gone.as_slice(), [(State::Warn, said)] if said.starts_with("psc: ")), "{gone:?}");

        let asks = format!("{secret}ciba = true\n");
        let nobody = found(&asks, true, now()).await;
        let [(State::Warn, said)] = nobody.as_slice() else { panic!("{nobody:?}") };
        assert!(said.contains("[phone] networks is empty"), "{said}");
        for place in ["networks = [\"10.0.0.0/8\"]", "anywhere = true"] {
            assert!(found(&format!("{asks}[phone]\n{place}\n"), true, now()).await.is_empty(), "{place}");
        }

        let shown = format!("{psc}client_certificate_file = \"c.pem\"\nclient_key_file = \"c.key\"\n");
        let end = {
            let pem = pki().organisation("client").unwrap().pair.certificate.to_pem().unwrap();
            anchors::end_of_pem(&pem).unwrap()
        };
        for (at, state, said) in [
            (end - TimeDelta::days(100), State::Ok, "is good until"),
            (end - TimeDelta::days(30), State::Warn, "ends on"),
            (end + TimeDelta::days(1), State::Fail, "nobody gets in by it"),
        ] {
            let found = found(&shown, true, at).await;
            assert!(found.len() == 1 && found[0].0 == state && found[0].1.contains(said), "{found:?}");
        }
    }
}
